//! Who carries what the log takes in to the store, and goes on after a crash.

use super::super::{ClientMessage, EventLog};
use super::{Job, SILENCE, event, say_what_was_left_out, store_all};
use crate::actor::persistence::Persistence;
use crate::ask::AskError;
use crate::events::EventEntry;
use crate::faults::{CrashPoint, pass};
use crate::num;
use futures_util::FutureExt as _;
use std::collections::VecDeque;
use std::mem::take;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::{Instant, sleep, timeout};

/// How much goes into one write: no longer than that do other writes wait for it.
const TOGETHER: usize = 256;
/// The pause before something is tried again that the store did not take, or that crashed.
const PAUSE: Duration = Duration::from_millis(500);
/// The same where the store had too much to do.
const SHORT_PAUSE: Duration = Duration::from_millis(20);
/// How often a batch may crash before it is left out.
const MOST_CRASHES: u32 = 3;

/// Stores the log, one batch after the other. What it has taken out of the log outlives a crash.
pub(super) struct Carrier {
    /// The log.
    log: EventLog,
    /// The store.
    persistence: Persistence,
    /// When events that were left out were spoken of last.
    said: Option<Instant>,
    /// What was taken out of the log and is not in the batch yet, in order.
    entries: VecDeque<EventEntry<ClientMessage>>,
    /// Whether one of them is on its way into the batch.
    is_adding: bool,
    /// What goes into the store together, in order, while it is put together.
    adding: Vec<Job>,
    /// The same while it is stored, the same on every attempt.
    batch: Option<Arc<Vec<Job>>>,
    /// How often that has crashed.
    crashes: u32,
    /// Room to give back when it is stored.
    room: Vec<OwnedSemaphorePermit>,
    /// Who waits until it is.
    askers: Vec<oneshot::Sender<()>>,
}

impl Carrier {
    /// One that has nothing yet.
    pub(super) fn new(persistence: Persistence) -> Self {
        Self {
            log: persistence.hooks().log().clone(),
            persistence,
            said: None,
            entries: VecDeque::new(),
            is_adding: false,
            adding: Vec::new(),
            batch: None,
            crashes: 0,
            room: Vec::new(),
            askers: Vec::new(),
        }
    }

    /// Stores what the log takes in until it ends, whatever crashes.
    pub(super) async fn carry(mut self) {
        while AssertUnwindSafe(self.run()).catch_unwind().await.is_err() {
            tracing::error!("what stores the event log crashed, and goes on");
            self.mend();
            if self.log.is_over() {
                return;
            }
            sleep(PAUSE).await;
        }
    }

    /// Leaves out what it crashes over: an entry at once, a batch when it has done so several times.
    fn mend(&mut self) {
        if take(&mut self.is_adding) {
            self.log.log().left_out(1);
        }
        let Some(batch) = &self.batch else { return };
        self.crashes += 1;
        if self.crashes >= MOST_CRASHES {
            self.log.log().left_out(num::counter(batch.len()));
            self.done();
        }
    }

    /// Stores one batch after the other, until the log ends.
    async fn run(&mut self) {
        loop {
            let batch = match &self.batch {
                Some(batch) => Arc::clone(batch),
                None => match self.next_batch().await {
                    Some(batch) => Arc::clone(self.batch.insert(batch)),
                    None => return,
                },
            };
            pass(CrashPoint::EventsStored);
            if !self.store(batch).await {
                return;
            }
            let askers = take(&mut self.askers);
            self.done();
            self.persistence.hooks().wake();
            for asker in askers {
                // It may have gone.
                let _ = asker.send(());
            }
        }
    }

    /// Nothing is under way.
    fn done(&mut self) {
        self.batch = None;
        self.crashes = 0;
        self.room.clear();
        self.askers.clear();
    }

    /// Puts together what is to be stored next; none in the end.
    async fn next_batch(&mut self) -> Option<Arc<Vec<Job>>> {
        while self.entries.is_empty() && self.adding.is_empty() {
            say_what_was_left_out(&self.log, &mut self.said);
            if let Ok(entries) = timeout(SILENCE, self.log.next(TOGETHER)).await {
                if entries.is_empty() {
                    return None;
                }
                self.entries = entries.into();
            }
        }
        while let Some(entry) = self.entries.pop_front() {
            self.is_adding = true;
            self.add(entry);
            self.is_adding = false;
        }
        Some(Arc::new(take(&mut self.adding)))
    }

    /// Takes one more into the batch.
    fn add(&mut self, entry: EventEntry<ClientMessage>) {
        pass(CrashPoint::EventAdded);
        let job = match entry {
            EventEntry::Change(change) => {
                let event = event(&change);
                Job::Change(change, event)
            }
            EventEntry::Known(known) => Job::Known(known),
            EventEntry::Struck(listed) => Job::Struck(listed),
            EventEntry::Unwatched(project, register) => Job::Unwatched(project, register),
            EventEntry::Other(ClientMessage { event, room, asker }) => {
                self.room.push(room);
                self.askers.extend(asker);
                Job::Other(event)
            }
        };
        self.adding.push(job);
    }

    /// Stores it, however often that has to be tried; whether it is stored when the log ends.
    async fn store(&mut self, batch: Arc<Vec<Job>>) -> bool {
        loop {
            let jobs = Arc::clone(&batch);
            let stored = self.persistence.write(move |store| store_all(store, &jobs)).await;
            let pause = match stored {
                Ok(refused) => {
                    self.log.log().left_out(refused);
                    self.log.0.is_failing.store(false, Ordering::Relaxed);
                    return true;
                }
                Err(AskError::Overloaded) => SHORT_PAUSE,
                Err(_) => PAUSE,
            };
            // Persistence says in the log file what is wrong. Nobody waits for it: clients go on.
            self.log.0.is_failing.store(pause == PAUSE, Ordering::Relaxed);
            self.askers.clear();
            say_what_was_left_out(&self.log, &mut self.said);
            if self.log.is_over() {
                return false;
            }
            sleep(pause).await;
        }
    }
}
