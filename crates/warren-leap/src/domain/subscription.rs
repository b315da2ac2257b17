//! Subscriptions: a token or a session that hears a channel.

use super::{ChannelId, Timestamp};

/// A permanent subscription of a leap token; ephemeral ones are held by their session alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The channel.
    pub channel: ChannelId,
    /// When it was made.
    pub created_at: Timestamp,
}
