//! Where an event stands: which line it is on, and how many came before it there.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts the lines of this process.
static NEXT_LINE: AtomicU64 = AtomicU64::new(1);

/// The one order of what a channel or a session says, for as long as its actor lives; unique in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineId(NonZeroU64);

impl LineId {
    /// Its number, which no other line of this process has.
    pub const fn number(self) -> u64 {
        self.0.get()
    }

    /// The next one.
    pub fn next() -> Self {
        let number = NEXT_LINE.fetch_add(1, Ordering::Relaxed);
        Self(NonZeroU64::new(number).unwrap_or(NonZeroU64::MIN))
    }
}

/// One message's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The line.
    pub line: LineId,
    /// Its number there: the first message of a line has 1, each next one more.
    pub number: u64,
}

/// How far somebody has heard each of the lines that it hears; cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing(Arc<[Place]>);

impl Standing {
    /// The last message heard of each line, sorted by line.
    pub fn new(sorted: impl IntoIterator<Item = Place>) -> Self {
        Self(sorted.into_iter().collect())
    }

    /// The number of the last message of a line that was heard; none for a line that is not known.
    pub fn of(&self, line: LineId) -> Option<u64> {
        let at = self.0.binary_search_by_key(&line, |place| place.line).ok()?;
        self.0.get(at).map(|place| place.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standing_knows_its_lines_and_no_others() {
        let lines = [LineId::next(), LineId::next(), LineId::next()];
        let standing = Standing::new(
            [(lines[0], 3), (lines[2], 0)].map(|(line, number)| Place { line, number }),
        );
        assert_eq!(lines.map(|line| standing.of(line)), [Some(3), None, Some(0)]);
    }
}
