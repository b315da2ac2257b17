//! Who answers when a token asks for a private channel that it was not granted: set, shown, removed.

use super::answer::{self, Answer};
use super::body::RequestBody;
use super::call::Call;
use super::error::ApiError;
use super::fields::Fields;
use super::limits::Content;
use super::mounted::{Mounted, on};
use super::reach::{Warning, warnings};
use super::webhooks::{is_address, new_secret};
use crate::actor::clock;
use crate::actor::webhook::{AuthorizerCall, TryAuthorizer};
use crate::domain::webhook::masked_secret;
use crate::domain::{Authorizer, Timestamp};
use crate::store::Thing;
use actix_web::http::Method;
use serde::Serialize;

/// The field of an authorizer that its owner sets.
pub(super) const FIELDS: &[&str] = &["url"];

/// The routes of this file.
pub(crate) fn routes() -> Vec<Mounted> {
    vec![
        on(Method::GET, "projects/{project}/channel-authorizer", show),
        on(Method::PUT, "projects/{project}/channel-authorizer", set),
        on(Method::DELETE, "projects/{project}/channel-authorizer", delete),
        on(Method::POST, "projects/{project}/channel-authorizer/test", test),
    ]
}

/// `{url, secret, created_at, outcomes?, warnings?}`.
#[derive(Serialize)]
struct View<'a> {
    /// Where questions are posted to.
    url: &'a str,
    /// The secret, whole when it is set and masked ever after.
    secret: &'a str,
    /// When it was set.
    created_at: Timestamp,
    /// What keeps it from being asked; not there when nothing does, and where it is only shown.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
    /// What came of the last questions, newest first; only where it is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcomes: Option<Vec<AuthorizerCall>>,
}

impl<'a> View<'a> {
    /// One that was just set.
    fn of_set(authorizer: &'a Authorizer, warnings: Vec<Warning>) -> Self {
        let Authorizer { url, secret, created_at, .. } = authorizer;
        Self { url, secret, created_at: *created_at, warnings, outcomes: None }
    }
}

/// `GET /projects/:id/channel-authorizer`, the secret masked.
async fn show(call: Call) -> Answer {
    let project = call.project().await?;
    let found = call.app.persistence.read(move |store| store.find_authorizer(&project)).await?;
    let found = found.ok_or(ApiError::NotFound(Thing::Authorizer))?;
    let outcomes = Some(call.app.persistence.hooks().last_asked(&found));
    let (secret, warnings) = (&*masked_secret(&found.secret), Vec::new());
    let Authorizer { url, created_at, .. } = &found;
    answer::data(View { url, secret, created_at: *created_at, warnings, outcomes })
}

/// `PUT /projects/:id/channel-authorizer` `{url}`: takes the place of the one before; each has a secret of its own,
/// shown here and never again.
async fn set(call: Call, body: RequestBody) -> Answer {
    let project = call.project().await?;
    let text = body.json(&call, Content::Record).await?;
    let url = Fields::parse(text.as_str(), FIELDS)?.string("url")?;
    let url = url.ok_or_else(|| ApiError::field("url", "is missing"))?.trim().to_owned();
    if !is_address(&url) {
        return Err(ApiError::field("url", "must be an http:// or https:// address"));
    }
    let authorizer = Authorizer { project, url, secret: new_secret()?, created_at: clock::now() };
    let warnings = warnings(&call, "url", &authorizer.url).await;
    let told = warnings.clone();
    let receipt = call.receipt(move |set| answer::spelled(View::of_set(set, told.clone())));
    let stored = call.app.persistence.write_once(receipt, move |store| {
        store.set_authorizer(&authorizer)?;
        Ok(authorizer)
    });
    let authorizer = stored.await?;
    answer::data(View::of_set(&authorizer, warnings))
}

/// `POST /projects/:id/channel-authorizer/test`: asks about a channel and a token that do not exist, and answers with
/// what came.
async fn test(call: Call) -> Answer {
    let project = call.project().await?;
    let found = call.app.persistence.read(move |store| store.find_authorizer(&project)).await?;
    let authorizer = found.ok_or(ApiError::NotFound(Thing::Authorizer))?;
    let trial = TryAuthorizer { authorizer, state_bytes: call.app.limits.get().state_bytes };
    let tried = call.app.persistence.hooks().try_authorizer(trial).await?;
    answer::data(tried.ok_or(ApiError::TestUnderWay)?)
}

/// `DELETE /projects/:id/channel-authorizer`: from now on nobody is asked.
async fn delete(call: Call) -> Answer {
    let (project, receipt) = (call.project().await?, call.receipt(answer::nothing));
    call.app
        .persistence
        .write_once(receipt, move |store| store.delete_authorizer(&project))
        .await?;
    Ok(answer::done())
}
