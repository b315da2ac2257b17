//! What would be said again and again, and is said once a minute.

use std::cell::Cell;
use std::time::Duration;
use tokio::time::Instant;

/// How long nothing more is said.
const PAUSE: Duration = Duration::from_mins(1);

/// When something was said last; each thread has its own.
#[derive(Debug, Default)]
pub struct Seldom(Cell<Option<Instant>>);

impl Seldom {
    /// What was never said.
    pub const fn new() -> Self {
        Self(Cell::new(None))
    }

    /// Whether it may be said now; then not again for a minute.
    pub fn is_due(&self) -> bool {
        self.is_due_at(Instant::now())
    }

    /// The same at that time.
    fn is_due_at(&self, now: Instant) -> bool {
        let is_due = self.0.get().is_none_or(|said| now.saturating_duration_since(said) >= PAUSE);
        if is_due {
            self.0.set(Some(now));
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_a_minute_at_most() {
        let (seldom, begin) = (Seldom::new(), Instant::now());
        let due = |seconds| seldom.is_due_at(begin + Duration::from_secs(seconds));
        assert_eq!([0, 1, 59, 60, 61, 120].map(due), [true, false, false, true, false, true]);
    }
}
