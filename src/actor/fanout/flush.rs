//! When what was said is written.
//!
//! Writes are what fan-out costs, so as much as possible goes into each: an idle thread flushes as soon as the tasks that
//! are ready now have run; a busy one waits as long as its last flush has kept it writing.

use super::registry::Registry;
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
            let mut writes = 0;
            loop {
                let served = registry.borrow_mut().flush(SLICE);
                writes += served;
                if served < SLICE {
                    break;
                }
                tokio::task::yield_now().await;
            }
            let writes = u32::try_from(writes).unwrap_or(u32::MAX);
            let pause = WRITE_COST.saturating_mul(writes).min(LONGEST_PAUSE);
            self.soonest.set(Instant::now() + pause);
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
