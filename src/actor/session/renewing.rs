//! What a session knows of its token, renewed from the store after each change.
//!
//! A change is only a word that there is something new: what it is, is read, one reading after the other. So however
//! changes cross on their way here, the session goes through the store's order and ends on what the store has.

use super::SessionActor;
use crate::ask::AskError;
use crate::domain::LeapToken;
use actix::prelude::*;
use std::sync::Arc;
use tokio::time::Instant;

impl SessionActor {
    /// Reads the token, which was changed in the store, and makes known what is new about it.
    pub(super) fn reread_token(&self) -> ResponseActFuture<Self, ()> {
        let (turn, persistence) =
            (Arc::clone(&self.renewing), self.supervisor().persistence().clone());
        let id = self.machine.token().map(|token| token.id.clone());
        let read = async move {
            let turn = turn.lock_owned().await;
            let id = id?;
            Some((turn, persistence.read(move |store| store.find_token(&id)).await))
        };
        Box::pin(read.into_actor(self).map(|read, actor, ctx| {
            if let Some((_turn, outcome)) = read {
                actor.on_reread(outcome, ctx);
            }
        }))
    }

    /// Looks whether the token is another by now, or gone: another server may have changed it, and nobody told.
    pub(super) fn look_at_token(&self, ctx: &mut Context<Self>) {
        let Some(id) = self.machine.token().map(|token| token.id.clone()) else { return };
        let (turn, persistence) =
            (Arc::clone(&self.renewing), self.supervisor().persistence().clone());
        let read = async move {
            let turn = turn.lock_owned().await;
            (turn, persistence.read(move |store| store.find_token(&id)).await)
        };
        ctx.spawn(read.into_actor(self).map(|(_turn, outcome), actor, ctx| {
            // Who cannot be read is as before.
            if outcome.is_ok() {
                actor.on_reread(outcome, ctx);
            }
        }));
    }

    /// The token as it is now.
    fn on_reread(&mut self, outcome: Result<Option<LeapToken>, AskError>, ctx: &mut Context<Self>) {
        let now = Instant::now();
        self.step(ctx, |machine, acting| match outcome {
            Ok(Some(token)) => machine.renew(token, now, acting),
            Ok(None) => machine.end("the token was deleted", acting),
            Err(error) => {
                tracing::error!(%error, "a changed token was not read, so its session ends");
                machine.give_out(&error.close(), acting);
            }
        });
    }
}
