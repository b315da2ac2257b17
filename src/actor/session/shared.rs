//! A token's session that other servers have as well: each has the connections that came to it, and all have the same
//! subscriptions (`docs/adr/0035-servers-ask-each-other.md`).

use super::super::channel::{self, ChannelActor};
use super::super::clock;
use super::super::tell::tell;
use super::{MailWaits, SessionActor};
use crate::ask::AskError;
use crate::domain::{ChannelId, Position, SessionId, Subscription};
use crate::session::{MovedSession, SessionMachine};
use crate::store::Thing;
use actix::prelude::*;
use futures_util::future::{LocalBoxFuture, join_all};
use std::collections::HashMap;
use tokio::sync::oneshot;

/// Sent for another server, where the token's session begins: from now on this one is not apart.
#[derive(actix::Message)]
#[rtype(result = "Sharing")]
pub struct Share;

/// Sent by the shard: another server has begun the session as well.
#[derive(actix::Message)]
#[rtype(result = "()")]
pub struct BeShared;

/// What another server has to know of a session.
#[derive(Clone, Debug)]
pub struct Sharing {
    /// Its name to webhooks.
    pub session: SessionId,
    /// What it is subscribed to for as long as it lasts.
    pub ephemeral: Vec<Subscription>,
    /// What it had for its next connection, if it waited for that and has ended here.
    pub moved: Option<MovedSession>,
}

/// Sent by a session to itself, behind what its channels have handed it.
#[derive(actix::Message)]
#[rtype(result = "()")]
struct BehindAll;

/// Sent for another server, which has changed the token's subscription to a channel: be subscribed as the store says. Answers
/// whether it is.
#[derive(actix::Message)]
#[rtype(result = "bool")]
pub struct FollowSubscription {
    /// The channel.
    pub channel: ChannelId,
    /// Whether an ephemeral one was made, of which the store does not know.
    pub is_ephemeral: bool,
}

/// Sent when something may have been said elsewhere and not heard here: be what the store says. Answers whether that is so.
#[derive(actix::Message)]
#[rtype(result = "bool")]
pub struct FollowStore;

/// Other servers are being told.
pub(super) type Telling = LocalBoxFuture<'static, Result<(), AskError>>;

/// What a channel's subscription is to be.
enum Followed {
    /// There is none.
    None,
    /// There is this one, of a channel whose actor is that.
    Held(Addr<ChannelActor>, bool),
    /// Nobody knows.
    Unknown,
}

impl SessionActor {
    /// Whether other servers may have the session as well.
    pub(super) const fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// Other servers may have the session from now on.
    pub(super) fn share(&mut self) {
        if self.shared.is_none()
            && let Some(token) = self.machine.token()
        {
            self.shared = Some(self.supervisor().shared_tokens().mark(&token.id));
        }
    }

    /// Begins to tell other servers, if they may have the session and there is news, that it is subscribed to a channel otherwise
    /// than before. It does not end before [`Self::told`]. What fails there they notice when they hear again.
    pub(super) fn begin_telling(
        &mut self,
        channel: &ChannelId,
        is_ephemeral: bool,
        is_news: bool,
    ) -> Option<Telling> {
        let token = self.machine.token().filter(|_| self.is_shared() && is_news)?.id.clone();
        self.machine.begin_question();
        let (supervisor, channel) = (self.supervisor().clone(), channel.clone());
        Some(Box::pin(
            async move { supervisor.tell_subscription(&token, &channel, is_ephemeral).await },
        ))
    }

    /// Waits until they know.
    pub(super) fn told(
        &self,
        telling: Option<Telling>,
    ) -> impl ActorFuture<Self, Output = Result<(), AskError>> + use<> {
        let told = async move {
            match telling {
                Some(telling) => (telling.await, true),
                None => (Ok(()), false),
            }
        };
        told.into_actor(self).map(|(told, was_begun), actor: &mut Self, ctx| {
            if was_begun {
                actor.step(ctx, SessionMachine::end_question);
            }
            told
        })
    }

    /// Makes the session known to a channel that it has just begun to hold.
    fn make_known(&self, id: &ChannelId, channel: &Addr<ChannelActor>, ctx: &mut Context<Self>) {
        let (told, id) = (self.send_subscribe(channel, None, None, ctx), id.clone());
        ctx.spawn(told.into_actor(self).map(move |told, actor: &mut Self, ctx| {
            if told.is_err() {
                // The channel's actor ended just then: its successor has to answer.
                actor.look_for(id, ctx);
            }
        }));
    }

    /// Is subscribed to a channel as the store says, or to one of which only other servers know.
    /// Whether it is.
    fn follow(&mut self, id: ChannelId, is_ephemeral: bool) -> ResponseActFuture<Self, bool> {
        let token = self.machine.token().filter(|_| !self.is_moving).map(|token| token.id.clone());
        // One that goes on elsewhere does not follow here any more.
        let Some(token) = token else { return Box::pin(async { false }.into_actor(self)) };
        let (lock, supervisor, key) =
            (self.lock(&id), self.supervisor().clone(), self.machine.key(&id));
        let looked = async move {
            let guard = lock.lock_owned().await;
            let wanted = key.id.clone();
            let stored = supervisor.persistence().read(move |store| {
                Ok(store.subscriptions_of(&token)?.iter().any(|held| held.channel == wanted))
            });
            let Ok(is_stored) = stored.await else { return (Followed::Unknown, guard) };
            if !is_stored && !is_ephemeral {
                return (Followed::None, guard);
            }
            let followed = match supervisor.channel(&key).await {
                Ok(channel) => Followed::Held(channel, !is_stored),
                Err(error) if error == AskError::not_found(Thing::Channel) => Followed::None,
                Err(_) => Followed::Unknown,
            };
            (followed, guard)
        };
        Box::pin(looked.into_actor(self).map(move |(followed, guard), actor: &mut Self, ctx| {
            let mut is_so = true;
            match followed {
                Followed::None => {
                    actor.step(ctx, |machine, acting| machine.give_up(&id, None, acting));
                }
                Followed::Held(channel, is_ephemeral) => {
                    let (held, now) = (channel.clone(), clock::now());
                    actor.machine.follow(&id, held, is_ephemeral, now);
                    // Its connections hear `AVAILABLE` each time that one of them subscribes.
                    actor.make_known(&id, &channel, ctx);
                }
                Followed::Unknown => is_so = false,
            }
            actor.unlock(&id, guard, ctx);
            is_so
        }))
    }
}

impl Handler<Share> for SessionActor {
    type Result = ResponseActFuture<Self, Sharing>;

    fn handle(&mut self, _: Share, ctx: &mut Context<Self>) -> Self::Result {
        self.share();
        let (session, ephemeral) = (self.machine.card().named.id.clone(), self.machine.ephemeral());
        let sharing = Sharing { session, ephemeral, moved: None };
        if self.is_moving || !self.machine.may_move() {
            return Box::pin(async { sharing }.into_actor(self));
        }
        self.is_moving = true;
        let uid = self.machine.uid();
        let channels = self.machine.held().map(|(id, channel)| (id.clone(), channel.clone()));
        let left = channels.map(|(id, channel)| async move {
            (id, channel.send(channel::MoveAway(uid)).await.ok().flatten())
        });
        let (left, me) = (join_all(left.collect::<Vec<_>>()), ctx.address());
        let positions = async move {
            let positions = left.await;
            // What they had handed over before lies in the mailbox in front of this.
            let _ = me.send(BehindAll).await;
            positions.into_iter().collect()
        };
        Box::pin(positions.into_actor(self).map(move |positions, actor: &mut Self, ctx| {
            let positions: HashMap<ChannelId, Option<Position>> = positions;
            let missed_out = actor.machine.held().filter(|(id, _)| !positions.contains_key(*id));
            for (_, channel) in missed_out {
                // It has come in between.
                tell(channel, channel::MoveAway(uid));
            }
            actor.strike_ephemeral();
            let moved = actor.machine.move_away(positions);
            ctx.stop();
            Sharing { moved: Some(moved), ..sharing }
        }))
    }
}

impl Handler<BeShared> for SessionActor {
    type Result = ();

    fn handle(&mut self, _: BeShared, _: &mut Context<Self>) {
        self.share();
    }
}

impl Handler<BehindAll> for SessionActor {
    type Result = ();

    fn handle(&mut self, _: BehindAll, _: &mut Context<Self>) {}
}

impl Handler<FollowSubscription> for SessionActor {
    type Result = ResponseActFuture<Self, bool>;

    fn handle(&mut self, changed: FollowSubscription, _: &mut Context<Self>) -> Self::Result {
        self.follow(changed.channel, changed.is_ephemeral)
    }
}

impl Handler<FollowStore> for SessionActor {
    type Result = ResponseActFuture<Self, bool>;

    fn handle(&mut self, _: FollowStore, ctx: &mut Context<Self>) -> Self::Result {
        let Some(token) = self.machine.token().map(|token| token.id.clone()) else {
            return Box::pin(async { true }.into_actor(self));
        };
        self.share();
        self.look_at_token(ctx);
        ctx.notify(MailWaits);
        let persistence = self.supervisor().persistence().clone();
        let read =
            async move { persistence.read(move |store| store.subscriptions_of(&token)).await };
        Box::pin(read.into_actor(self).then(|stored, actor: &mut Self, ctx| {
            let (is_read, stored) = (stored.is_ok(), stored.unwrap_or_default());
            let stored: Vec<_> = stored.into_iter().map(|held| held.channel).collect();
            let others = if is_read { actor.machine.other_than(&stored) } else { Vec::new() };
            let (followed, outcomes): (Vec<_>, Vec<_>) = others
                .into_iter()
                .map(|id| {
                    let (told, outcome) = oneshot::channel();
                    let followed = actor.follow(id, false).map(|is_so, _, _| {
                        // It is waited for as long as this actor runs.
                        let _ = told.send(is_so);
                    });
                    (followed, outcome)
                })
                .unzip();
            for one in followed {
                ctx.spawn(one);
            }
            let all = async move {
                let outcomes = join_all(outcomes).await;
                is_read && outcomes.into_iter().all(|outcome| outcome == Ok(true))
            };
            all.into_actor(actor)
        }))
    }
}
