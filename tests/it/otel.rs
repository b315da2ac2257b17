//! Spans: what a collector of OpenTelemetry is sent (feature `otel`), and that nobody waits for one.

mod collector;

use crate::scene::create;
use crate::socket::{Process, Socket, Stopwatch};
use crate::support::receiver::{Receiver, Says};
use crate::support::{ADMIN, OWNER, Server, raw, until};
use collector::Collector;
use serde_json::{Value, json};
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

/// What somebody else's trace is called, and the span in it that asks.
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
/// The span.
const PARENT: &str = "b7ad6b7169203331";
/// The kind of a span that serves, and of one that asks.
const SERVER: u64 = 2;
/// The latter.
const CLIENT: u64 = 3;

/// The settings of a server that sends its spans there, soon, and may call this machine.
fn settings(address: SocketAddr) -> Vec<(&'static str, String)> {
    vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{address}")),
        ("OTEL_BSP_SCHEDULE_DELAY", "50".to_owned()),
        ("WARREN_ALLOW_PRIVATE_WEBHOOKS", "1".to_owned()),
        ("WARREN_LOG_REQUESTS", "1".to_owned()),
    ]
}

/// The settings as tests start servers with them.
fn borrowed<'a>(settings: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    settings.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

/// A server that sends its spans to a collector.
fn server(collector: &Collector) -> Server {
    Server::start_with(&borrowed(&settings(collector.address)))
}

/// The header of somebody else's trace.
fn traceparent() -> String {
    format!("00-{TRACE}-{PARENT}-01")
}

#[test]
fn requests_are_spans_of_the_trace_that_they_come_with() {
    let collector = Collector::start();
    let server = server(&collector);
    create(&server, "room", "public", &[]);
    let token = server.new_leap_token();
    let header = traceparent();
    let headers =
        [("Authorization", OWNER), ("traceparent", &*header), ("X-Request-Id", "the-long-way")];
    let path = format!("/v1/channels/tokens/{token}");
    assert_eq!(server.request("GET", &path, &headers, b"").status, 200);
    let long = collector.wait_for_request("the-long-way");
    assert_eq!((&*long.trace, &*long.parent, long.kind), (TRACE, PARENT, SERVER), "{long:?}");
    assert_eq!(long.name, "GET /v1/channels/tokens/{token}");
    assert_eq!(long.attributes["http.route"], "/v1/channels/tokens/{token}");
    assert_eq!(long.attributes["http.request.method"], "GET");
    assert_eq!(long.attributes["http.response.status_code"], "200");
    assert!(long.lasted > Duration::ZERO && !long.is_error, "{long:?}");
    assert_eq!(long.service["service.name"], "warren");
    assert_eq!(long.service["service.version"], env!("CARGO_PKG_VERSION"));

    // The log names the trace too.
    let line = until("it is logged", || {
        let log = server.log();
        let line = log.lines().find(|line| line.contains("the-long-way")).map(str::to_owned);
        line.ok_or(log)
    });
    assert!(line.contains(&format!("trace=\"{TRACE}\"")), "{line}");

    let body = r#"{"e":"N","d":1}"#;
    let size = body.len();
    let request = format!(
        "POST /v1/channels/room/messages HTTP/1.1\r\nHost: x\r\nAuthorization: {OWNER}\r\n\
         X-Request-Id: the-short-way\r\nTraceparent: {header}\r\nContent-Length: {size}\r\n\r\n{body}"
    );
    let mut stream = raw(server.address);
    stream.write_all(request.as_bytes()).unwrap();
    let short = collector.wait_for_request("the-short-way");
    assert_eq!((&*short.trace, &*short.parent), (TRACE, PARENT), "{short:?}");
    assert_eq!(short.name, "POST /v1/channels/{channel}/messages");

    for secret in [&*token, OWNER, ADMIN] {
        assert!(!collector.has(secret), "{secret}");
    }
}

#[test]
fn a_request_without_a_trace_begins_one_and_what_its_sender_does_not_keep_is_not_sent() {
    let collector = Collector::start();
    let server = server(&collector);
    // Without a trace, or with one that nobody can read, it is the first span of its own.
    for (name, header) in [("none", None), ("wrong", Some("00-what-ever-01"))] {
        let mut headers = vec![("Authorization", OWNER), ("X-Request-Id", name)];
        headers.extend(header.map(|value| ("traceparent", value)));
        assert_eq!(server.request("GET", "/v1/channels/nowhere", &headers, b"").status, 404);
        let own = collector.wait_for_request(name);
        assert!(own.parent.is_empty() && own.trace != TRACE && own.trace.len() == 32, "{own:?}");
    }

    // One whose sender wants nothing to be kept of it is not sent.
    let unwanted = format!("00-{TRACE}-{PARENT}-00");
    for (name, header) in [("unwanted", &*unwanted), ("wanted", &*traceparent())] {
        let headers = [("Authorization", OWNER), ("traceparent", header), ("X-Request-Id", name)];
        server.request("GET", "/v1/channels/room", &headers, b"");
    }
    collector.wait_for_request("wanted");
    assert!(!collector.has("unwanted"));
}

#[test]
fn calls_are_spans_and_take_their_trace_along() {
    let collector = Collector::start();
    let server = server(&collector);
    let receiver = Receiver::start(|_, call| {
        let body = match call.json()["type"].as_str() {
            Some("channel.subscribe") => r#"{"granted":true}"#,
            _ => "",
        };
        Says(if body.is_empty() { 500 } else { 200 }, "", body, Duration::ZERO)
    });
    let url = json!({"url": format!("{}/secret-path", receiver.url())}).to_string();
    server.data("PUT", "/v1/projects/@this/channel-authorizer", &url);
    let hook = json!({"webhook_url": receiver.url(), "events": ["channel.created"]}).to_string();
    server.data("POST", "/v1/projects/@this/webhooks", &hook);
    create(&server, "room", "private", &[]);
    let mut socket = Socket::enter(server.address, Some(&server.new_leap_token())).0;
    socket.dispatch("SUBSCRIBE", "room", &Value::Null);
    socket.expect("AVAILABLE");

    let host = receiver.address.to_string();
    for (name, status, is_error) in [("webhook", "500", true), ("authorizer", "200", false)] {
        let span = collector.wait_for(name, |span| span.name == name);
        assert_eq!((span.kind, span.is_error, &*span.parent), (CLIENT, is_error, ""), "{span:?}");
        assert_eq!(span.attributes["http.response.status_code"], status);
        assert_eq!(span.attributes["server.address"], host);
        let passed_on = format!("00-{}-{}-01", span.trace, span.id);
        let calls = receiver.calls();
        assert!(calls.iter().any(|call| call.header("traceparent") == passed_on), "{calls:?}");
    }
    assert!(!collector.has("secret-path"));
}

#[test]
fn spans_that_nobody_takes_are_counted_and_the_stop_does_not_wait_for_them() {
    // It takes connections, and answers nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(silent.local_addr().unwrap());
    let server = Process::start(folder.path(), &borrowed(&settings));
    server.assert_well();
    let _held = silent.accept().unwrap();
    let since = Stopwatch::start();
    assert_eq!(server.stop("TERM"), Some(0));
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());

    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = self::settings(closed);
    let server = Server::start_with(&borrowed(&settings));
    until("they are lost", || {
        let text = server.call("GET", "/metrics", Some(ADMIN), "").text();
        let line = text.lines().find_map(|line| line.strip_prefix("warren_spans_lost_total "));
        if line.is_some_and(|lost| lost != "0") { Ok(()) } else { Err(text) }
    });
    until("it is said", || {
        let log = server.log();
        if log.contains("spans were not taken") { Ok(()) } else { Err(log) }
    });
    server.assert_well();
}

#[test]
fn the_last_spans_are_sent_before_the_end() {
    let collector = Collector::start();
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(collector.address);
    settings.retain(|(name, _)| *name != "OTEL_BSP_SCHEDULE_DELAY");
    settings.push(("OTEL_BSP_SCHEDULE_DELAY", "3600000".to_owned()));
    let server = Process::start(folder.path(), &borrowed(&settings));
    server.http().data("PATCH", "/v1/channels/hello/state", r#"{"n":1}"#).unwrap();
    assert!(collector.spans().is_empty());
    assert_eq!(server.stop("TERM"), Some(0));
    let spans = collector.spans();
    assert!(
        spans.iter().any(|span| span.name == "PATCH /v1/channels/{channel}/state"),
        "{spans:?}"
    );
}

#[test]
fn an_address_that_cannot_be_understood_is_a_mistake_of_the_settings() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = [("OTEL_EXPORTER_OTLP_ENDPOINT", "no address")];
    let output = Process::run_to_end(folder.path(), &wrong);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("spans cannot be sent"), "{said}");
}
