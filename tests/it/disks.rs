//! What a server does about the disk that it writes to: a database that somebody else has, that was replaced, that takes
//! nothing, that a backup takes the place of.

use crate::socket::{Http, PATIENCE, Process, Socket};
use crate::support::receiver::{Receiver, says};
use crate::support::{Answer, PROJECT, until};
use serde_json::json;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

/// The first run's channel, which all tests write to.
const STATE: &str = "/v1/channels/hello/state";

/// Sets one key of the state.
fn patch(server: &Process, key: &str) -> Answer {
    server.http().call("PATCH", STATE, &json!({key: true}).to_string()).unwrap()
}

/// The state.
fn state(server: &Process) -> serde_json::Value {
    server.http().data("GET", STATE, "").unwrap()["state"].clone()
}

/// Waits until the server says that it is ready, or that it is not.
fn wait_for_readiness(server: &Process, status: u16) -> Answer {
    until("the readiness", || {
        let answer = server.http().call("GET", "/health/ready", "").unwrap();
        if answer.status == status { Ok(answer) } else { Err((answer.status, server.log())) }
    })
}

/// Asserts that an answer says that nothing can be stored.
fn assert_unavailable(answer: &Answer) {
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert_eq!(answer.json()["error"]["code"], "storage_unavailable", "{}", answer.text());
    assert!(answer.header("retry-after").is_some(), "{}", answer.text());
}

/// A server's database.
fn database(folder: &Path) -> std::path::PathBuf {
    folder.join("data/warren.db")
}

#[test]
fn a_clean_stop_leaves_everything_in_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &[]);
    assert_eq!(patch(&server, "before").status, 200);
    assert_eq!(server.stop("TERM"), Some(0));
    let file = database(folder.path());
    let log = file.with_extension("db-wal");
    assert_eq!(fs::metadata(&log).map_or(0, |log| log.len()), 0, "the log holds something");
    // As a backup is made of a stopped server by who knows only the one name, and put back.
    let backup = folder.path().join("backup.db");
    fs::copy(&file, &backup).unwrap();
    let server = Process::start(folder.path(), &[]);
    for n in 0..50 {
        assert_eq!(patch(&server, &format!("after-{n}")).status, 200);
    }
    assert_eq!(server.stop("TERM"), Some(0));
    fs::copy(&backup, &file).unwrap();
    let server = Process::start(folder.path(), &[]);
    assert_eq!(state(&server), json!({"before": true}));
    assert_eq!(patch(&server, "again").status, 200);
    server.assert_well();
}

#[test]
fn one_database_has_one_server_by_whatever_name() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &[]);
    let file = database(folder.path());
    let (symbolic, hard) = (folder.path().join("symbolic.db"), folder.path().join("hard.db"));
    std::os::unix::fs::symlink(&file, &symbolic).unwrap();
    fs::hard_link(&file, &hard).unwrap();
    for name in [&file, &symbolic, &hard] {
        let other = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", name.display());
        let second = Process::run_to_end(other.path(), &[("WARREN_DATABASE", &url)]);
        let said = String::from_utf8_lossy(&second.stderr).into_owned();
        assert_eq!(second.status.code(), Some(1), "{said}");
        let expected = format!("another server is using the database {}", name.display());
        assert!(said.contains(&expected), "{said}");
    }
    server.assert_well();
    server.kill();
    let again = Process::start(folder.path(), &[]);
    again.assert_well();
}

#[test]
fn a_database_that_is_not_the_one_any_more_is_not_written_to() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &[]);
    let (file, aside) = (database(folder.path()), folder.path().join("aside"));
    for name in ["db", "db-wal", "db-shm"] {
        let file = file.with_extension(name);
        fs::rename(&file, &aside).unwrap();
        // At once, not only once it has been noticed: what is answered is stored.
        assert_unavailable(&patch(&server, "lost"));
        assert_unavailable(&wait_for_readiness(&server, 503));
        server.wait_for_log(&format!("{} was removed or replaced", file.display()));
        if name == "db" {
            fs::copy(&aside, &file).unwrap();
            assert_unavailable(&patch(&server, "lost"));
        }
        fs::rename(&aside, &file).unwrap();
        wait_for_readiness(&server, 200);
        assert_eq!(patch(&server, &format!("kept-{name}")).status, 200);
    }
    let kept = json!({"kept-db": true, "kept-db-wal": true, "kept-db-shm": true});
    assert_eq!(state(&server), kept);
}

#[test]
fn while_no_commit_succeeds_writers_hear_why_and_readiness_says_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Process::start_logging_to(Stdio::piped(), folder.path(), &[]);
    let log = BufReader::new(server.take_stderr().unwrap());
    let log = thread::spawn(move || log.lines().map_while(Result::ok).collect::<Vec<_>>());
    assert_eq!(patch(&server, "before").status, 200);

    server.let_write(false);
    thread::scope(|scope| {
        for writer in 0..12 {
            let server = &server;
            scope.spawn(move || {
                let mut http = server.http();
                for n in 0..20 {
                    let body = json!({format!("w{writer}"): n}).to_string();
                    assert_unavailable(&http.call("PATCH", STATE, &body).unwrap());
                }
            });
        }
    });
    assert_unavailable(&wait_for_readiness(&server, 503));
    // What needs no disk goes on.
    let mut http = server.http();
    assert_eq!(http.call("GET", "/health/live", "").unwrap().status, 200);
    assert_eq!(state(&server), json!({"before": true}));
    http.data("POST", "/v1/channels/hello/messages", r#"{"e":"STILL","d":null}"#).unwrap();

    server.let_write(true);
    wait_for_readiness(&server, 200);
    assert_eq!(patch(&server, "after").status, 200);
    assert_eq!(state(&server), json!({"before": true, "after": true}));
    assert_eq!(server.stop("TERM"), Some(0));
    let lines = log.join().unwrap();
    let count = |words: &str| lines.iter().filter(|line| line.contains(words)).count();
    // One when it begins, and one more every ten seconds.
    let said = count("a commit failed");
    assert!((1..=5).contains(&said), "{said} lines: {lines:#?}");
    assert_eq!(count("commits succeed again"), 1, "{lines:#?}");
    assert_eq!(count("panicked"), 0, "{lines:#?}");
}

#[test]
fn a_webhook_is_called_once_however_long_its_outcome_cannot_be_stored() {
    let folder = tempfile::tempdir().unwrap();
    // Answers only when the test says so.
    let (answer, may_answer) = mpsc::channel::<()>();
    let may_answer = Mutex::new(may_answer);
    let receiver = Receiver::start(move |_, _| {
        may_answer.lock().unwrap().recv().unwrap();
        says(200)
    });
    let settings = [("WARREN_ALLOW_PRIVATE_WEBHOOKS", "1"), ("WARREN_WEBHOOK_RETRY_MS", "40")];
    let mut server = Process::start_logging_to(Stdio::piped(), folder.path(), &settings);
    let log = BufReader::new(server.take_stderr().unwrap());
    let (said, lines) = mpsc::channel();
    thread::spawn(move || {
        // Nobody listens any more when the test is over.
        log.lines().map_while(Result::ok).for_each(|line| drop(said.send(line)));
    });
    let mut http = server.http();
    let url = format!("http://{}/", receiver.address);
    let hook = json!({"webhook_url": url, "events": ["channel.created"]}).to_string();
    let made = http.data("POST", "/v1/projects/@this/webhooks", &hook).unwrap();
    let id = made["webhook"]["id"].as_str().unwrap().to_owned();
    for channel in ["one", "two"] {
        http.data("PUT", &format!("/v1/channels/{channel}"), r#"{"type":"public"}"#).unwrap();
    }
    receiver.wait_for(2);

    server.let_write(false);
    answer.send(()).unwrap();
    answer.send(()).unwrap();
    // Two outcomes wait; after some time each has been tried several times, and the outbox has been read again.
    for _ in 0..2 {
        let is_it = |line: String| line.contains("the outcome of a delivery is not stored yet");
        while !is_it(lines.recv_timeout(PATIENCE).unwrap()) {}
    }
    // Reading goes on meanwhile: the dispatcher looks into the outbox each second while something is due.
    thread::sleep(Duration::from_millis(2500));
    let path = format!("/v1/projects/@this/webhooks/{id}/deliveries?page=1&pageSize=10");
    let states = |http: &mut Http| {
        let all = http.data("GET", &path, "").unwrap()["deliveries"].take();
        let all = all.as_array().unwrap().clone();
        all.into_iter().map(|it| (it["state"].clone(), it["attempts"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(states(&mut http), vec![(json!("pending"), json!(0)); 2]);

    server.let_write(true);
    until("both outcomes are stored", || {
        let now = states(&mut http);
        if now == vec![(json!("delivered"), json!(1)); 2] { Ok(()) } else { Err(now) }
    });
    assert_eq!(receiver.calls().len(), 2, "each was called once");
    assert_eq!(server.stop("TERM"), Some(0));
}

/// The code of the next refusal.
fn refusal(socket: &mut Socket) -> serde_json::Value {
    socket.expect("ERROR")["d"]["code"].clone()
}

#[test]
fn on_the_socket_too_it_is_the_storage_that_is_unavailable() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &[]);
    let open = json!({"type": "unprotected", "capabilities": ["CLIENT_STATE"]}).to_string();
    for channel in ["room", "other"] {
        server.http().data("PUT", &format!("/v1/channels/{channel}"), &open).unwrap();
    }
    let enter = || {
        let created = server.http().data("POST", "/v1/channels/tokens", "").unwrap();
        let token = created["token"]["id"].as_str().unwrap();
        let mut socket = Socket::open(server.address);
        let who = json!({"project_id": PROJECT, "token": token, "ext": ["errors", "patch"]});
        socket.send(&json!({"op": 2, "d": who}));
        socket.expect("INIT");
        socket
    };
    let (mut writer, mut subscriber) = (enter(), enter());
    writer.subscribe("room");

    server.let_write(false);
    let writes = [
        ("SET_CHANNEL_STATE", json!({"a": 1})),
        ("PATCH_CHANNEL_STATE", json!({"patch": {"a": 1}})),
    ];
    for (write, data) in writes {
        writer.dispatch(write, "room", &data);
        assert_eq!(refusal(&mut writer), "storage_unavailable", "{write}");
    }
    // A subscription that was to be kept has no outcome: the client comes back and sees.
    subscriber.dispatch("SUBSCRIBE", "other", &json!(null));
    let (code, reason) = subscriber.expect_close();
    assert_eq!((code, reason.as_str()), (4000, "storage unavailable, reconnect"));

    server.let_write(true);
    wait_for_readiness(&server, 200);
    writer.dispatch("SET_CHANNEL_STATE", "room", &json!({"a": 2}));
    assert_eq!(writer.expect("STATE_UPDATE")["d"]["state"], json!({"a": 2}));
    server.assert_well();
}

#[test]
fn a_start_that_fails_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    Process::start(folder.path(), &[]).kill();
    let file = database(folder.path());
    let said = || {
        let second = Process::run_to_end(folder.path(), &[]);
        assert_eq!(second.status.code(), Some(1));
        String::from_utf8(second.stderr).unwrap()
    };
    // As one that belongs to somebody else, it cannot be opened; root could open that.
    let log = file.with_extension("db-wal");
    fs::remove_file(&log).unwrap();
    fs::create_dir(&log).unwrap();
    let text = said();
    assert!(text.contains(&format!("{} is not a file", log.display())), "{text}");
    fs::remove_dir(&log).unwrap();
    fs::write(
        &file,
        "nothing that a database begins with, and long enough to be looked at".repeat(9),
    )
    .unwrap();
    let text = said();
    assert!(text.contains(&format!("{}: ", file.display())), "{text}");
    assert!(text.contains("not a database"), "{text}");
}

#[test]
fn readiness_says_why_it_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &[("WARREN_METRICS_LISTEN", "127.0.0.1:0")]);
    let line = server.wait_for_log("metrics and health checks are served");
    let operator = line.split("address=").nth(1).unwrap().split(' ').next().unwrap();
    let mut operator = Http::connect(operator.parse().unwrap()).unwrap();
    server.let_write(false);
    assert_unavailable(&patch(&server, "lost"));
    let reasons = |answer: &Answer| answer.json()["error"]["reasons"].clone();
    let told = reasons(&wait_for_readiness(&server, 503));
    assert_eq!(told[0]["reason"], "store", "{told}");
    assert_eq!(told[0]["message"], "the database takes nothing", "{told}");
    let told = reasons(&operator.call("GET", "/health/ready", "").unwrap());
    let message = told[0]["message"].as_str().unwrap();
    assert!(message.len() > "the database takes nothing: ".len(), "{told}");
    server.let_write(true);
    assert!(reasons(&wait_for_readiness(&server, 200)).is_null());

    // A request that is still coming keeps the stop waiting, so that somebody can ask meanwhile.
    let mut open = crate::support::raw(server.address);
    open.write_all(
        b"POST /v1/channels/hello/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n1",
    )
    .unwrap();
    server.signal("TERM");
    server.wait_for_log("stopping");
    let told = until("it says so", || {
        let answer = operator.call("GET", "/health/ready", "").unwrap();
        if answer.status == 503 { Ok(reasons(&answer)) } else { Err(answer.text()) }
    });
    assert_eq!(told[0]["reason"], "stopping", "{told}");
}
