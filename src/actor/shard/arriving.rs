//! A token's session that begins on another server.

use super::super::session::SessionActor;
use super::super::session::shared::Sharing;
use super::Shard;
use crate::domain::LeapTokenId;
use actix::prelude::*;

/// Sent for another server, where the token's session begins: whether there is one here, without waiting for what is just being
/// loaded, which could wait for that server.
#[derive(Message)]
#[rtype(result = "FoundHere")]
pub struct Arrival(pub LeapTokenId);

/// What there is of a token's session.
#[derive(MessageResponse)]
pub enum FoundHere {
    /// Nothing.
    Nothing,
    /// It begins or ends here too; once it has begun it knows that it is not apart.
    Unsettled,
    /// This.
    Live(Addr<SessionActor>),
    /// It went to a server that does not have it, or has not said so yet.
    Departed(Sharing),
}

/// Sent by the supervisor: a session has gone on elsewhere, with this.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Depart(pub LeapTokenId, pub Sharing);

/// Sent for another server, where such a session is now.
#[derive(Message)]
#[rtype(result = "()")]
pub struct HasArrived(pub LeapTokenId);

impl Handler<Arrival> for Shard {
    type Result = FoundHere;

    fn handle(&mut self, Arrival(token): Arrival, _: &mut Context<Self>) -> FoundHere {
        match self.sessions.peek(&token) {
            None => {
                let grace = self.supervisor.settings().session_grace;
                let departed = self.departed.find(&token, grace);
                departed.map_or(FoundHere::Nothing, FoundHere::Departed)
            }
            Some(Ok(session)) => FoundHere::Live(session),
            Some(Err(_)) => {
                self.shared.insert(token);
                FoundHere::Unsettled
            }
        }
    }
}

impl Handler<Depart> for Shard {
    type Result = ();

    fn handle(&mut self, Depart(token, sharing): Depart, _: &mut Context<Self>) {
        let grace = self.supervisor.settings().session_grace;
        self.departed.note(token, sharing, grace);
    }
}

impl Handler<HasArrived> for Shard {
    type Result = ();

    fn handle(&mut self, HasArrived(token): HasArrived, _: &mut Context<Self>) {
        self.departed.take(&token);
    }
}
