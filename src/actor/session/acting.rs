//! What a session's actor does about what its machine decides: orders and words leave at once, what takes time is begun
//! when the step is over.

use super::super::channel::{self, ChannelActor};
use super::super::clock;
use super::super::online::OnlineMark;
use super::super::shard::RetireSession;
use super::super::supervisor::Supervisor;
use super::super::tell::tell;
use super::{SessionActor, hooking, now};
use crate::channel::{Card, ConnectionRef, SessionArrival};
use crate::delivery::fanout::{ConnectionUid, FanoutHandle, Order};
use crate::delivery::outlet::Outlet;
use crate::delivery::{Home, Report, Reports};
use crate::domain::{
    ChannelId, ChannelKey, Epoch, LeapTokenId, MISSED_UNKNOWN, ProjectId, SessionUid, Since,
    Timestamp,
};
use crate::protocol::Profiles;
use crate::recorder::Tape;
use crate::session::{Ephemeral, SessionEffects, SessionLimits, SessionMachine, ToChannel};
use actix::prelude::*;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long an expiry is left alone at most: it is a time of the wall clock, which may be set while timers run on.
const LONGEST_TIMER: Duration = Duration::from_mins(1);

/// What is begun when a step is over.
enum SessionBegun {
    /// A channel was asked or told something, and will say whether it heard.
    Ask(ChannelId, Pin<Box<dyn Future<Output = bool>>>),
    /// A channel is looked for.
    LookFor(ChannelId),
    /// The channels are asked who is in.
    AskWhoIsIn(ConnectionUid),
    /// The grace begins.
    StartGrace,
    /// The grace ends early.
    StopGrace,
    /// The line is looked at after so long.
    WatchLine(Duration),
    /// The token is looked at at that time.
    WatchExpiry(Option<Timestamp>),
    /// Some of what waits behind a number in the token's mailbox is read.
    ReadMail(u64),
    /// It is looked after so long whether mails were heard.
    WatchMail(Duration),
    /// Mails of these numbers are noted as delivered.
    DeliverMail(Epoch, Vec<RangeInclusive<u64>>),
    /// The shard is asked whether the session may end.
    Retire,
    /// The actor ends.
    Stop,
}

/// What a session's actor does.
pub(super) struct SessionActing {
    /// The tenant.
    project: ProjectId,
    /// The actor, once it runs.
    address: Option<Addr<SessionActor>>,
    /// Says that the token is online, while there is a connection.
    online: Option<OnlineMark>,
    /// The timer that runs while there is no connection.
    grace: Option<SpawnHandle>,
    /// The timer of the token's expiry.
    expiry: Option<SpawnHandle>,
    /// Orders on their way.
    outlet: Outlet,
    /// What is begun when the step is over.
    begun: Vec<SessionBegun>,
    /// Records what happens here, for who looks.
    tape: Tape,
    /// The way to everything else.
    supervisor: Supervisor,
}

impl Reports for Addr<SessionActor> {
    fn report(&self, report: Report) {
        tell(self, report);
    }
}

impl SessionActing {
    /// Nothing to do yet.
    pub(super) fn new(project: &ProjectId, supervisor: Supervisor) -> Self {
        Self {
            project: project.clone(),
            address: None,
            online: None,
            grace: None,
            expiry: None,
            outlet: Outlet::new(project.clone()),
            begun: Vec::new(),
            tape: supervisor.tape(project),
            supervisor,
        }
    }

    /// The actor runs.
    pub(super) fn set_address(&mut self, address: Addr<SessionActor>) {
        self.address = Some(address);
    }

    /// The way to everything else.
    pub(super) const fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    /// The project's tape.
    pub(super) const fn tape(&self) -> &Tape {
        &self.tape
    }

    /// Sends what an actor that is about to end still has to send.
    pub(super) fn leave_behind(&mut self) {
        self.outlet.leave_behind();
    }

    /// Has it watched whether a channel hears what it was sent.
    fn watch<M>(&mut self, id: &ChannelId, sent: Request<ChannelActor, M>)
    where
        M: Message + Send + Unpin + 'static,
        M::Result: Send,
        ChannelActor: Handler<M>,
    {
        let is_heard = Box::pin(async move { sent.await.is_ok() });
        self.begun.push(SessionBegun::Ask(id.clone(), is_heard));
    }

    /// The full name of a channel of the project.
    pub(super) fn key(&self, id: &ChannelId) -> ChannelKey {
        ChannelKey { project: self.project.clone(), id: id.clone() }
    }

    /// The tenant.
    pub(super) const fn project(&self) -> &ProjectId {
        &self.project
    }
}

impl SessionEffects for SessionActing {
    type Channel = Addr<ChannelActor>;
    type Worker = FanoutHandle;

    fn unheard_before_start(&self, token: &LeapTokenId) -> u64 {
        if self.supervisor.bus().is_some() {
            // What one of several servers leaves, the store has no room for.
            return MISSED_UNKNOWN;
        }
        self.supervisor.unheard_before_start(token)
    }

    fn limits(&self) -> SessionLimits {
        let settings = self.supervisor.settings();
        SessionLimits {
            channels: settings.session_channels,
            connections: settings.token_connections,
            replay_events: settings.replay_events,
            replay_bytes: settings.replay_bytes,
            init_bytes: settings.init_bytes,
            window: settings.window(),
        }
    }

    fn home(&self) -> Option<Home> {
        let address = self.address.clone()?;
        Some(Arc::new(address))
    }

    fn is_live(&self, channel: &Addr<ChannelActor>) -> bool {
        channel.connected()
    }

    fn order(&mut self, to: &FanoutHandle, order: Order, forms: Profiles) {
        self.outlet.send(to, order, forms);
    }

    fn say(
        &mut self,
        channel: &Addr<ChannelActor>,
        session: SessionUid,
        word: ToChannel<FanoutHandle>,
    ) {
        match word {
            ToChannel::Detach { connection, standing, is_settled } => {
                tell(channel, channel::Detach { session, connection, standing, is_settled });
            }
            ToChannel::Recall { connection, heard, hoped } => {
                tell(channel, channel::Recall { session, connection, heard, hoped });
            }
            ToChannel::Rename(member) => tell(channel, channel::Rename { session, member }),
            ToChannel::ShowPresence(connection) => {
                tell(channel, channel::ShowPresence { session, connection });
            }
        }
    }

    fn attach(
        &mut self,
        id: &ChannelId,
        channel: &Addr<ChannelActor>,
        session: Card,
        connection: &ConnectionRef<FanoutHandle>,
        since: Option<Since>,
    ) {
        let Some(address) = self.address.clone() else { return };
        let connection = connection.clone();
        let asked = channel.send(channel::Attach { session, address, connection, since });
        self.watch(id, asked);
    }

    fn resubscribe(
        &mut self,
        id: &ChannelId,
        channel: &Addr<ChannelActor>,
        session: Card,
        connections: Vec<ConnectionRef<FanoutHandle>>,
        is_return: bool,
    ) {
        let Some(address) = self.address.clone() else { return };
        let arrival = SessionArrival {
            session,
            way: address,
            connections,
            who: None,
            start: None,
            is_return,
        };
        self.watch(id, channel.send(channel::Subscribe(arrival)));
    }

    fn unsubscribe(
        &mut self,
        id: &ChannelId,
        channel: Option<&Addr<ChannelActor>>,
        session: Card,
        asker: Option<ConnectionUid>,
    ) {
        hooking::tell_unsubscribed(self, id, channel, session, asker);
    }

    fn look_for(&mut self, id: &ChannelId) {
        self.begun.push(SessionBegun::LookFor(id.clone()));
    }

    fn vanished(&mut self, id: &ChannelId, session: Card, is_ephemeral: bool) {
        hooking::vanished(self, id, &session, is_ephemeral);
    }

    fn ephemeral(&mut self, id: &ChannelId, session: Card, what: Ephemeral) {
        hooking::ephemeral(self, id, &session, what);
    }

    fn set_online(&mut self, token: Option<&LeapTokenId>) {
        match token {
            Some(token) if self.online.is_none() => {
                self.online = Some(self.supervisor.online().mark(token));
            }
            Some(_) => {}
            None => self.online = None,
        }
    }

    fn ask_who_is_in(&mut self, connection: ConnectionUid) {
        self.begun.push(SessionBegun::AskWhoIsIn(connection));
    }

    fn start_grace(&mut self) {
        self.begun.push(SessionBegun::StartGrace);
    }

    fn stop_grace(&mut self) {
        self.begun.push(SessionBegun::StopGrace);
    }

    fn watch_line(&mut self, pause: Duration) {
        self.begun.push(SessionBegun::WatchLine(pause));
    }

    fn watch_expiry(&mut self, at: Option<Timestamp>) {
        self.begun.push(SessionBegun::WatchExpiry(at));
    }

    fn read_mail(&mut self, after: u64) {
        self.begun.push(SessionBegun::ReadMail(after));
    }

    fn watch_mail(&mut self, pause: Duration) {
        self.begun.push(SessionBegun::WatchMail(pause));
    }

    fn deliver_mail(&mut self, mailbox: Epoch, numbers: Vec<RangeInclusive<u64>>) {
        self.begun.push(SessionBegun::DeliverMail(mailbox, numbers));
    }

    fn retire(&mut self) {
        self.begun.push(SessionBegun::Retire);
    }

    fn stop(&mut self) {
        self.begun.push(SessionBegun::Stop);
    }
}

impl SessionActor {
    /// Begins what a step has decided, and waits for orders that could not leave.
    pub(super) fn carry_out(&mut self, ctx: &mut Context<Self>) {
        while !self.acting.begun.is_empty() {
            for begun in std::mem::take(&mut self.acting.begun) {
                self.begin(begun, ctx);
            }
        }
        self.acting.outlet.settle(ctx);
    }

    /// Begins one thing.
    fn begin(&mut self, begun: SessionBegun, ctx: &mut Context<Self>) {
        match begun {
            SessionBegun::Ask(id, is_heard) => self.ask(id, is_heard, ctx),
            SessionBegun::LookFor(id) => self.look_for(id, ctx),
            SessionBegun::AskWhoIsIn(uid) => {
                // Behind INIT, should that still be on its way.
                ctx.spawn(async {}.into_actor(self).map(move |(), actor, ctx| {
                    actor.step(ctx, |machine, acting| machine.ask_who_is_in(uid, acting));
                }));
            }
            SessionBegun::StartGrace => {
                let grace = self.supervisor().settings().session_grace;
                self.acting.grace = Some(ctx.run_later(grace, |actor, ctx| {
                    actor.acting.grace = None;
                    actor.step(ctx, SessionMachine::grace_over);
                }));
            }
            SessionBegun::StopGrace => {
                if let Some(timer) = self.acting.grace.take() {
                    ctx.cancel_future(timer);
                }
            }
            SessionBegun::WatchLine(pause) => {
                ctx.run_later(pause, |actor, ctx| {
                    let now = Instant::now();
                    actor.step(ctx, |machine, acting| machine.expire(now, acting));
                });
            }
            SessionBegun::WatchExpiry(at) => self.watch_expiry(at, ctx),
            SessionBegun::ReadMail(after) => self.read_mail(after, ctx),
            SessionBegun::WatchMail(pause) => Self::watch_mail(pause, ctx),
            SessionBegun::DeliverMail(mailbox, numbers) => self.deliver_mail(mailbox, numbers, ctx),
            SessionBegun::Retire => self.retire(ctx),
            SessionBegun::Stop => {
                self.acting.leave_behind();
                ctx.stop();
            }
        }
    }

    /// Where a channel ended before it heard, its successor has to answer.
    fn ask(
        &self,
        id: ChannelId,
        is_heard: impl Future<Output = bool> + 'static,
        ctx: &mut Context<Self>,
    ) {
        ctx.spawn(is_heard.into_actor(self).map(move |is_heard, actor, ctx| {
            if !is_heard {
                actor.step(ctx, |machine, acting| machine.unanswered(&id, acting));
            }
        }));
    }

    /// Sets the timer that looks at the token again.
    fn watch_expiry(&mut self, at: Option<Timestamp>, ctx: &mut Context<Self>) {
        if let Some(timer) = self.acting.expiry.take() {
            ctx.cancel_future(timer);
        }
        let Some(at) = at else { return };
        let left = Duration::from_millis(clock::now().millis_until(at));
        self.acting.expiry = Some(ctx.run_later(left.min(LONGEST_TIMER), |actor, ctx| {
            actor.acting.expiry = None;
            actor.step(ctx, |machine, acting| machine.expire_token(now().time, acting));
        }));
    }

    /// Asks the shard to let this session end; a connection that comes first is the reason not to.
    fn retire(&self, ctx: &mut Context<Self>) {
        let Some(token) = self.machine.token().map(|token| token.id.clone()) else { return };
        let (shard, address) = (self.supervisor().session_shard(&token), ctx.address());
        let asked = async move {
            shard.ask(|| RetireSession { token: token.clone(), address: address.clone() }).await
        };
        ctx.spawn(asked.into_actor(self).map(|asked, actor, ctx| {
            if asked.is_err() {
                // Nobody heard of it: it is tried again.
                actor.begin(SessionBegun::StartGrace, ctx);
            }
        }));
    }
}
