//! Where TLS records ended, in the bytes that were taken and in those that went to the system: so what the system says of the
//! second is known of the first.

use crate::num;
use std::collections::VecDeque;

/// The most ends that are remembered; past it every second one is forgotten, which makes more count as under way than is.
const MOST_MARKS: usize = 256;

/// The end of a record.
#[derive(Clone, Copy, Debug)]
struct RecordEnd {
    /// Its place among the bytes that went to the system.
    sent: u64,
    /// Its place among those that were taken.
    taken: u64,
}

/// The records of one stream.
#[derive(Debug, Default)]
pub(super) struct RecordLedger {
    /// How many bytes were taken, before they were made records.
    taken: u64,
    /// How many bytes of records went to the system.
    sent: u64,
    /// How many of those that were taken are known to have been acknowledged, in whole records.
    arrived: u64,
    /// The ends of records that are not, oldest first.
    marks: VecDeque<RecordEnd>,
}

impl RecordLedger {
    /// So many bytes were made records.
    pub(super) fn took(&mut self, bytes: usize) {
        self.taken = self.taken.saturating_add(num::counter(bytes));
    }

    /// So many bytes of records went to the system.
    pub(super) fn went(&mut self, bytes: usize) {
        self.sent = self.sent.saturating_add(num::counter(bytes));
    }

    /// All records have gone to the system, to their last byte. True if there is much to remember: then it should be asked
    /// what was acknowledged.
    pub(super) fn all_went(&mut self) -> bool {
        let last = self.marks.back().map_or(self.arrived, |end| end.taken);
        if self.taken > last {
            if self.marks.len() >= MOST_MARKS {
                self.thin();
            }
            self.marks.push_back(RecordEnd { sent: self.sent, taken: self.taken });
        }
        self.marks.len() >= MOST_MARKS
    }

    /// Forgets every second end: what ended there counts as ending with the next one.
    fn thin(&mut self) {
        let mut is_second = true;
        self.marks.retain(|_| {
            is_second = !is_second;
            is_second
        });
    }

    /// How many of the bytes that were taken may not have arrived if the last so many that went to the system are not
    /// acknowledged; never too few.
    pub(super) fn unacknowledged(&mut self, under_way: u64) -> u64 {
        let acknowledged = self.acknowledged(under_way);
        while let Some(end) = self.marks.front().filter(|end| end.sent <= acknowledged) {
            self.arrived = end.taken;
            self.marks.pop_front();
        }
        if self.marks.is_empty() {
            // An idle stream should not keep the room that a busy one needed.
            self.marks = VecDeque::new();
        }
        self.taken.saturating_sub(self.arrived)
    }

    /// How many of those that went to the system are acknowledged, if the last so many are not.
    pub(super) const fn acknowledged(&self, under_way: u64) -> u64 {
        self.sent.saturating_sub(under_way)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A ledger after records of these sizes, each 22 bytes longer on its way.
    fn ledger(sizes: &[usize]) -> RecordLedger {
        let mut ledger = RecordLedger::default();
        for size in sizes {
            ledger.took(*size);
            ledger.went(size + 22);
            ledger.all_went();
        }
        ledger
    }

    #[test]
    fn a_message_has_arrived_when_its_whole_record_has() {
        for (under_way, expected) in
            [(0, 0), (1, 300), (322, 300), (323, 500), (544, 500), (545, 600), (9999, 600)]
        {
            let got = ledger(&[100, 200, 300]).unacknowledged(under_way);
            assert_eq!(got, expected, "{under_way}");
        }
    }

    #[test]
    fn what_the_system_has_not_taken_whole_has_not_arrived() {
        let mut ledger = ledger(&[100]);
        ledger.took(200);
        ledger.went(50);
        assert_eq!(ledger.unacknowledged(0), 200);
        ledger.went(172);
        ledger.all_went();
        assert_eq!(ledger.unacknowledged(1), 200);
        assert_eq!(ledger.unacknowledged(0), 0);
    }

    #[test]
    fn what_was_known_to_have_arrived_stays_so() {
        let mut ledger = ledger(&[100, 200]);
        assert_eq!(ledger.unacknowledged(0), 0);
        // The handshake's own bytes may be under way, which nobody counted.
        assert_eq!(ledger.unacknowledged(5000), 0);
    }

    proptest! {
        #[test]
        fn it_is_bounded_and_never_says_too_little(
            sizes in prop::collection::vec(1_usize..3000, 1..2000), part in 0_u64..=1000,
        ) {
            let mut ledger = ledger(&sizes);
            prop_assert!(ledger.marks.len() <= MOST_MARKS);
            let all: u64 = sizes.iter().map(|size| num::counter(size + 22)).sum();
            let under_way = all * part / 1000;
            let (mut sent, mut arrived) = (0, 0);
            for size in &sizes {
                sent += num::counter(size + 22);
                if sent <= all - under_way {
                    arrived += num::counter(*size);
                }
            }
            let taken: u64 = sizes.iter().map(|size| num::counter(*size)).sum();
            let told = ledger.unacknowledged(under_way);
            prop_assert!(told >= taken - arrived && told <= taken);
            prop_assert_eq!(ledger.unacknowledged(0), 0);
        }
    }
}
