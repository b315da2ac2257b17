//! How fast a request's body has to come.

use std::time::Duration;
use tokio::time::Instant;

/// How long a sender may pause.
const PAUSE: Duration = Duration::from_secs(10);
/// How much has to come in each second, once the first pause is over.
const LEAST_BYTES: u32 = 4 << 10;
/// How long a body may take in all.
const WHOLE: Duration = Duration::from_mins(10);

/// The pace of one body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// When it began.
    began: Instant,
    /// When something came last.
    last: Instant,
}

impl Pace {
    /// A body that begins now.
    pub(super) const fn new(now: Instant) -> Self {
        Self { began: now, last: now }
    }

    /// Something has come.
    pub(super) const fn step(&mut self, now: Instant) {
        self.last = now;
    }

    /// Until when more has to come than these bytes.
    pub(super) fn deadline(&self, bytes: usize) -> Instant {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let earned = Duration::from_secs(u64::from(bytes / LEAST_BYTES));
        let by_rate = self.began + PAUSE + earned;
        by_rate.min(self.last + PAUSE).min(self.began + WHOLE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_a_trickle_and_a_day_have_an_end() {
        let began = Instant::now();
        let mut pace = Pace::new(began);
        assert_eq!(pace.deadline(0), began + PAUSE);
        let later = began + Duration::from_secs(8);
        pace.step(later);
        // What came quickly may be followed by a pause, what trickles in may not.
        assert_eq!(pace.deadline(1 << 20), later + PAUSE);
        assert_eq!(pace.deadline(8), began + PAUSE);
        assert_eq!(pace.deadline(8 << 10), began + PAUSE + Duration::from_secs(2));
        pace.step(began + WHOLE - Duration::from_secs(1));
        assert_eq!(pace.deadline(usize::MAX), began + WHOLE);
    }
}
