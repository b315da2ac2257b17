//! Orders on their way to fan-outs, kept in order when one of them has no budget left.

use super::fanout::{FanoutHandle, Order};
use actix::prelude::*;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// The orders that wait, in their order.
#[derive(Default)]
struct Backlog {
    /// Where to, and what.
    orders: VecDeque<(FanoutHandle, Order)>,
    /// Whether somebody is sending them: nothing may overtake until that has ended.
    is_draining: bool,
}

/// A sender's orders that could not leave at once.
#[derive(Default)]
pub struct Outlet {
    /// Shared with the future that sends them.
    backlog: Rc<RefCell<Backlog>>,
}

impl Outlet {
    /// Sends an order, or keeps it behind those that wait.
    pub fn send(&mut self, to: &FanoutHandle, order: Order) {
        let mut backlog = self.backlog.borrow_mut();
        if backlog.is_draining || !backlog.orders.is_empty() {
            to.note_waiting();
            backlog.orders.push_back((to.clone(), order));
        } else if let Err(order) = to.try_send(order) {
            to.note_waiting();
            backlog.orders.push_back((to.clone(), order));
        }
    }

    /// Makes the actor wait until the backlog has left: its own mailbox fills, and its senders wait in turn.
    pub fn settle<A>(&mut self, ctx: &mut Context<A>)
    where
        A: Actor<Context = Context<A>>,
    {
        if let Some(drained) = self.drained() {
            // An actor that ends while it waits must not take along what is on its way.
            let left = actix::spawn(drained);
            ctx.wait(fut::wrap_future::<_, A>(left).map(|_, _, _| ()));
        }
    }

    /// Sends the backlog of an actor that is about to end.
    pub fn leave_behind(&mut self) {
        if let Some(drained) = self.drained() {
            actix::spawn(drained);
        }
    }

    /// The backlog's way out, if there is one and nobody is at it already.
    fn drained(&mut self) -> Option<impl Future<Output = ()> + use<>> {
        let mut state = self.backlog.borrow_mut();
        if state.is_draining || state.orders.is_empty() {
            return None;
        }
        state.is_draining = true;
        let backlog = Rc::clone(&self.backlog);
        Some(async move {
            while let Some((to, order)) = next(&backlog) {
                to.send(order).await;
                to.note_sent();
            }
        })
    }
}

/// The next order to send; ends the draining where there is none.
fn next(backlog: &RefCell<Backlog>) -> Option<(FanoutHandle, Order)> {
    let mut backlog = backlog.borrow_mut();
    let order = backlog.orders.pop_front();
    backlog.is_draining = order.is_some();
    order
}
