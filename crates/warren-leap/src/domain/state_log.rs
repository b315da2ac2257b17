//! States that are kept, version by version: how many, how they are stored, and how one comes back.

use super::state::difference;
use super::{RawJson, State, StateChange, StateError, Timestamp, Version};
use std::sync::Arc;
use std::time::Duration;

/// The most versions that are stored as patches behind a whole one: so many are applied to read one.
pub const MOST_PATCHES: i64 = 49;
/// Two states of so many bytes together are not compared when one is stored, which everybody else would wait for: up to
/// 32 ns for each byte, with the proof that it comes back.
const COMPARED_BYTES: usize = 128 << 10;

/// What a channel with the capability `STATE_HISTORY` keeps at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateLogBounds {
    /// The most versions, the one in force among them.
    pub versions: u64,
    /// The most bytes, roughly, of what is stored; one version may be larger.
    pub bytes: u64,
    /// For how long a version is kept that is not in force any more.
    pub age: Duration,
}

impl Default for StateLogBounds {
    /// 1,000 versions, 64 MiB, 30 days.
    fn default() -> Self {
        Self { versions: 1000, bytes: 64 << 20, age: Duration::from_hours(30 * 24) }
    }
}

/// A version that is to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewVersion {
    /// Its number.
    pub version: Version,
    /// When it was made.
    pub at: Timestamp,
    /// By whom, where that is known: a token's handle or a member.
    pub by: Option<Arc<str>>,
    /// The state.
    pub state: State,
    /// What has changed since the version before, if that can be said.
    pub patch: Option<RawJson>,
    /// Whether the version before with that patch is this one, byte for byte.
    pub is_exact: bool,
}

impl NewVersion {
    /// A version of which nothing is known but itself.
    pub const fn first(
        state: State,
        version: Version,
        at: Timestamp,
        by: Option<Arc<str>>,
    ) -> Self {
        Self { version, at, by, state, patch: None, is_exact: false }
    }

    /// The same as one that follows this state.
    #[must_use]
    pub fn after(self, before: &State) -> Self {
        let bytes = self.state.json().as_str().len();
        if bytes.saturating_add(before.json().as_str().len()) > COMPARED_BYTES {
            return self;
        }
        let patch = difference(before, &self.state, bytes).map(RawJson::trusted);
        let again = patch.as_ref().map(|patch| patched(before, patch));
        let is_exact = again.is_some_and(|again| again.as_ref() == Ok(&self.state));
        Self { patch, is_exact, ..self }
    }
}

/// A state as it is stored: a whole one, and what was changed since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredState {
    /// The whole one.
    pub whole: State,
    /// The patches, oldest first.
    pub patches: Vec<RawJson>,
}

impl StoredState {
    /// The state itself.
    ///
    /// # Errors
    /// [`StateError`] where what is stored was changed by hand.
    pub fn rebuilt(&self) -> Result<State, StateError> {
        self.patches.iter().try_fold(self.whole.clone(), |state, patch| patched(&state, patch))
    }

    /// How many bytes are read and written to rebuild it, roughly.
    pub fn cost(&self) -> usize {
        let steps = self.patches.len().saturating_add(1);
        let patches = self.patches.iter().map(|patch| patch.as_str().len()).sum::<usize>();
        self.whole.json().as_str().len().saturating_add(patches).saturating_mul(steps)
    }
}

/// A state with a merge patch.
fn patched(state: &State, patch: &RawJson) -> Result<State, StateError> {
    state.apply(&StateChange::Merge(patch.clone()), usize::MAX)
}

/// One of the versions that are kept, as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptVersion {
    /// Its number.
    pub version: Version,
    /// When it was made.
    pub at: Timestamp,
    /// By whom, where that is known.
    pub by: Option<Arc<str>>,
    /// How many bytes the state has.
    pub bytes: u64,
    /// What has changed since the version before, if that can be said.
    pub patch: Option<RawJson>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A version that follows a state.
    fn after(before: &str, state: &str) -> NewVersion {
        let version = NewVersion::first(State::trusted(state), Version(2), Timestamp(0), None);
        version.after(&State::trusted(before))
    }

    #[test]
    fn a_version_is_a_patch_only_where_it_comes_back_byte_for_byte() {
        let known = |version: NewVersion| {
            (version.patch.map(|patch| patch.as_str().to_owned()), version.is_exact)
        };
        let long = "x".repeat(50);
        let text = |n: u32| format!(r#"{{"a":"{long}","n":{n}}}"#);
        assert_eq!(known(after(&text(1), &text(2))), (Some(r#"{"n":2}"#.to_owned()), true));
        let spaced = text(2).replace(',', ", ");
        assert_eq!(known(after(&text(1), &spaced)), (Some(r#"{"n":2}"#.to_owned()), false));
        assert_eq!(known(after(&text(1), r#"{"a":null}"#)), (None, false));
        let large = format!(r#"{{"a":"{}"}}"#, "x".repeat(COMPARED_BYTES));
        assert_eq!(known(after(&large, "{}")), (None, false));
    }

    #[test]
    fn a_state_is_rebuilt_of_what_is_stored() {
        let patches = [r#"{"a":2,"b":{"c":1}}"#, r#"{"b":{"d":2}}"#, r#"{"a":null}"#];
        let patches = patches.map(RawJson::trusted).to_vec();
        let stored = StoredState { whole: State::trusted(r#"{"a":1}"#), patches };
        assert_eq!(stored.rebuilt().unwrap().json().as_str(), r#"{"b":{"c":1,"d":2}}"#);
        let broken = StoredState { patches: vec![RawJson::trusted("[]")], ..stored };
        assert!(broken.rebuilt().is_err());
    }
}
