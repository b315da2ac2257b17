//! Live connections: message one, list them, end one (`docs/PROTOCOL.md`, HTTP).

use crate::scene::{cid, create, eventually, leave};
use crate::socket::{Received, Socket};
use crate::support::{OWNER, Server};
use serde_json::{Value, json};

/// A connection's path.
fn path(cid: &str) -> String {
    format!("/v1/channels/connections/{cid}")
}

/// Asserts that a connection id names nothing, in both ways to use one.
fn assert_unknown(server: &Server, owner: &str, cid: &str) {
    let body = r#"{"e":"x","d":null}"#;
    for answer in [
        server.call("POST", &format!("{}/messages", path(cid)), Some(owner), body),
        server.call("DELETE", &path(cid), Some(owner), ""),
    ] {
        assert_eq!(answer.failure(), (404, "connection_not_found".to_owned()), "{cid}");
    }
}

/// The public ids that a list shows, in its order.
fn listed(server: &Server, path: &str) -> Vec<String> {
    let data = server.data("GET", path, "");
    let connections = data["connections"].as_array().unwrap().iter();
    connections.map(|connection| connection["cid"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_message_by_cid_reaches_that_connection_alone() {
    let server = Server::start();
    let token = server.new_leap_token();
    let (mut one, first) = Socket::enter(server.address, Some(&token));
    let (mut two, second) = Socket::enter(server.address, Some(&token));
    let (mut anonymous, third) = Socket::enter(server.address, None);
    let data = json!({"big": 9_007_199_254_740_993_u64, "text": "é\u{0}"});
    for (socket, init) in [(&mut one, &first), (&mut anonymous, &third)] {
        let body = json!({"e": "for you", "d": data}).to_string();
        server.done("POST", &format!("{}/messages", path(&cid(init))), &body);
        let expected = json!({"c": null, "u": true, "e": "DIRECT_MESSAGE",
            "d": {"e": "for you", "d": data}});
        assert_eq!(socket.next(), expected);
    }
    crate::scene::assert_silent(&server, &mut two, &cid(&second));
    server.assert_well();
}

/// Walks through a list of connections in steps of two and ends the last of each step; asserts that nobody was left out.
fn assert_walk(server: &Server, list: &str, expected: &[String]) {
    let (mut met, mut next) = (Vec::new(), String::new());
    for _ in 0..10 {
        let step = server.data("GET", &format!("{list}?cursor={next}&pageSize=2"), "");
        assert_eq!(step["page_size"], 2, "{step}");
        let connections = step["connections"].as_array().unwrap();
        assert!(connections.len() <= 2, "{step}");
        met.extend(connections.iter().map(|one| one["cid"].as_str().unwrap().to_owned()));
        let last = met.last().unwrap();
        server.done("DELETE", &path(last), "");
        eventually("it has gone", || !listed(server, list).contains(last));
        let Some(cursor) = step["next"].as_str() else { break };
        cursor.clone_into(&mut next);
    }
    assert_eq!(met, expected);
}

#[test]
fn connections_are_paged_and_walked_through_while_they_end() {
    let server = Server::start();
    create(&server, "room", "public", &[]);
    let token = server.new_leap_token();
    let (mut sockets, mut cids) = (Vec::new(), Vec::new());
    for number in 0..5 {
        let (mut socket, init) = Socket::enter(server.address, Some(&token));
        if number == 0 {
            socket.subscribe("room");
        }
        cids.push(cid(&init));
        sockets.push(socket);
    }
    let lists = [
        format!("/v1/channels/tokens/{token}/connections"),
        "/v1/channels/room/connections".into(),
    ];
    for list in &lists {
        assert_eq!(listed(&server, list), cids, "oldest first");
        let mut paged = Vec::new();
        for page in 1..=4 {
            let data = server.data("GET", &format!("{list}?page={page}&pageSize=2"), "");
            assert_eq!(
                (&data["page_size"], &data["total_count"]),
                (&json!(2), &json!(5)),
                "{data}"
            );
            paged.extend(listed(&server, &format!("{list}?page={page}&pageSize=2")));
        }
        assert_eq!(paged, cids);
    }
    assert_walk(&server, &lists[1], &cids);
    assert_eq!(listed(&server, &lists[0]), [cids[0].clone(), cids[2].clone()]);
    for _ in 0..3 {
        let (socket, init) = Socket::enter(server.address, Some(&token));
        cids.push(cid(&init));
        sockets.push(socket);
    }
    let left = [0, 2, 5, 6, 7].map(|at: usize| cids[at].clone());
    assert_walk(&server, &lists[0], &left);
    server.assert_well();
}

#[test]
fn an_unknown_foreign_or_malformed_cid_is_not_found() {
    let server = Server::start();
    let (_, stranger) = server.new_project("other");
    let token = server.new_leap_token();
    let (mut socket, init) = Socket::enter(server.address, Some(&token));
    let cid = cid(&init);
    assert_unknown(&server, &stranger, &cid);
    let (fanout, rest) = cid.split_once('-').unwrap();
    let (number, nonce) = rest.split_once('-').unwrap();
    for wrong in [
        format!("{fanout}-{number}-0000000000000000"),
        format!("{fanout}-{number}"),
        format!("{fanout}-ffff-{nonce}"),
        format!("ffff-{number}-{nonce}"),
        format!("{cid}0"),
        format!("{fanout}-+{number}-{nonce}"),
        cid.to_uppercase() + "X",
        "-".to_owned(),
        "--".to_owned(),
        "x".to_owned(),
        "%20".to_owned(),
        "ffffffffffffffffffff-1-1".to_owned(),
        token.clone(),
        "%E2%98%83".to_owned(),
        "x".repeat(5000),
    ] {
        assert_unknown(&server, OWNER, &wrong);
    }
    crate::scene::assert_silent(&server, &mut socket, &cid);
    leave(&server, socket, &token);
    assert_unknown(&server, OWNER, &cid);
    let unidentified = Socket::open(server.address);
    assert_unknown(&server, OWNER, &cid);
    drop(unidentified);
    server.assert_well();
}

#[test]
fn connections_are_listed_by_token_and_by_channel() {
    let server = Server::start();
    create(&server, "room", "unprotected", &[]);
    create(&server, "hall", "unprotected", &[]);
    let token = server.new_leap_token();
    let of_token = format!("/v1/channels/tokens/{token}/connections");
    assert_eq!(listed(&server, &of_token), [""; 0]);
    assert_eq!(listed(&server, "/v1/channels/room/connections"), [""; 0]);
    let (mut one, first) = Socket::enter(server.address, Some(&token));
    one.subscribe("room");
    one.subscribe("hall");
    let (_two, second) = Socket::enter(server.address, Some(&token));
    let (mut anonymous, third) = Socket::enter(server.address, None);
    anonymous.subscribe("hall");
    let both = {
        let mut both = vec![cid(&first), cid(&second)];
        // Those that came in the same millisecond are in the order of their ids.
        let shown = listed(&server, &of_token);
        both.sort_by_key(|cid| shown.iter().position(|known| known == cid));
        assert_eq!(shown, both);
        both
    };
    assert_eq!(listed(&server, "/v1/channels/room/connections").len(), both.len());
    assert!(listed(&server, "/v1/channels/hall/connections").contains(&cid(&third)));
    assert_eq!(listed(&server, "/v1/channels/hall/connections").len(), 3);
    let data = server.data("GET", &of_token, "");
    for connection in data["connections"].as_array().unwrap() {
        let keys: Vec<_> = connection.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            keys,
            ["cid", "transport", "since", "address", "user_agent", "queue_bytes", "channels"],
            "{connection}"
        );
        assert_eq!(connection["address"], "127.0.0.1");
        assert_eq!(connection["user_agent"], Value::Null);
        assert_eq!(connection["queue_bytes"], 0);
        let mut channels: Vec<_> = connection["channels"].as_array().unwrap().clone();
        channels.sort_by_key(ToString::to_string);
        assert_eq!(channels, ["hall", "room"]);
    }
    for path in ["/v1/channels/nowhere/connections", "/v1/channels/tokens/nobody/connections"] {
        assert_eq!(server.call("GET", path, Some(OWNER), "").status, 404, "{path}");
    }
    let (_, stranger) = server.new_project("other");
    let foreign = server.call("GET", &of_token, Some(&stranger), "");
    assert_eq!(foreign.failure(), (404, "token_not_found".to_owned()));
    server.assert_well();
}

#[test]
fn a_user_agent_is_shown_and_cut() {
    let server = Server::start();
    let token = server.new_leap_token();
    let agent = "a".repeat(200);
    let mut socket = Socket::upgraded_with(server.address, &format!("User-Agent: {agent}\r\n"));
    assert!(matches!(socket.receive(), Received::Text(_)));
    socket.identify(Some(&token));
    socket.expect("INIT");
    let data = server.data("GET", &format!("/v1/channels/tokens/{token}/connections"), "");
    assert_eq!(data["connections"][0]["user_agent"], agent[..128]);
    server.assert_well();
}

#[test]
fn an_ended_connection_hears_4000_and_its_session_goes_on() {
    let server = Server::start();
    create(&server, "room", "public", &[]);
    let token = server.new_leap_token();
    let (mut one, first) = Socket::enter(server.address, Some(&token));
    let (mut two, second) = Socket::enter(server.address, Some(&token));
    one.subscribe("room");
    two.expect("AVAILABLE");
    server.done("DELETE", &path(&cid(&first)), "");
    assert_eq!(one.expect_close(), (4000, "closed by the operator".to_owned()));
    let of_token = format!("/v1/channels/tokens/{token}/connections");
    eventually("one is left", || listed(&server, &of_token) == [cid(&second)]);
    assert_unknown(&server, OWNER, &cid(&first));
    assert!(crate::scene::hears(&server, &mut two, &cid(&second), "room"));
    let (_back, init) = Socket::enter(server.address, Some(&token));
    assert_eq!(init["connection_count"], 2);
    server.assert_well();
}

#[test]
fn permissions_are_kept() {
    let server = Server::start();
    let token = server.new_leap_token();
    let (mut socket, init) = Socket::enter(server.address, Some(&token));
    let cid = cid(&init);
    let nothing = server.new_project_token(1 << 15);
    let body = r#"{"e":"x","d":null}"#;
    for (method, path, body) in [
        ("POST", format!("{}/messages", path(&cid)), body),
        ("DELETE", path(&cid), ""),
        ("GET", format!("/v1/channels/tokens/{token}/connections"), ""),
        ("GET", "/v1/channels/room/connections".to_owned(), ""),
    ] {
        let refused = server.call(method, &path, Some(&nothing), body);
        assert_eq!(refused.failure(), (403, "missing_permission".to_owned()), "{path}");
        assert_eq!(server.call(method, &path, None, body).failure().0, 401, "{path}");
    }
    crate::scene::assert_silent(&server, &mut socket, &cid);
    server.assert_well();
}

#[test]
fn a_channel_that_is_deleted_under_patches_is_gone_for_everybody() {
    let server = Server::start();
    let (mut socket, init) = Socket::enter(server.address, None);
    for round in 0..60 {
        create(&server, "room", "unprotected", &[]);
        socket.subscribe("room");
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let server = &server;
                scope.spawn(move || {
                    for n in 0.. {
                        let body = json!({"writer": writer, "n": n}).to_string();
                        let path = "/v1/channels/room/state";
                        let patched = server.call("PATCH", path, Some(OWNER), &body);
                        if patched.status != 200 {
                            let refused = (404, "channel_not_found".to_owned());
                            assert_eq!(patched.failure(), refused, "round {round}");
                            return;
                        }
                    }
                });
            }
            while socket.next()["e"] != "STATE_UPDATE" {}
            server.done("DELETE", "/v1/channels/room", "");
        });
        while socket.next()["e"] != "UNAVAILABLE" {}
    }
    create(&server, "other", "unprotected", &[]);
    socket.subscribe("other");
    let listed = server.data("GET", "/v1/channels/other/connections", "");
    assert_eq!(listed["connections"][0]["cid"], cid(&init));
    assert_eq!(listed["connections"][0]["channels"], json!(["other"]), "rooms were left behind");
    server.assert_well();
}
