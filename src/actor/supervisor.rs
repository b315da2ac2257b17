//! The supervisor: routes every question to the channel or session that it concerns.
//!
//! Its directory is sharded by the hash of the id. Each shard lives on a worker thread ([`Supervisor::settle_here`]),
//! so that with one worker everything happens on one thread, without a switch between threads on the way of a message.

mod comebacks;
mod endings;
mod jwt;
mod known;
mod mailing;
pub mod others;
mod questions;
mod recording;
mod sending;
mod stopping;
mod unheard;

pub use questions::describe;
pub use sending::{ChannelWay, Handover};

use super::channel::{ChannelActor, ConnectionRef};
use super::clock;
use super::guesses::{Guess, GuessTurn, Guesses};
use super::inbound::{InboundAccount, InboundBudget};
use super::key_sets::KeySets;
use super::online::Online;
use super::persistence::Persistence;
use super::session::{Connect, Identity, SessionActor, StoredSession};
use super::settings::Settings;
use super::shard::{FindSession, ResolveChannel, ResolveSession, Shard, ShardPlace};
use super::tell::tell;
use crate::ask::AskError;
use crate::bus::shared::SharedBus;
use crate::channel::Moment;
use crate::delivery::Undelivered;
use crate::delivery::fanout::{ConnectionUid, FanoutHandle, LocalFanout};
use crate::delivery::{Exit, Report};
use crate::domain::project::secret_hash;
use crate::domain::{
    ChannelKey, ConnectionId, LeapTokenId, Permission, ProjectId, SessionUid, Timestamp,
};
use crate::jwt::looks_like;
use crate::line::WindowBudget;
use crate::protocol::{Close, CloseCode, Extension, Extensions, Identify};
use crate::recorder::{FlightRecorder, Tape};
use crate::store::{StoreError, Thing};
use actix::prelude::*;
use arc_swap::ArcSwap;
use comebacks::Comebacks;
use endings::KnownProjects;
use others::{AnsweringServer, Forgotten};
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use stopping::Stopping;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How often an actor that ends just when it is asked is looked for again.
const ATTEMPTS: usize = 3;

/// The way to every channel and session, cheap to clone; each method is one question.
#[derive(Clone)]
pub struct Supervisor(Arc<SupervisorInner>);

/// Lets go of what is remembered outside the actors.
pub type Forgetting = Box<dyn Fn(&Forgotten) + Send + Sync>;

/// Counts supervisors of this process.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// What all handles share.
struct SupervisorInner {
    /// Tells supervisors apart.
    number: u64,
    /// When it began, and with it the server, by both clocks.
    began: Moment,
    /// Where the shards are, as far as they have settled.
    shards: Vec<ShardPlace>,
    /// Held while one settles.
    settling: Mutex<()>,
    /// Wakes who waits for the shards.
    settled: Notify,
    /// Spreads ids over shards.
    hasher: RandomState,
    /// The store.
    persistence: Persistence,
    /// Intervals and bounds, as they are now.
    settings: ArcSwap<Settings>,
    /// Projects that are known to exist.
    projects: RwLock<KnownProjects>,
    /// Which leap tokens have a connection.
    online: Online,
    /// Which leap tokens have sessions that other servers may have as well.
    shared_tokens: Online,
    /// Has memories outside the actors let go of what other servers have changed.
    forgetting: OnceLock<Forgetting>,
    /// Secrets that nobody has.
    guesses: Guesses,
    /// The keys that issuers publish.
    key_sets: KeySets,
    /// What all lines may keep at hand.
    windows: Arc<WindowBudget>,
    /// What all connections may hold of what their clients sent.
    inbound: Arc<InboundBudget>,
    /// The fan-outs that have ever had a connection.
    fanouts: Mutex<Vec<FanoutHandle>>,
    /// How far the stop is, and who has still to go.
    stopping: Stopping,
    /// What is known of those who come back.
    comebacks: Comebacks,
    /// What happened lately, for who looks.
    recorder: Arc<FlightRecorder>,
    /// What orders for several servers, where there are several.
    bus: Option<Arc<dyn SharedBus>>,
}

/// A place in a session; given back when dropped, by whoever held it last, unless the session knows already.
pub struct Connected {
    /// The session.
    pub session: Addr<SessionActor>,
    /// Which one it is to channels.
    pub(super) uid: SessionUid,
    /// The leap token of its subject, if it came with a JSON Web Token.
    pub(super) subject: Option<LeapTokenId>,
    /// The connection that has the place.
    connection: ConnectionUid,
    /// Whether the session knows that the connection has gone.
    is_told: bool,
}

impl Connected {
    /// Gives the place back; nothing is to be done if the session knows that the connection has gone.
    pub(super) fn give_back(mut self, is_told: bool) {
        self.is_told = is_told;
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        if !self.is_told {
            let undelivered = Undelivered::default();
            let (connection, standing) = (self.connection, None);
            let (is_settled, has_spoken) = (true, false);
            let exit = Exit { connection, standing, is_settled, has_spoken, undelivered };
            tell(&self.session, Report::Exit(exit));
        }
    }
}

impl Supervisor {
    /// A supervisor of so many shards, none of which has settled on a thread yet.
    pub fn new(shards: usize, persistence: Persistence, settings: Settings) -> Self {
        Self::with_bus(shards, persistence, settings, None)
    }

    /// The same, on one of several servers if there is a bus.
    pub fn with_bus(
        shards: usize,
        persistence: Persistence,
        settings: Settings,
        bus: Option<Arc<dyn SharedBus>>,
    ) -> Self {
        Self(Arc::new(SupervisorInner {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            began: Moment { instant: Instant::now(), time: clock::now() },
            shards: (0..shards.max(1)).map(|_| ShardPlace::default()).collect(),
            settling: Mutex::default(),
            settled: Notify::new(),
            hasher: RandomState::new(),
            persistence,
            settings: ArcSwap::from_pointee(settings),
            projects: RwLock::default(),
            online: Online::default(),
            shared_tokens: Online::default(),
            forgetting: OnceLock::new(),
            guesses: Guesses::new(settings.auth_failures),
            key_sets: KeySets::default(),
            windows: Arc::new(WindowBudget::new(settings.window_bytes)),
            inbound: Arc::new(InboundBudget::new(settings.inbound_bytes)),
            fanouts: Mutex::default(),
            stopping: Stopping::default(),
            comebacks: Comebacks::default(),
            recorder: Arc::new(FlightRecorder::new(shards, settings.recorder)),
            bus,
        }))
    }

    /// Settles the next shard on the current thread, whose actix runtime must be running; none if all have settled. One whose
    /// thread has ended is settled anew.
    pub fn settle_here(&self) {
        let _turn = self.0.settling.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = self.0.shards.iter().find(|place| !place.is_settled()) {
            place.settle(Shard::new(self.clone(), place.clone()).start());
            self.0.settled.notify_waiters();
        }
    }

    /// Settles all shards that have not, each on a thread of its own, which the caller ends; for servers that are part of
    /// another program.
    pub fn settle_apart(&self) -> Vec<Arbiter> {
        let settle = |_: &ShardPlace| {
            let (supervisor, thread) = (self.clone(), Arbiter::new());
            thread.spawn_fn(move || supervisor.settle_here());
            thread
        };
        self.0.shards.iter().filter(|place| !place.is_settled()).map(settle).collect()
    }

    /// Whether all shards have settled.
    pub fn is_ready(&self) -> bool {
        self.0.shards.iter().all(ShardPlace::is_settled)
    }

    /// Waits until all shards have settled.
    pub async fn ready(&self) {
        loop {
            let settled = self.0.settled.notified();
            if self.is_ready() {
                return;
            }
            settled.await;
        }
    }

    /// The store.
    pub fn persistence(&self) -> &Persistence {
        &self.0.persistence
    }

    /// Which leap tokens have a connection now.
    pub fn online(&self) -> &Online {
        &self.0.online
    }

    /// Which leap tokens have sessions that other servers may have as well.
    pub(super) fn shared_tokens(&self) -> &Online {
        &self.0.shared_tokens
    }

    /// From now on this lets go of what other servers have changed.
    pub fn forget_by(&self, forgetting: Forgetting) {
        // Asked for once, when a server starts.
        let _ = self.0.forgetting.set(forgetting);
    }

    /// Has it forgotten.
    fn have_forgotten(&self, what: &Forgotten) {
        if let Some(forgetting) = self.0.forgetting.get() {
            forgetting(what);
        }
    }

    /// From now on other servers are answered, and asked.
    ///
    /// # Errors
    /// [`AskError::Overloaded`] where they cannot be reached.
    pub async fn join_others(&self) -> Result<(), AskError> {
        match self.bus() {
            Some(bus) => Ok(bus.answer_by(AnsweringServer::new(self)).await?),
            None => Ok(()),
        }
    }

    /// Other servers wait for this one no more: it ends.
    pub async fn leave_others(&self) {
        if let Some(bus) = self.bus() {
            bus.leave_others().await;
        }
    }

    /// Secrets that nobody has.
    pub fn guesses(&self) -> &Guesses {
        &self.0.guesses
    }

    /// What all lines may keep at hand.
    pub(super) fn windows(&self) -> &Arc<WindowBudget> {
        &self.0.windows
    }

    /// What orders for several servers, where there are several.
    pub fn bus(&self) -> Option<&Arc<dyn SharedBus>> {
        self.0.bus.as_ref()
    }

    /// Whether what channels say can be ordered now: always, where this server is alone.
    pub fn is_ordered(&self) -> bool {
        self.bus().is_none_or(|bus| bus.is_there())
    }

    /// What happened lately, for who looks.
    pub fn recorder(&self) -> &Arc<FlightRecorder> {
        &self.0.recorder
    }

    /// A project's tape, for what lives on this thread.
    pub fn tape(&self, project: &ProjectId) -> Tape {
        self.0.recorder.tape(project, clock::now())
    }

    /// Intervals and bounds, as they are now.
    pub fn settings(&self) -> Arc<Settings> {
        self.0.settings.load_full()
    }

    /// Lets connections, sessions and channels that begin from now on live by these. The budgets that all share stay as
    /// they were made.
    pub(crate) fn change_settings(&self, settings: Arc<Settings>) {
        self.0.settings.store(settings);
    }

    /// Until when those may come back who were connected when the server started.
    pub(super) fn comebacks_end(&self) -> Instant {
        self.0.began.instant + self.settings().session_grace
    }

    /// When the server started, while those may come back who were connected until then.
    pub(super) fn restart(&self) -> Option<Timestamp> {
        (Instant::now() < self.comebacks_end()).then_some(self.0.began.time)
    }

    /// The account of a connection that opens, with what its client may send in one piece until it has sent an IDENTIFY.
    pub fn inbound_account(&self) -> InboundAccount {
        let settings = self.settings();
        let bound = settings.identify_bytes.min(settings.frame_bytes);
        InboundAccount::new(bound, &self.0.inbound)
    }

    /// The fan-out of this thread, known for [`Self::close_all`] from now on.
    pub(super) fn fanout_here(&self) -> LocalFanout {
        let local = LocalFanout::here();
        let handle = local.handle();
        let mut known = self.0.fanouts.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.iter().any(|fanout| fanout.index() == handle.index()) {
            known.push(handle);
        }
        local
    }

    /// How many orders are on their way to fan-outs.
    pub fn orders_waiting(&self) -> usize {
        let known = self.0.fanouts.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().map(FanoutHandle::waiting_orders).sum()
    }

    /// How many bytes are held of what clients sent.
    pub fn inbound_bytes(&self) -> usize {
        self.0.inbound.used()
    }

    /// The fan-out of this number.
    fn fanout_of(&self, index: u64) -> Option<FanoutHandle> {
        let known = self.0.fanouts.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|fanout| u64::try_from(fanout.index()) == Ok(index)).cloned()
    }

    /// The shard of an id.
    fn shard<K: Hash>(&self, key: &K) -> ShardPlace {
        let shards = &self.0.shards;
        let count = u64::try_from(shards.len()).unwrap_or(1);
        let index = usize::try_from(self.0.hasher.hash_one(key) % count).unwrap_or(0);
        shards.get(index).cloned().unwrap_or_default()
    }

    /// The shard that knows a token's session.
    pub(super) fn session_shard(&self, token: &LeapTokenId) -> ShardPlace {
        self.shard(token)
    }

    /// The actor of a channel, spawned if need be.
    pub(super) async fn channel(&self, key: &ChannelKey) -> Result<Addr<ChannelActor>, AskError> {
        if let Some(known) = self.known_channel(key) {
            return Ok(known);
        }
        let found = self.shard(key).resolve(|| ResolveChannel(key.clone())).await?;
        self.remember_channel(key, &found);
        Ok(found)
    }

    /// The actor of a channel, if this thread knows it.
    pub(super) fn known_channel(&self, key: &ChannelKey) -> Option<Addr<ChannelActor>> {
        known::find(self.0.number, key)
    }

    /// Remembers the actor of a channel on this thread.
    pub(super) fn remember_channel(&self, key: &ChannelKey, address: &Addr<ChannelActor>) {
        known::remember(self.0.number, key, address);
    }

    /// The session of a token of this project, spawned if need be.
    async fn session(&self, token: &LeapTokenId) -> Result<Addr<SessionActor>, AskError> {
        self.shard(token).resolve(|| ResolveSession(token.clone())).await
    }

    /// Finds out who a connection is and brings it into its session; `page` is the origin of the page that opened it, if one did.
    ///
    /// # Errors
    /// The close that the connection earns.
    pub(super) async fn connect(
        &self,
        who: &Identify,
        extensions: Option<Extensions>,
        connection: ConnectionRef,
        cid: ConnectionId,
        address: Option<IpAddr>,
        page: Option<&str>,
    ) -> Result<Connected, Close> {
        self.check_stopping()?;
        let project = ProjectId::from(who.project_id.as_str());
        let origins = self.check_project(&project, address).await?;
        if page.is_some_and(|page| !origins.allow(page)) {
            let why = "pages of this origin may not come to this project";
            return Err(Close::new(CloseCode::InvalidAuth, why));
        }
        let is_granted = extensions.is_some_and(|granted| granted.has(Extension::Resume));
        let resume = who.resume.clone().filter(|_| is_granted).map(Arc::new);
        let project_id = project.clone();
        let connect = Connect {
            project: project_id,
            connection,
            cid,
            address,
            extensions,
            resume,
            expiry: None,
        };
        match who.token.as_deref() {
            None => self.connect_without_token(project, Identity::Anonymous, connect).await,
            Some(text) if looks_like(text) => self.connect_with_jwt(text, connect).await,
            Some(secret) => self.connect_with(secret, project, connect).await,
        }
    }

    /// Brings a connection in that has a secret. Wrong ones are bounded for each address, as they are over HTTP.
    async fn connect_with(
        &self,
        secret: &str,
        project: ProjectId,
        connect: Connect,
    ) -> Result<Connected, Close> {
        if secret.starts_with("pat_") || LeapTokenId::from(secret).is_of_subject() {
            // Right or wrong, the one is for HTTP alone, and the other is no secret.
            return Err(unknown_token());
        }
        let (guess, address, asked) =
            (Guess::Secret(secret_hash(secret)), connect.address, Instant::now());
        if self.0.guesses.is_refused(&guess, asked) {
            return Err(unknown_token());
        }
        let is_over = self.0.guesses.is_over(address, asked);
        let mut turn = if is_over && !self.is_live(&LeapTokenId::from(secret)).await {
            Some(self.turn().await?)
        } else {
            None
        };
        let entered = if secret.starts_with("ptk_") {
            match self.check_project_token(&project, secret).await {
                Ok(()) => {
                    turn = None;
                    self.connect_without_token(project, Identity::Project, connect).await.map(Some)
                }
                Err(refused) => refused.map_or(Ok(None), Err),
            }
        } else {
            self.connect_with_token(&LeapTokenId::from(secret), connect, &mut turn).await
        };
        if let Some(entered) = entered? {
            return Ok(entered);
        }
        self.0.guesses.note(guess, address, Instant::now());
        if let Some(turn) = turn {
            turn.pass().await;
        }
        Err(unknown_token())
    }

    /// Waits for the turn of an address that has tried too many tokens and projects which do not exist.
    async fn turn(&self) -> Result<GuessTurn<'_>, Close> {
        self.0.guesses.turn().await.map_err(|_many| too_many_guesses())
    }

    /// Brings a connection into a session of its own, on its own thread.
    async fn connect_without_token(
        &self,
        project: ProjectId,
        identity: Identity,
        connect: Connect,
    ) -> Result<Connected, Close> {
        let session =
            SessionActor::new(project, identity, StoredSession::default(), self.clone()).start();
        let connection = connect.connection.uid;
        let entered = session.send(connect).await;
        let uid = entered.unwrap_or_else(|_ended| Err(AskError::Closed.close()))?;
        Ok(Connected { session, uid, subject: None, connection, is_told: false })
    }

    /// Whether a token has a session in memory: then it is no guess.
    async fn is_live(&self, token: &LeapTokenId) -> bool {
        self.shard(token).ask(|| FindSession(token.clone())).await.ok().flatten().is_some()
    }

    /// Brings a connection into its token's session; none if there is no such token. The turn that it had to wait for is
    /// over once it is found.
    async fn connect_with_token(
        &self,
        token: &LeapTokenId,
        connect: Connect,
        turn: &mut Option<GuessTurn<'_>>,
    ) -> Result<Option<Connected>, Close> {
        let connection = connect.connection.uid;
        for _ in 0..ATTEMPTS {
            let session = match self.session(token).await {
                Ok(session) => session,
                Err(AskError::Store(StoreError::NotFound(Thing::Token))) => return Ok(None),
                Err(error) => return Err(error.close()),
            };
            *turn = None;
            match session.send(connect.clone()).await {
                Ok(outcome) => {
                    let uid = outcome?;
                    let (subject, is_told) = (None, false);
                    return Ok(Some(Connected { session, uid, subject, connection, is_told }));
                }
                Err(_ended) => {}
            }
        }
        Err(AskError::Closed.close())
    }

    /// Refuses a project token that is not this project's or may not read channels; without a close if there is none.
    async fn check_project_token(
        &self,
        project: &ProjectId,
        secret: &str,
    ) -> Result<(), Option<Close>> {
        let hash = secret_hash(secret);
        let found = self.0.persistence.read(move |store| store.find_project_token(&hash)).await;
        match found.map_err(|error| Some(error.close()))? {
            None => Err(None),
            Some(token) if token.project == *project => {
                let may_read = token.permissions.allows(Permission::ReadChannels);
                let missing =
                    || Close::new(CloseCode::InvalidAuth, "the token lacks read_channels");
                may_read.then_some(()).ok_or_else(|| Some(missing()))
            }
            Some(_) => Err(Some(unknown_token())),
        }
    }
}

/// The close for an address that has tried too many tokens and projects which do not exist.
fn too_many_guesses() -> Close {
    Close::new(CloseCode::RateLimited, "too many wrong tokens and projects from there")
}

/// The close for a token that is none of the project's, if it is one at all.
fn unknown_token() -> Close {
    Close::new(CloseCode::InvalidAuth, "invalid token")
}
