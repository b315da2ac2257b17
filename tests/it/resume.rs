//! Extension `resume` (`docs/PROTOCOL.md`, Extensions): positions on everything that lines say, and going on from one.

use crate::scene::{create, enter_with, leave, mark, new_token, publish};
use crate::socket::Socket;
use crate::support::{PROJECT, Server};
use serde_json::{Value, json};

/// A connection that wants to go on from there, and its INIT.
fn resume(server: &Server, token: Option<&str>, resume: &Value) -> (Socket, Value) {
    let mut socket = Socket::open(server.address);
    let identify =
        json!({"project_id": PROJECT, "token": token, "ext": ["resume"], "resume": resume});
    socket.send(&json!({"op": 2, "d": identify}));
    let init = socket.expect("INIT");
    (socket, init["d"].clone())
}

/// A position's parts: the epoch, and the offset in it.
fn parts(position: &Value) -> (String, u64) {
    let (epoch, offset) = position.as_str().unwrap().split_once('-').unwrap();
    (epoch.to_owned(), offset.parse().unwrap())
}

/// Publishes these numbers to a channel.
fn say(server: &Server, channel: &str, numbers: std::ops::Range<u64>) {
    numbers.for_each(|number| publish(server, channel, "n", &json!(number)));
}

/// Reads the messages with these numbers, in this order; returns their positions.
fn hear(socket: &mut Socket, numbers: std::ops::Range<u64>) -> Vec<Value> {
    let one = |number| {
        let message = socket.expect("MESSAGE");
        assert_eq!(message["d"]["d"], json!(number), "{message}");
        message["s"].clone()
    };
    numbers.map(one).collect()
}

/// A token that is subscribed to the new public channel `room`.
fn subscribed(server: &Server) -> String {
    create(server, "room", "public", &[]);
    new_token(server, &json!({"channels": ["room"]}))
}

#[test]
fn what_a_line_says_has_its_position_for_those_who_ask_and_for_nobody_else() {
    let server = Server::start();
    let token = subscribed(&server);
    let (mut asks, init) = resume(&server, Some(&token), &Value::Null);
    let (mut official, plain) = Socket::enter(server.address, Some(&token));
    let start = parts(&init["channels"][0]["s"]);
    assert!(init["session_id"].as_str().unwrap().starts_with("session_"), "{init}");
    assert!(init["direct"]["s"].is_string() && init.get("resume").is_none(), "{init}");
    assert!(init["channels"][0].get("recovered").is_none(), "{init}");
    for key in ["session_id", "direct", "resume"] {
        assert!(plain.get(key).is_none(), "{plain}");
    }
    assert!(plain["channels"][0].get("s").is_none(), "{plain}");
    say(&server, "room", 0..2);
    server.data("PUT", "/v1/channels/room/state", r#"{"a":1}"#);
    let direct = json!({"e": "d", "d": 1}).to_string();
    server.done("POST", &format!("/v1/channels/tokens/{token}/messages"), &direct);
    let heard: Vec<_> = (0..4).map(|_| asks.next()).collect();
    let names: Vec<_> = heard.iter().map(|event| event["e"].as_str().unwrap()).collect();
    assert_eq!(names, ["MESSAGE", "MESSAGE", "STATE_UPDATE", "DIRECT_MESSAGE"]);
    let (epoch, offset) = start;
    for (event, more) in heard.iter().zip(1..=3) {
        assert_eq!(parts(&event["s"]), (epoch.clone(), offset + more), "{event}");
    }
    let (own, first) = parts(&init["direct"]["s"]);
    assert_eq!(parts(&heard[3]["s"]), (own, first + 1));
    for _ in 0..4 {
        let event = official.next();
        assert!(event.get("s").is_none(), "{event}");
    }
    server.assert_well();
}

#[test]
fn whoever_names_a_position_hears_all_that_came_after_it_once_and_in_order() {
    let server = Server::start();
    let token = subscribed(&server);
    let (mut socket, init) = resume(&server, Some(&token), &Value::Null);
    say(&server, "room", 0..5);
    let heard = hear(&mut socket, 0..5);
    let direct = json!({"e": "d", "d": 7}).to_string();
    leave(&server, socket, &token);
    // Now there is a session that keeps what is said, beside the line.
    say(&server, "room", 5..8);
    server.done("POST", &format!("/v1/channels/tokens/{token}/messages"), &direct);
    let from = json!({"positions": {"room": heard[2]}, "direct": init["direct"]["s"]});
    // Positions belong to the line and not to a session: whoever comes with one hears the same, and what came since.
    for upto in [8, 9] {
        let (mut back, init) = resume(&server, Some(&token), &from);
        assert_eq!(init["resume"], "complete", "{init}");
        assert_eq!(init["channels"][0]["recovered"], true, "{init}");
        assert_eq!(init["direct"]["recovered"], true, "{init}");
        assert!(init.get("missed").is_none(), "{init}");
        let again = hear(&mut back, 3..upto);
        assert_eq!(again[..2], heard[3..]);
        assert_eq!(again.last(), Some(&init["channels"][0]["s"]), "INIT stands where it ends");
        assert_eq!(back.expect("DIRECT_MESSAGE")["d"]["d"], 7);
        say(&server, "room", upto..upto + 1);
        hear(&mut back, upto..upto + 1);
        leave(&server, back, &token);
    }
    server.assert_well();
}

#[test]
fn what_cannot_be_recovered_is_said_and_nothing_comes_partly() {
    let server = Server::start();
    let token = subscribed(&server);
    create(&server, "other", "public", &[]);
    let (mut socket, _) = resume(&server, Some(&token), &Value::Null);
    socket.subscribe("other");
    say(&server, "room", 0..1);
    let first = hear(&mut socket, 0..1).remove(0);
    // More than the window holds.
    say(&server, "room", 1..300);
    hear(&mut socket, 1..300);
    say(&server, "other", 300..301);
    let other = hear(&mut socket, 300..301).remove(0);
    leave(&server, socket, &token);
    let beyond = format!("{}-{}", parts(&first).0, 100_000);
    for position in [&first, &json!(beyond), &json!("1-1"), &json!("not a position"), &json!("")] {
        let from = json!({"positions": {"room": position, "other": other, "nowhere": "1-1"}});
        let (mut back, init) = resume(&server, Some(&token), &from);
        assert_eq!(init["resume"], "gap", "{init}");
        let recovered = |id: &str| {
            let channels = init["channels"].as_array().unwrap();
            channels.iter().find(|channel| channel["id"] == id).unwrap()["recovered"].clone()
        };
        assert_eq!((recovered("room"), recovered("other")), (json!(false), json!(true)), "{init}");
        // Nothing of the room comes; what is next is a marker.
        mark(&server, init["cid"].as_str().unwrap(), "marker");
        assert_eq!(back.next()["d"]["e"], "marker");
        leave(&server, back, &token);
    }
    server.assert_well();
}

#[test]
fn a_new_line_under_an_old_name_is_another_one() {
    let server = Server::start();
    let token = subscribed(&server);
    let (mut socket, _) = resume(&server, Some(&token), &Value::Null);
    say(&server, "room", 0..1);
    let position = hear(&mut socket, 0..1).remove(0);
    leave(&server, socket, &token);
    server.done("DELETE", "/v1/channels/room", "");
    create(&server, "room", "public", &[]);
    let body = json!({"tokens": [token]}).to_string();
    server.data("POST", "/v1/channels/room/subscribers", &body);
    say(&server, "room", 1..3);
    let (_, init) = resume(&server, Some(&token), &json!({"positions": {"room": position}}));
    assert_eq!(init["channels"][0]["recovered"], false, "{init}");
    assert_ne!(parts(&init["channels"][0]["s"]).0, parts(&position).0);
    server.assert_well();
}

#[test]
fn positions_are_strings_and_without_the_extension_nobody_asks() {
    let server = Server::start();
    let token = subscribed(&server);
    for wrong in
        [json!([]), json!({"positions": []}), json!({"positions": {"room": 1}}), json!("x")]
    {
        let mut socket = Socket::open(server.address);
        let d = json!({"project_id": PROJECT, "token": token, "ext": ["resume"], "resume": wrong});
        socket.send(&json!({"op": 2, "d": d}));
        assert_eq!(socket.expect_close().0, 4005);
    }
    let (mut socket, init) = enter_with(server.address, Some(&token), &["errors"]);
    say(&server, "room", 0..1);
    let message = socket.expect("MESSAGE");
    assert!(message.get("s").is_none() && init.get("session_id").is_none(), "{message}");
    server.assert_well();
}
