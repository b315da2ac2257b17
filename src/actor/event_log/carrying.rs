//! From the log into the store.

use super::{ClientMessage, EventLog};
use crate::actor::clock;
use crate::actor::persistence::Persistence;
use crate::ask::AskError;
use crate::domain::event::{PresenceShape, Subscribing};
use crate::domain::{EventKind, HookEvent, Listed, ProjectId, Register, Stamp};
use crate::events::{EventEntry, PresenceChange};
use crate::store::{ReadStore, StoreError, StoreResult, WriteStore};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::{Instant, sleep, timeout};

/// How much goes into one write: no longer than that do other writes wait for it.
const TOGETHER: usize = 256;
/// How many rows are read at a time.
const PAGE: u64 = 1000;
/// The pause before something is tried again that the store did not take.
const PAUSE: Duration = Duration::from_millis(500);
/// The same where the store had too much to do.
const SHORT_PAUSE: Duration = Duration::from_millis(20);
/// How long the log file is silent about events that were left out, after a line about some.
const SILENCE: Duration = Duration::from_secs(10);
/// How long a start and a stop wait for who is online to be settled. What is left then, the next start settles.
const SETTLE_TIME: Duration = Duration::from_secs(6);

/// Something ready to be stored, the same on every attempt.
enum Job {
    /// A change and its event, if it is one.
    Change(PresenceChange, Option<HookEvent>),
    /// Who was there before anybody wanted to hear.
    Known(Vec<Listed>),
    /// Who went without an event.
    Struck(Listed),
    /// Of this register nothing more is to be noted.
    Unwatched(ProjectId, Register),
    /// Another event.
    Other(HookEvent),
}

impl Job {
    /// Stores it.
    fn store(&self, store: &mut dyn WriteStore) -> StoreResult<()> {
        match self {
            Self::Change(change, event) => {
                if change.is_in {
                    store.enlist(&change.listed)?;
                } else {
                    store.strike(&change.listed)?;
                }
                event.as_ref().map_or(Ok(()), |event| store.record_event(event).map(drop))
            }
            Self::Known(known) => known.iter().try_for_each(|listed| store.enlist(listed)),
            Self::Struck(listed) => store.strike(listed),
            Self::Unwatched(project, register) => store.strike_all(project, *register),
            Self::Other(event) => store.record_event(event).map(drop),
        }
    }
}

/// The event about a change.
fn event(change: &PresenceChange) -> Option<HookEvent> {
    use EventKind::{
        ChannelClientConnected, ChannelClientDisconnected, ChannelSubscribed, ChannelUnsubscribed,
    };
    let Listed { channel, register, session } = &change.listed;
    let stamp = Stamp { at: change.at, ..clock::stamp() };
    match register {
        Register::Online => {
            let kind =
                if change.is_in { ChannelClientConnected } else { ChannelClientDisconnected };
            let presence = PresenceShape {
                channel: &channel.id,
                token: session.token.as_ref(),
                session: &session.id,
                online_count: change.count,
            };
            Some(HookEvent::client(stamp, kind, &channel.project, presence))
        }
        Register::Ephemeral => {
            let kind = if change.is_in { ChannelSubscribed } else { ChannelUnsubscribed };
            let token = session.token.as_ref()?;
            let subscribing = Subscribing { channel: &channel.id, token, ephemeral: true };
            Some(HookEvent::subscription(stamp, kind, &channel.project, subscribing))
        }
    }
}

/// What goes into the store together.
struct EventBatch {
    /// In order.
    jobs: Arc<Vec<Job>>,
    /// Room to give back when it is stored.
    _room: Vec<OwnedSemaphorePermit>,
    /// Who waits until it is.
    askers: Vec<oneshot::Sender<()>>,
}

impl From<Vec<EventEntry<ClientMessage>>> for EventBatch {
    fn from(entries: Vec<EventEntry<ClientMessage>>) -> Self {
        let (mut jobs, mut room, mut askers) = (Vec::new(), Vec::new(), Vec::new());
        for entry in entries {
            jobs.push(match entry {
                EventEntry::Change(change) => {
                    let event = event(&change);
                    Job::Change(change, event)
                }
                EventEntry::Known(known) => Job::Known(known),
                EventEntry::Struck(listed) => Job::Struck(listed),
                EventEntry::Unwatched(project, register) => Job::Unwatched(project, register),
                EventEntry::Other(ClientMessage { event, room: own, asker }) => {
                    room.push(own);
                    askers.extend(asker);
                    Job::Other(event)
                }
            });
        }
        Self { jobs: Arc::new(jobs), _room: room, askers }
    }
}

/// Stores all of it or nothing; what is refused by itself is left out. Returns how much that is.
fn store_all(store: &mut dyn WriteStore, jobs: &[Job]) -> StoreResult<u64> {
    let mut refused = 0;
    store.atomically(&mut |store| {
        refused = 0;
        for job in jobs {
            match store.atomically(&mut |store| job.store(store)) {
                // The project has gone meanwhile, and with it all who wanted to hear.
                Ok(()) | Err(StoreError::NotFound(_)) => {}
                Err(error @ StoreError::Unavailable(_)) => return Err(error),
                Err(_) => refused += 1,
            }
        }
        Ok(())
    })?;
    Ok(refused)
}

impl Persistence {
    /// Starts to store what the event log takes in. Before anything else it takes in who was online when a process before
    /// ended, and waits a moment until webhooks will hear that they have gone.
    ///
    /// # Errors
    /// As [`Persistence::read`].
    pub async fn launch_event_log(&self) -> Result<(), AskError> {
        let log = self.hooks().log().clone();
        let mut last: Option<Listed> = None;
        loop {
            let behind = last.take();
            let page = move |store: &mut dyn ReadStore| store.listed_after(behind.as_ref(), PAGE);
            let page = self.read(page).await?;
            log.restore(&page);
            last = page.last().cloned();
            if last.is_none() {
                break;
            }
        }
        log.log().all_went(clock::now());
        actix::spawn(carry(self.clone()));
        settle(&log, "the sessions of the process before have not all been told to be gone").await;
        Ok(())
    }

    /// Webhooks hear that everybody has gone; to be called when nobody can come any more. Waits until that is stored.
    pub async fn end_event_log(&self) {
        let log = self.hooks().log();
        log.log().end(clock::now());
        log.0.news.notify_one();
        settle(log, "not all sessions have been told to be gone: the next start does it").await;
        say_what_was_left_out(log, &mut None);
        log.0.is_over.store(true, Ordering::SeqCst);
        log.0.news.notify_one();
    }
}

/// Waits until everything is stored, for a bounded time.
async fn settle(log: &EventLog, otherwise: &str) {
    if timeout(SETTLE_TIME, log.stored()).await.is_err() {
        tracing::warn!("{otherwise}");
    }
}

/// Stores what the log takes in, one batch after the other, until it ends.
async fn carry(persistence: Persistence) {
    let log = persistence.hooks().log().clone();
    let mut said = None;
    loop {
        let mut batch = EventBatch::from(next(&log, &mut said).await);
        if batch.jobs.is_empty() {
            return;
        }
        loop {
            let jobs = Arc::clone(&batch.jobs);
            let stored = persistence.write(move |store| store_all(store, &jobs)).await;
            let pause = match stored {
                Ok(refused) => {
                    log.log().left_out(refused);
                    break;
                }
                Err(AskError::Overloaded) => SHORT_PAUSE,
                Err(_) => PAUSE,
            };
            // Persistence says in the log file what is wrong. Nobody waits for it: clients go on.
            log.0.is_failing.store(pause == PAUSE, Ordering::Relaxed);
            batch.askers.clear();
            say_what_was_left_out(&log, &mut said);
            if log.is_over() {
                return;
            }
            sleep(pause).await;
        }
        log.0.is_failing.store(false, Ordering::Relaxed);
        persistence.hooks().wake();
        for asker in batch.askers {
            // It may have gone.
            let _ = asker.send(());
        }
    }
}

/// The next of it; while none comes, sees to it that what was left out is said.
async fn next(log: &EventLog, said: &mut Option<Instant>) -> Vec<EventEntry<ClientMessage>> {
    loop {
        say_what_was_left_out(log, said);
        if let Ok(entries) = timeout(SILENCE, log.next(TOGETHER)).await {
            return entries;
        }
    }
}

/// Says how many events were left out, now and then.
fn say_what_was_left_out(log: &EventLog, said: &mut Option<Instant>) {
    let now = Instant::now();
    if said.is_some_and(|said| now.duration_since(said) < SILENCE) {
        return;
    }
    let events = log.log().take_dropped();
    if events > 0 {
        *said = Some(now);
        tracing::warn!(events, "events were left out: more came than could be stored");
    }
}
