//! The ids that clients gave their messages: what comes again under one is not published again.
//!
//! Ids are remembered for a while, so many of one sender and of the channel, and no more bytes than the lines of the
//! project may keep. Where there are more, the oldest go: what comes again under one of those is published again.

use crate::domain::{LeapTokenId, Position, SessionId, SessionRef};
use crate::line::WindowShare;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What is remembered.
#[derive(Clone, Copy, Debug)]
pub(super) struct IdBounds {
    /// For how long.
    pub(super) age: Duration,
    /// The most ids of the channel.
    pub(super) channel: usize,
    /// The most ids of one sender.
    pub(super) sender: usize,
}

impl IdBounds {
    /// What a channel remembers (`docs/PROTOCOL.md`, Events from the client).
    pub(super) const USUAL: Self =
        Self { age: Duration::from_mins(5), channel: 16_384, sender: 1024 };
}

/// Roughly what an id takes beside its text, bytes.
const ID_BYTES: usize = 256;

/// Whose an id is: those of others have nothing to do with it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum IdOwner {
    /// A leap token, through whatever connection.
    Token(LeapTokenId),
    /// One connection without a leap token, by the session that it has for itself.
    Session(SessionId),
}

impl IdOwner {
    /// Whose the ids are that this session's clients give.
    fn of(session: &SessionRef) -> Self {
        let own = || Self::Session(session.id.clone());
        session.token.clone().map_or_else(own, Self::Token)
    }
}

/// An id, with whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SentId {
    /// Whose.
    owner: IdOwner,
    /// The id.
    id: Arc<str>,
}

impl SentId {
    /// The id that a client of this session gives.
    pub fn of(session: &SessionRef, id: &Arc<str>) -> Self {
        Self { owner: IdOwner::of(session), id: Arc::clone(id) }
    }
}

/// A message that was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentMessage<S> {
    /// Where it stands, as far as that was known at once.
    pub position: Option<Position>,
    /// What tells when all of it is stored that was to be.
    pub stored: S,
}

/// An id that is remembered.
struct RememberedId<S> {
    /// The id.
    key: Arc<SentId>,
    /// When its message came.
    since: Instant,
    /// The message.
    message: SentMessage<S>,
}

impl<S> RememberedId<S> {
    /// Roughly its bytes.
    fn bytes(&self) -> usize {
        ID_BYTES + self.key.id.len()
    }
}

/// The ids of one channel.
pub(super) struct SentIds<S> {
    /// What may be remembered.
    bounds: IdBounds,
    /// Where the bytes come from.
    share: Arc<WindowShare>,
    /// All of them by their number, oldest first.
    ids: BTreeMap<u64, RememberedId<S>>,
    /// The number of each.
    numbers: HashMap<Arc<SentId>, u64>,
    /// The numbers of each owner, oldest first.
    owners: HashMap<IdOwner, VecDeque<u64>>,
    /// The last number.
    last: u64,
}

impl<S: Clone> SentIds<S> {
    /// None yet.
    pub(super) fn new(bounds: IdBounds, share: Arc<WindowShare>) -> Self {
        let (ids, numbers, owners) = (BTreeMap::new(), HashMap::new(), HashMap::new());
        Self { bounds, share, ids, numbers, owners, last: 0 }
    }

    /// Whether none is remembered.
    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The message that a session's client sent under this id before, if that is remembered.
    pub(super) fn find(
        &mut self,
        session: &SessionRef,
        id: &Arc<str>,
        now: Instant,
    ) -> Option<&SentMessage<S>> {
        self.expire(now);
        let number = self.numbers.get(&SentId::of(session, id))?;
        self.ids.get(number).map(|known| &known.message)
    }

    /// Remembers an id that is none of those remembered, and its message; older ones make room.
    pub(super) fn remember(&mut self, id: SentId, message: SentMessage<S>, now: Instant) {
        self.expire(now);
        let key = Arc::new(id);
        let owner = key.owner.clone();
        let new = RememberedId { key: Arc::clone(&key), since: now, message };
        while let Some(oldest) = self.owners.get(&owner)
            && oldest.len() >= self.bounds.sender
            && let Some(oldest) = oldest.front()
        {
            self.forget(*oldest);
        }
        while self.ids.len() >= self.bounds.channel || !self.share.take(new.bytes()) {
            let Some(oldest) = self.ids.keys().next() else { return };
            self.forget(*oldest);
        }
        self.last += 1;
        self.numbers.insert(key, self.last);
        self.owners.entry(owner).or_default().push_back(self.last);
        self.ids.insert(self.last, new);
    }

    /// Forgets what is too old.
    pub(super) fn expire(&mut self, now: Instant) {
        while let Some((number, oldest)) = self.ids.first_key_value()
            && now >= oldest.since + self.bounds.age
        {
            self.forget(*number);
        }
        if self.ids.is_empty() && self.numbers.capacity() > 0 {
            // Who says nothing any more should not keep the room that it once needed.
            (self.numbers, self.owners) = (HashMap::new(), HashMap::new());
        }
    }

    /// Forgets the oldest id of its owner.
    fn forget(&mut self, number: u64) {
        let Some(old) = self.ids.remove(&number) else { return };
        self.share.give(old.bytes());
        self.numbers.remove(&old.key);
        if let Some(own) = self.owners.get_mut(&old.key.owner) {
            own.pop_front();
            if own.is_empty() {
                self.owners.remove(&old.key.owner);
            }
        }
    }
}

impl<S> Drop for SentIds<S> {
    fn drop(&mut self) {
        self.share.give(self.ids.values().map(RememberedId::bytes).sum());
    }
}

#[cfg(test)]
mod tests;
