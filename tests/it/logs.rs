//! What the log says of requests and sockets, and what it never says.

use crate::scene::{create, new_token};
use crate::socket::{Socket, StreamAsk, StreamClient, frame};
use crate::support::{ADMIN, OWNER, Server, raw, until};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};

/// A publish in its plainest form, whose path a busy server shortens.
const PUBLISH: (&str, &str) = ("POST", "/v1/channels/room/messages");
/// What no line may have in it: some words in bodies.
const SECRET: &str = "nobody-else-should-read-this";

/// A server that logs these shares of requests and of sockets' ends, as JSON.
fn server(requests: &str, closes: &str) -> Server {
    Server::start_with(&[
        ("WARREN_WORKERS", "1"),
        ("WARREN_LOG_FORMAT", "json"),
        ("WARREN_LOG_REQUESTS", requests),
        ("WARREN_LOG_CLOSES", closes),
    ])
}

/// The lines of a log that tell of something, each as JSON.
fn lines(server: &Server, message: &str) -> Vec<Value> {
    let log = server.log();
    let read =
        |line: &str| serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("{line}"));
    log.lines().map(read).filter(|line| line["message"] == message).collect()
}

/// Waits for the line of a request.
fn line_of(server: &Server, id: &str) -> Value {
    until(id, || {
        let all = lines(server, "answered");
        all.iter().find(|line| line["id"] == id).cloned().ok_or(all)
    })
}

/// Sends a request under a name; returns the name in its answer.
fn named(server: &Server, (method, path): (&str, &str), name: &str, body: &str) -> String {
    let headers =
        [("Authorization", OWNER), ("Content-Type", "application/json"), ("X-Request-Id", name)];
    let answer = server.request(method, path, &headers, body.as_bytes());
    answer.header("x-request-id").unwrap_or_else(|| panic!("{path}: no id")).to_owned()
}

#[test]
fn every_answer_has_the_requests_own_id_or_a_new_one() {
    let server = Server::start();
    create(&server, "room", "public", &[]);
    let message = r#"{"e":"N","d":1}"#;
    for (call, body) in [
        (PUBLISH, message),
        (("GET", "/v1/channels/room"), ""),
        (("GET", "/v1/channels/nowhere"), ""),
        (("GET", "/nowhere"), ""),
        (("OPTIONS", "/v1/channels"), ""),
        (("POST", "/v1/channels/room/messages"), "not json"),
        (("GET", "/health/ready"), ""),
        (("GET", "/"), ""),
        (("GET", "/ws"), ""),
    ] {
        assert_eq!(named(&server, call, "trace-1:a/b", body), "trace-1:a/b", "{call:?}");
        let first = named(&server, call, "not sane", body);
        assert!(first.len() == 24 && first != named(&server, call, "not sane", body), "{call:?}");
    }
    // A connection that is kept takes the short way; one behind another request does not.
    let mut http = crate::socket::Http::connect(server.address).unwrap();
    let ids: Vec<_> = (0..2)
        .map(|_| http.call(PUBLISH.0, PUBLISH.1, message).unwrap())
        .map(|answer| answer.header("x-request-id").unwrap().to_owned())
        .collect();
    assert_ne!(ids[0], ids[1]);
    let mut stream = raw(server.address);
    let size = message.len();
    let request = format!(
        "POST /v1/channels/room/messages HTTP/1.1\r\nHost: x\r\nAuthorization: {OWNER}\r\n\
         X-Request-Id: the-short-way\r\nContent-Length: {size}\r\n\r\n{message}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut head = String::new();
    let mut stream = BufReader::new(stream);
    while !head.ends_with("\r\n\r\n") {
        assert!(stream.read_line(&mut head).unwrap() > 0, "{head}");
    }
    assert!(head.contains("\r\nx-request-id: the-short-way\r\n"), "{head}");
    let refused = server.call("GET", "/v1/channels", None, "");
    assert!(refused.header("x-request-id").is_some(), "{}", refused.text());
}

#[test]
fn the_share_of_requests_that_is_asked_for_is_logged() {
    let server = server("0.1", "0");
    create(&server, "room", "public", &[]);
    for n in 0..100 {
        named(&server, PUBLISH, &format!("r-{n}"), r#"{"e":"N","d":1}"#);
    }
    let ours = || {
        let all = lines(&server, "answered");
        all.iter().filter(|line| line["id"].as_str().unwrap().starts_with("r-")).count()
    };
    // One worker has every tenth; what else was asked is among what it counted.
    until("they are logged", || if ours() >= 9 { Ok(()) } else { Err(ours()) });
    assert!(ours() <= 11, "{}", ours());
}

#[test]
fn nothing_of_requests_is_logged_unless_it_is_asked_for() {
    let server = Server::start();
    create(&server, "room", "public", &[]);
    named(&server, PUBLISH, "here", "not json");
    let token = new_token(&server, &json!({}));
    let (mut socket, _) = Socket::enter(server.address, Some(&token));
    socket.write(&frame::close(1000, b""));
    socket.expect_close();
    let log = server.log();
    assert!(!log.contains("answered") && !log.contains("closed") && !log.contains("here"), "{log}");
}

#[test]
fn lines_are_json_where_that_is_asked_for_and_have_no_secrets() {
    let server = server("1", "1");
    create(&server, "room", "public", &[]);
    let token = new_token(&server, &json!({"channels": ["room"]}));
    let body = json!({"e": SECRET, "d": SECRET}).to_string();
    named(&server, PUBLISH, "a", &body);
    let direct = format!("/v1/channels/tokens/{token}/messages");
    named(&server, ("POST", &direct), "b", &body);
    named(&server, ("GET", &format!("/v1/channels/tokens/{token}?x={SECRET}")), "c", "");
    named(&server, ("POST", PUBLISH.1), "d", &format!("{{\"e\":{SECRET}"));
    let (mut socket, _) = Socket::enter(server.address, Some(&token));
    socket.write(&frame::text(&json!({"op": 2, "d": SECRET}).to_string()));
    socket.expect_close();
    for (id, method, route, status) in [
        ("a", "POST", "/v1/channels/{channel}/messages", 204),
        ("b", "POST", "/v1/channels/tokens/{token}/messages", 204),
        ("c", "GET", "/v1/channels/tokens/{token}", 200),
        ("d", "POST", "/v1/channels/{channel}/messages", 400),
    ] {
        let line = line_of(&server, id);
        let wanted = json!({"method": method, "route": route, "status": status});
        for (key, value) in wanted.as_object().unwrap() {
            assert_eq!(line[key], *value, "{line}");
        }
        assert_eq!((&line["target"], &line["level"]), (&json!("warren::request"), &json!("INFO")));
        assert_eq!(line["address"], "127.0.0.1", "{line}");
        assert!(line["ms"].as_f64().is_some_and(|ms| ms > 0.0), "{line}");
    }
    until("it is closed", || lines(&server, "closed").first().cloned().ok_or("no line"));
    let log = server.log();
    for secret in [&*token, OWNER, ADMIN, SECRET] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}

#[test]
fn a_stream_is_logged_by_its_transport_and_never_with_its_token() {
    let settings = [
        ("WARREN_LOG_FORMAT", "json"),
        ("WARREN_LOG_REQUESTS", "1"),
        ("WARREN_LOG_CLOSES", "1"),
        ("RUST_LOG", "debug"),
    ];
    let server = Server::start_with(&settings);
    let token = new_token(&server, &json!({}));
    let ask = StreamAsk::default().and("token", &token);
    let (stream, init) = StreamClient::enter(server.address, &ask);
    drop(stream);
    let closed = until("it is closed", || {
        let all = lines(&server, "closed");
        all.iter().find(|line| line["cid"] == init["cid"]).cloned().ok_or(all)
    });
    assert_eq!((&closed["transport"], &closed["code"]), (&json!("sse"), &json!(1006)), "{closed}");
    let wrong = StreamAsk::default().and("token", SECRET);
    assert_eq!(StreamClient::try_open(server.address, &wrong).err().unwrap().status, 401);
    until("both are logged", || {
        let answered = lines(&server, "answered");
        let ours = answered.iter().filter(|line| line["route"] == "/sse").count();
        if ours == 2 { Ok(()) } else { Err(answered) }
    });
    let log = server.log();
    for secret in [&*token, SECRET] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
    let (mut socket, init) = Socket::enter(server.address, Some(&token));
    socket.write(&frame::close(1000, b""));
    socket.expect_close();
    until("it is logged too", || {
        let all = lines(&server, "closed");
        let line = all.iter().find(|line| line["cid"] == init["cid"]);
        line.filter(|line| line["transport"] == "websocket").cloned().ok_or(all)
    });
}

#[test]
fn the_end_of_a_socket_says_how_it_was() {
    let server = server("0", "1");
    create(&server, "room", "public", &[]);
    let token = new_token(&server, &json!({"channels": ["room"]}));
    let (mut one, init) = Socket::enter(server.address, Some(&token));
    named(&server, PUBLISH, "a", r#"{"e":"N","d":1}"#);
    one.expect("MESSAGE");
    one.write(&frame::close(1001, b"words of a client"));
    one.expect_close();
    let line = |wanted: &Value| {
        until("it is logged", || {
            let all = lines(&server, "closed");
            all.iter().find(|line| line["cid"] == *wanted).cloned().ok_or(all)
        })
    };
    let closed = line(&init["cid"]);
    assert_eq!((&closed["code"], &closed["initiator"]), (&json!(1001), &json!("client")));
    assert_eq!((&closed["project"], &closed["missed"]), (&json!("project_test"), &json!(0)));
    assert!(closed["sent"].as_u64().unwrap() > 100, "{closed}");
    assert!(closed["received"].as_u64().unwrap() > 50, "{closed}");
    assert!(closed["seconds"].as_f64().unwrap() > 0.0 && closed["reason"].is_null(), "{closed}");
    assert!(!server.log().contains("words of a client"), "{}", server.log());

    let (mut other, init) = Socket::enter(server.address, Some(&token));
    let path = format!("/v1/channels/connections/{}", init["cid"].as_str().unwrap());
    server.done("DELETE", &path, "");
    assert_eq!(other.expect_close().0, 4000);
    drop(other);
    let closed = line(&init["cid"]);
    assert_eq!((&closed["code"], &closed["initiator"]), (&json!(4000), &json!("server")));
    assert!(closed["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{closed}");
}
