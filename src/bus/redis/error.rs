//! What a call of Redis can fail by. No text here quotes the address, which may hold a password.

use redis::{ErrorKind, RedisError, ServerErrorKind};

/// Why something was not ordered, or nobody knows whether it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The address is none of a Redis without TLS (`redis://`, `redis+unix://`, `unix://`).
    #[error("the bus needs an address of the form redis://[user:password@]host[:port][/db]")]
    Address,
    /// Redis before 7, whose scripts work otherwise, or another server that says nothing of itself.
    #[error("the bus needs Redis 7 or newer, this is {0}")]
    Version(String),
    /// The connection is of no use any more: a new one has to be made. A call under way may have had its effect.
    #[error("the connection to Redis is lost: {0}")]
    Lost(String),
    /// The channel was deleted and made again; whoever asks knows the old one.
    #[error("the line belongs to a newer channel of that name")]
    Stale,
    /// Too many calls wait for Redis.
    #[error("too many calls wait for Redis")]
    Overloaded,
    /// What Redis holds was not written by a Warren of this version.
    #[error("an entry of the bus cannot be read")]
    Garbled,
}

impl From<RedisError> for WireError {
    fn from(error: RedisError) -> Self {
        if error.code() == Some("STALE") {
            return Self::Stale;
        }
        // Its other words may quote what was sent, which does not belong in logs.
        let what = match (error.code(), error.kind()) {
            (Some(code), _) => code.to_owned(),
            (None, ErrorKind::Server(ServerErrorKind::ReadOnly)) => "READONLY".to_owned(),
            (None, _) if error.is_timeout() => "no answer in time".to_owned(),
            (None, kind) => format!("{kind:?}"),
        };
        Self::Lost(what)
    }
}
