//! A channel's actor: its order. Everything that a channel's subscribers hear passes here, one after the other.

pub mod changes;
mod ending;
mod handlers;
mod hooking;
mod lifetime;
pub mod messages;
mod presence;
pub mod subscribers;

pub use messages::{
    Admit, Attach, ChangeState, Changed, ClientPublish, ConnectionRef, Connections, Delete, Detach,
    EndIfIdle, Expected, Leave, OnlineCount, Presence, Publish, Recall, Rename, ShowPresence,
    Subscribe, Sweep, Update,
};

use super::persistence::Persistence;
use super::session::{FromChannel, SessionActor, SessionUid};
use super::settings::Settings;
use super::shard::{ChannelGone, RetireChannel, Shard};
use super::tell::tell;
use crate::delivery::fanout::Order;
use crate::delivery::outlet::Outlet;
use crate::domain::{Channel, ChannelKey};
use crate::line::{Line, WindowBudget};
use crate::protocol::{Dispatch, Event};
use actix::prelude::*;
use changes::Changes;
use std::sync::Arc;
use subscribers::Subscribers;
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
    pub shard: Addr<Shard>,
}

/// One channel in use.
pub struct ChannelActor {
    /// The order of what it says, for as long as this actor lives.
    line: Line,
    /// The channel as subscribers know it: its state is the last durable one.
    channel: Channel,
    /// State changes under way.
    changes: Changes,
    /// Who hears it.
    subscribers: Subscribers,
    /// Connections that wait to be shown who is in.
    newcomers: Vec<(SessionUid, ConnectionRef)>,
    /// `AVAILABLE` as it would be now, built when first needed.
    available: Option<Arc<Dispatch>>,
    /// Orders on their way.
    outlet: Outlet,
    /// When it was last asked something.
    used: Instant,
    /// How many deletions are on their way to the store.
    deletions: usize,
    /// Whether the channel was deleted.
    is_deleted: bool,
    /// Whether a session with a connection has ever been in: only then is there a last one to go with.
    had_subscriber: bool,
    /// Whether the store knows that, which only matters where it decides about the channel's end.
    is_marked: bool,
    /// Store, settings, shard.
    around: Surroundings,
}

impl ChannelActor {
    /// A channel just read from the store.
    pub fn new(channel: Channel, around: Surroundings) -> Self {
        let share = around.windows.share(&channel.key.project);
        let outlet = Outlet::new(channel.key.project.clone());
        Self {
            line: Line::new(around.settings.window(), share),
            changes: Changes::new(channel.state.clone(), channel.version),
            channel,
            subscribers: Subscribers::default(),
            newcomers: Vec::new(),
            available: None,
            outlet,
            used: Instant::now(),
            deletions: 0,
            is_deleted: false,
            had_subscriber: false,
            is_marked: false,
            around,
        }
    }

    /// The channel's full name.
    fn key(&self) -> &ChannelKey {
        &self.channel.key
    }

    /// Sends an event to every subscriber: at once to the connected, through their session to the others.
    fn broadcast(&mut self, event: Event, ctx: &mut Context<Self>) {
        self.used = Instant::now();
        let dispatch = self.line.order(Dispatch::new(event), self.used);
        let forms = self.subscribers.profiles();
        for fanout in self.subscribers.fanouts() {
            let dispatch = Arc::clone(&dispatch);
            self.outlet.send(fanout, Order::Deliver { channel: self.line.id(), dispatch }, forms);
        }
        self.subscribers.keep(&dispatch);
        self.outlet.settle(ctx);
    }

    /// An answer that comes behind all that was said before, also where that waits.
    fn behind<T: 'static>(&self, answer: T) -> ActorResponse<Self, T> {
        if self.outlet.is_busy() {
            // What is spawned rests while the actor waits for its orders to leave.
            ActorResponse::r#async(async move { answer }.into_actor(self))
        } else {
            ActorResponse::reply(answer)
        }
    }

    /// `AVAILABLE` with the state as subscribers know it.
    fn available(&mut self) -> Arc<Dispatch> {
        let channel = &self.channel;
        let build = || Arc::new(Dispatch::new(Event::Available { channel: channel.clone() }));
        Arc::clone(self.available.get_or_insert_with(build))
    }

    /// Tells every session something.
    fn tell_sessions(&self, word: impl Fn() -> FromChannel) {
        for session in self.subscribers.sessions() {
            tell(session, word());
        }
    }

    /// Reads the state again after a failed commit.
    fn reload(&mut self, ctx: &mut Context<Self>) {
        let key = self.key().clone();
        let persistence = self.around.persistence.clone();
        let read = async move { persistence.read(move |store| store.find_channel(&key)).await };
        let resume = read.into_actor(self).map(|outcome, actor, ctx| match outcome {
            Ok(Some(stored)) => actor.on_reloaded(stored, ctx),
            // Whoever deletes it is about to hear so, and then tells everybody.
            Ok(None) if actor.deletions > 0 => {}
            Ok(None) => actor.on_deleted(ctx),
            // Without its state the channel is of no use; whoever asks next has it loaded again.
            _ => ctx.stop(),
        });
        ctx.wait(resume);
    }

    /// Goes on from what the store has; a commit that was reported as failed may stand after all.
    fn on_reloaded(&mut self, stored: Channel, ctx: &mut Context<Self>) {
        let is_news = stored.version != self.channel.version;
        self.changes.reloaded(stored.state.clone(), stored.version);
        self.channel = stored;
        self.available = None;
        if is_news {
            let Channel { key, state, version, .. } = self.channel.clone();
            self.broadcast(Event::StateUpdate { channel: key.id, state, version }, ctx);
        }
        self.change_on(ctx);
    }
}

impl Actor for ChannelActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(MAILBOX);
        let idle = self.around.settings.channel_idle;
        ctx.run_interval(idle / 2, move |actor, ctx| {
            actor.line.expire(Instant::now());
            if actor.is_idle() && actor.used.elapsed() >= idle {
                tell(
                    &actor.around.shard,
                    RetireChannel { key: actor.key().clone(), address: ctx.address() },
                );
            }
        });
    }

    /// Also after a crash: the shard forgets this incarnation, its sessions look for the next one, which has rooms of its
    /// own. The shard first: whoever looks then must not be given this one.
    fn stopped(&mut self, ctx: &mut Context<Self>) {
        let (key, address) = (self.key().clone(), ctx.address());
        tell(&self.around.shard, ChannelGone { key: key.clone(), address: address.clone() });
        if !self.is_deleted {
            self.dissolve(None);
            self.tell_sessions(|| FromChannel::Died {
                channel: key.id.clone(),
                address: address.clone(),
            });
        }
    }
}

impl ChannelActor {
    /// Whether nobody would miss it.
    fn is_idle(&self) -> bool {
        self.subscribers.is_empty() && self.changes.is_settled()
    }

    /// The snapshot for a session that builds INIT.
    fn snapshot(
        &self,
        session: &Addr<SessionActor>,
        connection: crate::delivery::fanout::ConnectionUid,
    ) {
        tell(session, FromChannel::Snapshot { connection, channel: self.channel.clone() });
    }
}
