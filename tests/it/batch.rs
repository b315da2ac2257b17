//! Many calls in one: in the order given, each as its own call would be answered.

use crate::scene::{self, Config};
use crate::socket::{Http, Process, Socket};
use crate::support::{ADMIN, Answer, OWNER, Server};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

/// An item.
fn item(method: &str, path: &str, body: &Value) -> Value {
    json!({"method": method, "path": path, "body": body})
}

/// A message to a channel.
fn message(channel: &str, event: &str) -> Value {
    item("POST", &format!("/v1/channels/{channel}/messages"), &json!({"e": event}))
}

/// A patch of a channel's state.
fn patch(channel: &str, body: &Value) -> Value {
    item("PATCH", &format!("/v1/channels/{channel}/state"), body)
}

/// Sends a batch with these headers besides.
fn send(server: &Server, items: &[Value], headers: &[(&str, &str)]) -> Answer {
    let all = [&[("Authorization", OWNER), ("Content-Type", "application/json")], headers].concat();
    server.request("POST", "/v1/batch", &all, json!({"items": items}).to_string().as_bytes())
}

/// The results of a batch.
fn results(server: &Server, items: &[Value]) -> Vec<Value> {
    send(server, items, &[]).data()["results"].as_array().unwrap().clone()
}

/// What became of an item that was refused.
fn failure(result: &Value) -> (u64, &str) {
    assert_eq!(result["body"]["success"], false, "{result}");
    (result["status"].as_u64().unwrap(), result["body"]["error"]["code"].as_str().unwrap())
}

#[test]
fn a_thousand_mixed_items_take_effect_in_their_order() {
    let server = Server::start_with(&[("WARREN_WORKERS", "2")]);
    let rooms = ["a", "b", "c"];
    let token = server.new_leap_token();
    let (mut listener, init) = scene::enter_with(server.address, Some(&token), &["version"]);
    for room in rooms {
        scene::create(&server, room, "unprotected", &[]);
        listener.subscribe(room);
    }
    // What is heard of each item: its channel and its number.
    let (mut items, mut expected) = (Vec::new(), Vec::new());
    for number in 0..1000 {
        let room = rooms[number * 7 % 3];
        let event = number.to_string();
        items.push(match number % 20 {
            0..8 => message(room, &event),
            8 => {
                let path = format!("/v1/channels/tokens/{token}/messages");
                item("POST", &path, &json!({"e": event}))
            }
            9 => {
                let path = format!("/v1/channels/tokens/{token}/message");
                item("POST", &path, &json!({"event": event, "data": 1}))
            }
            10 => {
                let path = format!("/v1/channels/connections/{}/messages", scene::cid(&init));
                item("POST", &path, &json!({"e": event}))
            }
            11 => item("PUT", &format!("/v1/channels/{room}/state"), &json!({"n": number})),
            _ => patch(room, &json!({"n": number})),
        });
        let is_state = number % 20 > 10;
        let is_direct = (8..11).contains(&(number % 20));
        expected.push((is_state, if is_direct { Value::Null } else { json!(room) }, number));
    }
    let results = results(&server, &items);
    assert_eq!(results.len(), items.len());
    for (result, (is_state, ..)) in results.iter().zip(&expected) {
        assert_eq!(result["status"], if *is_state { 200 } else { 204 }, "{result}");
        assert_eq!(result["body"].is_null(), !is_state, "{result}");
    }
    let mut heard: Vec<_> = expected.iter().map(|_| heard(&mut listener)).collect();
    // States of several channels that are written together are shown together: each channel's in its order.
    for run in heard.chunk_by_mut(|one, next| one.0 && next.0) {
        for room in rooms {
            assert!(run.iter().filter(|(_, of, _)| of == room).is_sorted_by_key(|(.., n)| n));
        }
        run.sort_by_key(|(.., number)| *number);
    }
    assert_eq!(heard, expected);
    server.assert_well();
}

/// The next thing that is heard: whether it is a state, its channel, and its number.
fn heard(listener: &mut Socket) -> (bool, Value, usize) {
    let heard = listener.next_of(&["MESSAGE", "DIRECT_MESSAGE", "STATE_UPDATE"]);
    let is_state = heard["e"] == "STATE_UPDATE";
    let number = if is_state { &heard["d"]["state"]["n"] } else { &heard["d"]["e"] };
    let number = number.as_str().map_or_else(|| number.to_string(), str::to_owned);
    (is_state, heard["c"].clone(), number.parse().unwrap())
}

/// A call: method, path, headers, body.
type Call = (&'static str, String, Vec<(&'static str, String)>, Value);

/// Calls of all kinds, right and wrong.
fn calls(token: &str) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut add = |method, path: &str, headers: &[(&'static str, &str)], body: Value| {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        calls.push((method, path.to_owned(), headers, body));
    };
    let merge = ("Content-Type", "application/merge-patch+json");
    let operations = ("Content-Type", "application/json-patch+json");
    let state = "/v1/channels/room/state";
    add("POST", "/v1/channels/room/messages", &[], json!({"e": "A", "d": [1]}));
    add("POST", "/v1/channels/room/publish", &[], json!({"e": "A"}));
    add("POST", "//v1channels//room/publish", &[], json!({"e": "A"}));
    add("POST", "/v1/channels/caf%C3%A9%20x/messages", &[], json!({"e": "A"}));
    add("POST", &format!("/v1/channels/tokens/{token}/messages"), &[], json!({"e": "A"}));
    add("POST", &format!("/v1/channels/tokens/{token}/message"), &[], json!({"event": "A"}));
    add("POST", "/v1/channels/connections/nobody/messages", &[], json!({"e": "A"}));
    add("POST", "/v1/channels/tokens/leap_token_x/messages", &[], json!({"e": "A"}));
    add("POST", "/v1/channels/none/messages", &[], json!({"e": "A"}));
    add("POST", "/v1/channels/%FF/messages", &[], json!({"e": "A"}));
    add("POST", "/v1/channels/a%2Fb/messages", &[], json!({"e": "A"}));
    add("POST", "/v1/channels/room/messages?project=project_other", &[], json!({"e": "A"}));
    for body in [json!({}), json!({"e": 1}), json!([]), json!("x"), Value::Null] {
        add("POST", "/v1/channels/room/messages", &[], body);
    }
    add("POST", "/v1/channels/room/messages", &[("Content-Type", "text/plain")], json!({"e": "A"}));
    add("PUT", state, &[], json!({"a": {"b": 1}, "n": 90_071_992_547_409_931_u64}));
    add("PATCH", state, &[], json!({"c": null}));
    add("PATCH", state, &[merge], json!({"a": {"b": null, "d": 2}}));
    add("PATCH", state, &[operations], json!([{"op": "add", "path": "/e", "value": 1}]));
    add("PATCH", state, &[operations], json!([{"op": "test", "path": "/e", "value": 2}]));
    add("PATCH", state, &[("Content-Type", "application/xml")], json!({}));
    add("PUT", state, &[], json!([1]));
    add("PUT", state, &[], json!({"large": "x".repeat(9000)}));
    add("PUT", state, &[("If-Match", "\"x.1\"")], json!({}));
    add("PUT", state, &[("If-Match", "*")], json!({"f": 1}));
    add("PATCH", state, &[("If-None-Match", "*")], json!({}));
    add("PATCH", "/v1/channels/new/state", &[("If-None-Match", "*")], json!({"g": 1}));
    add("PATCH", "/v1/channels/new/state", &[("If-None-Match", "*")], json!({"g": 2}));
    add("PUT", "/v1/channels/none/state", &[], json!({}));
    add("PUT", state, &[("Idempotency-Key", "")], json!({}));
    add("PUT", state, &[("Idempotency-Key", "k")], json!({"h": 1}));
    add("PUT", state, &[("Idempotency-Key", "k")], json!({"h": 1}));
    add("PUT", state, &[("Idempotency-Key", "k")], json!({"h": 2}));
    add("POST", "/v1/channels/room/messages", &[("Idempotency-Key", "m")], json!({"e": "A"}));
    add("POST", "/v1/channels/room/messages", &[("Idempotency-Key", "m")], json!({"e": "A"}));
    calls
}

/// A server with the rooms that the calls are about, and a token for them.
fn stage() -> (Server, String) {
    let server = Config::limits("state-bytes = 4096").start();
    for room in ["room", "new", "caf%C3%A9%20x"] {
        scene::create(&server, room, "unprotected", &[]);
    }
    let token = server.new_leap_token();
    (server, token)
}

#[test]
fn an_item_is_answered_as_its_own_call_is() {
    let (alone, token) = stage();
    let single = calls(&token).into_iter().map(|(method, path, headers, body)| {
        let mut all = vec![("Authorization", OWNER)];
        if headers.iter().all(|(name, _)| *name != "Content-Type") {
            all.push(("Content-Type", "application/json"));
        }
        all.extend(headers.iter().map(|(name, value)| (*name, value.as_str())));
        let answer = alone.request(method, &path, &all, body.to_string().as_bytes());
        let body = if answer.body.is_empty() { Value::Null } else { answer.json() };
        let told = ["etag", "idempotency-replayed"].map(|name| answer.header(name).is_some());
        (answer.status, body, told)
    });
    let single: Vec<_> = single.collect();
    let (together, token) = stage();
    let all = calls(&token);
    let items: Vec<_> = all
        .iter()
        .map(|(method, path, headers, body)| {
            let headers: serde_json::Map<_, _> =
                headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
            json!({"method": method, "path": path, "headers": headers, "body": body})
        })
        .collect();
    let results = results(&together, &items);
    assert_eq!(results.len(), single.len());
    let mut statuses = std::collections::BTreeSet::new();
    for ((result, (status, body, told)), call) in results.iter().zip(&single).zip(&all) {
        assert_eq!((&result["status"], &result["body"]), (&json!(status), body), "{call:?}");
        let also = ["etag", "idempotency-replayed"].map(|name| result["headers"].get(name));
        assert_eq!(also.map(|value| value.is_some()), *told, "{call:?}");
        statuses.insert(*status);
    }
    let every = [200, 204, 400, 404, 412, 413, 415, 422];
    assert_eq!(statuses.into_iter().collect::<Vec<_>>(), every);
    together.assert_well();
}

#[test]
fn each_item_needs_the_permission_of_its_own_call() {
    let (server, leap) = stage();
    let items = [
        message("room", "A"),
        patch("room", &json!({"n": 1})),
        item("POST", &format!("/v1/channels/tokens/{leap}/messages"), &json!({"e": "A"})),
    ];
    for (bit, allowed) in [(30, 0), (28, 1), (38, 2), (29, 9)] {
        let token = server.new_project_token(1 << bit);
        let body = json!({"items": items}).to_string();
        let answer = server.call("POST", "/v1/batch", Some(&token), &body).data();
        for (number, result) in answer["results"].as_array().unwrap().iter().enumerate() {
            if number == allowed {
                assert!(result["status"].as_u64().unwrap() < 300, "{bit} {result}");
            } else {
                assert_eq!(failure(result), (403, "missing_permission"), "{bit} {result}");
            }
        }
    }
    assert_eq!(server.data("GET", "/v1/channels/room/state", "")["version"], 2);
    // The operator names the project: for all items, or for one.
    let (other, _) = server.new_project("Other");
    let named = item("POST", "/v1/channels/room/messages?project=project_test", &json!({"e": "A"}));
    let body = json!({"items": [message("room", "A"), named]}).to_string();
    let call = |path: &str| server.call("POST", path, Some(ADMIN), &body).data()["results"].take();
    let answer = call("/v1/batch?project=project_test");
    assert_eq!((&answer[0]["status"], &answer[1]["status"]), (&json!(204), &json!(204)));
    let answer = call(&format!("/v1/batch?project={other}"));
    assert_eq!(failure(&answer[0]), (404, "channel_not_found"));
    assert_eq!(answer[1]["status"], 204);
    server.assert_well();
}

#[test]
fn what_is_no_such_item_is_refused_in_its_place_and_the_others_are_carried_out() {
    let (server, _) = stage();
    let not_taken = [
        item("POST", "/v1/batch", &json!({"items": []})),
        item("GET", "/v1/channels/room/state", &Value::Null),
        item("PUT", "/v1/channels/made", &json!({})),
        item("DELETE", "/v1/channels/room", &Value::Null),
        item("POST", "/v1/channels/tokens", &json!({})),
        item("POST", "/v1/channels/tokens/messages", &json!({"e": "A"})),
        item("post", "/v1/channels/room/messages", &json!({"e": "A"})),
        item("POST", "/v1/nowhere", &Value::Null),
        item("POST", "/health/ready", &Value::Null),
        item("POST", "/channels/room/messages", &json!({"e": "A"})),
    ];
    let broken = [
        json!(1),
        json!(null),
        json!({"method": "POST"}),
        json!({"path": "/v1/channels/room/messages", "body": {"e": "A"}}),
        json!({"method": "POST", "path": "v1/channels/room/messages"}),
        json!({"method": "POST", "path": "/v1/channels/room/messages", "headers": {"Host": "x"}}),
        json!({"method": "POST", "path": "/v1/channels/room/messages", "headers": ["x"]}),
    ];
    let mut items = vec![patch("room", &json!({"first": 1}))];
    items.extend(not_taken.iter().chain(&broken).cloned());
    items.push(patch("room", &json!({"last": 1})));
    let results = results(&server, &items);
    for (result, item) in results[1..].iter().zip(&not_taken) {
        assert_eq!(failure(result), (400, "not_in_batch"), "{item}");
    }
    for (result, item) in results[1 + not_taken.len()..].iter().zip(&broken) {
        assert_eq!(failure(result), (400, "invalid_body"), "{item}");
    }
    let state = json!({"state": {"first": 1, "last": 1}, "version": 3});
    assert_eq!(results.last().unwrap()["body"]["data"], state);
    assert!(!scene::exists(&server, "made"));
    server.assert_well();
}

#[test]
fn a_batch_that_is_none_is_refused_as_a_whole() {
    let (server, _) = stage();
    let call = |body: &str| server.call("POST", "/v1/batch", Some(OWNER), body);
    let too_many = json!({"items": vec![patch("room", &json!({})); 1001]}).to_string();
    for body in ["", "{}", "[]", r#"{"items":{}}"#, r#"{"items":[}"#, &too_many] {
        let refused = call(body);
        assert_eq!(refused.failure(), (400, "invalid_body".to_owned()), "{}", refused.text());
    }
    assert_eq!(call(&too_many).error()["field"], "items");
    assert_eq!(server.data("GET", "/v1/channels/room/state", "")["version"], 1);
    assert_eq!(call(r#"{"items":[]}"#).data(), json!({"results": []}));
    let small = Config::limits("message-bytes = 100\nstate-bytes = 100").start();
    let long = json!({"items": [message("room", &"x".repeat(600 << 10))]}).to_string();
    let refused = small.call("POST", "/v1/batch", Some(OWNER), &long);
    assert_eq!(refused.failure(), (413, "too_large".to_owned()));
    server.assert_well();
}

#[test]
fn an_answer_has_a_bound_past_which_states_are_left_out_and_still_written() {
    let server = Server::start();
    scene::create(&server, "room", "unprotected", &[]);
    let large = json!({"large": "x".repeat(1 << 19)}).to_string();
    server.data("PUT", "/v1/channels/room/state", &large);
    let items: Vec<_> = (0..40).map(|n| patch("room", &json!({"n": n}))).collect();
    let answer = send(&server, &items, &[]);
    assert!(answer.body.len() < 9 << 20, "{}", answer.body.len());
    let results = answer.data()["results"].take();
    let results = results.as_array().unwrap();
    for (number, result) in results.iter().enumerate() {
        assert_eq!(result["status"], 200);
        let tag = result["headers"]["etag"].as_str().unwrap();
        assert!(tag.ends_with(&format!(".{}\"", number + 3)), "{tag}");
        assert_eq!(result["body"].is_null(), result.get("omitted").is_some());
    }
    assert!(results[0].get("omitted").is_none() && results[39]["omitted"].as_u64() > Some(1 << 19));
    let state = server.data("GET", "/v1/channels/room/state", "");
    assert_eq!((&state["version"], &state["state"]["n"]), (&json!(42), &json!(39)));
    server.assert_well();
}

#[test]
fn a_batch_that_is_repeated_under_its_key_is_answered_again_and_done_once() {
    let (server, _) = stage();
    let items = [
        patch("room", &json!({"n": 1})),
        message("none", "A"),
        json!({"method": "PATCH", "path": "/v1/channels/new/state", "body": {"n": 1},
            "headers": {"Idempotency-Key": "own"}}),
    ];
    let key = [("Idempotency-Key", "whole")];
    let (first, second) = (send(&server, &items, &key), send(&server, &items, &key));
    assert_eq!((first.status, &first.body), (200, &second.body));
    assert_eq!(second.header("idempotency-replayed"), Some("true"));
    // An item's own key holds in another batch, and for a call of its own.
    let third = results(&server, &items[2..]);
    assert_eq!(third[0]["headers"]["idempotency-replayed"], "true");
    assert_eq!(third[0]["body"], first.data()["results"][2]["body"]);
    let headers = [("Authorization", OWNER), ("Idempotency-Key", "own")];
    let alone = server.request("PATCH", "/v1/channels/new/state", &headers, br#"{"n":1}"#);
    assert_eq!(alone.header("idempotency-replayed"), Some("true"));
    // The same key with other items is no repetition.
    let reused = send(&server, &items[1..], &key);
    assert_eq!(reused.failure(), (422, "idempotency_key_reused".to_owned()));
    for room in ["room", "new"] {
        let path = format!("/v1/channels/{room}/state");
        assert_eq!(server.data("GET", &path, "")["version"], 2, "{room}");
    }
    // After a crash each item is known by a key that was made of the whole call's.
    let server = Server::start_in(server.crash(), &[]);
    let again = send(&server, &items, &key).data()["results"].take();
    for number in [0, 2] {
        assert_eq!(again[number]["headers"]["idempotency-replayed"], "true");
        assert_eq!(again[number]["body"], first.data()["results"][number]["body"]);
    }
    server.assert_well();
}

#[test]
fn what_cannot_be_stored_is_told_item_by_item_and_done_when_it_is_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &[]);
    for (room, capabilities) in [("kept", json!(["HISTORY"])), ("plain", json!([]))] {
        let body = json!({"type": "unprotected", "capabilities": capabilities}).to_string();
        server.http().data("PUT", &format!("/v1/channels/{room}"), &body).unwrap();
    }
    let mut socket = Socket::enter(server.address, None).0;
    socket.subscribe("kept");
    let items = [
        message("kept", "A"),
        patch("kept", &json!({"n": 1})),
        message("plain", "B"),
        message("kept", "C"),
    ];
    let body = json!({"items": items}).to_string();
    let statuses = |expected: [u64; 4]| {
        let answer = try_send(server.address, "whole", &body).unwrap();
        let results = answer.data()["results"].take();
        let found: Vec<_> = results.as_array().unwrap().iter().map(|r| &r["status"]).collect();
        assert_eq!(found, expected, "{results}");
    };
    server.let_write(false);
    statuses([503, 503, 204, 503]);
    server.let_write(true);
    scene::eventually("commits succeed again", || {
        server.http().call("GET", "/health/ready", "").unwrap().status == 200
    });
    statuses([204, 200, 204, 204]);
    statuses([204, 200, 204, 204]);
    let heard: Vec<_> = (0..3).map(|_| socket.next_of(&["MESSAGE", "STATE_UPDATE"])).collect();
    let names: Vec<_> = heard.iter().map(|event| &event["d"]["e"]).collect();
    assert_eq!((names[0], names[2]), (&json!("A"), &json!("C")));
    assert_eq!(heard[1]["e"], "STATE_UPDATE");
    let kept = server.http().data("GET", "/v1/channels/kept/messages", "").unwrap();
    assert_eq!(kept["messages"].as_array().unwrap().len(), 2);
    server.assert_well();
}

/// Sends a batch; none where the server has gone before it had answered.
fn try_send(address: SocketAddr, key: &str, body: &str) -> Option<Answer> {
    Http::connect(address).ok()?.call_once(key, "POST", "/v1/batch", body).ok()
}

/// How often the server is killed under a batch.
const KILLS: u64 = 6;
/// How many rooms the batches write to.
const ROOMS: u64 = 7;
/// How many items a batch has.
const ITEMS: u64 = 600;

#[test]
fn a_batch_that_is_repeated_across_kills_is_done_once() {
    let mut server = Server::start();
    let room = |number: u64| format!("room-{}", number % ROOMS);
    for number in 0..ROOMS {
        scene::create(&server, &room(number), "unprotected", &[]);
    }
    // Messages between the states cut them into several commits.
    let items = (0..ITEMS).map(|number| match number % 40 {
        39 => message(&room(number), "A"),
        _ => patch(&room(number), &json!({"last": number})),
    });
    let body = json!({"items": items.collect::<Vec<_>>()}).to_string();
    let written = |of: u64| (0..ITEMS).filter(|n| n % 40 != 39 && n % ROOMS == of).count() as u64;
    let mut interrupted = 0;
    for kill in 0..KILLS {
        let (address, key) = (server.address, format!("batch-{kill}"));
        let answered = thread::scope(|scope| {
            let sent = scope.spawn(|| try_send(address, &key, &body));
            // Any moment will do, before the end of most.
            thread::sleep(Duration::from_millis(4 + 6 * kill));
            server.kill();
            sent.join().unwrap()
        });
        interrupted += u64::from(answered.is_none());
        server = Server::start_in(server.crash(), &[]);
        let answer = try_send(server.address, &key, &body).unwrap().data();
        for result in answer["results"].as_array().unwrap() {
            assert!(result["status"].as_u64().unwrap() < 300, "{result}");
        }
        for of in 0..ROOMS {
            let state = server.data("GET", &format!("/v1/channels/{}/state", room(of)), "");
            assert_eq!(state["version"], 1 + written(of) * (kill + 1), "{of} after {kill}");
        }
    }
    assert!(interrupted > 0, "no kill came in time to interrupt anything");
    server.assert_well();
}
