//! What a channel's actor is told and asked: each message is a step of its machine.

use super::super::clock;
use super::super::session::FromChannel;
use super::super::shard::EndProject;
use super::super::tell::tell;
use super::acting::StateAsker;
use super::keeping::{ChannelAnswer, KeptWith};
use super::{
    Attach, ChangeState, Changed, ChannelActor, ClientChange, ClientPublish, ClientPublished,
    ConnectionPart, Delete, Detach, EndIdleChannel, Expected, Hand, Handed, ListHearers,
    ListPresence, MoveAway, Publish, Published, Recall, Rename, ShowPresence, ShowState, Subscribe,
    Sweep, Trim, Unsubscribe, Update, hooking, now,
};
use crate::ask::{AskError, ChangeError};
use crate::bus::LineEntry;
use crate::channel::{Admission, ChannelMachine, PresentPart, SentId, SentMessage, Speaker};
use crate::delivery::fanout::FanoutHandle;
use crate::domain::{
    Capabilities, Channel, Epoch, EventKind, HistoryLimits, Message, Position, SessionRef, Version,
};
use crate::metrics;
use crate::protocol::Refusal;
use crate::store::StoreError;
use actix::prelude::*;
use futures_util::future::LocalBoxFuture;
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::time::Instant;

impl Handler<Publish> for ChannelActor {
    type Result = ChannelAnswer<Result<Published, AskError>>;

    fn handle(&mut self, ask: Publish, ctx: &mut Context<Self>) -> Self::Result {
        metrics::count(|cells| cells.tallies.messages_from_api.add(1));
        let Publish { message, receipt } = ask;
        if self.machine.keeps_messages() {
            let kept = self.keep(message, KeptWith { receipt, ..KeptWith::default() }, ctx);
            return ChannelAnswer::Comes(Box::pin(published(kept)));
        }
        if self.is_shared() {
            return ChannelAnswer::Comes(Box::pin(published(self.publish_together(message, ctx))));
        }
        ChannelAnswer::OfActor(ActorResponse::reply(Ok(self.publish(message, ctx))))
    }
}

impl Handler<Hand> for ChannelActor {
    type Result = Handed;

    fn handle(&mut self, ask: Hand, ctx: &mut Context<Self>) -> Handed {
        let Hand { message, receipt, is_only_kept } = ask;
        if self.machine.keeps_messages() {
            let with = KeptWith { receipt, ..KeptWith::default() };
            return Handed::UnderWay(self.keep(message, with, ctx));
        }
        match (is_only_kept, self.is_shared()) {
            (true, _) => Handed::Declined,
            (false, true) => Handed::UnderWay(self.publish_together(message, ctx)),
            (false, false) => Handed::Published(self.publish(message, ctx)),
        }
    }
}

/// What comes of a client's message.
type ClientOutcome = Result<ClientPublished, Refusal>;

/// What came of keeping a message.
async fn published(
    kept: oneshot::Receiver<Result<Published, AskError>>,
) -> Result<Published, AskError> {
    kept.await.unwrap_or(Err(AskError::Closed))
}

impl Handler<ClientPublish> for ChannelActor {
    type Result = ChannelAnswer<Result<ClientPublished, Refusal>>;

    /// Without the capability nothing is delivered (`docs/PROTOCOL.md`, Socket).
    fn handle(&mut self, ask: ClientPublish, ctx: &mut Context<Self>) -> Self::Result {
        metrics::count(|cells| cells.tallies.messages_from_sockets.add(1));
        let session = match self.session_of(&ask.speaker, ask.id.as_ref()) {
            Ok(session) => session,
            Err(answer) => return ChannelAnswer::OfActor(self.behind(answer)),
        };
        let comes = match (self.machine.keeps_messages(), self.is_shared()) {
            (true, _) => self.keep_for(&session, ask, ctx),
            (false, true) => self.publish_together_for(&session, ask, ctx),
            (false, false) => {
                let published = self.publish_for(&session, ask, ctx);
                return ChannelAnswer::OfActor(self.behind(Ok(published)));
            }
        };
        match comes {
            Ok(published) => ChannelAnswer::Comes(published),
            Err(refusal) => ChannelAnswer::OfActor(self.behind(Err(refusal))),
        }
    }
}

impl ChannelActor {
    /// Publishes a message that is not kept.
    fn publish(&mut self, message: Message, ctx: &mut Context<Self>) -> Published {
        let now = Instant::now();
        self.step(ctx, |machine, acting| machine.propose(LineEntry::Message(message), now, acting));
        Published { position: self.machine.line().position(), is_kept: false }
    }

    /// The session of a client that may publish.
    ///
    /// # Errors
    /// What is answered instead: what it has published under this id already, if it has (who comes again wants to know what
    /// became of the first), or that it may not.
    fn session_of(
        &mut self,
        speaker: &Speaker,
        id: Option<&Arc<str>>,
    ) -> Result<Arc<SessionRef>, ClientOutcome> {
        let (session, now) = (self.machine.speaker(speaker).map_err(Err)?, Instant::now());
        if let Some(sent) = id.and_then(|id| self.machine.sent_before(&session, id, now)) {
            return Err(Ok(ClientPublished { sent, is_repeat: true }));
        }
        self.machine.lets_clients(Capabilities::CLIENT_PUBLISH).map_err(Err)?;
        Ok(session)
    }

    /// Publishes a client's message that is not kept.
    fn publish_for(
        &mut self,
        session: &SessionRef,
        ask: ClientPublish,
        ctx: &mut Context<Self>,
    ) -> ClientPublished {
        let ClientPublish { message, id, told, .. } = ask;
        let now = Instant::now();
        let stored = told.map(|(told, stored)| {
            self.acting.persistence().hooks().log().add(told);
            stored
        });
        let sent = self.step(ctx, |machine, acting| {
            machine.publish_for(session, (message, id), stored, now, acting)
        });
        ClientPublished { sent, is_repeat: false }
    }

    /// Publishes a client's message by the bus; tells what comes of that.
    ///
    /// # Errors
    /// [`Refusal`] where it is not even tried.
    fn publish_together_for(
        &mut self,
        session: &SessionRef,
        ask: ClientPublish,
        ctx: &mut Context<Self>,
    ) -> Result<LocalBoxFuture<'static, ClientOutcome>, Refusal> {
        let ClientPublish { message, id, told, .. } = ask;
        let (told, stored) = told.unzip();
        let named = id.map(|id| self.name(SentId::of(session, &id), stored.clone())).transpose()?;
        let ordered = published(self.publish_together(message, ctx));
        let (reply, answer) = oneshot::channel();
        ctx.spawn(ordered.into_actor(self).map(move |outcome, actor, _| {
            let outcome = outcome.map(|published| {
                if let Some(told) = told {
                    actor.acting.persistence().hooks().log().add(told);
                }
                let sent = SentMessage { position: Some(published.position), stored };
                if let Some(named) = named {
                    actor.machine.remember_sent(named.id().clone(), sent.clone(), Instant::now());
                }
                ClientPublished { sent, is_repeat: false }
            });
            // The asker may have gone.
            let _ = reply.send(outcome.map_err(|error| Refusal::from(&error)));
        }));
        Ok(Box::pin(async { answer.await.unwrap_or(Err(Refusal::Overloaded)) }))
    }

    /// Keeps a client's message; tells what comes of that.
    ///
    /// # Errors
    /// [`Refusal`] where it is not even tried.
    fn keep_for(
        &mut self,
        session: &SessionRef,
        ask: ClientPublish,
        ctx: &mut Context<Self>,
    ) -> Result<LocalBoxFuture<'static, ClientOutcome>, Refusal> {
        let ClientPublish { speaker, message, id, told } = ask;
        let (told, stored) = told.unzip();
        let from = self.machine.author(&speaker);
        let named = id.map(|id| self.name(SentId::of(session, &id), stored.clone())).transpose()?;
        let kept = self.keep(message, KeptWith { from, told, named, receipt: None }, ctx);
        Ok(Box::pin(async move {
            let position = published(kept).await.map_err(|error| Refusal::from(&error))?.position;
            let sent = SentMessage { position: Some(position), stored };
            Ok(ClientPublished { sent, is_repeat: false })
        }))
    }
}

impl Handler<ChangeState> for ChannelActor {
    type Result = ResponseFuture<Result<Changed, ChangeError>>;

    fn handle(&mut self, ask: ChangeState, ctx: &mut Context<Self>) -> Self::Result {
        metrics::count(|cells| cells.tallies.states_from_api.add(1));
        self.change_state(ask, ctx)
    }
}

impl ChannelActor {
    /// Changes the state, if it is as the asker expects it.
    fn change_state(
        &mut self,
        ask: ChangeState,
        ctx: &mut Context<Self>,
    ) -> ResponseFuture<Result<Changed, ChangeError>> {
        let now = Instant::now();
        self.machine.use_now(now);
        if self.is_shared() {
            return self.change_together(ask, ctx);
        }
        let &Channel { created_at, version, .. } = self.machine.channel();
        if ask.expected.created_at.is_some_and(|expected| expected != created_at) {
            return Box::pin(async move { Err(ChangeError::Stale(version)) });
        }
        let (reply, answer) = oneshot::channel();
        let asker = StateAsker { reply, receipt: ask.receipt, by: ask.by };
        self.step(ctx, |machine, acting| {
            machine.change(ask.change, ask.expected.version, asker, now, acting);
        });
        Box::pin(async move {
            let (state, version) = answer.await.unwrap_or(Err(AskError::Closed.into()))?;
            Ok(Changed { state, version, created_at })
        })
    }
}

impl Handler<ClientChange> for ChannelActor {
    type Result = ResponseFuture<Result<Version, Refusal>>;

    fn handle(&mut self, ask: ClientChange, ctx: &mut Context<Self>) -> Self::Result {
        metrics::count(|cells| cells.tallies.states_from_sockets.add(1));
        let ClientChange { speaker, change, if_version } = ask;
        let by = self.machine.author(&speaker);
        let speaker = self.machine.speaker(&speaker);
        let may = speaker.and_then(|_| self.machine.lets_clients(Capabilities::CLIENT_STATE));
        if let Err(refusal) = may {
            return Box::pin(async { Err(refusal) });
        }
        let expected = Expected { version: if_version, created_at: None };
        let asked = ChangeState { change, expected, receipt: None, by };
        let changed = self.change_state(asked, ctx);
        Box::pin(async { Ok(changed.await?.version) })
    }
}

/// What an update does to the line.
#[derive(Clone, Copy)]
enum LineChange {
    /// The store counts it from now on, in this epoch.
    Open(Epoch, HistoryLimits),
    /// It keeps less, or more again.
    Narrow(HistoryLimits),
    /// It counts by itself.
    Close,
    /// Nothing.
    None,
}

impl LineChange {
    /// What it does where the channel is to have these capabilities.
    fn of(is_kept: bool, capabilities: Capabilities, limits: Option<HistoryLimits>) -> Self {
        match (is_kept, capabilities.contains(Capabilities::HISTORY)) {
            (false, true) => Self::Open(clock::epoch(), limits.unwrap_or_default()),
            (true, true) => limits.map_or(Self::None, Self::Narrow),
            (true, false) => Self::Close,
            (false, false) => Self::None,
        }
    }
}

impl Handler<Trim> for ChannelActor {
    type Result = ResponseActFuture<Self, Result<(), AskError>>;

    fn handle(&mut self, Trim { before, receipt }: Trim, _: &mut Context<Self>) -> Self::Result {
        let key = self.key().clone();
        let persistence = self.acting.persistence();
        let write = persistence.write_once(receipt, move |store| store.trim_line(&key, before));
        Box::pin(write.into_actor(self).map(move |outcome, actor, ctx| {
            if outcome.is_ok() {
                actor.machine.trim(before);
                actor.reread_elsewhere(ctx);
            }
            outcome
        }))
    }
}

impl Handler<Update> for ChannelActor {
    type Result = ResponseFuture<Result<Channel, AskError>>;

    /// The actor waits for the commit, so that two updates cannot cross.
    fn handle(&mut self, update: Update, ctx: &mut Context<Self>) -> Self::Result {
        self.machine.use_now(Instant::now());
        let channel = self.machine.channel();
        let visibility = update.visibility.unwrap_or(channel.visibility);
        let capabilities = update.capabilities.unwrap_or(channel.capabilities);
        let log = self.acting.update_log(channel.capabilities, capabilities);
        let (key, kind) = (self.key().clone(), EventKind::ChannelUpdated);
        let updated = Channel { visibility, capabilities, ..channel.clone() };
        let receipt = update.receipt.map(|receipt| receipt.of(updated.clone()));
        let line = LineChange::of(self.machine.keeps_messages(), capabilities, update.history);
        // What the caller leaves out is to stay as it is, also if another server has just changed it.
        let known = self.is_shared().then_some((channel.visibility, channel.capabilities));
        let write = hooking::write_causing(&self.acting, kind, &updated, receipt, move |store| {
            if let Some(known) = known
                && let Some(found) = store.find_channel(&key)?
                && (found.visibility, found.capabilities) != known
            {
                return Err(StoreError::VersionConflict);
            }
            store.update_channel(&key, visibility, capabilities)?;
            log.keep(store, &key)?;
            match line {
                LineChange::Open(epoch, limits) => store.open_line(&key, epoch, limits),
                LineChange::Narrow(limits) => store.narrow_line(&key, limits),
                LineChange::Close => store.close_line(&key),
                LineChange::None => Ok(()),
            }
        });
        let (asker, answer) = oneshot::channel();
        ctx.wait(write.into_actor(self).map(move |outcome, actor, ctx| {
            let outcome = actor.step(ctx, |machine, acting| match outcome {
                Ok(()) => {
                    match line {
                        LineChange::Open(epoch, _) => machine.open_history(Position::start(epoch)),
                        LineChange::Close => machine.close_history(Instant::now(), acting),
                        LineChange::Narrow(_) | LineChange::None => {}
                    }
                    machine.updated(visibility, capabilities, acting);
                    Ok(machine.channel().clone())
                }
                Err(error) => {
                    // It may stand after all, or another server was first: whoever asks again finds what it has left.
                    machine.doubt(acting);
                    let is_late = error == AskError::Store(StoreError::VersionConflict);
                    Err(if is_late { AskError::Overloaded } else { error })
                }
            });
            if outcome.is_ok() {
                if matches!(line, LineChange::Close) {
                    actor.say_state_in_force(ctx);
                }
                actor.reread_elsewhere(ctx);
            }
            // The asker may have gone; the update stands.
            let _ = asker.send(outcome);
        }));
        Box::pin(async { answer.await.unwrap_or(Err(AskError::Closed)) })
    }
}

impl Handler<Delete> for ChannelActor {
    type Result = ResponseActFuture<Self, Result<(), AskError>>;

    fn handle(&mut self, Delete(receipt): Delete, _: &mut Context<Self>) -> Self::Result {
        let write = hooking::delete(&self.acting, self.machine.channel(), receipt);
        self.machine.begin_deletion();
        let tell = self.tell_deleted();
        let write = async move {
            let outcome = write.await;
            if outcome.is_ok() {
                tell.await;
            }
            outcome
        };
        Box::pin(write.into_actor(self).map(|outcome, actor, ctx| {
            let is_deleted = outcome.is_ok();
            actor.step(ctx, |machine, acting| machine.end_deletion(is_deleted, acting));
            outcome
        }))
    }
}

impl Handler<Sweep> for ChannelActor {
    type Result = ();

    fn handle(&mut self, _: Sweep, ctx: &mut Context<Self>) {
        self.step(ctx, ChannelMachine::sweep);
    }
}

impl Handler<EndProject> for ChannelActor {
    type Result = ();

    /// Passed on by the shard.
    fn handle(&mut self, EndProject(project): EndProject, ctx: &mut Context<Self>) {
        if self.key().project == project {
            self.step(ctx, ChannelMachine::project_deleted);
        }
    }
}

impl Handler<Subscribe> for ChannelActor {
    type Result = ActorResponse<Self, bool>;

    fn handle(&mut self, ask: Subscribe, ctx: &mut Context<Self>) -> Self::Result {
        if self.machine.is_behind(ask.since()) {
            return self.subscribe_behind(ask, ctx);
        }
        match self.admit(ask, ctx) {
            Admission::Refused => self.behind(false),
            Admission::Heard => self.behind(true),
            Admission::Late(late) => {
                ActorResponse::r#async(self.start_late(*late).map(|(), _, _| true))
            }
        }
    }
}

impl Handler<Attach> for ChannelActor {
    type Result = ();

    fn handle(&mut self, ask: Attach, ctx: &mut Context<Self>) {
        if self.machine.is_behind(ask.since) {
            self.keep_up(ctx, |actor, ctx| actor.attach(ask, ctx));
        } else {
            self.attach(ask, ctx);
        }
    }
}

impl ChannelActor {
    /// Lets a session in, if the channel is open to it.
    pub(super) fn admit(
        &mut self,
        Subscribe(arrival): Subscribe,
        ctx: &mut Context<Self>,
    ) -> Admission<FanoutHandle> {
        self.step(ctx, |machine, acting| machine.subscribe(arrival, now(), acting))
    }

    /// A connection that is just beginning hears the channel from now on.
    fn attach(&mut self, ask: Attach, ctx: &mut Context<Self>) {
        let Attach { session, address, connection, since } = ask;
        self.step(ctx, |machine, acting| machine.tell_missed(session.uid, acting));
        let (connection_uid, snapshot) = (connection.uid, self.machine.snapshot(since));
        match self.machine.looks_back(since) {
            Some(after) => self.look_back(after, connection_uid, snapshot, address.clone(), ctx),
            None => tell(&address, FromChannel::Snapshot { connection: connection_uid, snapshot }),
        }
        self.step(ctx, |machine, acting| {
            machine.attach(session, address, &connection, now(), acting);
        });
    }
}

impl Handler<Detach> for ChannelActor {
    type Result = ();

    fn handle(&mut self, ask: Detach, ctx: &mut Context<Self>) {
        let Detach { session, connection, standing, is_settled } = ask;
        self.step(ctx, |machine, acting| {
            machine.detach(session, connection, standing.as_ref(), is_settled, acting);
        });
    }
}

impl Handler<Recall> for ChannelActor {
    type Result = ();

    fn handle(&mut self, ask: Recall, ctx: &mut Context<Self>) {
        let Recall { session, connection, heard, hoped } = ask;
        self.step(ctx, |machine, acting| {
            machine.recall(session, connection, &heard, &hoped, acting);
        });
    }
}

impl Handler<Unsubscribe> for ChannelActor {
    type Result = ();

    fn handle(&mut self, ask: Unsubscribe, ctx: &mut Context<Self>) {
        let Unsubscribe { session, named, asker } = ask;
        self.step(ctx, |machine, acting| {
            machine.unsubscribe(session, &named, asker, now(), acting);
        });
    }
}

impl Handler<MoveAway> for ChannelActor {
    type Result = MessageResult<MoveAway>;

    fn handle(&mut self, MoveAway(session): MoveAway, ctx: &mut Context<Self>) -> Self::Result {
        let named = self.machine.subscribers().named(session).cloned();
        if let Some(named) = named.filter(|_| self.acting.is_heard()) {
            // It has not gone, and stands in another server's register by now.
            let log = self.acting.persistence().hooks().log();
            log.strike(&hooking::online(self.key(), &named));
        }
        MessageResult(self.step(ctx, |machine, _| machine.move_away(session, Instant::now())))
    }
}

impl Handler<ListHearers> for ChannelActor {
    type Result = MessageResult<ListHearers>;

    fn handle(&mut self, asked: ListHearers, _: &mut Context<Self>) -> MessageResult<ListHearers> {
        let all = self.machine.subscribers().connections();
        MessageResult(ConnectionPart::of(all, asked.start, asked.limit))
    }
}

impl Handler<EndIdleChannel> for ChannelActor {
    type Result = bool;

    fn handle(&mut self, _: EndIdleChannel, ctx: &mut Context<Self>) -> bool {
        let ends = self.is_idle();
        if ends {
            ctx.stop();
        }
        ends
    }
}

impl Handler<ListPresence> for ChannelActor {
    type Result = Option<PresentPart>;

    fn handle(&mut self, asked: ListPresence, _: &mut Context<Self>) -> Option<PresentPart> {
        self.machine.presence(&asked.start, asked.limit)
    }
}

impl Handler<Rename> for ChannelActor {
    type Result = ();

    /// Told to those who are in.
    fn handle(&mut self, Rename { session, member }: Rename, ctx: &mut Context<Self>) {
        let now = Instant::now();
        self.step(ctx, |machine, acting| machine.rename(session, member, now, acting));
    }
}

impl Handler<ShowPresence> for ChannelActor {
    type Result = ();

    fn handle(&mut self, ask: ShowPresence, ctx: &mut Context<Self>) {
        let newcomer = [(ask.session, ask.connection)];
        self.step(ctx, |machine, acting| machine.show_presence(newcomer, acting));
    }
}

impl Handler<ShowState> for ChannelActor {
    type Result = ActorResponse<Self, Result<(), Refusal>>;

    fn handle(&mut self, ask: ShowState, ctx: &mut Context<Self>) -> Self::Result {
        let ShowState { session, connection, version } = ask;
        self.machine.use_now(Instant::now());
        let shown = self.step(ctx, |machine, acting| {
            machine.show_state_to(session, &connection, version, acting)
        });
        self.behind(shown)
    }
}
