//! Who is in a channel (`docs/PROTOCOL.md`, Presence and stats; `docs/PROTOCOL.md`, extension `presence`).

use crate::scene::{Config, cid, create, enter_with, eventually, leave, members};
use crate::socket::Socket;
use crate::support::{OWNER, Server};
use serde_json::{Value, json};

/// The permission bits of who may read channels.
const READ_CHANNELS: u64 = 1 << 29;
/// The permission bits of who may read leap tokens.
const READ_LEAP_TOKENS: u64 = 1 << 36;

/// A server whose sessions outlive their connections by a second.
fn hasty() -> Server {
    Server::start_with(&[("WARREN_SESSION_GRACE", "1")])
}

/// A watcher with the extension that is subscribed to a channel with presence, and its cid; it is in as well.
fn watcher(server: &Server, channel: &str) -> (Socket, String) {
    let (mut socket, init) = enter_with(server.address, None, &["presence"]);
    socket.subscribe(channel);
    let state = socket.expect("PRESENCE_STATE");
    assert_eq!((&state["c"], &state["u"]), (&json!(channel), &json!(true)));
    (socket, cid(&init))
}

/// A token with this name in the part of its state that others may see.
fn named(server: &Server, name: &str) -> String {
    crate::scene::new_token(
        server,
        &json!({"state": {"public": {"name": name}, "secret": "hidden"}}),
    )
}

/// Asserts what a member looks like on the socket, and returns its id.
fn assert_member(member: &Value, data: &Value, connections: u32, token: &str) -> String {
    let keys: Vec<_> = member.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["id", "data", "connections", "since"], "{member}");
    let text = member.to_string();
    assert!(!text.contains(token) && !text.contains("hidden"), "{text}");
    assert_eq!((&member["data"], &member["connections"]), (data, &json!(connections)));
    assert!(member["since"].as_str().unwrap().ends_with('Z'), "{member}");
    let id = member["id"].as_str().unwrap();
    assert!(id.starts_with("member_") && id.len() > 20, "{id}");
    id.to_owned()
}

#[test]
fn what_a_member_shows_is_bounded() {
    let server = Server::start();
    let path = "/v1/channels/tokens";
    let body = |key: &str, bytes: usize| {
        json!({"state": {key: {"x": "x".repeat(bytes - r#"{"x":""}"#.len())}}}).to_string()
    };
    let (most, over) = (body("public", 32_768), body("public", 32_769));
    let refuses = |method: &str, path: &str| {
        let refused = server.call(method, path, Some(OWNER), &over);
        assert_eq!(refused.failure(), (413, "too_large".to_owned()), "{method}");
        let error = refused.error();
        assert_eq!((&error["limit"], &error["size"]), (&json!(32_768), &json!(32_769)));
        assert!(error["message"].as_str().unwrap().contains("`public`"), "{error}");
    };
    refuses("POST", path);
    assert_eq!(server.data("GET", path, "")["tokens"], json!([]));
    let token = server.data("POST", path, &most)["token"]["id"].as_str().unwrap().to_owned();
    let path = format!("{path}/{token}");
    refuses("PATCH", &path);
    let state = &server.data("GET", &path, "")["token"]["state"];
    assert_eq!(state["public"]["x"].as_str().unwrap().len(), 32_760);
    // What nobody is shown may be larger.
    server.data("PATCH", &path, &body("secret", 100_000));
}

#[test]
fn who_comes_and_goes_is_told_once_and_never_by_token() {
    let server = hasty();
    create(&server, "room", "unprotected", &["PRESENCE"]);
    let (mut watcher, watcher_cid) = watcher(&server, "room");
    let token = named(&server, "é");
    let (mut one, _) = Socket::enter(server.address, Some(&token));
    one.subscribe("room");
    let join = watcher.expect("PRESENCE_JOIN");
    assert_eq!((&join["c"], &join["u"]), (&json!("room"), &json!(false)));
    let id = assert_member(&join["d"]["member"], &json!({"name": "é"}), 1, &token);
    // A second connection is no second member, nor is subscribing again.
    let (two, _) = Socket::enter(server.address, Some(&token));
    one.dispatch("SUBSCRIBE", "room", &Value::Null);
    one.expect("AVAILABLE");
    crate::scene::assert_silent(&server, &mut watcher, &watcher_cid);
    assert_eq!(members(&server, "room"), 2);
    // One of two going is no leave, and neither is the last one within the grace.
    drop(one);
    leave(&server, two, &token);
    let (three, _) = Socket::enter(server.address, Some(&token));
    crate::scene::assert_silent(&server, &mut watcher, &watcher_cid);
    leave(&server, three, &token);
    assert_eq!(members(&server, "room"), 2, "a flicker makes no noise");
    let left = watcher.expect("PRESENCE_LEAVE");
    assert_eq!(assert_member(&left["d"]["member"], &json!({"name": "é"}), 0, &token), id);
    assert_eq!(members(&server, "room"), 1);
    // The same token is the same member when it is back.
    let (_four, _) = Socket::enter(server.address, Some(&token));
    assert_eq!(watcher.expect("PRESENCE_JOIN")["d"]["member"]["id"], id);
    server.assert_well();
}

#[test]
fn a_member_sees_who_is_in_when_it_subscribes_and_after_init() {
    let server = Server::start();
    create(&server, "room", "public", &["PRESENCE"]);
    let (token, other) = (named(&server, "one"), named(&server, "two"));
    let (mut one, _) = enter_with(server.address, Some(&token), &["presence"]);
    one.subscribe("room");
    let state = one.expect("PRESENCE_STATE")["d"]["members"].clone();
    assert_eq!(state.as_array().unwrap().len(), 1, "itself: {state}");
    let id = assert_member(&state[0], &json!({"name": "one"}), 1, &token);
    let (mut two, init) = enter_with(server.address, Some(&other), &["presence"]);
    two.subscribe("room");
    let state = two.expect("PRESENCE_STATE")["d"]["members"].clone();
    assert_eq!(state.as_array().unwrap().len(), 2);
    let mine = state.as_array().unwrap().iter().find(|member| member["id"] != id.as_str());
    assert_member(mine.unwrap(), &json!({"name": "two"}), 1, &other);
    crate::scene::assert_silent(&server, &mut two, &cid(&init));
    assert_eq!(one.expect("PRESENCE_JOIN")["d"]["member"]["data"], json!({"name": "two"}));
    // Another connection of a member gets the channel in INIT, then who is in.
    let (mut again, init) = enter_with(server.address, Some(&token), &["presence"]);
    assert_eq!(crate::scene::channels(&init), ["room"]);
    let state = again.expect("PRESENCE_STATE")["d"]["members"].clone();
    let me = state.as_array().unwrap().iter().find(|member| member["id"] == id.as_str());
    assert_member(me.unwrap(), &json!({"name": "one"}), 2, &token);
    server.assert_well();
}

#[test]
fn leaving_for_good_is_told_at_once() {
    let server = Server::start();
    create(&server, "room", "unprotected", &["PRESENCE"]);
    let (mut watcher, _) = watcher(&server, "room");
    let token = named(&server, "x");
    let (mut socket, _) = Socket::enter(server.address, Some(&token));
    socket.subscribe("room");
    watcher.expect("PRESENCE_JOIN");
    socket.dispatch("UNSUBSCRIBE", "room", &Value::Null);
    watcher.expect("PRESENCE_LEAVE");
    socket.subscribe("room");
    watcher.expect("PRESENCE_JOIN");
    server.done("DELETE", &format!("/v1/channels/room/subscribers/{token}"), "");
    watcher.expect("PRESENCE_LEAVE");
    // Without a token there is no grace: the session is the connection.
    let (mut anonymous, _) = Socket::enter(server.address, None);
    anonymous.subscribe("room");
    assert_eq!(watcher.expect("PRESENCE_JOIN")["d"]["member"]["data"], Value::Null);
    drop(anonymous);
    watcher.expect("PRESENCE_LEAVE");
    server.assert_well();
}

#[test]
fn a_token_that_is_subscribed_and_offline_is_not_in() {
    let server = Server::start();
    create(&server, "room", "unprotected", &["PRESENCE"]);
    let (mut watcher, watcher_cid) = watcher(&server, "room");
    let token = named(&server, "x");
    server.done("PUT", &format!("/v1/channels/room/subscribers/{token}"), "");
    crate::scene::assert_silent(&server, &mut watcher, &watcher_cid);
    assert_eq!(members(&server, "room"), 1);
    let body = json!({"tokens": [token], "ephemeral": true}).to_string();
    server.data("POST", "/v1/channels/room/subscribers", &body);
    crate::scene::assert_silent(&server, &mut watcher, &watcher_cid);
    let (_socket, _) = Socket::enter(server.address, Some(&token));
    watcher.expect("PRESENCE_JOIN");
    server.assert_well();
}

#[test]
fn the_public_part_is_the_one_that_is_in_force() {
    let server = Server::start();
    create(&server, "room", "public", &["PRESENCE"]);
    let token = named(&server, "before");
    let (mut socket, _) = Socket::enter(server.address, Some(&token));
    socket.subscribe("room");
    let change = json!({"state": {"public": {"name": "after"}, "secret": "hidden"}}).to_string();
    server.data("PATCH", &format!("/v1/channels/tokens/{token}"), &change);
    let shown = server.data("GET", "/v1/channels/room/presence", "");
    assert_eq!(shown["members"][0]["data"], json!({"name": "after"}));
    let (mut other, _) = enter_with(server.address, Some(&token), &["presence"]);
    let state = other.expect("PRESENCE_STATE");
    assert_member(&state["d"]["members"][0], &json!({"name": "after"}), 2, &token);
    server.assert_well();
}

#[test]
fn a_walk_through_members_meets_each_that_stays() {
    let server = hasty();
    create(&server, "room", "public", &["PRESENCE"]);
    let mut there = Vec::new();
    for n in 0..5 {
        let token = named(&server, &n.to_string());
        let (mut socket, _) = Socket::enter(server.address, Some(&token));
        socket.subscribe("room");
        there.push((socket, token));
    }
    let all = server.data("GET", "/v1/channels/room/presence", "")["members"].clone();
    let tokens = |members: &Value| -> Vec<String> {
        let members = members.as_array().unwrap().iter();
        members.map(|member| member["token"].as_str().unwrap().to_owned()).collect()
    };
    let (mut met, mut next) = (Vec::new(), String::new());
    for _ in 0..10 {
        let path = format!("/v1/channels/room/presence?cursor={next}&pageSize=2");
        let step = server.data("GET", &path, "");
        assert_eq!(step["page_size"], 2, "{step}");
        met.extend(tokens(&step["members"]));
        // The last one met goes, so that by page number somebody would be left out.
        let last = met.last().unwrap();
        server.done("DELETE", &format!("/v1/channels/tokens/{last}"), "");
        eventually("it has left", || {
            let left = server.data("GET", "/v1/channels/room/presence", "");
            !tokens(&left["members"]).contains(last)
        });
        let Some(cursor) = step["next"].as_str() else { break };
        cursor.clone_into(&mut next);
    }
    assert_eq!(met, tokens(&all));
    server.assert_well();
}

#[test]
fn over_http_members_are_paged_and_tokens_shown_by_permission() {
    let server = Server::start();
    create(&server, "room", "public", &["PRESENCE"]);
    let (mut sockets, mut tokens) = (Vec::new(), Vec::new());
    for n in 0..5 {
        let token = named(&server, &n.to_string());
        let (mut socket, _) = Socket::enter(server.address, Some(&token));
        socket.subscribe("room");
        sockets.push(socket);
        tokens.push(token);
    }
    let (with, without) = (
        server.new_project_token(READ_CHANNELS | READ_LEAP_TOKENS),
        server.new_project_token(READ_CHANNELS),
    );
    let page = |token: &str, query: &str| {
        let path = format!("/v1/channels/room/presence{query}");
        let data = server.call("GET", &path, Some(token), "").data();
        assert_eq!(data["count"], 5, "of all pages: {data}");
        data["members"].as_array().unwrap().clone()
    };
    let mut paged = page(&with, "?page=1&pageSize=2");
    assert_eq!(paged.len(), 2);
    paged.extend(page(&with, "?page=2&pageSize=2"));
    paged.extend(page(&with, "?page=3&pageSize=2"));
    assert_eq!(page(&with, "?page=4&pageSize=2"), [Value::Null; 0]);
    assert_eq!(paged, page(&with, ""));
    let mut shown: Vec<_> = paged.iter().map(|m| m["token"].as_str().unwrap()).collect();
    shown.sort_unstable();
    tokens.sort_unstable();
    assert_eq!(shown, tokens);
    for member in page(&without, "") {
        assert!(member.get("token").is_none() && !member.to_string().contains("hidden"));
    }
    let nothing = server.new_project_token(READ_LEAP_TOKENS);
    let refused = server.call("GET", "/v1/channels/room/presence", Some(&nothing), "");
    assert_eq!(refused.failure(), (403, "missing_permission".to_owned()));
    server.assert_well();
}

#[test]
fn without_the_capability_there_is_nothing_to_see() {
    let server = Config::limits("").start();
    create(&server, "plain", "public", &["CLIENT_PUBLISH", "CLIENT_STATE", "HISTORY"]);
    let refused = server.call("GET", "/v1/channels/plain/presence", Some(OWNER), "");
    assert_eq!(refused.failure(), (409, "missing_capability".to_owned()));
    assert!(refused.error()["message"].as_str().unwrap().contains("PRESENCE"));
    let nowhere = server.call("GET", "/v1/channels/nowhere/presence", Some(OWNER), "");
    assert_eq!(nowhere.failure(), (404, "channel_not_found".to_owned()));
    let (mut one, init) = enter_with(server.address, Some(&server.new_leap_token()), &["presence"]);
    one.subscribe("plain");
    let (mut two, _) = Socket::enter(server.address, Some(&server.new_leap_token()));
    two.subscribe("plain");
    crate::scene::assert_silent(&server, &mut one, &cid(&init));
    server.assert_well();
}

#[test]
fn plain_clients_of_hop_hear_nothing_of_it() {
    let server = hasty();
    create(&server, "room", "public", &["PRESENCE"]);
    let (mut plain, init) = Socket::enter(server.address, Some(&server.new_leap_token()));
    plain.subscribe("room");
    let token = server.new_leap_token();
    let (mut other, _) = Socket::enter(server.address, Some(&token));
    other.subscribe("room");
    leave(&server, other, &token);
    eventually("the other one has left", || members(&server, "room") == 1);
    assert!(crate::scene::hears(&server, &mut plain, &cid(&init), "room"));
    server.assert_well();
}

#[test]
fn those_who_watch_see_changes_of_public_data_and_of_the_capability() {
    let server = Server::start();
    create(&server, "room", "unprotected", &[]);
    let (mut watcher, init) = enter_with(server.address, None, &["presence"]);
    watcher.subscribe("room");
    let token = named(&server, "before");
    let (mut socket, _) = Socket::enter(server.address, Some(&token));
    socket.subscribe("room");
    crate::scene::assert_silent(&server, &mut watcher, &cid(&init));
    server.data("PATCH", "/v1/channels/room", r#"{"capabilities":["PRESENCE"]}"#);
    let state = watcher.expect("PRESENCE_STATE")["d"].clone();
    assert_eq!((&state["from"], &state["count"]), (&json!(0), &json!(2)));
    let change = json!({"state": {"public": {"name": "after"}, "secret": "hidden"}}).to_string();
    server.data("PATCH", &format!("/v1/channels/tokens/{token}"), &change);
    let update = watcher.expect("PRESENCE_UPDATE");
    assert_member(&update["d"]["member"], &json!({"name": "after"}), 1, &token);
    // What others do not see is nothing to tell.
    let change = json!({"state": {"public": {"name": "after"}, "secret": "x"}}).to_string();
    server.data("PATCH", &format!("/v1/channels/tokens/{token}"), &change);
    crate::scene::assert_silent(&server, &mut watcher, &cid(&init));
    server.assert_well();
}

#[test]
fn many_members_with_much_data_close_nobody() {
    let server = Server::start();
    let (mut sockets, rooms) = (Vec::new(), ["one", "two"]);
    for room in rooms {
        create(&server, room, "public", &["PRESENCE"]);
    }
    for _ in 0..30 {
        let state = json!({"state": {"public": {"x": "x".repeat(20_000)}}, "channels": rooms});
        let token = crate::scene::new_token(&server, &state);
        sockets.push(Socket::enter(server.address, Some(&token)).0);
    }
    let token = crate::scene::new_token(&server, &json!({"channels": rooms}));
    for _ in 0..3 {
        let (mut socket, _) = enter_with(server.address, Some(&token), &["presence"]);
        let mut seen = [0, 0];
        while seen != [31, 31] {
            let piece = socket.expect("PRESENCE_STATE");
            let at = rooms.iter().position(|room| piece["c"] == *room).unwrap();
            assert_eq!((&piece["d"]["from"], &piece["d"]["count"]), (&json!(seen[at]), &json!(31)));
            seen[at] += piece["d"]["members"].as_array().unwrap().len();
        }
    }
    server.assert_well();
}
