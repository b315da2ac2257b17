//! What a session without connections keeps for the next one, bounded in number and bytes.

use super::effects::SessionLimits;
use crate::faults::{Fault, is_planted};
use crate::protocol::EncodedEvent;
use std::collections::VecDeque;
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

    /// Keeps events again that came before all others that are kept, in order; drops the oldest past the bound.
    pub fn put_back(&mut self, events: Vec<Arc<EncodedEvent>>, limits: &SessionLimits) {
        for dispatch in events.into_iter().rev() {
            self.bytes += dispatch.size_hint();
            self.events.push_front(dispatch);
        }
        self.cut(limits);
    }

    /// Drops the oldest past the bound and counts them.
    fn cut(&mut self, limits: &SessionLimits) {
        while self.events.len() > limits.replay_events || self.bytes > limits.replay_bytes {
            let Some(oldest) = self.events.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(oldest.size_hint());
            self.missed += u64::from(!is_planted(Fault::DroppedUncounted));
        }
    }

    /// Counts events that never came.
    pub fn miss(&mut self, events: u64) {
        self.missed = self.missed.saturating_add(events);
    }

    /// How many messages are kept or were dropped.
    #[cfg(test)]
    pub fn count(&self) -> u64 {
        self.missed + u64::try_from(self.events.len()).unwrap()
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
    use crate::domain::{ChannelId, Message, RawJson, State, Version};
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
