//! A set of public keys, as issuers publish them (JWK Set, RFC 7517 §5).

use super::key::{PublicKey, VerifyingKey};
use crate::domain::JwtAlgorithm;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

/// The most keys that are taken of a set; the others are left out.
const MAX_KEYS: usize = 64;

/// A set of keys that can be used.
#[derive(Default)]
pub struct KeySet {
    /// The keys by their names.
    keys: Vec<(Option<String>, VerifyingKey)>,
}

/// A set as it is published.
#[derive(Deserialize)]
struct JsonKeySet {
    /// The keys; each is judged by itself.
    keys: Vec<serde_json::Value>,
}

/// A key as it is published; a secret (`oct`) is none that may be fetched.
#[derive(Deserialize)]
struct JsonKey {
    /// `RSA`, `EC` or `OKP`.
    kty: String,
    /// Its name.
    kid: Option<String>,
    /// The one algorithm that it is for.
    alg: Option<String>,
    /// What it is for.
    #[serde(rename = "use")]
    purpose: Option<String>,
    /// What it may be used for.
    key_ops: Option<Vec<String>>,
    /// The curve.
    crv: Option<String>,
    /// RSA's modulus.
    n: Option<String>,
    /// RSA's exponent.
    e: Option<String>,
    /// A point's first number.
    x: Option<String>,
    /// A point's second number.
    y: Option<String>,
}

impl KeySet {
    /// Reads a set; none if that is not one. Keys in it that cannot be used here are left out.
    pub fn read(text: &[u8]) -> Option<Self> {
        let set: JsonKeySet = serde_json::from_slice(text).ok()?;
        let read = |key: serde_json::Value| JsonKey::deserialize(key).ok()?.usable();
        let keys = set.keys.into_iter().filter_map(read).take(MAX_KEYS).collect();
        Some(Self { keys })
    }

    /// The keys that a token may be signed with: those of its `kid`, or all that fit where it names none.
    pub fn candidates(
        &self,
        algorithm: JwtAlgorithm,
        kid: Option<&str>,
    ) -> impl Iterator<Item = &VerifyingKey> {
        let is_named = move |name: &Option<String>| kid.is_none() || name.as_deref() == kid;
        let fits = move |(name, key): &&(Option<String>, VerifyingKey)| {
            is_named(name) && key.takes(algorithm)
        };
        self.keys.iter().filter(fits).map(|(_, key)| key)
    }
}

impl JsonKey {
    /// The key and its name; none if it cannot be used here.
    fn usable(self) -> Option<(Option<String>, VerifyingKey)> {
        let is_for_signing = self.purpose.as_deref().is_none_or(|purpose| purpose == "sig");
        let verifies = |all: &Vec<String>| all.iter().any(|one| one == "verify");
        if !is_for_signing || !self.key_ops.as_ref().is_none_or(verifies) {
            return None;
        }
        let (key, family) = self.public_key()?;
        let algorithms = match self.alg.as_deref() {
            Some(name) => vec![JwtAlgorithm::from_name(name)?],
            None => family.to_vec(),
        };
        let key = VerifyingKey::of_public(key, &algorithms).ok()?;
        Some((self.kid, key))
    }

    /// What it is made of, and all that may be signed with it.
    fn public_key(&self) -> Option<(PublicKey, &'static [JwtAlgorithm])> {
        use JwtAlgorithm::{EdDsa, Es256, Es384, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
        let bytes = |part: &Option<String>| URL_SAFE_NO_PAD.decode(part.as_deref()?).ok();
        let point = || Some([vec![4], bytes(&self.x)?, bytes(&self.y)?].concat());
        Some(match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", None) => (
                PublicKey::Rsa { n: bytes(&self.n)?, e: bytes(&self.e)? },
                &[Rs256, Rs384, Rs512, Ps256, Ps384, Ps512],
            ),
            ("EC", Some("P-256")) => (PublicKey::P256(point()?), &[Es256]),
            ("EC", Some("P-384")) => (PublicKey::P384(point()?), &[Es384]),
            ("OKP", Some("Ed25519")) => (PublicKey::Ed25519(bytes(&self.x)?), &[EdDsa]),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests;
