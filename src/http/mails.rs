//! Direct messages that wait: put into a token's mailbox, and asked about.

use super::App;
use super::answer::{self, Answer};
use super::call::Call;
use super::error::ApiError;
use super::mounted::{Mounted, on};
use super::tokens;
use crate::actor::{Receipt, clock};
use crate::domain::{
    LeapTokenId, MailId, MailStatus, MailboxBounds, Message, ProjectId, Timestamp,
};
use crate::store::Thing;
use actix_web::http::Method;
use serde::Serialize;
use std::time::Duration;

/// The routes of this file.
pub(crate) fn routes() -> Vec<Mounted> {
    vec![on(Method::GET, "channels/tokens/{token}/messages/{message}", show)]
}

/// `{id, s}`.
#[derive(Serialize)]
struct PostedBody {
    /// What it is asked about by.
    id: String,
    /// Where it stands in the mailbox.
    s: String,
}

impl From<&MailId> for PostedBody {
    fn from(id: &MailId) -> Self {
        Self { id: id.to_string(), s: id.0.to_string() }
    }
}

/// `{state, at}`.
#[derive(Serialize)]
struct MailStatusBody {
    /// What has become of it.
    state: &'static str,
    /// Since when.
    at: Timestamp,
}

/// Puts a message into a token's mailbox, and answers what it is asked about by.
pub(super) async fn post(
    call: &Call,
    project: ProjectId,
    token: LeapTokenId,
    message: Message,
    ttl: Duration,
) -> Answer {
    let receipt = call.receipt(|id| answer::spelled(PostedBody::from(id)));
    let id = put(&call.app, project, token, message, ttl, receipt).await?;
    answer::data(PostedBody::from(&id))
}

/// Puts a message into a token's mailbox.
///
/// # Errors
/// `NotFound(Token)`, [`ApiError::MailboxFull`], [`ApiError::TooLarge`] for one that no mailbox takes.
pub(crate) async fn put(
    app: &App,
    project: ProjectId,
    token: LeapTokenId,
    message: Message,
    ttl: Duration,
    receipt: Option<Receipt<MailId>>,
) -> Result<MailId, ApiError> {
    let (limit, size) = (app.supervisor.settings().mailbox.bytes, MailboxBounds::size_of(&message));
    if size > limit {
        let [limit, size] = [limit, size].map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        return Err(ApiError::TooLarge { limit, size });
    }
    Ok(app.supervisor.mail(project, token, message, ttl, receipt).await?)
}

/// `GET /channels/tokens/:token/messages/:id`.
async fn show(call: Call) -> Answer {
    let token = tokens::find(&call).await?;
    let id: Result<MailId, _> = call.parts.message.parse();
    let id = id.ok().ok_or(ApiError::NotFound(Thing::Mail))?;
    let status = find(&call.app, token.id, id).await?;
    answer::data(MailStatusBody { state: status.state.name(), at: status.at })
}

/// What has become of a token's mail.
///
/// # Errors
/// `NotFound(Mail)`.
pub(crate) async fn find(
    app: &App,
    token: LeapTokenId,
    id: MailId,
) -> Result<MailStatus, ApiError> {
    let found = app.persistence.read(move |store| store.find_mail(&token, id, clock::now()));
    found.await?.ok_or(ApiError::NotFound(Thing::Mail))
}
