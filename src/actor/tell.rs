//! Words between actors that must not get lost and of which there are few.

use actix::dev::{MessageResponse, ToEnvelope};
use actix::prelude::*;

/// Sends a control message past the mailbox's bound.
///
/// Only for messages of which there is at most one for each connection, subscription or question under way, so that
/// their number is bounded by those; losing one would leak a subscription or leave a client without INIT.
#[expect(clippy::disallowed_methods, reason = "bounded by what it is about, see above")]
pub fn tell<A, M>(to: &Addr<A>, message: M)
where
    A: Actor + Handler<M>,
    A::Context: ToEnvelope<A, M>,
    M: Message + Send + 'static,
    M::Result: MessageResponse<A, M> + Send,
{
    to.do_send(message);
}
