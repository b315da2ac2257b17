//! Event streams (`docs/PROTOCOL.md`, Event streams): opened and refused, heard, ended, and gone on with.

use crate::scene::{
    await_offline, cid, create, eventually, mark, members, new_token, publish, token_for,
};
use crate::socket::{Socket, Stopwatch, StreamAsk, StreamClient};
use crate::support::{ADMIN, OWNER, PROJECT, Server};
use serde_json::{Value, json};
use std::ops::Range;
use std::time::Duration;
use warren::domain::{Permission, Permissions};

/// Publishes these numbers to a channel.
fn say(server: &Server, channel: &str, numbers: Range<u64>) {
    numbers.for_each(|number| publish(server, channel, "n", &json!(number)));
}

/// Reads the messages with these numbers, in this order.
fn hear(stream: &mut StreamClient, numbers: Range<u64>) {
    for number in numbers {
        let message = stream.expect("MESSAGE");
        assert_eq!(message["d"]["d"], json!(number), "{message}");
    }
}

/// What asks for these channels with this token.
fn ask(token: Option<&str>, channels: &str) -> StreamAsk {
    StreamAsk::with(token).and("channels", channels)
}

/// Status and code by which a stream is refused.
fn refusal(server: &Server, query: &str, lines: &str) -> (u16, String) {
    let answer = StreamClient::try_open_at(server.address, &format!("/sse?{query}"), lines);
    answer.err().unwrap_or_else(|| panic!("{query} is let in")).failure()
}

#[test]
fn a_stream_says_what_a_socket_would_and_no_proxy_keeps_it() {
    let server = Server::start();
    create(&server, "room", "unprotected", &[]);
    let (mut stream, init) = StreamClient::enter(server.address, &ask(None, "room"));
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-store"),
        ("x-accel-buffering", "no"),
        ("access-control-allow-origin", "*"),
        ("connection", "close"),
    ] {
        assert_eq!(stream.head.header(name), Some(value), "{name}");
    }
    assert!(stream.head.header("x-request-id").is_some() && stream.comments > 0);
    assert_eq!((&init["scope"], &init["ext"]), (&json!("noauth"), &json!(["resume"])));
    let available = stream.expect("AVAILABLE");
    assert_eq!((&available["c"], &available["u"]), (&json!("room"), &json!(false)));
    let body = "{\"e\":\"X\",\"d\":{\n \"a\" : 9007199254740993,\r\n \"b\": \"\\n\" }}";
    server.done("POST", "/v1/channels/room/messages", body);
    let message = stream.expect("MESSAGE");
    let expected = json!({"e": "X", "d": {"a": 9_007_199_254_740_993_u64, "b": "\n"}});
    assert_eq!(message["d"], expected);
    let place = message["s"].as_str().unwrap();
    assert!(stream.last_id.starts_with(&format!("room={place}")), "{}", stream.last_id);
    server.data("PUT", "/v1/channels/room/state", r#"{"a":1}"#);
    assert_eq!(stream.expect("STATE_UPDATE")["d"]["state"], json!({"a": 1}));
    server.done("DELETE", "/v1/channels/room", "");
    stream.expect("UNAVAILABLE");
    assert!(!stream.last_id.contains("room"), "{}", stream.last_id);
    server.assert_well();
}

#[test]
fn who_is_not_let_in_is_told_with_a_status() {
    let server = Server::start();
    let (other, _) = server.new_project("other");
    let token = server.new_leap_token();
    let deleted = server.new_leap_token();
    server.done("DELETE", &format!("/v1/channels/tokens/{deleted}"), "");
    let of = |project: &str, token: &str| {
        refusal(&server, &format!("project={project}&token={token}"), "")
    };
    for (project, token) in [
        (PROJECT, "leap_token_nobody"),
        (PROJECT, &*deleted),
        (PROJECT, "no%20token%20at%20all"),
        (PROJECT, "ptk_nobody"),
        (PROJECT, ADMIN),
        ("project_nobody", ""),
        ("project_nobody", &*token),
        (&*other, &*token),
        (&*other, OWNER),
    ] {
        assert_eq!(of(project, token), (401, "invalid_auth".to_owned()), "{project} {token}");
    }
    let refused = (400, "invalid_query".to_owned());
    for query in
        ["", "project=", "project=p&project=p", "project=p&since=1-1", "project=p&last_event_id=1"]
    {
        assert_eq!(refusal(&server, query, ""), refused, "{query}");
    }
    let line = |line: &str| refusal(&server, &format!("project={PROJECT}&token={token}"), line);
    assert_eq!(line("Authorization: other\r\n"), refused);
    assert_eq!(line("Last-Event-ID: other\r\n"), refused);
    for method in ["POST", "PUT", "DELETE"] {
        let answer = server.call(method, &format!("/sse?project={PROJECT}"), None, "");
        assert_eq!(answer.failure(), (405, "method_not_allowed".to_owned()));
    }
    server.assert_well();
}

#[test]
fn who_comes_back_with_the_last_id_hears_the_rest_once_and_in_order() {
    let server = Server::start();
    for (id, visibility) in [("a", "unprotected"), ("b%20b", "unprotected"), ("c", "public")] {
        create(&server, id, visibility, &[]);
    }
    let token = token_for(&server, &["c"]);
    for token in [None, Some(&*token)] {
        let wanted = ask(token, "a,b b");
        let (mut stream, init) = StreamClient::enter(server.address, &wanted);
        assert_eq!(init["scope"], if token.is_some() { "token" } else { "noauth" });
        stream.expect("AVAILABLE");
        stream.expect("AVAILABLE");
        say(&server, "a", 0..3);
        hear(&mut stream, 0..3);
        say(&server, "b%20b", 3..4);
        hear(&mut stream, 3..4);
        if token.is_some() {
            say(&server, "c", 4..5);
            hear(&mut stream, 4..5);
        }
        // Somebody else stays, so that the lines do.
        let (stays, _) = StreamClient::enter(server.address, &ask(None, "a,b b"));
        let last = stream.hang_up();
        say(&server, "a", 10..13);
        say(&server, "b%20b", 13..15);
        let mut expected: Vec<u64> = (10..15).collect();
        if let Some(token) = token {
            say(&server, "c", 15..17);
            let direct = json!({"e": "d", "d": 17}).to_string();
            server.done("POST", &format!("/v1/channels/tokens/{token}/messages"), &direct);
            expected.extend(15..18);
        }
        // However often it comes from there.
        for _ in 0..2 {
            assert_made_up_for(&server, &wanted.clone().after(&last), &expected);
        }
        drop(stays);
    }
    server.assert_well();
}

/// Asserts that a stream that goes on hears these and nothing else, each line's in order, and is told of no hole.
fn assert_made_up_for(server: &Server, ask: &StreamAsk, expected: &[u64]) {
    let (mut back, init) = StreamClient::enter(server.address, ask);
    let mut lines = init["channels"].as_array().unwrap().clone();
    let mut heard: Vec<(String, u64)> = Vec::new();
    while heard.len() < expected.len() {
        let event = back.next();
        match event["e"].as_str().unwrap() {
            "MESSAGE" | "DIRECT_MESSAGE" => {
                heard.push((event["c"].to_string(), event["d"]["d"].as_u64().unwrap()));
            }
            "AVAILABLE" => lines.push(event["d"].clone()),
            other => panic!("{other}"),
        }
    }
    assert!(lines.iter().all(|line| line["recovered"] == true), "{lines:?}");
    for (line, number) in &heard {
        let later = heard.iter().skip_while(|one| one.1 != *number).skip(1);
        assert!(later.filter(|one| one.0 == *line).all(|one| one.1 > *number), "{heard:?}");
    }
    let mut numbers: Vec<u64> = heard.into_iter().map(|(_, number)| number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, expected);
    mark(server, &cid(&init), "marker");
    assert_eq!(back.next()["d"]["e"], "marker", "and nothing more");
}

#[test]
fn a_break_in_the_middle_of_what_is_made_up_for_loses_nothing() {
    let server = Server::start();
    create(&server, "room", "public", &[]);
    let token = token_for(&server, &["room"]);
    let wanted = StreamAsk::with(Some(&token));
    let (stream, _) = StreamClient::enter(server.address, &wanted);
    drop(stream);
    await_offline(&server, &token);
    // Kept by the session for whoever comes next, which names no place.
    say(&server, "room", 0..6);
    let (mut stream, _) = StreamClient::enter(server.address, &wanted);
    hear(&mut stream, 0..2);
    let mut last = stream.hang_up();
    // From the line, in two pieces.
    for from in [2, 4] {
        let (mut back, init) = StreamClient::enter(server.address, &wanted.clone().after(&last));
        assert_eq!(init["resume"], "complete", "{init}");
        hear(&mut back, from..from + 2);
        last = back.hang_up();
    }
    let (mut back, init) = StreamClient::enter(server.address, &wanted.clone().after(&last));
    mark(&server, &cid(&init), "marker");
    assert_eq!(back.expect("DIRECT_MESSAGE")["d"]["e"], "marker", "all of it was heard");
    server.assert_well();
}

#[test]
fn a_break_before_the_stream_has_come_to_a_channel_loses_nothing() {
    let server = Server::start();
    for id in ["one", "two"] {
        create(&server, id, "unprotected", &[]);
    }
    let wanted = ask(None, "one,two");
    let (_stays, _) = StreamClient::enter(server.address, &wanted);
    let (mut stream, _) = StreamClient::enter(server.address, &wanted);
    stream.expect("AVAILABLE");
    stream.expect("AVAILABLE");
    let mut last = stream.hang_up();
    say(&server, "one", 0..1);
    say(&server, "two", 1..2);
    // It hears INIT alone, then that one of them is there, then everything.
    for count in [0, 1, 4] {
        let (mut back, _) = StreamClient::enter(server.address, &wanted.clone().after(&last));
        let heard: Vec<Value> = (0..count).map(|_| back.next()).collect();
        let available = heard.iter().filter(|event| event["e"] == "AVAILABLE");
        assert!(available.clone().all(|event| event["d"]["recovered"] == true), "{heard:?}");
        assert_eq!(available.count(), count.min(2), "{heard:?}");
        let messages = heard.iter().filter(|event| event["e"] == "MESSAGE");
        let mut numbers: Vec<_> = messages.filter_map(|event| event["d"]["d"].as_u64()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, if count == 4 { vec![0, 1] } else { Vec::new() }, "{heard:?}");
        last = back.hang_up();
    }
    server.assert_well();
}

/// Every single flag of a project token, and what a stream needs of them.
#[test]
fn a_project_token_needs_the_flag_that_it_needs_on_the_socket() {
    let server = Server::start();
    for flag in Permission::ALL {
        let token = server.new_project_token(Permissions::from(flag).bits());
        let opened = StreamClient::try_open(server.address, &StreamAsk::with(Some(&token)));
        let mut socket = Socket::open(server.address);
        socket.identify(Some(&token));
        let by_socket = socket.try_next().is_ok_and(|event| event["e"] == "INIT");
        assert_eq!(opened.is_ok(), by_socket, "{flag}");
        assert_eq!(by_socket, flag == Permission::ReadChannels, "{flag}");
        if let Err(answer) = opened {
            assert_eq!(answer.failure(), (401, "invalid_auth".to_owned()));
        }
    }
    server.assert_well();
}

#[test]
fn what_is_gone_is_told_and_nothing_of_it_comes() {
    let server = Server::start();
    create(&server, "room", "unprotected", &[]);
    let (_stays, _) = StreamClient::enter(server.address, &ask(None, "room"));
    let (mut stream, _) = StreamClient::enter(server.address, &ask(None, "room"));
    stream.expect("AVAILABLE");
    say(&server, "room", 0..1);
    hear(&mut stream, 0..1);
    let last = stream.hang_up();
    // More than the window holds.
    say(&server, "room", 1..300);
    for id in [&*last, "room=1-1", "room=nothing"] {
        let (mut back, init) = StreamClient::enter(server.address, &ask(None, "room").after(id));
        let available = back.expect("AVAILABLE");
        assert_eq!(available["d"]["recovered"], false, "{available}");
        mark(&server, &cid(&init), "marker");
        assert_eq!(back.next()["d"]["e"], "marker");
    }
    let token = token_for(&server, &["room"]);
    let (_, init) =
        StreamClient::enter(server.address, &StreamAsk::with(Some(&token)).after(&last));
    assert_eq!(
        (&init["resume"], &init["channels"][0]["recovered"]),
        (&json!("gap"), &json!(false))
    );
    server.assert_well();
}

#[test]
fn since_and_rewind_are_those_of_subscribe() {
    let server = Server::start();
    create(&server, "room", "unprotected", &[]);
    let (mut stream, _) = StreamClient::enter(server.address, &ask(None, "room"));
    stream.expect("AVAILABLE");
    say(&server, "room", 0..5);
    hear(&mut stream, 0..3);
    let place = stream.expect("MESSAGE")["s"].as_str().unwrap().to_owned();
    let since = ask(None, "room").and("since", &place).and("rewind", "1");
    let (mut back, _) = StreamClient::enter(server.address, &since);
    assert_eq!(back.expect("AVAILABLE")["d"]["recovered"], true);
    hear(&mut back, 4..5);
    let (mut back, _) = StreamClient::enter(server.address, &ask(None, "room").and("rewind", "2"));
    back.expect("AVAILABLE");
    hear(&mut back, 3..5);
    server.assert_well();
}

#[test]
fn a_token_that_ends_takes_its_streams_along_at_once() {
    let server = Server::start();
    let token = server.new_leap_token();
    let (mut stream, _) = StreamClient::enter(server.address, &StreamAsk::with(Some(&token)));
    let clock = Stopwatch::start();
    server.done("DELETE", &format!("/v1/channels/tokens/{token}"), "");
    assert_eq!(stream.expect_close().0, 4001);
    assert!(clock.elapsed() < Duration::from_secs(1), "{:?}", clock.elapsed());
    let at = time::OffsetDateTime::now_utc() + Duration::from_millis(1500);
    let at = at.format(&time::format_description::well_known::Rfc3339).unwrap();
    let token = new_token(&server, &json!({"expires_at": at}));
    let (mut stream, _) = StreamClient::enter(server.address, &StreamAsk::with(Some(&token)));
    assert_eq!(stream.expect_close().0, 4001, "expired");
    let flag = Permissions::from(Permission::ReadChannels).bits();
    let body = json!({"flags": flag}).to_string();
    let made = server.data("POST", "/v1/projects/@this/tokens", &body);
    let part = |name: &str| made["project_token"][name].as_str().unwrap();
    let ask = StreamAsk::with(Some(part("token")));
    let (mut stream, init) = StreamClient::enter(server.address, &ask);
    assert_eq!(init["scope"], "project");
    server.done("DELETE", &format!("/v1/projects/@this/tokens/{}", part("id")), "");
    assert_eq!(stream.expect_close().0, 4001);
    server.assert_well();
}

#[test]
fn a_stream_that_hangs_up_has_gone_at_once() {
    let server = Server::start();
    create(&server, "room", "public", &["PRESENCE"]);
    let token = server.new_leap_token();
    let (stream, init) = StreamClient::enter(server.address, &ask(Some(&token), "room"));
    eventually("it is in", || members(&server, "room") == 1);
    let listed = |path: &str| server.data("GET", path, "")["connections"].clone();
    for path in [
        format!("/v1/channels/tokens/{token}/connections"),
        "/v1/channels/room/connections".to_owned(),
    ] {
        let connections = listed(&path);
        assert_eq!(connections[0]["transport"], "sse", "{connections}");
        assert_eq!(connections[0]["cid"], init["cid"]);
        assert_eq!(connections[0]["channels"], json!(["room"]));
    }
    let clock = Stopwatch::start();
    drop(stream);
    await_offline(&server, &token);
    assert!(clock.elapsed() < Duration::from_secs(2), "{:?}", clock.elapsed());
    server.assert_well();
}

#[test]
fn heartbeats_are_comments_and_silence_is_no_reason_to_close() {
    let settings = [("WARREN_HEARTBEAT", "1"), ("WARREN_HEARTBEAT_TIMEOUT", "2")];
    let server = Server::start_with(&settings);
    create(&server, "room", "unprotected", &[]);
    let (mut stream, init) = StreamClient::enter(server.address, &ask(None, "room"));
    stream.expect("AVAILABLE");
    let before = stream.comments;
    // Longer than a socket may be silent.
    std::thread::sleep(Duration::from_secs(5));
    mark(&server, &cid(&init), "marker");
    assert_eq!(stream.next()["d"]["e"], "marker");
    let beats = stream.comments - before;
    assert!((4..=6).contains(&beats), "{beats}");
    server.assert_well();
}

#[test]
fn who_is_closed_by_the_back_end_is_told_why() {
    let server = Server::start();
    let (mut stream, init) = StreamClient::enter(server.address, &StreamAsk::default());
    server.done("DELETE", &format!("/v1/channels/connections/{}", cid(&init)), "");
    assert_eq!(stream.expect_close().0, 4000);
    server.assert_well();
}

/// What is asked for in HTTP/1.0, as proxies do that were not told otherwise.
#[test]
fn a_proxy_that_speaks_http_1_0_gets_a_stream_without_chunks() {
    use std::io::{BufRead as _, BufReader, Write as _};
    let server = Server::start();
    let mut stream = crate::support::raw(server.address);
    let request = format!("GET /sse?project={PROJECT} HTTP/1.0\r\nHost: test\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    let head: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
    assert!(head[0].contains(" 200 ") && !head.join("\n").contains("chunked"), "{head:?}");
    let first: Vec<String> =
        lines.by_ref().take_while(|line| !line.starts_with("data: ")).collect();
    assert_eq!(first[0], "retry: 1000", "{first:?}");
    assert!(first.contains(&"event: INIT".to_owned()), "{first:?}");
    server.assert_well();
}

/// `HEAD` opens nothing that stays.
#[test]
fn what_a_stream_would_be_like_can_be_asked() {
    let server = Server::start();
    let answer = server.request("HEAD", &format!("/sse?project={PROJECT}"), &[], b"");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    let preflight = server.request("OPTIONS", "/sse", &[], b"");
    assert_eq!(preflight.status, 204);
    assert_eq!(Value::from(preflight.header("access-control-allow-origin")), json!("*"));
    server.assert_well();
}
