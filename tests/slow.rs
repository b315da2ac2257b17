//! A subscriber that stops reading costs its own connection and a bounded piece of memory, and nobody else anything
//!.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in a test, a panic is the report"
)]

mod socket;
mod support;

use serde_json::{Value, json};
use socket::{Http, Process, Received, Socket};
use std::net::SocketAddr;
use std::thread;

/// How many messages are published.
const MESSAGES: u64 = 400;
/// The bytes of each one's text.
const TEXT_BYTES: usize = 64 * 1024;
/// What the server may grow by: a queue of 1 MiB for each of the five, what a session keeps, and an allocator's slack.
const MAX_GROWTH: u64 = 24 << 20;
/// The messages that a queue of 1 MiB holds, and the one that it has no room for.
const MAX_LOST: u64 = 17;
/// Publishes this channel's messages.
const MESSAGES_PATH: &str = "/v1/channels/room/messages";

/// A server with a channel for tokens, and tokens subscribed to it.
fn server(folder: &std::path::Path, tokens: usize) -> (Process, Vec<String>) {
    let server = Process::start(folder, &[]);
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
    let (server, tokens) = server(folder.path(), 5);
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
    let lost = MESSAGES.checked_sub(read + missed + (MESSAGES - first)).expect("nothing twice");
    // From the moment that it is given up its session keeps what comes; only its queue is lost.
    assert!(lost <= MAX_LOST, "{lost} lost, {missed} missed, from {first} on kept");
    println!(
        "{MESSAGES} messages of 64 KiB: slow after {read}, {missed} missed, {} kept, {lost} lost in its queue; \
         grown by {grown} bytes",
        kept.len(),
    );
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
