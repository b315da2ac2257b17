//! Subscribing from a position, or some messages back, on a channel that keeps its messages: what the window has no more
//! comes from the store (`docs/PROTOCOL.md`, Kept messages).

use crate::scene::{assert_silent, cid, create, new_token};
use crate::socket::Socket;
use crate::support::{OWNER, PROJECT, Server};
use serde_json::{Value, json};
use std::ops::Range;
use std::thread;

/// How many messages one connection is given of what is not at hand.
const MOST: u64 = 1000;

/// A connection with the extension.
fn enter(server: &Server, token: Option<&str>) -> (Socket, Value) {
    let mut socket = Socket::open(server.address);
    let identify = json!({"project_id": PROJECT, "token": token, "ext": ["resume"]});
    socket.send(&json!({"op": 2, "d": identify}));
    let init = socket.expect("INIT")["d"].take();
    (socket, init)
}

/// Subscribes to `room` so; returns what `AVAILABLE` says.
fn subscribe(socket: &mut Socket, data: &Value) -> Value {
    socket.send(&json!({"op": 0, "d": {"e": "SUBSCRIBE", "c": "room", "d": data}}));
    let available = socket.expect("AVAILABLE");
    assert_eq!(available["d"]["channel"]["id"], "room", "{available}");
    available
}

/// Makes `room`, which keeps its messages.
fn room(server: &Server) {
    create(server, "room", "unprotected", &["HISTORY"]);
}

/// Publishes these numbers to `room`; returns their positions.
fn say(server: &Server, numbers: Range<u64>) -> Vec<Value> {
    let one = |number: u64| {
        let body = json!({"e": "n", "d": number}).to_string();
        let answer = server.call("POST", "/v1/channels/room/messages", Some(OWNER), &body);
        json!(answer.header("warren-position").unwrap())
    };
    numbers.map(one).collect()
}

/// Reads the messages with these numbers, in this order; returns their positions.
fn hear(socket: &mut Socket, numbers: Range<u64>) -> Vec<Value> {
    let one = |number: u64| {
        let message = socket.expect("MESSAGE");
        assert_eq!(message["d"]["d"], json!(number), "{message}");
        message["s"].clone()
    };
    numbers.map(one).collect()
}

/// Subscribes a newcomer from there; it has to hear all from this number on, and what is said next. Returns how many
/// messages there are by then.
fn assert_recovers(
    server: &Server,
    token: Option<&str>,
    since: &Value,
    numbers: Range<u64>,
) -> u64 {
    let (mut socket, init) = enter(server, token);
    let available = subscribe(&mut socket, &json!({"since": since, "ephemeral": true}));
    assert_eq!(available["d"]["recovered"], true, "{available}");
    let heard = hear(&mut socket, numbers.clone());
    assert_eq!(heard.last().unwrap_or(since), &available["s"], "it stands where that ends");
    assert_silent(server, &mut socket, &cid(&init));
    say(server, numbers.end..numbers.end + 1);
    hear(&mut socket, numbers.end..numbers.end + 1);
    numbers.end + 1
}

#[test]
fn a_subscribe_from_a_kept_position_hears_all_that_came_after_it() {
    let server = Server::start();
    room(&server);
    let positions = say(&server, 0..600);
    let mut said = 600;
    // Far behind the window, just behind it, in it, and at its end.
    for from in [9, 343, 344, 500, 599] {
        // A session that holds the channel still would be told of it in its INIT.
        let token = new_token(&server, &json!({}));
        for token in [Some(&*token), None] {
            let since = &positions[from];
            said = assert_recovers(&server, token, since, from as u64 + 1..said);
        }
    }
    server.assert_well();
}

#[test]
fn more_than_one_connection_is_given_is_not_recovered_and_nothing_comes_partly() {
    let server = Server::start();
    room(&server);
    let positions = say(&server, 0..MOST + 300);
    let (epoch, _) = positions[0].as_str().unwrap().split_once('-').unwrap();
    let beyond = json!(format!("{epoch}-100000"));
    // The last of these is not kept any more.
    for since in [&beyond, &json!("1-1"), &positions[0]] {
        let (mut socket, init) = enter(&server, None);
        let available = subscribe(&mut socket, &json!({"since": since}));
        assert_eq!(available["d"]["recovered"], false, "{since}: {available}");
        assert_silent(&server, &mut socket, &cid(&init));
        say(&server, 7..8);
        hear(&mut socket, 7..8);
    }
    server.assert_well();
}

#[test]
fn a_rewind_reaches_as_far_back_as_is_kept() {
    let server = Server::start();
    room(&server);
    say(&server, 0..600);
    for (rewind, from) in [(0, 600), (3, 597), (256, 344), (257, 343), (600, 0), (u64::MAX, 0)] {
        let (mut socket, init) = enter(&server, None);
        let available = subscribe(&mut socket, &json!({"rewind": rewind}));
        assert!(available["d"].get("recovered").is_none(), "{available}");
        let heard = hear(&mut socket, from..600);
        assert!(heard.last().is_none_or(|last| *last == available["s"]), "{available}");
        assert_silent(&server, &mut socket, &cid(&init));
    }
    say(&server, 600..MOST + 500);
    let (mut socket, _) = enter(&server, None);
    subscribe(&mut socket, &json!({"rewind": u64::MAX}));
    hear(&mut socket, 500..MOST + 500);
    server.assert_well();
}

#[test]
fn after_a_restart_there_is_all_that_is_kept() {
    let server = Server::start();
    room(&server);
    let token = new_token(&server, &json!({}));
    let positions = say(&server, 0..20);
    let server = Server::start_in(server.crash(), &[]);
    let said = assert_recovers(&server, None, &positions[4], 5..20);
    // By now the window has something, and not all.
    let said = assert_recovers(&server, Some(&token), &positions[4], 5..said);
    let server = Server::start_in(server.crash(), &[]);
    let (mut socket, _) = enter(&server, None);
    subscribe(&mut socket, &json!({"rewind": 4}));
    hear(&mut socket, said - 4..said);
    server.assert_well();
}

#[test]
fn what_is_said_while_the_store_is_read_comes_behind_it() {
    let server = Server::start();
    room(&server);
    let positions = say(&server, 0..400);
    thread::scope(|scope| {
        let speaker = scope.spawn(|| say(&server, 400..900));
        for from in (0..120).step_by(10) {
            let (mut socket, _) = enter(&server, None);
            let available = subscribe(&mut socket, &json!({"since": positions[from]}));
            assert_eq!(available["d"]["recovered"], true, "{available}");
            // What was said before, and some of what is said meanwhile and then.
            let first = from as u64 + 1;
            hear(&mut socket, first..first + 450);
            let (mut socket, _) = enter(&server, None);
            subscribe(&mut socket, &json!({"rewind": 300}));
            let first = socket.expect("MESSAGE")["d"]["d"].as_u64().unwrap() + 1;
            hear(&mut socket, first..(first + 320).min(900));
        }
        speaker.join().unwrap();
    });
    server.assert_well();
}
