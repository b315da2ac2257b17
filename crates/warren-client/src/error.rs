//! What can go wrong, each with a word to branch by.

use std::fmt;

/// Why something was not done, or a stream ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server refused it, with one of its own words.
    #[error("refused ({code}): {message}")]
    Refused {
        /// The word: `missing_capability`, `version_conflict`, `overloaded`, …
        code: String,
        /// For people.
        message: String,
    },
    /// The channel does not let this client in.
    #[error("the channel does not let this client in")]
    NotGranted,
    /// There is no such channel.
    #[error("there is no such channel")]
    UnknownChannel,
    /// The subscription was ended, by this client or by the back end, or the channel was deleted.
    #[error("the subscription was ended, or the channel deleted")]
    Unsubscribed,
    /// Somebody in this program reads the channel already.
    #[error("this client's messages of the channel are read already")]
    AlreadyRead,
    /// The connection ended in a way that this cannot outlive.
    #[error("{0}")]
    Connection(#[from] CloseError),
    /// It was sent and no answer came: it may be done or not.
    #[error("no answer came: it may be done or not")]
    UnknownOutcome,
    /// It waited too long for a connection, and was not sent.
    #[error("it could not be sent in time")]
    Timeout,
    /// Too much waits to be sent or answered.
    #[error("too much waits to be sent already")]
    QueueFull,
    /// This client was closed.
    #[error("this client was closed")]
    Closed,
    /// The address is none that can be connected to.
    #[error("{0}")]
    Url(String),
    /// What was to be trusted is no certificate.
    #[error("not a certificate: {0}")]
    Certificate(String),
    /// A value has no JSON, or JSON is not the value that was asked for.
    #[error("{0}")]
    Json(String),
    /// A function wants a null in the state, which a merge patch cannot say: set the whole state.
    #[error("a change by a function cannot set a null: set the whole state")]
    NullInPatch,
}

impl Error {
    /// The word to branch by; the same as in Warren's JavaScript client.
    pub fn code(&self) -> &str {
        match self {
            Self::Refused { code, .. } => code,
            Self::NotGranted => "not_granted",
            Self::UnknownChannel => "unknown_channel",
            Self::Unsubscribed => "unsubscribed",
            Self::AlreadyRead => "already_read",
            Self::Connection(close) => close.kind().word(),
            Self::UnknownOutcome => "unknown_outcome",
            Self::Timeout => "timeout",
            Self::QueueFull => "queue_full",
            Self::Closed => "closed",
            Self::Url(_) => "url",
            Self::Certificate(_) => "certificate",
            Self::Json(_) => "json",
            Self::NullInPatch => "null_in_patch",
        }
    }

    /// Whether the same may work a moment later.
    pub fn is_temporary(&self) -> bool {
        matches!(self.code(), "overloaded" | "storage_unavailable" | "queue_full" | "timeout")
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error.to_string())
    }
}

/// What a connection ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseKind {
    /// 1009: a frame of this client was too large.
    FrameTooLarge,
    /// 4000: a fault of the server, or the back end closed the connection.
    ServerFault,
    /// 4001: the project or the token does not exist (any more). The only one after which a client stops.
    InvalidAuth,
    /// 4002: IDENTIFY came too late.
    IdentifyTimeout,
    /// 4003: an event before IDENTIFY.
    NotIdentified,
    /// 4004: an opcode that does not exist.
    UnknownOpcode,
    /// 4005: not a payload of Leap.
    InvalidFrame,
    /// 4006: the server is elsewhere.
    Moved,
    /// 4007: the server heard no heartbeat for too long.
    HeartbeatTimeout,
    /// 4008: more than the server allows; come back later.
    RateLimited,
    /// 4009: this client read too slowly.
    SlowConsumer,
    /// 4010: the server is going away.
    GoingAway,
    /// 4011: the JSON Web Token has expired; the client comes back with the one that it was given last.
    TokenExpired,
    /// Any other end, or none at all: the line broke.
    LineBroken,
}

impl CloseKind {
    /// All that have a number.
    const NUMBERED: [(u16, Self); 13] = [
        (1009, Self::FrameTooLarge),
        (4000, Self::ServerFault),
        (4001, Self::InvalidAuth),
        (4002, Self::IdentifyTimeout),
        (4003, Self::NotIdentified),
        (4004, Self::UnknownOpcode),
        (4005, Self::InvalidFrame),
        (4006, Self::Moved),
        (4007, Self::HeartbeatTimeout),
        (4008, Self::RateLimited),
        (4009, Self::SlowConsumer),
        (4010, Self::GoingAway),
        (4011, Self::TokenExpired),
    ];

    /// The word for it.
    const fn word(self) -> &'static str {
        match self {
            Self::FrameTooLarge => "frame_too_large",
            Self::ServerFault => "server_fault",
            Self::InvalidAuth => "invalid_auth",
            Self::IdentifyTimeout => "identify_timeout",
            Self::NotIdentified => "not_identified",
            Self::UnknownOpcode => "unknown_opcode",
            Self::InvalidFrame => "invalid_frame",
            Self::Moved => "moved",
            Self::HeartbeatTimeout => "heartbeat_timeout",
            Self::RateLimited => "rate_limited",
            Self::SlowConsumer => "slow_consumer",
            Self::GoingAway => "going_away",
            Self::TokenExpired => "token_expired",
            Self::LineBroken => "line_broken",
        }
    }
}

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseError {
    /// The close code of the WebSocket; 1006 where it broke without one.
    pub code: u16,
    /// What the server said, or what this client saw.
    pub reason: String,
}

impl CloseError {
    /// An end without a close frame, as this client saw it.
    pub(crate) fn broken(reason: impl Into<String>) -> Self {
        Self { code: 1006, reason: reason.into() }
    }

    /// What it means.
    pub fn kind(&self) -> CloseKind {
        let known = CloseKind::NUMBERED.iter().find(|(code, _)| *code == self.code);
        known.map_or(CloseKind::LineBroken, |(_, kind)| *kind)
    }

    /// Whether coming back can never help.
    pub fn is_fatal(&self) -> bool {
        self.kind() == CloseKind::InvalidAuth
    }
}

impl fmt::Display for CloseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the connection ended ({}, {}): {}", self.code, self.kind().word(), self.reason)
    }
}

impl std::error::Error for CloseError {}

#[cfg(test)]
mod tests {
    use super::*;
    use warren_leap::protocol::CloseCode;

    #[test]
    fn the_numbers_are_those_of_the_server() {
        for (code, kind) in [
            (CloseCode::TooBig, CloseKind::FrameTooLarge),
            (CloseCode::Unknown, CloseKind::ServerFault),
            (CloseCode::InvalidAuth, CloseKind::InvalidAuth),
            (CloseCode::IdentifyTimeout, CloseKind::IdentifyTimeout),
            (CloseCode::NotAuthenticated, CloseKind::NotIdentified),
            (CloseCode::UnknownOpcode, CloseKind::UnknownOpcode),
            (CloseCode::InvalidPayload, CloseKind::InvalidFrame),
            (CloseCode::BadRoute, CloseKind::Moved),
            (CloseCode::OutOfSync, CloseKind::HeartbeatTimeout),
            (CloseCode::RateLimited, CloseKind::RateLimited),
            (CloseCode::SlowConsumer, CloseKind::SlowConsumer),
            (CloseCode::GoingAway, CloseKind::GoingAway),
            (CloseCode::Normal, CloseKind::LineBroken),
        ] {
            let close = CloseError { code: code.number(), reason: String::new() };
            assert_eq!(close.kind(), kind);
            assert_eq!(close.is_fatal(), code == CloseCode::InvalidAuth);
        }
    }
}
