//! A channel's changes, with askers that wait for an answer.

use super::*;
use crate::domain::RawJson;
use tokio::sync::oneshot;

/// Who asks.
type Asker = oneshot::Sender<Result<(State, Version), ChangeError>>;

/// Tells askers at once.
struct Told;

impl Answers for Told {
    type Asker = Asker;

    fn answer(&mut self, asker: Asker, outcome: Result<(State, Version), ChangeError>) {
        // Some tests do not wait for it.
        let _ = asker.send(outcome);
    }
}

/// The changes of a channel.
type TestChanges = StateChanges<Asker>;

/// What an asker hears.
type Answer = oneshot::Receiver<Result<(State, Version), ChangeError>>;

/// Asks for a change.
fn ask(changes: &mut TestChanges, change: StateChange, if_version: Option<Version>) -> Answer {
    let (asker, answer) = oneshot::channel();
    changes.ask(change, if_version, asker, &mut Told);
    answer
}

/// A change to `{"n":<n>}`.
fn set(n: u32) -> StateChange {
    StateChange::Shallow(RawJson::parse(&format!("{{\"n\":{n}}}")).unwrap())
}

/// A change that is applied elsewhere.
fn heavy() -> StateChange {
    let text = "x".repeat(MEGABYTE - 100);
    StateChange::Operations(RawJson::trusted(format!(
        r#"[{{"op":"add","path":"/big","value":"{text}"}}]"#
    )))
}

/// So many bytes are heavy for every kind of change but a replacement.
const MEGABYTE: usize = 1 << 20;
/// Room for all of it.
const ROOMY: usize = 4 * MEGABYTE;

/// The next change, which is to be stored; it is under way then.
fn store(changes: &mut TestChanges) -> Version {
    let next = changes.next(ROOMY, &mut Told);
    let Some(Next::Store { version, .. }) = next else { panic!("nothing to store") };
    version
}

/// The next change, which is to be applied elsewhere.
fn begun(changes: &mut TestChanges) -> Application {
    let Some(Next::Apply(application)) = changes.next(ROOMY, &mut Told) else {
        panic!("nothing heavy")
    };
    assert!(changes.next(ROOMY, &mut Told).is_none(), "nothing overtakes it");
    application
}

/// What comes of it.
fn outcome(application: &Application) -> Result<State, ChangeError> {
    Ok(application.state.apply(&application.change, ROOMY)?)
}

/// A commit ended so; what can be shown now, in order, is shown.
fn committed(
    changes: &mut TestChanges,
    version: Version,
    outcome: Result<(), AskError>,
) -> Vec<(State, Version)> {
    changes.committed(version, outcome.map(|()| None));
    let next = || changes.next_durable(&mut Told).map(|(state, version, _)| (state, version));
    let shown: Vec<_> = std::iter::from_fn(next).collect();
    if let Some((_, upto)) = shown.last() {
        changes.shown(*upto, &mut Told);
    }
    shown
}

/// Asks for `{"n":<n>}` and puts it under way.
fn push(changes: &mut TestChanges, n: u32) -> Answer {
    let answer = ask(changes, set(n), None);
    store(changes);
    answer
}

#[test]
fn what_comes_behind_a_change_that_is_applied_elsewhere_waits_for_it() {
    let mut changes = TestChanges::new(State::empty(), Version(1));
    let _big = ask(&mut changes, heavy(), None);
    let mut stale = ask(&mut changes, set(1), Some(Version(1)));
    let small = StateChange::Replace(RawJson::trusted(r#"{"n":2}"#));
    let _small = ask(&mut changes, small, Some(Version(2)));
    let application = begun(&mut changes);
    assert!(!changes.is_settled());
    let outcome = outcome(&application);
    let (_, version) = changes.applied(application.ticket, outcome, &mut Told).unwrap();
    assert_eq!(version, Version(2));
    assert_eq!(store(&mut changes), Version(3), "behind it");
    assert_eq!(stale.try_recv().unwrap(), Err(ChangeError::Stale(Version(2))));
    let shown = [2, 3].map(|n| committed(&mut changes, Version(n), Ok(())).remove(0).0);
    assert!(shown[0].json().as_str().len() > MEGABYTE / 2);
    assert_eq!(shown[1].json().as_str(), r#"{"n":2}"#);
    assert!(changes.is_settled());
}

#[test]
fn a_change_that_was_applied_to_what_did_not_stand_is_applied_again_or_refused() {
    let mut changes = TestChanges::new(State::empty(), Version(1));
    let _lost = push(&mut changes, 1);
    let mut big = ask(&mut changes, heavy(), None);
    // Its end is known while the commit before it has failed, and is being looked after.
    let application = begun(&mut changes);
    let failed = AskError::Store(StoreError::Unavailable("full".into()));
    committed(&mut changes, Version(2), Err(failed.clone()));
    let ended = outcome(&application);
    assert!(changes.applied(application.ticket, ended, &mut Told).is_none());
    assert_eq!(big.try_recv().unwrap(), Err(failed.clone().into()));
    changes.reloaded(State::empty(), Version(1));

    // The same, known only when it goes on from what the store has.
    let _lost = push(&mut changes, 1);
    let mut big = ask(&mut changes, heavy(), None);
    let application = begun(&mut changes);
    committed(&mut changes, Version(2), Err(failed));
    changes.reloaded(State::trusted(r#"{"stored":1}"#), Version(2));
    let ended = outcome(&application);
    assert!(changes.applied(application.ticket, ended, &mut Told).is_none());
    assert!(big.try_recv().is_err(), "it still waits");
    let application = begun(&mut changes);
    let ended = outcome(&application);
    let (state, version) = changes.applied(application.ticket, ended, &mut Told).unwrap();
    assert!(state.json().as_str().starts_with(r#"{"stored":1,"big":"#));
    assert_eq!(version, Version(3));
}

#[test]
fn so_many_wait_and_no_more_and_all_hear_of_the_channels_end() {
    let mut changes = TestChanges::new(State::empty(), Version(1));
    let mut waiting = vec![ask(&mut changes, heavy(), None)];
    let application = begun(&mut changes);
    waiting.extend((1..MOST_WAITING).map(|_| ask(&mut changes, set(1), None)));
    let mut one_more = ask(&mut changes, set(1), None);
    assert_eq!(one_more.try_recv().unwrap(), Err(AskError::Overloaded.into()));
    let mut too_large = TestChanges::new(State::empty(), Version(1));
    let _waiting = [(); 16].map(|()| ask(&mut too_large, heavy(), None));
    let mut one_more = ask(&mut too_large, heavy(), None);
    assert_eq!(one_more.try_recv().unwrap(), Err(AskError::Overloaded.into()));
    changes.end(&mut Told);
    let gone = AskError::not_found(Thing::Channel);
    for mut answer in waiting {
        assert_eq!(answer.try_recv().unwrap(), Err(gone.clone().into()));
    }
    let ended = outcome(&application);
    assert!(changes.applied(application.ticket, ended, &mut Told).is_none());
    assert!(changes.is_settled());
}

#[test]
fn changes_are_shown_in_order_whatever_order_the_answers_have() {
    let mut changes = TestChanges::new(State::empty(), Version(1));
    let _answers = [push(&mut changes, 1), push(&mut changes, 2), push(&mut changes, 3)];
    assert!(committed(&mut changes, Version(3), Ok(())).is_empty());
    let first = committed(&mut changes, Version(2), Ok(()));
    assert_eq!(first.iter().map(|shown| shown.1.0).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(committed(&mut changes, Version(4), Ok(())).len(), 1);
    assert!(changes.is_settled() && !changes.needs_reload());
}

#[test]
fn a_failed_commit_stops_the_line_until_a_reload() {
    let mut changes = TestChanges::new(State::empty(), Version(1));
    let (mut one, mut two) = (push(&mut changes, 1), push(&mut changes, 2));
    let failed = AskError::Store(StoreError::Unavailable("full".into()));
    assert!(committed(&mut changes, Version(2), Err(failed.clone())).is_empty());
    assert!(!changes.needs_reload(), "one is still under way");
    let mut refused = ask(&mut changes, set(3), None);
    assert!(changes.next(ROOMY, &mut Told).is_none());
    assert_eq!(refused.try_recv().unwrap(), Err(failed.clone().into()));
    // What followed was stored on a version that is not there: it fails for the same reason, not for that.
    committed(&mut changes, Version(3), Err(StoreError::VersionConflict.into()));
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
        let mut changes = TestChanges::new(State::empty(), Version(1));
        let mut answer = push(&mut changes, 1);
        committed(&mut changes, Version(2), Err(failure.into()));
        assert_eq!(answer.try_recv().unwrap(), Err(cause.into()));
    }
}

#[test]
fn a_stale_version_is_refused_against_the_last_accepted_one() {
    let mut changes = TestChanges::new(State::empty(), Version(5));
    let _answer = push(&mut changes, 1);
    let mut stale = ask(&mut changes, set(2), Some(Version(5)));
    let _fresh = ask(&mut changes, set(3), Some(Version(6)));
    assert_eq!(store(&mut changes), Version(7));
    assert_eq!(stale.try_recv().unwrap(), Err(ChangeError::Stale(Version(6))));
}
