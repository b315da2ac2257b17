//! A connection as operators see it.

use super::fanout::ConnectionUid;
use crate::domain::{ChannelId, ConnectionId, Timestamp};
use crate::protocol::Profile;
use std::net::IpAddr;

/// Where a connection comes from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The client's address, where the socket has one.
    pub address: Option<IpAddr>,
    /// What the client calls itself, cut to a bound.
    pub user_agent: Option<Box<str>>,
    /// When it came.
    pub since: Timestamp,
    /// Makes its public id unguessable.
    pub nonce: u64,
}

/// A connection as operators see it.
#[derive(Clone, Debug)]
pub struct ConnectionInfo {
    /// The connection.
    pub uid: ConnectionUid,
    /// Its public id.
    pub cid: ConnectionId,
    /// Where it comes from.
    pub origin: Origin,
    /// The form of frames that it gets.
    pub profile: Profile,
    /// What waits to be written, bytes.
    pub queue_bytes: usize,
    /// The channels that it hears.
    pub channels: Vec<ChannelId>,
}
