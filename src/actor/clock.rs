//! The wall clock and the operating system's randomness: the one place that reads them.

use crate::domain::{Epoch, EventId, Minter, Stamp, Timestamp};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The operating system has no random numbers to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gives no random numbers")]
pub struct NoRandomness;

/// The process's source of ids, so that they rise across all threads.
static MINTER: Minter = Minter::new();

/// The time now.
#[expect(clippy::disallowed_methods, reason = "the edge where wall-clock time enters")]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    #[cfg(test)]
    let now = now + stepped::by();
    Timestamp(now)
}

/// The time so much later than now.
pub fn after(pause: Duration) -> Timestamp {
    now().later(pause)
}

/// A new readable id.
pub fn readable_id(prefix: &str) -> String {
    MINTER.readable(prefix, now().0)
}

/// What an event that happens now is called.
pub fn stamp() -> Stamp {
    let at = now();
    Stamp { id: EventId::from(MINTER.readable("event", at.0).as_str()), at }
}

/// A new secret id with 128 bits from the operating system.
///
/// # Errors
/// [`NoRandomness`].
pub fn secret_id(prefix: &str) -> Result<String, NoRandomness> {
    Ok(MINTER.secret(prefix, now().0, random()?))
}

/// Random bytes from the operating system.
///
/// # Errors
/// [`NoRandomness`].
pub fn random<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).ok().ok_or(NoRandomness)?;
    Ok(bytes)
}

/// An epoch that no line has had: 48 random bits.
pub fn epoch() -> Epoch {
    Epoch(uuid::Uuid::new_v4().as_u64_pair().0 >> 16)
}

/// A wall clock that somebody sets, for tests; each thread has its own.
#[cfg(test)]
pub mod stepped {
    use std::cell::Cell;
    use std::time::Duration;

    thread_local! {
        /// How far the clock was set, ms.
        static STEP: Cell<i64> = const { Cell::new(0) };
    }

    /// Sets the clock forward.
    pub fn forward(by: Duration) {
        STEP.set(STEP.get() + i64::try_from(by.as_millis()).unwrap());
    }

    /// How far it was set.
    pub(super) fn by() -> i64 {
        STEP.get()
    }
}
