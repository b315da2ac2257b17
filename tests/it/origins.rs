//! Which pages may open sockets and read answers (`allowed-origins`); `crates/warren-leap/src/domain/web_origin.rs` has the matrix of
//! what is like what.

use crate::socket::{Process, Received, Socket};
use crate::support::{Answer, OWNER, PROJECT, Server, raw, start};
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;

/// A page that may, and one that may not.
const OWN: &str = "https://app.example.com";
/// See [`OWN`].
const OTHER: &str = "https://app.example.com.evil.example";

/// A server where pages of these origins may come.
fn server(origins: &str) -> Server {
    Server::start_with(&[("WARREN_ALLOWED_ORIGINS", origins)])
}

/// The status of a handshake with these lines more.
fn handshake(address: SocketAddr, lines: &str) -> String {
    let line = Socket::handshake_from([127, 0, 0, 1], address, b"", lines);
    line.split(' ').nth(1).unwrap_or_default().to_owned()
}

/// The answer to a request from a page of these origins.
fn asked(server: &Server, method: &str, path: &str, origins: &[&str], body: &str) -> Answer {
    let mut headers: Vec<_> = origins.iter().map(|origin| ("Origin", *origin)).collect();
    headers.push(("Authorization", OWNER));
    server.request(method, path, &headers, body.as_bytes())
}

#[test]
fn pages_of_other_origins_are_refused_before_the_upgrade_and_programs_are_not() {
    let server = server("https://app.example.com,https://*.example.org,http://localhost:3000");
    let many = format!("Origin: {OWN}\r\nOrigin: {OTHER}\r\n");
    for (lines, status) in [
        ("", "101"),
        ("Origin: https://app.example.com\r\n", "101"),
        ("Origin: https://app.example.com:443\r\n", "101"),
        ("Origin: HTTPS://APP.example.com\r\n", "101"),
        ("Origin: https://any.example.org\r\n", "101"),
        ("Origin: http://localhost:3000\r\n", "101"),
        ("Origin: http://localhost:3001\r\n", "403"),
        ("Origin: http://app.example.com\r\n", "403"),
        ("Origin: https://app.example.com:8443\r\n", "403"),
        ("Origin: https://app.example.com.\r\n", "403"),
        ("Origin: https://app.example.com.evil.example\r\n", "403"),
        ("Origin: https://evil-app.example.com\r\n", "403"),
        ("Origin: https://example.org\r\n", "403"),
        ("Origin: https://a.b.example.org\r\n", "403"),
        ("Origin: https://evil-example.org\r\n", "403"),
        ("Origin: null\r\n", "403"),
        ("Origin: \r\n", "403"),
        ("Origin: https://b\u{fc}cher.example\r\n", "403"),
        (many.as_str(), "403"),
    ] {
        assert_eq!(handshake(server.address, lines), status, "{lines:?}");
    }
    let (_socket, init) = Socket::enter(server.address, None);
    assert!(init["cid"].is_string(), "a program is served: {init}");
}

#[test]
fn the_refusal_has_the_envelope() {
    let server = server(OWN);
    let request = format!(
        "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: {OTHER}\r\n\r\n"
    );
    let answer = Answer::parse(&server.raw(request.as_bytes())).unwrap();
    assert_eq!(
        (answer.status, answer.json()["error"]["code"].clone()),
        (403, json!("origin_not_allowed"))
    );
    assert_eq!(answer.header("access-control-allow-origin"), None);
}

#[test]
fn the_apis_answers_are_for_pages_that_may_read_them() {
    let server = server(OWN);
    server.data("PUT", "/v1/channels/room", r#"{"type":"unprotected"}"#);
    let message = r#"{"e":"E","d":1}"#;
    for (method, path, body, status) in [
        ("GET", "/v1/channels/room", "", 200),
        ("GET", "/v1/channels/nowhere", "", 404),
        ("POST", "/v1/channels/room/messages", message, 204),
        ("OPTIONS", "/v1/channels/room", "", 204),
    ] {
        for (origins, told) in [
            (&[OWN][..], Some(OWN)),
            (&[OTHER], None),
            (&["null"], None),
            (&[OWN, OWN], None),
            (&[], None),
        ] {
            let answer = asked(&server, method, path, origins, body);
            assert_eq!(answer.status, status, "{method} {path}");
            let header = answer.header("access-control-allow-origin");
            // A program has no use for it, and the fast path says it all the same.
            if !origins.is_empty() {
                assert_eq!(header, told, "{method} {path} {origins:?}");
                assert!(answer.all("vary").any(|line| line == "origin"), "{method} {path}");
            }
        }
    }
}

#[test]
fn without_a_list_any_page_may_and_a_reload_changes_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("warren.toml");
    std::fs::write(&file, "").unwrap();
    let server = Process::start(folder.path(), &[]);
    let evil = format!("Origin: {OTHER}\r\n");
    assert_eq!(handshake(server.address, &evil), "101");
    let (mut socket, _) = Socket::enter(server.address, None);
    std::fs::write(&file, format!("allowed-origins = [\"{OWN}\"]\n")).unwrap();
    let reload = || {
        let mut command = start::program();
        command.arg("reload").current_dir(folder.path());
        command.env("WARREN_DATA", folder.path().join("data")).output().unwrap()
    };
    assert!(reload().status.success());
    assert_eq!(handshake(server.address, &evil), "403");
    assert_eq!(handshake(server.address, &format!("Origin: {OWN}\r\n")), "101");
    // Who is there stays.
    socket.beat();
    std::fs::write(&file, "allowed-origins = [\"app.example.com\"]\n").unwrap();
    let refused = reload();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && said.contains("`app.example.com` is no origin"),
        "{refused:?}"
    );
    assert_eq!(handshake(server.address, &evil), "403");
    server.assert_well();
}

#[test]
fn a_refused_page_leaves_its_connection_usable_for_nothing_worse() {
    let server = server(OWN);
    let mut stream = raw(server.address);
    let body = r#"{"e":"E","d":1}"#;
    server.data("PUT", "/v1/channels/room", r#"{"type":"unprotected"}"#);
    // The fast path and the HTTP layer on one connection, in order.
    let publish = |origin: &str| {
        format!(
            "POST /v1/channels/room/messages HTTP/1.1\r\nHost: x\r\nAuthorization: {OWNER}\r\n{origin}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let last = format!(
        "GET /health/live HTTP/1.1\r\nHost: x\r\nOrigin: {OWN}\r\nConnection: close\r\n\r\n"
    );
    let all = [publish(""), publish(&format!("Origin: {OTHER}\r\n")), last].concat();
    stream.write_all(all.as_bytes()).unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    let codes: Vec<_> = answers.split("HTTP/1.1 ").skip(1).map(|one| &one[..3]).collect();
    assert_eq!(codes, ["204", "204", "200"], "{PROJECT}: {answers}");
}

/// What a handshake from a page comes to that identifies: INIT, or the code of the close.
fn entered(address: SocketAddr, lines: &str, project: &str) -> Result<(), u16> {
    let mut socket = Socket::upgraded_with(address, lines);
    socket.send(&json!({"op": 2, "d": {"project_id": project}}));
    loop {
        match socket.receive() {
            Received::Text(text) if text.contains("INIT") => return Ok(()),
            Received::Text(_) => {}
            Received::Close(code, _) => return Err(code),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_projects_pages_are_declared_others_are_closed_when_they_identify_and_a_reload_changes_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("warren.toml");
    let declare = |list: &str| {
        let text = format!("[[project]]\nid = \"project_shop\"\nallowed-origins = [{list}]\n");
        std::fs::write(&file, text).unwrap();
    };
    declare(&format!("\"{OWN}\""));
    let server = Process::start(folder.path(), &[]);
    let (own, other) = (format!("Origin: {OWN}\r\n"), format!("Origin: {OTHER}\r\n"));
    let two = format!("{own}{own}");
    assert_eq!(entered(server.address, &own, "project_shop"), Ok(()));
    assert_eq!(entered(server.address, &other, "project_shop"), Err(4001));
    for (lines, expected) in [
        ("", Ok(())),
        ("Origin: null\r\n", Err(4001)),
        ("Origin: https://evil-app.example.com\r\n", Err(4001)),
        (two.as_str(), Err(4001)),
    ] {
        assert_eq!(entered(server.address, lines, "project_shop"), expected, "{lines:?}");
        // Another project's list is its own affair.
        assert_eq!(entered(server.address, lines, PROJECT), Ok(()), "{lines:?}");
    }
    declare(&format!("\"{OTHER}\""));
    let mut command = start::program();
    command.arg("reload").current_dir(folder.path());
    let output = command.env("WARREN_DATA", folder.path().join("data")).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(entered(server.address, &own, "project_shop"), Err(4001));
    assert_eq!(entered(server.address, &other, "project_shop"), Ok(()));
    server.assert_well();
}
