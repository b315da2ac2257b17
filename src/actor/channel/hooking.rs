//! What the project's webhooks hear of a channel: its changes, stored with each, and who is online on it, told to the
//! event log in the step in which a session comes or goes.
//!
//! A session is online on a channel from its first connection there until it ends or unsubscribes; what happens to its
//! connections in between is no event.

use super::super::ask::AskError;
use super::super::clock;
use super::super::session::SessionUid;
use super::super::shard::NoteOnline;
use super::{ChannelActor, Surroundings};
use crate::domain::{Channel, EventKind, HookEvent, OnlineSession, State, Version};
use crate::store::{StoreResult, WriteStore};
use actix::prelude::*;

/// Runs a write that makes the channel what `changed` is, or deletes it, and records its event if that is wanted.
pub(super) fn write_causing<F>(
    around: &Surroundings,
    kind: EventKind,
    changed: &Channel,
    job: F,
) -> impl Future<Output = Result<(), AskError>> + use<F>
where
    F: FnOnce(&mut dyn WriteStore) -> StoreResult<()> + Send + 'static,
{
    let is_wanted = around.persistence.hooks().wants(&changed.key.project, kind);
    let event = is_wanted.then(|| HookEvent::channel(clock::stamp(), kind, changed));
    around.persistence.write_causing(is_wanted, job, |()| event.into_iter().collect())
}

/// The same for a change of the state. The channel as subscribers know it may be older by the changes that are under
/// way; the event shows the state that this one makes.
pub(super) fn write_state<F>(
    around: &Surroundings,
    channel: &Channel,
    state: &State,
    version: Version,
    job: F,
) -> impl Future<Output = Result<(), AskError>> + use<F>
where
    F: FnOnce(&mut dyn WriteStore) -> StoreResult<()> + Send + 'static,
{
    let kind = EventKind::ChannelStateUpdated;
    let is_wanted = around.persistence.hooks().wants(&channel.key.project, kind);
    let event = is_wanted.then(|| {
        let changed = Channel { state: state.clone(), version, ..channel.clone() };
        HookEvent::channel(clock::stamp(), kind, &changed)
    });
    around.persistence.write_causing(is_wanted, job, |()| event.into_iter().collect())
}

impl ChannelActor {
    /// Tells that a session comes online here, if that is news; to be called before it is in.
    pub(super) fn tell_online(&self, session: SessionUid) {
        let hooks = self.around.persistence.hooks();
        if self.subscribers.is_in(session) || !hooks.wants_online(&self.key().project) {
            return;
        }
        if let Some(online) = self.subscribers.online_session(session) {
            hooks.log().came(self.key(), online, || self.subscribers.online());
        }
    }

    /// Tells who is online, where the event log does not know it.
    fn note_online(&self) {
        let hooks = self.around.persistence.hooks();
        if hooks.wants_online(&self.key().project) {
            hooks.log().note(self.key(), || self.subscribers.online());
        }
    }

    /// Tells that a session leaves; to be called while it is still in. It may be known from an actor before this one alone.
    pub(super) fn tell_offline(&self, session: &OnlineSession) {
        let hooks = self.around.persistence.hooks();
        if hooks.wants_online(&self.key().project) {
            hooks.log().went(self.key(), &session.id, || self.subscribers.online());
        }
    }
}

impl Handler<NoteOnline> for ChannelActor {
    type Result = ();

    /// Passed on by the shard.
    fn handle(&mut self, _: NoteOnline, _: &mut Context<Self>) {
        self.note_online();
    }
}
