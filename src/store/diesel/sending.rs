//! What the outbox gives out, and what becomes of it.

use super::backend::Conn;
use super::error::found;
use super::rows::{Row, WebhookRow, all, corrupt, sql_count};
use super::schema::{deliveries, event_bodies, webhooks};
use crate::domain::delivery::RETRY_FOR;
use crate::domain::event::body_for;
use crate::domain::{
    Attempt, DeliveryKey, DeliveryOutcome, DeliveryState, DueDelivery, EventId, ProjectId,
    Timestamp, Webhook, WebhookId,
};
use crate::num;
use crate::store::{StoreResult, Thing};
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel::sql_types::Text;
use std::time::Duration;

/// The word of what still has to be sent.
pub(super) const PENDING: &str = DeliveryState::Pending.as_str();

/// A due row with what its event tells.
#[derive(Queryable, QueryableByName, Selectable)]
#[diesel(table_name = deliveries)]
pub(super) struct DueRow {
    /// Who hears it.
    webhook_id: String,
    /// What.
    pub(super) event_id: String,
    /// The tenant.
    project_id: String,
    /// How often it was tried.
    attempts: i64,
    /// Milliseconds.
    gives_up_at: i64,
    /// What all webhooks are told.
    #[diesel(select_expression = event_bodies::body, sql_type = Text)]
    body: String,
}

impl Row for DueRow {
    type Thing = DueDelivery;

    fn into_domain(self) -> StoreResult<DueDelivery> {
        let webhook = WebhookId::from(self.webhook_id.as_str());
        let body = body_for(&webhook, &self.body).ok_or_else(|| corrupt("event_bodies.body"))?;
        Ok(DueDelivery {
            key: DeliveryKey { webhook, event: EventId::from(self.event_id.as_str()) },
            project: ProjectId::from(self.project_id.as_str()),
            body,
            attempts: self.attempts,
            gives_up_at: Timestamp(self.gives_up_at),
        })
    }
}

/// The two lines of a webhook's pending deliveries: those that were never tried, and those that were.
pub(super) const LINES: [i64; 2] = [0, 1];

/// `ReadStore::due_webhooks`: two looks into the index for each webhook, however long its queues are.
pub(super) fn due_webhooks(connection: &mut Conn, now: Timestamp) -> StoreResult<Vec<Webhook>> {
    let due = |line: i64| {
        deliveries::table
            .filter(deliveries::webhook_id.eq(webhooks::id))
            .filter(deliveries::state.eq(PENDING))
            .filter(deliveries::is_retry.eq(line))
            .filter(deliveries::next_attempt_at.le(now.0))
    };
    let [first, retries] = LINES.map(due);
    let query = webhooks::table
        .filter(exists(first).or(exists(retries)))
        .order_by(webhooks::id)
        .select(WebhookRow::as_select());
    all(query.load(connection))
}

/// `ReadStore::due_deliveries`: retries and first attempts in turns, each by its own time. A retry has waited already, and
/// by time alone it would stand behind everything that came before it failed.
pub(super) fn due(
    connection: &mut Conn,
    webhook: &WebhookId,
    now: Timestamp,
    limit: u64,
) -> StoreResult<Vec<DueDelivery>> {
    let mut line = |line: i64| {
        let query = deliveries::table
            .inner_join(event_bodies::table)
            .filter(deliveries::webhook_id.eq(webhook.as_str()))
            .filter(deliveries::state.eq(PENDING))
            .filter(deliveries::is_retry.eq(line))
            .filter(deliveries::next_attempt_at.le(now.0))
            .order_by((deliveries::next_attempt_at, deliveries::seq))
            .limit(sql_count(limit))
            .select(DueRow::as_select());
        all::<DueRow>(query.load(connection))
    };
    let (first, retries) = (line(0)?, line(1)?);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    Ok(in_turns(retries, first).take(limit).collect())
}

/// One of each by turns, then what is left of the longer one.
pub(super) fn in_turns<T>(one: Vec<T>, other: Vec<T>) -> impl Iterator<Item = T> {
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    let mut is_turn = false;
    std::iter::from_fn(move || {
        is_turn = !is_turn;
        if is_turn {
            one.next().or_else(|| other.next())
        } else {
            other.next().or_else(|| one.next())
        }
    })
}

/// `ReadStore::next_due`.
pub(super) fn next_due(connection: &mut Conn) -> StoreResult<Option<Timestamp>> {
    let first: Option<i64> = deliveries::table
        .filter(deliveries::state.eq(PENDING))
        .order_by(deliveries::next_attempt_at)
        .select(deliveries::next_attempt_at)
        .first(connection)
        .optional()?;
    Ok(first.map(Timestamp))
}

/// How much later than the latest time that a pause explains a delivery may be due before the clock is doubted: times
/// are read before the rows are, and small steps of a clock are common.
const SLACK: Duration = Duration::from_mins(1);

/// For either line the latest time that a pause explains.
fn latest(now: Timestamp, longest: Duration) -> [(i64, Timestamp); 2] {
    let [first, retries] = LINES;
    [(first, now), (retries, now.later(longest))]
}

/// `ReadStore::is_due_too_late`: two looks into the index for each webhook, as in [`due_webhooks`].
pub(super) fn is_due_too_late(
    connection: &mut Conn,
    now: Timestamp,
    longest: Duration,
) -> StoreResult<bool> {
    let late = |(line, latest): (i64, Timestamp)| {
        deliveries::table
            .filter(deliveries::webhook_id.eq(webhooks::id))
            .filter(deliveries::state.eq(PENDING))
            .filter(deliveries::is_retry.eq(line))
            .filter(deliveries::next_attempt_at.gt(latest.later(SLACK).0))
    };
    let [first, retries] = latest(now, longest).map(late);
    let any = webhooks::table.filter(exists(first).or(exists(retries)));
    Ok(diesel::select(exists(any)).get_result(connection)?)
}

/// `WriteStore::bring_back_deliveries`.
pub(super) fn bring_back(
    connection: &mut Conn,
    now: Timestamp,
    longest: Duration,
) -> StoreResult<u64> {
    let last_end = now.later(RETRY_FOR).0;
    let mut rows = 0;
    for (line, latest) in latest(now, longest) {
        let late = deliveries::table
            .filter(deliveries::state.eq(PENDING))
            .filter(deliveries::is_retry.eq(line))
            .filter(deliveries::next_attempt_at.gt(latest.later(SLACK).0));
        diesel::update(late.filter(deliveries::gives_up_at.gt(last_end)))
            .set(deliveries::gives_up_at.eq(last_end))
            .execute(connection)?;
        rows += diesel::update(late)
            .set(deliveries::next_attempt_at.eq(latest.0))
            .execute(connection)?;
    }
    Ok(num::counter(rows))
}

/// `WriteStore::settle_delivery`.
pub(super) fn settle(
    connection: &mut Conn,
    key: &DeliveryKey,
    attempt: &Attempt,
) -> StoreResult<()> {
    let (state, next) = match attempt.outcome {
        DeliveryOutcome::Delivered => (DeliveryState::Delivered, None),
        DeliveryOutcome::Retry(at) => (DeliveryState::Pending, Some(at.0)),
        DeliveryOutcome::Dead | DeliveryOutcome::Gone => (DeliveryState::Dead, None),
    };
    let delivered_at = (state == DeliveryState::Delivered).then_some(attempt.at.0);
    let row = deliveries::table.find((key.event.as_str(), key.webhook.as_str()));
    diesel::update(row)
        .set((
            deliveries::state.eq(state.as_str()),
            deliveries::attempts.eq(deliveries::attempts + 1),
            deliveries::is_retry.eq(1),
            next.map(|next| deliveries::next_attempt_at.eq(next)),
            deliveries::last_status.eq(attempt.status.map(i64::from)),
            deliveries::last_error.eq(attempt.error.as_deref()),
            deliveries::delivered_at.eq(delivered_at),
        ))
        .execute(connection)?;
    if attempt.outcome == DeliveryOutcome::Gone {
        disable(connection, &key.webhook, attempt.at)?;
    }
    Ok(())
}

/// A webhook hears no more; what it was still owed is given up with it.
fn disable(connection: &mut Conn, webhook: &WebhookId, at: Timestamp) -> QueryResult<()> {
    diesel::update(webhooks::table.find(webhook.as_str()))
        .set(webhooks::disabled_at.eq(at.0))
        .execute(connection)?;
    let owed = deliveries::table
        .filter(deliveries::webhook_id.eq(webhook.as_str()))
        .filter(deliveries::state.eq(PENDING));
    diesel::update(owed)
        .set((
            deliveries::state.eq(DeliveryState::Dead.as_str()),
            deliveries::last_error.eq("the endpoint said that it is gone"),
        ))
        .execute(connection)
        .map(drop)
}

/// `WriteStore::resend_delivery`.
pub(super) fn resend(
    connection: &mut Conn,
    project: &ProjectId,
    key: &DeliveryKey,
    now: Timestamp,
) -> StoreResult<()> {
    let row = deliveries::table
        .find((key.event.as_str(), key.webhook.as_str()))
        .filter(deliveries::project_id.eq(project.as_str()));
    let rows = diesel::update(row)
        .set((
            deliveries::state.eq(PENDING),
            deliveries::attempts.eq(0),
            deliveries::is_retry.eq(0),
            deliveries::next_attempt_at.eq(now.0),
            deliveries::gives_up_at.eq(now.later(RETRY_FOR).0),
        ))
        .execute(connection)?;
    found(rows, Thing::Delivery)
}
