//! Messages that are kept: durable before anybody hears them, and in the order in which they became so.
//!
//! The store numbers whatever such a line says. What comes back from it is proposed nowhere: it has its place, and waits
//! here for what stands before it.

use super::ChannelMachine;
use super::effects::ChannelEffects;
use crate::ask::AskError;
use crate::bus::{LineEntry, Ordered};
use crate::domain::{Channel, KeptMessage, Message, Position, Since, State, Version};
use crate::line::Missing;
use crate::store::{StoreError, Thing};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::time::Instant;

/// The channel as the store has it.
pub struct StoredChannel {
    /// The channel.
    pub channel: Channel,
    /// Its line; none where messages are not kept.
    pub line: Option<CaughtUp>,
}

/// What the store has of a line behind the place where a machine stands.
pub struct CaughtUp {
    /// The place of the last that was said.
    pub position: Position,
    /// The messages, in order.
    pub messages: Vec<KeptMessage>,
    /// Whether these are all.
    pub is_whole: bool,
    /// The offset behind which nothing is gone.
    pub oldest: u64,
}

/// Something that is durable and has its place.
pub(super) struct Durable<P> {
    /// It.
    pub(super) entry: LineEntry,
    /// Who waits for it; who made a state, the changes know.
    pub(super) publisher: Option<P>,
}

/// What several servers serve of a line that the store counts.
pub(super) struct Together {
    /// Where the bus' line stands, while the store counts.
    pub(super) beside: Position,
    /// Where the store's line stood when the channel ceased to keep its messages.
    pub(super) closed: Option<Position>,
    /// Where the store's line stood when something began to wait for what is next, while that is waited for.
    pub(super) stuck_at: Option<Position>,
}

/// What is kept, on its way.
pub(super) struct Keeping<P> {
    /// Whether messages are kept.
    pub(super) is_on: bool,
    /// How many are on their way to the store.
    under_way: usize,
    /// What is durable and waits for what stands before it, by its offset.
    pub(super) waiting: BTreeMap<u64, Durable<P>>,
    /// What several servers serve of it; takes no room elsewhere.
    pub(super) together: Option<Box<Together>>,
}

impl<P> Keeping<P> {
    /// Nothing is kept.
    pub(super) const fn new() -> Self {
        Self { is_on: false, under_way: 0, waiting: BTreeMap::new(), together: None }
    }

    /// Several servers serve the channel from now on; the line of the bus stands here.
    pub(super) fn share(&mut self, beside: Position) {
        let together = Together { beside, closed: None, stuck_at: None };
        self.together = Some(Box::new(together));
    }

    /// The store counts from now on; the line of the bus, if there is one, stands here.
    pub(super) fn leave(&mut self, beside: Position) {
        if let Some(together) = &mut self.together {
            together.beside = beside;
        }
    }

    /// Whether nothing is on its way to the store that had to be behind it before the channel is read again.
    pub(super) const fn is_stored(&self) -> bool {
        self.under_way == 0 || self.together.is_some()
    }

    /// Whether nothing is under way.
    pub(super) fn is_settled(&self) -> bool {
        self.under_way == 0 && self.waiting.is_empty()
    }
}

/// Whether nobody knows what came of a write that failed so.
const fn is_doubtful(error: &AskError) -> bool {
    matches!(error, AskError::Closed | AskError::Store(StoreError::Unavailable(_)))
}

impl<E: ChannelEffects> ChannelMachine<E> {
    /// Whether messages are kept.
    pub const fn keeps_messages(&self) -> bool {
        self.keeping.is_on
    }

    /// Behind which offset what somebody has not heard is in the store, and not at hand; none where that is of no use.
    pub fn looks_back(&self, since: Option<Since>) -> Option<u64> {
        since.filter(|_| self.keeping.is_on).and_then(|since| self.line.lacks(since))
    }

    /// What stands before a place was taken back.
    pub fn trim(&mut self, before: Position) {
        if before.epoch == self.line.position().epoch {
            self.line.trim(before.offset);
        }
    }

    /// Messages are kept from now on, behind this place, up to which the store has counted.
    pub fn open_history(&mut self, position: Position) {
        if !self.keeping.is_on {
            self.keeping.leave(self.line.position());
        }
        self.keeping.is_on = true;
        self.line.open_at(position);
        self.available = None;
    }

    /// Messages are kept no more: the line goes on by itself. What is under way is still said.
    pub fn close_history(&mut self, now: Instant, effects: &mut E) {
        self.keeping.is_on = false;
        if self.keeping.together.is_some() {
            return self.close_together(now, effects);
        }
        for (_, durable) in std::mem::take(&mut self.keeping.waiting) {
            self.place(None, durable, now, effects);
        }
    }

    /// Takes a message that is to be kept: it is said when it is durable.
    pub fn keep(
        &mut self,
        message: Message,
        publisher: E::Publisher,
        now: Instant,
        effects: &mut E,
    ) {
        self.used = now;
        if let Some(error) = self.changes.trouble() {
            return effects.published(publisher, Err(error));
        }
        self.keeping.under_way += 1;
        effects.keep_message(message, publisher);
    }

    /// What came of keeping a message.
    pub fn kept(
        &mut self,
        message: Message,
        publisher: E::Publisher,
        outcome: Result<Position, AskError>,
        now: Instant,
        effects: &mut E,
    ) {
        self.keeping.under_way = self.keeping.under_way.saturating_sub(1);
        match outcome {
            Ok(position) => {
                let (entry, publisher) = (LineEntry::Message(message), Some(publisher));
                self.place(Some(position), Durable { entry, publisher }, now, effects);
            }
            Err(error) => {
                // Another server may have ended the line, and the channel is there all the same.
                let is_gone = error == AskError::not_found(Thing::Channel);
                let is_another = is_gone && self.keeping.together.is_some();
                if is_another || is_doubtful(&error) {
                    self.changes.doubt();
                }
                effects.published(
                    publisher,
                    Err(if is_another { AskError::Overloaded } else { error }),
                );
            }
        }
        self.settle_line(effects);
    }

    /// A state is durable; `position` is its place on a line of which the store counts.
    pub(super) fn place_state(
        &mut self,
        state: State,
        version: Version,
        position: Option<Position>,
        now: Instant,
        effects: &mut E,
    ) {
        let durable = Durable { entry: LineEntry::State { state, version }, publisher: None };
        self.place(position, durable, now, effects);
    }

    /// Says what is durable, if it is next; else it waits.
    fn place(
        &mut self,
        position: Option<Position>,
        durable: Durable<E::Publisher>,
        now: Instant,
        effects: &mut E,
    ) {
        let own = position.filter(|position| position.epoch == self.line.position().epoch);
        match (self.keeping.is_on, own) {
            (true, Some(position)) => {
                self.keeping.waiting.insert(position.offset, durable);
                self.say_next(now, effects);
            }
            (true, None) => self.displace(durable, now, effects),
            (false, _) if self.keeping.together.is_some() => self.displace(durable, now, effects),
            // The line counts by itself.
            (false, _) => {
                self.propose(durable.entry, now, effects);
                if let Some(publisher) = durable.publisher {
                    effects.published(publisher, Ok(self.line.position()));
                }
            }
        }
    }

    /// Deals with something durable that has no place on the line, because that was another one when it was stored: a message
    /// went with the line that it was kept on.
    pub(super) fn displace(
        &mut self,
        durable: Durable<E::Publisher>,
        now: Instant,
        effects: &mut E,
    ) {
        if let Some(publisher) = durable.publisher {
            effects.published(publisher, Err(AskError::Overloaded));
        }
        let LineEntry::State { state, version } = durable.entry else { return };
        if version > self.channel.version {
            self.used = now;
            self.changes.observe(&state, version);
            let update = self.take_over(state, version);
            self.spread(&Arc::new(update), effects);
        }
        self.changes.shown(self.channel.version, effects);
    }

    /// Says all that is next.
    pub(super) fn say_next(&mut self, now: Instant, effects: &mut E) {
        while let Some(first) = self.keeping.waiting.first_entry()
            && *first.key() <= self.line.position().next().offset
        {
            let (offset, durable) = first.remove_entry();
            let position = Position { offset, ..self.line.position() };
            self.say_in_place(position, durable, now, effects);
        }
    }

    /// Says something in its place, unless it was said before, and answers for it.
    fn say_in_place(
        &mut self,
        position: Position,
        durable: Durable<E::Publisher>,
        now: Instant,
        effects: &mut E,
    ) {
        let Durable { entry, publisher } = durable;
        self.used = now;
        let is_state = matches!(entry, LineEntry::State { .. });
        self.apply(Ordered { position, entry }, now, effects);
        if let Some(publisher) = publisher {
            effects.published(publisher, Ok(position));
        }
        if is_state {
            self.changes.shown(self.channel.version, effects);
        }
    }

    /// Has the channel read again where it must be and can be now: also where something waits for what nobody knows of, as
    /// after a commit that was reported as failed and stands.
    pub(super) fn settle_line(&mut self, effects: &mut E) {
        if self.keeping.together.is_some() {
            self.wait_for_next(effects);
            return self.reload_if_due(effects);
        }
        let nothing_comes = self.keeping.under_way == 0 && self.changes.is_stored();
        if nothing_comes && !self.keeping.waiting.is_empty() {
            self.changes.doubt();
        }
        self.reload_if_due(effects);
    }

    /// Goes on from what the store has of the line: what it has and nobody was told is said now.
    pub(super) fn catch_up(&mut self, line: Option<CaughtUp>, now: Instant, effects: &mut E) {
        let Some(line) = line else {
            if self.keeping.is_on {
                self.close_history(now, effects);
            }
            return;
        };
        if !self.keeping.is_on || line.position.epoch != self.line.position().epoch {
            self.open_history(line.position);
            for (_, durable) in std::mem::take(&mut self.keeping.waiting) {
                self.displace(durable, now, effects);
            }
            return;
        }
        self.line.trim(line.oldest.saturating_add(1));
        if line.is_whole {
            self.say_behind(line.messages, now, effects);
            self.line.pass_to(line.position);
        } else {
            let lost = self.line.skip_to(line.position);
            self.tell_lost(lost, None, effects);
        }
        for (offset, durable) in std::mem::take(&mut self.keeping.waiting) {
            let position = Position { offset, ..line.position };
            self.say_in_place(position, durable, now, effects);
        }
    }

    /// Says what the store has behind the place where the line stands.
    fn say_behind(&mut self, messages: Vec<KeptMessage>, now: Instant, effects: &mut E) {
        for KeptMessage { position, message, .. } in messages {
            if position.offset <= self.line.position().offset {
                continue;
            }
            // What stands in between are states, of which the newest is told anyway.
            self.line.pass_to(Position { offset: position.offset.saturating_sub(1), ..position });
            if let Some(durable) = self.keeping.waiting.remove(&position.offset) {
                self.say_in_place(position, durable, now, effects);
            } else {
                let entry = LineEntry::Message(message);
                self.apply(Ordered { position, entry }, now, effects);
            }
        }
    }

    /// Subscribers get the channel anew, in front of what comes next if that is here, and sessions count what they have
    /// missed: at least something, where nobody knows how much.
    pub(super) fn tell_lost(&mut self, lost: Option<u64>, next: Option<Position>, effects: &mut E) {
        let dispatch = match next {
            Some(next) => self.available_before(next),
            None => self.available_here(),
        };
        self.deliver(&dispatch, effects);
        let lost = lost.unwrap_or(1);
        for session in self.subscribers.sessions() {
            let missing = Missing { events: Vec::new(), lost };
            effects.tell(session, super::Word::Missing { missing, is_old: false });
        }
    }
}
