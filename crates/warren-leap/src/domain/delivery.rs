//! Deliveries: one event on its way to one webhook.

use super::{EventId, ProjectId, Timestamp, WebhookId};
use std::time::Duration;

/// How long an event is tried before it is given up (`docs/PROTOCOL.md`, Webhooks).
pub const RETRY_FOR: Duration = Duration::from_hours(24);
/// How long a replaced secret signs beside the new one (`docs/PROTOCOL.md`, Webhooks).
pub const ROTATION: Duration = Duration::from_hours(24);
/// How long a finished delivery stays in the list.
pub const KEEP_FOR: Duration = Duration::from_hours(7 * 24);
/// The most finished deliveries that are kept for one webhook.
pub const KEEP_MOST: u64 = 10_000;

/// Which delivery: an event goes to a webhook once, however many attempts that takes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DeliveryKey {
    /// Who hears it.
    pub webhook: WebhookId,
    /// What.
    pub event: EventId,
}

/// How far a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// It will be tried (again).
    Pending,
    /// The endpoint took it.
    Delivered,
    /// It was given up; only a resend tries it again.
    Dead,
}

impl DeliveryState {
    /// The word in the database and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }

    /// The state of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Pending, Self::Delivered, Self::Dead].into_iter().find(|it| it.as_str() == word)
    }
}

/// A delivery as lists show it, without its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Which.
    pub key: DeliveryKey,
    /// The tenant.
    pub project: ProjectId,
    /// The event's number.
    pub seq: i64,
    /// The event's name.
    pub event: String,
    /// How far it is.
    pub state: DeliveryState,
    /// When the event happened.
    pub created_at: Timestamp,
    /// How often it was tried.
    pub attempts: i64,
    /// When it is tried next, while it is pending.
    pub next_attempt_at: Timestamp,
    /// The status of the last answer, if there was one.
    pub last_status: Option<u16>,
    /// What went wrong last, if anything did.
    pub last_error: Option<String>,
    /// When the endpoint took it.
    pub delivered_at: Option<Timestamp>,
}

/// A delivery that is due, with all that posting it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueDelivery {
    /// Which.
    pub key: DeliveryKey,
    /// The tenant.
    pub project: ProjectId,
    /// What is posted.
    pub body: String,
    /// How often it was tried before.
    pub attempts: i64,
    /// When it is given up.
    pub gives_up_at: Timestamp,
}

/// What became of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When it ended.
    pub at: Timestamp,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// What went wrong, if anything did.
    pub error: Option<String>,
    /// What follows.
    pub outcome: DeliveryOutcome,
}

/// What follows an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// The endpoint took it.
    Delivered,
    /// It is tried again then.
    Retry(Timestamp),
    /// It is given up.
    Dead,
    /// It is given up, and the webhook hears no more until somebody changes it: the endpoint is gone for good.
    Gone,
}
