//! One attempt at one delivery: signed, posted, and its outcome noted in the outbox.

use super::super::clock;
use super::super::persistence::Persistence;
use super::calling::{self, CallPurpose};
use crate::domain::{Attempt, DeliveryKey, DeliveryOutcome, DueDelivery, Timestamp, Webhook};
use crate::metrics::{self, Family, Label};
use crate::webhook::schedule::{Schedule, ScheduledAttempt};
use crate::webhook::signing::{self, CallHeaders};
use crate::webhook::{CallError, EndpointCall, EndpointClient, Reply};
use std::rc::Rc;
use std::time::Duration;
use tokio::time::Instant;

/// How long an endpoint may take for its whole answer.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);
/// The pause before an outcome that could not be stored is tried again; each further one is twice as long.
const FIRST_SETBACK: Duration = Duration::from_millis(500);
/// The longest of these pauses.
const LONGEST_SETBACK: Duration = Duration::from_secs(5);

/// Makes an attempt; done when its outcome is in the outbox.
pub(super) async fn attempt(
    client: Rc<EndpointClient>,
    persistence: Persistence,
    schedule: Schedule,
    webhook: Rc<Webhook>,
    due: DueDelivery,
) -> Attempt {
    let (key, number, at) = (due.key, due.attempts.saturating_add(1), clock::now());
    let envelope = CallHeaders { id: key.event.as_str(), at, attempt: number };
    let headers = signing::headers(envelope, &webhook.secrets(at), &due.body);
    let (body, turn) = (due.body, due.attempts);
    let call =
        EndpointCall { url: &webhook.url, headers, body: Some(body), timeout: TIMEOUT, turn };
    let begun = Instant::now();
    let answer = calling::call(&client, CallPurpose::Webhook, call, at).await;
    metrics::count(|cells| cells.webhook_time.note_time(begun.elapsed()));
    let attempt = judged(schedule, number, due.gives_up_at, &answer);
    metrics::add(Family::WebhookDeliveries, [Label::Word(word_for(&attempt.outcome))]);
    note(&persistence, &key, &attempt).await;
    if attempt.outcome == DeliveryOutcome::Gone {
        persistence.refresh_hooks(&due.project).await;
    }
    attempt
}

/// Stores an outcome, for as long as that takes: the call was made, and to make it again because the disk is full would
/// be to tell the endpoint the same thing over and over. Meanwhile the delivery keeps its place among those under way, so
/// what waits here is bounded.
async fn note(persistence: &Persistence, key: &DeliveryKey, attempt: &Attempt) {
    let mut pause = FIRST_SETBACK;
    loop {
        let (row, noted) = (key.clone(), attempt.clone());
        let noting = persistence.write(move |store| store.settle_delivery(&row, &noted));
        let Err(error) = noting.await else { return };
        if pause == FIRST_SETBACK {
            tracing::warn!(%error, event = %key.event, "the outcome of a delivery is not stored yet");
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_SETBACK);
    }
}

/// What an outcome is called where attempts are counted.
const fn word_for(outcome: &DeliveryOutcome) -> &'static str {
    match outcome {
        DeliveryOutcome::Delivered => "delivered",
        DeliveryOutcome::Retry(_) => "failed",
        DeliveryOutcome::Dead => "dead",
        DeliveryOutcome::Gone => "gone",
    }
}

/// What an answer means.
fn judged(
    schedule: Schedule,
    number: i64,
    gives_up_at: Timestamp,
    answer: &Result<Reply, CallError>,
) -> Attempt {
    let (status, error) = match answer {
        Ok(Reply { status, .. }) if (200..300).contains(status) => (Some(*status), None),
        Ok(Reply { status, .. }) => (Some(*status), Some(format!("status {status}"))),
        Err(error) => (None, Some(error.to_string())),
    };
    let at = clock::now();
    // Without randomness the pauses are the longest, which is as good.
    let chance = clock::random().map_or(u32::MAX, u32::from_ne_bytes);
    let retry_after = answer.as_ref().ok().and_then(|reply| reply.retry_after);
    let attempt = ScheduledAttempt { number, status, gives_up_at, retry_after };
    let outcome = schedule.outcome(attempt, at, chance);
    Attempt { at, status, error, outcome }
}
