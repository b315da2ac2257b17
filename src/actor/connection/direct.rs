//! What a client says on a channel goes straight there, not through its session, where this thread knows the channel's
//! actor.
//!
//! The channel looks itself whether the session is subscribed. Where it does not find it, the session has the last word:
//! it alone knows of a channel whose actor is just being replaced, and it answers who is not subscribed.

use super::super::channel::{ChannelActor, ClientChange, ClientPublish};
use super::super::clients::{self, AskedChange};
use super::super::session::{CarriedOut, Serve};
use super::super::supervisor::Connected;
use super::Connection;
use crate::channel::Speaker;
use crate::domain::{ChannelId, ChannelKey, EventKind, SessionUid};
use crate::protocol::{Acknowledged, ClientCommand, Refusal};
use actix::prelude::*;
use futures_util::future::LocalBoxFuture;

/// What came of a frame; none where the session has ended, which closes its connections itself.
pub(super) type Served = Option<Result<CarriedOut, Refusal>>;

/// What came of a frame that went straight to its channel.
type Direct = LocalBoxFuture<'static, Result<Acknowledged, Refusal>>;

impl<K> Connection<K> {
    /// Hands a frame on.
    pub(super) fn hand_on(&self, to: &Connected, frame: Serve) -> LocalBoxFuture<'static, Served> {
        let session = to.session.clone();
        let Some(direct) = self.direct(to.uid, &frame.frame.command) else {
            // It leaves here and now, before the next frame does.
            let served = session.send(frame);
            return Box::pin(async { served.await.ok() });
        };
        Box::pin(async move {
            match direct.await {
                Err(Refusal::NotSubscribed) => session.send(frame).await.ok(),
                served => Some(served.map(|done| CarriedOut { done, channel: None })),
            }
        })
    }

    /// Asks the channel of a message or state change; none where only the session can.
    fn direct(&self, session: SessionUid, command: &ClientCommand) -> Option<Direct> {
        match command {
            ClientCommand::Publish { channel, message, id } => {
                let (key, address) = self.known(channel.as_ref())?;
                if self
                    .supervisor
                    .persistence()
                    .hooks()
                    .wants(&key.project, EventKind::ChannelMessage)
                {
                    // What webhooks hear is the session's to tell, which outlives this connection.
                    return None;
                }
                let (speaker, message, id) =
                    (Speaker::Subscriber(session), message.clone(), id.clone());
                let message = ClientPublish { speaker, message, id, told: None };
                Some(Box::pin(clients::publish(self.supervisor.clone(), address, message)))
            }
            // What the connection may not ask for, the session refuses.
            other => match clients::state_change(other, self.link.extensions()) {
                Ok(Some(asked)) => self.change(session, asked),
                Ok(None) | Err(_) => None,
            },
        }
    }

    /// Asks the channel for a state change.
    fn change(&self, session: SessionUid, asked: AskedChange) -> Option<Direct> {
        let AskedChange { channel, change, if_version } = asked;
        let (_, address) = self.known(channel.as_ref())?;
        let change = ClientChange { speaker: Speaker::Subscriber(session), change, if_version };
        Some(Box::pin(clients::change(address, change)))
    }

    /// A channel's full name and its actor, if this thread knows that.
    fn known(&self, channel: Option<&ChannelId>) -> Option<(ChannelKey, Addr<ChannelActor>)> {
        let key = ChannelKey { project: self.link.project()?, id: channel?.clone() };
        let address = self.supervisor.known_channel(&key)?;
        Some((key, address))
    }
}
