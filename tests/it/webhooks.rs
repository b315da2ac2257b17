//! Webhooks against the real server: every event, every way that an endpoint can fail, and the authorise webhook.

use crate::socket::Socket;
use crate::support::receiver::{Receiver, Says, says};
use crate::support::{OWNER, Server, authority, until};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use std::collections::{HashMap, HashSet};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use warren::domain::Permission;

/// Every event.
const EVENTS: &[&str] = &[
    "channel.created",
    "channel.updated",
    "channel.deleted",
    "channel.state.updated",
    "channel.client.connected",
    "channel.client.disconnected",
    "channel.subscribed",
    "channel.unsubscribed",
    "channel.message",
    "token.created",
    "token.deleted",
    "project.tokens.created",
    "project.tokens.deleted",
];

/// A server whose webhooks may call loopback and come back soon.
fn server() -> Server {
    Server::start_with(OPEN)
}

/// Its settings.
const OPEN: &[(&str, &str)] = &[
    ("WARREN_ALLOW_PRIVATE_WEBHOOKS", "1"),
    ("WARREN_WEBHOOK_RETRY_MS", "40"),
    ("WARREN_SESSION_GRACE", "0.2"),
];

/// Adds a webhook; returns its id and secret.
fn hook(server: &Server, url: &str, events: &[&str]) -> (String, String) {
    let body = json!({"webhook_url": url, "events": events}).to_string();
    let made = server.data("POST", "/v1/projects/@this/webhooks", &body);
    let text = |name: &str| made["webhook"][name].as_str().unwrap().to_owned();
    (text("id"), text("secret"))
}

/// A webhook's deliveries.
fn deliveries(server: &Server, webhook: &str) -> Vec<Value> {
    let path = format!("/v1/projects/@this/webhooks/{webhook}/deliveries?page=1&pageSize=1000");
    server.data("GET", &path, "")["deliveries"].as_array().unwrap().clone()
}

/// Waits until a webhook's newest delivery is in this state.
fn settled(server: &Server, webhook: &str, state: &str) -> Value {
    until("it settles", || {
        let all = deliveries(server, webhook);
        let newest = all.first().filter(|newest| newest["state"] == state).cloned();
        newest.ok_or(all)
    })
}

#[test]
fn every_event_fires_with_its_shape() {
    let (server, receiver) = (server(), Receiver::start(|_, _| says(200)));
    let (id, _) = hook(&server, &receiver.url(), EVENTS);
    server.data("PUT", "/v1/channels/room", r#"{"type":"public","capabilities":2}"#);
    server.data("PATCH", "/v1/channels/room", r#"{"capabilities":["CLIENT_PUBLISH"]}"#);
    server.data("PUT", "/v1/channels/room/state", r#"{"n":12345678901234567890}"#);
    let token = server.new_leap_token();
    let mut socket = Socket::enter(server.address, Some(&token)).0;
    socket.dispatch("SUBSCRIBE", "room", &Value::Null);
    socket.next_of(&["AVAILABLE"]);
    socket.dispatch("MESSAGE", "room", &json!({"e": "HELLO", "d": {"x": 1}}));
    let created = receiver.data_of("channel.created");
    assert_eq!(created["channel"]["id"], "room");
    assert_eq!(receiver.data_of("channel.updated")["channel"]["capabilities"], 2);
    let changed = receiver.data_of("channel.state.updated");
    assert_eq!((&changed["version"], &changed["channel"]["version"]), (&json!(2), &json!(2)));
    let raw = receiver.calls().into_iter().find(|it| it.text.contains("12345678901234567890"));
    assert!(raw.is_some(), "numbers are not rounded");
    assert_eq!(receiver.data_of("token.created")["token"]["id"], token);
    let subscribed = receiver.data_of("channel.subscribed");
    assert_eq!(subscribed["channel"], "room");
    assert_eq!((&subscribed["token"], &subscribed["ephemeral"]), (&json!(token), &json!(false)));
    let connected = receiver.data_of("channel.client.connected");
    assert_eq!((&connected["token"], &connected["online_count"]), (&json!(token), &json!(1)));
    assert!(connected["session"].as_str().unwrap().starts_with("session_"));
    let message = receiver.data_of("channel.message");
    assert_eq!((&message["e"], &message["d"]), (&json!("HELLO"), &json!({"x": 1})));
    assert!(!message["connection"].as_str().unwrap().is_empty());
    drop(socket);
    let gone = receiver.data_of("channel.client.disconnected");
    assert_eq!((&gone["session"], &gone["online_count"]), (&connected["session"], &json!(0)));
    server.done("DELETE", &format!("/v1/channels/room/subscribers/{token}"), "");
    assert_eq!(receiver.data_of("channel.unsubscribed")["token"], token);
    server.done("DELETE", &format!("/v1/channels/tokens/{token}"), "");
    assert_eq!(receiver.data_of("token.deleted")["token"]["id"], token);
    server.done("DELETE", "/v1/channels/room", "");
    assert_eq!(receiver.data_of("channel.deleted")["channel"]["version"], 2);
    let made = server.data("POST", "/v1/projects/@this/tokens", r#"{"flags":0}"#);
    let ptkid = made["project_token"]["id"].as_str().unwrap();
    server.done("DELETE", &format!("/v1/projects/@this/tokens/{ptkid}"), "");
    assert_eq!(receiver.data_of("project.tokens.created")["project_token"]["id"], ptkid);
    assert_eq!(receiver.data_of("project.tokens.deleted")["project_token"]["id"], ptkid);
    let calls = receiver.calls();
    assert!(calls.iter().all(|call| !call.text.contains("ptk_")), "no secret of a back end");
    assert_eq!(calls.len(), EVENTS.len(), "each cause once");
    let seqs: HashSet<i64> =
        calls.iter().map(|call| call.json()["data"]["seq"].as_i64().unwrap()).collect();
    assert_eq!(seqs, (1..=13).collect());
    assert!(calls.iter().all(|call| call.json()["webhook_id"] == id.as_str()));
    server.assert_well();
}

#[test]
fn retries_keep_the_id_and_are_signed_anew() {
    let server = server();
    let receiver = Receiver::start(|number, _| says(if number < 3 { 500 } else { 200 }));
    let (id, _) = hook(&server, &receiver.url(), &["channel.created"]);
    server.data("PUT", "/v1/channels/room", "{}");
    let calls = receiver.wait_for(4);
    for (number, call) in calls.iter().enumerate() {
        assert_eq!(call.header("webhook-id"), calls[0].header("webhook-id"));
        assert_eq!(call.header("webhook-attempt"), (number + 1).to_string());
        assert_eq!(call.text, calls[0].text);
        assert_eq!(call.header("x-hop-hooks-signature"), calls[0].header("x-hop-hooks-signature"));
        assert_eq!(call.header("content-type"), "application/json");
    }
    assert_eq!(calls[0].header("webhook-id"), calls[0].json()["id"]);
    assert!(calls[3].at - calls[0].at >= Duration::from_millis(140), "the pauses grow");
    let done = settled(&server, &id, "delivered");
    assert_eq!((&done["attempts"], &done["last_status"]), (&json!(4), &json!(200)));
    let path =
        format!("/v1/projects/@this/webhooks/{id}/deliveries/{}", done["id"].as_str().unwrap());
    let shown = server.data("GET", &path, "");
    assert_eq!(shown, json!({"delivery": done, "body": calls[0].json()}));
    let flags = 1_u64 << Permission::ReadWebhooks.bit();
    let body = json!({ "flags": flags }).to_string();
    let blind = server.data("POST", "/v1/projects/@this/tokens", &body);
    let blind = server.call("GET", &path, blind["project_token"]["token"].as_str(), "");
    assert_eq!(blind.failure().0, 403, "it tells of channels");
    server.done("POST", &format!("{path}/resend"), "");
    assert_eq!(receiver.wait_for(5)[4].header("webhook-id"), calls[0].header("webhook-id"));
    let unknown = format!("/v1/projects/@this/webhooks/{id}/deliveries/event_x/resend");
    let refused = server.call("POST", &unknown, Some(OWNER), "");
    assert_eq!(refused.failure(), (404, "delivery_not_found".to_owned()));
}

#[test]
fn both_secrets_sign_after_a_new_one() {
    let (server, receiver) = (server(), Receiver::start(|_, _| says(204)));
    let (id, _) = hook(&server, &receiver.url(), &["channel.created"]);
    server.data("PUT", "/v1/channels/a", "{}");
    let alone = receiver.wait_for(1)[0].header("webhook-signature").to_owned();
    assert_eq!(alone.split(' ').count(), 1);
    server.data("POST", &format!("/v1/projects/@this/webhooks/{id}/regenerate"), "");
    server.data("PUT", "/v1/channels/b", "{}");
    let both = receiver.wait_for(2)[1].header("webhook-signature").to_owned();
    assert_eq!(both.split(' ').filter(|it| it.starts_with("v1,")).count(), 2);
}

#[test]
fn an_endpoint_that_was_down_gets_everything() {
    let server = server();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (id, _) = hook(&server, &format!("http://{port}/"), &["channel.created"]);
    for number in 0..20 {
        server.data("PUT", &format!("/v1/channels/room{number}"), "{}");
    }
    let tried = |it: &Value| it["attempts"].as_u64() > Some(0);
    let down = until("each was tried", || {
        let all = deliveries(&server, &id);
        if all.len() == 20 && all.iter().all(tried) { Ok(all) } else { Err(all) }
    });
    assert!(down.iter().all(|it| it["state"] == "pending"), "{down:?}");
    let receiver = Receiver::on(TcpListener::bind(port).unwrap(), |_, _| says(200));
    let calls = receiver.wait_for(20);
    let ids: HashSet<&str> = calls.iter().map(|call| call.header("webhook-id")).collect();
    assert_eq!(ids.len(), 20);
}

#[test]
fn redirects_are_not_followed_and_gone_is_believed() {
    let server = server();
    let inside = Receiver::start(|_, _| says(200));
    let lure = format!("Location: http://{}/secret\r\n", inside.address);
    let lure: &'static str = Box::leak(lure.into_boxed_str());
    let receiver = Receiver::start(move |number, _| match number {
        0..4 => Says([301, 302, 307, 308][number], lure, "", Duration::ZERO),
        _ => says(410),
    });
    let (id, _) = hook(&server, &receiver.url(), &["channel.created"]);
    server.data("PUT", "/v1/channels/room", "{}");
    receiver.wait_for(5);
    let dead = settled(&server, &id, "dead");
    assert_eq!((&dead["last_status"], &dead["attempts"]), (&json!(410), &json!(5)));
    assert!(inside.calls().is_empty());
    // Another webhook hears what this one does not.
    let other = Receiver::start(|_, _| says(200));
    hook(&server, &other.url(), &["channel.created"]);
    server.data("PUT", "/v1/channels/unheard", "{}");
    other.wait_for(1);
    assert_eq!(deliveries(&server, &id).len(), 1, "nothing waits for a disabled webhook");
    assert_eq!(receiver.calls().len(), 5, "a disabled webhook hears nothing");
}

#[test]
fn a_slow_endpoint_delays_no_other() {
    let server = server();
    let slow = Receiver::start(|_, _| Says(200, "", "", Duration::from_mins(1)));
    let healthy = Receiver::start(|_, _| says(200));
    hook(&server, &slow.url(), &["channel.created"]);
    hook(&server, &healthy.url(), &["channel.created"]);
    for number in 0..30 {
        server.data("PUT", &format!("/v1/channels/room{number}"), "{}");
    }
    slow.wait_for(8);
    healthy.wait_for(30);
    // Not one of its calls has been given up for a further one: that would take it ten seconds.
    assert_eq!(slow.calls().len(), 8, "no more than eight calls at a time");
    server.crash();
}

#[test]
fn no_event_is_lost_in_fifty_crashes_and_redeliveries_keep_their_id() {
    let mut server = server();
    let receiver = Receiver::start(|number, _| says(if number % 4 == 3 { 503 } else { 200 }));
    hook(&server, &receiver.url(), &["channel.created"]);
    let mut expected = HashSet::new();
    for cycle in 0..50 {
        for number in 0..6 {
            let id = format!("room-{cycle}-{number}");
            server.data("PUT", &format!("/v1/channels/{id}"), "{}");
            expected.insert(id);
        }
        server = Server::start_in(server.crash(), OPEN);
    }
    let heard = until("all were told", || {
        let mut heard: HashMap<String, HashSet<String>> = HashMap::new();
        for call in receiver.calls() {
            let room = call.json()["data"]["channel"]["id"].as_str().unwrap().to_owned();
            heard.entry(room).or_default().insert(call.header("webhook-id").to_owned());
        }
        if heard.len() < expected.len() { Err(heard.len()) } else { Ok(heard) }
    });
    assert_eq!(heard.keys().cloned().collect::<HashSet<_>>(), expected);
    assert!(heard.values().all(|ids| ids.len() == 1), "a redelivery has the id of its event");
    server.assert_well();
}

/// How much room the files of a folder take.
fn bytes_of(folder: &std::path::Path) -> u64 {
    let files = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    files.map(|file| file.metadata().unwrap().len()).sum()
}

/// Hop's signature of a text.
fn signature(secret: &str, text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    let digits =
        |byte: &u8| [byte >> 4, byte & 15].map(|digit| b"0123456789ABCDEF"[usize::from(digit)]);
    let hex = mac.finalize().into_bytes().iter().flat_map(digits).collect();
    String::from_utf8(hex).unwrap()
}

#[test]
fn a_large_event_is_stored_once_and_a_crash_keeps_it_from_no_webhook() {
    let server = server();
    let is_back = Arc::new(AtomicBool::new(false));
    let is_open = Arc::clone(&is_back);
    let receiver = Receiver::start(move |number, _| {
        says(if number < 10 || is_open.load(Ordering::Relaxed) { 200 } else { 503 })
    });
    let hooks: HashMap<String, String> =
        (0..40).map(|_| hook(&server, &receiver.url(), &["channel.created"])).collect();
    let room = json!({"state": {"text": "x".repeat(100_000)}}).to_string();
    server.data("PUT", "/v1/channels/room", &room);
    receiver.wait_for(40);
    let stored = bytes_of(&server.data_folder());
    assert!(stored < 1_500_000, "{stored} bytes for 40 times 100 kB");
    let folder = server.crash();
    is_back.store(true, Ordering::Relaxed);
    let server = Server::start_in(folder, OPEN);
    for id in hooks.keys() {
        settled(&server, id, "delivered");
    }
    let (mut heard, mut told) = (HashSet::new(), HashSet::new());
    for call in receiver.calls() {
        let id = call.json()["webhook_id"].as_str().unwrap().to_owned();
        assert_eq!(call.header("x-hop-hooks-signature"), signature(&hooks[&id], &call.text));
        let head = format!(r#"{{"webhook_id":"{id}",""#);
        told.insert(call.text.strip_prefix(&head).expect("the id stands first").to_owned());
        heard.insert(id);
    }
    assert_eq!(heard.len(), 40);
    assert_eq!(told.len(), 1, "all are told the same");
    server.assert_well();
}

#[test]
fn private_addresses_are_refused_unless_opened() {
    let server = Server::start_with(&[("WARREN_WEBHOOK_RETRY_MS", "40")]);
    let receiver = Receiver::start(|_, _| says(200));
    for host in ["127.0.0.1", "127.1", "[::ffff:127.0.0.1]", "localhost"] {
        let url = format!("http://{host}:{}/", receiver.address.port());
        let (id, _) = hook(&server, &url, &["channel.created"]);
        server.data("POST", "/v1/channels", "{}");
        let error = until("an error", || {
            let newest = deliveries(&server, &id).remove(0);
            newest["last_error"].as_str().map(str::to_owned).ok_or(newest)
        });
        assert!(error.contains("not public"), "{host}: {error}");
    }
    assert!(receiver.calls().is_empty());
    let networks = [("WARREN_WEBHOOK_NETWORKS", "127.0.0.0/8"), ("WARREN_WEBHOOK_RETRY_MS", "40")];
    let _server = Server::start_in(server.crash(), &networks);
    receiver.wait_for(1);
}

#[test]
fn who_sets_an_address_that_is_not_called_is_told_why() {
    let server = Server::start();
    let code = |answer: &Value| answer["warnings"][0]["code"].clone();
    let list = "/v1/projects/@this/webhooks";
    let body = json!({"webhook_url": "http://127.0.0.1:9000/secret-path", "events": []});
    let made = server.data("POST", list, &body.to_string());
    assert_eq!(code(&made), "private_address");
    assert_eq!(made["warnings"][0]["field"], "webhook_url");
    let path = format!("{list}/{}", made["webhook"]["id"].as_str().unwrap());
    let change = |url: &str| server.data("PATCH", &path, &json!({"webhook_url": url}).to_string());
    assert_eq!(code(&change("http://[::1]:9000/")), "private_address");
    assert_eq!(code(&change("http://93.184.215.14:22/")), "port");
    // What would be called is not called by setting it.
    assert_eq!(change("http://93.184.215.14/").get("warnings"), None);
    let set = authorizer(&server, " http://10.0.0.1/ ");
    assert_eq!(set["url"], "http://10.0.0.1/");
    assert_eq!(
        (code(&set), &set["warnings"][0]["field"]),
        (json!("private_address"), &json!("url"))
    );
    let shown = server.data("GET", "/v1/projects/@this/channel-authorizer", "");
    assert_eq!(shown.get("warnings"), None);
    let codes = ["private_address", "private_address", "\"port\"", "private_address"];
    // The log is written beside the answers.
    let log = until("all warnings are logged", || {
        let log = server.log();
        if log.matches("is not called").count() >= codes.len() { Ok(log) } else { Err(log) }
    });
    let warned: Vec<_> = log.lines().filter(|line| line.contains("is not called")).collect();
    assert_eq!(warned.len(), codes.len(), "{log}");
    assert!(warned.iter().zip(codes).all(|(line, code)| line.contains(code)), "{log}");
    assert!(!log.contains("secret-path"), "{log}");
    let open = self::server();
    assert_eq!(authorizer(&open, "http://10.0.0.1/").get("warnings"), None);
}

#[test]
fn a_webhook_is_tried_on_request_one_call_of_a_project_at_a_time() {
    let server = server();
    let receiver = Receiver::start(|number, _| match number {
        1 => says(500),
        2 => Says(200, "", "", Duration::from_secs(2)),
        _ => says(204),
    });
    let (id, _) = hook(&server, &receiver.url(), &[]);
    let own = format!("/v1/projects/@this/webhooks/{id}");
    let path = format!("{own}/test");
    let tried = server.data("POST", &path, "");
    assert_eq!((&tried["ok"], &tried["status"]), (&json!(true), &json!(204)));
    assert!(tried["ms"].is_u64() && tried.get("reason").is_none(), "{tried}");
    let calls = receiver.calls();
    let event = calls[0].json();
    assert_eq!((&event["event"], &event["webhook_id"]), (&json!("webhook.test"), &json!(id)));
    assert_eq!(calls[0].header("webhook-id"), event["id"].as_str().unwrap());
    assert_eq!(calls[0].header("x-hop-hooks-signature").len(), 64);
    let tried = server.data("POST", &path, "");
    assert_eq!((&tried["ok"], &tried["status"]), (&json!(false), &json!(500)));
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| server.data("POST", &path, ""));
        receiver.wait_for(3);
        let refused = server.call("POST", &path, Some(OWNER), "");
        assert_eq!(refused.failure(), (429, "rate_limited".to_owned()));
        assert_eq!(slow.join().unwrap()["ok"], true);
    });
    assert_eq!(receiver.calls().len(), 3);
    assert!(deliveries(&server, &id).is_empty(), "nothing of it is kept or tried again");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    server.data("PATCH", &own, &json!({"webhook_url": format!("http://{closed}/")}).to_string());
    let tried = server.data("POST", &path, "");
    assert_eq!((&tried["ok"], &tried["reason"]), (&json!(false), &json!("connect")));
}

/// Sets the authorise webhook.
fn authorizer(server: &Server, url: &str) -> Value {
    let body = json!({"url": url}).to_string();
    server.data("PUT", "/v1/projects/@this/channel-authorizer", &body)
}

#[test]
fn the_authorizer_grants_and_refuses() {
    let server = server();
    let receiver = Receiver::start(|_, call| {
        let channel = call.json()["channel"]["id"].clone();
        let body = match channel.as_str().unwrap() {
            "yes" => r#"{"granted":true,"state":{"public":{"n":1.10}}}"#,
            "briefly" => r#"{"granted":true,"ephemeral":true}"#,
            _ => r#"{"granted":false}"#,
        };
        Says(200, "", body, Duration::ZERO)
    });
    for id in ["yes", "no", "briefly"] {
        server.data("PUT", &format!("/v1/channels/{id}"), "{}");
    }
    let token = server.new_leap_token();
    let mut socket = Socket::enter(server.address, Some(&token)).0;
    let mut outcome = |channel: &str| {
        socket.dispatch("SUBSCRIBE", channel, &Value::Null);
        let names = ["AVAILABLE", "UNAVAILABLE"];
        socket.next_of(&names)["e"].as_str().unwrap().to_owned()
    };
    assert_eq!(outcome("yes"), "UNAVAILABLE", "nobody to ask");
    let set = authorizer(&server, &receiver.url());
    assert!(set["secret"].as_str().unwrap().starts_with("whsec_"));
    let shown = server.data("GET", "/v1/projects/@this/channel-authorizer", "");
    assert!(
        shown["secret"].as_str().unwrap().trim_start_matches("whsec_").chars().all(|c| c == '*')
    );
    assert_eq!(outcome("yes"), "AVAILABLE");
    assert_eq!(outcome("yes"), "AVAILABLE", "held by now, not asked again");
    assert_eq!(outcome("no"), "UNAVAILABLE");
    assert_eq!(outcome("briefly"), "AVAILABLE");
    let calls = receiver.calls();
    assert_eq!(calls.len(), 3);
    let question = calls[0].json();
    assert_eq!(
        (&question["type"], &question["token"]["id"]),
        (&json!("channel.subscribe"), &json!(token))
    );
    assert!(!question["connection"]["cid"].as_str().unwrap().is_empty());
    assert_eq!(question["connection"]["address"], json!("127.0.0.1"));
    assert_eq!(calls[0].header("x-hop-hooks-signature").len(), 64);
    let path = format!("/v1/channels/tokens/{token}");
    let kept = server.data("GET", &format!("{path}/subscriptions"), "");
    let is_brief = |s: &&Value| s["ephemeral"] == json!(true);
    let brief: Vec<_> = kept["subscriptions"].as_array().unwrap().iter().filter(is_brief).collect();
    assert_eq!(brief.len(), 1, "{kept}");
    assert_eq!(brief[0]["channel"], json!("briefly"), "the other one is permanent");
    assert_eq!(kept["subscriptions"].as_array().unwrap().len(), 2);
    let state = server.data("GET", &path, "")["token"]["state"].to_string();
    assert_eq!(state, r#"{"public":{"n":1.10}}"#);
    server.done("DELETE", "/v1/projects/@this/channel-authorizer", "");
    assert_eq!(outcome("no"), "UNAVAILABLE");
    assert_eq!(receiver.calls().len(), 3);
}

#[test]
fn a_silent_authorizer_refuses_after_five_seconds_and_is_called_once() {
    let server = server();
    let receiver =
        Receiver::start(|_, _| Says(200, "", r#"{"granted":true}"#, Duration::from_secs(15)));
    authorizer(&server, &receiver.url());
    server.data("PUT", "/v1/channels/room", "{}");
    let token = server.new_leap_token();
    let mut sockets: Vec<Socket> =
        (0..4).map(|_| Socket::enter(server.address, Some(&token)).0).collect();
    let begin = Instant::now();
    for socket in &mut sockets {
        socket.dispatch("SUBSCRIBE", "room", &Value::Null);
    }
    // The back end's silence is no reason to let a client doubt its connection.
    sockets[0].beat_past_all();
    for socket in &mut sockets {
        assert_eq!(socket.next_of(&["UNAVAILABLE"])["d"]["error_code"], "NOT_GRANTED");
    }
    // Had it waited for the answer, that would have granted.
    let took = begin.elapsed();
    assert!(took >= Duration::from_millis(4900), "{took:?}");
    assert_eq!(receiver.calls().len(), 1);
    assert_eq!(outcomes(&server)[0]["reason"], "timeout");
}

/// What came of the last questions to the authorise webhook, newest first.
fn outcomes(server: &Server) -> Vec<Value> {
    let shown = server.data("GET", "/v1/projects/@this/channel-authorizer", "");
    shown["outcomes"].as_array().expect("outcomes").clone()
}

/// Asks for a private channel, and waits for the answer.
fn asks(server: &Server, channel: &str) {
    server.data("PUT", &format!("/v1/channels/{channel}"), "{}");
    let mut socket = Socket::enter(server.address, Some(&server.new_leap_token())).0;
    socket.dispatch("SUBSCRIBE", channel, &Value::Null);
    socket.next_of(&["AVAILABLE", "UNAVAILABLE"]);
}

#[test]
fn what_came_of_the_last_questions_is_shown_and_nothing_of_whom_they_were_about() {
    let server = server();
    let receiver = Receiver::start(|_, call| match call.json()["channel"]["id"].as_str() {
        Some("yes") => Says(200, "", r#"{"granted":true}"#, Duration::ZERO),
        Some("no") => Says(200, "", r#"{"granted":false}"#, Duration::ZERO),
        _ => says(500),
    });
    authorizer(&server, &receiver.url());
    assert!(outcomes(&server).is_empty(), "nobody was asked yet");
    for channel in ["yes", "no", "broken"] {
        asks(&server, channel);
    }
    let mut shown = outcomes(&server);
    for outcome in &mut shown {
        let outcome = outcome.as_object_mut().unwrap();
        assert!(outcome.remove("at").is_some_and(|at| at.is_string()), "{outcome:?}");
        assert!(outcome.remove("ms").is_some_and(|ms| ms.is_u64()), "{outcome:?}");
    }
    let expected = json!([
        {"outcome": "refused", "status": 500, "reason": "status"},
        {"outcome": "refused", "status": 200},
        {"outcome": "granted", "status": 200},
    ]);
    assert_eq!(json!(shown), expected);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    authorizer(&server, &format!("http://{closed}/"));
    assert!(outcomes(&server).is_empty(), "those were of another one");
    asks(&server, "later");
    let shown = &outcomes(&server)[0];
    assert_eq!((&shown["outcome"], &shown["reason"]), (&json!("failed"), &json!("connect")));
    assert_eq!(shown.get("status"), None);
}

#[test]
fn a_channel_authorizer_is_tried_on_request_and_why_it_decides_nothing_is_told() {
    const ANSWERS: &[(u16, &str, Option<bool>, Option<&str>)] = &[
        (200, r#"{"granted":true,"ephemeral":true,"state":{"a":1}}"#, Some(true), None),
        (200, r#"{"granted":false}"#, Some(false), None),
        (403, r#"{"granted":true}"#, None, Some("status")),
        (200, "yes", None, Some("not_json")),
        (200, r#"{"granted":"true"}"#, None, Some("granted")),
        (200, r#"{"granted":true,"ephemeral":1}"#, None, Some("ephemeral")),
        (200, r#"{"granted":true,"state":5}"#, None, Some("state")),
    ];
    let long: &'static str = " ".repeat(65_537).leak();
    let public =
        format!(r#"{{"granted":true,"state":{{"public":{{"x":"{}"}}}}}}"#, "x".repeat(33_000));
    let public: &'static str = public.leak();
    let server = server();
    let path = "/v1/projects/@this/channel-authorizer/test";
    let refused = server.call("POST", path, Some(OWNER), "");
    assert_eq!(refused.failure(), (404, "authorizer_not_found".to_owned()));
    let mut answers = ANSWERS.to_vec();
    answers.extend([(200, public, None, Some("state")), (200, long, None, Some("body"))]);
    let said = answers.clone();
    let receiver = Receiver::start(move |number, _| {
        let (status, body, ..) = said[number];
        Says(status, "", body, Duration::ZERO)
    });
    let secret = authorizer(&server, &receiver.url())["secret"].as_str().unwrap().to_owned();
    for (status, body, granted, reason) in answers {
        let mut tried = server.data("POST", path, "");
        let ms = tried.as_object_mut().unwrap().remove("ms");
        assert!(ms.is_some_and(|ms| ms.is_u64()), "{tried}");
        let mut expected = json!({"ok": granted.is_some(), "status": status});
        granted.inspect(|granted| expected["granted"] = json!(granted));
        reason.inspect(|reason| expected["reason"] = json!(reason));
        assert_eq!(tried, expected, "{}", &body[..body.len().min(99)]);
    }
    for call in receiver.calls() {
        let question = call.json();
        assert_eq!(
            (&question["type"], &question["test"]),
            (&json!("channel.subscribe"), &json!(true))
        );
        assert_eq!(call.header("x-hop-hooks-signature"), signature(&secret, &call.text));
    }
    assert!(outcomes(&server).is_empty(), "nobody asked");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    authorizer(&server, &format!("http://{closed}/"));
    let tried = server.data("POST", path, "");
    assert_eq!((&tried["ok"], &tried["reason"]), (&json!(false), &json!("connect")));
    assert_eq!((tried.get("status"), tried.get("granted")), (None, None));
    server.assert_well();
}

#[test]
fn test_calls_of_a_project_come_one_at_a_time_whatever_they_are_to() {
    let server = server();
    let slow = Receiver::start(|_, _| Says(200, "", "", Duration::from_secs(2)));
    let (id, _) = hook(&server, &slow.url(), &[]);
    authorizer(&server, &slow.url());
    let webhook = format!("/v1/projects/@this/webhooks/{id}/test");
    std::thread::scope(|scope| {
        let webhook = scope.spawn(|| server.data("POST", &webhook, ""));
        slow.wait_for(1);
        let path = "/v1/projects/@this/channel-authorizer/test";
        let refused = server.call("POST", path, Some(OWNER), "");
        assert_eq!(refused.failure(), (429, "rate_limited".to_owned()));
        assert_eq!(webhook.join().unwrap()["ok"], true);
    });
    assert_eq!(slow.calls().len(), 1);
}

#[test]
fn that_an_authorizer_was_not_called_for_its_address_is_shown() {
    let server = Server::start();
    authorizer(&server, "http://127.0.0.1:9000/");
    asks(&server, "room");
    assert_eq!(outcomes(&server)[0]["reason"], "private_address");
}

#[test]
fn an_unsubscribe_behind_a_slow_ephemeral_grant_is_told() {
    let server = server();
    let slow = Duration::from_millis(300);
    let receiver = Receiver::start(move |_, call| match call.json()["type"].as_str() {
        Some("channel.subscribe") => Says(200, "", r#"{"granted":true,"ephemeral":true}"#, slow),
        _ => says(204),
    });
    authorizer(&server, &receiver.url());
    hook(&server, &receiver.url(), &["channel.subscribed", "channel.unsubscribed"]);
    server.data("PUT", "/v1/channels/room", "{}");
    let token = server.new_leap_token();
    let mut socket = Socket::enter(server.address, Some(&token)).0;
    socket.dispatch("SUBSCRIBE", "room", &Value::Null);
    socket.dispatch("UNSUBSCRIBE", "room", &Value::Null);
    socket.next_of(&["AVAILABLE"]);
    for event in ["channel.subscribed", "channel.unsubscribed"] {
        let data = receiver.data_of(event);
        assert_eq!(data["ephemeral"], json!(true), "{event}: {data}");
    }
    let kept = server.data("GET", &format!("/v1/channels/tokens/{token}/subscriptions"), "");
    assert_eq!(kept["subscriptions"], json!([]));
}

/// Answers before the one that counts (RFC 9110 §15.2).
const INTERIM: &str = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n\
    HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n";

#[test]
fn interim_answers_are_passed_over() {
    let server = server();
    let taken = Receiver::raw(format!("{INTERIM}HTTP/1.1 204 No Content\r\n\r\n"));
    let granted = r#"{"granted":true}"#;
    let length = granted.len();
    let grants = Receiver::raw(format!(
        "{INTERIM}HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{granted}"
    ));
    authorizer(&server, &grants.url());
    let (id, _) = hook(&server, &taken.url(), &["channel.created"]);
    server.data("PUT", "/v1/channels/room", "{}");
    let delivery = settled(&server, &id, "delivered");
    assert_eq!((&delivery["attempts"], &delivery["last_status"]), (&json!(1), &json!(204)));
    assert_eq!(taken.calls().len(), 1);
    let mut socket = Socket::enter(server.address, Some(&server.new_leap_token())).0;
    socket.dispatch("SUBSCRIBE", "room", &Value::Null);
    assert_eq!(socket.next_of(&["AVAILABLE", "UNAVAILABLE"])["e"], "AVAILABLE");
}

#[test]
fn nothing_but_interim_answers_is_a_failure_soon() {
    let server = server();
    let endless = Receiver::raw("HTTP/1.1 102 Processing\r\n\r\n".repeat(1000));
    let (id, _) = hook(&server, &endless.url(), &["channel.created"]);
    server.data("PUT", "/v1/channels/room", "{}");
    endless.wait_for(2);
    let newest = &deliveries(&server, &id)[0];
    assert!(newest["last_error"].as_str().unwrap().contains("1xx"), "{newest}");
}

#[test]
fn a_success_counts_however_long_its_body_is() {
    let server = server();
    for head in ["Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "Content-Length: 9\r\n\r\nhal"]
    {
        let unending = Receiver::raw(format!("HTTP/1.1 200 OK\r\n{head}"));
        let (id, _) = hook(&server, &unending.url(), &["channel.updated"]);
        let room = format!("/v1/channels/{id}");
        server.data("PUT", &room, "{}");
        server.data("PATCH", &room, r#"{"type":"public"}"#);
        let delivery = settled(&server, &id, "delivered");
        assert_eq!(delivery["attempts"], 1, "{delivery}");
        server.done("DELETE", &format!("/v1/projects/@this/webhooks/{id}"), "");
    }
}

#[test]
fn an_endpoint_that_asks_for_a_pause_gets_it() {
    let server = server();
    let busy = Receiver::raw("HTTP/1.1 503 X\r\nRetry-After: 20\r\nContent-Length: 0\r\n\r\n");
    let (id, _) = hook(&server, &busy.url(), &["channel.created"]);
    server.data("PUT", "/v1/channels/room", "{}");
    busy.wait_for(1);
    let next = until("the first attempt is over", || {
        let newest = deliveries(&server, &id).remove(0);
        let next = newest["next_attempt_at"].as_str().map(str::to_owned);
        next.filter(|_| newest["attempts"] == 1).ok_or(newest)
    });
    let rfc = &time::format_description::well_known::Rfc3339;
    let next = time::OffsetDateTime::parse(&next, rfc).unwrap();
    // 28.8 s is the longest pause of this schedule; without the header it would be 40 ms.
    assert!(next - time::OffsetDateTime::now_utc() > time::Duration::seconds(10), "{next}");
}

/// An endpoint behind TLS with a certificate of an authority of its own, which is written to a file for the server.
fn secure_endpoint(folder: &std::path::Path) -> (String, std::path::PathBuf) {
    let (config, authority) = authority();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        for stream in listener.incoming().map_while(Result::ok) {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = rustls::StreamOwned::new(connection, stream);
            // A caller that does not trust the certificate ends here.
            if stream.read(&mut [0; 4096]).is_ok() {
                let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
            }
        }
    });
    let file = folder.join("authority.pem");
    std::fs::write(&file, authority).unwrap();
    (url, file)
}

#[test]
fn https_is_checked_against_the_root_certificates_of_the_system() {
    let folder = tempfile::tempdir().unwrap();
    let (url, authority) = secure_endpoint(folder.path());
    let authority = authority.to_str().unwrap();
    for (roots, state) in [(Some(authority), "delivered"), (None, "pending")] {
        let mut settings = OPEN.to_vec();
        settings.extend(roots.map(|file| ("SSL_CERT_FILE", file)));
        let server = Server::start_with(&settings);
        let (id, _) = hook(&server, &url, &["channel.created"]);
        server.data("PUT", "/v1/channels/room", "{}");
        let newest = until("an attempt is over", || {
            let newest = deliveries(&server, &id).remove(0);
            if newest["attempts"].as_u64() > Some(0) { Ok(newest) } else { Err(newest) }
        });
        assert_eq!(newest["state"], state, "{newest}");
        let error = newest["last_error"].as_str().unwrap_or_default();
        assert_eq!(error.contains("certificate"), roots.is_none(), "{newest}");
    }
}
