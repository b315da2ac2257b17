//! What a channel's actor is asked.

use super::super::event_log::ClientMessage;
use super::super::receipt::Receipt;
use super::super::session::SessionActor;
use crate::ask::{AskError, ChangeError};
use crate::channel::Card;
use crate::channel::{MemberPlace, PresentPart};
use crate::delivery::fanout::{ConnectionUid, FanoutHandle};
use crate::domain::channel::SubscriberKind;
use crate::domain::{
    Capabilities, Channel, Member, Message, SessionRef, SessionUid, Since, Standing, State,
    StateChange, Timestamp, Version, Visibility,
};
use crate::protocol::{ErrorCode, Refusal};
use crate::store::Start;
use actix::prelude::*;
use std::sync::Arc;

/// A connection as channels and sessions know it.
pub type ConnectionRef = crate::channel::ConnectionRef<FanoutHandle>;

/// Sent by HTTP through the supervisor: publish. Answered when the message is on its way to every worker.
#[derive(actix::Message)]
#[rtype(result = "()")]
pub struct Publish(pub Message);

/// Sent by a session for one of its connections: publish, if the channel lets clients; answers whether it does.
#[derive(actix::Message)]
#[rtype(result = "Result<(), Refusal>")]
pub struct ClientPublish {
    /// The message.
    pub message: Message,
    /// What webhooks are told of it.
    pub told: Option<ClientMessage>,
}

/// Sent by HTTP through the supervisor, and by sessions: change the state. Answered when durable and dispatched.
#[derive(actix::Message)]
#[rtype(result = "Result<Changed, ChangeError>")]
pub struct ChangeState {
    /// The change.
    pub change: StateChange,
    /// Only if the state is the one that the asker means.
    pub expected: Expected,
    /// Whether a client asks, which the channel must allow.
    pub is_client: bool,
    /// What the write leaves for who repeats the call.
    pub receipt: Option<Receipt<Changed>>,
}

/// Which state a change was made from, as far as its asker says.
#[derive(Clone, Copy, Default)]
pub struct Expected {
    /// The version.
    pub version: Option<Version>,
    /// When the channel was created: one of the same name that was created later is another.
    pub created_at: Option<Timestamp>,
}

/// A state that was changed.
#[derive(Clone, Debug)]
pub struct Changed {
    /// The new state.
    pub state: State,
    /// Its version.
    pub version: Version,
    /// When its channel was created.
    pub created_at: Timestamp,
}

/// Sent by HTTP through the supervisor: change who may subscribe and what the channel can do.
#[derive(actix::Message)]
#[rtype(result = "Result<Channel, AskError>")]
pub struct Update {
    /// New visibility, if any.
    pub visibility: Option<Visibility>,
    /// New capabilities, if any.
    pub capabilities: Option<Capabilities>,
    /// What the write leaves for who repeats the call.
    pub receipt: Option<Receipt<Channel>>,
}

/// Sent by HTTP through the supervisor: delete the channel for good.
#[derive(actix::Message)]
#[rtype(result = "Result<(), AskError>")]
pub struct Delete(pub Option<Receipt<()>>);

/// Sent by HTTP through the supervisor: how many sessions are connected and subscribed.
#[derive(actix::Message)]
#[rtype(result = "u64")]
pub struct OnlineCount;

/// Sent by a session before it subscribes: may it?
#[derive(actix::Message)]
#[rtype(result = "Result<(), ErrorCode>")]
pub struct Admit(pub SubscriberKind);

/// Sent by a session: its connections hear the channel from now on, `AVAILABLE` first.
#[derive(actix::Message)]
#[rtype(result = "()")]
pub struct Subscribe {
    /// The session.
    pub session: Card,
    /// Where snapshots and kept events go.
    pub address: Addr<SessionActor>,
    /// All its connections.
    pub connections: Vec<ConnectionRef>,
    /// Whether the session held the channel while another actor had it: then it has missed all that this one said so far.
    pub is_return: bool,
}

/// Sent by a session for a connection that is just beginning: it hears the channel from now on; the channel as it is
/// goes to the session, which builds INIT from it.
#[derive(actix::Message)]
#[rtype(result = "()")]
pub struct Attach {
    /// The session.
    pub session: Card,
    /// Where the snapshot and kept events go.
    pub address: Addr<SessionActor>,
    /// The connection.
    pub connection: ConnectionRef,
    /// From where it wants to go on.
    pub since: Option<Since>,
}

/// Sent by a session: others see it differently from now on.
#[derive(actix::Message)]
#[rtype(result = "()")]
pub struct Rename {
    /// The session.
    pub session: SessionUid,
    /// Who it is to others.
    pub member: Arc<Member>,
}

/// Sent by a session for a connection whose INIT is out, if it has the extension: show it who is in.
#[derive(actix::Message)]
#[rtype(result = "()")]
pub struct ShowPresence {
    /// The session.
    pub session: SessionUid,
    /// The connection.
    pub connection: ConnectionRef,
}

/// Sent by a session: a connection has gone; the subscription stays.
#[derive(actix::Message)]
#[rtype(result = "()")]
pub struct Detach {
    /// The session.
    pub session: SessionUid,
    /// The connection.
    pub connection: ConnectionUid,
    /// How far it will have heard, as far as is known; none where nobody wants to know.
    pub standing: Option<Standing>,
    /// Whether nothing more will be known: no [`Recall`] follows.
    pub is_settled: bool,
}

/// Sent by a session behind a [`Detach`]: by now it is known what arrived.
#[derive(actix::Message)]
#[rtype(result = "()")]
pub struct Recall {
    /// The session.
    pub session: SessionUid,
    /// The connection.
    pub connection: ConnectionUid,
    /// How far the connection had heard.
    pub heard: Standing,
    /// How far the [`Detach`] said.
    pub hoped: Standing,
}

/// Sent by a session: it hears the channel no more.
#[derive(actix::Message)]
#[rtype(result = "()")]
pub struct Unsubscribe {
    /// The session.
    pub session: SessionUid,
    /// Who it is to webhooks.
    pub named: Arc<SessionRef>,
    /// The connection that asked for it, which must not be told (`docs/PROTOCOL.md`, Visibility).
    pub asker: Option<ConnectionUid>,
}

/// Sent by the supervisor's shard: end if nobody needs you; answers whether it ends.
#[derive(actix::Message)]
#[rtype(result = "bool")]
pub struct EndIdleChannel;

/// Sent by HTTP through the supervisor: a part of who is in; none where the channel does not show it.
#[derive(actix::Message)]
#[rtype(result = "Option<PresentPart>")]
pub struct ListPresence {
    /// Where the part begins.
    pub start: Start<MemberPlace>,
    /// How many it has at most.
    pub limit: u64,
}

/// A part of somebody's connections.
#[derive(actix::MessageResponse)]
pub struct ConnectionPart {
    /// The connections, oldest first.
    pub connections: Vec<ConnectionRef>,
    /// How many there are in all.
    pub total: usize,
}

impl ConnectionPart {
    /// The part of these that begins there and has so many at most.
    pub fn of<'a>(
        all: impl Iterator<Item = &'a ConnectionRef>,
        start: Start<ConnectionUid>,
        limit: u64,
    ) -> Self {
        let all: Vec<_> = all.collect();
        let part = start.part(all.iter().copied(), |one| one.uid, limit);
        Self { connections: part.into_iter().cloned().collect(), total: all.len() }
    }
}

/// Sent by HTTP through the supervisor: a part of the connections that hear the channel.
#[derive(actix::Message)]
#[rtype(result = "ConnectionPart")]
pub struct ListHearers {
    /// Where the part begins.
    pub start: Start<ConnectionUid>,
    /// How many it has at most.
    pub limit: u64,
}

/// Sent once after a start, when sessions have had their time to come back: an ephemeral channel that nobody came back
/// to is deleted.
#[derive(actix::Message)]
#[rtype(result = "()")]
pub struct Sweep;
