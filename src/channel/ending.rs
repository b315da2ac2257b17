//! How a channel ends: deleted by the back end, or by itself when it is ephemeral and its last subscriber is gone.

use super::ChannelMachine;
use super::effects::{ChannelEffects, Word};
use crate::delivery::fanout::Order;
use crate::domain::Capabilities;
use crate::faults::{Fault, is_planted};
use crate::protocol::{EncodedEvent, Event};
use std::sync::Arc;

impl<E: ChannelEffects> ChannelMachine<E> {
    /// The back end deletes the channel. Changes that come meanwhile find no channel in the store; that is no reason to end
    /// before everybody was told of the deletion.
    pub const fn begin_deletion(&mut self) {
        self.deletions += 1;
    }

    /// What came of that. One that was reported as failed may stand after all.
    pub fn end_deletion(&mut self, is_deleted: bool, effects: &mut E) {
        self.deletions -= 1;
        if is_deleted {
            self.deleted(effects);
        } else {
            self.doubt(effects);
        }
    }

    /// Tells everybody that the channel has gone, and ends.
    pub fn deleted(&mut self, effects: &mut E) {
        let dispatch = Arc::new(EncodedEvent::new(self.gone()));
        self.dissolve(Some(&dispatch), effects);
        for connection in self.subscribers.late() {
            effects.hand_one(connection, &dispatch);
        }
        self.tell_deleted(effects);
        self.changes.end(effects);
        effects.stop();
    }

    /// Its project was deleted. Nobody is told `UNAVAILABLE`: all who could hear it are being closed with 4001.
    pub fn project_deleted(&mut self, effects: &mut E) {
        self.tell_deleted(effects);
        effects.stop();
    }

    /// It ends, also by a crash: unless the channel was deleted, its sessions look for the next one, which has rooms of its
    /// own.
    pub fn ended(&self, effects: &mut E) {
        if !self.is_deleted {
            self.dissolve(None, effects);
            for session in self.subscribers.sessions() {
                effects.tell(session, Word::Died);
            }
        }
    }

    /// Takes every connection out of the fan-outs' rooms, with a last word if there is one.
    fn dissolve(&self, last: Option<&Arc<EncodedEvent>>, effects: &mut E) {
        let forms = self.subscribers.profiles();
        for worker in self.subscribers.workers() {
            let dispatch = last.map(Arc::clone);
            effects.order(worker, Order::Dissolve { channel: self.line.id(), dispatch }, forms);
        }
    }

    /// Tells every session that there is no such channel any more; nobody looks for another machine of it.
    fn tell_deleted(&mut self, effects: &mut E) {
        self.is_deleted = true;
        effects.forget();
        for session in self.subscribers.sessions() {
            effects.tell(session, Word::Deleted);
        }
    }

    /// What subscribers hear when they are subscribed no more.
    pub(super) fn gone(&self) -> Event {
        Event::Unavailable {
            channel: Some(self.key().id.as_str().to_owned()),
            is_graceful: true,
            error_code: None,
            is_unicast: false,
        }
    }

    /// Whether the channel is to go with its last subscriber.
    const fn is_ephemeral(&self) -> bool {
        self.channel.capabilities.contains(Capabilities::EPHEMERAL)
    }

    /// Notes in the store that an ephemeral channel has had a subscriber: after a restart nobody else knows.
    ///
    /// A token that was subscribed by the back end and has never been online is none yet: else the channel would end
    /// before anybody could come.
    pub(super) fn mark_subscribed(&mut self, effects: &mut E) {
        let is_planted = is_planted(Fault::SubscriberUnnoted);
        if !self.is_marked && self.is_ephemeral() && self.had_subscriber && !is_planted {
            self.is_marked = true;
            effects.mark_subscribed();
        }
    }

    /// Whether the store took that.
    pub const fn marked(&mut self, is_marked: bool) {
        self.is_marked = is_marked;
    }

    /// After a start, when sessions have had their time to come back: one that nobody came back to ends. The store knew of
    /// a subscriber.
    pub fn sweep(&mut self, effects: &mut E) {
        self.had_subscriber = true;
        if is_planted(Fault::SweptThoughHeard) && self.is_ephemeral() {
            return effects.delete();
        }
        self.end_if_ephemeral(effects);
    }

    /// Nobody has used it for a while: whether it may sleep. One that is there still though its last subscriber has gone, as
    /// the store took no deletion then, tries again instead.
    pub fn may_sleep(&self, effects: &mut E) -> bool {
        let is_left_over = self.is_ephemeral() && self.had_subscriber && !self.is_deleted;
        if is_left_over {
            self.end_if_ephemeral(effects);
        }
        !is_left_over
    }

    /// Deletes an ephemeral channel that has lost its last subscriber; nobody gets in meanwhile.
    pub(super) fn end_if_ephemeral(&self, effects: &mut E) {
        let is_left = self.had_subscriber && self.subscribers.is_empty();
        let is_planted = is_planted(Fault::PassingStays);
        if self.is_ephemeral() && is_left && !self.is_deleted && !is_planted {
            effects.delete();
        }
    }
}
