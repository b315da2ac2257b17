//! One attempt at one delivery: signed, posted, and its outcome noted in the outbox.

use super::super::clock;
use super::super::persistence::Persistence;
use crate::domain::{Attempt, Due, Outcome, Timestamp, Webhook};
use crate::webhook::schedule::{Schedule, Try};
use crate::webhook::signing::{self, Envelope};
use crate::webhook::{CallError, Client, Reply};
use std::rc::Rc;
use std::time::Duration;

/// How long an endpoint may take for its whole answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The pause after an outcome that could not be noted: the delivery is due still and will be made again.
const SETBACK: Duration = Duration::from_secs(1);

/// Makes an attempt; done when its outcome is in the outbox.
pub(super) async fn attempt(
    client: Rc<Client>,
    persistence: Persistence,
    schedule: Schedule,
    webhook: Rc<Webhook>,
    due: Due,
) -> Attempt {
    let (key, number, at) = (due.key, due.attempts.saturating_add(1), clock::now());
    let envelope = Envelope { id: key.event.as_str(), at, attempt: number };
    let headers = signing::headers(envelope, &webhook.secrets(at), &due.body);
    let answer = client.post(&webhook.url, headers, due.body, TIMEOUT, due.attempts).await;
    let attempt = judged(schedule, number, due.gives_up_at, &answer);
    let noted = attempt.clone();
    let noting = persistence.write({
        let key = key.clone();
        move |store| store.settle_delivery(&key, &noted)
    });
    if let Err(error) = noting.await {
        tracing::warn!(%error, event = %key.event, "the outcome of a delivery was not stored");
        tokio::time::sleep(SETBACK).await;
    }
    if attempt.outcome == Outcome::Gone {
        persistence.refresh_hooks(&due.project).await;
    }
    attempt
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
    let outcome = schedule.outcome(Try { number, status, gives_up_at }, at, chance);
    Attempt { at, status, error, outcome }
}
