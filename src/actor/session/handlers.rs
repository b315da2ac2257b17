//! What a session does with each message.

use super::super::ask::AskError;
use super::subscribing::SubscribeError;
use super::{
    ChannelId, Close, CloseCode, ConnectionUid, Direct, EndIfIdle, Event, Exit, FromChannel, Grant,
    Held, Identity, IsOnline, Revoke, Serve, SessionActor, TokenChanged, TokenEnded, channel, tell,
};
use crate::domain::{Change, Message};
use crate::protocol::{Command, ErrorCode};
use crate::store::Thing;
use actix::prelude::*;

impl Handler<Serve> for SessionActor {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(
        &mut self,
        Serve { connection, command }: Serve,
        ctx: &mut Context<Self>,
    ) -> Self::Result {
        match command {
            Command::Subscribe { channel, is_ephemeral } => {
                self.serve_subscribe(connection, channel, is_ephemeral, ctx)
            }
            Command::Unsubscribe { channel } => {
                self.serve_unsubscribe(connection, channel.as_deref())
            }
            Command::Publish { channel, message } => {
                self.serve_publish(connection, channel, message, ctx)
            }
            Command::SetState { channel, state } => {
                self.serve_state(connection, channel, Change::Replace(state), ctx)
            }
            Command::PipeSubscribe { join_token } => {
                self.answer(connection, Event::PipeUnavailable { join_token }, ctx);
                done(self)
            }
            Command::Identify(_) | Command::Heartbeat { .. } | Command::Ignored => done(self),
        }
    }
}

/// Nothing left to wait for.
fn done(actor: &SessionActor) -> ResponseActFuture<SessionActor, ()> {
    Box::pin(async {}.into_actor(actor))
}

impl SessionActor {
    /// Carries out a client's SUBSCRIBE; exactly one outcome becomes visible (`client-facts.md` §2.6).
    fn serve_subscribe(
        &mut self,
        connection: ConnectionUid,
        channel: Option<String>,
        is_ephemeral: bool,
        ctx: &mut Context<Self>,
    ) -> ResponseActFuture<Self, ()> {
        let Some(id) = channel.as_deref().and_then(|id| ChannelId::parse(id).ok()) else {
            self.refuse(connection, channel, ErrorCode::Unknown, ctx);
            return done(self);
        };
        let subscribed = self.subscribe(id, is_ephemeral, false, Some(connection));
        Box::pin(subscribed.map(move |outcome, actor: &mut Self, ctx| match outcome {
            Ok(()) => {}
            Err(SubscribeError::NotGranted) => {
                actor.refuse(connection, channel, ErrorCode::NotGranted, ctx);
            }
            Err(SubscribeError::UnknownChannel) => {
                actor.refuse(connection, channel, ErrorCode::Unknown, ctx);
            }
            Err(SubscribeError::UnknownToken) => actor.end("the token was deleted", ctx),
            // No outcome is known, so none is claimed: the client comes back and sees.
            Err(SubscribeError::Ask(_)) => {
                actor.close(connection, Close::new(CloseCode::Unknown, "overloaded, reconnect"));
                actor.outlet.settle(ctx);
            }
        }))
    }

    /// Carries out a client's UNSUBSCRIBE; the asker hears nothing.
    fn serve_unsubscribe(
        &mut self,
        connection: ConnectionUid,
        channel: Option<&str>,
    ) -> ResponseActFuture<Self, ()> {
        let Some(id) = channel.and_then(|id| ChannelId::parse(id).ok()) else {
            return done(self);
        };
        Box::pin(self.unsubscribe(id, Some(connection)).map(
            move |outcome, actor: &mut Self, ctx| {
                if outcome.is_err() {
                    actor
                        .close(connection, Close::new(CloseCode::Unknown, "overloaded, reconnect"));
                    actor.outlet.settle(ctx);
                }
            },
        ))
    }

    /// Carries out a client's MESSAGE.
    fn serve_publish(
        &mut self,
        connection: ConnectionUid,
        channel: Option<ChannelId>,
        message: Message,
        ctx: &mut Context<Self>,
    ) -> ResponseActFuture<Self, ()> {
        let event = channel.as_ref().and_then(|id| self.message_event(connection, id, &message));
        let persistence = self.hub.persistence().clone();
        match channel.as_ref().and_then(|id| self.subscriptions.get(id)) {
            Some(Held { address: Some(address), .. }) => {
                // The next frame waits until the channel has taken this one: a flood stays on its own socket.
                let published = address.send(channel::ClientPublish(message));
                Box::pin(
                    async move {
                        let is_out = published.await.unwrap_or(false);
                        if let Some(event) = event.filter(|_| is_out)
                            && let Err(error) = persistence.record(vec![event]).await
                        {
                            tracing::error!(%error, "an event was not stored");
                        }
                    }
                    .into_actor(self),
                )
            }
            // Held, but its actor is just being replaced: as after any crash, a message may be lost.
            Some(Held { address: None, .. }) => done(self),
            None => {
                let named = channel.map(|id| id.as_str().to_owned());
                self.refuse(connection, named, ErrorCode::Unknown, ctx);
                done(self)
            }
        }
    }

    /// Carries out a client's SET_CHANNEL_STATE; the next frame waits for the outcome.
    fn serve_state(
        &mut self,
        connection: ConnectionUid,
        channel: Option<ChannelId>,
        change: Change,
        ctx: &mut Context<Self>,
    ) -> ResponseActFuture<Self, ()> {
        match channel.as_ref().and_then(|id| self.subscriptions.get(id)) {
            Some(Held { address: Some(address), .. }) => {
                let ask = channel::ChangeState { change, if_version: None, is_client: true };
                let changed = address.send(ask);
                // A refused change is no news to Hop's clients: they have no frame for it.
                Box::pin(async move { drop(changed.await) }.into_actor(self))
            }
            Some(Held { address: None, .. }) => done(self),
            None => {
                let named = channel.map(|id| id.as_str().to_owned());
                self.refuse(connection, named, ErrorCode::Unknown, ctx);
                done(self)
            }
        }
    }

    /// Answers one connection that it is not subscribed.
    fn refuse(
        &mut self,
        connection: ConnectionUid,
        channel: Option<String>,
        code: ErrorCode,
        ctx: &mut Context<Self>,
    ) {
        let event = Event::Unavailable {
            channel,
            is_graceful: false,
            error_code: Some(code),
            is_unicast: true,
        };
        self.answer(connection, event, ctx);
    }
}

impl Handler<Exit> for SessionActor {
    type Result = ();

    fn handle(&mut self, Exit(connection): Exit, ctx: &mut Context<Self>) {
        if self.members.shift_remove(&connection).is_none() {
            return;
        }
        for address in self.subscriptions.values().filter_map(|held| held.address.as_ref()) {
            tell(address, channel::Detach { session: self.uid, connection });
        }
        self.check_idle(ctx);
    }
}

impl Handler<Grant> for SessionActor {
    type Result = ResponseActFuture<Self, Result<(), AskError>>;

    fn handle(&mut self, grant: Grant, ctx: &mut Context<Self>) -> Self::Result {
        if !self.is_of(&grant.project) {
            return self.foreign(ctx);
        }
        let subscribed = self.subscribe(grant.channel, grant.is_ephemeral, true, None);
        Box::pin(subscribed.map(|outcome, _, _| {
            outcome.map_err(|error| match error {
                SubscribeError::UnknownChannel => AskError::not_found(Thing::Channel),
                SubscribeError::NotGranted | SubscribeError::UnknownToken => {
                    AskError::not_found(Thing::Token)
                }
                SubscribeError::Ask(error) => error,
            })
        }))
    }
}

impl Handler<Revoke> for SessionActor {
    type Result = ResponseActFuture<Self, Result<(), AskError>>;

    fn handle(&mut self, revoke: Revoke, ctx: &mut Context<Self>) -> Self::Result {
        if !self.is_of(&revoke.project) {
            return self.foreign(ctx);
        }
        self.unsubscribe(revoke.channel, None)
    }
}

impl SessionActor {
    /// Answers a project that the token does not belong to: it does not exist for that one.
    fn foreign(
        &mut self,
        ctx: &mut Context<Self>,
    ) -> ResponseActFuture<Self, Result<(), AskError>> {
        self.check_idle(ctx);
        Box::pin(async { Err(AskError::not_found(Thing::Token)) }.into_actor(self))
    }
}

impl Handler<Direct> for SessionActor {
    type Result = Result<(), AskError>;

    fn handle(&mut self, direct: Direct, ctx: &mut Context<Self>) -> Self::Result {
        if !self.is_of(&direct.project) {
            return Err(AskError::not_found(Thing::Token));
        }
        self.dispatch(Event::DirectMessage { message: direct.message, is_unicast: false }, ctx);
        Ok(())
    }
}

impl Handler<IsOnline> for SessionActor {
    type Result = bool;

    fn handle(&mut self, _: IsOnline, _: &mut Context<Self>) -> bool {
        !self.members.is_empty()
    }
}

impl Handler<TokenChanged> for SessionActor {
    type Result = ();

    fn handle(&mut self, TokenChanged(token): TokenChanged, ctx: &mut Context<Self>) {
        self.identity = Identity::Token(token);
        self.watch_expiry(ctx);
    }
}

impl Handler<TokenEnded> for SessionActor {
    type Result = ();

    fn handle(&mut self, TokenEnded(reason): TokenEnded, ctx: &mut Context<Self>) {
        self.end(reason, ctx);
    }
}

impl Handler<EndIfIdle> for SessionActor {
    type Result = bool;

    fn handle(&mut self, _: EndIfIdle, ctx: &mut Context<Self>) -> bool {
        let ends = self.is_idle() && self.grace.is_none();
        if ends {
            ctx.stop();
        }
        ends
    }
}

impl Handler<FromChannel> for SessionActor {
    type Result = ();

    fn handle(&mut self, word: FromChannel, ctx: &mut Context<Self>) {
        match word {
            FromChannel::Snapshot { connection, channel } => {
                self.on_snapshot(connection, channel, ctx);
            }
            FromChannel::Kept(dispatch) => {
                let settings = self.hub.settings();
                let (events, bytes) = (settings.replay_events, settings.replay_bytes);
                self.replay.keep(dispatch, events, bytes);
            }
            FromChannel::Deleted { channel } => self.vanished(&channel, ctx),
            FromChannel::Died { channel, address } => {
                let held = self.subscriptions.get(&channel);
                if held.is_some_and(|held| held.address.as_ref() == Some(&address)) {
                    self.look_for(channel, ctx);
                }
            }
        }
    }
}
