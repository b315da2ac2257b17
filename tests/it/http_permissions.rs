//! Who may do what: every route of the server's own table against no token, a wrong one, each single flag, another
//! project's owner and the operator. A route without a sample here fails the test.

use crate::support::{ADMIN, Answer, OWNER, Server};
use serde_json::Value;
use std::collections::HashMap;
use warren::domain::Permission;
use warren::http::{Need, TABLE};

/// A body for each route that needs one; none where the table has a route that nobody thought of here.
fn body(method: &str, pattern: &str) -> Option<&'static str> {
    let last = pattern.rsplit('/').next().unwrap_or_default();
    Some(match (method, last) {
        ("GET" | "DELETE", _)
        | ("POST" | "PUT", "{token}" | "regenerate" | "regenerate_secret" | "resend" | "test") => {
            ""
        }
        (_, "message") => r#"{"event":"A"}"#,
        (_, "messages" | "publish") => r#"{"e":"A"}"#,
        ("POST", "restore") => r#"{"version":1}"#,
        ("POST", "batch") => r#"{"items":[]}"#,
        ("POST", "subscribers") => r#"{"tokens":[]}"#,
        ("POST", "webhooks") => r#"{"webhook_url":"http://127.0.0.1:9","events":[]}"#,
        ("POST", "tokens") if pattern.starts_with("projects/") => r#"{"flags":0}"#,
        ("POST", "keys") => r#"{"algorithm":"HS256","secret":"0123456789abcdef0123456789abcdef"}"#,
        ("POST", "revocations") => r#"{"subject":"anna"}"#,
        ("PUT", "channel-authorizer") => r#"{"url":"https://hooks.example/authorize"}"#,
        ("POST", "projects") | ("PATCH", "{project}") => r#"{"name":"New"}"#,
        ("POST" | "PUT" | "PATCH", "tokens" | "channels" | "{channel}" | "state")
        | ("PATCH", "{token}" | "{webhook}")
        | ("POST", "pats") => "{}",
        _ => return None,
    })
}

/// Whether a route is about one thing that must be there, so that another project's is "not found".
fn is_about_one(method: &str, pattern: &str) -> bool {
    pattern.contains('{') && !(method == "PUT" && pattern == "channels/{channel}")
}

/// A server with tokens of one flag each, and a second project.
struct Bench {
    /// The server.
    server: Server,
    /// A token of the first project for each single flag.
    single: HashMap<&'static str, String>,
    /// The second project's owner.
    other: String,
    /// Numbers the things that are made for each call.
    made: usize,
}

/// A route with real ids in it.
struct Target {
    /// Path without query.
    path: String,
    /// The ids in it.
    ids: Vec<String>,
}

impl Bench {
    /// Starts the server.
    fn new() -> Self {
        let server = Server::start();
        let token = |flag: Permission| {
            let bits = warren::domain::Permissions::from(flag).bits();
            (flag.name(), server.new_project_token(bits))
        };
        let single = Permission::ALL.into_iter().map(token).collect();
        let (_, other) = server.new_project("Other");
        Self { server, single, other, made: 0 }
    }

    /// Makes something as this caller and returns its id.
    fn make(&self, caller: &str, path: &str, body: &str, name: &str) -> String {
        let answer = self.server.call("POST", path, Some(caller), body);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.data()[name]["id"].as_str().unwrap().to_owned()
    }

    /// Makes what a route is about, new for each call.
    fn target(&mut self, method: &str, pattern: &str, need: Need) -> Target {
        self.made += 1;
        let mut target = Target { path: format!("/v1/{pattern}"), ids: Vec::new() };
        if pattern.contains("{project}") {
            // What the operator alone may do would take the other things of the first project along.
            let project = match need {
                Need::AdminOnly => self.server.new_project("Doomed").0,
                _ => crate::support::PROJECT.to_owned(),
            };
            target.path = target.path.replace("{project}", &project);
        }
        if pattern.contains("{channel}") {
            let room = format!("room-{}", self.made);
            target.path = target.path.replace("{channel}", &room);
            if is_about_one(method, pattern) {
                let able = r#"{"capabilities":["PRESENCE","HISTORY","STATE_HISTORY"]}"#;
                self.server.data("PUT", &format!("/v1/channels/{room}"), able);
            }
            target.ids.push(room);
        }
        if pattern.contains("{webhook}") {
            let hook = r#"{"webhook_url":"http://127.0.0.1:9/","events":[]}"#;
            target.fill(
                "{webhook}",
                self.make(OWNER, "/v1/projects/@this/webhooks", hook, "webhook"),
            );
        }
        if pattern.contains("{key}") {
            let key = body("POST", "keys").unwrap();
            let id = self.make(OWNER, "/v1/projects/@this/jwt/keys", key, "key");
            target.fill("{key}", id);
        }
        if pattern.contains("{subject}") {
            let subject = format!("subject-{}", self.made);
            let path = "/v1/projects/@this/jwt/revocations";
            self.server.data("POST", path, &format!(r#"{{"subject":"{subject}"}}"#));
            target.fill("{subject}", subject);
        }
        if pattern.contains("{token}") {
            let id = if pattern.starts_with("projects/") {
                let path = "/v1/projects/@this/tokens";
                self.make(OWNER, path, r#"{"flags":0}"#, "project_token")
            } else if pattern.starts_with("users/") {
                self.make(ADMIN, "/v1/users/@me/pats", "{}", "pat")
            } else {
                self.server.new_leap_token()
            };
            if pattern.contains("{message}") {
                let path = format!("/v1/channels/tokens/{id}/messages");
                let mail = self.server.data("POST", &path, r#"{"e":"E","ttl":60}"#);
                target.fill("{message}", mail["id"].as_str().unwrap().to_owned());
            }
            target.fill("{token}", id);
        }
        if pattern.contains("channel-authorizer") {
            // Not called, and told so without a look at the network.
            let url = r#"{"url":"http://127.0.0.1:9/"}"#;
            self.server.data("PUT", "/v1/projects/@this/channel-authorizer", url);
        }
        // There is no socket here and no delivery; that the question gets as far as "not found" shows that it was allowed.
        target.path = target.path.replace("{cid}", "nobody").replace("{delivery}", "nobody");
        assert!(!target.path.contains('{'), "no sample for a part of {pattern}");
        target
    }

    /// Calls a route without anybody who may, then with each flag; returns how many calls that took.
    fn check(&mut self, method: &str, pattern: &str, need: Need) -> usize {
        let body = body(method, pattern);
        let body = body.unwrap_or_else(|| panic!("no sample body for {method} {pattern}"));
        let target = self.target(method, pattern, need);
        let path = target.path.clone();
        for caller in [None, Some("ptk_nobody"), Some("pat_nobody"), Some("")] {
            let refused = self.server.call(method, &path, caller, body);
            assert_eq!(refused.failure(), (401, "invalid_auth".to_owned()), "{method} {path}");
        }
        self.check_foreign(method, pattern, need, &target, body);
        for flag in Permission::ALL {
            let answer = self.server.call(method, &path, Some(&self.single[flag.name()]), body);
            let is_enough = need == Need::Flag(flag) || need == Need::AnyToken;
            let context = format!("{method} {path} with {flag}: {}", answer.text());
            if is_enough {
                assert!(is_allowed(&answer, pattern), "{context}");
            } else {
                assert_eq!(answer.failure(), (403, "missing_permission".to_owned()), "{context}");
                assert_eq!(missing(&answer), missing_of(need, flag), "{context}");
            }
        }
        let owned = self.target(method, pattern, need).path;
        let refused = self.server.call(method, &owned, Some(OWNER), body);
        assert_eq!(refused.status == 403, need == Need::AdminOnly, "{method} {owned}");
        let path = self.target(method, pattern, need).path;
        let project = if need == Need::AdminOnly { "" } else { "?project=project_test" };
        let allowed = self.server.call(method, &format!("{path}{project}"), Some(ADMIN), body);
        assert!(is_allowed(&allowed, pattern), "{method} {path}: {}", allowed.text());
        Permission::ALL.len() + 8
    }

    /// Calls a route as another project's owner: nothing is shown, nothing is found, nothing is changed.
    fn check_foreign(&self, method: &str, pattern: &str, need: Need, target: &Target, body: &str) {
        let path = &target.path;
        let named = format!("{path}?project=project_test");
        let [named, plain] =
            [&named, path].map(|path| self.server.call(method, path, Some(&self.other), body));
        let context = format!("{method} {path}: {}", plain.text());
        for id in &target.ids {
            assert!(
                !plain.text().contains(id.as_str()) || !is_about_one(method, pattern),
                "{context}"
            );
        }
        if need == Need::AdminOnly {
            assert_eq!((named.status, plain.status), (403, 403), "{context}");
            return;
        }
        if !pattern.starts_with("users/") {
            let expected = (404, "project_not_found".to_owned());
            assert_eq!(named.failure(), expected, "{context}");
        }
        if is_about_one(method, pattern) {
            assert_eq!(plain.failure().0, 404, "{context}");
        } else {
            assert_eq!(plain.status, 200, "{context}");
        }
    }
}

impl Target {
    /// Puts an id in its place.
    fn fill(&mut self, place: &str, id: String) {
        self.path = self.path.replace(place, &id);
        self.ids.push(id);
    }
}

/// Whether an answer shows that the caller may.
fn is_allowed(answer: &Answer, pattern: &str) -> bool {
    match answer.status {
        200 | 204 => true,
        404 if pattern.contains("{cid}") => answer.failure().1 == "connection_not_found",
        404 if pattern.contains("{delivery}") => answer.failure().1 == "delivery_not_found",
        _ => false,
    }
}

/// The flag that a refusal names.
fn missing(answer: &Answer) -> Option<String> {
    answer.error().get("permission").and_then(Value::as_str).map(str::to_owned)
}

/// The flag that it has to name to somebody who has this one.
fn missing_of(need: Need, held: Permission) -> Option<String> {
    match need {
        Need::Flag(flag) => Some(flag.name().to_owned()),
        Need::All(flags) => {
            flags.iter().find(|flag| **flag != held).map(|flag| flag.name().to_owned())
        }
        Need::AnyToken | Need::AdminOnly => None,
    }
}

#[test]
fn every_route_opens_to_its_flag_its_project_and_the_operator_alone() {
    let mut bench = Bench::new();
    let mut calls = 0;
    for (method, pattern, need) in TABLE {
        calls += bench.check(method.as_str(), pattern, *need);
    }
    assert_eq!(calls, TABLE.len() * (Permission::ALL.len() + 8));
    bench.server.assert_well();
}

#[test]
fn nobody_is_told_by_webhook_what_they_may_not_read() {
    let server = Server::start();
    let holder = |flags: &[Permission]| {
        let bits = flags.iter().map(|flag| warren::domain::Permissions::from(*flag).bits());
        server.new_project_token(bits.sum())
    };
    let path = "/v1/projects/@this/webhooks";
    let body =
        |event: &str| format!(r#"{{"webhook_url":"https://a.example/","events":["{event}"]}}"#);
    let mut checked = 0;
    for event in warren::domain::webhook::EVENTS {
        let needed = warren::domain::webhook::reveals(event);
        assert!(!needed.is_empty(), "{event}");
        let made = server.call("POST", path, Some(OWNER), &body(event));
        let own = format!("{path}/{}", made.data()["webhook"]["id"].as_str().unwrap());
        for missing in needed {
            let mut flags = vec![Permission::CreateWebhook, Permission::UpdateWebhook];
            flags.extend(needed.iter().filter(|flag| *flag != missing));
            let caller = holder(&flags);
            let moved = r#"{"webhook_url":"https://b.example/"}"#;
            for (method, path, body) in [
                ("POST", path, body(event)),
                ("PATCH", &own, body(event)),
                ("PATCH", &own, moved.to_owned()),
                ("POST", &format!("{own}/test"), String::new()),
            ] {
                let refused = server.call(method, path, Some(&caller), &body);
                assert_eq!(refused.failure().0, 403, "{method} {event} without {missing}");
                assert_eq!(self::missing(&refused).as_deref(), Some(missing.name()));
                checked += 1;
            }
        }
        let mut flags = vec![Permission::CreateWebhook, Permission::UpdateWebhook];
        flags.extend(needed);
        let caller = holder(&flags);
        assert_eq!(server.call("POST", path, Some(&caller), &body(event)).status, 200, "{event}");
        assert_eq!(server.call("PATCH", &own, Some(&caller), &body(event)).status, 200, "{event}");
    }
    assert!(checked >= 4 * warren::domain::webhook::EVENTS.len(), "{checked}");
    let unseen = server.data("GET", path, "");
    assert!(!unseen.to_string().contains("b.example"), "an address was changed");
}

#[test]
fn a_project_has_so_many_webhooks_and_no_more() {
    let server = Server::start();
    let body = r#"{"webhook_url":" https://a.example/ ","events":[]}"#;
    let path = "/v1/projects/@this/webhooks";
    for _ in 0..50 {
        assert_eq!(server.data("POST", path, body)["webhook"]["webhook_url"], "https://a.example/");
    }
    let refused = server.call("POST", path, Some(OWNER), body);
    assert_eq!(refused.failure(), (409, "limit_reached".to_owned()));
    assert_eq!(refused.error()["limit"], 50);
    let (_, other) = server.new_project("Other");
    assert_eq!(server.call("POST", path, Some(&other), body).status, 200);
}

#[test]
fn lists_hold_nothing_of_another_project() {
    let server = Server::start();
    server.data("PUT", "/v1/channels/room", r#"{"state":{"secret":1}}"#);
    let token = server.new_leap_token();
    let hook = r#"{"webhook_url":"http://127.0.0.1:9/","events":[]}"#;
    server.data("POST", "/v1/projects/@this/webhooks", hook);
    let (project, other) = server.new_project("Other");
    for path in [
        "channels",
        "channels?page=1",
        "channels/tokens",
        "projects/@this/webhooks",
        "projects/@this/tokens",
        "projects/@this",
        "users/@me",
    ] {
        let text = server.call("GET", &format!("/v1/{path}"), Some(&other), "").text();
        for word in ["room", "secret", &token, crate::support::PROJECT, "127.0.0.1:9"] {
            assert!(!text.contains(word), "{path}: {word} in {text}");
        }
        assert!(text.contains("\"success\":true"), "{path}: {text}");
    }
    let all = server.call("GET", "/v1/projects", Some(ADMIN), "").text();
    assert!(all.contains(&project) && all.contains(crate::support::PROJECT));
}

#[test]
fn a_subscription_never_crosses_projects() {
    let server = Server::start();
    server.data("PUT", "/v1/channels/room", "{}");
    let (_, other) = server.new_project("Other");
    let foreign = server.call("POST", "/v1/channels/tokens", Some(&other), "{}").data();
    let foreign = foreign.pointer("/token/id").unwrap().as_str().unwrap();
    for (method, path) in [
        ("PUT", format!("/v1/channels/room/subscribers/{foreign}")),
        ("DELETE", format!("/v1/channels/room/subscribers/{foreign}")),
        ("POST", format!("/v1/channels/room/tokens/{foreign}")),
    ] {
        let refused = server.call(method, &path, Some(OWNER), "");
        assert_eq!(refused.failure(), (404, "token_not_found".to_owned()), "{method} {path}");
    }
    let body = format!(r#"{{"tokens":["{foreign}"]}}"#);
    let many = server.data("POST", "/v1/channels/room/subscribers", &body);
    assert_eq!(many.pointer("/results/0/error/code").unwrap(), "token_not_found");
}
