//! A channel's state changes on their way to the disk, in order.
//!
//! A change is made on top of the last accepted state, though that may not be durable yet; it is shown only after its
//! own commit and all before it. When a commit fails, those behind it fail as well, because each was stored on the
//! condition that the version before it is there.

use super::super::ask::{AskError, ChangeError};
use crate::domain::{Change, State, Version};
use crate::store::{StoreError, Thing};
use std::collections::VecDeque;
use tokio::sync::oneshot;

/// Who waits for a change.
type Asker = oneshot::Sender<Result<(State, Version), ChangeError>>;

/// A change that was accepted.
struct Pending {
    /// The state that it makes.
    state: State,
    /// The version that it makes.
    version: Version,
    /// Who asked.
    asker: Asker,
    /// How its commit ended, once it has.
    outcome: Option<Result<(), AskError>>,
}

/// A change that can be shown.
pub struct Shown {
    /// The new state.
    pub state: State,
    /// Its version.
    pub version: Version,
    /// Who asked; to be told after the change was dispatched.
    pub asker: Asker,
}

/// The changes of one channel that are under way.
pub struct Changes {
    /// The last accepted state.
    state: State,
    /// Its version.
    version: Version,
    /// The changes under way, oldest first.
    pending: VecDeque<Pending>,
    /// Why a commit failed, if one did: the accepted state is not the stored one any more.
    fault: Option<AskError>,
}

impl Changes {
    /// Nothing under way.
    pub const fn new(state: State, version: Version) -> Self {
        Self { state, version, pending: VecDeque::new(), fault: None }
    }

    /// Makes a change on top of the last accepted state.
    ///
    /// # Errors
    /// [`ChangeError`]; nothing is under way then.
    pub fn accept(
        &self,
        change: &Change,
        if_version: Option<Version>,
        limit: usize,
    ) -> Result<(State, Version), ChangeError> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone().into());
        }
        if if_version.is_some_and(|expected| expected != self.version) {
            return Err(ChangeError::Stale(self.version));
        }
        Ok((self.state.apply(change, limit)?, self.version.next()))
    }

    /// Puts an accepted change under way.
    pub fn push(&mut self, state: State, version: Version, asker: Asker) {
        self.state = state.clone();
        self.version = version;
        self.pending.push_back(Pending { state, version, asker, outcome: None });
    }

    /// Notes how a commit ended and returns what can be shown now, in order.
    pub fn committed(&mut self, version: Version, outcome: Result<(), AskError>) -> Vec<Shown> {
        if let Some(pending) = self.pending.iter_mut().find(|pending| pending.version == version) {
            pending.outcome = Some(outcome);
        }
        let mut shown = Vec::new();
        while let Some(Pending { outcome: Some(outcome), state, version, asker }) =
            self.pending.pop_front_if(|pending| pending.outcome.is_some())
        {
            match outcome {
                Ok(()) => shown.push(Shown { state, version, asker }),
                Err(error) => {
                    let fault = self.fault.get_or_insert_with(|| cause(error));
                    // The asker may have gone; the channel is reloaded either way.
                    let _ = asker.send(Err(fault.clone().into()));
                }
            }
        }
        shown
    }

    /// The channel was deleted behind all that is under way: whoever has no answer yet finds no channel.
    pub fn end(&mut self) {
        for Pending { asker, .. } in self.pending.drain(..) {
            // The asker may have gone.
            let _ = asker.send(Err(AskError::not_found(Thing::Channel).into()));
        }
    }

    /// Whether nothing is under way.
    pub fn is_settled(&self) -> bool {
        self.pending.is_empty()
    }

    /// Whether the state must be read again from the store: a commit failed and nothing is under way any more.
    pub fn needs_reload(&self) -> bool {
        self.fault.is_some() && self.pending.is_empty()
    }

    /// Goes on from what the store has.
    pub fn reloaded(&mut self, state: State, version: Version) {
        *self = Self::new(state, version);
    }
}

/// Why a line of changes broke, from its first failure: the later ones only follow from it. That the stored version is not
/// the one that was accepted before is nobody's stale picture but ours.
fn cause(first: AskError) -> AskError {
    match first {
        AskError::Store(StoreError::VersionConflict) => AskError::Overloaded,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::RawJson;

    /// Accepts and pushes `{"n":<n>}`.
    fn push(
        changes: &mut Changes,
        n: u32,
    ) -> oneshot::Receiver<Result<(State, Version), ChangeError>> {
        let (asker, answer) = oneshot::channel();
        let change = Change::Shallow(RawJson::parse(&format!("{{\"n\":{n}}}")).unwrap());
        let (state, version) = changes.accept(&change, None, 100).unwrap();
        changes.push(state, version, asker);
        answer
    }

    #[test]
    fn changes_are_shown_in_order_whatever_order_the_answers_have() {
        let mut changes = Changes::new(State::empty(), Version(1));
        let _answers = [push(&mut changes, 1), push(&mut changes, 2), push(&mut changes, 3)];
        assert!(changes.committed(Version(3), Ok(())).is_empty());
        let first = changes.committed(Version(2), Ok(()));
        assert_eq!(first.iter().map(|shown| shown.version.0).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(changes.committed(Version(4), Ok(())).len(), 1);
        assert!(changes.is_settled() && !changes.needs_reload());
    }

    #[test]
    fn a_failed_commit_stops_the_line_until_a_reload() {
        let mut changes = Changes::new(State::empty(), Version(1));
        let (mut one, mut two) = (push(&mut changes, 1), push(&mut changes, 2));
        let failed = AskError::Store(StoreError::Unavailable("full".into()));
        assert!(changes.committed(Version(2), Err(failed.clone())).is_empty());
        assert!(!changes.needs_reload(), "one is still under way");
        let refused = changes.accept(&Change::Replace(RawJson::trusted("{}")), None, 9);
        assert_eq!(refused.map(drop), Err(failed.clone().into()));
        // What followed was stored on a version that is not there: it fails for the same reason, not for that.
        changes.committed(Version(3), Err(StoreError::VersionConflict.into()));
        assert!(changes.needs_reload());
        assert_eq!(one.try_recv().unwrap(), Err(failed.clone().into()));
        assert_eq!(two.try_recv().unwrap(), Err(failed.into()));
        changes.reloaded(State::empty(), Version(1));
        assert_eq!(
            changes.accept(&Change::Replace(RawJson::trusted("{}")), None, 9).unwrap().1,
            Version(2)
        );
    }

    #[test]
    fn a_stored_version_that_others_made_is_nobodys_stale_picture() {
        for (failure, cause) in [
            (StoreError::VersionConflict, AskError::Overloaded),
            (StoreError::NotFound(Thing::Channel), AskError::not_found(Thing::Channel)),
        ] {
            let mut changes = Changes::new(State::empty(), Version(1));
            let mut answer = push(&mut changes, 1);
            changes.committed(Version(2), Err(failure.into()));
            assert_eq!(answer.try_recv().unwrap(), Err(cause.into()));
        }
    }

    #[test]
    fn a_stale_version_is_refused_against_the_last_accepted_one() {
        let mut changes = Changes::new(State::empty(), Version(5));
        let _answer = push(&mut changes, 1);
        let change = Change::Replace(RawJson::trusted("{}"));
        assert_eq!(
            changes.accept(&change, Some(Version(5)), 9),
            Err(ChangeError::Stale(Version(6)))
        );
        assert!(changes.accept(&change, Some(Version(6)), 9).is_ok());
    }
}
