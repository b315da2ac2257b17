//! An issuer of JSON Web Tokens: makes keys, signs, and tells its keys as a project or a key set wants them.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair};
use ring::{hmac, signature::RsaEncoding};
use serde_json::{Map, Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// An RSA key of 2048 bits, for tests alone.
const RSA: &str = include_str!("rsa.pem");
/// Its public half, as a project is told it.
pub const RSA_PUBLIC: &str = include_str!("rsa.pub.pem");
/// What stands before a point on P-256 in a `SubjectPublicKeyInfo`.
const P256_HEAD: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE";
/// Before one on P-384.
const P384_HEAD: &str = "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE";
/// Before one on Edwards25519.
const ED25519_HEAD: &str = "MCowBQYDK2VwAyEA";

/// Seconds since 1970.
pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

/// Claims of a subject that hold for so many seconds from now on, and these more.
pub fn claims(subject: &str, seconds: f64, more: Value) -> Value {
    let mut claims = json!({"sub": subject, "iat": now(), "exp": now() + seconds});
    let Value::Object(more) = more else { panic!("claims are an object") };
    claims.as_object_mut().unwrap().extend(more);
    claims
}

/// The other half of a key.
enum Signs {
    /// A secret.
    Hmac(String),
    /// A key on one of the curves.
    Ecdsa(EcdsaKeyPair),
    /// An Ed25519 key.
    Ed25519(Ed25519KeyPair),
    /// An RSA key.
    Rsa(RsaKeyPair),
}

/// An issuer with one key.
pub struct Issuer {
    /// How it signs.
    pub algorithm: &'static str,
    /// What it calls its key.
    pub kid: Option<&'static str>,
    /// The key.
    signs: Signs,
}

impl Issuer {
    /// One with a new key for this algorithm, but that all RSA keys are one.
    pub fn new(algorithm: &'static str, kid: Option<&'static str>) -> Self {
        let random = SystemRandom::new();
        let ecdsa = |how| {
            let made = EcdsaKeyPair::generate_pkcs8(how, &random).unwrap();
            Signs::Ecdsa(EcdsaKeyPair::from_pkcs8(how, made.as_ref(), &random).unwrap())
        };
        let signs = match algorithm {
            "HS256" | "HS384" | "HS512" => {
                let secret: [u8; 32] = ring::rand::generate(&random).unwrap().expose();
                Signs::Hmac(URL_SAFE_NO_PAD.encode(secret).repeat(2))
            }
            "ES256" => ecdsa(&signature::ECDSA_P256_SHA256_FIXED_SIGNING),
            "ES384" => ecdsa(&signature::ECDSA_P384_SHA384_FIXED_SIGNING),
            "EdDSA" => {
                let made = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
                Signs::Ed25519(Ed25519KeyPair::from_pkcs8(made.as_ref()).unwrap())
            }
            _ => {
                let base64: String = RSA.lines().filter(|line| !line.starts_with('-')).collect();
                let der = STANDARD.decode(base64).unwrap();
                Signs::Rsa(RsaKeyPair::from_pkcs8(&der).unwrap())
            }
        };
        Self { algorithm, kid, signs }
    }

    /// The same issuer, which signs another way with its key.
    pub fn with_secret(algorithm: &'static str, secret: &str) -> Self {
        Self { algorithm, kid: None, signs: Signs::Hmac(secret.to_owned()) }
    }

    /// Its key as a project is told it.
    pub fn key(&self) -> Value {
        let mut key = json!({"algorithm": self.algorithm, "kid": self.kid});
        let pem = |head: &str, bytes: &[u8]| {
            let body = STANDARD.encode([STANDARD.decode(head).unwrap(), bytes.to_vec()].concat());
            format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
        };
        let (name, text) = match &self.signs {
            Signs::Hmac(secret) => ("secret", secret.clone()),
            Signs::Ecdsa(pair) => {
                let point = pair.public_key().as_ref();
                let head = if point.len() == 65 { P256_HEAD } else { P384_HEAD };
                // The head ends with the byte that every point begins with.
                ("public_key", pem(head, &point[1..]))
            }
            Signs::Ed25519(pair) => ("public_key", pem(ED25519_HEAD, pair.public_key().as_ref())),
            Signs::Rsa(_) => ("public_key", RSA_PUBLIC.to_owned()),
        };
        key[name] = json!(text);
        key
    }

    /// Its key as a key set has it.
    pub fn jwk(&self) -> Value {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut key = match &self.signs {
            Signs::Hmac(secret) => json!({"kty": "oct", "k": encode(secret.as_bytes())}),
            Signs::Ecdsa(pair) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                let curve = if x.len() == 32 { "P-256" } else { "P-384" };
                json!({"kty": "EC", "crv": curve, "x": encode(x), "y": encode(y)})
            }
            Signs::Ed25519(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref())})
            }
            Signs::Rsa(pair) => {
                let PublicKeyComponents::<Vec<u8>> { n, e } = pair.public().into();
                json!({"kty": "RSA", "n": encode(&n), "e": encode(&e)})
            }
        };
        key["kid"] = json!(self.kid);
        key
    }

    /// A token with these claims.
    pub fn token(&self, claims: &Value) -> String {
        let mut header = Map::from_iter([("alg".to_owned(), json!(self.algorithm))]);
        header.extend(self.kid.map(|kid| ("kid".to_owned(), json!(kid))));
        self.sign(&Value::Object(header).to_string(), &claims.to_string())
    }

    /// A token of these texts, whatever they are.
    pub fn sign(&self, header: &str, claims: &str) -> String {
        let signed =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = self.signature(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// Its signature.
    fn signature(&self, signed: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.signs {
            Signs::Hmac(secret) => {
                let how = match self.algorithm {
                    "HS384" => hmac::HMAC_SHA384,
                    "HS512" => hmac::HMAC_SHA512,
                    _ => hmac::HMAC_SHA256,
                };
                hmac::sign(&hmac::Key::new(how, secret.as_bytes()), signed).as_ref().to_vec()
            }
            Signs::Ecdsa(pair) => pair.sign(&random, signed).unwrap().as_ref().to_vec(),
            Signs::Ed25519(pair) => pair.sign(signed).as_ref().to_vec(),
            Signs::Rsa(pair) => {
                let how: &dyn RsaEncoding = match self.algorithm {
                    "RS384" => &signature::RSA_PKCS1_SHA384,
                    "RS512" => &signature::RSA_PKCS1_SHA512,
                    "PS256" => &signature::RSA_PSS_SHA256,
                    "PS384" => &signature::RSA_PSS_SHA384,
                    "PS512" => &signature::RSA_PSS_SHA512,
                    _ => &signature::RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(how, &random, signed, &mut signature).unwrap();
                signature
            }
        }
    }
}
