//! What real clients send is understood, what nobody may send is refused with the right code.

use super::*;

/// A decoded frame.
fn decoded(text: &str) -> ClientCommand {
    ClientFrame::decode(text).unwrap().command
}

#[test]
fn identify_takes_all_three_forms_of_anonymous() {
    for token in ["", r#","token":null"#, r#","token":"""#] {
        let text = format!(r#"{{"op":2,"d":{{"project_id":"project_x"{token}}}}}"#);
        let expected = Identify {
            project_id: "project_x".into(),
            token: None,
            extensions: None,
            resume: None,
        };
        assert_eq!(decoded(&text), ClientCommand::Identify(Box::new(expected)));
    }
}

#[test]
fn identify_carries_token_and_extensions() {
    let ClientCommand::Identify(identify) = decoded(
        r#"{"d":{"token":"leap_token_x","project_id":"p","ext":["errors"],"other":1},"op":2}"#,
    ) else {
        panic!("not an identify")
    };
    assert_eq!(identify.token.as_deref(), Some("leap_token_x"));
    assert_eq!(identify.extensions, Some(vec!["errors".to_owned()]));
}

#[test]
fn heartbeats_come_in_every_shape() {
    for text in [
        r#"{"op":3}"#,
        r#"{"op":3,"d":null}"#,
        r#"{"op":3,"d":{}}"#,
        r#"{"op":3,"d":{"tag":""}}"#,
        "{\"op\":3,\"d\":{\"tag\":null}}\n",
    ] {
        assert_eq!(decoded(text), ClientCommand::Heartbeat { tag: None }, "{text}");
    }
    assert_eq!(
        decoded(r#"{"op":3,"d":{"tag":"a"}}"#),
        ClientCommand::Heartbeat { tag: Some("a".into()) }
    );
}

#[test]
fn subscribe_allows_null_channels_and_initial_data() {
    let subscribe = |channel: Option<&str>, is_ephemeral| ClientCommand::Subscribe {
        channel: channel.map(str::to_owned),
        is_ephemeral,
        start: Ok(None),
    };
    assert_eq!(
        decoded(r#"{"op":0,"d":{"e":"SUBSCRIBE","c":"room","d":null}}"#),
        subscribe(Some("room"), false)
    );
    assert_eq!(decoded(r#"{"op":0,"d":{"e":"SUBSCRIBE","c":null}}"#), subscribe(None, false));
    assert_eq!(
        decoded(r#"{"op":0,"d":{"e":"SUBSCRIBE","c":"r","d":[1,"x"],"u":false}}"#),
        subscribe(Some("r"), false)
    );
    assert_eq!(
        decoded(r#"{"op":0,"d":{"e":"SUBSCRIBE","c":"r","d":{"ephemeral":true}}}"#),
        subscribe(Some("r"), true)
    );
}

#[test]
fn message_data_is_not_touched() {
    let ClientCommand::Publish { channel, message, id: None } = decoded(
        r#"{"op":0,"d":{"e":"MESSAGE","c":"r","d":{"e":"X","d":{"b":1.0,"a":12345678901234567890}}}}"#,
    ) else {
        panic!("not a message")
    };
    assert_eq!(channel, ChannelId::parse("r").ok());
    assert_eq!(message.data.as_str(), r#"{"b":1.0,"a":12345678901234567890}"#);
}

#[test]
fn a_message_without_data_has_null() {
    let text = r#"{"op":0,"d":{"e":"MESSAGE","c":"r","d":{"e":"X"}}}"#;
    let ClientCommand::Publish { message, .. } = decoded(text) else { panic!("not a message") };
    assert_eq!(message.data, RawJson::null());
}

#[test]
fn a_message_may_have_an_id_and_nothing_else_has() {
    let with = |event: &str, id: &str| {
        let d = format!(r#"{{"e":"{event}","c":"r","d":{{"e":"X"}}}}"#);
        ClientFrame::decode(&format!(r#"{{"op":0,"id":{id},"d":{d}}}"#))
    };
    let id_of = |id: &str| match with("MESSAGE", id).unwrap().command {
        ClientCommand::Publish { id, .. } => id,
        other => panic!("{other:?}"),
    };
    let longest = "é".repeat(64);
    assert_eq!(id_of(r#""\u0061""#).as_deref(), Some("a"));
    assert_eq!(id_of(&format!("\"{longest}\"")).as_deref(), Some(&*longest));
    for none in ["null", r#""""#] {
        assert_eq!(id_of(none), None, "{none}");
    }
    for wrong in ["1", "[]", "{}", "true", &format!("\"{longest}x\"")] {
        let refused = with("MESSAGE", wrong);
        assert!(matches!(refused, Err(DecodeError::Payload(_))), "{wrong}: {refused:?}");
        assert!(with("SUBSCRIBE", wrong).is_ok(), "{wrong}");
    }
    assert!(ClientFrame::decode(r#"{"op":3,"id":1}"#).is_ok());
}

#[test]
fn unknown_events_are_ignored() {
    let sent =
        |e: &str| decoded(&format!(r#"{{"op":0,"d":{{"e":"{e}","c":null,"d":{{"id":1}}}}}}"#));
    assert_eq!(sent("PIPE_ROOM_UNSUBSCRIBE"), ClientCommand::Ignored);
    for e in ["NO_SUCH_EVENT", ""] {
        assert_eq!(sent(e), ClientCommand::Unknown { name: e.to_owned() });
    }
    assert_eq!(sent(&"x".repeat(1000)), ClientCommand::Unknown { name: "x".repeat(64) });
}

#[test]
fn wrong_opcodes_are_told_from_wrong_payloads() {
    for op in ["-1", "1", "4", "5", "255", "9007199254740992", "\"0\"", "null", "1.5", "[]", "1e0"]
    {
        let text = format!(r#"{{"op":{op},"d":{{}}}}"#);
        assert_eq!(ClientFrame::decode(&text), Err(DecodeError::Opcode), "{op}");
    }
    for whole in [
        r#"{"op":2,"ref":"r","d":{"project_id":"p","token":"t","ext":[]}}"#,
        r#"{"op":3,"ref":"r","d":{"tag":"t"}}"#,
        r#"{"op":0,"ref":"r","d":{"e":"MESSAGE","c":"r","d":{"e":"X","d":1}}}"#,
        r#"{"op":0,"ref":"r","d":{"e":"SUBSCRIBE","c":"r","d":{"ephemeral":true}}}"#,
        r#"{"op":0,"ref":"r","d":{"e":"PATCH_CHANNEL_STATE","c":"r","d":{"patch":{},"if_version":1}}}"#,
    ] {
        assert!(ClientFrame::decode(whole).is_ok(), "{whole}");
        // Every key, at every depth, once more beside itself.
        for (start, _) in
            whole.match_indices('"').filter(|(at, _)| whole[..*at].ends_with(['{', ',']))
        {
            let name = whole[start + 1..].split_once('"').map(|(name, _)| name).unwrap();
            let twice = format!("{}\"{name}\":null,{}", &whole[..start], &whole[start..]);
            assert!(matches!(ClientFrame::decode(&twice), Err(DecodeError::Payload(_))), "{twice}");
        }
    }
    let deep = format!(r#"{{"op":0,"d":{{"e":"X","d":{}{}}}}}"#, "[".repeat(127), "]".repeat(127));
    for text in [
        "",
        "[]",
        "\"x\"",
        "nul",
        "7",
        "{",
        "{}",
        r#"{"d":{}}"#,
        r#"{"op":0}"#,
        r#"{"op":0,"d":[]}"#,
        r#"{"op":0,"d":null}"#,
        r#"{"op":0,"op":0,"d":{"e":"X"}}"#,
        r#"{"op":2,"d":{}}"#,
        r#"{"op":2,"d":{"project_id":7}}"#,
        r#"{"op":2,"d":{"project_id":"p","token":7}}"#,
        r#"{"op":3,"d":[]}"#,
        r#"{"op":3,"d":{"tag":7}}"#,
        r#"{"op":0,"d":{"e":7}}"#,
        r#"{"op":0,"d":{"e":"MESSAGE","c":7,"d":{"e":"X"}}}"#,
        r#"{"op":0,"d":{"e":"MESSAGE","c":"r","d":null}}"#,
        r#"{"op":0,"d":{"e":"MESSAGE","c":"r","d":{"e":1}}}"#,
        r#"{"op":0,"d":{"e":"SUBSCRIBE","c":"r","d":{"ephemeral":"yes"}}}"#,
        r#"{"op":3}{"op":3}"#,
        "\u{feff}{\"op\":3}",
        r#"{"op":0,"d":{"e":"\ud800"}}"#,
        r#"{"op":3,"d":{"tag":NaN}}"#,
        &deep,
    ] {
        assert!(matches!(ClientFrame::decode(text), Err(DecodeError::Payload(_))), "{text}");
    }
}

#[test]
fn over_long_names_and_tags_are_refused() {
    let long = "x".repeat(257);
    for text in [
        format!(r#"{{"op":3,"d":{{"tag":"{long}"}}}}"#),
        format!(r#"{{"op":0,"d":{{"e":"MESSAGE","c":"r","d":{{"e":"{long}"}}}}}}"#),
    ] {
        assert!(matches!(ClientFrame::decode(&text), Err(DecodeError::Payload(_))));
    }
}

#[test]
fn frames_may_be_named_and_states_patched() {
    let text = r#"{"op":0,"ref":"r1","d":{"e":"PATCH_CHANNEL_STATE","c":"r","d":{"patch":{"a":null},"if_version":3}}}"#;
    let ClientFrame { command, reference, .. } = ClientFrame::decode(text).unwrap();
    assert_eq!(reference.as_deref(), Some("r1"));
    let patch = RawJson::parse(r#"{"a":null}"#).unwrap();
    let channel = ChannelId::parse("r").ok();
    assert_eq!(command, ClientCommand::PatchState { channel, patch, if_version: Some(Version(3)) });
    for broken in [
        r#"{"op":0,"ref":7,"d":{"e":"X"}}"#,
        r#"{"op":0,"d":{"e":"PATCH_CHANNEL_STATE","c":"r","d":{}}}"#,
        r#"{"op":0,"d":{"e":"PATCH_CHANNEL_STATE","c":"r","d":{"patch":{},"if_version":"1"}}}"#,
    ] {
        assert!(matches!(ClientFrame::decode(broken), Err(DecodeError::Payload(_))), "{broken}");
    }
}

#[test]
fn a_subscribe_says_from_where_and_a_position_wins() {
    let start = |d: &str| {
        let text = format!(r#"{{"op":0,"d":{{"e":"SUBSCRIBE","c":"r","d":{d}}}}}"#);
        let ClientCommand::Subscribe { start, .. } = decoded(&text) else { panic!("no subscribe") };
        start
    };
    let after = |text| Ok(Some(StartingPoint::After(Since::read(text))));
    for none in ["null", "{}", r#"{"since":null,"rewind":null}"#, "[1]", r#""since""#] {
        assert_eq!(start(none), Ok(None), "{none}");
    }
    assert_eq!(start(r#"{"since":"1f-7"}"#), after("1f-7"));
    assert_eq!(start(r#"{"since":"1f-7","rewind":3}"#), after("1f-7"));
    assert_eq!(start(r#"{"since":"what"}"#), Ok(Some(StartingPoint::After(Since(None)))));
    assert_eq!(start(r#"{"rewind":3,"ephemeral":true}"#), Ok(Some(StartingPoint::Newest(3))));
    for wrong in [r#"{"since":1}"#, r#"{"rewind":"3"}"#, r#"{"rewind":-1}"#, r#"{"rewind":1.5}"#] {
        assert!(start(wrong).is_err(), "{wrong}");
    }
}
