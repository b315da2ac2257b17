//! Settings that change while a server runs, by `warren reload` and by SIGHUP; no socket is dropped for it.

use crate::socket::{Process, Received, Socket, frame};
use crate::support::{ADMIN, start};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Output;

/// Writes the configuration file of a folder.
fn configure(folder: &Path, text: &str) {
    std::fs::write(folder.join("warren.toml"), text).unwrap();
}

/// Asks the server of a folder to reload.
fn reload(folder: &Path) -> Output {
    let mut command = start::program();
    let data = folder.join("data");
    command
        .args(["reload", "--json"])
        .current_dir(folder)
        .env("WARREN_DATA", data)
        .output()
        .unwrap()
}

/// What a state of so many bytes is answered.
fn put(server: &Process, size: usize) -> u16 {
    let body = json!({"x": "x".repeat(size)}).to_string();
    server.http().call("PUT", "/v1/channels/hello/state", &body).unwrap().status
}

#[test]
fn what_can_change_changes_without_dropping_a_socket_and_the_rest_is_told() {
    let folder = tempfile::tempdir().unwrap();
    configure(folder.path(), "[limits]\nstate-bytes = 1000\nauth-failures = 7\n");
    let server = Process::start(folder.path(), &[]);
    let (mut socket, _) = Socket::enter(server.address, None);
    socket.dispatch("SUBSCRIBE", "hello", &Value::Null);
    socket.expect("AVAILABLE");
    assert_eq!(put(&server, 2000), 413);

    let declared =
        format!("[[channel]]\nid = \"made\"\nstate = {{ x = \"{}\" }}\n", "x".repeat(3000));
    let text =
        format!("zlib = false\n{declared}[limits]\nstate-bytes = \"4kB\"\nauth-failures = 8\n");
    let text = text.as_str();
    configure(folder.path(), text);
    let output = reload(folder.path());
    assert!(output.status.success(), "{output:?}");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["changed"], json!(["zlib = false", "limits.state-bytes = 4000"]));
    assert_eq!(answer["restart"], json!(["limits.auth-failures = 8"]));
    assert_eq!((&answer["made"], &answer["error"]), (&json!(1), &Value::Null));
    server.wait_for_log("changes with a restart only");
    let shown = server.http().call_as(ADMIN, "GET", "/v1/settings", "").unwrap();
    let settings = &shown.data()["settings"];
    assert_eq!(settings["limits.state-bytes"], 4000, "{settings}");
    assert_eq!(settings["limits.auth-failures"], 7, "{settings}");
    let made = server.http().call("GET", "/v1/channels/made", "").unwrap();
    assert_eq!(made.status, 200);
    // A channel lives by the bounds that it began with; one that begins now, by the new ones.
    let body = json!({"x": "x".repeat(2000)}).to_string();
    let new = server.http().call("PUT", "/v1/channels/made/state", &body).unwrap();
    assert_eq!(new.status, 200, "{}", new.text());
    let body = json!({"e": "E", "d": 1}).to_string();
    server.http().data("POST", "/v1/channels/hello/messages", &body).unwrap();
    assert_eq!(socket.expect("MESSAGE")["d"]["e"], "E");

    // The signal does the same.
    configure(folder.path(), &text.replace("4kB", "3500"));
    server.signal("HUP");
    server.wait_for_log("limits.state-bytes = 3500");
    server.assert_well();
    server.http().data("POST", "/v1/channels/hello/messages", &body).unwrap();
    assert_eq!(socket.expect("MESSAGE")["d"]["e"], "E");
    assert_eq!(server.stop("TERM"), Some(0));
    assert!(!folder.path().join("data/warren.control").exists());
}

#[test]
fn the_recorder_gets_a_ring_and_hides_channels_while_the_server_runs() {
    let folder = tempfile::tempdir().unwrap();
    configure(folder.path(), "");
    let server = Process::start(folder.path(), &[]);
    let publish = |channel: &str| {
        let path = format!("/v1/channels/{channel}/messages");
        server.http().data("POST", &path, r#"{"e":"E","d":{"secret":1}}"#).unwrap();
    };
    let messages = || {
        let page =
            server.http().data("GET", "/v1/projects/@this/inspect?kind=message", "").unwrap();
        let of = |entry: &Value| (entry["channel"].clone(), entry["data"].clone());
        let entries = page["entries"].as_array().unwrap().iter().map(of).collect::<Vec<_>>();
        (page["is_recording"].clone(), page["minutes"].clone(), entries)
    };
    configure(folder.path(), "recorder-bytes = \"1MiB\"\nrecorder-minutes = 7\n");
    let output = reload(folder.path());
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["changed"], json!(["recorder-bytes = 1048576", "recorder-minutes = 7"]));
    // Before anybody looks.
    publish("hello");
    let seen = (json!("hello"), json!({"secret": 1}));
    assert_eq!(messages(), (json!(true), json!(7), vec![seen]));
    configure(folder.path(), "recorder-bytes = \"1MiB\"\nrecorder-hide = [\"hello\"]\n");
    assert!(reload(folder.path()).status.success());
    publish("hello");
    assert_eq!(messages(), (json!(true), json!(5), vec![(json!("hello"), Value::Null)]));
    // What is recorded afterwards alone, and nothing of what was; who looked goes on for a while.
    configure(folder.path(), "");
    assert!(reload(folder.path()).status.success());
    assert_eq!(messages().0, json!(false));
    server.assert_well();
}

#[test]
fn limits_change_for_requests_and_sockets_that_begin_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    configure(folder.path(), "");
    let server = Process::start(folder.path(), &[]);
    let publish = |size: usize| {
        let body = json!({"e": "E", "d": "x".repeat(size)}).to_string();
        server.http().call("POST", "/v1/channels/hello/messages", &body).unwrap().status
    };
    let webhook = || {
        let body = r#"{"webhook_url":"https://h.example","events":["channel.created"]}"#;
        server.http().call("POST", "/v1/projects/@this/webhooks", body).unwrap().status
    };
    // A heartbeat, and nothing but room behind it.
    let long =
        frame::text(&format!("{}{}", json!({"op": 3, "d": {"tag": "long"}}), " ".repeat(3000)));
    assert_eq!((publish(3000), webhook()), (204, 200));
    let (mut before, _) = Socket::enter(server.address, None);
    configure(
        folder.path(),
        "log-requests = 1.0\n[limits]\nmessage-bytes = 1000\nframe-bytes = 2000\nproject-webhooks = 1\ntoken-connections = 1",
    );
    assert!(reload(folder.path()).status.success());
    assert_eq!((publish(3000), webhook()), (413, 409));
    server.wait_for_log("warren::request");
    let (mut after, _) = Socket::enter(server.address, None);
    after.write(&long);
    assert_eq!(after.expect_close().0, 1009);
    // Who was there is served as before.
    before.write(&long);
    let Received::Text(acknowledged) = before.receive() else { panic!("not served as before") };
    assert!(acknowledged.contains("long"), "{acknowledged}");
    let token = server.http().data("POST", "/v1/channels/tokens", "{}").unwrap();
    let token = token["token"]["id"].as_str().unwrap().to_owned();
    let (_first, _) = Socket::enter(server.address, Some(&token));
    let mut second = Socket::open(server.address);
    second.identify(Some(&token));
    assert_eq!(second.expect_close().0, 4008);
    server.assert_well();
}

#[test]
fn a_mistake_changes_nothing_and_is_told() {
    let folder = tempfile::tempdir().unwrap();
    configure(folder.path(), "");
    let server = Process::start(folder.path(), &[]);
    for (text, word) in [
        ("zlib = false\nlisen = 1", "did you mean `listen`?"),
        ("zlib = false\n[[channel]]\nid = \"a\"\ntype = \"secret\"", "channel a"),
    ] {
        configure(folder.path(), text);
        let output = reload(folder.path());
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(answer["error"].as_str().unwrap().contains(word), "{answer}");
        assert_eq!(answer["changed"], json!([]));
    }
    configure(folder.path(), "zlib = false");
    let output = reload(folder.path());
    assert!(String::from_utf8_lossy(&output.stdout).contains("zlib = false"), "{output:?}");
    drop(server);
    let output = reload(folder.path());
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no server answers"), "{output:?}");
}
