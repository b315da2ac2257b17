//! The JSON of the things in an event, and of those in a question to an authorise webhook.

use crate::domain::{
    self, ChannelId, ConnectionId, LeapTokenId, ProjectId, ProjectTokenId, RawJson, SessionId,
    Timestamp, Version, Visibility,
};
use serde::Serialize;

/// A channel.
#[derive(Serialize)]
pub struct ChannelShape<'a> {
    /// Its name.
    id: &'a ChannelId,
    /// Its project.
    project_id: &'a ProjectId,
    /// Who may subscribe.
    #[serde(rename = "type")]
    visibility: Visibility,
    /// What it can do, as a number.
    capabilities: u32,
    /// Its state object.
    state: &'a RawJson,
    /// The state's version.
    version: Version,
    /// When it was created.
    created_at: Timestamp,
}

/// A leap token.
#[derive(Serialize)]
pub struct TokenShape<'a> {
    /// Id and secret in one: the back end needs it to act on the token, and holds it already.
    id: &'a LeapTokenId,
    /// Its project.
    project_id: &'a ProjectId,
    /// Its state.
    state: &'a RawJson,
    /// When it was created.
    created_at: Timestamp,
    /// When it stops working.
    expires_at: Option<Timestamp>,
}

/// A project token, without its secret.
#[derive(Serialize)]
pub struct ProjectTokenShape<'a> {
    /// `ptkid_…`.
    id: &'a ProjectTokenId,
    /// Its project.
    project_id: &'a ProjectId,
    /// What it may do.
    flags: u64,
    /// When it was created.
    created_at: Timestamp,
}

/// The data of `channel.client.connected` and `channel.client.disconnected`.
#[derive(Serialize)]
pub(super) struct ClientShape<'a> {
    /// The channel.
    pub(super) channel: &'a ChannelId,
    /// The token, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) token: Option<&'a LeapTokenId>,
    /// The session.
    pub(super) session: &'a SessionId,
    /// Sessions connected and subscribed.
    pub(super) online_count: u64,
}

/// The data of `channel.message`.
#[derive(Serialize)]
pub(super) struct MessageShape<'a> {
    /// The channel.
    pub(super) channel: &'a ChannelId,
    /// The sender's token, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) token: Option<&'a LeapTokenId>,
    /// The sender's connection.
    pub(super) connection: &'a ConnectionId,
    /// The message's name.
    pub(super) e: &'a str,
    /// The message's data.
    pub(super) d: &'a RawJson,
}

/// Shows a channel.
pub fn channel(channel: &domain::Channel) -> ChannelShape<'_> {
    ChannelShape {
        id: &channel.key.id,
        project_id: &channel.key.project,
        visibility: channel.visibility,
        capabilities: channel.capabilities.bits(),
        state: channel.state.json(),
        version: channel.version,
        created_at: channel.created_at,
    }
}

/// Shows a leap token.
pub const fn token(token: &domain::LeapToken) -> TokenShape<'_> {
    TokenShape {
        id: &token.id,
        project_id: &token.project,
        state: &token.state,
        created_at: token.created_at,
        expires_at: token.expires_at,
    }
}

/// Shows a project token.
pub(super) const fn project_token(token: &domain::ProjectToken) -> ProjectTokenShape<'_> {
    ProjectTokenShape {
        id: &token.id,
        project_id: &token.project,
        flags: token.permissions.bits(),
        created_at: token.created_at,
    }
}
