//! Leap tokens and what they are subscribed to.

use crate::domain::{
    ChannelId, LeapToken, LeapTokenId, ProjectId, RawJson, Subject, Subscription, Timestamp,
};
use serde::Serialize;

/// A leap token.
#[derive(Serialize)]
pub(crate) struct TokenView<'a> {
    /// Id and secret in one.
    id: &'a LeapTokenId,
    /// The subject that it stands for; then it is no secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<Subject>,
    /// Its state.
    state: &'a RawJson,
    /// Its project.
    project_id: &'a ProjectId,
    /// When it was created.
    created_at: Timestamp,
    /// When it stops working.
    expires_at: Option<Timestamp>,
    /// Whether it has a connection now.
    is_online: bool,
}

impl<'a> TokenView<'a> {
    /// Shows a token.
    pub(crate) fn new(token: &'a LeapToken, is_online: bool) -> Self {
        Self {
            id: &token.id,
            subject: token.id.subject(),
            state: &token.state,
            project_id: &token.project,
            created_at: token.created_at,
            expires_at: token.expires_at,
            is_online,
        }
    }
}

/// A token's subscription.
#[derive(Serialize)]
pub(crate) struct SubscriptionView<'a> {
    /// The channel.
    channel: &'a ChannelId,
    /// Whether it ends with the session.
    ephemeral: bool,
    /// When it was made.
    created_at: Timestamp,
}

impl<'a> SubscriptionView<'a> {
    /// Shows a subscription.
    pub(crate) const fn new(subscription: &'a Subscription, ephemeral: bool) -> Self {
        Self { channel: &subscription.channel, ephemeral, created_at: subscription.created_at }
    }
}
