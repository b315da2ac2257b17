//! Where messages end among the bytes that were written to a socket, and how far its client has heard each line.
//!
//! The system knows how many of the bytes that it took are acknowledged. So that nobody has to ask it with every write,
//! the ends of messages are remembered until there are many of them; a connection that takes what it is sent holds a few,
//! and an idle one none. Of what has arrived, only the last message of each line is remembered.

use crate::domain::{LineId, Place, Standing};
use crate::num;
use crate::protocol::EncodedEvent;
use std::collections::VecDeque;

/// How many ends are remembered before the system is asked which of them have arrived.
const LOOK_AFTER: usize = 64;
/// The most ends that are remembered; past it the oldest is forgotten, and its messages count as under way until later
/// ones of their line have arrived.
const MOST_ENDS: usize = 16_384;

/// The messages in some bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlightCount {
    /// The last of them that stands on a line; all others that do stand before it on the same one.
    pub last: Option<Place>,
    /// How many of them stand on no line.
    pub strays: u32,
}

impl FlightCount {
    /// The message, if it is one, of an event.
    pub const fn of(event: &EncodedEvent) -> Self {
        let last = event.place();
        let is_stray = last.is_none() && event.event().is_message();
        Self { last, strays: if is_stray { 1 } else { 0 } }
    }

    /// Whether there is none.
    const fn is_nothing(self) -> bool {
        self.last.is_none() && self.strays == 0
    }
}

/// The last byte of some messages.
#[derive(Clone, Copy, Debug)]
struct End {
    /// Its place among all bytes that were written, the low half: what is under way is never 4 GiB.
    at: u32,
    /// The messages that end there, or before it and after the end before.
    told: FlightCount,
}

/// How far a line was heard.
#[derive(Clone, Copy, Debug)]
struct Mark {
    /// The line.
    line: LineId,
    /// The last message that has arrived.
    arrived: u64,
    /// The last one that had arrived when the client was last known to be there.
    sure: u64,
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
    /// How far each line was heard, sorted by line.
    marks: Vec<Mark>,
}

impl Flight {
    /// Nothing written.
    pub(super) const fn new() -> Self {
        Self { written: 0, ends: VecDeque::new(), look_at: LOOK_AFTER, marks: Vec::new() }
    }

    /// From now on, what comes behind this place is heard.
    pub(super) fn hear(&mut self, from: Place) {
        let Place { line, number } = from;
        if let Err(at) = find(&self.marks, line) {
            self.marks.reserve_exact(usize::from(self.marks.is_empty()));
            self.marks.insert(at, Mark { line, arrived: number, sure: number });
        }
    }

    /// From now on, a line is not heard.
    pub(super) fn detach(&mut self, line: LineId) {
        if let Ok(at) = find(&self.marks, line) {
            self.marks.remove(at);
        }
    }

    /// The bytes that were written so far.
    pub(super) const fn written(&self) -> u64 {
        self.written
    }

    /// So many bytes were written.
    pub(super) fn wrote(&mut self, bytes: usize) {
        self.written = self.written.wrapping_add(num::counter(bytes));
    }

    /// These messages end with the last byte written; true if it is time to ask what has arrived.
    pub(super) fn ended(&mut self, told: FlightCount) -> bool {
        if told.is_nothing() {
            return false;
        }
        if self.ends.len() >= MOST_ENDS
            && let Some(oldest) = self.ends.pop_front()
            && let Some(next) = self.ends.front_mut()
        {
            next.told.strays = next.told.strays.saturating_add(oldest.told.strays);
        }
        self.ends.push_back(End { at: low(self.written), told });
        self.ends.len() >= self.look_at
    }

    /// These messages were handed over, and nobody will ever tell whether they arrived.
    pub(super) fn passed(&mut self, told: FlightCount) {
        if let Some(last) = told.last {
            note(&mut self.marks, last);
        }
    }

    /// All but the last so many bytes have arrived.
    pub(super) fn arrived(&mut self, unacknowledged: u64) {
        while let Some(end) = self.ends.front().copied()
            && !self.is_under_way(end, unacknowledged)
        {
            self.passed(end.told);
            self.ends.pop_front();
        }
        if self.ends.is_empty() {
            self.ends = VecDeque::new();
        }
        // Of a reader that lags behind, most are still there: it is asked about less often.
        self.look_at = self.ends.len().saturating_mul(2).clamp(LOOK_AFTER, MOST_ENDS);
    }

    /// The client is there: what has arrived, it has.
    pub(super) fn confirm(&mut self) {
        for mark in &mut self.marks {
            mark.sure = mark.arrived;
        }
    }

    /// Whether any end is remembered.
    pub(super) fn is_tracking(&self) -> bool {
        !self.ends.is_empty()
    }

    /// How far each line was heard by a client that may not have read what arrived since it was last known to be there.
    pub(super) fn sure(&self) -> Standing {
        standing(&self.marks, |mark| mark.sure)
    }

    /// How far each line will have been heard once everything has arrived: what was written, and these.
    pub(super) fn hoped(&self, queued: impl IntoIterator<Item = FlightCount>) -> Standing {
        let mut marks = self.marks.clone();
        let written = self.ends.iter().map(|end| end.told);
        for last in written.chain(queued).filter_map(|told| told.last) {
            note(&mut marks, last);
        }
        standing(&marks, |mark| mark.arrived)
    }

    /// How far each line was heard.
    pub(super) fn standing(&self) -> Standing {
        standing(&self.marks, |mark| mark.arrived)
    }

    /// How many messages that stand on no line have not arrived if the last so many bytes have not; never too few.
    pub(super) fn strays_under_way(&self, unacknowledged: u64) -> u64 {
        let late =
            self.ends.iter().rev().take_while(|end| self.is_under_way(**end, unacknowledged));
        late.map(|end| u64::from(end.told.strays)).sum()
    }

    /// Whether this byte is among the last so many.
    fn is_under_way(&self, end: End, unacknowledged: u64) -> bool {
        u64::from(low(self.written).wrapping_sub(end.at)) < unacknowledged
    }
}

/// Where a line's mark is, or would be.
fn find(marks: &[Mark], line: LineId) -> Result<usize, usize> {
    marks.binary_search_by_key(&line, |mark| mark.line)
}

/// Notes in a line's mark that a message has arrived; nothing where the line is not heard.
fn note(marks: &mut [Mark], message: Place) {
    if let Ok(at) = find(marks, message.line)
        && let Some(mark) = marks.get_mut(at)
    {
        mark.arrived = mark.arrived.max(message.number);
    }
}

/// How far each line was heard, by one of the numbers in its mark.
fn standing(marks: &[Mark], number: impl Fn(&Mark) -> u64) -> Standing {
    Standing::new(marks.iter().map(|mark| Place { line: mark.line, number: number(mark) }))
}

/// The low half of a number.
const fn low(number: u64) -> u32 {
    let [.., a, b, c, d] = number.to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A flight that hears one line from its beginning, and the line.
    fn flight() -> (Flight, LineId) {
        let (mut flight, line) = (Flight::new(), LineId::next());
        flight.hear(Place { line, number: 0 });
        (flight, line)
    }

    /// Writes ten bytes with a message in it.
    fn write(flight: &mut Flight, line: LineId, number: u64) -> bool {
        flight.wrote(10);
        flight.ended(FlightCount { last: Some(Place { line, number }), strays: 0 })
    }

    /// How far a line was heard.
    fn heard(flight: &Flight, line: LineId) -> u64 {
        flight.standing().of(line).unwrap()
    }

    #[test]
    fn a_message_has_arrived_with_its_last_byte() {
        for (unacknowledged, expected) in
            [(0, 3), (1, 2), (10, 2), (11, 1), (20, 1), (21, 0), (30, 0), (99, 0)]
        {
            let (mut flight, line) = flight();
            (1..=3).for_each(|number| {
                write(&mut flight, line, number);
            });
            flight.arrived(unacknowledged);
            assert_eq!(heard(&flight, line), expected, "{unacknowledged}");
            assert_eq!(flight.hoped(None).of(line), Some(3));
        }
    }

    #[test]
    fn what_is_no_message_moves_the_others_and_counts_for_nothing() {
        let (mut flight, line) = flight();
        write(&mut flight, line, 1);
        flight.wrote(100);
        assert!(!flight.ended(FlightCount::default()));
        flight.arrived(101);
        assert_eq!(heard(&flight, line), 0);
        flight.arrived(100);
        assert_eq!(heard(&flight, line), 1);
    }

    #[test]
    fn lines_are_heard_each_for_itself_and_only_while_they_are_heard() {
        let (mut flight, a) = flight();
        let (b, never) = (LineId::next(), LineId::next());
        flight.hear(Place { line: b, number: 7 });
        for (line, number) in [(a, 1), (b, 8), (never, 1), (a, 2)] {
            write(&mut flight, line, number);
        }
        flight.arrived(20);
        let standing = flight.standing();
        assert_eq!([a, b, never].map(|line| standing.of(line)), [Some(1), Some(8), None]);
        flight.hear(Place { line: b, number: 99 });
        assert_eq!(heard(&flight, b), 8, "it was heard already");
        flight.detach(b);
        assert_eq!(flight.standing().of(b), None);
    }

    #[test]
    fn who_may_not_have_read_is_where_it_was_when_it_was_last_there() {
        let (mut flight, line) = flight();
        write(&mut flight, line, 1);
        flight.arrived(0);
        flight.confirm();
        write(&mut flight, line, 2);
        flight.arrived(0);
        assert_eq!((flight.sure().of(line), heard(&flight, line)), (Some(1), 2));
    }

    #[test]
    fn what_still_waits_is_hoped_for() {
        let (mut flight, line) = flight();
        write(&mut flight, line, 1);
        let queued = FlightCount { last: Some(Place { line, number: 5 }), strays: 0 };
        assert_eq!(flight.hoped([queued]).of(line), Some(5));
    }

    #[test]
    fn strays_are_counted_until_they_have_arrived() {
        let mut flight = Flight::new();
        for strays in [1, 2, 3] {
            flight.wrote(10);
            flight.ended(FlightCount { last: None, strays });
        }
        let under_way = |bytes| flight.strays_under_way(bytes);
        assert_eq!([0, 1, 10, 11, 21, 99].map(under_way), [0, 3, 3, 5, 6, 6]);
    }

    #[test]
    fn a_reader_that_keeps_up_is_asked_about_once_in_many_writes_and_holds_nothing_afterwards() {
        let (mut flight, line) = flight();
        let mut looks = 0;
        for number in 1..=100 * u64::try_from(LOOK_AFTER).unwrap() {
            if write(&mut flight, line, number) {
                looks += 1;
                flight.arrived(0);
                assert!(!flight.is_tracking() && flight.ends.capacity() == 0);
            }
        }
        assert_eq!(looks, 100);
    }

    #[test]
    fn a_reader_that_lags_is_asked_about_more_and_more_rarely_and_never_heard_too_much() {
        let (mut flight, line) = flight();
        let (mut looks, total) = (0, 2 * u64::try_from(MOST_ENDS).unwrap());
        for number in 1..=total {
            if write(&mut flight, line, number) && number < total / 2 {
                looks += 1;
                flight.arrived(u64::MAX);
            }
        }
        assert!(looks < 12, "{looks}");
        assert!(flight.ends.len() <= MOST_ENDS);
        flight.arrived(u64::MAX);
        assert_eq!(heard(&flight, line), 0);
        flight.arrived(15);
        assert_eq!(heard(&flight, line), total - 2);
    }

    #[test]
    fn counting_goes_on_past_four_gibibytes() {
        let (mut flight, line) = flight();
        flight.written = u64::from(u32::MAX) - 4;
        write(&mut flight, line, 1);
        write(&mut flight, line, 2);
        flight.arrived(11);
        assert_eq!(heard(&flight, line), 0);
        flight.arrived(10);
        assert_eq!(heard(&flight, line), 1);
    }
}
