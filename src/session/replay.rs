//! What a session without connections keeps for the next one, bounded in number and bytes.

use super::effects::SessionLimits;
use crate::domain::{LineId, Place};
use crate::faults::{Fault, is_planted};
use crate::num;
use crate::protocol::EncodedEvent;
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

/// The kept events, oldest first.
#[derive(Default)]
pub struct Replay {
    /// The events.
    events: VecDeque<Arc<EncodedEvent>>,
    /// Roughly their bytes.
    bytes: usize,
    /// How many were dropped because of the bound.
    missed: u64,
}

impl Replay {
    /// One that holds this already, and lacks so many.
    pub fn holding(events: Vec<Arc<EncodedEvent>>, missed: u64) -> Self {
        let bytes = events.iter().map(|event| event.size_hint()).sum();
        Self { events: events.into(), bytes, missed }
    }

    /// Keeps an event; drops the oldest past the bound.
    ///
    /// Only messages: state and subscriptions are in INIT, fresh, and an older state after it would turn back time.
    pub fn keep(&mut self, dispatch: Arc<EncodedEvent>, limits: &SessionLimits) {
        if !dispatch.event().is_message() {
            return;
        }
        self.bytes += dispatch.size_hint();
        self.events.push_back(dispatch);
        self.cut(limits);
    }

    /// Keeps events that a connection has not heard, in order; drops the oldest past the bound. What another one has given
    /// back is there already.
    pub fn keep_missing(&mut self, events: Vec<Arc<EncodedEvent>>, limits: &SessionLimits) {
        let there: HashSet<Place> = self.events.iter().filter_map(|kept| kept.place()).collect();
        let is_new = |event: &Arc<EncodedEvent>| {
            event.event().is_message() && event.place().is_none_or(|place| !there.contains(&place))
        };
        for event in events.into_iter().filter(is_new) {
            self.bytes += event.size_hint();
            self.events.push_back(event);
        }
        self.sort_lines();
        self.cut(limits);
    }

    /// Keeps events again that came before all others that are kept, in order; drops the oldest past the bound. What several
    /// connections were given, and none has taken, comes back from each and is kept once.
    pub fn put_back(&mut self, events: Vec<Arc<EncodedEvent>>, limits: &SessionLimits) {
        let places: HashSet<Place> = events.iter().filter_map(|event| event.place()).collect();
        let bytes = &mut self.bytes;
        self.events.retain(|kept| {
            let is_there = kept.place().is_some_and(|place| places.contains(&place));
            *bytes -= if is_there { kept.size_hint() } else { 0 };
            !is_there
        });
        for dispatch in events.into_iter().rev() {
            self.bytes += dispatch.size_hint();
            self.events.push_front(dispatch);
        }
        self.sort_lines();
        self.cut(limits);
    }

    /// Puts what each line has said into its order: connections give back parts of it, as they end.
    fn sort_lines(&mut self) {
        let mut lines: HashMap<LineId, Vec<Arc<EncodedEvent>>> = HashMap::new();
        for event in &self.events {
            if let Some(place) = event.place() {
                lines.entry(place.line).or_default().push(Arc::clone(event));
            }
        }
        for events in lines.values_mut() {
            events.sort_by_key(|event| Reverse(event.place().map(|place| place.number)));
        }
        for event in &mut self.events {
            let line = event.place().and_then(|place| lines.get_mut(&place.line));
            if let Some(next) = line.and_then(Vec::pop) {
                *event = next;
            }
        }
    }

    /// Drops the oldest past the bound and counts them.
    fn cut(&mut self, limits: &SessionLimits) {
        while self.events.len() > limits.replay_events || self.bytes > limits.replay_bytes {
            let Some(oldest) = self.events.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(oldest.size_hint());
            self.miss(u64::from(!is_planted(Fault::DroppedUncounted)));
        }
    }

    /// Counts events that never came.
    pub fn miss(&mut self, events: u64) {
        self.missed = self.missed.saturating_add(events);
    }

    /// How many messages are kept or were dropped.
    pub fn count(&self) -> u64 {
        self.missed.saturating_add(num::counter(self.events.len()))
    }

    /// Everything kept and how many were dropped; nothing is left.
    pub fn take(&mut self) -> (Vec<Arc<EncodedEvent>>, u64) {
        let Self { events, missed, .. } = std::mem::take(self);
        (events.into(), missed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ChannelId, MISSED_UNKNOWN, Message, RawJson, State, Version};
    use crate::line::WindowBounds;
    use crate::protocol::Event;
    use std::time::Duration;

    /// Room for so many events and bytes.
    fn room(replay_events: usize, replay_bytes: usize) -> SessionLimits {
        let window = WindowBounds { events: 0, bytes: 0, age: Duration::ZERO };
        let (channels, connections, init_bytes) = (0, 0, 0);
        SessionLimits { channels, connections, replay_events, replay_bytes, init_bytes, window }
    }

    /// A direct message of so many bytes.
    fn message(bytes: usize) -> Arc<EncodedEvent> {
        let data = RawJson::trusted(format!("\"{}\"", "x".repeat(bytes - 2)));
        let message = Message { event: Arc::from("e"), data };
        Arc::new(EncodedEvent::new(Event::DirectMessage { message, is_unicast: false }))
    }

    #[test]
    fn the_oldest_go_first_and_are_counted() {
        let mut replay = Replay::default();
        let all: Vec<_> = (0..5).map(|_| message(10)).collect();
        for event in &all {
            replay.keep(Arc::clone(event), &room(3, 1 << 20));
        }
        let (kept, missed) = replay.take();
        assert_eq!(missed, 2);
        assert!(kept.iter().zip(&all[2..]).all(|(a, b)| Arc::ptr_eq(a, b)) && kept.len() == 3);
        assert_eq!(replay.take().1, 0);
    }

    #[test]
    fn what_nobody_knows_stays_unknown() {
        let mut replay = Replay::default();
        replay.miss(3);
        replay.miss(MISSED_UNKNOWN);
        for _ in 0..5 {
            replay.keep(message(10), &room(3, 1 << 20));
        }
        replay.put_back(vec![message(10)], &room(3, 1 << 20));
        replay.miss(7);
        assert_eq!(replay.take().1, MISSED_UNKNOWN);
        assert_eq!(replay.take().1, 0, "once");
    }

    #[test]
    fn bytes_are_bounded_too() {
        let mut replay = Replay::default();
        for _ in 0..10 {
            replay.keep(message(872), &room(100, 3000));
        }
        let (kept, missed) = replay.take();
        assert_eq!((kept.len(), missed), (3, 7));
    }

    #[test]
    fn what_comes_back_stands_before_what_came_since_and_the_oldest_still_go_first() {
        let all: Vec<_> = (0..5).map(|_| message(10)).collect();
        for (bound, missed) in [(9, 0), (4, 1), (2, 3)] {
            let mut replay = Replay::default();
            replay.keep(Arc::clone(&all[3]), &room(bound, 1 << 20));
            replay.keep(Arc::clone(&all[4]), &room(bound, 1 << 20));
            replay.put_back(all[..3].to_vec(), &room(bound, 1 << 20));
            let (kept, counted) = replay.take();
            assert_eq!(u64::try_from(all.len() - kept.len()).unwrap(), missed);
            assert_eq!(counted, missed);
            assert!(
                kept.iter().zip(&all[all.len() - kept.len()..]).all(|(a, b)| Arc::ptr_eq(a, b))
            );
        }
    }

    #[test]
    fn what_comes_back_from_two_connections_is_kept_once_and_in_order() {
        let line = LineId::next();
        let all: Vec<_> = (1..=5)
            .map(|number| {
                let data = RawJson::trusted(number.to_string());
                let message = Message { event: Arc::from("e"), data };
                let event = EncodedEvent::new(Event::DirectMessage { message, is_unicast: false });
                Arc::new(event.at(Place { line, number }))
            })
            .collect();
        let whole: usize = all.iter().map(|event| event.size_hint()).sum();
        let room = room(9, 1 << 20);
        // Both were given everything, or one only the end of it; the one that ends first gives back first.
        for first in [&all[..], &all[3..], &all[1..3]] {
            for is_back in [false, true] {
                let mut replay = Replay::default();
                replay.put_back(first.to_vec(), &room);
                if is_back {
                    replay.put_back(all.clone(), &room);
                } else {
                    replay.keep_missing(all.clone(), &room);
                }
                let bytes = replay.bytes;
                let (kept, missed) = replay.take();
                assert!(kept.iter().zip(&all).all(|(a, b)| Arc::ptr_eq(a, b)));
                assert_eq!((kept.len(), missed, bytes), (5, 0, whole));
            }
        }
    }

    #[test]
    fn state_is_not_kept() {
        let mut replay = Replay::default();
        let update = Event::StateUpdate {
            channel: ChannelId::trusted("c"),
            state: State::empty(),
            version: Version(2),
        };
        replay.keep(Arc::new(EncodedEvent::new(update)), &room(10, 1 << 20));
        assert!(replay.take().0.is_empty());
    }
}
