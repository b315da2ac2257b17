//! States that are kept, version by version.

use super::StoreResult;
use crate::domain::state_log::{KeptVersion, NewVersion, StateLogBounds, StoredState};
use crate::domain::{ChannelKey, Timestamp, Version};

/// Which version of a state is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WantedVersion {
    /// The one of this number.
    Number(Version),
    /// The one that was in force at this time.
    At(Timestamp),
}

/// What is known of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoundVersion {
    /// It is kept.
    Kept(Version, StoredState),
    /// It is not kept, or was never made; carries the oldest that is.
    Gone(Version),
}

/// A part of the versions that a channel keeps, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateLogPage {
    /// Only those before this one.
    pub before: Option<Version>,
    /// The most versions.
    pub limit: u64,
    /// The most bytes of patches, roughly; one may be larger.
    pub bytes: u64,
    /// What the channel keeps.
    pub bounds: StateLogBounds,
    /// The time now.
    pub now: Timestamp,
}

/// What is read of them; what is beyond the bounds counts as gone, whether or not it was deleted yet.
#[expect(clippy::missing_errors_doc, reason = "the same errors everywhere, as in ReadStore")]
pub trait ReadStateLog {
    /// A version of a channel's state; none where nothing is kept.
    fn find_version(
        &mut self,
        key: &ChannelKey,
        wanted: WantedVersion,
        bounds: &StateLogBounds,
        now: Timestamp,
    ) -> StoreResult<Option<FoundVersion>>;
    /// A part of the versions of a channel's state, and whether there are more; none where nothing is kept.
    fn kept_versions(
        &mut self,
        key: &ChannelKey,
        page: &StateLogPage,
    ) -> StoreResult<Option<(Vec<KeptVersion>, bool)>>;
    /// The logs in which something may be too old or too much, or that have lost their channel, at most `limit`.
    fn due_state_logs(&mut self, now: Timestamp, limit: u64) -> StoreResult<Vec<i64>>;
}

/// What is written of them.
#[expect(clippy::missing_errors_doc, reason = "each method names its refusals in its own sentence")]
pub trait WriteStateLog {
    /// Keeps a version of a channel's state; the first one begins the channel's log.
    fn keep_version(
        &mut self,
        key: &ChannelKey,
        version: &NewVersion,
        bounds: &StateLogBounds,
    ) -> StoreResult<()>;
    /// A channel keeps its versions no more, and those that it had kept are gone; nothing where nothing is kept.
    fn close_state_log(&mut self, key: &ChannelKey) -> StoreResult<()>;
    /// Deletes some of what is gone, at most `limit` versions; whether there may be more.
    fn prune_state_log(
        &mut self,
        log: i64,
        bounds: &StateLogBounds,
        now: Timestamp,
        limit: u64,
    ) -> StoreResult<bool>;
}
