//! The fan-out actor, one per worker thread: puts shared frames into the send queues of its thread's connections.
//!
//! Channels and sessions send it [`Order`]s; what one sender orders is carried out in its order. An order from another
//! thread takes a part of the fan-out's budget until it is carried out, so that a thread that cannot keep up slows its
//! senders down. An order from its own thread is carried out at once, unless others wait before it.

mod flush;
mod mishap;
mod order;
mod registry;
mod room;
mod uid;

pub use order::{LinkVisit, Order, Owner};
pub use uid::ConnectionUid;

use super::link::Link;
use super::pressure::{Pressure, QueueBounds};
use actix::prelude::*;
use flush::Flusher;
use order::BUDGET_UNITS;
use registry::Registry;
use std::cell::{OnceCell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Room in the mailbox; the budget is spent before this is full.
const MAILBOX: usize = 65_537;

/// How often the last order looks whether others still wait to be sent.
const LAST_ORDER_PAUSE: Duration = Duration::from_millis(1);

/// Counts fan-outs of this process.
static NEXT_FANOUT: AtomicUsize = AtomicUsize::new(0);

/// An order with the part of the budget that it holds.
#[derive(Message)]
#[rtype(result = "()")]
struct Parcel {
    /// What to do.
    order: Order,
    /// When it was given.
    ordered: Instant,
    /// Given back when it is done.
    _share: OwnedSemaphorePermit,
}

/// The way to one thread's fan-out, from any thread; cheap to clone.
#[derive(Clone)]
pub struct FanoutHandle(Arc<FanoutTarget>);

/// What a handle shares.
struct FanoutTarget {
    /// Tells fan-outs apart.
    index: usize,
    /// The actor.
    address: Addr<Fanout>,
    /// How many orders are in its mailbox: those of its own thread must not overtake them.
    queued: AtomicUsize,
    /// What is left of the budget.
    budget: Arc<Semaphore>,
    /// How many orders wait for budget in their senders' backlogs.
    waiting: AtomicUsize,
}

impl fmt::Debug for FanoutHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FanoutHandle").field(&self.0.index).finish()
    }
}

impl FanoutHandle {
    /// A number that no other fan-out of the process has.
    pub fn index(&self) -> usize {
        self.0.index
    }

    /// How many orders wait in its mailbox, and to get into it.
    pub fn waiting_orders(&self) -> usize {
        let [queued, waiting] = [&self.0.queued, &self.0.waiting];
        queued.load(Ordering::Relaxed) + waiting.load(Ordering::Relaxed)
    }

    /// Sends an order if the budget allows it now; carries it out at once if that is possible.
    ///
    /// # Errors
    /// Gives the order back when the budget is spent.
    pub fn try_send(&self, order: Order) -> Result<(), Order> {
        let Err(order) = self.perform_here(order) else { return Ok(()) };
        match Arc::clone(&self.0.budget).try_acquire_many_owned(order.units()) {
            Ok(share) => {
                self.post(order, Instant::now(), share);
                Ok(())
            }
            Err(_) => Err(order),
        }
    }

    /// Sends an order as soon as the budget allows it.
    pub async fn send(&self, order: Order) {
        let Err(order) = self.perform_here(order) else { return };
        let ordered = Instant::now();
        // The semaphore is never closed; were it, the thread would be gone and its connections too.
        if let Ok(share) = Arc::clone(&self.0.budget).acquire_many_owned(order.units()).await {
            self.post(order, ordered, share);
        }
    }

    /// An order waits in its sender's backlog.
    pub(super) fn note_waiting(&self) {
        self.0.waiting.fetch_add(1, Ordering::AcqRel);
    }

    /// An order of a backlog was sent.
    pub(super) fn note_sent(&self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }

    /// Sends an order behind all that wait anywhere: what somebody was told is on its way comes before.
    pub async fn send_last(&self, order: Order) {
        while self.0.waiting.load(Ordering::Acquire) > 0 {
            tokio::time::sleep(LAST_ORDER_PAUSE).await;
        }
        self.send(order).await;
    }

    /// Carries an order out if this is the fan-out of the current thread and no other order waits; gives it back
    /// otherwise.
    fn perform_here(&self, order: Order) -> Result<(), Order> {
        if self.0.queued.load(Ordering::Acquire) > 0 {
            return Err(order);
        }
        HERE.with_borrow(|here| match here {
            Some(local) if local.handle.index() == self.index() => {
                local.perform(order, None);
                Ok(())
            }
            _ => Err(order),
        })
    }

    /// Puts an order into the mailbox.
    fn post(&self, order: Order, ordered: Instant, share: OwnedSemaphorePermit) {
        self.0.queued.fetch_add(1, Ordering::AcqRel);
        // Not full, because the budget is smaller; closed only when the thread and its connections have gone.
        let _ = self.0.address.try_send(Parcel { order, ordered, _share: share });
    }
}

/// The actor of one worker thread.
pub struct Fanout {
    /// What it does, which its own thread can do without it.
    local: LocalFanout,
}

impl Actor for Fanout {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(MAILBOX);
    }
}

impl Handler<Parcel> for Fanout {
    type Result = ();

    fn handle(&mut self, parcel: Parcel, _: &mut Context<Self>) {
        self.local.perform(parcel.order, Some(parcel.ordered));
        self.local.handle.0.queued.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The fan-out of the current thread, for the connections that live on it.
#[derive(Clone)]
pub struct LocalFanout {
    /// The thread's connections.
    registry: Rc<RefCell<Registry>>,
    /// Sees to it that what was said is written.
    flusher: Rc<Flusher>,
    /// What the outgoing queues share, once there is one.
    pressure: Rc<OnceCell<Rc<Pressure>>>,
    /// The way here from other threads.
    handle: FanoutHandle,
}

thread_local! {
    /// The fan-out of this thread, started with its first connection.
    static HERE: RefCell<Option<LocalFanout>> = const { RefCell::new(None) };
}

impl LocalFanout {
    /// This thread's fan-out; started if there is none.
    pub fn here() -> Self {
        HERE.with_borrow_mut(|here| match here {
            Some(local) if local.handle.0.address.connected() => local.clone(),
            _ => here.insert(Self::start()).clone(),
        })
    }

    /// Starts a fan-out on this thread.
    pub(crate) fn start() -> Self {
        let ctx = Context::new();
        let target = FanoutTarget {
            index: NEXT_FANOUT.fetch_add(1, Ordering::Relaxed),
            address: ctx.address(),
            queued: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            budget: Arc::new(Semaphore::new(usize::try_from(BUDGET_UNITS).unwrap_or(usize::MAX))),
        };
        let local = Self {
            registry: Rc::default(),
            flusher: Rc::default(),
            pressure: Rc::default(),
            handle: FanoutHandle(Arc::new(target)),
        };
        ctx.run(Fanout { local: local.clone() });
        local
    }

    /// The way here from other threads.
    pub fn handle(&self) -> FanoutHandle {
        self.handle.clone()
    }

    /// What the outgoing queues of this thread share; the bounds are those of whoever asks first.
    pub fn pressure(&self, bounds: QueueBounds) -> Rc<Pressure> {
        Rc::clone(self.pressure.get_or_init(|| Rc::new(Pressure::new(bounds))))
    }

    /// Carries out an order; one of this thread was given just now. A crash in it is not the sender's: its connections are
    /// sent away, and all others go on.
    fn perform(&self, order: Order, ordered: Option<Instant>) {
        let concerned = order.concerns();
        let is_event = matches!(order, Order::Deliver { .. } | Order::Direct { .. });
        if mishap::guarded(|| self.registry.borrow_mut().perform(order)).is_none() {
            self.registry.borrow_mut().give_up(concerned);
        }
        if is_event {
            self.registry.borrow_mut().mark(|| ordered.unwrap_or_else(Instant::now));
        }
        self.plan_flush();
    }

    /// Makes a connection known.
    pub fn register(&self, link: &Rc<Link>) {
        self.registry.borrow_mut().register(link);
    }

    /// Hands a connection everything that was said before now, so that something else can follow it.
    pub fn catch_up(&self, link: &Link) {
        self.registry.borrow_mut().catch_up(link);
    }

    /// Forgets a connection that has gone; doing so twice changes nothing.
    pub fn unregister(&self, link: &Link) {
        self.registry.borrow_mut().unregister(link);
        // Somebody else may have been handed something that waited.
        self.plan_flush();
    }

    /// How many channels have connections of this thread.
    #[cfg(test)]
    pub fn rooms(&self) -> usize {
        self.registry.borrow().rooms()
    }

    /// Sees to it that what waits is written.
    fn plan_flush(&self) {
        Flusher::plan(&self.flusher, &self.registry);
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
