//! What is to be stored, in order and within bounds.
//!
//! A change of who is online is told at once, with the number of those who are online after it, as long as there is
//! room. Where there is none it waits, and with it all later ones of its channel: not the change but who it is about, so
//! that whoever comes and goes meanwhile takes no room. What is told later has the numbers that it leads to, so the last
//! of a channel is right whatever was left out.

use super::attendance::{Attendance, Seat};
use crate::domain::{ChannelKey, Online, OnlineSession, ProjectId, SessionId, Timestamp};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

/// How many sessions stand in one entry of those who were there before.
const KNOWN_TOGETHER: usize = 256;

/// A session came online on a channel, or went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Who, and where.
    pub online: Online,
    /// Whether it came.
    pub is_online: bool,
    /// How many are online after it.
    pub online_count: u64,
    /// When.
    pub at: Timestamp,
}

/// Something to be stored; `E` is what has nothing to do with who is online.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry<E> {
    /// To be told, and noted.
    Change(Change),
    /// To be noted: they came before anybody wanted to hear of it.
    Known {
        /// The channel.
        channel: ChannelKey,
        /// Who.
        sessions: Vec<Arc<OnlineSession>>,
    },
    /// Nobody wants to hear of this project any more: what was noted is to be forgotten.
    Unwatched(ProjectId),
    /// Something else to be told.
    Other(E),
}

/// How much waits at most.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Changes of who is online; past it, what came and went is left out.
    pub changes: usize,
    /// Other events; past it they are left out.
    pub others: usize,
}

/// Who waits to be told of.
struct Waiting {
    /// Where.
    channel: ChannelKey,
    /// Who.
    session: SessionId,
    /// When it changed last.
    at: Timestamp,
}

/// The log.
pub struct Log<E> {
    /// How much waits at most.
    bounds: Bounds,
    /// The projects that want to hear who is online.
    watched: HashSet<ProjectId>,
    /// Who is online on which of their channels.
    channels: HashMap<ChannelKey, Attendance>,
    /// To be stored, oldest first.
    queue: VecDeque<Entry<E>>,
    /// How many of them are changes.
    changes: usize,
    /// How many of them are other events.
    others: usize,
    /// Who waits for room among them, in the order of their last changes.
    waiting: BTreeMap<u64, Waiting>,
    /// The next place among those who wait.
    next_place: u64,
    /// Whether the server ends: nobody comes any more.
    is_ended: bool,
    /// How many events were left out since this was last asked.
    dropped: u64,
}

impl<E> Log<E> {
    /// An empty one.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            watched: HashSet::new(),
            channels: HashMap::new(),
            queue: VecDeque::new(),
            changes: 0,
            others: 0,
            waiting: BTreeMap::new(),
            next_place: 0,
            is_ended: false,
            dropped: 0,
        }
    }

    /// From now on a project wants to hear who is online.
    pub fn watch(&mut self, project: &ProjectId) {
        self.watched.insert(project.clone());
    }

    /// From now on nobody in a project wants to hear it; what is noted of it goes, also of a process before.
    pub fn unwatch(&mut self, project: &ProjectId) {
        if self.watched.remove(project) {
            self.channels.retain(|channel, _| channel.project != *project);
            self.waiting.retain(|_, waiting| waiting.channel.project != *project);
            self.queue.push_back(Entry::Unwatched(project.clone()));
        }
    }

    /// A session comes online on a channel; whoever is there counts once. `before` are those who were there before, asked
    /// for where the log does not know the channel yet.
    pub fn came(
        &mut self,
        channel: &ChannelKey,
        session: &Arc<OnlineSession>,
        at: Timestamp,
        before: impl FnOnce() -> Vec<Arc<OnlineSession>>,
    ) {
        if self.is_ended || !self.watched.contains(&channel.project) {
            return;
        }
        self.know(channel, before);
        let seat = self.channels.entry(channel.clone()).or_default().seat_for(session);
        seat.is_online = true;
        self.settle(channel, &session.id, at);
    }

    /// A session goes from a channel; nothing where it was not online. `before` as for [`Self::came`], itself included.
    pub fn went(
        &mut self,
        channel: &ChannelKey,
        session: &SessionId,
        at: Timestamp,
        before: impl FnOnce() -> Vec<Arc<OnlineSession>>,
    ) {
        if self.is_ended || !self.watched.contains(&channel.project) {
            return;
        }
        self.know(channel, before);
        let seat = self.channels.get_mut(channel).and_then(|known| known.seat(session));
        if let Some(seat) = seat.filter(|seat| seat.is_online) {
            seat.is_online = false;
            self.settle(channel, session, at);
        }
    }

    /// Who is on a channel now, which nobody is told, where the log does not know the channel yet.
    pub fn note(&mut self, channel: &ChannelKey, online: impl FnOnce() -> Vec<Arc<OnlineSession>>) {
        if !self.is_ended && self.watched.contains(&channel.project) {
            self.know(channel, online);
        }
    }

    /// The channel has gone, and everybody from it.
    pub fn deleted(&mut self, channel: &ChannelKey, at: Timestamp) {
        let sessions = self.channels.get(channel).map(Attendance::ids).unwrap_or_default();
        for session in sessions {
            self.went(channel, &session, at, Vec::new);
        }
    }

    /// Everybody has gone from everywhere.
    pub fn all_went(&mut self, at: Timestamp) {
        for channel in self.channels.keys().cloned().collect::<Vec<_>>() {
            self.deleted(&channel, at);
        }
    }

    /// The server ends: everybody has gone, and nobody comes any more.
    pub fn end(&mut self, at: Timestamp) {
        self.all_went(at);
        self.is_ended = true;
    }

    /// Takes in who was noted by a process before; where nobody wants to hear of it any more, the note is to go.
    pub fn restore(&mut self, online: &Online) {
        let project = &online.channel.project;
        if self.watched.contains(project) {
            self.channels.entry(online.channel.clone()).or_default().know(&online.session);
        } else if !matches!(self.queue.back(), Some(Entry::Unwatched(last)) if last == project) {
            self.queue.push_back(Entry::Unwatched(project.clone()));
        }
    }

    /// Adds another event; false where there is no room, so that it is left out.
    pub fn add(&mut self, event: E) -> bool {
        if self.others >= self.bounds.others {
            self.left_out(1);
            return false;
        }
        self.others += 1;
        self.queue.push_back(Entry::Other(event));
        true
    }

    /// Counts events that somebody left out.
    pub fn left_out(&mut self, events: u64) {
        self.dropped = self.dropped.saturating_add(events);
    }

    /// How many events were left out since this was last asked.
    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    /// Takes out what is to be stored next, at most so much.
    pub fn take(&mut self, most: usize) -> Vec<Entry<E>> {
        self.fill();
        let entries: Vec<_> = self.queue.drain(..most.min(self.queue.len())).collect();
        for entry in &entries {
            match entry {
                Entry::Change(_) => self.changes -= 1,
                Entry::Other(_) => self.others -= 1,
                Entry::Known { .. } | Entry::Unwatched(_) => {}
            }
        }
        entries
    }

    /// Whether everything has been taken out.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.waiting.is_empty()
    }

    /// Takes in those who were on a channel before the log knew it.
    fn know(&mut self, channel: &ChannelKey, before: impl FnOnce() -> Vec<Arc<OnlineSession>>) {
        if self.channels.contains_key(channel) {
            return;
        }
        let before = before();
        if before.is_empty() {
            return;
        }
        let attendance = self.channels.entry(channel.clone()).or_default();
        for session in &before {
            attendance.know(session);
        }
        for sessions in before.chunks(KNOWN_TOGETHER) {
            let (channel, sessions) = (channel.clone(), sessions.to_vec());
            self.queue.push_back(Entry::Known { channel, sessions });
        }
    }

    /// Sees to it that how it is with a session is told: at once where there is room, else later.
    fn settle(&mut self, channel: &ChannelKey, session: &SessionId, at: Timestamp) {
        let is_full = self.changes >= self.bounds.changes;
        let Some(attendance) = self.channels.get_mut(channel) else { return };
        let is_behind = attendance.waiting > 0;
        let Some(seat) = attendance.seat(session) else { return };
        if seat.is_settled() {
            if let Some(place) = seat.waits_at.take() {
                // It came and went, or went and came, before there was room to tell of either.
                self.waiting.remove(&place);
                attendance.waiting -= 1;
                attendance.forget(session);
                self.drop_if_empty(channel);
                self.left_out(2);
            }
        } else if is_full || is_behind {
            let place = self.next_place;
            self.next_place += 1;
            match seat.waits_at.replace(place) {
                Some(before) => drop(self.waiting.remove(&before)),
                None => attendance.waiting += 1,
            }
            let (channel, session) = (channel.clone(), session.clone());
            self.waiting.insert(place, Waiting { channel, session, at });
        } else {
            self.tell(channel, session, at);
        }
    }

    /// Puts how it is with a session behind all that is to be stored.
    fn tell(&mut self, channel: &ChannelKey, session: &SessionId, at: Timestamp) {
        let Some(attendance) = self.channels.get_mut(channel) else { return };
        let Some((session, is_online, online_count)) = attendance.tell(session) else { return };
        let online = Online { channel: channel.clone(), session };
        self.changes += 1;
        self.queue.push_back(Entry::Change(Change { online, is_online, online_count, at }));
        self.drop_if_empty(channel);
    }

    /// Tells of those who wait, as far as there is room.
    fn fill(&mut self) {
        while self.changes < self.bounds.changes
            && let Some((_, Waiting { channel, session, at })) = self.waiting.pop_first()
        {
            if let Some(attendance) = self.channels.get_mut(&channel)
                && attendance.seat(&session).and_then(Seat::stop_waiting).is_some()
            {
                attendance.waiting -= 1;
                self.tell(&channel, &session, at);
            }
        }
    }

    /// Forgets a channel that nobody is on.
    fn drop_if_empty(&mut self, channel: &ChannelKey) {
        if self.channels.get(channel).is_some_and(Attendance::is_empty) {
            self.channels.remove(channel);
        }
    }
}
