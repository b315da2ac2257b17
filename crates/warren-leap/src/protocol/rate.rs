//! A bound on how often: so many at once, and so many a second over time.

use std::time::Duration;

/// A rate that may not be exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many a second; 0 for no bound.
    pub per_second: u32,
    /// How many at once.
    pub burst: u32,
}

/// What is left of a rate.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    /// Thousandths that are left.
    left: u64,
    /// When it was last filled.
    filled: Duration,
}

impl Bucket {
    /// Everything is left.
    pub fn full(rate: Rate) -> Self {
        Self { left: u64::from(rate.burst) * 1000, filled: Duration::ZERO }
    }

    /// Takes one; false if none is left.
    pub fn take(&mut self, rate: Rate, now: Duration) -> bool {
        if rate.per_second == 0 {
            return true;
        }
        let passed = u64::try_from(now.saturating_sub(self.filled).as_millis()).unwrap_or(u64::MAX);
        self.filled += Duration::from_millis(passed);
        let gained = passed.saturating_mul(u64::from(rate.per_second));
        self.left = self.left.saturating_add(gained).min(u64::from(rate.burst) * 1000);
        let has_one = self.left >= 1000;
        if has_one {
            self.left -= 1000;
        }
        has_one
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_allowed_and_comes_back_with_time() {
        let rate = Rate { per_second: 10, burst: 3 };
        let mut bucket = Bucket::full(rate);
        let mut take = |ms| bucket.take(rate, Duration::from_millis(ms));
        assert!(take(0) && take(0) && take(0) && !take(0));
        assert!(!take(99) && take(100) && !take(100));
        assert!(take(10_000) && take(10_000) && take(10_000) && !take(10_000));
    }

    #[test]
    fn zero_is_no_bound() {
        let rate = Rate { per_second: 0, burst: 0 };
        let mut bucket = Bucket::full(rate);
        assert!((0..1000).all(|_| bucket.take(rate, Duration::ZERO)));
    }
}
