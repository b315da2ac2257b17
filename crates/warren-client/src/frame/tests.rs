//! Frames, held against what the server reads and writes.

use super::*;
use serde_json::json;
use warren_leap::protocol::{ClientCommand, ClientFrame};

/// What the server understands.
fn server_reads(text: &str) -> ClientFrame {
    ClientFrame::decode(text).unwrap()
}

#[test]
fn the_server_reads_what_is_written() {
    let from = Positions {
        channels: [("room".to_owned(), Position::from("1f-7"))].into(),
        direct: Some(Position::from("2-1")),
        ..Positions::default()
    };
    let frame = server_reads(&identify("project_x", Some("leap_token_x"), &from));
    let ClientCommand::Identify(said) = frame.command else { panic!("{frame:?}") };
    assert_eq!(
        (said.project_id.as_str(), said.token.as_deref()),
        ("project_x", Some("leap_token_x"))
    );
    assert_eq!(said.extensions.unwrap(), EXTENSIONS);
    let resume = said.resume.unwrap();
    assert_eq!((resume.channels.len(), resume.direct.is_some()), (1, true));
    let plain = server_reads(&identify("project_x", None, &Positions::default()));
    assert!(matches!(plain.command, ClientCommand::Identify(said) if said.token.is_none()));
    let beat = server_reads(&heartbeat("7"));
    assert_eq!(beat.command, ClientCommand::Heartbeat { tag: Some("7".to_owned()) });
    let said = json!({"e": "n", "d": [1.50]});
    let frame = server_reads(&request("MESSAGE", "room", &said, Some("r1"), Some("r1")));
    assert_eq!(frame.reference.as_deref(), Some("r1"));
    let ClientCommand::Publish { channel, message, id } = frame.command else { panic!() };
    assert_eq!(id.as_deref(), Some("r1"));
    assert_eq!((channel.unwrap().as_str(), message.event.as_ref()), ("room", "n"));
    let frame =
        server_reads(&request("SUBSCRIBE", "room", &json!({"ephemeral": true}), None, None));
    assert!(matches!(frame.command, ClientCommand::Subscribe { is_ephemeral: true, .. }));
    let patch = json!({"patch": {"a": 1}, "if_version": 3});
    let frame = server_reads(&request("PATCH_CHANNEL_STATE", "room", &patch, Some("r2"), None));
    assert!(matches!(frame.command, ClientCommand::PatchState { if_version: Some(_), .. }));
}

#[test]
fn identify_names_no_more_positions_than_the_server_reads() {
    let id = |number| format!("channel-with-\"quotes\"-{number}");
    let channels =
        (0..1000).map(|number| (id(number), Position::from("0123456789ab-17"))).collect();
    let text = identify("project_x", None, &Positions { channels, ..Positions::default() });
    assert!(text.len() < 16 * 1024, "{}", text.len());
    let ClientCommand::Identify(said) = server_reads(&text).command else { panic!() };
    assert!(said.resume.unwrap().channels.len() > 100);
}

#[test]
fn what_the_server_says_is_read() {
    let read = |text| Incoming::read(text).unwrap();
    assert!(matches!(
        read(r#"{"op":1,"d":{"heartbeat_interval":30000}}"#),
        Incoming::Hello(30_000)
    ));
    assert!(
        matches!(read(r#"{"op":3,"d":{"tag":"x"}}"#), Incoming::Heartbeat(Some(tag)) if tag == "x")
    );
    assert!(matches!(read(r#"{"op":4}"#), Incoming::Ack(None)));
    assert!(matches!(read(r#"{"op":17,"d":[]}"#), Incoming::Unknown));
    let text =
        r#"{"op":0,"d":{"c":"room","u":false,"e":"MESSAGE","d":{"e":"n","d":1.50},"s":"1-2"}}"#;
    let Incoming::Dispatch(dispatch) = read(text) else { panic!() };
    assert_eq!(dispatch.position, Some(Position::from("1-2")));
    let message: MessageData = serde_json::from_str(dispatch.data.get()).unwrap();
    assert_eq!((message.e.as_str(), message.d.get()), ("n", "1.50"));
    for broken in ["", "[]", "{\"op\":0}", "{\"op\":1,\"d\":{}}", "{\"op\":-1}", "nonsense"] {
        assert!(Incoming::read(broken).is_err(), "{broken}");
    }
}

#[test]
fn an_init_tells_whether_something_is_missing() {
    let read = |more: &str| {
        let text = format!(
            r#"{{"cid":"c","connection_count":1,"metadata":null,"scope":"token","channels":[{{"id":"r",
            "project_id":"p","type":"public","state":{{"a":10000000000000000000000}},"capabilities":0,"version":3,
            "s":"1-2","recovered":true}}]{more}}}"#
        );
        serde_json::from_str::<Init>(&text).unwrap()
    };
    assert!(!read("").has_missed);
    assert!(read(r#","missed":3"#).has_missed && read(r#","missed":null"#).has_missed);
    let init = read(r#","ext":["resume"],"direct":{"s":"2-0","recovered":false}"#);
    assert_eq!((init.direct.recovered, init.channels[0].recovered), (Some(false), Some(true)));
    assert_eq!(init.channels[0].version, Some(3));
    assert_eq!(init.channels[0].state.get(), r#"{"a":10000000000000000000000}"#);
}
