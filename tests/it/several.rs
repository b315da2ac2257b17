//! Several servers of one database, which a Redis orders for (`docs/adr/0033`): real processes, a real PostgreSQL, a real Redis.

mod coming_back;
mod keeping;
mod sessions;

use crate::scene::{create, eventually, publish};
use crate::socket::Socket;
use crate::support::redis::Redis;
use crate::support::{ADMIN, OWNER, Server, database, raw};
use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

/// Two servers.
struct Two {
    /// The one.
    one: Server,
    /// The other.
    other: Server,
    /// What orders.
    redis: Redis,
    /// The settings of each of them.
    settings: Vec<(&'static str, String)>,
}

/// Two servers; nothing where there is no Redis or no PostgreSQL, which is said.
fn two() -> Option<Two> {
    let (redis, database) = (Redis::start()?, database::shared()?);
    let settings = vec![("WARREN_DATABASE", database), ("WARREN_BUS", redis.url())];
    let [one, other] = [start(&settings), start(&settings)];
    Some(Two { one, other, redis, settings })
}

/// A server with these settings.
fn start(settings: &[(&'static str, String)]) -> Server {
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Server::start_in(tempfile::tempdir().unwrap(), &settings)
}

/// Somebody who hears `room` on a server.
fn hearer(server: &Server) -> Socket {
    let token = server.new_leap_token();
    let (mut socket, _) = Socket::enter(server.address, Some(&token));
    socket.subscribe("room");
    socket
}

/// What is said next, but for who comes and goes: an event and its data.
fn next(socket: &mut Socket) -> (String, Value) {
    let said = socket.next();
    (said["e"].as_str().unwrap().to_owned(), said["d"].clone())
}

/// The numbers in the next so many messages.
fn numbers(socket: &mut Socket, count: usize) -> Vec<i64> {
    let number = |said: (String, Value)| {
        assert_eq!(said.0, "MESSAGE", "{}", said.1);
        said.1["d"]["n"].as_i64().unwrap()
    };
    (0..count).map(|_| number(next(socket))).collect()
}

/// Publishes to `room` until the server is killed; how often that was acknowledged. Of the call under way then nobody knows.
fn speak_until_it_ends(mut stream: TcpStream) -> usize {
    let body = json!({"e": "e", "d": {"n": -1}}).to_string();
    let call = format!(
        "POST /v1/channels/room/messages HTTP/1.1\r\nHost: x\r\nAuthorization: {OWNER}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let (mut acknowledged, mut answer) = (0, [0; 512]);
    while stream.write_all(call.as_bytes()).is_ok()
        && stream.read(&mut answer).is_ok_and(|read| read > 0)
    {
        acknowledged += usize::from(answer.starts_with(b"HTTP/1.1 204"));
    }
    acknowledged
}

#[test]
fn two_servers_say_one_thing_in_one_order() {
    let Some(both) = two() else { return };
    let Two { one, other, .. } = &both;
    create(one, "room", "public", &[]);
    let (mut here, mut there) = (hearer(one), hearer(other));
    std::thread::scope(|scope| {
        for (server, first) in [(one, 0), (other, 1000)] {
            scope.spawn(move || {
                for n in first..first + 50 {
                    publish(server, "room", "e", &json!({"n": n}));
                }
            });
        }
    });
    let (heard, as_well) = (numbers(&mut here, 100), numbers(&mut there, 100));
    assert_eq!(heard, as_well, "one order");
    for first in [0, 1000] {
        let of_one: Vec<_> =
            heard.iter().copied().filter(|n| (first..first + 50).contains(n)).collect();
        assert_eq!(of_one, (first..first + 50).collect::<Vec<_>>(), "a publisher's own order");
    }
    one.assert_well();
    other.assert_well();
}

#[test]
fn changes_on_two_servers_lose_nothing() {
    let Some(both) = two() else { return };
    let Two { one, other, .. } = &both;
    create(one, "room", "public", &[]);
    let (mut here, mut there) = (hearer(one), hearer(other));
    std::thread::scope(|scope| {
        for (name, server) in [("a", one), ("b", other)] {
            scope.spawn(move || {
                for n in 0..30 {
                    let patch = json!({format!("{name}{n}"): n}).to_string();
                    server.data("PATCH", "/v1/channels/room/state", &patch);
                }
            });
        }
    });
    let stored = one.data("GET", "/v1/channels/room/state", "");
    for (name, server) in [("a", one), ("b", other)] {
        for n in 0..30 {
            assert_eq!(stored["state"][format!("{name}{n}")], n, "{stored}");
        }
        assert_eq!(server.data("GET", "/v1/channels/room/state", ""), stored);
    }
    // Each of them is shown every state, until the one that has all.
    for socket in [&mut here, &mut there] {
        let mut keys = BTreeSet::new();
        for _ in 0..60 {
            let (event, data) = next(socket);
            assert_eq!(event, "STATE_UPDATE", "{data}");
            let now: BTreeSet<_> = data["state"].as_object().unwrap().keys().cloned().collect();
            assert!(now.is_superset(&keys) && now.len() == keys.len() + 1, "{now:?} {keys:?}");
            keys = now;
        }
        assert_eq!(keys.len(), 60);
    }
}

#[test]
fn what_becomes_of_a_channel_is_told_on_the_other_server() {
    let Some(both) = two() else { return };
    let Two { one, other, .. } = &both;
    create(one, "room", "public", &[]);
    let mut there = hearer(other);
    one.done("DELETE", "/v1/channels/room", "");
    assert_eq!(next(&mut there).0, "UNAVAILABLE");
    // One that is made again is another, and its line too.
    create(other, "room", "public", &[]);
    let (mut here, mut there) = (hearer(one), hearer(other));
    publish(one, "room", "e", &json!({"n": 1}));
    assert_eq!((numbers(&mut here, 1), numbers(&mut there, 1)), (vec![1], vec![1]));
}

#[test]
fn a_bus_that_has_lost_its_memory_is_told_and_gone_on_with() {
    let Some(mut both) = two() else { return };
    let Two { one, other, redis, .. } = &mut both;
    create(one, "room", "public", &[]);
    let (mut here, mut there) = (hearer(one), hearer(other));
    publish(one, "room", "e", &json!({"n": 1}));
    assert_eq!((numbers(&mut here, 1), numbers(&mut there, 1)), (vec![1], vec![1]));
    redis.end();
    let said = json!({"e": "e", "d": {"n": 2}}).to_string();
    let refused = one.call("POST", "/v1/channels/room/messages", Some(OWNER), &said);
    assert_eq!(refused.status, 503, "nothing is acknowledged that nobody ordered");
    let ready = || one.call("GET", "/health/ready", None, "");
    let told = ready();
    assert!(told.status == 503 && told.text().contains("\"bus\""), "{told:?}");
    redis.begin();
    let mut outcome = 0;
    eventually("what is published is ordered again", || {
        outcome = one.call("POST", "/v1/channels/room/messages", Some(OWNER), &said).status;
        outcome == 204
    });
    assert_eq!(ready().status, 200);
    // Whoever may have missed something is told; that may be the message, where a server was back later.
    for socket in [&mut here, &mut there] {
        assert_eq!(next(socket).0, "AVAILABLE");
    }
    publish(one, "room", "e", &json!({"n": 3}));
    for socket in [&mut here, &mut there] {
        let until_then = loop {
            match next(socket) {
                (event, data) if event == "MESSAGE" && data["d"]["n"] == 2 => {}
                heard => break heard,
            }
        };
        assert_eq!((until_then.0.as_str(), &until_then.1["d"]["n"]), ("MESSAGE", &json!(3)));
    }
    one.data("PATCH", "/v1/channels/room/state", "{\"a\":1}");
    for socket in [&mut here, &mut there] {
        let (event, data) = next(socket);
        assert_eq!((event.as_str(), &data["state"]["a"]), ("STATE_UPDATE", &json!(1)));
    }
}

/// What a server's metrics say of the bus, and of this.
fn shown(server: &Server, series: &str) -> f64 {
    let answer = server.call("GET", "/metrics", Some(ADMIN), "");
    let text = answer.text();
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{series}: {text}")).parse().unwrap()
}

#[test]
fn what_the_bus_does_is_counted_by_each_server() {
    let Some(mut both) = two() else { return };
    let Two { one, other, redis, .. } = &mut both;
    create(one, "room", "public", &[]);
    let mut there = hearer(other);
    let is = |server: &Server, series, wanted: f64| {
        eventually(series, || (shown(server, series) - wanted).abs() < 0.1);
    };
    for n in 0..3 {
        publish(one, "room", "e", &json!({"n": n}));
    }
    one.data("PATCH", "/v1/channels/room/state", "{\"a\":1}");
    assert_eq!(numbers(&mut there, 3), [0, 1, 2]);
    is(one, "warren_bus_appends_total{outcome=\"ordered\"}", 4.0);
    is(one, "warren_bus_append_duration_seconds_count", 4.0);
    is(other, "warren_bus_appends_total{outcome=\"ordered\"}", 0.0);
    for server in [&*one, &*other] {
        is(server, "warren_bus_entries_total", 4.0);
        is(server, "warren_bus_lines", 1.0);
        is(server, "warren_bus_connections_total", 1.0);
        is(server, "warren_bus_up", 1.0);
        eventually("a word is timed", || {
            shown(server, "warren_bus_way_duration_seconds_count") > 0.0
        });
    }
    redis.end();
    is(one, "warren_bus_up", 0.0);
    redis.begin();
    for server in [&*one, &*other] {
        is(server, "warren_bus_up", 1.0);
        is(server, "warren_bus_connections_total", 2.0);
        // What may have been missed was to be read, and is gone with the memory of the bus.
        is(server, "warren_bus_reads_total", 1.0);
        is(server, "warren_bus_reopenings_total", 1.0);
    }
}

#[test]
fn a_state_that_was_stored_and_never_said_holds_nobody_up() {
    let Some(both) = two() else { return };
    let Two { one, other, settings, .. } = &both;
    create(one, "room", "public", &[]);
    let (mut here, mut there) = (hearer(one), hearer(other));
    one.data("PATCH", "/v1/channels/room/state", "{\"a\":1}");
    // What a server leaves that is killed between its commit and its word.
    let mut database = PgConnection::establish(&settings.first().unwrap().1).unwrap();
    let unsaid = "UPDATE channels SET version = version + 1, state = '{\"a\":1,\"b\":2}'";
    database.batch_execute(unsaid).unwrap();
    let changed = other.data("PATCH", "/v1/channels/room/state", "{\"c\":3}");
    let whole = json!({"a": 1, "b": 2, "c": 3});
    assert_eq!(changed["state"], whole);
    for socket in [&mut here, &mut there] {
        assert_eq!(next(socket), ("STATE_UPDATE".to_owned(), json!({"state": {"a": 1}})));
        assert_eq!(next(socket), ("STATE_UPDATE".to_owned(), json!({"state": whole})));
    }
    publish(other, "room", "e", &json!({"n": 1}));
    assert_eq!((numbers(&mut here, 1), numbers(&mut there, 1)), (vec![1], vec![1]));
}

#[test]
fn what_was_done_while_the_bus_was_away_is_found_when_it_is_back() {
    let Some(mut both) = two() else { return };
    let Two { one, other, redis, .. } = &mut both;
    create(one, "room", "public", &[]);
    create(one, "kept", "public", &[]);
    // What is in use is served without the bus, as far as that is possible; what is not cannot be opened.
    for server in [&*one, &*other] {
        server.data("PATCH", "/v1/channels/kept/state", "{}");
    }
    let mut there = hearer(other);
    for n in 0..3 {
        one.data("PATCH", "/v1/channels/room/state", &json!({"old": n}).to_string());
        assert_eq!(next(&mut there).0, "STATE_UPDATE");
    }
    redis.end();
    // One channel is deleted and made again, another one is closed to the public.
    one.done("DELETE", "/v1/channels/room", "");
    create(one, "room", "public", &[]);
    one.data("PATCH", "/v1/channels/kept", &json!({"type": "private"}).to_string());
    let narrow = json!({"capabilities": ["PRESENCE"]}).to_string();
    let refused = other.call("PATCH", "/v1/channels/kept", Some(OWNER), &narrow);
    assert_eq!(refused.status, 503, "{}", refused.text());
    redis.begin();
    assert_eq!(next(&mut there).0, "UNAVAILABLE");
    let changed = other.data("PATCH", "/v1/channels/kept", &narrow);
    assert_eq!(changed["channel"]["type"], "private", "{changed}");
    let (mut here, mut there) = (hearer(one), hearer(other));
    one.data("PATCH", "/v1/channels/room/state", "{\"new\":1}");
    for socket in [&mut here, &mut there] {
        assert_eq!(next(socket), ("STATE_UPDATE".to_owned(), json!({"state": {"new": 1}})));
    }
}

#[test]
fn a_token_that_is_deleted_on_one_server_is_sent_away_from_the_other() {
    let Some(both) = two() else { return };
    let token = both.one.new_leap_token();
    let (mut socket, _) = Socket::enter(both.other.address, Some(&token));
    both.one.done("DELETE", &format!("/v1/channels/tokens/{token}"), "");
    assert_eq!(socket.expect_close(), (4001, "the token was deleted".to_owned()));
}

#[test]
fn a_message_of_a_batch_that_is_sent_again_under_its_key_is_said_once() {
    let Some(both) = two() else { return };
    let Two { one, other, .. } = &both;
    create(one, "room", "public", &[]);
    let mut there = hearer(other);
    let item = |n: i64| {
        json!({
            "method": "POST", "path": "/v1/channels/room/messages",
            "headers": {"Idempotency-Key": "m"}, "body": {"e": "e", "d": {"n": n}},
        })
    };
    let mut replayed = Vec::new();
    // In one batch, and in one behind it.
    for items in [vec![item(1), item(1)], vec![item(1)]] {
        let batch = json!({ "items": items }).to_string();
        let answer = one.data("POST", "/v1/batch", &batch);
        for result in answer["results"].as_array().unwrap() {
            assert_eq!(result["status"], 204, "{answer}");
            replayed.push(result["headers"]["idempotency-replayed"].clone());
        }
    }
    assert_eq!(replayed, [json!(null), json!("true"), json!("true")]);
    publish(one, "room", "e", &json!({"n": 2}));
    assert_eq!(numbers(&mut there, 2), [1, 2]);
}

#[test]
fn secrets_that_are_deleted_on_one_server_are_refused_by_the_other_at_once() {
    let Some(both) = two() else { return };
    let Two { one, other, .. } = &both;
    let path = "/v1/projects/@this/tokens";
    let made = one.data("POST", path, r#"{"permissions":["MANAGE_CHANNELS"]}"#);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let of_token = &made["project_token"];
    let (secret, id) = (text(&of_token["token"]), text(&of_token["id"]));
    let (project, of_project) = one.new_project("another");
    let status = |secret: &str| other.call("GET", "/v1/channels", Some(secret), "").status;
    assert_eq!([status(&secret), status(&of_project)], [200, 200]);
    one.done("DELETE", &format!("{path}/{id}"), "");
    assert_eq!(status(&secret), 401);
    let gone = one.call("DELETE", &format!("/v1/projects/{project}"), Some(ADMIN), "");
    assert_eq!(gone.status, 204, "{}", gone.text());
    assert_eq!(status(&of_project), 401);
}

#[test]
fn a_server_that_is_killed_takes_nothing_of_the_others_along() {
    let Some(both) = two() else { return };
    let Two { one, other, settings, .. } = &both;
    create(one, "room", "public", &[]);
    let mut third = start(settings);
    let (mut here, mut there, _gone) = (hearer(one), hearer(other), hearer(&third));
    // Before it is killed.
    let stream = raw(third.address);
    std::thread::scope(|scope| {
        scope.spawn(move || speak_until_it_ends(stream));
        for (server, first) in [(one, 0), (other, 1000)] {
            scope.spawn(move || {
                for n in first..first + 50 {
                    publish(server, "room", "e", &json!({"n": n}));
                }
            });
        }
        scope.spawn(|| third.kill());
    });
    let mut order = Vec::new();
    for socket in [&mut here, &mut there] {
        let (mut heard, mut left) = (Vec::new(), 100);
        while left > 0 {
            let [number] = numbers(socket, 1)[..] else { panic!("one was asked for") };
            left -= usize::from(number >= 0);
            heard.push(number);
        }
        order.push(heard);
    }
    assert_eq!(order[0], order[1], "one order");
}

#[test]
fn a_server_that_is_alone_keeps_away_from_several() {
    let Some(Two { one, other, settings, redis: _redis }) = two() else { return };
    drop(other);
    let folder = tempfile::tempdir().unwrap();
    let mut alone = std::process::Command::new(env!("CARGO_BIN_EXE_warren"));
    let database = &settings.first().unwrap().1;
    let run = alone.env("WARREN_DATABASE", database).args(["--listen", "127.0.0.1:0"]);
    let ended = run.arg("--data").arg(folder.path()).output().unwrap();
    let told = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(!ended.status.success() && told.contains("another server is using"), "{told}");
    one.assert_well();
}
