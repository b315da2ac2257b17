//! What commands say, and exit with, where something is wrong.

use super::Home;
use crate::scene::create;
use crate::support::{PROJECT, Server, database};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;

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
fn of_several_profiles_one_has_to_be_chosen() {
    let home = Home::new();
    assert!(home.said(&["profiles", "list"]).contains("`warren dev` makes one"));
    let (code, error) = home.refused(&["profiles", "set", "a"]);
    assert!(code == 2 && error.contains("nothing to store"), "{code}: {error}");
    for name in ["a", "b"] {
        home.said(&["profiles", "set", name, "--url", "http://127.0.0.1:1"]);
    }
    let (code, error) = home.refused(&["channels", "list"]);
    assert!(code == 2 && error.contains("--profile: a, b"), "{code}: {error}");
    // Who says where the server is needs none.
    assert_eq!(home.refused(&["channels", "list", "--url", "http://127.0.0.1:1"]).0, 6);
    let (code, error) = home.refused(&["publish", "hello", "E", "Hi"]);
    assert!(code == 2 && error.contains("--profile"), "{code}: {error}");
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
    let url = database::setting(data.parent().unwrap()).map(|(_, url)| url);
    let mut place = vec!["--data", data.to_str().unwrap()];
    place.extend(url.iter().flat_map(|url| ["--database", url.as_str()]));
    let there = |words: &[&str]| home.json(&[words, &place].concat());
    assert_eq!(there(&["info"])["projects"][0]["id"], PROJECT);
    let made = there(&["admin", "create-token", "--name", "Ops"]);
    let id = made["id"].as_str().unwrap();
    let listed = there(&["admin", "list-tokens"]);
    let tokens = listed["tokens"].as_array().unwrap();
    assert!(tokens.iter().any(|token| token["id"] == id && token["name"] == "Ops"), "{listed}");
    assert_eq!(there(&["admin", "delete-token", id])["deleted"], id);
    assert_eq!(home.json(&["config", "check"])["ok"], true);
    assert_eq!(home.json(&["init", "new.toml"])["wrote"], "new.toml");
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
