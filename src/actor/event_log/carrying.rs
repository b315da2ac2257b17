//! From the log into the store.

mod carrier;

use super::EventLog;
use crate::actor::clock;
use crate::actor::persistence::Persistence;
use crate::ask::AskError;
use crate::domain::event::{PresenceShape, Subscribing};
use crate::domain::{EventKind, HookEvent, Listed, ProjectId, Register, Stamp};
use crate::events::PresenceChange;
use crate::store::{ReadStore, StoreError, StoreResult, WriteStore};
use carrier::Carrier;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// How many rows are read at a time.
const PAGE: u64 = 1000;
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
        self.restore_registers().await?;
        self.launch_event_log_beside().await;
        Ok(())
    }

    /// The same for one of several servers: whoever stands in the registers may be on another one.
    pub async fn launch_event_log_beside(&self) {
        actix::spawn(Carrier::new(self.clone()).carry());
        let log = self.hooks().log().clone();
        settle(&log, "the sessions of the process before have not all been told to be gone").await;
    }

    /// Reads who stood in the registers when the process before ended, and lets all of them go.
    async fn restore_registers(&self) -> Result<(), AskError> {
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
