//! Rules of state changes, RFC 7396's own table and the bounds.

use super::*;

/// No bound worth the name.
const ROOMY: usize = 1 << 20;

/// A checked JSON text.
fn raw(text: &str) -> RawJson {
    RawJson::parse(text).unwrap()
}

/// The text after a change.
fn after(state: &str, change: &StateChange) -> Result<String, StateError> {
    State::trusted(state).apply(change, ROOMY).map(|s| s.json().as_str().to_owned())
}

#[test]
fn replacing_keeps_the_text() {
    let text = r#"{ "z": 1.0, "a": 12345678901234567890.10 }"#;
    assert_eq!(after(r#"{"old":1}"#, &StateChange::Replace(raw(text))).unwrap(), text);
}

#[test]
fn shallow_patch_replaces_nested_objects_whole() {
    let state = r#"{"game":{"a":1,"b":2},"n":9007199254740993}"#;
    let patched =
        after(state, &StateChange::Shallow(raw(r#"{"game":{"a":3},"gone":null}"#))).unwrap();
    assert_eq!(patched, r#"{"game":{"a":3},"n":9007199254740993,"gone":null}"#);
}

#[test]
fn shallow_patch_sees_through_escaped_keys() {
    let patched = after(r#"{"a":1}"#, &StateChange::Shallow(raw(r#"{"\u0061":2}"#))).unwrap();
    assert_eq!(patched, r#"{"a":2}"#);
}

#[test]
fn merge_patch_follows_the_rfc_table() {
    // RFC 7396, appendix A: the rows whose target and result are objects.
    let table = [
        (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
        (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
        (r#"{"a":"b"}"#, r#"{"a":null}"#, "{}"),
        (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
        (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
        (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
        (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
        (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
        (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
        ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
    ];
    for (state, patch, expected) in table {
        assert_eq!(
            after(state, &StateChange::Merge(raw(patch))).unwrap(),
            expected,
            "{state} + {patch}"
        );
    }
}

#[test]
fn merge_patch_leaves_alone_what_it_does_not_name() {
    let state = r#"{"a":1,"b":{ "x" : "\u00e9" },"c":[1.0, 2],"d":{"e":{"f":1},"g":2},"h":0}"#;
    let patch = r#"{"a":null,"d":{"e":{"f":null,"i":"\n"},"g":null},"n\"":{"o":null,"p":{}}}"#;
    assert_eq!(
        after(state, &StateChange::Merge(raw(patch))).unwrap(),
        r#"{"b":{ "x" : "\u00e9" },"c":[1.0, 2],"d":{"e":{"i":"\n"}},"h":0,"n\"":{"p":{}}}"#
    );
}

#[test]
fn merge_patch_says_what_a_tree_would_say() {
    let texts = [
        r#"{"a":{"b":{"c":1},"d":[{}]},"e":"f"}"#,
        r#"{"a":{"b":{"c":null,"x":{"y":null}},"d":{"z":1}},"e":null}"#,
        r#"{"a":1,"a":{"b":2},"\u0061":{"c":3}}"#,
        r#"{"a":[{"b":null}],"e":{}}"#,
        "{}",
    ];
    for state in texts {
        for patch in texts {
            let mut expected: Value = serde_json::from_str(state).unwrap();
            json_patch::merge(&mut expected, &serde_json::from_str(patch).unwrap());
            let text = after(state, &StateChange::Merge(raw(patch))).unwrap();
            let actual: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(actual, expected, "{state} + {patch} = {text}");
        }
    }
}

#[test]
fn merge_patch_keeps_numbers_exact() {
    let state = r#"{"big":9007199254740993,"long":0.1000000000000000055511151231257827,"a":1}"#;
    let patched = after(state, &StateChange::Merge(raw(r#"{"a":null}"#))).unwrap();
    assert_eq!(patched, r#"{"big":9007199254740993,"long":0.1000000000000000055511151231257827}"#);
}

#[test]
fn operations_apply_in_order_or_not_at_all() {
    let ops = |text: &str| after(r#"{"a":[1,2],"b":{"c":3}}"#, &StateChange::Operations(raw(text)));
    let done = ops(r#"[{"op":"test","path":"/b/c","value":3},{"op":"add","path":"/a/-","value":3},
            {"op":"move","from":"/b/c","path":"/c"},{"op":"remove","path":"/a/0"},
            {"op":"replace","path":"/b","value":null},{"op":"copy","from":"/c","path":"/d"}]"#);
    assert_eq!(done.unwrap(), r#"{"a":[2,3],"b":null,"c":3,"d":3}"#);
    for refused in [
        r#"[{"op":"test","path":"/b/c","value":4}]"#,
        r#"[{"op":"remove","path":"/nope"}]"#,
        r#"[{"op":"add","path":"/a/9","value":1}]"#,
        r#"[{"op":"explode","path":"/a"}]"#,
        r#"{"op":"add"}"#,
        "[1]",
    ] {
        assert!(matches!(ops(refused), Err(StateError::Patch(_))), "{refused}");
    }
}

#[test]
fn what_operations_do_not_name_keeps_its_order() {
    let ops = |text: &str| {
        after(r#"{"a":1,"b":2,"c":3,"d":{"e":4,"f":5,"g":6}}"#, &StateChange::Operations(raw(text)))
    };
    let table = [
        (r#"[{"op":"remove","path":"/a"}]"#, r#"{"b":2,"c":3,"d":{"e":4,"f":5,"g":6}}"#),
        (r#"[{"op":"remove","path":"/d/e"}]"#, r#"{"a":1,"b":2,"c":3,"d":{"f":5,"g":6}}"#),
        (
            r#"[{"op":"move","from":"/a","path":"/x"}]"#,
            r#"{"b":2,"c":3,"d":{"e":4,"f":5,"g":6},"x":1}"#,
        ),
        (
            r#"[{"op":"move","from":"/d/e","path":"/b"}]"#,
            r#"{"a":1,"b":4,"c":3,"d":{"f":5,"g":6}}"#,
        ),
        (r#"[{"op":"move","from":"/a","path":"/c"}]"#, r#"{"b":2,"c":1,"d":{"e":4,"f":5,"g":6}}"#),
        (
            r#"[{"op":"move","from":"/b","path":"/b"}]"#,
            r#"{"a":1,"b":2,"c":3,"d":{"e":4,"f":5,"g":6}}"#,
        ),
        (
            r#"[{"op":"replace","path":"/a","value":7}]"#,
            r#"{"a":7,"b":2,"c":3,"d":{"e":4,"f":5,"g":6}}"#,
        ),
        (
            r#"[{"op":"add","path":"/b","value":7}]"#,
            r#"{"a":1,"b":7,"c":3,"d":{"e":4,"f":5,"g":6}}"#,
        ),
        (
            r#"[{"op":"copy","from":"/a","path":"/c"}]"#,
            r#"{"a":1,"b":2,"c":1,"d":{"e":4,"f":5,"g":6}}"#,
        ),
    ];
    for (operations, expected) in table {
        assert_eq!(ops(operations).unwrap(), expected, "{operations}");
    }
    for refused in [
        r#"[{"op":"move","from":"/d","path":"/d/e"}]"#,
        r#"[{"op":"move","from":"/n","path":"/n"}]"#,
        r#"[{"op":"move","from":"/n","path":"/a"}]"#,
        r#"[{"op":"move","from":"/a","path":"/n/o"}]"#,
        r#"[{"op":"remove","path":"/a/b"}]"#,
        r#"[{"op":"remove","path":""}]"#,
    ] {
        assert!(matches!(ops(refused), Err(StateError::Patch(_))), "{refused}");
    }
}

#[test]
fn a_change_never_leaves_anything_but_an_object() {
    let not_object = Err(StateError::Json(JsonFault::NotAnObject));
    for text in ["[]", "1", "\"x\"", "null"] {
        assert_eq!(after("{}", &StateChange::Replace(raw(text))), not_object);
        assert_eq!(after("{}", &StateChange::Shallow(raw(text))), not_object);
        assert_eq!(after("{}", &StateChange::Merge(raw(text))), not_object);
    }
    let root = r#"[{"op":"replace","path":"","value":7}]"#;
    assert_eq!(after("{}", &StateChange::Operations(raw(root))), not_object);
}

#[test]
fn the_bound_holds_to_the_byte() {
    let change = StateChange::Shallow(raw(r#"{"a":12}"#));
    assert!(State::empty().apply(&change, 8).is_ok());
    assert_eq!(State::empty().apply(&change, 7), Err(StateError::TooLarge { limit: 7, actual: 8 }));
}

#[test]
fn copying_cannot_pile_up_a_bomb() {
    let doubling = r#"{"op":"copy","from":"/a","path":"/a/-"}"#;
    let ops = format!("[{}]", vec![doubling; 60].join(","));
    let refused =
        State::trusted(r#"{"a":["0123456789"]}"#).apply(&StateChange::Operations(raw(&ops)), 4096);
    assert!(
        matches!(refused, Err(StateError::TooLarge { .. } | StateError::Json(JsonFault::TooDeep))),
        "{refused:?}"
    );
    let nested = r#"{"op":"add","path":"/a","value":{}},{"op":"move","from":"/a","path":"/b/a"}"#;
    assert!(after(r#"{"b":{}}"#, &StateChange::Operations(raw(&format!("[{nested}]")))).is_ok());
}

#[test]
fn patches_that_nest_too_deep_are_refused() {
    let grow = r#"{"op":"add","path":"/t","value":{}},{"op":"move","from":"/s","path":"/t/s"},{"op":"move","from":"/t","path":"/s"}"#;
    let ops = format!("[{}]", vec![grow; 130].join(","));
    assert_eq!(
        after(r#"{"s":{}}"#, &StateChange::Operations(raw(&ops))),
        Err(StateError::Json(JsonFault::TooDeep))
    );
}

#[test]
fn what_is_heavy_follows_from_kind_and_size() {
    let sized = |bytes: usize| raw(&format!("{{\"a\":\"{}\"}}", "x".repeat(bytes)));
    let kinds = |bytes: usize| {
        let of = sized(bytes);
        [
            StateChange::Replace(of.clone()),
            StateChange::Shallow(of.clone()),
            StateChange::Merge(of.clone()),
            StateChange::Operations(of),
        ]
    };
    for (state, patch, heavy) in [
        (1, 1, [false, false, false, false]),
        (8 << 10, 8 << 10, [false, false, false, true]),
        (1, 256 << 10, [false, true, true, true]),
        (256 << 10, 1, [false, true, true, true]),
    ] {
        let state = State::trusted(sized(state).as_str());
        assert_eq!(kinds(patch).map(|change| change.is_heavy_on(&state)), heavy);
    }
}
