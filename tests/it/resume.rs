//! Extension `resume` (`docs/PROTOCOL.md`, Extensions): positions on everything that lines say, and going on from one.

use crate::scene::{
    assert_silent, cid, create, enter_with, leave, mark, new_token, parts, publish, resume,
    subscriptions, token_for,
};
use crate::socket::Socket;
use crate::support::{PROJECT, Server};
use serde_json::{Value, json};

/// A position's text.
fn text(position: &Value) -> &str {
    position.as_str().unwrap()
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
    token_for(server, &["room"])
}

#[test]
fn what_a_line_says_has_its_position_for_those_who_ask_and_for_nobody_else() {
    let server = Server::start();
    let token = subscribed(&server);
    let (mut asks, init) = resume(server.address, Some(&token), &Value::Null);
    let (mut official, plain) = Socket::enter(server.address, Some(&token));
    let start = parts(text(&init["channels"][0]["s"]));
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
        assert_eq!(parts(text(&event["s"])), (epoch.clone(), offset + more), "{event}");
    }
    let (own, first) = parts(text(&init["direct"]["s"]));
    assert_eq!(parts(text(&heard[3]["s"])), (own, first + 1));
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
    let (mut socket, init) = resume(server.address, Some(&token), &Value::Null);
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
        let (mut back, init) = resume(server.address, Some(&token), &from);
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
    let (mut socket, _) = resume(server.address, Some(&token), &Value::Null);
    socket.subscribe("other");
    say(&server, "room", 0..1);
    let first = hear(&mut socket, 0..1).remove(0);
    // More than the window holds.
    say(&server, "room", 1..300);
    hear(&mut socket, 1..300);
    say(&server, "other", 300..301);
    let other = hear(&mut socket, 300..301).remove(0);
    leave(&server, socket, &token);
    let beyond = format!("{}-{}", parts(text(&first)).0, 100_000);
    for position in [&first, &json!(beyond), &json!("1-1"), &json!("not a position"), &json!("")] {
        let from = json!({"positions": {"room": position, "other": other, "nowhere": "1-1"}});
        let (mut back, init) = resume(server.address, Some(&token), &from);
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
    let (mut socket, _) = resume(server.address, Some(&token), &Value::Null);
    say(&server, "room", 0..1);
    let position = hear(&mut socket, 0..1).remove(0);
    leave(&server, socket, &token);
    server.done("DELETE", "/v1/channels/room", "");
    create(&server, "room", "public", &[]);
    let body = json!({"tokens": [token]}).to_string();
    server.data("POST", "/v1/channels/room/subscribers", &body);
    say(&server, "room", 1..3);
    let (_, init) = resume(server.address, Some(&token), &json!({"positions": {"room": position}}));
    assert_eq!(init["channels"][0]["recovered"], false, "{init}");
    assert_ne!(parts(text(&init["channels"][0]["s"])).0, parts(text(&position)).0);
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

/// Subscribes so; returns what `AVAILABLE` says.
fn subscribe(socket: &mut Socket, channel: &str, data: &Value) -> Value {
    socket.send(&json!({"op": 0, "d": {"e": "SUBSCRIBE", "c": channel, "d": data}}));
    let available = socket.expect("AVAILABLE");
    assert_eq!(available["d"]["channel"]["id"], channel, "{available}");
    available
}

/// A channel that keeps its line, because somebody is there, and the positions of this many messages on it.
fn talked(server: &Server, channel: &str, visibility: &str, messages: u64) -> (Socket, Vec<Value>) {
    create(server, channel, visibility, &[]);
    let token = token_for(server, &[channel]);
    let (mut socket, _) = resume(server.address, Some(&token), &Value::Null);
    say(server, channel, 0..messages);
    let positions = hear(&mut socket, 0..messages);
    (socket, positions)
}

#[test]
fn a_subscribe_from_a_position_hears_all_that_came_after_it_and_then_what_follows() {
    let server = Server::start();
    let (_stays, positions) = talked(&server, "room", "unprotected", 8);
    let token = new_token(&server, &json!({}));
    // For now, for good, and without a token.
    let kinds = [(Some(&*token), true), (Some(&*token), false), (None, false)];
    for (said, (token, is_ephemeral)) in (8..).zip(kinds) {
        let (mut socket, _) = resume(server.address, token, &Value::Null);
        let data = json!({"since": positions[3], "ephemeral": is_ephemeral, "rewind": 1});
        let available = subscribe(&mut socket, "room", &data);
        assert_eq!(available["d"]["recovered"], true, "{available}");
        let again = hear(&mut socket, 4..said);
        assert_eq!(again[..4], positions[4..]);
        assert_eq!(again.last(), Some(&available["s"]), "it stands where that ends");
        say(&server, "room", said..said + 1);
        hear(&mut socket, said..said + 1);
        if let Some(token) = token {
            let list = format!("/v1/channels/tokens/{token}/subscriptions");
            let held = server.data("GET", &list, "")["subscriptions"].clone();
            assert_eq!((&held[0]["channel"], held.as_array().unwrap().len()), (&json!("room"), 1));
            assert_eq!(held[0]["ephemeral"], is_ephemeral);
            socket.send(&json!({"op": 0, "d": {"e": "UNSUBSCRIBE", "c": "room"}}));
            leave(&server, socket, token);
            assert!(subscriptions(&server, token).is_empty());
        }
    }
    server.assert_well();
}

#[test]
fn only_who_asks_hears_what_was_said_before_and_only_once() {
    let server = Server::start();
    let (_stays, positions) = talked(&server, "room", "public", 4);
    let token = new_token(&server, &json!({}));
    let (mut other, init) = resume(server.address, Some(&token), &Value::Null);
    let (mut asks, of_asker) = resume(server.address, Some(&token), &Value::Null);
    let available = subscribe(&mut asks, "room", &json!({"since": positions[1]}));
    assert_eq!(available["d"]["recovered"], true, "{available}");
    hear(&mut asks, 2..4);
    let told = other.expect("AVAILABLE");
    assert!(told["d"].get("recovered").is_none() && told["s"] == available["s"], "{told}");
    assert_silent(&server, &mut other, &cid(&init));
    say(&server, "room", 4..6);
    let live = hear(&mut asks, 4..6);
    hear(&mut other, 4..6);
    // Whoever hears the channel already is given nothing again, and told whether that is all.
    for (data, recovered) in [
        (json!({"since": live[1]}), json!(true)),
        (json!({"since": positions[3]}), json!(true)),
        (json!({"since": positions[1]}), json!(true)),
        (json!({"since": positions[0]}), json!(false)),
        (json!({"since": "1-1"}), json!(false)),
        (json!({"rewind": 3}), Value::Null),
    ] {
        let available = subscribe(&mut asks, "room", &data);
        assert_eq!(available["d"]["recovered"], recovered, "{data}: {available}");
        assert_silent(&server, &mut asks, &cid(&of_asker));
    }
    // Its other connection came to the channel later.
    for _ in 0..6 {
        other.expect("AVAILABLE");
    }
    for (position, recovered) in [(&positions[3], true), (&positions[2], false)] {
        let available = subscribe(&mut other, "room", &json!({"since": position}));
        assert_eq!(available["d"]["recovered"], recovered, "{available}");
        assert_silent(&server, &mut other, &cid(&init));
    }
    server.assert_well();
}

#[test]
fn what_a_subscribe_cannot_recover_is_said_and_nothing_comes_partly() {
    let server = Server::start();
    // More than the window holds.
    let (_stays, positions) = talked(&server, "room", "public", 300);
    let (epoch, last) = parts(text(&positions[299]));
    let beyond = json!(format!("{epoch}-{}", last + 1));
    let none = [&positions[0], &beyond, &json!("1-1"), &json!("not a position"), &json!("")];
    for position in none {
        let token = new_token(&server, &json!({}));
        let (mut socket, init) = resume(server.address, Some(&token), &Value::Null);
        let available = subscribe(&mut socket, "room", &json!({"since": position}));
        assert_eq!(available["d"]["recovered"], false, "{position}: {available}");
        assert_silent(&server, &mut socket, &cid(&init));
    }
    let token = new_token(&server, &json!({}));
    let (mut socket, _) = resume(server.address, Some(&token), &Value::Null);
    let available = subscribe(&mut socket, "room", &json!({"since": positions[43]}));
    assert_eq!(available["d"]["recovered"], true, "just what is at hand");
    hear(&mut socket, 44..300);
    server.assert_well();
}

#[test]
fn a_rewind_hears_the_newest_messages() {
    let server = Server::start();
    let (_stays, _) = talked(&server, "room", "public", 300);
    create(&server, "silent", "public", &[]);
    for (rewind, from) in [(0, 300), (1, 299), (7, 293), (256, 44), (u64::MAX, 44)] {
        let token = new_token(&server, &json!({}));
        let (mut socket, init) = resume(server.address, Some(&token), &Value::Null);
        let available = subscribe(&mut socket, "room", &json!({"rewind": rewind}));
        assert!(available["d"].get("recovered").is_none(), "{available}");
        hear(&mut socket, from..300);
        subscribe(&mut socket, "silent", &json!({"rewind": rewind, "ephemeral": true}));
        assert_silent(&server, &mut socket, &cid(&init));
    }
    server.assert_well();
}

#[test]
fn while_others_talk_a_subscribe_from_a_position_leaves_nothing_out_and_repeats_nothing() {
    let server = Server::start();
    let (_stays, positions) = talked(&server, "room", "public", 1);
    std::thread::scope(|scope| {
        let talking = scope.spawn(|| say(&server, "room", 1..200));
        let mut from = (positions[0].clone(), 1);
        while from.1 < 200 {
            let token = new_token(&server, &json!({}));
            let (mut socket, _) = resume(server.address, Some(&token), &Value::Null);
            let data = json!({"since": from.0, "ephemeral": true});
            let available = subscribe(&mut socket, "room", &data);
            assert_eq!(available["d"]["recovered"], true, "{available}");
            // What was said before, and some of what is said now.
            let before = parts(text(&available["s"])).1 - parts(text(&from.0)).1;
            let upto = (from.1 + before + 3).min(200);
            let heard = hear(&mut socket, from.1..upto);
            from = (heard.last().cloned().unwrap_or(from.0), upto);
        }
        talking.join().unwrap();
    });
    server.assert_well();
}

#[test]
fn a_place_that_is_none_ends_the_connection_and_without_the_extension_nobody_minds() {
    let server = Server::start();
    let (_stays, positions) = talked(&server, "room", "public", 3);
    let token = new_token(&server, &json!({}));
    let wrong = [
        json!({"since": 1}),
        json!({"since": ["x"]}),
        json!({"rewind": "2"}),
        json!({"rewind": -1}),
    ];
    for data in &wrong {
        let (mut socket, _) = resume(server.address, Some(&token), &Value::Null);
        socket.send(&json!({"op": 0, "d": {"e": "SUBSCRIBE", "c": "room", "d": data}}));
        assert_eq!(socket.expect_close().0, 4005, "{data}");
    }
    assert!(subscriptions(&server, &token).is_empty());
    let right = [json!({"since": positions[0]}), json!({"rewind": 2})];
    for data in wrong.iter().chain(&right) {
        for extensions in [&["errors"][..], &[]] {
            let token = new_token(&server, &json!({}));
            let (mut socket, init) = enter_with(server.address, Some(&token), extensions);
            let available = subscribe(&mut socket, "room", data);
            assert!(available["d"].get("recovered").is_none(), "{data}: {available}");
            assert_silent(&server, &mut socket, &cid(&init));
        }
    }
    server.assert_well();
}
