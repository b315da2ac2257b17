//! A channel's actor: mailbox, timers and store around a [`ChannelMachine`], which decides.

mod acting;
mod counting;
mod handlers;
mod hooking;
mod keeping;
mod looking_back;
pub mod messages;
mod recording;
mod shared;

pub use counting::{CountSessions, SessionCounts, SharedSession};
pub use messages::{
    Attach, ChangeState, Changed, ClientChange, ClientPublish, ClientPublished, ConnectionPart,
    ConnectionRef, Delete, Detach, EndIdleChannel, Expected, Hand, Handed, ListHearers,
    ListPresence, MoveAway, Publish, Published, Recall, Rename, ShowPresence, ShowState, Subscribe,
    Sweep, Trim, Unsubscribe, Update,
};

use super::clock;
use super::persistence::Persistence;
use super::settings::Settings;
use super::shard::{ChannelGone, RetireChannel, ShardPlace};
use crate::ask::AskError;
use crate::channel::{ChannelMachine, Moment};
pub use crate::channel::{MemberPlace, PresentPart};
use crate::domain::{Channel, ChannelKey};
use crate::line::WindowBudget;
use crate::metrics::CountedLife;
use crate::recorder::FlightRecorder;
use crate::store::StoredLine;
use acting::ChannelActing;
use actix::prelude::*;
use futures_util::future::BoxFuture;
use keeping::{KeepingWrites, NamesUnderWay};
use shared::SharedLine;
pub use shared::{SharedOpening, open as open_shared};
use std::sync::Arc;
use tokio::time::Instant;

/// Room in a channel's mailbox; past it askers wait or are told that the server is overloaded.
const MAILBOX: usize = 65_536;

/// Asks whether other servers have subscribers of a channel.
pub type AskElsewhere =
    Arc<dyn Fn(&ChannelKey) -> BoxFuture<'static, Result<bool, AskError>> + Send + Sync>;

/// What a channel's actor needs from its surroundings.
#[derive(Clone)]
pub struct Surroundings {
    /// The store.
    pub persistence: Persistence,
    /// Intervals and bounds.
    pub settings: Arc<Settings>,
    /// What all lines may keep at hand.
    pub windows: Arc<WindowBudget>,
    /// Until when those may come back who were connected when the server started: what was said since is theirs.
    pub comebacks_end: Instant,
    /// The shard that knows this actor.
    pub shard: ShardPlace,
    /// What happened lately, for who looks.
    pub recorder: Arc<FlightRecorder>,
    /// Asks other servers, where there are any.
    pub elsewhere: Option<AskElsewhere>,
}

/// One channel in use.
pub struct ChannelActor {
    /// What it is and what it decides.
    machine: ChannelMachine<ChannelActing>,
    /// What it does about that.
    acting: ChannelActing,
    /// Messages on their way to the store; none before the first.
    under_way: Option<KeepingWrites>,
    /// The names that clients gave some of these.
    names: NamesUnderWay,
    /// Whether some of what is not kept any more is being deleted.
    is_pruning: bool,
    /// Its line, where several servers serve the channel; elsewhere it takes no room.
    shared: Option<Box<SharedLine>>,
    /// Counts it among the channels in use.
    _counted: CountedLife,
}

/// Now, by both clocks.
fn now() -> Moment {
    Moment { instant: Instant::now(), time: clock::now() }
}

impl ChannelActor {
    /// A channel just read from the store, with its line where that is there too.
    pub fn new(channel: Channel, line: Option<StoredLine>, around: Surroundings) -> Self {
        Self::with(channel, line, None, around)
    }

    /// A channel that several servers serve, of which the line was just opened.
    pub fn shared(opening: SharedOpening, around: Surroundings) -> Self {
        let SharedOpening { channel, kept, line, window, said, bus } = opening;
        let at = line.opening.position;
        let shared = Box::new(SharedLine::new(bus, line, said, around.elsewhere.clone()));
        let mut actor = Self::with(channel, None, Some(shared), around);
        actor.machine.open_at(at);
        match kept {
            Some(kept) => actor.machine.open_history(kept.position),
            None => actor.machine.restore(window, Instant::now()),
        }
        actor
    }

    /// The same of either.
    fn with(
        channel: Channel,
        line: Option<StoredLine>,
        shared: Option<Box<SharedLine>>,
        around: Surroundings,
    ) -> Self {
        let share = around.windows.share(&channel.key.project);
        let (window, state_bytes) = (around.settings.window(), around.settings.state_bytes);
        let acting = ChannelActing::new(channel.key.clone(), around);
        let now = Instant::now();
        let epoch = clock::epoch();
        let mut machine = ChannelMachine::new(channel, epoch, window, share, state_bytes, now);
        if let Some(line) = line {
            machine.open_history(line.position);
        }
        let names = NamesUnderWay::default();
        let counted = CountedLife::begin(|all| &all.channels_begun, |all| &all.channels_ended);
        let (under_way, is_pruning) = (None, false);
        Self { machine, acting, under_way, names, is_pruning, shared, _counted: counted }
    }

    /// The channel's full name.
    const fn key(&self) -> &ChannelKey {
        self.machine.key()
    }

    /// Whether nobody would miss it.
    fn is_idle(&self) -> bool {
        self.machine.is_idle() && self.is_all_said()
    }

    /// Lets the machine take a step, and does what comes of it.
    fn step<T>(
        &mut self,
        ctx: &mut Context<Self>,
        step: impl FnOnce(&mut ChannelMachine<ChannelActing>, &mut ChannelActing) -> T,
    ) -> T {
        let outcome = step(&mut self.machine, &mut self.acting);
        self.carry_out(ctx);
        self.answer_shown();
        outcome
    }

    /// An answer that comes behind all that was said before, also where that waits.
    fn behind<T: 'static>(&self, answer: T) -> ActorResponse<Self, T> {
        if self.acting.is_busy() {
            // What is spawned rests while the actor waits for its orders to leave.
            ActorResponse::r#async(async move { answer }.into_actor(self))
        } else {
            ActorResponse::reply(answer)
        }
    }
}

impl Actor for ChannelActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(MAILBOX);
        self.acting.set_address(ctx.address());
        self.hear_line(ctx);
        self.mend(self.machine.channel(), ctx);
        let idle = self.acting.settings().channel_idle;
        ctx.run_interval(idle / 2, move |actor, ctx| {
            let now = Instant::now();
            actor.machine.expire(now);
            if actor.is_shared() {
                // What another server has done and could not tell.
                actor.step(ctx, ChannelMachine::doubt);
            }
            let is_unused = actor.is_idle() && actor.machine.used().elapsed() >= idle;
            let is_over = is_unused && now >= actor.acting.comebacks_end();
            // One that others serve too is not deleted by whoever has nobody there.
            let may_sleep = |actor: &mut Self, ctx: &mut Context<Self>| {
                actor.is_shared() || actor.step(ctx, |machine, acting| machine.may_sleep(acting))
            };
            if is_over && may_sleep(actor, ctx) {
                let (key, address) = (actor.key().clone(), ctx.address());
                actor.acting.shard().tell(RetireChannel { key, address });
            }
        });
    }

    /// Also after a crash: the shard forgets this incarnation, its sessions look for the next one. The shard first: whoever
    /// looks then must not be given this one.
    fn stopped(&mut self, ctx: &mut Context<Self>) {
        let (key, address) = (self.key().clone(), ctx.address());
        let is_settled = self.machine.is_settled();
        let has_crashed = std::thread::panicking();
        self.acting.shard().tell(ChannelGone { key, address, is_settled, has_crashed });
        self.machine.ended(&mut self.acting);
        self.acting.leave_behind();
    }
}
