//! Heartbeats: whether the line is alive, and when all that the server wrote before a moment has come.

use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// What is known once a heartbeat is acknowledged: the server writes in order, so all that it wrote before is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// The line is alive.
    Beat,
    /// What followed `INIT` has come.
    Init,
    /// What this channel was to begin with has come.
    Begun(String),
}

/// What a moment asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pulse {
    /// Nothing.
    Quiet,
    /// A heartbeat.
    Beat,
    /// The line is dead.
    Dead,
}

/// The heartbeats of one connection.
#[derive(Debug)]
pub(crate) struct Heart {
    /// From one to the next.
    interval: Duration,
    /// How long after one nothing may come before the line counts as dead.
    patience: Duration,
    /// When to look again.
    next: Instant,
    /// Whether the last one is acknowledged.
    is_acked: bool,
    /// Whether anything came since the last look.
    is_heard: bool,
    /// What the tags under way mean.
    marks: BTreeMap<u64, Mark>,
    /// How many tags were given out.
    tags: u64,
}

impl Heart {
    /// Heartbeats so often, the first one now.
    pub(crate) const fn new(interval: Duration, patience: Duration, now: Instant) -> Self {
        let marks = BTreeMap::new();
        Self { interval, patience, next: now, is_acked: true, is_heard: false, marks, tags: 0 }
    }

    /// When something is to be done.
    pub(crate) const fn due(&self) -> Instant {
        self.next
    }

    /// Something came.
    pub(crate) const fn heard(&mut self) {
        self.is_heard = true;
    }

    /// What there is to be done now.
    pub(crate) fn pulse(&mut self, now: Instant) -> Pulse {
        if now < self.next {
            return Pulse::Quiet;
        }
        if self.is_acked {
            (self.is_acked, self.is_heard) = (false, false);
            self.next = now + self.patience;
            return Pulse::Beat;
        }
        if !self.is_heard {
            return Pulse::Dead;
        }
        // It is alive, and writes something long before it gets to the answer.
        self.is_heard = false;
        self.next = now + self.patience;
        Pulse::Quiet
    }

    /// The tag of a heartbeat that means this.
    pub(crate) fn tag(&mut self, mark: Mark) -> u64 {
        self.tags += 1;
        self.marks.insert(self.tags, mark);
        self.tags
    }

    /// A tag came back: what it means.
    pub(crate) fn acked(&mut self, tag: u64, now: Instant) -> Option<Mark> {
        let mark = self.marks.remove(&tag)?;
        if mark == Mark::Beat && !self.is_acked {
            self.is_acked = true;
            self.next = now + self.interval.saturating_sub(self.patience);
        }
        Some(mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_line_on_which_nothing_comes_is_dead_and_one_that_is_busy_is_not() {
        let start = Instant::now();
        let mut heart = Heart::new(SECOND * 10, SECOND * 4, start);
        assert_eq!(heart.pulse(start), Pulse::Beat);
        let tag = heart.tag(Mark::Beat);
        assert_eq!(heart.pulse(start + SECOND * 3), Pulse::Quiet);
        assert_eq!(heart.acked(tag, start + SECOND * 3), Some(Mark::Beat));
        assert_eq!(heart.acked(tag, start), None, "a tag comes back once");
        assert_eq!(heart.due(), start + SECOND * 9);
        assert_eq!(heart.pulse(start + SECOND * 9), Pulse::Beat);
        heart.heard();
        assert_eq!(heart.pulse(start + SECOND * 13), Pulse::Quiet);
        assert_eq!(heart.pulse(start + SECOND * 17), Pulse::Dead);
    }

    #[test]
    fn what_a_tag_means_is_known_when_it_comes_back() {
        let start = Instant::now();
        let mut heart = Heart::new(SECOND, SECOND, start);
        let init = heart.tag(Mark::Init);
        let begun = heart.tag(Mark::Begun("room".to_owned()));
        assert_eq!(heart.acked(begun, start), Some(Mark::Begun("room".to_owned())));
        assert_eq!(heart.acked(init, start), Some(Mark::Init));
    }
}
