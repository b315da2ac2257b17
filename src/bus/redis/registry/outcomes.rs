//! What comes of what is said to the registry.

use super::incarnation::Incarnation;
use super::keys::TokenName;
use crate::bus::redis::LineName;
use crate::domain::{ChannelId, ConnectionId, Position, RawJson, SessionId};
use std::collections::BTreeMap;
use std::time::Duration;

/// Where a session stood when its last connection went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BreakPositions {
    /// On its channels.
    pub channels: BTreeMap<ChannelId, Position>,
    /// On the token's own line.
    pub direct: Option<Position>,
}

/// What a connection finds that enters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entrance {
    /// How many connections there are now, this one included.
    pub count: usize,
    /// Whose they are. Another one than was handed in, if somebody else was first.
    pub session: SessionId,
    /// Whether nobody was in, and this ended its grace.
    pub was_away: bool,
    /// Where it stood then, if that is known: a node that was killed has noted nothing.
    pub positions: Option<BreakPositions>,
    /// The nodes that have connections, and how many.
    pub nodes: BTreeMap<Incarnation, usize>,
}

/// What comes of an entering.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnterOutcome {
    /// It is in.
    In(Entrance),
    /// The token has too many connections, or the node holds too much.
    Full,
}

/// What comes of an exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitOutcome {
    /// The node had no such connection, or said so before.
    Unknown,
    /// So many are left.
    Others(usize),
    /// It was the last one; the grace runs.
    Last,
}

/// What comes of an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndOutcome {
    /// It ends, and only this caller is told so: he tells all others. The positions are those of the break.
    Ended {
        /// The session.
        session: SessionId,
        /// Where it stood, if that is known.
        positions: Option<BreakPositions>,
    },
    /// Its grace lasts so long yet.
    Early(Duration),
    /// Somebody is in.
    Occupied,
    /// Nothing is known of it, or somebody else has ended it: whoever still holds something of it lets go of that.
    Unknown,
    /// The ground is so young that somebody may be in who has not said so yet.
    Young,
}

/// What a channel's presence is after something changed in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PresenceNews {
    /// Whether the session was nowhere in the channel before, or is nowhere in it now.
    pub is_news: bool,
    /// How many sessions are in the channel, by nodes that live.
    pub count: usize,
}

/// What comes of a joining.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinOutcome {
    /// The session is in.
    In(PresenceNews),
    /// The node holds too much.
    Full,
}

/// Some of those who are in a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberPage {
    /// Them. One can be told twice in several pages, if others come and go meanwhile.
    pub members: Vec<(SessionId, RawJson)>,
    /// Where to go on; none at the end.
    pub next: Option<u64>,
}

/// What a node that is gone has left in one part of the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeEstate {
    /// The part.
    pub(super) partition: u16,
    /// The node.
    pub node: Incarnation,
}

/// One thing that such a node has left.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Remnant {
    /// A connection, to be taken from it by [`RedisRegistry::exit`](super::RedisRegistry::exit).
    Connection {
        /// Of this token.
        token: TokenName,
        /// It.
        cid: ConnectionId,
    },
    /// A session in a channel, to be taken from it by [`RedisRegistry::inherit`](super::RedisRegistry::inherit), or by
    /// [`RedisRegistry::leave`](super::RedisRegistry::leave) where no grace is to be waited for.
    Presence {
        /// In this channel.
        channel: LineName,
        /// It.
        session: SessionId,
    },
}

/// What comes of reaping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReapOutcome {
    /// That is to be taken from the dead now; then ask again. What is not is handed out again.
    Held(Vec<Remnant>),
    /// There is nothing any more.
    Empty,
    /// Somebody else is at it.
    Claimed,
    /// The ground is young: nobody is declared gone.
    Young,
}
