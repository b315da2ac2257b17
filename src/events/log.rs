//! What is to be stored, in order and within bounds.
//!
//! A change in a register is told at once, with the number of those who stand in it afterwards, as long as there is room.
//! Where there is none it waits, and with it all later ones of its register: not the change but who it is about, so that
//! whoever comes and goes meanwhile takes no room. What is told later has the numbers that it leads to, so the last of a
//! register is right whatever was left out.

use super::roll::Roll;
use crate::domain::{ChannelKey, Listed, ProjectId, Register, SessionId, SessionRef, Timestamp};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

/// How many sessions stand in one entry of those who were there before.
const KNOWN_TOGETHER: usize = 256;

/// Which register of which channel.
type Key = (ChannelKey, Register);

/// A session came into a register, or went from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresenceChange {
    /// Who, and where.
    pub listed: Listed,
    /// Whether it came.
    pub is_in: bool,
    /// How many stand there after it.
    pub count: u64,
    /// When.
    pub at: Timestamp,
}

/// Something to be stored; `E` is what has nothing to do with registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventEntry<E> {
    /// To be told, and noted.
    Change(PresenceChange),
    /// To be noted: they came before anybody wanted to hear of it.
    Known(Vec<Listed>),
    /// To be forgotten, which is not told.
    Struck(Listed),
    /// Nobody wants to hear of these registers of a project any more: what was noted is to be forgotten.
    Unwatched(ProjectId, Register),
    /// Something else to be told.
    Other(E),
}

/// Who waits to be told of.
struct Awaiting {
    /// Where.
    key: Key,
    /// Who.
    session: SessionId,
    /// When it changed last.
    at: Timestamp,
}

/// Those who stand in a register.
type Sessions = Vec<Arc<SessionRef>>;

/// The log.
pub struct EventOrder<E> {
    /// How many changes it holds at most.
    room: usize,
    /// The projects that want to hear of these registers.
    watched: HashSet<(ProjectId, Register)>,
    /// Who stands in them.
    rolls: HashMap<Key, Roll>,
    /// To be stored, oldest first.
    queue: VecDeque<EventEntry<E>>,
    /// How many of them are changes.
    changes: usize,
    /// How many of those each project has.
    shares: HashMap<ProjectId, usize>,
    /// Who waits for room among them, in the order of their last changes.
    waiting: BTreeMap<u64, Awaiting>,
    /// The next place among those who wait.
    next_place: u64,
    /// Whether the server ends: nobody comes any more.
    is_ended: bool,
    /// How many events were left out since this was last asked.
    dropped: u64,
}

impl<E> EventOrder<E> {
    /// An empty one with room for so many changes; past it, who comes and goes is left out. A project may have half of what
    /// the others leave.
    pub fn new(room: usize) -> Self {
        Self {
            room,
            watched: HashSet::new(),
            rolls: HashMap::new(),
            queue: VecDeque::new(),
            changes: 0,
            shares: HashMap::new(),
            waiting: BTreeMap::new(),
            next_place: 0,
            is_ended: false,
            dropped: 0,
        }
    }

    /// From now on a project wants to hear of a register.
    pub fn watch(&mut self, project: &ProjectId, register: Register) {
        self.watched.insert((project.clone(), register));
    }

    /// From now on nobody in a project wants to hear of it; what is noted of it goes, also of a process before.
    pub fn unwatch(&mut self, project: &ProjectId, register: Register) {
        if self.watched.remove(&(project.clone(), register)) {
            let is_it = |key: &Key| key.0.project == *project && key.1 == register;
            self.rolls.retain(|key, _| !is_it(key));
            self.waiting.retain(|_, waiting| !is_it(&waiting.key));
            self.queue.push_back(EventEntry::Unwatched(project.clone(), register));
        }
    }

    /// A session comes into a register; whoever stands there counts once. `before` are those who stood there before, asked
    /// for where the log does not know of any.
    pub fn came(&mut self, new: &Listed, at: Timestamp, before: impl FnOnce() -> Sessions) {
        let Some(key) = self.heard(&new.channel, new.register) else { return };
        self.know(&key, before);
        self.rolls.entry(key.clone()).or_default().seat_for(&new.session).is_in = true;
        self.settle(&key, &new.session.id, at);
    }

    /// A session goes from a register; nothing where it did not stand there. `before` as for [`Self::came`], itself
    /// included.
    pub fn went(&mut self, old: &Listed, at: Timestamp, before: impl FnOnce() -> Sessions) {
        let Some(key) = self.heard(&old.channel, old.register) else { return };
        self.know(&key, before);
        self.leave(&key, &old.session.id, at);
    }

    /// A session goes from a register, and nobody is told, because its going is no event.
    pub fn strike(&mut self, old: &Listed) {
        let Some(key) = self.heard(&old.channel, old.register) else { return };
        let Some(roll) = self.rolls.get_mut(&key) else { return };
        let Some((place, is_told)) = roll.strike(&old.session.id) else { return };
        if let Some(place) = place {
            self.waiting.remove(&place);
            self.left_out(1);
        }
        if is_told {
            self.queue.push_back(EventEntry::Struck(old.clone()));
        }
        self.drop_if_empty(&key);
    }

    /// Who stands in a register, which nobody is told, where the log does not know of any.
    pub fn note(
        &mut self,
        channel: &ChannelKey,
        register: Register,
        sessions: impl FnOnce() -> Sessions,
    ) {
        if let Some(key) = self.heard(channel, register) {
            self.know(&key, sessions);
        }
    }

    /// A session stands in a register, which nobody is told.
    pub fn note_one(&mut self, listed: Listed) {
        let Some(key) = self.heard(&listed.channel, listed.register) else { return };
        let roll = self.rolls.entry(key).or_default();
        if roll.seat(&listed.session.id).is_none() {
            roll.know(&listed.session);
            self.queue.push_back(EventEntry::Known(vec![listed]));
        }
    }

    /// The channel has gone, and everybody who was online from it.
    pub fn deleted(&mut self, channel: &ChannelKey, at: Timestamp) {
        if let Some(key) = self.heard(channel, Register::Online) {
            self.all_left(&key, at);
        }
    }

    /// Everybody has gone from everywhere.
    pub fn all_went(&mut self, at: Timestamp) {
        for key in self.rolls.keys().cloned().collect::<Vec<_>>() {
            self.all_left(&key, at);
        }
    }

    /// The server ends: everybody has gone, and nobody comes any more.
    pub fn end(&mut self, at: Timestamp) {
        self.all_went(at);
        self.is_ended = true;
    }

    /// Takes in who was noted by a process before; where nobody wants to hear of it any more, the note is to go.
    pub fn restore(&mut self, noted: Listed) {
        match self.heard(&noted.channel, noted.register) {
            Some(key) => self.rolls.entry(key).or_default().know(&noted.session),
            None => self.queue.push_back(EventEntry::Struck(noted)),
        }
    }

    /// Adds another event; who makes it sees to it that there is room.
    pub fn add(&mut self, event: E) {
        self.queue.push_back(EventEntry::Other(event));
    }

    /// Counts events that somebody left out.
    pub fn left_out(&mut self, events: u64) {
        self.dropped = self.dropped.saturating_add(events);
    }

    /// How many events were left out since this was last asked.
    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    /// Takes out what is to be stored next: entries that are about so many sessions together, or one more.
    pub fn take(&mut self, most: usize) -> Vec<EventEntry<E>> {
        self.fill();
        let (mut entries, mut sessions) = (Vec::new(), 0);
        while sessions < most
            && let Some(entry) = self.queue.pop_front()
        {
            match &entry {
                EventEntry::Change(change) => self.give_back(&change.listed.channel.project),
                EventEntry::Known(known) => sessions += known.len(),
                EventEntry::Other(_) | EventEntry::Struck(_) | EventEntry::Unwatched(..) => {}
            }
            sessions += 1;
            entries.push(entry);
        }
        entries
    }

    /// Gives back the room of a change.
    fn give_back(&mut self, project: &ProjectId) {
        self.changes -= 1;
        if let Some(share) = self.shares.get_mut(project) {
            *share -= 1;
            if *share == 0 {
                self.shares.remove(project);
            }
        }
    }

    /// Whether everything has been taken out.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.waiting.is_empty()
    }

    /// The register by which the log knows it, if somebody wants to hear of it and anything still happens.
    fn heard(&self, channel: &ChannelKey, register: Register) -> Option<Key> {
        let is_heard = self.watched.contains(&(channel.project.clone(), register));
        (is_heard && !self.is_ended).then(|| (channel.clone(), register))
    }

    /// Takes in those who stood in a register before the log knew of any.
    fn know(&mut self, key: &Key, before: impl FnOnce() -> Sessions) {
        if self.rolls.contains_key(key) {
            return;
        }
        let before = before();
        if before.is_empty() {
            return;
        }
        let roll = self.rolls.entry(key.clone()).or_default();
        for session in &before {
            roll.know(session);
        }
        for sessions in before.chunks(KNOWN_TOGETHER) {
            let known = sessions.iter().map(|session| listed(key, session)).collect();
            self.queue.push_back(EventEntry::Known(known));
        }
    }

    /// A session goes from a register, if it stands there.
    fn leave(&mut self, key: &Key, session: &SessionId, at: Timestamp) {
        let seat = self.rolls.get_mut(key).and_then(|roll| roll.seat(session));
        if let Some(seat) = seat.filter(|seat| seat.is_in) {
            seat.is_in = false;
            self.settle(key, session, at);
        }
    }

    /// Everybody goes from a register.
    fn all_left(&mut self, key: &Key, at: Timestamp) {
        for session in self.rolls.get(key).map(Roll::ids).unwrap_or_default() {
            self.leave(key, &session, at);
        }
    }

    /// Sees to it that how it is with a session is told: at once where there is room, else later.
    fn settle(&mut self, key: &Key, session: &SessionId, at: Timestamp) {
        let is_full = self.is_full(&key.0.project);
        let Some(roll) = self.rolls.get_mut(key) else { return };
        let is_behind = roll.waiting > 0;
        let Some(seat) = roll.seat(session) else { return };
        if seat.is_settled() {
            if let Some(place) = roll.stop_waiting(session) {
                // It came and went, or went and came, before there was room to tell of either.
                self.waiting.remove(&place);
                self.drop_if_empty(key);
                self.left_out(2);
            }
        } else if is_full || is_behind {
            let place = self.next_place;
            self.next_place += 1;
            if let Some(before) = roll.wait(session, place) {
                self.waiting.remove(&before);
            }
            let (key, session) = (key.clone(), session.clone());
            self.waiting.insert(place, Awaiting { key, session, at });
        } else {
            self.tell(key, session, at);
        }
    }

    /// Whether there is no room for a change of a project: it may have half of what the others leave.
    fn is_full(&self, project: &ProjectId) -> bool {
        let own = self.shares.get(project).copied().unwrap_or_default();
        let others = self.changes.saturating_sub(own);
        own >= self.room.saturating_sub(others).div_ceil(2)
    }

    /// Puts how it is with a session behind all that is to be stored.
    fn tell(&mut self, key: &Key, session: &SessionId, at: Timestamp) {
        let told = self.rolls.get_mut(key).and_then(|roll| roll.tell(session));
        let Some((session, is_in, count)) = told else { return };
        let listed = listed(key, &session);
        self.changes += 1;
        *self.shares.entry(key.0.project.clone()).or_default() += 1;
        self.queue.push_back(EventEntry::Change(PresenceChange { listed, is_in, count, at }));
        self.drop_if_empty(key);
    }

    /// Tells of those who wait, as far as there is room.
    fn fill(&mut self) {
        while let Some((_, first)) = self.waiting.first_key_value()
            && !self.is_full(&first.key.0.project)
        {
            let Some((_, Awaiting { key, session, at })) = self.waiting.pop_first() else { return };
            let waits = self.rolls.get_mut(&key).and_then(|roll| roll.stop_waiting(&session));
            if waits.is_some() {
                self.tell(&key, &session, at);
            }
        }
    }

    /// Forgets a register in which nobody stands.
    fn drop_if_empty(&mut self, key: &Key) {
        if self.rolls.get(key).is_some_and(Roll::is_empty) {
            self.rolls.remove(key);
        }
    }
}

/// A session in a register.
fn listed((channel, register): &Key, session: &Arc<SessionRef>) -> Listed {
    Listed { channel: channel.clone(), register: *register, session: Arc::clone(session) }
}
