//! When what was said is written.
//!
//! Writes are what fan-out costs, so as much as possible goes into each; but nothing waits while its thread has nothing
//! else to do. So there is no clock here: a thread reads and does everything that is ready, then writes all that this
//! brought. Under load that is much, because what comes during one flush goes into the next, and a message that comes
//! alone leaves at once.

use super::registry::Registry;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// How often everybody else on the thread has a turn before a flush: once to read what is there, and once to act on it.
const TURNS: usize = 2;
/// How many connections are written to before others on the thread have their turn: some milliseconds' worth.
const SLICE: usize = 1024;

/// Plans the flushes of one thread.
#[derive(Default)]
pub(super) struct Flusher {
    /// Whether one is planned or under way.
    is_planned: Cell<bool>,
}

impl Flusher {
    /// Plans a flush, if there is anything to write and none is planned.
    pub(super) fn plan(this: &Rc<Self>, registry: &Rc<RefCell<Registry>>) {
        if !this.is_planned.get() && registry.borrow().has_news() {
            this.is_planned.set(true);
            actix::spawn(Rc::clone(this).run(Rc::clone(registry)));
        }
    }

    /// Flushes until nothing is left. What crashes in a flush is caught there, so this always comes to its end.
    async fn run(self: Rc<Self>, registry: Rc<RefCell<Registry>>) {
        while registry.borrow().has_news() {
            for _ in 0..TURNS {
                tokio::task::yield_now().await;
            }
            while registry.borrow_mut().flush(SLICE) == SLICE {
                tokio::task::yield_now().await;
            }
        }
        self.is_planned.set(false);
    }
}
