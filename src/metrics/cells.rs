//! The numbers themselves: each thread adds to its own, and whoever shows them adds up those of all threads.

use crate::num;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A number that one thread adds to and others may read: adding is a load and a store, with no lock and no cache line that
/// another thread writes.
#[derive(Debug, Default)]
pub struct CountCell(AtomicU64);

impl CountCell {
    /// Adds; of two threads that do so at once one would be lost, so each has its own.
    pub fn add(&self, count: u64) {
        self.set(self.get().wrapping_add(count));
    }

    /// Adds a number of things in memory.
    pub fn add_size(&self, count: usize) {
        self.add(num::counter(count));
    }

    /// From now on it is this.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// What it is.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The bounds of times, nanoseconds: 0.25 ms to 5 s.
const TIMES: &[u64] = &[
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
];

/// The bounds of numbers of things.
const COUNTS: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

/// What the values of a histogram are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Times, noted in nanoseconds and shown in seconds.
    Time,
    /// Numbers of things.
    Count,
}

impl Measure {
    /// The upper bounds of the buckets, of which the last is followed by one without.
    const fn bounds(self) -> &'static [u64] {
        match self {
            Self::Time => TIMES,
            Self::Count => COUNTS,
        }
    }

    /// A value as it is shown.
    fn shown(self, value: u64) -> f64 {
        match self {
            Self::Time => Duration::from_nanos(value).as_secs_f64(),
            Self::Count => float(value),
        }
    }
}

/// How many values fell into each bucket, and their sum.
#[derive(Debug)]
pub struct Histogram {
    /// What the values are.
    measure: Measure,
    /// How many fell into each bucket; as many as the longest bounds have, and one.
    buckets: [CountCell; TIMES.len() + 1],
    /// All values together.
    sum: CountCell,
}

impl Histogram {
    /// Nothing noted.
    pub fn new(measure: Measure) -> Self {
        Self { measure, buckets: Default::default(), sum: CountCell::default() }
    }

    /// Notes a value.
    pub fn note(&self, value: u64) {
        let at = self.measure.bounds().partition_point(|bound| *bound < value);
        if let Some(bucket) = self.buckets.get(at) {
            bucket.add(1);
        }
        self.sum.add(value);
    }

    /// Notes a time.
    pub fn note_time(&self, time: Duration) {
        self.note(num::counter(time.as_nanos()));
    }

    /// Notes a number of things in memory.
    pub fn note_size(&self, count: usize) {
        self.note(num::counter(count));
    }

    /// Takes in what another one has noted.
    pub fn absorb(&self, other: &Self) {
        for (own, more) in self.buckets.iter().zip(&other.buckets) {
            own.add(more.get());
        }
        self.sum.add(other.sum.get());
    }

    /// The sum of all values, how many there are, and how many of them in each bucket below its bound.
    pub fn shown(&self) -> (f64, u64, Vec<(f64, u64)>) {
        let bounds = self.measure.bounds().iter().map(|bound| self.measure.shown(*bound));
        let shown: Vec<_> =
            bounds.chain([f64::INFINITY]).zip(self.buckets.iter().map(CountCell::get)).collect();
        let count = shown.iter().map(|(_, count)| count).sum();
        (self.measure.shown(self.sum.get()), count, shown)
    }
}

/// A number as one with a point.
pub(super) fn float(value: u64) -> f64 {
    let half = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).unwrap_or(u32::MAX);
    f64::from(half(value >> 32)) * 4_294_967_296.0 + f64::from(half(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_falls_below_the_first_bound_that_holds_it_and_counts_in_the_sum() {
        let histogram = Histogram::new(Measure::Count);
        for value in [0, 1, 2, 3, 1024, 1025, 5000] {
            histogram.note(value);
        }
        let (sum, count, buckets) = histogram.shown();
        assert_eq!((sum, count), (7055.0, 7));
        let filled: Vec<_> = buckets.into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(filled, [(1.0, 2), (2.0, 1), (4.0, 1), (1024.0, 1), (f64::INFINITY, 2)]);
    }

    #[test]
    fn times_are_shown_in_seconds() {
        let histogram = Histogram::new(Measure::Time);
        histogram.note_time(Duration::from_millis(20));
        histogram.note_time(Duration::from_mins(1));
        let (sum, count, buckets) = histogram.shown();
        assert_eq!((sum, count), (60.02, 2));
        let filled: Vec<_> = buckets.into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(filled, [(0.025, 1), (f64::INFINITY, 1)]);
    }

    #[test]
    fn large_numbers_stay_what_they_are() {
        for (value, shown) in
            [(0, "0"), (1 << 40, "1099511627776"), (u64::from(u32::MAX) + 2, "4294967297")]
        {
            assert_eq!(float(value).to_string(), shown);
        }
    }
}
