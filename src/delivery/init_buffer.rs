//! What is held back from a connection until its INIT is out.
//!
//! A connection that is just entering is not slow, so it is not closed for what is said meanwhile. Past the bound, what
//! something later has made void goes first, then the oldest messages; INIT counts those in `missed`. What is left then is
//! at most one state of each of its channels.

use super::flight::FlightCount;
use crate::protocol::{EncodedEvent, Event};
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

/// What is held back.
#[derive(Debug, Default)]
pub(super) struct InitBuffer {
    /// The events, in order.
    held: VecDeque<Arc<EncodedEvent>>,
    /// Roughly their bytes.
    bytes: usize,
    /// At so many it is looked for what can go; not before the bound is reached.
    look_at: usize,
    /// How many messages went.
    dropped: u64,
    /// How many of those stand on no line.
    dropped_strays: u64,
}

impl InitBuffer {
    /// Holds an event back, within so many bytes where that is possible.
    pub(super) fn hold(&mut self, dispatch: &Arc<EncodedEvent>, limit: usize) {
        self.bytes = self.bytes.saturating_add(dispatch.size_hint());
        self.held.push_back(Arc::clone(dispatch));
        if self.bytes > limit.max(self.look_at) {
            self.shrink(limit);
        }
    }

    /// Lets go of as much as can go, some more than has to: it costs a look at everything.
    fn shrink(&mut self, limit: usize) {
        let enough = limit - limit / 4;
        self.drop_void();
        self.drop_messages(enough);
        self.look_at = self.bytes.saturating_add(limit / 4);
    }

    /// Drops what a later event has made void: all but the last word about each state and each subscription.
    fn drop_void(&mut self) {
        let (mut states, mut others, mut lost) = (HashSet::new(), HashSet::new(), HashSet::new());
        let mut has_own_state = false;
        let keep: Vec<_> = self
            .held
            .iter()
            .rev()
            .map(|dispatch| match dispatch.event() {
                Event::StateUpdate { channel, .. } => {
                    let is_last =
                        !others.contains(channel.as_str()) && states.insert(channel.as_str());
                    if !is_last {
                        lost.insert(channel.clone());
                    }
                    is_last
                }
                Event::Available { channel, .. } => others.insert(channel.key.id.as_str()),
                Event::Unavailable { channel: Some(channel), is_unicast: false, .. } => {
                    others.insert(channel)
                }
                Event::TokenStateUpdate { .. } => !std::mem::replace(&mut has_own_state, true),
                _ => true,
            })
            .collect();
        let mut keep = keep.into_iter().rev();
        self.held.retain(|_| keep.next().unwrap_or(true));
        // Nobody can apply a patch to a state that was let go.
        for dispatch in &mut self.held {
            if matches!(dispatch.event(), Event::StateUpdate { channel, .. } if lost.contains(channel))
            {
                *dispatch = Arc::new(dispatch.whole());
            }
        }
        self.bytes = self.held.iter().map(|dispatch| dispatch.size_hint()).sum();
    }

    /// Drops the oldest messages, until no more than so many bytes are left; never the newest event.
    fn drop_messages(&mut self, enough: usize) {
        let newest = self.held.pop_back();
        let (bytes, mut dropped, mut strays) = (&mut self.bytes, 0, 0);
        self.held.retain(|dispatch| {
            let goes = *bytes > enough && dispatch.event().is_message();
            if goes {
                *bytes -= dispatch.size_hint();
                dropped += 1;
                strays += u64::from(FlightCount::of(dispatch).strays);
            }
            !goes
        });
        self.dropped += dropped;
        self.dropped_strays += strays;
        self.held.extend(newest);
    }

    /// What is held back, in order.
    pub(super) fn held(&self) -> impl Iterator<Item = &Arc<EncodedEvent>> {
        self.held.iter()
    }

    /// How many messages went.
    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// How many of all messages stand on no line.
    pub(super) fn strays(&self) -> u64 {
        let held = self.held.iter().map(|dispatch| u64::from(FlightCount::of(dispatch).strays));
        held.sum::<u64>().saturating_add(self.dropped_strays)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ChannelId, Message, RawJson, State, Version};
    use crate::protocol::Profile;

    /// A message of about so many bytes.
    fn message(name: &str, bytes: usize) -> Arc<EncodedEvent> {
        let data = RawJson::trusted(format!("\"{}\"", "x".repeat(bytes)));
        let message = Message { event: name.into(), data };
        Arc::new(EncodedEvent::new(Event::DirectMessage { message, is_unicast: false }))
    }

    /// A state of about so many bytes.
    fn state(channel: &str, number: i64, bytes: usize) -> Arc<EncodedEvent> {
        let text = format!(r#"{{"x":"{}"}}"#, "x".repeat(bytes));
        let state = State::trusted(&text);
        let (channel, version) = (ChannelId::parse(channel).unwrap(), Version(number));
        Arc::new(EncodedEvent::new(Event::StateUpdate { channel, state, version }))
    }

    /// What is held, in order.
    fn names(init_buffer: &InitBuffer) -> Vec<String> {
        let name = |dispatch: &Arc<EncodedEvent>| match dispatch.event() {
            Event::DirectMessage { message, .. } => message.event.to_string(),
            Event::StateUpdate { channel, version, .. } => {
                format!("{}{}", channel.as_str(), version.0)
            }
            Event::Unavailable { channel, .. } => format!("-{}", channel.clone().unwrap()),
            other => panic!("{other:?}"),
        };
        init_buffer.held().map(name).collect()
    }

    #[test]
    fn within_the_bound_everything_is_held_in_order() {
        let mut init_buffer = InitBuffer::default();
        for dispatch in [state("a", 1, 10), message("m", 10), state("a", 2, 10)] {
            init_buffer.hold(&dispatch, 1000);
        }
        assert_eq!(names(&init_buffer), ["a1", "m", "a2"]);
        assert_eq!((init_buffer.dropped(), init_buffer.strays()), (0, 1));
    }

    #[test]
    fn void_states_go_first_and_no_channel_loses_its_last() {
        let mut init_buffer = InitBuffer::default();
        init_buffer.hold(&message("m", 10), 4000);
        for number in 1..=100 {
            init_buffer.hold(&state("a", number, 300), 4000);
            init_buffer.hold(&state("b", number, 300), 4000);
        }
        let names = names(&init_buffer);
        assert_eq!(names[0], "m", "{names:?}");
        assert_eq!(names[names.len() - 2..], ["a100", "b100"]);
        assert!(init_buffer.bytes <= 4000 && init_buffer.dropped() == 0, "{}", init_buffer.bytes);
    }

    #[test]
    fn where_a_state_has_gone_the_one_behind_it_is_whole() {
        let mut init_buffer = InitBuffer::default();
        let at =
            |number: i64| State::trusted(&format!(r#"{{"x":"{}","n":{number}}}"#, "x".repeat(300)));
        let follows = |number: i64| {
            let (channel, state) = (ChannelId::trusted("a"), at(number));
            let event = Event::StateUpdate { channel, state, version: Version(number) };
            let event = EncodedEvent::new(event);
            Arc::new(event.after(at(number - 1), Version(number - 1)))
        };
        let deltas = Profile { has_versions: true, has_deltas: true, ..Profile::default() };
        let is_whole = |dispatch: &Arc<EncodedEvent>| {
            let frame = dispatch.frame(deltas);
            !frame.windows(7).any(|window| window == b"\"from\":")
        };
        assert!(!is_whole(&follows(2)));
        for number in 2..=6 {
            init_buffer.hold(&follows(number), 2000);
        }
        // Some have gone, and what came behind those that were left goes on from them.
        let held: Vec<_> = init_buffer.held().map(is_whole).collect();
        assert!(held.len() < 5 && held[0], "{held:?}");
        assert!(held[1..].iter().all(|is_whole| !is_whole), "{held:?}");
    }

    #[test]
    fn then_the_oldest_messages_go_and_are_counted() {
        let mut init_buffer = InitBuffer::default();
        init_buffer.hold(&state("a", 1, 10), 4000);
        for number in 0..100 {
            init_buffer.hold(&message(&number.to_string(), 300), 4000);
        }
        let names = names(&init_buffer);
        let kept: Vec<u64> = names[1..].iter().map(|name| name.parse().unwrap()).collect();
        assert_eq!(names[0], "a1");
        assert_eq!(kept, (init_buffer.dropped()..100).collect::<Vec<_>>(), "without a gap");
        assert!(init_buffer.dropped() > 0 && init_buffer.bytes <= 4000, "{}", init_buffer.bytes);
        assert_eq!(init_buffer.strays(), 100, "also those that went are told if it leaves");
    }

    #[test]
    fn one_message_of_any_size_is_held_and_so_is_the_last_word_about_each_channel() {
        let mut init_buffer = InitBuffer::default();
        let unavailable = Event::Unavailable {
            channel: Some("b".to_owned()),
            is_graceful: true,
            error_code: None,
            is_unicast: false,
        };
        for dispatch in [
            state("b", 1, 10),
            message("small", 10),
            Arc::new(EncodedEvent::new(unavailable)),
            state("a", 1, 9000),
            message("large", 9000),
        ] {
            init_buffer.hold(&dispatch, 1000);
        }
        assert_eq!(names(&init_buffer), ["-b", "a1", "large"]);
        assert_eq!(init_buffer.dropped(), 1);
    }

    #[test]
    fn what_cannot_go_is_not_looked_at_again_and_again() {
        let mut init_buffer = InitBuffer::default();
        let mut looks = 0;
        for number in 0..1000 {
            let before = init_buffer.look_at;
            init_buffer.hold(&state(&number.to_string(), 1, 100), 10_000);
            looks += u32::from(init_buffer.look_at != before);
        }
        assert_eq!(init_buffer.held().count(), 1000);
        assert!(looks < 120, "{looks}");
    }
}
