//! What a session's actor is asked.

use super::super::channel::{ChannelActor, ConnectionRef};
use crate::ask::AskError;
use crate::delivery::fanout::ConnectionUid;
use crate::domain::{Channel, ChannelId, ConnectionId, Message, ProjectId, Version};
use crate::line::Missing;
use crate::protocol::{Close, Dispatch, Extensions, Frame, Refusal};
use actix::prelude::*;
use std::net::IpAddr;
use std::sync::Arc;

/// Sent by the supervisor for a new connection: take it in; INIT follows on the ordered way.
#[derive(actix::Message, Clone)]
#[rtype(result = "Result<(), Close>")]
pub struct Enter {
    /// The project that the client named; the token must be one of its.
    pub project: ProjectId,
    /// The connection.
    pub connection: ConnectionRef,
    /// Its public id.
    pub cid: ConnectionId,
    /// Where its client is, where the socket tells.
    pub address: Option<IpAddr>,
    /// The extensions that it was granted; none if it did not ask.
    pub extensions: Option<Extensions>,
}

/// Sent by a connection: a frame of its client. Answered when the next one may come, with the version that the frame
/// made, if it changed a state.
#[derive(actix::Message)]
#[rtype(result = "Result<Option<Version>, Refusal>")]
pub struct Serve {
    /// The connection.
    pub connection: ConnectionUid,
    /// The extensions that the connection has.
    pub extensions: Extensions,
    /// The frame.
    pub frame: Frame,
    /// Whether it is an UNSUBSCRIBE whose client has not heard of the subscription yet.
    pub is_hasty: bool,
}

/// Sent by HTTP through the supervisor: subscribe the token.
#[derive(actix::Message)]
#[rtype(result = "Result<(), AskError>")]
pub struct Grant {
    /// The project on whose behalf; the token must be one of its.
    pub project: ProjectId,
    /// The channel.
    pub channel: ChannelId,
    /// Whether the subscription ends with the session.
    pub is_ephemeral: bool,
}

/// Sent by HTTP through the supervisor: unsubscribe the token.
#[derive(actix::Message)]
#[rtype(result = "Result<(), AskError>")]
pub struct Revoke {
    /// The project on whose behalf; the token must be one of its.
    pub project: ProjectId,
    /// The channel.
    pub channel: ChannelId,
}

/// Sent by HTTP through the supervisor: a message to all connections of the token.
#[derive(actix::Message)]
#[rtype(result = "Result<(), AskError>")]
pub struct Direct {
    /// The project on whose behalf; the token must be one of its.
    pub project: ProjectId,
    /// What to send.
    pub message: Message,
}

/// Sent by HTTP through the supervisor: the token was changed in the store, where the session reads what it is by now.
#[derive(actix::Message)]
#[rtype(result = "()")]
pub struct TokenChanged;

/// Sent by HTTP through the supervisor, and by the session's own clock: the token works no more.
#[derive(actix::Message)]
#[rtype(result = "()")]
pub struct TokenEnded(pub &'static str);

/// Sent by the supervisor's shard: end if nobody needs you; answers whether it ends.
#[derive(actix::Message)]
#[rtype(result = "bool")]
pub struct EndIfIdle;

/// Sent by a channel; all of one channel's words come in its order.
#[derive(actix::Message)]
#[rtype(result = "()")]
pub enum FromChannel {
    /// The channel as it was when it began to hand its events to a new connection.
    Snapshot {
        /// The connection.
        connection: ConnectionUid,
        /// The channel.
        channel: Channel,
    },
    /// What a connection that has gone has not heard, or what was said before the session was back.
    Missing {
        /// The messages.
        missing: Missing,
        /// Whether something newer may have come already.
        is_old: bool,
    },
    /// An event while the session has no connection.
    Kept {
        /// The event.
        dispatch: Arc<Dispatch>,
        /// How many before it got lost on the way.
        missed: u64,
    },
    /// The channel was deleted; connections have been told.
    Deleted {
        /// The channel.
        channel: ChannelId,
        /// Which actor: another may have another channel of that name by now.
        address: Addr<ChannelActor>,
    },
    /// The channel's actor ended or crashed; the channel itself may well go on.
    Died {
        /// The channel.
        channel: ChannelId,
        /// Which actor.
        address: Addr<ChannelActor>,
    },
}

/// Sent by HTTP through the supervisor: every connection of the token; none for another project's.
#[derive(actix::Message)]
#[rtype(result = "Vec<ConnectionRef>")]
pub struct Connections(pub ProjectId);
