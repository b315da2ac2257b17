//! How all of it goes: first nobody new is taken in, then everybody is sent away, behind all that was acknowledged.

use super::Supervisor;
use crate::ask::AskError;
use crate::delivery::fanout::Order;
use crate::protocol::{Close, CloseCode};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// Everything works.
const RUNNING: u8 = 0;
/// Nobody new is taken in; what is under way comes to its end.
const STOPPING: u8 = 1;
/// The connections are being closed: nothing reaches them any more.
const CLOSED: u8 = 2;

/// How often the end of what is being published is looked for.
const PUBLISHING_PAUSE: Duration = Duration::from_millis(1);

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
    /// How many messages are on their way to the fan-outs.
    publishing: Arc<AtomicUsize>,
    /// The sockets' actors.
    connections: TaskTracker,
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
}

impl Supervisor {
    /// From now on takes in nobody new: whoever identifies is told to come back.
    pub fn begin_stop(&self) {
        self.0.stopping.phase.store(STOPPING, Ordering::SeqCst);
    }

    /// Whether the server is stopping.
    pub fn is_stopping(&self) -> bool {
        self.0.stopping.phase() != RUNNING
    }

    /// Closes every connection with 4010, those too that open from now on, and publishes nothing more: nobody would hear
    /// it. What was published until now reaches them before.
    pub async fn close_all(&self) {
        let stopping = &self.0.stopping;
        stopping.phase.store(CLOSED, Ordering::SeqCst);
        stopping.connections.close();
        while stopping.publishing.load(Ordering::SeqCst) > 0 {
            tokio::time::sleep(PUBLISHING_PAUSE).await;
        }
        let fanouts = self.0.fanouts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for fanout in fanouts {
            fanout.send_last(Order::CloseAll { close: going_away() }).await;
        }
    }

    /// Waits until the last connection has ended.
    pub async fn connections_ended(&self) {
        self.0.stopping.connections.wait().await;
    }

    /// The close for who opens a connection while all are closed.
    pub(in crate::actor) fn late(&self) -> Option<Close> {
        (self.0.stopping.phase() == CLOSED).then(going_away)
    }

    /// Refuses who identifies while the server stops.
    pub(super) fn check_stopping(&self) -> Result<(), Close> {
        if self.is_stopping() { Err(going_away()) } else { Ok(()) }
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

/// What everybody is told who has to go.
fn going_away() -> Close {
    Close::new(CloseCode::GoingAway, "the server is going away, reconnect in 1 s")
}
