//! What a live session holds besides the subscriptions that its token's store knows.

use super::SessionActor;
use crate::domain::Subscription;
use actix::prelude::*;

/// Sent by HTTP through the supervisor: the ephemeral subscriptions, in the order they were made.
#[derive(actix::Message)]
#[rtype(result = "Vec<Subscription>")]
pub struct ListEphemeral;

impl Handler<ListEphemeral> for SessionActor {
    type Result = Vec<Subscription>;

    fn handle(&mut self, _: ListEphemeral, _: &mut Context<Self>) -> Vec<Subscription> {
        self.machine.ephemeral()
    }
}
