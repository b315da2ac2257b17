//! Bounds on how many and how deep, each on both sides of its edge (`config.rs`, `[limits]`; `docs/PROTOCOL.md`, Bad input
//! gets): what is over one is refused with the bound, and nobody else notices.

use crate::scene::{Config, cid, create, enter_with, eventually};
use crate::socket::{Received, Socket, frame};
use crate::support::{Answer, OWNER, Server, raw};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

#[test]
fn session_channels_bound_every_way_to_subscribe() {
    let config = Config::limits("session-channels = 2");
    let server = config.start();
    for id in ["a", "b", "c"] {
        create(&server, id, "public", &[]);
    }
    let token = server.new_leap_token();
    let (mut socket, _) = enter_with(server.address, Some(&token), &["errors"]);
    socket.subscribe("a");
    socket.subscribe("b");
    socket.dispatch("SUBSCRIBE", "c", &Value::Null);
    let refused = socket.expect("UNAVAILABLE");
    assert_eq!(refused["d"], json!({"graceful": false, "error_code": "NOT_GRANTED"}));
    let error = socket.expect("ERROR")["d"].clone();
    assert_eq!(error["code"], "too_many_channels");
    assert!(error["message"].as_str().unwrap().contains("at most 2 channels"), "{error}");
    let path = format!("/v1/channels/c/subscribers/{token}");
    let refused = server.call("PUT", &path, Some(OWNER), "");
    assert_eq!(refused.failure(), (409, "limit_reached".to_owned()));
    assert_eq!(refused.error()["limit"], 2);
    assert_eq!(socket.subscribe("b")["id"], "b", "one that it has is none more");
    let (mut other, _) = Socket::enter(server.address, Some(&server.new_leap_token()));
    other.subscribe("c");
    socket.dispatch("UNSUBSCRIBE", "a", &Value::Null);
    socket.subscribe("c");
    assert_eq!(crate::scene::subscriptions(&server, &token), ["b", "c"]);
    server.assert_well();
}

/// The ids of all tokens.
fn tokens(server: &Server) -> Vec<String> {
    let listed = server.data("GET", "/v1/channels/tokens", "");
    let listed = listed["tokens"].as_array().unwrap().iter();
    let mut ids: Vec<_> = listed.map(|token| token["id"].as_str().unwrap().to_owned()).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn a_token_that_is_refused_over_a_limit_is_not_there() {
    let config = Config::limits("session-channels = 2");
    let server = config.start();
    for id in ["a", "b", "c"] {
        create(&server, id, "public", &[]);
    }
    for (third, status) in [(json!("c"), 409), (json!({"id": "c", "ephemeral": true}), 409)] {
        let body = json!({"channels": ["a", {"id": "b", "ephemeral": true}, third]}).to_string();
        let refused = server.call("POST", "/v1/channels/tokens", Some(OWNER), &body);
        assert_eq!(refused.failure(), (status, "limit_reached".to_owned()));
        assert_eq!(refused.error()["limit"], 2);
    }
    assert_eq!(tokens(&server), [""; 0]);
    let body = json!({"channels": ["a", {"id": "b", "ephemeral": true}]});
    let token = crate::scene::new_token(&server, &body);
    assert_eq!(tokens(&server), [token]);
    server.assert_well();
}

#[test]
fn every_token_that_is_there_was_answered() {
    let server = Server::start();
    let mut answered = Vec::new();
    std::thread::scope(|scope| {
        let churn = scope.spawn(|| {
            for _ in 0..150 {
                create(&server, "passing", "public", &[]);
                server.done("DELETE", "/v1/channels/passing", "");
            }
        });
        let body = json!({"channels": [{"id": "passing", "ephemeral": true}]}).to_string();
        while !churn.is_finished() {
            let made = server.call("POST", "/v1/channels/tokens", Some(OWNER), &body);
            if made.status == 200 {
                answered.push(made.data()["token"]["id"].as_str().unwrap().to_owned());
            } else {
                assert_eq!(made.status, 404, "{}", made.text());
            }
        }
    });
    answered.sort_unstable();
    assert_eq!(tokens(&server), answered);
    server.assert_well();
}

#[test]
fn session_channels_bound_simultaneous_subscribes_too() {
    let config = Config::limits("session-channels = 2");
    let server = config.start();
    let ids: Vec<_> = (0..16).map(|n| format!("room-{n}")).collect();
    for id in &ids {
        create(&server, id, "public", &[]);
    }
    let token = server.new_leap_token();
    let ask = |id: &String| {
        let path = format!("/v1/channels/{id}/subscribers/{token}");
        server.call("PUT", &path, Some(OWNER), "").status
    };
    let statuses: Vec<_> = std::thread::scope(|scope| {
        let asked: Vec<_> = ids.iter().map(|id| scope.spawn(|| ask(id))).collect();
        asked.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    let granted = statuses.iter().filter(|status| **status == 204).count();
    assert_eq!((granted, statuses.len()), (2, 16), "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 204 | 409)), "{statuses:?}");
    assert_eq!(crate::scene::subscriptions(&server, &token).len(), 2);
    server.assert_well();
}

#[test]
fn token_connections_bound_the_connections_of_one_token() {
    let config = Config::limits("token-connections = 2");
    let server = config.start();
    let token = server.new_leap_token();
    let (one, _) = Socket::enter(server.address, Some(&token));
    let (mut two, init) = Socket::enter(server.address, Some(&token));
    let mut third = Socket::open(server.address);
    third.identify(Some(&token));
    let (code, reason) = third.expect_close();
    assert!(code == 4008 && reason.contains("at most 2 connections"), "{code} {reason}");
    let (_other, _) = Socket::enter(server.address, Some(&server.new_leap_token()));
    crate::scene::assert_silent(&server, &mut two, &cid(&init));
    drop(one);
    let path = format!("/v1/channels/tokens/{token}/connections");
    eventually("one is left", || {
        server.data("GET", &path, "")["connections"].as_array().unwrap().len() == 1
    });
    assert_eq!(Socket::enter(server.address, Some(&token)).1["connection_count"], 2);
    server.assert_well();
}

/// Asks for a socket.
const UPGRADE: &[u8] = b"GET /ws HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Asks for a socket from an address of this machine, and returns the connection and the answer's status.
fn upgrade_from(address: [u8; 4], to: SocketAddr) -> (TcpStream, String) {
    use std::io::{Read as _, Write as _};
    let raw = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    raw.bind(&SocketAddr::from((address, 0)).into()).unwrap();
    raw.connect(&to.into()).unwrap();
    let mut stream = TcpStream::from(raw);
    stream.write_all(UPGRADE).unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).unwrap();
    (stream, String::from_utf8(status.to_vec()).unwrap())
}

#[test]
fn address_connections_bound_the_sockets_of_one_address() {
    let config = Config::limits("address-connections = 2");
    let server = config.start();
    let (one, _) = Socket::enter(server.address, None);
    let (mut two, init) = Socket::enter(server.address, None);
    let ask = || Socket::exchange(server.address, UPGRADE);
    let refused = Answer::parse(&ask()).unwrap();
    assert_eq!(refused.failure(), (429, "rate_limited".to_owned()));
    assert_eq!((refused.header("retry-after"), &refused.error()["limit"]), (Some("1"), &json!(2)));
    // HTTP goes on, the sockets that are open go on, and another address has places of its own.
    crate::scene::assert_silent(&server, &mut two, &cid(&init));
    assert_eq!(upgrade_from([127, 0, 0, 2], server.address).1, "HTTP/1.1 101");
    drop(one);
    eventually("the place is free again", || ask().starts_with(b"HTTP/1.1 101 "));
    server.assert_well();
}

#[test]
fn sockets_that_have_not_identified_are_bounded_for_each_address_and_in_all() {
    for (limit, status, code) in
        [("address-unidentified = 2", 429, "rate_limited"), ("unidentified = 2", 503, "overloaded")]
    {
        let config = Config::limits(limit);
        let server = config.start();
        // Those that have are no strangers, however many.
        let inside = [(); 3].map(|()| Socket::enter(server.address, None));
        let mut strangers = [(); 2].map(|()| Socket::open(server.address));
        let ask = || Socket::exchange(server.address, UPGRADE);
        let refused = Answer::parse(&ask()).unwrap();
        assert_eq!(refused.failure(), (status, code.to_owned()), "{limit}");
        assert_eq!(refused.header("retry-after"), Some("1"), "{limit}");
        let [first, _] = &mut strangers;
        first.identify(None);
        first.expect("INIT");
        eventually("the place is free again", || ask().starts_with(b"HTTP/1.1 101 "));
        drop(inside);
        server.assert_well();
    }
}

#[test]
fn publishes_per_second_bound_one_connection() {
    let config = Config::limits("publishes-per-second = 5");
    let server = config.start();
    create(&server, "room", "unprotected", &["CLIENT_PUBLISH", "CLIENT_STATE"]);
    let [mut socket, mut neighbour] = [(); 2].map(|()| Socket::enter(server.address, None).0);
    socket.subscribe("room");
    neighbour.subscribe("room");
    let flood = |n: usize| {
        let message = |n| {
            let (event, data) = match n % 2 {
                0 => ("MESSAGE", json!({"e": "x", "d": n})),
                _ => ("SET_CHANNEL_STATE", json!({"n": n})),
            };
            frame::text(&json!({"op": 0, "d": {"e": event, "c": "room", "d": data}}).to_string())
        };
        (0..n).flat_map(message).collect::<Vec<u8>>()
    };
    // Twice as many as a second's may come at once; a subscribe is none of them.
    socket.write(&flood(10));
    for _ in 0..10 {
        socket.next();
        neighbour.next();
    }
    socket.subscribe("room");
    // A machine that is very slow between two frames gives some back, so that here more than one is too many.
    socket.write(&flood(40));
    let (code, reason) = socket.expect_close();
    assert!(code == 4008 && reason.contains("more than 5 messages"), "{code} {reason}");
    neighbour.write(&flood(1));
    let is_own = |heard: &Value| heard["e"] == "MESSAGE" && heard["d"]["d"] == 0;
    while !is_own(&neighbour.next()) {}
    server.assert_well();
}

#[test]
fn event_names_have_at_most_256_bytes() {
    let server = Server::start();
    create(&server, "room", "unprotected", &["CLIENT_PUBLISH"]);
    let (mut socket, init) = Socket::enter(server.address, None);
    socket.subscribe("room");
    let (fits, over) = ("é".repeat(128), format!("{}x", "é".repeat(128)));
    let (path, body) = ("/v1/channels/room/messages", |e: &str| json!({"e": e}).to_string());
    let refused = server.call("POST", path, Some(OWNER), &body(&over));
    assert_eq!((refused.failure().0, &refused.error()["field"]), (400, &json!("e")));
    let message = refused.error()["message"].to_string();
    assert!(message.contains("257") && message.contains("256"), "{message}");
    server.done("POST", path, &body(&fits));
    assert_eq!(socket.expect("MESSAGE")["d"]["e"], fits);
    socket.dispatch("MESSAGE", "room", &json!({"e": fits, "d": null}));
    assert_eq!(socket.expect("MESSAGE")["d"]["e"], fits);
    crate::scene::assert_silent(&server, &mut socket, &cid(&init));
    socket.dispatch("MESSAGE", "room", &json!({"e": over, "d": null}));
    let (code, reason) = socket.expect_close();
    assert!(code == 4005 && reason.contains("256") && reason.contains("257"), "{code} {reason}");
    server.assert_well();
}

#[test]
fn channel_ids_have_at_most_256_bytes() {
    let server = Server::start();
    let (fits, over) = ("é".repeat(128), format!("{}x", "é".repeat(128)));
    let path = |id: &str| format!("/v1/channels/{}", id.replace('é', "%C3%A9"));
    let body = r#"{"type":"unprotected"}"#;
    let refused = server.call("PUT", &path(&over), Some(OWNER), body);
    assert_eq!(refused.failure(), (400, "invalid_id".to_owned()));
    let message = refused.error()["message"].to_string();
    assert!(message.contains("257") && message.contains("256"), "{message}");
    assert_eq!(server.data("PUT", &path(&fits), body)["channel"]["id"], fits);
    let (mut socket, init) = Socket::enter(server.address, None);
    assert_eq!(socket.subscribe(&fits)["id"], fits);
    for event in ["SUBSCRIBE", "MESSAGE"] {
        socket.dispatch(event, &over, &json!({"e": "x", "d": null}));
        let refused = json!({"graceful": false, "error_code": "UNKNOWN"});
        assert_eq!(socket.expect("UNAVAILABLE")["d"], refused, "{event}");
    }
    crate::scene::assert_silent(&server, &mut socket, &cid(&init));
    server.assert_well();
}

#[test]
fn json_has_at_most_128_levels() {
    let server = Server::start();
    create(&server, "room", "unprotected", &["CLIENT_PUBLISH"]);
    let (mut socket, _) = Socket::enter(server.address, None);
    socket.subscribe("room");
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    // The dispatch around it is deeper than this test's own parser reads.
    let is_whole = |socket: &mut Socket| {
        loop {
            let Received::Text(text) = socket.receive() else { return false };
            if text.starts_with(r#"{"op":0,"#) {
                return text.contains(&nested(125));
            }
        }
    };
    // A state's own object counts as one, and a message's data is counted by itself.
    let state = |levels: usize| format!(r#"{{"a":{}}}"#, nested(levels - 1));
    let message = |levels: usize| format!(r#"{{"e":"x","d":{}}}"#, nested(levels));
    for (method, path, fits, over) in [
        ("PUT", "/v1/channels/room/state", state(128), state(129)),
        ("PATCH", "/v1/channels/room/state", state(128), state(129)),
        ("POST", "/v1/channels/room/messages", message(128), message(129)),
    ] {
        let refused = server.call(method, path, Some(OWNER), &over);
        assert_eq!(refused.failure(), (400, "invalid_body".to_owned()), "{method} {path}");
        assert!(refused.error()["message"].as_str().unwrap().contains("128 levels"));
        let status = server.call(method, path, Some(OWNER), &fits).status;
        assert!(status < 300 && is_whole(&mut socket), "{method} {path}: {status}");
    }
    // Three levels are the frame's own: it, its d, and the message in that.
    let frame_of = |levels: usize| {
        let d = message(levels - 3);
        frame::text(&format!(r#"{{"op":0,"d":{{"e":"MESSAGE","c":"room","d":{d}}}}}"#))
    };
    socket.write(&frame_of(128));
    assert!(is_whole(&mut socket));
    socket.write(&frame_of(129));
    let (code, reason) = socket.expect_close();
    assert!(code == 4005 && reason.contains("128 levels"), "{code} {reason}");
    server.assert_well();
}

/// Every permission.
const FLAGS: u64 = 2_251_799_805_280_247;

#[test]
fn failing_tokens_are_bounded_for_each_address_and_right_ones_are_not() {
    let config = Config::limits("auth-failures = 20");
    let server = config.start();
    let right = server.new_project_token(FLAGS);
    let ask = |token: &str| server.call("GET", "/v1/channels", Some(token), "");
    let guess = |n: usize| format!("ptk_{n:032}");
    // The same one again is no guess: the answer is known.
    for _ in 0..50 {
        assert_eq!(ask(&guess(0)).failure(), (401, "invalid_auth".to_owned()));
    }
    for n in 1..20 {
        assert_eq!(ask(&guess(n)).failure(), (401, "invalid_auth".to_owned()), "{n}");
    }
    let refused = (100..160).map(|n| ask(&guess(n))).filter(|answer| answer.status == 429);
    let refused: Vec<_> = refused.collect();
    // One more is forgiven each 3 s.
    assert!(refused.len() > 50, "{} refused", refused.len());
    for answer in &refused {
        assert_eq!(answer.failure().1, "rate_limited");
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    // From the same address, never seen before, on both ways in.
    assert_eq!(ask(&right).status, 200);
    let publish = |token: &str| {
        let body = r#"{"e":"A","d":1}"#;
        let plain = format!(
            "POST /v1/channels/room/messages HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        Answer::parse(&server.raw_and_close(plain.as_bytes())).unwrap().status
    };
    create(&server, "room", "unprotected", &[]);
    let refused = (200..230).filter(|n| publish(&guess(*n)) == 429).count();
    assert!(refused > 20, "{refused} refused");
    assert_eq!(publish(&server.new_project_token(FLAGS)), 204);
    server.assert_well();
}

#[test]
fn wrong_tokens_in_identify_are_bounded_with_those_over_http_and_right_ones_come_in() {
    let config = Config::limits("auth-failures = 20");
    let server = config.start();
    let (leap, project) = (server.new_leap_token(), server.new_project_token(FLAGS));
    let wrong = |n: usize| match n % 2 {
        0 => format!("leap_token_{n:032}"),
        _ => format!("ptk_{n:032}"),
    };
    let guess = |n: usize| {
        let mut socket = Socket::open(server.address);
        socket.identify(Some(&wrong(n)));
        socket.expect_close().0
    };
    for n in 0..20 {
        assert_eq!(guess(n), 4001, "{n}");
    }
    // The address has had its share, wherever it tries; one more is forgiven each 3 s.
    let ask = |n| server.call("GET", "/v1/channels", Some(&wrong(n)), "");
    let refused = (41..100).step_by(2).map(ask).find(|answer| answer.status != 401);
    assert_eq!(refused.unwrap().failure(), (429, "rate_limited".to_owned()));
    // Many at once take turns, and some are told to come back; what is known to be wrong stays so.
    let codes: Vec<_> = std::thread::scope(|scope| {
        let many: Vec<_> = (100..250).map(|n| scope.spawn(move || guess(n))).collect();
        many.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(codes.iter().all(|code| [4001, 4008].contains(code)), "{codes:?}");
    assert!(codes.contains(&4008), "{codes:?}");
    assert_eq!(guess(0), 4001);
    // From the same address, never seen before.
    for right in [&leap, &project] {
        Socket::enter(server.address, Some(right));
    }
    Socket::enter(server.address, None);
    server.assert_well();
}

#[test]
fn an_admin_token_in_identify_is_refused_and_works_over_http_as_before() {
    let server = Server::start();
    let mut socket = Socket::open(server.address);
    socket.identify(Some(crate::support::ADMIN));
    assert_eq!(socket.expect_close().0, 4001);
    assert_eq!(server.call("GET", "/v1/projects", Some(crate::support::ADMIN), "").status, 200);
    server.assert_well();
}

#[test]
fn a_first_run_takes_no_short_secret() {
    for (setting, flag, prefix) in [
        ("WARREN_PROJECT_TOKEN", "project-token", "ptk"),
        ("WARREN_ADMIN_TOKEN", "admin-token", "pat"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let refused = crate::support::start::program()
            .current_dir(folder.path())
            .env("WARREN_LISTEN", "127.0.0.1:0")
            .env(setting, format!("{prefix}_{}", "a".repeat(21)))
            .output()
            .unwrap();
        assert_eq!(refused.status.code(), Some(1));
        let log = String::from_utf8_lossy(&refused.stderr);
        assert!(log.contains(flag) && log.contains("too short"), "{log}");
    }
}

/// A handshake.
const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A connection that sent this and got an answer, and the answer's first bytes.
fn opened(server: &Server, request: &str) -> (TcpStream, String) {
    let mut stream = raw(server.address);
    stream.write_all(request.as_bytes()).unwrap();
    let mut head = vec![0; 12];
    stream.read_exact(&mut head).unwrap();
    (stream, String::from_utf8(head).unwrap())
}

#[test]
fn sockets_and_connections_leave_descriptors_for_everything_else() {
    let server = Server::start_with_files(256);
    let mut sockets = Vec::new();
    let mut refused = loop {
        let (stream, status) = opened(&server, HANDSHAKE);
        if status != "HTTP/1.1 101" {
            assert_eq!(status, "HTTP/1.1 503");
            break stream;
        }
        sockets.push(stream);
        assert!(sockets.len() < 250, "no end");
    };
    let mut rest = String::new();
    refused.read_to_string(&mut rest).unwrap();
    assert!(rest.to_ascii_lowercase().contains("retry-after: 1"), "{rest}");
    assert!(sockets.len() > 100, "only {}", sockets.len());
    // The others go on: requests, the database, webhooks.
    assert_eq!(server.call("GET", "/health/ready", None, "").status, 200);
    server.data("PUT", "/v1/channels/room", "{}");
    // Idle connections may take what is left; who comes then is told, and the server still has descriptors of its own.
    let live = "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut idle = Vec::new();
    let mut refused = loop {
        let (stream, status) = opened(&server, live);
        if status != "HTTP/1.1 200" {
            assert_eq!(status, "HTTP/1.1 503");
            break stream;
        }
        idle.push(stream);
        assert!(idle.len() < 250, "no end");
    };
    let mut rest = String::new();
    refused.read_to_string(&mut rest).unwrap();
    assert!(rest.contains(r#""code":"overloaded""#), "{rest}");
    let (_, kept) = (sockets.pop(), &mut idle[0]);
    let change = format!(
        "PUT /v1/channels/other HTTP/1.1\r\nHost: x\r\nAuthorization: {OWNER}\r\nContent-Length: 2\r\n\r\n{{}}"
    );
    kept.write_all(change.as_bytes()).unwrap();
    let mut answers = String::new();
    while !answers.contains(r#""id":"other""#) {
        let mut piece = [0; 4096];
        let size = kept.read(&mut piece).unwrap();
        assert!(size > 0, "{answers}");
        answers.push_str(std::str::from_utf8(&piece[..size]).unwrap());
    }
    drop((sockets, idle));
    eventually("there is room again", || {
        server.raw_and_close(live.as_bytes()).starts_with(b"HTTP/1.1 200")
    });
    server.assert_well();
}

#[test]
fn unknown_projects_in_identify_are_bounded_with_wrong_tokens_and_known_ones_come_in() {
    let config = Config::limits("auth-failures = 20");
    let server = config.start();
    let wrong = |n: usize| format!("project_{n:032}");
    let enter = |project: &str, token: Option<&str>| {
        let mut socket = Socket::open(server.address);
        socket.send(&json!({"op": 2, "d": {"project_id": project, "token": token}}));
        socket
    };
    let guess = |n: usize| enter(&wrong(n), None).expect_close().0;
    for n in 0..20 {
        assert_eq!(guess(n), 4001, "{n}");
    }
    // The address has had its share of everything.
    let answer = server.call("GET", "/v1/channels", Some("ptk_wrong"), "");
    assert_eq!(answer.failure(), (429, "rate_limited".to_owned()));
    // Many at once take turns, and some are told to come back; what is known to be wrong stays so.
    let codes: Vec<_> = std::thread::scope(|scope| {
        let many: Vec<_> = (100..250).map(|n| scope.spawn(move || guess(n))).collect();
        many.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(codes.iter().all(|code| [4001, 4008].contains(code)), "{codes:?}");
    assert!(codes.contains(&4008), "{codes:?}");
    assert_eq!(guess(0), 4001);
    // From the same address, never seen before.
    let (project, token) = server.new_project("Other");
    enter(&project, None).expect("INIT");
    enter(&project, Some(&token)).expect("INIT");
    server.assert_well();
}
