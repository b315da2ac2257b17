//! What can go wrong when one part of the server asks another.

use crate::domain::{StateError, Version};
use crate::heavy::NotDone;
use crate::protocol::{Close, CloseCode, Refusal};
use crate::store::{StoreError, Thing};

/// Why a question to an actor or the store got no proper answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// A queue on the way is full; trying again in a moment may help.
    #[error("the server is overloaded")]
    Overloaded,
    /// The asked actor has ended or crashed, or the server is stopping.
    #[error("the server cannot answer now")]
    Closed,
    /// A session has as many channels as it may have; carries the limit.
    #[error("a session has at most {0} channels, and this one has as many")]
    TooManyChannels(usize),
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AskError {
    /// A thing that the question names does not exist.
    pub const fn not_found(thing: Thing) -> Self {
        Self::Store(StoreError::NotFound(thing))
    }

    /// What a connection is told that is sent away with this: no outcome is known, so it comes back and sees.
    pub fn close(&self) -> Close {
        let reason = match self {
            Self::Store(StoreError::Unavailable(_)) => "storage unavailable, reconnect",
            _ => "overloaded, reconnect",
        };
        Close::new(CloseCode::Unknown, reason)
    }
}

impl From<NotDone> for AskError {
    fn from(error: NotDone) -> Self {
        match error {
            NotDone::Refused => Self::Overloaded,
            NotDone::Crashed => Self::Closed,
        }
    }
}

impl From<&AskError> for Refusal {
    /// On the socket as over HTTP.
    fn from(error: &AskError) -> Self {
        match error {
            AskError::Store(StoreError::Unavailable(_)) => Self::StorageUnavailable,
            AskError::Store(StoreError::NotFound(Thing::Channel)) => Self::UnknownChannel,
            AskError::TooManyChannels(limit) => Self::TooManyChannels(*limit),
            AskError::Overloaded | AskError::Closed | AskError::Store(_) => Self::Overloaded,
        }
    }
}

/// Why a change of a channel's state was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// The asker made the change from an older version; carries the one in force.
    #[error("the state is at version {0} by now")]
    Stale(Version),
    /// The change breaks a rule of states.
    #[error(transparent)]
    Refused(#[from] StateError),
    /// The channel or the store gave no answer.
    #[error(transparent)]
    Ask(#[from] AskError),
}

impl From<ChangeError> for Refusal {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Stale(version) => Self::VersionConflict(version),
            ChangeError::Refused(why) => Self::InvalidState(why.to_string()),
            ChangeError::Ask(error) => Self::from(&error),
        }
    }
}
