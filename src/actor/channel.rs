//! A channel's actor: mailbox, timers and store around a [`ChannelMachine`], which decides.

mod acting;
mod handlers;
mod hooking;
pub mod messages;

pub use messages::{
    Admit, Attach, ChangeState, Changed, ClientPublish, ConnectionPart, ConnectionRef, Delete,
    Detach, EndIdleChannel, Expected, ListHearers, ListPresence, OnlineCount, Publish, Recall,
    Rename, ShowPresence, Subscribe, Sweep, Unsubscribe, Update,
};

use super::clock;
use super::persistence::Persistence;
use super::settings::Settings;
use super::shard::{ChannelGone, RetireChannel, ShardPlace};
use crate::channel::{ChannelMachine, Moment};
pub use crate::channel::{MemberPlace, PresentPart};
use crate::domain::{Channel, ChannelKey};
use crate::line::WindowBudget;
use acting::ChannelActing;
use actix::prelude::*;
use std::sync::Arc;
use tokio::time::Instant;

/// Room in a channel's mailbox; past it askers wait or are told that the server is overloaded.
const MAILBOX: usize = 65_536;

/// What a channel's actor needs from its surroundings.
#[derive(Clone)]
pub struct Surroundings {
    /// The store.
    pub persistence: Persistence,
    /// Intervals and bounds.
    pub settings: Arc<Settings>,
    /// What all lines may keep at hand.
    pub windows: Arc<WindowBudget>,
    /// The shard that knows this actor.
    pub shard: ShardPlace,
}

/// One channel in use.
pub struct ChannelActor {
    /// What it is and what it decides.
    machine: ChannelMachine<ChannelActing>,
    /// What it does about that.
    acting: ChannelActing,
}

/// Now, by both clocks.
fn now() -> Moment {
    Moment { instant: Instant::now(), time: clock::now() }
}

impl ChannelActor {
    /// A channel just read from the store.
    pub fn new(channel: Channel, around: Surroundings) -> Self {
        let share = around.windows.share(&channel.key.project);
        let (window, state_bytes) = (around.settings.window(), around.settings.state_bytes);
        let acting = ChannelActing::new(channel.key.clone(), around);
        let now = Instant::now();
        let epoch = clock::epoch();
        let machine = ChannelMachine::new(channel, epoch, window, share, state_bytes, now);
        Self { machine, acting }
    }

    /// The channel's full name.
    const fn key(&self) -> &ChannelKey {
        self.machine.key()
    }

    /// Lets the machine take a step, and does what comes of it.
    fn step<T>(
        &mut self,
        ctx: &mut Context<Self>,
        step: impl FnOnce(&mut ChannelMachine<ChannelActing>, &mut ChannelActing) -> T,
    ) -> T {
        let outcome = step(&mut self.machine, &mut self.acting);
        self.carry_out(ctx);
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
        let idle = self.acting.settings().channel_idle;
        ctx.run_interval(idle / 2, move |actor, ctx| {
            actor.machine.expire(Instant::now());
            if actor.machine.is_idle() && actor.machine.used().elapsed() >= idle {
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
        self.acting.shard().tell(ChannelGone { key, address, is_settled });
        self.machine.ended(&mut self.acting);
        self.acting.leave_behind();
    }
}
