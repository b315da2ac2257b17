//! What a connection's end tells upwards: how far it was heard, and what it was given and has not taken.

use super::fanout::ConnectionUid;
use crate::domain::Standing;
use crate::protocol::EncodedEvent;
use std::sync::Arc;

/// What did not reach a connection, beside what the lines know.
#[derive(Debug, Default)]
pub struct Undelivered {
    /// What its session had kept and gave to it alone, in order.
    pub kept: Vec<Arc<EncodedEvent>>,
    /// How many it should have been told are missed.
    pub missed: u64,
    /// How many messages more that stand on no line.
    pub lost: u64,
}

/// A connection has gone.
#[derive(Debug)]
pub struct Exit {
    /// The connection.
    pub connection: ConnectionUid,
    /// How far it has heard, or may have by what is known now: the next one gets the rest, if nobody else had it. None
    /// where nobody wants to know.
    pub standing: Option<Standing>,
    /// Whether nothing more will be known: no [`Settled`] follows.
    pub is_settled: bool,
    /// Whether its client has sent anything since it was let in.
    pub has_spoken: bool,
    /// What it was not sent besides.
    pub undelivered: Undelivered,
}

/// The socket of a connection that has gone has ended: by now it is known what arrived. Follows its [`Exit`].
#[derive(Debug)]
pub struct Settled {
    /// The connection.
    pub connection: ConnectionUid,
    /// How far it had heard.
    pub standing: Option<Standing>,
    /// Whether its client has sent anything since it was let in.
    pub has_spoken: bool,
    /// What it was sent and did not take: the next one gets it or is told, if nobody else had it.
    pub undelivered: Undelivered,
}

/// How far a connection has heard its session's own line, as far as it was given that.
#[derive(Clone, Copy, Debug)]
pub struct Heard {
    /// The connection.
    pub connection: ConnectionUid,
    /// The number of the last message that has arrived, with all before it.
    pub upto: u64,
    /// Whether its client has sent anything since it was let in.
    pub has_spoken: bool,
}

/// What whoever owns a connection is told of it.
#[derive(Debug)]
pub enum Report {
    /// It has gone.
    Exit(Exit),
    /// And its socket has ended.
    Settled(Settled),
    /// It was asked how far it has heard.
    Heard(Heard),
    /// What was kept found the connection that it was for gone.
    Returned(Undelivered),
}

/// Who owns a connection. There are at most three reports of each that are not asked for, and losing one would lose messages.
pub trait Reports: Send + Sync {
    /// Tells it.
    fn report(&self, report: Report);
}

/// The way to a connection's owner.
pub type Home = Arc<dyn Reports>;
