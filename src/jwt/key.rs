//! A key, and whether a signature is its. Each has one kind: it checks no signature of another (RFC 8725 §3.1).

use crate::domain::{JwtAlgorithm, JwtKeyMaterial};
use ring::hmac;
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject as _;
use spki::der::asn1::UintRef;
use spki::der::{Decode as _, Reader as _, SliceReader};
use spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};

/// `rsaEncryption` (RFC 8017 A.1).
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// `id-ecPublicKey` (RFC 5480 §2.1.1).
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// `secp256r1` (RFC 5480 §2.1.1.1).
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
/// `secp384r1` (RFC 5480 §2.1.1.1).
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
/// `id-Ed25519` (RFC 8410 §3).
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// The bytes of an RSA modulus, fewest and most: 2048 and 8192 bits.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;
/// The bytes of one number on P-256.
const P256_BYTES: usize = 32;
/// The bytes of one number on P-384.
const P384_BYTES: usize = 48;
/// The bytes of a point on Edwards25519.
const ED25519_BYTES: usize = 32;

/// Why something is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// Not PEM with a `PUBLIC KEY` in it.
    #[error("must be PEM, beginning with -----BEGIN PUBLIC KEY-----")]
    Pem,
    /// A key of another kind than its algorithm takes.
    #[error("is a key of another kind than {} takes", .0.name())]
    Kind(JwtAlgorithm),
    /// A key that is shorter than is safe, or longer than is checked.
    #[error("must have 2048 to 8192 bits")]
    Size,
    /// A secret that is shorter than its hash.
    #[error("must have at least {1} bytes for {name}", name = .0.name())]
    Short(JwtAlgorithm, usize),
    /// A public key where the algorithm takes a secret, or the other way round.
    #[error("does not go with {}", .0.name())]
    Family(JwtAlgorithm),
}

/// The numbers and points that keys are made of.
#[derive(Clone)]
pub enum PublicKey {
    /// RSA.
    Rsa {
        /// The modulus, no zeros in front.
        n: Vec<u8>,
        /// The exponent, likewise.
        e: Vec<u8>,
    },
    /// A point on P-256, uncompressed.
    P256(Vec<u8>),
    /// A point on P-384, uncompressed.
    P384(Vec<u8>),
    /// A point on Edwards25519.
    Ed25519(Vec<u8>),
}

/// What a signature is checked with.
enum Checks {
    /// A shared secret.
    Secret(hmac::Key),
    /// A public key.
    Public(PublicKey),
}

/// A key that can be used.
pub struct VerifyingKey {
    /// The algorithms that it is for; never of two families.
    algorithms: Vec<JwtAlgorithm>,
    /// What signatures are checked with.
    checks: Checks,
}

impl VerifyingKey {
    /// The key of a project's own material; none of a key set, which has many.
    ///
    /// # Errors
    /// [`KeyFault`].
    pub fn of(material: &JwtKeyMaterial) -> Result<Option<Self>, KeyFault> {
        Ok(match material {
            JwtKeyMaterial::Secret(algorithm, secret) => {
                Some(Self::of_secret(*algorithm, secret.as_bytes())?)
            }
            JwtKeyMaterial::PublicKey(algorithm, pem) => Some(Self::of_pem(*algorithm, pem)?),
            JwtKeyMaterial::Jwks(_) => None,
        })
    }

    /// A shared secret.
    ///
    /// # Errors
    /// [`KeyFault::Short`]; [`KeyFault::Family`] for an algorithm that takes a public key.
    pub fn of_secret(algorithm: JwtAlgorithm, secret: &[u8]) -> Result<Self, KeyFault> {
        let (hash, least) = match (algorithm, algorithm.secret_bytes()) {
            (JwtAlgorithm::Hs256, Some(least)) => (hmac::HMAC_SHA256, least),
            (JwtAlgorithm::Hs384, Some(least)) => (hmac::HMAC_SHA384, least),
            (JwtAlgorithm::Hs512, Some(least)) => (hmac::HMAC_SHA512, least),
            _ => return Err(KeyFault::Family(algorithm)),
        };
        if secret.len() < least {
            return Err(KeyFault::Short(algorithm, least));
        }
        let checks = Checks::Secret(hmac::Key::new(hash, secret));
        Ok(Self { algorithms: vec![algorithm], checks })
    }

    /// A public key in PEM.
    ///
    /// # Errors
    /// [`KeyFault`].
    pub fn of_pem(algorithm: JwtAlgorithm, pem: &str) -> Result<Self, KeyFault> {
        if algorithm.secret_bytes().is_some() {
            return Err(KeyFault::Family(algorithm));
        }
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes());
        let der = der.map_err(|_fault| KeyFault::Pem)?;
        let key = PublicKey::from_der(&der).ok_or(KeyFault::Kind(algorithm))?;
        Self::of_public(key, &[algorithm])
    }

    /// A public key for these algorithms.
    ///
    /// # Errors
    /// [`KeyFault::Kind`], [`KeyFault::Size`].
    pub fn of_public(key: PublicKey, algorithms: &[JwtAlgorithm]) -> Result<Self, KeyFault> {
        let other = algorithms.iter().find(|algorithm| key.algorithm(**algorithm).is_none());
        if let Some(algorithm) = other {
            return Err(KeyFault::Kind(*algorithm));
        }
        if !key.has_right_size() {
            return Err(KeyFault::Size);
        }
        Ok(Self { algorithms: algorithms.to_vec(), checks: Checks::Public(key) })
    }

    /// Whether it is for this algorithm.
    pub fn takes(&self, algorithm: JwtAlgorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }

    /// Whether this is its signature under an algorithm that it is for.
    pub fn has_signed(&self, algorithm: JwtAlgorithm, signed: &[u8], signature: &[u8]) -> bool {
        if !self.takes(algorithm) {
            return false;
        }
        match &self.checks {
            Checks::Secret(key) => hmac::verify(key, signed, signature).is_ok(),
            Checks::Public(key) => key.has_signed(algorithm, signed, signature),
        }
    }
}

impl PublicKey {
    /// Reads a `SubjectPublicKeyInfo`; none for a kind that nobody signs with here.
    fn from_der(der: &[u8]) -> Option<Self> {
        let info = SubjectPublicKeyInfoRef::from_der(der).ok()?;
        let bits = info.subject_public_key.as_bytes()?;
        let curve = || info.algorithm.parameters_oid().ok();
        Some(match info.algorithm.oid {
            RSA => {
                let (n, e) = rsa_numbers(bits).ok()?;
                Self::Rsa { n: n.as_bytes().to_vec(), e: e.as_bytes().to_vec() }
            }
            EC if curve() == Some(P256) => Self::P256(bits.to_vec()),
            EC if curve() == Some(P384) => Self::P384(bits.to_vec()),
            ED25519 => Self::Ed25519(bits.to_vec()),
            _ => return None,
        })
    }

    /// Whether its parts have the lengths that they must have.
    fn has_right_size(&self) -> bool {
        let is_point =
            |bytes: &[u8], size: usize| bytes.first() == Some(&4) && bytes.len() == 1 + 2 * size;
        match self {
            Self::Rsa { n, e } => {
                // A modulus of exactly so many bytes may have a few bits less.
                RSA_BYTES.contains(&n.len())
                    && n.first().is_some_and(|top| *top >= 0x80)
                    && !e.is_empty()
            }
            Self::P256(point) => is_point(point, P256_BYTES),
            Self::P384(point) => is_point(point, P384_BYTES),
            Self::Ed25519(point) => point.len() == ED25519_BYTES,
        }
    }

    /// How ring checks an algorithm with such a key; none if it is for another kind.
    fn algorithm(&self, algorithm: JwtAlgorithm) -> Option<RingAlgorithm> {
        use JwtAlgorithm::{EdDsa, Es256, Es384, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
        Some(match (self, algorithm) {
            (Self::Rsa { .. }, Rs256) => RingAlgorithm::Rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
            (Self::Rsa { .. }, Rs384) => RingAlgorithm::Rsa(&signature::RSA_PKCS1_2048_8192_SHA384),
            (Self::Rsa { .. }, Rs512) => RingAlgorithm::Rsa(&signature::RSA_PKCS1_2048_8192_SHA512),
            (Self::Rsa { .. }, Ps256) => RingAlgorithm::Rsa(&signature::RSA_PSS_2048_8192_SHA256),
            (Self::Rsa { .. }, Ps384) => RingAlgorithm::Rsa(&signature::RSA_PSS_2048_8192_SHA384),
            (Self::Rsa { .. }, Ps512) => RingAlgorithm::Rsa(&signature::RSA_PSS_2048_8192_SHA512),
            (Self::P256(_), Es256) => RingAlgorithm::Point(&signature::ECDSA_P256_SHA256_FIXED),
            (Self::P384(_), Es384) => RingAlgorithm::Point(&signature::ECDSA_P384_SHA384_FIXED),
            (Self::Ed25519(_), EdDsa) => RingAlgorithm::Point(&signature::ED25519),
            _ => return None,
        })
    }

    /// Whether this is its signature.
    fn has_signed(&self, algorithm: JwtAlgorithm, signed: &[u8], signature: &[u8]) -> bool {
        let checked = match (self, self.algorithm(algorithm)) {
            (Self::Rsa { n, e }, Some(RingAlgorithm::Rsa(how))) => {
                let key = RsaPublicKeyComponents { n: n.as_slice(), e: e.as_slice() };
                key.verify(how, signed, signature)
            }
            (
                Self::P256(point) | Self::P384(point) | Self::Ed25519(point),
                Some(RingAlgorithm::Point(how)),
            ) => UnparsedPublicKey::new(how, point).verify(signed, signature),
            _ => return false,
        };
        checked.is_ok()
    }
}

/// How ring checks.
enum RingAlgorithm {
    /// With two numbers.
    Rsa(&'static signature::RsaParameters),
    /// With a point.
    Point(&'static dyn VerificationAlgorithm),
}

/// The numbers of an `RSAPublicKey` (RFC 8017 A.1.1).
fn rsa_numbers(der: &[u8]) -> spki::der::Result<(UintRef<'_>, UintRef<'_>)> {
    let mut reader = SliceReader::new(der)?;
    let numbers: spki::der::Result<_> =
        reader.sequence(|inner| Ok((UintRef::decode(inner)?, UintRef::decode(inner)?)));
    let numbers = numbers?;
    reader.finish()?;
    Ok(numbers)
}

#[cfg(test)]
mod tests;
