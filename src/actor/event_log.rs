//! The event log at work: channels and sessions say what happened in the very step in which it happens; one task stores
//! it, in that order, many to a commit, and tries again what the store did not take.

mod carrying;

use super::clock;
use crate::domain::{ChannelKey, HookEvent, Online, OnlineSession, ProjectId, SessionId};
use crate::events::{Bounds, Entry, Log};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

/// How much waits at most. A change takes some 200 bytes.
const BOUNDS: Bounds = Bounds { changes: 65_536, others: 65_536 };
/// The room for clients' messages, KiB.
const MESSAGES_KIB: usize = 32 * 1024;
/// What an event takes beside its data, bytes.
const EVENT_BYTES: usize = 512;
/// How long a message waits for room before it is left out.
const MESSAGE_PATIENCE: Duration = Duration::from_secs(2);

/// An event that is not about who is online.
struct Other {
    /// The event.
    event: HookEvent,
    /// Its room among clients' messages.
    room: Option<OwnedSemaphorePermit>,
    /// Who waits until it is stored.
    asker: Option<oneshot::Sender<()>>,
}

/// What all handles share.
struct Inner {
    /// The log.
    log: Mutex<Log<Other>>,
    /// Rings when there is something to store.
    news: Notify,
    /// Rings when all of it is stored.
    stored: Notify,
    /// Whether something has been taken out and is not stored yet.
    is_storing: AtomicBool,
    /// Whether the store did not take the last of it.
    is_failing: AtomicBool,
    /// Room for clients' messages.
    messages: Arc<Semaphore>,
}

/// The handle to the log, cheap to clone.
#[derive(Clone)]
pub struct EventLog(Arc<Inner>);

impl Default for EventLog {
    fn default() -> Self {
        Self(Arc::new(Inner {
            log: Mutex::new(Log::new(BOUNDS)),
            news: Notify::new(),
            stored: Notify::new(),
            is_storing: AtomicBool::new(false),
            is_failing: AtomicBool::new(false),
            messages: Arc::new(Semaphore::new(MESSAGES_KIB)),
        }))
    }
}

impl EventLog {
    /// The log itself.
    fn log(&self) -> MutexGuard<'_, Log<Other>> {
        self.0.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A project's webhooks want to hear who is online, or do not.
    pub(super) fn set_watched(&self, project: &ProjectId, is_watched: bool) {
        if is_watched {
            self.log().watch(project);
        } else {
            self.log().unwatch(project);
            self.0.news.notify_one();
        }
    }

    /// To be called in the channel's step in which a session comes online there; `before` are those who were before.
    pub(super) fn came(
        &self,
        channel: &ChannelKey,
        session: &Arc<OnlineSession>,
        before: impl FnOnce() -> Vec<Arc<OnlineSession>>,
    ) {
        self.log().came(channel, session, clock::now(), before);
        self.0.news.notify_one();
    }

    /// To be called in the channel's step in which a session leaves; `before` are those who were online until then.
    pub(super) fn went(
        &self,
        channel: &ChannelKey,
        session: &SessionId,
        before: impl FnOnce() -> Vec<Arc<OnlineSession>>,
    ) {
        self.log().went(channel, session, clock::now(), before);
        self.0.news.notify_one();
    }

    /// Takes in who is online on a channel, where the log does not know it yet; nobody is told.
    pub(super) fn note(
        &self,
        channel: &ChannelKey,
        online: impl FnOnce() -> Vec<Arc<OnlineSession>>,
    ) {
        self.log().note(channel, online);
        self.0.news.notify_one();
    }

    /// To be called when a channel has been deleted.
    pub(super) fn deleted(&self, channel: &ChannelKey) {
        self.log().deleted(channel, clock::now());
        self.0.news.notify_one();
    }

    /// Adds an event that nobody waits for; where there is no room it is left out, and counted.
    pub(super) fn add(&self, event: HookEvent) {
        self.log().add(Other { event, room: None, asker: None });
        self.0.news.notify_one();
    }

    /// Adds a client's message and waits until it is stored, so that a flood stays on its own socket. While the store takes
    /// nothing, nobody waits for it.
    pub(super) async fn add_message(&self, event: HookEvent) {
        let size = (event.data.as_str().len() + EVENT_BYTES).div_ceil(1024).min(MESSAGES_KIB);
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        let free = Arc::clone(&self.0.messages).acquire_many_owned(size);
        let patience = if self.is_failing() { Duration::ZERO } else { MESSAGE_PATIENCE };
        let Ok(Ok(room)) = timeout(patience, free).await else {
            return self.log().left_out(1);
        };
        let (asker, stored) = oneshot::channel();
        let asker = (!self.is_failing()).then_some(asker);
        self.log().add(Other { event, room: Some(room), asker });
        self.0.news.notify_one();
        // Ends without an answer where it is left out, or has to wait for the store.
        let _ = stored.await;
    }

    /// Whether the store did not take the last that was to be stored.
    fn is_failing(&self) -> bool {
        self.0.is_failing.load(Ordering::Relaxed)
    }

    /// Takes out what is to be stored next; waits for it.
    async fn next(&self, most: usize) -> Vec<Entry<Other>> {
        loop {
            {
                let mut log = self.log();
                let entries = log.take(most);
                self.0.is_storing.store(!entries.is_empty(), Ordering::SeqCst);
                if !entries.is_empty() {
                    return entries;
                }
            }
            self.0.stored.notify_waiters();
            self.0.news.notified().await;
        }
    }

    /// Waits until everything is stored.
    async fn stored(&self) {
        loop {
            let stored = self.0.stored.notified();
            {
                let log = self.log();
                if log.is_empty() && !self.0.is_storing.load(Ordering::SeqCst) {
                    return;
                }
            }
            stored.await;
        }
    }

    /// Takes in who was online when a process before ended, which ended them too.
    fn restore(&self, noted: &[Online]) {
        let mut log = self.log();
        for online in noted {
            log.restore(online);
        }
    }
}

#[cfg(test)]
mod tests;
