//! How many calls a second a token and an address may make (`docs/PROTOCOL.md`, Rates of calls).
//!
//! How fast this machine is, nothing here relies on: what is let in is compared with the time that it took.

use crate::scene::{Config, create};
use crate::socket::{Process, Socket, StreamAsk, StreamClient};
use crate::support::{ADMIN, Answer, OWNER, Server, raw, until};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::time::Instant;

/// Every permission.
const FLAGS: u64 = 2_251_799_805_280_247;
/// Where calls of the tests are shown to come from.
const PROXY: (&str, &str) = ("WARREN_TRUSTED_PROXIES", "127.0.0.1/32");

/// A call that changes nothing, with this token.
fn ask(server: &Server, token: &str) -> Answer {
    server.call("GET", "/v1/channels", Some(token), "")
}

/// The same for a client behind the proxy.
fn ask_from(server: &Server, client: &str, token: &str) -> Answer {
    let headers = [("Authorization", token), ("X-Forwarded-For", client)];
    server.request("GET", "/v1/channels", &headers, b"")
}

/// Asks until it is refused.
fn refused(mut ask: impl FnMut() -> Answer) -> Answer {
    until("a call is refused", || {
        let answer = ask();
        if answer.status == 429 { Ok(answer) } else { Err(answer.status) }
    })
}

/// Asks until it is let in, which must be no later than the refusal said that came just before.
fn let_in_again(refusal: &Answer, mut ask: impl FnMut() -> Answer) -> Answer {
    let begin = Instant::now();
    let told: u64 = refusal.header("retry-after").unwrap().parse().unwrap();
    until("a call is let in", || {
        let waited = begin.elapsed();
        let answer = ask();
        assert!(answer.status != 429 || waited.as_secs() < told, "refused after {waited:?}");
        if answer.status == 429 { Err(answer.status) } else { Ok(answer) }
    })
}

/// The most calls that may have been let in at this rate since then.
fn most(rate: usize, begin: Instant) -> usize {
    let millis = usize::try_from(begin.elapsed().as_millis() + 1).unwrap();
    rate + rate * millis / 1000
}

/// The two headers.
fn told(answer: &Answer) -> (Option<&str>, Option<&str>) {
    (answer.header("ratelimit-policy"), answer.header("ratelimit"))
}

/// How often a call was refused, by the server's own count.
fn counted(server: &Server, limit: &str) -> String {
    let text = server.call("GET", "/metrics", Some(ADMIN), "").text();
    let series = format!("warren_requests_refused_total{{limit=\"{limit}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&series)).unwrap().to_owned()
}

#[test]
fn a_token_over_its_rate_is_refused_until_the_time_that_it_is_told_and_another_tenants_is_not() {
    let config = Config::limits("requests-per-second = 2");
    let server = config.start();
    let (_, other) = server.new_project("other");
    assert_eq!(counted(&server, "credential"), "0");
    let refusal = refused(|| ask(&server, OWNER));
    assert_eq!(refusal.failure(), (429, "rate_limited".to_owned()));
    assert_eq!((&refusal.error()["limit"], refusal.header("retry-after")), (&json!(2), Some("1")));
    let (policy, none_left) = (r#""credential";q=2;w=1"#, r#""credential";r=0;t=1"#);
    assert_eq!(told(&refusal), (Some(policy), Some(none_left)));
    let exposed = refusal.header("access-control-expose-headers").unwrap();
    assert!(exposed.contains("ratelimit, ratelimit-policy"), "{exposed}");
    // Who has not asked yet has a whole second's worth, whatever others do.
    let first = ask(&server, &other);
    assert_eq!(
        (first.status, told(&first)),
        (200, (Some(policy), Some(r#""credential";r=1;t=1"#)))
    );
    let refusal = refused(|| ask(&server, OWNER));
    assert_eq!(let_in_again(&refusal, || ask(&server, OWNER)).status, 200);
    assert_ne!(counted(&server, "credential"), "0");
    assert_eq!(counted(&server, "address"), "0");
    server.assert_well();
}

#[test]
fn an_address_over_its_rate_is_refused_whatever_its_tokens_and_another_is_not() {
    let config = Config::limits("address-requests-per-second = 3");
    let server = Server::start_with(&[PROXY, config.setting()]);
    let (policy, two_left) = (Some(r#""address";q=3;w=1"#), Some(r#""address";r=2;t=1"#));
    let mut guesses = 0;
    // Wrong tokens count as right ones do.
    let refusal = refused(|| {
        guesses += 1;
        let token = if guesses % 2 == 0 { OWNER } else { "ptk_nobody_has_this_one" };
        ask_from(&server, "192.0.2.1", token)
    });
    assert_eq!(refusal.failure(), (429, "rate_limited".to_owned()));
    assert_eq!((&refusal.error()["limit"], told(&refusal).0), (&json!(3), policy));
    let first = ask_from(&server, "192.0.2.2", OWNER);
    assert_eq!((first.status, told(&first)), (200, (policy, two_left)));
    let unknown = ask_from(&server, "192.0.2.3", "ptk_nobody_has_this_one");
    assert_eq!((unknown.status, told(&unknown)), (401, (policy, two_left)));
    // A /64 of IPv6 is one address.
    let mut hosts = (1..).map(|host| format!("2001:db8::{host:x}"));
    let refusal = refused(|| ask_from(&server, &hosts.next().unwrap(), OWNER));
    assert_eq!(told(&ask_from(&server, "2001:db8:0:1::1", OWNER)).1, two_left);
    let again = let_in_again(&refusal, || ask_from(&server, "2001:db8::1", OWNER));
    assert_eq!(again.status, 200);
    assert_ne!(counted(&server, "address"), "0");
    server.assert_well();
}

#[test]
fn what_is_no_call_of_the_api_is_not_counted() {
    let limits = "requests-per-second = 1\naddress-requests-per-second = 1";
    let config = Config::limits(limits);
    let server = config.start();
    for path in ["/", "/docs", "/static/app.js", "/health/live", "/health/ready", "/openapi.json"] {
        for _ in 0..5 {
            let answer = server.call("GET", path, Some(OWNER), "");
            assert_eq!((answer.status, told(&answer)), (200, (None, None)), "{path}");
        }
    }
    for _ in 0..5 {
        Socket::enter(server.address, None);
        let answer = server.call("GET", "/metrics", Some(ADMIN), "");
        assert_eq!((answer.status, told(&answer)), (200, (None, None)));
    }
    server.assert_well();
}

#[test]
fn event_streams_are_counted_under_token_and_address() {
    let limits = "requests-per-second = 1\naddress-requests-per-second = 1000";
    let config = Config::limits(limits);
    let server = config.start();
    let token = until("a token is made", || {
        let made = server.call("POST", "/v1/channels/tokens", Some(OWNER), "{}");
        if made.status == 200 { Ok(made) } else { Err(made.status) }
    });
    let token = token.data()["token"]["id"].as_str().unwrap().to_owned();
    let open = || StreamClient::try_open(server.address, &StreamAsk::with(Some(&token)));
    let refusal = until("a stream is refused", || open().err().ok_or("it was opened"));
    assert_eq!(refusal.failure(), (429, "rate_limited".to_owned()));
    let (policy, left) = told(&refusal);
    assert_eq!(policy, Some(r#""credential";q=1;w=1, "address";q=1000;w=1"#));
    assert!(left.unwrap().starts_with(r#""credential";r=0;t=1, "address";r="#), "{left:?}");
    let mut nobody = StreamClient::open(server.address, &StreamAsk::with(None));
    nobody.expect("INIT");
    server.assert_well();
}

/// A request to publish, with further header lines.
fn publish(token: &str, event: &str, lines: &str) -> String {
    let body = format!(r#"{{"e":"{event}","d":1}}"#);
    format!(
        "POST /v1/channels/room/messages HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nContent-Length: {}\r\n{lines}\r\n{body}",
        body.len()
    )
}

/// The answers to these requests on one connection.
fn answers(server: &Server, requests: &str) -> Vec<Answer> {
    let last = "GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let mut stream = raw(server.address);
    stream.write_all(requests.as_bytes()).unwrap();
    stream.write_all(last.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let parts = text.split("HTTP/1.1 ").skip(1).map(|part| format!("HTTP/1.1 {part}"));
    let mut all: Vec<_> = parts.map(|part| Answer::parse_head(part.as_bytes()).unwrap()).collect();
    assert_eq!(all.pop().unwrap().status, 200);
    all
}

#[test]
fn publishes_at_the_door_and_behind_it_are_counted_alike() {
    let config = Config::limits("requests-per-second = 6\naddress-requests-per-second = 1000");
    let server = config.start();
    create(&server, "room", "unprotected", &[]);
    let (mut socket, _) = Socket::enter(server.address, None);
    socket.subscribe("room");
    // What the HTTP layer is given is what the door does not know.
    let (plain, long) = ("", "X-Unheard-Of: 1\r\n");
    for lines in [plain, long] {
        let token = server.new_project_token(FLAGS);
        let first = answers(&server, &publish(&token, "first", lines));
        let [first] = first.as_slice() else { panic!("{first:?}") };
        let (policy, left) = told(first);
        assert_eq!(
            (first.status, policy),
            (204, Some(r#""credential";q=6;w=1, "address";q=1000;w=1"#))
        );
        assert!(left.unwrap().starts_with(r#""credential";r=5;t=1, "address";r=9"#), "{left:?}");
        assert_eq!(socket.expect("MESSAGE")["d"]["e"], "first");
    }
    // Both ways take from the same.
    let token = server.new_project_token(FLAGS);
    let mixed: String =
        (0..20).map(|n| publish(&token, &n.to_string(), [plain, long][n % 2])).collect();
    let begin = Instant::now();
    let all = [answers(&server, &mixed), answers(&server, &mixed)].concat();
    let most = most(6, begin);
    let published = all.iter().filter(|answer| answer.status == 204).count();
    assert!(published >= 6 && published <= most, "{published} of at most {most}");
    for answer in &all {
        assert!(matches!(answer.status, 204 | 429) && told(answer).1.is_some(), "{answer:?}");
        assert_eq!(answer.status == 429, answer.header("retry-after") == Some("1"));
    }
    // What was refused was not published, and what was let in was.
    for answer in all.iter().filter(|answer| answer.status == 204) {
        assert_eq!(socket.expect("MESSAGE")["e"], "MESSAGE", "{answer:?}");
    }
    let refusals = all.len() - published;
    assert_eq!(counted(&server, "credential"), refusals.to_string());
    server.assert_well();
}

/// The statuses of a batch's items.
fn statuses(answer: &Answer) -> Vec<u64> {
    let results = answer.data()["results"].take();
    let all = results.as_array().unwrap().iter();
    all.map(|result| result["status"].as_u64().unwrap()).collect()
}

#[test]
fn each_item_of_a_batch_counts_and_repeating_it_gets_to_its_end() {
    let config = Config::limits("requests-per-second = 4");
    let server = config.start();
    create(&server, "room", "unprotected", &[]);
    let (mut socket, _) = Socket::enter(server.address, None);
    socket.subscribe("room");
    let token = server.new_project_token(FLAGS);
    let item = |n| json!({"method": "POST", "path": "/v1/channels/room/messages", "body": {"e": "E", "d": n}});
    let body = json!({"items": (0..30).map(item).collect::<Vec<Value>>()}).to_string();
    let headers = [("Authorization", token.as_str()), ("Idempotency-Key", "all-of-them")];
    let send = || server.request("POST", "/v1/batch", &headers, body.as_bytes());
    let begin = Instant::now();
    let first = send();
    let most = most(4, begin);
    let done = |answer: &Answer| statuses(answer).iter().filter(|status| **status == 204).count();
    assert!(done(&first) >= 4 && done(&first) <= most, "{:?}", statuses(&first));
    // What is done is what stands first.
    assert!(statuses(&first).is_sorted(), "{:?}", statuses(&first));
    let refused = first.data()["results"][29].take();
    assert_eq!(
        (&refused["status"], &refused["body"]["error"]["code"]),
        (&json!(429), &json!("rate_limited"))
    );
    assert_eq!(refused["headers"]["retry-after"], "1");
    assert_eq!((first.status, first.header("retry-after")), (200, Some("1")));
    assert_eq!(told(&first).0, Some(r#""credential";q=4;w=1"#));
    // Repeated under its key, it goes on where it was refused, however long it is.
    let whole = until("all items are done", || {
        let answer = send();
        if answer.status == 200 && done(&answer) == 30 { Ok(answer) } else { Err(answer.status) }
    });
    assert_eq!(whole.header("retry-after"), None);
    for n in 0..30 {
        assert_eq!(socket.expect("MESSAGE")["d"]["d"], n);
    }
    server.assert_well();
}

#[test]
fn a_call_that_is_repeated_under_its_key_counts_again() {
    let config = Config::limits("requests-per-second = 3");
    let server = config.start();
    let token = server.new_project_token(FLAGS);
    let headers = [("Authorization", token.as_str()), ("Idempotency-Key", "once")];
    let send = || server.request("PUT", "/v1/channels/room", &headers, b"{}");
    assert_eq!((send().status, send().header("idempotency-replayed")), (200, Some("true")));
    let refusal = refused(send);
    let again = let_in_again(&refusal, send);
    assert_eq!((again.status, again.header("idempotency-replayed")), (200, Some("true")));
    server.assert_well();
}

#[test]
fn rates_are_switched_on_and_off_while_the_server_runs() {
    let folder = tempfile::tempdir().unwrap();
    let configure = |text: &str| std::fs::write(folder.path().join("warren.toml"), text).unwrap();
    configure("");
    let server = Process::start(folder.path(), &[]);
    // A refusal ends its connection, as every one does that comes before the body was read.
    let publish = || {
        let body = r#"{"e":"E","d":1}"#;
        server.http().call("POST", "/v1/channels/hello/messages", body).unwrap()
    };
    for _ in 0..20 {
        let answer = publish();
        assert_eq!((answer.status, told(&answer)), (204, (None, None)));
    }
    configure("[limits]\nrequests-per-second = 1\n");
    server.signal("HUP");
    server.wait_for_log("limits.requests-per-second = 1");
    let refusal = refused(publish);
    assert_eq!(told(&refusal).0, Some(r#""credential";q=1;w=1"#));
    let shown = server.http().call_as(ADMIN, "GET", "/v1/settings", "").unwrap();
    assert_eq!(shown.data()["settings"]["limits.requests-per-second"], 1);
    configure("[limits]\naddress-requests-per-second = 1\n");
    server.signal("HUP");
    server.wait_for_log("limits.address-requests-per-second = 1");
    let refusal = refused(publish);
    assert_eq!(told(&refusal).0, Some(r#""address";q=1;w=1"#));
    configure("");
    server.signal("HUP");
    server.wait_for_log("limits.address-requests-per-second = 0");
    for _ in 0..20 {
        let answer = publish();
        assert_eq!((answer.status, told(&answer)), (204, (None, None)));
    }
    server.assert_well();
}
