//! Project webhooks: where a back end wants to hear of events.

use super::{ProjectId, Timestamp, WebhookId};

/// Every event name that a webhook may ask for (`semantics.md`, Webhooks).
pub const EVENTS: [&str; 13] = [
    "channel.created",
    "channel.updated",
    "channel.deleted",
    "channel.state.updated",
    "channel.client.connected",
    "channel.client.disconnected",
    "channel.subscribed",
    "channel.unsubscribed",
    "channel.message",
    "token.created",
    "token.deleted",
    "project.tokens.created",
    "project.tokens.deleted",
];

/// Event names of Hop products that Warren does not have: clients may ask for them, they never fire.
const FOREIGN_PREFIXES: [&str; 4] = ["ignite.", "project.", "pipe.", "registry."];

/// The most events one webhook may name.
pub const MAX_EVENTS: usize = 64;

/// A webhook as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// `webhook_…`.
    pub id: WebhookId,
    /// The project whose events it hears.
    pub project: ProjectId,
    /// Where they are posted to.
    pub url: String,
    /// The event names it asked for.
    pub events: Vec<String>,
    /// `whsec_…`: signs what is posted.
    pub secret: String,
    /// When it was created.
    pub created_at: Timestamp,
}

/// Whether a webhook may ask for this event: one of ours, or one of Hop's other products.
pub fn is_known_event(name: &str) -> bool {
    EVENTS.contains(&name) || FOREIGN_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// The secret as listings show it: its prefix and stars.
pub fn masked_secret(secret: &str) -> String {
    let stars = "*".repeat(secret.len().saturating_sub("whsec_".len()));
    format!("whsec_{stars}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_secret_shows_nothing_but_its_length() {
        assert_eq!(masked_secret("whsec_abcd"), "whsec_****");
    }

    #[test]
    fn events_of_hop_are_known_and_inventions_are_not() {
        assert!(is_known_event("channel.created") && is_known_event("ignite.deployment.created"));
        assert!(!is_known_event("channel.exploded") && !is_known_event(""));
    }
}
