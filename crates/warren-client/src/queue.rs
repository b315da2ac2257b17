//! Between what comes from the server and whoever reads it at a pace of their own.
//!
//! A queue has a bound, and all queues of a client share a budget of bytes. What does not fit is not taken, and nothing
//! behind it either: the queue *lags*, its line's position stays where it is, and once the reader has caught up the client
//! goes on from that position. So a slow reader costs neither memory nor other channels' time, and misses nothing that the
//! server still knows.

use crate::error::Error;
use crate::event::{Event, Message};
use crate::mails::Mails;
use crate::position::Position;
use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// What all queues of a client share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// How many events one queue holds.
    pub(crate) events: usize,
    /// How many bytes all of them hold together; one event of any size is taken where nothing else waits.
    pub(crate) bytes: usize,
    /// How many they hold.
    pub(crate) used: AtomicUsize,
    /// Told when a queue that lags is empty.
    pub(crate) caught_up: Notify,
}

/// An event that waits.
#[derive(Debug)]
struct Waiting {
    /// The event.
    event: Event,
    /// How far the line was read before it.
    before: Before,
    /// How long it was on the wire.
    bytes: usize,
}

/// How far a line was read before an event: from its very beginning, where it says nothing.
#[derive(Clone, Debug)]
struct Before(Option<Position>);

/// What the lock guards.
#[derive(Debug, Default)]
struct Inner {
    /// What waits.
    waiting: VecDeque<Waiting>,
    /// How far the line was read before the event that the reader is busy with.
    busy: Option<Before>,
    /// Which mail that is, if it is one.
    busy_mail: Option<Arc<str>>,
    /// The mails that were put in, whether or not they were read.
    mails: Mails,
    /// How far the line was heard.
    reached: Option<Position>,
    /// Whether something was not taken.
    is_lagging: bool,
    /// Whether the reader is to be told that messages may be missing.
    has_gap: bool,
    /// Why nothing comes any more.
    end: Option<Error>,
    /// Whether somebody reads it.
    is_claimed: bool,
}

/// The queue of one line.
#[derive(Debug)]
pub(crate) struct Queue {
    /// Its content.
    inner: Mutex<Inner>,
    /// Told when there is something to read.
    news: Notify,
    /// What it shares with all others.
    shared: Arc<Shared>,
}

impl Queue {
    /// An empty one.
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { inner: Mutex::default(), news: Notify::new(), shared }
    }

    /// The content. A thread that panicked in here has left it whole: nothing is changed in two steps.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an event that stands behind this position; false if it does not fit, or something before it did not.
    pub(crate) fn push(&self, event: Event, before: Option<Position>, bytes: usize) -> bool {
        let before = Before(before);
        let mut inner = self.inner();
        let Inner { waiting, is_lagging, .. } = &mut *inner;
        let used = self.shared.used.load(Ordering::Relaxed);
        let fits = waiting.len() < self.shared.events && used + bytes <= self.shared.bytes;
        if *is_lagging || !(fits || waiting.is_empty()) {
            *is_lagging = true;
            return false;
        }
        self.shared.used.fetch_add(bytes, Ordering::Relaxed);
        if inner.has_gap {
            inner.has_gap = false;
            inner.waiting.push_back(Waiting {
                event: Event::Gap,
                before: before.clone(),
                bytes: 0,
            });
        }
        if let Some(mail) = mail_of(&event) {
            inner.mails.note(Arc::clone(mail));
        }
        inner.waiting.push_back(Waiting { event, before, bytes });
        drop(inner);
        self.news.notify_one();
        true
    }

    /// Whether this mail was put in before.
    pub(crate) fn knows(&self, mail: &str) -> bool {
        self.inner().mails.know(mail)
    }

    /// These mails were read in another life of the program.
    pub(crate) fn recall(&self, mails: &[Arc<str>]) {
        let mut inner = self.inner();
        for mail in mails {
            inner.mails.note(Arc::clone(mail));
        }
    }

    /// The mails that the application has read: the event that it is busy with does not count.
    pub(crate) fn consumed_mails(&self) -> Vec<Arc<str>> {
        let inner = self.inner();
        let waiting = inner.waiting.iter().filter_map(|waiting| mail_of(&waiting.event));
        let unread: HashSet<_> = waiting.chain(&inner.busy_mail).collect();
        inner.mails.iter().filter(|mail| !unread.contains(mail)).cloned().collect()
    }

    /// Messages may be missing from here on: told before what comes next.
    pub(crate) fn gap(&self) {
        self.inner().has_gap = true;
    }

    /// The line was heard up to there.
    pub(crate) fn reach(&self, position: Option<Position>) {
        self.inner().reached = position;
    }

    /// How far the application has come: the event that it is busy with does not count.
    pub(crate) fn consumed(&self) -> Option<Position> {
        let inner = self.inner();
        let waiting = inner.waiting.front().map(|first| &first.before);
        let unread = inner.busy.as_ref().or(waiting);
        unread.map_or(&inner.reached, |Before(position)| position).clone()
    }

    /// Whether something was not taken.
    pub(crate) fn is_lagging(&self) -> bool {
        self.inner().is_lagging
    }

    /// Takes events again if it has lagged and all was read; says whether that is so.
    pub(crate) fn resume(&self) -> bool {
        let mut inner = self.inner();
        let is_ready = inner.is_lagging && inner.waiting.is_empty();
        inner.is_lagging &= !is_ready;
        is_ready
    }

    /// Nothing comes any more, behind what waits.
    pub(crate) fn end(&self, error: Error) {
        self.inner().end.get_or_insert(error);
        self.news.notify_one();
    }

    /// Somebody wants to read it; false if somebody does.
    pub(crate) fn claim(&self) -> bool {
        !std::mem::replace(&mut self.inner().is_claimed, true)
    }

    /// Nobody reads it any more; what the reader was busy with counts as read.
    pub(crate) fn release(&self) {
        let mut inner = self.inner();
        inner.is_claimed = false;
        (inner.busy, inner.busy_mail) = (None, None);
    }

    /// The next event.
    ///
    /// # Errors
    /// Why there is none any more.
    pub(crate) async fn next(&self) -> Result<Event, Error> {
        loop {
            if let Some(next) = self.take() {
                return next;
            }
            self.news.notified().await;
        }
    }

    /// The next event, if there is one or none will come.
    pub(crate) fn take(&self) -> Option<Result<Event, Error>> {
        let mut inner = self.inner();
        (inner.busy, inner.busy_mail) = (None, None);
        let Some(Waiting { event, before, bytes }) = inner.waiting.pop_front() else {
            return inner.end.clone().map(Err);
        };
        (inner.busy, inner.busy_mail) = (Some(before), mail_of(&event).cloned());
        let is_caught_up = inner.is_lagging && inner.waiting.is_empty();
        drop(inner);
        self.shared.used.fetch_sub(bytes, Ordering::Relaxed);
        if is_caught_up {
            self.shared.caught_up.notify_one();
        }
        Some(Ok(event))
    }
}

/// Which mail an event is, if it is one.
const fn mail_of(event: &Event) -> Option<&Arc<str>> {
    match event {
        Event::Message(Message { mail, .. }) => mail.as_ref(),
        _ => None,
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        let left = self.inner().waiting.iter().map(|one| one.bytes).sum();
        self.shared.used.fetch_sub(left, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::State;
    use serde_json::value::RawValue;

    /// Queues of three events and so many bytes together.
    fn shared(bytes: usize) -> Arc<Shared> {
        let (used, caught_up) = (AtomicUsize::new(0), Notify::new());
        Arc::new(Shared { events: 3, bytes, used, caught_up })
    }

    /// An event to tell from others.
    fn event(version: u64) -> Event {
        Event::State(State { version: Some(version), ..State::default() })
    }

    /// The number of the next event, 0 for a gap.
    fn next(queue: &Queue) -> Option<u64> {
        match queue.take()?.unwrap() {
            Event::State(state) => state.version,
            _ => Some(0),
        }
    }

    #[test]
    fn a_queue_that_is_full_takes_nothing_until_all_was_read() {
        let queue = Queue::new(shared(1000));
        for number in 1..=3 {
            assert!(queue.push(event(number), None, 1));
        }
        assert!(!queue.push(event(4), None, 1) && queue.is_lagging());
        assert_eq!(next(&queue), Some(1));
        // There would be room, but what came before this is not here.
        assert!(!queue.push(event(5), None, 1) && !queue.resume());
        assert_eq!((next(&queue), next(&queue), next(&queue)), (Some(2), Some(3), None));
        assert!(queue.resume() && !queue.resume());
        assert!(queue.push(event(4), None, 1));
    }

    #[test]
    fn all_queues_share_their_bytes_and_one_event_of_any_size_is_taken() {
        let shared = shared(10);
        let (one, two) = (Queue::new(Arc::clone(&shared)), Queue::new(Arc::clone(&shared)));
        assert!(one.push(event(1), None, 100));
        assert!(!one.push(event(2), None, 1));
        assert!(two.push(event(3), None, 1) && !two.push(event(4), None, 1));
        drop(one);
        assert_eq!(next(&two), Some(3));
        assert_eq!(shared.used.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_gap_stands_right_before_what_comes_next() {
        let queue = Queue::new(shared(1000));
        queue.push(event(1), None, 1);
        queue.gap();
        queue.push(event(2), None, 1);
        assert_eq!((next(&queue), next(&queue), next(&queue)), (Some(1), Some(0), Some(2)));
    }

    #[test]
    fn what_the_reader_is_busy_with_is_not_behind_it() {
        let queue = Queue::new(shared(1000));
        let at = |number: u32| Some(Position::from(number.to_string().as_str()));
        queue.push(event(1), at(0), 1);
        queue.reach(at(1));
        queue.push(event(2), at(1), 1);
        queue.reach(at(2));
        assert_eq!(queue.consumed(), at(0));
        next(&queue);
        assert_eq!(queue.consumed(), at(0));
        next(&queue);
        assert_eq!(queue.consumed(), at(1));
        assert!(queue.take().is_none());
        assert_eq!(queue.consumed(), at(2));
    }

    #[test]
    fn a_mail_is_known_once_it_was_put_in_and_read_once_the_next_is_asked_for() {
        let queue = Queue::new(shared(1000));
        let mail = |id: &str| {
            let raw = RawValue::from_string("1".to_owned()).unwrap().into();
            let (event, position, mail) = ("n".to_owned(), None, Some(Arc::from(id)));
            Event::Message(Message { event, position, mail, raw })
        };
        queue.recall(&["m0".into()]);
        let read = || queue.consumed_mails().iter().map(ToString::to_string).collect::<Vec<_>>();
        queue.push(mail("m1"), None, 1);
        queue.push(mail("m2"), None, 1);
        assert!(queue.knows("m1") && queue.knows("m2") && !queue.knows("m3"));
        assert_eq!(read(), ["m0"]);
        queue.take();
        assert_eq!(read(), ["m0"], "it is busy with it");
        queue.take();
        assert_eq!(read(), ["m0", "m1"]);
        assert!(queue.take().is_none());
        assert_eq!(read(), ["m0", "m1", "m2"]);
    }

    #[test]
    fn an_end_comes_behind_what_waits_and_stays() {
        let queue = Queue::new(shared(1000));
        queue.push(event(1), None, 1);
        queue.end(Error::Unsubscribed);
        queue.end(Error::Closed);
        assert_eq!(next(&queue), Some(1));
        for _ in 0..2 {
            assert_eq!(queue.take().unwrap().unwrap_err(), Error::Unsubscribed);
        }
    }
}
