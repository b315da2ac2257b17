//! Claims about states that are kept, version by version.

use super::{Bench, channel, key, project_id};
use crate::domain::state_log::MOST_PATCHES;
use crate::domain::{
    NewVersion, RawJson, State, StateChange, StateError, StateLogBounds, Timestamp, Version,
};
use crate::store::{FoundVersion, StateLogPage, WantedVersion};
use std::sync::Arc;
use std::time::Duration;

/// Bounds that are not met.
pub(super) const WIDE: StateLogBounds =
    StateLogBounds { versions: 10_000, bytes: 1 << 30, age: Duration::from_secs(100_000) };

/// Adds a channel; what it keeps begins with its first version.
pub(super) fn create(bench: &mut Bench, id: &str) {
    bench.write(|store| store.create_channel(&channel("a", id, 1))).unwrap();
}

/// A state of this number.
fn state(number: i64) -> State {
    State::trusted(&format!(r#"{{"n":{number},"same":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}}"#))
}

/// Keeps a version of `room`, made at the time of its number.
fn keep(bench: &mut Bench, number: i64, state: &State, before: Option<&State>) {
    let by = (number % 2 == 0).then(|| Arc::from("member_x"));
    let new = NewVersion::first(state.clone(), Version(number), Timestamp(number), by);
    let new = before.map_or(new.clone(), |before| new.after(before));
    bench.write(|store| store.keep_version(&key("a", "room"), &new, &WIDE)).unwrap();
}

/// Keeps the states of these numbers.
fn fill(bench: &mut Bench, numbers: std::ops::RangeInclusive<i64>) {
    for number in numbers {
        keep(bench, number, &state(number), Some(&state(number - 1)));
    }
}

/// A version as it is found within bounds at some time.
fn found(bench: &Bench, wanted: WantedVersion, bounds: StateLogBounds, now: i64) -> FoundVersion {
    let read = |store: &mut dyn super::ReadStore| {
        store.find_version(&key("a", "room"), wanted, &bounds, Timestamp(now))
    };
    bench.read(read).expect("there is a log")
}

/// The text of a version that is kept.
pub(super) fn text(bench: &Bench, number: i64) -> String {
    match found(bench, WantedVersion::Number(Version(number)), WIDE, 0) {
        FoundVersion::Kept(version, stored) => {
            assert_eq!(version, Version(number));
            assert!(stored.patches.len() <= usize::try_from(MOST_PATCHES).unwrap());
            stored.rebuilt().unwrap().json().as_str().to_owned()
        }
        FoundVersion::Gone(oldest) => panic!("{number} is gone, the oldest is {oldest}"),
    }
}

/// The oldest version that is kept.
fn oldest(bench: &Bench, bounds: StateLogBounds, now: i64) -> i64 {
    match found(bench, WantedVersion::Number(Version(0)), bounds, now) {
        FoundVersion::Gone(Version(oldest)) => oldest,
        FoundVersion::Kept(..) => panic!("there is no version 0"),
    }
}

/// Deletes what is gone in steps of so many; how many steps that took.
fn prune(bench: &mut Bench, bounds: StateLogBounds, now: i64, limit: u64) -> usize {
    let due = bench.read(|store| store.due_state_logs(Timestamp(now), 10));
    let mut steps = 0;
    for log in due {
        loop {
            steps += 1;
            let more = bench
                .write(|store| store.prune_state_log(log, &bounds, Timestamp(now), limit))
                .unwrap();
            if !more {
                break;
            }
        }
    }
    steps
}

/// Numbers without a pattern.
struct Dice(u64);

impl Dice {
    /// One below the bound.
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    /// Some object, with white space where nobody needs it and `null` where it means something.
    fn object(&mut self, depth: u64) -> String {
        let member = |dice: &mut Self| {
            let name = ["a", "b", "c", "d"][usize::try_from(dice.below(4)).unwrap()];
            let value = match dice.below(if depth == 0 { 4 } else { 6 }) {
                0 => "null".to_owned(),
                1 => format!("[{},null]", dice.below(9)),
                2 => format!("\"{}\"", "x".repeat(usize::try_from(dice.below(40)).unwrap())),
                3 => format!("{}.0", dice.below(5)),
                _ => dice.object(depth - 1),
            };
            let space = ["", " "][usize::try_from(dice.below(2)).unwrap()];
            format!("\"{name}\":{space}{value}")
        };
        let members: Vec<_> = (0..self.below(4)).map(|_| member(self)).collect();
        format!("{{{}}}", members.join(","))
    }

    /// What some change makes of a state.
    fn next(&mut self, state: &State) -> Result<State, StateError> {
        let json = RawJson::trusted(self.object(3));
        let change = match self.below(3) {
            0 => StateChange::Replace(json),
            1 => StateChange::Shallow(json),
            _ => StateChange::Merge(json),
        };
        state.apply(&change, 1 << 20)
    }
}

pub(crate) fn every_version_comes_back_as_it_was(bench: &mut Bench) {
    create(bench, "room");
    let (mut dice, mut states) = (Dice(88_172_645_463_325_252), vec![State::empty()]);
    keep(bench, 1, &states[0], None);
    while states.len() < 400 {
        let before = states.last().unwrap().clone();
        // What cannot be applied is no change.
        let Ok(next) = dice.next(&before) else { continue };
        let number = i64::try_from(states.len()).unwrap() + 1;
        keep(bench, number, &next, Some(&before));
        states.push(next);
    }
    bench.reopen();
    for (number, state) in (1..).zip(&states) {
        assert_eq!(text(bench, number), state.json().as_str(), "{number}");
    }
    let page =
        StateLogPage { before: None, limit: 1000, bytes: 1 << 20, bounds: WIDE, now: Timestamp(0) };
    let listed = bench.read(|store| store.kept_versions(&key("a", "room"), &page));
    let (versions, has_more) = listed.unwrap();
    assert_eq!((versions.len(), has_more), (states.len(), false));
    let said = versions.iter().filter(|version| version.patch.is_some()).count();
    assert!(said > states.len() / 3, "{said} of {} have a patch", states.len());
}

pub(crate) fn versions_are_listed_newest_first_in_parts(bench: &mut Bench) {
    create(bench, "room");
    fill(bench, 1..=10);
    let part = |before: Option<i64>, limit, bytes| {
        let before = before.map(Version);
        let page = StateLogPage { before, limit, bytes, bounds: WIDE, now: Timestamp(0) };
        let listed = bench.read(|store| store.kept_versions(&key("a", "room"), &page));
        let (versions, has_more) = listed.unwrap();
        (versions.iter().map(|kept| kept.version.0).collect::<Vec<_>>(), has_more)
    };
    assert_eq!(part(None, 3, 1 << 20), (vec![10, 9, 8], true));
    assert_eq!(part(Some(8), 3, 1 << 20), (vec![7, 6, 5], true));
    assert_eq!(part(Some(3), 3, 1 << 20), (vec![2, 1], false));
    assert_eq!(part(Some(1), 3, 1 << 20), (vec![], false));
    assert_eq!(part(None, 3, 0), (vec![10], true), "one at least");
    let page = StateLogPage { before: None, limit: 2, bytes: 100, bounds: WIDE, now: Timestamp(0) };
    let (versions, _) = bench.read(|store| store.kept_versions(&key("a", "room"), &page)).unwrap();
    let (last, one_before) = (&versions[0], &versions[1]);
    assert_eq!((last.at, last.by.as_deref()), (Timestamp(10), Some("member_x")));
    assert_eq!(last.patch.as_ref().map(RawJson::as_str), Some(r#"{"n":10}"#));
    assert_eq!(usize::try_from(last.bytes), Ok(state(10).json().as_str().len()));
    assert_eq!(one_before.by, None);
    assert!(bench.read(|store| store.kept_versions(&key("a", "other"), &page)).is_none());
}

pub(crate) fn a_version_is_found_by_the_time_at_which_it_was_in_force(bench: &mut Bench) {
    create(bench, "room");
    for number in [1_i64, 2, 3] {
        let at = Timestamp(number * 100);
        let new = NewVersion::first(state(number), Version(number), at, None);
        bench.write(|store| store.keep_version(&key("a", "room"), &new, &WIDE)).unwrap();
    }
    let at = |at| match found(bench, WantedVersion::At(Timestamp(at)), WIDE, 0) {
        FoundVersion::Kept(version, _) => Ok(version.0),
        FoundVersion::Gone(oldest) => Err(oldest.0),
    };
    assert_eq!([100, 199, 200, 299, 300, 9000].map(at), [1, 1, 2, 2, 3, 3].map(Ok));
    assert_eq!(at(99), Err(1));
    // One is kept as long as it has been in force within the time.
    let short = StateLogBounds { age: Duration::from_millis(50), ..WIDE };
    assert_eq!(
        [120, 249, 250, 349, 350, 9000].map(|now| oldest(bench, short, now)),
        [1, 1, 2, 2, 3, 3]
    );
}

pub(crate) fn versions_beyond_the_bounds_are_gone_before_they_are_deleted(bench: &mut Bench) {
    create(bench, "room");
    fill(bench, 1..=120);
    assert_eq!(oldest(bench, WIDE, 0), 1);
    let few = StateLogBounds { versions: 10, ..WIDE };
    assert_eq!(oldest(bench, few, 0), 111);
    let one = StateLogBounds { versions: 1, ..WIDE };
    assert_eq!(oldest(bench, one, 0), 120);
    let nothing = StateLogBounds { bytes: 0, ..WIDE };
    assert_eq!(oldest(bench, nothing, 0), 120, "the one in force stays");
    let little = StateLogBounds { bytes: 1000, ..WIDE };
    let kept = 121 - oldest(bench, little, 0);
    assert!((5..20).contains(&kept), "{kept}");
    for (number, is_kept) in [(110, false), (111, true), (120, true)] {
        let found = found(bench, WantedVersion::Number(Version(number)), few, 0);
        assert_eq!(matches!(found, FoundVersion::Kept(..)), is_kept, "{number}");
    }
}

pub(crate) fn versions_are_deleted_in_small_steps_with_none_missing_behind(bench: &mut Bench) {
    create(bench, "room");
    fill(bench, 1..=200);
    let few = StateLogBounds { versions: 10, ..WIDE };
    assert_eq!(bench.read(|store| store.due_state_logs(Timestamp(1000), 10)), Vec::<i64>::new());
    // One more, kept within narrow bounds, tells that there are too many.
    let new = NewVersion::first(state(201), Version(201), Timestamp(201), None).after(&state(200));
    bench.write(|store| store.keep_version(&key("a", "room"), &new, &few)).unwrap();
    // 192 is the oldest; the nearest whole one is 151.
    assert_eq!(oldest(bench, few, 300), 192);
    assert_eq!(prune(bench, few, 300, 40), 4);
    assert_eq!(oldest(bench, WIDE, 300), 151);
    for number in 151..=201 {
        assert_eq!(text(bench, number), state(number).json().as_str());
    }
    assert!(bench.read(|store| store.due_state_logs(Timestamp(1000), 10)).is_empty());
}

pub(crate) fn a_log_is_due_when_its_oldest_version_is_too_old(bench: &mut Bench) {
    create(bench, "room");
    let day = 86_400_000;
    let bounds = StateLogBounds { age: Duration::from_hours(24), ..WIDE };
    for number in 1..=3 {
        let at = Timestamp(number * 3_600_000);
        let new = NewVersion::first(state(number), Version(number), at, None);
        bench.write(|store| store.keep_version(&key("a", "room"), &new, &bounds)).unwrap();
    }
    let due = |bench: &Bench, at| bench.read(|store| store.due_state_logs(Timestamp(at), 10)).len();
    // The first went out of force with the second.
    assert_eq!((due(bench, day + 7_199_999), due(bench, day + 7_200_000)), (0, 1));
    prune(bench, bounds, day + 7_200_000, 10);
    assert_eq!(oldest(bench, WIDE, 0), 2);
    assert_eq!((due(bench, day + 10_799_999), due(bench, day + 10_800_000)), (0, 1));
    prune(bench, bounds, day + 10_800_000, 10);
    assert_eq!(oldest(bench, WIDE, 0), 3);
    assert_eq!(due(bench, 100 * day), 0, "the one in force is never too old");
}

pub(crate) fn versions_go_with_their_channel_and_their_project(bench: &mut Bench) {
    create(bench, "room");
    fill(bench, 1..=300);
    bench.write(|store| store.delete_channel(&key("a", "room"))).unwrap();
    let is_there = |bench: &Bench| {
        let wanted = WantedVersion::Number(Version(1));
        bench.read(|store| store.find_version(&key("a", "room"), wanted, &WIDE, Timestamp(0)))
    };
    assert_eq!(is_there(bench), None);
    // Another one of that name has nothing of it.
    create(bench, "room");
    keep(bench, 1, &State::empty(), None);
    assert_eq!(text(bench, 1), "{}");
    assert!(prune(bench, WIDE, 0, 100) >= 3);
    assert_eq!(text(bench, 1), "{}");
    bench.write(|store| store.close_state_log(&key("a", "room"))).unwrap();
    assert_eq!(is_there(bench), None);
    keep(bench, 7, &state(7), None);
    assert_eq!(oldest(bench, WIDE, 0), 7);
    bench.write(|store| store.delete_project(&project_id("a"))).unwrap();
    assert_eq!(is_there(bench), None);
    prune(bench, WIDE, 0, 100);
    assert!(bench.read(|store| store.due_state_logs(Timestamp(i64::MAX), 10)).is_empty());
}

pub(crate) fn a_version_stands_and_falls_with_its_state(bench: &mut Bench) {
    create(bench, "room");
    fill(bench, 1..=2);
    bench.fixture.arm_bomb();
    let lost = bench.group(|store| {
        let new = NewVersion::first(state(3), Version(3), Timestamp(3), None).after(&state(2));
        store.keep_version(&key("a", "room"), &new, &WIDE).unwrap();
        store.create_channel(&channel("a", "bomb", 1)).unwrap();
    });
    assert!(lost.is_err());
    assert_eq!(text(bench, 2), state(2).json().as_str());
    let third = found(bench, WantedVersion::Number(Version(3)), WIDE, 0);
    assert_eq!(third, FoundVersion::Gone(Version(1)));
    keep(bench, 3, &state(30), Some(&state(2)));
    assert_eq!(text(bench, 3), state(30).json().as_str());
}
