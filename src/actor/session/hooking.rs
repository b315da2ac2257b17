//! What the project's webhooks hear of a session: its subscriptions and what it sends. Who is online on a channel, the
//! channel tells.

use super::{Arc, ChannelId, ConnectionUid, Held, SessionActor, channel, clock, tell};
use crate::domain::event::{Sent, Subscribing};
use crate::domain::{EventKind, HookEvent, Message};

impl SessionActor {
    /// Tells a channel that the session leaves it. Where no actor of the channel hears it, nobody else can tell webhooks.
    pub(super) fn leave_channel(&self, id: &ChannelId, held: &Held, asker: Option<ConnectionUid>) {
        let online = Arc::clone(&self.online_session);
        let leave = channel::Leave { session: self.uid, online, asker };
        let hooks = self.hub.persistence().hooks().clone();
        let (channel, session) = (self.key(id), self.online_session.id.clone());
        match &held.address {
            Some(address) if hooks.wants_online(&self.project) => {
                let told = address.send(leave);
                actix::spawn(async move {
                    if told.await.is_err() {
                        hooks.log().went(&channel, &session, Vec::new);
                    }
                });
            }
            Some(address) => tell(address, leave),
            None => hooks.log().went(&channel, &session, Vec::new),
        }
    }

    /// Tells that the session has ended, and with it its ephemeral subscriptions.
    pub(super) fn ended(&self) {
        for (id, _) in self.subscriptions.iter().filter(|(_, held)| held.is_ephemeral) {
            if let Some(event) = self.subscription_event(EventKind::ChannelUnsubscribed, id, true) {
                self.hub.persistence().hooks().log().add(event);
            }
        }
    }

    /// `channel.subscribed` or `channel.unsubscribed`, if it is wanted and this is a token's session.
    pub(super) fn subscription_event(
        &self,
        kind: EventKind,
        channel: &ChannelId,
        ephemeral: bool,
    ) -> Option<HookEvent> {
        let token = &self.token()?.id;
        if !self.hub.persistence().hooks().wants(&self.project, kind) {
            return None;
        }
        let subscribing = Subscribing { channel, token, ephemeral };
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
