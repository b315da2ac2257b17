//! Short breaks: what a token's next connection finds (`docs/PROTOCOL.md`, Sessions and connections).

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in a test, a panic is the report"
)]

mod scene;
mod socket;
mod support;

use scene::{Config, channels, cid, create, leave, publish};
use serde_json::{Value, json};
use socket::Socket;
use support::Server;

/// Sends a direct message to a token.
fn direct(server: &Server, token: &str, event: &str) {
    let body = json!({"e": event, "d": {"n": 1}}).to_string();
    server.done("POST", &format!("/v1/channels/tokens/{token}/messages"), &body);
}

/// The inner events of the next `n` dispatches, which must all be messages.
fn heard(socket: &mut Socket, n: usize) -> Vec<String> {
    let next = |socket: &mut Socket| {
        let dispatch = socket.next();
        assert!(dispatch["e"].as_str().unwrap().ends_with("MESSAGE"), "{dispatch}");
        dispatch["d"]["e"].as_str().unwrap().to_owned()
    };
    (0..n).map(|_| next(socket)).collect()
}

#[test]
fn a_short_break_loses_nothing_and_keeps_the_order() {
    let server = Server::start();
    create(&server, "room", "public", &[]);
    create(&server, "hall", "public", &[]);
    let token = server.new_leap_token();
    let (mut socket, _) = Socket::enter(server.address, Some(&token));
    socket.subscribe("room");
    socket.subscribe("hall");
    leave(&server, socket, &token);
    let mut expected = Vec::new();
    for n in 0..20 {
        publish(&server, "room", &format!("room {n}"), &json!(n));
        expected.push(format!("room {n}"));
    }
    direct(&server, &token, "direct");
    let (mut back, init) = Socket::enter(server.address, Some(&token));
    assert_eq!(channels(&init), ["room", "hall"]);
    assert!(init.get("missed").is_none(), "{init}");
    let heard_now = heard(&mut back, 21);
    let of_room: Vec<_> = heard_now.iter().filter(|e| *e != "direct").cloned().collect();
    assert_eq!(of_room, expected, "one channel's order is kept");
    assert!(heard_now.contains(&"direct".to_owned()));
    assert!(scene::hears(&server, &mut back, &cid(&init), "hall"), "and live ones follow");
    // It was delivered once: the next connection does not hear it again.
    let (mut second, init) = Socket::enter(server.address, Some(&token));
    scene::assert_silent(&server, &mut second, &cid(&init));
    server.assert_well();
}

#[test]
fn past_the_bound_the_oldest_go_and_init_says_how_many() {
    let config = Config::limits("replay-events = 3");
    let server = config.start();
    create(&server, "room", "public", &[]);
    let token = server.new_leap_token();
    let (mut socket, _) = Socket::enter(server.address, Some(&token));
    socket.subscribe("room");
    leave(&server, socket, &token);
    for n in 0..8 {
        publish(&server, "room", &n.to_string(), &Value::Null);
    }
    let (mut back, init) = Socket::enter(server.address, Some(&token));
    assert_eq!(init["missed"], 5);
    assert_eq!(heard(&mut back, 3), ["5", "6", "7"]);
    scene::assert_silent(&server, &mut back, &cid(&init));
    leave(&server, back, &token);
    let (_back, init) = Socket::enter(server.address, Some(&token));
    assert!(init.get("missed").is_none(), "counted once: {init}");
    server.assert_well();
}

#[test]
fn init_has_the_newest_state_and_no_older_one_follows() {
    let server = Server::start();
    create(&server, "room", "public", &[]);
    let token = server.new_leap_token();
    let (mut socket, _) = Socket::enter(server.address, Some(&token));
    socket.subscribe("room");
    leave(&server, socket, &token);
    let state = |n: u32| json!({"n": n}).to_string();
    for n in 1..=5 {
        server.data("PUT", "/v1/channels/room/state", &state(n));
        publish(&server, "room", &n.to_string(), &Value::Null);
    }
    let (mut back, init) = Socket::enter(server.address, Some(&token));
    assert_eq!(init["channels"][0]["state"], json!({"n": 5}));
    assert_eq!(heard(&mut back, 5), ["1", "2", "3", "4", "5"], "messages, and no state");
    server.data("PUT", "/v1/channels/room/state", &state(6));
    assert_eq!(back.expect("STATE_UPDATE")["d"], json!({"state": {"n": 6}}));
    server.assert_well();
}

#[test]
fn coming_back_in_time_keeps_ephemeral_subscriptions() {
    let server = Server::start();
    create(&server, "passing", "public", &[]);
    let token = server.new_leap_token();
    let (mut socket, _) = Socket::enter(server.address, Some(&token));
    socket.dispatch("SUBSCRIBE", "passing", &json!({"ephemeral": true}));
    socket.expect("AVAILABLE");
    leave(&server, socket, &token);
    let (mut back, init) = Socket::enter(server.address, Some(&token));
    assert_eq!(channels(&init), ["passing"]);
    assert!(scene::hears(&server, &mut back, &cid(&init), "passing"));
    server.assert_well();
}
