//! Tokens whose connections are on several servers, and what one server changes and others have to know (ADR 0035).

use super::{Two, next, start, two};
use crate::scene::{cid, create, enter_with, eventually, leave, members, publish, token_for};
use crate::socket::Socket;
use crate::support::receiver::{Receiver, says};
use crate::support::{OWNER, Server};
use serde_json::{Value, json};

/// Where a token's subscription to a channel is made and ended.
fn subscriber(channel: &str, token: &str) -> String {
    format!("/v1/channels/{channel}/subscribers/{token}")
}

/// A connection of a token.
fn enter(server: &Server, token: &str) -> Socket {
    Socket::enter(server.address, Some(token)).0
}

/// Sends a message to a token.
fn direct(server: &Server, token: &str, number: u64) {
    let body = json!({"e": "e", "d": {"n": number}}).to_string();
    server.done("POST", &format!("/v1/channels/tokens/{token}/messages"), &body);
}

/// The number in the direct message that a connection hears next.
fn direct_number(socket: &mut Socket) -> Value {
    let (event, data) = next(socket);
    assert_eq!(event, "DIRECT_MESSAGE", "{data}");
    data["d"]["n"].clone()
}

/// How many are connected to a channel, as a server says.
fn online_count(server: &Server, channel: &str) -> Value {
    server.data("GET", &format!("/v1/channels/{channel}/stats"), "")["online_count"].clone()
}

#[test]
fn a_back_ends_subscription_is_heard_on_the_other_server_before_it_is_answered() {
    let Some(both) = two() else { return };
    let Two { one, other, .. } = &both;
    create(one, "room", "private", &[]);
    let token = one.new_leap_token();
    let mut there = enter(other, &token);
    for n in 0..20 {
        one.done("PUT", &subscriber("room", &token), "");
        publish(one, "room", "e", &json!({"n": n}));
        one.done("DELETE", &subscriber("room", &token), "");
        publish(other, "room", "e", &json!({"n": "nobody hears this"}));
        assert_eq!(next(&mut there).0, "AVAILABLE");
        let (event, data) = next(&mut there);
        assert_eq!((event.as_str(), &data["d"]["n"]), ("MESSAGE", &json!(n)));
        assert_eq!(next(&mut there).0, "UNAVAILABLE");
    }
}

#[test]
fn what_a_client_subscribes_its_token_has_on_the_other_server_as_well() {
    let Some(both) = two() else { return };
    let Two { one, other, .. } = &both;
    create(one, "room", "public", &[]);
    create(one, "brief", "public", &[]);
    let token = one.new_leap_token();
    let (mut here, mut there) = (enter(one, &token), enter(other, &token));
    here.subscribe("room");
    assert_eq!(next(&mut there).0, "AVAILABLE");
    let brief = json!({"tokens": [token], "ephemeral": true}).to_string();
    other.data("POST", "/v1/channels/brief/subscribers", &brief);
    for socket in [&mut here, &mut there] {
        let (event, data) = next(socket);
        assert_eq!((event.as_str(), &data["channel"]["id"]), ("AVAILABLE", &json!("brief")));
    }
    for server in [one, other] {
        let path = format!("/v1/channels/tokens/{token}/subscriptions");
        let listed = server.data("GET", &path, "");
        assert_eq!(listed["subscriptions"].as_array().unwrap().len(), 2, "{listed}");
    }
    there.dispatch("UNSUBSCRIBE", "room", &Value::Null);
    assert_eq!(next(&mut here).0, "UNAVAILABLE");
    // Who comes to a third server finds what only the others know.
    let third = start(&both.settings);
    let (_late, init) = Socket::enter(third.address, Some(&token));
    assert_eq!(crate::scene::channels(&init), ["brief"]);
}

#[test]
fn a_token_is_reached_wherever_it_is() {
    let Some(both) = two() else { return };
    let Two { one, other, .. } = &both;
    let token = one.new_leap_token();
    let (mut there, init) = enter_with(other.address, Some(&token), &["token_state"]);
    direct(one, &token, 1);
    assert_eq!(direct_number(&mut there), json!(1));
    let mut here = enter(one, &token);
    for (server, number) in [(one, 2), (other, 3), (one, 4)] {
        direct(server, &token, number);
        assert_eq!(direct_number(&mut here), json!(number));
        assert_eq!(direct_number(&mut there), json!(number));
    }
    let shown = |server: &Server| {
        server.data("GET", &format!("/v1/channels/tokens/{token}"), "")["token"]["is_online"]
            .clone()
    };
    drop(here);
    eventually("the first server has nobody", || {
        one.data("GET", &format!("/v1/channels/tokens/{token}/connections"), "")["connections"]
            == json!([])
    });
    assert_eq!((shown(one), shown(other)), (json!(true), json!(true)));
    // One connection, by its public id.
    let of_it = format!("/v1/channels/connections/{}", cid(&init));
    one.done("POST", &format!("{of_it}/messages"), r#"{"e":"e","d":{"n":5}}"#);
    assert_eq!(direct_number(&mut there), json!(5));
    let mail = json!({"e": "e", "d": {"n": 6}, "ttl": 60}).to_string();
    let posted =
        one.call("POST", &format!("/v1/channels/tokens/{token}/messages"), Some(OWNER), &mail);
    assert_eq!(posted.status, 200, "{}", posted.text());
    assert_eq!(direct_number(&mut there), json!(6));
    one.data("PATCH", &format!("/v1/channels/tokens/{token}"), r#"{"state":{"x":1}}"#);
    assert_eq!(next(&mut there).0, "TOKEN_STATE_UPDATE");
    one.done("DELETE", &of_it, "");
    assert_eq!(there.expect_close().0, 4000);
    eventually("it is offline everywhere", || shown(one) == json!(false));
    assert_eq!(shown(other), json!(false));
    let nobody = one.call("DELETE", &of_it, Some(OWNER), "");
    assert_eq!(nobody.failure(), (404, "connection_not_found".to_owned()));
}

#[test]
fn a_session_counts_once_though_two_servers_have_it() {
    let Some(both) = two() else { return };
    let Two { one, other, .. } = &both;
    create(one, "room", "public", &["PRESENCE"]);
    let (twice, once) = (token_for(one, &["room"]), token_for(one, &["room"]));
    let _sockets = [enter(one, &twice), enter(other, &twice), enter(other, &once)];
    for server in [one, other] {
        assert_eq!(online_count(server, "room"), json!(2));
        assert_eq!(members(server, "room"), 2);
        let listed = server.data("GET", "/v1/channels/room/presence", "");
        let counts: Vec<_> = listed["members"]
            .as_array()
            .unwrap()
            .iter()
            .map(|member| member["connections"].as_u64().unwrap())
            .collect();
        assert_eq!(counts, [2, 1], "{listed}");
    }
}

#[test]
fn what_was_deleted_on_one_server_works_on_no_other() {
    let Some(both) = two() else { return };
    let Two { one, other, .. } = &both;
    let (project, owner) = one.new_project("another");
    let list =
        |server: &Server, secret: &str| server.call("GET", "/v1/channels", Some(secret), "").status;
    let made = one.data("POST", "/v1/projects/@this/tokens", r#"{"flags":0}"#);
    let (id, secret) = (&made["project_token"]["id"], &made["project_token"]["token"]);
    let (id, secret) = (id.as_str().unwrap(), secret.as_str().unwrap());
    let reads = one.new_project_token(1 << 29);
    for server in [one, other] {
        assert_ne!(list(server, secret), 401);
        assert_eq!((list(server, &reads), list(server, &owner)), (200, 200));
    }
    one.done("DELETE", &format!("/v1/projects/@this/tokens/{id}"), "");
    assert_eq!(list(other, secret), 401);
    let deleted =
        one.call("DELETE", &format!("/v1/projects/{project}"), Some(crate::support::ADMIN), "");
    assert_eq!(deleted.status, 204, "{}", deleted.text());
    assert_eq!(list(other, &owner), 401);
}

#[test]
fn a_webhook_hears_what_happens_on_the_other_server_at_once() {
    let Some((redis, database)) =
        crate::support::redis::Redis::start().zip(crate::support::database::shared())
    else {
        return;
    };
    let settings = [
        ("WARREN_DATABASE", database),
        ("WARREN_BUS", redis.url()),
        ("WARREN_ALLOW_PRIVATE_WEBHOOKS", "1".to_owned()),
    ];
    let [one, other] = [start(&settings), start(&settings)];
    let receiver = Receiver::start(|_, _| says(200));
    let hook = json!({"webhook_url": receiver.url(), "events": ["channel.created"]}).to_string();
    one.data("POST", "/v1/projects/@this/webhooks", &hook);
    create(&other, "room", "public", &[]);
    assert_eq!(receiver.data_of("channel.created")["channel"]["id"], "room");
}

#[test]
fn what_was_told_while_a_server_did_not_hear_is_made_up_for() {
    let Some(mut both) = two() else { return };
    let Two { one, other, redis, .. } = &mut both;
    create(one, "room", "private", &[]);
    create(one, "left", "private", &[]);
    let token = token_for(one, &["left"]);
    // Both know the channels, and the token is on both.
    let (mut here, mut there) = (enter(one, &token), enter(other, &token));
    for server in [&*one, &*other] {
        publish(server, "room", "e", &Value::Null);
    }
    redis.end();
    // It is in the store; that others know, nobody says.
    let made = one.call("PUT", &subscriber("room", &token), Some(OWNER), "");
    let ended = one.call("DELETE", &subscriber("left", &token), Some(OWNER), "");
    assert_eq!((made.status, ended.status), (503, 503));
    redis.begin();
    for socket in [&mut here, &mut there] {
        let mut found = (false, false);
        while found != (true, true) {
            let (event, data) = next(socket);
            found.0 |= event == "AVAILABLE" && data["channel"]["id"] == "room";
            found.1 |= event == "UNAVAILABLE";
        }
    }
}

#[test]
fn a_killed_server_is_not_waited_for_for_ever() {
    let Some(both) = two() else { return };
    let Two { one, other, settings, .. } = &both;
    create(one, "room", "private", &[]);
    let third = start(settings);
    let token = one.new_leap_token();
    let (mut there, gone) = (enter(other, &token), enter(&third, &token));
    let folder = third.crash();
    // Who comes back is let in at once; what all have to know, is answered when the dead one's lease is over.
    let mut back = enter(one, &token);
    one.done("PUT", &subscriber("room", &token), "");
    assert_eq!(
        (next(&mut back).0, next(&mut there).0),
        ("AVAILABLE".to_owned(), "AVAILABLE".to_owned())
    );
    drop((gone, folder));
}

/// What a connection that comes back is told: its INIT's `missed`, and the numbers in the messages that follow.
fn comes_back(server: &Server, token: &str, count: usize) -> (Option<Value>, Vec<Value>, Socket) {
    let (mut socket, init) = Socket::enter(server.address, Some(token));
    let numbers = (0..count).map(|_| next(&mut socket).1["d"]["n"].clone()).collect();
    (init.get("missed").cloned(), numbers, socket)
}

#[test]
fn who_comes_back_on_the_other_server_hears_what_was_said_meanwhile() {
    let Some(both) = two() else { return };
    let Two { one, other, .. } = &both;
    for id in ["room", "hall"] {
        create(one, id, "public", &[]);
    }
    let token = token_for(one, &["room", "hall"]);
    let mut away = enter(one, &token);
    publish(other, "room", "e", &json!({"n": 0}));
    assert_eq!(next(&mut away).1["d"]["n"], json!(0));
    leave(one, away, &token);
    publish(one, "room", "e", &json!({"n": 1}));
    publish(other, "hall", "e", &json!({"n": 2}));
    direct(other, &token, 3);
    publish(other, "room", "e", &json!({"n": 4}));
    let (missed, mut numbers, mut back) = comes_back(other, &token, 4);
    assert_eq!(missed, None);
    numbers.sort_by_key(Value::as_u64);
    assert_eq!(numbers, [json!(1), json!(2), json!(3), json!(4)]);
    publish(one, "room", "e", &json!({"n": 5}));
    assert_eq!(next(&mut back).1["d"]["n"], json!(5), "and nothing twice");
    // And to the first again, with nothing in between.
    leave(other, back, &token);
    let (missed, _, mut back) = comes_back(one, &token, 0);
    assert_eq!(missed, None);
    publish(other, "hall", "e", &json!({"n": 6}));
    assert_eq!(next(&mut back).1["d"]["n"], json!(6));
}

#[test]
fn who_was_on_a_killed_server_is_told_that_it_may_have_missed_something() {
    let Some(both) = two() else { return };
    let Two { one, settings, .. } = &both;
    create(one, "room", "public", &[]);
    let third = start(settings);
    let token = token_for(one, &["room"]);
    let gone = enter(&third, &token);
    publish(one, "room", "e", &json!({"n": 1}));
    let folder = third.crash();
    let (_back, init) = Socket::enter(one.address, Some(&token));
    assert_eq!(init.get("missed"), Some(&Value::Null), "{init}");
    drop((gone, folder));
}

#[test]
fn a_session_that_moves_twice_before_anybody_comes_loses_nothing() {
    let Some(both) = two() else { return };
    let Two { one, other, settings, .. } = &both;
    for id in ["room", "hall"] {
        create(one, id, "public", &[]);
    }
    let third = start(settings);
    let token = token_for(one, &["room"]);
    let away = enter(one, &token);
    leave(one, away, &token);
    publish(one, "room", "e", &json!({"n": 1}));
    // A back end asks another server about it, and so it goes there.
    other.done("PUT", &subscriber("hall", &token), "");
    publish(one, "room", "e", &json!({"n": 2}));
    publish(&third, "hall", "e", &json!({"n": 3}));
    let (missed, mut numbers, mut back) = comes_back(&third, &token, 3);
    assert_eq!(missed, None);
    numbers.sort_by_key(Value::as_u64);
    assert_eq!(numbers, [json!(1), json!(2), json!(3)]);
    publish(other, "room", "e", &json!({"n": 4}));
    assert_eq!(next(&mut back).1["d"]["n"], json!(4));
}
