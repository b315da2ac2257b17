//! What all connections together may hold of what came in and is not served, and each project's share of it.
//!
//! What is there is counted, whether it may be or not; asked is only before more is read. So a bound may be passed by what
//! each thread reads at once, and by one frame of a project that holds nothing else.

use crate::domain::ProjectId;
use futures_util::task::AtomicWaker;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::time::Instant;

/// One project may have a quarter of everything: what its clients send is not to keep others from being read.
const SHARES: usize = 4;
/// So long a frame may stay half where others wait for what it takes, and so long one may wait.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked at while somebody waits.
const LOOK: Duration = Duration::from_secs(1);

/// What all connections may hold.
#[derive(Debug)]
pub struct InboundBudget {
    /// Everybody's bytes.
    all: InboundMeter,
    /// The shares of the projects that have any connection; without a project, that of those who have not identified.
    shares: Mutex<HashMap<Option<ProjectId>, Weak<InboundShare>>>,
    /// Whether it is being looked at, while somebody waits, who has to go.
    is_watched: AtomicBool,
}

/// What one project's connections may hold.
#[derive(Debug)]
pub(super) struct InboundShare {
    /// The project's bytes.
    own: InboundMeter,
    /// The connections that have held so much that it counts.
    holders: Mutex<Vec<Weak<Holder>>>,
    /// Everybody's.
    budget: Arc<InboundBudget>,
}

/// Bytes that are held, up to a limit.
#[derive(Debug)]
struct InboundMeter {
    /// Held.
    used: AtomicUsize,
    /// The most, before nothing more is read.
    limit: usize,
    /// Who waits until there are fewer.
    waiting: Mutex<Vec<Weak<Holder>>>,
    /// Whether anybody does.
    is_awaited: AtomicBool,
}

/// One connection, as its budget sees it.
#[derive(Debug, Default)]
pub(super) struct Holder {
    /// What it holds.
    hold: Mutex<Hold>,
    /// Whether it has to go.
    is_condemned: AtomicBool,
    /// Whether it waits for room.
    is_waiting: AtomicBool,
    /// Wakes who reads for it.
    pub(super) reader: AtomicWaker,
}

/// What a connection holds.
#[derive(Clone, Copy, Debug, Default)]
struct Hold {
    /// The bytes that are counted.
    bytes: usize,
    /// Since when a frame is half.
    half_since: Option<Instant>,
    /// Since when it has waited for room.
    waiting_since: Option<Instant>,
}

/// Takes a lock. A panic elsewhere leaves nothing half-done behind it.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Holder {
    /// Notes what it holds.
    pub(super) fn note_bytes(&self, bytes: usize) {
        locked(&self.hold).bytes = bytes;
    }

    /// Notes since when a frame is half.
    pub(super) fn note_half(&self, half_since: Option<Instant>) {
        locked(&self.hold).half_since = half_since;
    }

    /// Notes since when it waits for room.
    pub(super) fn note_waiting(&self, waiting_since: Option<Instant>) {
        locked(&self.hold).waiting_since = waiting_since;
    }

    /// Whether it has waited for too long: what it has read stays half meanwhile.
    fn is_overdue(&self, now: Instant) -> bool {
        let since = locked(&self.hold).waiting_since;
        since.is_some_and(|since| now - since >= PATIENCE)
    }

    /// Whether it has to go.
    pub(super) fn is_condemned(&self) -> bool {
        self.is_condemned.load(Ordering::Relaxed)
    }

    /// Whether it waits for room.
    pub(super) fn is_waiting(&self) -> bool {
        self.is_waiting.load(Ordering::Relaxed)
    }

    /// The bytes that its end would free, if it has kept a frame half for too long or has to go already.
    fn stale_bytes(&self, now: Instant) -> Option<usize> {
        let Hold { bytes, half_since, .. } = *locked(&self.hold);
        let is_stale = half_since.is_some_and(|since| now - since >= PATIENCE);
        (bytes > 0 && (is_stale || self.is_condemned())).then_some(bytes)
    }

    /// From now on it has to go; whether that is new.
    fn condemn(&self) -> bool {
        let is_new = !self.is_condemned.swap(true, Ordering::Relaxed);
        self.reader.wake();
        is_new
    }
}

impl InboundMeter {
    /// So many bytes.
    fn new(limit: usize) -> Self {
        let (used, waiting, is_awaited) = Default::default();
        Self { used, limit, waiting, is_awaited }
    }

    /// The bytes that are held.
    fn used(&self) -> usize {
        self.used.load(Ordering::SeqCst)
    }

    /// How many have to go, so that an eighth is free.
    fn surplus(&self) -> usize {
        self.used().saturating_sub(self.limit - self.limit / 8)
    }

    /// Whether one that holds so much has to wait: one that is alone may go on, or it never could.
    fn is_full_for(&self, held: usize) -> bool {
        let used = self.used();
        used >= self.limit && used > held
    }

    /// Takes so many.
    fn take(&self, bytes: usize) {
        self.used.fetch_add(bytes, Ordering::SeqCst);
    }

    /// Gives so many back, and wakes who waits where an eighth is free.
    fn give(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::SeqCst);
        if self.is_awaited.load(Ordering::SeqCst) && self.surplus() == 0 {
            self.wake_all();
        }
    }

    /// Wakes all who wait where there is any room: what is held may come and go for ever without an eighth being free.
    fn look(&self) {
        if self.used() < self.limit {
            self.wake_all();
        }
    }

    /// Wakes all who wait.
    fn wake_all(&self) {
        let waiting = {
            let mut waiting = locked(&self.waiting);
            self.is_awaited.store(false, Ordering::SeqCst);
            std::mem::take(&mut *waiting)
        };
        for holder in waiting.iter().filter_map(Weak::upgrade) {
            holder.is_waiting.store(false, Ordering::Relaxed);
            holder.reader.wake();
        }
    }

    /// Wakes a connection when there is room.
    fn wait(&self, holder: &Arc<Holder>) {
        if !holder.is_waiting.swap(true, Ordering::Relaxed) {
            let mut waiting = locked(&self.waiting);
            waiting.push(Arc::downgrade(holder));
            self.is_awaited.store(true, Ordering::SeqCst);
        }
    }

    /// Whether anybody who is still there waits.
    fn is_awaited(&self) -> bool {
        let mut waiting = locked(&self.waiting);
        waiting.retain(|holder| holder.strong_count() > 0);
        self.is_awaited.store(!waiting.is_empty(), Ordering::SeqCst);
        !waiting.is_empty()
    }
}

impl InboundShare {
    /// Counts one more connection among those that hold something.
    pub(super) fn enlist(&self) -> Arc<Holder> {
        let holder = Arc::new(Holder::default());
        let mut holders = locked(&self.holders);
        if holders.len() == holders.capacity() {
            holders.retain(|holder| holder.strong_count() > 0);
        }
        holders.push(Arc::downgrade(&holder));
        holder
    }

    /// Counts so many bytes more.
    pub(super) fn take(&self, bytes: usize) {
        self.own.take(bytes);
        self.budget.all.take(bytes);
    }

    /// Counts so many bytes less.
    pub(super) fn give(&self, bytes: usize) {
        self.own.give(bytes);
        self.budget.all.give(bytes);
    }

    /// Whether a connection that holds so much has to wait before it reads more.
    pub(super) fn is_full_for(&self, held: usize) -> bool {
        self.own.is_full_for(held) || self.budget.all.is_full_for(held)
    }

    /// Wakes a connection when there may be room; true if there is by now.
    pub(super) fn wait(&self, holder: &Arc<Holder>, held: usize) -> bool {
        let own = self.own.is_full_for(held);
        (if own { &self.own } else { &self.budget.all }).wait(holder);
        // Looked at again behind that: what was given back in between woke nobody.
        !self.is_full_for(held)
    }

    /// Whether nobody sees to it yet that those go for whom others wait.
    pub(super) fn begins_watch(&self) -> bool {
        !self.budget.is_watched.swap(true, Ordering::SeqCst)
    }

    /// The budget.
    pub(super) const fn budget(&self) -> &Arc<InboundBudget> {
        &self.budget
    }

    /// The connections that have held something.
    fn holders(&self) -> Vec<Arc<Holder>> {
        locked(&self.holders).iter().filter_map(Weak::upgrade).collect()
    }

    /// Lets those go who have waited for too long.
    fn end_waits(&self, now: Instant) {
        let holders = self.holders();
        let overdue = holders.iter().filter(|holder| holder.is_overdue(now));
        tell(overdue.filter(|holder| holder.condemn()).count());
    }

    /// The connections that have kept a frame half for too long, who has to go already first, then the largest.
    fn stale(&self, now: Instant) -> Vec<(usize, Arc<Holder>)> {
        let stale = self.holders().into_iter().filter_map(|one| Some((one.stale_bytes(now)?, one)));
        let mut stale: Vec<_> = stale.collect();
        stale.sort_by_key(|(bytes, holder)| Reverse((holder.is_condemned(), *bytes)));
        stale
    }
}

impl InboundBudget {
    /// A budget of so many bytes.
    pub fn new(limit: usize) -> Self {
        let (shares, is_watched) = Default::default();
        Self { all: InboundMeter::new(limit), shares, is_watched }
    }

    /// The bytes that are held.
    pub fn used(&self) -> usize {
        self.all.used()
    }

    /// A project's share, the same for all its connections; without a project, that of strangers.
    pub(super) fn share(self: &Arc<Self>, project: Option<&ProjectId>) -> Arc<InboundShare> {
        let mut shares = locked(&self.shares);
        if let Some(known) = shares.get(&project.cloned()).and_then(Weak::upgrade) {
            return known;
        }
        if shares.len() == shares.capacity() {
            shares.retain(|_, share| share.strong_count() > 0);
        }
        let own = InboundMeter::new(self.all.limit / SHARES);
        let share =
            Arc::new(InboundShare { own, holders: Mutex::default(), budget: Arc::clone(self) });
        shares.insert(project.cloned(), Arc::downgrade(&share));
        share
    }

    /// As long as anybody waits, lets those go who have kept a frame half for too long.
    pub(super) async fn watch(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LOOK).await;
            if self.relieve(Instant::now()) {
                continue;
            }
            self.is_watched.store(false, Ordering::SeqCst);
            // Whoever began to wait in between saw that it was watched.
            if !self.is_awaited() || self.is_watched.swap(true, Ordering::SeqCst) {
                return;
            }
        }
    }

    /// The shares that there are.
    fn shares(&self) -> Vec<Arc<InboundShare>> {
        locked(&self.shares).values().filter_map(Weak::upgrade).collect()
    }

    /// Whether anybody waits.
    fn is_awaited(&self) -> bool {
        self.shares().iter().any(|share| share.own.is_awaited()) || self.all.is_awaited()
    }

    /// Where somebody waits, lets those go who have kept a frame half for too long, until an eighth is free: of a project
    /// that has used up its share the largest, and where all together hold too much, those of the greediest project first;
    /// and whoever has waited for as long. Returns whether anybody waits.
    fn relieve(&self, now: Instant) -> bool {
        let mut shares = self.shares();
        for share in shares.iter().filter(|share| share.own.is_awaited()) {
            condemn(&share.stale(now), share.own.surplus());
            share.own.look();
        }
        if self.all.is_awaited() {
            shares.sort_by_key(|share| Reverse(share.own.used()));
            let stale: Vec<_> = shares.iter().flat_map(|share| share.stale(now)).collect();
            condemn(&stale, self.all.surplus());
            self.all.look();
        }
        for share in shares {
            share.end_waits(now);
        }
        self.is_awaited()
    }
}

/// Says how many had to go.
fn tell(closed: usize) {
    if closed > 0 {
        tracing::warn!(closed, "inbound-bytes are used up: clients with half a frame are closed");
    }
}

/// Lets connections go, the first ones first, until so many bytes are free.
fn condemn(stale: &[(usize, Arc<Holder>)], mut surplus: usize) {
    let mut closed = 0;
    for (bytes, holder) in stale {
        if surplus == 0 {
            break;
        }
        surplus = surplus.saturating_sub(*bytes);
        closed += usize::from(holder.condemn());
    }
    tell(closed);
}

#[cfg(test)]
mod tests;
