//! Tokens that are not taken: each for its reason, each counted.

use super::issuer::RSA_PUBLIC;
use super::{Issuer, add_key, claims, counted, now, refused};
use crate::scene::Config;
use crate::socket::Socket;
use crate::support::OWNER;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::collections::HashMap;

/// One token that is wrong, the code that it must be refused with and the word that this is counted under.
struct Wrong {
    /// What is wrong with it.
    what: &'static str,
    /// The token.
    token: String,
    /// The word.
    word: &'static str,
}

/// The part of a token at a place, changed.
fn tampered(token: &str, at: usize, change: impl FnOnce(&mut String)) -> String {
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    change(&mut parts[at]);
    parts.join(".")
}

/// One of these.
fn wrong(what: &'static str, token: String, word: &'static str) -> Wrong {
    Wrong { what, token, word }
}

/// Tokens whose signature is not that of the key that they name.
fn not_signed(hs: &Issuer, rs: &Issuer, good: &Value) -> Vec<Wrong> {
    let (text, token) = (good.to_string(), hs.token(good));
    let other = |algorithm| Issuer::new(algorithm, None).token(good);
    let rsa = |header: &str| rs.sign(header, &text);
    let public_as_secret = Issuer::with_secret("HS256", RSA_PUBLIC).token(good);
    let promoted = URL_SAFE_NO_PAD.encode(text.replace("anna", "root"));
    let promoted = tampered(&token, 1, |part| *part = promoted);
    let cut = tampered(&token, 2, |part| part.truncate(40));
    let misnamed = hs.sign(r#"{"alg":"RS256","kid":"rsa"}"#, &text);
    vec![
        wrong("another secret", other("HS256"), "signature"),
        wrong("claims of somebody else", promoted, "signature"),
        wrong("a signature that is cut", cut, "signature"),
        wrong("no signature", tampered(&token, 2, String::clear), "signature"),
        wrong("the public key as a secret", public_as_secret, "signature"),
        wrong("an algorithm that no key has", other("HS384"), "unknown_key"),
        wrong("the right key under another algorithm", misnamed, "signature"),
        wrong("RSA under HMAC", rsa(r#"{"alg":"HS256"}"#), "signature"),
        wrong("RSA under another hash", rsa(r#"{"alg":"RS512","kid":"rsa"}"#), "unknown_key"),
        wrong("RSA under PSS", rsa(r#"{"alg":"PS256","kid":"rsa"}"#), "unknown_key"),
        wrong("a kid that nobody has", rsa(r#"{"alg":"RS256","kid":"x"}"#), "unknown_key"),
    ]
}

/// Tokens whose form or header is wrong.
fn not_formed(hs: &Issuer, good: &Value) -> Vec<Wrong> {
    let (text, token) = (good.to_string(), hs.token(good));
    let signed = |header: &str| hs.sign(header, &text);
    let unsigned = |alg: &str| {
        let head = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{alg}"}}"#));
        format!("{head}.{}.", URL_SAFE_NO_PAD.encode(&text))
    };
    let critical = signed(r#"{"alg":"HS256","crit":["b64"],"b64":false}"#);
    let two = tampered(&token, 2, String::clear).trim_end_matches('.').to_owned();
    let large = tampered(&token, 1, |part| part.push_str(&"A".repeat(8192)));
    let mut all = vec![
        wrong("a critical header", critical, "critical"),
        wrong("a header twice", signed(r#"{"alg":"HS256","alg":"HS256"}"#), "malformed"),
        wrong("a header that is no object", signed("[]"), "malformed"),
        wrong("four parts", format!("{token}.x"), "malformed"),
        wrong("two parts", two, "malformed"),
        wrong("padding", format!("{token}="), "malformed"),
        wrong("more bytes than a token has", large, "too_large"),
    ];
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        all.push(wrong("no algorithm", unsigned(alg), "algorithm"));
    }
    all
}

/// Tokens that were signed and do not count.
fn not_valid(rs: &Issuer, good: &Value) -> Vec<Wrong> {
    let with = |change: Value| {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        claims
    };
    let without = |name: &str| {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(name);
        claims
    };
    let twice = format!(r#"{{"sub":"root",{}"#, &good.to_string()[1..]);
    let header = r#"{"alg":"RS256","kid":"rsa"}"#;
    let wrong = |what, claims: &Value, word| wrong(what, rs.token(claims), word);
    let mut all = vec![
        wrong("expired", &with(json!({"exp": now() - 1.0})), "expired"),
        wrong("not yet", &with(json!({"nbf": now() + 60.0})), "not_yet"),
        wrong("issued in the future", &with(json!({"iat": now() + 60.0})), "not_yet"),
        wrong("another issuer", &with(json!({"iss": "https://b.example"})), "issuer"),
        wrong("no issuer", &without("iss"), "issuer"),
        wrong("another audience", &with(json!({"aud": ["x", "y"]})), "audience"),
        wrong("no audience", &without("aud"), "audience"),
        wrong("no end", &without("exp"), "claims"),
        wrong("an end that is a text", &with(json!({"exp": "2999-01-01"})), "claims"),
        wrong("an end that is null", &with(json!({"exp": null})), "claims"),
        wrong("no subject", &without("sub"), "claims"),
        wrong("an empty subject", &with(json!({"sub": ""})), "claims"),
        wrong("a subject that is a number", &with(json!({"sub": 7})), "claims"),
        wrong("channels that are none", &with(json!({"channels": ["a/b"]})), "claims"),
        wrong("a state that is a text", &with(json!({"state": "x"})), "claims"),
    ];
    all.push(Wrong { what: "a claim twice", token: rs.sign(header, &twice), word: "malformed" });
    all
}

#[test]
fn every_wrong_token_is_refused_for_its_reason_and_counted() {
    let server = Config::limits("auth-failures = 0").start();
    let (hs, rs) = (Issuer::new("HS256", None), Issuer::new("RS256", Some("rsa")));
    add_key(&server, &hs.key());
    let mut key = rs.key();
    key["issuer"] = json!("https://a.example");
    key["audience"] = json!("warren");
    add_key(&server, &key);
    let good = claims("anna", 60.0, json!({"iss": "https://a.example", "aud": ["warren", "x"]}));
    for issuer in [&hs, &rs] {
        drop(Socket::enter(server.address, Some(&issuer.token(&good))));
    }
    let mut expected: HashMap<&str, u64> = HashMap::new();
    let all = [not_signed(&hs, &rs, &good), not_formed(&hs, &good), not_valid(&rs, &good)];
    for Wrong { what, token, word } in all.into_iter().flatten() {
        let (code, why) = refused(&server, &token);
        assert_eq!(code, 4001, "{what}: {why}");
        *expected.entry(word).or_default() += 1;
        let count = counted(&server, &format!("warren_jwt_refused_total{{reason=\"{word}\"}}"));
        assert_eq!(count, expected[word], "{what}: {why}");
    }
    assert!(expected.len() >= 11, "{expected:?}");
    // Nothing of them was let in, and nothing of them is in the log.
    assert!(super::token_of(&server, "root").is_none());
    assert!(!server.log().contains("eyJ"), "{}", server.log());
    server.assert_well();
}

#[test]
fn guessed_tokens_count_for_their_address_and_expired_ones_do_not() {
    let server = Config::limits("auth-failures = 20").start();
    let issuer = super::issuer_of(&server);
    let expired = issuer.token(&claims("anna", -1.0, json!({})));
    for _ in 0..40 {
        assert_eq!(refused(&server, &expired).0, 4001);
    }
    // None of these was a guess: nothing is slower for it, and a wrong secret over HTTP is still looked up.
    let wrong = |n: usize| server.call("GET", "/v1/channels", Some(&format!("ptk_{n}")), "").status;
    assert_eq!(wrong(0), 401);
    for n in 0..30 {
        let forged = Issuer::new("HS256", None).token(&claims(&format!("s{n}"), 60.0, json!({})));
        assert_eq!(refused(&server, &forged).0, 4001);
    }
    assert_eq!(wrong(1), 429);
    // One that is right is let in all the same.
    let right = issuer.token(&claims("anna", 60.0, json!({})));
    drop(Socket::enter(server.address, Some(&right)));
    assert_eq!(server.call("GET", "/v1/channels", Some(OWNER), "").status, 200);
    server.assert_well();
}
