//! The bytes that all windows may hold together, and each project's share of them.

use crate::domain::ProjectId;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// One project may have a quarter of everything: what it says is not to cost others what they would keep.
const SHARES: usize = 4;

/// What all windows may hold.
#[derive(Debug)]
pub struct WindowBudget {
    /// The bytes that are held, and how many may be.
    all: Arc<WindowMeter>,
    /// The shares of the projects that have any line.
    shares: Mutex<HashMap<ProjectId, Weak<WindowShare>>>,
}

/// What one project's windows may hold.
#[derive(Debug)]
pub struct WindowShare {
    /// The project's bytes.
    own: WindowMeter,
    /// Everybody's.
    all: Arc<WindowMeter>,
}

/// Bytes in use, up to a limit.
#[derive(Debug)]
struct WindowMeter {
    /// In use.
    used: AtomicUsize,
    /// The most.
    limit: usize,
}

impl WindowMeter {
    /// Takes so many, if there are.
    fn take(&self, bytes: usize) -> bool {
        let more = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= self.limit);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// Gives so many back.
    fn give(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl WindowShare {
    /// Takes so many bytes, if both the project and all together have them left.
    pub fn take(&self, bytes: usize) -> bool {
        if !self.own.take(bytes) {
            return false;
        }
        let is_taken = self.all.take(bytes);
        if !is_taken {
            self.own.give(bytes);
        }
        is_taken
    }

    /// Gives so many bytes back.
    pub fn give(&self, bytes: usize) {
        self.own.give(bytes);
        self.all.give(bytes);
    }
}

/// Bytes of a share that are on loan, for what is made of messages that are not in any window; they go back with this.
#[derive(Debug)]
pub struct Loan {
    /// Whose they are.
    share: Arc<WindowShare>,
    /// How many.
    bytes: usize,
}

impl Loan {
    /// Borrows so many bytes, if the share has them left.
    pub fn of(share: &Arc<WindowShare>, bytes: usize) -> Option<Self> {
        share.take(bytes).then(|| Self { share: Arc::clone(share), bytes })
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.share.give(self.bytes);
    }
}

impl WindowBudget {
    /// A budget of so many bytes.
    pub fn new(limit: usize) -> Self {
        let all = Arc::new(WindowMeter { used: AtomicUsize::new(0), limit });
        Self { all, shares: Mutex::default() }
    }

    /// The bytes that are held.
    pub fn used(&self) -> usize {
        self.all.used.load(Ordering::Relaxed)
    }

    /// A project's share, the same for all its lines.
    pub fn share(&self, project: &ProjectId) -> Arc<WindowShare> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = shares.get(project).and_then(Weak::upgrade) {
            return known;
        }
        if shares.len() == shares.capacity() {
            shares.retain(|_, share| share.strong_count() > 0);
        }
        let own = WindowMeter { used: AtomicUsize::new(0), limit: self.all.limit / SHARES };
        let share = Arc::new(WindowShare { own, all: Arc::clone(&self.all) });
        shares.insert(project.clone(), Arc::downgrade(&share));
        share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_has_a_quarter_and_all_have_no_more_than_all() {
        let budget = WindowBudget::new(400);
        let share = |name: &str| budget.share(&ProjectId::from(name));
        let shares = ["a", "b", "c", "d", "e"].map(share);
        assert!(!shares[0].take(101));
        assert!(shares[..4].iter().all(|share| share.take(100)));
        assert!(!shares[4].take(1), "all is given out");
        shares[0].give(60);
        assert!(shares[4].take(60) && !shares[4].take(1));
        assert!(!share("b").take(1), "the same share, however often asked for");
        assert!(Loan::of(&shares[4], 1).is_none());
        shares[1].give(1);
        let loan = Loan::of(&shares[4], 1).unwrap();
        assert!(!shares[1].take(1));
        drop(loan);
        assert!(shares[1].take(1), "what was lent comes back");
    }
}
