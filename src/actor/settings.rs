//! What the actors live by; `config.rs` says where each value comes from.

use crate::delivery::pressure;
use crate::domain::{HistoryBounds, MailboxBounds, StateLogBounds};
use crate::line::WindowBounds;
use crate::protocol::{Rate, Timing};
use crate::recorder::RecorderBounds;
use crate::telemetry::LogShare;
use std::time::Duration;

/// Intervals and bounds of the actors.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The intervals of a connection.
    pub timing: Timing,
    /// How long a token's session outlives its last connection.
    pub session_grace: Duration,
    /// The most bytes that wait for a reader that takes nothing; past it, after [`Self::outbox_patience`], the connection
    /// is closed (4009).
    pub outbox_bytes: usize,
    /// For so long such a reader may take nothing.
    pub outbox_patience: Duration,
    /// The most bytes that wait for all readers of a worker, each frame counted once; past it the slowest are closed.
    pub worker_outbox_bytes: usize,
    /// The most bytes of states in one INIT; past it the connection is closed (4008).
    pub init_bytes: usize,
    /// The most bytes that the system keeps for a socket; 0 for its own bound. Past it they wait in the outgoing queue.
    pub send_buffer_bytes: usize,
    /// The most events kept for a session without connections; past it the oldest go and INIT tells.
    pub replay_events: usize,
    /// The most bytes kept likewise.
    pub replay_bytes: usize,
    /// The most bytes that all lines keep at hand together for connections that may yet break; one project's may keep a
    /// quarter of it. Each line keeps no more than a session does.
    pub window_bytes: usize,
    /// The most bytes of a channel's state; past it the change is refused.
    pub state_bytes: usize,
    /// The most bytes of a frame or fragmented message from a client; past it the connection is closed (1009).
    pub frame_bytes: usize,
    /// The same until the client has sent an IDENTIFY: what strangers may make the server hold.
    pub identify_bytes: usize,
    /// The most bytes that all connections hold together of what their clients sent and is not served; one project's may
    /// hold a quarter of it. Past it those wait that would take more, and who keeps a frame half meanwhile is closed (4008).
    pub inbound_bytes: usize,
    /// The most channels of a session; past it a subscribe is refused.
    pub session_channels: usize,
    /// The most connections of a leap token; past it a new one is closed (4008).
    pub token_connections: usize,
    /// How many secrets that nobody has one address may try in a minute, over HTTP and in IDENTIFY together; past it those
    /// of all such addresses take turns. Zero for no bound.
    pub auth_failures: u32,
    /// What a channel keeps of its states that has the capability for it.
    pub state_log: StateLogBounds,
    /// Whether frames may be compressed for clients that ask.
    pub has_zlib: bool,
    /// What a channel keeps that keeps its messages; it may narrow that.
    pub history: HistoryBounds,
    /// What may wait in a token's mailbox; past it a mail is refused.
    pub mailbox: MailboxBounds,
    /// How long a channel without subscribers and questions stays in memory.
    pub channel_idle: Duration,
    /// Which connections get a line in the log when they end.
    pub log_closes: LogShare,
    /// What is recorded of what happens, for who looks.
    pub recorder: RecorderBounds,
}

/// How much longer a line keeps what it said than anybody can be gone without being noticed.
const SPARE: Duration = Duration::from_secs(10);

impl Settings {
    /// What a line keeps at hand: as much as a session keeps, for as long as it may take to notice that a connection has
    /// gone, or to come back.
    pub fn window(&self) -> WindowBounds {
        let age = self.session_grace.max(self.timing.silence) + SPARE;
        WindowBounds { events: self.replay_events, bytes: self.replay_bytes, age }
    }
}

impl Settings {
    /// The bounds of outgoing queues.
    pub const fn outgoing(&self) -> pressure::QueueBounds {
        pressure::QueueBounds {
            queue: self.outbox_bytes,
            patience: self.outbox_patience,
            together: self.worker_outbox_bytes,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        let outgoing = pressure::QueueBounds::default();
        Self {
            timing: Timing {
                heartbeat: Duration::from_secs(30),
                silence: Duration::from_secs(90),
                identify: Duration::from_secs(10),
                reply_floor: Duration::from_millis(2),
                publishes: Rate { per_second: 1000, burst: 2000 },
            },
            session_grace: Duration::from_secs(30),
            outbox_bytes: outgoing.queue,
            outbox_patience: outgoing.patience,
            worker_outbox_bytes: outgoing.together,
            init_bytes: 64 << 20,
            send_buffer_bytes: 256 << 10,
            replay_events: 256,
            replay_bytes: 1 << 20,
            window_bytes: 256 << 20,
            state_bytes: 1 << 20,
            frame_bytes: 1 << 20,
            identify_bytes: 16 << 10,
            inbound_bytes: 256 << 20,
            session_channels: 1000,
            token_connections: 1000,
            auth_failures: 60,
            state_log: StateLogBounds::default(),
            has_zlib: true,
            history: HistoryBounds::default(),
            mailbox: MailboxBounds::default(),
            channel_idle: Duration::from_mins(1),
            log_closes: LogShare::default(),
            recorder: RecorderBounds::default(),
        }
    }
}
