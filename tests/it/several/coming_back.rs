//! Whoever comes back on another server, or comes there from a position (extension `resume`): nothing is left out, nothing comes
//! twice, and what cannot be told any more is said.

use super::{Two, numbers, two};
use crate::scene::{create, new_token, publish, resume, token_for};
use crate::socket::Socket;
use crate::support::Server;
use serde_json::{Value, json};
use std::ops::Range;

/// Publishes these numbers to a channel.
fn say(server: &Server, channel: &str, numbers: Range<i64>) {
    numbers.for_each(|number| publish(server, channel, "n", &json!({"n": number})));
}

/// Reads the messages with these numbers, in this order; returns their positions.
fn hear(socket: &mut Socket, numbers: Range<i64>) -> Vec<Value> {
    let one = |number| {
        let message = socket.next();
        let found = (&message["e"], &message["d"]["d"]["n"]);
        assert_eq!(found, (&json!("MESSAGE"), &json!(number)), "{message}");
        message["s"].clone()
    };
    numbers.map(one).collect()
}

/// Somebody who comes to `room` on a server and has heard it up to a position; how INIT shows the channel.
fn back(server: &Server, token: &str, position: &Value) -> (Socket, Value) {
    let from = json!({"positions": {"room": position}});
    let (socket, init) = resume(server.address, Some(token), &from);
    let is_complete = init["resume"] == "complete";
    let [channel] = &init["channels"].as_array().unwrap()[..] else { panic!("one: {init}") };
    assert_eq!(channel["recovered"], is_complete, "{init}");
    (socket, channel.clone())
}

/// Subscribes to a channel from some place; what `AVAILABLE` says.
fn subscribe(socket: &mut Socket, channel: &str, from: &Value) -> Value {
    socket.send(&json!({"op": 0, "d": {"e": "SUBSCRIBE", "c": channel, "d": from}}));
    socket.expect("AVAILABLE")
}

#[test]
fn whoever_comes_back_on_another_server_hears_what_came_meanwhile_and_what_follows() {
    let Some(both) = two() else { return };
    let Two { one, other, .. } = &both;
    create(one, "room", "public", &[]);
    let token = token_for(one, &["room"]);
    let (mut socket, _) = resume(one.address, Some(&token), &Value::Null);
    say(one, "room", 0..2);
    let heard = hear(&mut socket, 0..2);
    drop(socket);
    // States stand between them, and are not repeated.
    say(one, "room", 2..5);
    one.data("PATCH", "/v1/channels/room/state", "{\"a\":1}");
    say(one, "room", 5..7);
    // Nobody has had the channel in use there until now. Whoever names a position again hears the same again.
    let mut last = Value::Null;
    for _ in 0..2 {
        let (mut socket, channel) = back(other, &token, &heard[1]);
        assert_eq!((&channel["recovered"], &channel["state"]), (&json!(true), &json!({"a": 1})));
        let again = hear(&mut socket, 2..7);
        assert_eq!(again.last(), Some(&channel["s"]), "it stands where that ends");
        last = channel["s"].clone();
    }
    let (mut socket, _) = back(other, &token, &last);
    say(other, "room", 7..8);
    say(one, "room", 8..9);
    hear(&mut socket, 7..9);
    one.assert_well();
    other.assert_well();
}

#[test]
fn whoever_was_on_a_server_that_was_killed_has_lost_nothing() {
    let Some(mut both) = two() else { return };
    let Two { one, other, .. } = &mut both;
    create(one, "room", "public", &[]);
    let token = token_for(one, &["room"]);
    let (mut socket, _) = resume(one.address, Some(&token), &Value::Null);
    say(one, "room", 0..5);
    let heard = hear(&mut socket, 0..2);
    one.kill();
    let (mut socket, channel) = back(other, &token, &heard[1]);
    assert_eq!(channel["recovered"], true, "{channel}");
    hear(&mut socket, 2..5);
    say(other, "room", 5..6);
    hear(&mut socket, 5..6);
    other.assert_well();
}

#[test]
fn a_subscribe_from_before_is_served_on_a_server_that_has_not_heard_that() {
    let Some(both) = two() else { return };
    let Two { one, other, .. } = &both;
    create(one, "room", "public", &[]);
    let token = token_for(one, &["room"]);
    let (mut here, _) = resume(one.address, Some(&token), &Value::Null);
    say(one, "room", 0..8);
    let heard = hear(&mut here, 0..8);
    let newcomer = || {
        let token = new_token(other, &json!({}));
        resume(other.address, Some(&token), &Value::Null).0
    };
    let (mut since, mut newest, mut late) = (newcomer(), newcomer(), newcomer());
    let available = subscribe(&mut since, "room", &json!({"since": heard[3]}));
    assert_eq!((&available["d"]["recovered"], &available["s"]), (&json!(true), &heard[7]));
    assert_eq!(hear(&mut since, 4..8), heard[4..]);
    subscribe(&mut newest, "room", &json!({"rewind": 3}));
    assert_eq!(hear(&mut newest, 5..8), heard[5..]);
    // One that hears the channel already is given nothing, and told whether it misses something.
    subscribe(&mut late, "room", &Value::Null);
    for (position, recovered) in [(&heard[7], true), (&heard[6], false)] {
        let available = subscribe(&mut late, "room", &json!({"since": position}));
        assert_eq!(available["d"]["recovered"], recovered, "{available}");
    }
    say(one, "room", 8..9);
    for socket in [&mut since, &mut newest, &mut late] {
        hear(socket, 8..9);
    }
}

#[test]
fn what_the_bus_does_not_have_any_more_is_said_and_nothing_comes_partly() {
    let Some(mut both) = two() else { return };
    let Two { one, other, redis, .. } = &mut both;
    create(one, "room", "public", &[]);
    let token = token_for(one, &["room"]);
    let (mut socket, _) = resume(one.address, Some(&token), &Value::Null);
    say(one, "room", 0..300);
    let heard = hear(&mut socket, 0..300);
    drop(socket);
    let (mut socket, channel) = back(other, &token, &heard[43]);
    assert_eq!(channel["recovered"], true, "just what is at hand: {channel}");
    hear(&mut socket, 44..300);
    let (mut gap, channel) = back(other, &token, &heard[42]);
    assert_eq!(channel["recovered"], false, "{channel}");
    say(one, "room", 300..301);
    hear(&mut gap, 300..301);
    // A Redis without memory begins another line, of which nobody has heard anything.
    redis.end();
    redis.begin();
    assert_eq!(gap.next()["e"], "AVAILABLE");
    let (_, channel) = back(other, &token, &heard[299]);
    assert_eq!(channel["recovered"], false, "{channel}");
}

#[test]
fn while_a_server_talks_whoever_comes_on_another_one_hears_all_of_it_once() {
    let Some(both) = two() else { return };
    let Two { one, other, .. } = &both;
    let rooms: Vec<_> = (0..6).map(|room| format!("room-{room}")).collect();
    let firsts: Vec<_> = rooms
        .iter()
        .map(|room| {
            create(one, room, "public", &[]);
            let (mut socket, _) = resume(one.address, Some(&token_for(one, &[room])), &Value::Null);
            say(one, room, 0..1);
            hear(&mut socket, 0..1).remove(0)
        })
        .collect();
    std::thread::scope(|scope| {
        for room in &rooms {
            scope.spawn(|| say(one, room, 1..60));
        }
        // Each of them is opened there while it is talked in.
        for (room, first) in rooms.iter().zip(&firsts) {
            let token = new_token(other, &json!({}));
            let (mut socket, _) = resume(other.address, Some(&token), &Value::Null);
            let available = subscribe(&mut socket, room, &json!({"since": first}));
            assert_eq!(available["d"]["recovered"], true, "{available}");
            assert_eq!(numbers(&mut socket, 59), (1..60).collect::<Vec<_>>());
        }
    });
}
