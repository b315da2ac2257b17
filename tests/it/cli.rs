//! The commands that ask a server, as processes: what they print, what they exit with, and `tail` over broken lines.

use crate::lines::proxy::{Break, Proxy};
use crate::scene::create;
use crate::socket::Process;
use crate::support::{OWNER, PATIENCE, PROJECT, Server, start};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use tempfile::TempDir;

/// Somebody's home: where the profiles are.
struct Home(TempDir);

impl Home {
    /// An empty one.
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// The program with this home.
    fn command(&self, words: &[&str]) -> Command {
        let mut command = start::program();
        command.args(words).current_dir(self.0.path()).env_remove("XDG_CONFIG_HOME");
        command.env("HOME", self.0.path()).stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// What a command that succeeds says.
    fn said(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The same as JSON.
    fn json(&self, words: &[&str]) -> Value {
        let said = self.said(&[words, &["--json"]].concat());
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{words:?}: {error}: {said}"))
    }

    /// Exit code and standard error of a command.
    fn refused(&self, words: &[&str]) -> (i32, String) {
        let output = self.run(words);
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }

    /// Remembers a server in the profile `default`.
    fn remember(&self, server: &Server) {
        let url = format!("http://{}", server.address);
        self.said(&[
            "profiles",
            "set",
            "default",
            "--url",
            &url,
            "--project",
            PROJECT,
            "--token",
            OWNER,
        ]);
    }
}

#[test]
fn channels_states_messages_and_tokens_are_managed_by_commands() {
    let (server, home) = (Server::start(), Home::new());
    home.remember(&server);
    home.said(&[
        "channels",
        "create",
        "room",
        "--type",
        "unprotected",
        "--state",
        r#"{"a":1}"#,
        "--capabilities",
        "HISTORY,STATE_HISTORY",
    ]);
    assert_eq!(home.json(&["channels", "get", "room"])["channel"]["state"], json!({"a": 1}));
    assert!(home.said(&["channels", "list"]).starts_with("ID"));
    home.said(&["state", "patch", "room", r#"{"b":2}"#]);
    home.said(&["state", "set", "room", r#"{"c":3}"#]);
    let state = home.json(&["state", "get", "room"]);
    assert_eq!((&state["state"], &state["version"]), (&json!({"c": 3}), &json!(3)));
    let versions = home.json(&["state", "history", "room"]);
    assert_eq!(versions["versions"].as_array().unwrap().len(), 3);
    home.said(&["state", "restore", "room", "2", "--if-match", state["etag"].as_str().unwrap()]);
    assert_eq!(home.json(&["state", "get", "room"])["state"], json!({"a": 1, "b": 2}));
    let published = home.json(&["publish", "room", "GREETING", r#"{"n":1.00}"#]);
    let messages = home.said(&["messages", "list", "room", "--json"]);
    // What was published goes through as it was written.
    assert!(messages.contains(r#""d":{"n":1.00}"#), "{messages}");
    let messages: Value = serde_json::from_str(&messages).unwrap();
    assert_eq!(messages["messages"][0]["s"], published["position"]);
    let token = home.json(&["tokens", "create", "--channels", "room", "--state", r#"{"x":1}"#]);
    let token = token["token"]["id"].as_str().unwrap();
    assert!(home.said(&["tokens", "subscriptions", token]).contains("room"));
    assert!(home.said(&["channels", "subscribers", "room"]).contains(token));
    assert_eq!(home.said(&["channels", "unsubscribe", "room", token]), "");
    assert_eq!(home.said(&["tokens", "delete", token]), "");
    let batch = r#"[{"method":"POST","path":"/v1/channels/room/messages","body":{"e":"E"}}]"#;
    assert_eq!(home.json(&["batch", batch])["results"][0]["status"], 204);
    assert_eq!(home.json(&["api", "GET", "channels/room/stats"])["online_count"], 0);
    assert_eq!(home.json(&["health"])["ready"], true);
    assert!(home.json(&["whoami"])["projects"][0]["id"] == PROJECT);
    server.assert_well();
}

#[test]
fn what_is_refused_is_said_on_standard_error_with_an_exit_code_for_each_kind() {
    let (server, home) = (Server::start(), Home::new());
    home.remember(&server);
    let kinds: [(&[&str], i32, &str); 8] = [
        (&["channels", "get", "nowhere"], 4, "/docs/errors#channel_not_found"),
        (&["channels", "list", "--token", "ptk_wrong"], 3, "warren profiles set"),
        (&["projects", "list"], 3, "missing_permission"),
        (&["state", "set", "room", "{}", "--if-match", "\"x.1\""], 5, "version_conflict"),
        (&["channels", "get", "x", "--url", "http://127.0.0.1:1"], 6, "is the server running"),
        (&["publish", "room", "E", "text"], 2, "'\"text\"'"),
        (&["channels", "list", "--profile", "nobody"], 2, "there is no profile `nobody`"),
        (&["chanels", "list"], 2, "channels"),
    ];
    create(&server, "room", "public", &[]);
    for (words, code, text) in kinds {
        let (found, error) = home.refused(words);
        assert_eq!(found, code, "{words:?}: {error}");
        assert!(error.contains(text), "{words:?}: {error}");
        assert!(!error.contains('\u{1b}'), "colours where there is no terminal: {error}");
    }
}

#[test]
fn profiles_are_for_their_owner_alone_and_a_token_goes_to_its_own_server_only() {
    let (server, home) = (Server::start(), Home::new());
    home.remember(&server);
    let path = home.0.path().join(".config/warren/profiles.toml");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let listed = home.said(&["profiles", "list"]);
    assert!(listed.contains("default") && !listed.contains(OWNER), "{listed}");
    let other = Server::start();
    let url = format!("http://{}", other.address);
    // It would be taken there: the tests' servers have the same tokens.
    assert_eq!(home.refused(&["channels", "list", "--url", &url]).0, 3);
    let mut set = home.command(&["profiles", "set", "other", "--url", &url, "--token", "-"]);
    let mut child = set.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("{OWNER}\n").as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    home.said(&["channels", "list", "--profile", "other"]);
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    let (_, error) = home.refused(&["channels", "list"]);
    assert!(error.contains("chmod 600"), "{error}");
}

/// A `tail` that runs, and its lines.
struct Tail {
    /// The process.
    child: Child,
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
        Self { child, lines }
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

impl Drop for Tail {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
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
    assert!(tail.child.wait().unwrap().success(), "it ends after so many messages");
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
    let sent = Command::new("kill").arg("-TERM").arg(again.child.id().to_string()).status();
    assert!(sent.unwrap().success() && again.child.wait().unwrap().success());
    publish(&server, 15..16);
    assert_eq!(
        Tail::start(&home, &words).next("message")["data"],
        15,
        "an asked-for end loses nothing"
    );
    server.assert_well();
}

#[test]
fn what_is_wrong_is_json_where_that_is_asked_for() {
    let (server, home) = (Server::start(), Home::new());
    home.remember(&server);
    create(&server, "room", "public", &[]);
    for (words, code, word) in [
        (vec!["channels", "get", "nowhere"], 4, "channel_not_found"),
        (vec!["channels", "get", "x", "--url", "http://127.0.0.1:1"], 6, "unreachable"),
        (vec!["profiles", "set", "x", "--url", "nowhere"], 2, "usage"),
        (vec!["backup", "file.db", "--data", "no-such-folder"], 1, "failed"),
        (vec!["api", "GET", "channels?page=0"], 1, "invalid_query"),
    ] {
        let (found, error) = home.refused(&[&words[..], &["--json"]].concat());
        assert_eq!(found, code, "{words:?}: {error}");
        let error: Value = serde_json::from_str(&error).unwrap();
        assert_eq!(error["error"]["code"], word, "{words:?}: {error}");
        assert!(!error["error"]["message"].as_str().unwrap().is_empty());
    }
    assert_eq!(home.json(&["api", "GET", "/v1/channels?page=1&pageSize=1"])["total_count"], 1);
    let data = server.data_folder();
    let data = data.to_str().unwrap();
    assert_eq!(home.json(&["info", "--data", data])["projects"][0]["id"], PROJECT);
    let made = home.json(&["admin", "create-token", "--name", "Ops", "--data", data]);
    let id = made["id"].as_str().unwrap();
    let listed = home.json(&["admin", "list-tokens", "--data", data]);
    let tokens = listed["tokens"].as_array().unwrap();
    assert!(tokens.iter().any(|token| token["id"] == id && token["name"] == "Ops"), "{listed}");
    assert_eq!(home.json(&["admin", "delete-token", id, "--data", data])["deleted"], id);
    assert_eq!(home.json(&["config", "check"])["ok"], true);
    assert_eq!(home.json(&["init", "new.toml"])["wrote"], "new.toml");
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
    let (code, error) = home.refused(&["tail", "room", "--url", &url, "--project", PROJECT]);
    assert!(code == 2 && error.contains("unix:"), "{code}: {error}");
    server.assert_well();
}

/// Answers one request with these bytes; returns where.
fn answering(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        stream.write_all(answer.as_bytes()).unwrap();
    });
    url
}

#[test]
fn what_answers_and_is_no_warren_server_is_no_success() {
    let home = Home::new();
    let moved = "HTTP/1.1 308 Moved\r\nlocation: https://a.example/\r\ncontent-length: 0\r\n\r\n";
    let page = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";
    for (words, answer, text) in [
        (&["channels", "delete", "room"][..], moved, "https://a.example/"),
        (&["channels", "list"], page, "is no Warren server"),
        (&["health"], page, "is no Warren server"),
    ] {
        let (code, error) = home.refused(&[words, &["--url", &answering(answer)]].concat());
        assert!(code == 1 && error.contains(text), "{words:?}: {code}: {error}");
    }
}

#[test]
fn a_reader_that_goes_is_no_mistake() {
    let (server, home) = (Server::start(), Home::new());
    home.remember(&server);
    for words in [&["completions", "zsh"][..], &["man"], &["config", "show"], &["channels", "list"]]
    {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = home.command(words).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && error.is_empty(), "{words:?}: {error}");
    }
}

#[test]
fn completions_the_manual_and_a_configuration_file_are_written() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(home.said(&["completions", shell]).contains("webhooks"), "{shell}");
    }
    assert!(home.said(&["man"]).contains(".TH warren"));
    home.said(&["man", "man"]);
    assert!(home.0.path().join("man/warren-state-set.1").is_file());
    home.said(&["init"]);
    home.said(&["config", "check", "--config", "warren.toml"]);
    let (code, error) = home.refused(&["init"]);
    assert!(code == 1 && error.contains("is there already"), "{error}");
}

/// A `dev` that runs.
struct Dev {
    /// The process.
    child: Child,
}

impl Dev {
    /// Starts one and waits until it is ready.
    fn start(home: &Home, address: SocketAddr) -> Self {
        let mut command = home.command(&["dev", "--listen", &address.to_string()]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        assert_eq!(start::ready(&mut child), Some(address));
        Self { child }
    }

    /// Ends it as the interrupt key does.
    fn stop(mut self) {
        let sent = Command::new("kill").arg("-INT").arg(self.child.id().to_string()).status();
        assert!(sent.unwrap().success() && self.child.wait().unwrap().success());
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A first walk: a server by one command, a message by another.
#[test]
fn a_newcomer_runs_dev_and_publishes_without_an_edit() {
    let home = Home::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let dev = Dev::start(&home, free);
    let mut tail = home.command(&["tail", "hello", "--json", "--count", "1"]);
    let mut tail = tail.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let publish = || home.said(&["publish", "hello", "GREETING", r#"{"text":"Hi"}"#]);
    crate::support::until("tail has heard a message", || {
        publish();
        tail.try_wait().unwrap().ok_or("it goes on")
    });
    let heard = String::from_utf8(tail.wait_with_output().unwrap().stdout).unwrap();
    assert!(heard.lines().any(|line| line.contains(r#""data":{"text":"Hi"}"#)), "{heard}");
    dev.stop();
    assert!(home.0.path().join("warren-dev/warren.db").is_file());
}

#[test]
fn dev_has_a_token_of_its_own_keeps_it_and_takes_no_profile_away() {
    let (home, other) = (Home::new(), Home::new());
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let profiles = |home: &Home| {
        std::fs::read_to_string(home.0.path().join(".config/warren/profiles.toml")).unwrap()
    };
    Dev::start(&home, free).stop();
    let first = profiles(&home);
    Dev::start(&home, free).stop();
    assert_eq!(profiles(&home), first, "the folder and the profile are there");
    // Where the profile is lost, the project has another token.
    home.said(&["profiles", "delete", "dev"]);
    let dev = Dev::start(&home, free);
    assert_ne!(profiles(&home), first);
    assert_eq!(home.json(&["whoami"])["projects"][0]["id"], "project_dev");
    dev.stop();
    Dev::start(&other, free).stop();
    assert_ne!(profiles(&other), first);
    other.said(&["profiles", "set", "dev", "--project", "project_mine"]);
    let kept = profiles(&other);
    let (code, error) = other.refused(&["dev", "--listen", "127.0.0.1:0"]);
    assert!(code == 1 && error.contains("is not for project_dev"), "{error}");
    assert_eq!(profiles(&other), kept);
}
