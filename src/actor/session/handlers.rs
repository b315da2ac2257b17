//! What a session does with each message.

use super::subscribing::SubscribeError;
use super::{
    ChannelActor, ChannelId, ConnectionUid, Connections, Direct, EndIfIdle, Event, FromChannel,
    Grant, Held, Parting, Revoke, Serve, SessionActor, TokenChanged, TokenEnded, channel, tell,
};
use crate::ask::AskError;
use crate::delivery::owed::Undelivered;
use crate::delivery::{Exit, Report, Settled};
use crate::domain::{Change, HookEvent, Message, Version};
use crate::line::{Gone, Missing};
use crate::protocol::{Command, ErrorCode, Extension, Refusal};
use crate::store::Thing;
use actix::prelude::*;

/// What comes of a client's frame.
type Served = Result<Option<Version>, Refusal>;

impl Handler<Serve> for SessionActor {
    type Result = ResponseActFuture<Self, Served>;

    fn handle(&mut self, serve: Serve, ctx: &mut Context<Self>) -> Self::Result {
        let Serve { connection, extensions, frame, is_hasty } = serve;
        match frame.command {
            Command::Subscribe { channel, is_ephemeral } => {
                self.serve_subscribe(connection, channel, is_ephemeral, ctx)
            }
            Command::Unsubscribe { channel } => {
                self.serve_unsubscribe(connection, channel.as_deref(), is_hasty)
            }
            Command::Publish { channel, message } => {
                self.serve_publish(connection, channel, message, ctx)
            }
            Command::SetState { channel, state } => {
                self.serve_state(connection, channel, Change::Replace(state), None, ctx)
            }
            Command::PatchState { .. } if !extensions.has(Extension::Patch) => {
                done(self, Err(Refusal::MissingExtension("patch")))
            }
            Command::PatchState { channel, patch, if_version } => {
                self.serve_state(connection, channel, Change::Merge(patch), if_version, ctx)
            }
            Command::PipeSubscribe { join_token } => {
                self.answer(connection, Event::PipeUnavailable { join_token }, ctx);
                done(self, Ok(None))
            }
            Command::Unknown { name } => done(self, Err(Refusal::UnknownEvent(name))),
            Command::Identify(_) | Command::Heartbeat { .. } | Command::Ignored => {
                done(self, Ok(None))
            }
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
        let subscribed = self.subscribe(id, is_ephemeral, false, Some(connection));
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
                self.end("the token was deleted", ctx);
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
        self.close(connection, error.close());
        self.outlet.settle(ctx);
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
        let unsubscribed = self.unsubscribe(id, (!is_hasty).then_some(connection));
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
        match channel.as_ref().and_then(|id| self.subscriptions.get(id)) {
            Some(Held { address: Some(address), .. }) => Ok(address.clone()),
            // Held, but its actor is just being replaced: as after any crash, a frame may be lost.
            Some(Held { address: None, .. }) => Err(Refusal::Overloaded),
            None => {
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
        let Ok(publishing) = self.hub.publishing() else {
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
        let hub = self.hub.clone();
        let served = async move {
            let (told, stored) = hub.persistence().hooks().log().make_room(event).await.unzip();
            let publishing = hub.publishing().ok().ok_or(Refusal::Overloaded)?;
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
        change: Change,
        if_version: Option<Version>,
        ctx: &mut Context<Self>,
    ) -> ResponseActFuture<Self, Served> {
        let address = match self.subscribed(connection, channel, ctx) {
            Ok(address) => address,
            Err(refusal) => return done(self, Err(refusal)),
        };
        let expected = channel::Expected { version: if_version, created_at: None };
        let changed = address.send(channel::ChangeState { change, expected, is_client: true });
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
}

impl Handler<Report> for SessionActor {
    type Result = ();

    fn handle(&mut self, report: Report, ctx: &mut Context<Self>) {
        match report {
            Report::Exit(exit) => self.on_exit(exit, ctx),
            Report::Settled(settled) => self.on_settled(settled),
            Report::Returned(undelivered) => self.take_back(undelivered, false),
        }
    }
}

impl SessionActor {
    /// A connection has gone.
    fn on_exit(&mut self, exit: Exit, ctx: &mut Context<Self>) {
        let Exit { connection, standing, is_settled, undelivered } = exit;
        let Some(gone) = self.members.shift_remove(&connection) else { return };
        for address in self.subscriptions.values().filter_map(|held| held.address.as_ref()) {
            let (session, standing) = (self.uid, standing.clone());
            tell(address, channel::Detach { session, connection, standing });
        }
        let was_last = self.members.is_empty();
        if was_last {
            self.online = None;
        }
        self.take_back(undelivered, was_last);
        if let Some(standing) = &standing {
            // As each channel does with its own.
            let others = self.members.values().map(|other| other.since).min();
            let gone = Gone { since: gone.since, others };
            self.keep_missing(self.line.unheard(standing, gone), false);
        }
        if !is_settled {
            self.parting.push(Parting { connection, hoped: standing, was_last });
        }
        self.check_idle(ctx);
    }

    /// And its socket has ended.
    fn on_settled(&mut self, settled: Settled) {
        let Settled { connection, standing, undelivered } = settled;
        let known = self.parting.iter().position(|parting| parting.connection == connection);
        let parting = known.map(|at| self.parting.swap_remove(at));
        let was_last = parting.as_ref().is_some_and(|parting| parting.was_last);
        self.take_back(undelivered, was_last);
        let (Some(heard), Some(hoped)) = (standing, parting.and_then(|parting| parting.hoped))
        else {
            return;
        };
        if !was_last {
            return;
        }
        for address in self.subscriptions.values().filter_map(|held| held.address.as_ref()) {
            let (session, heard, hoped) = (self.uid, heard.clone(), hoped.clone());
            tell(address, channel::Recall { session, heard, hoped });
        }
        self.keep_missing(self.line.unarrived(&heard, &hoped), true);
    }

    /// Keeps for the next connection what one has not heard. Once a connection is past its INIT there is no place for it
    /// among what that hears; then it is counted, and the next INIT tells.
    fn keep_missing(&mut self, missing: Missing, is_old: bool) {
        if self.members.values().any(|member| member.entering.is_none()) {
            return self.replay.miss(missing.count());
        }
        let settings = self.hub.settings();
        let (events, bytes) = (settings.replay_events, settings.replay_bytes);
        self.replay.miss(missing.lost);
        if is_old {
            self.replay.put_back(missing.events, events, bytes);
        } else {
            missing.events.into_iter().for_each(|event| self.replay.keep(event, events, bytes));
        }
    }

    /// Keeps for the next connection what that alone was given, and counts, if no other had it, the rest.
    fn take_back(&mut self, undelivered: Undelivered, was_last: bool) {
        let Undelivered { kept, mut missed, lost } = undelivered;
        if was_last {
            missed = missed.saturating_add(lost);
        }
        let settings = self.hub.settings();
        self.replay.put_back(kept, settings.replay_events, settings.replay_bytes);
        self.replay.miss(missed);
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
                SubscribeError::TooManyChannels(limit) => AskError::TooManyChannels(limit),
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
    /// Whether this is the actor of a channel that the session holds.
    fn holds(&self, channel: &ChannelId, address: &Addr<ChannelActor>) -> bool {
        self.subscriptions.get(channel).is_some_and(|held| held.address.as_ref() == Some(address))
    }

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

impl Handler<TokenChanged> for SessionActor {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, _: TokenChanged, _: &mut Context<Self>) -> Self::Result {
        self.reread_token()
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
            FromChannel::Missing { missing, is_old } => self.keep_missing(missing, is_old),
            FromChannel::Kept { dispatch, missed } => {
                let settings = self.hub.settings();
                let (events, bytes) = (settings.replay_events, settings.replay_bytes);
                self.replay.keep(dispatch, events, bytes);
                self.replay.miss(missed);
            }
            FromChannel::Deleted { channel, address } if self.holds(&channel, &address) => {
                self.vanished(&channel, ctx);
            }
            FromChannel::Died { channel, address } if self.holds(&channel, &address) => {
                self.look_for(channel, ctx);
            }
            FromChannel::Deleted { .. } | FromChannel::Died { .. } => {}
        }
    }
}

impl Handler<Connections> for SessionActor {
    type Result = MessageResult<Connections>;

    fn handle(
        &mut self,
        Connections(project): Connections,
        _: &mut Context<Self>,
    ) -> MessageResult<Connections> {
        MessageResult(if self.is_of(&project) { self.connections() } else { Vec::new() })
    }
}
