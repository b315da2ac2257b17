//! What the project's webhooks hear of a session: its subscriptions and what it sends. Who is online on a channel, the
//! channel tells.

use super::super::shard::NoteSessions;
use super::{Arc, ChannelId, ConnectionUid, Held, SessionActor, channel, clock, tell};
use crate::domain::event::{Sent, Subscribing};
use crate::domain::{EventKind, HookEvent, Listed, Message, Register};
use actix::prelude::*;

impl SessionActor {
    /// The session as one that stands in a channel's register.
    pub(super) fn listed(&self, id: &ChannelId, register: Register) -> Listed {
        Listed { channel: self.key(id), register, session: Arc::clone(&self.named) }
    }

    /// Tells a channel that the session leaves it. Where no actor of the channel hears it, nobody else can tell webhooks.
    pub(super) fn leave_channel(&self, id: &ChannelId, held: &Held, asker: Option<ConnectionUid>) {
        let named = Arc::clone(&self.named);
        let leave = channel::Leave { session: self.uid, named, asker };
        let hooks = self.hub.persistence().hooks().clone();
        let online = self.listed(id, Register::Online);
        match &held.address {
            Some(address) if hooks.wants_register(&self.project, Register::Online) => {
                let told = address.send(leave);
                actix::spawn(async move {
                    if told.await.is_err() {
                        hooks.log().went(&online, Vec::new);
                    }
                });
            }
            Some(address) => tell(address, leave),
            None => hooks.log().went(&online, Vec::new),
        }
    }

    /// Tells that an ephemeral subscription was made or has ended. One that becomes permanent has not: that it is
    /// permanent, the store tells.
    pub(super) fn tell_ephemeral(&self, id: &ChannelId, was: bool, is: bool) {
        let hooks = self.hub.persistence().hooks();
        if was == is
            || self.token().is_none()
            || !hooks.wants_register(&self.project, Register::Ephemeral)
        {
            return;
        }
        let listed = self.listed(id, Register::Ephemeral);
        if is {
            hooks.log().came(&listed, Vec::new);
        } else if self.subscriptions.contains_key(id) {
            hooks.log().strike(&listed);
        } else {
            // It may have been made before anybody wanted to hear.
            hooks.log().note_one(listed.clone());
            hooks.log().went(&listed, Vec::new);
        }
    }

    /// Tells that the session has ended, and with it its ephemeral subscriptions.
    pub(super) fn ended(&mut self) {
        for (id, held) in std::mem::take(&mut self.subscriptions) {
            self.tell_ephemeral(&id, held.is_ephemeral, false);
        }
    }

    /// `channel.subscribed` or `channel.unsubscribed` of a permanent subscription, if it is wanted and this is a token's
    /// session.
    pub(super) fn subscription_event(
        &self,
        kind: EventKind,
        channel: &ChannelId,
    ) -> Option<HookEvent> {
        let token = &self.token()?.id;
        if !self.hub.persistence().hooks().wants(&self.project, kind) {
            return None;
        }
        let subscribing = Subscribing { channel, token, ephemeral: false };
        Some(HookEvent::subscription(clock::stamp(), kind, &self.project, subscribing))
    }

    /// `channel.message` for what a connection sends, if it is wanted.
    pub(super) fn message_event(
        &self,
        connection: ConnectionUid,
        channel: &ChannelId,
        message: &Message,
    ) -> Option<HookEvent> {
        let kind = EventKind::ChannelMessage;
        if !self.hub.persistence().hooks().wants(&self.project, kind) {
            return None;
        }
        let cid = &self.members.get(&connection)?.cid;
        let token = self.token().map(|token| &token.id);
        let sent = Sent { channel, token, connection: cid, message };
        Some(HookEvent::message(clock::stamp(), &self.project, sent))
    }
}

impl Handler<NoteSessions> for SessionActor {
    type Result = ();

    /// Passed on by the shard to every session, because it does not know whose project is which.
    fn handle(&mut self, NoteSessions(project): NoteSessions, _: &mut Context<Self>) {
        if !self.is_of(&project) || self.token().is_none() {
            return;
        }
        for (id, _) in self.subscriptions.iter().filter(|(_, held)| held.is_ephemeral) {
            self.hub.persistence().hooks().log().note_one(self.listed(id, Register::Ephemeral));
        }
    }
}
