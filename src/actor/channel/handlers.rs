//! What a channel's actor is told and asked: each message is a step of its machine.

use super::super::session::FromChannel;
use super::super::shard::EndProject;
use super::super::tell::tell;
use super::acting::StateAsker;
use super::{
    Admit, Attach, ChangeState, Changed, ChannelActor, ClientPublish, ConnectionPart, Delete,
    Detach, EndIdleChannel, ListHearers, ListPresence, OnlineCount, Publish, Recall, Rename,
    ShowPresence, Subscribe, Sweep, Unsubscribe, Update, hooking, now,
};
use crate::ask::{AskError, ChangeError};
use crate::bus::LineEntry;
use crate::channel::{ChannelMachine, PresentPart};
use crate::domain::{Capabilities, Channel, EventKind};
use crate::protocol::{ErrorCode, Refusal};
use actix::prelude::*;
use tokio::sync::oneshot;
use tokio::time::Instant;

impl Handler<Publish> for ChannelActor {
    type Result = ();

    fn handle(&mut self, Publish(message): Publish, ctx: &mut Context<Self>) {
        let now = Instant::now();
        self.step(ctx, |machine, acting| machine.propose(LineEntry::Message(message), now, acting));
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
        if !self.machine.lets_clients(Capabilities::CLIENT_PUBLISH) {
            return self.behind(Err(Refusal::MissingCapability("CLIENT_PUBLISH")));
        }
        if let Some(told) = told {
            self.acting.persistence().hooks().log().add(told);
        }
        let now = Instant::now();
        self.step(ctx, |machine, acting| machine.propose(LineEntry::Message(message), now, acting));
        self.behind(Ok(()))
    }
}

impl Handler<ChangeState> for ChannelActor {
    type Result = ResponseFuture<Result<Changed, ChangeError>>;

    fn handle(&mut self, ask: ChangeState, ctx: &mut Context<Self>) -> Self::Result {
        let now = Instant::now();
        self.machine.use_now(now);
        if ask.is_client && !self.machine.lets_clients(Capabilities::CLIENT_STATE) {
            return Box::pin(async { Err(ChangeError::MissingCapability("CLIENT_STATE")) });
        }
        let &Channel { created_at, version, .. } = self.machine.channel();
        if ask.expected.created_at.is_some_and(|expected| expected != created_at) {
            return Box::pin(async move { Err(ChangeError::Stale(version)) });
        }
        let (reply, answer) = oneshot::channel();
        let asker = StateAsker { reply, receipt: ask.receipt };
        self.step(ctx, |machine, acting| {
            machine.change(ask.change, ask.expected.version, asker, now, acting);
        });
        Box::pin(async move {
            let (state, version) = answer.await.unwrap_or(Err(AskError::Closed.into()))?;
            Ok(Changed { state, version, created_at })
        })
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
        let (key, kind) = (self.key().clone(), EventKind::ChannelUpdated);
        let updated = Channel { visibility, capabilities, ..channel.clone() };
        let receipt = update.receipt.map(|receipt| receipt.of(updated.clone()));
        let write = hooking::write_causing(&self.acting, kind, &updated, receipt, move |store| {
            store.update_channel(&key, visibility, capabilities)
        });
        let (asker, answer) = oneshot::channel();
        ctx.wait(write.into_actor(self).map(move |outcome, actor, ctx| {
            let outcome = actor.step(ctx, |machine, acting| match outcome {
                Ok(()) => {
                    machine.updated(visibility, capabilities, acting);
                    Ok(machine.channel().clone())
                }
                Err(error) => {
                    // It may stand after all.
                    machine.doubt(acting);
                    Err(error)
                }
            });
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

impl Handler<OnlineCount> for ChannelActor {
    type Result = u64;

    fn handle(&mut self, _: OnlineCount, _: &mut Context<Self>) -> u64 {
        u64::try_from(self.machine.subscribers().online_count()).unwrap_or(u64::MAX)
    }
}

impl Handler<Admit> for ChannelActor {
    type Result = Result<(), ErrorCode>;

    fn handle(&mut self, Admit(who): Admit, _: &mut Context<Self>) -> Result<(), ErrorCode> {
        self.machine.admit(who)
    }
}

impl Handler<Subscribe> for ChannelActor {
    type Result = ActorResponse<Self, ()>;

    fn handle(&mut self, ask: Subscribe, ctx: &mut Context<Self>) -> Self::Result {
        let Subscribe { session, address, connections, is_return } = ask;
        self.step(ctx, |machine, acting| {
            machine.subscribe(session, address, connections, is_return, now(), acting);
        });
        self.behind(())
    }
}

impl Handler<Attach> for ChannelActor {
    type Result = ();

    fn handle(&mut self, ask: Attach, ctx: &mut Context<Self>) {
        let Attach { session, address, connection, since } = ask;
        self.step(ctx, |machine, acting| machine.tell_missed(session.uid, acting));
        let (uid, snapshot) = (connection.uid, self.machine.snapshot(since));
        tell(&address, FromChannel::Snapshot { connection: uid, snapshot });
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
        let ends = self.machine.is_idle();
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
