//! A subscriber that stops reading costs its own connection and a bounded piece of memory, and nobody else anything
//!.

use crate::scene::eventually;
use crate::socket::{Http, Process, Received, Socket};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// How many messages are published.
const MESSAGES: u64 = 400;
/// The bytes of each one's text.
const TEXT_BYTES: usize = 64 * 1024;
/// What may wait for all readers of a worker.
const TOGETHER: u64 = 8 << 20;
/// What the server may grow by: that, what its channels keep, and an allocator's slack.
const MAX_GROWTH: u64 = TOGETHER + (16 << 20);
/// Publishes this channel's messages.
const MESSAGES_PATH: &str = "/v1/channels/room/messages";

/// A server with a channel for tokens, and tokens subscribed to it.
fn server(folder: &Path, tokens: usize) -> (Process, Vec<String>) {
    server_with(folder, tokens, &[])
}

/// The same with these settings.
fn server_with(folder: &Path, tokens: usize, settings: &[(&str, &str)]) -> (Process, Vec<String>) {
    let server = Process::start(folder, settings);
    let mut http = server.http();
    http.data("PUT", "/v1/channels/room", r#"{"state":{"is":"fresh"}}"#).unwrap();
    let token = |_| {
        let made = http.data("POST", "/v1/channels/tokens", r#"{"channels":["room"]}"#).unwrap();
        made["token"]["id"].as_str().unwrap().to_owned()
    };
    let tokens = (0..tokens).map(token).collect();
    (server, tokens)
}

/// Publishes message after message; returns the most that the server occupied.
fn publish(server: &Process, count: u64, bytes: usize) -> u64 {
    let (mut http, text, mut peak) = (server.http(), "x".repeat(bytes), 0);
    for n in 0..count {
        let body = json!({"e": "N", "d": {"n": n, "text": text}}).to_string();
        http.data("POST", MESSAGES_PATH, &body).unwrap();
        peak = peak.max(server.resident());
    }
    peak
}

/// The number in a message's data.
fn number(dispatch: &Value) -> u64 {
    assert_eq!((&dispatch["e"], &dispatch["c"]), (&json!("MESSAGE"), &json!("room")), "{dispatch}");
    dispatch["d"]["d"]["n"].as_u64().unwrap()
}

/// Reads all messages and asserts their order.
fn read_all(address: SocketAddr, token: &str) -> thread::JoinHandle<()> {
    let (mut socket, _) = Socket::enter(address, Some(token));
    thread::spawn(move || {
        for n in 0..MESSAGES {
            assert_eq!(number(&socket.next()), n);
        }
    })
}

#[test]
fn who_stops_reading_is_closed_and_harms_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("small.toml");
    std::fs::write(&config, format!("[limits]\nworker-outbox-bytes = {TOGETHER}\n")).unwrap();
    let (server, tokens) =
        server_with(folder.path(), 5, &[("WARREN_CONFIG", config.to_str().unwrap())]);
    let (slow_token, tokens) = tokens.split_first().unwrap();
    let (mut slow, init) = Socket::enter(server.address, Some(slow_token));
    assert_eq!(init["channels"][0]["id"], "room");
    let readers: Vec<_> = tokens.iter().map(|token| read_all(server.address, token)).collect();
    let before = server.resident();
    let peak = publish(&server, MESSAGES, TEXT_BYTES);
    for reader in readers {
        reader.join().expect("the others get everything, in order");
    }
    let grown = peak.max(server.resident()).saturating_sub(before);
    assert!(grown < MAX_GROWTH, "grown by {grown} bytes");

    // What the kernel took for it is in order and without a gap; then it is told why there is no more.
    let mut read = 0;
    let end = loop {
        match slow.try_next() {
            Ok(dispatch) => assert_eq!(number(&dispatch), read),
            Err(end) => break end,
        }
        read += 1;
    };
    assert!(matches!(end, Received::Close(4009, _)), "{end:?} after {read}");
    assert!(read < MESSAGES, "it never was slow");

    let (mut back, init) = Socket::enter(server.address, Some(slow_token));
    assert_eq!(init["channels"][0]["state"], json!({"is": "fresh"}), "{init}");
    server.http().data("POST", MESSAGES_PATH, r#"{"e":"LAST","d":null}"#).unwrap();
    let mut kept = Vec::new();
    loop {
        let dispatch = back.next();
        if dispatch["d"]["e"] == "LAST" {
            break;
        }
        kept.push(number(&dispatch));
    }
    let missed = init["missed"].as_u64().unwrap_or(0);
    // The newest are kept without a gap.
    let first = kept.first().copied().unwrap_or(MESSAGES);
    assert_eq!(kept, (first..MESSAGES).collect::<Vec<_>>());
    // What the system had taken it has read. Of the rest, its channel has the newest, and counts what is older.
    assert_eq!(read + missed, first, "{read} read and {missed} missed, from {first} on kept");
    println!(
        "{MESSAGES} messages of 64 KiB: slow after {read}, {missed} missed, {} kept; grown by {grown} bytes",
        kept.len(),
    );
    server.assert_well();
}

/// Whether sockets are a route of the HTTP layer, which does not say what has arrived and ends its streams itself.
pub(crate) fn by_route() -> bool {
    std::env::var("WARREN_SOCKET").is_ok_and(|way| way == "route")
}

#[test]
fn who_is_closed_reads_on_to_its_close_frame_however_slowly() {
    if by_route() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (server, tokens) = server(folder.path(), 1);
    let (mut slow, init) = Socket::enter(server.address, tokens.first().map(String::as_str));
    slow.read_little();
    let cid = init["cid"].as_str().unwrap();
    // Half of it lies in the system's buffer by the time of the close, and the rest in the queue.
    let count = 10;
    publish(&server, count, 100 * 1024);
    server.http().data("DELETE", &format!("/v1/channels/connections/{cid}"), "").unwrap();
    for n in 0..count {
        assert_eq!(number(&slow.next()), n);
        // As slowly as a bad line: this is what is tested.
        thread::sleep(Duration::from_millis(600));
    }
    assert_eq!(slow.expect_close().0, 4000);
    server.assert_well();
}

#[test]
fn what_a_reset_leaves_in_the_systems_buffer_comes_again_or_is_counted() {
    if by_route() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (server, tokens) = server(folder.path(), 1);
    let token = tokens.first().map(String::as_str);
    let (one, _) = Socket::enter(server.address, token);
    one.read_little();
    let count = 1000;
    publish(&server, count, 500);
    // What this side's system has acknowledged is what could be read now; a message that is there in part is not there.
    let read = one.whole_frames_there();
    assert!(0 < read && read < count, "{read}");
    one.reset();
    let mut http = server.http();
    let path = format!("/v1/channels/tokens/{}", tokens.first().unwrap());
    eventually("it is known to have gone", || {
        http.data("GET", &path, "").unwrap()["token"]["is_online"] == false
    });
    let (mut back, init) = Socket::enter(server.address, token);
    let missed = init["missed"].as_u64().unwrap_or(0);
    let first = number(&back.next());
    for n in first + 1..count {
        assert_eq!(number(&back.next()), n);
    }
    // Several that left in one write come again until all of it has arrived.
    let again = (read + missed).checked_sub(first).expect("nothing is lost without a word");
    assert!(again <= 32, "{read} read, {missed} missed, from {first} on again");
    server.assert_well();
}

/// What the system keeps for a reader is out of the server's reach once that reader is given up.
#[test]
fn the_system_keeps_little_for_a_reader_that_reads_nothing() {
    const PUBLISHED: u64 = 4 << 20;
    let folder = tempfile::tempdir().unwrap();
    let (server, tokens) = server(folder.path(), 1);
    let (silent, _) = Socket::enter(server.address, tokens.first().map(String::as_str));
    silent.read_little();
    let waits = || {
        let listed = server.http().data("GET", "/v1/channels/room/connections", "").unwrap();
        listed["connections"][0]["queue_bytes"].as_u64().unwrap()
    };
    publish(&server, 1, usize::try_from(PUBLISHED).unwrap());
    // The system doubles what is asked for, to have room for its own, and the reader's side has a buffer too.
    eventually("nearly all of it waits here", || waits() >= PUBLISHED - (1 << 20));
    server.assert_well();
}

#[test]
fn a_reader_that_keeps_up_is_never_called_slow() {
    let folder = tempfile::tempdir().unwrap();
    let (server, tokens) = server(folder.path(), 1);
    let (mut socket, _) = Socket::enter(server.address, tokens.first().map(String::as_str));
    let mut http = Http::connect(server.address).unwrap();
    let text = "x".repeat(3 << 20);
    for n in 0..8 {
        // One frame of any size is taken by an empty queue; what follows is small.
        let body = json!({"e": "N", "d": {"n": 2 * n, "text": text}}).to_string();
        http.data("POST", MESSAGES_PATH, &body).unwrap();
        assert_eq!(number(&socket.next()), 2 * n);
        http.data("POST", MESSAGES_PATH, &json!({"e": "N", "d": {"n": 2 * n + 1}}).to_string())
            .unwrap();
        assert_eq!(number(&socket.next()), 2 * n + 1);
    }
    server.assert_well();
}
