//! A session's machine: what all live connections of one leap token share; without a token, what one connection has. No
//! I/O.
//!
//! It is told what happens, with the time as an argument, and says through [`SessionEffects`] what has to be done.

mod asking;
mod connecting;
mod detaching;
mod effects;
mod expiring;
mod mailbox;
mod mailing;
mod moving;
mod replay;
mod resumers;
mod resuming;
mod subscribing;

pub use connecting::{Connect, Sought};
pub use effects::{Ephemeral, SessionEffects, SessionLimits, ToChannel};
pub use expiring::Expiry;
pub use moving::MovedSession;
pub use replay::Replay;
pub use subscribing::{NoWay, WantedSubscription};

use crate::channel::{Card, ConnectionRef};
use crate::delivery::fanout::{ConnectionUid, Order};
use crate::domain::{
    ChannelId, ChannelKey, ConnectionId, Epoch, LeapToken, MISSED_UNKNOWN, Member, Position,
    ProjectId, SessionId, SessionRef, SessionUid, Standing, Subscription, Timestamp,
};
use crate::faults::{Fault, is_planted};
use crate::line::{Line, WindowBounds, WindowShare};
use crate::protocol::{Close, CloseCode, EncodedEvent, Event, Profiles};
use asking::AskedChannel;
use connecting::Connecting;
use indexmap::IndexMap;
use mailbox::Mailbox;
use resumers::Given;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::time::Instant;

/// On whose behalf a session exists.
pub enum Identity {
    /// Nobody's: one connection without a token.
    Anonymous,
    /// A leap token's.
    Token(LeapToken),
    /// A project token's: one connection of a back end.
    Project,
}

impl Identity {
    /// The leap token, if that is on whose behalf.
    pub const fn token(&self) -> Option<&LeapToken> {
        match self {
            Self::Token(token) => Some(token),
            Self::Anonymous | Self::Project => None,
        }
    }

    /// The session as other members of a channel see it; `seed` must be unguessable.
    fn member(&self, seed: &str) -> Member {
        match self {
            Self::Token(token) => Member::of_token(&token.id, &token.state),
            Self::Anonymous | Self::Project => Member::of_session(seed),
        }
    }
}

/// A subscription that a session holds.
struct HeldSubscription<C> {
    /// The way to the channel; none while it is being looked for.
    channel: Option<C>,
    /// Whether it ends with the session.
    is_ephemeral: bool,
    /// When it was made.
    since: Timestamp,
    /// Whether the session has missed what the channel has said since the server started.
    is_behind: bool,
}

/// A connection of the session.
struct Attendant<W> {
    /// Where it is.
    connection: ConnectionRef<W>,
    /// Its public id.
    cid: ConnectionId,
    /// Where its client is, where the socket tells.
    address: Option<IpAddr>,
    /// The number of the last direct message before it came.
    since: u64,
    /// The number behind which it was given mails: smaller than that where it goes on from a position.
    mail_since: u64,
    /// If its client keeps positions, what it was given of the line.
    given: Option<Given>,
    /// When it came.
    came: Instant,
    /// Until when it may be there, if it came with a JSON Web Token.
    expiry: Option<Expiry>,
    /// What INIT still waits for; none once INIT is out.
    connecting: Option<Box<Connecting<W>>>,
}

/// A connection that has left, and of which it is not known yet what arrived.
struct Parting {
    /// The connection.
    connection: ConnectionUid,
    /// How far it has heard at the most; none where nobody wants to know.
    hoped: Option<Standing>,
    /// Where the other connections came to the session's line; none if it left nobody behind.
    others: Option<u64>,
    /// Behind which number it was given mails.
    mail_since: u64,
    /// Whether it was there for so long that what its side acknowledged was read.
    was_there: bool,
    /// The places of what it was given at its beginning and was not sent.
    left: Vec<u64>,
}

/// A session to be.
pub struct Beginning {
    /// The tenant.
    pub project: ProjectId,
    /// On whose behalf.
    pub identity: Identity,
    /// The token's stored subscriptions.
    pub permanent: Vec<Subscription>,
    /// Those that its session has on other servers, and that end with the last of them.
    pub ephemeral: Vec<Subscription>,
    /// Whether anything waits in the token's mailbox.
    pub has_mail: bool,
    /// What it had on another server, from which it has come.
    pub moved: Option<MovedSession>,
    /// When another server may have gone with what its connections have not heard, where that is as short ago.
    pub broken: Option<Timestamp>,
    /// When the server started, where that is so short ago that whoever was connected until then may be coming back.
    pub restart: Option<Timestamp>,
    /// Its name to webhooks.
    pub id: SessionId,
    /// Something unguessable.
    pub seed: String,
    /// The stretch that its line begins, which no other line has had.
    pub epoch: Epoch,
    /// What its line keeps at hand.
    pub window: WindowBounds,
    /// Where that comes from.
    pub share: Arc<WindowShare>,
}

/// One session.
pub struct SessionMachine<E: SessionEffects> {
    /// This session.
    uid: SessionUid,
    /// Who it is to webhooks.
    named: Arc<SessionRef>,
    /// The tenant.
    project: ProjectId,
    /// On whose behalf.
    identity: Identity,
    /// Who it is to the other members of a channel.
    member: Arc<Member>,
    /// The live connections, in the order they came.
    connections: IndexMap<ConnectionUid, Attendant<E::Worker>>,
    /// The subscriptions, in the order they were made.
    subscriptions: IndexMap<ChannelId, HeldSubscription<E::Channel>>,
    /// Channels that are being subscribed and are not held yet, which count as held; with the question to the channel,
    /// while one is under way.
    joining: HashMap<ChannelId, Option<AskedChannel<E::Channel>>>,
    /// How many channels have something under way about their subscription.
    questions: usize,
    /// What is kept while there is no connection.
    replay: Replay,
    /// Up to where it has kept what channels said on another server, until its first connection here has the rest.
    #[expect(clippy::box_collection, reason = "few sessions have it, and a pointer is smaller")]
    moved: Option<Box<HashMap<ChannelId, Position>>>,
    /// The order of direct messages.
    line: Line,
    /// Whether a timer runs that lets go of the old ones.
    is_watching_line: bool,
    /// Connections whose sockets have not ended.
    parting: Vec<Parting>,
    /// What is known of the token's mailbox.
    mailbox: Mailbox,
    /// Whether it ever had a connection: only then is there anything to be graceful about.
    had_connections: bool,
    /// When the server started, while its token, which was there before, has not been told what it has missed of that.
    comeback: Option<Timestamp>,
    /// Whether a timer runs that ends it.
    has_grace: bool,
}

impl<E: SessionEffects> SessionMachine<E> {
    /// A session without a connection yet.
    pub fn new(beginning: Beginning) -> Self {
        let Beginning { project, identity, permanent, ephemeral, has_mail, restart, .. } =
            beginning;
        let Beginning { id, seed, epoch, window, share, moved, broken, .. } = beginning;
        // Who was there before the start counts as having had a session that broke then.
        let was_there = |since: Timestamp| restart.is_some_and(|restart| since < restart);
        let held = |(subscription, is_ephemeral): (Subscription, bool)| {
            let since = subscription.created_at;
            let is_behind = !is_ephemeral && was_there(since);
            let held = HeldSubscription { channel: None, is_ephemeral, since, is_behind };
            (subscription.channel, held)
        };
        let old =
            |since: &Timestamp| identity.token().is_some_and(|token| token.created_at < *since);
        let comeback = restart.or(broken.filter(|_| moved.is_none())).filter(old);
        let had_connections = comeback.is_some() || moved.is_some();
        let MovedSession { events, missed, positions } = moved.unwrap_or_default();
        let moved = (!positions.is_empty()).then(|| Box::new(positions));
        let token = identity.token().map(|token| token.id.clone());
        let all = ephemeral.into_iter().map(|one| (one, true));
        // Of one that is both, the permanent kind wins.
        let all = all.chain(permanent.into_iter().map(|one| (one, false)));
        let subscriptions = all.map(held).collect();
        Self {
            uid: SessionUid::next(),
            named: Arc::new(SessionRef { id, token }),
            member: Arc::new(identity.member(&seed)),
            identity,
            connections: IndexMap::new(),
            subscriptions,
            joining: HashMap::new(),
            questions: 0,
            replay: Replay::holding(events, missed),
            moved,
            line: Line::new(epoch, window, share),
            is_watching_line: false,
            parting: Vec::new(),
            mailbox: Mailbox::new(has_mail),
            // It counts as one whose connections broke then.
            had_connections,
            comeback,
            has_grace: false,
            project,
        }
    }

    /// This session.
    pub const fn uid(&self) -> SessionUid {
        self.uid
    }

    /// The session as it shows itself to a channel.
    pub fn card(&self) -> Card {
        let (member, named) = (Arc::clone(&self.member), Arc::clone(&self.named));
        Card { uid: self.uid, member, named }
    }

    /// The tenant.
    pub const fn project(&self) -> &ProjectId {
        &self.project
    }

    /// The full name of a channel of this project.
    pub fn key(&self, channel: &ChannelId) -> ChannelKey {
        ChannelKey { project: self.project.clone(), id: channel.clone() }
    }

    /// Whether the session belongs to this project: nothing crosses projects.
    pub fn is_of(&self, project: &ProjectId) -> bool {
        self.project == *project || is_planted(Fault::ProjectsMixed)
    }

    /// The leap token, if that is whose session this is.
    pub const fn token(&self) -> Option<&LeapToken> {
        self.identity.token()
    }

    /// All live connections.
    pub fn connections(&self) -> Vec<ConnectionRef<E::Worker>> {
        self.connections.values().map(|attendant| attendant.connection.clone()).collect()
    }

    /// One of them.
    pub fn connection(&self, connection: ConnectionUid) -> Option<&ConnectionRef<E::Worker>> {
        self.connections.get(&connection).map(|attendant| &attendant.connection)
    }

    /// A connection's public id, and where its client is.
    pub fn client(&self, connection: ConnectionUid) -> Option<(&ConnectionId, Option<IpAddr>)> {
        self.connections.get(&connection).map(|known| (&known.cid, known.address))
    }

    /// The ways to the channels that it holds, as far as they are known.
    fn channels(&self) -> impl Iterator<Item = &E::Channel> {
        self.subscriptions.values().filter_map(|held| held.channel.as_ref())
    }

    /// The ways to the channels that know of the session: those that it holds, and those that it asks.
    fn acquainted(&self) -> impl Iterator<Item = &E::Channel> {
        let asked = self.asked().filter(|_| !is_planted(Fault::AskedNotTold));
        self.channels().chain(asked.map(|(_, channel)| channel))
    }

    /// Hands an event to every connection, or keeps it for the next one.
    pub fn dispatch(&mut self, event: Event, now: Instant, effects: &mut E) {
        let dispatch = self.line.say(EncodedEvent::new(event), now);
        self.watch_line(now, effects);
        if self.connections.is_empty() {
            return self.replay.keep(dispatch, &effects.limits());
        }
        self.spread(&dispatch, effects);
    }

    /// Hands something that was said to every connection.
    fn spread(&self, dispatch: &Arc<EncodedEvent>, effects: &mut E) {
        for Attendant { connection, .. } in self.connections.values() {
            let dispatch = Arc::clone(dispatch);
            let order = Order::Direct { connection: connection.uid, dispatch };
            effects.order(&connection.worker, order, connection.profile.into());
        }
    }

    /// Sees to it that what the line has at hand goes when it is too old, though nothing more should be said.
    fn watch_line(&mut self, now: Instant, effects: &mut E) {
        if !self.is_watching_line && self.line.expire(now) {
            self.is_watching_line = true;
            effects.watch_line(effects.limits().window.age);
        }
    }

    /// What the line has at hand may be too old by now.
    pub fn expire(&mut self, now: Instant, effects: &mut E) {
        self.is_watching_line = false;
        self.watch_line(now, effects);
    }

    /// Orders about one connection, if it is here.
    fn order_one(&self, connection: ConnectionUid, order: Order, effects: &mut E) {
        if let Some(known) = self.connections.get(&connection) {
            let ConnectionRef { worker, profile, .. } = &known.connection;
            effects.order(worker, order, Profiles::from(*profile));
        }
    }

    /// Hands an event to one connection.
    pub fn answer(&self, connection: ConnectionUid, event: Event, effects: &mut E) {
        let dispatch = Arc::new(EncodedEvent::new(event));
        self.order_one(connection, Order::Direct { connection, dispatch }, effects);
    }

    /// Ends one connection.
    pub fn close(&self, connection: ConnectionUid, close: Close, effects: &mut E) {
        self.order_one(connection, Order::Close { connection, close }, effects);
    }

    /// Ends every connection.
    pub fn close_all(&self, close: &Close, effects: &mut E) {
        for uid in self.connections.keys() {
            self.close(*uid, close.clone(), effects);
        }
    }

    /// Whether nobody is connected and nothing is under way.
    fn is_idle(&self) -> bool {
        self.connections.is_empty() && self.questions == 0 && self.mailbox.is_noted()
    }

    /// Starts what has to happen once nobody is connected: at once, or after the grace.
    pub fn check_idle(&mut self, effects: &mut E) {
        if !self.is_idle() || self.has_grace {
            return;
        }
        match &self.identity {
            Identity::Token(_) if self.had_connections => {
                self.has_grace = true;
                effects.start_grace();
            }
            Identity::Token(_) => effects.retire(),
            Identity::Anonymous | Identity::Project if is_planted(Fault::AnonymousStays) => {}
            Identity::Anonymous | Identity::Project => effects.stop(),
        }
    }

    /// Nobody has come back for a while.
    pub fn grace_over(&mut self, effects: &mut E) {
        self.has_grace = false;
        effects.retire();
    }

    /// Whether it may end: whoever comes first is the reason not to.
    pub fn may_end(&self) -> bool {
        (self.is_idle() && !self.has_grace) || is_planted(Fault::EndsThoughAttended)
    }

    /// Something about a channel's subscription is under way, for the first time since it was settled.
    pub const fn begin_question(&mut self) {
        self.questions += 1;
    }

    /// It is settled.
    pub fn end_question(&mut self, effects: &mut E) {
        self.questions = self.questions.saturating_sub(1);
        self.check_idle(effects);
    }

    /// The token was changed in the store: takes over what is new, and tells those who see it.
    pub fn renew(&mut self, token: LeapToken, now: Instant, effects: &mut E) {
        if self.token() == Some(&token) {
            return;
        }
        let is_news = self.token().is_some_and(|known| known.state != token.state);
        let state = token.state.clone();
        let member = Member::of_token(&token.id, &token.state);
        self.identity = Identity::Token(token);
        self.watch_expiry(effects);
        if member != *self.member {
            self.member = Arc::new(member);
            for channel in self.acquainted() {
                let word = ToChannel::Rename(Arc::clone(&self.member));
                effects.say(channel, self.uid, word);
            }
        }
        if is_news && !self.connections.is_empty() {
            self.dispatch(Event::TokenStateUpdate { state }, now, effects);
        }
    }

    /// Ends the session because its token works no more.
    pub fn end(&self, reason: &'static str, effects: &mut E) {
        self.give_out(&Close::new(CloseCode::InvalidAuth, reason), effects);
    }

    /// Ends the session for now: its connections come back.
    pub fn give_out(&self, close: &Close, effects: &mut E) {
        self.close_all(close, effects);
        effects.stop();
    }

    /// How many messages the next connection has missed or would be given.
    pub fn unheard(&self, effects: &E) -> u64 {
        let is_behind = self.subscriptions.values().any(|held| held.is_behind);
        if is_behind || !self.connections.is_empty() || !self.parting.is_empty() {
            return MISSED_UNKNOWN;
        }
        let token = self.token().filter(|_| self.comeback.is_some());
        let before = token.map_or(0, |token| effects.unheard_before_start(&token.id));
        self.replay.count().saturating_add(before)
    }

    /// How many messages the next connection would get or be told of.
    #[cfg(test)]
    pub fn owed(&self) -> u64 {
        self.replay.count()
    }

    /// The order of direct messages.
    #[cfg(test)]
    pub const fn line(&self) -> &Line {
        &self.line
    }

    /// It has ended, also by a crash: channels forget it, its connections are told to come back.
    pub fn ended(&mut self, effects: &mut E) {
        let card = self.card();
        for (id, held) in &self.subscriptions {
            effects.unsubscribe(id, held.channel.as_ref(), card.clone(), None);
        }
        for (id, channel) in self.asked() {
            effects.unsubscribe(id, Some(channel), card.clone(), None);
        }
        for (id, held) in std::mem::take(&mut self.subscriptions) {
            self.tell_ephemeral(&id, held.is_ephemeral, false, effects);
        }
        // Only a crash leaves connections here that were not told anything yet; a second close changes nothing.
        self.close_all(&Close::new(CloseCode::Unknown, "the session ended, reconnect"), effects);
    }

    /// Whether it is subscribed to a channel for as long as it lasts.
    pub fn is_ephemeral(&self, id: &ChannelId) -> bool {
        self.subscriptions.get(id).is_some_and(|held| held.is_ephemeral)
    }

    /// The ephemeral subscriptions, in the order they were made.
    pub fn ephemeral(&self) -> Vec<Subscription> {
        let ephemeral = self.subscriptions.iter().filter(|(_, held)| held.is_ephemeral);
        let listed = |(channel, held): (&ChannelId, &HeldSubscription<E::Channel>)| Subscription {
            channel: channel.clone(),
            created_at: held.since,
        };
        ephemeral.map(listed).collect()
    }
}
