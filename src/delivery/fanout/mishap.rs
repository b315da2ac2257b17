//! What becomes of connections when serving them goes wrong: a fault of ours must leave nobody without a word.

use super::super::link::{Link, Note};
use crate::protocol::{Close, CloseCode};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs a part of a thread's work; none if it crashed. Whoever asks leaves nothing half done behind then.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    let outcome = catch_unwind(AssertUnwindSafe(work));
    if outcome.is_err() {
        tracing::error!("a part of a fan-out crashed, and those that it served are closed");
    }
    outcome.ok()
}

/// Sends a connection away that may not have been told everything: it comes back and finds how things are.
pub(super) fn send_away(link: &Link) {
    link.note(Note::Close(Close::new(CloseCode::Unknown, "a fault of ours, reconnect")));
}
