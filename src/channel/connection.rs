//! A connection as channels and sessions know it.

use crate::delivery::fanout::ConnectionUid;
use crate::protocol::Profile;
use std::fmt;

/// The way to the fan-out of a worker.
pub trait Worker: Clone {
    /// A number that no other worker has.
    fn index(&self) -> usize;
}

/// A connection as channels and sessions know it.
#[derive(Clone)]
pub struct ConnectionRef<W> {
    /// The connection.
    pub uid: ConnectionUid,
    /// The worker on whose thread it is.
    pub worker: W,
    /// The form of frames that it gets.
    pub profile: Profile,
}

impl<W> fmt::Debug for ConnectionRef<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uid.fmt(f)
    }
}
