//! When what was said is written.
//!
//! Writes are what fan-out costs, so as much as possible goes into each: a thread flushes as soon as the tasks that are
//! ready now have run, unless its last flush had several events for the same connections. Then waiting saves writes: it
//! waits about as long as the saved ones would have taken, and no longer than those that it did.

use super::registry::Registry;
use super::room::Flushed;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;
use tokio::time::Instant;

/// What one write costs its thread, about: the pause after a flush is so much for each.
const WRITE_COST: Duration = Duration::from_micros(3);
/// The longest pause between two flushes: the most that batching adds to a message's way.
const LONGEST_PAUSE: Duration = Duration::from_millis(5);
/// How many connections are written to before others on the thread have their turn.
const SLICE: usize = 256;

/// How long to wait after such a flush.
fn pause_after(flushed: Flushed) -> Duration {
    let writes = u32::try_from(flushed.writes.min(flushed.saved)).unwrap_or(u32::MAX);
    WRITE_COST.saturating_mul(writes).min(LONGEST_PAUSE)
}

/// Plans the flushes of one thread.
pub(super) struct Flusher {
    /// Whether one is planned or under way.
    is_planned: Cell<bool>,
    /// The soonest time for the next.
    soonest: Cell<Instant>,
}

impl Flusher {
    /// Nothing planned.
    pub(super) fn new() -> Self {
        Self { is_planned: Cell::new(false), soonest: Cell::new(Instant::now()) }
    }

    /// Plans a flush, if there is anything to write and none is planned.
    pub(super) fn plan(this: &Rc<Self>, registry: &Rc<RefCell<Registry>>) {
        if !this.is_planned.get() && registry.borrow().has_news() {
            this.is_planned.set(true);
            actix::spawn(Rc::clone(this).run(Rc::clone(registry)));
        }
    }

    /// Flushes until nothing is left.
    async fn run(self: Rc<Self>, registry: Rc<RefCell<Registry>>) {
        while registry.borrow().has_news() {
            self.pause(&registry).await;
            let mut all = Flushed::default();
            loop {
                let flushed = registry.borrow_mut().flush(SLICE);
                all += flushed;
                if flushed.writes < SLICE {
                    break;
                }
                tokio::task::yield_now().await;
            }
            self.soonest.set(Instant::now() + pause_after(all));
        }
        self.is_planned.set(false);
    }

    /// Waits until it is time, or so much waits that it cannot.
    async fn pause(&self, registry: &RefCell<Registry>) {
        tokio::task::yield_now().await;
        let soonest = self.soonest.get();
        if Instant::now() < soonest && !registry.borrow().is_full() {
            tokio::time::sleep_until(soonest).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_saved_writes_is_waited_for_again() {
        assert_eq!(pause_after(Flushed { writes: 1000, saved: 0 }), Duration::ZERO);
        assert_eq!(pause_after(Flushed { writes: 1000, saved: 100 }), WRITE_COST * 100);
        assert_eq!(pause_after(Flushed { writes: 1000, saved: 9000 }), WRITE_COST * 1000);
        assert_eq!(pause_after(Flushed { writes: 10_000, saved: 90_000 }), LONGEST_PAUSE);
    }
}
