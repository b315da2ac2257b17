//! What a connection was given at its beginning and has not been seen to take.
//!
//! A session hands what it kept to the next connection, and that one may be gone before it has read a thing. So it is held
//! until the client has shown that it is there: a frame of its own after INIT, or a while in which its side acknowledged
//! what it got. If it ends before, the session gets it back.

use super::report::{Home, Report, Undelivered};
use crate::domain::LineId;
use crate::protocol::EncodedEvent;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a connection has to last before what its side acknowledged counts as read: a client that dies at once has
/// an operating system that acknowledges and nobody who reads.
const READ_AFTER: Duration = Duration::from_secs(1);

/// What a session kept, on its way to a connection.
#[derive(Default)]
pub struct Kept {
    /// The messages, in order.
    pub events: Vec<Arc<EncodedEvent>>,
    /// How many INIT says are missed.
    pub missed: u64,
    /// Where it goes if the connection does not take it.
    pub home: Option<Home>,
}

impl Kept {
    /// The connection has gone: the session gets it back.
    pub(super) fn give_back(self) {
        let Self { events: kept, missed, home } = self;
        if let Some(home) = home
            && (missed > 0 || !kept.is_empty())
        {
            let undelivered = Undelivered { kept, missed, ..Undelivered::default() };
            home.report(Report::Returned(undelivered));
        }
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("events", &self.events.len()).finish_non_exhaustive()
    }
}

/// A kept message that followed INIT.
struct OwedMessage {
    /// Where its frame ends among all bytes of the connection.
    end: u64,
    /// The message.
    dispatch: Arc<EncodedEvent>,
}

/// What a connection has not been seen to take.
pub(super) struct Owed {
    /// Where INIT ends.
    init_end: u64,
    /// How many it says are missed.
    missed: u64,
    /// What had been kept, in order.
    due: VecDeque<OwedMessage>,
    /// Where what was held back for INIT ends; none if nothing was, or that was taken.
    held_end: Option<u64>,
    /// When it was written.
    since: Instant,
}

impl Owed {
    /// INIT alone, which ends there and says that so many are missed.
    pub(super) fn new(init_end: u64, missed: u64) -> Self {
        Self { init_end, missed, due: VecDeque::new(), held_end: None, since: Instant::now() }
    }

    /// A kept message follows whose frame ends there.
    pub(super) fn add(&mut self, end: u64, dispatch: &Arc<EncodedEvent>) {
        if dispatch.event().is_message() {
            self.due.push_back(OwedMessage { end, dispatch: Arc::clone(dispatch) });
        }
    }

    /// What was held back for INIT follows, and ends there.
    pub(super) const fn hold(&mut self, end: u64) {
        self.held_end = Some(end);
    }

    /// Whether nothing is owed any more.
    pub(super) fn is_settled(&self) -> bool {
        self.due.is_empty() && self.missed == 0 && self.held_end.is_none()
    }

    /// Whether the connection has lasted so long that what arrived counts as read.
    pub(super) fn is_old(&self) -> bool {
        self.since.elapsed() >= READ_AFTER
    }

    /// The client has shown that it is there, and everything up to here has arrived.
    pub(super) fn taken(&mut self, upto: u64) {
        if self.init_end <= upto {
            self.missed = 0;
        }
        self.held_end.take_if(|end| *end <= upto);
        while self.due.front().is_some_and(|due| due.end <= upto) {
            self.due.pop_front();
        }
    }

    /// The number of the first message of a line that has not arrived, if everything up to here has.
    pub(super) fn first_due(&self, line: LineId, upto: u64) -> Option<u64> {
        let late = self.due.iter().filter(|due| due.end > upto);
        late.filter_map(|due| due.dispatch.place())
            .filter(|place| place.line == line)
            .map(|place| place.number)
            .min()
    }

    /// Everything from here on is not going to be written.
    pub(super) fn cut(&mut self, from: u64) -> Undelivered {
        let at = self.due.partition_point(|due| due.end <= from);
        let missed = if self.init_end > from { std::mem::take(&mut self.missed) } else { 0 };
        undelivered(self.due.split_off(at), missed)
    }

    /// The connection has ended, and everything up to here, if that is known, was acknowledged.
    pub(super) fn ended(mut self, upto: Option<u64>) -> Undelivered {
        if let Some(upto) = upto.filter(|_| self.is_old()) {
            self.taken(upto);
        }
        undelivered(self.due, self.missed)
    }
}

/// What did not reach a connection.
fn undelivered(due: VecDeque<OwedMessage>, missed: u64) -> Undelivered {
    let kept = due.into_iter().map(|due| due.dispatch).collect();
    Undelivered { kept, missed, lost: 0 }
}
