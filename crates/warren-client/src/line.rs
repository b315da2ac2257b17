//! One line as this client hears it: how far, and what has to be told.

use crate::event::Event;
use crate::frame::Standing;
use crate::position::Position;
use crate::queue::Queue;
use std::sync::Arc;

/// A channel's line, or a token's own.
#[derive(Debug)]
pub(crate) struct Line {
    /// How far it was heard: what to go on from.
    position: Option<Position>,
    /// Where it stood when this connection began to hear it. What follows the beginning may stand before that, so it
    /// counts once all of that has come, and only if nothing has.
    start: Option<Position>,
    /// Whether it was ever heard.
    is_heard: bool,
    /// Where what it tells is read.
    pub(crate) queue: Arc<Queue>,
}

impl Line {
    /// One that is heard from there on.
    pub(crate) fn new(queue: Arc<Queue>, position: Option<Position>) -> Self {
        queue.reach(position.clone());
        Self { position, start: None, is_heard: false, queue }
    }

    /// How far it was heard.
    pub(crate) const fn position(&self) -> Option<&Position> {
        self.position.as_ref()
    }

    /// Whether something would be missing if the server said nothing of what was before.
    pub(crate) const fn has_past(&self) -> bool {
        self.is_heard || self.position.is_some()
    }

    /// A connection begins to hear it. `is_doubtful`: whether something may be missing though the server says nothing.
    pub(crate) fn begin(&mut self, standing: Standing, is_doubtful: bool) {
        let Standing { position, recovered } = standing;
        self.is_heard = true;
        if recovered == Some(false) {
            // Nothing of what is missing comes, so there is nothing between here and there.
            self.set(position.clone());
        }
        // A connection that broke before all that was kept had come: somebody else may have been given the rest.
        let is_unsettled =
            self.start.as_ref().is_some_and(|start| Some(start) != position.as_ref());
        if recovered == Some(false) || (recovered.is_none() && (is_doubtful || is_unsettled)) {
            self.queue.gap();
        }
        // What is recovered comes yet, and each of it says how far that is.
        self.start = if recovered == Some(true) { None } else { position };
    }

    /// All that followed the beginning has come.
    pub(crate) fn settle(&mut self) {
        if let Some(start) = self.start.take()
            && !self.queue.is_lagging()
        {
            self.set(Some(start));
        }
    }

    /// It is heard no more; what is said from here on is not for this client.
    pub(crate) fn forget(&mut self) {
        self.start = None;
        self.is_heard = false;
        self.set(None);
    }

    /// Something is told. What does not fit is not heard, and will be once the reader has caught up.
    pub(crate) fn hear(&mut self, event: Event, at: Option<Position>, bytes: usize) {
        if self.queue.push(event, self.position.clone(), bytes) && at.is_some() {
            self.start = None;
            self.set(at);
        }
    }

    /// Something was heard and is told to nobody.
    pub(crate) fn pass(&mut self, at: Option<Position>) {
        if at.is_some() && !self.queue.is_lagging() {
            self.start = None;
            self.set(at);
        }
    }

    /// It was heard up to there.
    fn set(&mut self, position: Option<Position>) {
        self.position = position;
        self.queue.reach(self.position.clone());
    }
}
