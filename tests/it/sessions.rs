//! Sessions: what a token's connections share, what they find when they come back, and when it ends
//! (`docs/PROTOCOL.md`, Sessions and connections).

use crate::scene::{await_offline, channels, cid, create, eventually, leave, members, publish};
use crate::socket::{Process, Socket};
use crate::support::{PROJECT, Server};
use serde_json::{Value, json};

/// Sends a direct message to a token.
fn direct(server: &Server, token: &str, event: &str) {
    let body = json!({"e": event, "d": {"n": 1}}).to_string();
    server.done("POST", &format!("/v1/channels/tokens/{token}/messages"), &body);
}

#[test]
fn connections_of_a_token_share_one_session() {
    let server = Server::start();
    create(&server, "room", "public", &[]);
    let state = json!({"state": {"name": "é"}});
    let token = crate::scene::new_token(&server, &state);
    let (mut one, first) = Socket::enter(server.address, Some(&token));
    let (mut two, second) = Socket::enter(server.address, Some(&token));
    assert_eq!((&first["connection_count"], &second["connection_count"]), (&json!(1), &json!(2)));
    for init in [&first, &second] {
        assert_eq!((&init["metadata"], &init["scope"]), (&state["state"], &json!("token")));
    }
    assert_ne!(first["cid"], second["cid"]);
    one.subscribe("room");
    let available = two.expect("AVAILABLE");
    assert_eq!((&available["c"], &available["u"]), (&json!("room"), &json!(false)));
    direct(&server, &token, "to both");
    publish(&server, "room", "to both too", &Value::Null);
    for socket in [&mut one, &mut two] {
        let direct = socket.expect("DIRECT_MESSAGE");
        assert_eq!((&direct["c"], &direct["u"]), (&Value::Null, &json!(false)));
        assert_eq!(socket.expect("MESSAGE")["u"], false);
    }
    // What answers one connection goes to that one.
    two.dispatch("SUBSCRIBE", "nowhere", &Value::Null);
    assert_eq!(two.expect("UNAVAILABLE")["u"], true);
    crate::scene::assert_silent(&server, &mut one, &cid(&first));
    crate::scene::assert_silent(&server, &mut two, &cid(&second));
    assert_eq!(server.data("GET", "/v1/channels/room/stats", "")["online_count"], 1);
    server.assert_well();
}

#[test]
fn connections_without_a_leap_token_share_nothing() {
    let server = Server::start();
    create(&server, "room", "unprotected", &[]);
    for token in [None, Some(crate::support::OWNER)] {
        let (mut one, first) = Socket::enter(server.address, token);
        let (mut two, second) = Socket::enter(server.address, token);
        assert_eq!(
            (&first["connection_count"], &second["connection_count"]),
            (&json!(1), &json!(1))
        );
        let scope = if token.is_none() { "noauth" } else { "project" };
        assert_eq!((&first["scope"], &first["metadata"]), (&json!(scope), &Value::Null));
        one.subscribe("room");
        assert!(!crate::scene::hears(&server, &mut two, &cid(&second), "room"), "{scope}");
        assert_eq!(one.expect("MESSAGE")["d"]["e"], "probe");
        crate::scene::assert_silent(&server, &mut one, &cid(&first));
    }
    server.assert_well();
}

#[test]
fn after_the_grace_ephemeral_subscriptions_and_kept_messages_are_gone() {
    let server = Server::start_with(&[("WARREN_SESSION_GRACE", "1")]);
    create(&server, "lasting", "public", &["PRESENCE"]);
    create(&server, "passing", "public", &["PRESENCE"]);
    let token = server.new_leap_token();
    let (mut socket, _) = Socket::enter(server.address, Some(&token));
    socket.subscribe("lasting");
    socket.dispatch("SUBSCRIBE", "passing", &json!({"ephemeral": true}));
    socket.expect("AVAILABLE");
    leave(&server, socket, &token);
    publish(&server, "lasting", "too late", &Value::Null);
    eventually("the session has ended", || {
        members(&server, "lasting") + members(&server, "passing") == 0
    });
    direct(&server, &token, "accepted and dropped");
    let (mut back, init) = Socket::enter(server.address, Some(&token));
    assert_eq!(channels(&init), ["lasting"]);
    assert!(init.get("missed").is_none(), "nothing is missed from another session: {init}");
    crate::scene::assert_silent(&server, &mut back, &cid(&init));
    assert!(!crate::scene::hears(&server, &mut back, &cid(&init), "passing"));
    assert!(crate::scene::hears(&server, &mut back, &cid(&init), "lasting"));
    server.assert_well();
}

#[test]
fn online_is_who_has_a_connection_now() {
    let server = Server::start();
    create(&server, "room", "public", &[]);
    let token = server.new_leap_token();
    let path = format!("/v1/channels/tokens/{token}");
    let is_online = || server.data("GET", &path, "")["token"]["is_online"].clone();
    let count = || server.data("GET", "/v1/channels/room/stats", "")["online_count"].clone();
    assert_eq!((is_online(), count()), (json!(false), json!(0)));
    let (mut one, _) = Socket::enter(server.address, Some(&token));
    let (mut two, _) = Socket::enter(server.address, Some(&token));
    one.subscribe("room");
    two.expect("AVAILABLE");
    assert_eq!((is_online(), count()), (json!(true), json!(1)), "sessions, not connections");
    drop(one);
    let connections = format!("{path}/connections");
    eventually("one is left", || {
        server.data("GET", &connections, "")["connections"].as_array().unwrap().len() == 1
    });
    assert_eq!((is_online(), count()), (json!(true), json!(1)));
    leave(&server, two, &token);
    assert_eq!((is_online(), count()), (json!(false), json!(0)), "at once, not after the grace");
    server.assert_well();
}

#[test]
fn a_token_works_in_its_own_project_only() {
    let server = Server::start();
    let (other, owner) = server.new_project("other");
    let made = server.call("POST", "/v1/channels/tokens", Some(&owner), "{}").data();
    let token = made["token"]["id"].as_str().unwrap();
    let mut socket = Socket::open(server.address);
    socket.identify(Some(token));
    assert_eq!(socket.expect_close(), (4001, "invalid token".to_owned()));
    let mut socket = Socket::open(server.address);
    socket.send(&json!({"op": 2, "d": {"project_id": other, "token": token}}));
    assert_eq!(socket.expect("INIT")["d"]["scope"], "token");
    assert_ne!(other, PROJECT);
    server.assert_well();
}

#[test]
fn permanent_subscriptions_and_states_survive_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), &[]);
    let mut http = process.http();
    for room in ["lasting", "passing"] {
        let body = json!({"type": "public", "state": {"n": 1}}).to_string();
        http.data("PUT", &format!("/v1/channels/{room}"), &body).unwrap();
    }
    let made = http.data("POST", "/v1/channels/tokens", r#"{"state":{"a":1}}"#).unwrap();
    let token = made["token"]["id"].as_str().unwrap();
    let (mut socket, _) = Socket::enter(process.address, Some(token));
    socket.subscribe("lasting");
    socket.dispatch("SUBSCRIBE", "passing", &json!({"ephemeral": true}));
    socket.expect("AVAILABLE");
    http.data("PATCH", "/v1/channels/lasting/state", r#"{"m":2}"#).unwrap();
    process.kill();
    let process = Process::start(folder.path(), &[]);
    let (mut back, init) = Socket::enter(process.address, Some(token));
    assert_eq!((channels(&init), &init["metadata"]), (vec!["lasting"], &json!({"a": 1})));
    assert_eq!(init["channels"][0]["state"], json!({"n": 1, "m": 2}));
    let message = json!({"e": "after", "d": null}).to_string();
    process.http().data("POST", "/v1/channels/lasting/messages", &message).unwrap();
    assert_eq!(back.expect("MESSAGE")["d"]["e"], "after");
    process.assert_well();
}

/// How often an expired token is asked about: its session must not end before it has answered, and that is a matter of moments.
const QUESTIONS: usize = 40;

#[test]
fn an_expired_token_can_be_granted_channels_and_lose_them() {
    let server = Server::start();
    create(&server, "room", "private", &[]);
    let past = r#"{"expires_at":"2020-01-01T00:00:00Z"}"#;
    let made = server.data("POST", "/v1/channels/tokens", past);
    let token = made["token"]["id"].as_str().unwrap();
    let path = format!("/v1/channels/room/subscribers/{token}");
    for _ in 0..QUESTIONS {
        for method in ["PUT", "DELETE"] {
            let answer = server.call(method, &path, Some(crate::support::OWNER), "");
            assert_eq!(answer.status, 204, "{method}: {answer:?}");
        }
        let mut socket = Socket::open(server.address);
        socket.identify(Some(token));
        assert_eq!(socket.expect_close(), (4001, "the token has expired".to_owned()));
    }
    server.assert_well();
}

#[test]
fn expiry_that_is_changed_counts_for_live_connections() {
    let server = Server::start();
    let token = server.new_leap_token();
    let (mut socket, _) = Socket::enter(server.address, Some(&token));
    let path = format!("/v1/channels/tokens/{token}");
    server.data("PATCH", &path, r#"{"expires_at":"2099-01-01T00:00:00Z"}"#);
    server.data("PATCH", &path, r#"{"expires_at":"2020-01-01T00:00:00Z"}"#);
    assert_eq!(socket.expect_close(), (4001, "the token has expired".to_owned()));
    await_offline(&server, &token);
    server.assert_well();
}
