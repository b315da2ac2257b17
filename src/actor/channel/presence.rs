//! Who is in a channel, shown to those who asked for it, where the channel has the capability.
//!
//! A session is in from its first connection until it ends or unsubscribes: its grace hides a flicker.

use super::super::clock;
use super::super::fanout::Order;
use super::super::session::SessionUid;
use super::{ChannelActor, ConnectionRef, Presence, Rename};
use crate::domain::Capabilities;
use crate::protocol::{Dispatch, Event, PresentMember};
use actix::prelude::*;
use std::sync::Arc;

impl ChannelActor {
    /// Whether members are shown.
    fn has_presence(&self) -> bool {
        self.channel.capabilities.contains(Capabilities::PRESENCE)
    }

    /// Tells those who are in that a session comes in, if that is news; the session itself is not among them yet.
    pub(super) fn announce(&mut self, session: SessionUid, ctx: &mut Context<Self>) {
        let news = self.subscribers.come_in(session, clock::now());
        if let Some(member) = news.filter(|_| self.has_presence()) {
            self.broadcast(Event::PresenceJoin { channel: self.key().id.clone(), member }, ctx);
        }
    }

    /// Tells those who are in that a session has left.
    pub(super) fn announce_leave(
        &mut self,
        present: Option<PresentMember>,
        ctx: &mut Context<Self>,
    ) {
        if let Some(member) = present.filter(|_| self.has_presence()) {
            self.broadcast(Event::PresenceLeave { channel: self.key().id.clone(), member }, ctx);
        }
    }

    /// Shows a new connection who is in.
    pub(super) fn show_presence(&mut self, connection: &ConnectionRef) {
        if self.has_presence() {
            let (channel, members) = (self.key().id.clone(), self.subscribers.present());
            let dispatch = Arc::new(Dispatch::new(Event::PresenceState { channel, members }));
            self.outlet
                .send(&connection.fanout, Order::Direct { connection: connection.uid, dispatch });
        }
    }
}

impl Handler<Presence> for ChannelActor {
    type Result = MessageResult<Presence>;

    fn handle(&mut self, _: Presence, _: &mut Context<Self>) -> MessageResult<Presence> {
        MessageResult(self.has_presence().then(|| self.subscribers.present()))
    }
}

impl Handler<Rename> for ChannelActor {
    type Result = ();

    /// Nobody is told: whoever asks from now on sees it.
    fn handle(&mut self, Rename { session, member }: Rename, _: &mut Context<Self>) {
        self.subscribers.rename(session, member);
    }
}
