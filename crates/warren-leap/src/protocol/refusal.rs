//! Why a client's frame was not carried out, for clients that want to know (extension `errors`).

use crate::domain::Version;
use std::fmt;

/// A frame that was understood and refused; the connection goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such event.
    UnknownEvent(String),
    /// The connection is not subscribed to the channel, or there is none.
    NotSubscribed,
    /// The channel does not let this token in.
    NotGranted,
    /// There is no such channel.
    UnknownChannel,
    /// The channel does not let clients do this; names the capability.
    MissingCapability(&'static str),
    /// The connection did not ask for the extension that this needs.
    MissingExtension(&'static str),
    /// The session has as many channels as it may have; carries the limit.
    TooManyChannels(usize),
    /// The change breaks a rule of states.
    InvalidState(String),
    /// The state is at another version than the change was made from.
    VersionConflict(Version),
    /// The state is not kept at the version that was asked for.
    VersionGone,
    /// The token that was shown does not count; says why.
    InvalidToken(String),
    /// Somebody on the way could not take it now.
    Overloaded,
    /// The database took nothing; nothing was stored.
    StorageUnavailable,
}

impl Refusal {
    /// The word on the wire.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownEvent(_) => "unknown_event",
            Self::NotSubscribed => "not_subscribed",
            Self::NotGranted => "not_granted",
            Self::UnknownChannel => "channel_not_found",
            Self::MissingCapability(_) => "missing_capability",
            Self::MissingExtension(_) => "missing_extension",
            Self::TooManyChannels(_) => "too_many_channels",
            Self::InvalidState(_) => "invalid_state",
            Self::VersionConflict(_) => "version_conflict",
            Self::VersionGone => "version_gone",
            Self::InvalidToken(_) => "invalid_token",
            Self::Overloaded => "overloaded",
            Self::StorageUnavailable => "storage_unavailable",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownEvent(name) => write!(f, "there is no event {name:?}"),
            Self::NotSubscribed => f.write_str("not subscribed to this channel"),
            Self::NotGranted => f.write_str("this channel was not granted"),
            Self::UnknownChannel => f.write_str("there is no such channel"),
            Self::MissingCapability(name) => write!(f, "the channel lacks the capability {name}"),
            Self::MissingExtension(name) => write!(f, "this needs the extension {name}"),
            Self::TooManyChannels(limit) => {
                write!(f, "a session has at most {limit} channels, and this one has as many")
            }
            Self::InvalidState(why) | Self::InvalidToken(why) => f.write_str(why),
            Self::VersionConflict(version) => write!(f, "the state is at version {version}"),
            Self::VersionGone => f.write_str("this version of the state is not kept"),
            Self::Overloaded => f.write_str("the server is overloaded, try again in a moment"),
            Self::StorageUnavailable => {
                f.write_str("nothing can be stored at the moment, try again later")
            }
        }
    }
}
