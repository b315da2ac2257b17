//! Bounds on bytes, each on both sides of its edge (`config.rs`, `[limits]`): what is over one is refused with the
//! bound, and nobody else notices.

use crate::scene::{Config, cid, create, enter_with, eventually, leave, publish};
use crate::socket::frame::{TEXT, TEXT_BEGIN, masked};
use crate::socket::{Received, Socket, frame};
use crate::support::{Answer, OWNER, PATIENCE, Server, raw};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// A JSON string of so many bytes.
fn text(bytes: usize) -> String {
    format!("\"{}\"", "x".repeat(bytes - 2))
}

/// Asserts that something was refused as too large, with the bound and what it was.
fn assert_too_large(answer: &Answer, limit: usize, size: usize) {
    let error = answer.error();
    assert_eq!((answer.status, &error["code"]), (413, &json!("too_large")), "{error}");
    assert_eq!((&error["limit"], &error["size"]), (&json!(limit), &json!(size)), "{error}");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains(&limit.to_string()) && message.contains(&size.to_string()));
}

#[test]
fn message_bytes_bound_what_the_back_end_sends() {
    let config = Config::limits("message-bytes = 100");
    let server = config.start();
    create(&server, "room", "unprotected", &[]);
    let token = server.new_leap_token();
    let (mut socket, init) = Socket::enter(server.address, Some(&token));
    socket.subscribe("room");
    for path in [
        "/v1/channels/room/messages".to_owned(),
        format!("/v1/channels/tokens/{token}/messages"),
        format!("/v1/channels/connections/{}/messages", cid(&init)),
    ] {
        let body = |bytes: usize| format!(r#"{{"e":"edge","d":{}}}"#, text(bytes));
        assert_too_large(&server.call("POST", &path, Some(OWNER), &body(101)), 100, 101);
        server.done("POST", &path, &body(100));
        assert_eq!(socket.next()["d"]["d"].as_str().unwrap().len(), 98, "{path}");
        let far = server.call("POST", &path, Some(OWNER), &body(1 << 20)).error();
        assert_eq!((&far["code"], &far["limit"]), (&json!("too_large"), &json!(100)), "{path}");
    }
    crate::scene::assert_silent(&server, &mut socket, &cid(&init));
    server.assert_well();
}

#[test]
fn state_bytes_bound_every_way_to_a_state() {
    let config = Config::limits("state-bytes = 100");
    let server = config.start();
    create(&server, "room", "unprotected", &["CLIENT_STATE"]);
    let state = |bytes: usize| format!(r#"{{"a":{}}}"#, text(bytes - 6));
    let ask = |method: &str, path: &str, body: &str| server.call(method, path, Some(OWNER), body);
    let path = "/v1/channels/room/state";
    assert_too_large(&ask("PUT", path, &state(101)), 100, 101);
    assert_eq!(ask("PUT", path, &state(100)).status, 200);
    // A patch counts with what it makes.
    assert_too_large(&ask("PATCH", path, r#"{"b":1}"#), 100, 106);
    assert_eq!(ask("PATCH", path, r#"{"a":1}"#).status, 200);
    let headers = [("Authorization", OWNER), ("Content-Type", "application/json-patch+json")];
    let patch = format!(r#"[{{"op":"add","path":"/a","value":{}}}]"#, text(95));
    assert_too_large(&server.request("PATCH", path, &headers, patch.as_bytes()), 100, 101);
    let create = |n: usize| format!(r#"{{"type":"public","state":{}}}"#, state(n));
    assert_too_large(&ask("PUT", "/v1/channels/other", &create(101)), 100, 101);
    assert_eq!(ask("PUT", "/v1/channels/other", &create(100)).status, 200);
    let token = |n: usize| format!(r#"{{"state":{}}}"#, state(n));
    assert_too_large(&ask("POST", "/v1/channels/tokens", &token(101)), 100, 101);
    assert_eq!(ask("POST", "/v1/channels/tokens", &token(100)).status, 200);
    let (mut socket, _) = enter_with(server.address, None, &["errors"]);
    assert_eq!(socket.subscribe("room")["state"], json!({"a": 1}));
    socket.dispatch("SET_CHANNEL_STATE", "room", &json!({"a": "x".repeat(93)}));
    let error = socket.expect("ERROR")["d"].clone();
    assert_eq!(error["code"], "invalid_state");
    assert_eq!(error["message"], "the state would have 101 bytes, the limit is 100");
    socket.dispatch("SET_CHANNEL_STATE", "room", &json!({"a": "x".repeat(92)}));
    socket.expect("STATE_UPDATE");
    server.assert_well();
}

#[test]
fn frame_bytes_bound_what_a_client_sends() {
    let config = Config::limits("frame-bytes = 500");
    let server = config.start();
    let (mut neighbour, init) = Socket::enter(server.address, None);
    let beat = |bytes: usize| {
        let frame = format!(r#"{{"op":3,"x":"{}"}}"#, "x".repeat(bytes - 15));
        assert_eq!(frame.len(), bytes);
        frame
    };
    let mut socket = Socket::open(server.address);
    socket.write(&frame::text(&beat(500)));
    assert!(matches!(socket.receive(), Received::Text(ack) if ack.contains("\"op\":4")));
    socket.write(&frame::text(&beat(501)));
    let (code, reason) = socket.expect_close();
    assert!(code == 1009 && reason.contains("500"), "{code} {reason}");
    crate::scene::assert_silent(&server, &mut neighbour, &cid(&init));
    server.assert_well();
}

/// The bytes that wait for a channel's only connection; none if it has none.
fn queue(server: &Server, channel: &str) -> Option<u64> {
    let data = server.data("GET", &format!("/v1/channels/{channel}/connections"), "");
    data["connections"][0]["queue_bytes"].as_u64()
}

#[test]
fn outbox_bytes_and_patience_bound_what_waits_for_a_reader_that_takes_nothing() {
    let config = Config::limits("outbox-bytes = 100000\noutbox-patience-ms = 1000");
    let server = config.start();
    create(&server, "slow", "public", &[]);
    create(&server, "quick", "unprotected", &[]);
    let token = server.new_leap_token();
    let (mut slow, _) = Socket::enter(server.address, Some(&token));
    slow.subscribe("slow");
    let (mut quick, init) = Socket::enter(server.address, None);
    quick.subscribe("quick");
    let large = "x".repeat(32 << 20);
    publish(&server, "slow", "large", &json!(large));
    eventually("the large one waits", || queue(&server, "slow").unwrap() > 1 << 20);
    // It has time, however much waits.
    publish(&server, "slow", "waits", &json!("x".repeat(60_000)));
    assert!(crate::scene::hears(&server, &mut quick, &cid(&init), "quick"), "nobody waits for it");
    eventually("it has taken nothing for too long", || {
        publish(&server, "slow", "more", &Value::Null);
        queue(&server, "slow").is_none()
    });
    let first = slow.expect("MESSAGE");
    assert_eq!(first["d"]["d"].as_str().unwrap().len(), large.len());
    let (code, reason) = slow.expect_close();
    assert!(code == 4009 && reason.contains("100000"), "{code} {reason}");
    crate::scene::await_offline(&server, &token);
    publish(&server, "slow", "after", &Value::Null);
    let (mut back, init) = Socket::enter(server.address, Some(&token));
    assert_eq!(crate::scene::channels(&init), ["slow"]);
    assert_eq!(init["missed"], Value::Null, "{init}");
    let mut events = Vec::new();
    while events.last().is_none_or(|event| event != "after") {
        events.push(back.expect("MESSAGE")["d"]["e"].as_str().unwrap().to_owned());
    }
    assert_eq!(events[..2], ["waits", "more"], "its session recovers what it was not sent");
    server.assert_well();
}

#[test]
fn init_bytes_bound_the_states_of_one_init() {
    let config = Config::limits("init-bytes = 1000");
    let server = config.start();
    for channel in ["a", "b"] {
        let body = json!({"state": {"x": "x".repeat(600)}}).to_string();
        server.data("PUT", &format!("/v1/channels/{channel}"), &body);
    }
    let token = |channels: Value| {
        let body = json!({"channels": channels}).to_string();
        let made = server.data("POST", "/v1/channels/tokens", &body);
        made["token"]["id"].as_str().unwrap().to_owned()
    };
    let (_, init) = Socket::enter(server.address, Some(&token(json!(["a"]))));
    assert_eq!(crate::scene::channels(&init), ["a"]);
    let mut refused = Socket::open(server.address);
    refused.identify(Some(&token(json!(["a", "b"]))));
    let (code, reason) = refused.expect_close();
    assert!(code == 4008 && reason.contains("1000"), "{code} {reason}");
    server.assert_well();
}

/// How many come at once, each with this many states of this size: 448 MiB if each had its own copy.
const CROWD: (usize, usize, usize) = (64, 8, 900 << 10);

/// What a server may grow by meanwhile: less than a fifth of that.
const MOST_FOR_CROWD: u64 = 80 << 20;

#[test]
fn large_states_are_in_memory_once_for_all_who_come_at_once() {
    let (sockets, states, bytes) = CROWD;
    let server = Server::start();
    let names: Vec<_> = (0..states).map(|n| format!("large-{n}")).collect();
    for name in &names {
        let body = json!({"state": {"x": "x".repeat(bytes)}}).to_string();
        server.data("PUT", &format!("/v1/channels/{name}"), &body);
    }
    let token = || {
        let body = json!({ "channels": names }).to_string();
        let made = server.data("POST", "/v1/channels/tokens", &body);
        made["token"]["id"].as_str().unwrap().to_owned()
    };
    let tokens: Vec<_> = (0..sockets).map(|_| token()).collect();
    // So that what is kept of each channel is there.
    drop(Socket::enter(server.address, Some(&token())));
    let before = peak(&server);
    let mut crowd: Vec<_> = tokens
        .iter()
        .map(|token| {
            let mut socket = Socket::open(server.address);
            socket.identify(Some(token));
            socket
        })
        .collect();
    for socket in &mut crowd {
        let init = socket.expect("INIT");
        let channels = init["d"]["channels"].as_array().unwrap();
        assert_eq!(channels.len(), states);
        let is_whole = |channel: &Value| channel["state"]["x"].as_str().unwrap().len() == bytes;
        assert!(channels.iter().all(is_whole));
    }
    let grown = peak(&server) - before;
    assert!(grown < MOST_FOR_CROWD, "{} MiB more", grown >> 20);
    server.assert_well();
}

#[test]
fn replay_events_and_bytes_bound_what_is_kept() {
    for (limits, fits, over) in [
        ("replay-events = 3", vec![10; 3], vec![10; 4]),
        ("replay-bytes = 3000", vec![1300; 2], vec![1300; 3]),
        ("replay-events = 0", vec![], vec![10]),
        ("replay-bytes = 3000", vec![2800], vec![3001]),
    ] {
        let config = Config::limits(limits);
        let server = config.start();
        let token = crate::scene::away(&server);
        let kept_after = |sizes: &[usize]| {
            for bytes in sizes {
                publish(&server, "room", "kept", &json!("x".repeat(*bytes)));
            }
            let (mut back, init) = Socket::enter(server.address, Some(&token));
            let missed = usize::try_from(init["missed"].as_u64().unwrap_or(0)).unwrap();
            for _ in missed..sizes.len() {
                back.expect("MESSAGE");
            }
            crate::scene::assert_silent(&server, &mut back, &cid(&init));
            back.beat();
            leave(&server, back, &token);
            missed
        };
        assert_eq!(kept_after(&fits), 0, "{limits}");
        assert_eq!(kept_after(&over), 1, "{limits}");
    }
}

#[test]
fn zero_lifts_a_bound() {
    let config = Config::limits(
        "message-bytes = 0\nstate-bytes = 0\nframe-bytes = 0\noutbox-bytes = 0\nworker-outbox-bytes = 0\ninit-bytes = 0\n\
         session-channels = 0\ntoken-connections = 0\npublishes-per-second = 0",
    );
    let server = config.start();
    create(&server, "room", "unprotected", &["CLIENT_PUBLISH", "CLIENT_STATE"]);
    let (mut socket, _) = Socket::enter(server.address, Some(&server.new_leap_token()));
    socket.subscribe("room");
    let large = "x".repeat(3 << 20);
    socket.dispatch("MESSAGE", "room", &json!({"e": "large", "d": large}));
    assert_eq!(socket.expect("MESSAGE")["d"]["d"], large);
    server.data("PUT", "/v1/channels/room/state", &json!({"a": large}).to_string());
    assert_eq!(socket.expect("STATE_UPDATE")["d"]["state"]["a"], large);
    server.assert_well();
}

/// How much of a stalled body is held back.
const REST: usize = 4 << 20;

/// A publish of so many bytes under a token, of which the rest is held back.
fn stalled(server: &Server, token: &str, bytes: usize) -> TcpStream {
    let mut stream = raw(server.address);
    stream.set_read_timeout(Some(2 * PATIENCE)).unwrap();
    let head = format!(
        "POST /v1/channels/room/messages HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nContent-Length: {bytes}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&vec![b' '; bytes - REST]).unwrap();
    stream
}

/// Sends a little of the rest of each body now and then, so that none is late however slow everything else is; until told,
/// or until the server has ended them.
fn trickle(streams: &[TcpStream], until: &mpsc::Receiver<()>) {
    let little = [b' '; 4 << 10];
    for _ in 1..REST / little.len() {
        match until.recv_timeout(Duration::from_millis(100)) {
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            _ => return,
        }
        for mut stream in streams {
            stream.write_all(&little).unwrap();
        }
    }
}

#[test]
fn stalled_bodies_hold_their_projects_share_alone_and_not_for_long() {
    let server = Server::start();
    let (_, other) = server.new_project("Other");
    for token in [OWNER, &other] {
        assert_eq!(server.call("PUT", "/v1/channels/room", Some(token), "{}").status, 200);
    }
    let mut held: Vec<_> = (0..2).map(|_| stalled(&server, OWNER, 60 << 20)).collect();
    let body = format!(r#"{{"e":"large","d":{}}}"#, text(40 << 20));
    let publish = |token| server.call("POST", "/v1/channels/room/messages", Some(token), &body);
    let (done, until) = mpsc::channel();
    thread::scope(|scope| {
        let held = &held;
        let trickling = scope.spawn(move || trickle(held, &until));
        // Nothing says when what came of the stalled ones has been counted.
        eventually("the share is used up", || publish(OWNER).status == 503);
        let answer = publish(&other);
        assert_eq!(answer.status, 204, "{}", answer.text());
        // Dropped with a panic too, so that nothing goes on for it.
        drop(done);
        trickling.join().unwrap();
    });
    for stream in &mut held {
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert_eq!(Answer::parse(&answer).unwrap().failure(), (408, "timeout".to_owned()));
    }
    server.done("POST", "/v1/channels/room/messages", &body);
    server.assert_well();
}

/// What a server may grow by where 200 clients leave 175 MiB half and 8 MiB may be held: the HTTP layer, where it serves
/// sockets, has buffers of its own.
const MOST_GROWN: u64 = 48 << 20;

/// The most memory that a server has occupied so far, bytes.
fn peak(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() << 10
}

/// A message that stays half, nearly as large as one may be.
fn half() -> Vec<u8> {
    masked(TEXT_BEGIN, &vec![b'x'; 900 << 10])
}

/// A connection to the first project that leaves a message half; the server need not read all of it.
fn half_sent(server: &Server) -> Socket {
    let (mut socket, _) = Socket::enter(server.address, None);
    socket.set_write_patience(Duration::from_millis(20));
    let _ = socket.try_write(&half());
    socket
}

/// Whether a heartbeat of so many bytes is answered; else its sender was closed over it.
fn beats_largely(socket: &mut Socket, bytes: usize) -> bool {
    let beat = json!({"op": 3, "d": {"tag": "t"}, "x": "x".repeat(bytes)}).to_string();
    if socket.try_write(&masked(TEXT, beat.as_bytes())).is_err() {
        return false;
    }
    loop {
        match socket.receive() {
            Received::Text(ack) if ack.contains("\"op\":4") => return true,
            Received::Close(..) | Received::End => return false,
            // The server asks as well, now and then.
            Received::Text(beat) if beat.contains("\"op\":3") => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn inbound_bytes_bound_what_all_clients_leave_half_and_no_other_project_waits() {
    let server = Config::limits("inbound-bytes = 8_388_608").start();
    let (project, token) = server.new_project("Other");
    let body = json!({"type": "unprotected", "state": {}, "capabilities": ["CLIENT_PUBLISH"]});
    let made = server.call("PUT", "/v1/channels/room", Some(&token), &body.to_string());
    assert_eq!(made.status, 200, "{}", made.text());
    let mut other = Socket::open(server.address);
    other.send(&json!({"op": 2, "d": {"project_id": project, "token": null}}));
    other.expect("INIT");
    other.subscribe("room");
    let before = peak(&server);
    // 175 MiB; a project has two.
    let mut held: Vec<_> = (0..200).map(|_| half_sent(&server)).collect();

    // What is small goes on beside it, and so does everything of another project.
    let (mut small, _) = Socket::enter(server.address, None);
    for _ in 0..5 {
        small.beat();
        let large = json!({"e": "large", "d": "x".repeat(512 << 10)});
        other.dispatch("MESSAGE", "room", &large);
        assert_eq!(other.expect("MESSAGE")["d"]["d"], large["d"]);
        let body = r#"{"e":"small","d":1}"#;
        let answer = server.call("POST", "/v1/channels/room/messages", Some(&token), body);
        assert_eq!(answer.status, 204, "{}", answer.text());
        assert_eq!(other.expect("MESSAGE")["d"]["e"], "small");
    }

    // Others wait, so those go who have not got on for a while.
    eventually("somebody has to go", || held.iter().any(Socket::has_unread));
    for socket in held.iter_mut().filter(|socket| socket.has_unread()) {
        let (code, reason) = socket.expect_close();
        assert!(code == 4008 && reason.contains("half a frame"), "{code} {reason}");
    }
    eventually("it is logged", || server.log().contains("inbound-bytes are used up"));
    let grown = peak(&server) - before;
    println!("grown by {grown} bytes");
    assert!(grown < MOST_GROWN, "grown by {grown} bytes");

    // With them goes what they held: another two and a whole one have room beside each other. Who is not read from is
    // not known to have gone until it has waited for too long.
    drop(held);
    let _held = [half_sent(&server), half_sent(&server)];
    // Whoever comes before all of them are known to have gone may wait for too long as well.
    let has_room = || beats_largely(&mut Socket::enter(server.address, None).0, 100 << 10);
    assert!((0..10).any(|_| has_room()), "what they held did not go with them");
    server.assert_well();
}
