//! What a subscription takes, as far as it is done without the session: finding the channel's actor, and storing.

use super::super::channel::ChannelActor;
use super::super::clock;
use super::super::receipt::Receipt;
use super::super::supervisor::Supervisor;
use crate::ask::AskError;
use crate::delivery::fanout::ConnectionUid;
use crate::domain::channel::SubscriberKind;
use crate::domain::{ChannelKey, ConnectionId, HookEvent, LeapToken, LeapTokenId, StartingPoint};
use crate::store::{StoreError, StoreResult, Thing, WriteStore};
use actix::prelude::*;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Why a subscription was not made.
#[derive(Debug)]
pub(super) enum SubscribeError {
    /// The channel is not open to the asker.
    NotGranted,
    /// There is no such channel.
    UnknownChannel,
    /// The session has as many channels as it may have; carries the limit.
    TooManyChannels(usize),
    /// The token has gone meanwhile.
    UnknownToken,
    /// Somebody on the way gave no answer.
    Ask(AskError),
}

impl From<AskError> for SubscribeError {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Store(StoreError::NotFound(Thing::Channel)) => Self::UnknownChannel,
            AskError::Store(StoreError::NotFound(Thing::Token)) => Self::UnknownToken,
            other => Self::Ask(other),
        }
    }
}

/// On whose behalf a back end is asked.
pub(super) struct SubscribeAsker {
    /// The token.
    pub(super) token: LeapToken,
    /// The connection that wants the channel.
    pub(super) cid: ConnectionId,
    /// Where its client is, where the socket tells.
    pub(super) address: Option<IpAddr>,
    /// When it asked.
    pub(super) since: Instant,
    /// The places for its questions.
    pub(super) places: Arc<Semaphore>,
}

/// What has to be done for one subscription, worked out under the channel's lock.
pub(super) struct SubscriptionPlan {
    /// The channel.
    pub(super) key: ChannelKey,
    /// Its actor, as far as known.
    pub(super) address: Option<Addr<ChannelActor>>,
    /// Who asks to be let in; none if that is settled.
    pub(super) who: Option<SubscriberKind>,
    /// The token to store a permanent subscription for; none if there is nothing to store.
    pub(super) token: Option<LeapTokenId>,
    /// Whether the subscription ends with the session.
    pub(super) is_ephemeral: bool,
    /// From where a connection wants to hear the channel, and which.
    pub(super) start: Option<(ConnectionUid, StartingPoint)>,
    /// On whose behalf the back end may be asked for a grant.
    pub(super) asker: Option<SubscribeAsker>,
    /// What the write leaves for who repeats the call.
    pub(super) receipt: Option<Receipt<()>>,
    /// What webhooks hear of it if it is new and permanent.
    pub(super) event: Option<HookEvent>,
    /// The way to the rest.
    pub(super) supervisor: Supervisor,
}

impl SubscriptionPlan {
    /// Whether it is the channel that lets the session in; what has to be stored, the store lets in.
    pub(super) const fn asks_channel(&self) -> bool {
        self.who.is_some() && self.token.is_none()
    }

    /// The channel's actor.
    pub(super) async fn find(&self) -> Result<Addr<ChannelActor>, SubscribeError> {
        match self.address.clone().filter(Addr::connected) {
            Some(address) => Ok(address),
            None => Ok(self.supervisor.channel(&self.key).await?),
        }
    }

    /// Stores what has to be; returns the channel's actor, or none where the channel is not open to the asker.
    pub(super) async fn stored(&mut self) -> Result<Option<Addr<ChannelActor>>, SubscribeError> {
        let address = self.find().await?;
        let (receipt, event) = (self.receipt.take(), self.event.take());
        let persistence = self.supervisor.persistence();
        let Some(token) = self.token.clone() else {
            if receipt.is_some() {
                // Nothing has to be stored for it, but that it was asked for.
                persistence.write_once(receipt, |_| Ok(())).await?;
            }
            return Ok(Some(address));
        };
        let (key, who, at) = (self.key.clone(), self.who, clock::now());
        let write = move |store: &mut dyn WriteStore| {
            if !is_open(store, &key, who)? {
                return Ok(None);
            }
            store.add_subscription(&key, &token, at).map(Some)
        };
        let is_wanted = event.is_some();
        let events =
            |is_new: &Option<bool>| event.into_iter().filter(|_| *is_new == Some(true)).collect();
        let receipt = receipt.map(|receipt| receipt.of(()));
        let added = persistence.write_once_causing(receipt, is_wanted, write, events).await?;
        Ok(added.map(|_| address))
    }
}

/// Whether a channel is open to whoever asks, in the transaction in which that counts: no change of it can come in between.
fn is_open(
    store: &mut dyn WriteStore,
    key: &ChannelKey,
    who: Option<SubscriberKind>,
) -> StoreResult<bool> {
    let Some(who) = who else { return Ok(true) };
    let visibility = store.find_visibility(key)?;
    Ok(visibility.ok_or(StoreError::NotFound(Thing::Channel))?.admits(who))
}
