//! Orders on their way to fan-outs, kept in order when one of them has no budget left.

use super::fanout::{FanoutHandle, Order};
use actix::prelude::*;

/// A sender's orders that could not leave at once.
#[derive(Default)]
pub struct Outlet {
    /// In order; the actor takes no further message while there are any.
    backlog: Vec<(FanoutHandle, Order)>,
}

impl Outlet {
    /// Sends an order, or keeps it behind those that wait.
    pub fn send(&mut self, to: &FanoutHandle, order: Order) {
        if !self.backlog.is_empty() {
            self.backlog.push((to.clone(), order));
        } else if let Err(order) = to.try_send(order) {
            self.backlog.push((to.clone(), order));
        }
    }

    /// Makes the actor wait until the backlog has left: its own mailbox fills, and its senders wait in turn.
    pub fn settle<A>(&mut self, ctx: &mut Context<A>)
    where
        A: Actor<Context = Context<A>>,
    {
        if let Some(drained) = self.drained() {
            ctx.wait(fut::wrap_future::<_, A>(drained));
        }
    }

    /// Sends the backlog of an actor that is about to end.
    pub fn leave_behind(&mut self) {
        if let Some(drained) = self.drained() {
            actix::spawn(drained);
        }
    }

    /// The backlog's way out, if there is one.
    fn drained(&mut self) -> Option<impl Future<Output = ()> + use<>> {
        let backlog = std::mem::take(&mut self.backlog);
        if backlog.is_empty() {
            return None;
        }
        Some(async move {
            for (to, order) in backlog {
                to.send(order).await;
            }
        })
    }
}
