//! Claims of deliveries: of all who take from one outbox, each posts others.
//!
//! A claim is a write of its own, and the call is made behind it: no row is locked while an endpoint is waited for. Who ends in
//! between leaves claims, which are over some time later.

use super::backend::Conn;
use super::rows::{Row as _, sql_count};
use super::sending::{DueRow, LINES, PENDING, in_turns};
use crate::domain::{DueDelivery, WebhookId};
use crate::num;
use crate::store::{CLAIM, Claim, StoreResult};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Text};
use std::time::Duration;

/// How much longer than a claim lasts one may seem to last, by a clock that differs; one that does is of a clock set back, and void.
const SLACK: Duration = Duration::from_mins(1);

/// One line of what is due and free. A row that somebody is claiming right now is passed over, not waited for.
const FREE: &str = "SELECT d.webhook_id, d.event_id, d.project_id, d.attempts, d.gives_up_at, b.body
    FROM deliveries AS d JOIN event_bodies AS b ON b.event_id = d.event_id
    WHERE d.webhook_id = $1 AND d.state = $2 AND d.is_retry = $3 AND d.next_attempt_at <= $4
        AND (d.claimed_until IS NULL OR d.claimed_until <= $4 OR d.claimed_until > $5 OR d.claimed_by = $6)
    ORDER BY d.next_attempt_at, d.seq LIMIT $7 FOR UPDATE OF d SKIP LOCKED";

/// Claims events of a webhook, whose rows are locked already.
const TAKE: &str = "UPDATE deliveries SET claimed_by = $1, claimed_until = $2
    WHERE webhook_id = $3 AND event_id = ANY ($4)";

/// Lets go of everything that is claimed.
const LET_GO: &str = "UPDATE deliveries SET claimed_by = NULL, claimed_until = NULL
    WHERE state = $1 AND claimed_until IS NOT NULL";

/// `WriteStore::claim_deliveries`: of either line what is free, by turns, and only what is returned is claimed.
pub(super) fn claim(
    connection: &mut Conn,
    webhook: &WebhookId,
    claim: Claim<'_>,
) -> StoreResult<Vec<DueDelivery>> {
    let until = claim.now.later(CLAIM);
    let mut line = |line: i64| {
        sql_query(FREE)
            .bind::<Text, _>(webhook.as_str())
            .bind::<Text, _>(PENDING)
            .bind::<BigInt, _>(line)
            .bind::<BigInt, _>(claim.now.0)
            .bind::<BigInt, _>(until.later(SLACK).0)
            .bind::<Text, _>(claim.by)
            .bind::<BigInt, _>(sql_count(claim.limit))
            .load::<DueRow>(connection)
    };
    let [first, retries] = LINES;
    let (first, retries) = (line(first)?, line(retries)?);
    let limit = usize::try_from(claim.limit).unwrap_or(usize::MAX);
    let taken: Vec<DueRow> = in_turns(retries, first).take(limit).collect();
    if taken.is_empty() {
        return Ok(Vec::new());
    }
    let events: Vec<&str> = taken.iter().map(|row| row.event_id.as_str()).collect();
    sql_query(TAKE)
        .bind::<Text, _>(claim.by)
        .bind::<BigInt, _>(until.0)
        .bind::<Text, _>(webhook.as_str())
        .bind::<Array<Text>, _>(events)
        .execute(connection)?;
    taken.into_iter().map(DueRow::into_domain).collect()
}

/// Lets go of all claims: whoever had them has ended, because the database is this process's alone. Returns how many.
pub(super) fn let_go(connection: &mut PgConnection) -> QueryResult<u64> {
    sql_query(LET_GO).bind::<Text, _>(PENDING).execute(connection).map(num::counter)
}
