//! Short breaks: what a token's next connection finds (`docs/PROTOCOL.md`, Sessions and connections).

use crate::scene::{Config, channels, cid, create, leave, publish, subscriptions};
use crate::socket::{Received, Socket, Stopwatch, frame};
use crate::support::receiver::{Receiver, Says};
use crate::support::{PROJECT, Server};
use serde_json::{Value, json};
use std::time::Duration;

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
    assert!(crate::scene::hears(&server, &mut back, &cid(&init), "hall"), "and live ones follow");
    // It was delivered once: the next connection does not hear it again.
    let (mut second, init) = Socket::enter(server.address, Some(&token));
    crate::scene::assert_silent(&server, &mut second, &cid(&init));
    server.assert_well();
}

#[test]
fn past_the_bound_the_oldest_go_and_init_says_how_many() {
    let config = Config::limits("replay-events = 3");
    let server = config.start();
    let token = crate::scene::away(&server);
    for n in 0..8 {
        publish(&server, "room", &n.to_string(), &Value::Null);
    }
    let (mut back, init) = Socket::enter(server.address, Some(&token));
    assert_eq!(init["missed"], 5);
    assert_eq!(heard(&mut back, 3), ["5", "6", "7"]);
    crate::scene::assert_silent(&server, &mut back, &cid(&init));
    back.beat();
    leave(&server, back, &token);
    let (_back, init) = Socket::enter(server.address, Some(&token));
    assert!(init.get("missed").is_none(), "counted once: {init}");
    server.assert_well();
}

/// Comes back until nothing is left to be heard, and shows each time that it is there; returns what came and was missed.
fn all_that_waits(server: &Server, token: &str, n: usize) -> Vec<String> {
    let mut all = Vec::new();
    crate::scene::eventually("everything has come", || {
        let (mut back, init) = Socket::enter(server.address, Some(token));
        assert!(init.get("missed").is_none(), "{init}");
        let marker = json!({"e": "marker", "d": null}).to_string();
        server.done("POST", &format!("/v1/channels/connections/{}/messages", cid(&init)), &marker);
        loop {
            let event = heard(&mut back, 1).remove(0);
            if event == "marker" {
                break;
            }
            all.push(event);
        }
        back.beat();
        leave(server, back, token);
        all.len() >= n
    });
    all
}

#[test]
fn a_return_that_dies_around_its_init_takes_nothing_along() {
    let server = Server::start();
    let token = crate::scene::away(&server);
    for (round, delay) in [0, 1, 2, 3, 4, 5, 8, 0, 1, 2, 3, 20].into_iter().enumerate() {
        let expected: Vec<_> = (0..20).map(|n| format!("{round}.{n}")).collect();
        for event in &expected {
            publish(&server, "room", event, &Value::Null);
        }
        let mut dying = Socket::open(server.address);
        dying.identify(Some(&token));
        // Not to wait for something, but to die at a certain moment.
        std::thread::sleep(Duration::from_millis(delay));
        dying.reset();
        assert_eq!(all_that_waits(&server, &token, 20), expected, "reset after {delay} ms");
    }
    let (mut back, init) = Socket::enter(server.address, Some(&token));
    crate::scene::assert_silent(&server, &mut back, &cid(&init));
    server.assert_well();
}

#[test]
fn what_is_missed_is_told_until_somebody_was_there_to_hear_it() {
    let config = Config::limits("replay-events = 3");
    let server = config.start();
    let token = crate::scene::away(&server);
    for n in 0..8 {
        publish(&server, "room", &n.to_string(), &Value::Null);
    }
    let (dying, init) = Socket::enter(server.address, Some(&token));
    assert_eq!(init["missed"], 5);
    dying.reset();
    crate::scene::await_offline(&server, &token);
    publish(&server, "room", "8", &Value::Null);
    let (mut back, init) = Socket::enter(server.address, Some(&token));
    assert_eq!(init["missed"], 6, "the oldest kept one made room");
    assert_eq!(heard(&mut back, 3), ["6", "7", "8"]);
    server.assert_well();
}

#[test]
fn what_a_frozen_page_was_sent_comes_again() {
    let quick = [("WARREN_HEARTBEAT", "1"), ("WARREN_HEARTBEAT_TIMEOUT", "3")];
    let server = Server::start_with(&quick);
    create(&server, "room", "public", &[]);
    let token = server.new_leap_token();
    let (mut page, _) = Socket::enter(server.address, Some(&token));
    page.subscribe("room");
    publish(&server, "room", "read", &Value::Null);
    direct(&server, &token, "read");
    heard(&mut page, 2);
    // What arrived is looked at once a second at the most: this is not waited for, it is how the page lives.
    std::thread::sleep(Duration::from_millis(1200));
    page.send(&json!({"op": 3}));
    while !matches!(page.receive(), Received::Text(text) if text.contains(r#""op":4"#)) {}
    let thrown_away: Vec<_> = (0..20).map(|n| n.to_string()).collect();
    for event in &thrown_away {
        publish(&server, "room", event, &Value::Null);
    }
    direct(&server, &token, "thrown away");
    // Nothing of the page runs, but its browser reads on for it.
    assert_eq!(page.close_frame().0, 4007);
    leave(&server, page, &token);
    publish(&server, "room", "after", &Value::Null);
    let (mut back, init) = Socket::enter(server.address, Some(&token));
    assert!(init.get("missed").is_none(), "{init}");
    let mut again = heard(&mut back, 22);
    again.retain(|event| event != "thrown away");
    assert_eq!(again[..20], thrown_away);
    assert_eq!(again[20..], ["after"]);
    crate::scene::assert_silent(&server, &mut back, &cid(&init));
    server.assert_well();
}

#[test]
fn init_has_the_newest_state_and_no_older_one_follows() {
    let server = Server::start();
    let token = crate::scene::away(&server);
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
    assert!(crate::scene::hears(&server, &mut back, &cid(&init), "passing"));
    server.assert_well();
}

/// A dispatch of a client's.
fn dispatch(event: &str, channel: &str, data: &Value) -> Vec<u8> {
    frame::text(&json!({"op": 0, "d": {"e": event, "c": channel, "d": data}}).to_string())
}

/// So many messages to a channel, numbered.
fn messages(channel: &str, count: usize) -> Vec<u8> {
    let message = |n| dispatch("MESSAGE", channel, &json!({"e": "N", "d": n}));
    (0..count).flat_map(message).collect()
}

/// The ends that a client can bring about, each with the close code that answers it.
fn ends() -> [(&'static str, Vec<u8>, Option<u16>); 7] {
    [
        ("close", frame::close(1000, b""), Some(1000)),
        ("end of the stream", Vec::new(), None),
        ("unknown opcode", frame::text(r#"{"op":9}"#), Some(4004)),
        ("no JSON", frame::text("{"), Some(4005)),
        ("not UTF-8", frame::masked(frame::TEXT, b"\xFF"), Some(4005)),
        ("not masked", frame::unmasked(frame::TEXT, b"{}"), Some(1002)),
        ("too long", frame::declared(frame::TEXT, 1 << 40), Some(1009)),
    ]
}

/// Reads to the end; asserts the close code that comes before it, if one is due.
fn assert_ended(socket: &mut Socket, code: Option<u16>, what: &str) {
    loop {
        match socket.receive() {
            Received::Close(found, _) => assert_eq!(Some(found), code, "{what}"),
            Received::End => return,
            Received::Text(_) | Received::Pong(_) => {}
            other @ Received::Binary(_) => panic!("{what}: {other:?}"),
        }
    }
}

#[test]
fn what_came_before_an_end_is_served_in_order() {
    const COUNT: usize = 30;
    let server = Server::start();
    create(&server, "room", "unprotected", &["CLIENT_PUBLISH", "CLIENT_STATE"]);
    let (mut listener, _) = Socket::enter(server.address, None);
    listener.subscribe("room");
    let before = [
        ("nothing", Vec::new()),
        ("a heartbeat", frame::text(r#"{"op":3}"#)),
        ("a state", dispatch("SET_CHANNEL_STATE", "room", &json!({"n": 1}))),
        ("a subscribe", dispatch("SUBSCRIBE", "nowhere", &Value::Null)),
    ];
    for (what, before) in &before {
        for (end, bytes, code) in ends() {
            let what = format!("{what}, {end}");
            let (mut socket, _) = Socket::enter(server.address, None);
            socket.subscribe("room");
            socket.write(&[before, &*messages("room", COUNT), &*bytes].concat());
            if code.is_none() {
                socket.finish();
            }
            for n in 0..COUNT {
                let mut heard = listener.next();
                if heard["e"] == "STATE_UPDATE" {
                    heard = listener.next();
                }
                assert_eq!(heard["d"]["d"], n, "{what}: {heard}");
            }
            assert_ended(&mut socket, code, &what);
        }
    }
    server.assert_well();
}

#[test]
fn what_came_between_identify_and_an_end_is_served_after_init() {
    let server = Server::start();
    create(&server, "room", "unprotected", &["CLIENT_PUBLISH"]);
    let (mut listener, _) = Socket::enter(server.address, None);
    listener.subscribe("room");
    for (end, bytes, code) in ends() {
        let mut socket = Socket::open(server.address);
        let identify = json!({"op": 2, "d": {"project_id": PROJECT}}).to_string();
        let subscribe = dispatch("SUBSCRIBE", "room", &Value::Null);
        let all = [frame::text(&identify), subscribe, messages("room", 10), bytes].concat();
        socket.write(&all);
        if code.is_none() {
            socket.finish();
        }
        for n in 0..10 {
            assert_eq!(listener.next()["d"]["d"], n, "{end}");
        }
        assert_ended(&mut socket, code, end);
    }
    server.assert_well();
}

#[test]
fn a_subscription_that_was_ended_before_a_close_has_ended() {
    let server = Server::start();
    create(&server, "room", "public", &[]);
    let token = server.new_leap_token();
    for (end, bytes, code) in ends() {
        let (mut socket, _) = Socket::enter(server.address, Some(&token));
        socket.subscribe("room");
        assert_eq!(subscriptions(&server, &token), ["room"], "{end}");
        socket.write(&[dispatch("UNSUBSCRIBE", "room", &Value::Null), bytes].concat());
        if code.is_none() {
            socket.finish();
        }
        assert_ended(&mut socket, code, end);
        assert_eq!(subscriptions(&server, &token), [""; 0], "{end}");
    }
    server.assert_well();
}

#[test]
fn outcomes_come_before_the_answer_to_a_close() {
    let server = Server::start();
    create(&server, "room", "unprotected", &["CLIENT_STATE"]);
    let (mut socket, _) = crate::scene::enter_with(server.address, None, &["errors"]);
    socket.subscribe("room");
    let d = json!({"e": "SET_CHANNEL_STATE", "c": "room", "d": {"n": 1}});
    let state = frame::text(&json!({"op": 0, "ref": "mine", "d": d}).to_string());
    socket.write(&[state, frame::close(1000, b"")].concat());
    assert_eq!(socket.expect("STATE_UPDATE")["d"]["state"]["n"], 1);
    assert_eq!(socket.expect("ACK")["d"]["ref"], "mine");
    assert_eq!(socket.expect_close().0, 1000);
}

#[test]
fn a_back_end_that_says_nothing_does_not_keep_a_closed_socket() {
    let server = Server::start_with(&[("WARREN_ALLOW_PRIVATE_WEBHOOKS", "1")]);
    let silent = Receiver::start(|_, _| Says(200, "", "{}", Duration::from_mins(1)));
    let authorizer = json!({"url": silent.url()}).to_string();
    server.data("PUT", "/v1/projects/@this/channel-authorizer", &authorizer);
    create(&server, "closed", "private", &[]);
    create(&server, "room", "public", &["CLIENT_PUBLISH"]);
    let (mut listener, _) = Socket::enter(server.address, Some(&server.new_leap_token()));
    listener.subscribe("room");
    let token = server.new_leap_token();
    let (mut socket, _) = Socket::enter(server.address, Some(&token));
    socket.subscribe("room");
    let clock = Stopwatch::start();
    let subscribe = dispatch("SUBSCRIBE", "closed", &Value::Null);
    socket.write(&[subscribe, messages("room", 3), frame::close(1000, b"")].concat());
    for n in 0..3 {
        assert_eq!(listener.next()["d"]["d"], n);
    }
    assert_eq!(socket.expect_close().0, 1000);
    let took = clock.elapsed();
    assert!(took < Duration::from_secs(30), "{took:?}");
    server.assert_well();
}
