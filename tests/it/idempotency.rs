//! Calls with an `Idempotency-Key`: what is repeated is answered again, and done once.

use crate::scene::Config;
use crate::socket::Socket;
use crate::support::{ADMIN, Answer, OWNER, PATIENCE, Server, raw};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// Sends a call with a key.
fn keyed(server: &Server, key: &str, method: &str, path: &str, body: &str) -> Answer {
    keyed_by(server, OWNER, key, method, path, body)
}

/// The same with another token.
fn keyed_by(
    server: &Server,
    token: &str,
    key: &str,
    method: &str,
    path: &str,
    body: &str,
) -> Answer {
    let headers =
        [("Authorization", token), ("Content-Type", "application/json"), ("Idempotency-Key", key)];
    server.request(method, path, &headers, body.as_bytes())
}

/// Whether an answer was given before.
fn is_repeated(answer: &Answer) -> bool {
    answer.header("idempotency-replayed") == Some("true")
}

/// Asserts that the second answer is the first one again.
fn assert_again(first: &Answer, second: &Answer) {
    assert!(!is_repeated(first) && is_repeated(second), "{first:?} {second:?}");
    assert_eq!((first.status, &first.body), (second.status, &second.body));
    for name in ["content-type", "etag", "cache-control"] {
        assert_eq!(first.header(name), second.header(name), "{name}");
    }
    assert_eq!(second.header("access-control-allow-origin"), Some("*"));
}

#[test]
fn a_repeated_call_is_answered_again_and_done_once() {
    let server = Server::start();
    server.data("PUT", "/v1/channels/room", r#"{"type":"unprotected"}"#);
    let mut listener = Socket::enter(server.address, None).0;
    listener.dispatch("SUBSCRIBE", "room", &Value::Null);
    listener.next_of(&["AVAILABLE"]);
    let path = "/v1/channels/room/messages";
    let twice = |key: &str, path: &str, method: &str, body: &str| {
        let call = || keyed(&server, key, method, path, body);
        let (first, second) = (call(), call());
        assert_again(&first, &second);
        first
    };
    assert_eq!(twice("m1", path, "POST", r#"{"e":"ONE"}"#).status, 204);
    server.done("POST", path, r#"{"e":"END"}"#);
    assert_eq!(listener.next_of(&["MESSAGE"])["d"]["e"], "ONE");
    assert_eq!(listener.next_of(&["MESSAGE"])["d"]["e"], "END");
    // A patch counts once, and its tag comes again.
    let state = "/v1/channels/room/state";
    let patched = twice("p1", state, "PATCH", r#"{"n":1}"#);
    assert_eq!(patched.data(), json!({"state": {"n": 1}, "version": 2}));
    assert!(patched.header("etag").is_some());
    assert_eq!(server.data("GET", state, "")["version"], 2);
    // What makes up an id makes up one.
    let made = twice("c1", "/v1/channels", "POST", "{}").data()["channel"]["id"].clone();
    let all = server.data("GET", "/v1/channels", "");
    let ids = all["channels"].as_array().unwrap().iter().map(|channel| channel["id"].clone());
    assert_eq!(ids.collect::<Vec<_>>(), [json!("room"), made]);
    twice("t1", "/v1/channels/tokens", "POST", "{}");
    assert_eq!(
        server.data("GET", "/v1/channels/tokens", "")["tokens"].as_array().unwrap().len(),
        1
    );
    // A refusal is an answer too.
    assert_eq!(twice("x1", "/v1/channels/none/messages", "POST", r#"{"e":"A"}"#).status, 404);
    assert_eq!(twice("x2", path, "POST", "{}").status, 400);
    assert_eq!(twice("d1", "/v1/channels/room", "DELETE", "").status, 204);
    server.assert_well();
}

#[test]
fn a_key_is_for_one_call_of_one_project() {
    let server = Server::start();
    server.data("PUT", "/v1/channels/a", "{}");
    server.data("PUT", "/v1/channels/b", "{}");
    let state = |name: &str| format!("/v1/channels/{name}/state");
    assert_eq!(keyed(&server, "k", "PUT", &state("a"), r#"{"n":1}"#).status, 200);
    let reused = (422, "idempotency_key_reused".to_owned());
    for (method, path, body) in [
        ("PUT", state("a"), r#"{"n":2}"#),
        ("PUT", state("b"), r#"{"n":1}"#),
        ("PATCH", state("a"), r#"{"n":1}"#),
        ("PUT", format!("{}?x=1", state("a")), r#"{"n":1}"#),
        ("DELETE", "/v1/channels/a".to_owned(), ""),
    ] {
        let refused = keyed(&server, "k", method, &path, body);
        assert_eq!(refused.failure(), reused, "{method} {path} {body}");
    }
    assert_eq!(server.data("GET", &state("a"), ""), json!({"state": {"n": 1}, "version": 2}));
    // Another project's keys are others, and the operator's too.
    let (project, token) = server.new_project("Other");
    let made = keyed_by(&server, &token, "k", "PUT", "/v1/channels/a", "{}");
    assert!(made.status == 200 && !is_repeated(&made));
    let path = format!("/v1/channels/c?project={project}");
    let made = keyed_by(&server, ADMIN, "k", "PUT", &path, "{}");
    assert!(made.status == 200 && !is_repeated(&made));
    assert_again(&made, &keyed_by(&server, ADMIN, "k", "PUT", &path, "{}"));
    // Reading has no key.
    assert!(!is_repeated(&keyed(&server, "k", "GET", &state("a"), "")));
    server.assert_well();
}

#[test]
fn broken_keys_are_refused() {
    let server = Server::start();
    let path = "/v1/channels";
    let longest = "x".repeat(255);
    assert_eq!(keyed(&server, &longest, "POST", path, "{}").status, 200);
    for key in ["", " ", "a b", "é", &format!("{longest}x")] {
        let refused = keyed(&server, key, "POST", path, "{}");
        assert_eq!(refused.failure(), (400, "invalid_idempotency_key".to_owned()), "{key:?}");
    }
    let key = ("Idempotency-Key", "k");
    let headers = [("Authorization", OWNER), key, key];
    let refused = server.request("POST", path, &headers, b"");
    assert_eq!(refused.failure(), (400, "invalid_idempotency_key".to_owned()));
    assert_eq!(server.data("GET", path, "")["channels"].as_array().unwrap().len(), 1);
    server.assert_well();
}

#[test]
fn who_may_not_ask_gets_no_answer_and_keeps_no_key() {
    let server = Server::start();
    let path = "/v1/projects/@this/tokens";
    let made = keyed(&server, "k", "POST", path, r#"{"flags":0}"#);
    assert_eq!(made.status, 200);
    // Neither nobody, nor who lacks the flag, nor who might not have made this token.
    let stranger = server.request("POST", path, &[("Idempotency-Key", "k")], br#"{"flags":0}"#);
    assert_eq!(stranger.status, 401);
    let flags = |bit: u32| server.new_project_token(1 << bit);
    let (reader, maker) = (flags(29), flags(15));
    let refused = keyed_by(&server, &reader, "k", "POST", path, r#"{"flags":0}"#);
    assert_eq!(refused.failure(), (403, "missing_permission".to_owned()));
    let refused = keyed_by(&server, &maker, "k", "POST", path, r#"{"flags":0}"#);
    assert_eq!(refused.failure(), (422, "idempotency_key_reused".to_owned()));
    // What was refused so keeps no key.
    let room = "/v1/channels/room";
    assert_eq!(keyed_by(&server, &reader, "n", "PUT", room, "{}").status, 403);
    assert_eq!(keyed(&server, "n", "PUT", room, "{}").status, 200);
    // And whoever may do more has it.
    assert_eq!(keyed_by(&server, &maker, "m", "POST", path, r#"{"flags":0}"#).status, 200);
    assert!(is_repeated(&keyed(&server, "m", "POST", path, r#"{"flags":0}"#)));
    server.assert_well();
}

/// Somebody's server that is called and answers when it is told to.
fn called(listener: &TcpListener) -> TcpStream {
    let (mut call, _) = listener.accept().unwrap();
    call.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut seen = Vec::new();
    while !seen.windows(4).any(|four| four == b"\r\n\r\n") {
        let mut piece = [0; 4096];
        let length = call.read(&mut piece).unwrap();
        assert!(length > 0, "it hung up");
        seen.extend_from_slice(&piece[..length]);
    }
    call
}

/// Answers such a call.
fn answer(mut call: TcpStream) {
    call.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
}

/// Makes a webhook that points at a listener; returns the path that tries it.
fn webhook(server: &Server, listener: &TcpListener) -> String {
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let body = json!({"webhook_url": url, "events": []}).to_string();
    let made = server.data("POST", "/v1/projects/@this/webhooks", &body);
    let id = made["webhook"]["id"].as_str().unwrap();
    format!("/v1/projects/@this/webhooks/{id}/test")
}

#[test]
fn a_call_that_is_under_way_is_not_done_again_even_if_its_connection_ends() {
    let server = Server::start_with(&[("WARREN_ALLOW_PRIVATE_WEBHOOKS", "1")]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let path = webhook(&server, &listener);
    let under_way = (409, "idempotency_in_progress".to_owned());
    thread::scope(|scope| {
        let first = scope.spawn(|| keyed(&server, "k", "POST", &path, ""));
        let call = called(&listener);
        let refused = keyed(&server, "k", "POST", &path, "");
        assert_eq!(refused.failure(), under_way);
        assert_eq!(refused.header("retry-after"), Some("1"));
        let reused = keyed(&server, "k", "POST", &path, "{}");
        assert_eq!(reused.failure(), (422, "idempotency_key_reused".to_owned()));
        answer(call);
        let first = first.join().unwrap();
        assert_eq!(first.status, 200);
        assert_again(&first, &keyed(&server, "k", "POST", &path, ""));
    });
    // The caller hangs up while its call is under way: it is carried through.
    let mut caller = raw(server.address);
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: test\r\nAuthorization: {OWNER}\r\nIdempotency-Key: l\r\n\
         Content-Length: 0\r\n\r\n"
    );
    caller.write_all(head.as_bytes()).unwrap();
    let call = called(&listener);
    drop(caller);
    assert_eq!(keyed(&server, "l", "POST", &path, "").failure(), under_way);
    answer(call);
    let answered = loop {
        let answer = keyed(&server, "l", "POST", &path, "");
        if answer.status != 409 {
            break answer;
        }
    };
    assert!(answered.status == 200 && is_repeated(&answered), "{answered:?}");
    server.assert_well();
}

#[test]
fn a_body_that_breaks_off_leaves_the_key_free() {
    let server = Server::start();
    server.data("PUT", "/v1/channels/room", "{}");
    let path = "/v1/channels/room/state";
    let head = format!(
        "PUT {path} HTTP/1.1\r\nHost: test\r\nAuthorization: {OWNER}\r\nIdempotency-Key: k\r\n\
         Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{{\"n\":"
    );
    server.raw_and_close(head.as_bytes());
    let done = keyed(&server, "k", "PUT", path, r#"{"n":1}"#);
    assert!(done.status == 200 && !is_repeated(&done), "{done:?}");
    server.assert_well();
}

#[test]
fn a_bodys_bounds_are_those_without_a_key() {
    let server = Server::start();
    server.data("PUT", "/v1/channels/room", "{}");
    let path = "/v1/channels/room/state";
    let long = json!({"n": "x".repeat(2 << 20)}).to_string();
    let (plain, keyed) =
        (server.call("PUT", path, Some(OWNER), &long), keyed(&server, "k", "PUT", path, &long));
    assert_eq!((plain.status, plain.json()), (keyed.status, keyed.json()));
    assert_eq!(plain.failure(), (413, "too_large".to_owned()));
    let large = json!({"n": "x".repeat(900 << 10)}).to_string();
    let call = || self::keyed(&server, "l", "PUT", path, &large);
    assert_again(&call(), &call());
    server.assert_well();
}

#[test]
fn past_its_bound_a_project_loses_its_oldest_keys_and_no_other_project_any() {
    let server = Config::limits("idempotency-keys = 5").start();
    server.data("PUT", "/v1/channels/room", "{}");
    let path = "/v1/channels/room/messages";
    let (_, token) = server.new_project("Other");
    let body = r#"{"e":"A"}"#;
    let other = || keyed_by(&server, &token, "0", "POST", path, body);
    assert_eq!(other().status, 404);
    let call = |n: u32| keyed(&server, &n.to_string(), "POST", path, body);
    for n in 0..6 {
        assert!(!is_repeated(&call(n)));
    }
    for n in 1..6 {
        assert!(is_repeated(&call(n)), "{n}");
    }
    assert!(!is_repeated(&call(0)), "the oldest was forgotten");
    assert!(is_repeated(&other()));
    server.assert_well();
}

#[test]
fn after_its_window_a_key_is_free() {
    let server = Config::limits("idempotency-seconds = 0").start();
    server.data("PUT", "/v1/channels/room", "{}");
    let path = "/v1/channels/room/state";
    for version in 2..5 {
        let answer = keyed(&server, "k", "PUT", path, "{}");
        assert_eq!(answer.data()["version"], Value::from(version));
    }
    server.assert_well();
}

/// Calls that do something that is stored, each with its key: method, path, body.
fn durable_calls(token: &str) -> Vec<(String, String, &'static str)> {
    let call = |method: &str, path: &str, body| (method.to_owned(), path.to_owned(), body);
    let hooks = "/v1/projects/@this/webhooks";
    let authorizer = "/v1/projects/@this/channel-authorizer";
    vec![
        call("POST", "/v1/channels", "{}"),
        call("PUT", "/v1/channels/made", r#"{"type":"public"}"#),
        call("PATCH", "/v1/channels/made", r#"{"type":"private"}"#),
        call("PUT", "/v1/channels/made/state", r#"{"n":1}"#),
        call("PATCH", "/v1/channels/made/state", r#"{"m":2}"#),
        call("POST", "/v1/channels/tokens", r#"{"channels":["made"]}"#),
        call("PATCH", &format!("/v1/channels/tokens/{token}"), r#"{"state":{"n":1}}"#),
        call("PUT", &format!("/v1/channels/made/subscribers/{token}"), ""),
        // Nothing changes by this one, but it was asked for.
        call("POST", &format!("/v1/channels/made/tokens/{token}"), ""),
        call("DELETE", &format!("/v1/channels/made/subscribers/{token}"), ""),
        call("DELETE", &format!("/v1/channels/tokens/{token}"), ""),
        call(
            "POST",
            hooks,
            r#"{"webhook_url":"http://127.0.0.1:9/","events":["channel.created"]}"#,
        ),
        call("PUT", authorizer, r#"{"url":"http://127.0.0.1:9/"}"#),
        call("DELETE", authorizer, ""),
        call("DELETE", "/v1/channels/made", ""),
    ]
}

#[test]
fn what_was_done_under_a_key_is_answered_again_after_a_crash_and_not_done_again() {
    let server = Server::start();
    let calls = durable_calls(&server.new_leap_token());
    let carry_out = |server: &Server| {
        let numbered = calls.iter().enumerate();
        let carried = numbered.map(|(n, (method, path, body))| {
            let answer = keyed(server, &format!("key-{n}"), method, path, body);
            assert!(answer.status < 300, "{method} {path}: {}", answer.text());
            answer
        });
        carried.collect::<Vec<_>>()
    };
    let first = carry_out(&server);
    let lists = ["/v1/channels", "/v1/channels/tokens", "/v1/projects/@this/webhooks"];
    let all = |server: &Server| lists.map(|path| server.data("GET", path, ""));
    let before = all(&server);
    let secret = ("/v1/projects/@this/tokens", r#"{"flags":0}"#);
    assert_eq!(keyed(&server, "secret", "POST", secret.0, secret.1).status, 200);
    assert!(is_repeated(&keyed(&server, "secret", "POST", secret.0, secret.1)));
    let server = Server::start_in(server.crash(), &[]);
    for (first, second) in first.iter().zip(&carry_out(&server)) {
        assert_again(first, second);
    }
    assert_eq!(all(&server), before);
    // A secret that is kept nowhere is not told again, and no other one is made.
    let tokens = server.data("GET", secret.0, "")["project_tokens"].as_array().unwrap().len();
    let lost = keyed(&server, "secret", "POST", secret.0, secret.1);
    assert_eq!(lost.failure(), (409, "idempotency_answer_not_kept".to_owned()));
    let left = server.data("GET", secret.0, "")["project_tokens"].as_array().unwrap().len();
    assert_eq!(left, tokens);
    // Another call under such a key is refused after the crash too.
    let reused = keyed(&server, "key-0", "POST", "/v1/channels", r#"{"type":"public"}"#);
    assert_eq!(reused.failure(), (422, "idempotency_key_reused".to_owned()));
    server.assert_well();
}

#[test]
fn a_refusal_is_judged_again_after_a_crash() {
    let server = Server::start();
    let call = |server: &Server| keyed(server, "k", "PUT", "/v1/channels/room/state", "{}");
    assert_eq!(call(&server).status, 404);
    let server = Server::start_in(server.crash(), &[]);
    server.data("PUT", "/v1/channels/room", "{}");
    assert_eq!(call(&server).status, 200);
    server.assert_well();
}

/// Sends one call; none where the server has gone before it had answered.
fn try_call(address: std::net::SocketAddr, key: &str, method: &str, path: &str) -> Option<Answer> {
    let mut socket = TcpStream::connect(address).ok()?;
    socket.set_read_timeout(Some(PATIENCE)).ok()?;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nAuthorization: {OWNER}\r\n\
         Content-Type: application/json\r\nIdempotency-Key: {key}\r\nContent-Length: 2\r\n\r\n{{}}"
    );
    socket.write_all(request.as_bytes()).ok()?;
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).ok()?;
    Answer::parse(&bytes)
}

/// Writers that repeat each call until it is answered.
const WRITERS: usize = 6;
/// How often the server is killed under them.
const KILLS: u64 = 8;

#[test]
fn calls_that_are_repeated_across_kills_are_done_once_each() {
    let mut server = Server::start();
    server.data("PUT", "/v1/channels/room", "{}");
    // What each writer has under way, and how many of its calls were answered.
    let mut progress = [0_usize; WRITERS];
    for kill in 0..=KILLS {
        let address = server.address;
        let is_last = kill == KILLS;
        let answered: Vec<usize> = thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS)
                .map(|writer| {
                    let from = progress[writer];
                    scope.spawn(move || write(address, writer, from, is_last))
                })
                .collect();
            if !is_last {
                // Any moment will do: calls are under way all the time.
                thread::sleep(std::time::Duration::from_millis(40 + 23 * kill));
                server.kill();
            }
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        progress.copy_from_slice(&answered);
        if !is_last {
            server = Server::start_in(server.crash(), &[]);
        }
    }
    let done: usize = progress.iter().sum();
    assert!(done > WRITERS * 10, "only {done} calls were answered");
    // Calls take turns: one makes a channel of its own, the next changes the state of the one that all share.
    let made: usize = progress.iter().map(|calls| calls.div_ceil(2)).sum();
    let channels = server.data("GET", "/v1/channels", "")["channels"].as_array().unwrap().len();
    assert_eq!(channels, made + 1);
    let version = server.data("GET", "/v1/channels/room/state", "")["version"].as_u64().unwrap();
    assert_eq!(usize::try_from(version).unwrap(), done - made + 1);
    server.assert_well();
}

/// Makes calls from a number on until the server has gone, or a few if it stays; returns how many are answered in all.
fn write(address: std::net::SocketAddr, writer: usize, from: usize, is_last: bool) -> usize {
    let mut number = from;
    loop {
        let (method, path) = if number.is_multiple_of(2) {
            ("POST", "/v1/channels")
        } else {
            ("PATCH", "/v1/channels/room/state")
        };
        let Some(answer) = try_call(address, &format!("{writer}-{number}"), method, path) else {
            return number;
        };
        match answer.status {
            200 => number += 1,
            // Stopped in the midst of it, which only the next attempt can tell.
            409 | 503 => {}
            other => panic!("{other}: {}", answer.text()),
        }
        if is_last && number >= from + 4 {
            return number;
        }
    }
}
