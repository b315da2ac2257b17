//! What is not WebSocket, byte by byte, against the real `/ws`: every row earns its own answer, and afterwards the
//! server is as it was (RFC 6455).

use crate::socket::frame::{
    self, BINARY, CLOSE, LAST, MIDDLE, PING, PONG, TEXT, TEXT_BEGIN, masked, unmasked,
};
use crate::socket::{Process, Received, Socket};
use crate::support::PROJECT;
use serde_json::json;

/// A heartbeat of Leap.
const BEAT: &[u8] = br#"{"op":3,"d":{"tag":"beat"}}"#;

/// What a row earns.
#[derive(Clone, Debug)]
enum Earns {
    /// A close frame with this code, then the end.
    Close(u16),
    /// A close frame without a code of the client's: a normal end.
    Echo(u16),
    /// A pong with this payload.
    Pong(Vec<u8>),
    /// The acknowledgement of [`BEAT`]: the bytes were good.
    Ack,
    /// The acknowledgement, then a close frame with this code: the first bytes were good.
    AckAndClose(u16),
}

use Earns::{Ack, AckAndClose, Close, Echo, Pong};

/// The rows: a name, the bytes after the handshake, what they earn.
fn rows() -> Vec<(String, Vec<u8>, Earns)> {
    let mut rows: Vec<(String, Vec<u8>, Earns)> = Vec::new();
    let mut row = |name: &str, bytes: Vec<u8>, earns| rows.push((name.to_owned(), bytes, earns));
    let beat = || masked(TEXT, BEAT);

    row("unmasked text", unmasked(TEXT, BEAT), Close(1002));
    row("unmasked ping", unmasked(PING, b"x"), Close(1002));
    row("unmasked close", unmasked(CLOSE, &[3, 232]), Close(1002));
    row("unmasked and empty", vec![TEXT, 0], Close(1002));
    for (name, bits) in [("RSV1", 0x40), ("RSV2", 0x20), ("RSV3", 0x10), ("all RSV", 0x70)] {
        row(&format!("{name} on text"), masked(TEXT | bits, BEAT), Close(1002));
        row(&format!("{name} on ping"), masked(PING | bits, b""), Close(1002));
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        row(&format!("opcode {opcode}"), masked(0x80 | opcode, b"x"), Close(1002));
    }
    row("opcode 3, unfinished", masked(3, b""), Close(1002));

    for (name, first) in [("ping", PING), ("pong", PONG), ("close", CLOSE)] {
        row(&format!("{name} of 126 bytes"), masked(first, &[b'x'; 126]), Close(1002));
        row(&format!("{name} of 70,000 bytes"), masked(first, &vec![b'x'; 70_000]), Close(1002));
        row(&format!("{name} in fragments"), masked(first & 0x0F, b"xx"), Close(1002));
    }

    for code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1999, 2000, 2999, 5000, 65_535] {
        row(&format!("close {code}"), frame::close(code, b""), Close(1002));
    }
    row("close of one byte", masked(CLOSE, &[3]), Close(1002));
    row("close without UTF-8", frame::close(1000, &[0xFF]), Close(1002));
    for code in [1000, 1001, 1003, 1007, 1008, 1011, 3000, 3999, 4000, 4001, 4999] {
        row(&format!("close {code}"), frame::close(code, b"bye"), Echo(code));
    }
    row("close without a code", masked(CLOSE, b""), Echo(1000));
    row("close and text behind it", [frame::close(1000, b""), beat()].concat(), Echo(1000));
    let pinged = [frame::close(1000, b""), masked(PING, b"x")].concat();
    row("close and ping behind it", pinged, Echo(1000));

    row("continuation at first", masked(LAST, BEAT), Close(1002));
    row("unfinished continuation at first", masked(MIDDLE, BEAT), Close(1002));
    let begun = || masked(TEXT_BEGIN, &BEAT[..5]);
    row("text inside a message", [begun(), beat()].concat(), Close(1002));
    row("binary inside a message", [begun(), masked(BINARY, b"")].concat(), Close(1002));
    row("a beginning inside a message", [begun(), begun()].concat(), Close(1002));
    let ended = [begun(), masked(LAST, &BEAT[5..])].concat();
    let after = [ended.clone(), masked(LAST, b"")].concat();
    row("continuation after the end", after, AckAndClose(1002));
    row("two fragments", ended, Ack);
    let bytes = BEAT.iter().map(|byte| masked(MIDDLE, &[*byte]));
    let single = [masked(TEXT_BEGIN, b""), bytes.collect::<Vec<_>>().concat(), masked(LAST, b"")];
    row("a fragment for each byte", single.concat(), Ack);
    let ping_inside = [begun(), masked(PING, b"mid"), masked(LAST, &BEAT[5..])].concat();
    row("ping inside a message", ping_inside, Pong(b"mid".to_vec()));
    row("close inside a message", [begun(), frame::close(1001, b"")].concat(), Echo(1001));

    row("length with the top bit", frame::declared(TEXT, 1 << 63), Close(1009));
    row("length of all ones", frame::declared(BINARY, u64::MAX), Close(1009));
    row("length in a longer form than needed", frame::long_form(BEAT), Ack);

    row("ping", masked(PING, b"hello"), Pong(b"hello".to_vec()));
    row("empty ping", masked(PING, b""), Pong(Vec::new()));
    row("ping of 125 bytes", masked(PING, &[7; 125]), Pong(vec![7; 125]));
    row("pong that nobody asked for", [masked(PONG, b"x"), beat()].concat(), Ack);
    row("a plain heartbeat", beat(), Ack);
    row("empty text", masked(TEXT, b""), Close(4005));
    row("HTTP", b"GET / HTTP/1.1\r\nHost: test\r\n\r\n".to_vec(), Close(1002));
    rows
}

/// Reads what a row earned; the heartbeat's acknowledgement may stand beside a pong.
fn read(socket: &mut Socket) -> Received {
    match socket.receive() {
        Received::Close(code, reason) => {
            assert_eq!(socket.receive(), Received::End, "after {code} {reason}");
            Received::Close(code, reason)
        }
        other => other,
    }
}

/// Asserts that a row earned what it should.
fn check(name: &str, earns: &Earns, received: &Received) {
    match (earns, received) {
        (Close(code), Received::Close(earned, reason)) => {
            assert_eq!((code, reason.is_empty()), (earned, false), "{name}");
        }
        (Echo(code), Received::Close(earned, _)) => assert_eq!(code, earned, "{name}"),
        (Pong(payload), Received::Pong(echo)) => assert_eq!(payload, echo, "{name}"),
        (Ack, Received::Text(text)) => {
            assert!(text.starts_with(r#"{"op":4,"d":{"tag":"beat""#), "{name}: {text}");
        }
        _ => panic!("{name}: earned {received:?} instead of {earns:?}"),
    }
}

#[test]
fn every_row_earns_its_answer_and_nothing_remains() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &[]);
    let rows = rows();
    assert!(rows.len() >= 50, "{}", rows.len());
    let (mut bystander, _) = Socket::enter(server.address, None);
    let mut before = 0;
    // The first round warms the server up; what it keeps from then on it would keep from every round.
    for round in 0..4 {
        let mut open = Vec::new();
        for (name, bytes, earns) in &rows {
            let mut socket = Socket::open(server.address);
            socket.write(bytes);
            open.push((name, earns, socket));
        }
        for (name, earns, mut socket) in open {
            if let AckAndClose(code) = earns {
                check(name, &Ack, &read(&mut socket));
                check(name, &Close(*code), &read(&mut socket));
            } else {
                check(name, earns, &read(&mut socket));
            }
        }
        if round == 0 {
            before = server.resident();
        }
    }
    let grown = server.resident().saturating_sub(before);
    println!("{} rows, 4 times; grown by {grown} bytes", rows.len());
    assert!(grown < 4 << 20, "grown by {grown} bytes");
    bystander.write(&masked(PING, b"unharmed"));
    assert_eq!(bystander.next_pong(), b"unharmed");
    server.assert_well();
}

#[test]
fn bytes_may_come_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &[]);
    let mut socket = Socket::open(server.address);
    for byte in [masked(TEXT, BEAT), frame::long_form(BEAT)].concat() {
        socket.write(&[byte]);
    }
    for _ in 0..2 {
        check("byte by byte", &Ack, &socket.receive());
    }
    server.assert_well();
}

#[test]
fn many_frames_may_come_at_once_and_are_answered_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &[]);
    let mut socket = Socket::open(server.address);
    let mut bytes =
        masked(TEXT, json!({"op": 2, "d": {"project_id": PROJECT}}).to_string().as_bytes());
    for n in 0..500 {
        bytes.extend(masked(
            TEXT,
            json!({"op": 3, "d": {"tag": n.to_string()}}).to_string().as_bytes(),
        ));
    }
    socket.write(&bytes);
    let mut next = 0;
    while next < 500 {
        let Received::Text(text) = socket.receive() else { panic!("ended after {next}") };
        if text.starts_with(r#"{"op":4"#) {
            assert!(text.starts_with(&format!(r#"{{"op":4,"d":{{"tag":"{next}""#)), "{text}");
            next += 1;
        }
    }
    server.assert_well();
}
