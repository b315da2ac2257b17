//! The persistence actor: the only way to the store.
//!
//! One writer on a thread of its own. What is in its mailbox when a commit begins goes into that commit (group commit),
//! so that the price of one fsync is shared; an answer leaves only after the commit. Readers run on threads of theirs
//! over the pool. Both sides count the work under way and refuse more than their bound with [`AskError::Overloaded`].

mod failing;

use super::hooks::Hooks;
use crate::ask::AskError;
use crate::metrics::{self, Family, Label};
use crate::store::{Database, GroupStore, ReadStore, StoreError, StoreResult, WriteStore};
use actix::prelude::*;
use failing::{Failing, StoreHealth};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;

/// The most writes under way, counted from the call to its answer; one more is refused.
const MAX_WRITES: usize = 8192;
/// The most reads under way; one more is refused.
const MAX_READS: usize = 4096;
/// The most writes in one commit: bounds how long the first of them waits.
const MAX_GROUP: usize = 1024;
/// Threads that read.
const READERS: usize = 2;
/// How often the store is looked at: whether it is still there, and whether it takes something again.
const LOOK: Duration = Duration::from_secs(1);

/// What a job of a commit leaves behind: to be told how the commit ended.
type Completion = Box<dyn FnOnce(StoreResult<()>) + Send>;

/// One write, run inside the commit's transaction; told of the failure instead when there was none to run in.
type WriteJob = Box<dyn FnOnce(StoreResult<&mut dyn WriteStore>) -> Completion + Send>;

/// One read, run on a pooled connection; told of the pool's failure instead when there is none.
type ReadJob = Box<dyn FnOnce(StoreResult<&mut dyn ReadStore>) + Send>;

/// Sent by a [`Persistence`] handle: one write.
#[derive(Message)]
#[rtype(result = "()")]
struct Write(WriteJob);

/// Sent by the writer to itself, behind everything that waits by then: commit.
#[derive(Message)]
#[rtype(result = "()")]
struct Commit;

/// Sent by a [`Persistence`] handle, behind all writes: there are no more.
#[derive(Message)]
#[rtype(result = "StoreResult<()>")]
struct NoMoreWrites;

/// Sent by a [`Persistence`] handle: one read.
#[derive(Message)]
#[rtype(result = "()")]
struct Read(ReadJob);

/// The writer: collects what waits, commits it as one.
struct Writer {
    /// The one connection that writes.
    store: Box<dyn GroupStore>,
    /// The writes of the next commit.
    waiting: Vec<WriteJob>,
    /// Whether nothing is written any more.
    is_closed: bool,
    /// What is said of commits that fail.
    failing: Failing,
    /// What all handles know of them.
    health: Arc<StoreHealth>,
}

impl Actor for Writer {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(MAX_WRITES + 1);
        ctx.run_interval(LOOK, |writer, _| writer.look());
    }
}

impl Handler<Write> for Writer {
    type Result = ();

    /// Queues the write; the first of a group also asks for the commit, which lines up behind all that wait already.
    fn handle(&mut self, Write(job): Write, ctx: &mut Context<Self>) {
        if self.is_closed {
            let error = unavailable("the server has stopped");
            return finish(vec![job(Err(error.clone()))], &Err(error));
        }
        if self.waiting.is_empty() {
            ctx.notify(Commit);
        }
        self.waiting.push(job);
        if self.waiting.len() >= MAX_GROUP {
            self.commit();
        }
    }
}

impl Handler<Commit> for Writer {
    type Result = ();

    fn handle(&mut self, _: Commit, _: &mut Context<Self>) {
        self.commit();
    }
}

impl Handler<NoMoreWrites> for Writer {
    type Result = StoreResult<()>;

    fn handle(&mut self, _: NoMoreWrites, _: &mut Context<Self>) -> StoreResult<()> {
        self.commit();
        self.is_closed = true;
        survive("leaving the store in one file", || self.store.close())
    }
}

impl Writer {
    /// Looks after the store while nobody writes; while commits fail, tries one.
    fn look(&mut self) {
        if self.is_closed {
            return;
        }
        let is_failing = self.failing.is_failing();
        let store = &mut self.store;
        let looked = survive("looking after the store", || {
            if is_failing { store.probe() } else { store.check() }
        });
        match looked {
            Ok(()) => {
                if let Some(commits) = self.failing.succeeded() {
                    self.health.set(None);
                    tracing::info!(commits, "commits succeed again");
                }
            }
            Err(error) => self.on_failed(&error, 0),
        }
    }

    /// Notes that the store did not take something. Only a probe says that it does again: a group of which all writes were
    /// refused ends well without touching the disk.
    fn on_failed(&mut self, error: &StoreError, writes: usize) {
        self.health.set(Some(error.clone()));
        if let Some(commits) = self.failing.failed(Instant::now()) {
            tracing::error!(%error, writes, commits, "a commit failed");
        }
    }

    /// Runs all waiting writes in one transaction and tells each how it ended.
    fn commit(&mut self) {
        let mut jobs = std::mem::take(&mut self.waiting).into_iter();
        let mut completions = Vec::with_capacity(jobs.len());
        if jobs.len() == 0 {
            return;
        }
        let (writes, mut is_run) = (jobs.len(), false);
        let store = &mut self.store;
        let begun = Instant::now();
        let outcome = survive("a commit, which may stand or not:", || {
            store.group(&mut |store| {
                for job in jobs.by_ref() {
                    completions.push(job(Ok(store)));
                }
                is_run = true;
            })
        });
        let outcome = match outcome {
            // It says nothing about the store, which rolls back what it did not come to commit.
            Err(_) if !is_run && completions.len() + jobs.len() < writes => {
                tracing::error!("a write crashed and its group was rolled back");
                Err(unavailable("a write crashed and its group was rolled back"))
            }
            outcome => outcome.inspect_err(|error| self.on_failed(error, writes)),
        };
        note_commit(begun.elapsed(), writes, outcome.is_ok());
        if let Err(error) = &outcome {
            completions.extend(jobs.map(|job| job(Err(error.clone()))));
        }
        finish(completions, &outcome);
    }
}

/// Counts a commit: how long it took and how many writes it had.
fn note_commit(time: Duration, writes: usize, is_done: bool) {
    metrics::count(|cells| {
        cells.commit_time.note_time(time);
        cells.commit_writes.note_size(writes);
        let result = Label::Word(if is_done { "ok" } else { "failed" });
        cells.labelled().add(Family::Commits, [result]);
    });
}

/// Runs a part of the writer's work: a crash in it costs what it is about, never the writer.
fn survive<T>(what: &str, work: impl FnOnce() -> StoreResult<T>) -> StoreResult<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        tracing::error!(what, "the writer crashed and goes on");
        Err(unavailable(&format!("{what} crashed")))
    })
}

/// An error of the writer's own.
fn unavailable(reason: &str) -> StoreError {
    StoreError::Unavailable(reason.to_owned())
}

/// Tells each write how its commit ended. Where telling crashes, that asker alone does not hear.
fn finish(completions: Vec<Completion>, outcome: &StoreResult<()>) {
    for complete in completions {
        let told = survive("answering a write", || {
            complete(outcome.clone());
            Ok(())
        });
        drop(told);
    }
}

/// A reading thread.
struct ReadThread {
    /// Where connections come from.
    database: Arc<dyn Database>,
}

impl Actor for ReadThread {
    type Context = SyncContext<Self>;
}

impl Handler<Read> for ReadThread {
    type Result = ();

    fn handle(&mut self, Read(job): Read, _: &mut SyncContext<Self>) {
        metrics::count(|cells| cells.tallies.store_reads.add(1));
        let mut job = Some(job);
        // A panic would cost this thread for good; the asker hears of it because its sender is dropped.
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let outcome = self.database.read(&mut |store| {
                if let Some(job) = job.take() {
                    job(Ok(store));
                }
            });
            if let (Err(error), Some(job)) = (outcome, job.take()) {
                job(Err(error));
            }
        }));
        if outcome.is_err() {
            tracing::error!("a read crashed");
        }
    }
}

/// The handle to the store, cheap to clone.
#[derive(Clone)]
pub struct Persistence {
    /// The writer's address.
    writer: Addr<Writer>,
    /// The readers' common address.
    readers: Addr<ReadThread>,
    /// Free places among the writes under way.
    write_places: Arc<Semaphore>,
    /// Free places among the reads under way.
    read_places: Arc<Semaphore>,
    /// Who wants to hear of what is written.
    hooks: Hooks,
    /// Whether others may take from the outbox.
    has_claims: bool,
    /// Whether what is written becomes durable.
    health: Arc<StoreHealth>,
    /// How many writes were handed to the writer.
    #[cfg(test)]
    handed: Arc<std::sync::atomic::AtomicUsize>,
}

impl Persistence {
    /// Starts the writer's and the readers' threads; needs a running actix system.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the writer's connection cannot be opened.
    pub fn start(database: Arc<dyn Database>) -> StoreResult<Self> {
        let store = database.writer()?;
        let has_claims = database.has_claims();
        let thread = Arbiter::new();
        let health = Arc::<StoreHealth>::default();
        let known = Arc::clone(&health);
        let writer = Writer::start_in_arbiter(&thread.handle(), |_| Writer {
            store,
            waiting: Vec::new(),
            is_closed: false,
            failing: Failing::default(),
            health: known,
        });
        let readers =
            SyncArbiter::start(READERS, move || ReadThread { database: Arc::clone(&database) });
        Ok(Self {
            writer,
            readers,
            write_places: Arc::new(Semaphore::new(MAX_WRITES)),
            read_places: Arc::new(Semaphore::new(MAX_READS)),
            hooks: Hooks::default(),
            has_claims,
            health,
            #[cfg(test)]
            handed: Arc::default(),
        })
    }

    /// Whether the last commit succeeded, and what it went into is still there.
    ///
    /// # Errors
    /// [`AskError::Store`] with what is wrong.
    pub fn check(&self) -> Result<(), AskError> {
        Ok(self.health.check()?)
    }

    /// Whether others may take deliveries out of the same outbox, so that each is claimed before it is posted.
    pub const fn has_claims(&self) -> bool {
        self.has_claims
    }

    /// How many writes and reads are under way.
    pub fn under_way(&self) -> (usize, usize) {
        let taken =
            |most: usize, places: &Semaphore| most.saturating_sub(places.available_permits());
        (taken(MAX_WRITES, &self.write_places), taken(MAX_READS, &self.read_places))
    }

    /// Ends the writing, behind everything that was asked before, and leaves all of it in one file.
    ///
    /// # Errors
    /// [`AskError::Store`] when a log stays beside it.
    pub async fn close(&self) -> Result<(), AskError> {
        Ok(self.writer.send(NoMoreWrites).await.ok().ok_or(AskError::Closed)??)
    }

    /// Who wants to hear of what is written.
    pub const fn hooks(&self) -> &Hooks {
        &self.hooks
    }

    /// Runs one write; the answer comes when it is durable. Writes are carried out in the order of the calls.
    ///
    /// The write is under way as soon as this returns: dropping the future does not take it back.
    ///
    /// # Errors
    /// [`AskError::Overloaded`] at the bound, [`AskError::Store`] when the store refused or the commit failed.
    pub fn write<T, F>(&self, job: F) -> impl Future<Output = Result<T, AskError>> + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn WriteStore) -> StoreResult<T> + Send + 'static,
    {
        let answer = place(&self.write_places).and_then(|place| {
            let (reply, answer) = oneshot::channel();
            let job: WriteJob = Box::new(move |store| {
                let done = store.and_then(job);
                Box::new(move |committed| {
                    drop(place);
                    // The asker may be gone; the write stands all the same.
                    let _ = reply.send(done.and_then(|value| committed.map(|()| value)));
                })
            });
            self.writer.try_send(Write(job)).ok().ok_or(AskError::Overloaded)?;
            #[cfg(test)]
            self.handed.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            Ok(answer)
        });
        async move { Ok(answer?.await.ok().ok_or(AskError::Closed)??) }
    }

    /// How many writes were handed to the writer so far: a place is taken before that, so places cannot tell it.
    #[cfg(test)]
    pub fn writes_handed(&self) -> usize {
        self.handed.load(std::sync::atomic::Ordering::SeqCst)
    }

    /// Runs one read on a pooled connection.
    ///
    /// # Errors
    /// [`AskError::Overloaded`] at the bound, [`AskError::Store`] when the store failed.
    pub async fn read<T, F>(&self, job: F) -> Result<T, AskError>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn ReadStore) -> StoreResult<T> + Send + 'static,
    {
        let place = place(&self.read_places)?;
        let (reply, answer) = oneshot::channel();
        let job: ReadJob = Box::new(move |store| {
            let _place = place;
            // The asker may be gone; nobody else wants to know.
            let _ = reply.send(store.and_then(job));
        });
        self.readers.try_send(Read(job)).ok().ok_or(AskError::Overloaded)?;
        Ok(answer.await.ok().ok_or(AskError::Closed)??)
    }
}

/// Takes a place among the work under way.
fn place(places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, AskError> {
    Arc::clone(places).try_acquire_owned().ok().ok_or(AskError::Overloaded)
}

#[cfg(test)]
mod tests;
