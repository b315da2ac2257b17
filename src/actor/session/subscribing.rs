//! Subscribing and unsubscribing: checked, stored, then made known on the channel's ordered way.
//!
//! What concerns one channel happens one after the other (a lock per channel), so that a subscribe and an unsubscribe
//! that follow each other cannot cross between the store and the channel.

use super::super::channel::{self, ChannelActor};
use super::super::clock;
use super::super::receipt::Receipt;
use super::super::supervisor::Supervisor;
use super::SessionActor;
use crate::ask::AskError;
use crate::delivery::fanout::ConnectionUid;
use crate::domain::channel::SubscriberKind;
use crate::domain::{
    ChannelId, ChannelKey, ConnectionId, EventKind, HookEvent, LeapToken, LeapTokenId,
};
use crate::protocol::ErrorCode;
use crate::session::{SessionMachine, Sought};
use crate::store::{StoreError, Thing, WriteStore};
use actix::prelude::*;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::{Mutex, OwnedMutexGuard, Semaphore};
use tokio::time::Instant;

/// How often a channel that ends just when it is asked is looked for again.
const ATTEMPTS: usize = 3;

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

/// Who lets the session subscribe.
pub(super) enum GrantedBy {
    /// The back end, by a call of its own; with what its write leaves for who repeats that.
    BackEnd(Option<Receipt<()>>),
    /// The channel, if it lets this connection, which asks.
    Channel(ConnectionUid),
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
    address: Option<Addr<ChannelActor>>,
    /// Who asks; none if no question is needed.
    subscriber: Option<SubscriberKind>,
    /// The token to store a permanent subscription for; none if there is nothing to store.
    pub(super) token: Option<LeapTokenId>,
    /// Whether the subscription ends with the session.
    pub(super) is_ephemeral: bool,
    /// On whose behalf the back end may be asked for a grant.
    pub(super) asker: Option<SubscribeAsker>,
    /// What the write leaves for who repeats the call.
    pub(super) receipt: Option<Receipt<()>>,
    /// What webhooks hear of it if it is new and permanent.
    event: Option<HookEvent>,
    /// The way to the rest.
    pub(super) supervisor: Supervisor,
}

impl SubscriptionPlan {
    /// Checks and stores; returns the channel's actor and whether the subscription is ephemeral.
    async fn carry_out(mut self) -> Result<(Addr<ChannelActor>, bool), SubscribeError> {
        let address = match self.admitted().await {
            Ok(address) => address,
            Err(SubscribeError::NotGranted) => self.authorised().await?,
            Err(error) => return Err(error),
        };
        if let Some(token) = self.token {
            let (key, at, event) = (self.key, clock::now(), self.event);
            let write = move |store: &mut dyn WriteStore| store.add_subscription(&key, &token, at);
            let is_wanted = event.is_some();
            let events = |is_new: &bool| event.into_iter().filter(|_| *is_new).collect();
            let receipt = self.receipt.map(|receipt| receipt.of(()));
            let persistence = self.supervisor.persistence();
            persistence.write_once_causing(receipt, is_wanted, write, events).await?;
        } else if self.receipt.is_some() {
            // Nothing has to be stored for it, but that it was asked for.
            self.supervisor.persistence().write_once(self.receipt, |_| Ok(())).await?;
        }
        Ok((address, self.is_ephemeral))
    }

    /// Finds the channel's actor and asks it, if it has to be asked.
    async fn admitted(&self) -> Result<Addr<ChannelActor>, SubscribeError> {
        let mut known = self.address.clone().filter(Addr::connected);
        for _ in 0..ATTEMPTS {
            let address = match known.take() {
                Some(address) => address,
                None => self.supervisor.channel(&self.key).await?,
            };
            let Some(subscriber) = self.subscriber else { return Ok(address) };
            match address.send(channel::Admit(subscriber)).await {
                Ok(Ok(())) => return Ok(address),
                Ok(Err(ErrorCode::NotGranted)) => return Err(SubscribeError::NotGranted),
                Ok(Err(ErrorCode::Unknown)) => return Err(SubscribeError::UnknownChannel),
                Err(_ended) => {}
            }
        }
        Err(SubscribeError::Ask(AskError::Closed))
    }
}

/// The outcome of subscribing.
pub(super) type Subscribed = Result<(), SubscribeError>;

impl SessionActor {
    /// The lock of a channel.
    fn lock(&mut self, id: &ChannelId) -> Arc<Mutex<()>> {
        if let Some(lock) = self.locks.get(id) {
            return Arc::clone(lock);
        }
        self.machine.begin_question();
        Arc::clone(self.locks.entry(id.clone()).or_default())
    }

    /// Ends what was under way about a channel.
    fn unlock(&mut self, id: &ChannelId, guard: OwnedMutexGuard<()>, ctx: &mut Context<Self>) {
        drop(guard);
        if self.locks.get(id).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            self.locks.remove(id);
            self.step(ctx, SessionMachine::end_question);
        }
    }

    /// Finds the actor of a held channel.
    pub(super) fn look_for(&mut self, id: ChannelId, ctx: &mut Context<Self>) {
        let (lock, supervisor, key) =
            (self.lock(&id), self.supervisor().clone(), self.machine.key(&id));
        let found = async move {
            let guard = lock.lock_owned().await;
            (supervisor.channel(&key).await, guard)
        };
        ctx.spawn(found.into_actor(self).map(move |(found, guard), actor: &mut Self, ctx| {
            let sought = match found {
                Ok(address) => Sought::Found(address),
                Err(error) if error == AskError::not_found(Thing::Channel) => Sought::Missing,
                Err(error) => Sought::Unknown(error.close()),
            };
            let now = Instant::now();
            actor.step(ctx, |machine, acting| machine.found(&id, sought, now, acting));
            actor.unlock(&id, guard, ctx);
        }));
    }

    /// Subscribes the session.
    pub(super) fn subscribe(
        &mut self,
        id: ChannelId,
        is_ephemeral: bool,
        granted_by: GrantedBy,
    ) -> ResponseActFuture<Self, Subscribed> {
        let (is_granted, asker, receipt) = match granted_by {
            GrantedBy::BackEnd(receipt) => (true, None, receipt),
            GrantedBy::Channel(asker) => (false, Some(asker), None),
        };
        let (lock, since) = (self.lock(&id), Instant::now());
        let locked = async move { lock.lock_owned().await };
        Box::pin(locked.into_actor(self).then(move |guard, actor: &mut Self, _| {
            let is_ephemeral = is_ephemeral || actor.machine.token().is_none();
            let plan = actor.plan(&id, is_ephemeral, is_granted);
            let asker = asker.and_then(|asker| actor.asker(asker, since));
            let checked =
                async move { SubscriptionPlan { asker, receipt, ..plan? }.carry_out().await };
            let joined = checked.into_actor(actor).then({
                let id = id.clone();
                move |outcome, actor: &mut Self, ctx| {
                    let joined = outcome.map(|(address, is_ephemeral)| {
                        actor.join(&id, &address, is_ephemeral, ctx)
                    });
                    // The outcome counts once the channel has put `AVAILABLE` on its way.
                    async move { Ok(joined?.await.is_ok()) }.into_actor(actor)
                }
            });
            joined.map(move |outcome: Result<bool, SubscribeError>, actor: &mut Self, ctx| {
                if matches!(outcome, Ok(false)) {
                    // The channel's actor ended just then: its successor has to answer.
                    actor.look_for(id.clone(), ctx);
                }
                actor.machine.settle_wanted(&id);
                actor.unlock(&id, guard, ctx);
                outcome.map(|_| ())
            })
        }))
    }

    /// Works out what a subscription takes.
    fn plan(
        &mut self,
        id: &ChannelId,
        is_ephemeral: bool,
        is_granted: bool,
    ) -> Result<SubscriptionPlan, SubscribeError> {
        let wanted = self.machine.want(id, is_ephemeral, is_granted, &self.acting);
        let wanted = wanted.map_err(SubscribeError::TooManyChannels)?;
        let event = self.subscription_event(EventKind::ChannelSubscribed, id);
        Ok(SubscriptionPlan {
            key: self.machine.key(id),
            address: wanted.channel,
            subscriber: wanted.subscriber,
            token: wanted.token,
            is_ephemeral,
            asker: None,
            receipt: None,
            event: event.filter(|_| wanted.is_news),
            supervisor: self.supervisor().clone(),
        })
    }

    /// Notes a subscription and tells the channel, which answers every connection with `AVAILABLE`.
    fn join(
        &mut self,
        id: &ChannelId,
        channel: &Addr<ChannelActor>,
        is_ephemeral: bool,
        ctx: &mut Context<Self>,
    ) -> Request<ChannelActor, channel::Subscribe> {
        let held = channel.clone();
        self.step(ctx, |machine, acting| {
            machine.hold(id, held, is_ephemeral, clock::now(), acting);
        });
        let (session, connections) = (self.machine.card(), self.machine.connections());
        let (address, is_return) = (ctx.address(), false);
        channel.send(channel::Subscribe { session, address, connections, is_return })
    }

    /// Unsubscribes the session; `asker` is the connection that wants it, which is not told.
    pub(super) fn unsubscribe(
        &mut self,
        id: ChannelId,
        asker: Option<ConnectionUid>,
        receipt: Option<Receipt<()>>,
    ) -> ResponseActFuture<Self, Result<(), AskError>> {
        let lock = self.lock(&id);
        let locked = async move { lock.lock_owned().await };
        Box::pin(locked.into_actor(self).then(move |guard, actor: &mut Self, _| {
            // What there is to end shows only now: a subscription may just have been made.
            let removed = actor.remove(&id, receipt);
            removed.into_actor(actor).map(move |outcome, actor: &mut Self, ctx| {
                if outcome.is_ok() {
                    actor.step(ctx, |machine, acting| machine.give_up(&id, asker, acting));
                }
                actor.unlock(&id, guard, ctx);
                outcome
            })
        }))
    }

    /// Takes a subscription out of the store, and tells webhooks that it has ended; of an ephemeral one, the event log does.
    fn remove(
        &self,
        id: &ChannelId,
        receipt: Option<Receipt<()>>,
    ) -> impl Future<Output = Result<(), AskError>> + use<> {
        let (supervisor, key) = (self.supervisor().clone(), self.machine.key(id));
        let token = self.machine.token().map(|token| token.id.clone());
        let event = self.subscription_event(EventKind::ChannelUnsubscribed, id);
        async move {
            let Some(token) = token else { return Ok(()) };
            let write = move |store: &mut dyn WriteStore| store.remove_subscription(&key, &token);
            let is_wanted = event.is_some();
            let events =
                move |was_stored: &bool| event.into_iter().filter(|_| *was_stored).collect();
            let (receipt, persistence) =
                (receipt.map(|receipt| receipt.of(())), supervisor.persistence());
            persistence.write_once_causing(receipt, is_wanted, write, events).await.map(|_| ())
        }
    }
}
