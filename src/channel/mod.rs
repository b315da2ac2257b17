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
mod presence;
mod subscribers;
mod subscribing;

pub use changes::StateChanges;
pub use connection::{ConnectionRef, Worker};
pub use effects::{Answers, Application, ChannelEffects, Word};
pub use presence::{MemberPlace, PresentPart};
pub use subscribers::Subscribers;
pub use subscribing::{Card, Snapshot};

use crate::ask::{AskError, ChangeError};
use crate::bus::{Bus, LineEntry, Ordered};
use crate::delivery::fanout::Order;
use crate::domain::channel::SubscriberKind;
use crate::domain::{
    Capabilities, Channel, ChannelKey, Epoch, Position, SessionUid, State, StateChange, Timestamp,
    Version, Visibility,
};
use crate::faults::{Fault, is_planted};
use crate::line::{Accepted, Line, Missing, WindowBounds, WindowShare};
use crate::protocol::{EncodedEvent, ErrorCode, Event};
use std::sync::Arc;
use tokio::time::Instant;

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
    /// Who hears it.
    subscribers: Subscribers<E>,
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
            line: Line::new(epoch, window, share),
            changes: StateChanges::new(channel.state.clone(), channel.version),
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

    /// Whether nobody would miss it.
    pub fn is_idle(&self) -> bool {
        self.subscribers.is_empty() && self.changes.is_settled()
    }

    /// Whether nothing that it had stored can still change what the store has of this channel.
    pub fn is_settled(&self) -> bool {
        self.is_deleted || (self.changes.is_settled() && self.deletions == 0)
    }

    /// When it was last asked something.
    pub const fn used(&self) -> Instant {
        self.used
    }

    /// Notes that it was asked something.
    pub const fn use_now(&mut self, now: Instant) {
        self.used = now;
    }

    /// Lets go of messages that are too old.
    pub fn expire(&mut self, now: Instant) {
        self.line.expire(now);
    }

    /// Whether clients may do what needs this capability.
    pub const fn lets_clients(&self, capability: Capabilities) -> bool {
        self.channel.capabilities.contains(capability)
    }

    /// Whether somebody may subscribe.
    ///
    /// # Errors
    /// [`ErrorCode::NotGranted`] if not.
    pub fn admit(&self, who: SubscriberKind) -> Result<(), ErrorCode> {
        if self.channel.visibility.admits(who) { Ok(()) } else { Err(ErrorCode::NotGranted) }
    }

    /// Proposes something to the line; what has its place at once is applied at once.
    pub fn propose(&mut self, entry: LineEntry, now: Instant, effects: &mut E) {
        self.used = now;
        if let Some(ordered) = effects.bus().propose(&self.line, entry) {
            self.apply(ordered, now, effects);
        }
    }

    /// Applies what the line hands back. Where it has lost some of what comes before, what is durable is read again, and
    /// subscribers are told.
    pub fn apply(&mut self, ordered: Ordered, now: Instant, effects: &mut E) {
        match self.line.accept(ordered.position) {
            Accepted::Next => {}
            Accepted::Repeat => return,
            Accepted::Gap { lost } => self.tell_gap(lost, effects),
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
        }
    }

    /// Its line goes on behind this place, which somebody else has counted.
    pub fn open_at(&mut self, position: Position) {
        self.line.open_at(position);
    }

    /// The line is known to stand here: what this machine has not taken of it is lost.
    pub fn follow(&mut self, position: Position, effects: &mut E) {
        if position != self.line.position() {
            let lost = self.line.skip_to(position);
            self.tell_gap(lost, effects);
        }
    }

    /// Something of the line is missing, and nobody here knows what: subscribers get the channel anew, sessions count what
    /// they have missed, and what is durable is read again.
    fn tell_gap(&mut self, lost: Option<u64>, effects: &mut E) {
        let dispatch = self.available_here();
        self.deliver(&dispatch, effects);
        // Where nobody knows how much it was, it was something.
        let lost = lost.unwrap_or(1);
        for session in self.subscribers.sessions() {
            let missing = Missing { events: Vec::new(), lost };
            effects.tell(session, Word::Missing { missing, is_old: false });
        }
        self.doubt(effects);
    }

    /// The channel may be another in the store than is known here: it is read again, behind all that is under way.
    pub fn doubt(&mut self, effects: &mut E) {
        self.changes.doubt();
        self.reload_if_due(effects);
    }

    /// Has the channel read again, if it must be and can be now.
    fn reload_if_due(&self, effects: &mut E) {
        if self.changes.needs_reload() {
            effects.reload();
        }
    }

    /// Shows a state, unless a newer one was shown already, and then answers whoever made it or one before it.
    fn show_state(&mut self, state: State, version: Version, now: Instant, effects: &mut E) {
        if version > self.channel.version || is_planted(Fault::OldStatesShown) {
            self.channel.state = state.clone();
            self.channel.version = version;
            self.available = None;
            self.changes.observe(&state, version);
            let channel = self.key().id.clone();
            self.broadcast(Event::StateUpdate { channel, state, version }, now, effects);
        }
        self.changes.shown(self.channel.version, effects);
    }

    /// Sends an event to every subscriber: at once to the connected, through their session to the others.
    fn broadcast(&mut self, event: Event, now: Instant, effects: &mut E) {
        self.used = now;
        let dispatch = self.line.show(EncodedEvent::new(event), now);
        self.spread(&dispatch, effects);
    }

    /// Hands an event to every subscriber.
    fn spread(&mut self, dispatch: &Arc<EncodedEvent>, effects: &mut E) {
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
        let (channel, position) = (&self.channel, self.line.position());
        let build = || {
            let event = Event::Available { channel: channel.clone() };
            Arc::new(EncodedEvent::new(event).said_at(position))
        };
        Arc::clone(self.available.get_or_insert_with(build))
    }

    /// The same, with where the line stands now.
    fn available_here(&mut self) -> Arc<EncodedEvent> {
        let position = self.line.position();
        self.available = self.available.take().filter(|known| known.position() == Some(position));
        self.available()
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

    /// What came of storing a state. Every one that is durable by now is proposed, oldest first.
    pub fn committed(
        &mut self,
        version: Version,
        outcome: Result<(), AskError>,
        now: Instant,
        effects: &mut E,
    ) {
        self.changes.committed(version, outcome);
        while let Some((state, version)) = self.changes.next_durable(effects) {
            self.propose(LineEntry::State { state, version }, now, effects);
        }
        self.reload_if_due(effects);
    }

    /// The channel as the store has it: after a commit that was reported as failed and may stand after all, or where the
    /// line has lost something. None if there is no such channel any more.
    pub fn reloaded(
        &mut self,
        stored: Result<Option<Channel>, AskError>,
        now: Instant,
        effects: &mut E,
    ) {
        match stored {
            Ok(Some(stored)) => self.go_on_from(stored, now, effects),
            // Whoever deletes it is about to hear so, and then tells everybody.
            Ok(None) if self.deletions > 0 => {}
            Ok(None) => self.deleted(effects),
            // Without its state the channel is of no use; whoever asks next has it loaded again.
            Err(_) => effects.stop(),
        }
    }

    /// Goes on from what the store has.
    fn go_on_from(&mut self, stored: Channel, now: Instant, effects: &mut E) {
        let (state, version) = (stored.state.clone(), stored.version);
        let is_news = version != self.channel.version;
        self.changes.reloaded(state.clone(), version);
        self.channel = stored;
        self.available = None;
        if is_news {
            self.used = now;
            let channel = self.key().id.clone();
            let update = Event::StateUpdate { channel, state, version };
            // The line has not said this, and may say it yet: it has no place there.
            self.spread(&Arc::new(EncodedEvent::new(update)), effects);
        }
        self.change_on(effects);
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
