//! Orders on their way to fan-outs, kept in order when one of them has no budget left, or while the frames of one are
//! made elsewhere because that takes long.

use super::fanout::{FanoutHandle, Order};
use crate::domain::ProjectId;
use crate::heavy;
use crate::protocol::Profiles;
use actix::prelude::*;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

/// An order that waits.
struct WaitingOrder {
    /// Where to.
    to: FanoutHandle,
    /// What.
    order: Order,
    /// The forms in which those whom it reaches get its events.
    forms: Profiles,
}

/// The orders that wait, in their order.
#[derive(Default)]
struct Backlog {
    /// All of them.
    orders: VecDeque<WaitingOrder>,
    /// Whether somebody is sending them: nothing may overtake until that has ended.
    is_draining: bool,
}

/// A sender's orders that could not leave at once.
pub struct Outlet {
    /// Shared with the future that sends them.
    backlog: Rc<RefCell<Backlog>>,
    /// In whose name frames are made.
    project: ProjectId,
}

impl Outlet {
    /// Nothing waits.
    pub fn new(project: ProjectId) -> Self {
        Self { backlog: Rc::default(), project }
    }

    /// Sends an order whose events are needed in these forms, or keeps it behind those that wait.
    pub fn send(&mut self, to: &FanoutHandle, order: Order, forms: impl Into<Profiles>) {
        let (mut backlog, forms) = (self.backlog.borrow_mut(), forms.into());
        let must_wait = backlog.is_draining || !backlog.orders.is_empty() || order.is_heavy(forms);
        let sent = if must_wait { Err(order) } else { to.try_send(order) };
        if let Err(order) = sent {
            to.note_waiting();
            backlog.orders.push_back(WaitingOrder { to: to.clone(), order, forms });
        }
    }

    /// Whether orders wait: what is said another way now would overtake them.
    pub fn is_busy(&self) -> bool {
        let backlog = self.backlog.borrow();
        backlog.is_draining || !backlog.orders.is_empty()
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
        let (backlog, project) = (Rc::clone(&self.backlog), self.project.clone());
        Some(async move {
            while let Some(WaitingOrder { to, order, forms }) = next(&backlog) {
                if let Some(order) = made(&project, order, forms).await {
                    to.send(order).await;
                }
                to.note_sent();
            }
        })
    }
}

/// An order whose frames are made, elsewhere if that takes long; none if this thread is ending.
async fn made(project: &ProjectId, order: Order, forms: Profiles) -> Option<Order> {
    if !order.is_heavy(forms) {
        return Some(order);
    }
    let making = move || {
        // A crash is noticed by the fan-out that needs the frame and crashes over it: it sends away whom this concerns.
        let _ = catch_unwind(AssertUnwindSafe(|| order.make(forms)));
        order
    };
    heavy::run_in_turn(project, making).await.ok()
}

/// The next order to send; ends the draining where there is none.
fn next(backlog: &RefCell<Backlog>) -> Option<WaitingOrder> {
    let mut backlog = backlog.borrow_mut();
    let order = backlog.orders.pop_front();
    backlog.is_draining = order.is_some();
    order
}
