//! Subscribing and unsubscribing: let in, stored where it has to be, and made known on the channel's ordered way.
//!
//! Who lets the session in is asked one question: the store, in the transaction that stores the subscription; or, where
//! nothing is stored, the channel, in the step in which it takes the session in.
//!
//! What concerns one channel happens one after the other (a lock per channel), so that a subscribe and an unsubscribe
//! that follow each other cannot cross between the store and the channel.

use super::super::channel::{self, ChannelActor};
use super::super::clock;
use super::super::receipt::Receipt;
use super::SessionActor;
use super::planning::{SubscribeError, SubscriptionPlan};
use crate::ask::AskError;
use crate::channel::SessionArrival;
use crate::delivery::fanout::ConnectionUid;
use crate::domain::channel::SubscriberKind;
use crate::domain::{ChannelId, EventKind, StartingPoint};
use crate::session::{SessionMachine, Sought};
use crate::store::{Thing, WriteStore};
use actix::prelude::*;
use std::sync::Arc;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::Instant;

/// How often a channel that ends just when it is asked is looked for again.
const ATTEMPTS: usize = 3;

/// Who lets the session subscribe.
pub(super) enum GrantedBy {
    /// The back end, by a call of its own; with what its write leaves for who repeats that.
    BackEnd(Option<Receipt<()>>),
    /// The channel, if it lets this connection, which asks, and may want it from somewhere before now.
    Channel(ConnectionUid, Option<StartingPoint>),
}

/// The outcome of subscribing.
pub(super) type Subscribed = Result<(), SubscribeError>;

impl SessionActor {
    /// The lock of a channel.
    pub(super) fn lock(&mut self, id: &ChannelId) -> Arc<Mutex<()>> {
        if let Some(lock) = self.locks.get(id) {
            return Arc::clone(lock);
        }
        self.machine.begin_question();
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
        if self.is_moving {
            return self.settled(Err(SubscribeError::Ask(AskError::Closed)));
        }
        let (lock, since) = (self.lock(&id), Instant::now());
        let locked = async move { lock.lock_owned().await };
        Box::pin(locked.into_actor(self).then(move |guard, actor: &mut Self, _| {
            let is_ephemeral = is_ephemeral || actor.machine.token().is_none();
            let made = match actor.plan(&id, is_ephemeral, granted_by, since) {
                Ok(plan) if plan.asks_channel() => actor.ask_channel(plan, ATTEMPTS),
                Ok(plan) => actor.store_and_join(plan),
                Err(error) => actor.settled(Err(error)),
            };
            let told = made.map(move |outcome, actor: &mut Self, ctx| {
                actor.machine.settle_wanted(&id);
                actor.record_subscribed(&id, &outcome);
                let is_ephemeral = actor.machine.is_ephemeral(&id);
                let telling = actor.begin_telling(&id, is_ephemeral, outcome.is_ok());
                actor.unlock(&id, guard, ctx);
                (outcome, telling)
            });
            // Behind the lock: other servers take one of theirs to hear it.
            told.then(|(outcome, telling), actor: &mut Self, _| {
                actor.told(telling).map(|told, _, _| match outcome {
                    Ok(()) => Ok(told?),
                    refused => refused,
                })
            })
        }))
    }

    /// Works out what a subscription takes.
    fn plan(
        &mut self,
        id: &ChannelId,
        is_ephemeral: bool,
        granted_by: GrantedBy,
        since: Instant,
    ) -> Result<SubscriptionPlan, SubscribeError> {
        let (connection, start, receipt) = match granted_by {
            GrantedBy::BackEnd(receipt) => (None, None, receipt),
            GrantedBy::Channel(connection, start) => (Some(connection), start, None),
        };
        let is_granted = connection.is_none();
        let wanted = self.machine.want(id, is_ephemeral, is_granted, &self.acting);
        let wanted = wanted.map_err(SubscribeError::TooManyChannels)?;
        let event = self.subscription_event(EventKind::ChannelSubscribed, id);
        Ok(SubscriptionPlan {
            key: self.machine.key(id),
            address: wanted.channel,
            who: wanted.subscriber,
            token: wanted.token,
            is_ephemeral,
            start: connection.zip(start),
            asker: connection.and_then(|connection| self.asker(connection, since)),
            receipt,
            event: event.filter(|_| wanted.is_news),
            supervisor: self.supervisor().clone(),
        })
    }

    /// What is known without waiting.
    fn settled(&self, outcome: Subscribed) -> ResponseActFuture<Self, Subscribed> {
        Box::pin(async { outcome }.into_actor(self))
    }

    /// Asks the channel to let the session in, so often if it ends meanwhile; where it does not, a back end may.
    fn ask_channel(
        &mut self,
        plan: SubscriptionPlan,
        attempts: usize,
    ) -> ResponseActFuture<Self, Subscribed> {
        let found = async move { (plan.find().await, plan) };
        let asked = found.into_actor(self).then(|(found, plan), actor: &mut Self, ctx| {
            let asked = found.map(|address| {
                let id = &plan.key.id;
                actor.machine.ask(id, address.clone(), plan.is_ephemeral, clock::now());
                actor.send_subscribe(&address, plan.who, plan.start, ctx)
            });
            async move {
                match asked {
                    Ok(asked) => (Ok(asked.await.ok()), plan),
                    Err(error) => (Err(error), plan),
                }
            }
            .into_actor(actor)
        });
        Box::pin(asked.then(move |(answer, mut plan), actor: &mut Self, ctx| {
            let id = plan.key.id.clone();
            match answer {
                Ok(Some(true)) => {
                    actor.step(ctx, |machine, acting| machine.let_in(&id, acting));
                    actor.settled(Ok(()))
                }
                Ok(None) if !actor.machine.not_admitted(&id) => {
                    // It has let the session in and ended then: its successor has to answer.
                    actor.look_for(id, ctx);
                    actor.settled(Ok(()))
                }
                Ok(None) if attempts > 1 => {
                    plan.address = None;
                    actor.ask_channel(plan, attempts - 1)
                }
                Ok(None) => actor.settled(Err(SubscribeError::Ask(AskError::Closed))),
                Ok(Some(false)) => {
                    actor.machine.not_admitted(&id);
                    actor.authorise(plan)
                }
                Err(error) => actor.settled(Err(error)),
            }
        }))
    }

    /// Lets a back end decide, if there is one.
    fn authorise(&mut self, mut plan: SubscriptionPlan) -> ResponseActFuture<Self, Subscribed> {
        let authorised = async move { plan.authorised().await.map(|()| plan) };
        Box::pin(authorised.into_actor(self).then(|plan, actor: &mut Self, _| match plan {
            Ok(plan) => actor.store_and_join(plan),
            Err(error) => actor.settled(Err(error)),
        }))
    }

    /// Stores what has to be, then makes it known.
    fn store_and_join(
        &mut self,
        mut plan: SubscriptionPlan,
    ) -> ResponseActFuture<Self, Subscribed> {
        let stored = async move { (plan.stored().await, plan) };
        Box::pin(stored.into_actor(self).then(
            |(stored, plan), actor: &mut Self, ctx| match stored {
                Ok(Some(address)) => actor.join(&plan, &address, ctx),
                Ok(None) => actor.authorise(plan),
                Err(error) => actor.settled(Err(error)),
            },
        ))
    }

    /// Holds a subscription and tells the channel, which answers every connection with `AVAILABLE`.
    fn join(
        &mut self,
        plan: &SubscriptionPlan,
        channel: &Addr<ChannelActor>,
        ctx: &mut Context<Self>,
    ) -> ResponseActFuture<Self, Subscribed> {
        let (id, held, is_ephemeral) = (plan.key.id.clone(), channel.clone(), plan.is_ephemeral);
        self.step(ctx, |machine, acting| {
            machine.hold(&id, held, is_ephemeral, clock::now(), acting);
        });
        // The outcome counts once the channel has put `AVAILABLE` on its way.
        let told = self.send_subscribe(channel, None, plan.start, ctx);
        Box::pin(told.into_actor(self).map(move |told, actor: &mut Self, ctx| {
            if told.is_err() {
                // The channel's actor ended just then: its successor has to answer.
                actor.look_for(id, ctx);
            }
            Ok(())
        }))
    }

    /// Tells a channel of the session and all its connections.
    pub(super) fn send_subscribe(
        &self,
        channel: &Addr<ChannelActor>,
        who: Option<SubscriberKind>,
        start: Option<(ConnectionUid, StartingPoint)>,
        ctx: &Context<Self>,
    ) -> Request<ChannelActor, channel::Subscribe> {
        let (session, connections) = (self.machine.card(), self.machine.connections());
        let (way, is_return) = (ctx.address(), false);
        let arrival = SessionArrival { session, way, connections, who, start, is_return };
        channel.send(channel::Subscribe(arrival))
    }

    /// Unsubscribes the session; `asker` is the connection that wants it, which is not told.
    pub(super) fn unsubscribe(
        &mut self,
        id: ChannelId,
        asker: Option<ConnectionUid>,
        receipt: Option<Receipt<()>>,
    ) -> ResponseActFuture<Self, Result<(), AskError>> {
        if self.is_moving {
            return Box::pin(async { Err(AskError::Closed) }.into_actor(self));
        }
        let lock = self.lock(&id);
        let locked = async move { lock.lock_owned().await };
        Box::pin(locked.into_actor(self).then(move |guard, actor: &mut Self, _| {
            // What there is to end shows only now: a subscription may just have been made.
            let removed = actor.remove(&id, receipt);
            let given_up = removed.into_actor(actor).map(move |outcome, actor: &mut Self, ctx| {
                if outcome.is_ok() {
                    actor.record_unsubscribed(&id);
                    actor.step(ctx, |machine, acting| machine.give_up(&id, asker, acting));
                }
                let telling = actor.begin_telling(&id, false, outcome.is_ok());
                actor.unlock(&id, guard, ctx);
                (outcome, telling)
            });
            given_up.then(|(outcome, telling), actor: &mut Self, _| {
                actor.told(telling).map(|told, _, _| outcome.and(told))
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
