//! Event streams over restarts, and those that take too much or too little: what is lost, what is told, what is bounded.

use crate::scene::{Config, create, eventually, new_token};
use crate::socket::{Dice, Process, Socket, Stopwatch, StreamAsk, StreamClient};
use crate::support::{Server, until};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// How often the server goes.
const ENDS: u64 = 6;

/// Publishes these numbers to a channel.
fn say(server: &Process, channel: &str, numbers: std::ops::Range<u64>) {
    let mut http = server.http();
    for number in numbers {
        let body = json!({"e": "n", "d": number}).to_string();
        http.data("POST", &format!("/v1/channels/{channel}/messages"), &body).unwrap();
    }
}

/// The next message's number, past what else is said; `told` is handed that.
fn number(stream: &mut StreamClient, mut told: impl FnMut(&Value)) -> u64 {
    loop {
        let event = stream.next();
        if event["e"] == "MESSAGE" {
            return event["d"]["d"].as_u64().unwrap();
        }
        told(&event);
    }
}

/// Asserts that no event tells of a hole in a channel.
fn assert_whole(event: &Value) {
    let channels = event["d"]["channels"].as_array().into_iter().flatten();
    for channel in channels.chain([&event["d"]]) {
        assert_ne!(channel["recovered"], false, "{event}");
    }
}

#[test]
fn over_kills_and_restarts_what_is_kept_is_heard_once_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Process::start(folder.path(), &[]);
    let able = r#"{"type":"unprotected","capabilities":["HISTORY"]}"#;
    let mut http = server.http();
    http.data("PUT", "/v1/channels/kept", able).unwrap();
    let made = http.data("POST", "/v1/channels/tokens", r#"{"channels":["kept"]}"#).unwrap();
    let token = made["token"]["id"].as_str().unwrap().to_owned();
    let (mut dice, mut said) = (Dice::new(), 0);
    // Each has what it asks with, the last id that it has read, and the number that comes next.
    let ask = |token| StreamAsk::with(token).and("channels", "kept");
    let mut readers = [(ask(None), String::new(), 0), (ask(Some(&*token)), String::new(), 0)];
    for (ask, last, _) in &mut readers {
        let (mut stream, _) = StreamClient::enter(server.address, ask);
        if stream.last_id.is_empty() {
            stream.expect("AVAILABLE");
        }
        *last = stream.hang_up();
    }
    for round in 0..ENDS {
        say(&server, "kept", said..said + 20);
        said += 20;
        for (ask, last, next) in &mut readers {
            let mut stream = StreamClient::open(server.address, &ask.clone().after(last));
            // Some of it, and the rest is read no more.
            let upto = said - dice.below(20);
            while *next < upto {
                assert_eq!(number(&mut stream, assert_whole), *next);
                *next += 1;
            }
            *last = stream.last_id;
        }
        if round % 2 == 0 {
            server.kill();
        } else {
            assert_eq!(server.stop("TERM"), Some(0));
        }
        server = Process::start(folder.path(), &[]);
    }
    say(&server, "kept", said..said + 1);
    for (ask, last, mut next) in readers {
        let mut stream = StreamClient::open(server.address, &ask.after(&last));
        while next <= said {
            assert_eq!(number(&mut stream, assert_whole), next);
            next += 1;
        }
    }
    server.assert_well();
}

#[test]
fn what_went_with_the_process_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &[]);
    server.http().data("PUT", "/v1/channels/room", r#"{"type":"unprotected"}"#).unwrap();
    let ask = StreamAsk::default().and("channels", "room");
    let (mut stream, _) = StreamClient::enter(server.address, &ask);
    stream.expect("AVAILABLE");
    say(&server, "room", 0..1);
    assert_eq!(number(&mut stream, assert_whole), 0);
    let clock = Stopwatch::start();
    let stopping = thread::spawn(move || server.stop("TERM"));
    assert_eq!(stream.expect_close().0, 4010);
    assert_eq!(stopping.join().unwrap(), Some(0));
    assert!(clock.elapsed() < Duration::from_secs(5), "{:?}", clock.elapsed());
    let server = Process::start(folder.path(), &[]);
    let mut back = StreamClient::open(server.address, &ask.after(&stream.last_id));
    back.expect("INIT");
    assert_eq!(back.expect("AVAILABLE")["d"]["recovered"], false);
    server.assert_well();
}

/// How many messages are published to readers of whom one reads nothing.
const MESSAGES: u64 = 400;
/// What may wait for all readers of a worker.
const TOGETHER: u64 = 8 << 20;

/// How far those who read may be behind: on a busy machine they would be too slow as well.
const AHEAD: u64 = 16;

/// Reads all messages and asserts their order; counts them.
fn read_all(address: SocketAddr, ask: StreamAsk, read: Arc<AtomicU64>) -> thread::JoinHandle<()> {
    let (mut stream, _) = StreamClient::enter(address, &ask);
    stream.expect("AVAILABLE");
    thread::spawn(move || {
        for n in 0..MESSAGES {
            assert_eq!(stream.next()["d"]["d"]["n"], n);
            read.fetch_add(1, Ordering::SeqCst);
        }
    })
}

/// A server with this bound, and one channel.
fn bounded(folder: &Path) -> Process {
    let config = folder.join("small.toml");
    std::fs::write(&config, format!("[limits]\nworker-outbox-bytes = {TOGETHER}\n")).unwrap();
    let server = Process::start(folder, &[("WARREN_CONFIG", config.to_str().unwrap())]);
    server.http().data("PUT", "/v1/channels/room", r#"{"type":"unprotected"}"#).unwrap();
    server
}

#[test]
fn a_stream_that_is_not_read_is_closed_and_harms_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let server = bounded(folder.path());
    let ask = StreamAsk::default().and("channels", "room");
    let (mut slow, _) = StreamClient::enter(server.address, &ask);
    slow.expect("AVAILABLE");
    let counts = [const { AtomicU64::new(0) }; 3].map(Arc::new);
    let all = counts.iter().cloned();
    let readers: Vec<_> = all.map(|read| read_all(server.address, ask.clone(), read)).collect();
    let (before, text) = (server.resident(), "x".repeat(64 * 1024));
    let (mut http, mut peak) = (server.http(), before);
    for n in 0..MESSAGES {
        let body = json!({"e": "N", "d": {"n": n, "text": text}}).to_string();
        let keeps_up = |read: &Arc<AtomicU64>| read.load(Ordering::SeqCst) + AHEAD > n;
        eventually("the others keep up", || counts.iter().all(keeps_up));
        http.data("POST", "/v1/channels/room/messages", &body).unwrap();
        peak = peak.max(server.resident());
    }
    for reader in readers {
        reader.join().expect("the others get everything, in order");
    }
    let mut read = 0;
    let code = loop {
        let event = slow.next();
        if event["e"] == "CLOSE" {
            break event["d"]["code"].clone();
        }
        assert_eq!(event["d"]["d"]["n"], read, "in order and without a gap");
        read += 1;
    };
    assert_eq!(code, 4009);
    assert!(read < MESSAGES, "it never was slow");
    let metrics = server.http().call_as(crate::support::ADMIN, "GET", "/metrics", "").unwrap();
    let metrics = metrics.text();
    assert!(metrics.contains("warren_slow_consumers_total 1"), "{metrics}");
    assert!(metrics.contains("warren_event_streams "), "{metrics}");
    let grown = peak.saturating_sub(before);
    assert!(grown < TOGETHER + (24 << 20), "grown by {grown} bytes");
    println!("slow after {read} of {MESSAGES}; grown by {grown} bytes");
    // What the line remembers of the rest it can have; of the others it is told.
    let (_, init) = StreamClient::enter(server.address, &ask.after(&slow.last_id));
    assert_eq!(init["scope"], "noauth");
    server.assert_well();
}

#[test]
fn streams_and_sockets_share_the_places_of_an_address_and_of_a_token() {
    let config = Config::limits("address-connections = 3\ntoken-connections = 1");
    let server = config.start();
    let token = server.new_leap_token();
    let ask = StreamAsk::with(Some(&token));
    let (first, _) = StreamClient::enter(server.address, &ask);
    let socket = || until("a place is free", || Socket::try_open(server.address).ok_or("none"));
    let refused =
        |ask: &StreamAsk| StreamClient::try_open(server.address, ask).err().unwrap().failure();
    assert_eq!(refused(&ask), (429, "rate_limited".to_owned()), "of the token");
    let others = [socket(), socket()];
    let anybody = StreamAsk::default();
    assert_eq!(refused(&anybody), (429, "rate_limited".to_owned()), "of the address");
    drop((first, others));
    until("the places are free", || {
        StreamClient::try_open(server.address, &ask).map(drop).map_err(|answer| answer.text())
    });
    server.assert_well();
}

#[test]
fn a_stream_that_hears_more_than_its_id_holds_is_closed() {
    let server = Server::start();
    let ids: Vec<String> = (0..120).map(|n| format!("a-channel-with-a-long-name-{n}")).collect();
    for id in &ids {
        create(&server, id, "public", &[]);
    }
    let token = new_token(&server, &json!({"channels": ids}));
    let refused = StreamClient::try_open(server.address, &StreamAsk::with(Some(&token)));
    match refused {
        Ok(mut stream) => assert_eq!(stream.expect_close().0, 4008),
        Err(answer) => assert_eq!(answer.failure(), (429, "rate_limited".to_owned())),
    }
    server.assert_well();
}
