//! Every version of a state: read, listed, brought back, and gone when its time is over.

use crate::scene::{self, Config};
use crate::socket::{Http, Process};
use crate::support::{ADMIN, Answer, OWNER, Server};
use serde_json::{Value, json};
use std::thread;
use std::time::Duration;

/// Creates a channel that keeps its states.
fn create(server: &Server, id: &str) {
    scene::create(server, id, "unprotected", &["STATE_HISTORY", "CLIENT_STATE"]);
}

/// Where a channel's state is.
fn path(id: &str, rest: &str) -> String {
    format!("/v1/channels/{id}/state{rest}")
}

/// A channel's versions, newest first.
fn versions(server: &Server, id: &str, query: &str) -> Vec<Value> {
    let listed = server.data("GET", &path(id, &format!("/history{query}")), "");
    listed["versions"].as_array().unwrap().clone()
}

/// A version of `room`.
fn version(server: &Server, number: i64) -> Answer {
    server.call("GET", &path("room", &format!("?version={number}")), Some(OWNER), "")
}

/// Makes a version of `room` the newest.
fn restore(server: &Server, number: i64, headers: &[(&str, &str)]) -> Answer {
    let body = json!({"version": number}).to_string();
    let all = [&[("Authorization", OWNER), ("Content-Type", "application/json")], headers].concat();
    server.request("POST", &path("room", "/restore"), &all, body.as_bytes())
}

#[test]
fn every_version_is_read_as_it_was_and_listed_with_who_made_it() {
    let server = Server::start();
    create(&server, "room");
    let token = server.new_leap_token();
    let (mut client, _) = scene::enter_with(server.address, Some(&token), &["errors"]);
    client.subscribe("room");
    let long = "x".repeat(100);
    let bodies = [
        format!(r#"{{"text": "{long}", "n":1}}"#),
        format!(r#"{{"text":"{long}","n":2}}"#),
        format!(r#"{{"text":"{long}","n":2,"list":[1,null]}}"#),
        r#"{"n":null}"#.to_owned(),
    ];
    let put = bodies.each_ref().map(|body| {
        let headers = [("Authorization", OWNER), ("Content-Type", "application/json")];
        server.request("PUT", &path("room", ""), &headers, body.as_bytes())
    });
    client.dispatch("SET_CHANNEL_STATE", "room", &json!({"by": "client"}));
    while client.next_of(&["STATE_UPDATE"])["d"]["state"]["by"] != "client" {}
    let admin = server.call(
        "PATCH",
        &format!("{}?project=project_test", path("room", "")),
        Some(ADMIN),
        r#"{"a":1}"#,
    );
    assert_eq!(admin.status, 200);
    for (number, answer) in (2..).zip(&put) {
        let read = version(&server, number);
        assert_eq!((read.status, &read.body), (200, &answer.body), "byte for byte");
        assert_eq!(read.header("etag"), answer.header("etag"));
    }
    assert_eq!(version(&server, 1).data(), json!({"state": {}, "version": 1}));
    let all = versions(&server, "room", "");
    let numbers: Vec<_> = all.iter().map(|kept| kept["version"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [7, 6, 5, 4, 3, 2, 1]);
    let by: Vec<_> = all.iter().map(|kept| kept["by"].as_str().unwrap_or_default()).collect();
    assert!(by[0].starts_with("pat_id_") && by[1].starts_with("member_"), "{by:?}");
    assert!(by[2..].iter().all(|by| by.starts_with("ptkid_")), "{by:?}");
    let patches: Vec<_> = all.iter().map(|kept| kept["patch"].clone()).collect();
    assert_eq!(patches[0], json!({"a": 1}));
    assert_eq!(patches[3], json!({"list": [1, null]}));
    assert_eq!(patches[4], json!({"n": 2}));
    assert!(patches[2].is_null() && patches[6].is_null(), "null cannot be said, nor the first");
    assert_eq!(all[4]["bytes"], bodies[1].len());
    // At a time: a version is in force until the next.
    for kept in &all {
        let at = kept["at"].as_str().unwrap();
        let read = server.data("GET", &path("room", &format!("?at={at}")), "");
        let newest = all.iter().find(|other| other["at"] == at).unwrap();
        assert_eq!(read["version"], newest["version"]);
    }
    let before = server.call("GET", &path("room", "?at=2020-01-01T00:00:00Z"), Some(OWNER), "");
    assert_eq!(before.failure(), (404, "version_not_found".to_owned()));
    server.assert_well();
}

#[test]
fn the_list_comes_in_parts() {
    let server = Server::start();
    create(&server, "room");
    for n in 2..=25 {
        server.data("PATCH", &path("room", ""), &json!({"n": n}).to_string());
    }
    let (mut seen, mut query) = (Vec::new(), "?limit=10".to_owned());
    loop {
        let part = server.data("GET", &path("room", &format!("/history{query}")), "");
        let versions = part["versions"].as_array().unwrap();
        assert!(versions.len() <= 10);
        seen.extend(versions.iter().map(|kept| kept["version"].as_u64().unwrap()));
        let Some(next) = part["next"].as_u64() else { break };
        query = format!("?limit=10&before={next}");
    }
    assert_eq!(seen, (1..=25).rev().collect::<Vec<_>>());
    for query in ["?limit=0", "?limit=1001", "?before=x"] {
        let path = path("room", &format!("/history{query}"));
        let refused = server.call("GET", &path, Some(OWNER), "");
        assert_eq!(refused.failure(), (400, "invalid_query".to_owned()), "{query}");
    }
    server.assert_well();
}

#[test]
fn a_version_that_is_restored_is_an_ordinary_new_one() {
    let server = Server::start();
    create(&server, "room");
    let (mut listener, _) = scene::enter_with(server.address, None, &["version"]);
    listener.subscribe("room");
    let first = r#"{"a": [1, null], "b":"x"}"#;
    let headers = [("Authorization", OWNER)];
    server.request("PUT", &path("room", ""), &headers, first.as_bytes());
    let second = server.request("PUT", &path("room", ""), &headers, br#"{"c":2}"#);
    let tag = second.header("etag").unwrap().to_owned();
    for _ in 0..2 {
        listener.expect("STATE_UPDATE");
    }
    let key = [("Idempotency-Key", "k"), ("If-Match", tag.as_str())];
    let (restored, again) = (restore(&server, 2, &key), restore(&server, 2, &key));
    assert_eq!((restored.status, &restored.body), (200, &again.body));
    assert!(restored.text().contains(first), "as it was written: {}", restored.text());
    assert_eq!(restored.data()["version"], 4);
    let shown = listener.expect("STATE_UPDATE")["d"].clone();
    assert_eq!(shown, json!({"state": {"a": [1, null], "b": "x"}, "version": 4}));
    // It is stale by now, and back again is what was there.
    let stale = restore(&server, 1, &[("If-Match", &tag)]);
    assert_eq!(stale.failure(), (412, "version_conflict".to_owned()));
    assert_eq!(restore(&server, 3, &[]).data()["state"], json!({"c": 2}));
    assert_eq!(version(&server, 5).data()["state"], version(&server, 3).data()["state"]);
    assert_eq!(
        restore(&server, 4, &[]).data(),
        json!({"state": {"a": [1, null], "b": "x"}, "version": 6})
    );
    for (number, expected) in [(0, "version_not_found"), (7, "version_not_found")] {
        assert_eq!(restore(&server, number, &[]).failure(), (404, expected.to_owned()));
    }
    for body in ["{}", r#"{"version":"1"}"#, "[]"] {
        let refused = server.call("POST", &path("room", "/restore"), Some(OWNER), body);
        assert_eq!(refused.failure(), (400, "invalid_body".to_owned()), "{body}");
    }
    server.assert_well();
}

#[test]
fn what_is_kept_no_longer_is_gone_and_the_oldest_is_told() {
    let server = Config::limits("state-history-versions = 5").start();
    create(&server, "room");
    for n in 2..=200 {
        server.data("PATCH", &path("room", ""), &json!({"n": n}).to_string());
    }
    let gone = version(&server, 195);
    assert_eq!(gone.failure(), (410, "version_gone".to_owned()));
    assert_eq!(gone.error()["oldest"], 196);
    assert_eq!(version(&server, 196).data()["state"], json!({"n": 196}));
    assert_eq!(versions(&server, "room", "").len(), 5);
    assert_eq!(restore(&server, 1, &[]).failure(), (410, "version_gone".to_owned()));
    // A client is told the same.
    let (mut client, _) = scene::enter_with(server.address, None, &["errors", "version"]);
    client.subscribe("room");
    client.dispatch("GET_CHANNEL_STATE", "room", &json!({"version": 196}));
    let shown = client.expect("STATE_UPDATE");
    assert_eq!(
        (&shown["u"], &shown["d"]),
        (&json!(true), &json!({"state": {"n": 196}, "version": 196}))
    );
    client.dispatch("GET_CHANNEL_STATE", "room", &json!({"version": 195}));
    assert_eq!(client.expect("ERROR")["d"]["code"], "version_gone");
    server.assert_well();
}

#[test]
fn a_channel_keeps_its_versions_from_when_it_is_told_until_it_is_not() {
    let server = Server::start();
    scene::create(&server, "room", "unprotected", &[]);
    let set = |n: i64| server.data("PATCH", &path("room", ""), &json!({"n": n}).to_string());
    set(2);
    set(3);
    assert_eq!(version(&server, 3).status, 200, "the one in force is always there");
    assert_eq!(version(&server, 2).error()["oldest"], 3);
    let list = || server.call("GET", &path("room", "/history"), Some(OWNER), "");
    assert_eq!(list().failure(), (409, "missing_capability".to_owned()));
    let can = |names: Value| {
        let body = json!({"capabilities": names}).to_string();
        server.data("PATCH", "/v1/channels/room", &body);
    };
    can(json!(["STATE_HISTORY"]));
    set(4);
    let numbers = || -> Vec<_> {
        versions(&server, "room", "").iter().map(|kept| kept["version"].as_u64().unwrap()).collect()
    };
    assert_eq!(numbers(), [4, 3]);
    assert_eq!(version(&server, 3).data()["state"], json!({"n": 3}));
    can(json!(["STATE_HISTORY", "PRESENCE"]));
    assert_eq!(numbers(), [4, 3]);
    can(json!([]));
    assert_eq!(version(&server, 3).error()["oldest"], 4);
    can(json!(32));
    assert_eq!(numbers(), [4]);
    set(5);
    // Another channel of that name has nothing of this one.
    server.done("DELETE", "/v1/channels/room", "");
    create(&server, "room");
    assert_eq!(numbers(), [1]);
    assert_eq!(version(&server, 5).failure(), (404, "version_not_found".to_owned()));
    server.assert_well();
}

/// Patches a channel with numbers behind this one until the server goes; the last version that was answered.
fn patch_until_gone(mut http: Http, writer: usize, mut n: u64) -> i64 {
    let mut last = 0;
    loop {
        n += 1;
        let body = json!({format!("w{writer}"): n, "same": "x".repeat(80)}).to_string();
        match http.data("PATCH", &path("room", ""), &body) {
            Ok(answer) => last = answer["version"].as_i64().unwrap(),
            Err(_) => return last,
        }
    }
}

#[test]
fn after_a_kill_every_version_is_there_that_was_ever_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = Process::start(folder.path(), &[]);
    let room = r#"{"type":"public","capabilities":["STATE_HISTORY"]}"#;
    process.http().data("PUT", "/v1/channels/room", room).unwrap();
    for round in 0..3 {
        let answered = thread::scope(|scope| {
            let writers: Vec<_> = (0..4)
                .map(|writer| {
                    let http = process.http();
                    // No number twice: a version that changes nothing differs from none.
                    scope.spawn(move || patch_until_gone(http, writer, round * 1_000_000))
                })
                .collect();
            // Any moment will do: patches are under way all the time.
            thread::sleep(Duration::from_millis(60 + 40 * round));
            process.kill();
            writers.into_iter().map(|writer| writer.join().unwrap()).max().unwrap()
        });
        process = Process::start(folder.path(), &[]);
        let mut http = process.http();
        let current = http.data("GET", &path("room", ""), "").unwrap();
        let last = current["version"].as_i64().unwrap();
        assert!(last >= answered && answered > 1, "{last} {answered}");
        let mut before = Value::Null;
        for number in (last - 200).max(1)..=last {
            let kept = http.data("GET", &path("room", &format!("?version={number}")), "").unwrap();
            assert_eq!(kept["version"], number);
            // Each differs from the one before by one writer's number.
            let counter = |state: &Value, writer: usize| state[format!("w{writer}")].clone();
            let differ =
                (0..4).filter(|w| counter(&kept["state"], *w) != counter(&before, *w)).count();
            assert!(differ == 1 || before.is_null() || number == 1, "{number}: {kept}");
            before = kept["state"].clone();
        }
        assert_eq!(before, current["state"]);
    }
    process.assert_well();
}
