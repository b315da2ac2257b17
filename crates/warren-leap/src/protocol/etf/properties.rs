//! What holds for all values and all bytes.

use super::*;
use crate::domain::RawJson;
use proptest::prelude::*;
use serde_json::{Map, Value};

/// Numbers at the edges of their forms.
const EDGES: &[&str] =
    &["0", "255", "256", "9007199254740993", "18446744073709551616", "1e-7", "1e16", "-0.0"];

/// The value that a text is.
fn parsed(text: impl AsRef<str>) -> Value {
    serde_json::from_str(text.as_ref()).unwrap()
}

/// A number as JSON writes it: integers of up to 400 digits, and doubles.
fn number() -> impl Strategy<Value = Value> {
    use proptest::num::f64::{NORMAL, SUBNORMAL};
    prop_oneof![
        any::<i64>().prop_map(|n| parsed(n.to_string())),
        any::<i16>().prop_map(|n| parsed(n.to_string())),
        "-?[1-9][0-9]{0,400}".prop_map(parsed),
        (NORMAL | SUBNORMAL).prop_map(|n| parsed(format!("{n:?}"))),
        proptest::sample::select(EDGES).prop_map(parsed),
    ]
}

/// Any JSON value.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number(),
        any::<String>().prop_map(Value::from),
        "[\"\\\\\u{0}-\u{20}é☃😀]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(12, 200, 20, |inner| {
        let pairs = proptest::collection::vec((".{0,5}", inner.clone()), 0..20);
        prop_oneof![
            proptest::collection::vec(inner, 0..20).prop_map(Value::from),
            pairs.prop_map(|pairs| Value::Object(pairs.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// One change of bytes.
#[derive(Clone, Debug)]
enum Mutation {
    /// Another byte in a place.
    Set(prop::sample::Index, u8),
    /// A byte more.
    Insert(prop::sample::Index, u8),
    /// A byte less.
    Remove(prop::sample::Index),
    /// Nothing more from a place on.
    Cut(prop::sample::Index),
}

/// Any change.
fn mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<prop::sample::Index>;
    let byte = || prop_oneof![any::<u8>(), 97_u8..120];
    prop_oneof![
        (at(), byte()).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        (at(), byte()).prop_map(|(at, byte)| Mutation::Insert(at, byte)),
        at().prop_map(Mutation::Remove),
        at().prop_map(Mutation::Cut),
    ]
}

/// Changes bytes; the version byte stays.
fn mutate(bytes: &mut Vec<u8>, mutation: &Mutation) {
    if bytes.len() < 2 {
        return;
    }
    let place = |at: &prop::sample::Index| 1 + at.index(bytes.len() - 1);
    match mutation {
        Mutation::Set(at, byte) => {
            let at = place(at);
            bytes[at] = *byte;
        }
        Mutation::Insert(at, byte) => bytes.insert(place(at), *byte),
        Mutation::Remove(at) => {
            bytes.remove(place(at));
        }
        Mutation::Cut(at) => bytes.truncate(place(at)),
    }
}

/// Whatever is read is JSON within its bounds.
fn assert_sound(bytes: &[u8]) {
    if let Ok(text) = to_json(bytes, 4096) {
        assert!(text.len() <= 4096);
        assert!(RawJson::parse(&text).is_ok(), "{text}");
        let again = to_json(&from_json(&text), usize::MAX).unwrap();
        // Equal keys may have become one; then the second way changes nothing more.
        assert_eq!(to_json(&from_json(&again), usize::MAX).unwrap(), again);
    }
}

proptest! {
    #[test]
    fn there_and_back_is_the_same_value(value in value(), is_pretty: bool) {
        let compact = value.to_string();
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        let text = if is_pretty { &pretty } else { &compact };
        let back = to_json(&from_json(text), usize::MAX).unwrap();
        // Compared as text, so that order and every digit count.
        prop_assert_eq!(serde_json::from_str::<Value>(&back).unwrap().to_string(), compact);
    }

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        assert_sound(&bytes);
        assert_sound(&[&[131], &bytes[..]].concat());
    }

    #[test]
    fn any_terms_are_survived(bytes in proptest::collection::vec(prop_oneof![97_u8..120, 0_u8..4], 0..200)) {
        assert_sound(&[&[131], &bytes[..]].concat());
    }

    #[test]
    fn damaged_terms_are_survived(
        value in value(),
        mutations in proptest::collection::vec(mutation(), 1..6),
    ) {
        let mut bytes = from_json(&value.to_string());
        for mutation in &mutations {
            mutate(&mut bytes, mutation);
            assert_sound(&bytes);
        }
    }

    #[test]
    fn any_text_is_survived(text in "([\\[\\]{}\",:\\\\u0-9a-e+.é -]|\\PC){0,200}") {
        // What it becomes of text that is not JSON does not matter.
        let _ = to_json(&from_json(&text), usize::MAX);
    }
}
