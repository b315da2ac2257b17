//! A session's actor: mailbox, timers, store and questions around a [`SessionMachine`], which decides.

mod acting;
mod authorizing;
mod handlers;
mod hooking;
pub mod listing;
mod mailing;
pub mod messages;
mod planning;
mod recording;
mod refreshing;
mod renewing;
mod serving;
pub mod shared;
mod subscribing;

pub use crate::session::{Expiry, Identity};
pub use messages::{
    CarriedOut, Connect, CountUnheard, Direct, EndIdleSession, FromChannel, Grant,
    ListTokenConnections, MailWaits, Revoke, Serve, TokenChanged, TokenEnded,
};

use super::clock;
use super::online::OnlineMark;
use super::shard::SessionGone;
use super::supervisor::Supervisor;
use crate::channel::Moment;
use crate::delivery::fanout::ConnectionUid;
use crate::domain::{ChannelId, ProjectId, SessionId, Subscription, Timestamp};
use crate::metrics::CountedLife;
use crate::session::{Beginning, MovedSession, SessionMachine};
use acting::SessionActing;
use actix::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;

/// Room in a session's mailbox; past it askers wait.
const MAILBOX: usize = 4096;

/// Now, by both clocks.
fn now() -> Moment {
    Moment { instant: Instant::now(), time: clock::now() }
}

/// What the store has of a token beside itself.
#[derive(Default)]
pub struct StoredSession {
    /// Its subscriptions.
    pub permanent: Vec<Subscription>,
    /// Whether anything waits in its mailbox.
    pub has_mail: bool,
    /// What other servers have of it, if several serve it.
    pub elsewhere: Elsewhere,
}

/// What other servers have of a token's session.
#[derive(Default)]
pub struct Elsewhere {
    /// Whether there is one, or may be.
    pub is_shared: bool,
    /// Its name to webhooks, which is this one's then.
    pub session: Option<SessionId>,
    /// What it is subscribed to for as long as it lasts.
    pub ephemeral: Vec<Subscription>,
    /// What it had for its next connection, if it has come from there.
    pub moved: Option<MovedSession>,
    /// When one of them may have gone, where that is so short ago that its connections may be coming back.
    pub broken: Option<Timestamp>,
}

/// One session.
pub struct SessionActor {
    /// What it is and what it decides.
    machine: SessionMachine<SessionActing>,
    /// What it does about that.
    acting: SessionActing,
    /// Taken while something about a channel's subscription is under way.
    locks: HashMap<ChannelId, Arc<Mutex<()>>>,
    /// Taken while the token is being read again.
    renewing: Arc<Mutex<()>>,
    /// Places for the questions of connections to the back end, for those that have asked any.
    places: HashMap<ConnectionUid, Arc<Semaphore>>,
    /// Says that other servers may have the token's session as well, once they do.
    shared: Option<OnlineMark>,
    /// Whether it is going on on another server, so that nobody comes here any more.
    is_moving: bool,
    /// Counts it among the sessions.
    _counted: CountedLife,
}

impl SessionActor {
    /// A session without a connection yet.
    pub fn new(
        project: ProjectId,
        identity: Identity,
        stored: StoredSession,
        supervisor: Supervisor,
    ) -> Self {
        let (window, share) =
            (supervisor.settings().window(), supervisor.windows().share(&project));
        // Where there are others, what a start means for their sessions is known from them.
        let restart = supervisor.restart().filter(|_| supervisor.bus().is_none());
        let (seed, epoch) = (uuid::Uuid::new_v4().to_string(), clock::epoch());
        let StoredSession { permanent, has_mail, elsewhere } = stored;
        let Elsewhere { is_shared, session, ephemeral, moved, broken } = elsewhere;
        let fresh = || SessionId::from(clock::readable_id("session").as_str());
        let id = session.unwrap_or_else(fresh);
        let token = identity.token().filter(|_| is_shared);
        let shared = token.map(|token| supervisor.shared_tokens().mark(&token.id));
        let acting = SessionActing::new(&project, supervisor);
        let beginning = Beginning {
            project,
            identity,
            permanent,
            ephemeral,
            has_mail,
            moved,
            broken,
            restart,
            id,
            seed,
            epoch,
            window,
            share,
        };
        Self {
            machine: SessionMachine::new(beginning),
            acting,
            locks: HashMap::new(),
            renewing: Arc::default(),
            places: HashMap::new(),
            shared,
            is_moving: false,
            _counted: CountedLife::begin(|all| &all.sessions_begun, |all| &all.sessions_ended),
        }
    }

    /// The way to everything else.
    const fn supervisor(&self) -> &Supervisor {
        self.acting.supervisor()
    }

    /// Lets the machine take a step, and does what comes of it.
    fn step<T>(
        &mut self,
        ctx: &mut Context<Self>,
        step: impl FnOnce(&mut SessionMachine<SessionActing>, &mut SessionActing) -> T,
    ) -> T {
        let outcome = step(&mut self.machine, &mut self.acting);
        self.carry_out(ctx);
        outcome
    }
}

/// How often one of several servers looks whether a token is another by now.
const TOKEN_LOOK: Duration = Duration::from_secs(15);

impl Actor for SessionActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(MAILBOX);
        self.acting.set_address(ctx.address());
        self.step(ctx, |machine, acting| machine.watch_expiry(acting));
        if self.supervisor().bus().is_some() {
            ctx.run_interval(TOKEN_LOOK, |actor, ctx| actor.look_at_token(ctx));
            self.note_moved();
            // Whoever it was begun for may have gone while others were asked.
            let grace = self.supervisor().settings().session_grace;
            ctx.run_later(grace, |actor, ctx| actor.step(ctx, SessionMachine::check_idle));
        }
    }

    /// Also after a crash: channels and the shard forget it, its connections are told to come back.
    fn stopped(&mut self, ctx: &mut Context<Self>) {
        if std::thread::panicking() {
            self.supervisor().forget_unheard();
        }
        self.machine.ended(&mut self.acting);
        self.acting.leave_behind();
        if let Some(token) = self.machine.token() {
            let gone = SessionGone { token: token.id.clone(), address: ctx.address() };
            self.supervisor().session_shard(&token.id).tell(gone);
        }
    }
}

#[cfg(test)]
mod tests;
