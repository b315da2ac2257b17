//! How subscriptions end (`docs/PROTOCOL.md`, Visibility): who hears of it, and who must not.

use crate::scene::{cid, create, eventually, hears, publish, subscriptions};
use crate::socket::{Socket, frame};
use crate::support::{OWNER, Server};
use serde_json::{Value, json};

/// What a connection hears whose subscription another one ended.
fn gone(channel: &str) -> Value {
    json!({"c": channel, "u": false, "e": "UNAVAILABLE", "d": {"graceful": true}})
}

/// A token with two connections that are subscribed to a public channel.
fn pair(server: &Server, channel: &str) -> (String, [Socket; 2]) {
    let token = server.new_leap_token();
    let (mut one, _) = Socket::enter(server.address, Some(&token));
    let (mut two, _) = Socket::enter(server.address, Some(&token));
    one.subscribe(channel);
    assert_eq!(two.expect("AVAILABLE")["c"], channel);
    (token, [one, two])
}

#[test]
fn a_client_that_unsubscribes_hears_nothing_and_its_other_connections_do() {
    let server = Server::start();
    create(&server, "room", "public", &[]);
    let (token, [mut asker, mut other]) = pair(&server, "room");
    let (mut stranger, init) = Socket::enter(server.address, Some(&server.new_leap_token()));
    stranger.subscribe("room");
    asker.dispatch("UNSUBSCRIBE", "room", &Value::Null);
    assert_eq!(other.next(), gone("room"));
    assert_eq!(subscriptions(&server, &token), [""; 0]);
    publish(&server, "room", "unheard", &Value::Null);
    assert_eq!(stranger.expect("MESSAGE")["d"]["e"], "unheard");
    assert!(hears(&server, &mut stranger, &cid(&init), "room"));
    // Subscribing again is the marker: neither of the two has heard anything before its answer.
    asker.dispatch("SUBSCRIBE", "room", &Value::Null);
    assert_eq!(asker.next()["e"], "AVAILABLE");
    assert_eq!(other.next()["e"], "AVAILABLE");
    server.assert_well();
}

#[test]
fn the_back_end_unsubscribes_every_connection_gracefully() {
    let server = Server::start();
    create(&server, "room", "public", &[]);
    for path in ["subscribers", "tokens"] {
        let (token, sockets) = pair(&server, "room");
        let path = format!("/v1/channels/room/{path}/{token}");
        server.done("DELETE", &path, "");
        let (_, init) = Socket::enter(server.address, Some(&token));
        assert_eq!(init["channels"], json!([]), "{path}");
        for mut socket in sockets {
            assert_eq!(socket.next(), gone("room"), "{path}");
        }
        server.done("DELETE", &path, "");
    }
    server.assert_well();
}

#[test]
fn unsubscribing_what_is_not_subscribed_is_no_error() {
    let server = Server::start();
    create(&server, "room", "public", &[]);
    let token = server.new_leap_token();
    let path = format!("/v1/channels/room/subscribers/{token}");
    server.done("DELETE", &path, "");
    let (mut socket, init) = Socket::enter(server.address, Some(&token));
    server.done("DELETE", &path, "");
    for channel in ["room", "nowhere", "a/b", "", "\u{1}"] {
        socket.dispatch("UNSUBSCRIBE", channel, &Value::Null);
    }
    socket.send(&json!({"op": 0, "d": {"e": "UNSUBSCRIBE", "c": null, "d": null}}));
    // Its frames are served in order, so that the answer to this one is behind all of them.
    socket.subscribe("room");
    assert!(hears(&server, &mut socket, &cid(&init), "room"));
    let nowhere = format!("/v1/channels/nowhere/subscribers/{token}");
    let refused = server.call("DELETE", &nowhere, Some(OWNER), "");
    assert_eq!(refused.failure(), (404, "channel_not_found".to_owned()));
    let nobody = "/v1/channels/room/subscribers/leap_token_nobody";
    let refused = server.call("DELETE", nobody, Some(OWNER), "");
    assert_eq!(refused.failure(), (404, "token_not_found".to_owned()));
    server.assert_well();
}

#[test]
fn unsubscribing_twice_at_once_changes_nothing_more() {
    let server = Server::start();
    create(&server, "room", "public", &[]);
    let (_, [mut one, mut two]) = pair(&server, "room");
    for socket in [&mut one, &mut two] {
        socket.dispatch("UNSUBSCRIBE", "room", &Value::Null);
        socket.dispatch("UNSUBSCRIBE", "room", &Value::Null);
    }
    one.dispatch("SUBSCRIBE", "room", &Value::Null);
    // Whichever was served first, the other one has heard of it at most once before the channel is there again.
    for socket in [&mut one, &mut two] {
        let mut heard = socket.next();
        let is_told = heard == gone("room");
        if is_told {
            heard = socket.next();
        }
        assert_eq!(heard["e"], "AVAILABLE", "{heard}");
    }
    server.assert_well();
}

#[test]
fn subscribing_twice_answers_twice_and_delivers_once() {
    let server = Server::start();
    create(&server, "room", "public", &[]);
    let token = server.new_leap_token();
    let (mut socket, init) = Socket::enter(server.address, Some(&token));
    socket.dispatch("SUBSCRIBE", "room", &json!({"ephemeral": true}));
    socket.expect("AVAILABLE");
    assert_eq!(subscriptions(&server, &token), [""; 0]);
    socket.subscribe("room");
    assert_eq!(subscriptions(&server, &token), ["room"], "the permanent kind wins");
    socket.dispatch("SUBSCRIBE", "room", &json!({"ephemeral": true}));
    socket.expect("AVAILABLE");
    assert_eq!(subscriptions(&server, &token), ["room"], "and stays");
    server.done("PUT", &format!("/v1/channels/room/subscribers/{token}"), "");
    socket.expect("AVAILABLE");
    assert!(hears(&server, &mut socket, &cid(&init), "room"));
    assert_eq!(server.data("GET", "/v1/channels/room/stats", "")["online_count"], 1);
    server.assert_well();
}

#[test]
fn a_deleted_channel_is_unavailable_to_everybody_and_gone_for_good() {
    let server = Server::start();
    create(&server, "room", "unprotected", &[]);
    let (token, sockets) = pair(&server, "room");
    let (mut anonymous, init) = Socket::enter(server.address, None);
    anonymous.subscribe("room");
    server.done("DELETE", "/v1/channels/room", "");
    for mut socket in sockets {
        assert_eq!(socket.next(), gone("room"));
    }
    assert_eq!(anonymous.next(), gone("room"));
    anonymous.dispatch("SUBSCRIBE", "room", &Value::Null);
    assert_eq!(anonymous.next()["d"], json!({"graceful": false, "error_code": "UNKNOWN"}));
    // A new channel of the same name is another one.
    create(&server, "room", "unprotected", &[]);
    assert_eq!(subscriptions(&server, &token), [""; 0]);
    assert_eq!(Socket::enter(server.address, Some(&token)).1["channels"], json!([]));
    assert!(!hears(&server, &mut anonymous, &cid(&init), "room"));
    server.assert_well();
}

#[test]
fn a_deleted_token_takes_its_subscriptions_and_nobody_elses() {
    let server = Server::start();
    create(&server, "room", "public", &["PRESENCE"]);
    let (token, sockets) = pair(&server, "room");
    let (_, [mut other, _twin]) = pair(&server, "room");
    server.done("DELETE", &format!("/v1/channels/tokens/{token}"), "");
    for mut socket in sockets {
        assert_eq!(socket.expect_close(), (4001, "the token was deleted".to_owned()));
    }
    eventually("only one is in", || crate::scene::members(&server, "room") == 1);
    publish(&server, "room", "still", &Value::Null);
    assert_eq!(other.next()["d"]["e"], "still");
    let tokens = server.data("GET", "/v1/channels/room/tokens", "");
    assert_eq!(tokens["tokens"].as_array().unwrap().len(), 1);
    let path = format!("/v1/channels/room/subscribers/{token}");
    let refused = server.call("PUT", &path, Some(OWNER), "");
    assert_eq!(refused.failure(), (404, "token_not_found".to_owned()));
    server.assert_well();
}

#[test]
fn who_takes_a_subscribe_back_at_once_hears_that_the_channel_has_gone() {
    let server = Server::start();
    create(&server, "room", "public", &[]);
    let token = server.new_leap_token();
    let (mut socket, init) = Socket::enter(server.address, Some(&token));
    let both = ["SUBSCRIBE", "UNSUBSCRIBE"].map(|event| {
        frame::text(&json!({"op": 0, "d": {"e": event, "c": "room", "d": null}}).to_string())
    });
    // A client that unsubscribes has forgotten the channel, and takes the AVAILABLE of before for news.
    socket.write(&both.concat());
    socket.expect("AVAILABLE");
    assert_eq!(socket.next(), gone("room"));
    assert_eq!(subscriptions(&server, &token), [""; 0]);
    // Changing one's mind twice ends with the channel.
    socket.write(&[&*both[0], &both[1], &both[0]].concat());
    socket.expect("AVAILABLE");
    assert_eq!(socket.next(), gone("room"));
    socket.expect("AVAILABLE");
    assert!(hears(&server, &mut socket, &cid(&init), "room"));
    server.assert_well();
}

#[test]
fn who_unsubscribes_right_after_available_hears_nothing_of_it() {
    let server = Server::start();
    create(&server, "room", "public", &[]);
    let token = server.new_leap_token();
    let (mut socket, init) = Socket::enter(server.address, Some(&token));
    // `AVAILABLE` may be here before the server's own parts have told each other of it.
    for _ in 0..200 {
        socket.subscribe("room");
        socket.dispatch("UNSUBSCRIBE", "room", &Value::Null);
        eventually("the subscription has ended", || subscriptions(&server, &token).is_empty());
        crate::scene::assert_silent(&server, &mut socket, &cid(&init));
    }
    server.assert_well();
}

#[test]
fn what_is_said_right_behind_a_subscribe_or_unsubscribe_counts_by_it() {
    let server = Server::start();
    create(&server, "room", "unprotected", &["CLIENT_PUBLISH"]);
    let token = server.new_leap_token();
    for token in [None, Some(token.as_str())] {
        let (mut socket, _) = Socket::enter(server.address, token);
        let text = |event: &str, data: Value| {
            let d = json!({"e": event, "c": "room", "d": data});
            frame::text(&json!({"op": 0, "d": d}).to_string())
        };
        let [subscribe, unsubscribe] =
            ["SUBSCRIBE", "UNSUBSCRIBE"].map(|event| text(event, Value::Null));
        let say = |name: String| text("MESSAGE", json!({"e": name, "d": null}));
        socket.write(&[&*subscribe, &say("first".into())].concat());
        socket.expect("AVAILABLE");
        assert_eq!(socket.next()["d"]["e"], "first");
        for n in 0..200 {
            let [within, outside, again] =
                ["within", "outside", "again"].map(|when| say(format!("{when} {n}")));
            let all = [&*within, &within, &unsubscribe, &outside, &subscribe, &again];
            socket.write(&all.concat());
            for _ in 0..2 {
                assert_eq!(socket.next()["d"]["e"], format!("within {n}"));
            }
            let refused = socket.next();
            assert_eq!((&refused["e"], &refused["u"]), (&json!("UNAVAILABLE"), &json!(true)));
            assert_eq!(refused["d"], json!({"graceful": false, "error_code": "UNKNOWN"}));
            socket.expect("AVAILABLE");
            assert_eq!(socket.next()["d"]["e"], format!("again {n}"));
        }
    }
    server.assert_well();
}
