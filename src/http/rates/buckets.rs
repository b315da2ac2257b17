//! How much each sender may still ask for: a token bucket for each, that holds what one second brings. It has no clock and no
//! lock: the time is given, in nanoseconds since anything.
//!
//! Of a bucket is kept what it lacks. So a sender that is not there is one whose bucket is full, and may be forgotten.

use std::collections::HashMap;
use std::hash::{Hash, RandomState};

/// One call, in the unit in which buckets are counted: what one call a second brings in a nanosecond.
const CALL: u64 = 1_000_000_000;
/// After so many nanoseconds every bucket is full.
const SECOND: u64 = 1_000_000_000;

/// A sender's bucket.
#[derive(Clone, Copy, Debug)]
struct CallBucket {
    /// What it lacked.
    lack: u64,
    /// When that was.
    at: u64,
}

impl CallBucket {
    /// What it lacks now, of what a second brings.
    fn lack(self, rate: u32, now: u64) -> u64 {
        // Threads read the clock before they take turns: now may be before then.
        let passed = now.saturating_sub(self.at).min(SECOND);
        // At most 2³² times 10⁹: there is room for four times that.
        let brought = passed.saturating_mul(rate.into());
        self.lack.min(capacity(rate)).saturating_sub(brought)
    }
}

/// What a bucket holds: one second's worth.
fn capacity(rate: u32) -> u64 {
    u64::from(rate).saturating_mul(CALL)
}

/// The buckets of a bounded number of senders.
#[derive(Debug)]
pub(super) struct Buckets<K> {
    /// Those that may lack something.
    of: HashMap<K, CallBucket, RandomState>,
    /// How many there may be.
    most: usize,
}

impl<K: Hash + Eq + Copy> Buckets<K> {
    /// All are full, and so many may lack something at once.
    pub(super) fn new(most: usize) -> Self {
        Self { of: HashMap::default(), most }
    }

    /// Takes one call out of a sender's bucket, at so many a second; how many are left in it, or none where there was none.
    /// Who is refused pays nothing.
    pub(super) fn take(&mut self, sender: K, rate: u32, now: u64) -> Option<u32> {
        let known = self.of.get(&sender).copied();
        let lack = known.map_or(0, |bucket| bucket.lack(rate, now)).checked_add(CALL)?;
        let left = capacity(rate).checked_sub(lack)?;
        if known.is_none() {
            self.make_room(rate, now);
        }
        let at = known.map_or(now, |bucket| bucket.at.max(now));
        self.of.insert(sender, CallBucket { lack, at });
        Some(u32::try_from(left / CALL).unwrap_or(u32::MAX))
    }

    /// Puts one call back into a sender's bucket: what it was taken for was not done.
    pub(super) fn give_back(&mut self, sender: &K) {
        if let Some(bucket) = self.of.get_mut(sender) {
            bucket.lack = bucket.lack.saturating_sub(CALL);
        }
    }

    /// Makes room for one more: forgets those whose buckets are full again, who would be met in the same way, and if there
    /// are none, the one whose bucket lacks least.
    ///
    /// That one is given what its bucket lacked. So a crowd of new senders gains nothing by pushing others out: its own
    /// buckets lack less than those of whoever has asked for much, and go first.
    fn make_room(&mut self, rate: u32, now: u64) {
        if self.of.len() < self.most {
            return;
        }
        self.of.retain(|_, bucket| bucket.lack(rate, now) > 0);
        if self.of.len() >= self.most {
            let least = self.of.iter().min_by_key(|(_, bucket)| bucket.lack(rate, now));
            let least = least.map(|(sender, _)| *sender);
            least.and_then(|sender| self.of.remove(&sender));
        }
    }

    /// Forgets everybody: nothing is counted any more.
    pub(super) fn clear(&mut self) {
        self.of = HashMap::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// One sender, at so many calls a second, asking at these milliseconds: what is left each time.
    fn asked(rate: u32, at: &[u64]) -> Vec<Option<u32>> {
        let mut buckets = Buckets::new(1);
        at.iter().map(|ms| buckets.take('a', rate, ms * 1_000_000)).collect()
    }

    #[test]
    fn a_second_brings_what_may_be_asked_for_at_once() {
        assert_eq!(asked(3, &[0, 0, 0, 0]), [Some(2), Some(1), Some(0), None]);
        assert_eq!(asked(1, &[0, 999, 1000, 1000]), [Some(0), None, Some(0), None]);
        // A third of a second is no whole number of nanoseconds, and nothing is lost of it.
        assert_eq!(asked(3, &[0, 0, 0, 333, 334]), [Some(2), Some(1), Some(0), None, Some(0)]);
        assert_eq!(asked(3, &[0, 0, 0, 86_400_000]), [Some(2), Some(1), Some(0), Some(2)]);
        // A clock that was read before another thread's turn brings nothing and takes nothing.
        assert_eq!(asked(2, &[1000, 0, 1499, 1500]), [Some(1), Some(0), None, Some(0)]);
    }

    #[test]
    fn the_largest_rate_does_not_overflow() {
        let mut buckets = Buckets::new(2);
        assert_eq!(buckets.take('a', u32::MAX, 0), Some(u32::MAX - 1));
        assert_eq!(buckets.take('a', u32::MAX, u64::MAX), Some(u32::MAX - 1));
    }

    #[test]
    fn another_rate_counts_from_the_next_call_on() {
        let mut buckets = Buckets::new(2);
        for _ in 0..10 {
            buckets.take('a', 10, 0);
        }
        assert_eq!(buckets.take('a', 10, 0), None);
        assert_eq!(buckets.take('a', 12, 0), Some(1));
        assert_eq!(buckets.take('a', 2, 0), None);
        assert_eq!(buckets.take('a', 2, SECOND), Some(1));
    }

    #[test]
    fn what_is_given_back_may_be_asked_for() {
        let mut buckets = Buckets::new(2);
        assert_eq!(buckets.take('a', 1, 0), Some(0));
        buckets.give_back(&'a');
        buckets.give_back(&'b');
        assert_eq!((buckets.take('a', 1, 0), buckets.take('a', 1, 0)), (Some(0), None));
    }

    #[test]
    fn at_the_bound_the_fullest_goes_and_who_is_refused_stays_so() {
        let mut buckets = Buckets::new(3);
        for _ in 0..4 {
            buckets.take(0, 4, 0);
        }
        assert_eq!((buckets.take(1, 4, 0), buckets.take(1, 4, 0)), (Some(3), Some(2)));
        for stranger in 2..1000 {
            assert_eq!(buckets.take(stranger, 4, 0), Some(3));
            assert!(buckets.of.len() <= 3);
        }
        assert_eq!((buckets.take(0, 4, 0), buckets.take(1, 4, 0)), (None, Some(1)));
        // Whose bucket is full again is forgotten first, all of them at once.
        assert_eq!(buckets.take(1000, 4, SECOND), Some(3));
        assert_eq!(buckets.of.len(), 1);
    }

    /// The same told in another way: in no span of time that ends now were there more calls than one second brings, and
    /// the span itself.
    fn may_ask(rate: u32, let_in: &[u64], now: u64) -> bool {
        let with_this = (1..=let_in.len()).rev().map(|calls| u64::try_from(calls + 1).unwrap());
        let mut spans = with_this.zip(let_in);
        spans.all(|(calls, since)| calls * CALL <= u64::from(rate) * (SECOND + now - since))
    }

    proptest! {
        #[test]
        fn buckets_let_in_what_the_simple_rule_does(
            rate in 1_u32..12,
            calls in vec((0_u8..3, 0_u64..1_500_000_000), 1..80),
        ) {
            let mut buckets = Buckets::new(3);
            let mut let_in = [const { Vec::new() }; 3];
            let mut now = 0;
            for (sender, pause) in calls {
                // Many at once, and sometimes a long pause.
                now += if pause % 3 == 0 { pause } else { pause / 50 };
                let of = &mut let_in[usize::from(sender)];
                let expected = may_ask(rate, of, now);
                prop_assert_eq!(buckets.take(sender, rate, now).is_some(), expected);
                if expected {
                    of.push(now);
                }
            }
        }
    }
}
