//! Messages that are kept (`docs/PROTOCOL.md`, Kept messages): pages, bounds, and what a kill leaves.

use crate::scene::{Config, create, eventually, leave, parts, resume, token_for};
use crate::socket::{Http, Process, Socket};
use crate::support::receiver::{Hooked, Receiver, says};
use crate::support::{Answer, OWNER, Server};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Where the messages of `room` are.
const ROOM: &str = "/v1/channels/room/messages";

/// The position that a publish was answered with.
fn position(answer: &Answer) -> String {
    assert_eq!(answer.status, 204, "{}", answer.text());
    answer.header("warren-position").unwrap().to_owned()
}

/// Publishes a number to `room`; returns its position.
fn say(server: &Server, number: u64) -> String {
    let body = json!({"e": "n", "d": number}).to_string();
    position(&server.call("POST", ROOM, Some(OWNER), &body))
}

/// Publishes these numbers; returns their positions.
fn say_all(server: &Server, numbers: std::ops::Range<u64>) -> Vec<String> {
    numbers.map(|number| say(server, number)).collect()
}

/// The numbers of the messages on a page.
fn numbers(page: &Value) -> Vec<u64> {
    page["messages"].as_array().unwrap().iter().map(|m| m["d"].as_u64().unwrap()).collect()
}

/// A page of `room`.
fn page(server: &Server, query: &str) -> Value {
    server.data("GET", &format!("{ROOM}?{query}"), "")
}

/// Why there is no such page.
fn refused(server: &Server, method: &str, query: &str) -> (u16, Value) {
    let answer = server.call(method, &format!("{ROOM}?{query}"), Some(OWNER), "");
    (answer.status, answer.error())
}

/// A connection that goes on from this position on `room`, and INIT's data.
fn go_on(address: std::net::SocketAddr, token: &str, since: &str) -> (Socket, Value) {
    resume(address, Some(token), &json!({"positions": {"room": since}}))
}

#[test]
fn kept_messages_are_read_in_pages_both_ways() {
    let server = Server::start();
    create(&server, "room", "public", &["HISTORY"]);
    let said = say_all(&server, 0..7);
    let all = page(&server, "");
    assert_eq!(numbers(&all), [0, 1, 2, 3, 4, 5, 6]);
    assert!(all.get("next").is_none(), "{all}");
    assert_eq!(all["epoch"], parts(&said[0]).0);
    for (message, said) in all["messages"].as_array().unwrap().iter().zip(&said) {
        assert_eq!((&message["s"], &message["e"]), (&json!(said), &json!("n")));
        assert!(message["at"].as_str().is_some_and(|at| at.ends_with('Z')), "{message}");
        assert!(message.get("from").is_none(), "a back end is no member: {message}");
    }
    for (order, name, expected) in [
        ("asc", "after", [vec![0, 1, 2], vec![3, 4, 5], vec![6]]),
        ("desc", "before", [vec![6, 5, 4], vec![3, 2, 1], vec![0]]),
    ] {
        let mut next = String::new();
        for (step, expected) in expected.iter().enumerate() {
            let found = page(&server, &format!("limit=3&order={order}{next}"));
            assert_eq!(&numbers(&found), expected, "{order}");
            assert_eq!(found.get("next").is_some(), step < 2, "{found}");
            next = format!("&{name}={}", found["next"].as_str().unwrap_or_default());
        }
    }
    let between = page(&server, &format!("after={}&before={}", said[1], said[4]));
    assert_eq!(numbers(&between), [2, 3]);
    let last = page(&server, &format!("after={}", said[6]));
    assert_eq!(numbers(&last), [] as [u64; 0]);
    for query in ["limit=0", "limit=1001", "order=x"] {
        assert_eq!(refused(&server, "GET", query).0, 400, "{query}");
    }
    server.assert_well();
}

#[test]
fn every_publish_is_answered_with_its_position() {
    let server = Server::start();
    create(&server, "room", "public", &["HISTORY"]);
    create(&server, "plain", "public", &[]);
    for channel in ["room", "plain"] {
        // On a kept connection the fast path answers, else the HTTP layer.
        let mut http = Http::connect(server.address).unwrap();
        let path = format!("/v1/channels/{channel}/messages");
        let mut last = None;
        for n in 0..6_u64 {
            let body = json!({"e": "n", "d": n}).to_string();
            let answer = if n % 2 == 0 {
                http.call("POST", &path, &body).unwrap()
            } else {
                server.call("POST", &path, Some(OWNER), &body)
            };
            let exposed = answer.header("access-control-expose-headers").unwrap().to_owned();
            assert!(exposed.contains("warren-position"), "{exposed}");
            let (epoch, offset) = parts(&position(&answer));
            let expected = last.replace((epoch.clone(), offset));
            if let Some((before, number)) = expected {
                assert_eq!((epoch, offset), (before, number + 1), "{channel}");
            }
        }
    }
    server.assert_well();
}

#[test]
fn a_position_that_is_not_kept_any_more_is_gone_and_the_oldest_is_told() {
    let server = Server::start();
    let body = json!({"capabilities": ["HISTORY"], "history": {"count": 3}}).to_string();
    let made = server.data("PUT", "/v1/channels/room", &body);
    assert_eq!(made["channel"]["history"], json!({"count": 3}));
    assert_eq!(server.data("GET", "/v1/channels/room", "")["channel"]["history"]["count"], 3);
    let said = say_all(&server, 0..8);
    assert_eq!(numbers(&page(&server, "")), [5, 6, 7]);
    assert_eq!(numbers(&page(&server, &format!("after={}", said[4]))), [5, 6, 7]);
    let (epoch, last) = parts(&said[7]);
    let beyond = format!("{epoch}-{}", last + 1);
    for gone in [said[3].as_str(), &beyond, "abc-5", "no position"] {
        let (status, error) = refused(&server, "GET", &format!("after={}", gone.replace(' ', "+")));
        assert_eq!((status, &error["code"]), (410, &json!("position_gone")), "{gone}");
        assert_eq!(error["oldest"], said[4], "{gone}");
    }
    let (status, error) = refused(&server, "GET", "before=abc-5");
    assert_eq!((status, &error["code"]), (410, &json!("position_gone")));
    // Wider again, but no wider than all: what was beyond the bound may come back as far as it was not deleted.
    let wider = json!({"history": {"count": 1_000_000, "seconds": 3600}}).to_string();
    let changed = server.data("PATCH", "/v1/channels/room", &wider);
    assert_eq!(changed["channel"]["history"], json!({"count": 1_000_000, "seconds": 3600}));
    say(&server, 8);
    assert_eq!(*numbers(&page(&server, "")).last().unwrap(), 8);
    server.assert_well();
}

#[test]
fn settings_bound_what_every_channel_keeps() {
    let server = Config::limits("history-messages = 2\n").start();
    create(&server, "room", "public", &["HISTORY"]);
    say_all(&server, 0..5);
    assert_eq!(numbers(&page(&server, "")), [3, 4]);
    server.data("PATCH", "/v1/channels/room", r#"{"history":{"count":10}}"#);
    say(&server, 5);
    assert_eq!(numbers(&page(&server, "")), [4, 5]);
    server.assert_well();
}

#[test]
fn what_was_trimmed_is_gone_for_everybody() {
    let server = Server::start();
    create(&server, "room", "public", &["HISTORY"]);
    let token = token_for(&server, &["room"]);
    let said = say_all(&server, 0..6);
    server.done("DELETE", &format!("{ROOM}?before={}", said[4]), "");
    assert_eq!(numbers(&page(&server, "")), [4, 5]);
    let (_, init) = go_on(server.address, &token, &said[1]);
    assert_eq!(init["channels"][0]["recovered"], false, "{init}");
    let (mut socket, init) = go_on(server.address, &token, &said[3]);
    assert_eq!(init["channels"][0]["recovered"], true, "{init}");
    assert_eq!(socket.expect("MESSAGE")["d"]["d"], 4);
    for query in ["before=abc-5", "before=x"] {
        assert_eq!(refused(&server, "DELETE", query).0, 410, "{query}");
    }
    say(&server, 6);
    assert_eq!(numbers(&page(&server, "")), [4, 5, 6]);
    server.done("DELETE", ROOM, "");
    assert_eq!(numbers(&page(&server, "")), [] as [u64; 0]);
    let last = say(&server, 7);
    assert_eq!(numbers(&page(&server, "")), [7]);
    assert_eq!(parts(&last).1, parts(&said[5]).1 + 2, "places are not given out again");
    server.assert_well();
}

#[test]
fn who_has_not_the_flag_or_is_of_another_project_reads_and_trims_nothing() {
    let server = Server::start();
    create(&server, "room", "public", &["HISTORY"]);
    let said = say(&server, 0);
    let (publishes, reads) = (server.new_project_token(1 << 30), server.new_project_token(1 << 29));
    let trim = format!("{ROOM}?before={said}");
    assert_eq!(server.call("GET", ROOM, Some(&reads), "").status, 200);
    assert_eq!(server.call("GET", ROOM, Some(&publishes), "").failure().0, 403);
    assert_eq!(server.call("DELETE", &trim, Some(&reads), "").failure().0, 403);
    let (_, other) = server.new_project("Other");
    for (method, path) in [("GET", ROOM), ("DELETE", trim.as_str())] {
        let refused = server.call(method, path, Some(&other), "").failure();
        assert_eq!(refused, (404, "channel_not_found".to_owned()));
    }
    assert_eq!(numbers(&page(&server, "")), [0]);
}

#[test]
fn a_channel_without_the_capability_keeps_nothing() {
    let server = Server::start();
    create(&server, "room", "public", &[]);
    say(&server, 0);
    for method in ["GET", "DELETE"] {
        let (status, error) = refused(&server, method, "before=abc-1");
        assert_eq!((status, &error["code"]), (409, &json!("missing_capability")));
    }
    let narrow = r#"{"history":{"count":1}}"#;
    let refusal = server.call("PATCH", "/v1/channels/room", Some(OWNER), narrow).error();
    assert_eq!(refusal["field"], "history");
    let with = |names: &[&str]| {
        let body = json!({"capabilities": names}).to_string();
        server.data("PATCH", "/v1/channels/room", &body);
    };
    with(&["HISTORY"]);
    let first = say(&server, 1);
    assert_eq!(numbers(&page(&server, "")), [1]);
    with(&[]);
    let plain = say(&server, 2);
    assert_eq!(refused(&server, "GET", "").0, 409);
    with(&["HISTORY"]);
    let second = say(&server, 3);
    assert_eq!(numbers(&page(&server, "")), [3]);
    assert_eq!(parts(&first).0, parts(&plain).0, "a line that is not counted in the store goes on");
    assert_ne!(parts(&first).0, parts(&second).0);
    server.assert_well();
}

#[test]
fn a_deleted_channel_takes_its_messages_along() {
    let server = Server::start();
    create(&server, "room", "public", &["HISTORY"]);
    let first = say(&server, 0);
    server.done("DELETE", "/v1/channels/room", "");
    create(&server, "room", "public", &["HISTORY"]);
    assert_eq!(numbers(&page(&server, "")), [] as [u64; 0]);
    assert_eq!(refused(&server, "GET", &format!("after={first}")).0, 410);
    server.assert_well();
}

#[test]
fn what_a_client_says_is_kept_with_its_member() {
    let server = Server::start();
    create(&server, "room", "public", &["HISTORY", "CLIENT_PUBLISH", "PRESENCE"]);
    let token = token_for(&server, &["room"]);
    let (mut socket, _) = Socket::enter(server.address, Some(&token));
    for n in 0..3 {
        socket.send(&json!({"op": 0, "d": {"e": "MESSAGE", "c": "room", "d": {"e": "n", "d": n}}}));
        // It hears itself, once it is kept.
        assert_eq!(socket.expect("MESSAGE")["d"]["d"], n);
        assert_eq!(numbers(&page(&server, "")).len(), n + 1);
    }
    let members = server.data("GET", "/v1/channels/room/presence", "");
    let member = &members["members"][0]["id"];
    assert!(member.as_str().unwrap().starts_with("member_"));
    for message in page(&server, "")["messages"].as_array().unwrap() {
        assert_eq!(&message["from"], member);
    }
    server.assert_well();
}

#[test]
fn states_take_their_places_beside_messages_and_a_crash_moves_nothing() {
    let server = Server::start();
    create(&server, "room", "public", &["HISTORY"]);
    let token = token_for(&server, &["room"]);
    let first = say(&server, 0);
    server.data("PUT", "/v1/channels/room/state", r#"{"a":1}"#);
    let third = say(&server, 1);
    let server = Server::start_in(server.crash(), &[]);
    let fourth = say(&server, 2);
    server.data("PATCH", "/v1/channels/room/state", r#"{"b":1}"#);
    let server = Server::start_in(server.crash(), &[]);
    let sixth = say(&server, 3);
    let (epoch, start) = parts(&first);
    let expected = [2, 3, 5].map(|more| (epoch.clone(), start + more));
    assert_eq!([third, fourth, sixth].map(|s| parts(&s)), expected);
    assert_eq!(numbers(&page(&server, &format!("after={first}"))), [1, 2, 3]);
    // Whoever was there before both goes on from there.
    let (mut socket, init) = go_on(server.address, &token, &first);
    assert_eq!(init["resume"], "complete", "{init}");
    for n in 1..4 {
        assert_eq!(socket.expect("MESSAGE")["d"]["d"], n);
    }
    say(&server, 4);
    let live = socket.expect("MESSAGE");
    assert_eq!(
        (&live["d"]["d"], parts(live["s"].as_str().unwrap())),
        (&json!(4), (epoch, start + 6))
    );
    server.assert_well();
}

#[test]
fn who_comes_back_late_gets_from_the_store_what_the_window_has_no_more() {
    let server = Server::start();
    create(&server, "room", "public", &["HISTORY"]);
    let token = token_for(&server, &["room"]);
    let said = say_all(&server, 0..600);
    let (mut socket, init) = go_on(server.address, &token, &said[99]);
    assert_eq!(init["channels"][0]["recovered"], true, "{init}");
    assert_eq!(init["channels"][0]["s"], said[599]);
    for (n, s) in (100..600).zip(&said[100..]) {
        let message = socket.expect("MESSAGE");
        assert_eq!((&message["d"]["d"], &message["s"]), (&json!(n), &json!(s)));
    }
    say(&server, 600);
    assert_eq!(socket.expect("MESSAGE")["d"]["d"], 600);
    leave(&server, socket, &token);
    // More than is given to one connection: the client reads pages.
    say_all(&server, 601..1300);
    let (mut socket, init) = go_on(server.address, &token, &said[250]);
    assert_eq!(init["channels"][0]["recovered"], false, "{init}");
    say(&server, 1300);
    assert_eq!(socket.expect("MESSAGE")["d"]["d"], 1300, "nothing comes partly");
    server.assert_well();
}

#[test]
fn what_comes_while_the_store_is_read_comes_behind_it() {
    let server = Server::start();
    create(&server, "room", "public", &["HISTORY"]);
    let token = token_for(&server, &["room"]);
    let said = say_all(&server, 0..500);
    thread::scope(|scope| {
        let speaker = scope.spawn(|| say_all(&server, 500..700));
        for _ in 0..5 {
            let (mut socket, init) = go_on(server.address, &token, &said[9]);
            assert_eq!(init["channels"][0]["recovered"], true, "{init}");
            for n in 10..520 {
                assert_eq!(socket.expect("MESSAGE")["d"]["d"], n);
            }
        }
        speaker.join().unwrap();
    });
    server.assert_well();
}

#[test]
fn what_cannot_be_stored_is_shown_to_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &[]);
    let mut http = server.http();
    let body = r#"{"type":"unprotected","capabilities":["HISTORY"]}"#;
    http.data("PUT", "/v1/channels/room", body).unwrap();
    let mut socket = Socket::enter(server.address, None).0;
    socket.subscribe("room");
    let try_to_say = |n: u64| {
        let body = json!({"e": "n", "d": n}).to_string();
        server.http().call("POST", ROOM, &body).unwrap()
    };
    let first = parts(&position(&try_to_say(0)));
    server.let_write(false);
    for n in 1..4 {
        let refusal = try_to_say(n);
        assert_eq!(refusal.status, 503, "{}", refusal.text());
    }
    server.let_write(true);
    eventually("commits succeed again", || {
        server.http().call("GET", "/health/ready", "").unwrap().status == 200
    });
    let last = parts(&position(&try_to_say(4)));
    let heard = [socket.expect("MESSAGE"), socket.expect("MESSAGE")];
    assert_eq!(heard.map(|m| m["d"]["d"].clone()), [json!(0), json!(4)]);
    assert_eq!(last, (first.0, first.1 + 1), "what was not stored took no place");
    let kept = server.http().data("GET", ROOM, "").unwrap();
    assert_eq!(numbers(&kept), [0, 4]);
    server.assert_well();
}

#[test]
fn a_publish_under_a_key_is_kept_once_across_a_crash() {
    let server = Server::start();
    create(&server, "room", "public", &["HISTORY"]);
    let call = |server: &Server| {
        let headers = [
            ("Authorization", OWNER),
            ("Content-Type", "application/json"),
            ("Idempotency-Key", "once"),
        ];
        server.request("POST", ROOM, &headers, br#"{"e":"n","d":7}"#)
    };
    let first = call(&server);
    let again = call(&server);
    let server = Server::start_in(server.crash(), &[]);
    let after = call(&server);
    for repeated in [again, after] {
        assert_eq!(position(&repeated), position(&first));
        assert_eq!(repeated.header("idempotency-replayed"), Some("true"));
    }
    assert_eq!(numbers(&page(&server, "")), [7]);
    // Where nothing is kept, the memory remembers.
    create(&server, "plain", "public", &[]);
    let plain = || {
        let headers = [
            ("Authorization", OWNER),
            ("Content-Type", "application/json"),
            ("Idempotency-Key", "plain"),
        ];
        server.request("POST", "/v1/channels/plain/messages", &headers, br#"{"e":"n"}"#)
    };
    let (first, second) = (plain(), plain());
    assert_eq!(position(&first), position(&second));
    assert_eq!(second.header("idempotency-replayed"), Some("true"));
    server.assert_well();
}

#[test]
fn what_webhooks_hear_of_a_kept_message_is_stored_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("WARREN_ALLOW_PRIVATE_WEBHOOKS", "1"), ("WARREN_WEBHOOK_RETRY_MS", "40")];
    // It takes nothing until the server has been killed.
    let is_open = Arc::new(AtomicBool::new(false));
    let opens = Arc::clone(&is_open);
    let receiver =
        Receiver::start(move |_, _| says(if opens.load(Ordering::SeqCst) { 200 } else { 503 }));
    let mut server = Process::start(folder.path(), &settings);
    let hook = json!({"webhook_url": receiver.url(), "events": ["channel.message"]}).to_string();
    server.http().data("POST", "/v1/projects/@this/webhooks", &hook).unwrap();
    let open = r#"{"type":"unprotected","capabilities":["HISTORY","CLIENT_PUBLISH"]}"#;
    server.http().data("PUT", "/v1/channels/room", open).unwrap();
    for n in 0..4 {
        let mut socket = Socket::enter(server.address, None).0;
        socket.subscribe("room");
        socket.dispatch("MESSAGE", "room", &json!({"e": "n", "d": n}));
        assert_eq!(socket.expect("MESSAGE")["d"]["d"], n);
        // It was heard, so it is kept, and what tells of it too.
        server.kill();
        server = Process::start(folder.path(), &settings);
    }
    is_open.store(true, Ordering::SeqCst);
    let told = |n: u64| {
        let is_it = |call: &Hooked| call.json()["data"]["d"] == n;
        receiver.calls().iter().any(is_it)
    };
    for n in 0..4 {
        eventually("the webhook hears of it", || told(n));
    }
    assert_eq!(numbers(&server.http().data("GET", ROOM, "").unwrap()), [0, 1, 2, 3]);
    server.assert_well();
}

/// How often the server is killed.
const KILLS: u64 = 6;
/// How many publish.
const PUBLISHERS: u64 = 4;

#[test]
fn everything_that_was_answered_is_there_after_kills_and_positions_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &[]);
    let body = r#"{"type":"public","capabilities":["HISTORY"]}"#;
    server.http().data("PUT", "/v1/channels/room", body).unwrap();
    let made = server.http().data("POST", "/v1/channels/tokens", r#"{"channels":["room"]}"#);
    let token = made.unwrap()["token"]["id"].as_str().unwrap().to_owned();
    let (socket, init) = go_on(server.address, &token, "");
    let start = init["channels"][0]["s"].as_str().unwrap().to_owned();
    drop((socket, server));
    let answered = Mutex::new(Vec::new());
    // What the client has heard, and how far.
    let (mut heard, mut since) = (Vec::new(), start.clone());
    for kill in 0..KILLS {
        let server = Process::start(folder.path(), &[]);
        let (mut socket, init) = go_on(server.address, &token, &since);
        assert_eq!(init["channels"][0]["recovered"], true, "{init}");
        let address = server.address;
        thread::scope(|scope| {
            for publisher in 0..PUBLISHERS {
                let answered = &answered;
                scope.spawn(move || publish_until_the_end(address, publisher, kill, answered));
            }
            // For how long the server runs decides what it is doing when it is killed.
            thread::sleep(Duration::from_millis(150 + 60 * kill));
            server.kill();
        });
        while let Ok(message) = socket.try_next() {
            heard.push((message["s"].as_str().unwrap().to_owned(), message["d"]["d"].clone()));
        }
        since = heard.last().map_or(start.clone(), |(s, _)| s.clone());
    }
    let server = Process::start(folder.path(), &[]);
    let (mut socket, init) = go_on(server.address, &token, &since);
    assert_eq!(init["channels"][0]["recovered"], true, "{init}");
    server.http().data("POST", ROOM, r#"{"e":"END","d":null}"#).unwrap();
    loop {
        let message = socket.expect("MESSAGE");
        if message["d"]["e"] == "END" {
            break;
        }
        heard.push((message["s"].as_str().unwrap().to_owned(), message["d"]["d"].clone()));
    }
    let answered = answered.into_inner().unwrap();
    assert!(answered.len() > 50, "only {} were answered", answered.len());
    // One epoch, and each place once, in order and without a hole.
    let places: Vec<_> = heard.iter().map(|(s, _)| parts(s)).collect();
    let (epoch, first) = parts(&start);
    let expected: Vec<_> =
        (1..).map(|more| (epoch.clone(), first + more)).take(places.len()).collect();
    assert_eq!(places, expected);
    for (s, data) in &answered {
        let there = heard.iter().find(|(known, _)| known == s);
        assert_eq!(there.map(|(_, data)| data), Some(data), "{s} was answered");
    }
    server.assert_well();
}

/// Publishes until the server has gone, and notes what was answered.
fn publish_until_the_end(
    address: std::net::SocketAddr,
    publisher: u64,
    round: u64,
    answered: &Mutex<Vec<(String, Value)>>,
) {
    let Ok(mut http) = Http::connect(address) else { return };
    for n in 0.. {
        let data = json!([publisher, round, n]);
        let body = json!({"e": "n", "d": data}).to_string();
        let Ok(answer) = http.call("POST", ROOM, &body) else { return };
        if answer.status != 204 {
            return;
        }
        answered.lock().unwrap().push((position(&answer), data));
    }
}
