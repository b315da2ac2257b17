//! How all of it goes: first nobody new is taken in, then everybody is sent away, behind all that was acknowledged.

use super::Supervisor;
use crate::ask::AskError;
use crate::delivery::fanout::{FanoutHandle, Order};
use crate::delivery::{Departures, Drain};
use crate::protocol::Close;
use arc_swap::ArcSwap;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// Everything works.
const RUNNING: u8 = 0;
/// Nobody new is taken in; what is under way comes to its end.
const STOPPING: u8 = 1;
/// The connections are being closed: nothing is published any more.
const CLOSED: u8 = 2;

/// How often the end of what is being published is looked for.
const PUBLISHING_PAUSE: Duration = Duration::from_millis(1);
/// How often some of the connections are closed, where not all are at once.
const CLOSING_PAUSE: Duration = Duration::from_millis(10);

/// A message on its way to the fan-outs, while this lives.
pub(in crate::actor) struct Publishing(Arc<AtomicUsize>);

impl Drop for Publishing {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// How far the stop is.
#[derive(Default)]
pub(super) struct Stopping {
    /// One of the three above.
    phase: AtomicU8,
    /// Said when the stop begins.
    begun: CancellationToken,
    /// How many messages are on their way to the fan-outs.
    publishing: Arc<AtomicUsize>,
    /// The sockets' actors.
    connections: TaskTracker,
    /// How they are to be sent away.
    drain: ArcSwap<Drain>,
    /// What they are told, once they are being sent away.
    departures: OnceLock<Arc<Departures>>,
}

impl Stopping {
    /// Counts a connection while it lives.
    pub(super) fn count(&self) -> TaskTrackerToken {
        self.connections.token()
    }

    /// How far it is.
    fn phase(&self) -> u8 {
        self.phase.load(Ordering::SeqCst)
    }

    /// What somebody is told who comes now.
    fn close(&self) -> Close {
        self.departures.get().map_or_else(|| self.drain.load().refusal(), |all| all.next())
    }
}

impl Supervisor {
    /// Says how connections are sent away when the time comes.
    pub fn set_drain(&self, drain: Drain) {
        self.0.stopping.drain.store(Arc::new(drain));
    }

    /// How connections are sent away.
    pub fn drain(&self) -> Arc<Drain> {
        self.0.stopping.drain.load_full()
    }

    /// From now on takes in nobody new: whoever identifies is told to come back.
    pub fn begin_stop(&self) {
        self.0.stopping.phase.store(STOPPING, Ordering::SeqCst);
        self.0.stopping.begun.cancel();
    }

    /// Whether the server is stopping.
    pub fn is_stopping(&self) -> bool {
        self.0.stopping.phase() != RUNNING
    }

    /// Is cancelled when the server begins to stop.
    pub fn stop_begun(&self) -> CancellationToken {
        self.0.stopping.begun.clone()
    }

    /// How many connections there are, of whatever kind.
    pub fn connections(&self) -> usize {
        self.0.stopping.connections.len()
    }

    /// How many connections have still to go, while they are being sent away.
    pub fn leaving(&self) -> Option<usize> {
        self.0.stopping.departures.get().map(|_| self.connections())
    }

    /// Closes every connection, in the time and with the words that [`Self::set_drain`] has set, those too that open from now
    /// on, and publishes nothing more: not everybody would hear it. What was published until now reaches them before.
    pub async fn close_all(&self) {
        let stopping = &self.0.stopping;
        let drain = Drain::clone(&self.drain());
        let departures = Arc::new(Departures::new(self.connections(), drain));
        let departures = Arc::clone(stopping.departures.get_or_init(|| departures));
        stopping.phase.store(CLOSED, Ordering::SeqCst);
        stopping.connections.close();
        while stopping.publishing.load(Ordering::SeqCst) > 0 {
            tokio::time::sleep(PUBLISHING_PAUSE).await;
        }
        let fanouts = self.0.fanouts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let send_away = |since| Order::SendAway { departures: Arc::clone(&departures), since };
        for fanout in &fanouts {
            fanout.send_last(send_away(Duration::ZERO)).await;
        }
        Self::close_in_turn(&fanouts, departures.lasts(), send_away).await;
    }

    /// Gives the order to close what is due by then again and again, until all are.
    async fn close_in_turn(
        fanouts: &[FanoutHandle],
        lasts: Duration,
        send_away: impl Fn(Duration) -> Order,
    ) {
        let began = Instant::now();
        let mut since = Duration::ZERO;
        while since < lasts {
            tokio::time::sleep(CLOSING_PAUSE).await;
            since = began.elapsed();
            for fanout in fanouts {
                fanout.send(send_away(since)).await;
            }
        }
    }

    /// Waits until the last connection has ended.
    pub async fn connections_ended(&self) {
        self.0.stopping.connections.wait().await;
    }

    /// The close for who opens a connection while all are closed.
    pub(in crate::actor) fn late(&self) -> Option<Close> {
        (self.0.stopping.phase() == CLOSED).then(|| self.0.stopping.close())
    }

    /// Refuses who identifies while the server stops.
    pub(super) fn check_stopping(&self) -> Result<(), Close> {
        if self.is_stopping() { Err(self.0.stopping.close()) } else { Ok(()) }
    }

    /// To be held while a message is published; refused where the connections that it is for are closed already.
    pub(in crate::actor) fn publishing(&self) -> Result<Publishing, AskError> {
        // Counted before it looks, so that either this sees the end or the end sees this.
        self.0.stopping.publishing.fetch_add(1, Ordering::SeqCst);
        let publishing = Publishing(Arc::clone(&self.0.stopping.publishing));
        if self.0.stopping.phase() == CLOSED { Err(AskError::Closed) } else { Ok(publishing) }
    }

    /// Counts a connection among those that a stop waits for.
    pub(in crate::actor) fn count_connection(&self) -> TaskTrackerToken {
        self.0.stopping.count()
    }
}
