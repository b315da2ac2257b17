//! What a session knows of its token, renewed from the store after each change.
//!
//! A change is only a word that there is something new: what it is, is read, one reading after the other. So however
//! changes cross on their way here, the session goes through the store's order and ends on what the store has.

use super::{Arc, Event, Identity, SessionActor, channel, tell};
use crate::ask::AskError;
use crate::domain::LeapToken;
use actix::prelude::*;

impl SessionActor {
    /// Reads the token, which was changed in the store, and makes known what is new about it.
    pub(super) fn reread_token(&self) -> ResponseActFuture<Self, ()> {
        let (turn, persistence) = (Arc::clone(&self.renewing), self.hub.persistence().clone());
        let id = self.token().map(|token| token.id.clone());
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

    /// The token as it is now.
    fn on_reread(&mut self, outcome: Result<Option<LeapToken>, AskError>, ctx: &mut Context<Self>) {
        match outcome {
            Ok(Some(token)) => self.renew(token, ctx),
            Ok(None) => self.end("the token was deleted", ctx),
            Err(error) => {
                tracing::error!(%error, "a changed token was not read, so its session ends");
                self.close_all(&error.close());
                self.outlet.leave_behind();
                ctx.stop();
            }
        }
    }

    /// Takes over what is new, and tells those who see it.
    fn renew(&mut self, token: LeapToken, ctx: &mut Context<Self>) {
        if self.token() == Some(&token) {
            return;
        }
        let news = self.token().is_some_and(|known| known.state != token.state);
        let state = token.state.clone();
        self.identity = Identity::Token(token);
        self.watch_expiry(ctx);
        let member = self.identity.member();
        if member != *self.member {
            self.member = Arc::new(member);
            for address in self.subscriptions.values().filter_map(|held| held.address.as_ref()) {
                let (session, member) = (self.uid, Arc::clone(&self.member));
                tell(address, channel::Rename { session, member });
            }
        }
        if news && !self.members.is_empty() {
            self.dispatch(Event::TokenStateUpdate { state }, ctx);
        }
    }
}
