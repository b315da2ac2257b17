//! What can go wrong when one part of the server asks another.

use crate::domain::{StateError, Version};
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
}

/// Why a change of a channel's state was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// The asker made the change from an older version; carries the one in force.
    #[error("the state is at version {0} by now")]
    Stale(Version),
    /// The channel does not let clients change its state; names the capability.
    #[error("the channel lacks the capability {0}")]
    MissingCapability(&'static str),
    /// The change breaks a rule of states.
    #[error(transparent)]
    Refused(#[from] StateError),
    /// The channel or the store gave no answer.
    #[error(transparent)]
    Ask(#[from] AskError),
}
