//! A project as the recorder knows it.

use super::looking::Looking;
use crate::domain::{ProjectId, Timestamp};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A project of which something is recorded, or may be.
pub(super) struct RecordedProject {
    /// Which one.
    id: ProjectId,
    /// Whether anything of it is recorded.
    is_on: AtomicBool,
    /// The number of the next entry.
    next: AtomicU64,
    /// The number of the first that there ever was: they begin with the time, so that none of before a restart comes again.
    first: u64,
    /// Who looks.
    looking: Mutex<Looking>,
    /// Whether somebody wants to see frames.
    has_chosen: AtomicBool,
}

impl RecordedProject {
    /// One that is known from now on.
    pub(super) fn new(id: ProjectId, is_on: bool, now: Timestamp) -> Self {
        let first = u64::try_from(now.0).unwrap_or(0).saturating_mul(1000).max(1);
        let (is_on, next) = (AtomicBool::new(is_on), AtomicU64::new(first));
        let (looking, has_chosen) = (Mutex::default(), AtomicBool::new(false));
        Self { id, is_on, next, first, looking, has_chosen }
    }

    /// Which one.
    pub(super) const fn id(&self) -> &ProjectId {
        &self.id
    }

    /// Whether anything of it is recorded.
    pub(super) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// From now on it is, or is not.
    pub(super) fn switch(&self, is_on: bool) {
        self.is_on.store(is_on, Ordering::Relaxed);
    }

    /// Gives out a number.
    pub(super) fn next_number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// The first number that there ever was, and the next one.
    pub(super) fn numbers(&self) -> (u64, u64) {
        (self.first, self.next.load(Ordering::Relaxed))
    }

    /// Whether somebody wants to see frames.
    pub(super) fn has_chosen(&self) -> bool {
        self.has_chosen.load(Ordering::Relaxed)
    }

    /// Notes whether somebody wants to see frames.
    pub(super) fn set_chosen(&self, has_chosen: bool) {
        self.has_chosen.store(has_chosen, Ordering::Relaxed);
    }

    /// Who looks.
    pub(super) fn looking(&self) -> MutexGuard<'_, Looking> {
        self.looking.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
