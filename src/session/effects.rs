//! What a session does to the world, as far as it decides it.

use crate::channel::{Card, ConnectionRef, Worker};
use crate::delivery::Home;
use crate::delivery::fanout::{ConnectionUid, Order};
use crate::domain::{
    ChannelId, Epoch, LeapTokenId, Member, SessionUid, Since, Standing, Timestamp,
};
use crate::line::WindowBounds;
use crate::protocol::Profiles;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

/// The bounds of a session.
#[derive(Clone, Copy, Debug)]
pub struct SessionLimits {
    /// The most channels.
    pub channels: usize,
    /// The most connections.
    pub connections: usize,
    /// The most events kept while there is no connection.
    pub replay_events: usize,
    /// The most bytes likewise.
    pub replay_bytes: usize,
    /// The most bytes of states in one INIT.
    pub init_bytes: usize,
    /// What the session's own line keeps at hand.
    pub window: WindowBounds,
}

/// A word of a session to a channel that it holds.
#[derive(Debug)]
pub enum ToChannel<W> {
    /// A connection has gone, which has heard so far, as far as is known.
    Detach {
        /// The connection.
        connection: ConnectionUid,
        /// How far it will have heard; none where nobody wants to know.
        standing: Option<Standing>,
        /// Whether nothing more will be known: no [`ToChannel::Recall`] follows.
        is_settled: bool,
    },
    /// By now it is known what arrived.
    Recall {
        /// The connection.
        connection: ConnectionUid,
        /// How far the connection had heard.
        heard: Standing,
        /// How far the word before said.
        hoped: Standing,
    },
    /// Others see the session differently.
    Rename(Arc<Member>),
    /// A connection is to be shown who is in.
    ShowPresence(ConnectionRef<W>),
}

/// What becomes of an ephemeral subscription, for webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ephemeral {
    /// It was made.
    Made,
    /// It is a permanent one from now on: no end of it is told.
    Replaced,
    /// It has ended.
    Ended,
}

/// What a session needs from its surroundings; nothing here waits.
///
/// Whatever takes time comes back as another call of the machine; each says which.
pub trait SessionEffects {
    /// The way to a channel; another incarnation of it is another way.
    type Channel: Clone + PartialEq;
    /// The way to the fan-out of a worker.
    type Worker: Worker;

    /// The bounds of every session.
    fn limits(&self) -> SessionLimits;

    /// The way back here, for what a connection does not take.
    fn home(&self) -> Option<Home>;

    /// Whether a channel has not ended, as far as is known.
    fn is_live(&self, channel: &Self::Channel) -> bool;

    /// Orders a worker's fan-out about, whose events are needed in these forms; orders to one worker keep their order.
    fn order(&mut self, to: &Self::Worker, order: Order, forms: Profiles);

    /// Tells a channel something.
    fn say(&mut self, channel: &Self::Channel, session: SessionUid, word: ToChannel<Self::Worker>);

    /// A connection that is on its way in is to hear a channel, from a position on if it named one. Comes back as
    /// [`snapshot`](super::SessionMachine::snapshot), or [`unanswered`](super::SessionMachine::unanswered) where the channel
    /// has just ended.
    fn attach(
        &mut self,
        id: &ChannelId,
        channel: &Self::Channel,
        session: Card,
        connection: &ConnectionRef<Self::Worker>,
        since: Option<Since>,
    );

    /// The session holds the channel, and these connections, past their INIT, are to hear it. Comes back as
    /// [`unanswered`](super::SessionMachine::unanswered) where the channel has just ended.
    fn resubscribe(
        &mut self,
        id: &ChannelId,
        channel: &Self::Channel,
        session: Card,
        connections: Vec<ConnectionRef<Self::Worker>>,
        is_return: bool,
    );

    /// The session leaves a channel, if there is a way to it; the connection that asked for it is not told.
    fn unsubscribe(
        &mut self,
        id: &ChannelId,
        channel: Option<&Self::Channel>,
        session: Card,
        asker: Option<ConnectionUid>,
    );

    /// Looks for a channel that the session holds. Comes back as [`found`](super::SessionMachine::found).
    fn look_for(&mut self, id: &ChannelId);

    /// A channel that the session held is not there any more.
    fn vanished(&mut self, id: &ChannelId, session: Card, is_ephemeral: bool);

    /// Something becomes of an ephemeral subscription of a token.
    fn ephemeral(&mut self, id: &ChannelId, session: Card, what: Ephemeral);

    /// How many messages from before the server's start the next connection of a token has missed.
    fn unheard_before_start(&self, token: &LeapTokenId) -> u64;

    /// The session's token is online; none if it is not any more.
    fn set_online(&mut self, token: Option<&LeapTokenId>);

    /// Comes back as [`ask_who_is_in`](super::SessionMachine::ask_who_is_in), behind all orders that wait.
    fn ask_who_is_in(&mut self, connection: ConnectionUid);

    /// Comes back as [`grace_over`](super::SessionMachine::grace_over) when nobody has come back for a while.
    fn start_grace(&mut self);

    /// Not any more.
    fn stop_grace(&mut self);

    /// Comes back as [`expire`](super::SessionMachine::expire) after so long.
    fn watch_line(&mut self, pause: Duration);

    /// Comes back as [`expire_token`](super::SessionMachine::expire_token) at that time; instead of the time before.
    fn watch_expiry(&mut self, at: Option<Timestamp>);

    /// Reads some of what waits in the token's mailbox behind a number. Comes back as
    /// [`mail_read`](super::SessionMachine::mail_read).
    fn read_mail(&mut self, after: u64);

    /// Comes back as [`look_at_mail`](super::SessionMachine::look_at_mail) after so long.
    fn watch_mail(&mut self, pause: Duration);

    /// Notes that mails of these numbers were delivered. Comes back as
    /// [`mail_noted`](super::SessionMachine::mail_noted).
    fn deliver_mail(&mut self, mailbox: Epoch, numbers: Vec<RangeInclusive<u64>>);

    /// Asks whether the session may end. Comes back as a question for [`may_end`](super::SessionMachine::may_end).
    fn retire(&mut self);

    /// Ends; nothing is asked of this machine any more.
    fn stop(&mut self);
}
