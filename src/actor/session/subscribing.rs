//! Subscribing and unsubscribing: checked, stored, then made known on the channel's ordered way.
//!
//! What concerns one channel happens one after the other (a lock per channel), so that a subscribe and an unsubscribe
//! that follow each other cannot cross between the store and the channel.

use super::{
    Arc, ChannelActor, ChannelId, ChannelKey, ConnectionUid, Held, Identity, Mutex, SessionActor,
    Subscriber, Supervisor, authorizing::Asker, channel, clock,
};
use crate::ask::AskError;
use crate::domain::{EventKind, HookEvent, LeapTokenId};
use crate::protocol::ErrorCode;
use crate::store::{StoreError, Thing, WriteStore};
use actix::prelude::*;
use tokio::sync::OwnedMutexGuard;
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

/// What has to be done for one subscription, worked out under the channel's lock.
pub(super) struct Plan {
    /// The channel.
    pub(super) key: ChannelKey,
    /// Its actor, as far as known.
    address: Option<Addr<ChannelActor>>,
    /// Who asks; none if no question is needed.
    subscriber: Option<Subscriber>,
    /// The token to store a permanent subscription for; none if there is nothing to store.
    pub(super) token: Option<LeapTokenId>,
    /// Whether the subscription ends with the session.
    pub(super) is_ephemeral: bool,
    /// On whose behalf the back end may be asked for a grant.
    pub(super) asker: Option<Asker>,
    /// What webhooks hear of it if it is new and permanent.
    event: Option<HookEvent>,
    /// The way to the rest.
    pub(super) hub: Supervisor,
}

impl Plan {
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
            self.hub.persistence().write_causing(is_wanted, write, events).await?;
        }
        Ok((address, self.is_ephemeral))
    }

    /// Finds the channel's actor and asks it, if it has to be asked.
    async fn admitted(&self) -> Result<Addr<ChannelActor>, SubscribeError> {
        let mut known = self.address.clone().filter(Addr::connected);
        for _ in 0..ATTEMPTS {
            let address = match known.take() {
                Some(address) => address,
                None => self.hub.channel(&self.key).await?,
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
    pub(super) fn lock(&mut self, id: &ChannelId) -> Arc<Mutex<()>> {
        Arc::clone(self.locks.entry(id.clone()).or_default())
    }

    /// Ends what was under way about a channel.
    pub(super) fn unlock(
        &mut self,
        id: &ChannelId,
        guard: OwnedMutexGuard<()>,
        ctx: &mut Context<Self>,
    ) {
        drop(guard);
        if self.locks.get(id).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            self.locks.remove(id);
        }
        self.check_idle(ctx);
    }

    /// Subscribes the session; `is_granted` in the back end's name, else `asker` is the connection that wants it.
    pub(super) fn subscribe(
        &mut self,
        id: ChannelId,
        is_ephemeral: bool,
        is_granted: bool,
        asker: Option<ConnectionUid>,
    ) -> ResponseActFuture<Self, Subscribed> {
        let (lock, since) = (self.lock(&id), Instant::now());
        let locked = async move { lock.lock_owned().await };
        Box::pin(locked.into_actor(self).then(move |guard, actor: &mut Self, _| {
            let is_ephemeral = is_ephemeral || actor.token().is_none();
            let plan = actor.plan(&id, is_ephemeral, is_granted);
            if plan.is_ok() && !actor.subscriptions.contains_key(&id) {
                actor.joining.insert(id.clone());
            }
            let asker = asker.and_then(|asker| actor.asker(asker, since));
            let checked = async move { Plan { asker, ..plan? }.carry_out().await };
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
                actor.joining.remove(&id);
                actor.unlock(&id, guard, ctx);
                outcome.map(|_| ())
            })
        }))
    }

    /// Works out what a subscription takes.
    fn plan(
        &self,
        id: &ChannelId,
        is_ephemeral: bool,
        is_granted: bool,
    ) -> Result<Plan, SubscribeError> {
        let held = self.subscriptions.get(id);
        let limit = self.hub.settings().session_channels;
        if held.is_none() && self.subscriptions.len() + self.joining.len() >= limit {
            return Err(SubscribeError::TooManyChannels(limit));
        }
        let subscriber = match &self.identity {
            Identity::Anonymous => Subscriber::Anonymous,
            Identity::Token(_) => Subscriber::Token { is_granted },
            Identity::Project => Subscriber::Project,
        };
        let is_stored = held.is_some_and(|held| !held.is_ephemeral);
        let is_news = held.is_none() || (!is_ephemeral && !is_stored);
        let event = self.subscription_event(EventKind::ChannelSubscribed, id);
        Ok(Plan {
            key: self.key(id),
            address: held.and_then(|held| held.address.clone()),
            subscriber: (held.is_none() && !is_granted).then_some(subscriber),
            token: self
                .token()
                .filter(|_| !is_ephemeral && !is_stored)
                .map(|token| token.id.clone()),
            is_ephemeral,
            asker: None,
            event: event.filter(|_| is_news),
            hub: self.hub.clone(),
        })
    }

    /// Notes a subscription and tells the channel, which answers every connection with `AVAILABLE`.
    fn join(
        &mut self,
        id: &ChannelId,
        address: &Addr<ChannelActor>,
        is_ephemeral: bool,
        ctx: &mut Context<Self>,
    ) -> Request<ChannelActor, channel::Subscribe> {
        // An ephemeral grant to an offline token has to outlive this call: the session waits for a connection as after
        // one that has gone.
        self.had_members |= is_ephemeral;
        // The permanent kind wins.
        let before = self.subscriptions.get(id);
        let was_permanent = before.is_some_and(|held| !held.is_ephemeral);
        let is_ephemeral = is_ephemeral && !was_permanent;
        let since = before.map_or_else(clock::now, |held| held.since);
        let held = Held { address: Some(address.clone()), is_ephemeral, since };
        let was_ephemeral = self.subscriptions.insert(id.clone(), held).map(|it| it.is_ephemeral);
        self.tell_ephemeral(id, was_ephemeral.unwrap_or_default(), is_ephemeral);
        self.joining.remove(id);
        let (session, home, connections) = (self.uid, ctx.address(), self.connections());
        let member = Arc::clone(&self.member);
        let (named, is_return) = (Arc::clone(&self.named), false);
        let subscribe =
            channel::Subscribe { session, address: home, member, named, connections, is_return };
        address.send(subscribe)
    }

    /// Unsubscribes the session; `asker` is the connection that wants it, which is not told.
    pub(super) fn unsubscribe(
        &mut self,
        id: ChannelId,
        asker: Option<ConnectionUid>,
    ) -> ResponseActFuture<Self, Result<(), AskError>> {
        let lock = self.lock(&id);
        let locked = async move { lock.lock_owned().await };
        Box::pin(locked.into_actor(self).then(move |guard, actor: &mut Self, _| {
            // What there is to end shows only now: a subscription may just have been made.
            let removed = actor.remove(&id);
            removed.into_actor(actor).map(move |outcome, actor: &mut Self, ctx| {
                if outcome.is_ok() {
                    actor.leave(&id, asker, ctx);
                }
                actor.unlock(&id, guard, ctx);
                outcome
            })
        }))
    }

    /// Takes a subscription out of the store, and tells webhooks that it has ended; of an ephemeral one, the event log does.
    fn remove(&self, id: &ChannelId) -> impl Future<Output = Result<(), AskError>> + use<> {
        let (hub, key) = (self.hub.clone(), self.key(id));
        let token = self.token().map(|token| token.id.clone());
        let event = self.subscription_event(EventKind::ChannelUnsubscribed, id);
        async move {
            let Some(token) = token else { return Ok(()) };
            let write = move |store: &mut dyn WriteStore| store.remove_subscription(&key, &token);
            let is_wanted = event.is_some();
            let events =
                move |was_stored: &bool| event.into_iter().filter(|_| *was_stored).collect();
            hub.persistence().write_causing(is_wanted, write, events).await.map(|_| ())
        }
    }

    /// Forgets a subscription and tells the channel.
    fn leave(&mut self, id: &ChannelId, asker: Option<ConnectionUid>, ctx: &mut Context<Self>) {
        let Some(held) = self.subscriptions.shift_remove(id) else { return };
        self.leave_channel(id, &held, asker);
        self.tell_ephemeral(id, held.is_ephemeral, false);
        for uid in self.members.keys().copied().collect::<Vec<_>>() {
            self.stop_waiting(uid, id, ctx);
        }
    }
}
