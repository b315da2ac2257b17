//! Project webhooks: create, list, change, delete, new secrets.

use super::answer::{self, Answer};
use super::auth::Caller;
use super::body::RequestBody;
use super::call::Call;
use super::client::ClientWishes;
use super::error::ApiError;
use super::fields::{Fields, quoted};
use super::held::HeldList;
use super::limits::Content;
use super::list;
use super::mounted::{Mounted, on};
use super::permissions::Need;
use super::query::{self, ListCursor};
use super::reach::{Warning, warnings};
use super::views::WebhookView;
use crate::actor::clock;
use crate::domain::delivery::ROTATION;
use crate::domain::webhook::{EVENTS, MAX_EVENTS, is_known_event, masked_secret, reveals};
use crate::domain::{KeptAnswer, ProjectId, Webhook, WebhookId};
use crate::num;
use crate::store::{StoreError, Thing, WebhookUpdate, WriteStore};
use crate::webhook::target::EndpointUrl;
use actix_web::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::Serialize;
use std::sync::Arc;

/// The random bytes of a secret.
const SECRET_BYTES: usize = 33;

/// The fields of a webhook that its owner sets.
pub(super) const FIELDS: &[&str] = &["webhook_url", "events"];

/// The routes of this file.
pub(crate) fn routes() -> Vec<Mounted> {
    vec![
        on(Method::GET, "projects/{project}/webhooks", list_all),
        on(Method::POST, "projects/{project}/webhooks", create),
        on(Method::PATCH, "projects/{project}/webhooks/{webhook}", update),
        on(Method::DELETE, "projects/{project}/webhooks/{webhook}", delete),
        on(Method::POST, "projects/{project}/webhooks/{webhook}/regenerate", regenerate),
        on(Method::POST, "projects/{project}/webhooks/{webhook}/regenerate_secret", regenerate),
        on(Method::POST, "projects/{project}/webhooks/{webhook}/test", test),
    ]
}

/// `{webhook}`.
#[derive(Serialize)]
struct WebhookBody<'a> {
    /// The webhook.
    webhook: WebhookView<'a>,
    /// What keeps it from being called; not there when nothing does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
}

/// `{secret}`.
#[derive(Serialize)]
struct Secret {
    /// The new secret; shown this once.
    secret: String,
}

/// The events of a webhook that a client can parse: one unknown name spoils the whole answer for two of them.
fn shown_events(webhook: &Webhook, client: ClientWishes) -> Vec<&str> {
    let is_ours = |name: &str| name.starts_with("channel.") || name.starts_with("token.");
    let is_shown = |name: &&str| !(client.hides_channel_events() && is_ours(name));
    webhook.events.iter().map(String::as_str).filter(is_shown).collect()
}

/// What is said of a webhook besides itself.
struct WebhookRemarks {
    /// Who reads it.
    client: ClientWishes,
    /// What keeps it from being called.
    warnings: Vec<Warning>,
}

impl WebhookRemarks {
    /// What is said of one with this address.
    async fn of(call: &Call, url: &str) -> Arc<Self> {
        let warnings = warnings(call, "webhook_url", url).await;
        Arc::new(Self { client: ClientWishes::of(call.request.headers()), warnings })
    }

    /// Answers with one webhook that was made or changed.
    fn spelled(&self, webhook: &Webhook, secret: &str) -> Result<KeptAnswer, ApiError> {
        let events = shown_events(webhook, self.client);
        let warnings = self.warnings.clone();
        answer::spelled(WebhookBody {
            warnings,
            webhook: WebhookView::new(webhook, events, secret),
        })
    }
}

/// `GET /projects/:id/webhooks`, secrets masked.
async fn list_all(call: Call) -> Answer {
    let wanted = query::wanted(call.request.query_string())?;
    let project = call.project().await?;
    let found = call.app.persistence.read(move |store| store.list_webhooks(&project)).await?;
    let client = ClientWishes::of(call.request.headers());
    let mut shown = HeldList::new("webhooks");
    for webhook in &found {
        let masked = masked_secret(&webhook.secret);
        let view = WebhookView::new(webhook, shown_events(webhook, client), &masked);
        shown.add(ListCursor::at(webhook.created_at, webhook.id.as_str()), &view)?;
    }
    list::answer(shown, wanted).await
}

/// `POST /projects/:id/webhooks`: shows the secret.
async fn create(call: Call, body: RequestBody) -> Answer {
    let project = call.project().await?;
    let text = body.json(&call, Content::Record).await?;
    let input = input(text.as_str())?;
    require_readers(&call.caller, input.events.as_deref().unwrap_or_default())?;
    let created_at = clock::now();
    let webhook = Webhook {
        id: WebhookId::from(clock::readable_id("webhook").as_str()),
        project,
        url: input.url.ok_or_else(|| ApiError::field("webhook_url", "is missing"))?,
        events: input.events.ok_or_else(|| ApiError::field("events", "is missing"))?,
        secret: new_secret()?,
        previous: None,
        disabled_at: None,
        created_at,
    };
    let limit = call.app.limits.get().project_webhooks;
    // Counted in the write itself: two at once cannot both be the last.
    let remarks = WebhookRemarks::of(&call, &webhook.url).await;
    let told = Arc::clone(&remarks);
    let receipt = call.receipt(move |made: &Option<Webhook>| match made {
        Some(webhook) => told.spelled(webhook, &webhook.secret),
        None => Err(too_many(limit)),
    });
    let created = call.app.persistence.write_once(receipt, move |store| {
        let most = num::counter(limit);
        if limit > 0 && store.count_webhooks(&webhook.project)? >= most {
            return Ok(None);
        }
        store.create_webhook(&webhook)?;
        Ok(Some(webhook))
    });
    let webhook = created.await?.ok_or(too_many(limit))?;
    call.app.supervisor.webhooks_changed(&webhook.project).await;
    Ok(answer::given(&remarks.spelled(&webhook, &webhook.secret)?))
}

/// The refusal of one webhook more than there may be.
pub(super) const fn too_many(limit: usize) -> ApiError {
    ApiError::LimitReached { what: "the project has too many webhooks", limit }
}

/// `PATCH /projects/:id/webhooks/:wid`: either field may be missing.
async fn update(call: Call, body: RequestBody) -> Answer {
    let project = call.project().await?;
    let id = call.parts.webhook();
    let text = body.json(&call, Content::Record).await?;
    let update = input(text.as_str())?;
    let caller = call.caller.clone();
    // Judged in the write itself: what somebody else lets it hear meanwhile counts.
    let url = match &update.url {
        Some(url) => url.clone(),
        None => find(&call, &project, &id).await?.url,
    };
    let remarks = WebhookRemarks::of(&call, &url).await;
    let told = Arc::clone(&remarks);
    let receipt = call.receipt(move |made: &Result<Webhook, ApiError>| {
        let webhook = made.as_ref().map_err(Clone::clone)?;
        told.spelled(webhook, &masked_secret(&webhook.secret))
    });
    let updated = call.app.persistence.write_once(receipt, move |store| {
        let found = store.find_webhook(&project, &id)?;
        let found = found.ok_or(StoreError::NotFound(Thing::Webhook))?;
        // Another address hears what the events tell as much as another event does.
        let events = update.events.as_ref().unwrap_or(&found.events);
        if let Err(refused) = require_readers(&caller, events) {
            return Ok(Err(refused));
        }
        store.update_webhook(&project, &id, &update).map(Ok)
    });
    let webhook = updated.await??;
    call.app.supervisor.webhooks_changed(&webhook.project).await;
    Ok(answer::given(&remarks.spelled(&webhook, &masked_secret(&webhook.secret))?))
}

/// `POST /projects/:id/webhooks/:wid/regenerate` and its alias; the old secret signs beside the new one for a day.
async fn regenerate(call: Call) -> Answer {
    let project = call.project().await?;
    let id = call.parts.webhook();
    let update = WebhookUpdate {
        secret: Some(new_secret()?),
        keep_previous_until: Some(clock::after(ROTATION)),
        ..WebhookUpdate::default()
    };
    let receipt = call
        .receipt(|webhook: &Webhook| answer::spelled(Secret { secret: webhook.secret.clone() }));
    let webhook = call
        .app
        .persistence
        .write_once(receipt, move |store| store.update_webhook(&project, &id, &update))
        .await?;
    answer::data(Secret { secret: webhook.secret })
}

/// `POST /projects/:id/webhooks/:wid/test`: posts a signed test event now and answers with what came.
async fn test(call: Call) -> Answer {
    let project = call.project().await?;
    let id = call.parts.webhook();
    let webhook = find(&call, &project, &id).await?;
    require_readers(&call.caller, &webhook.events)?;
    let tried = call.app.persistence.hooks().try_out(webhook).await?;
    answer::data(tried.ok_or(ApiError::TestUnderWay)?)
}

/// A webhook of a project.
async fn find(call: &Call, project: &ProjectId, id: &WebhookId) -> Result<Webhook, ApiError> {
    let (project, id) = (project.clone(), id.clone());
    let found = call.app.persistence.read(move |store| store.find_webhook(&project, &id)).await?;
    found.ok_or(ApiError::NotFound(Thing::Webhook))
}

/// `DELETE /projects/:id/webhooks/:wid`.
async fn delete(call: Call) -> Answer {
    let project = call.project().await?;
    let id = call.parts.webhook();
    let owner = project.clone();
    let receipt = call.receipt(answer::nothing);
    let delete = move |store: &mut dyn WriteStore| store.delete_webhook(&project, &id);
    call.app.persistence.write_once(receipt, delete).await?;
    call.app.supervisor.webhooks_changed(&owner).await;
    Ok(answer::done())
}

/// Refuses whoever may not read themselves what these events tell.
pub(super) fn require_readers(caller: &Caller, events: &[String]) -> Result<(), ApiError> {
    let flags = events.iter().flat_map(|event| reveals(event));
    flags.copied().try_for_each(|flag| Need::Flag(flag).check(caller))
}

/// Reads `{webhook_url?, events?}`.
///
/// # Errors
/// [`ApiError::InvalidBody`].
pub(super) fn input(text: &str) -> Result<WebhookUpdate, ApiError> {
    let fields = Fields::parse(text, FIELDS)?;
    let url = fields.string("webhook_url")?.map(|url| url.trim().to_owned());
    if url.as_deref().is_some_and(|url| !is_address(url)) {
        return Err(ApiError::field("webhook_url", "must be an http:// or https:// address"));
    }
    let events: Option<Vec<String>> = fields.typed("events", "must be a list of event names")?;
    let Some(mut events) = events else { return Ok(WebhookUpdate { url, ..Default::default() }) };
    if events.len() > MAX_EVENTS {
        return Err(ApiError::field("events", format!("must have at most {MAX_EVENTS} names")));
    }
    if let Some(name) = events.iter().find(|name| !is_known_event(name)) {
        let (name, known) = (quoted(name), EVENTS.join(", "));
        return Err(ApiError::field("events", format!("has no {name}; the events are {known}")));
    }
    let mut seen = std::collections::HashSet::new();
    events.retain(|name| seen.insert(name.clone()));
    Ok(WebhookUpdate { url, events: Some(events), ..WebhookUpdate::default() })
}

/// Whether a webhook can be posted there; whether it may be, is decided when it is.
pub(crate) fn is_address(url: &str) -> bool {
    EndpointUrl::parse(url).is_ok()
}

/// Whether a text can be a secret: `whsec_` and the base64 of as many bytes as Standard Webhooks wants.
pub(super) fn is_secret(text: &str) -> bool {
    let base64 = text.strip_prefix("whsec_").map(|rest| rest.trim_end_matches('='));
    let bytes = base64.and_then(|base64| STANDARD_NO_PAD.decode(base64).ok());
    bytes.is_some_and(|bytes| (24..=64).contains(&bytes.len()))
}

/// A secret: `whsec_` and base64, which Standard Webhooks libraries decode for the key.
pub(crate) fn new_secret() -> Result<String, ApiError> {
    let random = clock::random::<SECRET_BYTES>()?;
    Ok(format!("whsec_{}", STANDARD_NO_PAD.encode(random)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_may_be_missing_and_names_are_kept_once() {
        let text = r#"{"webhook_url":"https://a.example/x","events":["channel.created","channel.created"]}"#;
        let read = input(text).unwrap();
        assert_eq!(read.url.as_deref(), Some("https://a.example/x"));
        assert_eq!(read.events.unwrap(), ["channel.created"]);
        assert_eq!(input("{}").unwrap(), WebhookUpdate::default());
    }

    #[test]
    fn broken_webhooks_are_refused_by_their_field() {
        for (text, name) in [
            (r#"{"webhook_url":5}"#, "webhook_url"),
            (r#"{"webhook_url":"a.example"}"#, "webhook_url"),
            (r#"{"webhook_url":"/path"}"#, "webhook_url"),
            (r#"{"webhook_url":"ftp://a.example"}"#, "webhook_url"),
            (r#"{"webhook_url":"http://"}"#, "webhook_url"),
            (r#"{"webhook_url":"javascript:alert(1)"}"#, "webhook_url"),
            (r#"{"events":"channel.created"}"#, "events"),
            (r#"{"events":["channel.exploded"]}"#, "events"),
            (r#"{"events":[1]}"#, "events"),
        ] {
            let Err(ApiError::InvalidBody { field, .. }) = input(text) else {
                panic!("{text} was taken")
            };
            assert_eq!(field, Some(name), "{text}");
        }
    }

    #[test]
    fn secrets_carry_33_bytes() {
        let secret = new_secret().unwrap();
        let inner = STANDARD_NO_PAD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        assert_eq!(inner.len(), SECRET_BYTES);
    }
}
