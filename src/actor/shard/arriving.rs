//! A token's session that begins on another server.

use super::super::session::SessionActor;
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
}

impl Handler<Arrival> for Shard {
    type Result = FoundHere;

    fn handle(&mut self, Arrival(token): Arrival, _: &mut Context<Self>) -> FoundHere {
        match self.sessions.peek(&token) {
            None => FoundHere::Nothing,
            Some(Ok(session)) => FoundHere::Live(session),
            Some(Err(_)) => {
                self.shared.insert(token);
                FoundHere::Unsettled
            }
        }
    }
}
