//! The generator's time: since it began, the same for all of its threads.

use super::num;
use rustix::time::{ClockId, clock_gettime};
use std::time::Instant;

/// Where time begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// The beginning.
    start: Instant,
}

impl Clock {
    /// Begins now.
    #[expect(clippy::disallowed_methods, reason = "the edge where the generator's time enters")]
    pub(super) fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// Nanoseconds since the beginning.
    pub(super) fn nanos(self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Microseconds since the beginning.
    pub(super) fn now(self) -> u64 {
        self.nanos() / 1000
    }

    /// Seconds since the beginning.
    pub(super) fn seconds(self) -> f64 {
        num::seconds(self.now())
    }
}

/// Nanoseconds of CPU that the calling thread has used.
pub(super) fn thread_cpu() -> u64 {
    let spent = clock_gettime(ClockId::ThreadCPUTime);
    let part = |it: i64| u64::try_from(it).unwrap_or(0);
    part(spent.tv_sec) * 1_000_000_000 + part(spent.tv_nsec)
}
