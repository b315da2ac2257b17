//! What webhooks are told of sessions on channels: who stands in which of a channel's registers.

use super::{ChannelKey, LeapTokenId, SessionId};
use std::sync::Arc;

/// A register that every channel has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Register {
    /// Sessions that are online there: from their first connection until they end or unsubscribe.
    Online,
    /// Sessions that hold an ephemeral subscription.
    Ephemeral,
}

impl Register {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Online, Self::Ephemeral];

    /// The word for it in the store.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Ephemeral => "ephemeral",
        }
    }

    /// The register of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|register| register.word() == word)
    }
}

/// A session and on whose behalf it is there. Unlike a [`Member`](super::Member) it is never shown to clients: it names
/// the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRef {
    /// The session.
    pub id: SessionId,
    /// Its token; none for a session without one.
    pub token: Option<LeapTokenId>,
}

/// A session that stands in a channel's register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The channel.
    pub channel: ChannelKey,
    /// Which of its registers.
    pub register: Register,
    /// Who.
    pub session: Arc<SessionRef>,
}
