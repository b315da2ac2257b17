//! Numbers that name connections within this process.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts connections of this process.
static NEXT_CONNECTION: AtomicU64 = AtomicU64::new(1);
/// A connection, unique in this process: a late word about an old one can never hit a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionUid(u64);

impl ConnectionUid {
    /// The one of a number that was read from a public id.
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The next one.
    pub fn next() -> Self {
        Self(NEXT_CONNECTION.fetch_add(1, Ordering::Relaxed))
    }
}
