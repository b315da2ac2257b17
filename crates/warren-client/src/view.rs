//! What the client's task knows of a line and everybody else may look at.

use crate::event::{Member, State};
use crate::queue::Queue;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// A line, seen from outside the task.
#[derive(Debug)]
pub(crate) struct View {
    /// The channel's id; empty for the token's own line.
    pub(crate) id: String,
    /// Its events.
    pub(crate) queue: Arc<Queue>,
    /// The channel's state, or the token's.
    state: watch::Sender<State>,
    /// Who is in, by id.
    members: Mutex<BTreeMap<String, Member>>,
}

impl View {
    /// One of which nothing is known.
    pub(crate) fn new(id: &str, queue: Arc<Queue>) -> Self {
        let (state, members) = (watch::Sender::default(), Mutex::default());
        Self { id: id.to_owned(), queue, state, members }
    }

    /// The state as it is now.
    pub(crate) fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// The state as it is now, and whenever it is shown.
    pub(crate) fn states(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Shows a state.
    pub(crate) fn show(&self, state: State) {
        self.state.send_replace(state);
    }

    /// Wakes those who wait for another state: none will come.
    pub(crate) fn wake(&self) {
        self.state.send_modify(|_| {});
    }

    /// Who is in. A thread that panicked in here has left the map whole.
    pub(crate) fn members(&self) -> MutexGuard<'_, BTreeMap<String, Member>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
