//! What a channel does with each message.

use super::super::ask::{AskError, ChangeError};
use super::super::session::SessionUid;
use super::changes::{Accepted, Application, Next};
use super::{
    Admit, Arc, Attach, ChangeState, Changed, Channel, ChannelActor, ClientPublish, ConnectionRef,
    Connections, Detach, Dispatch, EndIfIdle, Event, Instant, Leave, OnlineCount, Publish, Recall,
    Subscribe, Update, hooking,
};
use crate::delivery::fanout::Order;
use crate::domain::{Capabilities, EventKind, Place, Version};
use crate::heavy;
use crate::line::Missing;
use crate::protocol::{ErrorCode, Refusal};
use actix::prelude::*;
use tokio::sync::oneshot;

impl Handler<Publish> for ChannelActor {
    type Result = ();

    fn handle(&mut self, Publish(message): Publish, ctx: &mut Context<Self>) {
        self.broadcast(Event::Message { channel: self.key().id.clone(), message }, ctx);
    }
}

impl Handler<ClientPublish> for ChannelActor {
    type Result = ActorResponse<Self, Result<(), Refusal>>;

    /// Without the capability nothing is delivered (`docs/PROTOCOL.md`, Socket).
    fn handle(
        &mut self,
        ClientPublish { message, told }: ClientPublish,
        ctx: &mut Context<Self>,
    ) -> Self::Result {
        if !self.channel.capabilities.contains(Capabilities::CLIENT_PUBLISH) {
            return self.behind(Err(Refusal::MissingCapability("CLIENT_PUBLISH")));
        }
        if let Some(told) = told {
            self.around.persistence.hooks().log().add(told);
        }
        self.broadcast(Event::Message { channel: self.key().id.clone(), message }, ctx);
        self.behind(Ok(()))
    }
}

impl Handler<ChangeState> for ChannelActor {
    type Result = ResponseFuture<Result<Changed, ChangeError>>;

    fn handle(&mut self, ask: ChangeState, ctx: &mut Context<Self>) -> Self::Result {
        self.used = Instant::now();
        if ask.is_client && !self.channel.capabilities.contains(Capabilities::CLIENT_STATE) {
            return Box::pin(async { Err(ChangeError::MissingCapability("CLIENT_STATE")) });
        }
        let created_at = self.channel.created_at;
        if ask.expected.created_at.is_some_and(|expected| expected != created_at) {
            let current = self.channel.version;
            return Box::pin(async move { Err(ChangeError::Stale(current)) });
        }
        let (asker, answer) = oneshot::channel();
        self.changes.ask(ask.change, ask.expected.version, asker);
        self.change_on(ctx);
        Box::pin(async move {
            let (state, version) = answer.await.unwrap_or(Err(AskError::Closed.into()))?;
            Ok(Changed { state, version, created_at })
        })
    }
}

impl ChannelActor {
    /// Makes the changes that wait, up to one that is applied elsewhere.
    pub(super) fn change_on(&mut self, ctx: &mut Context<Self>) {
        while let Some(next) = self.changes.next(self.around.settings.state_bytes) {
            match next {
                Next::Store(accepted) => self.store(accepted, ctx),
                Next::Apply(application) => self.apply_elsewhere(application, ctx),
            }
        }
    }

    /// Applies a change that would hold up all that are on this thread; the channel goes on meanwhile.
    fn apply_elsewhere(&self, application: Application, ctx: &mut Context<Self>) {
        let Application { ticket, state, change } = application;
        let (project, limit) = (self.key().project.clone(), self.around.settings.state_bytes);
        let applied = async move {
            let applied = heavy::run_in_turn(&project, move || state.apply(&change, limit)).await;
            Ok(applied.map_err(AskError::from)??)
        };
        ctx.spawn(applied.into_actor(self).map(move |outcome, actor, ctx| {
            if let Some(accepted) = actor.changes.applied(ticket, outcome) {
                actor.store(accepted, ctx);
            }
            actor.change_on(ctx);
        }));
    }

    /// Puts an accepted change under way to the disk.
    fn store(&mut self, accepted: Accepted, ctx: &mut Context<Self>) {
        let (key, state, version) = (self.key().clone(), accepted.state.clone(), accepted.version);
        let text = state.clone();
        let write =
            hooking::write_state(&self.around, &self.channel, &state, version, move |store| {
                store.set_state(&key, &text, version)
            });
        self.changes.push(accepted);
        let done = write
            .into_actor(self)
            .map(move |outcome, actor, ctx| actor.on_committed(version, outcome, ctx));
        ctx.spawn(done);
    }

    /// Shows every change that is durable by now, oldest first, and only then answers its asker.
    fn on_committed(
        &mut self,
        version: Version,
        outcome: Result<(), AskError>,
        ctx: &mut Context<Self>,
    ) {
        for shown in self.changes.committed(version, outcome) {
            self.channel.state = shown.state.clone();
            self.channel.version = shown.version;
            self.available = None;
            let channel = self.key().id.clone();
            let (state, version) = (shown.state.clone(), shown.version);
            self.broadcast(Event::StateUpdate { channel, state, version }, ctx);
            let (asker, answer) = (shown.asker, Ok((shown.state, shown.version)));
            // The asker may have gone; the change stands.
            let tell = move || drop(asker.send(answer));
            if self.outlet.is_busy() {
                // What is spawned rests while the actor waits for its orders to leave: the answer comes behind them.
                ctx.spawn(async move { tell() }.into_actor(self));
            } else {
                tell();
            }
        }
        if self.changes.needs_reload() {
            self.reload(ctx);
        }
    }
}

impl Handler<Update> for ChannelActor {
    type Result = ResponseFuture<Result<Channel, AskError>>;

    /// The actor waits for the commit, so that two updates cannot cross.
    fn handle(&mut self, update: Update, ctx: &mut Context<Self>) -> Self::Result {
        self.used = Instant::now();
        let visibility = update.visibility.unwrap_or(self.channel.visibility);
        let capabilities = update.capabilities.unwrap_or(self.channel.capabilities);
        let key = self.key().clone();
        let kind = EventKind::ChannelUpdated;
        let updated = Channel { visibility, capabilities, ..self.channel.clone() };
        let write = hooking::write_causing(&self.around, kind, &updated, move |store| {
            store.update_channel(&key, visibility, capabilities)
        });
        let (asker, answer) = oneshot::channel();
        ctx.wait(write.into_actor(self).map(move |outcome, actor, ctx| {
            let outcome = outcome.map(|()| {
                let was_shown = actor.has_presence();
                actor.channel.visibility = visibility;
                actor.channel.capabilities = capabilities;
                actor.available = None;
                actor.mark_subscribed(ctx);
                if !was_shown {
                    actor.show_presence(actor.subscribers.with_sessions(), ctx);
                }
                actor.channel.clone()
            });
            // The asker may have gone; the update stands.
            let _ = asker.send(outcome);
        }));
        Box::pin(async { answer.await.unwrap_or(Err(AskError::Closed)) })
    }
}

impl Handler<OnlineCount> for ChannelActor {
    type Result = u64;

    fn handle(&mut self, _: OnlineCount, _: &mut Context<Self>) -> u64 {
        u64::try_from(self.subscribers.online_count()).unwrap_or(u64::MAX)
    }
}

impl Handler<Admit> for ChannelActor {
    type Result = Result<(), ErrorCode>;

    fn handle(&mut self, Admit(who): Admit, _: &mut Context<Self>) -> Result<(), ErrorCode> {
        if self.channel.visibility.admits(who) { Ok(()) } else { Err(ErrorCode::NotGranted) }
    }
}

impl Handler<Subscribe> for ChannelActor {
    type Result = ActorResponse<Self, ()>;

    fn handle(&mut self, ask: Subscribe, ctx: &mut Context<Self>) -> Self::Result {
        self.subscribers.add_session(ask.session, ask.address, ask.member, ask.named);
        if !ask.connections.is_empty() {
            self.had_subscriber = true;
            self.mark_subscribed(ctx);
            self.announce(ask.session, ctx);
        }
        let missing = if ask.is_return { self.line.after(0) } else { Missing::default() };
        let since = if ask.is_return { 0 } else { self.line.last() };
        let available = self.available();
        for connection in &ask.connections {
            self.join(ask.session, connection, Some(Arc::clone(&available)), since);
            for dispatch in &missing.events {
                let order =
                    Order::Direct { connection: connection.uid, dispatch: Arc::clone(dispatch) };
                self.outlet.send(&connection.fanout, order, connection.profile);
            }
        }
        let is_told = !ask.connections.is_empty();
        let events = if is_told { Vec::new() } else { missing.events };
        self.subscribers.hand(ask.session, Missing { events, lost: missing.lost }, false);
        self.outlet.settle(ctx);
        self.show_presence(ask.connections.into_iter().map(|one| (ask.session, one)), ctx);
        self.behind(())
    }
}

impl Handler<Attach> for ChannelActor {
    type Result = ();

    fn handle(&mut self, ask: Attach, ctx: &mut Context<Self>) {
        self.snapshot(&ask.address, ask.connection.uid);
        self.subscribers.add_session(ask.session, ask.address, ask.member, ask.named);
        self.had_subscriber = true;
        self.mark_subscribed(ctx);
        self.announce(ask.session, ctx);
        self.join(ask.session, &ask.connection, None, self.line.last());
        self.outlet.settle(ctx);
    }
}

impl ChannelActor {
    /// Puts a connection under the channel: it hears `first`, then everything that follows; it has missed nothing that has
    /// a number up to `since`.
    fn join(
        &mut self,
        session: SessionUid,
        connection: &ConnectionRef,
        first: Option<Arc<Dispatch>>,
        since: u64,
    ) {
        self.subscribers.add_connection(session, connection, since);
        let join = Order::Join {
            from: Place { line: self.line.id(), number: since },
            name: self.key().id.clone(),
            connection: connection.uid,
            dispatch: first,
        };
        self.outlet.send(&connection.fanout, join, connection.profile);
    }
}

impl Handler<Detach> for ChannelActor {
    type Result = ();

    /// The fan-out has forgotten the connection already. What it has not heard, its session gets, but for what another
    /// connection hears.
    fn handle(&mut self, ask: Detach, _: &mut Context<Self>) {
        let gone = self.subscribers.remove_connection(ask.session, ask.connection);
        let (Some(gone), Some(standing)) = (gone, ask.standing) else { return };
        self.subscribers.hand(ask.session, self.line.unheard(&standing, gone), false);
    }
}

impl Handler<Recall> for ChannelActor {
    type Result = ();

    fn handle(&mut self, ask: Recall, _: &mut Context<Self>) {
        let missing = self.line.unarrived(&ask.heard, &ask.hoped);
        self.subscribers.hand(ask.session, missing, true);
    }
}

impl Handler<Leave> for ChannelActor {
    type Result = ();

    fn handle(&mut self, ask: Leave, ctx: &mut Context<Self>) {
        self.used = Instant::now();
        self.tell_offline(&ask.named);
        let Some((connections, present)) = self.subscribers.remove_session(ask.session) else {
            return;
        };
        let unavailable = Arc::new(Dispatch::new(self.gone()));
        for connection in connections {
            let is_asker = ask.asker == Some(connection.uid);
            let dispatch = (!is_asker).then(|| Arc::clone(&unavailable));
            let leave =
                Order::Leave { channel: self.line.id(), connection: connection.uid, dispatch };
            self.outlet.send(&connection.fanout, leave, connection.profile);
        }
        self.outlet.settle(ctx);
        self.announce_leave(present, ctx);
        self.end_if_ephemeral(ctx);
    }
}

impl Handler<Connections> for ChannelActor {
    type Result = MessageResult<Connections>;

    fn handle(&mut self, _: Connections, _: &mut Context<Self>) -> MessageResult<Connections> {
        MessageResult(self.subscribers.connections())
    }
}

impl Handler<EndIfIdle> for ChannelActor {
    type Result = bool;

    fn handle(&mut self, _: EndIfIdle, ctx: &mut Context<Self>) -> bool {
        let ends = self.is_idle();
        if ends {
            ctx.stop();
        }
        ends
    }
}
