//! Which of many things get a line in the log.

use std::cell::Cell;
use std::time::Duration;

/// What is whole, in parts.
const WHOLE: u32 = 1_000_000;

/// A share of what happens, from nothing to everything, taken evenly: of a tenth every tenth thing, as each thread counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogShare(u32);

impl LogShare {
    /// Everything.
    pub const ALL: Self = Self(WHOLE);

    /// A share of 0 to 1; none for anything else.
    pub fn new(share: f64) -> Option<Self> {
        let is_share = (0.0..=1.0).contains(&share);
        // A time is what turns a number with a point into one without.
        let parts = is_share.then(|| Duration::from_secs_f64(share).as_micros())?;
        u32::try_from(parts).ok().map(Self)
    }

    /// The share as it was said.
    pub fn share(self) -> f64 {
        f64::from(self.0) / f64::from(WHOLE)
    }

    /// Whether anything is taken.
    pub const fn is_any(self) -> bool {
        self.0 > 0
    }

    /// Whether the next thing is taken; `left` is what the thread has counted so far and not taken.
    pub fn takes(self, left: &Cell<u32>) -> bool {
        let sum = left.get().saturating_add(self.0);
        let is_taken = sum >= WHOLE;
        left.set(if is_taken { sum - WHOLE } else { sum });
        is_taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of a thousand things are taken.
    fn taken(share: f64) -> usize {
        let (share, left) = (LogShare::new(share).unwrap(), Cell::new(0));
        (0..1000).filter(|_| share.takes(&left)).count()
    }

    #[test]
    fn as_many_are_taken_as_the_share_says_and_evenly() {
        for (share, expected) in [(0.0, 0), (0.001, 1), (0.1, 100), (0.5, 500), (1.0, 1000)] {
            assert_eq!(taken(share), expected, "{share}");
        }
        let (third, left) = (LogShare::new(0.25).unwrap(), Cell::new(0));
        let first: Vec<_> = (0..8).map(|_| third.takes(&left)).collect();
        assert_eq!(first, [false, false, false, true, false, false, false, true]);
    }

    #[test]
    fn a_share_is_from_nothing_to_everything() {
        for wrong in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert_eq!(LogShare::new(wrong), None, "{wrong}");
        }
        assert_eq!(LogShare::new(1.0), Some(LogShare::ALL));
        assert!(!LogShare::default().is_any());
    }
}
