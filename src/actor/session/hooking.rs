//! What the project's webhooks hear of a session: its subscriptions and what it sends. Who is online on a channel, the
//! channel tells.

use super::super::channel::{self, ChannelActor};
use super::super::clock;
use super::super::shard::NoteSessions;
use super::super::tell::tell;
use super::SessionActor;
use super::acting::SessionActing;
use crate::channel::Card;
use crate::delivery::fanout::ConnectionUid;
use crate::domain::event::{Sent, Subscribing};
use crate::domain::{ChannelId, EventKind, HookEvent, Listed, Message, Register};
use crate::session::Ephemeral;
use actix::prelude::*;
use std::sync::Arc;

/// A session as one that stands in a channel's register.
fn listed(acting: &SessionActing, id: &ChannelId, session: &Card, register: Register) -> Listed {
    Listed { channel: acting.key(id), register, session: Arc::clone(&session.named) }
}

/// Tells a channel that a session leaves it. Where no actor of the channel hears it, nobody else can tell webhooks.
pub(super) fn tell_unsubscribed(
    acting: &SessionActing,
    id: &ChannelId,
    channel: Option<&Addr<ChannelActor>>,
    session: Card,
    asker: Option<ConnectionUid>,
) {
    let hooks = acting.supervisor().persistence().hooks().clone();
    let online = listed(acting, id, &session, Register::Online);
    let leave = channel::Unsubscribe { session: session.uid, named: session.named, asker };
    match channel {
        Some(address) if hooks.wants_register(acting.project(), Register::Online) => {
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

/// A channel that a session held is gone; where the channel's actor has told of it, this is no news.
pub(super) fn vanished(acting: &SessionActing, id: &ChannelId, session: &Card, is_ephemeral: bool) {
    let log = acting.supervisor().persistence().hooks().log();
    log.went(&listed(acting, id, session, Register::Online), Vec::new);
    if is_ephemeral {
        log.strike(&listed(acting, id, session, Register::Ephemeral));
    }
}

/// Something becomes of an ephemeral subscription.
pub(super) fn ephemeral(acting: &SessionActing, id: &ChannelId, session: &Card, what: Ephemeral) {
    let hooks = acting.supervisor().persistence().hooks();
    if !hooks.wants_register(acting.project(), Register::Ephemeral) {
        return;
    }
    let listed = listed(acting, id, session, Register::Ephemeral);
    match what {
        Ephemeral::Made => hooks.log().came(&listed, Vec::new),
        Ephemeral::Replaced => hooks.log().strike(&listed),
        Ephemeral::Ended => {
            // It may have been made before anybody wanted to hear.
            hooks.log().note_one(listed.clone());
            hooks.log().went(&listed, Vec::new);
        }
    }
}

impl SessionActor {
    /// It goes on elsewhere, with its ephemeral subscriptions: none has ended.
    pub(super) fn strike_ephemeral(&self) {
        let (log, card) = (self.supervisor().persistence().hooks().log(), self.machine.card());
        for subscription in self.machine.ephemeral() {
            log.strike(&listed(&self.acting, &subscription.channel, &card, Register::Ephemeral));
        }
    }

    /// It has come from another server, where webhooks have heard of all that it has.
    pub(super) fn note_moved(&self) {
        let (log, card) = (self.supervisor().persistence().hooks().log(), self.machine.card());
        for id in self.machine.moved_channels() {
            log.note_one(listed(&self.acting, id, &card, Register::Online));
        }
        for subscription in self.machine.ephemeral() {
            log.note_one(listed(&self.acting, &subscription.channel, &card, Register::Ephemeral));
        }
    }

    /// `channel.subscribed` or `channel.unsubscribed` of a permanent subscription, if it is wanted and this is a token's
    /// session.
    pub(super) fn subscription_event(
        &self,
        kind: EventKind,
        channel: &ChannelId,
    ) -> Option<HookEvent> {
        let (token, project) = (&self.machine.token()?.id, self.machine.project());
        if !self.supervisor().persistence().hooks().wants(project, kind) {
            return None;
        }
        let subscribing = Subscribing { channel, token, ephemeral: false };
        Some(HookEvent::subscription(clock::stamp(), kind, project, subscribing))
    }

    /// `channel.message` for what a connection sends, if it is wanted.
    pub(super) fn message_event(
        &self,
        connection: ConnectionUid,
        channel: &ChannelId,
        message: &Message,
    ) -> Option<HookEvent> {
        let (kind, project) = (EventKind::ChannelMessage, self.machine.project());
        if !self.supervisor().persistence().hooks().wants(project, kind) {
            return None;
        }
        let (cid, _) = self.machine.client(connection)?;
        let token = self.machine.token().map(|token| &token.id);
        let sent = Sent { channel, token, connection: cid, message };
        Some(HookEvent::message(clock::stamp(), project, sent))
    }
}

impl Handler<NoteSessions> for SessionActor {
    type Result = ();

    /// Passed on by the shard to every session, because it does not know whose project is which.
    fn handle(&mut self, NoteSessions(project): NoteSessions, _: &mut Context<Self>) {
        if !self.machine.is_of(&project) || self.machine.token().is_none() {
            return;
        }
        let (log, card) = (self.supervisor().persistence().hooks().log(), self.machine.card());
        for subscription in self.machine.ephemeral() {
            let id = &subscription.channel;
            log.note_one(listed(&self.acting, id, &card, Register::Ephemeral));
        }
    }
}
