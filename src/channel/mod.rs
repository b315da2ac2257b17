//! A channel's machine: what a channel does, without I/O.
//!
//! It is told what happens, with the time as an argument, and says through [`ChannelEffects`] what has to be done about
//! it. What all subscribers hear takes one way, in three steps: it is **proposed** to the channel's line, gets its place
//! there, and is **applied**, which means shown. State changes are proposed when they are durable, and in the order of
//! their versions.

mod changes;
mod connection;
mod effects;
mod ending;
mod keeping;
mod presence;
mod rereading;
mod sent_ids;
mod starting;
mod subscribers;
mod subscribing;
mod together;

pub use changes::StateChanges;
pub use connection::{ConnectionRef, Worker};
pub use effects::{Answers, Application, ChannelEffects, ChannelRecord, Word};
pub use keeping::{CaughtUp, StoredChannel};
pub use presence::{MemberPlace, PresentPart};
pub use sent_ids::{SentId, SentMessage};
pub use starting::{KeptEvents, LateStart};
pub use subscribers::Subscribers;
pub use subscribing::{Admission, Card, SessionArrival, Snapshot};

use crate::ask::{AskError, ChangeError};
use crate::bus::{Bus, LineEntry, Ordered};
use crate::delivery::fanout::Order;
use crate::domain::{
    Capabilities, Channel, ChannelKey, Epoch, Message, Position, SessionRef, SessionUid, State,
    StateChange, Timestamp, Version, Visibility,
};
use crate::faults::{Fault, is_planted};
use crate::line::{Accepted, Line, WindowBounds, WindowShare};
use crate::protocol::{EncodedEvent, Event, Refusal};
use keeping::Keeping;
use rereading::Rereading;
use sent_ids::{IdBounds, SentIds};
use std::mem::replace;
use std::sync::Arc;
use tokio::time::Instant;

/// The session of a client that wants to say something.
#[derive(Clone, Debug)]
pub enum Speaker {
    /// It says itself that it is subscribed.
    Vouched(Card),
    /// Its connection asks: the channel has to look.
    Subscriber(SessionUid),
}

/// A moment, by both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// For intervals.
    pub instant: Instant,
    /// For people.
    pub time: Timestamp,
}

/// One channel in use.
pub struct ChannelMachine<E: ChannelEffects> {
    /// The order of what it says, for as long as this machine lives.
    line: Line,
    /// The channel as subscribers know it: its state is the last durable one that was applied.
    channel: Channel,
    /// State changes under way.
    changes: StateChanges<E::Asker>,
    /// Messages that are kept, under way.
    keeping: Keeping<E::Publisher>,
    /// Reads that failed.
    rereading: Rereading,
    /// Who hears it.
    subscribers: Subscribers<E>,
    /// The ids that clients gave what they said.
    sent_ids: SentIds<E::Stored>,
    /// Connections that wait to be shown who is in.
    newcomers: Vec<(SessionUid, ConnectionRef<E::Worker>)>,
    /// `AVAILABLE` as it would be now, built when first needed.
    available: Option<Arc<EncodedEvent>>,
    /// When it was last asked something.
    used: Instant,
    /// How many deletions are on their way to the store.
    deletions: usize,
    /// Whether the channel was deleted.
    is_deleted: bool,
    /// Whether a session with a connection has ever been in: only then is there a last one to go with.
    had_subscriber: bool,
    /// Whether the store knows that, which only matters where it decides about the channel's end.
    is_marked: bool,
    /// The most bytes of a state.
    state_bytes: usize,
}

impl<E: ChannelEffects> ChannelMachine<E> {
    /// A channel just read from the store, whose state may have so many bytes; no line has had that epoch.
    pub fn new(
        channel: Channel,
        epoch: Epoch,
        window: WindowBounds,
        share: Arc<WindowShare>,
        state_bytes: usize,
        now: Instant,
    ) -> Self {
        Self {
            sent_ids: SentIds::new(IdBounds::USUAL, Arc::clone(&share)),
            line: Line::new(epoch, window, share),
            changes: StateChanges::new(channel.state.clone(), channel.version),
            keeping: Keeping::new(),
            rereading: Rereading::default(),
            channel,
            subscribers: Subscribers::default(),
            newcomers: Vec::new(),
            available: None,
            used: now,
            deletions: 0,
            is_deleted: false,
            had_subscriber: false,
            is_marked: false,
            state_bytes,
        }
    }

    /// The channel as subscribers know it.
    pub const fn channel(&self) -> &Channel {
        &self.channel
    }

    /// The channel's full name.
    pub const fn key(&self) -> &ChannelKey {
        &self.channel.key
    }

    /// The channel's line.
    pub const fn line(&self) -> &Line {
        &self.line
    }

    /// Who hears it.
    pub const fn subscribers(&self) -> &Subscribers<E> {
        &self.subscribers
    }

    /// Whether nobody would miss it, also not what it remembers of clients' ids.
    pub fn is_idle(&self) -> bool {
        let is_settled = self.changes.is_settled() && self.keeping.is_settled();
        self.subscribers.is_empty() && is_settled && self.sent_ids.is_empty()
    }

    /// Whether nothing that it had stored can still change what the store has of this channel.
    pub fn is_settled(&self) -> bool {
        let is_settled = self.changes.is_settled() && self.keeping.is_settled();
        self.is_deleted || (is_settled && self.deletions == 0)
    }

    /// When it was last asked something.
    pub const fn used(&self) -> Instant {
        self.used
    }

    /// Notes that it was asked something.
    pub const fn use_now(&mut self, now: Instant) {
        self.used = now;
    }

    /// Lets go of messages that are too old, and of clients' ids.
    pub fn expire(&mut self, now: Instant) {
        self.line.expire(now);
        self.sent_ids.expire(now);
    }

    /// The session of a client that wants to say something here. It must be subscribed.
    ///
    /// # Errors
    /// [`Refusal::NotSubscribed`] if the channel knows of no subscription.
    pub fn speaker(&self, speaker: &Speaker) -> Result<Arc<SessionRef>, Refusal> {
        match speaker {
            Speaker::Vouched(card) => Ok(Arc::clone(&card.named)),
            Speaker::Subscriber(uid) => {
                self.subscribers.named(*uid).cloned().ok_or(Refusal::NotSubscribed)
            }
        }
    }

    /// The member that a client is, to be noted with what it does.
    pub fn author(&self, speaker: &Speaker) -> Option<Arc<str>> {
        let member = match speaker {
            Speaker::Vouched(card) => Some(&card.member),
            Speaker::Subscriber(uid) => self.subscribers.member(*uid),
        };
        member.map(|member| Arc::clone(&member.id))
    }

    /// Whether clients may do what needs this capability.
    ///
    /// # Errors
    /// [`Refusal::MissingCapability`] if not.
    pub fn lets_clients(&self, capability: Capabilities) -> Result<(), Refusal> {
        if self.channel.capabilities.contains(capability) {
            return Ok(());
        }
        Err(Refusal::MissingCapability(capability.name()))
    }

    /// The message that a client published before under this id, if it did lately; it is not to be published again.
    pub fn sent_before(
        &mut self,
        session: &SessionRef,
        id: &Arc<str>,
        now: Instant,
    ) -> Option<SentMessage<E::Stored>> {
        self.sent_ids.find(session, id, now).cloned()
    }

    /// A client's message was published under this id.
    pub fn remember_sent(&mut self, id: SentId, sent: SentMessage<E::Stored>, now: Instant) {
        self.sent_ids.remember(id, sent, now);
    }

    /// Publishes a client's message, which is remembered under its id; `stored` tells when what webhooks hear is stored.
    pub fn publish_for(
        &mut self,
        session: &SessionRef,
        (message, id): (Message, Option<Arc<str>>),
        stored: E::Stored,
        now: Instant,
        effects: &mut E,
    ) -> SentMessage<E::Stored> {
        let position = self.propose(LineEntry::Message(message), now, effects);
        let sent = SentMessage { position, stored };
        if let Some(id) = id {
            self.sent_ids.remember(SentId::of(session, &id), sent.clone(), now);
        }
        sent
    }

    /// Proposes something to the line; what has its place at once is applied at once. Returns that place.
    pub fn propose(&mut self, entry: LineEntry, now: Instant, effects: &mut E) -> Option<Position> {
        self.used = now;
        let ordered = effects.bus().propose(&self.line, entry)?;
        let position = ordered.position;
        self.apply(ordered, now, effects);
        Some(position)
    }

    /// Applies what the line hands back. Where it has lost some of what comes before, what is durable is read again, and
    /// subscribers are told.
    pub fn apply(&mut self, ordered: Ordered, now: Instant, effects: &mut E) {
        match self.line.accept(ordered.position) {
            Accepted::Next => {}
            Accepted::Repeat => return,
            Accepted::Gap { lost } => self.tell_gap(lost, Some(ordered.position), effects),
        }
        match ordered.entry {
            LineEntry::Message(message) => {
                self.broadcast(
                    Event::Message { channel: self.key().id.clone(), message },
                    now,
                    effects,
                );
            }
            LineEntry::State { state, version } => self.show_state(state, version, now, effects),
            LineEntry::Kept { position, message } => {
                if !self.was_said(position) {
                    self.broadcast(
                        Event::Message { channel: self.key().id.clone(), message },
                        now,
                        effects,
                    );
                }
            }
            LineEntry::KeptState { state, version, .. } => {
                self.show_state(state, version, now, effects);
            }
            LineEntry::Reread => self.doubt(effects),
        }
    }

    /// Several servers serve the channel: its line goes on behind this place, which the bus counts.
    pub fn open_at(&mut self, position: Position) {
        self.line.open_at(position);
        self.keeping.share(position);
    }

    /// What its line has said up to where it was opened, as far as that can still be read: in order, and none left out. It is
    /// at hand for who wants to hear on from before.
    pub fn restore(&mut self, window: Vec<Ordered>, now: Instant) {
        let Some(oldest) = window.first() else { return };
        let behind = oldest.position.offset.saturating_sub(1);
        let channel = self.key().id.clone();
        let said = window.into_iter().filter_map(|Ordered { position, entry }| {
            let LineEntry::Message(message) = entry else { return None };
            let message = Event::Message { channel: channel.clone(), message };
            Some(EncodedEvent::new(message).said_at(position))
        });
        self.line.restore(behind, said, now);
    }

    /// The line is known to stand here: what this machine has not taken of it is lost.
    pub fn follow(&mut self, position: Position, effects: &mut E) {
        if self.keeping.is_on {
            return self.follow_beside(position, effects);
        }
        if position != self.line.position() {
            let lost = self.line.skip_to(position);
            self.tell_gap(lost, None, effects);
        }
    }

    /// Something of the line is missing, and nobody here knows what: subscribers get the channel anew, in front of what comes
    /// next if that is here, sessions count what they have missed, and what is durable is read again.
    fn tell_gap(&mut self, lost: Option<u64>, next: Option<Position>, effects: &mut E) {
        self.tell_lost(lost, next, effects);
        self.doubt(effects);
    }

    /// Shows a state, unless a newer one was shown already, and then answers whoever made it or one before it.
    fn show_state(&mut self, state: State, version: Version, now: Instant, effects: &mut E) {
        if version > self.channel.version || is_planted(Fault::OldStatesShown) {
            self.changes.observe(&state, version);
            let update = self.take_over(state, version);
            self.say(update, now, effects);
        }
        self.changes.shown(self.channel.version, effects);
    }

    /// The channel has this state from now on; how subscribers are told.
    fn take_over(&mut self, state: State, version: Version) -> EncodedEvent {
        let before = replace(&mut self.channel.state, state.clone());
        let from = replace(&mut self.channel.version, version);
        self.available = None;
        let channel = self.key().id.clone();
        let update = EncodedEvent::new(Event::StateUpdate { channel, state, version });
        // The state before is held with the event, which is for those alone who want to know what has changed.
        let is_wanted = from < version && self.subscribers.profiles().has_deltas();
        if is_wanted { update.after(before, from) } else { update }
    }

    /// Sends an event to every subscriber: at once to the connected, through their session to the others.
    fn broadcast(&mut self, event: Event, now: Instant, effects: &mut E) {
        self.say(EncodedEvent::new(event), now, effects);
    }

    /// The same, of one that is made already.
    fn say(&mut self, event: EncodedEvent, now: Instant, effects: &mut E) {
        self.used = now;
        let dispatch = self.line.show(event, now);
        self.spread(&dispatch, effects);
    }

    /// Shows one connection the state, if it hears the channel: the one in force, which has to be of this version if one
    /// is named.
    ///
    /// # Errors
    /// [`Refusal::NotSubscribed`], [`Refusal::VersionGone`].
    pub fn show_state_to(
        &self,
        session: SessionUid,
        connection: &ConnectionRef<E::Worker>,
        wanted: Option<Version>,
        effects: &mut E,
    ) -> Result<(), Refusal> {
        if !self.subscribers.has_connection(session, connection.uid) {
            return Err(Refusal::NotSubscribed);
        }
        let Channel { state, version, .. } = &self.channel;
        if wanted.is_some_and(|wanted| wanted != *version) {
            return Err(Refusal::VersionGone);
        }
        let (channel, state, version) = (self.key().id.clone(), state.clone(), *version);
        let dispatch = Arc::new(EncodedEvent::new(Event::StateAnswer { channel, state, version }));
        effects.hand_one(connection, &dispatch);
        Ok(())
    }

    /// Hands an event to every subscriber.
    fn spread(&mut self, dispatch: &Arc<EncodedEvent>, effects: &mut E) {
        effects.record(ChannelRecord::Said(dispatch, self.subscribers.connection_count()));
        self.deliver(dispatch, effects);
        self.subscribers.keep(dispatch, effects);
    }

    /// Hands an event to all who are connected.
    fn deliver(&self, dispatch: &Arc<EncodedEvent>, effects: &mut E) {
        let forms = self.subscribers.profiles();
        for worker in self.subscribers.workers() {
            let dispatch = Arc::clone(dispatch);
            effects.order(worker, Order::Deliver { channel: self.line.id(), dispatch }, forms);
        }
    }

    /// `AVAILABLE` with the state as subscribers know it; where the line stood when it was built.
    fn available(&mut self) -> Arc<EncodedEvent> {
        let known = self.available.take();
        let known = known.unwrap_or_else(|| self.available_at(self.line.position(), None));
        Arc::clone(self.available.insert(known))
    }

    /// The same, with another place, and whether nothing is missing behind a position that was named.
    fn available_at(&self, position: Position, recovered: Option<bool>) -> Arc<EncodedEvent> {
        let event = Event::Available { channel: self.channel.clone(), recovered };
        Arc::new(EncodedEvent::new(event).said_at(position))
    }

    /// The same, with where the line stands now.
    fn available_here(&mut self) -> Arc<EncodedEvent> {
        let position = self.line.position();
        self.available = self.available.take().filter(|known| known.position() == Some(position));
        self.available()
    }

    /// The same, right before this place: what stands there follows, and who drops what is not beyond the last that it saw
    /// must not drop that.
    fn available_before(&mut self, next: Position) -> Arc<EncodedEvent> {
        if is_planted(Fault::AvailableAhead) {
            return self.available_here();
        }
        let before = Position { offset: next.offset.saturating_sub(1), ..next };
        self.available_at(before, None)
    }

    /// Takes a state change in.
    pub fn change(
        &mut self,
        change: StateChange,
        if_version: Option<Version>,
        asker: E::Asker,
        now: Instant,
        effects: &mut E,
    ) {
        self.used = now;
        self.changes.ask(change, if_version, asker, effects);
        self.change_on(effects);
    }

    /// Who asked for the change that makes this version and is under way to the store.
    pub fn asker(&self, version: Version) -> Option<&E::Asker> {
        self.changes.asker(version)
    }

    /// The state before one that is under way to the store, as far as it is known here.
    pub fn before(&self, version: Version) -> Option<&State> {
        let shown = (self.channel.version.next() == version).then_some(&self.channel.state);
        self.changes.before(version).or(shown)
    }

    /// Makes the changes that wait, up to one that is applied elsewhere.
    fn change_on(&mut self, effects: &mut E) {
        while let Some(next) = self.changes.next(self.state_bytes, effects) {
            match next {
                changes::Next::Store { state, version } => {
                    effects.store(&state, version);
                }
                changes::Next::Apply(application) => effects.apply(application),
            }
        }
    }

    /// What came of a change that was applied elsewhere.
    pub fn applied(&mut self, ticket: u64, outcome: Result<State, ChangeError>, effects: &mut E) {
        if let Some((state, version)) = self.changes.applied(ticket, outcome, effects) {
            effects.store(&state, version);
        }
        self.change_on(effects);
    }

    /// What came of storing a state, which took a place on the line where the store counts it. Every one that is durable by
    /// now is proposed, oldest first.
    pub fn committed(
        &mut self,
        version: Version,
        outcome: Result<Option<Position>, AskError>,
        now: Instant,
        effects: &mut E,
    ) {
        self.changes.committed(version, outcome);
        while let Some((state, version, position)) = self.changes.next_durable(effects) {
            self.place_state(state, version, position, now, effects);
        }
        self.settle_line(effects);
    }

    /// The channel is open to others, or can do other things, from now on.
    pub fn updated(&mut self, visibility: Visibility, capabilities: Capabilities, effects: &mut E) {
        let was_shown = self.has_presence();
        self.channel.visibility = visibility;
        self.channel.capabilities = capabilities;
        self.available = None;
        self.mark_subscribed(effects);
        if !was_shown {
            self.show_presence(self.subscribers.with_sessions(), effects);
        }
    }
}

#[cfg(test)]
mod tests;
