//! What is asked of a line, and what comes of it.

use crate::bus::{LineEntry, Ordered};
use crate::domain::{Epoch, Position, Version};

/// Where a line stands for who opens it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineOpening {
    /// Behind all that was said.
    pub position: Position,
    /// The last durable number that was said; none while nobody has settled it ([`RedisWire::settle`](super::RedisWire::settle)).
    pub durable: Option<Version>,
}

/// What is to be said.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// The epoch in which the line is known to be.
    pub epoch: Epoch,
    /// What.
    pub entry: LineEntry,
    /// Whether a state stands for all before it that were not said.
    pub is_repair: bool,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendOutcome {
    /// It stands there, and so has been sent to all who hear.
    At(Position),
    /// A state before it is still to come; then it is said by itself.
    Stashed,
    /// The line has said it, or a state that stands for it.
    Repeat,
    /// The line is in another epoch: it has to be opened again.
    Moved,
    /// Nobody has said yet which state the store had when the line began: to be settled first.
    Unsettled,
    /// Too much waits for a state that has not come.
    Full,
}

/// What lies behind a place.
#[derive(Clone, Debug)]
pub struct WindowRead {
    /// The entries that are at hand, in order. The first of them shows whether some before it are not.
    pub entries: Vec<Ordered>,
    /// Where the line stands behind them; none if it is not known any more and has to be opened again.
    pub position: Option<Position>,
}
