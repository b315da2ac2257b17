//! A client's frames, as far as its session carries them out.

use super::super::channel::{self, ChannelActor};
use super::subscribing::{GrantedBy, SubscribeError};
use super::{Serve, SessionActor};
use crate::ask::AskError;
use crate::delivery::fanout::ConnectionUid;
use crate::domain::{ChannelId, HookEvent, Message, StateChange, Version};
use crate::protocol::{ClientCommand, ErrorCode, Event, Extension, Refusal};
use crate::session::NoWay;
use actix::prelude::*;

/// What comes of a client's frame.
type Served = Result<Option<Version>, Refusal>;

impl Handler<Serve> for SessionActor {
    type Result = ResponseActFuture<Self, Served>;

    fn handle(&mut self, serve: Serve, ctx: &mut Context<Self>) -> Self::Result {
        let Serve { connection, extensions, frame, is_hasty } = serve;
        match frame.command {
            ClientCommand::Subscribe { channel, is_ephemeral } => {
                self.serve_subscribe(connection, channel, is_ephemeral, ctx)
            }
            ClientCommand::Unsubscribe { channel } => {
                self.serve_unsubscribe(connection, channel.as_deref(), is_hasty)
            }
            ClientCommand::Publish { channel, message } => {
                self.serve_publish(connection, channel, message, ctx)
            }
            ClientCommand::SetState { channel, state } => {
                self.serve_state(connection, channel, StateChange::Replace(state), None, ctx)
            }
            ClientCommand::PatchState { .. } if !extensions.has(Extension::Patch) => {
                done(self, Err(Refusal::MissingExtension("patch")))
            }
            ClientCommand::PatchState { channel, patch, if_version } => {
                self.serve_state(connection, channel, StateChange::Merge(patch), if_version, ctx)
            }
            ClientCommand::PipeSubscribe { join_token } => {
                self.answer(connection, Event::PipeUnavailable { join_token }, ctx);
                done(self, Ok(None))
            }
            ClientCommand::Unknown { name } => done(self, Err(Refusal::UnknownEvent(name))),
            ClientCommand::Identify(_)
            | ClientCommand::Heartbeat { .. }
            | ClientCommand::Ignored => done(self, Ok(None)),
        }
    }
}

/// Nothing left to wait for.
fn done(actor: &SessionActor, served: Served) -> ResponseActFuture<SessionActor, Served> {
    Box::pin(async { served }.into_actor(actor))
}

impl SessionActor {
    /// Carries out a client's SUBSCRIBE; exactly one outcome becomes visible (`docs/CLIENTS.md`, Socket).
    fn serve_subscribe(
        &mut self,
        connection: ConnectionUid,
        channel: Option<String>,
        is_ephemeral: bool,
        ctx: &mut Context<Self>,
    ) -> ResponseActFuture<Self, Served> {
        let Some(id) = channel.as_deref().and_then(|id| ChannelId::parse(id).ok()) else {
            self.refuse(connection, channel, ErrorCode::Unknown, ctx);
            return done(self, Err(Refusal::UnknownChannel));
        };
        let subscribed = self.subscribe(id, is_ephemeral, GrantedBy::Channel(connection));
        Box::pin(subscribed.map(move |outcome, actor: &mut Self, ctx| {
            let Err(error) = outcome else { return Ok(None) };
            Err(actor.on_subscribe_error(connection, channel, &error, ctx))
        }))
    }

    /// Makes a refused SUBSCRIBE visible.
    fn on_subscribe_error(
        &mut self,
        connection: ConnectionUid,
        channel: Option<String>,
        error: &SubscribeError,
        ctx: &mut Context<Self>,
    ) -> Refusal {
        match error {
            SubscribeError::NotGranted => {
                self.refuse(connection, channel, ErrorCode::NotGranted, ctx);
                Refusal::NotGranted
            }
            SubscribeError::TooManyChannels(limit) => {
                self.refuse(connection, channel, ErrorCode::NotGranted, ctx);
                Refusal::TooManyChannels(*limit)
            }
            SubscribeError::UnknownChannel => {
                self.refuse(connection, channel, ErrorCode::Unknown, ctx);
                Refusal::UnknownChannel
            }
            SubscribeError::UnknownToken => {
                self.step(ctx, |machine, acting| machine.end("the token was deleted", acting));
                Refusal::NotGranted
            }
            // No outcome is known, so none is claimed: the client comes back and sees.
            SubscribeError::Ask(error) => self.send_away(connection, error, ctx),
        }
    }

    /// Sends a client away for now.
    fn send_away(
        &mut self,
        connection: ConnectionUid,
        error: &AskError,
        ctx: &mut Context<Self>,
    ) -> Refusal {
        self.step(ctx, |machine, acting| machine.close(connection, error.close(), acting));
        error.into()
    }

    /// Carries out a client's UNSUBSCRIBE; the asker hears nothing, unless it hears of the subscription only now.
    fn serve_unsubscribe(
        &mut self,
        connection: ConnectionUid,
        channel: Option<&str>,
        is_hasty: bool,
    ) -> ResponseActFuture<Self, Served> {
        let Some(id) = channel.and_then(|id| ChannelId::parse(id).ok()) else {
            return done(self, Ok(None));
        };
        let unsubscribed = self.unsubscribe(id, (!is_hasty).then_some(connection), None);
        Box::pin(unsubscribed.map(move |outcome, actor: &mut Self, ctx| match outcome {
            Ok(()) => Ok(None),
            Err(error) => Err(actor.send_away(connection, &error, ctx)),
        }))
    }

    /// The actor of a channel that the session is subscribed to; says so if it is not.
    fn subscribed(
        &mut self,
        connection: ConnectionUid,
        channel: Option<ChannelId>,
        ctx: &mut Context<Self>,
    ) -> Result<Addr<ChannelActor>, Refusal> {
        let id = channel.as_ref().ok_or(NoWay::NotSubscribed);
        match id.and_then(|id| self.machine.subscribed(id)) {
            Ok(address) => Ok(address.clone()),
            // Held, but its actor is just being replaced: as after any crash, a frame may be lost.
            Err(NoWay::LookedFor) => Err(Refusal::Overloaded),
            Err(NoWay::NotSubscribed) => {
                let named = channel.map(|id| id.as_str().to_owned());
                self.refuse(connection, named, ErrorCode::Unknown, ctx);
                Err(Refusal::NotSubscribed)
            }
        }
    }

    /// Carries out a client's MESSAGE; the next frame waits until the channel has taken this one, so that a flood stays
    /// on its own socket.
    fn serve_publish(
        &mut self,
        connection: ConnectionUid,
        channel: Option<ChannelId>,
        message: Message,
        ctx: &mut Context<Self>,
    ) -> ResponseActFuture<Self, Served> {
        let event = channel.as_ref().and_then(|id| self.message_event(connection, id, &message));
        let address = match self.subscribed(connection, channel, ctx) {
            Ok(address) => address,
            Err(refusal) => return done(self, Err(refusal)),
        };
        if let Some(event) = event {
            return self.publish_told(address, message, event);
        }
        let Ok(publishing) = self.supervisor().publishing() else {
            return done(self, Err(Refusal::Overloaded));
        };
        let published = address.send(channel::ClientPublish { message, told: None });
        let served = async move {
            let published = published.await;
            drop(publishing);
            published.unwrap_or(Err(Refusal::Overloaded)).map(|()| None)
        };
        Box::pin(served.into_actor(self))
    }

    /// Publishes a client's message that webhooks want to hear of; the next frame waits until that is stored.
    fn publish_told(
        &self,
        address: Addr<ChannelActor>,
        message: Message,
        event: HookEvent,
    ) -> ResponseActFuture<Self, Served> {
        let supervisor = self.supervisor().clone();
        let served = async move {
            let (told, stored) =
                supervisor.persistence().hooks().log().make_room(event).await.unzip();
            let publishing = supervisor.publishing().ok().ok_or(Refusal::Overloaded)?;
            let published = address.send(channel::ClientPublish { message, told }).await;
            drop(publishing);
            published.unwrap_or(Err(Refusal::Overloaded))?;
            if let Some(stored) = stored {
                // Ends without an answer where it has to wait for the store.
                let _ = stored.await;
            }
            Ok(None)
        };
        Box::pin(served.into_actor(self))
    }

    /// Carries out a client's SET_CHANNEL_STATE or PATCH_CHANNEL_STATE; the next frame waits for the outcome.
    fn serve_state(
        &mut self,
        connection: ConnectionUid,
        channel: Option<ChannelId>,
        change: StateChange,
        if_version: Option<Version>,
        ctx: &mut Context<Self>,
    ) -> ResponseActFuture<Self, Served> {
        let address = match self.subscribed(connection, channel, ctx) {
            Ok(address) => address,
            Err(refusal) => return done(self, Err(refusal)),
        };
        let expected = channel::Expected { version: if_version, created_at: None };
        let changed =
            address.send(channel::ChangeState { change, expected, is_client: true, receipt: None });
        let served = async move {
            let changed = changed.await.unwrap_or(Err(AskError::Closed.into()));
            Ok(changed.map(|channel::Changed { version, .. }| Some(version))?)
        };
        Box::pin(served.into_actor(self))
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

    /// Hands an event to one connection.
    fn answer(&mut self, connection: ConnectionUid, event: Event, ctx: &mut Context<Self>) {
        self.step(ctx, |machine, acting| machine.answer(connection, event, acting));
    }
}
