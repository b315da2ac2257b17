//! The close codes of Leap, each earned in every way that the documents name (`docs/CLIENTS.md`, Socket, `docs/PROTOCOL.md`).

use crate::socket::{PATIENCE, Process, Received, Socket, Stopwatch, frame};
use crate::support::{PROJECT, Server};
use serde_json::{Value, json};
use std::fmt::Debug;
use std::time::Duration;

/// The longest frame and the longest message that a client may send.
const FRAME_BYTES: usize = 1 << 20;

/// Sends each of these bytes on a connection of its own and asserts the code that they earn.
///
/// All connections are opened first, because the server leaves each a moment to hang up.
fn assert_earned<N: Debug>(
    server: &Server,
    code: u16,
    cases: impl IntoIterator<Item = (N, Vec<u8>)>,
) {
    let sent = cases.into_iter().map(|(name, bytes)| {
        let mut socket = Socket::open(server.address);
        socket.write(&bytes);
        (name, socket)
    });
    assert_closed(code, sent.collect());
}

/// Asserts that each of these connections is closed with this code, for a reason that fits a control frame.
fn assert_closed<N: Debug>(code: u16, sockets: Vec<(N, Socket)>) {
    assert!(!sockets.is_empty());
    for (name, mut socket) in sockets {
        let (earned, reason) = socket.expect_close();
        assert_eq!(earned, code, "{name:?}: {reason}");
        assert!(!reason.is_empty() && reason.len() <= 123, "{name:?}: {reason:?}");
    }
}

/// An IDENTIFY with these members.
fn identify(members: &Value) -> Vec<u8> {
    frame::text(&json!({"op": 2, "d": members}).to_string())
}

#[test]
fn who_is_not_known_is_told_to_stop() {
    let server = Server::start();
    let (other, _) = server.new_project("other");
    let token = server.new_leap_token();
    let deleted = server.new_leap_token();
    server.done("DELETE", &format!("/v1/channels/tokens/{deleted}"), "");
    let past = r#"{"expires_at":"2020-01-01T00:00:00Z"}"#;
    let expired = server.call("POST", "/v1/channels/tokens", Some(crate::support::OWNER), past);
    let mut cases = vec![
        json!({"project_id": PROJECT, "token": "leap_token_nobody"}),
        json!({"project_id": PROJECT, "token": deleted}),
        json!({"project_id": PROJECT, "token": "no token at all"}),
        json!({"project_id": PROJECT, "token": "ptk_nobody"}),
        json!({"project_id": PROJECT, "token": crate::support::ADMIN}),
        json!({"project_id": "project_nobody"}),
        json!({"project_id": "", "token": token}),
        json!({"project_id": "project_nobody", "token": token}),
        json!({"project_id": other, "token": token}),
        json!({"project_id": other, "token": crate::support::OWNER}),
    ];
    // A token may as well be refused when it is made with an expiry that has passed.
    if expired.status == 200 {
        let id = expired.data()["token"]["id"].clone();
        cases.push(json!({"project_id": PROJECT, "token": id}));
    }
    assert_earned(&server, 4001, cases.iter().map(|case| (case, identify(case))));
    server.assert_well();
}

#[test]
fn a_token_that_ends_takes_its_live_connections_along() {
    let server = Server::start();
    let token = server.new_leap_token();
    let (mut one, _) = Socket::enter(server.address, Some(&token));
    let (mut two, _) = Socket::enter(server.address, Some(&token));
    let (mut anonymous, _) = Socket::enter(server.address, None);
    server.done("DELETE", &format!("/v1/channels/tokens/{token}"), "");
    assert_eq!(one.expect_close().0, 4001);
    assert_eq!(two.expect_close().0, 4001);
    let at = time::OffsetDateTime::now_utc() + Duration::from_millis(1500);
    let at = at.format(&time::format_description::well_known::Rfc3339).unwrap();
    let body = json!({"expires_at": at}).to_string();
    let made = server.data("POST", "/v1/channels/tokens", &body);
    let token = made["token"]["id"].as_str().unwrap();
    let (mut socket, _) = Socket::enter(server.address, Some(token));
    assert_eq!(socket.expect_close().0, 4001, "expired");
    let again = identify(&json!({"project_id": PROJECT, "token": token}));
    assert_earned(&server, 4001, [("expired", again)]);
    anonymous.write(&frame::masked(frame::PING, b"still here"));
    assert_eq!(anonymous.next_pong(), b"still here");
}

#[test]
fn ten_seconds_are_there_to_identify() {
    let server = Server::start();
    let (clock, mut silent, mut beating) =
        (Stopwatch::start(), Socket::open(server.address), Socket::open(server.address));
    beating.send(&json!({"op": 3}));
    assert!(matches!(beating.receive(), Received::Text(ack) if ack.contains("\"op\":4")));
    assert_eq!(silent.close_frame().0, 4002);
    let passed = clock.elapsed();
    assert!(passed >= Duration::from_millis(9900), "{passed:?}");
    assert!(passed < Duration::from_secs(20), "{passed:?}");
    assert_eq!(beating.expect_close().0, 4002, "a heartbeat is not an IDENTIFY");
}

#[test]
fn service_comes_after_identify() {
    let server = Server::start();
    let events = ["SUBSCRIBE", "UNSUBSCRIBE", "MESSAGE", "SET_CHANNEL_STATE", "NOTHING_KNOWN"];
    let early = |e: &str| {
        let d = json!({"e": e, "c": "room", "d": {"e": "x", "d": null}});
        frame::text(&json!({"op": 0, "d": d}).to_string())
    };
    assert_earned(&server, 4003, events.map(|e| (e, early(e))));
    server.assert_well();
}

#[test]
fn opcodes_that_a_client_cannot_send_are_unknown() {
    let server = Server::start();
    let opcodes = [
        "-1",
        "1",
        "4",
        "5",
        "255",
        "9007199254740992",
        "1e400",
        "1.5",
        "0.0",
        "-0",
        "\"0\"",
        "null",
        "true",
        "[]",
        "{}",
    ];
    let wrong = |op: &str| frame::text(&format!(r#"{{"op":{op},"d":{{}}}}"#));
    assert_earned(&server, 4004, opcodes.map(|op| (op, wrong(op))));
    let identified = opcodes.map(|op| {
        let (mut socket, _) = Socket::enter(server.address, None);
        socket.write(&wrong(op));
        (op, socket)
    });
    assert_closed(4004, identified.into());
    server.assert_well();
}

/// Texts that are no payload of Leap.
const INVALID: &[&str] = &[
    "",
    " ",
    "x",
    "nul",
    "null",
    "true",
    "0",
    "\"text\"",
    "[]",
    "[3]",
    "{",
    "{}",
    "}",
    "{{}}",
    "{'op':3}",
    "{op:3}",
    r#"{"op":3,}"#,
    r#"{"op":3"#,
    r#"{"op":}"#,
    r#"{"op":03}"#,
    r#"{"op":NaN}"#,
    r#"{"op":+3}"#,
    r#"{"op":3}x"#,
    r#"{"op":3}{"op":3}"#,
    r#"{"op":3} 3"#,
    "\u{feff}{\"op\":3}",
    "{\"op\":3}\0",
    "{\"op\":3,\"d\":\"\u{1}\"}",
    r#"{"op":3,"op":3}"#,
    r#"{"op":3,"d":{},"d":{}}"#,
    r#"{"op":3,"d":{"tag":"a","tag":"b"}}"#,
    r#"{"d":{}}"#,
    r#"{"Op":3}"#,
    r#"{"op":3,"d":[]}"#,
    r#"{"op":3,"d":"x"}"#,
    r#"{"op":3,"d":5}"#,
    r#"{"op":3,"d":{"tag":5}}"#,
    r#"{"op":3,"d":{"tag":"\ud800"}}"#,
    r#"{"op":3,"x":"\udc00"}"#,
    r#"{"op":3,"\ud800":1}"#,
    r#"{"op":3,"x":"\u12"}"#,
    r#"{"op":3,"x":"\x"}"#,
    r#"{"op":2}"#,
    r#"{"op":2,"d":null}"#,
    r#"{"op":2,"d":[]}"#,
    r#"{"op":2,"d":{}}"#,
    r#"{"op":2,"d":{"project_id":5}}"#,
    r#"{"op":2,"d":{"project_id":null}}"#,
    r#"{"op":2,"d":{"project_id":"project_test","token":5}}"#,
    r#"{"op":2,"d":{"project_id":"project_test","token":{}}}"#,
    r#"{"op":2,"d":{"project_id":"project_test","project_id":"project_test"}}"#,
    r#"{"op":0}"#,
    r#"{"op":0,"d":null}"#,
    r#"{"op":0,"d":"SUBSCRIBE"}"#,
    r#"{"op":0,"d":{}}"#,
    r#"{"op":0,"d":{"e":null,"c":"room"}}"#,
    r#"{"op":0,"d":{"e":["SUBSCRIBE"],"c":"room"}}"#,
    r#"{"op":0,"d":{"e":"SUBSCRIBE","c":5}}"#,
    r#"{"op":0,"d":{"e":"SUBSCRIBE","c":{}}}"#,
    r#"{"op":0,"d":{"e":"MESSAGE","c":"room"}}"#,
    r#"{"op":0,"d":{"e":"MESSAGE","c":"room","d":{}}}"#,
    r#"{"op":0,"d":{"e":"MESSAGE","c":"room","d":{"e":5}}}"#,
];

#[test]
fn what_is_no_payload_of_leap_is_invalid() {
    let server = Server::start();
    let nested = |n: usize| format!(r#"{{"op":3,"d":{}{}}}"#, "[".repeat(n), "]".repeat(n));
    let deep = nested(128);
    let long_tag = json!({"op": 3, "d": {"tag": "x".repeat(257)}}).to_string();
    let cases = INVALID.iter().copied().chain([&*deep, &*long_tag]);
    assert_earned(&server, 4005, cases.map(|case| (case, frame::text(case))));
    let deepest = nested(127).replace(r#""d":"#, r#""x":"#);
    let mut socket = Socket::open(server.address);
    socket.write(&frame::text(&deepest));
    assert!(matches!(socket.receive(), Received::Text(ack) if ack.contains("\"op\":4")));
    server.assert_well();
}

#[test]
fn what_is_not_text_is_invalid() {
    let server = Server::start();
    let beat = br#"{"op":3}"#;
    let fragments = |first, head: &[u8], tail: &[u8]| {
        [frame::masked(first, head), frame::masked(frame::LAST, tail)].concat()
    };
    let mut cases = vec![
        ("binary".to_owned(), frame::masked(frame::BINARY, beat)),
        ("binary, split".to_owned(), fragments(frame::BINARY_BEGIN, &beat[..3], &beat[3..])),
    ];
    // Not UTF-8: a lone byte, an overlong form, a surrogate, beyond the last character, a character cut short.
    for bad in [&b"\xFF"[..], b"\xC0\x80", b"\xED\xA0\x80", b"\xF4\x90\x80\x80", b"\xE2\x98"] {
        let payload = [br#"{"op":3,"x":""#, bad, br#""}"#].concat();
        cases.push((format!("{bad:x?}"), frame::masked(frame::TEXT, &payload)));
        let (head, tail) = payload.split_at(14);
        cases.push((format!("{bad:x?}, split"), fragments(frame::TEXT_BEGIN, head, tail)));
    }
    assert_earned(&server, 4005, cases);
    // The same cut inside a good character is no fault.
    let (head, tail) = r#"{"op":3,"d":{"tag":"☃"}}"#.as_bytes().split_at(21);
    let mut socket = Socket::open(server.address);
    socket.write(&fragments(frame::TEXT_BEGIN, head, tail));
    assert!(matches!(socket.receive(), Received::Text(ack) if ack.contains("☃")));
    server.assert_well();
}

#[test]
fn one_identifies_once() {
    let server = Server::start();
    let (mut socket, _) = Socket::enter(server.address, None);
    socket.identify(None);
    assert_eq!(socket.expect_close().0, 4005);
    let mut hasty = Socket::open(server.address);
    let twice = identify(&json!({"project_id": PROJECT})).repeat(2);
    hasty.write(&twice);
    assert_eq!(hasty.expect_close().0, 4005, "both before INIT");
    server.assert_well();
}

#[test]
fn too_much_is_too_big() {
    let server = Server::start();
    let padded = |n: usize| {
        let frame = format!(r#"{{"op":3,"x":"{}"}}"#, "x".repeat(n - 15));
        assert_eq!(frame.len(), n);
        frame.into_bytes()
    };
    let fragments = |payload: &[u8]| {
        let (head, tail) = payload.split_at(payload.len() / 2);
        [frame::masked(frame::TEXT_BEGIN, head), frame::masked(frame::LAST, tail)].concat()
    };
    let (fits, over) = (padded(FRAME_BYTES), padded(FRAME_BYTES + 1));
    let over = [("one frame", frame::masked(frame::TEXT, &over)), ("split", fragments(&over))];
    assert_earned(&server, 1009, over);
    for bytes in [frame::masked(frame::TEXT, &fits), fragments(&fits)] {
        let (mut socket, _) = Socket::enter(server.address, None);
        socket.write(&bytes);
        assert!(matches!(socket.receive(), Received::Text(ack) if ack.contains("\"op\":4")));
    }
    server.assert_well();
}

#[test]
fn who_sends_no_heartbeat_is_out_of_sync_and_who_does_stays() {
    let quick = [("WARREN_HEARTBEAT", "1"), ("WARREN_HEARTBEAT_TIMEOUT", "5")];
    let server = Server::start_with(&quick);
    let (clock, (mut silent, _)) = (Stopwatch::start(), Socket::enter(server.address, None));
    let (mut living, _) = Socket::enter(server.address, None);
    let beats = std::thread::spawn(move || {
        for _ in 0..8 {
            living.send(&json!({"op": 3}));
            // A client that beats in time: this is how it lives.
            std::thread::sleep(Duration::from_millis(900));
        }
        living.write(&frame::masked(frame::PING, b"alive"));
        living.next_pong()
    });
    // A ping is no heartbeat, and neither is service; nor does an answer come to the server's own heartbeat.
    silent.write(&frame::masked(frame::PING, b"x"));
    silent.dispatch("UNSUBSCRIBE", "room", &Value::Null);
    assert_eq!(silent.close_frame().0, 4007);
    let passed = clock.elapsed();
    assert!(passed >= Duration::from_millis(4900), "{passed:?}");
    assert!(passed < PATIENCE, "{passed:?}");
    assert_eq!(beats.join().unwrap(), b"alive");
    server.assert_well();
}

#[test]
fn a_server_that_was_paused_reads_before_it_judges() {
    const INTERVAL: Duration = Duration::from_secs(1);
    let folder = tempfile::tempdir().unwrap();
    // So much that a machine that is busy with other things does not make a client late.
    let quick = [("WARREN_HEARTBEAT", "1"), ("WARREN_HEARTBEAT_TIMEOUT", "5")];
    let server = Process::start(folder.path(), &quick);
    let mut sockets: Vec<Socket> =
        (0..100).map(|_| Socket::enter(server.address, None).0).collect();
    // The server sleeps for longer than it bears silence; its clients go on as always.
    for second in 0..10 {
        match second {
            1 => server.signal("STOP"),
            8 => server.signal("CONT"),
            _ => {}
        }
        for socket in &mut sockets {
            socket.send(&json!({"op": 3}));
        }
        // As clients that beat in time live, while the server stands still in between.
        std::thread::sleep(INTERVAL);
    }
    for socket in &mut sockets {
        socket.write(&frame::masked(frame::PING, b"alive"));
        assert_eq!(socket.next_pong(), b"alive");
    }
    server.assert_well();
}
