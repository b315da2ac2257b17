//! A session's actor: what all live connections of one leap token share; without a token, what one connection has.

mod authorizing;
mod ending;
mod entering;
mod handlers;
mod hooking;
pub mod listing;
pub mod messages;
mod renewing;
pub mod replay;
mod subscribing;

pub use messages::{
    Connections, Direct, EndIfIdle, Enter, FromChannel, Grant, Revoke, Serve, TokenChanged,
    TokenEnded,
};

use super::channel::{self, ChannelActor, ConnectionRef};
use super::clock;
use super::online::OnlineMark;
use super::shard::{RetireSession, SessionGone};
use super::supervisor::Supervisor;
use super::tell::tell;
use crate::delivery::fanout::{ConnectionUid, Order};
use crate::delivery::outlet::Outlet;
use crate::domain::channel::Subscriber;
use crate::domain::{
    Channel, ChannelId, ChannelKey, ConnectionId, LeapToken, Member as Present, Place, ProjectId,
    SessionId, SessionRef, SessionUid, Standing, Subscription, Timestamp,
};
use crate::line::Line;
use crate::protocol::{Close, CloseCode, Dispatch, Event, Scope};
use actix::prelude::*;
use indexmap::IndexMap;
use replay::Replay;
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;

/// Room in a session's mailbox; past it askers wait.
const MAILBOX: usize = 4096;
/// How long an expiry is left alone at most: it is a time of the wall clock, which may be set while timers run on.
const LONGEST_TIMER: Duration = Duration::from_mins(1);

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
    const fn token(&self) -> Option<&LeapToken> {
        match self {
            Self::Token(token) => Some(token),
            Self::Anonymous | Self::Project => None,
        }
    }

    /// The session as other members of a channel see it.
    fn member(&self) -> Present {
        match self {
            Self::Token(token) => Present::of_token(&token.id, &token.state),
            Self::Anonymous | Self::Project => {
                Present::of_session(&uuid::Uuid::new_v4().to_string())
            }
        }
    }
}

/// A subscription that a session holds.
#[derive(Clone)]
struct Held {
    /// The channel's actor; none while it is being looked for.
    address: Option<Addr<ChannelActor>>,
    /// Whether it ends with the session.
    is_ephemeral: bool,
    /// When it was made.
    since: Timestamp,
}

/// A connection of the session.
struct Member {
    /// Where it is.
    connection: ConnectionRef,
    /// Its public id.
    cid: ConnectionId,
    /// Where its client is, where the socket tells.
    address: Option<IpAddr>,
    /// The number of the last direct message before it came.
    since: u64,
    /// What INIT still waits for; none once INIT is out.
    entering: Option<Box<entering::Entering>>,
    /// Places for its questions to the back end.
    questions: Arc<Semaphore>,
}

/// A connection that has left, and of which it is not known yet what arrived.
struct Parting {
    /// The connection.
    connection: ConnectionUid,
    /// How far it has heard at the most; none where nobody wants to know.
    hoped: Option<Standing>,
    /// Whether it left nobody behind.
    was_last: bool,
}

/// One session.
pub struct SessionActor {
    /// This session.
    uid: SessionUid,
    /// Who it is to webhooks.
    named: Arc<SessionRef>,
    /// The tenant.
    project: ProjectId,
    /// On whose behalf.
    identity: Identity,
    /// Who it is to the other members of a channel.
    member: Arc<Present>,
    /// The live connections, in the order they came.
    members: IndexMap<ConnectionUid, Member>,
    /// The subscriptions, in the order they were made.
    subscriptions: IndexMap<ChannelId, Held>,
    /// Channels that are being subscribed and are not held yet: they count as held.
    joining: HashSet<ChannelId>,
    /// Taken while something about a channel's subscription is under way.
    locks: HashMap<ChannelId, Arc<Mutex<()>>>,
    /// Taken while the token is being read again.
    renewing: Arc<Mutex<()>>,
    /// What is kept while there is no connection.
    replay: Replay,
    /// The order of direct messages.
    line: Line,
    /// Whether a timer runs that lets go of the old ones.
    is_watching_line: bool,
    /// Says that the token is online, while there is a connection.
    online: Option<OnlineMark>,
    /// Connections whose sockets have not ended.
    parting: Vec<Parting>,
    /// Whether it ever had a connection: only then is there anything to be graceful about.
    had_members: bool,
    /// The timer that runs while there is no connection.
    grace: Option<SpawnHandle>,
    /// The timer of the token's expiry.
    expiry: Option<SpawnHandle>,
    /// Orders on their way.
    outlet: Outlet,
    /// The way to everything else.
    hub: Supervisor,
}

impl SessionActor {
    /// A session without a connection yet; `permanent` are the token's stored subscriptions.
    pub fn new(
        project: ProjectId,
        identity: Identity,
        permanent: Vec<Subscription>,
        hub: Supervisor,
    ) -> Self {
        let held = |s: Subscription| {
            let since = s.created_at;
            (s.channel, Held { address: None, is_ephemeral: false, since })
        };
        Self {
            uid: SessionUid::next(),
            named: Arc::new(SessionRef {
                id: SessionId::from(clock::readable_id("session").as_str()),
                token: identity.token().map(|token| token.id.clone()),
            }),
            member: Arc::new(identity.member()),
            identity,
            members: IndexMap::new(),
            subscriptions: permanent.into_iter().map(held).collect(),
            joining: HashSet::new(),
            locks: HashMap::new(),
            renewing: Arc::default(),
            replay: Replay::default(),
            is_watching_line: false,
            line: Line::new(hub.settings().window(), hub.windows().share(&project)),
            online: None,
            parting: Vec::new(),
            had_members: false,
            grace: None,
            expiry: None,
            outlet: Outlet::new(project.clone()),
            project,
            hub,
        }
    }

    /// The full name of a channel of this project.
    fn key(&self, channel: &ChannelId) -> ChannelKey {
        ChannelKey { project: self.project.clone(), id: channel.clone() }
    }

    /// Whether the session belongs to this project: nothing crosses projects.
    fn is_of(&self, project: &ProjectId) -> bool {
        self.project == *project
    }

    /// The leap token, if that is whose session this is.
    const fn token(&self) -> Option<&LeapToken> {
        self.identity.token()
    }

    /// All live connections.
    fn connections(&self) -> Vec<ConnectionRef> {
        self.members.values().map(|member| member.connection.clone()).collect()
    }

    /// Hands an event to every connection, or keeps it for the next one.
    fn dispatch(&mut self, event: Event, ctx: &mut Context<Self>) {
        let dispatch = self.line.show(Dispatch::new(event), Instant::now());
        self.watch_line(ctx);
        if self.members.is_empty() {
            let settings = &self.hub.settings();
            self.replay.keep(dispatch, settings.replay_events, settings.replay_bytes);
            return;
        }
        for Member { connection, .. } in self.members.values() {
            let dispatch = Arc::clone(&dispatch);
            let order = Order::Direct { connection: connection.uid, dispatch };
            self.outlet.send(&connection.worker, order, connection.profile);
        }
        self.outlet.settle(ctx);
    }

    /// Sees to it that what the line has at hand goes when it is too old, though nothing more should be said.
    fn watch_line(&mut self, ctx: &mut Context<Self>) {
        if !self.is_watching_line && self.line.expire(Instant::now()) {
            self.is_watching_line = true;
            ctx.run_later(self.hub.settings().window().age, |actor, ctx| {
                actor.is_watching_line = false;
                actor.watch_line(ctx);
            });
        }
    }

    /// Hands an event to one connection.
    fn answer(&mut self, connection: ConnectionUid, event: Event, ctx: &mut Context<Self>) {
        if let Some(member) = self.members.get(&connection) {
            let dispatch = Arc::new(Dispatch::new(event));
            let ConnectionRef { worker, profile, .. } = &member.connection;
            self.outlet.send(worker, Order::Direct { connection, dispatch }, *profile);
            self.outlet.settle(ctx);
        }
    }

    /// Ends one connection.
    fn close(&mut self, connection: ConnectionUid, close: Close) {
        if let Some(member) = self.members.get(&connection) {
            let ConnectionRef { worker, profile, .. } = &member.connection;
            self.outlet.send(worker, Order::Close { connection, close }, *profile);
        }
    }

    /// Ends every connection.
    fn close_all(&mut self, close: &Close) {
        for uid in self.members.keys().copied().collect::<Vec<_>>() {
            self.close(uid, close.clone());
        }
    }

    /// Starts what has to happen once nobody is connected: at once, or after the grace.
    fn check_idle(&mut self, ctx: &mut Context<Self>) {
        if !self.is_idle() || self.grace.is_some() {
            return;
        }
        match &self.identity {
            Identity::Token(_) if self.had_members => {
                let grace = self.hub.settings().session_grace;
                self.grace = Some(ctx.run_later(grace, |actor, ctx| {
                    actor.grace = None;
                    actor.retire(ctx);
                }));
            }
            Identity::Token(_) => self.retire(ctx),
            Identity::Anonymous | Identity::Project => ctx.stop(),
        }
    }

    /// Asks the shard to let this session end; a connection that comes first is the reason not to.
    fn retire(&self, ctx: &mut Context<Self>) {
        if let Some(token) = self.token() {
            let (token, address) = (token.id.clone(), ctx.address());
            if let Some(shard) = self.hub.session_shard(&token) {
                tell(shard, RetireSession { token, address });
            }
        }
    }

    /// Whether nobody is connected and nothing is under way.
    fn is_idle(&self) -> bool {
        self.members.is_empty() && self.locks.is_empty()
    }

    /// Sets the timer that ends the session with its token.
    fn watch_expiry(&mut self, ctx: &mut Context<Self>) {
        if let Some(timer) = self.expiry.take() {
            ctx.cancel_future(timer);
        }
        let Some(at) = self.token().and_then(|token| token.expires_at) else { return };
        let left = Duration::from_millis(clock::now().millis_until(at));
        let timer = ctx.run_later(left.min(LONGEST_TIMER), move |actor, ctx| {
            actor.expiry = None;
            if actor.token().is_some_and(|token| token.is_expired(clock::now())) {
                actor.end("the token has expired", ctx);
            } else {
                actor.watch_expiry(ctx);
            }
        });
        self.expiry = Some(timer);
    }

    /// Ends the session because its token works no more.
    fn end(&mut self, reason: &'static str, ctx: &mut Context<Self>) {
        self.close_all(&Close::new(CloseCode::InvalidAuth, reason));
        self.outlet.leave_behind();
        ctx.stop();
    }
}

impl Actor for SessionActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(MAILBOX);
        self.watch_expiry(ctx);
    }

    /// Also after a crash: channels and the shard forget it, its connections are told to come back.
    fn stopped(&mut self, ctx: &mut Context<Self>) {
        for (id, held) in &self.subscriptions {
            self.leave_channel(id, held, None);
        }
        self.ended();
        // Only a crash leaves members here that were not told anything yet; a second close changes nothing.
        self.close_all(&Close::new(CloseCode::Unknown, "the session ended, reconnect"));
        self.outlet.leave_behind();
        if let Some(token) = self.token()
            && let Some(shard) = self.hub.session_shard(&token.id)
        {
            tell(shard, SessionGone { token: token.id.clone(), address: ctx.address() });
        }
    }
}

#[cfg(test)]
mod tests;
