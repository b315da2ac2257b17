//! The outbox: what is put in, listed and forgotten. What is taken out is in `sending`.

use super::backend::Conn;
use super::rows::{Row, all, corrupt, sql_count};
use super::schema::{deliveries, event_bodies, event_sequences, webhooks};
use crate::domain::delivery::{KEEP_FOR, KEEP_MOST, RETRY_FOR};
use crate::domain::event::body_for;
use crate::domain::{
    Delivery, DeliveryKey, DeliveryState, EventId, HookEvent, ProjectId, RawJson, Timestamp,
    WebhookId,
};
use crate::num;
use crate::store::{Start, StoreResult};
use diesel::prelude::*;

/// A row of `deliveries`.
#[derive(Queryable, Selectable)]
#[diesel(table_name = deliveries)]
struct DeliveryRow {
    /// Who hears it.
    webhook_id: String,
    /// What.
    event_id: String,
    /// The tenant.
    project_id: String,
    /// The event's number.
    seq: i64,
    /// The event's name.
    event: String,
    /// The state's word.
    state: String,
    /// Milliseconds.
    created_at: i64,
    /// How often it was tried.
    attempts: i64,
    /// Milliseconds.
    next_attempt_at: i64,
    /// An HTTP status.
    last_status: Option<i64>,
    /// What went wrong last.
    last_error: Option<String>,
    /// Milliseconds.
    delivered_at: Option<i64>,
}

impl Row for DeliveryRow {
    type Thing = Delivery;

    fn into_domain(self) -> StoreResult<Delivery> {
        let state = DeliveryState::from_word(&self.state);
        let status = self.last_status.map(u16::try_from).transpose();
        Ok(Delivery {
            key: DeliveryKey {
                webhook: WebhookId::from(self.webhook_id.as_str()),
                event: EventId::from(self.event_id.as_str()),
            },
            project: ProjectId::from(self.project_id.as_str()),
            seq: self.seq,
            event: self.event,
            state: state.ok_or_else(|| corrupt("deliveries.state"))?,
            created_at: Timestamp(self.created_at),
            attempts: self.attempts,
            next_attempt_at: Timestamp(self.next_attempt_at),
            last_status: status.ok().ok_or_else(|| corrupt("deliveries.last_status"))?,
            last_error: self.last_error,
            delivered_at: self.delivered_at.map(Timestamp),
        })
    }
}

/// `WriteStore::record_event`: without a webhook that names it, one indexed SELECT and nothing else.
pub(super) fn record(connection: &mut Conn, event: &HookEvent) -> StoreResult<usize> {
    let project = event.project.as_str();
    let hooks: Vec<(String, String)> = webhooks::table
        .filter(webhooks::project_id.eq(project))
        .filter(webhooks::disabled_at.is_null())
        .order_by((webhooks::created_at, webhooks::id))
        .select((webhooks::id, webhooks::events))
        .load(connection)?;
    let name = event.kind.name();
    let wants = |events: &str| {
        serde_json::from_str::<Vec<String>>(events).is_ok_and(|it| it.iter().any(|e| e == name))
    };
    let hooks: Vec<String> =
        hooks.into_iter().filter(|(_, events)| wants(events)).map(|(id, _)| id).collect();
    if hooks.is_empty() {
        return Ok(0);
    }
    // One by one in a savepoint of their own, so that an event is stored for all of its webhooks or for none.
    connection.transaction(|connection| {
        let seq = next_seq(connection, project)?;
        // A commit that was reported as failed may stand after all, and is tried again.
        if add_body(connection, event, seq)? {
            for hook in &hooks {
                insert(connection, event, hook, seq)?;
            }
        }
        Ok(hooks.len())
    })
}

/// The next number of a project's events.
fn next_seq(connection: &mut Conn, project: &str) -> QueryResult<i64> {
    diesel::insert_into(event_sequences::table)
        .values((event_sequences::project_id.eq(project), event_sequences::last_seq.eq(1)))
        .on_conflict(event_sequences::project_id)
        .do_update()
        .set(event_sequences::last_seq.eq(event_sequences::last_seq + 1))
        .execute(connection)?;
    event_sequences::table.find(project).select(event_sequences::last_seq).first(connection)
}

/// Adds what all webhooks are told; says whether the event is new.
fn add_body(connection: &mut Conn, event: &HookEvent, seq: i64) -> QueryResult<bool> {
    diesel::insert_into(event_bodies::table)
        .values((
            event_bodies::event_id.eq(event.id.as_str()),
            event_bodies::body.eq(event.body(seq)),
        ))
        .on_conflict_do_nothing()
        .execute(connection)
        .map(|rows| rows > 0)
}

/// Adds the row of one webhook.
fn insert(connection: &mut Conn, event: &HookEvent, hook: &str, seq: i64) -> QueryResult<()> {
    diesel::insert_into(deliveries::table)
        .values((
            deliveries::webhook_id.eq(hook),
            deliveries::event_id.eq(event.id.as_str()),
            deliveries::project_id.eq(event.project.as_str()),
            deliveries::seq.eq(seq),
            deliveries::event.eq(event.kind.name()),
            deliveries::state.eq(DeliveryState::Pending.as_str()),
            deliveries::created_at.eq(event.occurred_at.0),
            deliveries::attempts.eq(0),
            deliveries::is_retry.eq(0),
            deliveries::next_attempt_at.eq(event.occurred_at.0),
            deliveries::gives_up_at.eq(event.occurred_at.later(RETRY_FOR).0),
        ))
        .execute(connection)
        .map(drop)
}

/// `ReadStore::list_deliveries`.
pub(super) fn list(
    connection: &mut Conn,
    webhook: &WebhookId,
    start: &Start<i64>,
    limit: u64,
) -> StoreResult<Vec<Delivery>> {
    let query = deliveries::table
        .filter(deliveries::webhook_id.eq(webhook.as_str()))
        .order_by(deliveries::seq.desc())
        .limit(sql_count(limit))
        .select(DeliveryRow::as_select());
    match start {
        Start::Skip(count) => all(query.offset(sql_count(*count)).load(connection)),
        Start::Behind(seq) => all(query.filter(deliveries::seq.lt(*seq)).load(connection)),
    }
}

/// `ReadStore::find_delivery`.
pub(super) fn find(
    connection: &mut Conn,
    project: &ProjectId,
    key: &DeliveryKey,
) -> StoreResult<Option<(Delivery, RawJson)>> {
    let found: Option<(DeliveryRow, String)> = deliveries::table
        .find((key.event.as_str(), key.webhook.as_str()))
        .inner_join(event_bodies::table)
        .filter(deliveries::project_id.eq(project.as_str()))
        .select((DeliveryRow::as_select(), event_bodies::body))
        .first(connection)
        .optional()?;
    let Some((row, told)) = found else { return Ok(None) };
    let body = body_for(&key.webhook, &told).ok_or_else(|| corrupt("event_bodies.body"))?;
    Ok(Some((row.into_domain()?, RawJson::trusted(body))))
}

/// `ReadStore::count_deliveries`.
pub(super) fn count(connection: &mut Conn, webhook: &WebhookId) -> StoreResult<u64> {
    let query = deliveries::table.filter(deliveries::webhook_id.eq(webhook.as_str())).count();
    let rows: i64 = query.get_result(connection)?;
    Ok(rows.unsigned_abs())
}

/// `WriteStore::prune_deliveries`.
pub(super) fn prune(connection: &mut Conn, now: Timestamp) -> StoreResult<u64> {
    let oldest = now.earlier(KEEP_FOR).0;
    let hooks: Vec<String> = webhooks::table.select(webhooks::id).load(connection)?;
    let mut gone = 0;
    for hook in hooks {
        let finished = deliveries::table
            .filter(deliveries::webhook_id.eq(&hook))
            .filter(deliveries::state.ne(DeliveryState::Pending.as_str()));
        gone += diesel::delete(finished.filter(deliveries::created_at.lt(oldest)))
            .execute(connection)?;
        let first_too_many: Option<i64> = finished
            .order_by(deliveries::seq.desc())
            .offset(sql_count(KEEP_MOST))
            .select(deliveries::seq)
            .first(connection)
            .optional()?;
        if let Some(seq) = first_too_many {
            gone += diesel::delete(finished.filter(deliveries::seq.le(seq))).execute(connection)?;
        }
    }
    Ok(num::counter(gone))
}
