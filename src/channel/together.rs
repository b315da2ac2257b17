//! A channel that keeps its messages and is served by several servers.
//!
//! The store counts its line, and its order is the only one. The bus says what was stored, in whatever order, as each server says it
//! when it knows: what comes early waits for what stands before it, for a moment; then the store is read, which has it. The
//! bus' own line goes on beside, and counts nothing for anybody.

use super::ChannelMachine;
use super::effects::ChannelEffects;
use super::keeping::Durable;
use crate::bus::{LineEntry, Ordered};
use crate::domain::{Message, Position, Since, State, Version};
use crate::protocol::{EncodedEvent, Event};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long what another server has stored may be unsaid before it is read.
const PATIENCE: Duration = Duration::from_millis(200);

impl<E: ChannelEffects> ChannelMachine<E> {
    /// Where it stands on the line of the bus.
    pub fn heard_to(&self) -> Position {
        match &self.keeping.together {
            Some(together) if self.keeping.is_on => together.beside,
            _ => self.line.position(),
        }
    }

    /// Whether somebody has heard more of the line than this server: on another one, or from the store.
    pub fn is_behind(&self, since: Option<Since>) -> bool {
        let stands = self.line.position();
        let heard =
            since.and_then(|Since(heard)| heard).filter(|_| self.keeping.together.is_some());
        heard.is_some_and(|heard| heard.epoch == stands.epoch && heard.offset > stands.offset)
    }

    /// Takes what the bus says, in its order.
    pub fn hear(&mut self, said: Ordered, now: Instant, effects: &mut E) {
        let is_on = self.keeping.is_on;
        let Some(together) = self.keeping.together.as_mut().filter(|_| is_on) else {
            return self.apply(said, now, effects);
        };
        let (Ordered { position, entry }, stood) = (said, together.beside);
        if position.epoch == stood.epoch && position.offset <= stood.offset {
            return;
        }
        together.beside = position;
        if position != stood.next() {
            // What is missing may be something stored.
            self.doubt(effects);
        }
        match entry {
            LineEntry::Message(message) => self.say_beside(message, now, effects),
            entry @ LineEntry::State { .. } => {
                self.displace(Durable { entry, publisher: None }, now, effects);
            }
            LineEntry::Kept { position, message } => {
                self.hear_stored(position, LineEntry::Message(message), now, effects);
            }
            LineEntry::KeptState { position, state, version } => {
                self.hear_stored(position, LineEntry::State { state, version }, now, effects);
            }
            LineEntry::Reread => self.doubt(effects),
        }
    }

    /// Another server, or this one, has stored this in that place.
    fn hear_stored(&mut self, position: Position, entry: LineEntry, now: Instant, effects: &mut E) {
        let (stands, durable) = (self.line.position(), Durable { entry, publisher: None });
        if position.epoch != stands.epoch {
            // That is another line by now, or this one is.
            return self.doubt(effects);
        }
        if position.offset <= stands.offset {
            // It was said, or is a state that was passed over and may be newer than the one that is known.
            return self.displace(durable, now, effects);
        }
        self.keeping.waiting.entry(position.offset).or_insert(durable);
        self.say_next(now, effects);
        self.wait_for_next(effects);
    }

    /// A state that this server has stored stands there on the store's line.
    pub fn stored(
        &mut self,
        state: State,
        version: Version,
        position: Position,
        now: Instant,
        effects: &mut E,
    ) {
        self.place_state(state, version, Some(position), now, effects);
        self.settle_line(effects);
    }

    /// Says a message that has no place on the store's line: it was published on another server when that did not know yet
    /// that messages are kept, or here when it has ceased to be so.
    fn say_beside(&mut self, message: Message, now: Instant, effects: &mut E) {
        self.used = now;
        let message = Event::Message { channel: self.key().id.clone(), message };
        self.spread(&Arc::new(EncodedEvent::new(message)), effects);
    }

    /// The line of the bus stands here; what was said there and not heard may be something stored.
    pub(super) fn follow_beside(&mut self, position: Position, effects: &mut E) {
        let Some(together) = &mut self.keeping.together else { return };
        if std::mem::replace(&mut together.beside, position) != position {
            self.doubt(effects);
        }
    }

    /// Waits a moment for what is next, where something is there that comes behind it: another server is about to say it.
    pub(super) fn wait_for_next(&mut self, effects: &mut E) {
        let is_waiting = self.keeping.is_on && !self.keeping.waiting.is_empty();
        let Some(together) = self.keeping.together.as_mut().filter(|_| is_waiting) else { return };
        if together.stuck_at.is_none() {
            together.stuck_at = Some(self.line.position());
            effects.reload_in(PATIENCE);
        }
    }

    /// A moment has passed: where the line still stands where it stood, the store is read, which has what is next.
    pub(super) fn next_is_due(&mut self, effects: &mut E) {
        let Some(together) = &mut self.keeping.together else { return };
        match together.stuck_at.take() {
            Some(stood) if stood == self.line.position() && !self.keeping.waiting.is_empty() => {
                self.changes.doubt();
            }
            _ => self.wait_for_next(effects),
        }
    }

    /// Whether this was said before the channel ceased to keep its messages.
    pub(super) fn was_said(&self, position: Position) -> bool {
        let closed = self.keeping.together.as_ref().and_then(|together| together.closed);
        closed.is_some_and(|closed| {
            closed.epoch == position.epoch && position.offset <= closed.offset
        })
    }

    /// Messages are kept no more: the bus counts again. What is there is said, and what should have come before it is lost, as
    /// the store does not have it any more.
    pub(super) fn close_together(&mut self, now: Instant, effects: &mut E) {
        let (mut closed, mut lost) = (self.line.position(), 0_u64);
        for (offset, Durable { entry, publisher }) in std::mem::take(&mut self.keeping.waiting) {
            lost = lost.saturating_add(offset.saturating_sub(closed.next().offset));
            closed.offset = offset;
            match entry {
                LineEntry::Message(message) => self.say_beside(message, now, effects),
                entry => self.displace(Durable { entry, publisher: None }, now, effects),
            }
            if let Some(publisher) = publisher {
                effects.published(publisher, Ok(closed));
            }
        }
        let Some(together) = &mut self.keeping.together else { return };
        together.closed = Some(closed);
        self.line.open_at(together.beside);
        self.available = None;
        if lost > 0 {
            self.tell_lost(Some(lost), None, effects);
        }
    }
}
