//! How a server starts and ends: whatever becomes of its log, whatever is under way, by which signal.

use crate::scene::eventually;
use crate::socket::{Http, PATIENCE, Process, Received, Socket, Stopwatch};
use crate::support::database;
use crate::support::start::program;
use crate::support::{Answer, OWNER, raw};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Publishes to the first run's channel and waits until a subscriber has heard it: the server does its work.
fn assert_works(server: &Process, socket: &mut Socket, event: &str) {
    let body = json!({"e": event, "d": null}).to_string();
    server.http().data("POST", "/v1/channels/hello/messages", &body).unwrap();
    assert_eq!(socket.expect("MESSAGE")["d"]["e"], event);
}

/// A connection that hears the first run's channel.
fn listener(server: &Process) -> Socket {
    let (mut socket, _) = Socket::enter(server.address, None);
    socket.dispatch("SUBSCRIBE", "hello", &Value::Null);
    socket.expect("AVAILABLE");
    socket
}

#[test]
fn a_log_that_nobody_reads_any_more_stops_nothing() {
    for signal in ["TERM", "INT"] {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Process::start_logging_to(Stdio::piped(), folder.path(), &[]);
        let mut socket = listener(&server);
        drop(server.take_stderr());
        // The first line that meets the closed pipe, then what must come after it.
        server.signal("USR1");
        assert_works(&server, &mut socket, "AFTER");
        assert_eq!(server.stop(signal), Some(0), "{signal}");
    }
}

#[test]
fn a_log_on_a_full_disk_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let server = Process::start_logging_to(full.into(), folder.path(), &[]);
    let mut socket = listener(&server);
    assert_works(&server, &mut socket, "HEARD");
    assert_eq!(server.stop("TERM"), Some(0));
}

#[test]
fn a_log_whose_reader_has_stopped_reading_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    // More than a pipe holds and a queue keeps, long before the last message.
    let chatty = [("RUST_LOG", "trace")];
    let mut server = Process::start_logging_to(Stdio::piped(), folder.path(), &chatty);
    let unread = server.take_stderr();
    let (mut socket, mut http) = (listener(&server), server.http());
    for n in 0..400 {
        http.data("GET", "/v1/channels/hello/state", "").unwrap();
        assert_works(&server, &mut socket, &format!("N{n}"));
    }
    assert_eq!(server.stop("TERM"), Some(0));
    drop(unread);
}

#[test]
fn a_closed_standard_output_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start_mute(folder.path());
    let mut socket = listener(&server);
    assert_works(&server, &mut socket, "HEARD");
    assert!(server.log().contains("standard output takes nothing"), "{}", server.log());
    assert_eq!(server.stop("TERM"), Some(0));
}

#[test]
fn signals_that_mean_nothing_are_logged_and_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &[]);
    let mut socket = listener(&server);
    for signal in ["USR1", "USR2", "XFSZ"] {
        server.signal(signal);
        server.wait_for_log(&format!("signal=\"SIG{signal}\""));
        assert_works(&server, &mut socket, signal);
    }
    server.assert_well();
    assert_eq!(server.stop("TERM"), Some(0));
}

#[test]
fn where_a_server_listens_is_shown_while_it_runs() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &[]);
    let base = format!("http://{}/", server.address);
    let shown = || {
        let mut info = program();
        info.current_dir(folder.path()).arg("info").env("WARREN_DATA", folder.path().join("data"));
        info.envs(database::setting(folder.path()));
        String::from_utf8(info.output().unwrap().stdout).unwrap()
    };
    let is_there = |text: &str| {
        text.contains(&format!("url: {base}\n")) && text.contains(&format!("page: {base}#project="))
    };
    assert!(is_there(&shown()), "{}", shown());
    // One that has to go again because this one is there changes nothing.
    assert_eq!(Process::run_to_end(folder.path(), &[]).status.code(), Some(1));
    assert!(is_there(&shown()), "{}", shown());
    assert_eq!(server.stop("TERM"), Some(0));
    assert!(!is_there(&shown()), "{}", shown());
}

/// A request on its way: what was sent of it is not all.
struct Half {
    stream: TcpStream,
    rest: Vec<u8>,
}

impl Half {
    /// Sends a request up to the middle of its body.
    fn send(address: SocketAddr, method: &str, path: &str, body: &str) -> Self {
        Self::send_all_but(body.len() / 2, address, method, path, body)
    }

    /// Sends a request up to the middle of its head.
    fn send_head(address: SocketAddr, method: &str, path: &str, body: &str) -> Self {
        Self::send_all_but(body.len() + 40, address, method, path, body)
    }

    /// Sends a request but for so many bytes.
    fn send_all_but(
        missing: usize,
        address: SocketAddr,
        method: &str,
        path: &str,
        body: &str,
    ) -> Self {
        let mut stream = raw(address);
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: test\r\nAuthorization: {OWNER}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let (first, rest) = request.as_bytes().split_at(request.len() - missing);
        stream.write_all(first).unwrap();
        Self { stream, rest: rest.to_vec() }
    }

    /// Sends the rest and reads to the end of the connection, which this answer must be.
    fn finish(mut self) -> Answer {
        self.stream.write_all(&self.rest).unwrap();
        let mut bytes = Vec::new();
        self.stream.read_to_end(&mut bytes).unwrap();
        let answer = Answer::parse(&bytes).unwrap_or_else(|| panic!("no answer: {bytes:?}"));
        assert_eq!(answer.header("connection"), Some("close"), "{}", answer.text());
        answer
    }
}

#[test]
fn what_is_under_way_is_answered_and_heard_before_the_sockets_close() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &[]);
    let address = server.address;
    let mut socket = listener(&server);
    let (mut plain, mut other, mut health) = (server.http(), server.http(), server.http());
    let mut early = Socket::open(address);
    let mut idle = raw(address);
    for http in [&mut plain, &mut other, &mut health] {
        http.call("GET", "/health/live", "").unwrap();
    }
    // One of each kind: what the door answers by itself, and what the HTTP layer does.
    let message = Half::send(
        address,
        "POST",
        "/v1/channels/hello/messages",
        r#"{"e":"HALF","d":{"text":"half of it was there"}}"#,
    );
    let state = Half::send(address, "PATCH", "/v1/channels/hello/state", r#"{"half":"a state"}"#);
    let body = r#"{"e":"HEAD","d":null}"#;
    let head = Half::send_head(address, "POST", "/v1/channels/hello/messages", body);
    let other_head = Half::send_head(address, "GET", "/v1/channels/hello/state", "");
    server.signal("TERM");
    server.wait_for_log(" stopping");

    // Kept connections on which nothing was under way: the next request is answered, and is their last.
    let refused = health.call("GET", "/health/ready", "").unwrap();
    assert_eq!((refused.status, refused.header("connection")), (503, Some("close")));
    assert_eq!(refused.json()["error"]["code"], "stopping");
    let body = r#"{"e":"KEPT","d":null}"#;
    let kept = plain.call("POST", "/v1/channels/hello/messages", body).unwrap();
    assert_eq!((kept.status, kept.header("connection")), (204, Some("close")));
    let read = other.call("GET", "/v1/channels/hello/state", "").unwrap();
    assert_eq!((read.status, read.header("connection")), (200, Some("close")));
    assert!(plain.call("GET", "/health/live", "").is_err(), "it was the last");

    // Whoever identifies now is told to come back.
    early.identify(None);
    assert_eq!(early.expect_close().0, 4010);

    // What had begun is waited for when idle connections have ended.
    assert!(idle.read(&mut [0]).is_ok_and(|size| size == 0), "an idle connection that goes on");
    assert_eq!(message.finish().status, 204);
    assert_eq!(head.finish().status, 204);
    assert_eq!(other_head.finish().status, 200);
    assert_eq!(state.finish().status, 200);
    for event in ["KEPT", "HALF", "HEAD"] {
        assert_eq!(socket.expect("MESSAGE")["d"]["e"], event);
    }
    assert_eq!(socket.expect("STATE_UPDATE")["d"]["state"]["half"], "a state");
    assert_eq!(socket.expect_close().0, 4010);
    assert_eq!(server.wait(), Some(0));
}

/// A request before the one that stays half, as it is written.
fn first_requests() -> [String; 4] {
    let head = |method: &str, path: &str, lines: &str| {
        format!("{method} {path} HTTP/1.1\r\nHost: test\r\nAuthorization: {OWNER}\r\n{lines}\r\n")
    };
    let state = "/v1/channels/hello/state";
    [
        head("GET", state, ""),
        head("PATCH", state, "Content-Length: 7\r\n") + r#"{"a":1}"#,
        head("PATCH", state, "Transfer-Encoding: chunked\r\n") + "7\r\n{\"b\":1}\r\n0\r\n\r\n",
        head("POST", "/v1/channels/hello/messages", "Content-Length: 16\r\n")
            + r#"{"e":"a","d":{}}"#,
    ]
}

#[test]
fn a_second_head_that_came_half_behind_a_request_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &[]);
    let mut idle = raw(server.address);
    let second = format!(
        "GET /v1/channels/hello/state HTTP/1.1\r\nHost: test\r\nAuthorization: {OWNER}\r\n\r\n"
    );
    let (half, rest) = second.split_at(second.len() / 2);
    let mut held = first_requests().map(|first| {
        let mut stream = raw(server.address);
        stream.write_all((first + half).as_bytes()).unwrap();
        let mut status = [0; 10];
        stream.read_exact(&mut status).unwrap();
        assert_eq!(&status, b"HTTP/1.1 2");
        stream
    });
    server.signal("TERM");
    server.wait_for_log(" stopping");
    assert!(idle.read(&mut [0]).is_ok_and(|size| size == 0), "an idle connection that goes on");
    for stream in &mut held {
        stream.write_all(rest.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let at = bytes.windows(9).rposition(|part| part == b"HTTP/1.1 ");
        let at = at.unwrap_or_else(|| panic!("no answer: {}", bytes.escape_ascii()));
        let answer = Answer::parse(&bytes[at..]).unwrap();
        assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    }
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn who_never_identifies_is_told_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &[]);
    let mut silent = Socket::open(server.address);
    server.signal("TERM");
    assert_eq!(silent.expect_close().0, 4010);
    let log = server.log();
    assert_eq!(server.wait(), Some(0));
    assert!(!log.contains("open"), "{log}");
}

#[test]
fn nobody_is_accepted_while_requests_end() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &[]);
    let held = Half::send(server.address, "PATCH", "/v1/channels/hello/state", r#"{"half":1}"#);
    server.signal("TERM");
    let since = Stopwatch::start();
    while TcpStream::connect(server.address).is_ok() {
        assert!(since.elapsed() < PATIENCE, "still accepted");
    }
    assert_eq!(held.finish().status, 200);
    assert_eq!(server.wait(), Some(0));
}

/// Publishes until the server has gone; returns what was answered, by name. Whoever has a connection is answered on it, up
/// to the answer that says that it is the last.
fn publish_until_gone(address: SocketAddr, publisher: usize, all: &AtomicUsize) -> Vec<String> {
    let mut answered = Vec::new();
    let Ok(mut http) = Http::connect(address) else { return answered };
    let mut is_kept = false;
    for n in 0.. {
        let event = format!("P{publisher}-{n}");
        let body = json!({"e": event, "d": null}).to_string();
        match http.call("POST", "/v1/channels/hello/messages", &body) {
            Ok(answer) if answer.status == 204 => {
                answered.push(event);
                all.fetch_add(1, Ordering::Relaxed);
                is_kept = answer.header("connection") != Some("close");
            }
            Ok(answer) => panic!("{}: {}", answer.status, answer.text()),
            Err(error) => {
                assert!(!is_kept, "{event} was not answered: {error}");
                match Http::connect(address) {
                    Ok(again) => http = again,
                    Err(_) => break,
                }
            }
        }
    }
    answered
}

/// Everything that a subscriber hears up to its close, which must be 4010.
fn hear_to_the_end(mut socket: Socket) -> HashSet<String> {
    let mut heard = HashSet::new();
    loop {
        match socket.try_next() {
            Ok(dispatch) => {
                heard.insert(dispatch["d"]["e"].as_str().unwrap().to_owned());
            }
            Err(end) => {
                assert!(matches!(end, Received::Close(4010, _)), "{end:?}");
                return heard;
            }
        }
    }
}

#[test]
fn all_that_was_acknowledged_is_heard_by_all_before_they_are_closed() {
    for _ in 0..8 {
        let folder = tempfile::tempdir().unwrap();
        let server = Process::start(folder.path(), &[("WARREN_WORKERS", "2")]);
        let address = server.address;
        let sockets: Vec<_> = (0..12).map(|_| listener(&server)).collect();
        let all = AtomicUsize::new(0);
        let all = &all;
        thread::scope(|scope| {
            let hearers: Vec<_> =
                sockets.into_iter().map(|s| scope.spawn(move || hear_to_the_end(s))).collect();
            let publishers: Vec<_> =
                (0..6).map(|n| scope.spawn(move || publish_until_gone(address, n, all))).collect();
            eventually("200 publishes", || all.load(Ordering::Relaxed) >= 200);
            assert_eq!(server.stop("TERM"), Some(0));
            let answered: Vec<_> =
                publishers.into_iter().flat_map(|publisher| publisher.join().unwrap()).collect();
            for hearer in hearers {
                let heard = hearer.join().unwrap();
                let missing = answered.iter().filter(|event| !heard.contains(*event)).count();
                assert_eq!(missing, 0, "of {} not heard", answered.len());
            }
        });
    }
}
