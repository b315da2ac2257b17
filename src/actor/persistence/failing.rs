//! What is known and said of a store that takes nothing: whoever asks hears it at once, the log only now and then.

use crate::store::StoreError;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long the log is silent about failures that follow the one that it named.
const SILENCE: Duration = Duration::from_secs(10);

/// Why nothing can be stored now, as all handles see it; nothing while it can.
#[derive(Default)]
pub(super) struct StoreHealth(Mutex<Option<StoreError>>);

impl StoreHealth {
    /// Notes how it is.
    pub(super) fn set(&self, fault: Option<StoreError>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    /// How it is.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let fault = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        fault.map_or(Ok(()), Err)
    }
}

/// A row of failures.
#[derive(Default)]
pub(super) struct Failing {
    /// When the log heard of it last; none while all is well.
    said: Option<Instant>,
    /// How many there were in all.
    all: u64,
}

impl Failing {
    /// Whether the last attempt failed.
    pub(super) const fn is_failing(&self) -> bool {
        self.said.is_some()
    }

    /// One more; returns how many there were if the log is to hear of it.
    pub(super) fn failed(&mut self, now: Instant) -> Option<u64> {
        self.all += 1;
        let is_news = self.said.is_none_or(|said| now.duration_since(said) >= SILENCE);
        is_news.then(|| {
            self.said = Some(now);
            self.all
        })
    }

    /// An attempt that did not fail; returns how many did before it, if any.
    pub(super) fn succeeded(&mut self) -> Option<u64> {
        self.said.take().map(|_| std::mem::take(&mut self.all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_row_of_failures_is_said_at_its_beginning_now_and_then_and_at_its_end() {
        let mut failing = Failing::default();
        assert_eq!(failing.succeeded(), None);
        assert_eq!(failing.failed(Instant::now()), Some(1));
        for _ in 0..100 {
            assert_eq!(failing.failed(Instant::now()), None);
        }
        tokio::time::advance(SILENCE).await;
        assert_eq!(failing.failed(Instant::now()), Some(102));
        assert_eq!(failing.succeeded(), Some(102));
        assert_eq!((failing.succeeded(), failing.is_failing()), (None, false));
        assert_eq!(failing.failed(Instant::now()), Some(1));
    }
}
