//! Deliveries of a webhook.

use crate::domain::{Delivery, DeliveryState, EventId, Timestamp, WebhookId};
use serde::Serialize;

/// A delivery, without its body: that may be large and may hold what the reader of webhooks must not see.
#[derive(Serialize)]
pub(crate) struct DeliveryView<'a> {
    /// The event's id, which is the delivery's too: `webhook-id` of every attempt.
    id: &'a EventId,
    /// The webhook.
    webhook_id: &'a WebhookId,
    /// The event's name.
    event: &'a str,
    /// The event's number.
    seq: i64,
    /// `pending`, `delivered` or `dead`.
    state: &'static str,
    /// How often it was tried since it was made or resent.
    attempts: i64,
    /// When it is tried next; null once it is finished.
    next_attempt_at: Option<Timestamp>,
    /// The status of the last answer.
    last_status: Option<u16>,
    /// What went wrong last.
    last_error: Option<&'a str>,
    /// When the event happened.
    created_at: Timestamp,
    /// When the endpoint took it.
    delivered_at: Option<Timestamp>,
}

impl<'a> From<&'a Delivery> for DeliveryView<'a> {
    fn from(delivery: &'a Delivery) -> Self {
        let is_pending = delivery.state == DeliveryState::Pending;
        Self {
            id: &delivery.key.event,
            webhook_id: &delivery.key.webhook,
            event: &delivery.event,
            seq: delivery.seq,
            state: delivery.state.as_str(),
            attempts: delivery.attempts,
            next_attempt_at: is_pending.then_some(delivery.next_attempt_at),
            last_status: delivery.last_status,
            last_error: delivery.last_error.as_deref(),
            created_at: delivery.created_at,
            delivered_at: delivery.delivered_at,
        }
    }
}
