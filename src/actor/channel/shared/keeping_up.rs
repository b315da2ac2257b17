//! Somebody comes who has heard more than this server: on another one, or by a look at what is kept. This one hears that first.

use super::super::{ChannelActor, Subscribe};
use crate::channel::{Admission, ChannelMachine};
use crate::domain::{Since, StartingPoint};
use actix::prelude::*;
use std::future::ready;
use tokio::sync::oneshot;

impl Subscribe {
    /// The position behind which the channel is wanted, if one is named.
    pub(in super::super) fn since(&self) -> Option<Since> {
        match self.0.start {
            Some((_, StartingPoint::After(since))) => Some(since),
            Some((_, StartingPoint::Newest(_))) | None => None,
        }
    }
}

impl ChannelActor {
    /// Takes what was said and is not here yet, before anything else; then does this.
    pub(in super::super) fn keep_up(
        &mut self,
        ctx: &mut Context<Self>,
        then: impl FnOnce(&mut Self, &mut Context<Self>) + 'static,
    ) {
        // What is waited for last is done first.
        ctx.wait(ready(()).into_actor(self).map(|(), actor, ctx| then(actor, ctx)));
        if self.machine.keeps_messages() {
            self.step(ctx, ChannelMachine::doubt);
        } else {
            self.catch_up(None, ctx);
        }
    }

    /// Lets a session in behind that; answers whether it is.
    pub(in super::super) fn subscribe_behind(
        &mut self,
        ask: Subscribe,
        ctx: &mut Context<Self>,
    ) -> ActorResponse<Self, bool> {
        let (reply, answer) = oneshot::channel();
        // The asker may have gone.
        let tell = move |is_in: bool| reply.send(is_in).unwrap_or_default();
        self.keep_up(ctx, move |actor, ctx| match actor.admit(ask, ctx) {
            Admission::Late(late) => {
                ctx.spawn(actor.start_late(*late).map(|(), _, _| tell(true)));
            }
            admission => {
                let is_in = matches!(admission, Admission::Heard);
                // As for an answer, behind what has to leave first.
                ctx.spawn(async move { tell(is_in) }.into_actor(actor));
            }
        });
        ActorResponse::r#async(async { answer.await.unwrap_or(false) }.into_actor(self))
    }
}
