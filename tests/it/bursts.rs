//! Much at once is no fault of its reader: whoever reads as fast as the server writes is never called slow.

use crate::scene::{create, enter_with};
use crate::socket::{Http, Process, Received, Socket, frame};
use crate::support::Server;
use crate::support::receiver::{Receiver, Says};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// The state's path.
const STATE: &str = "/v1/channels/room/state";

/// A state that takes about so many bytes.
fn state(bytes: usize) -> Value {
    json!({"text": "x".repeat(bytes)})
}

/// Creates a token that is subscribed to these channels.
fn token(http: &mut Http, channels: &[String]) -> String {
    let body = json!({"channels": channels}).to_string();
    let made = http.data("POST", "/v1/channels/tokens", &body).unwrap();
    made["token"]["id"].as_str().unwrap().to_owned()
}

#[test]
fn an_init_of_any_size_reaches_its_connection() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &[]);
    let mut http = server.http();
    let mut channels = Vec::new();
    for n in 1..=4 {
        channels.push(format!("room-{n}"));
        let body = json!({"state": state(600_000)}).to_string();
        http.data("PUT", &format!("/v1/channels/room-{n}"), &body).unwrap();
        let token = token(&mut http, &channels);
        let (mut socket, init) = Socket::enter(server.address, Some(&token));
        assert_eq!(init["channels"].as_array().unwrap().len(), n);
        http.data("POST", "/v1/channels/room-1/messages", r#"{"e":"N","d":null}"#).unwrap();
        assert_eq!(socket.expect("MESSAGE")["c"], "room-1");
    }
    server.assert_well();
}

#[test]
fn what_was_kept_for_a_session_fits_behind_an_init_of_any_size() {
    const COUNT: u64 = 300;
    for (init_bytes, bytes) in [(10, 3900), (10, 65_536), (900_000, 100), (900_000, 4000)] {
        let folder = tempfile::tempdir().unwrap();
        let server = Process::start(folder.path(), &[]);
        let mut http = server.http();
        let body = json!({"state": state(init_bytes)}).to_string();
        http.data("PUT", "/v1/channels/room", &body).unwrap();
        let token = token(&mut http, &["room".to_owned()]);
        drop(Socket::enter(server.address, Some(&token)));
        let path = format!("/v1/channels/tokens/{token}");
        while http.data("GET", &path, "").unwrap()["token"]["is_online"] != false {}
        for n in 0..COUNT {
            let body = json!({"e": "N", "d": {"n": n, "text": "x".repeat(bytes)}}).to_string();
            http.data("POST", "/v1/channels/room/messages", &body).unwrap();
        }
        let (mut socket, init) = Socket::enter(server.address, Some(&token));
        let missed = init["missed"].as_u64().unwrap_or(0);
        assert!(missed < COUNT, "{bytes}: nothing was kept");
        for n in missed..COUNT {
            assert_eq!(socket.expect("MESSAGE")["d"]["d"]["n"], n, "{init_bytes}, {bytes}");
        }
        server.assert_well();
    }
}

#[test]
fn several_large_messages_at_once_do_not_cost_a_reader_its_connection() {
    const COUNT: usize = 4;
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &[]);
    let address = server.address;
    server.http().data("PUT", "/v1/channels/room", r#"{"type":"unprotected"}"#).unwrap();
    server.http().data("PUT", "/v1/channels/other", r#"{"type":"unprotected"}"#).unwrap();
    // One hears that channel alone, the other two: they are served in different ways.
    let [mut one, mut two] = [(); 2].map(|()| Socket::enter(address, None).0);
    one.subscribe("room");
    two.subscribe("room");
    two.subscribe("other");
    let body = json!({"e": "N", "d": "x".repeat(20 << 20)}).to_string();
    thread::scope(|scope| {
        for _ in 0..COUNT {
            scope.spawn(|| {
                let mut http = Http::connect(address).unwrap();
                http.data("POST", "/v1/channels/room/messages", &body).unwrap();
            });
        }
        for socket in [&mut one, &mut two] {
            scope.spawn(move || {
                for n in 0..COUNT {
                    if let Err(end) = socket.try_next() {
                        panic!("{end:?} after {n} messages");
                    }
                }
            });
        }
    });
    server.assert_well();
}

/// Patches so often, one after the other.
fn patch(address: SocketAddr, patcher: usize, times: usize) {
    let mut http = Http::connect(address).unwrap();
    for n in 0..times {
        http.data("PATCH", STATE, &json!({format!("p{patcher}"): n}).to_string()).unwrap();
    }
}

#[test]
fn writers_at_a_time_do_not_cost_a_reader_its_connection() {
    const TIMES: usize = 20;
    // The state's bytes and the writers: what is committed together is dispatched together.
    for (bytes, patchers) in [(1000, 64), (20_000, 64), (60_000, 32), (300_000, 4)] {
        let folder = tempfile::tempdir().unwrap();
        let server = Process::start(folder.path(), &[]);
        let address = server.address;
        let body = json!({"type": "unprotected", "state": state(bytes)}).to_string();
        server.http().data("PUT", "/v1/channels/room", &body).unwrap();
        let (mut socket, _) = Socket::enter(address, None);
        socket.subscribe("room");
        thread::scope(|scope| {
            for patcher in 0..patchers {
                scope.spawn(move || patch(address, patcher, TIMES));
            }
            for n in 0..patchers * TIMES {
                if let Err(end) = socket.try_next() {
                    panic!("{bytes} bytes, {patchers} writers: {end:?} after {n} updates");
                }
            }
        });
        server.assert_well();
    }
}

#[test]
fn a_burst_of_subscribes_is_answered_one_by_one_and_heartbeats_with_them() {
    const COUNT: usize = 300;
    let server = Server::start();
    for n in 0..COUNT {
        create(&server, &format!("room-{n}"), "public", &[]);
    }
    let (mut socket, _) = Socket::enter(server.address, Some(&server.new_leap_token()));
    let subscribe = |n| json!({"op": 0, "d": {"e": "SUBSCRIBE", "c": format!("room-{n}")}});
    let mut burst = Vec::new();
    for n in 0..COUNT {
        burst.extend(frame::text(&subscribe(n).to_string()));
        if n % 50 == 0 {
            let beat = json!({"op": 3, "d": {"tag": n.to_string()}});
            burst.extend(frame::text(&beat.to_string()));
        }
    }
    socket.write(&burst);
    let (mut available, mut beats) = (HashSet::new(), Vec::new());
    while available.len() < COUNT || beats.len() < COUNT / 50 {
        let Received::Text(text) = socket.receive() else { panic!("closed") };
        let payload: Value = serde_json::from_str(&text).unwrap();
        if payload["op"] == 4 {
            beats.push(payload["d"]["tag"].as_str().unwrap().to_owned());
        } else {
            assert_eq!(payload["d"]["e"], "AVAILABLE", "{payload}");
            assert!(available.insert(payload["d"]["c"].to_string()), "twice: {payload}");
        }
    }
    assert_eq!(beats, ["0", "50", "100", "150", "200", "250"]);
    server.assert_well();
}

/// How many calls have come and how many are there now, at most; and a bell.
type Calls = Arc<(Mutex<(usize, usize, usize)>, Condvar)>;

/// A server whose project asks a back end that grants, each question once `enough` have come.
fn granting(enough: usize) -> (Server, Receiver, Calls) {
    let calls = Calls::default();
    let shared = Arc::clone(&calls);
    let receiver = Receiver::start(move |_, _| {
        let (numbers, bell) = &*shared;
        let mut held = numbers.lock().unwrap();
        held.0 += 1;
        held.1 += 1;
        held.2 = held.2.max(held.1);
        bell.notify_all();
        let patience = Duration::from_secs(20);
        let (mut held, _) = bell.wait_timeout_while(held, patience, |n| n.0 < enough).unwrap();
        held.1 -= 1;
        Says(200, "", r#"{"granted":true}"#, Duration::from_millis(5))
    });
    let server = Server::start_with(&[("WARREN_ALLOW_PRIVATE_WEBHOOKS", "1")]);
    let authorizer = json!({"url": receiver.url()}).to_string();
    server.data("PUT", "/v1/projects/@this/channel-authorizer", &authorizer);
    (server, receiver, calls)
}

#[test]
fn the_back_end_is_asked_about_several_channels_side_by_side_within_a_bound() {
    const COUNT: usize = 40;
    let (server, receiver, calls) = granting(6);
    for n in 0..COUNT {
        create(&server, &format!("room-{n}"), "private", &[]);
    }
    let (mut socket, _) = Socket::enter(server.address, Some(&server.new_leap_token()));
    // Six are granted only if all six are asked about at the same time.
    for range in [0..6, 6..COUNT] {
        for n in range.clone() {
            socket.dispatch("SUBSCRIBE", &format!("room-{n}"), &Value::Null);
        }
        let heard: HashSet<_> =
            range.clone().map(|_| socket.expect("AVAILABLE")["c"].to_string()).collect();
        assert_eq!(heard.len(), range.len());
    }
    let most = calls.0.lock().unwrap().2;
    assert!((6..=16).contains(&most), "{most} at a time");
    assert_eq!(receiver.calls().len(), COUNT);
    server.assert_well();
}

#[test]
fn a_back_end_that_takes_its_time_holds_up_its_own_channel_alone() {
    let (server, _receiver, calls) = granting(2);
    create(&server, "slow", "private", &["CLIENT_PUBLISH"]);
    create(&server, "room", "public", &["CLIENT_PUBLISH", "CLIENT_STATE"]);
    let token = server.new_leap_token();
    let (mut socket, _) = enter_with(server.address, Some(&token), &["errors"]);
    let mut send = |name: &str, event: &str, channel: &str, data: Value| {
        let d = json!({"e": event, "c": channel, "d": data});
        socket.send(&json!({"op": 0, "ref": name, "d": d}));
    };
    send("1", "SUBSCRIBE", "slow", Value::Null);
    send("2", "MESSAGE", "slow", json!({"e": "behind", "d": 1}));
    send("3", "SUBSCRIBE", "room", Value::Null);
    send("4", "SUBSCRIBE", "nowhere", Value::Null);
    send("5", "MESSAGE", "room", json!({"e": "beside", "d": 1}));
    send("6", "SET_CHANNEL_STATE", "room", json!({"n": 1}));
    // All but the first two.
    let order: Vec<_> = (0..8).map(|_| summary(&socket.next())).collect();
    let of_room = |line: &&String| !line.contains("nowhere") && !line.ends_with('4');
    let beside: Vec<_> = order.iter().filter(of_room).collect();
    let expected =
        ["AVAILABLE room", "ACK 3", "MESSAGE room", "ACK 5", "STATE_UPDATE room", "ACK 6"];
    assert_eq!(beside, expected);
    assert!(order.contains(&"UNAVAILABLE nowhere".to_owned()), "{order:?}");
    assert!(order.contains(&"ERROR 4".to_owned()), "{order:?}");
    // Now it answers.
    calls.0.lock().unwrap().0 += 1;
    calls.1.notify_all();
    let rest: Vec<_> = (0..4).map(|_| summary(&socket.next())).collect();
    assert_eq!(rest, ["AVAILABLE slow", "ACK 1", "MESSAGE slow", "ACK 2"]);
    server.assert_well();
}

#[test]
fn many_channels_of_a_silent_back_end_hold_up_nothing_else() {
    const COUNT: usize = 100;
    let (server, _receiver, _) = granting(usize::MAX);
    for n in 0..COUNT {
        create(&server, &format!("room-{n}"), "private", &[]);
    }
    create(&server, "open", "public", &["CLIENT_PUBLISH"]);
    let (mut socket, _) = Socket::enter(server.address, Some(&server.new_leap_token()));
    for n in 0..COUNT {
        socket.dispatch("SUBSCRIBE", &format!("room-{n}"), &Value::Null);
    }
    socket.subscribe("open");
    socket.dispatch("MESSAGE", "open", &json!({"e": "heard", "d": null}));
    socket.expect("MESSAGE");
    socket.send(&json!({"op": 3, "d": {"tag": "behind all"}}));
    assert!(matches!(socket.receive(), Received::Text(ack) if ack.contains("behind all")));
    assert_eq!(socket.expect("UNAVAILABLE")["d"]["error_code"], "NOT_GRANTED");
    server.assert_well();
}

/// A dispatch in two words: its event, and its channel or the frame that it answers.
fn summary(dispatch: &Value) -> String {
    let about = dispatch["c"].as_str().or(dispatch["d"]["ref"].as_str()).unwrap();
    format!("{} {about}", dispatch["e"].as_str().unwrap())
}
