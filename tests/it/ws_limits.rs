//! What one hostile connection may cost: never more than the bounds say, however much it sends (RFC 6455 §10.4).

use crate::socket::frame::{self, BINARY, LAST, MIDDLE, PING, PONG, TEXT, TEXT_BEGIN, masked};
use crate::socket::{Process, Received, Socket};
use crate::support::PROJECT;
use serde_json::json;
use std::time::Duration;

/// What the server may grow by: the largest frame, the largest queue, and what an allocator keeps of them.
const MAX_GROWTH: u64 = 8 << 20;
/// How often a flood is sent.
const FLOODS: usize = 32;
/// The bytes of a flood, roughly.
const FLOOD_BYTES: usize = 1 << 20;

/// Sends a flood again and again and returns what the server grew by at its largest; ends early if it hangs up.
fn growth(server: &Process, socket: &mut Socket, flood: &[u8]) -> u64 {
    let before = server.resident();
    let mut peak = before;
    for _ in 0..FLOODS {
        if socket.try_write(flood).is_err() {
            break;
        }
        peak = peak.max(server.resident());
    }
    peak - before
}

#[test]
fn a_flood_of_frames_without_an_answer_is_read_at_the_servers_pace() {
    let ignored = json!({"op": 0, "d": {"e": "NOTHING_KNOWN"}}).to_string();
    let floods = [
        ("pongs", Vec::new(), masked(PONG, b"")),
        ("unknown events", Vec::new(), masked(TEXT, ignored.as_bytes())),
        ("empty fragments", masked(TEXT_BEGIN, br#"{"op":3}"#), masked(MIDDLE, b"")),
    ];
    for (name, begin, frame) in floods {
        let folder = tempfile::tempdir().unwrap();
        let server = Process::start(folder.path(), &[]);
        let (mut socket, _) = Socket::enter(server.address, None);
        socket.write(&begin);
        let grown = growth(&server, &mut socket, &frame.repeat(FLOOD_BYTES / frame.len()));
        println!("{name}: {FLOODS} MiB, grown by {grown} bytes");
        assert!(grown < MAX_GROWTH, "{name}: grown by {grown} bytes");
        socket.write(&masked(PING, b"still read"));
        assert_eq!(socket.next_pong(), b"still read", "{name}");
        server.assert_well();
    }
}

#[test]
fn who_floods_and_never_reads_the_answers_is_closed() {
    let beat = json!({"op": 3, "d": {"tag": "x".repeat(200)}}).to_string();
    for (name, frame) in [("pings", masked(PING, &[7; 125])), ("beats", frame::text(&beat))] {
        let folder = tempfile::tempdir().unwrap();
        let server = Process::start(folder.path(), &[]);
        let (mut socket, _) = Socket::enter(server.address, None);
        socket.set_write_patience(Duration::from_secs(2));
        let grown = growth(&server, &mut socket, &frame.repeat(FLOOD_BYTES / frame.len()));
        println!("{name}: grown by {grown} bytes");
        assert!(grown < MAX_GROWTH, "{name}: grown by {grown} bytes");
        server.assert_well();
    }
}

#[test]
fn a_frame_over_the_limit_is_not_swallowed() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &[]);
    let mut socket = Socket::open(server.address);
    socket.write(&frame::declared(BINARY, 1 << 40));
    let grown = growth(&server, &mut socket, &vec![b'x'; FLOOD_BYTES]);
    println!("grown by {grown} bytes");
    assert!(grown < MAX_GROWTH, "grown by {grown} bytes");
    server.assert_well();
}

#[test]
fn a_length_over_the_limit_is_refused_before_its_payload_comes() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &[]);
    for length in [(1 << 20) + 1, 1 << 31, (1 << 63) - 1] {
        let mut socket = Socket::open(server.address);
        socket.write(&frame::declared(TEXT, length));
        assert_eq!(socket.expect_close().0, 1009, "{length}");
    }
    server.assert_well();
}

/// A heartbeat of so many bytes.
fn beat(bytes: usize) -> Vec<u8> {
    format!(r#"{{"op":3,"x":"{}"}}"#, "x".repeat(bytes - 15)).into_bytes()
}

#[test]
fn a_stranger_sends_little_in_one_piece_until_it_identifies() {
    const LITTLE: usize = 16 * 1024;
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &[]);
    let in_parts = |payload: &[u8]| {
        let (head, tail) = payload.split_at(LITTLE / 2);
        [masked(TEXT_BEGIN, head), masked(LAST, tail)].concat()
    };
    let (fits, over) = (beat(LITTLE), beat(LITTLE + 1));
    for (fits, over) in
        [(masked(TEXT, &fits), masked(TEXT, &over)), (in_parts(&fits), in_parts(&over))]
    {
        let mut socket = Socket::open(server.address);
        socket.write(&fits);
        assert!(matches!(socket.receive(), Received::Text(ack) if ack.contains("\"op\":4")));
        socket.write(&over);
        let (code, reason) = socket.expect_close();
        assert!(code == 1009 && reason.contains("16384"), "{code} {reason}");
    }
    // What is large and comes right behind its IDENTIFY is no stranger's.
    let identify = frame::text(&json!({"op": 2, "d": {"project_id": PROJECT}}).to_string());
    for large in [masked(TEXT, &beat(200_000)), in_parts(&beat(200_000))] {
        let mut socket = Socket::open(server.address);
        socket.write(&[&*identify, &*large].concat());
        let answers = [(); 2].map(|()| match socket.receive() {
            Received::Text(text) => text,
            other => panic!("{other:?}"),
        });
        assert!(answers.iter().any(|text| text.contains("INIT")), "{answers:?}");
        assert!(answers.iter().any(|text| text.contains("\"op\":4")), "{answers:?}");
    }
    server.assert_well();
}

#[test]
fn a_thousand_strangers_hold_no_more_than_they_may() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &[]);
    let before = server.resident();
    // All but the end of the largest frame, behind half of a message.
    let most = masked(LAST, &[b'x'; 8 * 1024]);
    let unfinished = [&*masked(TEXT_BEGIN, &[b'x'; 8 * 1024]), &most[..most.len() - 1]].concat();
    let sockets: Vec<_> = (0..1000)
        .map(|_| {
            let mut socket = Socket::open(server.address);
            socket.write(&unfinished);
            socket
        })
        .collect();
    // Whoever comes last is served when the bytes of all others have been read.
    let (mut last, _) = Socket::enter(server.address, None);
    last.beat();
    let grown = server.resident().saturating_sub(before);
    println!("{} strangers: grown by {grown} bytes", sockets.len());
    assert!(grown < 64 << 20, "grown by {grown} bytes");
    server.assert_well();
}

#[test]
fn a_message_over_the_limit_is_refused_before_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &[]);
    let mut socket = Socket::open(server.address);
    socket.write(&masked(TEXT_BEGIN, br#"{"op":3,"x":""#));
    let part = masked(MIDDLE, &vec![b'x'; 65_536]);
    let grown = growth(&server, &mut socket, &part.repeat(FLOOD_BYTES / part.len()));
    assert!(grown < MAX_GROWTH, "grown by {grown} bytes");
    // The server may have hung up already; the code has come before.
    let _ = socket.try_write(&masked(LAST, b"\"}"));
    assert!(matches!(socket.receive(), Received::Close(1009, _)));
    server.assert_well();
}
