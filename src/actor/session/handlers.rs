//! What a session's actor is told and asked: each message is a step of its machine.

use super::super::channel::ConnectionPart;
use super::super::shard::EndProject;
use super::planning::SubscribeError;
use super::subscribing::GrantedBy;
use super::{
    Connect, CountUnheard, Direct, EndIdleSession, FromChannel, Grant, ListTokenConnections,
    Revoke, SessionActor, TokenChanged, TokenEnded, now,
};
use crate::ask::AskError;
use crate::delivery::Report;
use crate::domain::SessionUid;
use crate::metrics;
use crate::protocol::{Close, Event};
use crate::session::SessionMachine;
use crate::store::Thing;
use actix::prelude::*;
use tokio::time::Instant;

impl Handler<Connect> for SessionActor {
    type Result = ActorResponse<Self, Result<SessionUid, Close>>;

    fn handle(&mut self, connect: Connect, ctx: &mut Context<Self>) -> Self::Result {
        if self.is_moving {
            // Whoever asks finds that it has ended, and looks for it again: then it comes back from where it has gone.
            return ActorResponse::r#async(std::future::pending().into_actor(self));
        }
        let connected = self.step(ctx, |machine, acting| machine.connect(connect, now(), acting));
        ActorResponse::reply(connected.map(|()| self.machine.uid()))
    }
}

impl Handler<Report> for SessionActor {
    type Result = ();

    fn handle(&mut self, report: Report, ctx: &mut Context<Self>) {
        if let Report::Exit(exit) = &report {
            self.places.remove(&exit.connection);
        }
        self.step(ctx, |machine, acting| machine.report(report, Instant::now(), acting));
    }
}

impl Handler<EndProject> for SessionActor {
    type Result = ();

    /// Passed on by the shard to every session, because it does not know whose project is which.
    fn handle(&mut self, EndProject(project): EndProject, ctx: &mut Context<Self>) {
        if self.machine.is_of(&project) {
            self.step(ctx, |machine, acting| machine.end("the project was deleted", acting));
        }
    }
}

impl Handler<Grant> for SessionActor {
    type Result = ResponseActFuture<Self, Result<(), AskError>>;

    fn handle(&mut self, grant: Grant, ctx: &mut Context<Self>) -> Self::Result {
        if !self.machine.is_of(&grant.project) {
            return self.foreign(ctx);
        }
        let subscribed =
            self.subscribe(grant.channel, grant.is_ephemeral, GrantedBy::BackEnd(grant.receipt));
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
        if !self.machine.is_of(&revoke.project) {
            return self.foreign(ctx);
        }
        self.unsubscribe(revoke.channel, None, revoke.receipt)
    }
}

impl SessionActor {
    /// Answers a project that the token does not belong to: it does not exist for that one.
    fn foreign(
        &mut self,
        ctx: &mut Context<Self>,
    ) -> ResponseActFuture<Self, Result<(), AskError>> {
        self.step(ctx, SessionMachine::check_idle);
        Box::pin(async { Err(AskError::not_found(Thing::Token)) }.into_actor(self))
    }
}

impl Handler<Direct> for SessionActor {
    type Result = Result<(), AskError>;

    fn handle(&mut self, direct: Direct, ctx: &mut Context<Self>) -> Self::Result {
        if !self.machine.is_of(&direct.project) {
            self.step(ctx, SessionMachine::check_idle);
            return Err(AskError::not_found(Thing::Token));
        }
        metrics::count(|cells| cells.tallies.direct_messages.add(1));
        self.record_direct(&direct.message);
        let event = Event::DirectMessage { message: direct.message, is_unicast: false };
        let now = Instant::now();
        self.step(ctx, |machine, acting| {
            machine.dispatch(event, now, acting);
            // It may have been begun for this message alone.
            machine.check_idle(acting);
        });
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
        self.step(ctx, |machine, acting| machine.end(reason, acting));
    }
}

impl Handler<CountUnheard> for SessionActor {
    type Result = MessageResult<CountUnheard>;

    fn handle(&mut self, _: CountUnheard, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.machine.unheard(&self.acting))
    }
}

impl Handler<EndIdleSession> for SessionActor {
    type Result = bool;

    fn handle(&mut self, _: EndIdleSession, ctx: &mut Context<Self>) -> bool {
        let ends = self.machine.may_end();
        if ends {
            ctx.stop();
        }
        ends
    }
}

impl Handler<FromChannel> for SessionActor {
    type Result = ();

    fn handle(&mut self, word: FromChannel, ctx: &mut Context<Self>) {
        self.step(ctx, |machine, acting| match word {
            FromChannel::Snapshot { connection, snapshot } => {
                machine.snapshot(connection, snapshot, acting);
            }
            FromChannel::Kept { dispatch, missed } => machine.keep(dispatch, missed, acting),
            FromChannel::Word { channel, address, word } => {
                machine.hear(&channel, &address, word, acting);
            }
        });
    }
}

impl Handler<ListTokenConnections> for SessionActor {
    type Result = MessageResult<ListTokenConnections>;

    fn handle(
        &mut self,
        asked: ListTokenConnections,
        _: &mut Context<Self>,
    ) -> MessageResult<ListTokenConnections> {
        let is_theirs = self.machine.is_of(&asked.project);
        let all = if is_theirs { self.machine.connections() } else { Vec::new() };
        MessageResult(ConnectionPart::of(all.iter(), asked.start, asked.limit))
    }
}
