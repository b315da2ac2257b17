//! Leap tokens, without HTTP.

use crate::domain::{LeapToken, LeapTokenId, MailId, MailStatus, ProjectId};
use crate::http::{self, ApiError, NewToken, typed};
use serde::Serialize;
use std::time::Duration;

/// The leap tokens of one project, as [`super::Warren::tokens`] hands them out.
pub struct LeapTokens<'a> {
    /// What answers.
    app: &'a http::App,
    /// The project.
    project: ProjectId,
}

impl<'a> LeapTokens<'a> {
    /// The tokens of this project.
    pub(super) const fn new(app: &'a http::App, project: ProjectId) -> Self {
        Self { app, project }
    }

    /// Makes a token; its id is its secret. [`NewToken::default`] has an empty state and never expires.
    ///
    /// # Errors
    /// [`ApiError`]: `NotFound(Project)`, `NoSuchChannel`, `TooLarge`, `LimitReached`.
    pub async fn create(&self, new: NewToken) -> Result<LeapToken, ApiError> {
        typed::create_token(self.app, self.project.clone(), new, None).await
    }

    /// A token with its state and expiry.
    ///
    /// # Errors
    /// [`ApiError`]: `NotFound(Token)`, also for another project's.
    pub async fn find(&self, id: &LeapTokenId) -> Result<LeapToken, ApiError> {
        typed::find_token(self.app, self.project.clone(), id.clone()).await
    }

    /// Deletes a token for good; its connections close (4001).
    ///
    /// # Errors
    /// As [`Self::find`].
    pub async fn delete(&self, id: &LeapTokenId) -> Result<(), ApiError> {
        typed::delete_token(self.app, self.project.clone(), id, None).await
    }

    /// Sends a message to all connections of a token, or the next one: it is stored when this returns, and waits for so long,
    /// in whole seconds.
    ///
    /// # Errors
    /// [`ApiError`]: `NotFound(Token)`, also for another project's; `MailboxFull`; `TooLarge`; `InvalidBody` for a name, data or
    /// a time that cannot be taken.
    pub async fn mail(
        &self,
        id: &LeapTokenId,
        event: &str,
        data: &(impl Serialize + ?Sized),
        ttl: Duration,
    ) -> Result<MailId, ApiError> {
        let message = typed::message(self.app, event, typed::json(data)?)?;
        typed::mail(self.app, self.project.clone(), id.clone(), message, ttl).await
    }

    /// What has become of such a message.
    ///
    /// # Errors
    /// [`ApiError`]: `NotFound(Token)`, also for another project's; `NotFound(Mail)`, also for one that ended a day ago.
    pub async fn mail_status(
        &self,
        token: &LeapTokenId,
        id: MailId,
    ) -> Result<MailStatus, ApiError> {
        typed::find_mail(self.app, &self.project, token.clone(), id).await
    }

    /// Whether a token has a connection now.
    pub fn is_online(&self, id: &LeapTokenId) -> bool {
        self.app.supervisor.online().holds(id)
    }
}
