//! Where messages end among the bytes that were written to a socket and may not have arrived.
//!
//! The system knows how many of the bytes that it took are acknowledged. So that nobody has to ask it with every write,
//! the ends of messages are remembered until there are many of them; a connection that takes what it is sent holds a few,
//! and an idle one none.

use std::collections::VecDeque;

/// How many ends are remembered before the system is asked which of them have arrived.
const LOOK_AFTER: usize = 64;
/// The most ends that are remembered; past it the oldest two become one, and count until both have arrived.
const MOST_ENDS: usize = 16_384;

/// The last byte of some messages.
#[derive(Clone, Copy, Debug)]
struct End {
    /// Its place among all bytes that were written, the low half: what is under way is never 4 GiB.
    at: u32,
    /// How many messages end there, or before it and after the end before.
    messages: u32,
}

/// What is under way.
#[derive(Debug)]
pub(super) struct Flight {
    /// The bytes that were written so far.
    written: u64,
    /// The ends, oldest first.
    ends: VecDeque<End>,
    /// So many ends are a reason to ask which have arrived.
    look_at: usize,
}

impl Flight {
    /// Nothing written.
    pub(super) const fn new() -> Self {
        Self { written: 0, ends: VecDeque::new(), look_at: LOOK_AFTER }
    }

    /// The bytes that were written so far.
    pub(super) const fn written(&self) -> u64 {
        self.written
    }

    /// So many bytes were written.
    pub(super) fn wrote(&mut self, bytes: usize) {
        self.written = self.written.wrapping_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// So many messages end with the last byte written; true if it is time to ask what has arrived.
    pub(super) fn ended(&mut self, messages: usize) -> bool {
        let messages = u32::try_from(messages).unwrap_or(u32::MAX);
        if messages == 0 {
            return false;
        }
        if self.ends.len() >= MOST_ENDS
            && let Some(oldest) = self.ends.pop_front()
            && let Some(next) = self.ends.front_mut()
        {
            next.messages = next.messages.saturating_add(oldest.messages);
        }
        self.ends.push_back(End { at: low(self.written), messages });
        self.ends.len() >= self.look_at
    }

    /// All but the last so many bytes have arrived.
    pub(super) fn arrived(&mut self, unacknowledged: u64) {
        while self.ends.front().is_some_and(|end| !self.is_under_way(*end, unacknowledged)) {
            self.ends.pop_front();
        }
        if self.ends.is_empty() {
            self.ends = VecDeque::new();
        }
        // Of a reader that lags behind, most are still there: it is asked about less often.
        self.look_at = self.ends.len().saturating_mul(2).clamp(LOOK_AFTER, MOST_ENDS);
    }

    /// Nobody can tell what has arrived.
    pub(super) fn forget(&mut self) {
        self.ends = VecDeque::new();
    }

    /// Whether any end is remembered.
    pub(super) fn is_tracking(&self) -> bool {
        !self.ends.is_empty()
    }

    /// How many messages have not arrived if the last so many bytes have not; never too few.
    pub(super) fn under_way(&self, unacknowledged: u64) -> u64 {
        let late =
            self.ends.iter().rev().take_while(|end| self.is_under_way(**end, unacknowledged));
        late.map(|end| u64::from(end.messages)).sum()
    }

    /// Whether this byte is among the last so many.
    fn is_under_way(&self, end: End, unacknowledged: u64) -> bool {
        u64::from(low(self.written).wrapping_sub(end.at)) < unacknowledged
    }
}

/// The low half of a number.
const fn low(number: u64) -> u32 {
    let [.., a, b, c, d] = number.to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a frame of ten bytes with a message in it.
    fn write(flight: &mut Flight) -> bool {
        flight.wrote(10);
        flight.ended(1)
    }

    #[test]
    fn a_message_has_arrived_with_its_last_byte() {
        let mut flight = Flight::new();
        for _ in 0..3 {
            write(&mut flight);
        }
        let under_way = |unacknowledged| flight.under_way(unacknowledged);
        assert_eq!([0, 1, 10, 11, 20, 21, 30, 99].map(under_way), [0, 1, 1, 2, 2, 3, 3, 3]);
    }

    #[test]
    fn what_is_no_message_moves_the_others_and_counts_for_nothing() {
        let mut flight = Flight::new();
        write(&mut flight);
        flight.wrote(100);
        assert!(!flight.ended(0));
        assert_eq!([100, 101].map(|bytes| flight.under_way(bytes)), [0, 1]);
    }

    #[test]
    fn a_reader_that_keeps_up_is_asked_about_once_in_many_writes_and_holds_nothing_afterwards() {
        let mut flight = Flight::new();
        let mut looks = 0;
        for _ in 0..100 * LOOK_AFTER {
            if write(&mut flight) {
                looks += 1;
                flight.arrived(0);
                assert!(!flight.is_tracking() && flight.ends.capacity() == 0);
            }
        }
        assert_eq!(looks, 100);
    }

    #[test]
    fn a_reader_that_lags_is_asked_about_more_and_more_rarely_and_counted_in_full() {
        let mut flight = Flight::new();
        let (mut looks, total) = (0, 2 * MOST_ENDS);
        for written in 1..=total {
            if write(&mut flight) && written < MOST_ENDS {
                looks += 1;
                flight.arrived(u64::MAX);
            }
        }
        assert!(looks < 12, "{looks}");
        assert!(flight.ends.len() <= MOST_ENDS);
        assert_eq!(flight.under_way(u64::MAX), u64::try_from(total).unwrap());
        // The oldest are one by now: they count until the last of them has arrived.
        let young = MOST_ENDS - 1;
        let bytes = u64::try_from(10 * young).unwrap();
        assert_eq!(flight.under_way(bytes), u64::try_from(young).unwrap());
    }

    #[test]
    fn counting_goes_on_past_four_gibibytes() {
        let mut flight = Flight::new();
        flight.written = u64::from(u32::MAX) - 4;
        write(&mut flight);
        write(&mut flight);
        assert_eq!([10, 11, 20].map(|bytes| flight.under_way(bytes)), [1, 2, 2]);
        flight.arrived(10);
        assert_eq!(flight.under_way(u64::MAX), 1);
    }
}
