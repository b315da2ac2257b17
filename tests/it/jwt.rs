//! JSON Web Tokens in the place of leap tokens (`docs/JWT.md`).

mod issuer;
mod key_sets;
mod refusals;
mod revoking;

use crate::scene::{channels, cid, create, enter_with, hears, publish, subscriptions};
use crate::socket::Socket;
use crate::support::{ADMIN, OWNER, PROJECT, Server};
pub use issuer::{Issuer, claims, now};
use serde_json::{Value, json};
use warren_client::{Client, Event};

/// Every algorithm that there is.
const ALGORITHMS: [&str; 12] = [
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256",
    "ES384", "EdDSA",
];

/// Lets the first project take tokens under a key; returns the key's id.
pub fn add_key(server: &Server, key: &Value) -> String {
    let added = server.data("POST", "/v1/projects/@this/jwt/keys", &key.to_string());
    added["key"]["id"].as_str().unwrap().to_owned()
}

/// An issuer whose tokens a server's first project takes.
pub fn issuer_of(server: &Server) -> Issuer {
    let issuer = Issuer::new("HS256", None);
    add_key(server, &issuer.key());
    issuer
}

/// How a connection that comes with this token is closed.
fn refused(server: &Server, token: &str) -> (u16, String) {
    let mut socket = Socket::open(server.address);
    socket.identify(Some(token));
    socket.expect_close()
}

/// The leap token of a subject that has been there.
fn token_of(server: &Server, subject: &str) -> Option<Value> {
    let listed = server.data("GET", "/v1/channels/tokens", "");
    let mut all = listed["tokens"].as_array().unwrap().iter();
    all.find(|token| token["subject"] == subject).cloned()
}

/// A counter of `/metrics`.
fn counted(server: &Server, name: &str) -> u64 {
    let text = server.call("GET", "/metrics", Some(ADMIN), "").text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("0");
    line.trim().parse().unwrap()
}

/// Sends `REFRESH_TOKEN` and returns the answer: ACK or ERROR, and its data.
fn refresh(socket: &mut Socket, token: &str) -> (String, Value) {
    let d = json!({"e": "REFRESH_TOKEN", "c": null, "d": {"token": token}});
    socket.send(&json!({"op": 0, "ref": "r", "d": d}));
    let answer = socket.next_of(&["ACK", "ERROR"]);
    (answer["e"].as_str().unwrap().to_owned(), answer["d"].clone())
}

#[test]
fn tokens_of_every_algorithm_let_their_subjects_in() {
    let server = Server::start();
    for algorithm in ALGORITHMS {
        let issuer = Issuer::new(algorithm, None);
        add_key(&server, &issuer.key());
        let token = issuer.token(&claims(algorithm, 60.0, json!({})));
        let (_, init) = Socket::enter(server.address, Some(&token));
        assert_eq!(init["scope"], "token", "{algorithm}");
    }
    // Nothing of a secret is ever shown again.
    let keys = server.data("GET", "/v1/projects/@this/jwt/keys", "");
    assert_eq!(keys["keys"].as_array().unwrap().len(), ALGORITHMS.len());
    for key in keys["keys"].as_array().unwrap() {
        let is_public = key["kind"] == "public_key";
        assert_eq!(key["public_key"].is_string(), is_public, "{key}");
        assert!(key.get("secret").is_none(), "{key}");
    }
    server.assert_well();
}

#[test]
fn a_subject_is_what_a_leap_token_is() {
    let server = Server::start();
    let issuer = issuer_of(&server);
    create(&server, "kept", "private", &[]);
    create(&server, "while-here", "private", &["PRESENCE"]);
    create(&server, "asked", "public", &[]);
    let channel_claims =
        json!(["kept", {"id": "while-here", "ephemeral": true}, "never-made", "kept"]);
    let state = json!({"public": {"name": "Anna"}, "n": 1});
    let more = json!({"channels": channel_claims, "state": state});
    let token = issuer.token(&claims("anna|1/é", 60.0, more));
    let (mut socket, init) = Socket::enter(server.address, Some(&token));
    assert_eq!((&init["scope"], &init["metadata"]), (&json!("token"), &state));
    assert_eq!(channels(&init), ["kept", "while-here"]);
    socket.subscribe("asked");
    // It is listed, and its state, subscriptions, connections and messages are those of any leap token.
    let listed = token_of(&server, "anna|1/é").unwrap();
    assert_eq!((&listed["state"], &listed["is_online"]), (&state, &json!(true)));
    assert_eq!(listed["expires_at"], Value::Null);
    let id = listed["id"].as_str().unwrap();
    assert_eq!(subscriptions(&server, id), ["kept", "asked"]);
    let presence = server.data("GET", "/v1/channels/while-here/presence", "");
    assert_eq!(presence["members"][0]["data"], json!({"name": "Anna"}));
    let body = json!({"e": "HELLO", "d": 1}).to_string();
    server.done("POST", &format!("/v1/channels/tokens/{id}/messages"), &body);
    assert_eq!(socket.expect("DIRECT_MESSAGE")["d"]["e"], "HELLO");
    // A second connection is in the same session, whatever token of the subject it has; the channels stay.
    let second = issuer.token(&claims("anna|1/é", 60.0, json!({})));
    let (_second, init) = Socket::enter(server.address, Some(&second));
    assert_eq!((&init["connection_count"], &init["metadata"]), (&json!(2), &state));
    assert_eq!(channels(&init), ["kept", "while-here", "asked"]);
    // Another subject is another session.
    let other = issuer.token(&claims("bob", 60.0, json!({})));
    let (_other, init) = Socket::enter(server.address, Some(&other));
    assert_eq!((&init["connection_count"], &init["metadata"]), (&json!(1), &json!({})));
    // Deleting the leap token ends the connections and forgets; the next token makes it anew.
    server.done("DELETE", &format!("/v1/channels/tokens/{id}"), "");
    assert_eq!(socket.expect_close(), (4001, "the token was deleted".to_owned()));
    let (_, init) = Socket::enter(server.address, Some(&second));
    assert_eq!((channels(&init), &init["metadata"]), (Vec::new(), &json!({})));
    server.assert_well();
}

#[test]
fn the_state_of_the_last_token_stands_and_none_leaves_it() {
    let server = Server::start();
    let issuer = issuer_of(&server);
    let with = |more: Value| issuer.token(&claims("anna", 60.0, more));
    let (mut socket, _) =
        enter_with(server.address, Some(&with(json!({"state": {"n": 1}}))), &["token_state"]);
    let (_, init) = Socket::enter(server.address, Some(&with(json!({"state": {"n": 2}}))));
    assert_eq!(init["metadata"], json!({"n": 2}));
    assert_eq!(socket.expect("TOKEN_STATE_UPDATE")["d"]["state"], json!({"n": 2}));
    let (_, init) = Socket::enter(server.address, Some(&with(json!({}))));
    assert_eq!(init["metadata"], json!({"n": 2}));
    server.assert_well();
}

#[test]
fn what_stands_for_a_subject_is_no_secret() {
    let server = Server::start();
    let issuer = issuer_of(&server);
    let (_socket, _) =
        Socket::enter(server.address, Some(&issuer.token(&claims("anna", 60.0, json!({})))));
    let id = token_of(&server, "anna").unwrap()["id"].as_str().unwrap().to_owned();
    assert_eq!(refused(&server, &id), (4001, "invalid token".to_owned()));
    server.assert_well();
}

#[test]
fn a_connection_ends_with_its_token_and_no_other_does() {
    let server = Server::start();
    let issuer = issuer_of(&server);
    let token = |seconds: f64| issuer.token(&claims("anna", seconds, json!({})));
    let expiry = now() + 2.0;
    let (mut official, _) = Socket::enter(server.address, Some(&token(2.0)));
    let (mut ours, _) = enter_with(server.address, Some(&token(2.0)), &["refresh"]);
    let (mut stays, init) = Socket::enter(server.address, Some(&token(60.0)));
    // Clients of Hop come back at once after any code but 4001, with the same token.
    for (socket, code) in [(&mut official, 4001), (&mut ours, 4011)] {
        assert_eq!(socket.close_frame(), (code, "the token has expired".to_owned()));
        let late = now() - expiry;
        assert!((0.0..1.0).contains(&late), "{late} s after its time");
    }
    create(&server, "open", "unprotected", &[]);
    stays.subscribe("open");
    assert!(hears(&server, &mut stays, &cid(&init), "open"));
    server.assert_well();
}

#[test]
fn a_newer_token_keeps_a_connection() {
    let server = Server::start();
    let issuer = issuer_of(&server);
    create(&server, "later", "private", &[]);
    let token = |seconds: f64, more: Value| issuer.token(&claims("anna", seconds, more));
    let first = token(4.0, json!({}));
    let (mut socket, init) = enter_with(server.address, Some(&first), &["refresh", "errors"]);
    // What is wrong with a token costs the answer alone.
    let other = issuer.token(&claims("bob", 60.0, json!({})));
    let broken = format!("{first}=");
    let signed_by_another = Issuer::new("HS256", None).token(&claims("anna", 60.0, json!({})));
    for (wrong, why) in [
        (other.as_str(), "the token is of another subject"),
        (broken.as_str(), "not a JSON Web Token"),
        (signed_by_another.as_str(), "the token's signature is wrong"),
        (&token(-1.0, json!({})), "the token has expired"),
        ("leap_token_x", "not a JSON Web Token"),
    ] {
        let (event, data) = refresh(&mut socket, wrong);
        assert_eq!((event.as_str(), &data["code"]), ("ERROR", &json!("invalid_token")), "{wrong}");
        assert_eq!(data["message"], why);
    }
    // The newer one is what counts: its time, its channels, its state.
    let newer = token(7.0, json!({"channels": ["later"], "state": {"n": 5}}));
    let expiry = now() + 7.0;
    let (event, _) = refresh(&mut socket, &newer);
    assert_eq!(event, "ACK");
    assert!(hears(&server, &mut socket, &cid(&init), "later"));
    assert_eq!(token_of(&server, "anna").unwrap()["state"], json!({"n": 5}));
    assert_eq!(socket.close_frame().0, 4011);
    let late = now() - expiry;
    assert!((0.0..1.0).contains(&late), "{late} s after the newer one's time");
    server.assert_well();
}

#[test]
fn only_who_came_with_such_a_token_and_knows_how_may_refresh() {
    let server = Server::start();
    let issuer = issuer_of(&server);
    let token = issuer.token(&claims("anna", 60.0, json!({})));
    let leap = server.new_leap_token();
    let cases: [(Option<&str>, &[&str], &str); 4] = [
        (Some(&token), &["errors"], "missing_extension"),
        (Some(&leap), &["errors", "refresh"], "invalid_token"),
        (Some(OWNER), &["errors", "refresh"], "invalid_token"),
        (None, &["errors", "refresh"], "invalid_token"),
    ];
    for (with, ext, code) in cases {
        let (mut socket, _) = enter_with(server.address, with, ext);
        let (event, data) = refresh(&mut socket, &token);
        assert_eq!((event.as_str(), &data["code"]), ("ERROR", &json!(code)), "{with:?}");
    }
    server.assert_well();
}

#[test]
fn a_rotated_key_drops_no_connection() {
    let server = Server::start();
    create(&server, "open", "unprotected", &[]);
    let (old, new) = (Issuer::new("ES256", Some("old")), Issuer::new("ES256", Some("new")));
    let old_key = add_key(&server, &old.key());
    let token = |issuer: &Issuer, subject: &str| issuer.token(&claims(subject, 60.0, json!({})));
    let mut held = Vec::new();
    for n in 0..20 {
        let with = token(&old, &format!("s{n}"));
        let (mut socket, _) = Socket::enter(server.address, Some(&with));
        socket.subscribe("open");
        held.push(socket);
    }
    // First the new key beside the old one, then the old one goes.
    add_key(&server, &new.key());
    drop(Socket::enter(server.address, Some(&token(&new, "a"))));
    drop(Socket::enter(server.address, Some(&token(&old, "b"))));
    server.done("DELETE", &format!("/v1/projects/@this/jwt/keys/{old_key}"), "");
    publish(&server, "open", "STILL", &json!(1));
    for socket in &mut held {
        assert_eq!(socket.expect("MESSAGE")["d"]["e"], "STILL");
    }
    let (code, why) = refused(&server, &token(&old, "c"));
    assert_eq!((code, why.as_str()), (4001, "no key of this project fits the token"));
    drop(Socket::enter(server.address, Some(&token(&new, "c"))));
    server.assert_well();
}

#[test]
fn a_key_is_of_its_project_alone() {
    let server = Server::start();
    let issuer = issuer_of(&server);
    let (project, owner) = server.new_project("Other");
    let token = issuer.token(&claims("anna", 60.0, json!({})));
    let mut socket = Socket::open(server.address);
    socket.send(&json!({"op": 2, "d": {"project_id": project, "token": token}}));
    let (code, why) = socket.expect_close();
    assert_eq!((code, why.as_str()), (4001, "no key of this project fits the token"));
    let keys = server.call("GET", "/v1/projects/@this/jwt/keys", Some(&owner), "");
    assert_eq!(keys.data()["keys"], json!([]));
    let path = format!("/v1/projects/{PROJECT}/jwt/keys");
    assert!(server.call("GET", &path, Some(&owner), "").status >= 400);
    server.assert_well();
}

#[test]
fn sixteen_keys_are_the_most() {
    let server = Server::start();
    let keys: Vec<_> =
        (0..16).map(|_| add_key(&server, &Issuer::new("HS256", None).key())).collect();
    let one_more = Issuer::new("HS256", None).key().to_string();
    let answer = server.call("POST", "/v1/projects/@this/jwt/keys", Some(OWNER), &one_more);
    assert_eq!(answer.failure(), (409, "limit_reached".to_owned()));
    server.done("DELETE", &format!("/v1/projects/@this/jwt/keys/{}", keys[0]), "");
    let again =
        server.call("DELETE", &format!("/v1/projects/@this/jwt/keys/{}", keys[0]), Some(OWNER), "");
    assert_eq!(again.failure(), (404, "key_not_found".to_owned()));
    add_key(&server, &Issuer::new("HS256", None).key());
    server.assert_well();
}

#[test]
fn many_connections_of_a_new_subject_at_once_are_one_session() {
    let server = Server::start();
    let issuer = issuer_of(&server);
    let token = issuer.token(&claims("anna", 60.0, json!({"state": {"n": 1}})));
    let mut sockets: Vec<Socket> = (0..20).map(|_| Socket::open(server.address)).collect();
    for socket in &mut sockets {
        socket.identify(Some(&token));
    }
    let count = |socket: &mut Socket| socket.expect("INIT")["d"]["connection_count"].as_u64();
    let mut counts: Vec<u64> = sockets.iter_mut().map(|socket| count(socket).unwrap()).collect();
    counts.sort_unstable();
    assert_eq!(counts.last(), Some(&20));
    server.assert_well();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn warrens_own_client_goes_on_with_a_newer_token() {
    let server = Server::start();
    create(&server, "open", "unprotected", &["CLIENT_PUBLISH"]);
    let issuer = issuer_of(&server);
    let token = |seconds: f64| issuer.token(&claims("anna", seconds, json!({})));
    let first = token(3.0);
    let builder = Client::builder(format!("http://{}", server.address), PROJECT);
    let client = builder.token(&first).connect().await.unwrap();
    let channel = client.subscribe("open").await.unwrap();
    let (mut clock, _) = Socket::enter(server.address, Some(&first));
    assert!(client.refresh(issuer.token(&claims("bob", 60.0, json!({})))).await.is_err());
    client.refresh(token(600.0)).await.unwrap();
    // The first token has ended; the connection has not.
    assert_eq!(clock.close_frame().0, 4001);
    client.publish("open", "STILL", &1).await.unwrap();
    loop {
        if let Event::Message(message) = channel.next().await.unwrap() {
            assert_eq!(message.event, "STILL");
            break;
        }
    }
    assert_eq!(client.connected().await.unwrap().connection, 1);
    server.assert_well();
}
