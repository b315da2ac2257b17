//! The one order of what a channel or a session says, and what of it is still at hand.
//!
//! Whoever has something to say hands it to its [`Line`], which numbers the messages and keeps the newest in a
//! [`window`](Window): a connection that ends tells how far it has heard, and gets the rest from there, however it came
//! to miss it. No I/O here; time comes in as an argument.

mod budget;
mod window;

pub use budget::{Loan, WindowBudget, WindowShare};
pub use window::{Missing, WindowBounds};

use crate::domain::{Epoch, LineId, Place, Position, Since, Standing};
use crate::faults::{Fault, is_planted};
use crate::protocol::{EncodedEvent, LineStanding};
use std::sync::Arc;
use tokio::time::Instant;
use window::Window;

/// A connection that has gone.
#[derive(Clone, Copy, Debug)]
pub struct GoneReader {
    /// The number of the last message before it came.
    pub since: u64,
    /// The same of its session's other connections, of which the longest there counts; none if there are none.
    pub others: Option<u64>,
}

/// What came of taking a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It is the next one.
    Next,
    /// It was taken before.
    Repeat,
    /// Something before it is missing.
    Gap {
        /// How much; none if nobody knows, because the line has lost its order.
        lost: Option<u64>,
    },
}

/// Where a line stands for somebody who comes to it.
#[derive(Clone, Debug)]
pub struct Recovery {
    /// The place, and whether nothing is missing.
    pub standing: LineStanding,
    /// All messages behind the place that was named, in order; none where one of them is not at hand.
    pub events: Vec<Arc<EncodedEvent>>,
}

/// A line.
pub struct Line {
    /// Which one.
    id: LineId,
    /// Where it stands: the last of all that was said.
    position: Position,
    /// The number of the last message.
    last: u64,
    /// The newest messages.
    window: Window,
}

impl Line {
    /// A line on which nothing has been said yet; no other may have had that epoch.
    pub fn new(epoch: Epoch, bounds: WindowBounds, share: Arc<WindowShare>) -> Self {
        let (id, position) = (LineId::next(), Position::start(epoch));
        Self { id, position, last: 0, window: Window::new(bounds, share) }
    }

    /// It goes on behind this place, which somebody else has counted.
    pub fn open_at(&mut self, position: Position) {
        self.position = position;
        self.window.forget(position.offset);
    }

    /// These messages stand in front of where it goes on, in order, and are all behind an offset: they are at hand, and have no
    /// numbers, as nobody here has heard them.
    pub fn restore(
        &mut self,
        behind: u64,
        messages: impl IntoIterator<Item = EncodedEvent>,
        now: Instant,
    ) {
        self.window.restore(behind, messages, now);
    }

    /// What stands up to this place is nothing that would be missed: it goes on behind it, with all that it has at hand.
    pub const fn pass_to(&mut self, position: Position) {
        self.position = position;
    }

    /// The place of the last that was said.
    pub const fn position(&self) -> Position {
        self.position
    }

    /// Takes the place of what is said next. What was left out before it counts as so many messages, of which none is at
    /// hand.
    pub fn accept(&mut self, position: Position) -> Accepted {
        let is_blind = is_planted(Fault::LineIgnoresGaps) && position.offset > self.position.offset;
        if position == self.position.next() || is_blind {
            self.position = position;
            return Accepted::Next;
        }
        if is_planted(Fault::LineTakesRepeats) && position.epoch == self.position.epoch {
            return Accepted::Next;
        }
        if position.epoch == self.position.epoch && position.offset <= self.position.offset {
            return Accepted::Repeat;
        }
        let lost = self.skip_to(Position { offset: position.offset.saturating_sub(1), ..position });
        self.position = position;
        Accepted::Gap { lost }
    }

    /// Goes on behind a place; what lies before it and was not taken counts as so many messages, if that is known.
    pub fn skip_to(&mut self, position: Position) -> Option<u64> {
        let is_same = position.epoch == self.position.epoch;
        let known = if is_same { self.position.offset } else { 0 };
        let lost = position.offset.saturating_sub(known);
        self.position = position;
        self.last = self.last.saturating_add(lost);
        self.window.forget(position.offset);
        is_same.then_some(lost)
    }

    /// What stands before an offset is not at hand any more.
    pub fn trim(&mut self, before: u64) {
        self.window.trim(before);
    }

    /// Which one.
    pub const fn id(&self) -> LineId {
        self.id
    }

    /// The number of the last message; 0 before the first.
    pub const fn last(&self) -> u64 {
        self.last
    }

    /// Takes what this line alone orders, and shows it behind everything else.
    pub fn say(&mut self, event: EncodedEvent, now: Instant) -> Arc<EncodedEvent> {
        if event.event().is_on_line() {
            self.position = self.position.next();
        }
        self.show(event, now)
    }

    /// Takes what is to be shown and has been accepted: it gets its position, if it is something that lines say; a message
    /// gets its number and stays at hand.
    pub fn show(&mut self, event: EncodedEvent, now: Instant) -> Arc<EncodedEvent> {
        let is_on_line = event.event().is_on_line();
        let event = if is_on_line { event.said_at(self.position) } else { event };
        if !event.event().is_message() {
            return Arc::new(event);
        }
        self.last += 1;
        let message = Arc::new(event.at(Place { line: self.id, number: self.last }));
        self.window.push(Arc::clone(&message), now);
        message
    }

    /// What a connection that has gone has not heard, but for what another one of its session hears. One that knows nothing
    /// of the line has heard it up to where it came in.
    pub fn unheard(&self, heard: &Standing, gone: GoneReader) -> Missing {
        let heard = heard.of(self.id).unwrap_or(gone.since);
        self.between(heard, gone.others.unwrap_or(self.last))
    }

    /// What was hoped to arrive and did not, but for what others of its session heard, behind that number.
    pub fn unarrived(&self, heard: &Standing, hoped: &Standing, others: Option<u64>) -> Missing {
        match (heard.of(self.id), hoped.of(self.id)) {
            (Some(heard), Some(hoped)) => self.between(heard, hoped.min(others.unwrap_or(hoped))),
            _ => Missing::default(),
        }
    }

    /// The messages behind one number, up to another.
    fn between(&self, after: u64, upto: u64) -> Missing {
        self.window.between(after, upto.min(self.last))
    }

    /// The messages behind a number.
    pub fn after(&self, number: u64) -> Missing {
        self.between(number, self.last)
    }

    /// The offset of a position, if it is one of this line.
    fn offset_of(&self, since: Since) -> Option<u64> {
        let Since(Some(Position { epoch, offset })) = since else { return None };
        let is_known = epoch == self.position.epoch && offset <= self.position.offset;
        is_known.then_some(offset)
    }

    /// All messages behind a position, in order; none if one of them is not at hand, or nobody knows.
    pub fn since(&self, since: Since) -> Option<Vec<Arc<EncodedEvent>>> {
        self.window.since(self.offset_of(since)?)
    }

    /// The offset of a position of this line behind which something is not at hand; none of any other position.
    pub fn lacks(&self, since: Since) -> Option<u64> {
        self.offset_of(since).filter(|offset| !self.window.has_all_behind(*offset))
    }

    /// Whether so many of the newest messages are at hand, or all that there ever were.
    pub fn has_newest(&self, count: u64) -> bool {
        self.window.has_newest(count)
    }

    /// The newest messages, so many at most and as far as they are at hand.
    pub fn newest(&self, count: u64) -> Vec<Arc<EncodedEvent>> {
        self.window.newest(count)
    }

    /// Whether who hears what comes behind a number misses nothing that came behind a position.
    pub fn is_heard(&self, since: Since, number: u64) -> bool {
        // What was said before there was anybody has no number.
        let number_of = |event: &Arc<EncodedEvent>| event.place().map_or(0, |place| place.number);
        let first = self.since(since).map(|events| events.first().map(number_of));
        first.is_some_and(|first| first.is_none_or(|first| first > number))
    }

    /// Where it stands, and the messages behind a position, if somebody names one and they are all at hand.
    pub fn recover(&self, since: Option<Since>) -> Recovery {
        let found = since.map(|since| self.since(since));
        let standing = LineStanding {
            position: self.position,
            recovered: found.as_ref().map(Option::is_some),
        };
        Recovery { standing, events: found.flatten().unwrap_or_default() }
    }

    /// Lets go of what is too old; whether anything is left.
    pub fn expire(&mut self, now: Instant) -> bool {
        self.window.expire(now);
        !self.window.is_empty()
    }
}
