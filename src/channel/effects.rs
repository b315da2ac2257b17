//! What a channel does to the world, as far as it decides it.

use super::connection::{ConnectionRef, Worker};
use crate::ask::{AskError, ChangeError};
use crate::bus::Bus;
use crate::delivery::fanout::Order;
use crate::domain::{Message, Position, SessionRef, State, StateChange, Version};
use crate::line::Missing;
use crate::protocol::{EncodedEvent, Profiles};
use std::sync::Arc;
use std::time::Duration;

/// A word of a channel to one session.
#[derive(Debug)]
pub enum Word {
    /// The channel lets in the session, which asked; what it says first is on its way behind this.
    Admitted,
    /// What a connection that has gone has not heard, or what was said before the session was back.
    Missing {
        /// The messages.
        missing: Missing,
        /// Whether something newer may have come already.
        is_old: bool,
    },
    /// The channel was deleted; connections have been told.
    Deleted,
    /// This machine has ended without that; the channel itself may well go on.
    Died,
}

/// A change that is to be applied elsewhere.
pub struct Application {
    /// To be given back with what came of it.
    pub ticket: u64,
    /// The state to apply it to.
    pub state: State,
    /// The change.
    pub change: StateChange,
}

/// Something that happens on a channel, for who looks at what does.
#[derive(Clone, Copy)]
pub enum ChannelRecord<'a> {
    /// Something is said to so many connections.
    Said(&'a EncodedEvent, usize),
    /// A session comes online.
    Came(&'a SessionRef),
    /// A session that was online leaves.
    Went(&'a SessionRef),
}

/// Tells whoever asked for a state change what came of it.
pub trait Answers {
    /// Who asks.
    type Asker;

    /// Answers, behind everything that was said before.
    fn answer(&mut self, asker: Self::Asker, outcome: Result<(State, Version), ChangeError>);
}

/// What a channel needs from its surroundings; nothing here waits.
///
/// Whatever takes time comes back as another call of the machine; each says which.
pub trait ChannelEffects: Answers {
    /// The way to a session.
    type Session: Clone;
    /// The way to the fan-out of a worker.
    type Worker: Worker;
    /// Who orders what is said.
    type Bus: Bus;
    /// What tells when it is stored what webhooks hear of a client's message.
    type Stored: Clone;
    /// Who waits until a message is kept.
    type Publisher;

    /// Who orders what is said.
    fn bus(&mut self) -> &mut Self::Bus;

    /// Orders a worker's fan-out about, whose events are needed in these forms; orders to one worker keep their order.
    fn order(&mut self, to: &Self::Worker, order: Order, forms: Profiles);

    /// Tells a session something.
    fn tell(&mut self, session: &Self::Session, word: Word);

    /// Hands a session that has no connection what was said, and how many messages before it found no room. Returns
    /// whether there was room.
    fn keep(&mut self, session: &Self::Session, dispatch: &Arc<EncodedEvent>, missed: u64) -> bool;

    /// Stores a state. Comes back as [`committed`](super::ChannelMachine::committed).
    fn store(&mut self, state: &State, version: Version);

    /// Keeps a message as the next on the line. Comes back as [`kept`](super::ChannelMachine::kept).
    fn keep_message(&mut self, message: Message, publisher: Self::Publisher);

    /// Tells whoever waits for a message where it stands, behind everything that was said before.
    fn published(&mut self, publisher: Self::Publisher, outcome: Result<Position, AskError>);

    /// Applies a change that takes long. Comes back as [`applied`](super::ChannelMachine::applied).
    fn apply(&mut self, application: Application);

    /// Reads the channel again. Comes back as [`reloaded`](super::ChannelMachine::reloaded), before anything else.
    fn reload(&mut self);

    /// Comes back as [`reload_again`](super::ChannelMachine::reload_again) after so long.
    fn reload_in(&mut self, pause: Duration);

    /// Notes in the store that an ephemeral channel has had a subscriber. Comes back as
    /// [`marked`](super::ChannelMachine::marked).
    fn mark_subscribed(&mut self);

    /// Deletes an ephemeral channel that has lost its last subscriber. Comes back as
    /// [`deleted`](super::ChannelMachine::deleted) if it was, before anything else.
    fn delete(&mut self);

    /// Comes back as [`show_newcomers`](super::ChannelMachine::show_newcomers) after so long.
    fn show_newcomers_in(&mut self, pause: Duration);

    /// A session comes online here; `before` are those who were.
    fn came(&mut self, session: &Arc<SessionRef>, before: impl FnOnce() -> Vec<Arc<SessionRef>>);

    /// A session leaves; `before` are those who were online until then.
    fn went(&mut self, session: &Arc<SessionRef>, before: impl FnOnce() -> Vec<Arc<SessionRef>>);

    /// The channel was deleted: what is known of who is online there is of no use.
    fn forget(&mut self);

    /// Ends; nothing is asked of this machine any more.
    fn stop(&mut self);

    /// Shows what happens to who looks, if anybody does.
    fn record(&mut self, _: ChannelRecord<'_>) {}

    /// Orders one connection's fan-out about.
    fn order_one(&mut self, connection: &ConnectionRef<Self::Worker>, order: Order) {
        self.order(&connection.worker, order, connection.profile.into());
    }

    /// Hands one connection an event.
    fn hand_one(&mut self, connection: &ConnectionRef<Self::Worker>, dispatch: &Arc<EncodedEvent>) {
        let (uid, dispatch) = (connection.uid, Arc::clone(dispatch));
        self.order_one(connection, Order::Direct { connection: uid, dispatch });
    }
}
