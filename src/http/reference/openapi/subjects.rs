//! The operations on JSON Web Tokens: keys, and subjects that were revoked.

use super::super::schema::{array, fields, named, object, or_null, text, text_of, told, word};
use super::lists::list;
use super::operation::{Operation, delete, get, post};
use crate::domain::JwtAlgorithm;
use crate::domain::jwt::JWT_NAME_MAX_BYTES;
use crate::http::error::FailureCode as Code;
use crate::http::{jwt_keys, jwt_revocations};
use serde_json::Value;

/// All of them.
pub(super) fn all() -> Vec<Operation> {
    [of_keys(), of_revocations()].into_iter().flatten().collect()
}

/// A text that tokens have too.
fn name(sentence: &str) -> Value {
    told(or_null(text_of(1, JWT_NAME_MAX_BYTES)), sentence)
}

/// Keys.
fn of_keys() -> Vec<Operation> {
    let algorithm = or_null(word(JwtAlgorithm::NAMED.map(|(name, _)| name)));
    let members = [
        ("kid", name("The key's name in tokens; not with `jwks_url`.")),
        ("algorithm", told(algorithm, "The one that it is for; not with `jwks_url`.")),
        ("secret", told(or_null(text()), "A secret, for HS; one of the three must be there.")),
        ("public_key", told(or_null(text()), "A public key in PEM, for all others.")),
        ("jwks_url", told(or_null(text()), "Where the issuer publishes its keys.")),
        ("issuer", name("What `iss` must be.")),
        ("audience", name("What must be in `aud`.")),
    ];
    let new = fields(jwt_keys::FIELDS, &members, jwt_keys::FIELDS);
    let shown = [("key", named("JwtKey")), ("warnings", array(named("Warning")))];
    vec![
        list(
            get(
                "projects/{project}/jwt/keys",
                "listJwtKeys",
                "List the keys under which JSON Web Tokens are taken, without secrets",
            ),
            "keys",
            "JwtKey",
        ),
        post(
            "projects/{project}/jwt/keys",
            "addJwtKey",
            "Take JSON Web Tokens under one key more, or under those of a key set",
        )
        .body(new)
        .data(object(&shown, &["warnings"]))
        .refused(Code::LimitReached),
        delete(
            "projects/{project}/jwt/keys/{key}",
            "deleteJwtKey",
            "Take no more JSON Web Tokens under a key; who came with one stays",
        )
        .nothing(),
    ]
}

/// Revocations.
fn of_revocations() -> Vec<Operation> {
    let subject = told(text_of(1, 256), "Whom its tokens speak of, in `sub`.");
    let new = fields(jwt_revocations::FIELDS, &[("subject", subject)], &[]);
    vec![
        list(
            get(
                "projects/{project}/jwt/revocations",
                "listRevocations",
                "List the subjects that were revoked",
            ),
            "revocations",
            "Revocation",
        ),
        post(
            "projects/{project}/jwt/revocations",
            "revokeSubject",
            "Let no token of a subject count that was issued until now, and close its connections",
        )
        .body(new)
        .members(&[("revocation", named("Revocation"))])
        .refused(Code::LimitReached),
        delete(
            "projects/{project}/jwt/revocations/{subject}",
            "forgetRevocation",
            "Let the tokens of a subject count again",
        )
        .nothing(),
    ]
}
