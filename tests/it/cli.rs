//! The commands that ask a server, as processes: what they print, and what they exit with.

mod dev;
mod refusals;
mod tail;

use crate::support::{OWNER, PROJECT, Server, start};
use serde_json::{Value, json};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Output, Stdio};
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

/// A command that runs; ended with its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
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
