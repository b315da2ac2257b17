//! The operator's part of the API: admin tokens, renaming and deleting projects, and `warren admin` beside a server.

use crate::support::database;
use crate::support::start::program;
use crate::support::{ADMIN, OWNER, PROJECT, Server};
use serde_json::{Value, json};
use std::process::Output;

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
fn the_settings_in_force_are_the_operators_to_see_without_their_secrets() {
    let server = Server::start();
    assert_eq!(server.call("GET", "/v1/settings", Some(OWNER), "").status, 403);
    let shown = server.call("GET", "/v1/settings", Some(ADMIN), "");
    let settings = shown.data()["settings"].clone();
    assert_eq!(settings["project"], PROJECT);
    assert_eq!(
        (&settings["admin-token"], &settings["project-token"]),
        (&"(hidden)".into(), &"(hidden)".into())
    );
    assert!(settings["limits.state-bytes"].is_u64() && settings["listen"].is_array(), "{settings}");
    assert!(!shown.text().contains(ADMIN) && !shown.text().contains(OWNER));
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

/// Asserts that the pages of a list are its parts, and that what it does not know is refused by name.
fn assert_pages(
    server: &Server,
    (path, key, name): (&str, &str, &str),
    token: &str,
    all: &[String],
) {
    let get = |query: &str| server.call("GET", &format!("{path}{query}"), Some(token), "");
    assert_eq!(texts(&get("").data()[key], name), all);
    let mut paged = Vec::new();
    for number in 1..=all.len() {
        let page = get(&format!("?page={number}&pageSize=2")).data();
        let counts = (&page["page_size"], &page["total_count"]);
        assert_eq!(counts, (&json!(2), &json!(all.len())), "{page}");
        let items = texts(&page[key], name);
        assert!(items.len() <= 2, "{page}");
        paged.extend(items);
    }
    assert_eq!(paged, all);
    for (query, field) in [
        ("?page=0", "page"),
        ("?pageSize=1001", "pageSize"),
        ("?cursor=x", "cursor"),
        ("?cursor=&page=1", "cursor"),
        ("?page=1&sortBy=id", "sortBy"),
        ("?page=1&orderBy=desc", "orderBy"),
    ] {
        let refused = get(query);
        assert_eq!(refused.failure(), (400, "invalid_query".to_owned()), "{path}{query}");
        assert_eq!(refused.error()["field"], field, "{path}{query}");
    }
}

/// Asserts that a list has pages, and that a walk through it meets everything though the last thing of each step is
/// deleted, by its id below `delete`.
fn assert_listed(
    server: &Server,
    list: (&str, &str, &str),
    delete: &str,
    token: &str,
    all: &[String],
) {
    assert_pages(server, list, token, all);
    let met = walk(server, list, token, |met| {
        let last = format!("{delete}/{}", met.last().unwrap());
        assert_eq!(server.call("DELETE", &last, Some(token), "").status, 204, "{last}");
    });
    assert_eq!(met, all);
    let left = texts(&server.call("GET", list.0, Some(token), "").data()[list.1], list.2);
    let stay = all.iter().enumerate().filter(|(at, _)| at % 2 == 0 && at + 1 < all.len());
    assert_eq!(left, stay.map(|(_, id)| id.clone()).collect::<Vec<_>>());
}

/// The ids of a list as it is.
fn now(server: &Server, path: &str, key: &str, token: &str) -> Vec<String> {
    texts(&server.call("GET", path, Some(token), "").data()[key], "id")
}

#[test]
fn a_walk_through_projects_meets_each_that_stays() {
    let server = Server::start();
    for name in ["a", "b", "c", "d"] {
        server.new_project(name);
    }
    let path = "/v1/projects";
    let all = now(&server, path, "projects", ADMIN);
    assert_eq!(all.len(), 5);
    assert_listed(&server, (path, "projects", "id"), path, ADMIN, &all);
}

#[test]
fn a_walk_through_project_tokens_meets_each_that_stays() {
    let server = Server::start();
    let (_, owner) = server.new_project("other");
    let path = "/v1/projects/@this/tokens";
    for _ in 0..5 {
        let made = server.call("POST", path, Some(&owner), r#"{"flags":0}"#);
        assert_eq!(made.status, 200, "{}", made.text());
    }
    let all = now(&server, path, "project_tokens", &owner);
    assert_eq!(all.len(), 6);
    assert_pages(&server, (path, "project_tokens", "id"), &owner, &all);
    // The first is the one that asks: what goes is the last of each step, and no step has one thing only.
    let met = walk(&server, (path, "project_tokens", "id"), &owner, |met| {
        let last = format!("{path}/{}", met.last().unwrap());
        assert_eq!(server.call("DELETE", &last, Some(&owner), "").status, 204, "{last}");
    });
    assert_eq!(met, all);
}

#[test]
fn a_walk_through_admin_tokens_meets_each_that_stays() {
    let server = Server::start();
    for _ in 0..4 {
        new_pat(&server, "");
    }
    let path = "/v1/users/@me/pats";
    let all = now(&server, path, "pats", ADMIN);
    assert_eq!(all.len(), 5);
    assert_listed(&server, (path, "pats", "id"), path, ADMIN, &all);
}

#[test]
fn a_walk_through_webhooks_meets_each_that_stays() {
    let server = Server::start();
    let path = "/v1/projects/@this/webhooks";
    for _ in 0..5 {
        let body = r#"{"webhook_url":"http://127.0.0.1:9/","events":["channel.created"]}"#;
        server.data("POST", path, body);
    }
    let all = now(&server, path, "webhooks", OWNER);
    assert_eq!(all.len(), 5);
    assert_listed(&server, (path, "webhooks", "id"), path, OWNER, &all);
}

#[test]
fn the_one_member_has_a_page_of_its_own() {
    let server = Server::start();
    let path = "/v1/projects/@this/members";
    let all = now(&server, path, "members", OWNER);
    assert_eq!(all.len(), 1);
    assert_pages(&server, (path, "members", "id"), OWNER, &all);
    assert_eq!(walk(&server, (path, "members", "id"), OWNER, |_| ()), all);
}

#[test]
fn a_log_in_is_shown_all_projects_in_pieces() {
    let server = Server::start();
    for number in 0..501 {
        server.new_project(&format!("p{number}"));
    }
    let me = server.call("GET", "/v1/users/@me", Some(ADMIN), "");
    assert_eq!(me.header("content-length"), None, "pieces are not waited for");
    let me = me.data();
    let projects = texts(&me["projects"], "id");
    assert_eq!(projects, now(&server, "/v1/projects", "projects", ADMIN));
    assert_eq!(projects.len(), 502);
    let roles = me["project_member_role_map"].as_object().unwrap();
    assert_eq!(roles.len(), 502);
    for id in &projects {
        assert!(roles[id]["flags"].is_string(), "{id}");
    }
    assert_eq!(me["user"]["created_at"], me["projects"][0]["created_at"]);
    assert!(me["leap_token"].is_string());
    let own = server.data("GET", "/v1/users/@me", "");
    assert_eq!(texts(&own["projects"], "id"), [PROJECT]);
    assert_eq!(own["project_member_role_map"].as_object().unwrap().len(), 1);
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
    let data = server.data_folder();
    let database = database::setting(data.parent().unwrap());
    program().arg("admin").args(words).env("WARREN_DATA", data).envs(database).output().unwrap()
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
