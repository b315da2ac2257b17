//! What `/metrics` says, to whom, and that it is what happened.

use crate::scene::{Config, create, eventually, leave, new_token};
use crate::socket::{Http, Process, Socket, frame};
use crate::support::{ADMIN, Answer, OWNER, Server, raw, until};
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;

/// Everything that a server says, as text.
fn text(server: &Server) -> String {
    let answer = server.call("GET", "/metrics", Some(ADMIN), "");
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text()
}

/// The value of a series, named with its labels; 0 as long as nothing was counted.
fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.parse().unwrap())
}

/// Waits until a series has a value; what happens is answered before it is counted.
fn await_value(server: &Server, series: &str, wanted: f64) {
    until(series, || {
        let text = text(server);
        if (value(&text, series) - wanted).abs() < 0.1 { Ok(()) } else { Err(text) }
    });
}

/// Asks for a path at an address, without a token.
fn get(address: SocketAddr, path: &str) -> Answer {
    let mut stream = raw(address);
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    Answer::parse(&answer).unwrap()
}

#[test]
fn the_operator_alone_is_shown_the_metrics() {
    let server = Server::start();
    for (token, status) in [(None, 401), (Some("pat_wrong"), 401), (Some(OWNER), 403)] {
        let answer = server.call("GET", "/metrics", token, "");
        assert_eq!(answer.status, status, "{token:?}: {}", answer.text());
        assert!(!answer.text().contains("warren_"), "{}", answer.text());
    }
    let answer = server.call("GET", "/metrics", Some(ADMIN), "");
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!((answer.status, answer.header("content-type")), (200, Some(kind)));
    assert!(answer.text().ends_with("# EOF\n"), "{}", answer.text());
}

#[test]
fn a_listener_of_its_own_serves_metrics_and_health_without_a_token_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &[("WARREN_METRICS_LISTEN", "127.0.0.1:0")]);
    let line = server.wait_for_log("metrics and health checks are served");
    let address = line.split("address=").nth(1).unwrap().split(' ').next().unwrap();
    let address: SocketAddr = address.parse().unwrap();
    let shown = get(address, "/metrics");
    assert_eq!(shown.status, 200);
    assert!(shown.text().contains("\nwarren_store_up 1\n"), "{}", shown.text());
    assert_eq!(get(address, "/health/live").status, 200);
    assert_eq!(get(address, "/health/ready").status, 200);
    for path in ["/", "/v1/channels", "/ws"] {
        assert_eq!(get(address, path).status, 404, "{path}");
    }
    assert_eq!(get(server.address, "/metrics").status, 401);
    assert_eq!(server.stop("TERM"), Some(0));
}

/// What has to rise, and by how much, with what [`happen`] does.
const EXACT: [(&str, f64); 8] = [
    (r#"warren_messages_received_total{source="api",kind="message"}"#, 5.0),
    (r#"warren_messages_received_total{source="socket",kind="message"}"#, 1.0),
    (r#"warren_messages_received_total{source="api",kind="direct"}"#, 1.0),
    (r#"warren_messages_received_total{source="api",kind="state"}"#, 1.0),
    (
        r#"warren_http_requests_total{method="POST",route="/v1/channels/{channel}/messages",status="204"}"#,
        5.0,
    ),
    (
        r#"warren_http_request_duration_seconds_count{method="PATCH",route="/v1/channels/{channel}/state"}"#,
        1.0,
    ),
    ("warren_connections_opened_total", 2.0),
    // INIT is none; each of two heard six messages, one direct one, one state.
    ("warren_deliveries_total", 16.0),
];

/// What has to rise with it, by however much.
const MORE: [&str; 7] = [
    "warren_sent_bytes_total",
    "warren_received_bytes_total",
    "warren_socket_writes_total",
    "warren_delivery_duration_seconds_count",
    r#"warren_commits_total{result="ok"}"#,
    "warren_commit_writes_sum",
    "warren_commit_duration_seconds_count",
];

/// Two connections of a token hear five messages of a back end, one of a client, a direct one, and a new state.
fn happen(server: &Server, token: &str, sockets: &mut [Socket; 2]) {
    for n in 0..3 {
        let body = format!(r#"{{"e":"N","d":{n}}}"#);
        server.done("POST", "/v1/channels/room/messages", &body);
    }
    // A connection that is kept goes the short way, which the HTTP layer does not see.
    let mut http = Http::connect(server.address).unwrap();
    for _ in 0..2 {
        http.data("POST", "/v1/channels/room/messages", r#"{"e":"N","d":"short"}"#).unwrap();
    }
    sockets[0].dispatch("MESSAGE", "room", &json!({"e": "SAID", "d": 5}));
    for socket in &mut *sockets {
        for _ in 0..6 {
            socket.expect("MESSAGE");
        }
    }
    server.done("POST", &format!("/v1/channels/tokens/{token}/messages"), r#"{"e":"D","d":0}"#);
    server.data("PATCH", "/v1/channels/room/state", r#"{"a":1}"#);
    for socket in sockets {
        socket.expect("DIRECT_MESSAGE");
        socket.expect("STATE_UPDATE");
    }
}

#[test]
fn what_happens_is_counted_whichever_way_it_comes_and_no_id_is_a_label() {
    let server = Server::start();
    create(&server, "room", "public", &["CLIENT_PUBLISH"]);
    let token = new_token(&server, &json!({"channels": ["room"]}));
    let before = text(&server);
    let mut sockets = [(); 2].map(|()| Socket::enter(server.address, Some(&token)).0);
    await_value(&server, "warren_connections", 2.0);
    await_value(&server, "warren_subscriptions", 2.0);
    await_value(&server, "warren_sessions", 1.0);
    happen(&server, &token, &mut sockets);
    let text = text(&server);
    let rise = |series: &str| value(&text, series) - value(&before, series);
    for (series, wanted) in EXACT {
        assert!((rise(series) - wanted).abs() < 0.1, "{series} {}: {text}", rise(series));
    }
    for series in MORE {
        assert!(rise(series) > 0.0, "{series}: {text}");
    }
    for id in [&*token, "room", "project_test"] {
        assert!(!text.contains(id), "{id}: {text}");
    }
    let [mut one, other] = sockets;
    one.write(&frame::close(1000, b""));
    assert_eq!(one.expect_close().0, 1000);
    drop(one);
    leave(&server, other, &token);
    let closed = r#"warren_connections_closed_total{code="1000",initiator="client"}"#;
    await_value(&server, closed, 1.0);
    await_value(&server, "warren_connections", 0.0);
    await_value(&server, "warren_subscriptions", 0.0);
}

#[test]
fn a_call_that_is_repeated_counts_as_an_answer_given_again() {
    let server = Server::start();
    create(&server, "room", "public", &[]);
    let headers = [
        ("Authorization", OWNER),
        ("Content-Type", "application/json"),
        ("Idempotency-Key", "once"),
    ];
    for _ in 0..3 {
        let body = br#"{"a":1}"#;
        let answer = server.request("PATCH", "/v1/channels/room/state", &headers, body);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    await_value(&server, "warren_idempotency_replays_total", 2.0);
}

#[test]
fn kept_messages_and_failed_requests_have_their_series() {
    let server = Server::start();
    create(&server, "kept", "public", &["HISTORY"]);
    for n in 0..3 {
        let body = format!(r#"{{"e":"N","d":{n}}}"#);
        server.done("POST", "/v1/channels/kept/messages", &body);
    }
    await_value(&server, "warren_history_appends_total", 3.0);
    let missing = server.call("GET", "/v1/channels/nowhere", Some(OWNER), "");
    assert_eq!(missing.status, 404);
    server.call("BREW", "/somewhere/else", None, "");
    let text = text(&server);
    let labels = r#"{method="GET",route="/v1/channels/{channel}",status="404"}"#;
    assert!((value(&text, &format!("warren_http_requests_total{labels}")) - 1.0).abs() < 0.1);
    assert!(!text.contains("BREW") && !text.contains("somewhere"), "{text}");
}

#[test]
fn a_reader_that_is_too_slow_is_counted_with_its_code() {
    let limits = Config::limits("outbox-patience-ms = 100\noutbox-bytes = 65536\n");
    let server = limits.start();
    create(&server, "room", "public", &[]);
    let token = new_token(&server, &json!({"channels": ["room"]}));
    let (slow, _) = Socket::enter(server.address, Some(&token));
    let body = json!({"e": "N", "d": "x".repeat(200_000)}).to_string();
    let series = r#"warren_connections_closed_total{code="4009",initiator="server"}"#;
    eventually("it is closed", || {
        server.done("POST", "/v1/channels/room/messages", &body);
        value(&text(&server), "warren_slow_consumers_total") > 0.0
    });
    drop(slow);
    await_value(&server, series, 1.0);
    // What waited for it has gone with it.
    await_value(&server, "warren_send_queue_bytes", 0.0);
}
