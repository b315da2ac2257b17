//! A channel that keeps its messages, on several servers: what the store has is what everybody hears, in the store's order.

use super::{Two, hearer, start, two};
use crate::scene::{create, eventually, new_token, parts, publish, resume, token_for};
use crate::socket::Socket;
use crate::support::{Answer, OWNER, Server, raw};
use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection};
use serde_json::{Value, json};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

/// Publishes these numbers to `room`.
fn say(server: &Server, numbers: Range<i64>) {
    numbers.for_each(|n| publish(server, "room", "n", &json!({"n": n})));
}

/// The messages that a server says are kept, with their positions, oldest first.
fn kept(server: &Server) -> Vec<(String, i64)> {
    let page = server.data("GET", "/v1/channels/room/messages?limit=1000", "");
    assert!(page.get("next").is_none(), "{page}");
    page["messages"].as_array().unwrap().iter().map(|one| placed(&one["s"], &one["d"])).collect()
}

/// A position and the number that stands there.
fn placed(s: &Value, d: &Value) -> (String, i64) {
    (s.as_str().unwrap().to_owned(), d["n"].as_i64().unwrap())
}

/// Somebody who hears `room` on a server, with positions.
fn listener(server: &Server) -> Socket {
    let token = token_for(server, &["room"]);
    resume(server.address, Some(&token), &Value::Null).0
}

/// The messages that come next, with their positions, until this number; states may be between them.
fn until(socket: &mut Socket, number: i64) -> Vec<(String, i64)> {
    let mut heard = Vec::new();
    while heard.last().is_none_or(|(_, last)| *last != number) {
        let said = socket.next();
        match said["e"].as_str().unwrap() {
            "MESSAGE" => heard.push(placed(&said["s"], &said["d"]["d"])),
            event => assert_eq!(event, "STATE_UPDATE", "{said}"),
        }
    }
    heard
}

/// Publishes by a key; what is answered.
fn keyed(server: &Server, key: &str, n: i64) -> Answer {
    let headers =
        [("Authorization", OWNER), ("Content-Type", "application/json"), ("Idempotency-Key", key)];
    let body = json!({"e": "n", "d": {"n": n}}).to_string();
    server.request("POST", "/v1/channels/room/messages", &headers, body.as_bytes())
}

#[test]
fn what_two_servers_keep_is_heard_on_both_in_the_order_in_which_it_is_kept() {
    let Some(both) = two() else { return };
    let Two { one, other, .. } = &both;
    create(one, "room", "public", &["HISTORY"]);
    let (mut here, mut there) = (listener(one), listener(other));
    std::thread::scope(|scope| {
        for (server, first) in [(one, 0), (other, 1000)] {
            scope.spawn(move || say(server, first..first + 60));
        }
        scope.spawn(|| {
            for n in 0..10 {
                let server = if n % 2 == 0 { one } else { other };
                server.data("PATCH", "/v1/channels/room/state", &json!({"n": n}).to_string());
            }
        });
    });
    say(one, 5000..5001);
    let order = kept(one);
    assert_eq!(order, kept(other));
    assert_eq!(order.len(), 121);
    assert_eq!(until(&mut here, 5000), order);
    assert_eq!(until(&mut there, 5000), order);
    for first in [0, 1000] {
        let of_one = order.iter().map(|(_, n)| *n).filter(|n| (first..first + 60).contains(n));
        assert!(of_one.eq(first..first + 60), "a publisher's own order");
    }
    one.assert_well();
    other.assert_well();
}

#[test]
fn a_publish_that_is_repeated_on_another_server_is_kept_once() {
    let Some(both) = two() else { return };
    let Two { one, other, .. } = &both;
    create(one, "room", "public", &["HISTORY"]);
    let (mut here, mut there) = (listener(one), listener(other));
    let (first, again) = (keyed(one, "key", 1), keyed(other, "key", 1));
    assert_eq!((first.status, again.status), (204, 204), "{first:?} {again:?}");
    let position = first.header("warren-position").unwrap().to_owned();
    assert_eq!(again.header("warren-position"), Some(&*position));
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    say(other, 2..3);
    let order = kept(other);
    assert_eq!((order.len(), &order[0]), (2, &(position, 1)));
    assert_eq!(until(&mut here, 2), order);
    assert_eq!(until(&mut there, 2), order);
}

#[test]
fn a_server_that_is_killed_costs_nothing_that_it_acknowledged_and_nobody_the_order() {
    let Some(both) = two() else { return };
    let Two { one, other, settings, .. } = &both;
    create(one, "room", "public", &["HISTORY"]);
    let mut third = start(settings);
    let (mut here, mut there, _gone) = (listener(one), listener(other), listener(&third));
    // Before it is killed.
    let stream = raw(third.address);
    let mut acknowledged = 0;
    std::thread::scope(|scope| {
        let speaking = scope.spawn(move || super::speak_until_it_ends(stream));
        for (server, first) in [(one, 0), (other, 1000)] {
            scope.spawn(move || say(server, first..first + 40));
        }
        eventually("some of it is kept", || kept(one).iter().any(|(_, n)| *n < 0));
        third.kill();
        acknowledged = speaking.join().unwrap();
    });
    // What it stored and did not say any more comes with what is said next.
    say(one, 5000..5001);
    let order = kept(other);
    assert_eq!(until(&mut here, 5000), order);
    assert_eq!(until(&mut there, 5000), order);
    let of_third = order.iter().filter(|(_, n)| *n < 0).count();
    // One more may stand, of which nobody knows.
    assert!(of_third == acknowledged || of_third == acknowledged + 1, "{of_third} {acknowledged}");
    assert_eq!(order.len(), 81 + of_third);
}

#[test]
fn what_was_kept_and_never_said_is_found_and_said_in_its_place() {
    let Some(both) = two() else { return };
    let Two { one, other, settings, .. } = &both;
    create(one, "room", "public", &["HISTORY"]);
    let (mut here, mut there) = (listener(one), listener(other));
    say(one, 0..2);
    // What a server leaves that is killed between its commit and its word.
    let mut database = PgConnection::establish(&settings.first().unwrap().1).unwrap();
    let unsaid = "UPDATE lines SET last_offset = last_offset + 1, last_number = last_number + 1, bytes = bytes + 200;
        INSERT INTO messages (epoch, line_offset, number, bytes, bytes_before, published_at, event, data)
        SELECT epoch, last_offset, last_number, 200, bytes - 200,
            (SELECT max(published_at) FROM messages), 'n', '{\"n\":77}' FROM lines";
    database.batch_execute(unsaid).unwrap();
    say(other, 2..3);
    let order = kept(one);
    assert_eq!(order.iter().map(|(_, n)| *n).collect::<Vec<_>>(), [0, 1, 77, 2]);
    assert_eq!(until(&mut here, 2), order);
    assert_eq!(until(&mut there, 2), order);
    // Whoever has read more than anybody has said is not told that something is gone.
    let mut read = |unsaid: &str| {
        database.batch_execute(unsaid).unwrap();
        kept(one).last().unwrap().0.clone()
    };
    let [first, second] = [unsaid, unsaid].map(&mut read);
    let token = new_token(one, &json!({}));
    let (mut socket, _) = resume(one.address, Some(&token), &Value::Null);
    let since = json!({"e": "SUBSCRIBE", "c": "room", "d": {"since": first}});
    socket.send(&json!({"op": 0, "d": since}));
    let available = socket.expect("AVAILABLE");
    assert_eq!(available["d"]["recovered"], true, "{available}");
    let token = token_for(other, &["room"]);
    let from = json!({"positions": {"room": second}});
    let (mut resumed, init) = resume(other.address, Some(&token), &from);
    assert_eq!(init["resume"], "complete", "{init}");
    say(one, 3..4);
    let order = kept(other).split_off(4);
    assert_eq!(until(&mut socket, 3), order[1..]);
    assert_eq!(until(&mut resumed, 3), order[2..]);
    assert_eq!(until(&mut here, 3), order);
    assert_eq!(until(&mut there, 3), order);
}

#[test]
fn a_bus_without_memory_costs_nothing_that_is_kept() {
    let Some(mut both) = two() else { return };
    let Two { one, other, redis, .. } = &mut both;
    create(one, "room", "public", &["HISTORY"]);
    let (mut here, mut there) = (listener(one), listener(other));
    say(one, 0..2);
    say(other, 2..4);
    let epoch = |server: &Server| parts(&kept(server)[0].0).0;
    let before = epoch(one);
    redis.end();
    // The store needs no bus.
    say(one, 4..6);
    say(other, 6..8);
    redis.begin();
    let publish = json!({"e": "n", "d": {"n": 8}}).to_string();
    let said = one.call("POST", "/v1/channels/room/messages", Some(OWNER), &publish);
    assert_eq!(said.status, 204, "{said:?}");
    let order = kept(other);
    assert!(order.iter().map(|(_, n)| *n).eq(0..9), "{order:?}");
    assert_eq!(until(&mut here, 8), order);
    assert_eq!(until(&mut there, 8), order);
    assert_eq!(epoch(other), before, "positions go on");
}

#[test]
fn while_the_bus_comes_and_goes_everything_is_kept_once_and_heard_in_one_order() {
    let Some(mut both) = two() else { return };
    let Two { one, other, redis, .. } = &mut both;
    let (one, other) = (&*one, &*other);
    create(one, "room", "public", &["HISTORY"]);
    let (mut here, mut there) = (listener(one), listener(other));
    let talking = AtomicBool::new(true);
    let said = std::thread::scope(|scope| {
        let talks: Vec<_> = [(one, other, 0), (other, one, 100_000)]
            .into_iter()
            .map(|(mine, others, first)| {
                let talking = &talking;
                scope.spawn(move || {
                    let mut n = first;
                    while talking.load(Ordering::Relaxed) {
                        // Of what is not acknowledged nobody knows: it is said again, now here and now there.
                        let mut servers = [mine, others].into_iter().cycle();
                        eventually("it is kept", || {
                            keyed(servers.next().unwrap(), &n.to_string(), n).status == 204
                        });
                        n += 1;
                    }
                    first..n
                })
            })
            .collect();
        for _ in 0..2 {
            let stood = kept(one).len();
            eventually("they talk", || kept(one).len() > stood + 10);
            redis.end();
            let stood = kept(one).len();
            eventually("they talk without a bus", || kept(one).len() > stood + 3);
            redis.begin();
        }
        talking.store(false, Ordering::Relaxed);
        talks.into_iter().map(|talk| talk.join().unwrap()).collect::<Vec<_>>()
    });
    let order = kept(other);
    for numbers in said {
        let of_one = order.iter().map(|(_, n)| *n).filter(|n| numbers.contains(n));
        assert!(of_one.eq(numbers.clone()), "once each: {order:?}");
    }
    let last = order.last().unwrap().1;
    assert_eq!(until(&mut here, last), order);
    assert_eq!(until(&mut there, last), order);
    for server in [one, other] {
        let ready = || server.call("GET", "/health/ready", None, "").status == 200;
        eventually("the server has found the bus again", ready);
        server.assert_well();
    }
}

#[test]
fn whoever_comes_to_another_server_is_given_what_is_kept_and_what_was_taken_back_is_gone_there() {
    let Some(both) = two() else { return };
    let Two { one, other, .. } = &both;
    create(one, "room", "public", &["HISTORY"]);
    let token = token_for(one, &["room"]);
    let (mut socket, _) = resume(one.address, Some(&token), &Value::Null);
    // More than any window holds.
    say(one, 0..300);
    let order = until(&mut socket, 299);
    drop(socket);
    let back = |position: &str| {
        let from = json!({"positions": {"room": position}});
        resume(other.address, Some(&token), &from)
    };
    let (mut socket, init) = back(&order[4].0);
    assert_eq!(
        (&init["resume"], &init["channels"][0]["recovered"]),
        (&json!("complete"), &json!(true))
    );
    assert_eq!(until(&mut socket, 299), order[5..]);
    say(other, 300..301);
    say(one, 301..302);
    let live = until(&mut socket, 301);
    let trimmed = format!("/v1/channels/room/messages?before={}", live[1].0);
    one.done("DELETE", &trimmed, "");
    eventually("the other server does not have it at hand any more", || {
        back(&order[299].0).1["channels"][0]["recovered"] == false
    });
    assert_eq!(back(&live[0].0).1["channels"][0]["recovered"], true);
}

#[test]
fn a_channel_begins_to_keep_and_ceases_to_on_all_servers() {
    let Some(both) = two() else { return };
    let Two { one, other, .. } = &both;
    create(one, "room", "public", &[]);
    let (mut here, mut there) = (hearer(one), hearer(other));
    let next = |socket: &mut Socket| super::numbers(socket, 1)[0];
    let switch = |on: &[&str]| {
        let body = json!({"capabilities": on}).to_string();
        one.data("PATCH", "/v1/channels/room", &body);
    };
    say(one, 0..1);
    switch(&["HISTORY"]);
    // It is known there as soon as that is said, and until then nothing is kept.
    let mut n = 0;
    eventually("the other server keeps as well", || {
        n += 1;
        say(other, n..n + 1);
        !kept(one).is_empty()
    });
    say(one, n + 1..n + 2);
    let last = n + 1;
    assert_eq!(kept(other).into_iter().map(|(_, n)| n).collect::<Vec<_>>(), [n, last]);
    switch(&[]);
    say(one, last + 1..last + 2);
    let said = json!({"e": "n", "d": {"n": last + 2}}).to_string();
    eventually("the other server has ceased to keep as well", || {
        let path = "/v1/channels/room/messages";
        other.call("POST", path, Some(OWNER), &said).status == 204
    });
    let changed = other.data("PATCH", "/v1/channels/room/state", "{\"a\":1}");
    assert_eq!(changed["state"], json!({"a": 1}));
    for socket in [&mut here, &mut there] {
        assert!((0..=last + 2).all(|n| next(socket) == n));
        assert_eq!(super::next(socket), ("STATE_UPDATE".to_owned(), json!({"state": {"a": 1}})));
    }
}
