//! The wall clock and the operating system's randomness: the one place that reads them.

use crate::domain::{Minter, Timestamp};
use std::time::{SystemTime, UNIX_EPOCH};

/// The process's source of ids, so that they rise across all threads.
static MINTER: Minter = Minter::new();

/// The time now.
#[expect(clippy::disallowed_methods, reason = "the edge where wall-clock time enters")]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A new readable id.
pub fn readable_id(prefix: &str) -> String {
    MINTER.readable(prefix, now().0)
}

/// A new secret id with 128 bits from the operating system; none when that gives no randomness.
pub fn secret_id(prefix: &str) -> Option<String> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).ok()?;
    Some(MINTER.secret(prefix, now().0, random))
}
