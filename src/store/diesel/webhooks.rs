//! Webhooks.

use super::backend::Conn;
use super::error::{found, refusal};
use super::rows::{WebhookRow, all, one};
use super::schema::webhooks;
use crate::domain::{ProjectId, Webhook, WebhookId};
use crate::store::{StoreError, StoreResult, Thing, WebhookUpdate};
use diesel::prelude::*;

/// The columns that an update sets; those that are `None` stay.
#[derive(AsChangeset)]
#[diesel(table_name = webhooks)]
struct WebhookColumns<'a> {
    /// Where to post.
    url: Option<&'a str>,
    /// JSON array of names.
    events: Option<String>,
    /// Signs what is posted.
    secret: Option<&'a str>,
}

/// `ReadStore::count_webhooks`.
pub(super) fn count(connection: &mut Conn, project: &ProjectId) -> StoreResult<u64> {
    let query = webhooks::table.filter(webhooks::project_id.eq(project.as_str())).count();
    let rows: i64 = query.get_result(connection)?;
    Ok(rows.unsigned_abs())
}

/// `ReadStore::list_webhooks`.
pub(super) fn list(connection: &mut Conn, project: &ProjectId) -> StoreResult<Vec<Webhook>> {
    let query = webhooks::table
        .filter(webhooks::project_id.eq(project.as_str()))
        .order_by((webhooks::created_at, webhooks::id))
        .select(WebhookRow::as_select());
    all(query.load(connection))
}

/// `ReadStore::find_webhook`.
pub(super) fn find(
    connection: &mut Conn,
    project: &ProjectId,
    id: &WebhookId,
) -> StoreResult<Option<Webhook>> {
    let row = webhooks::table.find(id.as_str()).filter(webhooks::project_id.eq(project.as_str()));
    one(row.select(WebhookRow::as_select()).first(connection))
}

/// `WriteStore::create_webhook`.
pub(super) fn create(connection: &mut Conn, webhook: &Webhook) -> StoreResult<()> {
    diesel::insert_into(webhooks::table)
        .values((
            webhooks::id.eq(webhook.id.as_str()),
            webhooks::project_id.eq(webhook.project.as_str()),
            webhooks::url.eq(&webhook.url),
            webhooks::events.eq(names(&webhook.events)),
            webhooks::secret.eq(&webhook.secret),
            webhooks::created_at.eq(webhook.created_at.0),
        ))
        .execute(connection)
        .map(drop)
        .map_err(refusal(Thing::Webhook, Thing::Project))
}

/// `WriteStore::update_webhook`.
pub(super) fn update(
    connection: &mut Conn,
    project: &ProjectId,
    id: &WebhookId,
    update: &WebhookUpdate,
) -> StoreResult<Webhook> {
    // SQL has no way to set nothing.
    if *update != WebhookUpdate::default() {
        let row =
            webhooks::table.find(id.as_str()).filter(webhooks::project_id.eq(project.as_str()));
        if update.secret.is_some() {
            let until = update.keep_previous_until.map(|until| until.0);
            let previous = (
                webhooks::previous_secret.eq(webhooks::secret.nullable()),
                webhooks::previous_secret_until.eq(until),
            );
            diesel::update(row).set(previous).execute(connection)?;
        }
        if update.url.is_some() || update.events.is_some() {
            diesel::update(row).set(webhooks::disabled_at.eq(None::<i64>)).execute(connection)?;
        }
        let changes = WebhookColumns {
            url: update.url.as_deref(),
            events: update.events.as_deref().map(names),
            secret: update.secret.as_deref(),
        };
        if changes.url.is_some() || changes.events.is_some() || changes.secret.is_some() {
            diesel::update(row).set(changes).execute(connection)?;
        }
    }
    find(connection, project, id)?.ok_or(StoreError::NotFound(Thing::Webhook))
}

/// `WriteStore::delete_webhook`.
pub(super) fn delete(
    connection: &mut Conn,
    project: &ProjectId,
    id: &WebhookId,
) -> StoreResult<()> {
    let row = webhooks::table.find(id.as_str()).filter(webhooks::project_id.eq(project.as_str()));
    found(diesel::delete(row).execute(connection)?, Thing::Webhook)
}

/// Event names as a JSON array.
fn names(events: &[String]) -> String {
    serde_json::Value::from(events).to_string()
}
