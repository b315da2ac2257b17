//! A connection on its way in: every subscribed channel hands over a snapshot, then INIT goes out.
//!
//! A channel begins to hand its events to the connection at the very moment of its snapshot; the connection's init buffer
//! holds them back until INIT. So what follows INIT is exactly what happened after the states in it: no gap, no repeat.

use super::{
    Arc, Channel, ChannelActor, ChannelId, Close, CloseCode, ConnectionRef, ConnectionUid,
    Dispatch, Enter, Event, HashSet, Identity, Member, Order, Place, Scope, SessionActor,
    authorizing, channel, clock, tell,
};
use crate::ask::AskError;
use crate::delivery::owed::Kept;
use crate::domain::{RawJson, Register};
use crate::protocol::{Extension, Extensions};
use crate::store::Thing;
use actix::prelude::*;

/// What INIT waits for.
pub(super) struct Entering {
    /// The channels that have not answered.
    waiting: HashSet<ChannelId>,
    /// The answers.
    snapshots: Vec<Channel>,
    /// What the connection asked with.
    enter: Enter,
}

impl Handler<Enter> for SessionActor {
    type Result = Result<(), Close>;

    fn handle(&mut self, enter: Enter, ctx: &mut Context<Self>) -> Result<(), Close> {
        if let Err(close) = self.check(&enter) {
            // The question may be all that this session was begun for.
            self.check_idle(ctx);
            return Err(close);
        }
        if let Some(timer) = self.grace.take() {
            ctx.cancel_future(timer);
        }
        let uid = enter.connection.uid;
        let waiting = self.subscriptions.keys().cloned().collect::<HashSet<_>>();
        let (connection, cid, address) =
            (enter.connection.clone(), enter.cid.clone(), enter.address);
        let entering = Some(Box::new(Entering { waiting, snapshots: Vec::new(), enter }));
        let questions = authorizing::places();
        let (member_connection, since) = (connection.clone(), self.line.last());
        let member =
            Member { connection: member_connection, cid, address, since, entering, questions };
        self.members.insert(uid, member);
        self.had_members = true;
        if self.online.is_none() {
            self.online = self.token().map(|token| self.hub.online().mark(&token.id));
        }
        for channel in self.subscriptions.keys().cloned().collect::<Vec<_>>() {
            if !self.attach(&channel, &connection, ctx) {
                self.look_for(channel, ctx);
            }
        }
        self.finish_entering(uid, ctx);
        Ok(())
    }
}

impl SessionActor {
    /// Refuses a connection that is not to come in.
    fn check(&self, enter: &Enter) -> Result<(), Close> {
        if !self.is_of(&enter.project) {
            return Err(Close::new(CloseCode::InvalidAuth, "invalid token"));
        }
        if self.token().is_some_and(|token| token.is_expired(clock::now())) {
            return Err(Close::new(CloseCode::InvalidAuth, "the token has expired"));
        }
        let limit = self.hub.settings().token_connections;
        if self.members.len() >= limit {
            let reason =
                format!("a token has at most {limit} connections, and this one has as many");
            return Err(Close::new(CloseCode::RateLimited, reason));
        }
        Ok(())
    }

    /// Asks a channel for a snapshot; false if its actor is not known or has gone.
    fn attach(
        &mut self,
        channel: &ChannelId,
        connection: &ConnectionRef,
        ctx: &mut Context<Self>,
    ) -> bool {
        let Some(held) = self.subscriptions.get_mut(channel) else { return true };
        let Some(address) = held.address.as_ref().filter(|address| address.connected()) else {
            return false;
        };
        let attach = channel::Attach {
            session: self.uid,
            address: ctx.address(),
            member: Arc::clone(&self.member),
            named: Arc::clone(&self.named),
            connection: connection.clone(),
        };
        let id = channel.clone();
        let attached = address.send(attach).into_actor(self);
        ctx.spawn(attached.map(move |outcome, actor, ctx| {
            if outcome.is_err() {
                // The channel's actor ended just then, and with it the snapshot: its successor has to give one.
                actor.look_for(id, ctx);
            }
        }));
        true
    }

    /// Finds the actor of a held channel, then asks it for what the connections miss.
    pub(super) fn look_for(&mut self, id: ChannelId, ctx: &mut Context<Self>) {
        let (lock, hub, key) = (self.lock(&id), self.hub.clone(), self.key(&id));
        let found = async move {
            let guard = lock.lock_owned().await;
            (hub.channel(&key).await, guard)
        };
        let found = found.into_actor(self).map(move |(found, guard), actor: &mut Self, ctx| {
            match found {
                Ok(address) => actor.found(&id, &address, ctx),
                Err(error) if error == AskError::not_found(Thing::Channel) => {
                    actor.on_missing(&id, ctx);
                }
                Err(error) => {
                    actor.close_all(&error.close());
                    actor.outlet.settle(ctx);
                }
            }
            actor.unlock(&id, guard, ctx);
        });
        ctx.spawn(found);
    }

    /// A held channel's actor is known (again): connections on their way in need a snapshot, the others the channel.
    fn found(&mut self, id: &ChannelId, address: &Addr<ChannelActor>, ctx: &mut Context<Self>) {
        let Some(held) = self.subscriptions.get(id) else { return };
        let is_return = held.address.as_ref().is_some_and(|known| known != address);
        if held.address.as_ref() == Some(address)
            && address.connected()
            && self.nobody_waits_for(id)
        {
            return;
        }
        if let Some(held) = self.subscriptions.get_mut(id) {
            held.address = Some(address.clone());
        }
        let (mut inside, mut outside) = (Vec::new(), Vec::new());
        for member in self.members.values() {
            match &member.entering {
                Some(entering) if entering.waiting.contains(id) => {
                    outside.push(member.connection.clone());
                }
                Some(_) => {}
                None => inside.push(member.connection.clone()),
            }
        }
        let (session, home) = (self.uid, ctx.address());
        let member = Arc::clone(&self.member);
        let named = Arc::clone(&self.named);
        let connections = inside;
        let subscribe =
            channel::Subscribe { session, address: home, member, named, connections, is_return };
        let (told, wanted) = (address.send(subscribe).into_actor(self), id.clone());
        ctx.spawn(told.map(move |outcome, actor, ctx| {
            if outcome.is_err() {
                // It ended just then and does not know this session, so it could not say so: its successor has to answer.
                actor.look_for(wanted, ctx);
            }
        }));
        for connection in outside {
            self.attach(id, &connection, ctx);
        }
    }

    /// Whether no INIT waits for this channel.
    fn nobody_waits_for(&self, id: &ChannelId) -> bool {
        !self.members.values().any(|m| m.entering.as_ref().is_some_and(|e| e.waiting.contains(id)))
    }

    /// A held channel was not found any more: those who had it are told, which no channel's actor can do now.
    fn on_missing(&mut self, id: &ChannelId, ctx: &mut Context<Self>) {
        if !self.subscriptions.contains_key(id) {
            return;
        }
        let channel = Some(id.as_str().to_owned());
        let gone =
            Event::Unavailable { channel, is_graceful: true, error_code: None, is_unicast: false };
        if !self.members.is_empty() {
            self.dispatch(gone, ctx);
        }
        self.vanished(id, ctx);
    }

    /// A held channel does not exist any more: nobody waits for it.
    pub(super) fn vanished(&mut self, id: &ChannelId, ctx: &mut Context<Self>) {
        let Some(held) = self.subscriptions.shift_remove(id) else { return };
        let log = self.hub.persistence().hooks().log();
        // Where the channel's actor has told of it, this is no news.
        log.went(&self.listed(id, Register::Online), Vec::new);
        if held.is_ephemeral {
            log.strike(&self.listed(id, Register::Ephemeral));
        }
        for uid in self.members.keys().copied().collect::<Vec<_>>() {
            self.stop_waiting(uid, id, ctx);
        }
    }

    /// INIT goes without this channel.
    pub(super) fn stop_waiting(
        &mut self,
        uid: ConnectionUid,
        id: &ChannelId,
        ctx: &mut Context<Self>,
    ) {
        if let Some(entering) = self.members.get_mut(&uid).and_then(|m| m.entering.as_mut()) {
            entering.waiting.remove(id);
            self.finish_entering(uid, ctx);
        }
    }

    /// A channel's snapshot came.
    pub(super) fn on_snapshot(
        &mut self,
        uid: ConnectionUid,
        channel: Channel,
        ctx: &mut Context<Self>,
    ) {
        let Some(entering) = self.members.get_mut(&uid).and_then(|m| m.entering.as_mut()) else {
            return;
        };
        if entering.waiting.remove(&channel.key.id) {
            entering.snapshots.push(channel);
        }
        self.finish_entering(uid, ctx);
    }

    /// Sends INIT once all snapshots are there, with what was kept.
    fn finish_entering(&mut self, uid: ConnectionUid, ctx: &mut Context<Self>) {
        let is_ready =
            |member: &Member| member.entering.as_ref().is_some_and(|e| e.waiting.is_empty());
        let connection_count = self.members.len();
        let limit = self.hub.settings().init_bytes;
        let Some(member) = self.members.get_mut(&uid).filter(|member| is_ready(member)) else {
            return;
        };
        let Some(entering) = member.entering.take() else { return };
        let Entering { mut snapshots, enter, .. } = *entering;
        let ConnectionRef { worker, profile, .. } = member.connection.clone();
        let since = member.since;
        // What was unsubscribed in between is not shown; the rest in the order of subscribing.
        snapshots.retain(|channel| self.subscriptions.contains_key(&channel.key.id));
        snapshots.sort_by_key(|channel| self.subscriptions.get_index_of(&channel.key.id));
        let bytes: usize =
            snapshots.iter().map(|channel| channel.state.json().as_str().len()).sum();
        if bytes > limit {
            let reason =
                format!("the states of this token's channels have {bytes} bytes, at most {limit}");
            self.close(uid, Close::new(CloseCode::RateLimited, reason));
            return self.outlet.settle(ctx);
        }
        let (events, missed) = self.replay.take();
        let kept = Kept { events, missed, home: Some(ctx.address().recipient()) };
        let (metadata, scope) = match &self.identity {
            Identity::Token(token) => (token.metadata(), Scope::Token),
            Identity::Anonymous => (RawJson::null(), Scope::NoAuth),
            Identity::Project => (RawJson::null(), Scope::Project),
        };
        let init = Box::new(Dispatch::new(Event::Init {
            cid: enter.cid,
            connection_count,
            metadata,
            scope,
            channels: snapshots,
            missed,
            extensions: enter.extensions.map(Extensions::names),
        }));
        let direct = Place { line: self.line.id(), number: since };
        self.outlet.send(&worker, Order::Init { connection: uid, init, kept, direct }, profile);
        self.outlet.settle(ctx);
        if enter.extensions.is_some_and(|extensions| extensions.has(Extension::Presence)) {
            // Behind INIT, should that still be on its way.
            let sent = async {}.into_actor(self);
            ctx.spawn(sent.map(move |(), actor, _| actor.ask_who_is_in(uid)));
        }
    }

    /// Asks every channel to show a connection who is in.
    fn ask_who_is_in(&self, uid: ConnectionUid) {
        let Some(member) = self.members.get(&uid) else { return };
        for address in self.subscriptions.values().filter_map(|held| held.address.as_ref()) {
            let (session, connection) = (self.uid, member.connection.clone());
            tell(address, channel::ShowPresence { session, connection });
        }
    }
}
