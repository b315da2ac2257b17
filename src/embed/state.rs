//! A channel's state, without HTTP.

use crate::actor::Changed;
use crate::domain::{ChannelKey, StateChange, Version};
use crate::http::{self, ApiError, typed};
use serde::Serialize;

/// The state of one channel, as [`super::Warren::state`] hands it out.
pub struct States<'a> {
    /// What answers.
    app: &'a http::App,
    /// The channel.
    key: ChannelKey,
    /// The version that a change must be made from; any, if none.
    version: Option<Version>,
}

impl<'a> States<'a> {
    /// The state of this channel.
    pub(super) const fn new(app: &'a http::App, key: ChannelKey) -> Self {
        Self { app, key, version: None }
    }

    /// Makes changes only from this version.
    #[must_use]
    pub fn at(self, version: Version) -> Self {
        Self { version: Some(version), ..self }
    }

    /// The state with its version, as it is stored.
    ///
    /// # Errors
    /// [`ApiError`]: `NotFound(Channel)`.
    pub async fn read(&self) -> Result<Changed, ApiError> {
        typed::state(self.app, &self.key).await
    }

    /// Puts this object in its place; durable and on its way to the subscribers when it is done.
    ///
    /// # Errors
    /// [`ApiError`]: `NotFound(Channel)`, `VersionConflict`, `TooLarge`, `InvalidBody` for what is no JSON object.
    pub async fn replace(&self, state: &(impl Serialize + ?Sized)) -> Result<Changed, ApiError> {
        self.change(StateChange::Replace(typed::json(state)?)).await
    }

    /// Sets the keys that this object names, `null` too, and leaves the others.
    ///
    /// # Errors
    /// As [`Self::replace`].
    pub async fn patch(&self, keys: &(impl Serialize + ?Sized)) -> Result<Changed, ApiError> {
        self.change(StateChange::Shallow(typed::json(keys)?)).await
    }

    /// Merges this object in (JSON Merge Patch, RFC 7396).
    ///
    /// # Errors
    /// As [`Self::replace`].
    pub async fn merge(&self, patch: &(impl Serialize + ?Sized)) -> Result<Changed, ApiError> {
        self.change(StateChange::Merge(typed::json(patch)?)).await
    }

    /// Makes a change.
    async fn change(&self, change: StateChange) -> Result<Changed, ApiError> {
        typed::change_state(self.app, &self.key, change, self.version).await
    }
}
