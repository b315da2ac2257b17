//! Properties of states that are kept: whatever changes one, and whichever versions come back: each is read as it was.

use super::state_log::{WIDE, create, text};
use super::{Bench, key};
use crate::domain::{NewVersion, RawJson, State, StateChange, Timestamp, Version};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestCaseResult, TestRunner};

/// How many sequences are tried; `WARREN_CASES` says another number.
const CASES: u32 = 60;

/// What happens to a state.
#[derive(Clone, Debug)]
enum Step {
    /// Somebody changes it.
    Change(StateChange),
    /// A version of before is restored, and then the one that this has replaced.
    ThereAndBack(Index),
}

/// An object of these members, as text.
fn object(members: Vec<(&str, String)>) -> String {
    let members: Vec<_> =
        members.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

/// Some name: few, so that they meet.
fn name() -> impl Strategy<Value = &'static str> {
    select(vec!["a", "b", "c", "null", "é\\\"", "0", ""])
}

/// Some value, as text: numbers in more than one form, white space where nobody needs it, `null` where it means something.
fn value() -> impl Strategy<Value = String> {
    let leaves =
        ["null", "true", "0", "1.0", "1.00", "-2e3", "\"\"", "\"null\"", "\"é\\n\"", "[]", "{ }"];
    let long = "[a-z]{40}".prop_map(|text| format!("\"{text}\""));
    let leaf = prop_oneof![4 => select(leaves.to_vec()).prop_map(str::to_owned), 1 => long];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let list = vec(inner.clone(), 0..4).prop_map(|all| format!("[{}]", all.join(", ")));
        prop_oneof![1 => list, 3 => vec((name(), inner), 0..4).prop_map(object)]
    })
}

/// Some operation of a JSON Patch, on what may be there.
fn operation() -> impl Strategy<Value = String> {
    let path = || {
        let deep = (select(vec!["a", "b"]), select(vec!["a", "0", "-"]));
        prop_oneof![
            select(vec!["a", "b", "c"]).prop_map(|name| format!("/{name}")),
            deep.prop_map(|(name, below)| format!("/{name}/{below}")),
        ]
    };
    let set = (select(vec!["add", "replace"]), path(), value()).prop_map(|(op, path, value)| {
        format!(r#"{{"op":"{op}","path":"{path}","value":{value}}}"#)
    });
    let carry = (select(vec!["copy", "move"]), path(), path())
        .prop_map(|(op, from, path)| format!(r#"{{"op":"{op}","from":"{from}","path":"{path}"}}"#));
    let remove = path().prop_map(|path| format!(r#"{{"op":"remove","path":"{path}"}}"#));
    prop_oneof![4 => set, 2 => carry, 1 => remove]
}

/// Something that happens: mostly small changes, of which many are patches behind one whole state.
fn step() -> impl Strategy<Value = Step> {
    let members = |count| vec((name(), value()), count).prop_map(object).prop_map(RawJson::trusted);
    let operations = vec(operation(), 1..3)
        .prop_map(|all| StateChange::Operations(RawJson::trusted(format!("[{}]", all.join(",")))));
    prop_oneof![
        8 => members(0..3).prop_map(StateChange::Merge).prop_map(Step::Change),
        3 => members(0..3).prop_map(StateChange::Shallow).prop_map(Step::Change),
        4 => operations.prop_map(Step::Change),
        1 => members(0..6).prop_map(StateChange::Replace).prop_map(Step::Change),
        2 => any::<Index>().prop_map(Step::ThereAndBack),
    ]
}

/// The versions of `room` as they have to be, and those of them that are not stored yet.
struct Log<'a> {
    /// Where they are stored.
    bench: &'a mut Bench,
    /// All of them.
    states: Vec<State>,
    /// How many are stored.
    stored: usize,
}

impl Log<'_> {
    /// The one in force.
    fn last(&self) -> &State {
        self.states.last().unwrap()
    }

    /// Stores what is not, in one commit.
    fn store(&mut self) {
        let (states, stored) = (&self.states, self.stored);
        let keep = |store: &mut dyn crate::store::WriteStore| {
            for (at, state) in states.iter().enumerate().skip(stored) {
                let number = i64::try_from(at).unwrap() + 1;
                let new =
                    NewVersion::first(state.clone(), Version(number), Timestamp(number), None);
                let new = match at.checked_sub(1) {
                    Some(before) => new.after(&states[before]),
                    None => new,
                };
                store.keep_version(&key("a", "room"), &new, &WIDE).unwrap();
            }
        };
        self.bench.group(keep).unwrap();
        self.stored = self.states.len();
    }

    /// A version as it is read.
    fn read(&mut self, number: usize) -> String {
        self.store();
        text(self.bench, number.try_into().unwrap())
    }

    /// A version comes back, as a call that restores it makes it.
    fn restore(&mut self, number: usize) {
        let change = StateChange::Replace(RawJson::trusted(self.read(number)));
        self.states.push(self.last().apply(&change, usize::MAX).unwrap());
    }

    /// Carries out a step.
    fn take(&mut self, step: Step) -> TestCaseResult {
        match step {
            Step::Change(change) => {
                // What cannot be applied is no change.
                if let Ok(next) = self.last().apply(&change, 1 << 20) {
                    self.states.push(next);
                }
            }
            Step::ThereAndBack(which) => {
                let newest = self.states.len();
                self.restore(which.index(newest) + 1);
                self.restore(newest);
                let back = self.states.len();
                prop_assert_eq!(self.read(back), self.states[newest - 1].json().as_str());
            }
        }
        Ok(())
    }
}

pub(crate) fn whatever_changes_and_comes_back_each_version_is_read_as_it_was(bench: &mut Bench) {
    create(bench, "room");
    let cases = std::env::var("WARREN_CASES").ok().and_then(|text| text.parse().ok());
    let config =
        Config { cases: cases.unwrap_or(CASES), failure_persistence: None, ..Config::default() };
    let bench = std::cell::RefCell::new(bench);
    let sequence = (vec((name(), value()), 0..8).prop_map(object), vec(step(), 1..150));
    let outcome = TestRunner::new(config).run(&sequence, |(first, steps)| {
        let bench = &mut **bench.borrow_mut();
        bench.write(|store| store.close_state_log(&key("a", "room"))).unwrap();
        let mut log = Log { bench, states: vec![State::trusted(&first)], stored: 0 };
        steps.into_iter().try_for_each(|step| log.take(step))?;
        log.store();
        log.bench.reopen();
        for number in 1..=log.states.len() {
            let recorded = log.states[number - 1].json().as_str().to_owned();
            prop_assert_eq!(log.read(number), recorded, "version {}", number);
        }
        Ok(())
    });
    outcome.unwrap();
}
