//! What a client is at.

use crate::error::CloseError;

/// What a client is at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// An attempt is under way.
    Connecting,
    /// It is connected, and has heard all that waited for it.
    Connected(Session),
    /// The last attempt or connection ended so; the next attempt is due.
    Waiting(CloseError),
    /// It has ended for good: it was closed, or coming back can never help.
    Closed(Option<CloseError>),
}

/// A connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id, by which the back end can write to it alone.
    pub cid: String,
    /// How many this client has had, this included.
    pub connection: u64,
}
