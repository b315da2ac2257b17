//! A connection on its way in: every subscribed channel hands over a snapshot, then INIT goes out.
//!
//! A channel begins to hand its events to the connection at the very moment of its snapshot; the connection's init buffer
//! holds them back until INIT. So what follows INIT is exactly what happened after the states in it: no gap, no repeat.

use super::effects::{SessionEffects, ToChannel};
use super::resumers::Given;
use super::resuming::GoingOn;
use super::{Attendant, Expiry, Identity, SessionMachine};
use crate::channel::{ConnectionRef, Moment, Snapshot};
use crate::delivery::fanout::{ConnectionUid, Order};
use crate::delivery::owed::Kept;
use crate::domain::{Channel, ChannelId, ConnectionId, Place, ProjectId, RawJson, Resume, Since};
use crate::line::Recovery;
use crate::protocol::{
    Close, CloseCode, EncodedEvent, Event, Extension, Extensions, InitStanding, Scope,
};
use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::time::Instant;

/// A connection that wants to come in.
#[derive(Clone)]
pub struct Connect<W> {
    /// The project that the client named; the token must be one of its.
    pub project: ProjectId,
    /// The connection.
    pub connection: ConnectionRef<W>,
    /// Its public id.
    pub cid: ConnectionId,
    /// Where its client is, where the socket tells.
    pub address: Option<IpAddr>,
    /// The extensions that it was granted; none if it did not ask.
    pub extensions: Option<Extensions>,
    /// From where it wants to go on, if it was granted that.
    pub resume: Option<Arc<Resume>>,
    /// Until when it may be there, if it comes with a JSON Web Token.
    pub expiry: Option<Expiry>,
}

impl<W> Connect<W> {
    /// Whether its client knows what to do about an expired token.
    pub fn knows_expiry(&self) -> bool {
        self.extensions.is_some_and(|granted| granted.has(Extension::Refresh))
    }

    /// From where it wants to go on on a channel's line.
    fn since(&self, id: &ChannelId) -> Option<Since> {
        self.resume.as_ref()?.channels.get(id).copied()
    }
}

/// What came of looking for a channel.
pub enum Sought<C> {
    /// Here it is.
    Found(C),
    /// There is no such channel any more.
    Missing,
    /// Nobody knows; those who wait for it are sent away so.
    Unknown(Close),
}

/// Connections that a channel is made known to.
pub(super) struct Newcomers<W> {
    /// Those past their INIT: they hear `AVAILABLE`.
    pub(super) inside: Vec<ConnectionRef<W>>,
    /// Those on their way in: they find it in their INIT.
    pub(super) outside: Vec<ConnectionRef<W>>,
}

/// What INIT waits for.
pub(super) struct Connecting<W> {
    /// The channels that have not answered.
    pub(super) waiting: HashSet<ChannelId>,
    /// The answers.
    snapshots: Vec<Snapshot>,
    /// What the session's own line has for it.
    direct: Recovery,
    /// What the connection asked with.
    connect: Connect<W>,
}

impl<W> Connecting<W> {
    /// Whether its client names a position on a channel's line.
    pub(super) fn names(&self, id: &ChannelId) -> bool {
        self.connect.since(id).is_some()
    }
}

impl<E: SessionEffects> SessionMachine<E> {
    /// Takes a connection in; INIT follows on the ordered way.
    ///
    /// # Errors
    /// How it is closed if it is not to come in.
    pub fn connect(
        &mut self,
        connect: Connect<E::Worker>,
        now: Moment,
        effects: &mut E,
    ) -> Result<(), Close> {
        if let Err(close) = self.check(&connect, now, effects) {
            // The question may be all that this session was begun for.
            self.check_idle(effects);
            return Err(close);
        }
        if std::mem::take(&mut self.has_grace) {
            effects.stop_grace();
        }
        let (connection, cid, address) =
            (connect.connection.clone(), connect.cid.clone(), connect.address);
        let (uid, since) = (connection.uid, self.line.last());
        let waiting = self.subscriptions.keys().cloned().collect();
        let named = connect.resume.as_ref().and_then(|resume| resume.direct);
        let mut direct = self.line.recover(named);
        let read = self.read_upto(named);
        let mail_since = self.resume_mail(&read, &direct, effects);
        let left_out = self.without_repeats(&read, &mut direct.events);
        let is_whole = direct.standing.recovered == Some(true);
        let begins = named.and_then(|Since(named)| named).filter(|_| is_whole);
        let keeps_positions =
            connect.extensions.is_some_and(|granted| granted.has(Extension::Resume));
        let from = begins.unwrap_or(self.line.position()).offset;
        let given = keeps_positions.then_some(Given { from, left_out });
        let (snapshots, expiry) = (Vec::new(), connect.expiry);
        let connecting = Some(Box::new(Connecting { waiting, snapshots, direct, connect }));
        let attendant = Attendant {
            connection: connection.clone(),
            cid,
            address,
            since,
            mail_since,
            given,
            came: now.instant,
            expiry,
            connecting,
        };
        self.connections.insert(uid, attendant);
        self.had_connections = true;
        if expiry.is_some() {
            self.watch_expiry(effects);
        }
        if let Some(token) = self.token() {
            effects.set_online(Some(&token.id));
        }
        for id in self.subscriptions.keys().cloned().collect::<Vec<_>>() {
            if !self.attach(&id, &connection, effects) {
                effects.look_for(&id);
            }
        }
        self.finish_connecting(uid, effects);
        Ok(())
    }

    /// Refuses a connection that is not to come in.
    fn check(&self, connect: &Connect<E::Worker>, now: Moment, effects: &E) -> Result<(), Close> {
        if !self.is_of(&connect.project) {
            return Err(Close::new(CloseCode::InvalidAuth, "invalid token"));
        }
        if self.token().is_some_and(|token| token.is_expired(now.time)) {
            return Err(Close::new(CloseCode::InvalidAuth, "the token has expired"));
        }
        let limit = effects.limits().connections;
        if self.connections.len() >= limit {
            let reason =
                format!("a token has at most {limit} connections, and this one has as many");
            return Err(Close::new(CloseCode::RateLimited, reason));
        }
        Ok(())
    }

    /// Asks a channel for a snapshot; false if it has to be taken up first, or the way to it is not known or has ended.
    fn attach(
        &self,
        id: &ChannelId,
        connection: &ConnectionRef<E::Worker>,
        effects: &mut E,
    ) -> bool {
        let Some(held) = self.subscriptions.get(id) else { return true };
        let known = held.channel.as_ref().filter(|_| !held.is_behind);
        let Some(channel) = known.filter(|channel| effects.is_live(channel)) else {
            return false;
        };
        let known = self.connections.get(&connection.uid);
        let connecting = known.and_then(|attendant| attendant.connecting.as_ref());
        let named = connecting.and_then(|connecting| connecting.connect.since(id));
        let moved = || self.moved.as_ref()?.get(id).map(|at| Since(Some(*at)));
        let since = named.or_else(moved);
        effects.attach(id, channel, self.card(), connection, since);
        true
    }

    /// A channel ended before it could answer: its successor has to.
    pub fn unanswered(&self, id: &ChannelId, effects: &mut E) {
        effects.look_for(id);
    }

    /// What came of looking for a channel that the session holds.
    pub fn found(
        &mut self,
        id: &ChannelId,
        sought: Sought<E::Channel>,
        now: Instant,
        effects: &mut E,
    ) {
        match sought {
            Sought::Found(channel) => self.take_up(id, &channel, effects),
            Sought::Missing => self.miss_channel(id, now, effects),
            Sought::Unknown(close) => self.close_all(&close, effects),
        }
    }

    /// A held channel is known (again): connections on their way in need a snapshot, the others the channel.
    fn take_up(&mut self, id: &ChannelId, channel: &E::Channel, effects: &mut E) {
        let nobody_waits = self.nobody_waits_for(id);
        let Some(held) = self.subscriptions.get_mut(id) else { return };
        let is_known = held.channel.as_ref() == Some(channel);
        let is_back = std::mem::take(&mut held.is_behind);
        if is_known && !is_back && effects.is_live(channel) && nobody_waits {
            return;
        }
        let is_return = is_back || (held.channel.is_some() && !is_known);
        held.channel = Some(channel.clone());
        let (mut inside, mut outside) = (Vec::new(), Vec::new());
        for attendant in self.connections.values_mut() {
            match &mut attendant.connecting {
                Some(connecting) if is_return || connecting.waiting.contains(id) => {
                    // Another incarnation's snapshot is of no use: that does not hand its events to anybody any more.
                    connecting.snapshots.retain(|snapshot| snapshot.channel.key.id != *id);
                    connecting.waiting.insert(id.clone());
                    outside.push(attendant.connection.clone());
                }
                Some(_) => {}
                None => inside.push(attendant.connection.clone()),
            }
        }
        self.introduce(id, channel, Newcomers { inside, outside }, is_return, effects);
    }

    /// Makes a held channel known to connections. One that has just ended is looked for again.
    pub(super) fn introduce(
        &self,
        id: &ChannelId,
        channel: &E::Channel,
        newcomers: Newcomers<E::Worker>,
        is_return: bool,
        effects: &mut E,
    ) {
        let Newcomers { inside, outside } = newcomers;
        // Whoever attaches tells the channel of the session too.
        let is_told = is_return || !inside.is_empty() || outside.is_empty();
        if is_told {
            effects.resubscribe(id, channel, self.card(), inside, is_return);
        }
        let mut is_heard = true;
        for connection in outside {
            is_heard &= self.attach(id, &connection, effects);
        }
        if !is_heard && !is_told {
            effects.look_for(id);
        }
    }

    /// Whether no INIT waits for this channel.
    fn nobody_waits_for(&self, id: &ChannelId) -> bool {
        let waits = |attendant: &Attendant<E::Worker>| {
            attendant.connecting.as_ref().is_some_and(|connecting| connecting.waiting.contains(id))
        };
        !self.connections.values().any(waits)
    }

    /// A held channel was not found any more: those who had it are told, which no channel can do now.
    fn miss_channel(&mut self, id: &ChannelId, now: Instant, effects: &mut E) {
        if !self.subscriptions.contains_key(id) {
            return;
        }
        let channel = Some(id.as_str().to_owned());
        let gone =
            Event::Unavailable { channel, is_graceful: true, error_code: None, is_unicast: false };
        if !self.connections.is_empty() {
            self.dispatch(gone, now, effects);
        }
        self.vanished(id, effects);
    }

    /// A held channel does not exist any more: nobody waits for it.
    pub(super) fn vanished(&mut self, id: &ChannelId, effects: &mut E) {
        let Some(held) = self.subscriptions.shift_remove(id) else { return };
        effects.vanished(id, self.card(), held.is_ephemeral);
        self.stop_waiting_for(id, effects);
    }

    /// Every INIT goes without this channel.
    pub(super) fn stop_waiting_for(&mut self, id: &ChannelId, effects: &mut E) {
        for uid in self.connections.keys().copied().collect::<Vec<_>>() {
            if let Some(connecting) = self.connecting(uid) {
                connecting.waiting.remove(id);
                self.finish_connecting(uid, effects);
            }
        }
    }

    /// What a connection waits for, if it is on its way in.
    fn connecting(&mut self, uid: ConnectionUid) -> Option<&mut Connecting<E::Worker>> {
        self.connections.get_mut(&uid)?.connecting.as_deref_mut()
    }

    /// A channel's snapshot came.
    pub fn snapshot(&mut self, uid: ConnectionUid, snapshot: Snapshot, effects: &mut E) {
        let Some(connecting) = self.connecting(uid) else { return };
        if connecting.waiting.remove(&snapshot.channel.key.id) {
            connecting.snapshots.push(snapshot);
        }
        self.finish_connecting(uid, effects);
    }

    /// Sends INIT once all snapshots are there, with what was kept.
    fn finish_connecting(&mut self, uid: ConnectionUid, effects: &mut E) {
        if self.connecting(uid).is_none_or(|connecting| !connecting.waiting.is_empty()) {
            return;
        }
        let Some(attendant) = self.connections.get_mut(&uid) else { return };
        let Some(mut connecting) = attendant.connecting.take() else { return };
        let since = attendant.since;
        let mut snapshots = std::mem::take(&mut connecting.snapshots);
        self.arrive(&connecting, &mut snapshots, effects);
        let Connecting { direct, connect, .. } = *connecting;
        // What was unsubscribed in between is not shown; the rest in the order of subscribing.
        snapshots.retain(|known| self.subscriptions.contains_key(&known.channel.key.id));
        snapshots.sort_by_key(|known| self.subscriptions.get_index_of(&known.channel.key.id));
        let bytes: usize =
            snapshots.iter().map(|known| known.channel.state.json().as_str().len()).sum();
        let limit = effects.limits().init_bytes;
        if bytes > limit {
            let reason =
                format!("the states of this token's channels have {bytes} bytes, at most {limit}");
            return self.close(uid, Close::new(CloseCode::RateLimited, reason), effects);
        }
        if self.comeback.take().is_some() {
            let before = self.token().map(|token| effects.unheard_before_start(&token.id));
            self.replay.miss(before.unwrap_or_default());
        }
        let (kept, resume) = (self.replay.take(), connect.resume.as_deref());
        let shows = connect.extensions.is_some_and(|granted| granted.has(Extension::Resume));
        let going_on = GoingOn::new(kept, shows, resume, &mut snapshots, direct, &self.named.id);
        let GoingOn { events, missed, standing } = going_on;
        let channels = snapshots.into_iter().map(|known| known.channel).collect();
        let kept = Kept { events, missed, home: effects.home() };
        let init = self.init(&connect, channels, missed, standing);
        let init = Box::new(EncodedEvent::new(init));
        let direct = Place { line: self.line.id(), number: since };
        self.order_one(uid, Order::Init { connection: uid, init, kept, direct }, effects);
        self.fetch_mail(effects);
        if connect.extensions.is_some_and(|extensions| extensions.has(Extension::Presence)) {
            effects.ask_who_is_in(uid);
        }
    }

    /// INIT for a connection.
    fn init(
        &self,
        connect: &Connect<E::Worker>,
        channels: Vec<Channel>,
        missed: u64,
        standing: Option<Box<InitStanding>>,
    ) -> Event {
        let (metadata, scope) = match &self.identity {
            Identity::Token(token) => (token.metadata(), Scope::Token),
            Identity::Anonymous => (RawJson::null(), Scope::NoAuth),
            Identity::Project => (RawJson::null(), Scope::Project),
        };
        Event::Init {
            cid: connect.cid.clone(),
            connection_count: self.connections.len(),
            metadata,
            scope,
            channels,
            missed,
            extensions: connect.extensions.map(Extensions::names),
            standing,
        }
    }

    /// Asks every channel to show a connection who is in.
    pub fn ask_who_is_in(&self, uid: ConnectionUid, effects: &mut E) {
        let Some(attendant) = self.connections.get(&uid) else { return };
        for channel in self.channels() {
            let word = ToChannel::ShowPresence(attendant.connection.clone());
            effects.say(channel, self.uid, word);
        }
    }
}
