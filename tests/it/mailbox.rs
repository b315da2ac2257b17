//! Direct messages that wait (`docs/PROTOCOL.md`, Mailbox): who hears them, how often, what becomes of them, what a kill leaves.
//!
//! Mails are heard in order, so that one is not heard again is shown by the next one.

mod kills;

use crate::scene::{Config, await_offline, eventually, leave};
use crate::socket::{Http, Socket};
use crate::support::{OWNER, PROJECT, Server};
use serde_json::{Value, json};

/// An hour, in seconds.
const HOUR: u64 = 3600;

/// Where a token's messages are.
fn path(token: &str) -> String {
    format!("/v1/channels/tokens/{token}/messages")
}

/// A mail that says a number.
fn mail(number: u64, ttl: u64) -> String {
    json!({"e": "n", "d": number, "ttl": ttl}).to_string()
}

/// Posts a mail that says a number; returns its id.
fn post(server: &Server, token: &str, number: u64) -> String {
    let posted = server.data("POST", &path(token), &mail(number, HOUR));
    posted["id"].as_str().unwrap().to_owned()
}

/// What has become of a mail.
fn state(server: &Server, token: &str, id: &str) -> String {
    let status = server.data("GET", &format!("{}/{id}", path(token)), "");
    assert!(status["at"].as_str().is_some_and(|at| at.ends_with('Z')), "{status}");
    status["state"].as_str().unwrap().to_owned()
}

/// Waits until a mail has come to this.
fn await_state(server: &Server, token: &str, id: &str, wanted: &str) {
    eventually(wanted, || state(server, token, id) == wanted);
}

/// The number in the direct message that a connection hears next.
fn heard(socket: &mut Socket) -> u64 {
    let message = socket.expect("DIRECT_MESSAGE");
    assert_eq!((&message["c"], &message["u"]), (&Value::Null, &json!(false)), "{message}");
    message["d"]["d"].as_u64().unwrap()
}

/// A connection hears exactly these mails next.
fn hears(socket: &mut Socket, numbers: std::ops::Range<u64>) {
    for number in numbers {
        assert_eq!(heard(socket), number);
    }
}

/// A connection that names a position on its token's line, and its INIT.
fn resume(address: std::net::SocketAddr, token: &str, since: &Value) -> (Socket, Value) {
    let mut socket = Socket::open(address);
    let identify = json!({"project_id": PROJECT, "token": token, "ext": ["resume"],
                          "resume": {"direct": since}});
    socket.send(&json!({"op": 2, "d": identify}));
    let init = socket.expect("INIT");
    (socket, init["d"].clone())
}

#[test]
fn a_mail_waits_for_the_next_connection_and_is_heard_once() {
    let server = Server::start();
    let token = server.new_leap_token();
    let posted = server.data("POST", &path(&token), &mail(1, HOUR));
    let (id, s) = (posted["id"].as_str().unwrap(), posted["s"].as_str().unwrap());
    assert_eq!(id, format!("mail_{s}"));
    assert_eq!(state(&server, &token, id), "queued");
    let (mut socket, _) = Socket::enter(server.address, Some(&token));
    assert_eq!(heard(&mut socket), 1);
    await_state(&server, &token, id, "delivered");
    leave(&server, socket, &token);
    let (mut socket, init) = Socket::enter(server.address, Some(&token));
    assert!(init.get("missed").is_none(), "{init}");
    post(&server, &token, 2);
    assert_eq!(heard(&mut socket), 2, "and not the first again");
    // Without a time to wait nothing is kept, and nothing to be asked about.
    server.done("POST", &path(&token), r#"{"e":"n","d":3}"#);
    assert_eq!(heard(&mut socket), 3);
    server.assert_well();
}

#[test]
fn who_is_connected_hears_mails_at_once_and_in_their_order_behind_what_waited() {
    let server = Server::start();
    let token = server.new_leap_token();
    let mut ids: Vec<_> = (0..200).map(|number| post(&server, &token, number)).collect();
    let (mut socket, _) = Socket::enter(server.address, Some(&token));
    // More than is under way at a time, and more while they are.
    ids.extend((200..300).map(|number| post(&server, &token, number)));
    hears(&mut socket, 0..300);
    for id in &ids {
        await_state(&server, &token, id, "delivered");
    }
    let (mut other, _) = Socket::enter(server.address, Some(&token));
    post(&server, &token, 300);
    for socket in [&mut socket, &mut other] {
        assert_eq!(heard(socket), 300, "every connection hears it");
    }
    server.assert_well();
}

#[test]
fn a_client_that_leaves_at_once_has_heard_what_it_read() {
    let server = Server::start();
    let token = server.new_leap_token();
    for number in 0..10 {
        let id = post(&server, &token, number);
        let (mut socket, _) = Socket::enter(server.address, Some(&token));
        assert_eq!(heard(&mut socket), number, "and none before it again");
        // It says something, so it is there; otherwise its first second would not count.
        socket.beat();
        drop(socket);
        await_state(&server, &token, &id, "delivered");
        await_offline(&server, &token);
    }
    server.assert_well();
}

#[test]
fn what_a_broken_connection_did_not_take_comes_again_and_nothing_is_lost() {
    let server = Server::start();
    let token = server.new_leap_token();
    let large = "x".repeat(30 << 10);
    let ids: Vec<_> = (0..100)
        .map(|number| {
            let body = json!({"e": "n", "d": {"n": number, "x": large}, "ttl": HOUR});
            let posted = server.data("POST", &path(&token), &body.to_string());
            posted["id"].as_str().unwrap().to_owned()
        })
        .collect();
    let (mut socket, _) = Socket::enter(server.address, Some(&token));
    socket.read_little();
    let number = |message: Value| message["d"]["d"]["n"].as_u64().unwrap();
    let first = number(socket.expect("DIRECT_MESSAGE"));
    assert_eq!(first, 0);
    // It reads no further. Only so much is let go as it may take soon.
    let connections = format!("/v1/channels/tokens/{token}/connections");
    let listed = server.data("GET", &connections, "");
    let queued = listed["connections"][0]["queue_bytes"].as_u64().unwrap();
    assert!(queued < 1 << 20, "{queued}");
    assert_eq!(state(&server, &token, &ids[99]), "queued");
    socket.reset();
    await_offline(&server, &token);
    let (mut socket, init) = Socket::enter(server.address, Some(&token));
    // What its system took may be gone; the rest is here without a hole.
    let mut numbers = vec![number(socket.expect("DIRECT_MESSAGE"))];
    while numbers.last() != Some(&99) {
        numbers.push(number(socket.expect("DIRECT_MESSAGE")));
    }
    let whole: Vec<_> = (numbers[0]..100).collect();
    assert_eq!(numbers, whole, "{init}");
    assert!(init.get("missed").is_none(), "what waits is not missed: {init}");
    await_state(&server, &token, &ids[99], "delivered");
    server.assert_well();
}

#[test]
fn who_goes_on_from_a_position_hears_each_mail_once() {
    let server = Server::start_with(&[("WARREN_HEARTBEAT", "1")]);
    let token = server.new_leap_token();
    let mut since = Value::Null;
    let mut next = 0;
    for round in 0..12 {
        for number in round * 10..round * 10 + 10 {
            post(&server, &token, number);
        }
        let (mut socket, init) = resume(server.address, &token, &since);
        assert_eq!(init["direct"]["recovered"] == true, since != Value::Null, "{init}");
        // It takes some of them, and its line breaks.
        for _ in 0..7 {
            let message = socket.expect("DIRECT_MESSAGE");
            assert_eq!(message["d"]["d"], json!(next), "round {round}: {message}");
            since = message["s"].clone();
            next += 1;
        }
        if round % 2 == 0 {
            socket.reset();
        } else {
            drop(socket);
        }
        if round % 3 == 0 {
            await_offline(&server, &token);
        }
    }
    let (mut socket, _) = resume(server.address, &token, &since);
    hears(&mut socket, next..120);
    server.assert_well();
}

#[test]
fn a_mail_whose_time_is_over_is_not_heard() {
    let server = Server::start();
    let token = server.new_leap_token();
    let short = server.data("POST", &path(&token), &mail(1, 1));
    let short = short["id"].as_str().unwrap().to_owned();
    await_state(&server, &token, &short, "expired");
    post(&server, &token, 2);
    let (mut socket, _) = Socket::enter(server.address, Some(&token));
    assert_eq!(heard(&mut socket), 2);
    assert_eq!(state(&server, &token, &short), "expired");
    for ttl in ["0", "2592001", "-1", "1.5", "\"60\"", "true"] {
        let body = format!(r#"{{"e":"n","ttl":{ttl}}}"#);
        let error = server.call("POST", &path(&token), Some(OWNER), &body).error();
        assert_eq!((&error["code"], &error["field"]), (&json!("invalid_body"), &json!("ttl")));
    }
    server.assert_well();
}

#[test]
fn a_full_mailbox_refuses_until_something_was_heard_or_its_time_is_over() {
    let server = Config::limits("mailbox-messages = 3\nmailbox-bytes = 2_000").start();
    let token = server.new_leap_token();
    let posted = |number, ttl| server.call("POST", &path(&token), Some(OWNER), &mail(number, ttl));
    assert_eq!(posted(0, 1).status, 200);
    for number in 1..3 {
        assert_eq!(posted(number, HOUR).status, 200);
    }
    // The time of the first may just be over.
    eventually("there is room again", || posted(3, HOUR).status == 200);
    assert_eq!(posted(4, HOUR).failure(), (429, "mailbox_full".to_owned()));
    let other = server.new_leap_token();
    let large = |bytes: usize| {
        let body = json!({"e": "n", "d": "x".repeat(bytes), "ttl": HOUR}).to_string();
        server.call("POST", &path(&other), Some(OWNER), &body)
    };
    assert_eq!(large(1200).status, 200);
    assert_eq!(large(1200).failure(), (429, "mailbox_full".to_owned()));
    let never = large(2000).error();
    assert_eq!((&never["code"], &never["limit"]), (&json!("too_large"), &json!(2000)));
    // What does not wait is not kept from anybody.
    server.done("POST", &path(&token), r#"{"e":"n","d":9}"#);
    let (mut socket, _) = Socket::enter(server.address, Some(&token));
    hears(&mut socket, 1..4);
    eventually("there is room again", || posted(5, HOUR).status == 200);
    assert_eq!(heard(&mut socket), 5);
    server.assert_well();
}

#[test]
fn every_way_to_post_a_mail_is_one() {
    let server = Server::start();
    let token = server.new_leap_token();
    let full = json!({"event": "n", "data": 0, "ttl": HOUR}).to_string();
    server.data("POST", &format!("/v1/channels/tokens/{token}/message"), &full);
    let item = |number| {
        json!({"method": "POST", "path": path(&token),
        "body": {"e": "n", "d": number, "ttl": HOUR}, "headers": {"Idempotency-Key": format!("k{number}")}})
    };
    let batch = json!({"items": [item(1), item(2), item(2), item(3)]}).to_string();
    let results = server.data("POST", "/v1/batch", &batch)["results"].clone();
    let ids: Vec<_> =
        (0..4).map(|at| results[at]["body"]["data"]["id"].as_str().unwrap()).collect();
    assert_eq!(ids[1], ids[2], "{results}");
    let mut http = Http::connect(server.address).unwrap();
    let [first, again] = [(); 2].map(|()| {
        let answer = http.call_once("key", "POST", &path(&token), &mail(4, HOUR)).unwrap();
        (answer.status, answer.data())
    });
    assert_eq!(first, again);
    let (mut socket, _) = Socket::enter(server.address, Some(&token));
    hears(&mut socket, 0..5);
    await_state(&server, &token, first.1["id"].as_str().unwrap(), "delivered");
    post(&server, &token, 5);
    assert_eq!(heard(&mut socket), 5);
    server.assert_well();
}

#[test]
fn nobody_else_reaches_a_mailbox_and_it_goes_with_its_token() {
    let server = Server::start();
    let (token, other) = (server.new_leap_token(), server.new_leap_token());
    let id = post(&server, &token, 1);
    let (_, stranger) = server.new_project("other");
    let status = |auth: &str, token: &str, id: &str| {
        server.call("GET", &format!("{}/{id}", path(token)), Some(auth), "").failure()
    };
    let not_found = |what: &str| (404, format!("{what}_not_found"));
    assert_eq!(status(&stranger, &token, &id), not_found("token"));
    let refused = server.call("POST", &path(&token), Some(&stranger), &mail(2, HOUR));
    assert_eq!(refused.failure(), not_found("token"));
    assert_eq!(status(OWNER, &other, &id), not_found("message"));
    for nothing in ["mail_1-1", "mail_", "x", "mail_0-0"] {
        assert_eq!(status(OWNER, &token, nothing), not_found("message"), "{nothing}");
    }
    server.done("DELETE", &format!("/v1/channels/tokens/{token}"), "");
    assert_eq!(status(OWNER, &token, &id), not_found("token"));
    let refused = server.call("POST", &path(&token), Some(OWNER), &mail(2, HOUR));
    assert_eq!(refused.failure(), not_found("token"));
    server.assert_well();
}
