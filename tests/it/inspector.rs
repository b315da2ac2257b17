//! The flight recorder as who looks at it sees it: what is recorded, for whom, within which bounds.

mod frames;

use crate::scene::{cid, create, new_token, publish};
use crate::socket::Socket;
use crate::support::{ADMIN, OWNER, Server, until};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

/// Where one looks.
const INSPECT: &str = "/v1/projects/@this/inspect";
/// A ring.
const RING: (&str, &str) = ("WARREN_RECORDER_BYTES", "8388608");

/// What somebody is shown.
fn look(server: &Server, query: &str) -> Value {
    server.data("GET", &format!("{INSPECT}?{query}"), "")
}

/// The entries of an answer.
fn entries(answer: &Value) -> Vec<Value> {
    answer["entries"].as_array().unwrap().clone()
}

/// Looks until there are so many entries; what happens is answered before some of it is recorded.
fn await_entries(server: &Server, query: &str, count: usize) -> Vec<Value> {
    until(query, || {
        let found = entries(&look(server, query));
        if found.len() == count { Ok(found) } else { Err(found) }
    })
}

/// The one entry that there is for a query.
fn one(server: &Server, query: &str) -> Value {
    await_entries(server, query, 1).remove(0)
}

#[test]
fn what_a_channel_says_is_recorded_once_however_many_hear_it() {
    let server = Server::start_with(&[RING]);
    create(&server, "room", "unprotected", &["CLIENT_PUBLISH"]);
    let mut sockets: Vec<_> = (0..3).map(|_| Socket::enter(server.address, None).0).collect();
    for socket in &mut sockets {
        socket.subscribe("room");
    }
    publish(&server, "room", "GREETING", &json!({"text": "hé", "big": 9_007_199_254_740_993_u64}));
    let said = one(&server, "kind=message");
    assert_eq!((&said["channel"], &said["event"]), (&json!("room"), &json!("GREETING")));
    assert_eq!(said["data"], json!({"text": "hé", "big": 9_007_199_254_740_993_u64}));
    assert_eq!(said["receivers"], 3, "{said}");
    assert!(said["position"].is_string() && said["at"].is_string() && said["bytes"].is_u64());
    server.data("PATCH", "/v1/channels/room/state", r#"{"topic":"tea"}"#);
    let state = one(&server, "kind=state&channel=room");
    assert_eq!((&state["data"], &state["version"]), (&json!({"topic": "tea"}), &json!(2)));
    sockets[0].dispatch("MESSAGE", "room", &json!({"e": "CLIENT", "d": 1}));
    let client = await_entries(&server, "kind=message", 2).remove(1);
    assert_eq!((&client["event"], &client["receivers"]), (&json!("CLIENT"), &json!(3)));
    server.assert_well();
}

#[test]
fn who_comes_and_goes_subscribes_and_is_told_something_is_recorded() {
    let server = Server::start_with(&[RING]);
    create(&server, "room", "public", &[]);
    create(&server, "closed", "private", &[]);
    let token = new_token(&server, &json!({}));
    let (mut socket, init) = Socket::enter(server.address, Some(&token));
    let cid = cid(&init);
    socket.subscribe("room");
    socket.dispatch("SUBSCRIBE", "closed", &json!(null));
    let came = one(&server, &format!("kind=connect&token={token}"));
    assert_eq!((&came["connection"], &came["address"]), (&json!(cid), &json!("127.0.0.1")));
    let subscribed = await_entries(&server, "kind=subscribe", 2);
    assert_eq!(
        (&subscribed[0]["channel"], &subscribed[0]["reason"]),
        (&json!("room"), &Value::Null)
    );
    assert_eq!(subscribed[1]["channel"], "closed");
    assert!(subscribed[1]["reason"].as_str().unwrap().contains("not open"), "{subscribed:?}");
    let joined = one(&server, "kind=join");
    assert_eq!((&joined["channel"], &joined["token"]), (&json!("room"), &json!(token)));
    for path in [format!("tokens/{token}"), format!("connections/{cid}")] {
        let path = format!("/v1/channels/{path}/messages");
        server.done("POST", &path, r#"{"e":"for you","d":{"n":1}}"#);
    }
    let direct = await_entries(&server, "kind=direct", 2);
    assert_eq!((&direct[0]["token"], &direct[0]["receivers"]), (&json!(token), &json!(1)));
    assert_eq!((&direct[1]["connection"], &direct[1]["data"]), (&json!(cid), &json!({"n": 1})));
    server.done("DELETE", &format!("/v1/channels/room/subscribers/{token}"), "");
    assert_eq!(one(&server, "kind=unsubscribe")["token"], json!(token));
    assert_eq!(one(&server, "kind=leave")["channel"], "room");
    server.done("DELETE", &format!("/v1/channels/connections/{cid}"), "");
    let ended = one(&server, &format!("kind=disconnect&connection={cid}"));
    assert_eq!((&ended["code"], &ended["initiator"]), (&json!(4000), &json!("server")));
    assert_eq!(ended["reason"], "closed by the operator");
    // All of it, in order, by the token alone.
    let kinds: Vec<_> = entries(&look(&server, &format!("token={token}")))
        .iter()
        .map(|entry| entry["kind"].as_str().unwrap().to_owned())
        .filter(|kind| kind != "request" && !kind.starts_with("frame"))
        .collect();
    let order = [
        "connect",
        "join",
        "subscribe",
        "subscribe",
        "direct",
        "unsubscribe",
        "leave",
        "disconnect",
    ];
    assert_eq!(kinds, order);
    drop(socket);
    server.assert_well();
}

#[test]
fn the_items_of_a_batch_are_recorded_each_with_its_own_outcome() {
    let server = Server::start_with(&[RING]);
    create(&server, "room", "public", &[]);
    let item = |method: &str, path: &str, body: Value| json!({"method": method, "path": format!("/v1/channels/{path}"), "body": body});
    let items = [
        item("POST", "room/messages", json!({"e": "E"})),
        item("PUT", "room/state", json!({"a": 1})),
        item("POST", "nowhere/messages", json!({"e": "E"})),
    ];
    server.data("POST", "/v1/batch", &json!({ "items": items }).to_string());
    // The first is that of the test's own beginning.
    let mut requests = await_entries(&server, "kind=request", 5).split_off(1);
    let told =
        |entry: &Value| ["method", "route", "status", "channel"].map(|name| entry[name].clone());
    // Two channels go on at the same time: which is first is not said.
    requests[1..3].sort_by_key(|entry| entry["route"].to_string());
    let told: Vec<_> = requests.iter().map(told).collect();
    // The channel has recorded the message, and says more.
    let expected = json!([
        ["PUT", "channels/{channel}", 200, "room"],
        ["POST", "channels/{channel}/messages", 404, "nowhere"],
        ["PUT", "channels/{channel}/state", 200, "room"],
        ["POST", "batch", 200, null],
    ]);
    assert_eq!(json!(told), expected);
    assert_eq!(requests[1]["id"], requests[3]["id"], "they go by the name of the batch");
    assert_eq!(one(&server, "kind=message")["channel"], "room");
    server.assert_well();
}

#[test]
fn requests_are_recorded_with_their_outcome_and_without_a_secret() {
    let server = Server::start_with(&[RING]);
    create(&server, "room", "public", &[]);
    let missing = server.call("GET", "/v1/channels/nowhere", Some(OWNER), "");
    assert_eq!(missing.status, 404);
    publish(&server, "room", "A", &json!(1));
    let (socket, _) = Socket::enter(server.address, Some(OWNER));
    drop(socket);
    one(&server, "kind=disconnect");
    // The first is that of the test's own beginning.
    let requests = await_entries(&server, "kind=request", 3).split_off(1);
    let told = |entry: &Value| {
        let [method, route] =
            ["method", "route"].map(|name| entry[name].as_str().unwrap().to_owned());
        (method, route, entry["status"].as_u64().unwrap())
    };
    let route = |of: &str| of.to_owned();
    assert_eq!(told(&requests[0]), ("PUT".into(), route("channels/{channel}"), 200));
    assert_eq!(told(&requests[1]), ("GET".into(), route("channels/{channel}"), 404));
    assert_eq!(requests[1]["channel"], "nowhere");
    assert!(requests[1]["by"].as_str().unwrap().starts_with("ptkid_"), "{requests:?}");
    assert!(requests[1]["took_ms"].is_number());
    assert_eq!(requests[1]["id"].as_str(), missing.header("x-request-id"));
    let all = look(&server, "").to_string();
    assert!(!all.contains("ptk_") && !all.contains("pat_"), "{all}");
    server.assert_well();
}

#[test]
fn a_project_sees_its_own_alone_and_only_who_may_read_both_channels_and_tokens_looks() {
    let server = Server::start_with(&[RING]);
    let (other, stranger) = server.new_project("other");
    create(&server, "room", "unprotected", &[]);
    publish(&server, "room", "OURS", &json!(1));
    one(&server, "kind=message");
    let theirs = server.call("GET", INSPECT, Some(&stranger), "").data();
    assert!(!theirs.to_string().contains("OURS"), "{theirs}");
    let path = format!("/v1/projects/{other}/inspect");
    assert_eq!(server.call("GET", &path, Some(OWNER), "").status, 404);
    for missing in [29_u64, 36] {
        let flags = (1 << 29 | 1 << 36) & !(1 << missing);
        let token = server.new_project_token(flags);
        assert_eq!(server.call("GET", INSPECT, Some(&token), "").status, 403);
    }
    let token = server.new_project_token(1 << 29 | 1 << 36);
    assert_eq!(server.call("GET", INSPECT, Some(&token), "").status, 200);
    assert_eq!(server.call("GET", INSPECT, None, "").status, 401);
    assert_eq!(server.call("GET", &path, Some(ADMIN), "").status, 200);
    server.assert_well();
}

#[test]
fn without_a_ring_nothing_is_recorded_until_somebody_looks() {
    let server = Server::start();
    create(&server, "room", "unprotected", &[]);
    publish(&server, "room", "BEFORE", &json!(1));
    let first = look(&server, "");
    assert_eq!((&first["entries"], &first["is_recording"]), (&json!([]), &json!(false)));
    publish(&server, "room", "AFTER", &json!(2));
    let next = first["next"].as_str().unwrap();
    let found = entries(&look(&server, &format!("after={next}&kind=message")));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["event"], "AFTER");
    server.assert_well();
}

#[test]
fn who_waits_is_answered_when_something_comes_and_otherwise_after_a_while() {
    let server = Server::start();
    create(&server, "room", "unprotected", &[]);
    create(&server, "other", "unprotected", &[]);
    let next = look(&server, "")["next"].as_str().unwrap().to_owned();
    let waiting = format!("channel=room&wait=25&after={next}");
    let answer = thread::scope(|scope| {
        let asked = scope.spawn(|| look(&server, &waiting));
        until("it is logged that somebody waits", || {
            let log = server.log();
            if log.contains("filter=\"channel=room\"") { Ok(()) } else { Err(log) }
        });
        publish(&server, "other", "NOT THIS", &json!(1));
        publish(&server, "room", "THIS", &json!(2));
        asked.join().unwrap()
    });
    let found = entries(&answer);
    assert_eq!((found.len(), &found[0]["event"]), (1, &json!("THIS")));
    assert_eq!(answer["lost"], 0);
    let next = answer["next"].as_str().unwrap();
    let begin = Instant::now();
    let nothing = look(&server, &format!("channel=room&wait=1&after={next}"));
    assert!(entries(&nothing).is_empty() && begin.elapsed() >= Duration::from_secs(1));
    server.assert_well();
}

#[test]
fn only_so_many_wait_for_one_project() {
    let server = Server::start();
    let (_, stranger) = server.new_project("other");
    let next = look(&server, "")["next"].as_str().unwrap().to_owned();
    let path = format!("{INSPECT}?channel=silent&wait=5&after={next}");
    let statuses: Vec<_> = thread::scope(|scope| {
        let ask = || server.call("GET", &path, Some(OWNER), "").status;
        let asked: Vec<_> = (0..20).map(|_| scope.spawn(ask)).collect();
        asked.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let refused = statuses.iter().filter(|status| **status == 429).count();
    let waited = statuses.iter().filter(|status| **status == 200).count();
    assert_eq!((refused + waited, waited >= 16), (20, true), "{statuses:?}");
    assert!(refused > 0, "{statuses:?}");
    let theirs = server.call("GET", INSPECT, Some(&stranger), "").data();
    let path = format!("{INSPECT}?wait=0&after={}", theirs["next"].as_str().unwrap());
    assert_eq!(server.call("GET", &path, Some(&stranger), "").status, 200);
    server.assert_well();
}

#[test]
fn what_there_is_no_room_for_is_counted_and_told() {
    let server = Server::start_with(&[("WARREN_RECORDER_BYTES", "1048576")]);
    create(&server, "room", "unprotected", &[]);
    let start = look(&server, "limit=1")["next"].as_str().unwrap().to_owned();
    let text = "x".repeat(8000);
    for number in 0..400 {
        publish(&server, "room", &number.to_string(), &json!(text));
    }
    let (mut after, mut lost, mut met) = (start, 0, 0);
    loop {
        let page = look(&server, &format!("after={after}&limit=50&kind=message"));
        let found = entries(&page);
        lost += page["lost"].as_u64().unwrap();
        met += found.len();
        page["next"].as_str().unwrap().clone_into(&mut after);
        if found.is_empty() {
            break;
        }
        if met == found.len() {
            assert!(lost > 0, "the first page tells: {page}");
        }
    }
    assert_eq!((lost + u64::try_from(met).unwrap(), met >= 50), (400, true), "{lost} lost");
    let newest = entries(&look(&server, "limit=1&kind=message"));
    assert_eq!(newest[0]["event"], "399");
    let unknown = look(&server, "after=17");
    assert_eq!(unknown["lost"], Value::Null, "of another time");
    server.assert_well();
}

#[test]
fn rules_keep_bodies_out_and_values_unseen() {
    let server = Server::start_with(&[
        RING,
        ("WARREN_RECORDER_HIDE", "dm:*"),
        ("WARREN_RECORDER_REDACT", "password,card.number"),
    ]);
    create(&server, "dm:a", "unprotected", &[]);
    create(&server, "room", "unprotected", &[]);
    let secret = json!({"password": "hunter2", "card": {"number": "4111", "kind": "x"}});
    publish(&server, "dm:a", "HIDDEN", &secret);
    publish(&server, "room", "SHOWN", &secret);
    let hidden = one(&server, "channel=dm:a&kind=message");
    assert!(hidden.get("data").is_none() && hidden["bytes"].as_u64().unwrap() > 20, "{hidden}");
    let shown = one(&server, "channel=room&kind=message");
    let redacted = json!({"password": "[redacted]", "card": {"number": "[redacted]", "kind": "x"}});
    assert_eq!(shown["data"], redacted);
    let all = look(&server, "").to_string();
    assert!(!all.contains("hunter2") && !all.contains("4111"), "{all}");
    server.assert_well();
}

#[test]
fn a_body_that_is_too_long_is_told_by_its_size() {
    let server = Server::start_with(&[RING]);
    create(&server, "room", "unprotected", &[]);
    publish(&server, "room", "LONG", &json!("x".repeat(20_000)));
    let said = one(&server, "kind=message");
    assert_eq!((said.get("data"), &said["bytes"]), (None, &json!(20_002)));
}

#[test]
fn who_looks_is_logged_once_and_no_secret_is() {
    let server = Server::start_with(&[RING]);
    let token = new_token(&server, &json!({}));
    for _ in 0..3 {
        look(&server, &format!("token={token}"));
    }
    look(&server, "channel=room&kind=message,state");
    let log = until("it is logged", || {
        let log = server.log();
        if log.matches("somebody looks").count() >= 2 { Ok(log) } else { Err(log) }
    });
    let looks: BTreeSet<_> = log.lines().filter(|line| line.contains("somebody looks")).collect();
    assert_eq!(log.matches("somebody looks").count(), 2, "{looks:?}");
    for line in looks {
        assert!(
            [" id=", "by=ptkid_", "address=127.0.0.1"].iter().all(|word| line.contains(word)),
            "{line}"
        );
    }
    assert!(!log.contains(&token) && !log.contains(OWNER));
}
