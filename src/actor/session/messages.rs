//! What a session's actor is asked.

use super::super::channel::{ChannelActor, ConnectionPart};
use super::super::receipt::Receipt;
use crate::ask::AskError;
use crate::channel::Snapshot;
use crate::channel::Word;
use crate::delivery::Report;
use crate::delivery::fanout::{ConnectionUid, FanoutHandle};
use crate::domain::{ChannelId, ChannelKey, Message as Published, ProjectId, SessionUid};
use crate::protocol::{Acknowledged, ClientFrame, Close, EncodedEvent, Extensions, Refusal};
use crate::store::Start;
use actix::prelude::*;
use std::sync::Arc;

/// Sent by the supervisor for a new connection: take it in; INIT follows on the ordered way.
pub type Connect = crate::session::Connect<FanoutHandle>;

impl Message for Connect {
    type Result = Result<SessionUid, Close>;
}

/// Sent by a connection, or for it.
impl Message for Report {
    type Result = ();
}

/// What became of a frame that was carried out.
#[derive(Debug, Default)]
pub struct CarriedOut {
    /// What its client is told of that.
    pub done: Acknowledged,
    /// The channel that it went to, which takes the next one without asking here.
    pub channel: Option<(ChannelKey, Addr<ChannelActor>)>,
}

/// Sent by a connection: a frame of its client. Answered when the next one may come.
#[derive(actix::Message)]
#[rtype(result = "Result<CarriedOut, Refusal>")]
pub struct Serve {
    /// The connection.
    pub connection: ConnectionUid,
    /// The extensions that the connection has.
    pub extensions: Extensions,
    /// The frame.
    pub frame: ClientFrame,
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
    /// What the write leaves for who repeats the call.
    pub receipt: Option<Receipt<()>>,
}

/// Sent by HTTP through the supervisor: unsubscribe the token.
#[derive(actix::Message)]
#[rtype(result = "Result<(), AskError>")]
pub struct Revoke {
    /// The project on whose behalf; the token must be one of its.
    pub project: ProjectId,
    /// The channel.
    pub channel: ChannelId,
    /// What the write leaves for who repeats the call.
    pub receipt: Option<Receipt<()>>,
}

/// Sent by HTTP through the supervisor: a message to all connections of the token.
#[derive(actix::Message)]
#[rtype(result = "Result<(), AskError>")]
pub struct Direct {
    /// The project on whose behalf; the token must be one of its.
    pub project: ProjectId,
    /// What to send.
    pub message: Published,
}

/// Sent by HTTP through the supervisor: there is something new in the token's mailbox.
#[derive(actix::Message)]
#[rtype(result = "()")]
pub struct MailWaits;

/// Sent by HTTP through the supervisor: the token was changed in the store, where the session reads what it is by now.
#[derive(actix::Message)]
#[rtype(result = "()")]
pub struct TokenChanged;

/// Sent by HTTP through the supervisor, and by the session's own clock: the token works no more.
#[derive(actix::Message)]
#[rtype(result = "()")]
pub struct TokenEnded(pub &'static str);

/// Sent by the supervisor when the server stops: how many messages has your next connection missed?
#[derive(actix::Message)]
#[rtype(result = "u64")]
pub struct CountUnheard;

/// Sent by the supervisor's shard: end if nobody needs you; answers whether it ends.
#[derive(actix::Message)]
#[rtype(result = "bool")]
pub struct EndIdleSession;

/// Sent by a channel; all of one channel's words come in its order.
#[derive(actix::Message)]
#[rtype(result = "()")]
pub enum FromChannel {
    /// The channel as it was when it began to hand its events to a new connection.
    Snapshot {
        /// The connection.
        connection: ConnectionUid,
        /// The channel.
        snapshot: Snapshot,
    },
    /// An event while the session has no connection.
    Kept {
        /// The event.
        dispatch: Arc<EncodedEvent>,
        /// How many before it got lost on the way.
        missed: u64,
    },
    /// Anything else.
    Word {
        /// The channel.
        channel: ChannelId,
        /// Which actor: another may have another channel of that name by now.
        address: Addr<ChannelActor>,
        /// What.
        word: Word,
    },
}

/// Sent by HTTP through the supervisor: a part of the token's connections; none for another project's.
#[derive(actix::Message)]
#[rtype(result = "ConnectionPart")]
pub struct ListTokenConnections {
    /// The project.
    pub project: ProjectId,
    /// Where the part begins.
    pub start: Start<ConnectionUid>,
    /// How many it has at most.
    pub limit: u64,
}
