//! When the certificate in force ends, for who shows it.

use crate::domain::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// What stands for none.
const NONE: i64 = i64::MIN;

/// The end of the certificate in force, if there is one; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct CertificateEnd(Arc<AtomicI64>);

impl Default for CertificateEnd {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(NONE)))
    }
}

impl CertificateEnd {
    /// From now on, it ends then.
    pub(crate) fn set(&self, ends: Timestamp) {
        self.0.store(ends.0, Ordering::Relaxed);
    }

    /// When it ends, seconds since 1970.
    pub(crate) fn seconds(&self) -> Option<i64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|ends| *ends != NONE).map(|ends| ends / 1000)
    }
}
