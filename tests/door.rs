//! The server's door (`docs/adr/0008`): a plain publish is answered there, as the HTTP layer would have; everything else
//! reaches that layer as it came.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod scene;
mod socket;
mod support;

use scene::create;
use socket::Socket;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use support::{OWNER, Server};

/// A request to publish, with further header lines.
fn publish(event: &str, lines: &str) -> String {
    let body = format!(r#"{{"e":"{event}","d":1}}"#);
    let length = body.len();
    format!(
        "POST /v1/channels/room/messages HTTP/1.1\r\nHost: x\r\nAuthorization: {OWNER}\r\nContent-Length: {length}\r\n{lines}\r\n{body}"
    )
}

/// The last request on a connection.
const LAST: &str = "GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// A server with one channel, and somebody who listens.
fn scene() -> (Server, Socket) {
    let server = Server::start();
    create(&server, "room", "unprotected", &[]);
    let (mut socket, _) = Socket::enter(server.address, None);
    socket.subscribe("room");
    (server, socket)
}

/// Everything that comes back for these pieces, each sent by itself.
fn exchange(server: &Server, pieces: &[&str]) -> String {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_nodelay(true).unwrap();
    for piece in pieces {
        stream.write_all(piece.as_bytes()).unwrap();
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The head of the answer to a request that another may follow.
fn head(server: &Server, request: &str) -> String {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    String::from_utf8(head).unwrap()
}

/// The lines of an answer's head in a fixed order, without the date's time.
fn lines(answer: &str) -> Vec<String> {
    let head = answer.split("\r\n\r\n").next().unwrap();
    let is_date = |line: &str| line.starts_with("date: ");
    let plain = |line: &str| if is_date(line) { "date".to_owned() } else { line.to_owned() };
    let mut lines: Vec<_> = head.split("\r\n").map(plain).collect();
    lines.sort();
    lines
}

#[test]
fn the_doors_answer_is_that_of_the_http_layer() {
    let (server, mut socket) = scene();
    let short = head(&server, &publish("short", ""));
    let long = head(&server, &publish("long", "X-Unheard-Of: 1\r\n"));
    assert_eq!(lines(&short), lines(&long));
    assert!(short.starts_with("HTTP/1.1 204 No Content\r\n"), "{short}");
    for event in ["short", "long"] {
        assert_eq!(socket.expect("MESSAGE")["d"]["e"], event);
    }
}

#[test]
fn requests_of_both_kinds_on_one_connection_are_answered_in_order() {
    let (server, mut socket) = scene();
    let refused = publish("refused", "").replace("/room/", "/nowhere/");
    let all = [
        publish("1", ""),
        publish("2", ""),
        refused,
        publish("3", "Expect: 100-continue\r\n"),
        publish("4", ""),
        LAST.to_owned(),
    ]
    .concat();
    let answer = exchange(&server, &[&all]);
    let codes = answer.split("HTTP/1.1 ").skip(1).map(|one| one.get(..3).unwrap());
    let codes: Vec<_> = codes.filter(|code| *code != "100").collect();
    assert_eq!(codes, ["204", "204", "404", "204", "204", "200"]);
    for event in ["1", "2", "3", "4"] {
        assert_eq!(socket.expect("MESSAGE")["d"]["e"], event);
    }
}

#[test]
fn a_request_in_pieces_is_one_request() {
    let (server, mut socket) = scene();
    let whole = publish("pieces", "") + LAST;
    let pieces = whole.as_bytes().chunks(7).map(|piece| std::str::from_utf8(piece).unwrap());
    let answer = exchange(&server, &pieces.collect::<Vec<_>>());
    assert_eq!(answer.matches("HTTP/1.1 2").count(), 2, "{answer}");
    assert_eq!(socket.expect("MESSAGE")["d"]["e"], "pieces");
}

#[test]
fn mistakes_are_told_as_the_http_layer_tells_them() {
    let (server, _socket) = scene();
    for (from, to, status) in [
        (OWNER, "ptk_wrong", "401"),
        (r#"{"e":"x","d":1}"#, r#"{"e":"x","d":!}"#, "400"),
        ("/room/", "/no%20room/", "4"),
    ] {
        let request = publish("x", "").replace(from, to);
        let answer = exchange(&server, &[&request, LAST]);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        assert!(answer.contains(r#""success":false"#), "{answer}");
    }
}

#[test]
fn what_follows_a_handshake_at_once_is_a_frame() {
    let (server, _socket) = scene();
    let handshake = "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let mut stream = TcpStream::connect(server.address).unwrap();
    // A masked ping without payload, then a masked close without one.
    let frames = [0x89, 0x80, 1, 2, 3, 4, 0x88, 0x80, 1, 2, 3, 4];
    stream.write_all(&[handshake.as_bytes(), &frames].concat()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let text = String::from_utf8_lossy(&answer).to_ascii_lowercase();
    assert!(text.starts_with("http/1.1 101"), "{text}");
    assert!(text.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{text}");
    assert!(answer.windows(2).any(|pair| pair == [0x8A, 0]), "the ping has its pong");
}
