//! Webhooks.

use crate::domain::{ProjectId, Timestamp, Webhook, WebhookId};
use serde::Serialize;

/// A webhook.
#[derive(Serialize)]
pub(crate) struct WebhookView<'a> {
    /// `webhook_…`.
    id: &'a WebhookId,
    /// Its project.
    project_id: &'a ProjectId,
    /// Where events are posted to.
    webhook_url: &'a str,
    /// The events that the asking client understands.
    events: Vec<&'a str>,
    /// Always `http`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The secret, whole at creation and masked ever after.
    secret: &'a str,
    /// When it was created.
    created_at: Timestamp,
}

impl<'a> WebhookView<'a> {
    /// Shows a webhook with as much of its secret as `shown`.
    pub(crate) fn new(webhook: &'a Webhook, events: Vec<&'a str>, shown: &'a str) -> Self {
        Self {
            id: &webhook.id,
            project_id: &webhook.project,
            webhook_url: &webhook.url,
            events,
            kind: "http",
            secret: shown,
            created_at: webhook.created_at,
        }
    }
}
