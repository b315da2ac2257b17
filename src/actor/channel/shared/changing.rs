//! A state is changed where another server may change it too: the change is made on what the store has, under its lock, and not
//! on what this server knows.

use super::super::super::clock;
use super::super::{ChangeState, Changed, ChannelActor};
use crate::ask::{AskError, ChangeError};
use crate::bus::LineEntry;
use crate::channel::ChannelMachine;
use crate::domain::{
    Capabilities, Channel, ChannelKey, EventKind, HookEvent, NewVersion, Position, StateChange,
    StateLogBounds,
};
use crate::store::{StoreError, StoreResult, Thing, WriteStore};
use actix::prelude::*;
use futures_util::FutureExt as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// How often a change is made anew because another server was first.
const ATTEMPTS: usize = 16;
/// How long a state that is stored may wait for the bus before this server shows it without.
const PATIENCE: Duration = Duration::from_secs(5);

/// A change to be made in the store.
struct StoredChange {
    /// Of which channel.
    key: ChannelKey,
    /// What.
    change: StateChange,
    /// What the asker expects.
    expected: super::super::Expected,
    /// Who makes it.
    by: Option<Arc<str>>,
    /// The most bytes of a state.
    limit: usize,
    /// How many versions are kept, of a channel that keeps them.
    bounds: StateLogBounds,
    /// What else came of it.
    notes: Arc<Mutex<ChangeNotes>>,
}

/// What came of a change beside the state.
#[derive(Default)]
struct ChangeNotes {
    /// Why it was not made, if a rule forbids it.
    refused: Option<ChangeError>,
    /// Its place on the line, where the store counts that.
    place: Option<Position>,
}

/// These notes. A panic leaves nothing half done there.
fn noted(notes: &Mutex<ChangeNotes>) -> MutexGuard<'_, ChangeNotes> {
    notes.lock().unwrap_or_else(PoisonError::into_inner)
}

impl StoredChange {
    /// A rule forbids it: the write fails, and this says why.
    fn refuse<T>(&self, why: ChangeError) -> StoreResult<T> {
        noted(&self.notes).refused = Some(why);
        Err(StoreError::VersionConflict)
    }

    /// Makes it. A state that another server has committed between the look and the write shows in the latter.
    fn make(&self, store: &mut dyn WriteStore) -> StoreResult<Changed> {
        for _ in 0..ATTEMPTS {
            let Some(channel) = store.find_channel(&self.key)? else {
                return Err(StoreError::NotFound(Thing::Channel));
            };
            let Channel { state: before, version, created_at, capabilities, .. } = channel;
            let is_expected = self.expected.version.is_none_or(|expected| expected == version)
                && self.expected.created_at.is_none_or(|expected| expected == created_at);
            if !is_expected {
                return self.refuse(ChangeError::Stale(version));
            }
            let state = match before.apply(&self.change, self.limit) {
                Ok(state) => state,
                Err(why) => return self.refuse(why.into()),
            };
            let next = version.next();
            match store.set_state(&self.key, &state, next) {
                Err(StoreError::VersionConflict) => continue,
                written => written?,
            }
            if capabilities.contains(Capabilities::STATE_HISTORY) {
                let kept = NewVersion::first(state.clone(), next, clock::now(), self.by.clone());
                store.keep_version(&self.key, &kept.after(&before), &self.bounds)?;
            }
            let is_counted = capabilities.contains(Capabilities::HISTORY);
            let place = if is_counted { store.take_place(&self.key)? } else { None };
            noted(&self.notes).place = place;
            return Ok(Changed { state, version: next, created_at });
        }
        self.refuse(AskError::Overloaded.into())
    }
}

impl ChannelActor {
    /// Changes the state where several servers serve the channel; answered when it is durable and shown here.
    pub(in super::super) fn change_together(
        &self,
        ask: ChangeState,
        ctx: &mut Context<Self>,
    ) -> ResponseFuture<Result<Changed, ChangeError>> {
        let ChangeState { change, expected, receipt, by } = ask;
        let (key, settings) = (self.key().clone(), self.acting.settings());
        let (limit, bounds) = (settings.state_bytes, settings.state_log);
        let notes = Arc::<Mutex<ChangeNotes>>::default();
        let change =
            StoredChange { key, change, expected, by, limit, bounds, notes: Arc::clone(&notes) };
        let channel = self.machine.channel().clone();
        let kind = EventKind::ChannelStateUpdated;
        let is_wanted = self.acting.persistence().hooks().wants(&channel.key.project, kind);
        let write = self.acting.persistence().write_once_causing(
            receipt,
            is_wanted,
            move |store| change.make(store),
            move |changed: &Changed| {
                let (state, version) = (changed.state.clone(), changed.version);
                let changed = Channel { state, version, ..channel };
                is_wanted
                    .then(|| HookEvent::channel(clock::stamp(), kind, &changed))
                    .into_iter()
                    .collect()
            },
        );
        let (reply, answer) = oneshot::channel();
        let write = write.boxed_local().shared();
        let (written, left) = (write.clone(), Arc::clone(&notes));
        ctx.spawn(write.into_actor(self).map(move |outcome, actor, ctx| {
            let ChangeNotes { refused, place } = std::mem::take(&mut *noted(&notes));
            let outcome = outcome.map_err(|error| refused.unwrap_or(ChangeError::Ask(error)));
            let gone = ChangeError::Ask(AskError::not_found(Thing::Channel));
            if outcome.as_ref().is_err_and(|error| *error == gone) {
                // Nobody has told that it was deleted.
                actor.step(ctx, ChannelMachine::doubt);
            }
            let shown = outcome.as_ref().ok().map(|changed| actor.say_changed(changed, place, ctx));
            // The asker may have gone.
            let _ = reply.send(outcome.map(|changed| (changed, shown)));
        }));
        Box::pin(async move {
            let Ok(outcome) = answer.await else {
                // The actor has ended, as one does whose channel was deleted: what came of it is known all the same.
                let refused =
                    |error| noted(&left).refused.take().unwrap_or(ChangeError::Ask(error));
                return written.await.map_err(refused);
            };
            let (changed, shown) = outcome?;
            if let Some(shown) = shown {
                // It stands, whatever becomes of the actor.
                let _ = shown.await;
            }
            Ok(changed)
        })
    }

    /// Says a state that is stored, which has a place on the line if the store counts that; tells when it is shown here.
    fn say_changed(
        &mut self,
        changed: &Changed,
        place: Option<Position>,
        ctx: &mut Context<Self>,
    ) -> oneshot::Receiver<()> {
        let (tell, shown) = oneshot::channel();
        let Changed { state, version, .. } = changed.clone();
        let Some(shared) = &mut self.shared else { return shown };
        shared.awaited.entry(version).or_default().push(tell);
        if let Some(position) = place {
            let (bytes, entry) = (
                state.json().as_str().len(),
                LineEntry::KeptState { position, state: state.clone(), version },
            );
            self.announce(entry, bytes, ctx);
            let now = Instant::now();
            self.step(ctx, |machine, acting| {
                machine.stored(state, version, position, now, acting);
            });
        } else {
            shared.push_state(state, version);
            self.fly(ctx);
        }
        ctx.run_later(PATIENCE, move |actor, ctx| {
            // The bus has not handed it back: it is shown without a place.
            if actor.machine.channel().version < version {
                actor.step(ctx, ChannelMachine::doubt);
            }
        });
        // Somebody else's may be shown already that is newer.
        self.answer_shown();
        shown
    }
}
