//! `[limits]` of the configuration file.

use crate::actor::Settings;
use crate::domain::KeyBounds;
use crate::protocol::{Rate, Timing};
use serde::Deserialize;
use std::time::Duration;

/// The configuration file's table `[limits]`; 0 lifts a bound, but for what is kept for sessions.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Limits {
    /// Bytes of a message over HTTP, default 64 MiB, 0 for none; past it 413.
    pub message_bytes: usize,
    /// Bytes of a channel's or token's state, default 1 MiB; past it 413.
    pub state_bytes: usize,
    /// Bytes of a client's frame or fragmented message, default 1 MiB; past it close 1009.
    pub frame_bytes: usize,
    /// Bytes that wait for a reader that takes nothing, default 1 MiB; past it close 4009.
    pub outbox_bytes: usize,
    /// Milliseconds for which such a reader may take nothing, default 10,000; 0 for none.
    pub outbox_patience_ms: u64,
    /// Bytes that wait for all readers of a worker, default 256 MiB, each frame counted once; past it the slowest are
    /// closed, 4009.
    pub worker_outbox_bytes: usize,
    /// Bytes of the states in one INIT, default 64 MiB; past it close 4008.
    pub init_bytes: usize,
    /// Bytes that the system keeps for a socket whose client does not read, default 256 KiB, 0 for the system's own bound;
    /// past it they wait in the outgoing queue.
    pub send_buffer_bytes: usize,
    /// Events kept for a session without connections, default 256; past it the oldest go and INIT says how many.
    pub replay_events: usize,
    /// Bytes kept likewise, default 1 MiB.
    pub replay_bytes: usize,
    /// Bytes of messages that channels keep at hand for connections that may have broken, all together, default 256 MiB; a
    /// quarter of it for one project. Past it the oldest of a channel go, and INIT says how many are missed.
    pub window_bytes: usize,
    /// Channels of a session, default 1000; past it a subscribe is refused.
    pub session_channels: usize,
    /// Connections of a leap token, default 1000; past it a new one is closed, 4008.
    pub token_connections: usize,
    /// Connections from one address, default 0 for no bound (behind a proxy all share one); past it 429.
    pub address_connections: usize,
    /// Connections of one address that have not identified, default 2,000, 0 for no bound; past it 429.
    pub address_unidentified: usize,
    /// Connections that have not identified in all, default 20,000, 0 for no bound; past it 503.
    pub unidentified: usize,
    /// Bytes of a frame or fragmented message before IDENTIFY, default 16 KiB, at most `frame-bytes`; past it close 1009.
    pub identify_bytes: usize,
    /// Bytes that all connections hold together of what their clients sent and is not served, default 256 MiB, a quarter of it
    /// for one project; past it those wait that would take more, and half frames are closed, 4008.
    pub inbound_bytes: usize,
    /// Tokens that nobody has, tried by one address in a minute, default 60, 0 for no bound; past it 429 for the next that
    /// is wrong.
    pub auth_failures: u32,
    /// Webhooks of a project, default 50, 0 for no bound; past it 409.
    pub project_webhooks: usize,
    /// Seconds for which an `Idempotency-Key` stands for its call, default a day; 0 for none at all.
    pub idempotency_seconds: u64,
    /// Such keys of one project, default 100,000, 0 for no bound; past it the oldest go.
    pub idempotency_keys: usize,
    /// Bytes of the answers to them, default 32 MiB, 0 for no bound; past it the oldest go.
    pub idempotency_bytes: usize,
    /// Bytes that keys and answers take in memory, of all projects, default 128 MiB, 0 for no bound; past it the oldest of
    /// whoever has most go.
    pub idempotency_memory_bytes: usize,
    /// Messages and state changes of one connection a second, default 1000, twice as many at once, 0 for no bound; past
    /// it the connection is closed, 4008.
    pub publishes_per_second: u32,
    /// Milliseconds before the answer to a client's frame leaves, default 2: faster trips two official clients.
    pub reply_floor_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        let (settings, keys) = (Settings::default(), KeyBounds::default());
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
            auth_failures: 60,
            project_webhooks: 50,
            idempotency_seconds: keys.window.as_secs(),
            idempotency_keys: keys.keys,
            idempotency_bytes: keys.bytes,
            idempotency_memory_bytes: 128 << 20,
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

    /// How many keys of calls there may be, and how long.
    pub(super) const fn keys(&self) -> KeyBounds {
        KeyBounds {
            window: Duration::from_secs(self.idempotency_seconds),
            keys: lifted(self.idempotency_keys),
            bytes: lifted(self.idempotency_bytes),
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
            ..Settings::default()
        }
    }
}

/// A bound of which 0 means none.
pub(super) const fn lifted(bound: usize) -> usize {
    if bound == 0 { usize::MAX } else { bound }
}
