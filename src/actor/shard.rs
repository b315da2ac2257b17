//! A shard of the supervisor: knows every live session and channel whose id hashes to it, spawns them from the store
//! and lets them end. It runs on a worker thread, and so does everything that it spawns.
//!
//! It routes by id and never looks into a payload. Loading is single-flight, and so is ending: whoever asks for an id
//! that is just being loaded or ended waits for what comes of it (see [`Directory`]).
//!
//! A shard that crashes is replaced on the spot: its successor knows everybody that lives, and is found under the same
//! [`ShardPlace`].

pub mod arriving;
mod departed;
mod place;

use super::channel::{self, AskElsewhere, ChannelActor, Surroundings};
use super::clock;
use super::directory::{Directory, DirectoryAnswer, Resolution};
use super::session::{self, Identity, SessionActor, StoredSession};
use super::supervisor::Supervisor;
use super::tell::tell;
use crate::ask::AskError;
use crate::bus::shared::SharedBus;
use crate::domain::{Capabilities, Channel, ChannelKey, LeapTokenId, ProjectId};
use crate::faults::{CrashPoint, pass};
use crate::store::{ReadStore, StoreResult, StoredLine, Thing};
use actix::prelude::*;
use departed::Departed;
use futures_util::FutureExt as _;
use std::collections::HashSet;
use std::mem::take;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The way to a shard.
pub type ShardPlace = place::ActorPlace<Shard>;

/// Room in a shard's mailbox; past it askers wait.
const MAILBOX: usize = 65_536;
/// How often the recorder lets go of what is too old.
const RECORDER_SWEEP: Duration = Duration::from_secs(5);

/// Sent by the supervisor's handle: the actor of a channel. `NotFound(Channel)` if there is none.
#[derive(Message)]
#[rtype(result = "Result<Addr<ChannelActor>, AskError>")]
pub struct ResolveChannel(pub ChannelKey);

/// Sent by the supervisor's handle: the actor of a channel, only if it is in use.
#[derive(Message)]
#[rtype(result = "Option<Addr<ChannelActor>>")]
pub struct FindChannel(pub ChannelKey);

/// Sent by the supervisor's handle: the session of a token. `NotFound(Token)` if there is no such token.
#[derive(Message)]
#[rtype(result = "Result<Addr<SessionActor>, AskError>")]
pub struct ResolveSession(pub LeapTokenId);

/// Sent by the supervisor's handle: the session of a token, only if there is one.
#[derive(Message)]
#[rtype(result = "Option<Addr<SessionActor>>")]
pub struct FindSession(pub LeapTokenId);

/// Sent by a channel that nobody has used for a while.
#[derive(Message)]
#[rtype(result = "()")]
pub struct RetireChannel {
    /// The channel.
    pub key: ChannelKey,
    /// Its actor.
    pub address: Addr<ChannelActor>,
}

/// Sent by a channel's actor that has ended, for whatever reason.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ChannelGone {
    /// The channel.
    pub key: ChannelKey,
    /// Its actor.
    pub address: Addr<ChannelActor>,
    /// Whether nothing that it had stored is still on its way.
    pub is_settled: bool,
    /// Whether it crashed.
    pub has_crashed: bool,
}

/// Sent by a session whose grace is over; answered when it has ended, or is in use again.
#[derive(Message)]
#[rtype(result = "()")]
pub struct RetireSession {
    /// Its token.
    pub token: LeapTokenId,
    /// Its actor.
    pub address: Addr<SessionActor>,
}

/// Sent by a session's actor that has ended, for whatever reason.
#[derive(Message)]
#[rtype(result = "()")]
pub struct SessionGone {
    /// Its token.
    pub token: LeapTokenId,
    /// Its actor.
    pub address: Addr<SessionActor>,
}

/// Sent by the supervisor's handle: the sessions of tokens.
#[derive(Message)]
#[rtype(result = "Vec<(LeapTokenId, Addr<SessionActor>)>")]
pub struct ListSessions;

/// Sent by the supervisor's handle, and passed on to the actors: the project was deleted from the store.
#[derive(Clone, Message)]
#[rtype(result = "()")]
pub struct EndProject(pub ProjectId);

/// Sent by the supervisor's handle, and passed on to the actors: webhooks of the project want to hear of registers, and are
/// to be told, too, who stands there already.
#[derive(Clone, Message)]
#[rtype(result = "()")]
pub struct NoteSessions(pub ProjectId);

/// One shard.
pub struct Shard {
    /// The channels in use.
    channels: Directory<ChannelKey, Addr<ChannelActor>>,
    /// Channels whose last actor crashed with something on its way to the store, which is waited for.
    unsettled: HashSet<ChannelKey>,
    /// The sessions of tokens.
    sessions: Directory<LeapTokenId, Addr<SessionActor>>,
    /// Tokens whose sessions began on other servers while they were just being loaded here, or ended.
    shared: HashSet<LeapTokenId>,
    /// Sessions that have gone on elsewhere, for as long as it is not known that they have got there.
    departed: Departed,
    /// What spawned actors need.
    supervisor: Supervisor,
    /// Where it is found.
    place: ShardPlace,
}

impl Shard {
    /// An empty shard, to be found there.
    pub fn new(supervisor: Supervisor, place: ShardPlace) -> Self {
        let (channels, sessions) = (Directory::default(), Directory::default());
        let (unsettled, shared) = (HashSet::new(), HashSet::new());
        let departed = Departed::default();
        Self { channels, unsettled, sessions, shared, departed, supervisor, place }
    }

    /// The one that goes on after a crash of this one. Whoever has ended unheard, or was just being loaded, may have left
    /// something on its way to the store.
    fn successor(&mut self) -> Self {
        let (channels, lost) = take(&mut self.channels).salvage(Addr::connected);
        let (sessions, _) = take(&mut self.sessions).salvage(Addr::connected);
        let mut unsettled = take(&mut self.unsettled);
        unsettled.extend(lost);
        let (supervisor, place) = (self.supervisor.clone(), self.place.clone());
        let (shared, departed) = (take(&mut self.shared), take(&mut self.departed));
        Self { channels, unsettled, sessions, shared, departed, supervisor, place }
    }

    /// Reads a channel and starts its actor.
    fn load_channel(&mut self, key: ChannelKey, ctx: &mut Context<Self>) {
        let persistence = self.supervisor.persistence().clone();
        let (wanted, is_settled) = (key.clone(), !self.unsettled.remove(&key));
        if let Some(bus) = self.supervisor.bus().cloned() {
            return self.load_shared(key, bus, ctx);
        }
        let read = async move {
            if is_settled {
                persistence.read(move |store| find(store, &wanted)).await
            } else {
                persistence.write(move |store| find(store, &wanted)).await
            }
        };
        let started = read.into_actor(self).map(move |outcome, shard, ctx| {
            let outcome = outcome
                .and_then(|stored| stored.ok_or(AskError::not_found(Thing::Channel)))
                .map(|(channel, line)| {
                    ChannelActor::new(channel, line, shard.surroundings()).start()
                });
            if shard.channels.loaded(&key, &outcome) {
                shard.load_channel(key, ctx);
            }
        });
        ctx.spawn(started);
    }

    /// Opens the line of a channel that several servers serve, reads it and starts its actor.
    fn load_shared(&self, key: ChannelKey, bus: Arc<dyn SharedBus>, ctx: &mut Context<Self>) {
        let (persistence, wanted) = (self.supervisor.persistence().clone(), key.clone());
        let opened = async move { channel::open_shared(&persistence, bus, wanted).await };
        ctx.spawn(opened.into_actor(self).map(move |outcome, shard, ctx| {
            let started = |opening| ChannelActor::shared(opening, shard.surroundings()).start();
            let outcome = outcome.map(started);
            if shard.channels.loaded(&key, &outcome) {
                shard.load_channel(key, ctx);
            }
        }));
    }

    /// Reads a token with its subscriptions and starts its session.
    fn load_session(&mut self, token: LeapTokenId, ctx: &mut Context<Self>) {
        let (supervisor, wanted) = (self.supervisor.clone(), token.clone());
        // One that had gone from here, and has not got anywhere, is back.
        let left = self.departed.take(&token);
        let read = async move {
            // Behind that others know of it: what they change from then on they tell.
            let mut elsewhere = supervisor.arrive(&wanted).await?;
            if let Some(left) = left.filter(|_| elsewhere.moved.is_none()) {
                elsewhere.session.get_or_insert(left.session);
                elsewhere.ephemeral.extend(left.ephemeral);
                elsewhere.moved = left.moved;
            }
            let found = move |store: &mut dyn ReadStore| match store.find_token(&wanted)? {
                Some(found) => {
                    let permanent = store.subscriptions_of(&wanted)?;
                    let has_mail = store.has_mail(&wanted)?;
                    Ok(Some((found, StoredSession { permanent, has_mail, elsewhere })))
                }
                None => Ok(None),
            };
            supervisor.persistence().read(found).await
        };
        let started = read.into_actor(self).map(move |outcome, shard, ctx| {
            let is_shared = shard.shared.remove(&token);
            let is_moved =
                matches!(&outcome, Ok(Some((_, stored))) if stored.elsewhere.moved.is_some());
            let outcome = outcome
                .and_then(|stored| stored.ok_or(AskError::not_found(Thing::Token)))
                .map(|(found, mut stored)| {
                    stored.elsewhere.is_shared |= is_shared;
                    let (project, supervisor) = (found.project.clone(), shard.supervisor.clone());
                    SessionActor::new(project, Identity::Token(found), stored, supervisor).start()
                });
            if is_moved && outcome.is_ok() {
                let (supervisor, token) = (shard.supervisor.clone(), token.clone());
                let told = async move { supervisor.tell_arrived(&token).await };
                ctx.spawn(told.into_actor(shard));
            }
            if shard.sessions.loaded(&token, &outcome) {
                shard.load_session(token, ctx);
            }
        });
        ctx.spawn(started);
    }

    /// Asks other servers whether they have subscribers of a channel.
    fn ask_elsewhere(&self) -> AskElsewhere {
        let supervisor = self.supervisor.clone();
        Arc::new(move |key: &ChannelKey| {
            let (supervisor, key) = (supervisor.clone(), key.clone());
            async move { supervisor.is_subscribed_elsewhere(&key).await }.boxed()
        })
    }

    /// What a channel's actor needs.
    fn surroundings(&self) -> Surroundings {
        Surroundings {
            persistence: self.supervisor.persistence().clone(),
            settings: self.supervisor.settings(),
            windows: Arc::clone(self.supervisor.windows()),
            comebacks_end: self.supervisor.comebacks_end(),
            shard: self.place.clone(),
            recorder: Arc::clone(self.supervisor.recorder()),
            elsewhere: self.supervisor.bus().map(|_| self.ask_elsewhere()),
        }
    }
}

/// A channel, and its line where the store counts that.
fn find(
    store: &mut dyn ReadStore,
    key: &ChannelKey,
) -> StoreResult<Option<(Channel, Option<StoredLine>)>> {
    let Some(channel) = store.find_channel(key)? else { return Ok(None) };
    let is_kept = channel.capabilities.contains(Capabilities::HISTORY);
    let line = if is_kept { store.find_line(key)? } else { None };
    Ok(Some((channel, line)))
}

/// Waits for what a directory promised.
async fn promised<V>(answer: DirectoryAnswer<V>) -> Result<V, AskError> {
    answer.await.unwrap_or(Err(AskError::Closed))
}

impl Actor for Shard {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(MAILBOX);
        ctx.run_interval(RECORDER_SWEEP, |shard, ctx| {
            for project in shard.supervisor.recorder().sweep(Instant::now(), clock::now()) {
                let supervisor = shard.supervisor.clone();
                let told = async move { supervisor.watch_frames(&project).await };
                ctx.spawn(told.into_actor(shard));
            }
        });
    }

    /// In a crash, the next one is there before this one's mailbox closes: who is refused by that finds it. A shard that goes
    /// with its thread has none.
    fn stopped(&mut self, _: &mut Context<Self>) {
        if std::thread::panicking() {
            tracing::error!("a shard of the supervisor crashed and is started again");
            let place = self.place.clone();
            place.replace(|| self.successor().start());
        }
    }
}

impl Handler<ResolveChannel> for Shard {
    type Result = ResponseFuture<Result<Addr<ChannelActor>, AskError>>;

    fn handle(
        &mut self,
        ResolveChannel(key): ResolveChannel,
        ctx: &mut Context<Self>,
    ) -> Self::Result {
        match self.channels.ask(&key) {
            Resolution::Live(address) => Box::pin(async { Ok(address) }),
            Resolution::Wait(answer) => Box::pin(promised(answer)),
            Resolution::Load(answer) => {
                self.load_channel(key, ctx);
                Box::pin(promised(answer))
            }
        }
    }
}

impl Handler<FindChannel> for Shard {
    type Result = ResponseFuture<Option<Addr<ChannelActor>>>;

    fn handle(&mut self, FindChannel(key): FindChannel, _: &mut Context<Self>) -> Self::Result {
        found(self.channels.find(&key))
    }
}

impl Handler<ResolveSession> for Shard {
    type Result = ResponseFuture<Result<Addr<SessionActor>, AskError>>;

    fn handle(
        &mut self,
        ResolveSession(token): ResolveSession,
        ctx: &mut Context<Self>,
    ) -> Self::Result {
        match self.sessions.ask(&token) {
            Resolution::Live(address) => Box::pin(async { Ok(address) }),
            Resolution::Wait(answer) => Box::pin(promised(answer)),
            Resolution::Load(answer) => {
                self.load_session(token, ctx);
                Box::pin(promised(answer))
            }
        }
    }
}

impl Handler<FindSession> for Shard {
    type Result = ResponseFuture<Option<Addr<SessionActor>>>;

    fn handle(&mut self, FindSession(token): FindSession, _: &mut Context<Self>) -> Self::Result {
        found(self.sessions.find(&token))
    }
}

/// Waits for a handle that there is or will be.
fn found<V: 'static>(asked: Option<Resolution<V>>) -> ResponseFuture<Option<V>> {
    match asked {
        None => Box::pin(async { None }),
        Some(Resolution::Live(handle)) => Box::pin(async { Some(handle) }),
        Some(Resolution::Wait(answer) | Resolution::Load(answer)) => {
            Box::pin(async { promised(answer).await.ok() })
        }
    }
}

impl Handler<RetireChannel> for Shard {
    type Result = ();

    fn handle(&mut self, RetireChannel { key, address }: RetireChannel, ctx: &mut Context<Self>) {
        if !self.channels.begin_end(&key, &address) {
            return;
        }
        let asked = address.send(channel::EndIdleChannel).into_actor(self);
        ctx.spawn(asked.map(move |ends, shard, ctx| {
            let must_load = if matches!(ends, Ok(false)) {
                shard.channels.loaded(&key, &Ok(address))
            } else {
                shard.channels.ended(&key)
            };
            if must_load {
                shard.load_channel(key, ctx);
            }
        }));
    }
}

impl Handler<RetireSession> for Shard {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(
        &mut self,
        RetireSession { token, address }: RetireSession,
        _: &mut Context<Self>,
    ) -> Self::Result {
        if !self.sessions.begin_end(&token, &address) {
            return Box::pin(async {}.into_actor(self));
        }
        pass(CrashPoint::SessionEnds);
        let asked = address.send(session::EndIdleSession).into_actor(self);
        Box::pin(asked.map(move |ends, shard, ctx| {
            let must_load = if matches!(ends, Ok(false)) {
                if shard.shared.remove(&token) {
                    tell(&address, session::shared::BeShared);
                }
                shard.sessions.loaded(&token, &Ok(address))
            } else {
                let must_load = shard.sessions.ended(&token);
                if !must_load {
                    shard.shared.remove(&token);
                }
                must_load
            };
            if must_load {
                shard.load_session(token, ctx);
            }
        }))
    }
}

impl Handler<ChannelGone> for Shard {
    type Result = ();

    fn handle(&mut self, gone: ChannelGone, _: &mut Context<Self>) {
        let ChannelGone { key, address, is_settled, has_crashed } = gone;
        if has_crashed {
            self.supervisor.forget_unheard();
        }
        if self.channels.forget(&key, &address) && !is_settled {
            self.unsettled.insert(key);
        }
    }
}

impl Handler<SessionGone> for Shard {
    type Result = ();

    fn handle(&mut self, SessionGone { token, address }: SessionGone, _: &mut Context<Self>) {
        self.sessions.forget(&token, &address);
    }
}

impl Handler<ListSessions> for Shard {
    type Result = MessageResult<ListSessions>;

    fn handle(&mut self, _: ListSessions, _: &mut Context<Self>) -> Self::Result {
        let live = self.sessions.live();
        MessageResult(live.map(|(token, session)| (token.clone(), session.clone())).collect())
    }
}

impl Handler<NoteSessions> for Shard {
    type Result = ();

    /// What is just being loaded has nobody yet, and tells of who comes.
    fn handle(&mut self, note: NoteSessions, _: &mut Context<Self>) {
        for (key, channel) in self.channels.live() {
            if key.project == note.0 {
                tell(channel, note.clone());
            }
        }
        for (_, session) in self.sessions.live() {
            tell(session, note.clone());
        }
    }
}

impl Handler<EndProject> for Shard {
    type Result = ();

    /// What is just being loaded or ended is left out: it was refused its connections before, so it ends as idle.
    fn handle(&mut self, ended: EndProject, _: &mut Context<Self>) {
        for (key, channel) in self.channels.live() {
            if key.project == ended.0 {
                tell(channel, ended.clone());
            }
        }
        for (_, session) in self.sessions.live() {
            tell(session, ended.clone());
        }
    }
}
