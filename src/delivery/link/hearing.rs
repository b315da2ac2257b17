//! The channels that a connection hears, and those that its client waits to hear.

use super::Link;
use crate::domain::{LineId, Place};

impl Link {
    /// From now on it hears what comes behind this place of a line.
    pub(in crate::delivery) fn hear(&self, from: Place) {
        self.send_queue.borrow_mut().hear(from);
    }

    /// Remembers a channel; tells whether it is new.
    pub(in crate::delivery) fn add_channel(&self, channel: LineId) -> bool {
        let mut channels = self.channels.borrow_mut();
        let is_new = !channels.contains(&channel);
        if is_new {
            self.pressure.cells().tallies.subscriptions_begun.add(1);
            channels.push(channel);
        }
        is_new
    }

    /// Whether the fan-out has it under any channel.
    pub(in crate::delivery) fn has_channels(&self) -> bool {
        !self.channels.borrow().is_empty()
    }

    /// Whether the fan-out has it under this channel.
    pub(in crate::delivery) fn hears(&self, channel: LineId) -> bool {
        self.channels.borrow().contains(&channel)
    }

    /// Its channel, where there is exactly one.
    pub(in crate::delivery) fn only_channel(&self) -> Option<LineId> {
        match self.channels.borrow().as_slice() {
            [only] => Some(*only),
            _ => None,
        }
    }

    /// Forgets a channel.
    pub(in crate::delivery) fn remove_channel(&self, channel: LineId) {
        let mut channels = self.channels.borrow_mut();
        let before = channels.len();
        channels.retain(|known| *known != channel);
        let gone = before - channels.len();
        drop(channels);
        self.pressure.cells().tallies.subscriptions_ended.add_size(gone);
        self.send_queue.borrow_mut().detach(channel);
    }

    /// All its channels, forgotten with this.
    pub(in crate::delivery) fn take_channels(&self) -> Vec<LineId> {
        let channels = self.channels.take();
        self.pressure.cells().tallies.subscriptions_ended.add_size(channels.len());
        channels
    }

    /// Notes that the client waits for a channel to be `AVAILABLE`.
    pub fn await_available(&self, channel: &str) {
        self.awaited.borrow_mut().push(channel.into());
    }

    /// Whether it waits for that still: `AVAILABLE` is not even in its queue.
    pub fn awaits_available(&self, channel: &str) -> bool {
        self.awaited.borrow().iter().any(|awaited| **awaited == *channel)
    }

    /// Notes that all but so many questions about a channel have been answered, one way or the other.
    pub fn settle_available(&self, channel: &str, left: usize) {
        let mut awaited = self.awaited.borrow_mut();
        let mut more = awaited.iter().filter(|name| ***name == *channel).count();
        awaited.retain(|name| {
            let is_answered = **name == *channel && more > left;
            more -= usize::from(is_answered);
            !is_answered
        });
        if awaited.is_empty() {
            // An idle connection should not keep the room that a burst needed.
            *awaited = Vec::new();
        }
    }

    /// A channel's `AVAILABLE` is on its way: one question about it has its answer.
    pub(super) fn heard_available(&self, channel: &str) {
        let mut awaited = self.awaited.borrow_mut();
        if let Some(at) = awaited.iter().position(|name| **name == *channel) {
            awaited.remove(at);
        }
    }
}
