//! What has changed between two states, as a JSON Merge Patch (RFC 7396).
//!
//! Not every change can be said so: a merge patch cannot set a member to `null`, nor put another order into members that
//! stay. Then there is none. It is no attempt at the shortest one: what is no object is one value.

use super::{ObjectMembers, State, is_object, members};
use crate::domain::json::push_quoted;
use serde_json::value::RawValue;

/// How deep objects are compared. Each level reads what is below it again; who nests deeper gets the whole state.
const MOST_LEVELS: usize = 16;

/// Writes a patch.
struct Difference {
    /// What it is so far.
    out: String,
    /// How long it may get, bytes.
    most: usize,
}

/// The merge patch that makes the second state of the first, if there is one of less than so many bytes. Applied as this
/// server applies merge patches, it gives the same members in the same order, each value as it is written there.
pub fn difference(old: &State, new: &State, most: usize) -> Option<String> {
    let mut difference = Difference { out: String::new(), most };
    difference.object(old.json().as_str(), new.json().as_str(), 0)?;
    Some(difference.out).filter(|patch| patch.len() < most)
}

impl Difference {
    /// Appends what makes one object of another; returns whether there is anything.
    fn object(&mut self, old: &str, new: &str, level: usize) -> Option<bool> {
        if level >= MOST_LEVELS {
            return None;
        }
        let (old, new) = (members(old).ok()?, members(new).ok()?);
        if !is_in_order(&old, &new) {
            return None;
        }
        self.out.push('{');
        let empty = self.out.len();
        for name in old.keys().filter(|name| !new.contains_key(*name)) {
            self.name(name, empty);
            self.out.push_str("null");
        }
        for (name, value) in &new {
            let before = old.get(name).copied();
            if before.is_none_or(|before| before.get() != value.get()) {
                self.member(name, before, value, empty, level)?;
            }
            if self.out.len() >= self.most {
                return None;
            }
        }
        self.out.push('}');
        Some(self.out.len() > empty + 1)
    }

    /// Appends a member that has changed, unless it says the same in other words.
    fn member(
        &mut self,
        name: &str,
        old: Option<&RawValue>,
        new: &RawValue,
        empty: usize,
        level: usize,
    ) -> Option<()> {
        let start = self.out.len();
        self.name(name, empty);
        match old.filter(|old| is_object(old) && is_object(new)) {
            Some(old) => {
                if !self.object(old.get(), new.get(), level + 1)? {
                    self.out.truncate(start);
                }
            }
            None if holds_null(new.get()) => return None,
            None => self.out.push_str(new.get()),
        }
        Some(())
    }

    /// Appends a member's name, to an object that was empty when it had so many bytes.
    fn name(&mut self, name: &str, empty: usize) {
        if self.out.len() > empty {
            self.out.push(',');
        }
        push_quoted(name, &mut self.out);
        self.out.push(':');
    }
}

/// Whether the members that stay do so in their order, and the new ones come behind them.
fn is_in_order(old: &ObjectMembers<'_>, new: &ObjectMembers<'_>) -> bool {
    let stay = old.keys().filter(|name| new.contains_key(*name));
    let come = new.keys().filter(|name| !old.contains_key(*name));
    stay.chain(come).eq(new.keys())
}

/// Whether a value is `null`, or an object that holds one outside of arrays: a merge patch takes those for removals.
fn holds_null(value: &str) -> bool {
    let (mut bytes, mut arrays) = (value.bytes(), 0_usize);
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => skip_string(&mut bytes),
            b'[' => arrays += 1,
            b']' => arrays = arrays.saturating_sub(1),
            b'n' if arrays == 0 => return true,
            _ => {}
        }
    }
    false
}

/// Reads to the end of a string.
fn skip_string(bytes: &mut std::str::Bytes<'_>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{RawJson, StateChange};
    use serde_json::{Map, Value, json};

    /// The patch between two states.
    fn between(old: &str, new: &str) -> Option<String> {
        difference(&State::trusted(old), &State::trusted(new), usize::MAX)
    }

    #[test]
    fn only_what_has_changed_is_said() {
        for (old, new, patch) in [
            (r#"{"a":1,"b":2}"#, r#"{"a":1,"b":3}"#, r#"{"b":3}"#),
            (r#"{"a":1}"#, r#"{"a":1,"b":{"c":[null]}}"#, r#"{"b":{"c":[null]}}"#),
            (r#"{"a":1,"b":2}"#, r#"{"b":2}"#, r#"{"a":null}"#),
            (r#"{"a":{"b":1,"c":2}}"#, r#"{"a":{"b":1,"c":3}}"#, r#"{"a":{"c":3}}"#),
            (r#"{"a":{"b":1}}"#, r#"{"a":{}}"#, r#"{"a":{"b":null}}"#),
            (r#"{"a":[1,2]}"#, r#"{"a":[1,2,3]}"#, r#"{"a":[1,2,3]}"#),
            (r#"{"a":1.0,"x":null}"#, r#"{"a":1.00,"x":null}"#, r#"{"a":1.00}"#),
            (r#"{"a":null}"#, r#"{"a":"null"}"#, r#"{"a":"null"}"#),
            (r#"{"a":{"x":null}}"#, r#"{"a":{"x":null,"y":1}}"#, r#"{"a":{"y":1}}"#),
            (r#"{"a":{"x":1}}"#, r#"{"a":{ "x" : 1 }}"#, "{}"),
            (r#"{"a":1}"#, r#"{"a":1}"#, "{}"),
            ("{}", r#"{"é\"":1}"#, r#"{"é\"":1}"#),
        ] {
            assert_eq!(between(old, new).as_deref(), Some(patch), "{old} {new}");
        }
    }

    #[test]
    fn what_a_merge_patch_cannot_say_is_not_said() {
        for (old, new) in [
            (r#"{"a":1}"#, r#"{"a":null}"#),
            ("{}", r#"{"a":null}"#),
            ("{}", r#"{"a":{"b":{"c":null}}}"#),
            (r#"{"a":1}"#, r#"{"a":{"b":null}}"#),
            (r#"{"a":1,"b":2}"#, r#"{"b":2,"a":1}"#),
            (r#"{"a":1,"b":2}"#, r#"{"c":3,"a":1,"b":2}"#),
        ] {
            assert_eq!(between(old, new), None, "{old} {new}");
        }
        let nested = |levels: usize, n: u32| {
            format!("{}{n}{}", "{\"a\":".repeat(levels), "}".repeat(levels))
        };
        assert!(between(&nested(MOST_LEVELS, 1), &nested(MOST_LEVELS, 2)).is_some());
        assert!(between(&nested(MOST_LEVELS + 1, 1), &nested(MOST_LEVELS + 1, 2)).is_none());
    }

    #[test]
    fn a_patch_that_gets_too_long_is_given_up() {
        let (old, new) = (State::trusted("{}"), State::trusted(r#"{"a":"xxxxxxxxxx"}"#));
        assert_eq!(difference(&old, &new, 10), None);
        assert!(difference(&old, &new, 100).is_some());
    }

    /// Numbers without a pattern, the same in every run of one seed.
    struct Dice(u64);

    impl Dice {
        /// One below the bound.
        fn below(&mut self, bound: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % bound
        }

        /// Some name: few, so that they meet.
        fn name(&mut self) -> String {
            ["a", "b", "c", "null", "é\"\\", "0"][usize::try_from(self.below(6)).unwrap()].into()
        }

        /// Some value, nested so deep at most.
        fn value(&mut self, depth: u64) -> Value {
            match self.below(if depth == 0 { 6 } else { 9 }) {
                0 => Value::Null,
                1 => json!(true),
                2 => json!(self.below(3)),
                3 => json!(
                    ["", "null", "[", "{\"", "é\\\""][usize::try_from(self.below(5)).unwrap()]
                ),
                4 => json!([]),
                5 => json!({}),
                6 => (0..self.below(4)).map(|_| self.value(depth - 1)).collect(),
                _ => Value::Object(self.object(depth)),
            }
        }

        /// Some object.
        fn object(&mut self, depth: u64) -> Map<String, Value> {
            let count = self.below(5);
            (0..count).map(|_| (self.name(), self.value(depth.saturating_sub(1)))).collect()
        }

        /// Some operation on what may be there.
        fn operation(&mut self) -> Value {
            let path = |dice: &mut Self| match dice.below(2) {
                0 => format!("/{}", dice.name()),
                _ => format!("/{}/{}", dice.name(), dice.name()),
            };
            let (one, other) = (path(self), path(self));
            match self.below(5) {
                0 | 1 => json!({"op": "add", "path": one, "value": self.value(2)}),
                2 => json!({"op": "remove", "path": one}),
                3 => json!({"op": "move", "from": one, "path": other}),
                _ => json!({"op": "copy", "from": one, "path": other}),
            }
        }

        /// Some change of any kind.
        fn change(&mut self) -> StateChange {
            let raw = |value: Value| RawJson::parse(&value.to_string()).unwrap();
            match self.below(4) {
                0 => StateChange::Replace(raw(Value::Object(self.object(3)))),
                1 => StateChange::Shallow(raw(Value::Object(self.object(3)))),
                2 => StateChange::Merge(raw(Value::Object(self.object(3)))),
                _ => {
                    let count = 1 + self.below(3);
                    StateChange::Operations(raw((0..count).map(|_| self.operation()).collect()))
                }
            }
        }
    }

    /// RFC 7396 as it stands there, which is how a client applies patches.
    fn merge(target: &mut Value, patch: &Value) {
        let Value::Object(patch) = patch else { return patch.clone_into(target) };
        if !target.is_object() {
            *target = json!({});
        }
        let Value::Object(members) = target else { panic!("it is an object") };
        for (name, value) in patch {
            if value.is_null() {
                members.shift_remove(name);
            } else {
                merge(members.entry(name).or_insert(Value::Null), value);
            }
        }
    }

    /// How many changes are tried; `WARREN_CASES` says another number.
    const CASES: u64 = 100_000;

    #[test]
    fn who_applies_the_differences_has_the_servers_state() {
        let cases = std::env::var("WARREN_CASES").ok().and_then(|text| text.parse().ok());
        let (mut dice, mut said, mut tried) = (Dice(0x9e37_79b9_7f4a_7c15), 0_u64, 0_u64);
        while tried < cases.unwrap_or(CASES) {
            let mut state = State::trusted(&Value::Object(dice.object(3)).to_string());
            let mut seen: Value = serde_json::from_str(state.json().as_str()).unwrap();
            for _ in 0..10 {
                let Ok(next) = state.apply(&dice.change(), 1 << 20) else { continue };
                tried += 1;
                match difference(&state, &next, usize::MAX) {
                    Some(patch) => {
                        said += 1;
                        merge(&mut seen, &serde_json::from_str(&patch).unwrap());
                    }
                    None => seen = serde_json::from_str(next.json().as_str()).unwrap(),
                }
                // As text: the order of members counts.
                let whole: Value = serde_json::from_str(next.json().as_str()).unwrap();
                assert_eq!(seen.to_string(), whole.to_string(), "from {}", state.json().as_str());
                state = next;
            }
        }
        assert!(said > tried / 3, "{said} of {tried} could be said");
    }
}
