//! The newest messages of a line, bounded in number, bytes and age.

use super::budget::WindowShare;
use crate::faults::{Fault, is_planted};
use crate::num;
use crate::protocol::EncodedEvent;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What a window may hold.
#[derive(Clone, Copy, Debug)]
pub struct WindowBounds {
    /// The most messages.
    pub events: usize,
    /// The most bytes, roughly; one message may be larger.
    pub bytes: usize,
    /// How old a message may be.
    pub age: Duration,
}

/// What somebody has not heard.
#[derive(Debug, Default)]
pub struct Missing {
    /// The messages that are at hand, in order; no newer ones are missing.
    pub events: Vec<Arc<EncodedEvent>>,
    /// How many older ones are not.
    pub lost: u64,
}

impl Missing {
    /// Whether nothing is missing.
    pub const fn is_empty(&self) -> bool {
        self.events.is_empty() && self.lost == 0
    }

    /// How many messages are missing.
    pub fn count(&self) -> u64 {
        self.lost.saturating_add(num::counter(self.events.len()))
    }
}

/// A message in the window.
struct WindowEntry {
    /// The message.
    message: Arc<EncodedEvent>,
    /// When it was said.
    since: Instant,
}

/// The newest messages.
pub(super) struct Window {
    /// Them, oldest first, none left out.
    entries: VecDeque<WindowEntry>,
    /// The offset of the newest message that is not at hand.
    gone: u64,
    /// Roughly their bytes, which the share has given.
    bytes: usize,
    /// What it may hold.
    bounds: WindowBounds,
    /// Where its bytes come from.
    share: Arc<WindowShare>,
}

impl Window {
    /// An empty window.
    pub(super) const fn new(bounds: WindowBounds, share: Arc<WindowShare>) -> Self {
        Self { entries: VecDeque::new(), gone: 0, bytes: 0, bounds, share }
    }

    /// Takes the next message in; older ones make room. Where there is no room even so, it is not kept, and nothing older
    /// is: a window has no holes.
    pub(super) fn push(&mut self, message: Arc<EncodedEvent>, now: Instant) {
        if self.bounds.events == 0 || self.bounds.bytes == 0 {
            self.gone = offset(&message);
            return;
        }
        let bytes = message.size_hint();
        self.expire(now);
        while !self.entries.is_empty()
            && (self.entries.len() >= self.bounds.events || self.bytes + bytes > self.bounds.bytes)
        {
            self.drop_oldest();
        }
        while !self.share.take(bytes) {
            if self.entries.is_empty() {
                self.gone = offset(&message);
                return;
            }
            self.drop_oldest();
        }
        self.bytes += bytes;
        self.entries.push_back(WindowEntry { message, since: now });
    }

    /// These messages, in order, are at hand again, and are all behind an offset. Nothing else is.
    pub(super) fn restore(
        &mut self,
        behind: u64,
        messages: impl IntoIterator<Item = EncodedEvent>,
        now: Instant,
    ) {
        self.forget(behind);
        messages.into_iter().for_each(|message| self.push(Arc::new(message), now));
    }

    /// Lets go of what is too old.
    pub(super) fn expire(&mut self, now: Instant) {
        let age = self.bounds.age;
        while self.entries.front().is_some_and(|oldest| now >= oldest.since + age) {
            self.drop_oldest();
        }
        if self.entries.is_empty() && self.entries.capacity() > 0 {
            // Who says nothing any more should not keep the room that it once needed.
            self.entries = VecDeque::new();
        }
    }

    /// Lets go of what stands before an offset.
    pub(super) fn trim(&mut self, before: u64) {
        while self.entries.front().is_some_and(|oldest| offset(&oldest.message) < before) {
            self.drop_oldest();
        }
    }

    /// Whether nothing is at hand.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Lets go of everything, as nothing is known up to an offset.
    pub(super) fn forget(&mut self, upto: u64) {
        while !self.entries.is_empty() {
            self.drop_oldest();
        }
        self.gone = upto;
    }

    /// Whether all messages behind an offset are at hand.
    pub(super) fn has_all_behind(&self, after: u64) -> bool {
        after >= self.gone || is_planted(Fault::GoneCalledRecovered)
    }

    /// Whether so many of the newest messages are at hand, or all that there ever were.
    pub(super) fn has_newest(&self, count: u64) -> bool {
        let at_hand = num::counter(self.entries.len());
        at_hand >= count || self.has_all_behind(0)
    }

    /// The messages behind an offset; none if one of them is not at hand.
    pub(super) fn since(&self, after: u64) -> Option<Vec<Arc<EncodedEvent>>> {
        if !self.has_all_behind(after) {
            return None;
        }
        let from = self.entries.partition_point(|entry| offset(&entry.message) <= after);
        Some(self.entries.range(from..).map(|entry| Arc::clone(&entry.message)).collect())
    }

    /// The newest messages, so many at most.
    pub(super) fn newest(&self, count: u64) -> Vec<Arc<EncodedEvent>> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let from = self.entries.len().saturating_sub(count);
        self.entries.range(from..).map(|entry| Arc::clone(&entry.message)).collect()
    }

    /// Lets go of the oldest message.
    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.entries.pop_front() {
            let bytes = oldest.message.size_hint();
            self.gone = offset(&oldest.message);
            self.bytes -= bytes;
            self.share.give(bytes);
        }
    }

    /// The messages behind one number, up to another.
    pub(super) fn between(&self, after: u64, upto: u64) -> Missing {
        let number = |entry: &WindowEntry| entry.message.place().map_or(0, |place| place.number);
        let from = self.entries.partition_point(|entry| number(entry) <= after);
        let to = self.entries.partition_point(|entry| number(entry) <= upto).max(from);
        let events: Vec<_> =
            self.entries.range(from..to).map(|entry| Arc::clone(&entry.message)).collect();
        let at_hand = num::counter(events.len());
        Missing { events, lost: upto.saturating_sub(after).saturating_sub(at_hand) }
    }
}

/// The offset of a message on its line.
fn offset(message: &EncodedEvent) -> u64 {
    message.position().map_or(0, |position| position.offset)
}

impl Drop for Window {
    fn drop(&mut self) {
        self.share.give(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Line, WindowBudget};
    use super::*;
    use crate::domain::{
        ChannelId, Epoch, Message, Position, ProjectId, RawJson, Since, State, Version,
    };
    use crate::protocol::Event;
    use proptest::prelude::*;

    /// Bounds that nothing here comes near.
    const WIDE: WindowBounds =
        WindowBounds { events: 1000, bytes: 1 << 20, age: Duration::from_secs(100) };

    /// A line within such bounds.
    fn line(bounds: WindowBounds) -> Line {
        Line::new(Epoch(1), bounds, WindowBudget::new(1 << 30).share(&ProjectId::from("p")))
    }

    /// A message with so many bytes of data.
    fn message(bytes: usize) -> EncodedEvent {
        let data = RawJson::trusted(format!("\"{}\"", "x".repeat(bytes)));
        let message = Message { event: "e".into(), data };
        EncodedEvent::new(Event::Message { channel: ChannelId::trusted("c"), message })
    }

    /// The numbers of what is missing, and how many more.
    fn numbers(missing: &Missing) -> (Vec<u64>, u64) {
        (missing.events.iter().map(|event| event.place().unwrap().number).collect(), missing.lost)
    }

    #[tokio::test]
    async fn what_is_missing_is_given_out_as_far_as_it_is_at_hand_and_counted_beyond() {
        let mut line = line(WindowBounds { events: 3, ..WIDE });
        let now = Instant::now();
        for _ in 0..5 {
            line.say(message(1), now);
        }
        assert_eq!(numbers(&line.after(5)), (vec![], 0));
        assert_eq!(numbers(&line.after(3)), (vec![4, 5], 0));
        assert_eq!(numbers(&line.after(0)), (vec![3, 4, 5], 2));
        assert_eq!(numbers(&line.between(2, 4)), (vec![3, 4], 0));
        assert_eq!(numbers(&line.between(0, 1)), (vec![], 1));
        assert!(line.between(4, 2).is_empty());
    }

    #[tokio::test]
    async fn the_newest_are_given_out_and_who_came_in_time_has_heard_what_follows() {
        let mut line = line(WindowBounds { events: 3, ..WIDE });
        (0..5).for_each(|_| drop(line.say(message(1), Instant::now())));
        let newest = |count| {
            let events = line.newest(count);
            events.iter().map(|event| event.place().unwrap().number).collect::<Vec<_>>()
        };
        assert_eq!(
            [0, 2, 3, u64::MAX].map(newest),
            [vec![], vec![4, 5], vec![3, 4, 5], vec![3, 4, 5]]
        );
        let is_heard =
            |offset, from| line.is_heard(Since(Some(Position { epoch: Epoch(1), offset })), from);
        assert_eq!([3, 4, 5].map(|from| is_heard(3, from)), [true, false, false]);
        assert!(is_heard(5, 5) && is_heard(2, 2), "nothing came in between");
        assert!(!is_heard(1, 0) && !is_heard(6, 0), "nobody knows");
    }

    #[tokio::test]
    async fn what_was_said_before_anybody_was_here_is_at_hand_and_has_no_numbers() {
        let mut line = line(WindowBounds { events: 3, ..WIDE });
        let (at, now) = (|offset| Position { epoch: Epoch(7), offset }, Instant::now());
        line.open_at(at(9));
        line.restore(4, [5, 6, 8, 9].map(|offset| message(1).said_at(at(offset))), now);
        let offsets = |line: &Line, after| {
            let events = line.since(Since(Some(at(after))))?;
            Some(events.iter().map(|event| event.position().unwrap().offset).collect::<Vec<_>>())
        };
        assert_eq!(offsets(&line, 5), Some(vec![6, 8, 9]), "within the bounds");
        assert_eq!(offsets(&line, 4), None);
        assert!(line.after(0).is_empty() && line.last() == 0, "nobody has missed it");
        // Who has come since has heard nothing of it.
        let is_heard = |line: &Line, after| line.is_heard(Since(Some(at(after))), 0);
        assert_eq!([8, 9].map(|after| is_heard(&line, after)), [false, true]);
        line.say(message(1), now);
        assert_eq!(offsets(&line, 8), Some(vec![9, 10]));
        assert_eq!(numbers(&line.after(0)), (vec![1], 0));
        assert_eq!([8, 9].map(|after| is_heard(&line, after)), [false, true]);
    }

    #[tokio::test]
    async fn states_are_not_messages() {
        let mut line = line(WIDE);
        let channel = ChannelId::trusted("c");
        let update = Event::StateUpdate { channel, state: State::empty(), version: Version(2) };
        assert_eq!(line.say(EncodedEvent::new(update), Instant::now()).place(), None);
        assert_eq!(line.last(), 0);
    }

    #[tokio::test]
    async fn one_message_of_any_size_is_kept_and_nothing_older_beside_it() {
        let mut line = line(WindowBounds { bytes: 1000, ..WIDE });
        let now = Instant::now();
        line.say(message(1), now);
        line.say(message(5000), now);
        assert_eq!(numbers(&line.after(0)), (vec![2], 1));
    }

    #[tokio::test]
    async fn whoever_wants_nothing_kept_has_nothing_kept() {
        for bounds in [WindowBounds { events: 0, ..WIDE }, WindowBounds { bytes: 0, ..WIDE }] {
            let mut line = line(bounds);
            line.say(message(1), Instant::now());
            assert_eq!(numbers(&line.after(0)), (vec![], 1));
        }
    }

    #[tokio::test]
    async fn what_is_too_old_goes_and_is_counted() {
        let mut line = line(WIDE);
        let now = Instant::now();
        line.say(message(1), now);
        line.say(message(1), now + WIDE.age / 2);
        line.expire(now + WIDE.age);
        assert_eq!(numbers(&line.after(0)), (vec![2], 1));
    }

    #[tokio::test]
    async fn without_room_nothing_is_kept_and_the_room_comes_back() {
        let budget = WindowBudget::new(4096);
        let share = budget.share(&ProjectId::from("p"));
        let now = Instant::now();
        let mut first = Line::new(Epoch(1), WIDE, Arc::clone(&share));
        let mut second = Line::new(Epoch(1), WIDE, share);
        first.say(message(700), now);
        second.say(message(700), now);
        assert_eq!(numbers(&second.after(0)), (vec![], 1), "a project has a quarter");
        drop(first);
        second.say(message(700), now);
        assert_eq!(numbers(&second.after(0)), (vec![2], 1));
    }

    proptest! {
        /// Whatever happened: from a position on there is everything that was said after it, or nothing.
        #[test]
        fn whoever_names_a_position_gets_all_behind_it_or_nothing(
            steps in prop::collection::vec((0..2000_usize, 0..40_u64, any::<bool>()), 1..60),
            events in 0..20_usize,
            bytes in 200..8000_usize,
            at in 0..60_u64,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let mut line = line(WindowBounds { events, bytes, age: Duration::from_secs(100) });
                let (mut now, mut said) = (Instant::now(), Vec::new());
                for (size, pause, is_state) in steps {
                    now += Duration::from_secs(pause);
                    if is_state {
                        let channel = ChannelId::trusted("c");
                        let (state, version) = (State::empty(), Version(1));
                        let update = Event::StateUpdate { channel, state, version };
                        line.say(EncodedEvent::new(update), now);
                    } else {
                        said.push(line.say(message(size), now).position().unwrap().offset);
                    }
                }
                let end = line.position().offset;
                let since = |epoch, offset| {
                    line.since(Since(Some(Position { epoch: Epoch(epoch), offset })))
                };
                let wanted: Vec<_> = said.into_iter().filter(|offset| *offset > at).collect();
                if let Some(found) = since(1, at) {
                    let found: Vec<_> = found.iter().map(|event| offset(event)).collect();
                    assert_eq!(found, wanted);
                    assert!(at <= end);
                } else {
                    assert!(at > end || !wanted.is_empty(), "nothing was missing");
                }
                assert!(since(1, end).is_some());
                assert!(since(1, end + 1).is_none() && since(2, at).is_none());
                assert!(line.since(Since(None)).is_none());
            });
        }

        /// Whatever happened: what is missing is everything from the oldest at hand on, and the rest is counted.
        #[test]
        fn nothing_is_left_out_and_nothing_comes_twice(
            steps in prop::collection::vec((0..2000_usize, 0..40_u64), 1..60),
            events in 1..20_usize,
            bytes in 200..8000_usize,
            after in 0..60_u64,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let mut line = line(WindowBounds { events, bytes, age: Duration::from_secs(100) });
                let mut now = Instant::now();
                for (size, pause) in steps {
                    now += Duration::from_secs(pause);
                    line.say(message(size), now);
                }
                let missing = line.after(after);
                let (numbers, lost) = numbers(&missing);
                let wanted: Vec<_> = (after + 1 + lost..=line.last()).collect();
                assert_eq!(numbers, wanted);
                assert!(numbers.len() <= events);
            });
        }
    }
}
