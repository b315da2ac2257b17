//! What the project's webhooks hear of a session: when it comes online on a channel, when it goes, what it sends.
//!
//! A session is online on a channel from its first connection there until it ends or unsubscribes; what happens to its
//! connections in between is no event.

use super::{ChannelActor, ChannelId, ConnectionUid, SessionActor, channel, clock};
use crate::actor::persistence::Persistence;
use crate::domain::event::{Presence, Sent, Subscribing};
use crate::domain::{EventKind, HookEvent, LeapTokenId, Message, ProjectId, SessionId};
use actix::prelude::*;

/// What an event about a session's coming and going says of the session.
#[derive(Clone)]
struct Who {
    /// The tenant.
    project: ProjectId,
    /// The token, if there is one.
    token: Option<LeapTokenId>,
    /// The session.
    session: SessionId,
}

impl Who {
    /// Asks the channel how many are left and stores the event; a channel that has gone has nobody.
    async fn tell(
        self,
        kind: EventKind,
        channel: ChannelId,
        address: Option<Addr<ChannelActor>>,
        persistence: Persistence,
    ) {
        let online_count = match address {
            Some(address) => address.send(channel::OnlineCount).await.unwrap_or(0),
            None => 0,
        };
        let Self { project, token, session } = &self;
        let presence = Presence { channel: &channel, token: token.as_ref(), session, online_count };
        let event = HookEvent::client(clock::stamp(), kind, project, presence);
        if let Err(error) = persistence.record(vec![event]).await {
            tracing::error!(%error, event = kind.name(), "an event was not stored");
        }
    }
}

impl SessionActor {
    /// Who this is, if some webhook wants to hear of this kind.
    fn who_if_wanted(&self, kind: EventKind) -> Option<Who> {
        self.hub.persistence().hooks().wants(&self.project, kind).then(|| Who {
            project: self.project.clone(),
            token: self.token().map(|token| token.id.clone()),
            session: self.public_id.clone(),
        })
    }

    /// Notes and tells on which channels the session has come online; to be called when it may have.
    pub(super) fn came_online(&mut self) {
        if self.members.is_empty() {
            return;
        }
        let kind = EventKind::ChannelClientConnected;
        let who = self.who_if_wanted(kind);
        for (id, held) in &mut self.subscriptions {
            if held.address.is_none() || std::mem::replace(&mut held.is_online, true) {
                continue;
            }
            if let Some(who) = who.clone() {
                let persistence = self.hub.persistence().clone();
                // The channel has been told of the session before, so its count includes it.
                actix::spawn(who.tell(kind, id.clone(), held.address.clone(), persistence));
            }
        }
    }

    /// Tells that the session has gone from a channel where it `was_online`.
    pub(super) fn went_offline(
        &self,
        id: &ChannelId,
        address: Option<Addr<ChannelActor>>,
        was_online: bool,
    ) {
        let kind = EventKind::ChannelClientDisconnected;
        if let Some(who) = self.who_if_wanted(kind).filter(|_| was_online) {
            let persistence = self.hub.persistence().clone();
            actix::spawn(who.tell(kind, id.clone(), address, persistence));
        }
    }

    /// Tells that the session has ended, and with it its ephemeral subscriptions.
    pub(super) fn ended(&self) {
        for (id, held) in &self.subscriptions {
            self.went_offline(id, held.address.clone(), held.is_online);
            if !held.is_ephemeral {
                continue;
            }
            if let Some(event) = self.subscription_event(EventKind::ChannelUnsubscribed, id, true) {
                let stored = self.hub.persistence().record(vec![event]);
                actix::spawn(async move {
                    if let Err(error) = stored.await {
                        tracing::error!(%error, "an event was not stored");
                    }
                });
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
        let who = self.who_if_wanted(EventKind::ChannelMessage)?;
        let cid = &self.members.get(&connection)?.cid;
        let sent = Sent { channel, token: who.token.as_ref(), connection: cid, message };
        Some(HookEvent::message(clock::stamp(), &who.project, sent))
    }
}
