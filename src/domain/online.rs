//! A session as webhooks are told of its coming and going.

use super::{ChannelKey, LeapTokenId, SessionId};
use std::sync::Arc;

/// A session and on whose behalf it is there. Unlike a [`Member`](super::Member) it is never shown to clients: it names
/// the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnlineSession {
    /// The session.
    pub id: SessionId,
    /// Its token; none for a session without one.
    pub token: Option<LeapTokenId>,
}

/// A session that is online on a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Online {
    /// The channel.
    pub channel: ChannelKey,
    /// Who.
    pub session: Arc<OnlineSession>,
}
