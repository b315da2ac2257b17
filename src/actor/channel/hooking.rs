//! What the project's webhooks hear of a channel's changes, stored with each change.

use super::super::ask::AskError;
use super::super::clock;
use super::Surroundings;
use crate::domain::{Channel, EventKind, HookEvent, State, Version};
use crate::store::{StoreResult, WriteStore};

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
