//! How a channel ends: deleted by the back end, or by itself when it is ephemeral and its last subscriber is gone.

use super::super::ask::AskError;
use super::super::session::FromChannel;
use super::{ChannelActor, Delete, Sweep, hooking};
use crate::delivery::fanout::Order;
use crate::domain::{Capabilities, EventKind};
use crate::protocol::{Dispatch, Event};
use crate::store::WriteStore;
use actix::prelude::*;
use std::sync::Arc;

impl Handler<Delete> for ChannelActor {
    type Result = ResponseActFuture<Self, Result<(), AskError>>;

    /// Changes that come meanwhile find no channel in the store; that is no reason for the actor to end before it has told
    /// of its deletion.
    fn handle(&mut self, _: Delete, _: &mut Context<Self>) -> Self::Result {
        let write = self.delete();
        self.deletions += 1;
        Box::pin(write.into_actor(self).map(|outcome, actor, ctx| {
            actor.deletions -= 1;
            if outcome.is_ok() {
                actor.on_deleted(ctx);
            } else if actor.changes.needs_reload() {
                actor.reload(ctx);
            }
            outcome
        }))
    }
}

impl ChannelActor {
    /// Deletes the channel from the store.
    fn delete(&self) -> impl Future<Output = Result<(), AskError>> + use<> {
        let key = self.key().clone();
        let kind = EventKind::ChannelDeleted;
        let delete = move |store: &mut dyn WriteStore| store.delete_channel(&key);
        hooking::write_causing(&self.around, kind, &self.channel, delete)
    }

    /// Tells everybody that the channel has gone, and ends.
    pub(super) fn on_deleted(&mut self, ctx: &mut Context<Self>) {
        let dispatch = Arc::new(Dispatch::new(self.gone()));
        self.dissolve(Some(&dispatch));
        self.tell_deleted(ctx);
        self.changes.end();
        ctx.stop();
    }

    /// Takes every connection out of the fan-outs' rooms, with a last word if there is one.
    pub(super) fn dissolve(&mut self, last: Option<&Arc<Dispatch>>) {
        let forms = self.subscribers.profiles();
        for fanout in self.subscribers.fanouts() {
            let dispatch = last.map(Arc::clone);
            self.outlet.send(fanout, Order::Dissolve { channel: self.line.id(), dispatch }, forms);
        }
        self.outlet.leave_behind();
    }

    /// Tells every session that there is no such channel any more; nobody looks for another actor of it.
    pub(super) fn tell_deleted(&mut self, ctx: &Context<Self>) {
        self.is_deleted = true;
        self.around.persistence.hooks().log().deleted(self.key());
        let (channel, address) = (self.key().id.clone(), ctx.address());
        self.tell_sessions(|| FromChannel::Deleted {
            channel: channel.clone(),
            address: address.clone(),
        });
    }
}

impl ChannelActor {
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
    fn is_ephemeral(&self) -> bool {
        self.channel.capabilities.contains(Capabilities::EPHEMERAL)
    }

    /// Notes in the store that an ephemeral channel has had a subscriber: after a restart nobody else knows.
    ///
    /// A token that was subscribed by the back end and has never been online is none yet: else the channel would end
    /// before anybody could come.
    pub(super) fn mark_subscribed(&mut self, ctx: &mut Context<Self>) {
        if self.is_marked || !self.is_ephemeral() || !self.had_subscriber {
            return;
        }
        self.is_marked = true;
        let key = self.key().clone();
        let write = self.around.persistence.write(move |store| store.mark_subscribed(&key));
        ctx.spawn(
            write.into_actor(self).map(|outcome, actor, _| actor.is_marked = outcome.is_ok()),
        );
    }

    /// Deletes an ephemeral channel that has lost its last subscriber; nobody gets in meanwhile.
    pub(super) fn end_if_ephemeral(&mut self, ctx: &mut Context<Self>) {
        let is_left = self.had_subscriber && self.subscribers.is_empty();
        if !self.is_ephemeral() || !is_left || self.is_deleted {
            return;
        }
        let write = self.delete();
        ctx.wait(write.into_actor(self).map(|outcome, actor, ctx| {
            if outcome.is_ok() {
                actor.on_deleted(ctx);
            }
        }));
    }
}

impl Handler<Sweep> for ChannelActor {
    type Result = ();

    fn handle(&mut self, _: Sweep, ctx: &mut Context<Self>) {
        // The store knew of one.
        self.had_subscriber = true;
        self.end_if_ephemeral(ctx);
    }
}
