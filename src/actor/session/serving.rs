//! A client's frames, as far as its session carries them out.

use super::super::channel::{ChannelActor, ClientChange, ClientPublish, ShowState};
use super::super::clients::{self, AskedChange};
use super::planning::SubscribeError;
use super::subscribing::GrantedBy;
use super::{CarriedOut, Serve, SessionActor};
use crate::ask::AskError;
use crate::channel::Speaker;
use crate::delivery::fanout::ConnectionUid;
use crate::domain::{ChannelId, ChannelKey, HookEvent, Message, Version};
use crate::protocol::{ClientCommand, ErrorCode, Event, Refusal};
use crate::session::NoWay;
use actix::prelude::*;
use std::sync::Arc;

/// What comes of a client's frame.
pub(super) type Served = Result<CarriedOut, Refusal>;

impl Handler<Serve> for SessionActor {
    type Result = ResponseActFuture<Self, Served>;

    fn handle(&mut self, serve: Serve, ctx: &mut Context<Self>) -> Self::Result {
        let Serve { connection, extensions, frame, is_hasty } = serve;
        match frame.command {
            ClientCommand::Subscribe { channel, is_ephemeral, start } => {
                // What cannot be read as a place was refused before it came here.
                let granted_by = GrantedBy::Channel(connection, start.unwrap_or_default());
                self.serve_subscribe(connection, channel, (is_ephemeral, granted_by), ctx)
            }
            ClientCommand::Unsubscribe { channel } => {
                self.serve_unsubscribe(connection, channel.as_deref(), is_hasty)
            }
            ClientCommand::Publish { channel, message, id } => {
                self.serve_publish(connection, channel, (message, id), ctx)
            }
            command @ (ClientCommand::SetState { .. } | ClientCommand::PatchState { .. }) => {
                match clients::state_change(&command, extensions) {
                    Ok(Some(asked)) => self.serve_state(connection, asked, ctx),
                    Ok(None) => done(self, Ok(CarriedOut::default())),
                    Err(refusal) => done(self, Err(refusal)),
                }
            }
            ClientCommand::GetState { channel, version } => {
                self.serve_get_state(connection, channel, version, ctx)
            }
            ClientCommand::RefreshToken { token } => {
                self.serve_refresh(connection, extensions, token)
            }
            ClientCommand::PipeSubscribe { join_token } => {
                self.answer(connection, Event::PipeUnavailable { join_token }, ctx);
                done(self, Ok(CarriedOut::default()))
            }
            ClientCommand::Unknown { name } => done(self, Err(Refusal::UnknownEvent(name))),
            ClientCommand::Identify(_)
            | ClientCommand::Heartbeat { .. }
            | ClientCommand::Ignored => done(self, Ok(CarriedOut::default())),
        }
    }
}

/// Nothing left to wait for.
pub(super) fn done(
    actor: &SessionActor,
    served: Served,
) -> ResponseActFuture<SessionActor, Served> {
    Box::pin(async { served }.into_actor(actor))
}

impl SessionActor {
    /// Carries out a client's SUBSCRIBE; exactly one outcome becomes visible (`docs/CLIENTS.md`, Socket).
    fn serve_subscribe(
        &mut self,
        connection: ConnectionUid,
        channel: Option<String>,
        (is_ephemeral, granted_by): (bool, GrantedBy),
        ctx: &mut Context<Self>,
    ) -> ResponseActFuture<Self, Served> {
        let Some(id) = channel.as_deref().and_then(|id| ChannelId::parse(id).ok()) else {
            self.refuse(connection, channel, ErrorCode::Unknown, ctx);
            return done(self, Err(Refusal::UnknownChannel));
        };
        let subscribed = self.subscribe(id, is_ephemeral, granted_by);
        Box::pin(subscribed.map(move |outcome, actor: &mut Self, ctx| {
            let Err(error) = outcome else { return Ok(CarriedOut::default()) };
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
            return done(self, Ok(CarriedOut::default()));
        };
        let unsubscribed = self.unsubscribe(id, (!is_hasty).then_some(connection), None);
        Box::pin(unsubscribed.map(move |outcome, actor: &mut Self, ctx| match outcome {
            Ok(()) => Ok(CarriedOut::default()),
            Err(error) => Err(actor.send_away(connection, &error, ctx)),
        }))
    }

    /// A channel that the session is subscribed to, and its actor; says so if it is not.
    fn subscribed(
        &mut self,
        connection: ConnectionUid,
        channel: Option<ChannelId>,
        ctx: &mut Context<Self>,
    ) -> Result<(ChannelKey, Addr<ChannelActor>), Refusal> {
        let id = channel.as_ref().ok_or(NoWay::NotSubscribed);
        match id.and_then(|id| Ok((self.machine.key(id), self.machine.subscribed(id)?.clone()))) {
            Ok(found) => Ok(found),
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
        (message, id): (Message, Option<Arc<str>>),
        ctx: &mut Context<Self>,
    ) -> ResponseActFuture<Self, Served> {
        let event = channel.as_ref().and_then(|id| self.message_event(connection, id, &message));
        let (key, address) = match self.subscribed(connection, channel, ctx) {
            Ok(found) => found,
            Err(refusal) => return done(self, Err(refusal)),
        };
        let message = ClientPublish { speaker: self.speaker(), message, id, told: None };
        if let Some(event) = event {
            return self.publish_told(address, message, event);
        }
        let supervisor = self.supervisor().clone();
        let served = async move {
            let done = clients::publish(supervisor, address.clone(), message).await?;
            Ok(CarriedOut { done, channel: Some((key, address)) })
        };
        Box::pin(served.into_actor(self))
    }

    /// Publishes a client's message that webhooks want to hear of; the next frame waits until that is stored.
    fn publish_told(
        &self,
        address: Addr<ChannelActor>,
        message: ClientPublish,
        event: HookEvent,
    ) -> ResponseActFuture<Self, Served> {
        let supervisor = self.supervisor().clone();
        let served = async move {
            let told = supervisor.persistence().hooks().log().make_room(event).await;
            let done =
                clients::publish(supervisor, address, ClientPublish { told, ..message }).await?;
            Ok(CarriedOut { done, channel: None })
        };
        Box::pin(served.into_actor(self))
    }

    /// The session, which knows that it is subscribed, as one that wants to say something.
    fn speaker(&self) -> Speaker {
        Speaker::Vouched(self.machine.card())
    }

    /// Carries out a client's SET_CHANNEL_STATE or PATCH_CHANNEL_STATE; the next frame waits for the outcome.
    fn serve_state(
        &mut self,
        connection: ConnectionUid,
        AskedChange { channel, change, if_version }: AskedChange,
        ctx: &mut Context<Self>,
    ) -> ResponseActFuture<Self, Served> {
        let (key, address) = match self.subscribed(connection, channel, ctx) {
            Ok(found) => found,
            Err(refusal) => return done(self, Err(refusal)),
        };
        let change = ClientChange { speaker: self.speaker(), change, if_version };
        let served = async move {
            let done = clients::change(address.clone(), change).await?;
            Ok(CarriedOut { done, channel: Some((key, address)) })
        };
        Box::pin(served.into_actor(self))
    }

    /// Carries out a client's `GET_CHANNEL_STATE`: the channel shows it what everybody in it may see.
    fn serve_get_state(
        &mut self,
        connection: ConnectionUid,
        channel: Option<ChannelId>,
        version: Option<Version>,
        ctx: &mut Context<Self>,
    ) -> ResponseActFuture<Self, Served> {
        let (key, address) = match self.subscribed(connection, channel, ctx) {
            Ok(found) => found,
            Err(refusal) => return done(self, Err(refusal)),
        };
        let Some(asker) = self.machine.connection(connection).cloned() else {
            return done(self, Ok(CarriedOut::default()));
        };
        let session = self.machine.uid();
        let shown = address.send(ShowState { session, connection: asker, version });
        let supervisor = self.supervisor().clone();
        let served = async move {
            match (shown.await.unwrap_or(Err(Refusal::Overloaded)), version) {
                (Err(Refusal::VersionGone), Some(version)) => {
                    let state = supervisor.kept_state(&key, version).await?;
                    Ok(Some(Event::StateAnswer { channel: key.id, state, version }))
                }
                (shown, _) => shown.map(|()| None),
            }
        };
        Box::pin(served.into_actor(self).map(move |served, actor: &mut Self, ctx| {
            if let Some(event) = served? {
                actor.answer(connection, event, ctx);
            }
            Ok(CarriedOut::default())
        }))
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
