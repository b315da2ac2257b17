//! `warren doctor`: what it finds, what it says to do about it, and that it leaves everything as it is.

use crate::socket::Process;
use crate::support::{Server, start, until};
use serde_json::{Value, json};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::thread;

/// Bytes of a page of the database.
const PAGE: usize = 4096;

/// Runs it on a folder with these arguments and settings.
fn doctor(folder: &Path, args: &[&str], settings: &[(&str, &str)]) -> Output {
    let mut command = start::on_folder(start::program(), folder, settings);
    crate::support::database::settle(&mut command, folder, settings);
    command.arg("doctor").args(args).output().unwrap()
}

/// What it printed as JSON, and its exit code.
fn findings(folder: &Path, args: &[&str], settings: &[(&str, &str)]) -> (Vec<Value>, Option<i32>) {
    let output = doctor(folder, &[&["--json"], args].concat(), settings);
    let text = String::from_utf8(output.stdout).unwrap();
    let found = serde_json::from_str(&text)
        .unwrap_or_else(|_| panic!("{text} {}", String::from_utf8_lossy(&output.stderr)));
    (found, output.status.code())
}

/// What it found of one thing, of which there is one finding.
fn found<'a>(findings: &'a [Value], check: &str) -> &'a Value {
    let mut all = findings.iter().filter(|finding| finding["check"] == check);
    let one = all.next().unwrap_or_else(|| panic!("no {check}: {findings:?}"));
    assert!(all.next().is_none(), "{findings:?}");
    one
}

/// Where a folder has its database.
fn database(folder: &Path) -> PathBuf {
    folder.join("data/warren.db")
}

/// A folder whose database has many pages of every kind, with no server on it.
fn filled() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &[]);
    let mut http = server.http();
    http.data("PUT", "/v1/channels/kept", r#"{"type":"public","capabilities":["HISTORY"]}"#)
        .unwrap();
    for n in 0..200 {
        let body = json!({"e": "N", "d": {"n": n, "text": "x".repeat(n * 40)}}).to_string();
        http.data("POST", "/v1/channels/kept/messages", &body).unwrap();
    }
    assert_eq!(server.stop("TERM"), Some(0));
    folder
}

#[test]
fn before_the_first_run_and_beside_a_server_all_is_well() {
    let folder = tempfile::tempdir().unwrap();
    let (before, code) = findings(folder.path(), &[], &[]);
    assert_eq!(code, Some(0), "{before:?}");
    assert!(!database(folder.path()).exists(), "it made a database");
    let server = Process::start(folder.path(), &[]);
    let (beside, code) = findings(folder.path(), &[], &[]);
    assert_eq!(code, Some(0), "{beside:?}");
    for check in ["config", "folder", "database", "webhooks"] {
        assert_eq!(found(&beside, check)["verdict"], "fine", "{beside:?}");
    }
    server.http().data("PATCH", "/v1/channels/hello/state", r#"{"still":"writes"}"#).unwrap();
    server.assert_well();
}

#[test]
fn the_log_of_a_killed_server_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &[]);
    server.http().data("PATCH", "/v1/channels/hello/state", r#"{"is":"said"}"#).unwrap();
    server.kill();
    let files = || {
        ["", "-wal"]
            .map(|suffix| fs::read(folder.path().join(format!("data/warren.db{suffix}"))).unwrap())
    };
    let before = files();
    assert!(!before[1].is_empty(), "the kill left no log");
    let (found, code) = findings(folder.path(), &[], &[]);
    assert_eq!(code, Some(0), "{found:?}");
    assert!(files() == before, "its files have changed");
}

#[test]
fn a_damaged_page_is_found_wherever_it_is() {
    let folder = filled();
    let file = database(folder.path());
    let whole = fs::read(&file).unwrap();
    let (well, code) = findings(folder.path(), &[], &[]);
    assert_eq!(code, Some(0), "{well:?}");
    let pages = whole.len() / PAGE;
    assert!(pages > 60, "{pages} pages");
    // The first page too, without which it is no database.
    for page in (0..pages).step_by(pages / 12) {
        let mut damaged = whole.clone();
        damaged[page * PAGE..(page + 1) * PAGE].fill(0xA5);
        fs::write(&file, &damaged).unwrap();
        let (findings, code) = findings(folder.path(), &[], &[]);
        let database = found(&findings, "database");
        assert_eq!((code, &database["verdict"]), (Some(1), &json!("problem")), "page {page}");
        assert!(database["remedy"].as_str().unwrap().contains("backup"), "{database}");
        assert_eq!(fs::read(&file).unwrap(), damaged, "it changed the file");
    }
    fs::write(&file, whole).unwrap();
    assert_eq!(findings(folder.path(), &[], &[]).1, Some(0));
}

#[test]
fn addresses_that_are_not_called_are_named_with_what_opens_them() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &[]);
    let body = r#"{"webhook_url":"http://127.0.0.1:8099/hook","events":["channel.created"]}"#;
    let made = server.http().call("POST", "/v1/projects/@this/webhooks", body).unwrap();
    assert_eq!(made.status, 200, "{}", made.text());
    let (findings_now, code) = findings(folder.path(), &[], &[]);
    let refused = found(&findings_now, "webhooks");
    assert_eq!((code, &refused["verdict"]), (Some(1), &json!("problem")), "{refused}");
    assert!(refused["found"].as_str().unwrap().contains(", 127.0.0.1:8099: "), "{refused}");
    assert!(!refused.to_string().contains("/hook"), "a path may be a secret: {refused}");
    assert!(refused["remedy"].as_str().unwrap().contains("--webhook-networks"), "{refused}");
    let open = [("WARREN_WEBHOOK_NETWORKS", "127.0.0.0/8")];
    let (opened, code) = findings(folder.path(), &[], &open);
    assert_eq!(code, Some(0), "{opened:?}");

    // A server says so too when it starts, without the address, which may be a secret.
    assert_eq!(server.stop("TERM"), Some(0));
    let server = Process::start(folder.path(), &[]);
    let line = server.wait_for_log("nothing is sent there");
    assert!(line.contains("WARN") && line.contains("of=webhook webhook_"), "{line}");
    assert!(line.contains("private_address") && !server.log().contains("/hook"), "{line}");
}

#[test]
fn a_server_says_that_it_may_open_few_files_when_it_starts() {
    let few = "few file descriptors";
    assert!(Server::start_with_files(1024).log().contains(few));
    assert!(!Server::start_with_files(5000).log().contains(few));
}

#[test]
fn a_server_says_that_something_on_the_way_takes_upgrades_out() {
    let server = Server::start();
    let ask = |lines: &[(&str, &str)]| server.request("GET", "/ws", lines, b"").status;
    let said = "has lost its `Upgrade`";
    // Somebody has opened the address in a browser.
    assert_eq!(ask(&[]), 400);
    assert!(!server.log().contains(said), "{}", server.log());
    let key = ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    for _ in 0..3 {
        assert_eq!(ask(&[key, ("Sec-WebSocket-Version", "13")]), 400);
    }
    until("it is said", || server.log().contains(said).then_some(()).ok_or_else(|| server.log()));
    let times = server.log().matches(said).count();
    assert!(times <= 2, "once for each worker at most: {}", server.log());
}

/// Something that listens, answers one request with these bytes, and ends.
fn answering(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut read = [0; 4096];
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let size = stream.read(&mut read).unwrap();
            request.extend(&read[..size]);
        }
        stream.write_all(answer.as_bytes()).unwrap();
    });
    address
}

#[test]
fn a_proxy_that_passes_no_sockets_on_is_told_from_one_that_does() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &[]);
    let ask = |address: SocketAddr| {
        let (all, code) = findings(folder.path(), &["--url", &format!("http://{address}")], &[]);
        (found(&all, "proxy").clone(), code)
    };
    let (well, code) = ask(server.address);
    assert_eq!((code, &well["verdict"]), (Some(0), &json!("fine")), "{well}");
    let bad = "HTTP/1.1 400 Bad Request\r\nServer: nginx\r\nContent-Length: 0\r\n\r\n";
    let silent =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n";
    for (answer, words) in [
        (bad, "proxy_set_header Upgrade"),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", "whether the server runs"),
        (silent, "proxy_buffering"),
        ("SSH-2.0-OpenSSH\r\n", "whether anything listens"),
    ] {
        let (told, code) = ask(answering(answer));
        assert_eq!((code, &told["verdict"]), (Some(1), &json!("problem")), "{answer}: {told}");
        assert!(told["remedy"].as_str().unwrap().contains(words), "{answer}: {told}");
    }
}

#[test]
fn settings_that_cannot_be_used_are_a_problem_with_their_name() {
    let folder = tempfile::tempdir().unwrap();
    let (all, code) = findings(folder.path(), &[], &[("WARREN_HEARTBEAT", "0")]);
    let config = found(&all, "config");
    assert_eq!((code, &config["verdict"]), (Some(1), &json!("problem")));
    assert!(config["found"].as_str().unwrap().contains("heartbeat"), "{config}");
    let output = doctor(folder.path(), &[], &[("WARREN_HEARTBEAT", "0")]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("PROBLEM  config    WARREN_HEARTBEAT: heartbeat must be"), "{text}");
    assert!(text.contains("\n                   → "), "{text}");
}
