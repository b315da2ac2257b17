//! Requests that are wrong on purpose: each is refused by its own status and code, in the envelope, and the server
//! goes on as if nothing had been.

use crate::support::{ADMIN, OWNER, Server};

/// A request: method, path, body, and the refusal that it earns.
///
/// `{token}` and `{webhook}` in a path stand for real ones.
type Case = (&'static str, &'static str, &'static str, u16, &'static str);

/// Bodies and paths, sent by the project's owner.
const CASES: &[Case] = &[
    // Paths that do not exist, and methods that a path does not take.
    ("GET", "/v1", "", 404, "not_found"),
    ("GET", "/v1/", "", 404, "not_found"),
    ("GET", "/v2/channels", "", 404, "not_found"),
    ("GET", "/nowhere", "", 404, "not_found"),
    ("POST", "/v1/nowhere", "{}", 404, "not_found"),
    ("GET", "/v1/channels/", "", 404, "not_found"),
    ("GET", "/v1/channels/a/b", "", 404, "not_found"),
    ("GET", "/v1/channels/a/b/c/d", "", 404, "not_found"),
    ("GET", "/static/../../etc/passwd", "", 404, "not_found"),
    ("GET", "/static/%2e%2e%2fCargo.toml", "", 404, "not_found"),
    ("GET", "/v1channelsx", "", 404, "not_found"),
    ("DELETE", "/v1/channels", "", 405, "method_not_allowed"),
    ("PUT", "/v1/channels/tokens", "{}", 405, "method_not_allowed"),
    ("POST", "/v1/channels/room", "{}", 405, "method_not_allowed"),
    ("PUT", "/v1/channels/room/messages", "", 405, "method_not_allowed"),
    ("GET", "/v1/channels/room/messages", "", 409, "missing_capability"),
    ("GET", "/v1/channels/room/messages?limit=0", "", 400, "invalid_query"),
    ("GET", "/v1/channels/none/messages", "", 404, "channel_not_found"),
    ("PUT", "/v1/channels/new", r#"{"history":{"count":5}}"#, 400, "invalid_body"),
    ("PUT", "/v1/channels/new", r#"{"capabilities":16,"history":5}"#, 400, "invalid_body"),
    ("BREW", "/v1/channels", "", 405, "method_not_allowed"),
    ("POST", "/", "", 405, "method_not_allowed"),
    ("DELETE", "/v1/users/@me", "", 405, "method_not_allowed"),
    // Ids.
    ("GET", "/v1/channels/50%", "", 400, "invalid_id"),
    ("GET", "/v1/channels/a%2Fb", "", 400, "invalid_id"),
    ("GET", "/v1/channels/a%5Cb", "", 400, "invalid_id"),
    ("GET", "/v1/channels/a%3Fb", "", 400, "invalid_id"),
    ("GET", "/v1/channels/a%23b", "", 400, "invalid_id"),
    ("GET", "/v1/channels/a%25b", "", 400, "invalid_id"),
    ("GET", "/v1/channels/%00", "", 400, "invalid_id"),
    ("GET", "/v1/channels/a%0Ab", "", 400, "invalid_id"),
    ("GET", "/v1/channels/%7F", "", 400, "invalid_id"),
    ("GET", "/v1/channels/%ff", "", 400, "invalid_id"),
    ("GET", "/v1/channels/%c0%80", "", 400, "invalid_id"),
    ("GET", "/v1/channels/%ed%a0%80", "", 400, "invalid_id"),
    ("GET", "/v1/channels/%zz", "", 400, "invalid_id"),
    ("GET", "/v1/channels/.", "", 400, "invalid_id"),
    ("GET", "/v1/channels/..", "", 400, "invalid_id"),
    ("GET", "/v1/channels/%2e%2e", "", 400, "invalid_id"),
    ("GET", "/v1/channels/connections", "", 400, "invalid_id"),
    ("PUT", "/v1/channels/a%2Fb", "{}", 400, "invalid_id"),
    // What does not exist.
    ("GET", "/v1/channels/missing", "", 404, "channel_not_found"),
    ("DELETE", "/v1/channels/missing", "", 404, "channel_not_found"),
    ("PATCH", "/v1/channels/missing", "{}", 404, "channel_not_found"),
    ("GET", "/v1/channels/missing/state", "", 404, "channel_not_found"),
    ("PUT", "/v1/channels/missing/state", "{}", 404, "channel_not_found"),
    ("PATCH", "/v1/channels/missing/state", "{}", 404, "channel_not_found"),
    ("GET", "/v1/channels/missing/stats", "", 404, "channel_not_found"),
    ("GET", "/v1/channels/missing/tokens", "", 404, "channel_not_found"),
    ("POST", "/v1/channels/missing/messages", r#"{"e":"A"}"#, 404, "channel_not_found"),
    ("PUT", "/v1/channels/missing/subscribers/{token}", "", 404, "channel_not_found"),
    ("DELETE", "/v1/channels/missing/subscribers/{token}", "", 404, "channel_not_found"),
    ("POST", "/v1/channels/missing/subscribers", r#"{"tokens":[]}"#, 404, "channel_not_found"),
    ("PUT", "/v1/channels/room/subscribers/leap_token_x", "", 404, "token_not_found"),
    ("GET", "/v1/channels/tokens/leap_token_x", "", 404, "token_not_found"),
    ("PATCH", "/v1/channels/tokens/leap_token_x", "{}", 404, "token_not_found"),
    ("DELETE", "/v1/channels/tokens/leap_token_x", "", 404, "token_not_found"),
    ("POST", "/v1/channels/tokens/x/messages", r#"{"e":"A"}"#, 404, "token_not_found"),
    ("GET", "/v1/channels/tokens/x/subscriptions", "", 404, "token_not_found"),
    ("GET", "/v1/projects/project_other", "", 404, "project_not_found"),
    ("GET", "/v1/channels?project=project_other", "", 404, "project_not_found"),
    ("DELETE", "/v1/projects/@this/webhooks/webhook_x", "", 404, "webhook_not_found"),
    ("DELETE", "/v1/projects/@this/tokens/ptkid_x", "", 404, "token_not_found"),
    // Queries.
    ("GET", "/v1/channels?page=0", "", 400, "invalid_query"),
    ("GET", "/v1/channels?page=-1", "", 400, "invalid_query"),
    ("GET", "/v1/channels?page=one", "", 400, "invalid_query"),
    ("GET", "/v1/channels?page=99999999999999999999", "", 400, "invalid_query"),
    ("GET", "/v1/channels?page=1&pageSize=0", "", 400, "invalid_query"),
    ("GET", "/v1/channels?page=1&pageSize=1001", "", 400, "invalid_query"),
    ("GET", "/v1/channels?page=1&sortBy=state", "", 400, "invalid_query"),
    ("GET", "/v1/channels?page=1&orderBy=up", "", 400, "invalid_query"),
    ("GET", "/v1/channels?page=1&page=2", "", 400, "invalid_query"),
    // Bodies that are no JSON object.
    ("POST", "/v1/channels", "{", 400, "invalid_body"),
    ("POST", "/v1/channels", "[]", 400, "invalid_body"),
    ("POST", "/v1/channels", "\"x\"", 400, "invalid_body"),
    ("POST", "/v1/channels", "{} {}", 400, "invalid_body"),
    ("POST", "/v1/channels", "{'type':'public'}", 400, "invalid_body"),
    ("POST", "/v1/channels", "\u{feff}{}", 400, "invalid_body"),
    ("POST", "/v1/channels", "NaN", 400, "invalid_body"),
    // Fields of a channel.
    ("POST", "/v1/channels", r#"{"type":"secret"}"#, 400, "invalid_body"),
    ("POST", "/v1/channels", r#"{"type":"Private"}"#, 400, "invalid_body"),
    ("POST", "/v1/channels", r#"{"type":0}"#, 400, "invalid_body"),
    ("POST", "/v1/channels", r#"{"state":[]}"#, 400, "invalid_body"),
    ("POST", "/v1/channels", r#"{"state":"x"}"#, 400, "invalid_body"),
    ("POST", "/v1/channels", r#"{"state":{"a":"\ud800"}}"#, 400, "invalid_body"),
    ("POST", "/v1/channels", r#"{"capabilities":-1}"#, 400, "invalid_body"),
    ("POST", "/v1/channels", r#"{"capabilities":64}"#, 400, "invalid_body"),
    ("POST", "/v1/channels", r#"{"capabilities":1.5}"#, 400, "invalid_body"),
    ("POST", "/v1/channels", r#"{"capabilities":["FLY"]}"#, 400, "invalid_body"),
    ("PUT", "/v1/channels/room", "{}", 409, "channel_exists"),
    ("PATCH", "/v1/channels/room", r#"{"type":""}"#, 400, "invalid_body"),
    // States.
    ("PUT", "/v1/channels/room/state", "[]", 400, "invalid_body"),
    ("PUT", "/v1/channels/room/state", "7", 400, "invalid_body"),
    ("PUT", "/v1/channels/room/state", r#"{"a":}"#, 400, "invalid_body"),
    ("PATCH", "/v1/channels/room/state", "[]", 400, "invalid_body"),
    ("PATCH", "/v1/channels/room/state", "\"x\"", 400, "invalid_body"),
    // Messages.
    ("POST", "/v1/channels/room/messages", "", 400, "invalid_body"),
    ("POST", "/v1/channels/room/messages", "{}", 400, "invalid_body"),
    ("POST", "/v1/channels/room/messages", r#"{"e":7,"d":{}}"#, 400, "invalid_body"),
    ("POST", "/v1/channels/room/messages", r#"{"e":null}"#, 400, "invalid_body"),
    ("POST", "/v1/channels/room/messages", r#"{"event":"A","data":1}"#, 400, "invalid_body"),
    ("POST", "/v1/channels/room/messages", r#"{"e":"A","d":"\udc00"}"#, 400, "invalid_body"),
    ("POST", "/v1/channels/tokens/{token}/message", r#"{"e":"A"}"#, 400, "invalid_body"),
    // Subscribers.
    ("POST", "/v1/channels/room/subscribers", "{}", 400, "invalid_body"),
    ("POST", "/v1/channels/room/subscribers", r#"{"tokens":"x"}"#, 400, "invalid_body"),
    ("POST", "/v1/channels/room/subscribers", r#"{"tokens":[7]}"#, 400, "invalid_body"),
    (
        "POST",
        "/v1/channels/room/subscribers",
        r#"{"tokens":[],"ephemeral":1}"#,
        400,
        "invalid_body",
    ),
    // Leap tokens.
    ("POST", "/v1/channels/tokens", r#"{"expires_at":"tomorrow"}"#, 400, "invalid_body"),
    ("POST", "/v1/channels/tokens", r#"{"expires_at":1700000000}"#, 400, "invalid_body"),
    ("POST", "/v1/channels/tokens", r#"{"channels":["missing"]}"#, 404, "channel_not_found"),
    (
        "POST",
        "/v1/channels/tokens",
        r#"{"channels":[{"id":"missing","ephemeral":true}]}"#,
        404,
        "channel_not_found",
    ),
    ("POST", "/v1/channels/tokens", r#"{"channels":["a/b"]}"#, 400, "invalid_body"),
    ("POST", "/v1/channels/tokens", r#"{"channels":[[]]}"#, 400, "invalid_body"),
    ("PATCH", "/v1/channels/tokens/{token}", r#"{"expires_at":true}"#, 400, "invalid_body"),
    // Project tokens and webhooks.
    ("POST", "/v1/projects/@this/tokens", "{}", 400, "invalid_body"),
    ("POST", "/v1/projects/@this/tokens", r#"{"flags":"all"}"#, 400, "invalid_body"),
    ("POST", "/v1/projects/@this/tokens", r#"{"flags":9007199254740992}"#, 400, "invalid_body"),
    ("POST", "/v1/projects/@this/tokens", r#"{"permissions":["ROOT"]}"#, 400, "invalid_body"),
    ("POST", "/v1/projects/@this/webhooks", "{}", 400, "invalid_body"),
    (
        "POST",
        "/v1/projects/@this/webhooks",
        r#"{"webhook_url":"x","events":[]}"#,
        400,
        "invalid_body",
    ),
    (
        "POST",
        "/v1/projects/@this/webhooks",
        r#"{"webhook_url":"http://a.b","events":["x"]}"#,
        400,
        "invalid_body",
    ),
    ("PATCH", "/v1/projects/@this/webhooks/{webhook}", r#"{"events":7}"#, 400, "invalid_body"),
    ("POST", "/v1/projects", r#"{"name":"x"}"#, 403, "missing_permission"),
    ("GET", "/v1/projects", "", 403, "missing_permission"),
];

/// Headers that are wrong or that change what the body means: method, path, headers, body, refusal.
type HeaderCase = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static str,
    u16,
    &'static str,
);

/// The path of a state.
const STATE: &str = "/v1/channels/room/state";

/// Requests whose headers matter; none of them gets a token but those that it names.
const HEADER_CASES: &[HeaderCase] = &[
    ("GET", "/v1/channels", &[], "", 401, "invalid_auth"),
    ("GET", "/v1/channels/50%", &[], "", 401, "invalid_auth"),
    ("GET", "/v1/channels", &[("Authorization", "")], "", 401, "invalid_auth"),
    ("GET", "/v1/channels", &[("Authorization", "Bearer")], "", 401, "invalid_auth"),
    ("GET", "/v1/channels", &[("Authorization", "Basic eDp5")], "", 401, "invalid_auth"),
    ("GET", "/v1/channels", &[("Authorization", "ptk_wrong")], "", 401, "invalid_auth"),
    ("GET", "/v1/channels", &[("Authorization", "pat_wrong")], "", 401, "invalid_auth"),
    ("GET", "/v1/channels", &[("Authorization", "bearer_x")], "", 401, "invalid_auth"),
    ("GET", "/v1/channels", &[("Authorization", "leap_token_x")], "", 401, "invalid_auth"),
    ("GET", "/v1/channels", &[("Authorization", "ptk_é")], "", 401, "invalid_auth"),
    (
        "GET",
        "/v1/channels",
        &[("Authorization", OWNER), ("Authorization", OWNER)],
        "",
        401,
        "invalid_auth",
    ),
    ("GET", "/v1/channels", &[("Authorization", ADMIN)], "", 400, "project_required"),
    ("POST", "/v1/channels", &[("Authorization", ADMIN)], "{}", 400, "project_required"),
    ("GET", "/v1/projects/@this", &[("Authorization", ADMIN)], "", 400, "project_required"),
    ("GET", "/v1/channels/missing", &[("Authorization", ADMIN)], "", 404, "channel_not_found"),
    ("GET", "/v1/channels/tokens/x", &[("Authorization", ADMIN)], "", 404, "token_not_found"),
    (
        "GET",
        "/v1/channels?project=project_x",
        &[("Authorization", ADMIN)],
        "",
        404,
        "project_not_found",
    ),
    ("POST", "/v1/projects", &[("Authorization", ADMIN)], r#"{"name":7}"#, 400, "invalid_body"),
    (
        "POST",
        "/v1/projects",
        &[("Authorization", ADMIN)],
        r#"{"name":"a","namespace":"A B"}"#,
        400,
        "invalid_body",
    ),
    (
        "PUT",
        STATE,
        &[("Authorization", OWNER), ("Content-Type", "text/plain")],
        "{}",
        415,
        "unsupported_media_type",
    ),
    (
        "PUT",
        STATE,
        &[("Authorization", OWNER), ("Content-Type", "application/json-patch+json")],
        "[]",
        415,
        "unsupported_media_type",
    ),
    (
        "PATCH",
        STATE,
        &[("Authorization", OWNER), ("Content-Type", "application/xml")],
        "{}",
        415,
        "unsupported_media_type",
    ),
    (
        "PATCH",
        STATE,
        &[("Authorization", OWNER), ("Content-Type", "application/json-patch+json")],
        "{}",
        400,
        "invalid_body",
    ),
    (
        "PATCH",
        STATE,
        &[("Authorization", OWNER), ("Content-Type", "application/json-patch+json")],
        r#"[{"op":"fly","path":"/a"}]"#,
        400,
        "invalid_body",
    ),
    (
        "PATCH",
        STATE,
        &[("Authorization", OWNER), ("Content-Type", "application/json-patch+json")],
        r#"[{"op":"remove","path":"/missing"}]"#,
        400,
        "invalid_body",
    ),
    (
        "PATCH",
        STATE,
        &[("Authorization", OWNER), ("Content-Type", "application/json-patch+json")],
        r#"[{"op":"replace","path":"","value":7}]"#,
        400,
        "invalid_body",
    ),
    (
        "PATCH",
        STATE,
        &[("Authorization", OWNER), ("Content-Type", "application/merge-patch+json")],
        "[1]",
        400,
        "invalid_body",
    ),
    (
        "PUT",
        STATE,
        &[("Authorization", OWNER), ("Content-Encoding", "gzip")],
        "\u{1f}\u{8b}",
        415,
        "unsupported_media_type",
    ),
    (
        "PUT",
        STATE,
        &[("Authorization", OWNER), ("If-Match", "\"99\"")],
        "{}",
        412,
        "version_conflict",
    ),
    (
        "PUT",
        STATE,
        &[("Authorization", OWNER), ("If-Match", "W/\"1\"")],
        "{}",
        412,
        "version_conflict",
    ),
    (
        "PATCH",
        STATE,
        &[("Authorization", OWNER), ("If-Match", "\"x\"")],
        "{}",
        412,
        "version_conflict",
    ),
    (
        "POST",
        "/v1/channels/room/messages",
        &[("Authorization", OWNER), ("Content-Type", "application/x-www-form-urlencoded")],
        "e=A",
        415,
        "unsupported_media_type",
    ),
    (
        "POST",
        "/v1/channels/room/messages",
        &[("Authorization", OWNER), ("Transfer-Encoding", "chunked")],
        "3\r\n{\"e\r\n0\r\n\r\n",
        400,
        "invalid_body",
    ),
];

/// Bytes that are no HTTP that the server speaks; actix-http answers most of them by itself, before any route.
const RAW: &[&[u8]] = &[
    b"\r\n\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    b"POST /v1/channels HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
    b"POST /v1/channels HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /v1/channels HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\nConnection: close\r\n\r\n",
    b"GET /\xff\xfe HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"GET http://a/v1//channels HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
];

/// A server with a channel `room`, a leap token and a webhook.
fn furnished() -> (Server, String, String) {
    let server = Server::start();
    server.data("PUT", "/v1/channels/room", "{}");
    let token = server.new_leap_token();
    let webhook = r#"{"webhook_url":"http://127.0.0.1:9/","events":["channel.created"]}"#;
    let webhook = server.data("POST", "/v1/projects/@this/webhooks", webhook);
    let webhook = webhook["webhook"]["id"].as_str().unwrap().to_owned();
    (server, token, webhook)
}

/// Asserts that the server still takes what is right.
fn assert_works(server: &Server) {
    server.data("PUT", "/v1/channels/afterwards", "{}");
    server.done("POST", "/v1/channels/afterwards/messages", r#"{"e":"A","d":1}"#);
    server.done("DELETE", "/v1/channels/afterwards", "");
    server.assert_well();
}

#[test]
fn every_wrong_body_and_path_is_refused_by_its_code() {
    let (server, token, webhook) = furnished();
    for (method, path, body, status, code) in CASES {
        let path = path.replace("{token}", &token).replace("{webhook}", &webhook);
        let answer = server.call(method, &path, Some(OWNER), body);
        assert_eq!(answer.failure(), (*status, (*code).to_owned()), "{method} {path} {body}");
    }
    assert_works(&server);
}

#[test]
fn every_wrong_header_is_refused_by_its_code() {
    let (server, ..) = furnished();
    for (method, path, headers, body, status, code) in HEADER_CASES {
        let answer = server.request(method, path, headers, body.as_bytes());
        assert_eq!(answer.failure(), (*status, (*code).to_owned()), "{method} {path} {headers:?}");
    }
    assert_works(&server);
}

#[test]
fn a_refusal_names_the_field_and_the_bound() {
    let (server, ..) = furnished();
    let refused =
        |method: &str, path: &str, body: &str| server.call(method, path, Some(OWNER), body).error();
    for (path, body, field) in [
        ("/v1/channels", r#"{"type":7}"#, "type"),
        ("/v1/channels", r#"{"state":7}"#, "state"),
        ("/v1/channels/room/messages", r#"{"d":7}"#, "e"),
        ("/v1/channels/tokens", r#"{"expires_at":7}"#, "expires_at"),
        ("/v1/channels/tokens", r#"{"channels":["missing"]}"#, "channels"),
        ("/v1/projects/@this/webhooks", r#"{"webhook_url":7}"#, "webhook_url"),
    ] {
        assert_eq!(refused("POST", path, body)["field"], field, "{path} {body}");
    }
    let query = server.call("GET", "/v1/channels?page=0", Some(OWNER), "").error();
    assert_eq!(query["field"], "page");
    let stale =
        server.request("PUT", STATE, &[("Authorization", OWNER), ("If-Match", "\"9\"")], b"{}");
    assert_eq!(stale.error()["version"], 1);
    let methods = server.call("DELETE", "/v1/channels", Some(OWNER), "");
    assert_eq!(methods.header("allow"), Some("POST, GET"));
}

/// Bodies with every field that their routes read; `{token}` and `{webhook}` as in [`CASES`].
const FIELDS: &[(&str, &str, &str, &str)] = &[
    ("POST", "/v1/channels", OWNER, r#"{"type":"public","state":{},"capabilities":0}"#),
    ("PUT", "/v1/channels/new", OWNER, r#"{"type":"public","state":{},"capabilities":0}"#),
    ("PATCH", "/v1/channels/room", OWNER, r#"{"type":"public","capabilities":0}"#),
    ("POST", "/v1/channels/room/messages", OWNER, r#"{"e":"A","d":1}"#),
    ("POST", "/v1/channels/tokens/{token}/message", OWNER, r#"{"event":"A","data":1}"#),
    ("POST", "/v1/channels/tokens/{token}/messages", OWNER, r#"{"e":"A","d":1}"#),
    ("POST", "/v1/channels/room/subscribers", OWNER, r#"{"tokens":[],"ephemeral":true}"#),
    ("POST", "/v1/channels/tokens", OWNER, r#"{"state":1,"expires_at":null,"channels":[]}"#),
    ("PATCH", "/v1/channels/tokens/{token}", OWNER, r#"{"state":1,"expires_at":null}"#),
    ("POST", "/v1/projects/@this/tokens", OWNER, r#"{"flags":1,"permissions":[]}"#),
    (
        "POST",
        "/v1/projects/@this/webhooks",
        OWNER,
        r#"{"webhook_url":"https://hooks.example/","events":[]}"#,
    ),
    (
        "PATCH",
        "/v1/projects/@this/webhooks/{webhook}",
        OWNER,
        r#"{"webhook_url":"https://hooks.example/","events":[]}"#,
    ),
    ("PUT", "/v1/projects/@this/channel-authorizer", OWNER, r#"{"url":"https://a.example/"}"#),
    ("POST", "/v1/projects", ADMIN, r#"{"name":"a","namespace":"a"}"#),
    ("PATCH", "/v1/projects/project_test", ADMIN, r#"{"name":"a"}"#),
    ("POST", "/v1/users/@me/pats", ADMIN, r#"{"name":"a"}"#),
];

#[test]
fn a_field_given_twice_is_refused_by_name_on_every_route() {
    let (server, token, webhook) = furnished();
    for (method, path, secret, body) in FIELDS {
        let path = path.replace("{token}", &token).replace("{webhook}", &webhook);
        let fields: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(body).unwrap();
        for (name, value) in fields {
            let open = body.strip_suffix('}').unwrap();
            let twice = format!("{open},\"{name}\":{value}}}");
            let answer = server.call(method, &path, Some(secret), &twice);
            assert_eq!(
                answer.failure(),
                (400, "invalid_body".to_owned()),
                "{method} {path} {twice}"
            );
            assert_eq!(answer.error()["field"], *name, "{method} {path} {twice}");
        }
    }
    assert_works(&server);
}

#[test]
fn a_refusal_that_knows_the_answer_says_it() {
    let (server, ..) = furnished();
    let says = |answer: crate::support::Answer, words: &[&str]| {
        let message = answer.error()["message"].as_str().unwrap().to_owned();
        for word in words {
            assert!(message.contains(word), "{word:?} is not in {message:?}");
        }
    };
    let form = [("Authorization", OWNER), ("Content-Type", "application/x-www-form-urlencoded")];
    for (method, path, wanted) in [
        ("POST", "/v1/channels/room/messages", "Content-Type: application/json"),
        ("PUT", STATE, "Content-Type: application/json"),
        ("PATCH", STATE, "application/merge-patch+json"),
    ] {
        let refused = server.request(method, path, &form, b"{}");
        says(refused, &["application/x-www-form-urlencoded", wanted]);
    }
    let odd = [("Authorization", OWNER), ("Content-Type", "caf\u{e9}")];
    says(server.request("PUT", STATE, &odd, b"{}"), &["Content-Type: application/json"]);
    let owner = |method: &str, path: &str, body: &str| server.call(method, path, Some(OWNER), body);
    let events =
        r#"{"webhook_url":"https://a.example/","events":["channel.created","channel.born"]}"#;
    let refused = owner("POST", "/v1/projects/@this/webhooks", events);
    says(refused, &["\"channel.born\"", "channel.created", "token.deleted"]);
    let refused = owner("POST", "/v1/channels", r#"{"capabilities":["PRESENCE","Presence"]}"#);
    says(refused, &["\"Presence\"", "EPHEMERAL", "HISTORY"]);
    for path in ["/v1", "/v1/chanels", "/v2/channels"] {
        says(owner("GET", path, ""), &["/v1/channels", "/ws"]);
    }
    says(owner("GET", "/ws", ""), &["WebSocket upgrade"]);
}

#[test]
fn what_is_too_large_is_refused_with_its_bound() {
    let (server, ..) = furnished();
    let state = format!("{{\"a\":\"{}\"}}", "x".repeat(1 << 20));
    for (method, path, body) in [
        ("PUT", STATE, state.clone()),
        ("PATCH", STATE, state.clone()),
        ("POST", "/v1/channels", format!("{{\"state\":{state}}}")),
        ("POST", "/v1/channels/tokens", format!("{{\"state\":{state}}}")),
        ("PUT", STATE, " ".repeat(3 << 20)),
    ] {
        let answer = server.call(method, path, Some(OWNER), &body);
        assert_eq!(answer.failure(), (413, "too_large".to_owned()), "{method} {path}");
        let error = answer.error();
        assert!(error["limit"].as_u64() < error["size"].as_u64(), "{error}");
    }
    let event = format!(r#"{{"e":"{}"}}"#, "x".repeat(257));
    let answer = server.call("POST", "/v1/channels/room/messages", Some(OWNER), &event);
    assert_eq!(answer.failure(), (400, "invalid_body".to_owned()));
    let id = format!("/v1/channels/{}", "x".repeat(257));
    let answer = server.call("PUT", &id, Some(OWNER), "{}");
    assert_eq!(answer.failure(), (400, "invalid_id".to_owned()));
    assert_works(&server);
}

#[test]
fn bombs_are_refused() {
    let (server, ..) = furnished();
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let message = |data: &str| format!(r#"{{"e":"A","d":{data}}}"#);
    let path = "/v1/channels/room/messages";
    assert_eq!(server.call("POST", path, Some(OWNER), &message(&nested(128))).status, 204);
    for body in [
        message(&nested(129)),
        message(&nested(100_000)),
        nested(100_000),
        "[".repeat(1_000_000),
        format!("{{\"x\":{}", "{\"a\":".repeat(100_000)),
        message("\"\u{0}\""),
    ] {
        let answer = server.call("POST", path, Some(OWNER), &body);
        assert_eq!(answer.failure(), (400, "invalid_body".to_owned()));
    }
    let not_utf8 = server.request("POST", path, &[("Authorization", OWNER)], b"{\"e\":\"\xff\"}");
    assert_eq!(not_utf8.failure(), (400, "invalid_body".to_owned()));
    assert_works(&server);
}

#[test]
fn bytes_that_are_no_http_harm_nobody() {
    let server = Server::start();
    for bytes in RAW {
        let mut ended = bytes.to_vec();
        // What the server waits for is cut off, so that it does not wait for long.
        ended.extend_from_slice(b"\r\n\r\n");
        let answer = String::from_utf8_lossy(&server.raw_and_close(&ended)).into_owned();
        assert!(
            !answer.starts_with("HTTP/1.1 5"),
            "{:?}: {answer}",
            String::from_utf8_lossy(bytes)
        );
    }
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(70_000));
    assert!(!String::from_utf8_lossy(&server.raw_and_close(long.as_bytes())).contains(" 500 "));
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X-A: b\r\n".repeat(5_000));
    assert!(!String::from_utf8_lossy(&server.raw_and_close(many.as_bytes())).contains(" 500 "));
    assert_works(&server);
}
