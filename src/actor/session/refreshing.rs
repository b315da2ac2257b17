//! A connection goes on with a newer JSON Web Token, without a new socket.

use super::serving::{Served, done};
use super::{CarriedOut, SessionActor};
use crate::delivery::fanout::ConnectionUid;
use crate::domain::LeapTokenId;
use crate::protocol::{Extension, Extensions, Refusal, ShownToken};
use actix::prelude::*;

impl SessionActor {
    /// Carries out a client's `REFRESH_TOKEN`. What is wrong with the token costs nothing but the answer: the connection has
    /// the time of the one before.
    pub(super) fn serve_refresh(
        &self,
        connection: ConnectionUid,
        extensions: Extensions,
        ShownToken(text): ShownToken,
    ) -> ResponseActFuture<Self, Served> {
        if !extensions.has(Extension::Refresh) {
            return done(self, Err(Refusal::MissingExtension("refresh")));
        }
        let id = self.machine.token().map(|token| token.id.clone());
        let Some(id) = id.filter(LeapTokenId::is_of_subject) else {
            let why = "this connection did not come with a JSON Web Token";
            return done(self, Err(Refusal::InvalidToken(why.to_owned())));
        };
        let (supervisor, project) = (self.supervisor().clone(), self.machine.project().clone());
        let address = self.machine.client(connection).and_then(|(_, address)| address);
        let admitted = async move { supervisor.admit_again(&project, &id, &text, address).await };
        Box::pin(admitted.into_actor(self).map(move |admitted, actor: &mut Self, ctx| {
            let claims = admitted.map_err(Refusal::from)?;
            actor.step(ctx, |machine, acting| {
                machine.prolong(connection, claims.expires_at, acting);
            });
            Ok(CarriedOut::default())
        }))
    }
}
