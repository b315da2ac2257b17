//! What the project's webhooks hear of a channel: its changes, stored with each, and who is online on it, told to the
//! event log in the step in which a session comes or goes.
//!
//! A session is online on a channel from its first connection there until it ends or unsubscribes; what happens to its
//! connections in between is no event.

use super::super::clock;
use super::super::receipt::Receipt;
use super::super::shard::NoteSessions;
use super::ChannelActor;
use super::acting::ChannelActing;
use crate::ask::AskError;
use crate::domain::{Channel, ChannelKey, EventKind, HookEvent, Listed, Register, SessionRef};
use crate::store::{StoreResult, WriteStore};
use actix::prelude::*;
use std::sync::Arc;

/// Runs a write that makes the channel what `changed` is, or deletes it, and records its event if that is wanted.
pub(super) fn write_causing<T, F>(
    acting: &ChannelActing,
    kind: EventKind,
    changed: &Channel,
    receipt: Option<Receipt<T>>,
    job: F,
) -> impl Future<Output = Result<T, AskError>> + use<T, F>
where
    T: Send + 'static,
    F: FnOnce(&mut dyn WriteStore) -> StoreResult<T> + Send + 'static,
{
    let persistence = acting.persistence();
    let is_wanted = persistence.hooks().wants(&changed.key.project, kind);
    let event = is_wanted.then(|| HookEvent::channel(clock::stamp(), kind, changed));
    persistence.write_once_causing(receipt, is_wanted, job, |_| event.into_iter().collect())
}

/// Deletes the channel from the store.
pub(super) fn delete(
    acting: &ChannelActing,
    channel: &Channel,
    receipt: Option<Receipt<()>>,
) -> impl Future<Output = Result<(), AskError>> + use<> {
    let key = channel.key.clone();
    let delete = move |store: &mut dyn WriteStore| store.delete_channel(&key);
    write_causing(acting, EventKind::ChannelDeleted, channel, receipt, delete)
}

/// A session as one that is online on a channel.
pub(super) fn online(channel: &ChannelKey, session: &Arc<SessionRef>) -> Listed {
    let (channel, register) = (channel.clone(), Register::Online);
    Listed { channel, register, session: Arc::clone(session) }
}

impl Handler<NoteSessions> for ChannelActor {
    type Result = ();

    /// Passed on by the shard.
    fn handle(&mut self, _: NoteSessions, _: &mut Context<Self>) {
        if self.acting.is_heard() {
            let log = self.acting.persistence().hooks().log();
            log.note_online(self.key(), || self.machine.subscribers().online());
        }
    }
}
