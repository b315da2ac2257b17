//! What clients get beyond Hop's protocol when they ask (`docs/PROTOCOL.md`, Extensions), and that nobody else does.

use crate::scene::{cid, create, enter_with};
use crate::socket::Socket;
use crate::support::receiver::{Receiver, Says};
use crate::support::{OWNER, Server};
use serde_json::{Value, json};
use std::time::Duration;

/// Every extension that there is.
const ALL: [&str; 7] = ["errors", "version", "presence", "token_state", "patch", "resume", "delta"];

/// Sends a dispatch with a name for it.
fn send(socket: &mut Socket, reference: &str, event: &str, channel: &str, data: &Value) {
    let d = json!({"e": event, "c": channel, "d": data});
    socket.send(&json!({"op": 0, "ref": reference, "d": d}));
}

/// Asserts that the next dispatch is an answer to one connection, and returns its data.
fn answer(socket: &mut Socket, event: &str) -> Value {
    let answer = socket.expect(event);
    assert_eq!((&answer["c"], &answer["u"]), (&Value::Null, &json!(true)), "{answer}");
    answer["d"].clone()
}

/// Asserts that the next dispatch is ERROR with this code for this frame; returns its message.
fn refused(socket: &mut Socket, reference: &str, code: &str) -> String {
    let error = answer(socket, "ERROR");
    assert_eq!((&error["code"], &error["ref"]), (&json!(code), &json!(reference)), "{error}");
    assert_eq!(error.as_object().map(serde_json::Map::len), Some(3), "{error}");
    error["message"].as_str().unwrap_or_default().to_owned()
}

/// The names of an object's members.
fn keys(value: &Value) -> Vec<&str> {
    value.as_object().into_iter().flat_map(|members| members.keys()).map(String::as_str).collect()
}

#[test]
fn init_names_what_was_granted() {
    let server = Server::start();
    let granted = |asked: &[&str]| enter_with(server.address, None, asked).1["ext"].clone();
    assert_eq!(granted(&ALL), json!(ALL));
    assert_eq!(granted(&["patch", "telepathy", "patch", "errors"]), json!(["errors", "patch"]));
    assert_eq!(granted(&["telepathy", "Errors", ""]), json!([]));
    assert_eq!(granted(&[]), json!([]));
    assert!(Socket::enter(server.address, None).1.get("ext").is_none());
    server.assert_well();
}

#[test]
fn refused_frames_are_explained() {
    let server = Server::start();
    create(&server, "private", "private", &[]);
    create(&server, "silent", "unprotected", &[]);
    create(&server, "open", "unprotected", &["CLIENT_PUBLISH", "CLIENT_STATE"]);
    let (mut socket, init) = enter_with(server.address, None, &["errors"]);
    let socket = &mut socket;
    for (channel, code) in [("private", "not_granted"), ("nowhere", "channel_not_found")] {
        send(socket, "s", "SUBSCRIBE", channel, &Value::Null);
        assert_eq!(socket.expect("UNAVAILABLE")["c"], channel, "Hop's answer comes first");
        refused(socket, "s", code);
    }
    let message = json!({"e": "x", "d": null});
    send(socket, "m", "MESSAGE", "open", &message);
    assert_eq!(socket.expect("UNAVAILABLE")["d"]["error_code"], "UNKNOWN");
    refused(socket, "m", "not_subscribed");
    socket.subscribe("silent");
    socket.subscribe("open");
    for (event, data, name) in
        [("MESSAGE", &message, "CLIENT_PUBLISH"), ("SET_CHANNEL_STATE", &json!({}), "CLIENT_STATE")]
    {
        send(socket, "c", event, "silent", data);
        assert!(refused(socket, "c", "missing_capability").contains(name));
    }
    send(socket, "t", "SET_CHANNEL_STATE", "open", &json!([1]));
    refused(socket, "t", "invalid_state");
    send(socket, "p", "PATCH_CHANNEL_STATE", "open", &json!({"patch": {"a": 1}}));
    assert!(refused(socket, "p", "missing_extension").contains("patch"));
    send(socket, "u", "NO_SUCH_EVENT", "open", &Value::Null);
    assert!(refused(socket, "u", "unknown_event").contains("NO_SUCH_EVENT"));
    // Without a name the error comes all the same, and an answer does not.
    socket.dispatch("NO_SUCH_EVENT", "open", &Value::Null);
    assert_eq!(keys(&answer(socket, "ERROR")), ["code", "message"]);
    socket.dispatch("UNSUBSCRIBE", "open", &Value::Null);
    send(socket, "last", "UNSUBSCRIBE", "open", &Value::Null);
    assert_eq!(answer(socket, "ACK"), json!({"ref": "last"}));
    crate::scene::assert_silent(&server, socket, &cid(&init));
    server.assert_well();
}

#[test]
fn frames_with_a_ref_are_acknowledged_behind_what_they_did() {
    let server = Server::start();
    create(&server, "room", "unprotected", &["CLIENT_PUBLISH", "CLIENT_STATE"]);
    let (mut socket, init) = enter_with(server.address, None, &["errors", "version"]);
    let socket = &mut socket;
    send(socket, "é", "SUBSCRIBE", "room", &Value::Null);
    socket.expect("AVAILABLE");
    assert_eq!(answer(socket, "ACK"), json!({"ref": "é"}));
    send(socket, "", "MESSAGE", "room", &json!({"e": "x", "d": null}));
    socket.expect("MESSAGE");
    let said = answer(socket, "ACK");
    assert_eq!((&said["ref"], keys(&said)), (&json!(""), vec!["ref", "s"]), "where it stands");
    for n in 2..5 {
        send(socket, &format!("n{n}"), "SET_CHANNEL_STATE", "room", &json!({"n": n}));
        assert_eq!(socket.expect("STATE_UPDATE")["d"], json!({"state": {"n": n}, "version": n}));
        assert_eq!(answer(socket, "ACK"), json!({"ref": format!("n{n}"), "version": n}));
    }
    send(socket, "same", "SUBSCRIBE", "room", &Value::Null);
    assert_eq!(socket.expect("AVAILABLE")["d"]["channel"]["version"], 4);
    assert_eq!(answer(socket, "ACK"), json!({"ref": "same"}));
    send(socket, "u", "UNSUBSCRIBE", "room", &Value::Null);
    assert_eq!(answer(socket, "ACK"), json!({"ref": "u"}), "and nothing before it");
    crate::scene::assert_silent(&server, socket, &cid(&init));
    server.assert_well();
}

#[test]
fn versions_are_in_every_state_and_without_a_gap() {
    let server = Server::start();
    create(&server, "room", "public", &[]);
    let token = server.new_leap_token();
    let (mut socket, _) = enter_with(server.address, Some(&token), &["version"]);
    assert_eq!(socket.subscribe("room")["version"], 1);
    for n in 2..=20 {
        let answer = server.data("PATCH", "/v1/channels/room/state", &json!({"n": n}).to_string());
        assert_eq!(answer["version"], n);
        assert_eq!(socket.expect("STATE_UPDATE")["d"]["version"], n);
    }
    let (_, init) = enter_with(server.address, Some(&token), &["version"]);
    assert_eq!(init["channels"][0]["version"], 20);
    server.assert_well();
}

#[test]
fn a_session_ends_on_the_state_that_the_store_has_however_patches_cross() {
    let server = Server::start();
    let token = server.new_leap_token();
    let path = format!("/v1/channels/tokens/{token}");
    let (mut socket, init) = enter_with(server.address, Some(&token), &["token_state"]);
    for round in 0..40 {
        std::thread::scope(|scope| {
            for writer in 0..6 {
                let body = json!({"state": {"round": round, "writer": writer}}).to_string();
                let (server, path) = (&server, &path);
                scope.spawn(move || server.data("PATCH", path, &body));
            }
        });
        crate::scene::mark(&server, &cid(&init), "marker");
        let (mut shown, mut heard) = (Value::Null, socket.next());
        while heard["e"] == "TOKEN_STATE_UPDATE" {
            shown = heard["d"]["state"].take();
            heard = socket.next();
        }
        assert_eq!(heard["d"]["e"], "marker");
        let stored = server.data("GET", &path, "")["token"]["state"].clone();
        assert_eq!(shown, stored, "round {round}");
        let (_, other) = Socket::enter(server.address, Some(&token));
        assert_eq!(other["metadata"], stored, "round {round}");
    }
    server.assert_well();
}

#[test]
fn a_state_that_the_channel_authorizer_sets_is_told_before_the_channel() {
    let server = Server::start_with(&[("WARREN_WEBHOOK_NETWORKS", "127.0.0.0/8")]);
    let answer = r#"{"granted":true,"state":{"public":{"n":7}}}"#;
    let receiver = Receiver::start(|_, _| Says(200, "", answer, Duration::ZERO));
    let body = json!({"url": receiver.url()}).to_string();
    server.data("PUT", "/v1/projects/@this/channel-authorizer", &body);
    create(&server, "room", "private", &[]);
    let token = server.new_leap_token();
    let (mut socket, _) = enter_with(server.address, Some(&token), &["token_state"]);
    socket.dispatch("SUBSCRIBE", "room", &Value::Null);
    assert_eq!(socket.expect("TOKEN_STATE_UPDATE")["d"]["state"], json!({"public": {"n": 7}}));
    socket.expect("AVAILABLE");
    server.assert_well();
}

#[test]
fn an_expiry_and_a_deletion_count_however_they_cross_with_patches() {
    let server = Server::start();
    for round in 0..20 {
        let token = server.new_leap_token();
        let path = format!("/v1/channels/tokens/{token}");
        let (mut socket, _) = Socket::enter(server.address, Some(&token));
        std::thread::scope(|scope| {
            for expiry in ["null", r#""2099-01-01T00:00:00Z""#, r#""2099-01-02T00:00:00Z""#] {
                let body = format!(r#"{{"expires_at":{expiry}}}"#);
                let (server, path) = (&server, &path);
                scope.spawn(move || server.call("PATCH", path, Some(OWNER), &body));
            }
            if round % 2 == 0 {
                scope.spawn(|| server.done("DELETE", &path, ""));
            }
        });
        if round % 2 == 1 {
            server.data("PATCH", &path, r#"{"expires_at":"2001-01-01T00:00:00Z"}"#);
        }
        assert_eq!(socket.expect_close().0, 4001, "round {round}");
    }
    server.assert_well();
}

#[test]
fn the_tokens_own_state_is_shown_when_it_changes() {
    let server = Server::start();
    let token = server.new_leap_token();
    let (mut asked, first) = enter_with(server.address, Some(&token), &["token_state"]);
    let (mut plain, second) = Socket::enter(server.address, Some(&token));
    let path = format!("/v1/channels/tokens/{token}");
    server.data("PATCH", &path, r#"{"state":{"score":7}}"#);
    let expected = json!({"c": null, "u": false, "e": "TOKEN_STATE_UPDATE",
        "d": {"state": {"score": 7}}});
    assert_eq!(asked.next(), expected);
    server.data("PATCH", &path, r#"{"state":{"score":7},"expires_at":"2099-01-01T00:00:00Z"}"#);
    crate::scene::assert_silent(&server, &mut asked, &cid(&first));
    crate::scene::assert_silent(&server, &mut plain, &cid(&second));
    let (_, init) = Socket::enter(server.address, Some(&token));
    assert_eq!(init["metadata"], json!({"score": 7}));
    server.assert_well();
}

#[test]
fn clients_patch_what_they_name_at_the_version_that_they_know() {
    let server = Server::start();
    create(&server, "room", "unprotected", &["CLIENT_STATE"]);
    create(&server, "silent", "unprotected", &[]);
    let ext = ["errors", "version", "patch"];
    let (mut socket, _) = enter_with(server.address, None, &ext);
    let socket = &mut socket;
    socket.subscribe("room");
    socket.subscribe("silent");
    let patch = |socket: &mut Socket, room: &str, data: Value| {
        send(socket, "p", "PATCH_CHANNEL_STATE", room, &data);
    };
    patch(socket, "room", json!({"patch": {"a": {"x": 1}, "b": 2}}));
    let update = socket.expect("STATE_UPDATE");
    assert_eq!(update["d"], json!({"state": {"a": {"x": 1}, "b": 2}, "version": 2}));
    assert_eq!(answer(socket, "ACK"), json!({"ref": "p", "version": 2}));
    // RFC 7396: deep, and null removes.
    patch(socket, "room", json!({"patch": {"a": {"y": 2}, "b": null}, "if_version": 2}));
    let update = socket.expect("STATE_UPDATE");
    assert_eq!(update["d"], json!({"state": {"a": {"x": 1, "y": 2}}, "version": 3}));
    assert_eq!(answer(socket, "ACK"), json!({"ref": "p", "version": 3}));
    for stale in [2, 4, 0, -1] {
        patch(socket, "room", json!({"patch": {"a": null}, "if_version": stale}));
        assert!(refused(socket, "p", "version_conflict").contains('3'));
    }
    patch(socket, "room", json!({"patch": [1]}));
    refused(socket, "p", "invalid_state");
    patch(socket, "silent", json!({"patch": {}}));
    refused(socket, "p", "missing_capability");
    patch(socket, "nowhere", json!({"patch": {}}));
    socket.expect("UNAVAILABLE");
    refused(socket, "p", "not_subscribed");
    let state = server.data("GET", "/v1/channels/room/state", "");
    assert_eq!(state, json!({"state": {"a": {"x": 1, "y": 2}}, "version": 3}));
    server.assert_well();
}

#[test]
fn without_extensions_frames_are_exactly_those_of_hop() {
    let server = Server::start();
    let all = ["CLIENT_PUBLISH", "CLIENT_STATE", "PRESENCE"];
    create(&server, "room", "public", &all);
    let token = server.new_leap_token();
    let (mut first, init) = Socket::enter(server.address, Some(&token));
    let connection = ["cid", "connection_count", "metadata", "scope", "channels"];
    assert_eq!(keys(&init), connection);
    send(&mut first, "ignored", "SUBSCRIBE", "room", &Value::Null);
    let available = first.next();
    let chan = ["id", "project_id", "type", "state", "capabilities"];
    assert_eq!(keys(&available), ["c", "u", "e", "d"]);
    assert_eq!(keys(&available["d"]), ["channel"]);
    assert_eq!(keys(&available["d"]["channel"]), chan);
    let (mut plain, init) = Socket::enter(server.address, Some(&token));
    assert_eq!((keys(&init), keys(&init["channels"][0])), (connection.to_vec(), chan.to_vec()));
    // Somebody with every extension does everything; the plain client hears Hop's part of it.
    let (mut other, _) = enter_with(server.address, Some(&server.new_leap_token()), &ALL);
    other.subscribe("room");
    other.dispatch("PATCH_CHANNEL_STATE", "room", &json!({"patch": {"a": 1}}));
    assert_eq!(plain.next()["d"], json!({"state": {"a": 1}}));
    other.dispatch("MESSAGE", "room", &json!({"e": "x"}));
    assert_eq!(plain.next()["d"], json!({"e": "x", "d": null}));
    server.data("PATCH", &format!("/v1/channels/tokens/{token}"), r#"{"state":{"a":1}}"#);
    // What is refused, or needs an extension, changes nothing and is not explained.
    send(&mut plain, "r", "PATCH_CHANNEL_STATE", "room", &json!({"patch": {"a": 2}}));
    send(&mut plain, "r", "SET_CHANNEL_STATE", "room", &json!("no object"));
    send(&mut plain, "r", "NO_SUCH_EVENT", "room", &Value::Null);
    send(&mut plain, "r", "SUBSCRIBE", "nowhere", &Value::Null);
    let refused = json!({"graceful": false, "error_code": "UNKNOWN"});
    assert_eq!(plain.next()["d"], refused, "the last frame's answer comes next");
    crate::scene::assert_silent(&server, &mut plain, &cid(&init));
    server.assert_well();
}

/// RFC 7396, as a client applies it.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else { return patch.clone_into(target) };
    if !target.is_object() {
        *target = json!({});
    }
    let Some(members) = target.as_object_mut() else { return };
    for (name, value) in patch {
        if value.is_null() {
            members.shift_remove(name);
        } else {
            merge(members.entry(name).or_insert(Value::Null), value);
        }
    }
}

#[test]
fn who_asks_for_deltas_has_the_state_and_nobody_else_sees_any() {
    let server = Server::start();
    create(&server, "room", "unprotected", &[]);
    let (mut plain, _) = Socket::enter(server.address, None);
    let (mut clever, _) = enter_with(server.address, None, &["delta"]);
    plain.subscribe("room");
    let available = clever.subscribe("room");
    let (mut seen, mut version) = (available["state"].clone(), 1);
    assert_eq!(available["version"], version);
    let merged = "application/merge-patch+json";
    let operations = "application/json-patch+json";
    let long = "x".repeat(500);
    let mut patches = 0;
    for (kind, body) in [
        (merged, json!({"text": long, "list": [1, null], "deep": {"a": {"b": 1}}})),
        (merged, json!({"n": 1})),
        (merged, json!({"deep": {"a": {"b": null, "c": 2}}})),
        (operations, json!([{"op": "add", "path": "/list/0", "value": {"x": null}}])),
        (operations, json!([{"op": "move", "from": "/n", "path": "/m"}])),
        ("application/json", json!({"m": null})),
        ("application/json", json!({"m": 5})),
        (merged, json!({"text": null})),
        (merged, json!({})),
    ] {
        let headers = [("Authorization", OWNER), ("Content-Type", kind)];
        let body = body.to_string();
        let path = "/v1/channels/room/state";
        let whole = server.request("PATCH", path, &headers, body.as_bytes()).data();
        assert_eq!(plain.expect("STATE_UPDATE")["d"], json!({"state": whole["state"]}));
        let update = clever.expect("STATE_UPDATE")["d"].clone();
        if update.get("patch").is_some() {
            assert_eq!(keys(&update), ["version", "from", "patch"]);
            assert_eq!(update["from"], version, "{update}");
            merge(&mut seen, &update["patch"]);
            patches += 1;
        } else {
            assert_eq!(keys(&update), ["state", "version"]);
            seen = update["state"].clone();
        }
        version += 1;
        assert_eq!((&update["version"], &whole["version"]), (&json!(version), &json!(version)));
        assert_eq!(seen.to_string(), whole["state"].to_string());
    }
    // The first is no shorter, and null cannot be said.
    assert_eq!(patches, 7);
    server.assert_well();
}

#[test]
fn a_client_that_asks_for_the_state_is_shown_it_alone() {
    let server = Server::start();
    create(&server, "room", "unprotected", &[]);
    create(&server, "other", "unprotected", &[]);
    let state = json!({"text": "x".repeat(100), "n": 1});
    server.data("PUT", "/v1/channels/room/state", &state.to_string());
    let (mut asker, init) = enter_with(server.address, None, &["delta", "errors"]);
    let (mut other, other_init) = enter_with(server.address, None, &["delta"]);
    for socket in [&mut asker, &mut other] {
        socket.subscribe("room");
    }
    for (n, data) in [Value::Null, json!({}), json!({"version": 2})].iter().enumerate() {
        send(&mut asker, &n.to_string(), "GET_CHANNEL_STATE", "room", data);
        let shown = asker.expect("STATE_UPDATE");
        assert_eq!((&shown["c"], &shown["u"]), (&json!("room"), &json!(true)));
        assert_eq!(shown["d"], json!({"state": state, "version": 2}));
        assert_eq!(answer(&mut asker, "ACK"), json!({"ref": n.to_string()}));
    }
    send(&mut asker, "g", "GET_CHANNEL_STATE", "room", &json!({"version": 1}));
    refused(&mut asker, "g", "version_gone");
    // Who does not hear a channel is not shown its state.
    send(&mut asker, "o", "GET_CHANNEL_STATE", "other", &Value::Null);
    assert_eq!(asker.expect("UNAVAILABLE")["d"]["error_code"], "UNKNOWN");
    refused(&mut asker, "o", "not_subscribed");
    crate::scene::assert_silent(&server, &mut asker, &cid(&init));
    crate::scene::assert_silent(&server, &mut other, &cid(&other_init));
    asker.send(
        &json!({"op": 0, "d": {"e": "GET_CHANNEL_STATE", "c": "room", "d": {"version": "2"}}}),
    );
    assert_eq!(asker.expect_close().0, 4005);
    server.assert_well();
}
