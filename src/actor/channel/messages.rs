//! What a channel's actor is asked.

use super::super::event_log::{ClientMessage, EventStored};
use super::super::receipt::Receipt;
use super::super::session::SessionActor;
use crate::ask::{AskError, ChangeError};
use crate::channel::{Card, MemberPlace, PresentPart, SentMessage, SessionArrival, Speaker};
use crate::delivery::fanout::{ConnectionUid, FanoutHandle};
use crate::domain::{
    Capabilities, Channel, HistoryLimits, Member, Message, Position, SessionRef, SessionUid, Since,
    Standing, State, StateChange, Timestamp, Version, Visibility,
};
use crate::protocol::Refusal;
use crate::store::{Appended, Start};
use actix::prelude::*;
use std::sync::Arc;
use tokio::sync::oneshot;

/// A connection as channels and sessions know it.
pub type ConnectionRef = crate::channel::ConnectionRef<FanoutHandle>;

/// Sent by HTTP through the supervisor: publish. Answered when the message is on its way to every worker, and durable where
/// the channel keeps its messages.
#[derive(actix::Message)]
#[rtype(result = "Result<Published, AskError>")]
pub struct Publish {
    /// The message.
    pub message: Message,
    /// What the write leaves for who repeats the call, where there is one.
    pub receipt: Option<Receipt<Appended>>,
}

/// Sent by HTTP through the supervisor: publish, for who does not wait for one message before the next. Answered when it is
/// on its way to every worker, or to the store.
#[derive(actix::Message)]
#[rtype(result = "Handed")]
pub struct Hand {
    /// The message.
    pub message: Message,
    /// What the write leaves for who repeats the call, where there is one.
    pub receipt: Option<Receipt<Appended>>,
    /// Whether it is to be published only where it is kept.
    pub is_only_kept: bool,
}

/// What became of it.
#[derive(actix::MessageResponse)]
pub enum Handed {
    /// It is published.
    Published(Published),
    /// It is on its way to the store; this tells when it is kept.
    UnderWay(oneshot::Receiver<Result<Published, AskError>>),
    /// Nothing: it would not be kept.
    Declined,
}

/// A message that was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Where it stands on its channel's line.
    pub position: Position,
    /// Whether it is kept.
    pub is_kept: bool,
}

/// Sent by a connection, or by its session for it: publish, if the channel lets clients; answers whether it does.
#[derive(actix::Message)]
#[rtype(result = "Result<ClientPublished, Refusal>")]
pub struct ClientPublish {
    /// The session.
    pub speaker: Speaker,
    /// The message.
    pub message: Message,
    /// What the client calls it.
    pub id: Option<Arc<str>>,
    /// What webhooks are told of it, and what tells when that is stored.
    pub told: Option<(ClientMessage, EventStored)>,
}

/// A client's message that was published.
pub struct ClientPublished {
    /// It.
    pub sent: SentMessage<Option<EventStored>>,
    /// Whether that was done before, when it came under the same id.
    pub is_repeat: bool,
}

/// Sent by a connection, or by its session for it: change the state, if the channel lets clients. Answered as
/// [`ChangeState`] is.
#[derive(actix::Message)]
#[rtype(result = "Result<Version, Refusal>")]
pub struct ClientChange {
    /// The session.
    pub speaker: Speaker,
    /// The change.
    pub change: StateChange,
    /// Only if the state is at this version.
    pub if_version: Option<Version>,
}

/// Sent by HTTP through the supervisor: change the state. Answered when durable and dispatched.
#[derive(actix::Message)]
#[rtype(result = "Result<Changed, ChangeError>")]
pub struct ChangeState {
    /// The change.
    pub change: StateChange,
    /// Only if the state is the one that the asker means.
    pub expected: Expected,
    /// What the write leaves for who repeats the call.
    pub receipt: Option<Receipt<Changed>>,
    /// Who makes the change, where that is known: a token's handle or a member.
    pub by: Option<Arc<str>>,
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
    /// New bounds on what is kept, if any.
    pub history: Option<HistoryLimits>,
    /// What the write leaves for who repeats the call.
    pub receipt: Option<Receipt<Channel>>,
}

/// Sent by HTTP through the supervisor: delete the channel for good.
#[derive(actix::Message)]
#[rtype(result = "Result<(), AskError>")]
pub struct Delete(pub Option<Receipt<()>>);

/// Sent by HTTP through the supervisor: what stands before a position is not kept any more.
#[derive(actix::Message)]
#[rtype(result = "Result<(), AskError>")]
pub struct Trim {
    /// The position.
    pub before: Position,
    /// What the write leaves for who repeats the call.
    pub receipt: Option<Receipt<()>>,
}

/// Sent by a session without connections that goes on on another server: it is here no more. Answers up to where it was handed
/// all that the channel said; none where it lacks some.
#[derive(actix::Message)]
#[rtype(result = "Option<Position>")]
pub struct MoveAway(pub SessionUid);

/// Sent by a session: its connections hear the channel from now on, `AVAILABLE` first. Answers whether it is let in, once
/// that is on its way.
#[derive(actix::Message)]
#[rtype(result = "bool")]
pub struct Subscribe(pub SessionArrival<Addr<SessionActor>, FanoutHandle>);

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

/// Sent by a session for one of its connections: show it the state. Answers whether it is shown.
#[derive(actix::Message)]
#[rtype(result = "Result<(), Refusal>")]
pub struct ShowState {
    /// The session.
    pub session: SessionUid,
    /// The connection.
    pub connection: ConnectionRef,
    /// Which state; the one in force, if none is named.
    pub version: Option<Version>,
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
