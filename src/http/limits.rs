//! The bounds that HTTP keeps.

use super::rates::RequestLimits;
use crate::domain::KeyBounds;
use crate::telemetry::LogShare;
use arc_swap::ArcSwap;
use std::sync::Arc;

/// What a request may bring; `config` fills it in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// The largest data of one message, bytes of JSON; over it, 413. Zero lifts the bound, up to
    /// half of [`Self::body_in_flight_bytes`].
    pub message_bytes: usize,
    /// The largest state of a channel or a leap token, bytes of JSON; over it, 413.
    pub state_bytes: usize,
    /// How many sockets there may be in all; over it, 503. Zero for no bound.
    pub sockets: usize,
    /// How many sockets one address may have open; over it, 429. Zero for no bound.
    pub address_connections: usize,
    /// How many sockets of one address may be open that have not identified; over it, 429. Zero for no bound.
    pub address_unidentified: usize,
    /// How many in all; over it, 503. Zero for no bound.
    pub unidentified: usize,
    /// How many calls a second one token may make, and one address; over it, 429.
    pub requests: RequestLimits,
    /// How many webhooks a project may have; over it, 409. Zero for no bound.
    pub project_webhooks: usize,
    /// How many bytes of request bodies may be held at once; over it, 503; one project's may have
    /// half of it. Bodies under 64 KiB do not count.
    pub body_in_flight_bytes: usize,
    /// How long the keys of calls stand for them, and how many there are of one project; past it the oldest go.
    pub keys: KeyBounds,
    /// How many bytes the keys and answers that are held in memory take together; past it the oldest of whoever has most go.
    pub keys_memory_bytes: usize,
    /// Which requests get a line in the log.
    pub log_requests: LogShare,
}

impl Default for HttpLimits {
    /// 64 MiB a message, 1 MiB a state, 256 MiB in flight.
    fn default() -> Self {
        Self {
            message_bytes: 64 << 20,
            state_bytes: 1 << 20,
            sockets: 0,
            address_connections: 0,
            address_unidentified: 2000,
            unidentified: 20_000,
            requests: RequestLimits::default(),
            project_webhooks: 50,
            body_in_flight_bytes: 256 << 20,
            keys: KeyBounds::default(),
            keys_memory_bytes: 128 << 20,
            log_requests: LogShare::default(),
        }
    }
}

/// How much a body may be longer than the one message in it: the keys and the event name, escaped.
const MESSAGE_FRAME_BYTES: usize = 4 << 10;
/// How much a body may be longer than the one state in it: JSON Patch operations, white space.
const STATE_FRAME_BYTES: usize = 4 << 10;
/// How much a body may hold besides the one state in it: a thousand channel ids or tokens, or a webhook.
const RECORD_FRAME_BYTES: usize = 512 << 10;

/// What a body holds, which decides how long it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// A message.
    Message,
    /// A channel's state or a patch of it.
    State,
    /// Several calls, each with a body of its own.
    Batch,
    /// Anything else: a channel, a token, a webhook, a list of tokens.
    Record,
}

impl HttpLimits {
    /// The largest data of one message, bytes.
    pub(crate) const fn message(&self) -> usize {
        if self.message_bytes == 0 { usize::MAX } else { self.message_bytes }
    }

    /// The bound that a refused body's sender is told, bytes: that on the content, not on what is around it.
    pub(crate) fn told(&self, content: Content) -> usize {
        let body = self.body(content);
        match content {
            Content::Message => self.message().min(body),
            Content::State => self.state_bytes.min(body),
            Content::Record | Content::Batch => body,
        }
    }

    /// The longest body with this content, bytes.
    pub(crate) fn body(&self, content: Content) -> usize {
        let wanted = match content {
            Content::Message => self.message().saturating_add(MESSAGE_FRAME_BYTES),
            Content::State => self.state_bytes.saturating_add(STATE_FRAME_BYTES),
            Content::Record => self.state_bytes.saturating_add(RECORD_FRAME_BYTES),
            Content::Batch => self.longest_body(),
        };
        // A longer one could never be let in.
        wanted.min(self.share())
    }

    /// The longest body with any content, bytes.
    pub(crate) fn longest_body(&self) -> usize {
        let all = [Content::Message, Content::State, Content::Record];
        all.map(|content| self.body(content)).into_iter().max().unwrap_or_default()
    }

    /// How many bytes of the bodies of one project may be held at once.
    pub(crate) const fn share(&self) -> usize {
        self.body_in_flight_bytes / 2
    }
}

/// The bounds as they are now; all clones have the same ones.
#[derive(Clone)]
pub struct LiveLimits(Arc<ArcSwap<HttpLimits>>);

impl LiveLimits {
    /// These, until they change.
    pub(crate) fn new(limits: HttpLimits) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(limits)))
    }

    /// The bounds now.
    pub(crate) fn get(&self) -> HttpLimits {
        **self.0.load()
    }

    /// Changes them.
    pub(super) fn change(&self, limits: HttpLimits) {
        self.0.store(Arc::new(limits));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_lifts_the_bound_of_messages_up_to_a_projects_share() {
        let limits = HttpLimits { message_bytes: 0, ..HttpLimits::default() };
        assert_eq!(limits.message(), usize::MAX);
        assert_eq!(limits.body(Content::Message), 128 << 20);
    }

    #[test]
    fn a_message_at_its_bound_fits_into_a_body() {
        let limits = HttpLimits::default();
        assert!(limits.body(Content::Message) > limits.message());
        assert!(limits.body(Content::State) > limits.state_bytes);
        assert_eq!(limits.told(Content::Message), limits.message());
        assert_eq!(limits.told(Content::State), limits.state_bytes);
    }
}
