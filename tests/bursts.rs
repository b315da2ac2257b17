//! Much at once is no fault of its reader: whoever reads as fast as the server writes is never called slow.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in a test, a panic is the report"
)]

mod socket;
mod support;

use serde_json::{Value, json};
use socket::{Http, Process, Socket};
use std::net::SocketAddr;
use std::thread;

/// The state's path.
const STATE: &str = "/v1/channels/room/state";

/// A state that takes about so many bytes.
fn state(bytes: usize) -> Value {
    json!({"text": "x".repeat(bytes)})
}

/// Creates a token that is subscribed to these channels.
fn token(http: &mut Http, channels: &[String]) -> String {
    let body = json!({"channels": channels}).to_string();
    let made = http.data("POST", "/v1/channels/tokens", &body).unwrap();
    made["token"]["id"].as_str().unwrap().to_owned()
}

#[test]
fn an_init_of_any_size_reaches_its_connection() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &[]);
    let mut http = server.http();
    let mut channels = Vec::new();
    for n in 1..=4 {
        channels.push(format!("room-{n}"));
        let body = json!({"state": state(600_000)}).to_string();
        http.data("PUT", &format!("/v1/channels/room-{n}"), &body).unwrap();
        let token = token(&mut http, &channels);
        let (mut socket, init) = Socket::enter(server.address, Some(&token));
        assert_eq!(init["channels"].as_array().unwrap().len(), n);
        http.data("POST", "/v1/channels/room-1/messages", r#"{"e":"N","d":null}"#).unwrap();
        assert_eq!(socket.expect("MESSAGE")["c"], "room-1");
    }
    server.assert_well();
}

#[test]
fn what_was_kept_for_a_session_fits_behind_an_init_of_any_size() {
    const COUNT: u64 = 300;
    for (init_bytes, bytes) in [(10, 3900), (10, 65_536), (900_000, 100), (900_000, 4000)] {
        let folder = tempfile::tempdir().unwrap();
        let server = Process::start(folder.path(), &[]);
        let mut http = server.http();
        let body = json!({"state": state(init_bytes)}).to_string();
        http.data("PUT", "/v1/channels/room", &body).unwrap();
        let token = token(&mut http, &["room".to_owned()]);
        drop(Socket::enter(server.address, Some(&token)));
        let path = format!("/v1/channels/tokens/{token}");
        while http.data("GET", &path, "").unwrap()["token"]["is_online"] != false {}
        for n in 0..COUNT {
            let body = json!({"e": "N", "d": {"n": n, "text": "x".repeat(bytes)}}).to_string();
            http.data("POST", "/v1/channels/room/messages", &body).unwrap();
        }
        let (mut socket, init) = Socket::enter(server.address, Some(&token));
        let missed = init["missed"].as_u64().unwrap_or(0);
        assert!(missed < COUNT, "{bytes}: nothing was kept");
        for n in missed..COUNT {
            assert_eq!(socket.expect("MESSAGE")["d"]["d"]["n"], n, "{init_bytes}, {bytes}");
        }
        server.assert_well();
    }
}

/// Patches so often, one after the other.
fn patch(address: SocketAddr, patcher: usize, times: usize) {
    let mut http = Http::connect(address).unwrap();
    for n in 0..times {
        http.data("PATCH", STATE, &json!({format!("p{patcher}"): n}).to_string()).unwrap();
    }
}

#[test]
fn writers_at_a_time_do_not_cost_a_reader_its_connection() {
    const TIMES: usize = 20;
    // The state's bytes and the writers: what is committed together is dispatched together.
    for (bytes, patchers) in [(1000, 64), (20_000, 64), (60_000, 32), (300_000, 4)] {
        let folder = tempfile::tempdir().unwrap();
        let server = Process::start(folder.path(), &[]);
        let address = server.address;
        let body = json!({"type": "unprotected", "state": state(bytes)}).to_string();
        server.http().data("PUT", "/v1/channels/room", &body).unwrap();
        let (mut socket, _) = Socket::enter(address, None);
        socket.subscribe("room");
        thread::scope(|scope| {
            for patcher in 0..patchers {
                scope.spawn(move || patch(address, patcher, TIMES));
            }
            for n in 0..patchers * TIMES {
                if let Err(end) = socket.try_next() {
                    panic!("{bytes} bytes, {patchers} writers: {end:?} after {n} updates");
                }
            }
        });
        server.assert_well();
    }
}
