//! What the API does, without a request: for who has the server in the same program. The rules, limits and errors are the
//! routes' own.

use super::App;
use super::channels::{self, existing};
use super::error::ApiError;
use super::mails;
use super::messages;
use super::tokens;
use crate::actor::{Changed, Expected};
use crate::domain::{
    Capabilities, Channel, ChannelKey, HistoryLimits, LeapToken, LeapTokenId, MailId, MailStatus,
    Message, ProjectId, RawJson, State, StateChange, Version, Visibility,
};
use crate::store::Thing;
use serde::Serialize;
use std::time::Duration;

pub(crate) use super::tokens::create as create_token;
pub(crate) use super::tokens::erase as delete_token;

/// A value as JSON, checked as a request's is.
///
/// # Errors
/// [`ApiError::InvalidBody`] for what has no JSON, or too deep a one.
pub(crate) fn json(value: &(impl Serialize + ?Sized)) -> Result<RawJson, ApiError> {
    let text = serde_json::to_string(value).map_err(|error| ApiError::body(error.to_string()))?;
    RawJson::parse(&text).map_err(|fault| ApiError::body(fault.to_string()))
}

/// Creates a channel with an empty state.
///
/// # Errors
/// As `PUT /channels/:id`.
pub(crate) async fn create_channel(
    app: &App,
    key: &ChannelKey,
    visibility: Visibility,
    capabilities: Capabilities,
) -> Result<Channel, ApiError> {
    let (key, state) = (key.clone(), State::empty());
    let kind = (visibility, capabilities, HistoryLimits::default());
    Ok(channels::create(app, key, kind, state, None, None).await?.0)
}

/// Publishes a message.
///
/// # Errors
/// As `POST /channels/:id/messages`.
pub(crate) async fn publish(
    app: &App,
    key: &ChannelKey,
    event: &str,
    data: &(impl Serialize + ?Sized),
) -> Result<(), ApiError> {
    let message = message(app, event, json(data)?)?;
    app.supervisor.publish(key, message).await?;
    Ok(())
}

/// A message of this name with this data.
///
/// # Errors
/// [`ApiError::InvalidBody`] for a name that is too long, [`ApiError::TooLarge`].
pub(crate) fn message(app: &App, event: &str, data: RawJson) -> Result<Message, ApiError> {
    messages::check_event(event, "event")?;
    messages::check_data(data.as_str(), app.limits.get().message())?;
    Ok(Message { event: event.into(), data })
}

/// A channel's state as it is stored.
///
/// # Errors
/// As `GET /channels/:id/state`.
pub(crate) async fn state(app: &App, key: &ChannelKey) -> Result<Changed, ApiError> {
    let key = key.clone();
    let found =
        app.persistence.read(move |store| existing(store.find_channel(&key)?, Thing::Channel));
    let Channel { state, version, created_at, .. } = found.await?;
    Ok(Changed { state, version, created_at })
}

/// Changes a channel's state, from this version if one is named.
///
/// # Errors
/// As `PATCH /channels/:id/state`.
pub(crate) async fn change_state(
    app: &App,
    key: &ChannelKey,
    change: StateChange,
    version: Option<Version>,
) -> Result<Changed, ApiError> {
    let expected = Expected { version, created_at: None };
    Ok(app.supervisor.change_state(key, change, expected, None).await?)
}

/// Puts a message into a token's mailbox, where it waits for so long.
///
/// # Errors
/// As `POST /channels/tokens/:token/messages`.
pub(crate) async fn mail(
    app: &App,
    project: ProjectId,
    token: LeapTokenId,
    message: Message,
    ttl: Duration,
) -> Result<MailId, ApiError> {
    let ttl = messages::read_ttl(ttl.as_secs())?;
    mails::put(app, project, token, message, ttl, None).await
}

/// What has become of a token's mail.
///
/// # Errors
/// As `GET /channels/tokens/:token/messages/:id`.
pub(crate) async fn find_mail(
    app: &App,
    project: &ProjectId,
    token: LeapTokenId,
    id: MailId,
) -> Result<MailStatus, ApiError> {
    let token = tokens::load(app, project, token).await?;
    mails::find(app, token.id, id).await
}

/// A leap token of this project.
///
/// # Errors
/// As `GET /channels/tokens/:token`.
pub(crate) async fn find_token(
    app: &App,
    project: ProjectId,
    id: LeapTokenId,
) -> Result<LeapToken, ApiError> {
    tokens::load(app, &project, id).await
}
