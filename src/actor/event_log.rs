//! The event log at work: channels and sessions say what happened in the very step in which it happens; one task stores
//! it, in that order, many to a commit, and tries again what the store did not take.

mod carrying;

use super::clock;
use crate::domain::{ChannelKey, HookEvent, Listed, ProjectId, Register, SessionRef};
use crate::events::{EventEntry, EventOrder};
use futures_util::FutureExt as _;
use futures_util::future::Shared;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

/// How many changes wait at most; one takes some 200 bytes.
const ROOM: usize = 65_536;
/// The room for clients' messages, KiB.
const MESSAGES_KIB: usize = 32 * 1024;
/// What an event takes beside its data, bytes.
const EVENT_BYTES: usize = 512;
/// How long a message waits for room before it is left out.
const MESSAGE_PATIENCE: Duration = Duration::from_secs(2);

/// Tells when an event is stored. Ends in an error where nobody is to wait for that.
pub type EventStored = Shared<oneshot::Receiver<()>>;

/// What is told of a client's message.
pub struct ClientMessage {
    /// The event.
    event: HookEvent,
    /// Its room, given back when it is stored.
    room: OwnedSemaphorePermit,
    /// Who waits until it is stored.
    asker: Option<oneshot::Sender<()>>,
}

/// What waits while an event is stored with the message that it tells of; its room is given back with this.
pub(super) struct AwaitedEvent {
    /// The room.
    _room: OwnedSemaphorePermit,
    /// Who waits until it is stored.
    asker: Option<oneshot::Sender<()>>,
}

impl AwaitedEvent {
    /// It is stored.
    pub(super) fn stored(self) {
        if let Some(asker) = self.asker {
            // It may have gone.
            let _ = asker.send(());
        }
    }
}

impl ClientMessage {
    /// The event, for who stores it with its message instead of handing it to the log.
    pub(super) fn with_its_cause(self) -> (HookEvent, AwaitedEvent) {
        let Self { event, room, asker } = self;
        (event, AwaitedEvent { _room: room, asker })
    }
}

/// What all handles share.
struct EventLogInner {
    /// The log.
    log: Mutex<EventOrder<ClientMessage>>,
    /// Rings when there is something to store.
    news: Notify,
    /// Rings when all of it is stored.
    stored: Notify,
    /// Whether something has been taken out and is not stored yet.
    is_storing: AtomicBool,
    /// Whether the store did not take the last of it.
    is_failing: AtomicBool,
    /// Whether nothing is stored any more.
    is_over: AtomicBool,
    /// Room for clients' messages.
    messages: Arc<Semaphore>,
}

/// The handle to the log, cheap to clone.
#[derive(Clone)]
pub struct EventLog(Arc<EventLogInner>);

impl Default for EventLog {
    fn default() -> Self {
        Self(Arc::new(EventLogInner {
            log: Mutex::new(EventOrder::new(ROOM)),
            news: Notify::new(),
            stored: Notify::new(),
            is_storing: AtomicBool::new(false),
            is_failing: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            messages: Arc::new(Semaphore::new(MESSAGES_KIB)),
        }))
    }
}

impl EventLog {
    /// The log itself.
    fn log(&self) -> MutexGuard<'_, EventOrder<ClientMessage>> {
        self.0.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A project's webhooks want to hear of a register, or do not.
    pub(super) fn set_watched(&self, project: &ProjectId, register: Register, is_watched: bool) {
        if is_watched {
            self.log().watch(project, register);
        } else {
            self.log().unwatch(project, register);
            self.0.news.notify_one();
        }
    }

    /// To be called in the step in which a session comes into a register; `before` are those who stood there before.
    pub(super) fn came(&self, new: &Listed, before: impl FnOnce() -> Vec<Arc<SessionRef>>) {
        self.log().came(new, clock::now(), before);
        self.0.news.notify_one();
    }

    /// To be called in the step in which a session goes from one; `before` are those who stood there until then.
    pub(super) fn went(&self, old: &Listed, before: impl FnOnce() -> Vec<Arc<SessionRef>>) {
        self.log().went(old, clock::now(), before);
        self.0.news.notify_one();
    }

    /// To be called where a session's going from a register is no event.
    pub(super) fn strike(&self, old: &Listed) {
        self.log().strike(old);
        self.0.news.notify_one();
    }

    /// Takes in who is online on a channel, where the log does not know of anybody; nobody is told.
    pub(super) fn note_online(
        &self,
        channel: &ChannelKey,
        online: impl FnOnce() -> Vec<Arc<SessionRef>>,
    ) {
        self.log().note(channel, Register::Online, online);
        self.0.news.notify_one();
    }

    /// Takes in a session that stands in a register; nobody is told.
    pub(super) fn note_one(&self, listed: Listed) {
        self.log().note_one(listed);
        self.0.news.notify_one();
    }

    /// To be called when a channel has been deleted.
    pub(super) fn deleted(&self, channel: &ChannelKey) {
        self.log().deleted(channel, clock::now());
        self.0.news.notify_one();
    }

    /// Makes room for what is told of a client's message, and says when it is stored, so that a flood stays on its own
    /// socket; none where there is no room in time. While the store takes nothing, nobody waits for it.
    pub(super) async fn make_room(&self, event: HookEvent) -> Option<(ClientMessage, EventStored)> {
        let size = (event.data.as_str().len() + EVENT_BYTES).div_ceil(1024).min(MESSAGES_KIB);
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        let free = Arc::clone(&self.0.messages).acquire_many_owned(size);
        let patience = if self.is_failing() { Duration::ZERO } else { MESSAGE_PATIENCE };
        let Ok(Ok(room)) = timeout(patience, free).await else {
            self.log().left_out(1);
            return None;
        };
        let (asker, stored) = oneshot::channel();
        let asker = (!self.is_failing()).then_some(asker);
        Some((ClientMessage { event, room, asker }, stored.shared()))
    }

    /// To be called in the channel's step in which it takes a client's message.
    pub(super) fn add(&self, told: ClientMessage) {
        self.log().add(told);
        self.0.news.notify_one();
    }

    /// Whether the store did not take the last that was to be stored.
    fn is_failing(&self) -> bool {
        self.0.is_failing.load(Ordering::Relaxed)
    }

    /// Whether nothing is stored any more.
    fn is_over(&self) -> bool {
        self.0.is_over.load(Ordering::SeqCst)
    }

    /// Takes out what is to be stored next; waits for it. Nothing in the end.
    async fn next(&self, most: usize) -> Vec<EventEntry<ClientMessage>> {
        while !self.is_over() {
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
        Vec::new()
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

    /// Takes in who stood in registers when a process before ended, which ended them too.
    fn restore(&self, noted: &[Listed]) {
        let mut log = self.log();
        for listed in noted {
            log.restore(listed.clone());
        }
    }
}

#[cfg(test)]
mod tests;
