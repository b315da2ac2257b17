//! What one thread counted, and how the threads' counts become one.

use super::error::BenchError;
use hdrhistogram::Histogram;
use std::collections::BTreeMap;

/// The longest time that is told from longer ones: an hour, in microseconds.
const LONGEST: u64 = 3_600_000_000;

/// An empty histogram of microseconds, with three digits.
///
/// # Errors
/// [`BenchError::Generator`], which does not happen with these bounds.
pub(super) fn histogram() -> Result<Histogram<u64>, BenchError> {
    Histogram::new_with_bounds(1, LONGEST, 3)
        .map_err(|error| BenchError::Generator(error.to_string()))
}

/// Counts of the measured part of a run, or of a second.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// Publishes that left.
    pub(super) published: u64,
    /// Publishes that were answered well.
    pub(super) acked: u64,
    /// Deliveries that came.
    pub(super) delivered: u64,
    /// Connections that were subscribed.
    pub(super) connected: u64,
    /// Errors of any kind.
    pub(super) errors: u64,
}

impl Counts {
    /// Adds another's.
    pub(super) const fn add(&mut self, other: &Self) {
        self.published += other.published;
        self.acked += other.acked;
        self.delivered += other.delivered;
        self.connected += other.connected;
        self.errors += other.errors;
    }

    /// What came since an earlier count.
    pub(super) const fn since(&self, earlier: &Self) -> Self {
        Self {
            published: self.published - earlier.published,
            acked: self.acked - earlier.acked,
            delivered: self.delivered - earlier.delivered,
            connected: self.connected - earlier.connected,
            errors: self.errors - earlier.errors,
        }
    }
}

/// What was counted.
pub(super) struct Tally {
    /// From the first connection to the last delivery.
    pub(super) total: Counts,
    /// What had to be delivered: each publish times those who were listening.
    pub(super) expected: u64,
    /// Deliveries that had come before.
    pub(super) duplicated: u64,
    /// Deliveries that came after a later one of their publisher.
    pub(super) reordered: u64,
    /// Deliveries to slow readers, which count nowhere else.
    pub(super) slow_delivered: u64,
    /// Slow readers that the server gave up on.
    pub(super) slow_closed: u64,
    /// Connections that left as planned.
    pub(super) left: u64,
    /// Times at which nothing came for a second though something was missing.
    pub(super) stalls: u64,
    /// Publishes that were due and never left.
    pub(super) unsent: u64,
    /// Reads.
    pub(super) reads: u64,
    /// Bytes that came.
    pub(super) bytes: u64,
    /// From when a publish was due to each delivery.
    pub(super) delivery: Histogram<u64>,
    /// From when a publish was due to its answer.
    pub(super) ack: Histogram<u64>,
    /// From when a connection was due to its subscription, before the load.
    pub(super) connect: Histogram<u64>,
    /// The same, for those that came under load.
    pub(super) reconnect: Histogram<u64>,
    /// How late publishes left though somebody could have sent them.
    pub(super) late: Histogram<u64>,
    /// Publishes that left later than allowed, though somebody could have sent them.
    pub(super) too_late: u64,
    /// Errors by what they were.
    pub(super) troubles: BTreeMap<String, u64>,
}

impl Tally {
    /// Nothing yet.
    ///
    /// # Errors
    /// [`BenchError::Generator`].
    pub(super) fn new() -> Result<Self, BenchError> {
        Ok(Self {
            total: Counts::default(),
            expected: 0,
            duplicated: 0,
            reordered: 0,
            slow_delivered: 0,
            slow_closed: 0,
            left: 0,
            stalls: 0,
            unsent: 0,
            reads: 0,
            bytes: 0,
            delivery: histogram()?,
            ack: histogram()?,
            connect: histogram()?,
            reconnect: histogram()?,
            late: histogram()?,
            too_late: 0,
            troubles: BTreeMap::new(),
        })
    }

    /// Counts an error.
    pub(super) fn trouble(&mut self, what: &str) {
        self.total.errors += 1;
        match self.troubles.get_mut(what) {
            Some(count) => *count += 1,
            None => {
                self.troubles.insert(what.to_owned(), 1);
            }
        }
    }

    /// Adds another thread's.
    pub(super) fn add(&mut self, other: &Self) {
        self.total.add(&other.total);
        for (own, its) in [
            (&mut self.expected, other.expected),
            (&mut self.duplicated, other.duplicated),
            (&mut self.reordered, other.reordered),
            (&mut self.slow_delivered, other.slow_delivered),
            (&mut self.slow_closed, other.slow_closed),
            (&mut self.left, other.left),
            (&mut self.stalls, other.stalls),
            (&mut self.unsent, other.unsent),
            (&mut self.reads, other.reads),
            (&mut self.bytes, other.bytes),
            (&mut self.too_late, other.too_late),
        ] {
            *own += its;
        }
        for (own, its) in [
            (&mut self.delivery, &other.delivery),
            (&mut self.ack, &other.ack),
            (&mut self.connect, &other.connect),
            (&mut self.reconnect, &other.reconnect),
            (&mut self.late, &other.late),
        ] {
            // The bounds are the same, so nothing can be out of them.
            let _ = own.add(its);
        }
        for (what, count) in &other.troubles {
            *self.troubles.entry(what.clone()).or_default() += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_what_was_recorded() {
        let mut histogram = histogram().unwrap();
        for value in 1..=1000 {
            histogram.saturating_record(value);
        }
        for (quantile, value) in [(0.5, 500), (0.9, 900), (0.99, 990), (0.999, 999), (1.0, 1000)] {
            assert_eq!(histogram.value_at_quantile(quantile), value);
        }
        assert_eq!((histogram.min(), histogram.max()), (1, 1000));
    }

    #[test]
    fn two_threads_become_one() {
        let (mut one, mut two) = (Tally::new().unwrap(), Tally::new().unwrap());
        one.trouble("closed 4009");
        two.trouble("closed 4009");
        two.total.delivered = 3;
        two.late.saturating_record(7);
        one.add(&two);
        assert_eq!((one.troubles["closed 4009"], one.total.errors, one.total.delivered), (2, 2, 3));
        assert_eq!(one.late.len(), 1);
        let before = Counts { delivered: 1, ..Counts::default() };
        assert_eq!(one.total.since(&before).delivered, 2);
    }
}
