//! A channel on one thread: its connections there, and the events that they have yet to hear.
//!
//! Most connections hear one channel alone. Those need no queue of their own for what it says: the room keeps one log
//! for all of them, and each remembers how far it has heard. A flush puts the log together once for each form of frames
//! and hands the same bytes to every socket. Whoever hears several channels is handed each event as it comes, because the
//! order between channels is kept too.

use super::super::flight::FlightCount;
use super::super::link::Link;
use super::super::send_queue::FrameBatch;
use super::uid::ConnectionUid;
use crate::domain::{ChannelId, LineId};
use crate::num;
use crate::protocol::{EncodedEvent, Event, Extension, Extensions, Profile};
use bytes::BytesMut;
use foldhash::fast::RandomState;
use indexmap::IndexMap;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use tokio::time::Instant;

/// A log of more bytes is handed out event by event: putting it together would cost more than it saves.
const BATCH_BYTES: usize = 256 * 1024;

/// How many connections are looked at before they are written to: what lies far apart in memory is then fetched for all of
/// them at once, and not for one after the other.
pub(super) const AHEAD: usize = 16;

/// Whose turn it is to be served.
pub(super) enum ServingTurn {
    /// A connection of which something waits in its own queue, and whose writer has to be told.
    Link(Rc<Link>),
    /// A channel that has something in its log.
    Room(LineId),
    /// Nobody: by now all have been written to who hear of an order that was given then.
    Mark {
        /// When it was given.
        ordered: Instant,
        /// Whether it has had a turn already.
        is_late: bool,
    },
}

/// Who waits to be served.
#[derive(Default)]
pub(super) struct ServingQueue {
    /// Whose turn it is, who waits longest first.
    pub(super) turns: VecDeque<ServingTurn>,
    /// Whether a mark is among them: one at a time is sample enough.
    is_marked: bool,
}

impl ServingQueue {
    /// Notes when an order was given that has just been carried out, if none is noted already and anybody waits.
    pub(super) fn mark(&mut self, ordered: impl FnOnce() -> Instant) {
        if !self.is_marked && !self.turns.is_empty() {
            self.is_marked = true;
            self.turns.push_back(ServingTurn::Mark { ordered: ordered(), is_late: false });
        }
    }

    /// A mark's turn has come.
    pub(super) const fn unmark(&mut self) {
        self.is_marked = false;
    }

    /// Takes the connections that come next in line, until there are so many.
    pub(super) fn take_links(&mut self, group: &mut Vec<Rc<Link>>, most: usize) {
        while group.len() < most {
            match self.turns.pop_front() {
                Some(ServingTurn::Link(link)) => group.push(link),
                Some(other) => return self.turns.push_front(other),
                None => return,
            }
        }
    }
}

/// Hands an event to a connection; its writer is told when its turn comes.
pub(super) fn deliver(line: &mut ServingQueue, link: &Rc<Link>, dispatch: &Arc<EncodedEvent>) {
    if link.deliver(dispatch) {
        line.turns.push_back(ServingTurn::Link(Rc::clone(link)));
    }
}

/// A connection that hears this channel alone.
struct SingleChannel {
    /// The connection.
    link: Rc<Link>,
    /// The number of the first event in the log that it has not been handed.
    next: u64,
}

/// Events in order, numbered.
#[derive(Default)]
struct RoomLog {
    /// The number of the oldest.
    first: u64,
    /// The events.
    events: VecDeque<Arc<EncodedEvent>>,
}

impl RoomLog {
    /// The number that the next event will have.
    fn end(&self) -> u64 {
        self.first + num::counter(self.events.len())
    }

    /// The events of these numbers.
    fn between(&self, from: u64, to: u64) -> impl Iterator<Item = &Arc<EncodedEvent>> {
        let skipped = usize::try_from(from.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let wanted = usize::try_from(to.saturating_sub(from.max(self.first))).unwrap_or(0);
        self.events.iter().skip(skipped).take(wanted)
    }

    /// Forgets everything before this number; returns how many bytes that were.
    fn forget(&mut self, before: u64) -> usize {
        let mut bytes = 0;
        while self.first < before
            && let Some(event) = self.events.pop_front()
        {
            bytes += event.size_hint();
            self.first += 1;
        }
        bytes
    }
}

/// What connections have in common that are handed the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Audience {
    /// The form of frames.
    profile: Profile,
    /// Of the extensions, those that decide what they hear.
    extensions: Extensions,
}

impl Audience {
    /// Whether it hears of an event.
    fn hears(self, event: &Event) -> bool {
        event.needs().is_none_or(|needed| self.extensions.has(needed))
    }
}

/// The log put together, once for each audience that there is.
struct Batches {
    /// Whether something in it is not for everybody.
    is_divided: bool,
    /// What was put together, and of how many events.
    made: Vec<(Audience, FrameBatch, u64)>,
}

impl Batches {
    /// Nothing yet of this log.
    fn new(log: &RoomLog) -> Self {
        let is_divided = log.events.iter().any(|event| event.event().needs().is_some());
        Self { is_divided, made: Vec::new() }
    }

    /// The audience that a connection belongs to.
    fn audience(&self, link: &Link) -> Audience {
        // The one that a channel's events may need; others would only make for more copies.
        let only = Extensions::default().with(Extension::Presence);
        let asked = if self.is_divided { link.extensions() } else { Extensions::default() };
        Audience { profile: link.profile(), extensions: asked.and(only) }
    }

    /// The events of these numbers, for a connection.
    fn of(&mut self, link: &Link, log: &RoomLog, from: u64, to: u64) -> (FrameBatch, u64) {
        let audience = self.audience(link);
        if let Some((_, made, events)) = self.made.iter().find(|(known, ..)| *known == audience) {
            return (made.clone(), *events);
        }
        let (made, events) = joined(audience, log, from, to);
        self.made.push((audience, made.clone(), events));
        (made, events)
    }
}

/// Events in one piece, and how many they are; a single one is not copied.
fn joined(audience: Audience, log: &RoomLog, from: u64, to: u64) -> (FrameBatch, u64) {
    let heard = || log.between(from, to).filter(|event| audience.hears(event.event()));
    let told = FlightCount { last: heard().filter_map(|event| event.place()).last(), strays: 0 };
    let mut events = heard().map(|event| event.frame(audience.profile));
    let first = events.next().unwrap_or_default();
    let Some(second) = events.next() else { return (FrameBatch { bytes: first, told }, 1) };
    let mut bytes = BytesMut::from(&first[..]);
    bytes.extend_from_slice(&second);
    let mut count = 2;
    for event in events {
        bytes.extend_from_slice(&event);
        count += 1;
    }
    (FrameBatch { bytes: bytes.freeze(), told }, count)
}

/// A flush that is under way.
struct Flushing {
    /// It hands out everything before this number.
    end: u64,
    /// How many of the single-channel connections have been served.
    served: usize,
    /// What they are handed; none if that would be too large.
    batches: Option<Batches>,
}

/// How far a flush of a room has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Nothing is left in the log.
    Done,
    /// Something was said while it went on.
    Again,
    /// Some connections have not been served yet.
    Unfinished,
}

/// A channel's connections on one thread.
pub(super) struct Room {
    /// The channel's id.
    pub(super) name: ChannelId,
    /// Those that hear nothing else.
    single_channel: IndexMap<ConnectionUid, SingleChannel, RandomState>,
    /// Those that hear other channels too, or did.
    multi_channel: IndexMap<ConnectionUid, Rc<Link>, RandomState>,
    /// How many of those have extensions: only they may hear what needs one.
    extended: usize,
    /// What the single-channel ones have yet to hear.
    log: RoomLog,
    /// The bytes in the log.
    logged: usize,
    /// The flush under way.
    flushing: Option<Flushing>,
}

impl Room {
    /// Nobody yet.
    pub(super) fn new(name: ChannelId) -> Self {
        Self {
            name,
            single_channel: IndexMap::default(),
            multi_channel: IndexMap::default(),
            extended: 0,
            log: RoomLog::default(),
            logged: 0,
            flushing: None,
        }
    }

    /// Whether nobody is in.
    pub(super) fn is_empty(&self) -> bool {
        self.single_channel.is_empty() && self.multi_channel.is_empty()
    }

    /// The bytes that wait in the log.
    pub(super) const fn logged(&self) -> usize {
        self.logged
    }

    /// Takes a connection in that hears no other channel.
    pub(super) fn add_single_channel(&mut self, link: &Rc<Link>) {
        let connection = SingleChannel { link: Rc::clone(link), next: self.log.end() };
        self.extended += usize::from(connection.is_extended());
        self.single_channel.insert(link.uid(), connection);
    }

    /// Takes a connection in that hears others too.
    pub(super) fn add_multi_channel(&mut self, link: &Rc<Link>) {
        self.multi_channel.insert(link.uid(), Rc::clone(link));
    }

    /// From now on a connection hears other channels too.
    pub(super) fn share(&mut self, uid: ConnectionUid, line: &mut ServingQueue) {
        self.catch_up(uid, line);
        if let Some(link) = self.take_single_channel(uid, line) {
            self.multi_channel.insert(uid, link);
        }
    }

    /// Lets a connection go; what it has not been handed by now, it does not hear.
    pub(super) fn remove(&mut self, uid: ConnectionUid, line: &mut ServingQueue) {
        if self.take_single_channel(uid, line).is_none() {
            self.multi_channel.swap_remove(&uid);
        }
    }

    /// Takes a single-channel connection out. The last one takes its place in the line, and would be passed over by a flush that
    /// has been there already: so it is served at once.
    fn take_single_channel(
        &mut self,
        uid: ConnectionUid,
        line: &mut ServingQueue,
    ) -> Option<Rc<Link>> {
        let served = self.flushing.as_ref().map_or(0, |flushing| flushing.served);
        let at = self.single_channel.get_index_of(&uid)?;
        if at < served
            && let Some((&last, _)) = self.single_channel.last()
        {
            self.catch_up(last, line);
        }
        let (_, connection) = self.single_channel.swap_remove_index(at)?;
        self.extended = self.extended.saturating_sub(usize::from(connection.is_extended()));
        Some(connection.link)
    }

    /// Hands a connection what it has yet to hear, before something else is said to it.
    pub(super) fn catch_up(&mut self, uid: ConnectionUid, line: &mut ServingQueue) {
        let Some(connection) = self.single_channel.get_mut(&uid) else { return };
        let end = self.log.end();
        for event in self.log.between(connection.next, end) {
            deliver(line, &connection.link, event);
        }
        connection.next = end;
    }

    /// Says something to everybody; true if the log, empty before, has something to be flushed now.
    pub(super) fn say(&mut self, dispatch: &Arc<EncodedEvent>, line: &mut ServingQueue) -> bool {
        for link in self.multi_channel.values() {
            deliver(line, link, dispatch);
        }
        let listeners = match dispatch.event().needs() {
            Some(_) => self.extended,
            None => self.single_channel.len(),
        };
        if listeners == 0 {
            return false;
        }
        let is_first = self.log.events.is_empty();
        self.logged += dispatch.size_hint();
        self.log.events.push_back(Arc::clone(dispatch));
        is_first
    }

    /// Everybody, each handed what it has yet to hear.
    pub(super) fn dissolve(mut self, line: &mut ServingQueue) -> Vec<Rc<Link>> {
        let uids: Vec<_> = self.single_channel.keys().copied().collect();
        for uid in uids {
            self.catch_up(uid, line);
        }
        let single = self.single_channel.into_values().map(|of| of.link);
        single.chain(self.multi_channel.into_values()).collect()
    }

    /// Serves at most so many connections.
    pub(super) fn flush(&mut self, most: usize) -> (Progress, usize) {
        let Self { single_channel, log, logged, flushing, .. } = self;
        let Flushing { end, served, batches } = flushing.get_or_insert_with(|| Flushing {
            end: log.end(),
            served: 0,
            batches: (*logged <= BATCH_BYTES).then(|| Batches::new(log)),
        });
        let mut writes = 0;
        while writes < most && *served < single_channel.len() {
            let upto = single_channel.len().min(*served + AHEAD.min(most - writes));
            let Some(group) = single_channel.get_range_mut(*served..upto) else { break };
            group.values().for_each(|next| next.link.touch());
            writes += group.len();
            *served = upto;
            group.values_mut().for_each(|next| next.serve(log, *end, batches.as_mut()));
        }
        if *served < single_channel.len() {
            return (Progress::Unfinished, writes);
        }
        *logged -= log.forget(*end);
        self.flushing = None;
        let is_done = self.log.events.is_empty();
        (if is_done { Progress::Done } else { Progress::Again }, writes)
    }
}

impl SingleChannel {
    /// Whether it has any extension.
    fn is_extended(&self) -> bool {
        self.link.extensions() != Extensions::default()
    }

    /// Hears everything before this number, in one piece where nothing stands against it.
    fn serve(&mut self, log: &RoomLog, end: u64, batches: Option<&mut Batches>) {
        if self.next >= end {
            return;
        }
        let link = &self.link;
        match batches {
            Some(batches) if self.next <= log.first && !link.is_gated() && !link.is_watched() => {
                let (batch, events) = batches.of(link, log, log.first, end);
                if !batch.bytes.is_empty() {
                    link.write(&batch, events);
                }
            }
            _ => {
                let mut is_dirty = false;
                for event in log.between(self.next, end) {
                    is_dirty |= link.deliver(event);
                }
                if is_dirty {
                    link.flush();
                }
            }
        }
        self.next = end;
    }
}
