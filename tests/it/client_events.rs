//! `channel.client.connected` and `channel.client.disconnected`: none missing, in the order of what happened, each with
//! the number of that moment, however a server ends.

use crate::socket::{PATIENCE, Process, Socket, Stopwatch};
use crate::support::receiver::{Hooked, Receiver, says};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

/// A session comes.
const CONNECTED: &str = "channel.client.connected";
/// A session goes.
const DISCONNECTED: &str = "channel.client.disconnected";

/// Settings: webhooks may call loopback, sessions go soon.
const SETTINGS: &[(&str, &str)] = &[
    ("WARREN_ALLOW_PRIVATE_WEBHOOKS", "1"),
    ("WARREN_WEBHOOK_RETRY_MS", "40"),
    ("WARREN_SESSION_GRACE", "0.2"),
];

/// Settings under which sessions stay.
const PATIENT: &[(&str, &str)] = &[
    ("WARREN_ALLOW_PRIVATE_WEBHOOKS", "1"),
    ("WARREN_WEBHOOK_RETRY_MS", "40"),
    ("WARREN_SESSION_GRACE", "300"),
];

/// Who is online on which channel, as a back end knows it that hears the events.
type Who = BTreeMap<String, BTreeSet<String>>;

/// Has a webhook tell of these; returns its id.
fn hook(server: &Process, receiver: &Receiver, events: &[&str]) -> String {
    let body = json!({"webhook_url": receiver.url(), "events": events}).to_string();
    let made = server.http().data("POST", "/v1/projects/@this/webhooks", &body).unwrap();
    made["webhook"]["id"].as_str().unwrap().to_owned()
}

/// Makes a leap token.
fn token(server: &Process) -> String {
    let made = server.http().data("POST", "/v1/channels/tokens", "{}").unwrap();
    made["token"]["id"].as_str().unwrap().to_owned()
}

/// Makes a channel that anybody may subscribe to.
fn channel(server: &Process, name: &str) {
    let path = format!("/v1/channels/{name}");
    server.http().data("PUT", &path, r#"{"type":"unprotected"}"#).unwrap();
}

/// Sockets that have subscribed to all of these channels, each a session of its own.
fn crowd(address: SocketAddr, sockets: usize, channels: &[&str]) -> Vec<Socket> {
    let one = || {
        let (mut socket, _) = Socket::enter(address, None);
        for channel in channels {
            socket.subscribe(channel);
        }
        socket
    };
    let lane = |count| move || (0..count).map(|_| one()).collect::<Vec<_>>();
    thread::scope(|scope| {
        let lanes: Vec<_> = (0..8).map(|_| scope.spawn(lane(sockets / 8))).collect();
        lanes.into_iter().flat_map(|lane| lane.join().unwrap()).collect()
    })
}

/// Waits until so many events have come, as long as some come at all; each once, though it may be posted again.
fn wait_for(receiver: &Receiver, events: usize) -> Vec<Hooked> {
    let (mut since, mut before) = (Stopwatch::start(), 0);
    loop {
        let mut known = BTreeSet::new();
        let mut calls = receiver.calls();
        calls.retain(|call| known.insert(call.header("webhook-id").to_owned()));
        if calls.len() >= events {
            return calls;
        }
        if calls.len() > before {
            (since, before) = (Stopwatch::start(), calls.len());
        }
        assert!(since.elapsed() < PATIENCE, "only {before} of {events} events came");
        // Not `until`: as long as events come, however slowly, it is waited for more.
        thread::sleep(Duration::from_millis(20));
    }
}

/// Reads events in the order of their numbers and asserts that each is news and has the number of those who are online
/// after it; returns who is, in the end.
fn read(calls: &[Hooked]) -> Who {
    let mut events: Vec<Value> = calls.iter().map(Hooked::json).collect();
    events.sort_by_key(|event| event["data"]["seq"].as_i64().unwrap());
    let mut who = Who::new();
    for event in &events {
        let data = &event["data"];
        let text = |name: &str| data[name].as_str().unwrap().to_owned();
        let here = who.entry(text("channel")).or_default();
        let is_news = match event["event"].as_str().unwrap() {
            CONNECTED => here.insert(text("session")),
            _ => here.remove(&text("session")),
        };
        assert!(is_news, "told twice: {event}");
        assert_eq!(data["online_count"], here.len(), "{event}");
    }
    who
}

/// How many sessions a channel has.
fn online(server: &Process, channel: &str) -> u64 {
    let stats = server.http().data("GET", &format!("/v1/channels/{channel}/stats"), "").unwrap();
    stats["online_count"].as_u64().unwrap()
}

/// How many calls are about this event.
fn count(calls: &[Hooked], event: &str) -> usize {
    calls.iter().filter(|call| call.json()["event"] == event).count()
}

/// Waits for something.
fn until(is_so: impl Fn() -> bool) {
    crate::scene::eventually("it comes to be", is_so);
}

#[test]
fn a_burst_is_told_whole_and_with_the_numbers_of_each_moment() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), SETTINGS);
    let receiver = Receiver::start(|_, _| says(200));
    hook(&server, &receiver, &[CONNECTED, DISCONNECTED]);
    channel(&server, "a");
    channel(&server, "b");
    let sockets = crowd(server.address, 2000, &["a", "b"]);
    drop(sockets);
    let calls = wait_for(&receiver, 8000);
    assert_eq!((count(&calls, CONNECTED), count(&calls, DISCONNECTED)), (4000, 4000));
    let left = read(&calls);
    assert!(left.len() == 2 && left.values().all(BTreeSet::is_empty), "{left:?}");
    server.assert_well();
}

#[test]
fn the_newest_number_is_right_whoever_comes_back_or_unsubscribes() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), SETTINGS);
    let receiver = Receiver::start(|_, _| says(200));
    channel(&server, "a");
    // Who was there before anybody wanted to hear counts too.
    let early = crowd(server.address, 8, &["a"]);
    hook(&server, &receiver, &[CONNECTED, DISCONNECTED]);
    let token = token(&server);
    let (mut first, _) = Socket::enter(server.address, Some(&token));
    first.subscribe("a");
    let connected = wait_for(&receiver, 1)[0].json();
    assert_eq!(
        (&connected["data"]["online_count"], &connected["data"]["token"]),
        (&json!(9), &json!(token))
    );
    // A second connection, and one that takes the place of both, is no event.
    let (second, _) = Socket::enter(server.address, Some(&token));
    drop(first);
    drop(second);
    let (third, _) = Socket::enter(server.address, Some(&token));
    drop(early);
    let calls = wait_for(&receiver, 9);
    assert_eq!(count(&calls, CONNECTED), 1);
    let newest = |calls: &[Hooked]| {
        let seq = |call: &&Hooked| call.json()["data"]["seq"].as_i64().unwrap();
        calls.iter().max_by_key(seq).unwrap().json()
    };
    assert_eq!(newest(&calls)["data"]["online_count"], 1);
    assert_eq!(online(&server, "a"), 1);
    // By the back end, and so for good.
    let path = format!("/v1/channels/a/subscribers/{token}");
    server.http().call("DELETE", &path, "").unwrap();
    let calls = wait_for(&receiver, 10);
    let last = newest(&calls);
    assert_eq!((&last["event"], &last["data"]["online_count"]), (&json!(DISCONNECTED), &json!(0)));
    assert_eq!(last["data"]["session"], connected["data"]["session"]);
    drop(third);
    server.assert_well();
}

#[test]
fn an_orderly_stop_tells_that_everybody_has_gone_before_the_process_ends() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), PATIENT);
    let receiver = Receiver::start(|_, _| says(200));
    hook(&server, &receiver, &[CONNECTED, DISCONNECTED]);
    channel(&server, "a");
    channel(&server, "b");
    let sockets = crowd(server.address, 400, &["a", "b"]);
    // And one that has just lost its connection, and may come back.
    let token = server.http().data("POST", "/v1/channels/tokens", r#"{"channels":["a"]}"#).unwrap();
    let token = token["token"]["id"].as_str().unwrap().to_owned();
    drop(Socket::enter(server.address, Some(&token)));
    until(|| online(&server, "a") == 400);
    assert_eq!(count(&wait_for(&receiver, 801), CONNECTED), 801);
    assert_eq!(server.stop("TERM"), Some(0));
    drop(sockets);
    let log = fs_log(folder.path());
    assert!(!log.contains("the next start does it"), "{log}");
    // What the process did not post any more is posted by the next one, which has nothing to add.
    let server = Process::start(folder.path(), PATIENT);
    let calls = wait_for(&receiver, 1602);
    let left = read(&calls);
    assert!(left.len() == 2 && left.values().all(BTreeSet::is_empty), "{left:?}");
    let _back = crowd(server.address, 8, &["a"]);
    let calls = wait_for(&receiver, 1610);
    assert_eq!(read(&calls)["a"].len(), 8);
    server.assert_well();
}

#[test]
fn after_a_kill_the_next_start_tells_who_has_gone_and_only_then_who_comes() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Process::start(folder.path(), PATIENT);
    let receiver = Receiver::start(|_, _| says(200));
    hook(&server, &receiver, &[CONNECTED, DISCONNECTED]);
    channel(&server, "a");
    channel(&server, "b");
    let mut told = 0;
    for round in 1..4 {
        let sockets = crowd(server.address, 80 * round, &["a", "b"]);
        told += 2 * 80 * round;
        let calls = wait_for(&receiver, told);
        let here = read(&calls);
        assert!(here.values().all(|here| here.len() == 80 * round), "round {round}: {here:?}");
        server.kill();
        drop(sockets);
        server = Process::start(folder.path(), PATIENT);
        told += 2 * 80 * round;
    }
    let left = read(&wait_for(&receiver, told));
    assert!(left.len() == 2 && left.values().all(BTreeSet::is_empty), "{left:?}");
    server.assert_well();
}

#[test]
fn who_was_there_before_anybody_wanted_to_hear_is_told_to_have_gone() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), PATIENT);
    let receiver = Receiver::start(|_, _| says(200));
    channel(&server, "a");
    channel(&server, "b");
    let sockets = crowd(server.address, 8, &["a", "b"]);
    hook(&server, &receiver, &[DISCONNECTED]);
    // By then the channels have been asked who is online.
    until(|| online(&server, "a") == 8 && online(&server, "b") == 8);
    assert_eq!(server.stop("TERM"), Some(0));
    drop(sockets);
    let server = Process::start(folder.path(), PATIENT);
    let calls = wait_for(&receiver, 16);
    let mut left: Vec<u64> = Vec::new();
    for call in calls {
        left.push(call.json()["data"]["online_count"].as_u64().unwrap());
    }
    left.sort_unstable();
    assert_eq!(left, (0..16).map(|n| n / 2).collect::<Vec<_>>());
    server.assert_well();
}

#[test]
fn nobody_is_told_to_have_gone_whom_nobody_wants_to_hear_of_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), PATIENT);
    let receiver = Receiver::start(|_, _| says(200));
    hook(&server, &receiver, &[CONNECTED]);
    channel(&server, "a");
    let sockets = crowd(server.address, 8, &["a"]);
    wait_for(&receiver, 8);
    let hooks = server.http().data("GET", "/v1/projects/@this/webhooks", "").unwrap();
    let id = hooks["webhooks"][0]["id"].as_str().unwrap().to_owned();
    server.http().call("DELETE", &format!("/v1/projects/@this/webhooks/{id}"), "").unwrap();
    server.kill();
    drop(sockets);
    let server = Process::start(folder.path(), PATIENT);
    let receiver = Receiver::start(|_, _| says(200));
    hook(&server, &receiver, &[CONNECTED, DISCONNECTED]);
    let _one = crowd(server.address, 8, &["a"]);
    let calls = wait_for(&receiver, 8);
    assert_eq!(read(&calls)["a"].len(), 8);
    server.assert_well();
}

/// Subscribes for as long as the session lasts.
fn subscribe_briefly(socket: &mut Socket, channel: &str) {
    socket.dispatch("SUBSCRIBE", channel, &json!({"ephemeral": true}));
    assert_eq!(socket.expect("AVAILABLE")["c"], channel);
}

/// Channel and token of each event of this name about an ephemeral subscription.
fn briefly(calls: &[Hooked], event: &str) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for call in calls.iter().map(Hooked::json).filter(|call| call["event"] == event) {
        let text = |name: &str| call["data"][name].as_str().unwrap().to_owned();
        if call["data"]["ephemeral"] == true {
            assert!(found.insert((text("channel"), text("token"))), "told twice: {call}");
        }
    }
    found
}

#[test]
fn an_ephemeral_subscription_is_told_to_have_ended_however_the_server_does() {
    for signal in ["TERM", "KILL"] {
        let folder = tempfile::tempdir().unwrap();
        let server = Process::start(folder.path(), PATIENT);
        let receiver = Receiver::start(|_, _| says(200));
        let tokens: Vec<String> = (0..5).map(|_| token(&server)).collect();
        let mut sockets = Vec::new();
        for name in ["a", "b", "c"] {
            channel(&server, name);
        }
        // The first channel before anybody wants to hear, the others behind that.
        for token in &tokens {
            let (mut socket, _) = Socket::enter(server.address, Some(token));
            subscribe_briefly(&mut socket, "a");
            sockets.push(socket);
        }
        let id = hook(&server, &receiver, &["channel.subscribed", "channel.unsubscribed"]);
        for socket in &mut sockets {
            subscribe_briefly(socket, "b");
            subscribe_briefly(socket, "c");
        }
        // One that becomes permanent stays, one that is taken back is told at once, and a channel takes its own along.
        sockets[0].subscribe("b");
        sockets[1].dispatch("UNSUBSCRIBE", "b", &Value::Null);
        server.http().data("DELETE", "/v1/channels/c", "").unwrap();
        let calls = wait_for(&receiver, 12);
        let gone = |channel: &str, who: &[usize]| -> BTreeSet<(String, String)> {
            who.iter().map(|n| (channel.to_owned(), tokens[*n].clone())).collect()
        };
        assert_eq!(briefly(&calls, "channel.unsubscribed"), gone("b", &[1]));

        server.stop(signal);
        drop(sockets);
        let server = Process::start(folder.path(), PATIENT);
        // Behind all that the end of the others is.
        let (mut last, _) = Socket::enter(server.address, Some(&tokens[4]));
        subscribe_briefly(&mut last, "a");
        let calls = wait_for(&receiver, 12 + 5 + 3 + 1);
        let mut expected = gone("b", &[1, 2, 3, 4]);
        expected.extend(gone("a", &[0, 1, 2, 3, 4]));
        assert_eq!(briefly(&calls, "channel.unsubscribed"), expected, "{signal}");
        let path = format!("/v1/projects/@this/webhooks/{id}/deliveries?page=1&pageSize=1000");
        let all = server.http().data("GET", &path, "").unwrap();
        assert_eq!(all["deliveries"].as_array().unwrap().len(), calls.len(), "{signal}");
        server.assert_well();
    }
}

#[test]
fn what_the_store_did_not_take_is_told_when_it_does_and_nobody_waits_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Process::start_logging_to(Stdio::piped(), folder.path(), SETTINGS);
    let log = BufReader::new(server.take_stderr().unwrap());
    let log = thread::spawn(move || log.lines().map_while(Result::ok).collect::<Vec<_>>());
    let receiver = Receiver::start(|_, _| says(200));
    hook(&server, &receiver, &[CONNECTED, DISCONNECTED, "channel.message"]);
    let open = r#"{"type":"unprotected","capabilities":["CLIENT_PUBLISH"]}"#;
    server.http().data("PUT", "/v1/channels/a", open).unwrap();
    let mut stays = crowd(server.address, 8, &["a"]);
    wait_for(&receiver, 8);

    server.let_write(false);
    let goes = crowd(server.address, 40, &["a"]);
    // Each is heard before the next is sent, as if nothing were wrong.
    for n in 0..200 {
        let speaker = &mut stays[n % 8];
        speaker.dispatch("MESSAGE", "a", &json!({"e": "SAID", "d": n}));
        for socket in &mut stays {
            assert_eq!(socket.expect("MESSAGE")["d"]["d"], n);
        }
    }
    drop(goes);
    until(|| online(&server, "a") == 8);
    assert_eq!(receiver.calls().len(), 8);

    server.let_write(true);
    let mut calls = wait_for(&receiver, 8 + 2 * 40 + 200);
    let said = calls.extract_if(.., |call| call.json()["event"] == "channel.message");
    // In the order in which the channel took them, whoever sent them.
    let mut said: Vec<_> = said.map(|call| call.json()["data"].clone()).collect();
    said.sort_by_key(|data| data["seq"].as_i64().unwrap());
    assert!(said.iter().enumerate().all(|(n, data)| data["d"] == n), "{said:?}");
    assert_eq!(read(&calls)["a"].len(), 8);
    assert_eq!(server.stop("TERM"), Some(0));
    let lines = log.join().unwrap();
    assert!(lines.len() < 20, "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains("left out")), "{lines:#?}");
}

/// What servers on a folder wrote to their log.
fn fs_log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("log")).unwrap()
}
