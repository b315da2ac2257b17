//! Keys that an issuer publishes: fetched when they are needed, never from where they must not be.

use super::{Issuer, add_key, claims, refused};
use crate::socket::Socket;
use crate::support::receiver::{Receiver, Says};
use crate::support::{OWNER, Server};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The operator lets the server call this machine.
const OPEN: (&str, &str) = ("WARREN_ALLOW_PRIVATE_WEBHOOKS", "1");

/// A set that is published; it may change. An empty text stands for a server that fails.
#[derive(Clone, Default)]
struct Published(Arc<Mutex<String>>);

impl Published {
    /// Publishes the keys of these issuers.
    fn set(&self, issuers: &[&Issuer]) {
        let keys: Vec<Value> = issuers.iter().map(|issuer| issuer.jwk()).collect();
        *self.0.lock().unwrap() = json!({"keys": keys}).to_string();
    }

    /// Fails from now on.
    fn fail(&self) {
        self.0.lock().unwrap().clear();
    }

    /// Where it is published.
    fn serve(&self) -> Receiver {
        let text = Arc::clone(&self.0);
        Receiver::start(move |_, _| {
            let text = text.lock().unwrap().clone();
            let status = if text.is_empty() { 500 } else { 200 };
            // A test's texts are few and small.
            Says(status, "", Box::leak(text.into_boxed_str()), Duration::ZERO)
        })
    }
}

/// A token of a subject.
fn token(issuer: &Issuer, subject: &str) -> String {
    issuer.token(&claims(subject, 60.0, json!({})))
}

#[test]
fn published_keys_are_fetched_once_for_many_tokens() {
    let server = Server::start_with(&[OPEN]);
    let published = Published::default();
    let (first, second) = (Issuer::new("ES256", Some("1")), Issuer::new("EdDSA", Some("2")));
    published.set(&[&first, &second]);
    let source = published.serve();
    let body = json!({"jwks_url": source.url(), "issuer": "https://a.example"});
    add_key(&server, &body);
    let from = json!({"iss": "https://a.example"});
    for n in 0..5 {
        for issuer in [&first, &second] {
            let token = issuer.token(&claims(&format!("s{n}"), 60.0, from.clone()));
            drop(Socket::enter(server.address, Some(&token)));
        }
    }
    assert_eq!(source.calls().len(), 1);
    // What is fetched is not posted to.
    assert_eq!(source.calls()[0].text, "");
    // The set's keys are bound by what was said of the set.
    assert_eq!(refused(&server, &token(&first, "a")).1, "the token is of another issuer");
    server.assert_well();
}

#[test]
fn a_new_key_is_fetched_when_it_is_needed_but_seldom_and_failures_change_nothing() {
    let server = Server::start_with(&[OPEN]);
    let published = Published::default();
    let (old, new) = (Issuer::new("ES256", Some("old")), Issuer::new("ES256", Some("new")));
    published.set(&[&old]);
    let source = published.serve();
    add_key(&server, &json!({"jwks_url": source.url()}));
    drop(Socket::enter(server.address, Some(&token(&old, "a"))));
    published.set(&[&old, &new]);
    // Whoever makes up names makes the server fetch nothing before its pause is over.
    for n in 0..10 {
        let made_up = Issuer::new("ES256", Some(["x", "y"][n % 2]));
        let why = refused(&server, &token(&made_up, "a")).1;
        assert_eq!(why, "no key of this project fits the token");
    }
    assert_eq!(source.calls().len(), 1);
    // Then the new key is found, by the first who needs it.
    crate::scene::eventually("the new key is taken", || {
        let mut socket = Socket::open(server.address);
        socket.identify(Some(&token(&new, "b")));
        matches!(socket.try_next(), Ok(init) if init["e"] == "INIT")
    });
    assert_eq!(source.calls().len(), 2);
    drop(Socket::enter(server.address, Some(&token(&old, "a"))));
    // When its issuer fails, what there is goes on.
    published.fail();
    let made_up = token(&Issuer::new("ES256", Some("x")), "a");
    crate::scene::eventually("it is fetched again", || {
        refused(&server, &made_up);
        source.calls().len() == 3
    });
    for issuer in [&old, &new] {
        drop(Socket::enter(server.address, Some(&token(issuer, "c"))));
    }
    server.assert_well();
}

#[test]
fn without_the_keys_nobody_is_let_in_and_clients_come_back() {
    let server = Server::start_with(&[OPEN]);
    let published = Published::default();
    let source = published.serve();
    add_key(&server, &json!({"jwks_url": source.url()}));
    let issuer = Issuer::new("ES256", Some("1"));
    let (code, why) = refused(&server, &token(&issuer, "a"));
    assert_eq!(
        (code, why.as_str()),
        (4000, "the keys for this token cannot be fetched now, come back later")
    );
    // A secret that is published is none: it lets nobody in.
    let server = Server::start_with(&[OPEN]);
    let shared = Issuer::new("HS256", Some("1"));
    published.set(&[&shared]);
    add_key(&server, &json!({"jwks_url": source.url()}));
    assert_eq!(refused(&server, &token(&shared, "a")).1, "no key of this project fits the token");
    server.assert_well();
}

#[test]
fn keys_are_never_fetched_from_where_webhooks_may_not_go() {
    let server = Server::start();
    let published = Published::default();
    let issuer = Issuer::new("ES256", Some("1"));
    published.set(&[&issuer]);
    let source = published.serve();
    // What comes in plain text, anybody may have written.
    let body = json!({"jwks_url": source.url()}).to_string();
    let answer = server.call("POST", "/v1/projects/@this/jwt/keys", Some(OWNER), &body);
    assert_eq!(answer.failure(), (400, "invalid_body".to_owned()));
    assert_eq!(answer.error()["field"], "jwks_url");
    // By TLS it may be said, with a warning, and nothing is dialled.
    let url = format!("https://{}/keys", source.address);
    let added =
        server.data("POST", "/v1/projects/@this/jwt/keys", &json!({"jwks_url": url}).to_string());
    assert_eq!(added["warnings"][0]["code"], "private_address", "{added}");
    assert_eq!(refused(&server, &token(&issuer, "a")).0, 4000);
    assert_eq!(source.calls().len(), 0);
    server.assert_well();
}
