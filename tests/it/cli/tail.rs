//! `warren tail`: over broken lines, over the end of the server and over its own, and by a Unix socket.

use super::{Home, Running};
use crate::lines::proxy::{Break, Proxy};
use crate::scene::create;
use crate::socket::Process;
use crate::support::{OWNER, PATIENCE, PROJECT, Server};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::ops::Range;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

/// A `tail` that runs, and its lines.
struct Tail {
    /// The process.
    child: Running,
    /// What it prints.
    lines: Receiver<Value>,
}

impl Tail {
    /// Starts one.
    fn start(home: &Home, words: &[&str]) -> Self {
        let words = [&["tail", "room", "--json"], words].concat();
        let mut command = home.command(&words);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (line, lines) = channel();
        let read = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for text in read.lines().map_while(Result::ok) {
                // The test may have seen enough.
                let _ = line.send(serde_json::from_str(&text).unwrap());
            }
        });
        Self { child: Running(child), lines }
    }

    /// The next line of this kind.
    fn next(&self, kind: &str) -> Value {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap();
            assert_ne!(line["kind"], "gap", "messages may be missing");
            if line["kind"] == kind {
                return line;
            }
        }
    }
}

#[test]
fn tail_goes_on_by_position_over_broken_lines_and_over_its_own_end() {
    let (server, home) = (Server::start(), Home::new());
    home.remember(&server);
    create(&server, "room", "unprotected", &["HISTORY"]);
    let proxy = Proxy::start(server.address, [127, 0, 0, 1]);
    let url = format!("http://{}", proxy.address);
    let positions = home.0.path().join("positions");
    let positions = positions.to_str().unwrap();
    let publish = |n: u64| {
        server.done("POST", "/v1/channels/room/messages", &json!({"e": "N", "d": n}).to_string());
    };
    let mut tail = Tail::start(
        &home,
        &["--url", &url, "--project", PROJECT, "--positions", positions, "--count", "40"],
    );
    tail.next("state");
    for n in 0..40 {
        publish(n);
        if n % 10 == 5 {
            proxy.cut(Break::Reset);
        }
    }
    for n in 0..40 {
        assert_eq!(tail.next("message")["data"], n);
    }
    assert!(tail.child.0.wait().unwrap().success(), "it ends after so many messages");
    // While nobody follows.
    (40..45).for_each(publish);
    let again =
        Tail::start(&home, &["--project", PROJECT, "--positions", positions, "--count", "5"]);
    for n in 40..45 {
        assert_eq!(again.next("message")["data"], n);
    }
    let (code, error) = home.refused(&["tail", "nowhere"]);
    assert_eq!(code, 4, "{error}");
}

#[test]
fn tail_goes_on_after_the_server_and_after_itself_was_killed() {
    let (folder, home) = (tempfile::tempdir().unwrap(), Home::new());
    let free = TcpListener::bind("127.0.0.4:0").unwrap().local_addr().unwrap();
    let (listen, url) = (free.to_string(), format!("http://{free}"));
    let start = || Process::start(folder.path(), &[("WARREN_LISTEN", &listen)]);
    let server = start();
    let room = r#"{"type":"unprotected","capabilities":["HISTORY"]}"#;
    server.http().data("PUT", "/v1/channels/room", room).unwrap();
    let publish = |server: &Process, numbers: Range<u64>| {
        for n in numbers {
            let body = json!({"e": "N", "d": n}).to_string();
            server.http().data("POST", "/v1/channels/room/messages", &body).unwrap();
        }
    };
    let positions = home.0.path().join("positions");
    let words = ["--url", &url, "--project", PROJECT, "--positions", positions.to_str().unwrap()];
    let tail = Tail::start(&home, &words);
    tail.next("state");
    publish(&server, 0..5);
    server.kill();
    let server = start();
    publish(&server, 5..10);
    for n in 0..10 {
        assert_eq!(tail.next("message")["data"], n);
    }
    crate::support::until("it stores how far it is", || {
        if positions.exists() { Ok(()) } else { Err("not yet") }
    });
    // Which kills it: it has no time to store anything more.
    drop(tail);
    publish(&server, 10..15);
    let mut again = Tail::start(&home, &words);
    // What it had not stored comes again, and nothing is left out.
    let first = again.next("message")["data"].as_u64().unwrap();
    assert!(first <= 10, "{first}");
    for n in first + 1..15 {
        assert_eq!(again.next("message")["data"], n);
    }
    let sent = Command::new("kill").arg("-TERM").arg(again.child.0.id().to_string()).status();
    assert!(sent.unwrap().success() && again.child.0.wait().unwrap().success());
    publish(&server, 15..16);
    assert_eq!(
        Tail::start(&home, &words).next("message")["data"],
        15,
        "an asked-for end loses nothing"
    );
    server.assert_well();
}

#[test]
fn commands_ask_by_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("unix:{}", folder.path().join("warren.sock").display());
    let server = Server::start_with(&[("WARREN_LISTEN", &format!("127.0.0.1:0,{url}"))]);
    let home = Home::new();
    let words = ["whoami", "--url", &url, "--token", OWNER];
    assert_eq!(home.json(&words)["projects"][0]["id"], PROJECT);
    assert_eq!(home.json(&["health", "--url", &url])["ready"], true);
    create(&server, "room", "unprotected", &[]);
    let tail = Tail::start(&home, &["--url", &url, "--project", PROJECT, "--count", "1"]);
    tail.next("state");
    home.said(&["publish", "room", "GREETING", "1", "--url", &url, "--token", OWNER]);
    assert_eq!(tail.next("message")["data"], 1);
    server.assert_well();
}
