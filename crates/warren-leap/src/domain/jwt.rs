//! What a project says about the JSON Web Tokens that it takes: keys, and subjects that were revoked (`docs/adr/0027`).

use super::{JwtKeyId, ProjectId, Subject, Timestamp};
use std::fmt;

/// The most keys of a project.
pub const JWT_KEYS_MAX: usize = 16;
/// The most subjects that are revoked in a project.
pub const JWT_REVOCATIONS_MAX: u64 = 100_000;
/// The longest `kid`, issuer or audience, in bytes.
pub const JWT_NAME_MAX_BYTES: usize = 512;

/// How a token is signed (RFC 7518 §3.1, RFC 8037 §3.1). `none` is not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JwtAlgorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
    /// RSA PKCS#1 v1.5 with SHA-256.
    Rs256,
    /// RSA PKCS#1 v1.5 with SHA-384.
    Rs384,
    /// RSA PKCS#1 v1.5 with SHA-512.
    Rs512,
    /// RSA PSS with SHA-256.
    Ps256,
    /// RSA PSS with SHA-384.
    Ps384,
    /// RSA PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
}

impl JwtAlgorithm {
    /// All of them, by their name in a token's header.
    pub const NAMED: [(&'static str, Self); 12] = [
        ("HS256", Self::Hs256),
        ("HS384", Self::Hs384),
        ("HS512", Self::Hs512),
        ("RS256", Self::Rs256),
        ("RS384", Self::Rs384),
        ("RS512", Self::Rs512),
        ("PS256", Self::Ps256),
        ("PS384", Self::Ps384),
        ("PS512", Self::Ps512),
        ("ES256", Self::Es256),
        ("ES384", Self::Es384),
        ("EdDSA", Self::EdDsa),
    ];

    /// The algorithm of a name; letters count as they are written.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMED.into_iter().find(|(known, _)| *known == name).map(|(_, algorithm)| algorithm)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::NAMED.into_iter().find(|(_, known)| *known == self).map_or("", |(name, _)| name)
    }

    /// The fewest bytes of a secret for it: as many as its hash has (RFC 7518 §3.2); none where it takes a public key.
    pub const fn secret_bytes(self) -> Option<usize> {
        match self {
            Self::Hs256 => Some(32),
            Self::Hs384 => Some(48),
            Self::Hs512 => Some(64),
            _ => None,
        }
    }
}

/// What signatures are checked with.
#[derive(Clone, PartialEq, Eq)]
pub enum JwtKeyMaterial {
    /// A secret that the issuer shares, its bytes in UTF-8.
    Secret(JwtAlgorithm, String),
    /// A public key in PEM, as `SubjectPublicKeyInfo` (RFC 7468 §13).
    PublicKey(JwtAlgorithm, String),
    /// Public keys are fetched from there (RFC 7517 §5); each names its own kind.
    Jwks(String),
}

/// A key, and all that a token under it must fulfil.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtKey {
    /// `jwtkey_…`.
    pub id: JwtKeyId,
    /// The project that takes tokens under it.
    pub project: ProjectId,
    /// The `kid` of those tokens; a key without one is tried for every token of its algorithm.
    pub kid: Option<String>,
    /// What signatures are checked with.
    pub material: JwtKeyMaterial,
    /// What `iss` must be, if that matters.
    pub issuer: Option<String>,
    /// What must be in `aud`, if that matters.
    pub audience: Option<String>,
    /// When it was added.
    pub created_at: Timestamp,
}

/// A subject of which no token counts that was issued until a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtRevocation {
    /// Whom.
    pub subject: Subject,
    /// Until when.
    pub at: Timestamp,
}

impl JwtRevocation {
    /// Whether it concerns a token that was issued then; one that does not say when may be older.
    pub fn concerns(&self, issued_at: Option<Timestamp>) -> bool {
        issued_at.is_none_or(|issued_at| issued_at <= self.at)
    }
}

impl fmt::Debug for JwtKeyMaterial {
    /// Hides the secret, and an address, whose path may be one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secret(..) => "Secret(***)",
            Self::PublicKey(..) => "PublicKey(…)",
            Self::Jwks(_) => "Jwks(…)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_as_they_are_written_and_none_is_no_algorithm() {
        for (name, algorithm) in JwtAlgorithm::NAMED {
            assert_eq!(JwtAlgorithm::from_name(name), Some(algorithm));
            assert_eq!(algorithm.name(), name);
        }
        for other in ["none", "None", "NONE", "hs256", "", "ES512", "RSA1_5"] {
            assert_eq!(JwtAlgorithm::from_name(other), None, "{other}");
        }
    }

    #[test]
    fn a_revocation_concerns_what_may_be_as_old_as_it() {
        let revoked = JwtRevocation { subject: Subject::trusted("a"), at: Timestamp(10) };
        assert!(revoked.concerns(Some(Timestamp(10))) && revoked.concerns(None));
        assert!(!revoked.concerns(Some(Timestamp(11))));
    }

    #[test]
    fn a_secret_never_shows_itself() {
        let secret = JwtKeyMaterial::Secret(JwtAlgorithm::Hs256, "hidden".to_owned());
        assert_eq!(format!("{secret:?}"), "Secret(***)");
    }
}
