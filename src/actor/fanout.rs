//! The fan-out actor, one per worker thread: puts shared frames into the outboxes of its thread's connections.
//!
//! Channels and sessions send it [`Order`]s; what one sender orders is carried out in its order. Every order takes a
//! part of the fan-out's budget until it is carried out, so that a thread that cannot keep up slows its senders down.

use super::link::{ConnectionInfo, Link, Note};
use crate::domain::{ChannelId, ConnectionId, ProjectId};
use crate::protocol::{Close, Dispatch};
use crate::store::SecretHash;
use actix::prelude::*;
use indexmap::IndexMap;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;

/// The budget of one fan-out, in units of [`UNIT_BYTES`]: 64 MiB of events on the way.
const BUDGET_UNITS: u32 = 65_536;
/// The size of a unit; an order takes at least one.
const UNIT_BYTES: usize = 1024;
/// Room in the mailbox; the budget is spent before this is full.
const MAILBOX: usize = 65_537;

/// What one write costs its thread, about: the pause after a flush is so much for each.
const WRITE_COST: Duration = Duration::from_micros(3);
/// The longest pause between two flushes: the most that batching adds to a message's way.
const LONGEST_FLUSH_PAUSE: Duration = Duration::from_millis(5);

/// Counts connections of this process.
static NEXT_CONNECTION: AtomicU64 = AtomicU64::new(1);
/// Counts incarnations of channels in this process.
static NEXT_CHANNEL: AtomicU64 = AtomicU64::new(1);
/// Counts fan-outs of this process.
static NEXT_FANOUT: AtomicUsize = AtomicUsize::new(0);

/// A connection, unique in this process: a late word about an old one can never hit a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionUid(u64);

/// An incarnation of a channel, unique in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChannelUid(u64);

impl ConnectionUid {
    /// The one of a number that was read from a public id.
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The next one.
    pub fn next() -> Self {
        Self(NEXT_CONNECTION.fetch_add(1, Ordering::Relaxed))
    }
}

impl ChannelUid {
    /// The next one.
    pub fn next() -> Self {
        Self(NEXT_CHANNEL.fetch_add(1, Ordering::Relaxed))
    }
}

/// Whose connections an order means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// All of a project, of whatever scope.
    Project(ProjectId),
    /// Those that identified with this project token.
    Key(SecretHash),
}

/// What a fan-out is asked to do.
#[derive(Debug)]
pub enum Order {
    /// Hand an event to all local connections of a channel.
    Deliver {
        /// The channel.
        channel: ChannelUid,
        /// The event.
        dispatch: Arc<Dispatch>,
    },
    /// Put a connection under a channel (once, however often asked), then hand it an event.
    Join {
        /// The channel.
        channel: ChannelUid,
        /// Its id.
        name: ChannelId,
        /// The connection.
        connection: ConnectionUid,
        /// The event, if any.
        dispatch: Option<Arc<Dispatch>>,
    },
    /// Take a connection out of a channel, then hand it an event.
    Leave {
        /// The channel.
        channel: ChannelUid,
        /// The connection.
        connection: ConnectionUid,
        /// The event, if any.
        dispatch: Option<Arc<Dispatch>>,
    },
    /// Hand all connections of a channel a last event and forget the channel.
    Dissolve {
        /// The channel.
        channel: ChannelUid,
        /// The event.
        dispatch: Arc<Dispatch>,
    },
    /// Hand an event to one connection.
    Direct {
        /// The connection.
        connection: ConnectionUid,
        /// The event.
        dispatch: Arc<Dispatch>,
    },
    /// Open a connection's gate: INIT, then what its session kept, then what was held back.
    Init {
        /// The connection.
        connection: ConnectionUid,
        /// INIT.
        init: Box<Dispatch>,
        /// What the session kept, in order.
        kept: Vec<Arc<Dispatch>>,
    },
    /// End a connection.
    Close {
        /// The connection.
        connection: ConnectionUid,
        /// Why.
        close: Close,
    },
    /// End all connections of the thread.
    CloseAll {
        /// Why.
        close: Close,
    },
    /// Do something to a connection that somebody knows by its public id; answers whether it is here.
    Visit {
        /// The connection.
        connection: ConnectionUid,
        /// Its public id, which must be right.
        cid: ConnectionId,
        /// Its project, which must be right.
        project: ProjectId,
        /// What to do.
        visit: Visit,
        /// Where the answer goes.
        reply: oneshot::Sender<bool>,
    },
    /// Tell of some connections.
    Describe {
        /// The connections.
        connections: Vec<ConnectionUid>,
        /// Where the answer goes.
        reply: oneshot::Sender<Vec<ConnectionInfo>>,
    },
    /// End those that belong to one owner.
    CloseOf {
        /// The owner.
        owner: Owner,
        /// Why.
        close: Close,
    },
}

/// What to do to one connection.
#[derive(Clone, Debug)]
pub enum Visit {
    /// Hand it an event.
    Deliver(Arc<Dispatch>),
    /// End it.
    Close(Close),
}

impl Order {
    /// How much of the budget it takes.
    fn units(&self) -> u32 {
        let bytes = match self {
            Self::Deliver { dispatch, .. }
            | Self::Dissolve { dispatch, .. }
            | Self::Direct { dispatch, .. }
            | Self::Visit { visit: Visit::Deliver(dispatch), .. } => dispatch.size_hint(),
            Self::Join { dispatch, .. } | Self::Leave { dispatch, .. } => {
                dispatch.as_ref().map_or(0, |dispatch| dispatch.size_hint())
            }
            Self::Init { init, kept, .. } => {
                init.size_hint() + kept.iter().map(|dispatch| dispatch.size_hint()).sum::<usize>()
            }
            Self::Close { .. }
            | Self::CloseAll { .. }
            | Self::CloseOf { .. }
            | Self::Visit { .. }
            | Self::Describe { .. } => 0,
        };
        u32::try_from(bytes / UNIT_BYTES).unwrap_or(BUDGET_UNITS).clamp(1, BUDGET_UNITS)
    }
}

/// An order with the part of the budget that it holds.
#[derive(Message)]
#[rtype(result = "()")]
struct Parcel {
    /// What to do.
    order: Order,
    /// Given back when it is done.
    _share: OwnedSemaphorePermit,
}

/// The way to one thread's fan-out, from any thread; cheap to clone.
#[derive(Clone)]
pub struct FanoutHandle(Arc<Target>);

/// What a handle shares.
struct Target {
    /// Tells fan-outs apart.
    index: usize,
    /// The actor.
    address: Addr<Fanout>,
    /// What is left of the budget.
    budget: Arc<Semaphore>,
}

impl FanoutHandle {
    /// A number that no other fan-out of the process has.
    pub fn index(&self) -> usize {
        self.0.index
    }

    /// Sends an order if the budget allows it now.
    ///
    /// # Errors
    /// Gives the order back when the budget is spent.
    pub fn try_send(&self, order: Order) -> Result<(), Order> {
        match Arc::clone(&self.0.budget).try_acquire_many_owned(order.units()) {
            Ok(share) => {
                self.post(order, share);
                Ok(())
            }
            Err(_) => Err(order),
        }
    }

    /// Sends an order as soon as the budget allows it.
    pub async fn send(&self, order: Order) {
        // The semaphore is never closed; were it, the thread would be gone and its connections too.
        if let Ok(share) = Arc::clone(&self.0.budget).acquire_many_owned(order.units()).await {
            self.post(order, share);
        }
    }

    /// Puts an order into the mailbox.
    fn post(&self, order: Order, share: OwnedSemaphorePermit) {
        // Not full, because the budget is smaller; closed only when the thread and its connections have gone.
        let _ = self.0.address.try_send(Parcel { order, _share: share });
    }
}

/// The connections of one thread, by themselves and by channel.
#[derive(Default)]
struct Registry {
    /// Every connection.
    links: HashMap<ConnectionUid, Rc<Link>>,
    /// Those under each channel.
    channels: HashMap<ChannelUid, Room>,
    /// Those whose writer has to be told.
    dirty: Vec<Rc<Link>>,
}

/// A channel on one thread.
struct Room {
    /// Its id.
    name: ChannelId,
    /// Its connections.
    links: IndexMap<ConnectionUid, Rc<Link>>,
}

/// Hands an event to a connection; its writer is told with the next flush.
fn deliver(dirty: &mut Vec<Rc<Link>>, link: &Rc<Link>, dispatch: &Arc<Dispatch>) {
    if link.deliver(dispatch) {
        dirty.push(Rc::clone(link));
    }
}

impl Registry {
    /// Carries out an order.
    fn perform(&mut self, order: Order) {
        let dirty = &mut self.dirty;
        match order {
            Order::Deliver { channel, dispatch } => {
                for link in
                    self.channels.get(&channel).into_iter().flat_map(|room| room.links.values())
                {
                    deliver(dirty, link, &dispatch);
                }
            }
            Order::Join { channel, name, connection, dispatch } => {
                let Some(link) = self.links.get(&connection) else { return };
                if link.add_channel(channel) {
                    let room = self.channels.entry(channel);
                    let room = room.or_insert_with(|| Room { name, links: IndexMap::new() });
                    room.links.insert(connection, Rc::clone(link));
                }
                if let Some(dispatch) = &dispatch {
                    deliver(dirty, link, dispatch);
                }
            }
            Order::Leave { channel, connection, dispatch } => {
                let Some(link) = self.links.get(&connection).map(Rc::clone) else { return };
                link.remove_channel(channel);
                if let Some(dispatch) = &dispatch {
                    deliver(dirty, &link, dispatch);
                }
                self.leave(channel, connection);
            }
            Order::Dissolve { channel, dispatch } => {
                for link in
                    self.channels.remove(&channel).iter().flat_map(|room| room.links.values())
                {
                    link.remove_channel(channel);
                    deliver(dirty, link, &dispatch);
                }
            }
            Order::Direct { connection, dispatch } => {
                if let Some(link) = self.links.get(&connection) {
                    deliver(dirty, link, &dispatch);
                }
            }
            other => self.attend(other),
        }
    }

    /// Carries out an order that concerns connections by themselves.
    fn attend(&mut self, order: Order) {
        match order {
            Order::Init { connection, init, kept } => {
                if let Some(link) = self.links.get(&connection) {
                    link.initialise(&init, &kept);
                }
            }
            Order::Close { connection, close } => {
                if let Some(link) = self.links.get(&connection) {
                    link.note(Note::Close(close));
                }
            }
            Order::CloseAll { close } => {
                self.links.values().for_each(|link| link.note(Note::Close(close.clone())));
            }
            Order::CloseOf { owner, close } => {
                let theirs = self.links.values().filter(|link| link.belongs_to(&owner));
                theirs.for_each(|link| link.note(Note::Close(close.clone())));
            }
            Order::Visit { connection, cid, project, visit, reply } => {
                let link = self.links.get(&connection).filter(|link| link.is(&cid, &project));
                // Whoever asked may have gone.
                let _ = reply.send(link.is_some());
                match (link, visit) {
                    (Some(link), Visit::Deliver(dispatch)) => {
                        deliver(&mut self.dirty, link, &dispatch);
                    }
                    (Some(link), Visit::Close(close)) => link.note(Note::Close(close)),
                    (None, _) => {}
                }
            }
            Order::Describe { connections, reply } => {
                let name_of = |uid| self.channels.get(&uid).map(|room| room.name.clone());
                let here = connections.iter().filter_map(|uid| self.links.get(uid));
                // Whoever asked may have gone.
                let _ = reply.send(here.map(|link| link.info(name_of)).collect());
            }
            Order::Deliver { .. }
            | Order::Join { .. }
            | Order::Leave { .. }
            | Order::Dissolve { .. }
            | Order::Direct { .. } => {}
        }
    }

    /// Takes a connection out of a channel's list; drops a list that has become empty.
    fn leave(&mut self, channel: ChannelUid, connection: ConnectionUid) {
        if let Some(room) = self.channels.get_mut(&channel) {
            room.links.swap_remove(&connection);
            if room.links.is_empty() {
                self.channels.remove(&channel);
            }
        }
    }
}

/// The actor of one worker thread.
pub struct Fanout {
    /// The thread's connections.
    registry: Rc<RefCell<Registry>>,
    /// Whether a flush is planned.
    will_flush: bool,
    /// The soonest time for the next flush.
    next_flush: Instant,
}

impl Fanout {
    /// Plans a flush, if there is anything to write and none is planned.
    ///
    /// Writes are what fan-out costs, so as much as possible goes into each: an idle thread flushes as soon as the
    /// tasks that are ready now have run; a busy one waits as long as its last flush will have kept it writing.
    fn plan_flush(&mut self, ctx: &mut Context<Self>) {
        if self.will_flush || self.registry.borrow().dirty.is_empty() {
            return;
        }
        self.will_flush = true;
        let left = self.next_flush.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let soon = tokio::task::yield_now();
            ctx.spawn(fut::wrap_future::<_, Self>(soon).map(|(), fanout, _| fanout.flush()));
        } else {
            ctx.run_later(left, |fanout, _| fanout.flush());
        }
    }

    /// Tells the writers.
    fn flush(&mut self) {
        self.will_flush = false;
        let dirty = std::mem::take(&mut self.registry.borrow_mut().dirty);
        let writes = u32::try_from(dirty.len()).unwrap_or(u32::MAX);
        self.next_flush =
            Instant::now() + WRITE_COST.saturating_mul(writes).min(LONGEST_FLUSH_PAUSE);
        for link in dirty {
            link.flush();
        }
    }
}

impl Actor for Fanout {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(MAILBOX);
    }
}

impl Handler<Parcel> for Fanout {
    type Result = ();

    fn handle(&mut self, parcel: Parcel, ctx: &mut Context<Self>) {
        self.registry.borrow_mut().perform(parcel.order);
        self.plan_flush(ctx);
    }
}

/// The fan-out of the current thread, for the connections that live on it.
#[derive(Clone)]
pub struct LocalFanout {
    /// The thread's connections.
    registry: Rc<RefCell<Registry>>,
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
    fn start() -> Self {
        let registry = Rc::<RefCell<Registry>>::default();
        let next_flush = Instant::now();
        let fanout = Fanout { registry: Rc::clone(&registry), will_flush: false, next_flush };
        let address = fanout.start();
        let budget = Arc::new(Semaphore::new(usize::try_from(BUDGET_UNITS).unwrap_or(usize::MAX)));
        let index = NEXT_FANOUT.fetch_add(1, Ordering::Relaxed);
        Self { registry, handle: FanoutHandle(Arc::new(Target { index, address, budget })) }
    }

    /// The way here from other threads.
    pub fn handle(&self) -> FanoutHandle {
        self.handle.clone()
    }

    /// Makes a connection known.
    pub fn register(&self, link: &Rc<Link>) {
        self.registry.borrow_mut().links.insert(link.uid(), Rc::clone(link));
    }

    /// Forgets a connection that has gone; doing so twice changes nothing.
    pub fn unregister(&self, link: &Link) {
        let mut registry = self.registry.borrow_mut();
        registry.links.remove(&link.uid());
        for channel in link.take_channels() {
            registry.leave(channel, link.uid());
        }
    }
}

#[cfg(test)]
mod tests;
