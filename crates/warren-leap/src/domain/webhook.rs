//! Project webhooks: where a back end wants to hear of events.

use super::{Permission, ProjectId, Timestamp, WebhookId};

/// Every event name that a webhook may ask for (`docs/PROTOCOL.md`, Webhooks).
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
    /// The secret before it, while that signs too.
    pub previous: Option<PreviousSecret>,
    /// Since when it hears nothing, because its endpoint answered that it is gone (410); a change of it ends that.
    pub disabled_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
}

/// A secret that was replaced a short while ago.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviousSecret {
    /// `whsec_…`.
    pub secret: String,
    /// Until when it signs beside the new one.
    pub until: Timestamp,
}

/// Who is asked when a token wants a private channel that it was not granted; a project has one or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorizer {
    /// The project whose channels it guards.
    pub project: ProjectId,
    /// Where the question is posted to.
    pub url: String,
    /// `whsec_…`: signs the question.
    pub secret: String,
    /// When it was set.
    pub created_at: Timestamp,
}

impl Webhook {
    /// The secrets that sign at `now`, the newest first.
    pub fn secrets(&self, now: Timestamp) -> Vec<&str> {
        let previous = self.previous.as_ref().filter(|previous| now < previous.until);
        std::iter::once(self.secret.as_str())
            .chain(previous.map(|previous| previous.secret.as_str()))
            .collect()
    }
}

/// Whether a webhook may ask for this event: one of ours, or one of Hop's other products.
pub fn is_known_event(name: &str) -> bool {
    EVENTS.contains(&name) || FOREIGN_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// What a back end must be allowed to read to be told of such an event: whoever names the address would see it otherwise.
pub fn reveals(event: &str) -> &'static [Permission] {
    match event {
        "channel.created" | "channel.updated" | "channel.deleted" | "channel.state.updated" => {
            &[Permission::ReadChannels]
        }
        "token.created" | "token.deleted" => &[Permission::ReadLeapTokens],
        "project.tokens.created" | "project.tokens.deleted" => &[Permission::ReadProjectTokens],
        // Whose connection or message it is, by their token, which is a secret.
        name if name.starts_with("channel.") => {
            &[Permission::ReadChannels, Permission::ReadLeapTokens]
        }
        _ => &[],
    }
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
    fn every_event_of_ours_reveals_something() {
        assert!(EVENTS.iter().all(|event| !reveals(event).is_empty()));
        assert!(reveals("channel.message").contains(&Permission::ReadLeapTokens));
        assert_eq!(reveals("ignite.deployment.created"), []);
    }

    #[test]
    fn events_of_hop_are_known_and_inventions_are_not() {
        assert!(is_known_event("channel.created") && is_known_event("ignite.deployment.created"));
        assert!(!is_known_event("channel.exploded") && !is_known_event(""));
    }
}
