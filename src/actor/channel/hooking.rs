//! What the project's webhooks hear of a channel: its changes, stored with each, and who is online on it, told to the
//! event log in the step in which a session comes or goes.
//!
//! A session is online on a channel from its first connection there until it ends or unsubscribes; what happens to its
//! connections in between is no event.

use super::super::ask::AskError;
use super::super::clock;
use super::super::session::SessionUid;
use super::super::shard::NoteSessions;
use super::{ChannelActor, Surroundings};
use crate::domain::{Channel, EventKind, HookEvent, Listed, Register, SessionRef, State, Version};
use crate::store::{StoreResult, WriteStore};
use actix::prelude::*;
use std::sync::Arc;

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
    /// Whether webhooks want to hear who is online here.
    fn is_heard(&self) -> bool {
        self.around.persistence.hooks().wants_register(&self.key().project, Register::Online)
    }

    /// A session as one that is online here.
    fn online(&self, session: &Arc<SessionRef>) -> Listed {
        let (channel, register) = (self.key().clone(), Register::Online);
        Listed { channel, register, session: Arc::clone(session) }
    }

    /// Tells that a session comes online here, if that is news; to be called before it is in.
    pub(super) fn tell_online(&self, session: SessionUid) {
        if self.subscribers.is_in(session) || !self.is_heard() {
            return;
        }
        if let Some(named) = self.subscribers.named(session) {
            let log = self.around.persistence.hooks().log();
            log.came(&self.online(named), || self.subscribers.online());
        }
    }

    /// Tells that a session leaves; to be called while it is still in. It may be known from an actor before this one alone.
    pub(super) fn tell_offline(&self, session: &Arc<SessionRef>) {
        if self.is_heard() {
            let log = self.around.persistence.hooks().log();
            log.went(&self.online(session), || self.subscribers.online());
        }
    }
}

impl Handler<NoteSessions> for ChannelActor {
    type Result = ();

    /// Passed on by the shard.
    fn handle(&mut self, _: NoteSessions, _: &mut Context<Self>) {
        if self.is_heard() {
            let log = self.around.persistence.hooks().log();
            log.note_online(self.key(), || self.subscribers.online());
        }
    }
}
