//! The server's door (`docs/adr/0008`): a plain publish is answered there, as the HTTP layer would have; everything else
//! reaches that layer as it came.

use crate::scene::create;
use crate::socket::Socket;
use crate::support::{Answer, OWNER, Server, raw};
use std::io::{Read as _, Write as _};

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
    let mut stream = raw(server.address);
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
    let mut stream = raw(server.address);
    stream.write_all(request.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    String::from_utf8(head).unwrap()
}

/// The lines of an answer's head in a fixed order, without the date's time and what position and id are.
fn lines(answer: &str) -> Vec<String> {
    let head = answer.split("\r\n\r\n").next().unwrap();
    let is_date = |line: &str| line.starts_with("date: ");
    let is_position = |line: &str| line.starts_with("warren-position: ");
    let is_id = |line: &str| line.starts_with("x-request-id: ");
    let plain = |line: &str| match line {
        line if is_date(line) => "date".to_owned(),
        line if is_position(line) => "warren-position".to_owned(),
        line if is_id(line) => "x-request-id".to_owned(),
        line => line.to_owned(),
    };
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
    assert!(short.contains("\r\nkeep-alive: timeout=75\r\n"), "{short}");
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
    let mut stream = raw(server.address);
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

/// What clients that speak HTTP/2 too send with every request.
const OFFER: &str =
    "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAA\r\n";

#[test]
fn an_offer_of_http2_leaves_the_connection_open_or_its_end_is_announced() {
    let (server, mut socket) = scene();
    let publishes: String = (0..50).map(|n| publish(&n.to_string(), OFFER)).collect();
    let answer = exchange(&server, &[&publishes, LAST]);
    assert_eq!(answer.matches("HTTP/1.1 204 ").count(), 50, "{answer}");
    assert!(answer.contains("HTTP/1.1 200 "), "{answer}");
    for n in 0..50 {
        assert_eq!(socket.expect("MESSAGE")["d"]["e"], n.to_string());
    }
    let other = format!("GET /health/live HTTP/1.1\r\nHost: x\r\n{OFFER}\r\n");
    let answer = exchange(&server, &[&other]);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
}

#[test]
fn the_second_head_on_a_connection_has_a_deadline_too() {
    let (server, _socket) = scene();
    for first in ["GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n", &publish("first", "")] {
        let mut stream = raw(server.address);
        stream.write_all(first.as_bytes()).unwrap();
        let mut status = [0; 10];
        stream.read_exact(&mut status).unwrap();
        assert_eq!(&status, b"HTTP/1.1 2");
        stream.write_all(b"GET /health/live HTTP/1.1\r\nHo").unwrap();
        let mut rest = String::new();
        stream.read_to_string(&mut rest).unwrap();
        let (_, late) = rest.split_once("HTTP/1.1 408 ").unwrap_or_else(|| panic!("{rest}"));
        assert!(late.contains(r#""code":"timeout""#), "{late}");
    }
}

#[test]
fn a_second_head_that_came_half_behind_a_request_has_a_deadline_too() {
    let (server, _socket) = scene();
    let streams = [
        "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        publish("short", ""),
        publish("long", "X-Unheard-Of: 1\r\n"),
        publish("chunked", "X-Unheard-Of: 1\r\n")
            .replace("Content-Length: 21", "Transfer-Encoding: chunked")
            .replace("\r\n\r\n", "\r\n\r\n15\r\n")
            + "\r\n0\r\n\r\n",
    ]
    .map(|first| {
        let mut stream = raw(server.address);
        stream.write_all((first + "GET /health/live HTTP/1.1\r\nHo").as_bytes()).unwrap();
        stream
    });
    for mut stream in streams {
        let mut answers = String::new();
        stream.read_to_string(&mut answers).unwrap();
        assert!(answers.starts_with("HTTP/1.1 2"), "{answers}");
        let (_, late) = answers.split_once("HTTP/1.1 408 ").unwrap_or_else(|| panic!("{answers}"));
        assert!(late.contains(r#""code":"timeout""#), "{late}");
    }
}

#[test]
fn what_is_no_request_is_refused_in_the_envelope_and_logged_by_nobody() {
    let (server, _socket) = scene();
    let long = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}", "x".repeat(140_000));
    let good = "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n";
    for (bad, status, code) in [
        ("GET / HTTP/1.1\r\n\r\n", 400, "bad_request"),
        ("BAD\r\n\r\n", 400, "bad_request"),
        ("GET /a<b HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad_request"),
        (&long, 431, "too_large"),
    ] {
        for before in ["", good] {
            let answers = server.raw(format!("{before}{bad}").as_bytes());
            let text = String::from_utf8(answers).unwrap();
            let at = text.rfind("HTTP/1.1 ").unwrap();
            let last = Answer::parse(text.as_bytes().get(at..).unwrap()).unwrap();
            assert_eq!(last.failure(), (status, code.to_owned()), "{text}");
            assert_eq!(last.header("connection"), Some("close"), "{text}");
        }
    }
    server.assert_well();
    assert!(!server.log().contains("ERROR"), "{}", server.log());
}

#[test]
fn whoever_is_refused_before_the_body_has_come_can_send_it_and_read_why() {
    let (server, _socket) = scene();
    let size = 8 << 20;
    let head = format!(
        "POST /v1/channels/room/messages HTTP/1.1\r\nHost: x\r\nAuthorization: ptk_wrong\r\nContent-Length: {size}\r\n\r\n"
    );
    for _ in 0..5 {
        let mut stream = raw(server.address);
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&vec![b' '; size]).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert_eq!(Answer::parse(&answer).unwrap().failure(), (401, "invalid_auth".to_owned()));
    }
}
