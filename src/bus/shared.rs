//! A bus that several servers share: what is asked of it, and what comes of that.
//!
//! A channel opens its line, proposes there, and hears what was ordered, what it has said itself among it. No I/O here.

use super::error::BusError;
use super::others::OtherServers;
use super::{LineEntry, Ordered};
use crate::domain::{ChannelKey, Epoch, Position, Version};
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

/// What whoever has opened a line is told.
#[derive(Clone, Debug)]
pub enum LineNews {
    /// Something was said.
    Said(Ordered),
    /// The bus is back, and may have said things meanwhile that were not heard.
    Back,
}

/// A line that is heard for as long as this is held.
pub struct OpenLine {
    /// Where it stands.
    pub opening: LineOpening,
    /// What comes behind that. It ends when more was said than whoever holds it has taken: then some of it is lost.
    pub news: mpsc::Receiver<LineNews>,
    /// Lets the line go with it.
    pub hold: Box<dyn Send>,
}

/// A bus that several servers share. All that it is asked fails by [`BusError`].
pub trait SharedBus: OtherServers {
    /// Opens the line of a channel, of which `incarnation` rises each time that one is made by that name; `epoch` is one that
    /// no line has had, for where this one begins. The store is to be read behind this.
    fn open(
        &self,
        key: &ChannelKey,
        incarnation: u64,
        epoch: Epoch,
    ) -> BoxFuture<'_, Result<OpenLine, BusError>>;
    /// Says which state the store had after the line was opened; the first who says it counts. Returns what counts; none if the
    /// line is in another epoch by now.
    fn settle(
        &self,
        key: &ChannelKey,
        epoch: Epoch,
        stored: Version,
    ) -> BoxFuture<'_, Result<Option<Version>, BusError>>;
    /// Puts something in order, behind what was appended before, and says it to all who hear the line.
    fn append(
        &self,
        key: &ChannelKey,
        proposal: Proposal,
    ) -> BoxFuture<'_, Result<AppendOutcome, BusError>>;
    /// Reads what lies behind a place.
    fn read(
        &self,
        key: &ChannelKey,
        after: Position,
    ) -> BoxFuture<'_, Result<WindowRead, BusError>>;
    /// Whether it can be reached now.
    fn is_there(&self) -> bool;
}

/// Where a line stands for who opens it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineOpening {
    /// Behind all that was said.
    pub position: Position,
    /// The last durable number that was said; none while nobody has settled it ([`SharedBus::settle`]).
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
