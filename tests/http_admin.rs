//! The operator's part of the API: admin tokens, renaming and deleting projects, and `warren admin` beside a server.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in a test, a panic is the report"
)]

mod support;

use serde_json::{Value, json};
use std::process::{Command, Output};
use support::{ADMIN, OWNER, PROJECT, Server};

/// Creates an admin token; returns its handle and its secret.
fn new_pat(server: &Server, name: &str) -> (String, String) {
    let made = server.call("POST", "/v1/users/@me/pats", Some(ADMIN), name);
    assert_eq!(made.status, 200, "{}", made.text());
    let pat = made.data()["pat"].clone();
    let text = |key: &str| pat[key].as_str().unwrap().to_owned();
    (text("id"), text("pat"))
}

/// Asserts that a secret is taken, or that it is not.
fn assert_valid(server: &Server, secret: &str, is_valid: bool) {
    let status = server.call("GET", "/v1/users/@me", Some(secret), "").status;
    assert_eq!(status, if is_valid { 200 } else { 401 });
}

#[test]
fn an_admin_token_is_shown_once_listed_masked_and_gone_at_once() {
    let server = Server::start();
    let (id, secret) = new_pat(&server, r#"{"name":"Ops"}"#);
    assert!(id.starts_with("pat_id_") && secret.starts_with("pat_"));
    assert_valid(&server, &secret, true);
    assert_valid(&server, &id, false);
    let listed = server.call("GET", "/v1/users/@me/pats", Some(&secret), "");
    assert!(!listed.text().contains(&secret) && !listed.text().contains(ADMIN));
    let pats = listed.data()["pats"].clone();
    assert_eq!((&pats[0]["name"], &pats[1]["name"]), (&"first run".into(), &"Ops".into()));
    let masked = pats[1]["pat"].as_str().unwrap();
    assert!(masked.starts_with(&secret[..8]) && masked.contains('*'), "{masked}");
    let path = format!("/v1/users/@me/pats/{id}");
    assert_eq!(server.call("DELETE", &path, Some(ADMIN), "").status, 204);
    assert_valid(&server, &secret, false);
    let again = server.call("DELETE", &path, Some(ADMIN), "");
    assert_eq!(again.failure(), (404, "token_not_found".to_owned()));
}

#[test]
fn a_logout_deletes_the_token_by_its_secret() {
    let server = Server::start();
    let (_, secret) = new_pat(&server, "");
    let path = format!("/v1/users/@me/pats/{secret}");
    assert_eq!(server.call("DELETE", &path, Some(&secret), "").status, 204);
    assert_valid(&server, &secret, false);
    assert_valid(&server, ADMIN, true);
}

/// The texts under a name in each thing of a list.
fn texts(list: &Value, name: &str) -> Vec<String> {
    list.as_array().unwrap().iter().map(|item| item[name].as_str().unwrap().to_owned()).collect()
}

/// Follows `next` through a list in steps of two, from its start; after each step, `between` is told what was met so far.
fn walk(
    server: &Server,
    (path, key, name): (&str, &str, &str),
    token: &str,
    mut between: impl FnMut(&[String]),
) -> Vec<String> {
    let (mut met, mut next, mut steps) = (Vec::new(), String::new(), 0);
    loop {
        steps += 1;
        assert!(steps < 20, "the walk does not end: {met:?}");
        let answer =
            server.call("GET", &format!("{path}?cursor={next}&pageSize=2"), Some(token), "");
        assert_eq!(answer.status, 200, "{}", answer.text());
        let step = answer.data();
        assert_eq!(step["page_size"], 2, "{step}");
        let items = texts(&step[key], name);
        assert!(items.len() <= 2, "{step}");
        met.extend(items);
        between(&met);
        let Some(cursor) = step["next"].as_str() else { return met };
        cursor.clone_into(&mut next);
    }
}

#[test]
fn a_walk_through_deliveries_meets_each_once_while_new_ones_come() {
    let server = Server::start();
    let body = r#"{"webhook_url":"http://127.0.0.1:9/","events":["channel.created"]}"#;
    let hook = server.data("POST", "/v1/projects/@this/webhooks", body)["webhook"]["id"].clone();
    let make = || server.data("POST", "/v1/channels", "{}");
    for _ in 0..5 {
        make();
    }
    let path = format!("/v1/projects/@this/webhooks/{}/deliveries", hook.as_str().unwrap());
    let whole = server.data("GET", &path, "");
    assert_eq!((&whole["page_size"], &whole["total_count"]), (&json!(75), &json!(5)));
    // By page number, each step would begin with what the last one ended with.
    let met = walk(&server, (&path, "deliveries", "id"), OWNER, |_| drop(make()));
    assert_eq!(met, texts(&whole["deliveries"], "id"));
    let size = server.data("GET", &format!("{path}?pageSize=3"), "");
    assert_eq!(texts(&size["deliveries"], "id").len(), 3, "a size alone is the first page's");
    for (query, field) in
        [("cursor=x", "cursor"), ("cursor=&page=1", "cursor"), ("orderBy=asc", "orderBy")]
    {
        let refused = server.call("GET", &format!("{path}?{query}"), Some(OWNER), "");
        assert_eq!(refused.failure(), (400, "invalid_query".to_owned()), "{query}");
        assert_eq!(refused.error()["field"], field, "{query}");
    }
}

#[test]
fn a_project_is_renamed_by_the_operator() {
    let server = Server::start();
    let path = format!("/v1/projects/{PROJECT}");
    let renamed = server.call("PATCH", &path, Some(ADMIN), r#"{"name":"Café"}"#);
    assert_eq!(renamed.data()["project"]["name"], "Café");
    assert_eq!(server.data("GET", "/v1/projects/@this", "")["project"]["name"], "Café");
    let broken = server.call("PATCH", &path, Some(ADMIN), r#"{"name":""}"#);
    assert_eq!(broken.error()["field"], "name");
    let missing = server.call("PATCH", "/v1/projects/project_x", Some(ADMIN), r#"{"name":"A"}"#);
    assert_eq!(missing.failure(), (404, "project_not_found".to_owned()));
    let nobody = server.call("PATCH", "/v1/projects/@this", Some(ADMIN), r#"{"name":"A"}"#);
    assert_eq!(nobody.failure(), (400, "project_required".to_owned()));
}

#[test]
fn a_deleted_project_takes_its_tokens_along_at_once_and_stays_away() {
    let server = Server::start();
    let (project, token) = server.new_project("Doomed");
    let leap = server.call("POST", "/v1/channels/tokens", Some(&token), "{}").data();
    let leap = leap["token"]["id"].as_str().unwrap().to_owned();
    assert_eq!(server.call("PUT", "/v1/channels/room", Some(&token), "{}").status, 200);
    let path = format!("/v1/projects/{project}");
    assert_eq!(server.call("DELETE", &path, Some(OWNER), "").status, 403);
    assert_eq!(server.call("DELETE", &path, Some(ADMIN), "").status, 204);
    assert_valid(&server, &token, false);
    for path in [format!("/v1/channels/tokens/{leap}"), "/v1/channels/room".to_owned(), path] {
        assert_eq!(server.call("GET", &path, Some(ADMIN), "").status, 404, "{path}");
    }
    // The others are as they were.
    assert_valid(&server, OWNER, true);
    let listed = server.call("GET", "/v1/projects", Some(ADMIN), "").data();
    assert_eq!(listed["projects"].as_array().unwrap().len(), 1);
    server.assert_well();
}

/// Runs `warren admin` on the server's data.
fn admin(server: &Server, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_warren"))
        .arg("admin")
        .args(words)
        .env("WARREN_DATA", server.data_folder())
        .output()
        .unwrap()
}

#[test]
fn the_command_line_makes_a_token_that_a_running_server_takes_at_once() {
    let server = Server::start();
    let made = admin(&server, &["create-token", "--name", "Shell"]);
    let text = String::from_utf8(made.stdout).unwrap();
    assert!(made.status.success(), "{text}");
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.to_owned()
    };
    let (secret, id) = (value("admin_token: "), value("id: "));
    assert_valid(&server, &secret, true);
    let listed = String::from_utf8(admin(&server, &["list-tokens"]).stdout).unwrap();
    assert!(listed.contains(&id) && listed.contains("Shell") && !listed.contains(&secret));
    assert!(admin(&server, &["delete-token", &id]).status.success());
    // The server remembers it for up to 60 s; after a restart it does not.
    assert_eq!(admin(&server, &["delete-token", &id]).status.code(), Some(1));
    server.assert_well();
}
