//! The handshake of `/ws`: what upgrades, what is refused and how (RFC 6455 §4.2, `docs/PROTOCOL.md`, Socket).

use crate::socket::Socket;
use crate::support::{Answer, Server};

/// The headers that upgrade.
const GOOD: &[(&str, &str)] = &[
    ("Host", "test"),
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

/// The good headers with one replaced, or left out where there is no value, and others added.
fn headers(changes: &[(&str, Option<&str>)]) -> String {
    let is_kept = |name: &str| changes.iter().all(|(changed, _)| *changed != name);
    let kept = GOOD.iter().filter(|(name, _)| is_kept(name)).copied();
    let changed = changes.iter().filter_map(|(name, value)| value.map(|value| (*name, value)));
    kept.chain(changed).flat_map(|(name, value)| [name, ": ", value, "\r\n"]).collect()
}

/// Sends a request's head and reads the answer's head or, when it is no upgrade, the whole answer.
fn answer(server: &Server, line: &str, headers: &str) -> Answer {
    let raw = format!("{line} HTTP/1.1\r\n{headers}\r\n");
    let bytes = Socket::exchange(server.address, raw.as_bytes());
    Answer::parse(&bytes).unwrap_or_else(|| panic!("{line}: {}", String::from_utf8_lossy(&bytes)))
}

/// A row: a name, what differs from the good headers, the statuses that are right.
type Row<'a> = (&'a str, &'a [(&'a str, Option<&'a str>)], &'a [u16]);

/// Asserts that each of these rows is refused, in the envelope, at both of the socket's paths.
fn assert_refused(server: &Server, rows: &[Row<'_>]) {
    for (name, changes, statuses) in rows {
        for path in ["/ws", "/1.0/ws"] {
            let answer = answer(server, &format!("GET {path}"), &headers(changes));
            assert!(statuses.contains(&answer.status), "{name}: {}", answer.status);
            answer.error();
            if answer.status == 426 {
                assert_eq!(answer.header("sec-websocket-version"), Some("13"), "{name}");
            }
        }
    }
}

#[test]
fn what_is_no_handshake_is_refused_in_the_envelope() {
    let server = Server::start();
    let rows: &[Row<'_>] = &[
        ("no Upgrade", &[("Upgrade", None)], &[400, 426]),
        ("another Upgrade", &[("Upgrade", Some("h2c"))], &[400, 426]),
        ("an Upgrade like it", &[("Upgrade", Some("websockets"))], &[400, 426]),
        ("an Upgrade among others", &[("Upgrade", Some("h2c, websocket"))], &[400, 426]),
        ("a body", &[("Content-Length", Some("5"))], &[400, 426]),
        ("a body in chunks", &[("Transfer-Encoding", Some("chunked"))], &[400, 426]),
        ("no Host", &[("Host", None)], &[400]),
        ("two Hosts", &[("Host", Some("a\r\nHost: b"))], &[400]),
        ("no Connection", &[("Connection", None)], &[400, 426]),
        ("another Connection", &[("Connection", Some("keep-alive"))], &[400, 426]),
        ("Connection: close", &[("Connection", Some("close"))], &[400, 426]),
        ("no version", &[("Sec-WebSocket-Version", None)], &[400, 426]),
        ("version 0", &[("Sec-WebSocket-Version", Some("0"))], &[400, 426]),
        ("version 12", &[("Sec-WebSocket-Version", Some("12"))], &[400, 426]),
        ("version 14", &[("Sec-WebSocket-Version", Some("14"))], &[400, 426]),
        ("version x", &[("Sec-WebSocket-Version", Some("thirteen"))], &[400, 426]),
        ("no key", &[("Sec-WebSocket-Key", None)], &[400]),
    ];
    assert_refused(&server, rows);
    server.assert_well();
}

#[test]
fn parameters_that_do_not_exist_are_refused() {
    let server = Server::start();
    for query in [
        "encoding=xml",
        "encoding=",
        "encoding=JSON",
        "compression=gzip",
        "compression=",
        "encoding=json&compression=br",
        "encoding=json&encoding=json",
    ] {
        let answer = answer(&server, &format!("GET /ws?{query}"), &headers(&[]));
        assert_eq!(answer.failure(), (400, "invalid_query".to_owned()), "{query}");
    }
    for query in [
        "",
        "?",
        "?encoding=json",
        "?compression=none",
        "?compression=zlib",
        "?v=1&x=%00",
        "?encoding=json&compression=zlib",
    ] {
        let answer = answer(&server, &format!("GET /ws{query}"), &headers(&[]));
        assert_eq!(answer.status, 101, "{query}");
    }
    server.assert_well();
}

#[test]
fn only_get_upgrades() {
    let server = Server::start();
    for method in ["POST", "PUT", "DELETE", "PATCH", "BREW"] {
        let length = [("Content-Length", Some("0"))];
        let answer = answer(&server, &format!("{method} /ws"), &headers(&length));
        assert_eq!(answer.failure(), (405, "method_not_allowed".to_owned()), "{method}");
    }
    let plain = answer(&server, "GET /ws", "Host: test\r\nConnection: close\r\n");
    assert!(matches!(plain.status, 400 | 426), "{}", plain.status);
    plain.error();
    server.assert_well();
}

#[test]
fn a_good_handshake_is_answered_as_the_standard_says() {
    let server = Server::start();
    let changes: &[&[(&str, Option<&str>)]] = &[
        &[],
        &[("Connection", Some("keep-alive, Upgrade"))],
        &[("Upgrade", Some("WebSocket"))],
        &[("Sec-WebSocket-Extensions", Some("permessage-deflate; client_max_window_bits"))],
        &[("Sec-WebSocket-Protocol", Some("chat, superchat"))],
        &[("Origin", Some("https://elsewhere.example"))],
    ];
    for changes in changes {
        let answer = answer(&server, "GET /ws", &headers(changes));
        assert_eq!(answer.status, 101, "{changes:?}");
        let accept = answer.header("sec-websocket-accept");
        assert_eq!(accept, Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{changes:?}");
        assert_eq!(answer.header("upgrade").map(str::to_ascii_lowercase).unwrap(), "websocket");
        assert_eq!(answer.header("connection").map(str::to_ascii_lowercase).unwrap(), "upgrade");
        // Accepting what the server does not do would garble everything after.
        assert_eq!(answer.header("sec-websocket-extensions"), None, "{changes:?}");
        assert_eq!(answer.header("sec-websocket-protocol"), None, "{changes:?}");
    }
    server.assert_well();
}

#[test]
fn a_version_or_key_that_is_none_is_refused() {
    let server = Server::start();
    let long_key = "A".repeat(2000);
    let rows: &[Row<'_>] = &[
        ("version 7", &[("Sec-WebSocket-Version", Some("7"))], &[400, 426]),
        ("version 8", &[("Sec-WebSocket-Version", Some("8"))], &[400, 426]),
        ("an empty key", &[("Sec-WebSocket-Key", Some(""))], &[400]),
        ("a short key", &[("Sec-WebSocket-Key", Some("c2hvcnQ="))], &[400]),
        ("a long key", &[("Sec-WebSocket-Key", Some(&long_key))], &[400]),
        (
            "a key that is not base64",
            &[("Sec-WebSocket-Key", Some("not*base64*not*base64*=="))],
            &[400],
        ),
    ];
    assert_refused(&server, rows);
    server.assert_well();
}
