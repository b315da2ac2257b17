//! Who may do what: each route against a token without flags, with just the flag that it needs, and of another project.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in a test, a panic is the report"
)]

mod support;

use support::{OWNER, Server};

/// Method, path, body, and the bit and name of the flag that it needs.
///
/// `{token}`, `{webhook}` and `{ptkid}` stand for real ones. Routes that delete come last.
const ROUTES: &[(&str, &str, &str, u32, &str)] = &[
    ("GET", "channels", "", 29, "read_channels"),
    ("GET", "channels/room", "", 29, "read_channels"),
    ("GET", "channels/room/state", "", 29, "read_channels"),
    ("GET", "channels/room/stats", "", 29, "read_channels"),
    ("POST", "channels", "{}", 39, "create_channel"),
    ("PUT", "channels/another", "{}", 39, "create_channel"),
    ("PATCH", "channels/room", "{}", 28, "update_channel_state"),
    ("PUT", "channels/room/state", "{}", 28, "update_channel_state"),
    ("PATCH", "channels/room/state", "{}", 28, "update_channel_state"),
    ("POST", "channels/room/messages", r#"{"e":"A"}"#, 30, "publish_channel_messages"),
    ("POST", "channels/room/publish", r#"{"e":"A"}"#, 30, "publish_channel_messages"),
    ("POST", "channels/room/subscribers", r#"{"tokens":[]}"#, 31, "manage_channel_subscribers"),
    ("PUT", "channels/room/subscribers/{token}", "", 31, "manage_channel_subscribers"),
    ("POST", "channels/room/tokens/{token}", "", 31, "manage_channel_subscribers"),
    ("GET", "channels/room/tokens", "", 36, "read_leap_tokens"),
    ("GET", "channels/tokens", "", 36, "read_leap_tokens"),
    ("GET", "channels/tokens/{token}", "", 36, "read_leap_tokens"),
    ("GET", "channels/tokens/{token}/subscriptions", "", 36, "read_leap_tokens"),
    ("POST", "channels/tokens", "{}", 35, "create_leap_token"),
    ("PATCH", "channels/tokens/{token}", "{}", 37, "update_leap_token"),
    ("POST", "channels/tokens/{token}/messages", r#"{"e":"A"}"#, 38, "message_token"),
    ("POST", "channels/tokens/{token}/message", r#"{"event":"A"}"#, 38, "message_token"),
    ("GET", "projects/project_test/members", "", 2, "get_project_members"),
    ("GET", "projects/project_test/tokens", "", 17, "read_project_tokens"),
    ("POST", "projects/project_test/tokens", r#"{"flags":0}"#, 15, "create_project_token"),
    ("GET", "projects/project_test/webhooks", "", 50, "read_webhooks"),
    (
        "POST",
        "projects/project_test/webhooks",
        r#"{"webhook_url":"http://127.0.0.1:9","events":[]}"#,
        47,
        "create_webhook",
    ),
    ("PATCH", "projects/project_test/webhooks/{webhook}", "{}", 49, "update_webhook"),
    ("POST", "projects/project_test/webhooks/{webhook}/regenerate", "", 49, "update_webhook"),
    (
        "POST",
        "projects/project_test/webhooks/{webhook}/regenerate_secret",
        "",
        49,
        "update_webhook",
    ),
    ("GET", "projects/project_test/webhooks/{webhook}/deliveries", "", 50, "read_webhooks"),
    (
        "PUT",
        "projects/project_test/channel-authorizer",
        r#"{"url":"http://127.0.0.1:9/"}"#,
        47,
        "create_webhook",
    ),
    ("GET", "projects/project_test/channel-authorizer", "", 50, "read_webhooks"),
    ("DELETE", "projects/project_test/channel-authorizer", "", 48, "delete_webhook"),
    ("DELETE", "projects/project_test/webhooks/{webhook}", "", 48, "delete_webhook"),
    ("DELETE", "projects/project_test/tokens/{ptkid}", "", 16, "delete_project_token"),
    ("DELETE", "channels/room/subscribers/{token}", "", 31, "manage_channel_subscribers"),
    ("DELETE", "channels/room/tokens/{token}", "", 31, "manage_channel_subscribers"),
    ("DELETE", "channels/tokens/{token}", "", 37, "update_leap_token"),
    ("DELETE", "channels/room", "", 27, "delete_channels"),
];

/// A server with one of everything, and the routes with real ids in them.
fn furnished() -> (Server, Vec<String>) {
    let server = Server::start();
    server.data("PUT", "/v1/channels/room", "{}");
    let token = server.new_leap_token();
    let id = |path: &str, body: &str, name: &str| {
        server.data("POST", path, body)[name]["id"].as_str().unwrap().to_owned()
    };
    let webhook = r#"{"webhook_url":"http://127.0.0.1:9/","events":[]}"#;
    let webhook = id("/v1/projects/@this/webhooks", webhook, "webhook");
    let ptkid = id("/v1/projects/@this/tokens", r#"{"flags":0}"#, "project_token");
    let real = |path: &str| {
        let path = path.replace("{token}", &token).replace("{webhook}", &webhook);
        format!("/v1/{}", path.replace("{ptkid}", &ptkid))
    };
    let paths = ROUTES.iter().map(|(_, path, ..)| real(path)).collect();
    (server, paths)
}

#[test]
fn each_route_needs_its_flag_and_names_it() {
    let (server, paths) = furnished();
    let nothing = server.new_project_token(0);
    for ((method, _, body, bit, name), path) in ROUTES.iter().zip(&paths) {
        let refused = server.call(method, path, Some(&nothing), body);
        assert_eq!(refused.failure(), (403, "missing_permission".to_owned()), "{method} {path}");
        let error = refused.error();
        assert_eq!(error.get("permission").unwrap(), name, "{method} {path}");
        assert!(error.to_string().contains(&format!("permission {name}")), "{error}");
        let enough = server.new_project_token(1 << bit);
        let allowed = server.call(method, path, Some(&enough), body);
        assert!(matches!(allowed.status, 200 | 204), "{method} {path}: {}", allowed.text());
    }
    server.assert_well();
}

#[test]
fn another_projects_things_are_as_unknown_as_none() {
    let (server, paths) = furnished();
    let (_, other) = server.new_project("Other");
    for ((method, _, body, ..), path) in ROUTES.iter().zip(&paths) {
        let named = format!("{path}?project=project_test");
        let refused = server.call(method, &named, Some(&other), body);
        assert_eq!(refused.failure(), (404, "project_not_found".to_owned()), "{method} {named}");
        let is_about_one = path.contains("/room") || path.contains("/tokens/");
        if is_about_one || path.contains("/projects/") {
            let refused = server.call(method, path, Some(&other), body);
            assert_eq!(refused.status, 404, "{method} {path}: {}", refused.text());
            refused.error();
        }
    }
    // Nothing of it was touched.
    for path in paths.iter().filter(|path| path.ends_with("/room") || path.contains("/tokens/leap"))
    {
        let answer = server.call("GET", path, Some(OWNER), "");
        assert!(matches!(answer.status, 200 | 405), "{path}: {}", answer.text());
    }
    let own = server.call("GET", "/v1/channels", Some(&other), "").data();
    assert_eq!(own.get("total_count").unwrap(), 0);
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
