//! Claims about published key sets.

use super::*;
use crate::jwt::key::PublicKey;
use serde_json::{Value, json};

/// RFC 7515 A.3: a key on P-256.
fn p256() -> Value {
    json!({"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})
}

/// RFC 8037 A.4: an Ed25519 key.
fn ed25519() -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
}

/// An RSA key that is large enough, of which nobody has the other half.
fn rsa() -> Value {
    json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode([0xff; 256]), "e": "AQAB"})
}

/// A key with members more.
fn with(mut key: Value, more: Value) -> Value {
    let Value::Object(more) = more else { panic!("no object") };
    key.as_object_mut().unwrap().extend(more);
    key
}

/// A set of these keys.
fn set(keys: &[Value]) -> KeySet {
    KeySet::read(json!({"keys": keys, "more": 1}).to_string().as_bytes()).unwrap()
}

/// How many keys may have signed.
fn count(set: &KeySet, algorithm: &str, kid: Option<&str>) -> usize {
    set.candidates(JwtAlgorithm::from_name(algorithm).unwrap(), kid).count()
}

#[test]
fn keys_of_the_rfcs_check_the_signatures_of_the_rfcs() {
    let set = set(&[p256(), ed25519()]);
    for (algorithm, signed, signature) in [
        (
            JwtAlgorithm::Es256,
            concat!(
                "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6",
                "Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
            ),
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        ),
        (
            JwtAlgorithm::EdDsa,
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
        ),
    ] {
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let key = set.candidates(algorithm, None).next().unwrap();
        assert!(key.has_signed(algorithm, signed.as_bytes(), &signature));
        assert!(!key.has_signed(algorithm, b"other", &signature));
    }
}

#[test]
fn a_token_finds_its_key_by_name_and_kind() {
    let set = set(&[
        with(p256(), json!({"kid": "a", "use": "sig", "alg": "ES256"})),
        with(ed25519(), json!({"kid": "a", "key_ops": ["verify"]})),
        with(rsa(), json!({"kid": "b", "alg": "RS256"})),
        rsa(),
    ]);
    assert_eq!(count(&set, "ES256", Some("a")), 1);
    assert_eq!(count(&set, "EdDSA", Some("a")), 1);
    assert_eq!(count(&set, "ES256", Some("b")), 0);
    assert_eq!(count(&set, "ES256", None), 1);
    // One says what it is for, the other may be for all of its kind.
    assert_eq!((count(&set, "RS256", Some("b")), count(&set, "RS512", Some("b"))), (1, 0));
    assert_eq!((count(&set, "RS256", None), count(&set, "PS384", None)), (2, 1));
    // Never a secret, whatever it is called.
    for name in ["HS256", "HS384", "HS512"] {
        assert_eq!(count(&set, name, None), 0);
    }
}

#[test]
fn keys_that_cannot_be_used_are_left_out_and_spoil_nothing() {
    let set = set(&[
        json!({"kty": "oct", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0i"}),
        json!({"kty": "oct", "k": "AAAA", "alg": "HS256"}),
        with(p256(), json!({"use": "enc"})),
        with(p256(), json!({"key_ops": ["sign"]})),
        with(p256(), json!({"alg": "RS256"})),
        with(p256(), json!({"alg": "HS256"})),
        with(p256(), json!({"alg": "none"})),
        with(p256(), json!({"crv": "P-384"})),
        with(p256(), json!({"crv": "secp256k1"})),
        with(p256(), json!({"x": "AA"})),
        with(p256(), json!({"y": null})),
        with(rsa(), json!({"n": "AQAB"})),
        with(rsa(), json!({"n": URL_SAFE_NO_PAD.encode([0xff; 1025])})),
        with(rsa(), json!({"e": ""})),
        json!({"kty": "RSA"}),
        json!({"kty": 5}),
        json!({}),
        json!(5),
        with(p256(), json!({"kid": "good"})),
    ]);
    assert_eq!(set.keys.len(), 1);
    assert_eq!(count(&set, "ES256", Some("good")), 1);
}

#[test]
fn what_is_no_set_is_none_and_a_large_one_is_cut() {
    for text in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[]"#, "<html>"] {
        assert!(KeySet::read(text.as_bytes()).is_none(), "{text}");
    }
    assert_eq!(set(&vec![ed25519(); MAX_KEYS + 1]).keys.len(), MAX_KEYS);
}

#[test]
fn numbers_and_points_have_their_lengths() {
    let rsa = |n: Vec<u8>| {
        VerifyingKey::of_public(PublicKey::Rsa { n, e: vec![1, 0, 1] }, &[JwtAlgorithm::Rs256])
    };
    assert!(rsa(vec![0xff; 256]).is_ok() && rsa(vec![0xff; 1024]).is_ok());
    assert!(rsa(vec![0x7f; 256]).is_err() && rsa(vec![0xff; 255]).is_err());
    assert!(rsa(vec![0xff; 1025]).is_err());
}
