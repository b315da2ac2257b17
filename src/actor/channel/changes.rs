//! A channel's state changes on their way to the disk, in order.
//!
//! One that takes long to apply is applied elsewhere, and those that come meanwhile wait behind it. A change is made on top of the last accepted state, though that may not be durable yet; it is shown only after its
//! own commit and all before it. When a commit fails, those behind it fail as well, because each was stored on the
//! condition that the version before it is there.

use super::super::ask::{AskError, ChangeError};
use crate::domain::{Change, State, Version};
use crate::store::{StoreError, Thing};
use std::collections::VecDeque;
use tokio::sync::oneshot;

/// The most changes that wait behind one that is being applied; one more is refused.
const MOST_WAITING: usize = 1024;
/// The most bytes that those may have; one change of any size may wait.
const MOST_WAITING_BYTES: usize = 16 << 20;

/// Who waits for a change.
pub type Asker = oneshot::Sender<Result<(State, Version), ChangeError>>;

/// A change that waits for its turn, or is being applied.
struct Waiting {
    /// The change.
    change: Change,
    /// Only if the state is at this version.
    if_version: Option<Version>,
    /// Who asked.
    asker: Asker,
}

/// A change that was accepted and is to be stored.
pub struct Accepted {
    /// The state that it makes.
    pub state: State,
    /// The version that it makes.
    pub version: Version,
    /// Who asked.
    pub asker: Asker,
}

/// A change that is to be applied elsewhere.
pub struct Application {
    /// To be given back with what came of it.
    pub ticket: u64,
    /// The state to apply it to.
    pub state: State,
    /// The change.
    pub change: Change,
}

/// What has to be done next.
pub enum Next {
    /// Store what a change has made.
    Store(Accepted),
    /// Apply one that takes long; nothing follows before [`Changes::applied`] has said what came of it.
    Apply(Application),
}

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
    /// The changes that wait for their turn, oldest first; that one may be under way elsewhere.
    waiting: VecDeque<Waiting>,
    /// The bytes that they have.
    waiting_bytes: usize,
    /// What the oldest one is being applied to elsewhere, and its ticket.
    applying: Option<(u64, State, Version)>,
    /// The last ticket.
    ticket: u64,
}

impl Changes {
    /// Nothing under way.
    pub fn new(state: State, version: Version) -> Self {
        let (pending, waiting) = (VecDeque::new(), VecDeque::new());
        let (fault, applying) = (None, None);
        Self { state, version, pending, fault, waiting, waiting_bytes: 0, applying, ticket: 0 }
    }

    /// Takes a change in, behind those that wait; refuses it where too many do.
    pub fn ask(&mut self, change: Change, if_version: Option<Version>, asker: Asker) {
        let bytes = self.waiting_bytes.saturating_add(change.len_bytes());
        let is_first = self.waiting.is_empty();
        if self.waiting.len() >= MOST_WAITING || (bytes > MOST_WAITING_BYTES && !is_first) {
            return refuse(asker, AskError::Overloaded);
        }
        self.waiting_bytes = bytes;
        self.waiting.push_back(Waiting { change, if_version, asker });
    }

    /// The oldest of those that wait, which does not any more.
    fn take_waiting(&mut self) -> Option<Waiting> {
        let waiting = self.waiting.pop_front()?;
        self.waiting_bytes = self.waiting_bytes.saturating_sub(waiting.change.len_bytes());
        Some(waiting)
    }

    /// What has to be done next, on top of the last accepted state; what cannot be accepted is refused.
    pub fn next(&mut self, limit: usize) -> Option<Next> {
        while self.applying.is_none()
            && let Some(waiting) = self.take_waiting()
        {
            if let Err(refused) = self.check(waiting.if_version) {
                refuse(waiting.asker, refused);
            } else if waiting.change.is_heavy_on(&self.state) {
                return Some(Next::Apply(self.begin(waiting)));
            } else {
                match self.state.apply(&waiting.change, limit) {
                    Ok(state) => return Some(Next::Store(self.accept(state, waiting.asker))),
                    Err(refused) => refuse(waiting.asker, refused),
                }
            }
        }
        None
    }

    /// Whether a change can be made that is meant for this version.
    fn check(&self, if_version: Option<Version>) -> Result<(), ChangeError> {
        match &self.fault {
            Some(fault) => Err(fault.clone().into()),
            None if if_version.is_some_and(|expected| expected != self.version) => {
                Err(ChangeError::Stale(self.version))
            }
            None => Ok(()),
        }
    }

    /// The change is being applied elsewhere from now on; it stays the oldest one that waits.
    fn begin(&mut self, waiting: Waiting) -> Application {
        self.ticket += 1;
        let (ticket, state, change) = (self.ticket, self.state.clone(), waiting.change.clone());
        self.applying = Some((ticket, state.clone(), self.version));
        self.waiting_bytes = self.waiting_bytes.saturating_add(waiting.change.len_bytes());
        self.waiting.push_front(waiting);
        Application { ticket, state, change }
    }

    /// Takes what came of a change that was applied elsewhere. If the state is another one by now, the change is still
    /// the next.
    pub fn applied(
        &mut self,
        ticket: u64,
        outcome: Result<State, ChangeError>,
    ) -> Option<Accepted> {
        let (_, state, version) = self.applying.take_if(|(begun, ..)| *begun == ticket)?;
        if self.fault.is_none() && (version != self.version || state != self.state) {
            return None;
        }
        let Waiting { asker, if_version, .. } = self.take_waiting()?;
        match self.check(if_version).and(outcome) {
            Ok(state) => Some(self.accept(state, asker)),
            Err(refused) => {
                refuse(asker, refused);
                None
            }
        }
    }

    /// The next change goes on top of this state.
    fn accept(&mut self, state: State, asker: Asker) -> Accepted {
        self.state = state.clone();
        self.version = self.version.next();
        Accepted { state, version: self.version, asker }
    }

    /// An accepted change is under way to the disk.
    pub fn push(&mut self, Accepted { state, version, asker }: Accepted) {
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
                    refuse(asker, fault.clone());
                }
            }
        }
        shown
    }

    /// The channel was deleted behind all that is under way: whoever has no answer yet finds no channel.
    pub fn end(&mut self) {
        let pending = self.pending.drain(..).map(|pending| pending.asker);
        for asker in pending.chain(self.waiting.drain(..).map(|waiting| waiting.asker)) {
            refuse(asker, AskError::not_found(Thing::Channel));
        }
        (self.applying, self.waiting_bytes) = (None, 0);
    }

    /// Whether nothing is under way.
    pub fn is_settled(&self) -> bool {
        self.pending.is_empty() && self.waiting.is_empty()
    }

    /// Whether the state must be read again from the store: a commit failed and nothing is under way any more.
    pub fn needs_reload(&self) -> bool {
        self.fault.is_some() && self.pending.is_empty()
    }

    /// Goes on from what the store has.
    pub fn reloaded(&mut self, state: State, version: Version) {
        (self.state, self.version, self.fault) = (state, version, None);
    }
}

/// Tells who asked that the change is not made.
fn refuse(asker: Asker, why: impl Into<ChangeError>) {
    // The asker may have gone; nothing was done.
    let _ = asker.send(Err(why.into()));
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

    /// What an asker hears.
    type Answer = oneshot::Receiver<Result<(State, Version), ChangeError>>;

    /// Asks for a change.
    fn ask(changes: &mut Changes, change: Change, if_version: Option<Version>) -> Answer {
        let (asker, answer) = oneshot::channel();
        changes.ask(change, if_version, asker);
        answer
    }

    /// A change to `{"n":<n>}`.
    fn set(n: u32) -> Change {
        Change::Shallow(RawJson::parse(&format!("{{\"n\":{n}}}")).unwrap())
    }

    /// A change that is applied elsewhere.
    fn heavy() -> Change {
        let text = "x".repeat(MEGABYTE - 100);
        Change::Operations(RawJson::trusted(format!(
            r#"[{{"op":"add","path":"/big","value":"{text}"}}]"#
        )))
    }

    /// So many bytes are heavy for every kind of change but a replacement.
    const MEGABYTE: usize = 1 << 20;
    /// Room for all of it.
    const ROOMY: usize = 4 * MEGABYTE;

    /// The next change, which is to be stored; it is under way then.
    fn store(changes: &mut Changes) -> Version {
        let Some(Next::Store(accepted)) = changes.next(ROOMY) else { panic!("nothing to store") };
        let version = accepted.version;
        changes.push(accepted);
        version
    }

    /// The next change, which is to be applied elsewhere.
    fn begun(changes: &mut Changes) -> Application {
        let Some(Next::Apply(application)) = changes.next(ROOMY) else { panic!("nothing heavy") };
        assert!(changes.next(ROOMY).is_none(), "nothing overtakes it");
        application
    }

    /// What comes of it.
    fn outcome(application: &Application) -> Result<State, ChangeError> {
        Ok(application.state.apply(&application.change, ROOMY)?)
    }

    /// Asks for `{"n":<n>}` and puts it under way.
    fn push(changes: &mut Changes, n: u32) -> Answer {
        let answer = ask(changes, set(n), None);
        store(changes);
        answer
    }

    #[test]
    fn what_comes_behind_a_change_that_is_applied_elsewhere_waits_for_it() {
        let mut changes = Changes::new(State::empty(), Version(1));
        let _big = ask(&mut changes, heavy(), None);
        let mut stale = ask(&mut changes, set(1), Some(Version(1)));
        let small = Change::Replace(RawJson::trusted(r#"{"n":2}"#));
        let _small = ask(&mut changes, small, Some(Version(2)));
        let application = begun(&mut changes);
        assert!(!changes.is_settled());
        let outcome = outcome(&application);
        let accepted = changes.applied(application.ticket, outcome).unwrap();
        assert_eq!(accepted.version, Version(2));
        changes.push(accepted);
        assert_eq!(store(&mut changes), Version(3), "behind it");
        assert_eq!(stale.try_recv().unwrap(), Err(ChangeError::Stale(Version(2))));
        let shown = [2, 3].map(|n| changes.committed(Version(n), Ok(())).remove(0).state);
        assert!(shown[0].json().as_str().len() > MEGABYTE / 2);
        assert_eq!(shown[1].json().as_str(), r#"{"n":2}"#);
        assert!(changes.is_settled());
    }

    #[test]
    fn a_change_that_was_applied_to_what_did_not_stand_is_applied_again_or_refused() {
        let mut changes = Changes::new(State::empty(), Version(1));
        let _lost = push(&mut changes, 1);
        let mut big = ask(&mut changes, heavy(), None);
        // Its end is known while the commit before it has failed, and is being looked after.
        let application = begun(&mut changes);
        let failed = AskError::Store(StoreError::Unavailable("full".into()));
        changes.committed(Version(2), Err(failed.clone()));
        let ended = outcome(&application);
        assert!(changes.applied(application.ticket, ended).is_none());
        assert_eq!(big.try_recv().unwrap(), Err(failed.clone().into()));
        changes.reloaded(State::empty(), Version(1));

        // The same, known only when it goes on from what the store has.
        let _lost = push(&mut changes, 1);
        let mut big = ask(&mut changes, heavy(), None);
        let application = begun(&mut changes);
        changes.committed(Version(2), Err(failed));
        changes.reloaded(State::trusted(r#"{"stored":1}"#), Version(2));
        let ended = outcome(&application);
        assert!(changes.applied(application.ticket, ended).is_none());
        assert!(big.try_recv().is_err(), "it still waits");
        let application = begun(&mut changes);
        let ended = outcome(&application);
        let accepted = changes.applied(application.ticket, ended).unwrap();
        assert!(accepted.state.json().as_str().starts_with(r#"{"stored":1,"big":"#));
        assert_eq!(accepted.version, Version(3));
    }

    #[test]
    fn so_many_wait_and_no_more_and_all_hear_of_the_channels_end() {
        let mut changes = Changes::new(State::empty(), Version(1));
        let mut waiting = vec![ask(&mut changes, heavy(), None)];
        let application = begun(&mut changes);
        waiting.extend((1..MOST_WAITING).map(|_| ask(&mut changes, set(1), None)));
        let mut one_more = ask(&mut changes, set(1), None);
        assert_eq!(one_more.try_recv().unwrap(), Err(AskError::Overloaded.into()));
        let mut too_large = Changes::new(State::empty(), Version(1));
        let _waiting = [(); 16].map(|()| ask(&mut too_large, heavy(), None));
        let mut one_more = ask(&mut too_large, heavy(), None);
        assert_eq!(one_more.try_recv().unwrap(), Err(AskError::Overloaded.into()));
        changes.end();
        let gone = AskError::not_found(Thing::Channel);
        for mut answer in waiting {
            assert_eq!(answer.try_recv().unwrap(), Err(gone.clone().into()));
        }
        let ended = outcome(&application);
        assert!(changes.applied(application.ticket, ended).is_none());
        assert!(changes.is_settled());
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
        let mut refused = ask(&mut changes, set(3), None);
        assert!(changes.next(ROOMY).is_none());
        assert_eq!(refused.try_recv().unwrap(), Err(failed.clone().into()));
        // What followed was stored on a version that is not there: it fails for the same reason, not for that.
        changes.committed(Version(3), Err(StoreError::VersionConflict.into()));
        assert!(changes.needs_reload());
        assert_eq!(one.try_recv().unwrap(), Err(failed.clone().into()));
        assert_eq!(two.try_recv().unwrap(), Err(failed.into()));
        changes.reloaded(State::empty(), Version(1));
        let _again = ask(&mut changes, set(3), None);
        assert_eq!(store(&mut changes), Version(2));
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
        let mut stale = ask(&mut changes, set(2), Some(Version(5)));
        let _fresh = ask(&mut changes, set(3), Some(Version(6)));
        assert_eq!(store(&mut changes), Version(7));
        assert_eq!(stale.try_recv().unwrap(), Err(ChangeError::Stale(Version(6))));
    }
}
