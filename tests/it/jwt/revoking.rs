//! Revoked subjects: closed at once, and refused from then on.

use super::{Issuer, claims, issuer_of, now, refused};
use crate::scene::enter_with;
use crate::socket::Socket;
use crate::support::{OWNER, Server, until};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Revokes a subject; returns what is answered.
fn revoke(server: &Server, subject: &str) -> Value {
    let body = json!({"subject": subject}).to_string();
    server.data("POST", "/v1/projects/@this/jwt/revocations", &body)["revocation"].clone()
}

/// A token of a subject that was issued then.
fn issued(issuer: &Issuer, subject: &str, at: f64) -> String {
    issuer.token(&claims(subject, 600.0, json!({"iat": at})))
}

#[test]
fn a_revoked_subject_is_closed_within_a_second_and_refused_until_a_newer_token() {
    let server = Server::start();
    let issuer = issuer_of(&server);
    let old = issued(&issuer, "anna/1", now());
    let mut sockets = vec![
        Socket::enter(server.address, Some(&old)).0,
        enter_with(server.address, Some(&old), &["refresh"]).0,
    ];
    let (mut other, _) = Socket::enter(server.address, Some(&issued(&issuer, "bob", now())));
    let begun = Instant::now();
    let revocation = revoke(&server, "anna/1");
    for socket in &mut sockets {
        assert_eq!(socket.close_frame(), (4001, "the token was revoked".to_owned()));
    }
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(revocation["subject"], "anna/1");
    // Not the one that was there, nor one that does not say when it was issued.
    let undated = issuer.token(&json!({"sub": "anna/1", "exp": now() + 60.0}));
    for token in [&old, &undated] {
        assert_eq!(refused(&server, token), (4001, "the token was revoked".to_owned()));
    }
    drop(Socket::enter(server.address, Some(&issued(&issuer, "anna/1", now() + 0.01))));
    // Nobody else hears of it.
    other.beat();
    let listed = server.data("GET", "/v1/projects/@this/jwt/revocations", "");
    assert_eq!(listed["revocations"], json!([revocation]));
    server.done("DELETE", "/v1/projects/@this/jwt/revocations/anna%2F1", "");
    drop(Socket::enter(server.address, Some(&old)));
    let path = "/v1/projects/@this/jwt/revocations/anna%2F1";
    let again = server.call("DELETE", path, Some(OWNER), "");
    assert_eq!(again.failure(), (404, "revocation_not_found".to_owned()));
    server.assert_well();
}

#[test]
fn a_revocation_outlives_a_kill() {
    let server = Server::start();
    let issuer = issuer_of(&server);
    let old = issued(&issuer, "anna", now());
    let (_socket, _) = Socket::enter(server.address, Some(&old));
    revoke(&server, "anna");
    let server = Server::start_in(server.crash(), &[]);
    assert_eq!(refused(&server, &old), (4001, "the token was revoked".to_owned()));
    drop(Socket::enter(server.address, Some(&issued(&issuer, "anna", now()))));
    server.assert_well();
}

#[test]
fn nobody_slips_in_beside_a_revocation() {
    let server = Server::start();
    let issuer = issuer_of(&server);
    let address = server.address;
    for round in 0..20 {
        let subject = format!("s{round}");
        let old = issued(&issuer, &subject, now());
        let comers: Vec<_> = (0..4)
            .map(|_| {
                let old = old.clone();
                std::thread::spawn(move || {
                    let mut socket = Socket::open(address);
                    socket.identify(Some(&old));
                    // In or not: it is closed, and with nothing else.
                    socket.close_frame()
                })
            })
            .collect();
        if round % 2 == 0 {
            // Sometimes they are in by then.
            until("somebody is in", || super::token_of(&server, &subject).ok_or("not yet"));
        }
        revoke(&server, &subject);
        for comer in comers {
            assert_eq!(comer.join().unwrap(), (4001, "the token was revoked".to_owned()));
        }
    }
    server.assert_well();
}

#[test]
fn broken_revocations_are_refused() {
    let server = Server::start();
    for body in ["{}", r#"{"subject":""}"#, r#"{"subject":7}"#, r#"{"subject":"a\nb"}"#] {
        let path = "/v1/projects/@this/jwt/revocations";
        let answer = server.call("POST", path, Some(OWNER), body);
        assert_eq!(answer.failure(), (400, "invalid_body".to_owned()), "{body}");
        assert_eq!(answer.error()["field"], "subject");
    }
    server.assert_well();
}
