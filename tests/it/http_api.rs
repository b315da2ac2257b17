//! The API as back ends use it: every resource once through its life, and who may do what.

use crate::support::{ADMIN, OWNER, PROJECT, Server};
use serde_json::{Value, json};

/// The path of the channel that most tests use.
const ROOM: &str = "/v1/channels/room";

/// Headers of the owner with one more.
fn with<'a>(name: &'a str, value: &'a str) -> [(&'a str, &'a str); 2] {
    [("Authorization", OWNER), (name, value)]
}

/// The entity tag of an answer.
fn tag(answer: &crate::support::Answer) -> String {
    answer.header("etag").unwrap_or_default().to_owned()
}

/// The ids of the things in a list.
fn ids(list: &Value) -> Vec<String> {
    let list = list.as_array().cloned().unwrap_or_default();
    list.iter().map(|item| item["id"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_channel_lives_and_dies() {
    let server = Server::start();
    let made = server.data("POST", "/v1/channels", r#"{"type":"public","state":{"n":1.10}}"#);
    let id = made["channel"]["id"].as_str().unwrap_or_default();
    assert!(id.starts_with("channel_"), "{made}");
    assert_eq!(made["channel"]["project"]["id"], PROJECT);
    let room = server.data("PUT", ROOM, r#"{"type":"unprotected","capabilities":["PRESENCE"]}"#);
    assert_eq!(room["channel"]["type"], "unprotected");
    assert_eq!(room["channel"]["capabilities"], 8);
    assert_eq!(room["channel"]["state"], json!({}));
    assert_eq!(server.data("GET", ROOM, "")["channel"], room["channel"]);
    let changed = server.data("PATCH", ROOM, r#"{"type":"private","capabilities":0}"#);
    assert_eq!(changed["channel"]["type"], "private");
    assert_eq!(changed["channel"]["capabilities"], 0);
    let stats = server.data("GET", "/v1/channels/room/stats", "");
    assert_eq!(stats, json!({"stats": {"online_count": 0}, "online_count": 0}));
    server.done("DELETE", ROOM, "");
    let gone = server.call("GET", ROOM, Some(OWNER), "");
    assert_eq!(gone.failure(), (404, "channel_not_found".to_owned()));
    server.assert_well();
}

/// Waits for the clock's next millisecond: what is created in one is listed by id.
fn await_millisecond() {
    let millis = || std::time::UNIX_EPOCH.elapsed().map(|since| since.as_millis()).ok();
    let now = millis();
    while millis() == now {}
}

#[test]
fn ids_are_bytes() {
    let server = Server::start();
    // `é` composed and decomposed, and two cases.
    for path in ["caf%C3%A9", "cafe%CC%81", "Room", "room"] {
        server.data("PUT", &format!("/v1/channels/{path}"), "{}");
        await_millisecond();
    }
    let listed = server.data("GET", "/v1/channels", "");
    let mut ids = ids(&listed["channels"]);
    ids.retain(|id| id.to_lowercase().starts_with("caf") || id.eq_ignore_ascii_case("room"));
    assert_eq!(ids, ["caf\u{e9}", "cafe\u{301}", "Room", "room"]);
    server.assert_well();
}

#[test]
fn channels_take_the_ids_of_real_apps() {
    let server = Server::start();
    for (path, id) in [
        ("0.8f3a", "0.8f3a"),
        ("a%20b", "a b"),
        ("a:b", "a:b"),
        ("%C3%A9%E2%98%83", "é☃"),
        ("game-C204", "game-C204"),
        ("state", "state"),
    ] {
        let path = format!("/v1/channels/{path}");
        assert_eq!(server.data("PUT", &path, r#"{"type":"public"}"#)["channel"]["id"], id);
        assert_eq!(server.data("GET", &path, "")["channel"]["id"], id);
        server.done("DELETE", &path, "");
    }
}

#[test]
fn a_state_has_versions() {
    let server = Server::start();
    server.data("PUT", ROOM, "{}");
    let path = "/v1/channels/room/state";
    let first = server.call("GET", path, Some(OWNER), "");
    assert!(tag(&first).ends_with(".1\""), "{}", tag(&first));
    assert_eq!(first.data(), json!({"state": {}, "version": 1}));
    let put = server.call("PUT", path, Some(OWNER), r#"{"a":{"x":1,"y":2},"b":2}"#);
    assert_eq!(put.status, 200);
    assert_eq!(put.data()["state"], json!({"a": {"x": 1, "y": 2}, "b": 2}));
    let second = tag(&put);
    assert!(second.ends_with(".2\""), "{second}");
    let seen = server.request("GET", path, &with("If-None-Match", &second), b"");
    assert_eq!((seen.status, seen.body.len(), tag(&seen)), (304, 0, second.clone()));
    assert_eq!(seen.header("cache-control"), Some("no-cache"));
    let fresh = server.request("PUT", path, &with("If-Match", &second), br#"{"c":3}"#);
    assert_eq!(fresh.data(), json!({"state": {"c": 3}, "version": 3}));
    let stale = server.request("PUT", path, &with("If-Match", &second), b"{}");
    assert_eq!(stale.failure(), (412, "version_conflict".to_owned()));
    assert_eq!(stale.error()["version"], 3);
    let third = format!("\"x\", {}", tag(&fresh));
    let versions = "\"3\", 3";
    for (if_match, status) in [(versions, 412), (&third, 200), ("*", 200), (&third, 412)] {
        let listed = server.request("PATCH", path, &with("If-Match", if_match), b"{}");
        assert_eq!(listed.status, status, "{if_match}");
    }
    for blank in ["", "null"] {
        let answer = server.request(
            "PUT",
            path,
            &with("Content-Type", "application/json"),
            blank.as_bytes(),
        );
        assert_eq!(answer.data()["state"], json!({}), "{blank:?}");
    }
}

#[test]
fn a_state_is_patched_in_three_ways() {
    let server = Server::start();
    server.data("PUT", ROOM, r#"{"state":{"a":{"x":1,"y":2},"b":2}}"#);
    let path = "/v1/channels/room/state";
    let patched = |kind: &str, patch: &str| {
        let answer = server.request("PATCH", path, &with("Content-Type", kind), patch.as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.data()["state"].clone()
    };
    let shallow = patched("application/json", r#"{"a":{"x":3},"c":null}"#);
    assert_eq!(shallow, json!({"a": {"x": 3}, "b": 2, "c": null}));
    let merged = patched("application/merge-patch+json", r#"{"a":{"z":4},"b":null}"#);
    assert_eq!(merged, json!({"a": {"x": 3, "z": 4}, "c": null}));
    let operations = r#"[{"op":"test","path":"/a/z","value":4},{"op":"remove","path":"/a/x"}]"#;
    let operated = patched("application/json-patch+json", operations);
    assert_eq!(operated, json!({"a": {"z": 4}, "c": null}));
    let refused = r#"[{"op":"remove","path":"/c"},{"op":"test","path":"/a/z","value":5}]"#;
    let kind = with("Content-Type", "application/json-patch+json");
    let answer = server.request("PATCH", path, &kind, refused.as_bytes());
    assert_eq!(answer.failure(), (400, "invalid_body".to_owned()));
    assert_eq!(server.data("GET", path, ""), json!({"state": operated, "version": 4}));
}

#[test]
fn numbers_and_key_order_stay_as_they_were_written() {
    let server = Server::start();
    let state = r#"{"z":90071992547409931234,"a":1.10,"m":1e400,"e":"\u00e9"}"#;
    server.data("PUT", ROOM, &format!("{{\"state\":{state}}}"));
    for path in [ROOM, "/v1/channels/room/state", "/v1/channels"] {
        let text = server.call("GET", path, Some(OWNER), "").text();
        assert!(text.contains(state), "{path}: {text}");
    }
    let patched = server.call("PATCH", "/v1/channels/room/state", Some(OWNER), r#"{"n":0.10}"#);
    assert!(patched.text().contains(r#"{"z":90071992547409931234,"a":1.10,"m":1e400,"#));
}

#[test]
fn messages_are_taken_under_every_path() {
    let server = Server::start();
    server.data("PUT", ROOM, "{}");
    let token = server.new_leap_token();
    for path in ["messages", "publish"] {
        for body in
            [r#"{"e":"A","d":{}}"#, r#"{"e":"A"}"#, r#"{"e":"","d":0}"#, r#"{"e":"A","d":null}"#]
        {
            server.done("POST", &format!("/v1/channels/room/{path}"), body);
        }
    }
    server.done("POST", &format!("/v1/channels/tokens/{token}/messages"), r#"{"e":"A","d":1}"#);
    server.done(
        "POST",
        &format!("/v1/channels/tokens/{token}/message"),
        r#"{"event":"A","data":1}"#,
    );
    server.done("POST", &format!("/v1channels/tokens/{token}/message"), r#"{"event":"A"}"#);
}

#[test]
fn a_token_lives_and_dies() {
    let server = Server::start();
    server.data("PUT", ROOM, "{}");
    server.data("PUT", "/v1/channels/hall", "{}");
    let body = r#"{"state":{"id":7},"expires_at":"2099-11-24T20:25:37.891166002+00:00",
        "channels":["room",{"id":"hall","ephemeral":true}]}"#;
    let made = server.data("POST", "/v1/channels/tokens", body)["token"].clone();
    let id = made["id"].as_str().unwrap_or_default();
    assert!(id.starts_with("leap_token_"), "{made}");
    assert_eq!(made["state"], json!({"id": 7}));
    assert_eq!(made["expires_at"], "2099-11-24T20:25:37.891Z");
    assert_eq!((&made["project_id"], &made["is_online"]), (&json!(PROJECT), &json!(false)));
    let path = format!("/v1/channels/tokens/{id}");
    assert_eq!(server.data("GET", &path, "")["token"], made);
    assert_eq!(ids(&server.data("GET", "/v1/channels/tokens", "")["tokens"]), [id]);
    let subscriptions = server.data("GET", &format!("{path}/subscriptions"), "");
    assert_eq!(subscriptions["subscriptions"][0]["channel"], "room");
    assert_eq!(subscriptions["subscriptions"][0]["ephemeral"], false);
    let kept = server.data("PATCH", &path, r#"{"state":null,"expires_at":null}"#)["token"].clone();
    assert_eq!((&kept["state"], &kept["expires_at"]), (&json!({"id": 7}), &Value::Null));
    let changed = server.data("PATCH", &path, r#"{"state":[1]}"#)["token"].clone();
    assert_eq!(changed["state"], json!([1]));
    server.done("DELETE", &path, "");
    let gone = server.call("GET", &path, Some(OWNER), "");
    assert_eq!(gone.failure(), (404, "token_not_found".to_owned()));
    assert_eq!(server.data("GET", "/v1/channels/room/tokens", ""), json!({"tokens": []}));
}

#[test]
fn tokens_are_subscribed_one_by_one_and_many_at_once() {
    let server = Server::start();
    server.data("PUT", ROOM, "{}");
    let (first, second) = (server.new_leap_token(), server.new_leap_token());
    let listed = || ids(&server.data("GET", "/v1/channels/room/tokens", "")["tokens"]);
    server.done("PUT", &format!("/v1/channels/room/subscribers/{first}"), "");
    server.done("PUT", &format!("/v1/channels/room/subscribers/{first}"), "");
    server.done("POST", &format!("/v1/channels/room/tokens/{second}"), "");
    assert_eq!(listed(), [first.clone(), second.clone()]);
    server.done("DELETE", &format!("/v1/channels/room/subscribers/{first}"), "");
    server.done("DELETE", &format!("/v1/channels/room/subscribers/{first}"), "");
    server.done("DELETE", &format!("/v1/channels/room/tokens/{second}"), "");
    assert!(listed().is_empty());
    let body = json!({"tokens": [second, "leap_token_x", first]}).to_string();
    let many = server.data("POST", "/v1/channels/room/subscribers", &body);
    let results = &many["results"];
    assert_eq!(results[0], json!({"token": second, "subscribed": true}));
    assert_eq!(results[1]["error"]["code"], "token_not_found");
    assert_eq!(results[2], json!({"token": first, "subscribed": true}));
    assert_eq!(listed().len(), 2);
}

#[test]
fn pages_hold_each_channel_once() {
    let server = Server::start();
    let names = ["c", "a", "e", "b", "d"];
    for name in names {
        server.data("PUT", &format!("/v1/channels/{name}"), "{}");
        await_millisecond();
    }
    let page = |query: &str| server.data("GET", &format!("/v1/channels?{query}"), "");
    let whole = page("");
    assert_eq!(ids(&whole["channels"]), names);
    assert_eq!((&whole["page_size"], &whole["total_count"]), (&json!(5), &json!(5)));
    let mut found = Vec::new();
    for number in 1..=4 {
        let page = page(&format!("page={number}&pageSize=2&orderBy=asc&sortBy=created_at"));
        assert_eq!((&page["page_size"], &page["total_count"]), (&json!(2), &json!(5)));
        found.extend(ids(&page["channels"]));
    }
    assert_eq!(found, names);
    let sorted = page("page=1&sortBy=id&orderBy=desc");
    assert_eq!(ids(&sorted["channels"]), ["e", "d", "c", "b", "a"]);
    assert_eq!(sorted["page_size"], 75);
    let far = page("page=18446744073709551615&pageSize=1000");
    assert_eq!((ids(&far["channels"]).len(), &far["total_count"]), (0, &json!(5)));
}

#[test]
fn a_long_list_is_whole() {
    let server = Server::start();
    for number in 0..1001 {
        server.data("PUT", &format!("/v1/channels/c{number}"), "{}");
    }
    let list = server.data("GET", "/v1/channels", "");
    assert_eq!(ids(&list["channels"]).len(), 1001);
    assert_eq!((&list["page_size"], &list["total_count"]), (&json!(1001), &json!(1001)));
    let crate_headers = with("User-Agent", "hop_rs/0.1.12 on x86_64-linux");
    let bare = server.request("GET", "/v1/channels", &crate_headers, b"").data();
    assert_eq!(ids(&bare).len(), 1001);
}

#[test]
fn crooked_paths_and_other_methods_are_understood() {
    let server = Server::start();
    server.data("PUT", ROOM, "{}");
    for path in ["//v1/channels/room", "/v1//channels//room", "/v1channels/room"] {
        assert_eq!(server.data("GET", path, "")["channel"]["id"], "room", "{path}");
    }
    let token = server.data("POST", "/v1channels/tokens?project=project_test", "{}");
    assert!(token["token"]["id"].is_string());
    let get = server.call("GET", ROOM, Some(OWNER), "");
    let head = server.call("HEAD", ROOM, Some(OWNER), "");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), get.header("content-length"));
    let pipelined = format!(
        "HEAD {ROOM} HTTP/1.1\r\nHost: a\r\nAuthorization: {OWNER}\r\n\r\n\
         GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    );
    let both = String::from_utf8_lossy(&server.raw(pipelined.as_bytes())).into_owned();
    assert!(!both.contains("\"room\"") && both.contains("\"live\""), "{both}");
    let asked = [
        ("Origin", "http://a"),
        ("Access-Control-Request-Method", "PATCH"),
        ("Access-Control-Request-Headers", "authorization,traceparent,x-request-id"),
    ];
    for path in [ROOM, "/v1/nowhere", "/"] {
        let preflight = server.request("OPTIONS", path, &asked, b"");
        assert_eq!((preflight.status, preflight.body.len()), (204, 0), "{path}");
        assert_eq!(preflight.header("access-control-allow-origin"), Some("*"));
        let methods = preflight.header("access-control-allow-methods").unwrap_or_default();
        assert!(methods.contains("PATCH") && methods.contains("DELETE"), "{methods}");
        let headers = preflight.header("access-control-allow-headers").unwrap_or_default();
        for name in ["authorization", "content-type", "traceparent", "x-request-id"] {
            assert!(headers.split(", ").any(|allowed| allowed == name), "{headers}");
        }
        assert!(preflight.header("access-control-max-age").is_some());
    }
}

#[test]
fn a_token_may_stand_behind_bearer_and_beside_its_project() {
    let server = Server::start();
    let bearer = format!("bEaReR {OWNER}");
    assert_eq!(server.call("GET", "/v1/channels", Some(&bearer), "").status, 200);
    assert_eq!(server.data("GET", "/v1/channels?project=project_test", "")["total_count"], 0);
    assert_eq!(server.data("GET", "/v1/channels?project=", "")["total_count"], 0);
}

#[test]
fn project_tokens_are_shown_once_and_end_at_once() {
    let server = Server::start();
    let path = "/v1/projects/@this/tokens";
    let made = server.data("POST", path, r#"{"permissions":["MANAGE_CHANNELS"]}"#)["project_token"]
        .clone();
    let secret = made["token"].as_str().unwrap_or_default();
    assert!(secret.starts_with("ptk_"), "{made}");
    assert_eq!(made["permissions"], json!(["MANAGE_CHANNELS"]));
    assert_eq!(
        (&made["flags"], &made["project_id"]),
        (&json!(1_069_362_970_624_u64), &json!(PROJECT))
    );
    assert_eq!(server.call("GET", "/v1/channels", Some(secret), "").status, 200);
    let list = server.call("GET", path, Some(OWNER), "");
    assert!(!list.text().contains(secret) && !list.text().contains(OWNER), "{}", list.text());
    let tokens = list.data()["project_tokens"].clone();
    assert_eq!(tokens.as_array().map(Vec::len), Some(2));
    let id = made["id"].as_str().unwrap_or_default();
    assert!(ids(&tokens).contains(&id.to_owned()));
    server.done("DELETE", &format!("{path}/{id}"), "");
    let refused = server.call("GET", "/v1/channels", Some(secret), "");
    assert_eq!(refused.failure(), (401, "invalid_auth".to_owned()));
}

#[test]
fn a_token_grants_no_more_than_it_has() {
    let server = Server::start();
    let maker = server.new_project_token((1 << 15) | (1 << 29));
    let path = "/v1/projects/@this/tokens";
    let granted = server.call("POST", path, Some(&maker), r#"{"flags":536870912}"#);
    assert_eq!(granted.status, 200, "{}", granted.text());
    let refused = server.call("POST", path, Some(&maker), r#"{"flags":1073741824}"#);
    assert_eq!(refused.failure(), (403, "missing_permission".to_owned()));
    assert_eq!(refused.error()["permission"], "publish_channel_messages");
    server.data("PUT", ROOM, "{}");
    let tokens = server.new_project_token(1 << 35);
    let body = r#"{"channels":["room"]}"#;
    let refused = server.call("POST", "/v1/channels/tokens", Some(&tokens), body);
    assert_eq!(refused.error()["permission"], "manage_channel_subscribers");
}

#[test]
fn webhooks_hide_what_clients_cannot_read() {
    let server = Server::start();
    let path = "/v1/projects/@this/webhooks";
    let events = r#"["channel.created","token.created","ignite.deployment.created"]"#;
    let body = format!(r#"{{"webhook_url":"http://127.0.0.1:9/hook","events":{events}}}"#);
    let made = server.data("POST", path, &body)["webhook"].clone();
    let secret = made["secret"].as_str().unwrap_or_default().to_owned();
    assert!(secret.starts_with("whsec_") && secret.len() == 50, "{secret}");
    assert_eq!((&made["type"], &made["project_id"]), (&json!("http"), &json!(PROJECT)));
    let list = server.data("GET", path, "")["webhooks"].clone();
    assert_eq!(list[0]["events"].as_array().map(Vec::len), Some(3));
    assert_eq!(list[0]["secret"], format!("whsec_{}", "*".repeat(44)));
    for agent in ["hop_rs/0.1.10 on x86_64-linux", "hop_cli/0.2.61 on Linux"] {
        let shown = server.request("GET", path, &with("User-Agent", agent), b"").data();
        assert_eq!(shown["webhooks"][0]["events"], json!(["ignite.deployment.created"]));
    }
    let one = format!("{path}/{}", made["id"].as_str().unwrap_or_default());
    let changed =
        server.data("PATCH", &one, r#"{"events":["channel.deleted"]}"#)["webhook"].clone();
    assert_eq!(changed["events"], json!(["channel.deleted"]));
    assert_eq!(changed["webhook_url"], "http://127.0.0.1:9/hook");
    for word in ["regenerate", "regenerate_secret"] {
        let fresh = server.data("POST", &format!("{one}/{word}"), "")["secret"].clone();
        assert!(fresh.as_str().is_some_and(|fresh| fresh.len() == 50 && fresh != secret));
    }
    server.done("DELETE", &one, "");
    assert_eq!(server.data("GET", path, ""), json!({"webhooks": []}));
}

#[test]
fn the_log_in_of_official_clients_finds_what_it_needs() {
    let server = Server::start();
    let own = server.data("GET", "/v1/projects/@this", "");
    assert!(own["leap_token"].is_string());
    for key in ["id", "name", "namespace", "created_at", "icon", "type", "tier", "default_quotas"] {
        assert!(own["project"].get(key).is_some(), "{key} in {own}");
    }
    let me = server.call("GET", "/v1/users/@me", Some(ADMIN), "").data();
    assert!(me["leap_token"].is_string());
    assert!(me["project_member_role_map"][PROJECT]["flags"].is_string(), "{me}");
    for key in
        ["email_verified", "mfa_enabled", "totp_enabled", "webauthn_enabled", "admin", "github"]
    {
        assert!(me["user"][key].is_boolean(), "{key} in {me}");
    }
    let members = server.data("GET", "/v1/projects/@this/members", "");
    assert_eq!(members["members"][0]["role"]["flags"], 2_251_799_805_280_247_u64);
    let path = "/v1/projects/project_test/members/@me";
    let go = server.request("GET", path, &with("User-Agent", "hop-go/1.12.1 (go/1.19)"), b"");
    assert_eq!(go.data()["project_member"]["role"]["flags"], "2251799805280247");
}

#[test]
fn the_operator_acts_in_every_project() {
    let server = Server::start();
    let (other, other_token) = server.new_project("Other");
    let projects = server.call("GET", "/v1/projects", Some(ADMIN), "").data();
    assert_eq!(ids(&projects["projects"]), [PROJECT.to_owned(), other.clone()]);
    let admin = |method: &str, path: &str, body: &str| server.call(method, path, Some(ADMIN), body);
    assert_eq!(admin("PUT", &format!("/v1/channels/only?project={other}"), "{}").status, 200);
    // The id is unique on the server, so the project need not be named.
    assert_eq!(admin("GET", "/v1/channels/only", "").data()["channel"]["project"]["id"], *other);
    assert_eq!(admin("PUT", "/v1/channels/only?project=project_test", "{}").status, 200);
    let unclear = admin("GET", "/v1/channels/only", "");
    assert_eq!(unclear.failure(), (400, "project_required".to_owned()));
    assert_eq!(admin("DELETE", &format!("/v1/channels/only?project={other}"), "").status, 204);
    let token = server.call("POST", "/v1/channels/tokens", Some(&other_token), "{}").data();
    let path = format!("/v1/channels/tokens/{}", token["token"]["id"].as_str().unwrap_or_default());
    assert_eq!(admin("GET", &path, "").data()["token"]["project_id"], *other);
    let members = admin("GET", &format!("/v1/projects/{other}/members"), "");
    assert_eq!(members.status, 200);
    let twice = format!(
        r#"{{"name":"x","namespace":"{}"}}"#,
        projects["projects"][1]["namespace"].as_str().unwrap_or_default()
    );
    assert_eq!(admin("POST", "/v1/projects", &twice).failure(), (409, "project_exists".to_owned()));
}

#[test]
fn the_console_is_served_under_its_policy() {
    let server = Server::start();
    for path in
        ["/", "/console", "/static/console/main.js", "/static/style.css", "/static/warren.js"]
    {
        let file = server.call("GET", path, None, "");
        assert_eq!(file.status, 200, "{path}");
        let policy = file.header("content-security-policy").unwrap_or_default();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'"), "{policy}");
        assert_eq!(file.header("x-content-type-options"), Some("nosniff"));
        let tag = file.header("etag").unwrap_or_default();
        let again = server.request("GET", path, &[("If-None-Match", tag)], b"");
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
    }
    assert_eq!(server.call("GET", "/health/live", None, "").status, 200);
}

#[test]
fn the_descriptions_are_served_as_they_are_committed() {
    let server = Server::start();
    for (path, committed) in [
        ("/openapi.json", include_str!("../../docs/openapi.json")),
        ("/asyncapi.json", include_str!("../../docs/asyncapi.json")),
    ] {
        let served = server.call("GET", path, None, "");
        assert_eq!((served.status, served.header("content-type")), (200, Some("application/json")));
        assert_eq!(served.text(), committed, "{path}");
        let tag = served.header("etag").unwrap_or_default();
        let again = server.request("GET", path, &[("If-None-Match", tag)], b"");
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
    }
}

#[test]
fn a_tag_is_of_one_channel_alone() {
    let server = Server::start();
    let path = "/v1/channels/room/state";
    let filled = r#"{"state":{"room":"old"}}"#;
    server.data("PUT", ROOM, filled);
    let old = tag(&server.call("GET", path, Some(OWNER), ""));
    server.done("DELETE", ROOM, "");
    for new in [r#"{"state":{"room":"new"}}"#, filled] {
        server.data("PUT", ROOM, new);
        let seen = server.request("GET", path, &with("If-None-Match", &old), b"");
        assert_eq!(seen.status, 200, "{new}");
        for method in ["PUT", "PATCH"] {
            let stale = server.request(method, path, &with("If-Match", &old), b"{}");
            assert_eq!(stale.failure(), (412, "version_conflict".to_owned()), "{new}");
        }
        assert_eq!(server.data("GET", path, "")["version"], 1);
        server.done("DELETE", ROOM, "");
    }
}

#[test]
fn a_first_write_is_made_once() {
    let server = Server::start();
    server.data("PUT", ROOM, "{}");
    let path = "/v1/channels/room/state";
    let first = with("If-None-Match", "*");
    assert_eq!(server.request("PUT", path, &first, br#"{"by":1}"#).status, 200);
    for method in ["PUT", "PATCH"] {
        let late = server.request(method, path, &first, br#"{"by":2}"#);
        assert_eq!(late.failure(), (412, "version_conflict".to_owned()));
    }
    let now = server.call("GET", path, Some(OWNER), "");
    assert_eq!(now.data(), json!({"state": {"by": 1}, "version": 2}));
    let unless_this = tag(&now);
    let same = server.request("PUT", path, &with("If-None-Match", &unless_this), b"{}");
    assert_eq!(same.status, 412);
    let list = server.call("GET", "/v1/channels", Some(OWNER), "");
    assert_eq!(list.header("cache-control"), Some("no-store"));
}

/// Walks through a list in steps of two and deletes the last of each step; asserts that nothing was left out.
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in a test, a panic is the report"
)]
fn assert_walk(server: &Server, path: &str, key: &str, made: &[String]) {
    let (mut met, mut next) = (Vec::new(), String::new());
    for _ in 0..10 {
        let step = server.data("GET", &format!("{path}?cursor={next}&pageSize=2"), "");
        assert_eq!(step["page_size"], 2);
        met.extend(ids(&step[key]));
        // The newest of this step goes: by page number the next step would leave one out.
        server.done("DELETE", &format!("{path}/{}", met.last().unwrap()), "");
        let Some(cursor) = step["next"].as_str() else { break };
        cursor.clone_into(&mut next);
    }
    let sorted = |ids: &[String]| {
        let mut ids = ids.to_vec();
        ids.sort();
        ids
    };
    assert_eq!(sorted(&met), sorted(made));
    for broken in ["cursor=x", "cursor=&page=1", "cursor=&orderBy=desc"] {
        let broken = server.call("GET", &format!("{path}?{broken}"), Some(OWNER), "");
        assert_eq!(broken.failure(), (400, "invalid_query".to_owned()));
        assert_eq!(broken.error()["field"], "cursor");
    }
}

/// Asserts that the pages of a list of five are its parts, and that what it does not know is refused by name.
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in a test, a panic is the report"
)]
fn assert_pages(server: &Server, path: &str, key: &str) {
    let page = |query: &str| server.data("GET", &format!("{path}?{query}"), "");
    let whole = server.data("GET", path, "")[key].as_array().unwrap().clone();
    assert_eq!(whole.len(), 5, "{whole:?}");
    let mut paged = Vec::new();
    for (number, length) in [(1, 2), (2, 2), (3, 1), (4, 0)] {
        let page = page(&format!("page={number}&pageSize=2"));
        assert_eq!((&page["page_size"], &page["total_count"]), (&json!(2), &json!(5)), "{page}");
        let items = page[key].as_array().unwrap();
        assert_eq!(items.len(), length, "{page}");
        paged.extend(items.clone());
    }
    assert_eq!(paged, whole);
    assert_eq!(page("pageSize=3"), page("page=1&pageSize=3"), "a size alone is the first page's");
    for (query, field) in [
        ("page=0", "page"),
        ("pageSize=1001", "pageSize"),
        ("cursor=&page=1", "cursor"),
        ("cursor=x", "cursor"),
        ("page=1&sortBy=id", "sortBy"),
        ("page=1&orderBy=desc", "orderBy"),
    ] {
        let refused = server.call("GET", &format!("{path}?{query}"), Some(OWNER), "");
        assert_eq!(refused.failure(), (400, "invalid_query".to_owned()), "{query}");
        assert_eq!(refused.error()["field"], field, "{query}");
    }
}

#[test]
fn a_page_of_tokens_is_one_and_says_how_many_there_are() {
    let server = Server::start();
    server.data("PUT", ROOM, "{}");
    for _ in 0..5 {
        server.data("POST", "/v1/channels/tokens", r#"{"channels":["room"]}"#);
    }
    assert_pages(&server, "/v1/channels/tokens", "tokens");
    assert_pages(&server, "/v1/channels/room/tokens", "tokens");
    let bare = with("User-Agent", "hop_rs/0.1.12 on x86_64-linux");
    let bare = server.request("GET", "/v1/channels/tokens?page=2&pageSize=4", &bare, b"").data();
    assert_eq!(bare.as_array().map(Vec::len), Some(1), "{bare}");
    assert!(bare[0]["token"]["id"].is_string(), "{bare}");
}

#[test]
fn subscriptions_are_paged_and_walked_through_while_they_end() {
    let server = Server::start();
    let names = ["a", "b", "c", "d", "e"];
    for name in names {
        server.data("PUT", &format!("/v1/channels/{name}"), r#"{"type":"public"}"#);
    }
    let token = server.new_leap_token();
    for name in names {
        // Every other one ends with the session.
        let body = json!({"tokens": [token], "ephemeral": name < "d" && name != "b"}).to_string();
        server.data("POST", &format!("/v1/channels/{name}/subscribers"), &body);
        await_millisecond();
    }
    let path = format!("/v1/channels/tokens/{token}/subscriptions");
    assert_pages(&server, &path, "subscriptions");
    let (mut met, mut next) = (Vec::new(), String::new());
    for _ in 0..10 {
        let step = server.data("GET", &format!("{path}?cursor={next}&pageSize=2"), "");
        for one in step["subscriptions"].as_array().unwrap() {
            met.push(one["channel"].as_str().unwrap().to_owned());
        }
        let last = met.last().unwrap();
        server.done("DELETE", &format!("/v1/channels/{last}/subscribers/{token}"), "");
        let Some(cursor) = step["next"].as_str() else { break };
        cursor.clone_into(&mut next);
    }
    assert_eq!(met, names, "oldest first");
}

#[test]
fn an_order_without_a_page_is_refused() {
    let server = Server::start();
    for (query, field) in [("sortBy=id", "sortBy"), ("orderBy=desc", "orderBy")] {
        let refused = server.call("GET", &format!("/v1/channels?{query}"), Some(OWNER), "");
        assert_eq!(refused.failure(), (400, "invalid_query".to_owned()), "{query}");
        assert_eq!(refused.error()["field"], field);
    }
}

#[test]
fn a_walk_through_tokens_meets_each_that_stays() {
    let server = Server::start();
    let path = "/v1/channels/tokens";
    let make = |_| server.data("POST", path, "{}")["token"]["id"].as_str().unwrap().to_owned();
    let made: Vec<String> = (0..7).map(make).collect();
    assert_walk(&server, path, "tokens", &made);
}

#[test]
fn a_walk_through_channels_meets_each_that_stays() {
    let server = Server::start();
    let path = "/v1/channels";
    let body = r#"{"type":"public"}"#;
    let make = |_| server.data("POST", path, body)["channel"]["id"].as_str().unwrap().to_owned();
    let made: Vec<String> = (0..7).map(make).collect();
    assert_walk(&server, path, "channels", &made);
}

#[test]
fn a_walk_through_a_channels_tokens_meets_each_that_stays() {
    let server = Server::start();
    server.data("PUT", "/v1/channels/room", r#"{"type":"public"}"#);
    let make = |body| server.data("POST", "/v1/channels/tokens", body)["token"]["id"].clone();
    make("{}");
    let subscribed = |_| make(r#"{"channels":["room"]}"#).as_str().unwrap().to_owned();
    let made: Vec<String> = (0..1001).map(subscribed).collect();
    let path = "/v1/channels/room/tokens";
    let all = server.call("GET", path, Some(OWNER), "");
    assert_eq!(all.header("content-length"), None, "pieces are not waited for");
    let short = server.call("GET", &format!("{path}?page=1&pageSize=200"), Some(OWNER), "");
    assert!(short.header("content-length").is_some(), "what is short has a length");
    let sorted = |mut ids: Vec<String>| {
        ids.sort();
        ids
    };
    assert_eq!(sorted(ids(&all.data()["tokens"])), sorted(made.clone()));
    for id in &made[7..] {
        server.done("DELETE", &format!("{path}/{id}"), "");
    }
    assert_walk(&server, path, "tokens", &made[..7]);
}

#[test]
fn all_tokens_are_streamed_in_pieces() {
    let server = Server::start();
    let path = "/v1/channels/tokens";
    for _ in 0..1001 {
        server.data("POST", path, "{}");
    }
    let all = server.call("GET", path, Some(OWNER), "");
    assert_eq!(all.header("content-length"), None, "pieces are not waited for");
    let listed: std::collections::BTreeSet<String> =
        ids(&all.data()["tokens"]).into_iter().collect();
    assert_eq!(listed.len(), 1001);
}
