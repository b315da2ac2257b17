//! A certificate with those that vouch for it and its key, and what can be wrong with them.

use crate::domain::Timestamp;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

/// The most of a file that is read, bytes: a chain has some thousand.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Where a certificate and its key are, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, and behind it those that vouch for it.
    pub chain: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// Why a certificate cannot be used. Nothing of a key is ever in it.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file has none in it.
    #[error("{0} has no certificate in PEM (BEGIN CERTIFICATE)")]
    NoCertificate(PathBuf),
    /// A file has no key in it.
    #[error(
        "{0} has no private key in PEM that can be read (BEGIN PRIVATE KEY, without a password)"
    )]
    NoKey(PathBuf),
    /// The certificate is of another key.
    #[error("the certificate is not of this key")]
    OtherKey,
    /// What is there is no certificate, or of a kind that is not served.
    #[error("the certificate cannot be used: {0}")]
    Unusable(String),
    /// It has ended, and the one in force has not.
    #[error("the certificate has ended, {0}; the one in force has not")]
    Ended(Timestamp),
}

/// A certificate that can be shown, with its key.
pub struct Certificate {
    /// What handshakes need of it.
    pub(super) shown: Arc<CertifiedKey>,
    /// From when on it is valid.
    begins: Timestamp,
    /// Until when.
    ends: Timestamp,
    /// The names and addresses that it is for.
    names: Vec<String>,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("names", &self.names).finish_non_exhaustive()
    }
}

impl Certificate {
    /// Reads one, with its key.
    ///
    /// # Errors
    /// [`CertificateError`] says which file and what is wrong; whether it has ended is not looked at.
    pub fn read(files: &CertificateFiles) -> Result<Self, CertificateError> {
        let chain = read(&files.chain)?;
        let chain = CertificateDer::pem_slice_iter(&chain).collect::<Result<Vec<_>, _>>();
        let chain = chain.ok().filter(|chain| !chain.is_empty());
        let chain = chain.ok_or_else(|| CertificateError::NoCertificate(files.chain.clone()))?;
        let key = PrivateKeyDer::from_pem_slice(&read(&files.key)?);
        let key = key.ok().ok_or_else(|| CertificateError::NoKey(files.key.clone()))?;
        Self::new(chain, key)
    }

    /// Puts one together.
    ///
    /// # Errors
    /// [`CertificateError::OtherKey`], [`CertificateError::Unusable`].
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, CertificateError> {
        let shown = CertifiedKey::from_der(chain, key, &ring::default_provider());
        let shown = shown.map_err(|error| match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => CertificateError::OtherKey,
            other => CertificateError::Unusable(other.to_string()),
        })?;
        let unusable = |why: &dyn fmt::Display| CertificateError::Unusable(why.to_string());
        let first = shown.end_entity_cert().map_err(|error| unusable(&error))?;
        let (_, read) =
            x509_parser::parse_x509_certificate(first).map_err(|error| unusable(&error))?;
        let validity = read.validity();
        let at = |seconds: i64| Timestamp(seconds.saturating_mul(1000));
        let (begins, ends) =
            (at(validity.not_before.timestamp()), at(validity.not_after.timestamp()));
        let names = names(&read);
        Ok(Self { shown: Arc::new(shown), begins, ends, names })
    }

    /// Until when it is valid.
    pub const fn ends(&self) -> Timestamp {
        self.ends
    }

    /// Whether it is valid at a time.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        (self.begins..=self.ends).contains(&now)
    }

    /// The names and addresses that it is for.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether it is for these names and no others.
    pub fn is_for(&self, names: &[String]) -> bool {
        let has = |all: &[String], name: &String| all.contains(name);
        names.iter().all(|name| has(&self.names, name))
            && self.names.iter().all(|name| has(names, name))
    }

    /// When it is time for the next one: with a third of its time left.
    pub fn renewal(&self) -> Timestamp {
        Timestamp(self.ends.0.saturating_sub(self.ends.0.saturating_sub(self.begins.0) / 3))
    }

    /// Whether it is this one, by all its bytes.
    pub fn is(&self, other: &Self) -> bool {
        self.shown.cert == other.shown.cert
    }
}

/// Reads a file, within the bound.
fn read(path: &Path) -> Result<Vec<u8>, CertificateError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_FILE_BYTES).read_to_end(&mut bytes));
    read.map_err(|source| CertificateError::Unreadable { path: path.to_owned(), source })?;
    Ok(bytes)
}

/// The names and addresses that a certificate is for.
fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return Vec::new() };
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => address(bytes).map(|address| address.to_string()),
        _ => None,
    };
    names.value.general_names.iter().filter_map(text).collect()
}

/// An address as certificates have it.
fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};
    use tempfile::TempDir;

    /// Files with a certificate of its own key for these names, valid until the end of a year.
    pub(in crate::tls) fn files(folder: &TempDir, name: &str, year: i32) -> CertificateFiles {
        let key = KeyPair::generate().unwrap();
        let mut wanted = CertificateParams::new(vec![name.to_owned(), "::1".to_owned()]).unwrap();
        wanted.not_before = date_time_ymd(2020, 1, 1);
        wanted.not_after = date_time_ymd(year, 12, 31);
        let made = wanted.self_signed(&key).unwrap();
        let place = |kind| folder.path().join(format!("{name}-{year}.{kind}"));
        let files = CertificateFiles { chain: place("crt"), key: place("key") };
        std::fs::write(&files.chain, made.pem()).unwrap();
        std::fs::write(&files.key, key.serialize_pem()).unwrap();
        files
    }

    #[test]
    fn what_is_read_knows_its_names_and_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let read = Certificate::read(&files(&folder, "a.example", 2090)).unwrap();
        assert_eq!(read.names(), ["a.example", "::1"]);
        assert_eq!(read.ends(), Timestamp(3_818_361_600_000));
        assert!(read.is_valid(Timestamp(1_700_000_000_000)));
        assert!(!read.is_valid(Timestamp(0)) && !read.is_valid(Timestamp(3_818_361_600_001)));
        let debug = format!("{read:?}");
        assert!(debug.contains("a.example") && !debug.to_lowercase().contains("key"), "{debug}");
    }

    #[test]
    fn it_is_for_its_names_whatever_their_order_and_time_for_another_with_a_third_left() {
        let folder = tempfile::tempdir().unwrap();
        let read = Certificate::read(&files(&folder, "a.example", 2022)).unwrap();
        let names =
            |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert!(read.is_for(&names(&["::1", "a.example"])));
        for others in [&["a.example"][..], &["a.example", "::1", "b.example"], &[]] {
            assert!(!read.is_for(&names(others)), "{others:?}");
        }
        // Valid for 1,095 days.
        assert_eq!(read.ends().0 - read.renewal().0, 365 * 86_400_000);
    }

    #[test]
    fn what_is_wrong_is_named_and_no_key_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (files(&folder, "a", 2090), files(&folder, "b", 2090));
        let with = |chain: &Path, key: &Path| {
            let files = CertificateFiles { chain: chain.to_owned(), key: key.to_owned() };
            Certificate::read(&files).unwrap_err().to_string()
        };
        assert_eq!(with(&one.chain, &other.key), "the certificate is not of this key");
        let text = std::fs::read_to_string(&one.key).unwrap();
        let half = folder.path().join("half");
        std::fs::write(&half, &text[..text.len() / 2]).unwrap();
        let cases = [
            (with(&one.key, &one.key), "no certificate"),
            (with(&one.chain, &one.chain), "no private key"),
            (with(&one.chain, &half), "no private key"),
            (with(&half, &one.key), "no certificate"),
            (with(&folder.path().join("none"), &one.key), "cannot read"),
        ];
        let secret = text.lines().nth(1).unwrap();
        for (said, expected) in cases {
            assert!(said.contains(expected) && !said.contains(secret), "{said}");
        }
        let garbage = folder.path().join("garbage");
        std::fs::write(&garbage, "-----BEGIN CERTIFICATE-----\naGk=\n-----END CERTIFICATE-----\n")
            .unwrap();
        assert!(with(&garbage, &one.key).contains("cannot be used"));
    }
}
