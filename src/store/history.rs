//! Messages that are kept, and how far the lines have come on which they stand.
//!
//! The store numbers what such a line says, in the order in which it becomes durable.

use super::StoreResult;
use crate::domain::{
    ChannelKey, Epoch, HistoryBounds, HistoryLimits, KeptMessage, Message, Position, Timestamp,
};
use std::sync::Arc;

/// A line as the store knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredLine {
    /// The place of the last that was said.
    pub position: Position,
    /// What the channel's back end narrowed.
    pub limits: HistoryLimits,
}

/// A part of what a line keeps; what is beyond the bounds counts as gone, whether or not it was deleted yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryPage {
    /// Only what stands behind this offset.
    pub after: Option<u64>,
    /// Only what stands before this one.
    pub before: Option<u64>,
    /// Whether the newest come first.
    pub is_descending: bool,
    /// The most messages.
    pub limit: u64,
    /// The most bytes, roughly; one message may be larger.
    pub bytes: u64,
    /// What the line keeps, unless its channel narrowed that.
    pub bounds: HistoryBounds,
    /// The time now.
    pub now: Timestamp,
}

/// Such a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptPage {
    /// The line.
    pub line: StoredLine,
    /// The offset behind which nothing is gone.
    pub oldest: u64,
    /// The messages.
    pub messages: Vec<KeptMessage>,
    /// Whether there are more of what was asked for.
    pub has_more: bool,
}

/// A message that is to be kept.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// The message.
    pub message: Message,
    /// The member that publishes it.
    pub from: Option<Arc<str>>,
    /// When it is published.
    pub at: Timestamp,
}

/// A message that was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Where it stands.
    pub position: Position,
    /// Whether the line has so much more than it keeps that some should be deleted.
    pub is_over: bool,
}

/// What a step of deleting came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PruneStep {
    /// How many messages it deleted.
    pub deleted: u64,
    /// Whether there may be more to delete.
    pub has_more: bool,
}

/// What is read of them.
#[expect(clippy::missing_errors_doc, reason = "the same errors everywhere, as in ReadStore")]
pub trait ReadHistory {
    /// A channel's line; none where nothing is kept.
    fn find_line(&mut self, key: &ChannelKey) -> StoreResult<Option<StoredLine>>;
    /// A part of what a channel's line keeps; none where nothing is kept.
    fn kept_messages(
        &mut self,
        key: &ChannelKey,
        page: &HistoryPage,
    ) -> StoreResult<Option<KeptPage>>;
    /// The lines on which something may be too old, or that have lost their channel, at most `limit`.
    fn due_lines(&mut self, now: Timestamp, limit: u64) -> StoreResult<Vec<Epoch>>;
}

/// What is written of them.
#[expect(clippy::missing_errors_doc, reason = "each method names its refusals in its own sentence")]
pub trait WriteHistory {
    /// A channel keeps its messages from now on, on a line of this epoch, which no line has had; what it had kept before is
    /// gone.
    fn open_line(
        &mut self,
        key: &ChannelKey,
        epoch: Epoch,
        limits: HistoryLimits,
    ) -> StoreResult<()>;
    /// A channel's line keeps less, or more again; nothing where nothing is kept.
    fn narrow_line(&mut self, key: &ChannelKey, limits: HistoryLimits) -> StoreResult<()>;
    /// A channel keeps its messages no more, and what it had kept is gone; nothing where nothing is kept.
    fn close_line(&mut self, key: &ChannelKey) -> StoreResult<()>;
    /// Keeps a message as the next that the channel's line says. Errors: `NotFound(Channel)` where nothing is kept.
    fn append_message(
        &mut self,
        key: &ChannelKey,
        message: &NewMessage,
        bounds: &HistoryBounds,
    ) -> StoreResult<Appended>;
    /// Something else takes the next place on a channel's line; none where nothing is kept.
    fn take_place(&mut self, key: &ChannelKey) -> StoreResult<Option<Position>>;
    /// What stands before a place is gone. Errors: `NotFound(Channel)` where nothing is kept on that line.
    fn trim_line(&mut self, key: &ChannelKey, before: Position) -> StoreResult<()>;
    /// Deletes some of what is gone, at most `limit` messages.
    fn prune_line(
        &mut self,
        epoch: Epoch,
        bounds: &HistoryBounds,
        now: Timestamp,
        limit: u64,
    ) -> StoreResult<PruneStep>;
}
