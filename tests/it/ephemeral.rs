//! Ephemeral channels: gone with the last subscriber they had (`docs/PROTOCOL.md`, Capabilities of a channel).

use crate::scene::{cid, create, eventually, exists, leave, members, publish};
use crate::socket::{Http, Process, Socket};
use crate::support::Server;
use serde_json::{Value, json};

/// A server whose sessions outlive their connections by a second.
fn hasty() -> Server {
    Server::start_with(&[("WARREN_SESSION_GRACE", "1")])
}

/// Waits until a channel has been deleted.
fn await_end(server: &Server, channel: &str) {
    eventually("the channel is deleted", || !exists(server, channel));
}

#[test]
fn without_tokens_the_channel_ends_with_its_last_connection() {
    let server = Server::start();
    create(&server, "room", "unprotected", &["EPHEMERAL"]);
    let (mut one, _) = Socket::enter(server.address, None);
    let (mut two, _) = Socket::enter(server.address, None);
    one.subscribe("room");
    two.subscribe("room");
    drop(one);
    eventually("one is left", || {
        server.data("GET", "/v1/channels/room/stats", "")["online_count"] == 1
    });
    assert!(exists(&server, "room"));
    drop(two);
    await_end(&server, "room");
    server.assert_well();
}

#[test]
fn with_a_token_it_ends_after_the_grace_and_not_before() {
    let server = hasty();
    create(&server, "room", "public", &["EPHEMERAL", "PRESENCE"]);
    let token = server.new_leap_token();
    let (mut socket, _) = Socket::enter(server.address, Some(&token));
    socket.subscribe("room");
    leave(&server, socket, &token);
    assert!(exists(&server, "room"), "the grace has just begun");
    publish(&server, "room", "meanwhile", &Value::Null);
    let (mut back, init) = Socket::enter(server.address, Some(&token));
    assert_eq!(crate::scene::channels(&init), ["room"]);
    assert_eq!(back.expect("MESSAGE")["d"]["e"], "meanwhile");
    leave(&server, back, &token);
    await_end(&server, "room");
    let (mut late, init) = Socket::enter(server.address, Some(&token));
    assert_eq!(init["channels"], json!([]));
    late.dispatch("SUBSCRIBE", "room", &Value::Null);
    assert_eq!(late.expect("UNAVAILABLE")["d"]["error_code"], "UNKNOWN");
    server.assert_well();
}

#[test]
fn unsubscribing_is_leaving() {
    let server = Server::start();
    for id in ["client", "back end", "token"] {
        let id = id.replace(' ', "-");
        create(&server, &id, "public", &["EPHEMERAL"]);
        let token = server.new_leap_token();
        let (mut socket, init) = Socket::enter(server.address, Some(&token));
        socket.subscribe(&id);
        match id.as_str() {
            "client" => socket.dispatch("UNSUBSCRIBE", &id, &Value::Null),
            "token" => server.done("DELETE", &format!("/v1/channels/tokens/{token}"), ""),
            _ => server.done("DELETE", &format!("/v1/channels/{id}/subscribers/{token}"), ""),
        }
        await_end(&server, &id);
        match id.as_str() {
            "client" => crate::scene::assert_silent(&server, &mut socket, &cid(&init)),
            "token" => assert_eq!(socket.expect_close().0, 4001),
            _ => {
                assert_eq!(socket.expect("UNAVAILABLE")["d"], json!({"graceful": true}));
                crate::scene::assert_silent(&server, &mut socket, &cid(&init));
            }
        }
    }
    server.assert_well();
}

#[test]
fn a_channel_that_nobody_has_come_to_yet_stays() {
    let server = hasty();
    create(&server, "room", "public", &["EPHEMERAL"]);
    create(&server, "clock", "public", &["EPHEMERAL"]);
    // Whoever is refused, or only looks, is no subscriber.
    let (mut refused, init) = Socket::enter(server.address, None);
    refused.dispatch("SUBSCRIBE", "room", &Value::Null);
    refused.expect("UNAVAILABLE");
    publish(&server, "room", "to nobody", &Value::Null);
    crate::scene::assert_silent(&server, &mut refused, &cid(&init));
    drop(refused);
    // Granting an offline token a place is what a back end does before it hands the token to a browser.
    let granted = server.new_leap_token();
    server.done("PUT", &format!("/v1/channels/room/subscribers/{granted}"), "");
    let passing = server.new_leap_token();
    let body = json!({"tokens": [passing], "ephemeral": true}).to_string();
    server.data("POST", "/v1/channels/room/subscribers", &body);
    let revoked = server.new_leap_token();
    server.done("PUT", &format!("/v1/channels/room/subscribers/{revoked}"), "");
    server.done("DELETE", &format!("/v1/channels/room/subscribers/{revoked}"), "");
    // One whole grace later, which another channel's end tells, it is still there.
    let token = server.new_leap_token();
    let (mut socket, _) = Socket::enter(server.address, Some(&token));
    socket.subscribe("clock");
    leave(&server, socket, &token);
    await_end(&server, "clock");
    assert!(exists(&server, "room"));
    let (mut first, init) = Socket::enter(server.address, Some(&granted));
    assert_eq!(crate::scene::channels(&init), ["room"]);
    assert!(crate::scene::hears(&server, &mut first, &cid(&init), "room"));
    leave(&server, first, &granted);
    await_end(&server, "room");
    server.assert_well();
}

#[test]
fn only_the_capability_makes_a_channel_end() {
    let server = Server::start();
    let others = ["CLIENT_PUBLISH", "CLIENT_STATE", "PRESENCE", "HISTORY"];
    create(&server, "lasting", "unprotected", &others);
    create(&server, "mixed", "unprotected", &[&others[..], &["EPHEMERAL"]].concat());
    create(&server, "turned", "unprotected", &["PRESENCE"]);
    let (mut socket, _) = Socket::enter(server.address, None);
    let (mut other, _) = Socket::enter(server.address, None);
    for room in ["lasting", "mixed", "turned"] {
        socket.subscribe(room);
        other.subscribe(room);
    }
    socket.dispatch("MESSAGE", "mixed", &json!({"e": "still works", "d": null}));
    assert_eq!(socket.expect("MESSAGE")["c"], "mixed");
    socket.dispatch("SET_CHANNEL_STATE", "mixed", &json!({"n": 1}));
    assert_eq!(socket.expect("STATE_UPDATE")["d"], json!({"state": {"n": 1}}));
    server.data("PATCH", "/v1/channels/turned", r#"{"capabilities":["EPHEMERAL","PRESENCE"]}"#);
    drop(socket);
    eventually("one is left", || members(&server, "lasting") == 1);
    drop(other);
    await_end(&server, "mixed");
    await_end(&server, "turned");
    eventually("nobody is left", || members(&server, "lasting") == 0);
    assert!(exists(&server, "lasting"));
    server.assert_well();
}

/// Whether a channel is there.
fn is_there(http: &mut Http, channel: &str) -> bool {
    http.call("GET", &format!("/v1/channels/{channel}"), "").unwrap().status == 200
}

#[test]
fn after_a_kill_a_channel_to_which_nobody_comes_back_ends() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("WARREN_SESSION_GRACE", "2")];
    let process = Process::start(folder.path(), &settings);
    let mut http = process.http();
    let body = json!({"type": "public", "capabilities": ["EPHEMERAL"]}).to_string();
    for room in ["left", "back", "never"] {
        http.data("PUT", &format!("/v1/channels/{room}"), &body).unwrap();
    }
    http.data("PUT", "/v1/channels/turned", r#"{"type":"public"}"#).unwrap();
    let mut enter = |room: &str| {
        let made = http.data("POST", "/v1/channels/tokens", "{}").unwrap();
        let token = made.pointer("/token/id").unwrap().as_str().unwrap().to_owned();
        let (mut socket, _) = Socket::enter(process.address, Some(&token));
        socket.subscribe(room);
        (token, socket)
    };
    let (_left, _turned, (faithful, _socket)) = (enter("left"), enter("turned"), enter("back"));
    http.data("PATCH", "/v1/channels/turned", r#"{"capabilities":["EPHEMERAL"]}"#).unwrap();
    // A write that is answered after the marks has them committed before it.
    http.data("PUT", "/v1/channels/last", "{}").unwrap();
    process.kill();
    let process = Process::start(folder.path(), &settings);
    let mut http = process.http();
    let (mut socket, init) = Socket::enter(process.address, Some(&faithful));
    assert_eq!(crate::scene::channels(&init), ["back"]);
    assert!(is_there(&mut http, "left"), "its sessions have their time to come back");
    for room in ["left", "turned"] {
        eventually("the deserted channel has ended", || !is_there(&mut http, room));
    }
    assert!(is_there(&mut http, "never"), "it never had a subscriber");
    let message = json!({"e": "alive", "d": null}).to_string();
    http.data("POST", "/v1/channels/back/messages", &message).unwrap();
    assert_eq!(socket.expect("MESSAGE")["d"]["e"], "alive");
    drop(socket);
    eventually("the other one ends in its turn", || !is_there(&mut http, "back"));
    process.assert_well();
}
