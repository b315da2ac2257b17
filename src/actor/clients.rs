//! What clients say on channels, whether their connection hands it on or their session does.

use super::channel::{ChannelActor, ClientChange, ClientPublish, ClientPublished};
use super::supervisor::Supervisor;
use crate::domain::{ChannelId, StateChange, Version};
use crate::protocol::{Acknowledged, ClientCommand, Extension, Extensions, Refusal};
use actix::prelude::*;

/// Publishes a client's message; done when it is on its way to every worker, and what webhooks hear of it is stored. The
/// same of one that was published before.
pub(super) async fn publish(
    supervisor: Supervisor,
    channel: Addr<ChannelActor>,
    message: ClientPublish,
) -> Result<Acknowledged, Refusal> {
    let publishing = supervisor.publishing().ok().ok_or(Refusal::Overloaded)?;
    // As after any crash, a frame may be lost.
    let published = channel.send(message).await.unwrap_or(Err(Refusal::Overloaded));
    drop(publishing);
    let ClientPublished { sent, is_repeat } = published?;
    if let Some(stored) = sent.stored {
        // Ends without an answer where it has to wait for the store.
        let _ = stored.await;
    }
    Ok(Acknowledged { position: sent.position, is_repeat, version: None })
}

/// A state change that a client asks for.
pub(super) struct AskedChange {
    /// The channel.
    pub(super) channel: Option<ChannelId>,
    /// The change.
    pub(super) change: StateChange,
    /// Only if the state is at this version.
    pub(super) if_version: Option<Version>,
}

/// The state change that a frame asks for; none where it asks for something else.
///
/// # Errors
/// [`Refusal::MissingExtension`] where the connection may not ask so.
pub(super) fn state_change(
    command: &ClientCommand,
    extensions: Extensions,
) -> Result<Option<AskedChange>, Refusal> {
    let (channel, change, if_version) = match command {
        ClientCommand::SetState { channel, state } => {
            (channel, StateChange::Replace(state.clone()), None)
        }
        ClientCommand::PatchState { .. } if !extensions.has(Extension::Patch) => {
            return Err(Refusal::MissingExtension("patch"));
        }
        ClientCommand::PatchState { channel, patch, if_version } => {
            (channel, StateChange::Merge(patch.clone()), *if_version)
        }
        _ => return Ok(None),
    };
    Ok(Some(AskedChange { channel: channel.clone(), change, if_version }))
}

/// Changes a state for a client; done when the change is durable and on its way to every worker.
pub(super) async fn change(
    channel: Addr<ChannelActor>,
    change: ClientChange,
) -> Result<Acknowledged, Refusal> {
    let version = channel.send(change).await.unwrap_or(Err(Refusal::Overloaded))?;
    Ok(Acknowledged { version: Some(version), ..Acknowledged::default() })
}
