//! What a channel's actor does about what its machine decides: orders and words leave at once, what takes time is begun
//! when the step is over.

use super::super::clock;
use super::super::event_log::EventStored;
use super::super::persistence::Persistence;
use super::super::receipt::Receipt;
use super::super::session::{FromChannel, SessionActor};
use super::super::settings::Settings;
use super::super::shard::ShardPlace;
use super::super::tell::tell;
use super::keeping::{self, Publisher};
use super::recording::ChannelTape;
use super::{Changed, ChannelActor, Surroundings, hooking};
use crate::ask::{AskError, ChangeError};
use crate::bus::Local;
use crate::channel::{
    Answers, Application, ChannelEffects, ChannelMachine, ChannelRecord, StoredChannel, Word,
    Worker,
};
use crate::delivery::fanout::{FanoutHandle, Order};
use crate::delivery::outlet::Outlet;
use crate::domain::{
    Capabilities, Channel, ChannelKey, EventKind, Message, NewVersion, Position, Register,
    SessionRef, State, StateLogBounds, Version,
};
use crate::heavy;
use crate::line::WindowShare;
use crate::protocol::{EncodedEvent, Profiles};
use crate::store::{StoreResult, WriteStore};
use actix::prelude::*;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Who waits for a state change.
pub(super) struct StateAsker {
    /// Where the answer goes.
    pub(super) reply: oneshot::Sender<Result<(State, Version), ChangeError>>,
    /// What the write leaves for who repeats the call.
    pub(super) receipt: Option<Receipt<Changed>>,
    /// Who makes the change.
    pub(super) by: Option<Arc<str>>,
}

/// What becomes of the versions of a channel's state when the channel is updated.
pub(super) enum LogUpdate {
    /// They are kept from now on, within these bounds: the state in force is the first.
    Begin(StateLogBounds),
    /// They are kept no more, and those that were are gone.
    End,
    /// What has been.
    Nothing,
}

impl LogUpdate {
    /// Sees to it, with the update.
    pub(super) fn keep(self, store: &mut dyn WriteStore, key: &ChannelKey) -> StoreResult<()> {
        match self {
            Self::Begin(bounds) => {
                let Some(channel) = store.find_channel(key)? else { return Ok(()) };
                let first = NewVersion::first(channel.state, channel.version, clock::now(), None);
                store.keep_version(key, &first, &bounds)
            }
            Self::End => store.close_state_log(key),
            Self::Nothing => Ok(()),
        }
    }
}

impl Worker for FanoutHandle {
    fn index(&self) -> usize {
        Self::index(self)
    }
}

/// What is begun when a step is over.
enum ChannelBegun {
    /// A state is being stored, with the event that it causes.
    Store(State, Version),
    /// A message is being kept.
    Keep(Message, Publisher),
    /// Whoever published is answered, behind what has to leave first.
    Published(Publisher, Result<Position, AskError>),
    /// A change is applied elsewhere.
    Apply(Application),
    /// The channel is read again.
    Reload,
    /// The same after so long.
    ReloadIn(Duration),
    /// The store is told that there was a subscriber.
    Mark,
    /// The channel is deleted.
    Delete,
    /// Newcomers are shown who is in, after so long.
    ShowNewcomers(Duration),
    /// Somebody is answered, behind what has to leave first.
    Answer(StateAsker, Box<Result<(State, Version), ChangeError>>),
    /// The actor ends.
    Stop,
}

/// What a channel's actor does.
pub(super) struct ChannelActing {
    /// The channel.
    key: ChannelKey,
    /// Its actor, once that runs.
    address: Option<Addr<ChannelActor>>,
    /// Who orders what is said.
    bus: Local,
    /// Orders on their way.
    outlet: Outlet,
    /// Records what happens here, for who looks.
    tape: ChannelTape,
    /// What is begun when the step is over.
    begun: Vec<ChannelBegun>,
    /// Store, settings, shard.
    around: Surroundings,
}

impl ChannelActing {
    /// Nothing to do yet.
    pub(super) fn new(key: ChannelKey, around: Surroundings) -> Self {
        let outlet = Outlet::new(key.project.clone());
        let tape = ChannelTape::new(&around.recorder, &key);
        Self { key, address: None, bus: Local, outlet, tape, begun: Vec::new(), around }
    }

    /// The actor runs.
    pub(super) fn set_address(&mut self, address: Addr<ChannelActor>) {
        self.address = Some(address);
    }

    /// Intervals and bounds.
    pub(super) fn settings(&self) -> &Settings {
        &self.around.settings
    }

    /// The store.
    pub(super) const fn persistence(&self) -> &Persistence {
        &self.around.persistence
    }

    /// Until when those may come back who were connected when the server started.
    pub(super) const fn comebacks_end(&self) -> Instant {
        self.around.comebacks_end
    }

    /// The shard that knows the actor.
    pub(super) const fn shard(&self) -> &ShardPlace {
        &self.around.shard
    }

    /// The project's share of what lines may keep at hand.
    pub(super) fn share(&self) -> Arc<WindowShare> {
        self.around.windows.share(&self.key.project)
    }

    /// Whether orders wait: what is said another way now would overtake them.
    pub(super) fn is_busy(&self) -> bool {
        self.outlet.is_busy()
    }

    /// Sends what an actor that is about to end still has to send.
    pub(super) fn leave_behind(&mut self) {
        self.outlet.leave_behind();
    }

    /// What an update does to the versions of the state that are kept.
    pub(super) fn update_log(&self, before: Capabilities, after: Capabilities) -> LogUpdate {
        let keeps = |set: Capabilities| set.contains(Capabilities::STATE_HISTORY);
        match (keeps(before), keeps(after)) {
            (false, true) => LogUpdate::Begin(self.settings().state_log),
            (true, false) => LogUpdate::End,
            _ => LogUpdate::Nothing,
        }
    }

    /// Whether webhooks want to hear who is online here.
    pub(super) fn is_heard(&self) -> bool {
        self.persistence().hooks().wants_register(&self.key.project, Register::Online)
    }
}

impl Answers for ChannelActing {
    type Asker = StateAsker;

    fn answer(&mut self, asker: StateAsker, outcome: Result<(State, Version), ChangeError>) {
        if self.is_busy() {
            self.begun.push(ChannelBegun::Answer(asker, Box::new(outcome)));
        } else {
            // The asker may have gone; what was done stands.
            let _ = asker.reply.send(outcome);
        }
    }
}

impl ChannelEffects for ChannelActing {
    type Session = Addr<SessionActor>;
    type Worker = FanoutHandle;
    type Bus = Local;
    type Stored = Option<EventStored>;
    type Publisher = Publisher;

    fn bus(&mut self) -> &mut Local {
        &mut self.bus
    }

    fn order(&mut self, to: &FanoutHandle, order: Order, forms: Profiles) {
        self.outlet.send(to, order, forms);
    }

    fn tell(&mut self, session: &Addr<SessionActor>, word: Word) {
        let Some(address) = self.address.clone() else { return };
        tell(session, FromChannel::Word { channel: self.key.id.clone(), address, word });
    }

    fn keep(
        &mut self,
        session: &Addr<SessionActor>,
        dispatch: &Arc<EncodedEvent>,
        missed: u64,
    ) -> bool {
        let dispatch = Arc::clone(dispatch);
        session.try_send(FromChannel::Kept { dispatch, missed }).is_ok()
    }

    fn store(&mut self, state: &State, version: Version) {
        self.begun.push(ChannelBegun::Store(state.clone(), version));
    }

    fn keep_message(&mut self, message: Message, publisher: Publisher) {
        self.begun.push(ChannelBegun::Keep(message, publisher));
    }

    fn published(&mut self, publisher: Publisher, outcome: Result<Position, AskError>) {
        if self.is_busy() {
            self.begun.push(ChannelBegun::Published(publisher, outcome));
        } else {
            publisher.answer(outcome);
        }
    }

    fn apply(&mut self, application: Application) {
        self.begun.push(ChannelBegun::Apply(application));
    }

    fn reload(&mut self) {
        self.begun.push(ChannelBegun::Reload);
    }

    fn reload_in(&mut self, pause: Duration) {
        self.begun.push(ChannelBegun::ReloadIn(pause));
    }

    fn mark_subscribed(&mut self) {
        self.begun.push(ChannelBegun::Mark);
    }

    fn delete(&mut self) {
        self.begun.push(ChannelBegun::Delete);
    }

    fn show_newcomers_in(&mut self, pause: Duration) {
        self.begun.push(ChannelBegun::ShowNewcomers(pause));
    }

    fn came(&mut self, session: &Arc<SessionRef>, before: impl FnOnce() -> Vec<Arc<SessionRef>>) {
        if self.is_heard() {
            self.persistence().hooks().log().came(&hooking::online(&self.key, session), before);
        }
    }

    fn went(&mut self, session: &Arc<SessionRef>, before: impl FnOnce() -> Vec<Arc<SessionRef>>) {
        if self.is_heard() {
            self.persistence().hooks().log().went(&hooking::online(&self.key, session), before);
        }
    }

    fn forget(&mut self) {
        self.persistence().hooks().log().deleted(&self.key);
    }

    fn stop(&mut self) {
        self.begun.push(ChannelBegun::Stop);
    }

    fn record(&mut self, what: ChannelRecord<'_>) {
        self.tape.record(&self.key.id, what);
    }
}

impl ChannelActor {
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
    fn begin(&mut self, begun: ChannelBegun, ctx: &mut Context<Self>) {
        match begun {
            ChannelBegun::Store(state, version) => self.store(state, version, ctx),
            ChannelBegun::Keep(message, publisher) => self.store_message(message, publisher, ctx),
            ChannelBegun::Published(publisher, outcome) => {
                // As for an answer.
                ctx.spawn(async move { publisher.answer(outcome) }.into_actor(self));
            }
            ChannelBegun::Apply(application) => self.apply_elsewhere(application, ctx),
            ChannelBegun::Reload => self.reload(ctx),
            ChannelBegun::ReloadIn(pause) => {
                ctx.run_later(pause, |actor, ctx| actor.step(ctx, ChannelMachine::reload_again));
            }
            ChannelBegun::Mark => self.mark(ctx),
            ChannelBegun::Delete => self.delete_and_end(ctx),
            ChannelBegun::ShowNewcomers(pause) => {
                ctx.run_later(pause, |actor, ctx| {
                    actor.step(ctx, ChannelMachine::show_newcomers);
                });
            }
            ChannelBegun::Answer(asker, outcome) => {
                // What is spawned rests while the actor waits for its orders to leave: the answer comes behind them.
                ctx.spawn(async move { drop(asker.reply.send(*outcome)) }.into_actor(self));
            }
            ChannelBegun::Stop => ctx.stop(),
        }
    }

    /// Stores a state.
    fn store(&self, state: State, version: Version, ctx: &mut Context<Self>) {
        // The channel as subscribers know it may be older by the changes that are under way.
        let channel = self.machine.channel();
        let changed = Channel { state: state.clone(), version, ..channel.clone() };
        let (key, created_at) = (changed.key.clone(), changed.created_at);
        let asker = self.machine.asker(version);
        let receipt = asker.and_then(|asker| asker.receipt.clone());
        let kept = self.kept(&state, version, asker.and_then(|asker| asker.by.clone()));
        let bounds = self.acting.settings().state_log;
        let made = || Changed { state: state.clone(), version, created_at };
        let receipt = receipt.map(|receipt| receipt.of(made()));
        let is_counted = self.machine.keeps_messages();
        let write = hooking::write_causing(
            &self.acting,
            EventKind::ChannelStateUpdated,
            &changed,
            receipt,
            move |store: &mut dyn WriteStore| {
                store.set_state(&key, &state, version)?;
                if let Some(kept) = kept {
                    store.keep_version(&key, &kept, &bounds)?;
                }
                // On a line that the store counts it takes a place.
                if is_counted { store.take_place(&key) } else { Ok(None) }
            },
        );
        ctx.spawn(write.into_actor(self).map(move |outcome, actor, ctx| {
            let now = Instant::now();
            actor.step(ctx, |machine, acting| machine.committed(version, outcome, now, acting));
        }));
    }

    /// A state as one of the versions that the channel keeps; none where it keeps none.
    fn kept(&self, state: &State, version: Version, by: Option<Arc<str>>) -> Option<NewVersion> {
        if !self.machine.channel().capabilities.contains(Capabilities::STATE_HISTORY) {
            return None;
        }
        let kept = NewVersion::first(state.clone(), version, clock::now(), by);
        Some(match self.machine.before(version) {
            Some(before) => kept.after(before),
            None => kept,
        })
    }

    /// Applies a change that would hold up all that are on this thread; the channel goes on meanwhile.
    fn apply_elsewhere(&self, application: Application, ctx: &mut Context<Self>) {
        let Application { ticket, state, change } = application;
        let (project, limit) = (self.key().project.clone(), self.acting.settings().state_bytes);
        let applied = async move {
            let applied = heavy::run_in_turn(&project, move || state.apply(&change, limit)).await;
            Ok(applied.map_err(AskError::from)??)
        };
        ctx.spawn(applied.into_actor(self).map(move |outcome, actor, ctx| {
            actor.step(ctx, |machine, acting| machine.applied(ticket, outcome, acting));
        }));
    }

    /// Reads the channel again, before anything else.
    fn reload(&self, ctx: &mut Context<Self>) {
        let (key, persistence) = (self.key().clone(), self.acting.persistence().clone());
        let stands = self.machine.keeps_messages().then(|| self.machine.line().position());
        let bounds = self.acting.settings().history;
        let read = async move {
            persistence.read(move |store| keeping::read_again(store, &key, stands, bounds)).await
        };
        // What another server has deleted and made again is another channel.
        let made = self.is_shared().then(|| self.machine.channel().created_at);
        ctx.wait(read.into_actor(self).map(move |stored, actor, ctx| {
            let is_same = |found: &StoredChannel| made.is_none_or(|made| made == found.channel.created_at);
            let stored = stored.map(|found| found.filter(is_same));
            if let Err(error) = &stored {
                tracing::warn!(channel = actor.key().id.as_str(), %error, "a channel could not be read again");
            }
            let now = Instant::now();
            actor.step(ctx, |machine, acting| machine.reloaded(stored, now, acting));
        }));
    }

    /// Notes in the store that there was a subscriber.
    fn mark(&self, ctx: &mut Context<Self>) {
        let key = self.key().clone();
        let write = self.acting.persistence().write(move |store| store.mark_subscribed(&key));
        ctx.spawn(write.into_actor(self).map(|outcome, actor, _| {
            actor.machine.marked(outcome.is_ok());
        }));
    }

    /// Deletes an ephemeral channel, before anything else.
    fn delete_and_end(&mut self, ctx: &mut Context<Self>) {
        let Some(asked) = self.asked_elsewhere() else { return self.delete_now(ctx) };
        // Others may ask the same of this one meanwhile.
        ctx.spawn(asked.into_actor(self).map(|is_elsewhere, actor, ctx| {
            if is_elsewhere == Ok(false) && actor.machine.subscribers().is_empty() {
                actor.delete_now(ctx);
            } else {
                actor.step(ctx, ChannelMachine::doubt);
            }
        }));
    }

    /// Deletes it, whoever may come meanwhile.
    fn delete_now(&mut self, ctx: &mut Context<Self>) {
        let others = self.tell_deleted();
        let write = hooking::delete(&self.acting, self.machine.channel(), None);
        ctx.wait(write.into_actor(self).map(|outcome, actor, ctx| {
            match outcome {
                Ok(()) => {
                    // They notice by themselves where this is not heard.
                    actix::spawn(others);
                    actor.step(ctx, ChannelMachine::deleted);
                }
                // It may stand after all.
                Err(_) => actor.step(ctx, ChannelMachine::doubt),
            }
        }));
    }
}
