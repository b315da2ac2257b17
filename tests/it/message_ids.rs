//! Ids that clients give their messages (`docs/PROTOCOL.md`, Events from the client): what comes again is published once.

use crate::scene::{assert_silent, cid, create, enter_with, token_for};
use crate::socket::{Dice, Socket};
use crate::support::Server;
use serde_json::{Value, json};
use std::net::SocketAddr;

/// A message under an id, whose sender wants to hear of it.
fn say(socket: &mut Socket, channel: &str, id: &str) {
    let d = json!({"e": "MESSAGE", "c": channel, "d": {"e": id, "d": null}});
    socket.send(&json!({"op": 0, "ref": id, "id": id, "d": d}));
}

/// What the next dispatch, which must be an ACK, says.
fn ack(socket: &mut Socket) -> Value {
    socket.expect("ACK")["d"].take()
}

/// The message that is heard next, which must have that name.
fn hear(socket: &mut Socket, event: &str) -> Value {
    let message = socket.expect("MESSAGE");
    assert_eq!(message["d"]["e"], event, "{message}");
    message
}

/// A token that is subscribed to these new channels, where clients may publish.
fn subscribed(server: &Server, channels: &[&str]) -> String {
    for channel in channels {
        create(server, channel, "unprotected", &["CLIENT_PUBLISH"]);
    }
    token_for(server, channels)
}

#[test]
fn what_comes_again_under_its_id_is_acknowledged_as_the_first_was_and_not_published() {
    let server = Server::start();
    let token = subscribed(&server, &["room", "other"]);
    let (mut socket, init) = enter_with(server.address, Some(&token), &["errors", "resume"]);
    say(&mut socket, "room", "a");
    let position = hear(&mut socket, "a")["s"].clone();
    assert_eq!(ack(&mut socket), json!({"ref": "a", "s": position}));
    for _ in 0..3 {
        say(&mut socket, "room", "a");
        assert_eq!(ack(&mut socket), json!({"ref": "a", "s": position, "replayed": true}));
    }
    // Another id, another channel, and none at all, are other messages.
    say(&mut socket, "room", "b");
    assert_ne!(hear(&mut socket, "b")["s"], position);
    assert!(ack(&mut socket).get("replayed").is_none());
    say(&mut socket, "other", "a");
    assert_eq!(hear(&mut socket, "a")["c"], "other");
    assert!(ack(&mut socket).get("replayed").is_none());
    for _ in 0..2 {
        let d = json!({"e": "MESSAGE", "c": "room", "d": {"e": "plain"}});
        socket.send(&json!({"op": 0, "ref": "p", "id": "", "d": d}));
        let plain = hear(&mut socket, "plain")["s"].clone();
        assert_eq!(ack(&mut socket), json!({"ref": "p", "s": plain}));
    }
    // The same token's next connection, which need not ask for anything.
    let (mut next, _) = Socket::enter(server.address, Some(&token));
    say(&mut next, "room", "a");
    assert_silent(&server, &mut socket, &cid(&init));
    server.assert_well();
}

#[test]
fn ids_of_others_are_others() {
    let server = Server::start();
    let token = subscribed(&server, &["room"]);
    let stranger = token_for(&server, &["room"]);
    let (mut hears, _) = enter_with(server.address, None, &["errors"]);
    hears.subscribe("room");
    for token in [Some(&*token), Some(&*stranger), None, None] {
        let (mut socket, _) = enter_with(server.address, token, &["errors"]);
        if token.is_none() {
            socket.subscribe("room");
        }
        say(&mut socket, "room", "a");
        hear(&mut hears, "a");
        hear(&mut socket, "a");
        assert!(ack(&mut socket).get("replayed").is_none());
        say(&mut socket, "room", "a");
        assert_eq!(ack(&mut socket)["replayed"], true);
    }
    server.assert_well();
}

#[test]
fn who_may_say_nothing_any_more_still_hears_what_became_of_the_first() {
    let server = Server::start();
    let token = subscribed(&server, &["room"]);
    let (mut socket, _) = enter_with(server.address, Some(&token), &["errors"]);
    say(&mut socket, "room", "a");
    hear(&mut socket, "a");
    let first = ack(&mut socket)["s"].clone();
    server.data("PATCH", "/v1/channels/room", r#"{"capabilities":[]}"#);
    say(&mut socket, "room", "b");
    assert_eq!(socket.expect("ERROR")["d"]["code"], "missing_capability");
    say(&mut socket, "room", "a");
    assert_eq!(ack(&mut socket), json!({"ref": "a", "s": first, "replayed": true}));
    // What was refused was not said: it may come again.
    server.data("PATCH", "/v1/channels/room", r#"{"capabilities":["CLIENT_PUBLISH"]}"#);
    say(&mut socket, "room", "b");
    hear(&mut socket, "b");
    assert!(ack(&mut socket).get("replayed").is_none());
    server.assert_well();
}

/// A connection that says `n` and goes on until somebody has told it what became of it; it breaks off as the dice fall.
fn say_until_told(address: SocketAddr, token: &str, n: u64, dice: &mut Dice) {
    loop {
        let (mut socket, _) = enter_with(address, Some(token), &["errors"]);
        say(&mut socket, "room", &n.to_string());
        match dice.below(4) {
            0 => drop(socket),
            1 => socket.reset(),
            2 => {
                socket.finish();
                drop(socket);
            }
            _ => {
                assert_eq!(socket.next_of(&["ACK"])["d"]["ref"], n.to_string());
                return;
            }
        }
    }
}

#[test]
fn whoever_says_it_again_over_broken_lines_until_it_is_told_is_heard_once() {
    const COUNT: u64 = 60;
    let server = Server::start();
    let token = subscribed(&server, &["room"]);
    let (mut hears, init) = Socket::enter(server.address, None);
    hears.subscribe("room");
    let mut dice = Dice::new();
    for n in 0..COUNT {
        say_until_told(server.address, &token, n, &mut dice);
    }
    for n in 0..COUNT {
        hear(&mut hears, &n.to_string());
    }
    assert_silent(&server, &mut hears, &cid(&init));
    server.assert_well();
}

#[test]
fn an_id_is_a_string_of_at_most_128_bytes() {
    let server = Server::start();
    let token = subscribed(&server, &["room"]);
    for wrong in [json!(1), json!(["a"]), json!({}), json!(true), json!("é".repeat(65))] {
        let (mut socket, _) = Socket::enter(server.address, Some(&token));
        let d = json!({"e": "MESSAGE", "c": "room", "d": {"e": "x"}});
        socket.send(&json!({"op": 0, "id": wrong, "d": d}));
        assert_eq!(socket.expect_close().0, 4005, "{wrong}");
    }
    let (mut socket, _) = enter_with(server.address, Some(&token), &["errors"]);
    let longest = "é".repeat(64);
    for is_repeat in [false, true] {
        let d = json!({"e": "MESSAGE", "c": "room", "d": {"e": "x"}});
        socket.send(&json!({"op": 0, "ref": "r", "id": longest, "d": d}));
        let ack = socket.next_of(&["ACK"]);
        assert_eq!(ack["d"].get("replayed").is_some(), is_repeat, "{ack}");
    }
    server.assert_well();
}
