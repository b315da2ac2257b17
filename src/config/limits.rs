//! `[limits]` of the configuration file.

use super::units;
use crate::actor::Settings;
use crate::domain::{HistoryBounds, KeyBounds, MailboxBounds, StateLogBounds};
use crate::http::RequestLimits;
use crate::protocol::{Rate, Timing};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The configuration file's table `[limits]`; 0 lifts a bound, but for what is kept for sessions.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Limits {
    /// Bytes of a message over HTTP, default 64 MiB, 0 for none; past it 413.
    #[serde(deserialize_with = "units::bytes")]
    pub message_bytes: usize,
    /// Bytes of a channel's or token's state, default 1 MiB; past it 413.
    #[serde(deserialize_with = "units::bytes")]
    pub state_bytes: usize,
    /// Bytes of a client's frame or fragmented message, default 1 MiB; past it close 1009.
    #[serde(deserialize_with = "units::bytes")]
    pub frame_bytes: usize,
    /// Bytes that wait for a reader that takes nothing, default 1 MiB; past it close 4009.
    #[serde(deserialize_with = "units::bytes")]
    pub outbox_bytes: usize,
    /// Milliseconds for which such a reader may take nothing, default 10,000; 0 for none.
    #[serde(deserialize_with = "units::milliseconds")]
    pub outbox_patience_ms: u64,
    /// Bytes that wait for all readers of a worker, default 256 MiB, each frame counted once; past it the slowest are
    /// closed, 4009.
    #[serde(deserialize_with = "units::bytes")]
    pub worker_outbox_bytes: usize,
    /// Bytes of the states in one INIT, default 64 MiB; past it close 4008.
    #[serde(deserialize_with = "units::bytes")]
    pub init_bytes: usize,
    /// Bytes that the system keeps for a socket whose client does not read, default 256 KiB, 0 for the system's own bound;
    /// past it they wait in the outgoing queue.
    #[serde(deserialize_with = "units::bytes")]
    pub send_buffer_bytes: usize,
    /// Events kept for a session without connections, default 256; past it the oldest go and INIT says how many.
    #[serde(deserialize_with = "units::number")]
    pub replay_events: usize,
    /// Bytes kept likewise, default 1 MiB.
    #[serde(deserialize_with = "units::bytes")]
    pub replay_bytes: usize,
    /// Bytes of messages that channels keep at hand for connections that may have broken, all together, default 256 MiB; a
    /// quarter of it for one project. Past it the oldest of a channel go, and INIT says how many are missed.
    #[serde(deserialize_with = "units::bytes")]
    pub window_bytes: usize,
    /// Channels of a session, default 1000; past it a subscribe is refused.
    #[serde(deserialize_with = "units::number")]
    pub session_channels: usize,
    /// Connections of a leap token, default 1000; past it a new one is closed, 4008.
    #[serde(deserialize_with = "units::number")]
    pub token_connections: usize,
    /// Connections from one address, default 0 for no bound (behind a proxy all share one); past it 429.
    #[serde(deserialize_with = "units::number")]
    pub address_connections: usize,
    /// Connections of one address that have not identified, default 2,000, 0 for no bound; past it 429.
    #[serde(deserialize_with = "units::number")]
    pub address_unidentified: usize,
    /// Connections that have not identified in all, default 20,000, 0 for no bound; past it 503.
    #[serde(deserialize_with = "units::number")]
    pub unidentified: usize,
    /// Bytes of a frame or fragmented message before IDENTIFY, default 16 KiB, at most `frame-bytes`; past it close 1009.
    #[serde(deserialize_with = "units::bytes")]
    pub identify_bytes: usize,
    /// Bytes that all connections hold together of what their clients sent and is not served, default 256 MiB, a quarter of it
    /// for one project; past it those wait that would take more, and half frames are closed, 4008.
    #[serde(deserialize_with = "units::bytes")]
    pub inbound_bytes: usize,
    /// Calls of the HTTP API that one token may make a second, and as many at once, default 0 for any number; past it 429. Each
    /// item of a batch is one.
    #[serde(deserialize_with = "units::number")]
    pub requests_per_second: u32,
    /// The same of one address, for IPv6 one /64, default 0 (behind a proxy that is not trusted all share one).
    #[serde(deserialize_with = "units::number")]
    pub address_requests_per_second: u32,
    /// Tokens that nobody has, tried by one address in a minute, default 60, 0 for no bound; past it 429 for the next that
    /// is wrong.
    #[serde(deserialize_with = "units::number")]
    pub auth_failures: u32,
    /// Webhooks of a project, default 50, 0 for no bound; past it 409.
    #[serde(deserialize_with = "units::number")]
    pub project_webhooks: usize,
    /// Seconds for which an `Idempotency-Key` stands for its call, default a day; 0 for none at all.
    #[serde(deserialize_with = "units::whole_seconds")]
    pub idempotency_seconds: u64,
    /// Such keys of one project, default 100,000, 0 for no bound; past it the oldest go.
    #[serde(deserialize_with = "units::number")]
    pub idempotency_keys: usize,
    /// Bytes of the answers to them, default 32 MiB, 0 for no bound; past it the oldest go.
    #[serde(deserialize_with = "units::bytes")]
    pub idempotency_bytes: usize,
    /// Bytes that keys and answers take in memory, of all projects, default 128 MiB, 0 for no bound; past it the oldest of
    /// whoever has most go.
    #[serde(deserialize_with = "units::bytes")]
    pub idempotency_memory_bytes: usize,
    /// Versions of a state that a channel with `STATE_HISTORY` keeps, default 1,000, 0 for no bound; past it the oldest go.
    #[serde(deserialize_with = "units::number")]
    pub state_history_versions: u64,
    /// Seconds for which it keeps one that is not in force any more, default 30 days, 0 for no bound.
    #[serde(deserialize_with = "units::whole_seconds")]
    pub state_history_seconds: u64,
    /// Bytes that they take, default 64 MiB, 0 for no bound; past it the oldest go.
    #[serde(deserialize_with = "units::stored_bytes")]
    pub state_history_bytes: u64,
    /// Messages that a channel with the capability `HISTORY` keeps, default 1,000, 0 for no bound; past it the oldest go.
    #[serde(deserialize_with = "units::number")]
    pub history_messages: u64,
    /// Seconds for which it keeps them, default a day, 0 for no bound.
    #[serde(deserialize_with = "units::whole_seconds")]
    pub history_seconds: u64,
    /// Bytes of them, default 16 MiB, 0 for no bound; one message of any size is kept.
    #[serde(deserialize_with = "units::stored_bytes")]
    pub history_bytes: u64,
    /// Mails that wait for a token, default 1,000, 0 for no bound; past it 429.
    #[serde(deserialize_with = "units::number")]
    pub mailbox_messages: u64,
    /// Bytes of them, default 4 MiB, 0 for no bound; past it 429.
    #[serde(deserialize_with = "units::stored_bytes")]
    pub mailbox_bytes: u64,
    /// Messages and state changes of one connection a second, default 1000, twice as many at once, 0 for no bound; past
    /// it the connection is closed, 4008.
    #[serde(deserialize_with = "units::number")]
    pub publishes_per_second: u32,
    /// Milliseconds before the answer to a client's frame leaves, default 2: faster trips two official clients.
    #[serde(deserialize_with = "units::milliseconds")]
    pub reply_floor_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        let (settings, keys) = (Settings::default(), KeyBounds::default());
        let log = settings.state_log;
        Self {
            message_bytes: 64 << 20,
            state_bytes: settings.state_bytes,
            frame_bytes: settings.frame_bytes,
            outbox_bytes: settings.outbox_bytes,
            outbox_patience_ms: 10_000,
            worker_outbox_bytes: settings.worker_outbox_bytes,
            init_bytes: settings.init_bytes,
            send_buffer_bytes: settings.send_buffer_bytes,
            replay_events: settings.replay_events,
            replay_bytes: settings.replay_bytes,
            window_bytes: settings.window_bytes,
            session_channels: settings.session_channels,
            token_connections: settings.token_connections,
            address_connections: 0,
            address_unidentified: 2000,
            unidentified: 20_000,
            identify_bytes: settings.identify_bytes,
            inbound_bytes: settings.inbound_bytes,
            requests_per_second: 0,
            address_requests_per_second: 0,
            auth_failures: 60,
            project_webhooks: 50,
            idempotency_seconds: keys.window.as_secs(),
            idempotency_keys: keys.keys,
            idempotency_bytes: keys.bytes,
            idempotency_memory_bytes: 128 << 20,
            state_history_versions: log.versions,
            state_history_seconds: log.age.as_secs(),
            state_history_bytes: log.bytes,
            history_messages: settings.history.messages,
            history_seconds: settings.history.age.as_secs(),
            history_bytes: settings.history.bytes,
            mailbox_messages: settings.mailbox.messages,
            mailbox_bytes: settings.mailbox.bytes,
            publishes_per_second: settings.timing.publishes.per_second,
            reply_floor_ms: 2,
        }
    }
}

impl Limits {
    /// The intervals, as far as they are limits.
    pub(super) fn timing(&self) -> Timing {
        let publishes = Rate {
            per_second: self.publishes_per_second,
            burst: self.publishes_per_second.saturating_mul(2),
        };
        let reply_floor = Duration::from_millis(self.reply_floor_ms);
        Timing { reply_floor, publishes, ..Settings::default().timing }
    }

    /// How many calls there may be in a second.
    pub(crate) const fn requests(&self) -> RequestLimits {
        RequestLimits {
            credential: self.requests_per_second,
            address: self.address_requests_per_second,
        }
    }

    /// How many keys of calls there may be, and how long.
    pub(super) const fn keys(&self) -> KeyBounds {
        KeyBounds {
            window: Duration::from_secs(self.idempotency_seconds),
            keys: lifted(self.idempotency_keys),
            bytes: lifted(self.idempotency_bytes),
        }
    }

    /// What is kept of states.
    const fn state_log(&self) -> StateLogBounds {
        StateLogBounds {
            versions: unbounded(self.state_history_versions),
            bytes: unbounded(self.state_history_bytes),
            age: Duration::from_secs(unbounded(self.state_history_seconds)),
        }
    }

    /// What channels keep that keep their messages.
    fn history(&self) -> HistoryBounds {
        let lifted = |bound: u64| if bound == 0 { u64::MAX } else { bound };
        HistoryBounds {
            messages: lifted(self.history_messages),
            bytes: lifted(self.history_bytes),
            age: Duration::from_secs(lifted(self.history_seconds)),
        }
    }

    /// What may wait for a token.
    const fn mailbox(&self) -> MailboxBounds {
        MailboxBounds {
            messages: unbounded(self.mailbox_messages),
            bytes: unbounded(self.mailbox_bytes),
        }
    }

    /// What the actors live by, as far as it is limits.
    pub(super) fn settings(&self) -> Settings {
        Settings {
            outbox_bytes: lifted(self.outbox_bytes),
            outbox_patience: Duration::from_millis(self.outbox_patience_ms),
            worker_outbox_bytes: lifted(self.worker_outbox_bytes),
            init_bytes: lifted(self.init_bytes),
            send_buffer_bytes: self.send_buffer_bytes,
            replay_events: self.replay_events,
            replay_bytes: self.replay_bytes,
            window_bytes: self.window_bytes,
            state_bytes: lifted(self.state_bytes),
            frame_bytes: lifted(self.frame_bytes),
            identify_bytes: lifted(self.identify_bytes),
            inbound_bytes: lifted(self.inbound_bytes),
            session_channels: lifted(self.session_channels),
            token_connections: lifted(self.token_connections),
            auth_failures: self.auth_failures,
            state_log: self.state_log(),
            history: self.history(),
            mailbox: self.mailbox(),
            ..Settings::default()
        }
    }
}

/// The same of what is stored.
const fn unbounded(bound: u64) -> u64 {
    if bound == 0 { u64::MAX } else { bound }
}

/// A bound of which 0 means none.
pub(super) const fn lifted(bound: usize) -> usize {
    if bound == 0 { usize::MAX } else { bound }
}
