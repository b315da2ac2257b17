//! Where something stands on a line.

/// A stretch of a line within which nothing is left out and nothing said twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(pub u64);

/// A place on a line, for everything that is said there: states count as well as messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// Which stretch.
    pub epoch: Epoch,
    /// How much was said up to there, this included.
    pub offset: u64,
}

impl Position {
    /// Before everything.
    pub const fn start(epoch: Epoch) -> Self {
        Self { epoch, offset: 0 }
    }

    /// The next one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self { offset: self.offset.saturating_add(1), ..self }
    }
}
