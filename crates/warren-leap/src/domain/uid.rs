//! Numbers that name what lives in this process.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts sessions of this process.
static NEXT_SESSION: AtomicU64 = AtomicU64::new(1);

/// A session, unique in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionUid(u64);

impl SessionUid {
    /// Its number.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The next one.
    pub fn next() -> Self {
        Self(NEXT_SESSION.fetch_add(1, Ordering::Relaxed))
    }
}
