//! The socket in its encodings: JSON or Erlang's terms, large frames compressed or not.

pub mod client;

use crate::socket::frame::{BINARY, TEXT};
use crate::support::{PROJECT, Server};
use client::{Client, Form};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use warren::protocol::etf;

/// The channel that everybody hears.
const ROOM: &str = "/v1/channels/room";
/// What a client sends that may get compressed frames.
const NAMED: &str = "User-Agent: test\r\n";

/// A server with a channel to which clients may publish and whose state they may set.
fn server_with_room(settings: &[(&str, &str)]) -> Server {
    let server = Server::start_with(settings);
    server.data(
        "PUT",
        ROOM,
        r#"{"type":"unprotected","capabilities":["CLIENT_PUBLISH","CLIENT_STATE"]}"#,
    );
    server
}

/// A value with everything that an encoding could get wrong, and with a text of this length.
fn tricky(length: usize) -> Value {
    let text = "é☃😀\u{0}\"\\".repeat(length / 12);
    let numbers = r"[9007199254740993,-9007199254740993,18446744073709551617,0,255,256,-1,2147483648,0.1,-1.5e300]";
    let numbers: Value = serde_json::from_str(numbers).unwrap();
    json!({"": null, "é": {"☃": [[], {}, [true, false, [text]]]}, "numbers": numbers, "😀": [1, 2, 3]})
}

#[test]
fn all_encodings_hear_the_same() {
    let server = server_with_room(&[]);
    let open = |query, headers| Client::subscribed(server.address, query, headers, "room");
    // Each with the forms of its small and its large payloads.
    let mut clients = [
        (open("", NAMED), Form::Json, Form::Json),
        (open("encoding=etf", ""), Form::Etf, Form::Etf),
        (open("encoding=json&compression=zlib", NAMED), Form::Json, Form::Zlib),
        (open("encoding=etf&compression=zlib", NAMED), Form::Etf, Form::Zlib),
        (open("compression=zlib", ""), Form::Json, Form::Json),
        (open("encoding=etf&compression=zlib", ""), Form::Etf, Form::Etf),
    ];
    for size in [12, 120_000] {
        let value = tricky(size);
        server.data("PUT", &format!("{ROOM}/state"), &value.to_string());
        let message = json!({"e": "é", "d": value}).to_string();
        server.done("POST", &format!("{ROOM}/messages"), &message);
        for (client, small, large) in &mut clients {
            let form = if size > 1024 { *large } else { *small };
            assert_eq!(client.expect("STATE_UPDATE"), json!({"state": value}));
            assert_eq!(client.form, form);
            assert_eq!(client.expect("MESSAGE"), json!({"e": "é", "d": value}));
            assert_eq!(client.form, form);
        }
    }
    for (mut client, small, large) in clients {
        client.send(&json!({"op": 3, "d": {"tag": "x"}}));
        assert_eq!(client.expect_ack(), json!({"op": 4, "d": {"tag": "x"}}));
        assert_eq!((client.forms[0], client.form), (small, small));
        assert!(client.forms.iter().all(|form| [small, large].contains(form)));
    }
    server.assert_well();
}

/// An object of about so many bytes whose members are short: the slowest to spell as terms.
fn short_members(bytes: usize) -> Value {
    Value::Object((0..bytes / 12).map(|n| (format!("k{n}"), json!(0))).collect())
}

#[test]
fn large_frames_are_made_elsewhere_and_nothing_overtakes_them() {
    let server = server_with_room(&[("WARREN_WORKERS", "1"), ("WARREN_OUTBOX_BYTES", "64MiB")]);
    let open = |query| Client::subscribed(server.address, query, NAMED, "room");
    let mut clients =
        ["", "encoding=etf", "compression=zlib", "encoding=etf&compression=zlib"].map(open);
    let mut bystander = Client::open(server.address, "", "");
    let large = short_members(4 << 20);
    let (beats, goes_on) = (AtomicU64::new(0), AtomicBool::new(true));
    let message = json!({"e": "LARGE", "d": large}).to_string();
    thread::scope(|scope| {
        scope.spawn(|| {
            while goes_on.load(Ordering::Relaxed) {
                bystander.send(&json!({"op": 3, "d": {}}));
                bystander.expect_ack();
                beats.fetch_add(1, Ordering::Relaxed);
            }
        });
        server.done("POST", &format!("{ROOM}/messages"), &message);
        // Waits behind the large one, whose frames are being made.
        let before = beats.load(Ordering::Relaxed);
        server.done("POST", &format!("{ROOM}/messages"), r#"{"e":"NEXT"}"#);
        let meanwhile = beats.load(Ordering::Relaxed) - before;
        goes_on.store(false, Ordering::Relaxed);
        for client in &mut clients {
            assert_eq!(client.expect("MESSAGE")["e"], "LARGE");
            assert_eq!(client.expect("MESSAGE")["e"], "NEXT");
        }
        // On the worker's own thread it would have been a few at most.
        assert!(meanwhile > 50, "{meanwhile} heartbeats were answered while frames were made");
    });
    // The state that a newcomer gets is one large frame too, and what follows it comes behind.
    server.data("PUT", &format!("{ROOM}/state"), &short_members(900 << 10).to_string());
    let mut client = Client::open(server.address, "encoding=etf", "");
    client.send(&json!({"op": 2, "d": {"project_id": PROJECT, "ext": ["errors"]}}));
    client.expect("INIT");
    let subscribe = json!({"e": "SUBSCRIBE", "c": "room", "d": null});
    client.send(&json!({"op": 0, "ref": "s", "d": subscribe}));
    client.expect("AVAILABLE");
    assert_eq!(client.expect("ACK"), json!({"ref": "s"}));
    let set = json!({"e": "SET_CHANNEL_STATE", "c": "room", "d": short_members(800 << 10)});
    client.send(&json!({"op": 0, "ref": "w", "d": set}));
    client.expect("STATE_UPDATE");
    assert_eq!(client.expect("ACK")["ref"], "w");
    server.assert_well();
}

#[test]
fn a_client_of_terms_does_what_others_do() {
    let server = server_with_room(&[]);
    let mut other = Client::subscribed(server.address, "", "", "room");
    let mut client = Client::subscribed(server.address, "encoding=etf", "", "room");
    let state = tricky(24);
    client.dispatch("SET_CHANNEL_STATE", "room", &state);
    assert_eq!(other.expect("STATE_UPDATE"), json!({"state": state}));
    assert_eq!(client.expect("STATE_UPDATE"), json!({"state": state}));
    client.dispatch("MESSAGE", "room", &json!({"e": "NAME", "d": state}));
    assert_eq!(other.expect("MESSAGE"), json!({"e": "NAME", "d": state}));
    // #{op => 0, d => #{e => <<"MESSAGE">>, c => <<"room">>, d => #{e => hi, d => {ok, "ab"}}}}, as OTP 25 writes it.
    let term = b"\x83t\0\0\0\x02d\0\x01dt\0\0\0\x03d\0\x01cm\0\0\0\x04roomd\0\x01dt\0\0\0\x02d\0\x01dh\x02d\0\x02ok\
                 k\0\x02abd\0\x01ed\0\x02hid\0\x01em\0\0\0\x07MESSAGEd\0\x02opa\0";
    client.write(BINARY, term);
    assert_eq!(other.expect("MESSAGE"), json!({"e": "hi", "d": ["ok", [97, 98]]}));
    let stored = server.data("GET", &format!("{ROOM}/state"), "");
    assert_eq!(stored["state"], state);
    server.assert_well();
}

/// Frames that are no payload of a client of terms.
fn bombs() -> Vec<Vec<u8>> {
    let nested = |head: &[u8]| [&[131], &head.repeat(50_000)[..], &[106]].concat();
    let zeros = flate_of(&vec![0; 1 << 20]);
    let mut atoms = [&[131, 108], &60_000_u32.to_be_bytes()[..]].concat();
    atoms.extend((0..60_000).flat_map(|n| format!("w\x06{n:06}").into_bytes()));
    atoms.push(106);
    let op = |kind: &[u8]| [b"\x83t\0\0\0\x01w\x02op", kind].concat();
    vec![
        vec![],
        vec![131],
        b"\x83l\xFF\xFF\xFF\xFF".to_vec(),
        b"\x83i\xFF\xFF\xFF\xFFj".to_vec(),
        b"\x83t\xFF\xFF\xFF\xFF".to_vec(),
        b"\x83m\xFF\xFF\xFF\xFF".to_vec(),
        b"\x83o\xFF\xFF\xFF\xFF\0".to_vec(),
        vec![131, 68, 0],
        vec![131, 82, 0],
        b"\x83M\0\0\0\x01\x09\x80".to_vec(),
        nested(&[104, 1]),
        nested(&[108, 0, 0, 0, 1]),
        nested(b"t\0\0\0\x01m\0\0\0\0"),
        [&[131, 100, 0xFF, 0xFF], &vec![b'a'; 65_535][..]].concat(),
        atoms,
        [&[131, 80, 0, 16, 0, 0], &zeros[..]].concat(),
        zeros,
        etf::from_json("[]"),
        b"{\"op\":3}".to_vec(),
        op(&[70, 0x7F, 0xF8, 0, 0, 0, 0, 0, 0]),
        op(b"l\0\0\0\x01a\x03a\x03"),
        op(b"a\x03 "),
    ]
}

/// One zlib stream.
fn flate_of(bytes: &[u8]) -> Vec<u8> {
    warren::protocol::zlib::deflate(bytes).unwrap()
}

#[test]
fn bombs_end_their_own_connection_only() {
    let server = server_with_room(&[]);
    let mut bystander = Client::subscribed(server.address, "encoding=etf", NAMED, "room");
    for query in ["encoding=etf", "encoding=etf&compression=zlib"] {
        for bomb in bombs() {
            let mut client = Client::identified(server.address, query, NAMED);
            client.write(BINARY, &bomb);
            let (code, reason) = client.expect_close();
            assert_eq!(code, 4005, "{reason}: {:?}", &bomb[..bomb.len().min(20)]);
            assert!(reason.starts_with("invalid payload: "), "{reason}");
        }
        // A mebibyte of what takes six bytes each in JSON, and a frame over the bound.
        let mut client = Client::identified(server.address, query, NAMED);
        client.write(BINARY, &[b"\x83m\0\x0F\0\0", &vec![0; 0xF_0000][..]].concat());
        assert_eq!(client.expect_close().0, 1009);
        let mut client = Client::identified(server.address, query, NAMED);
        client.write(BINARY, &vec![131; (1 << 20) + 1]);
        assert_eq!(client.expect_close().0, 1009);
    }
    bystander.send(&json!({"op": 3}));
    assert_eq!(bystander.expect_ack(), json!({"op": 4}));
    server.assert_well();
}

#[test]
fn the_wrong_kind_of_frame_and_the_wrong_opcode_have_their_codes() {
    let server = server_with_room(&[]);
    let heartbeat = r#"{"op":3}"#;
    for (query, first, payload, code) in [
        ("", BINARY, etf::from_json(heartbeat), 4005),
        ("compression=zlib", BINARY, heartbeat.as_bytes().to_vec(), 4005),
        ("encoding=etf", TEXT, heartbeat.as_bytes().to_vec(), 4005),
        ("encoding=etf", BINARY, etf::from_json(r#"{"op":9}"#), 4004),
        ("encoding=etf", BINARY, etf::from_json(r#"{"op":0,"d":{"e":"MESSAGE"}}"#), 4005),
        ("encoding=etf", BINARY, etf::from_json(r#"{"op":0,"d":{"e":"UNSUBSCRIBE"}}"#), 4003),
    ] {
        let mut client = Client::open(server.address, query, NAMED);
        client.write(first, &payload);
        assert_eq!(client.expect_close().0, code, "{query}");
    }
}

#[test]
fn what_does_not_exist_is_refused_before_the_upgrade() {
    let server = Server::start();
    for query in ["encoding=xml", "encoding=ETF", "compression=gzip", "encoding=etf&encoding=json"]
    {
        let answer = server.call("GET", &format!("/ws?{query}"), None, "");
        assert_eq!(answer.failure(), (400, "invalid_query".to_owned()), "{query}");
    }
}

#[test]
fn compression_can_be_switched_off() {
    let server = server_with_room(&[("WARREN_ZLIB", "0")]);
    let state = tricky(12_000);
    server.data("PUT", &format!("{ROOM}/state"), &state.to_string());
    for (query, form) in
        [("compression=zlib", Form::Json), ("encoding=etf&compression=zlib", Form::Etf)]
    {
        let client = Client::subscribed(server.address, query, NAMED, "room");
        assert!(client.forms.iter().all(|each| *each == form), "{:?}", client.forms);
    }
}
