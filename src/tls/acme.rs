//! A certificate from an authority that speaks ACME (RFC 8555): for which names, from whom, and where it is kept.

#[cfg(feature = "acme")]
mod client;
#[cfg(feature = "acme")]
mod ordering;

#[cfg(feature = "acme")]
pub use ordering::{AcmeError, order};

use super::certificate::CertificateFiles;
use sha2::{Digest as _, Sha256};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The directory of Let's Encrypt.
pub const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
/// The same for who tries something out: its certificates are trusted by nobody, and its limits are wide.
pub const LETS_ENCRYPT_STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";

/// The most characters of a name (RFC 1035 §2.3.4), and of a part of one.
const MAX_NAME: usize = 253;
/// See [`MAX_NAME`].
const MAX_PART: usize = 63;

/// The account's file.
const ACCOUNT: &str = "account.json";
/// The certificate and its key, in one file: they are never of two minds.
const CERTIFICATE: &str = "certificate.pem";
/// What the last attempt failed of, if it did.
const FAILURE: &str = "failure.txt";

/// What is wanted, and from whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcmeSettings {
    /// The names, at least one, in small letters.
    pub domains: Vec<String>,
    /// Whom the authority may write to.
    pub email: Option<String>,
    /// The address of its directory.
    pub directory: String,
}

impl AcmeSettings {
    /// Where the account with this authority is kept, and what came of it, below a server's data.
    pub fn folder(&self, data: &Path) -> AcmeFolder {
        // Another authority is another account: who tries one out first has both.
        let name = Sha256::digest(self.directory.as_bytes());
        let name = name.first_chunk().copied().map_or(0, u64::from_be_bytes);
        AcmeFolder(data.join("acme").join(format!("{name:016x}")))
    }
}

/// Whether a text can be the name that a certificate is ordered for: a host's, in ASCII, without `*`, which this way of
/// proving who one is cannot have (RFC 8737 §3).
pub fn is_domain(name: &str) -> bool {
    let is_part = |part: &str| {
        (1..=MAX_PART).contains(&part.len())
            && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    let is_number = |part: &str| part.chars().all(|c| c.is_ascii_digit());
    name.len() <= MAX_NAME
        && name.contains('.')
        && name.split('.').all(is_part)
        && !name.rsplit('.').next().is_some_and(is_number)
}

/// The folder of an account.
#[derive(Clone, Debug)]
pub struct AcmeFolder(PathBuf);

impl AcmeFolder {
    /// Where the certificate is, once there is one.
    pub fn files(&self) -> CertificateFiles {
        let file = self.0.join(CERTIFICATE);
        CertificateFiles { chain: file.clone(), key: file }
    }

    /// The account, if there is one.
    ///
    /// # Errors
    /// It is there and cannot be read.
    pub fn account(&self) -> io::Result<Option<String>> {
        absent(fs::read_to_string(self.0.join(ACCOUNT)))
    }

    /// Keeps the account.
    ///
    /// # Errors
    /// The disk does not take it.
    pub fn keep_account(&self, account: &str) -> io::Result<()> {
        self.keep(ACCOUNT, account)
    }

    /// Forgets the account.
    ///
    /// # Errors
    /// It is there and cannot be removed.
    pub fn forget_account(&self) -> io::Result<()> {
        absent(fs::remove_file(self.0.join(ACCOUNT))).map(drop)
    }

    /// Keeps a certificate and its key.
    ///
    /// # Errors
    /// The disk does not take them.
    pub fn keep_certificate(&self, chain: &str, key: &str) -> io::Result<()> {
        self.keep(CERTIFICATE, &format!("{}\n{key}", chain.trim_end()))
    }

    /// Notes why an attempt has failed, or that one has not.
    ///
    /// # Errors
    /// The disk does not take it.
    pub fn note(&self, failure: Option<&str>) -> io::Result<()> {
        match failure {
            Some(failure) => self.keep(FAILURE, failure),
            None => absent(fs::remove_file(self.0.join(FAILURE))).map(drop),
        }
    }

    /// Why the last attempt has failed, if it has.
    pub fn failure(&self) -> Option<String> {
        fs::read_to_string(self.0.join(FAILURE)).ok()
    }

    /// Writes a file for nobody else to read, whole or not at all.
    fn keep(&self, name: &str, text: &str) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        let (file, new) = (self.0.join(name), self.0.join(format!("{name}.new")));
        // One that a crash has left.
        absent(fs::remove_file(&new))?;
        let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        out.write_all(text.as_bytes())?;
        out.sync_all()?;
        fs::rename(&new, &file)?;
        File::open(&self.0)?.sync_all()
    }
}

/// Nothing where there is no file.
fn absent<T>(done: io::Result<T>) -> io::Result<Option<T>> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        done => done.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    /// Settings for an authority.
    fn settings(directory: &str) -> AcmeSettings {
        let domains = vec!["a.example".to_owned()];
        AcmeSettings { domains, email: None, directory: directory.to_owned() }
    }

    #[test]
    fn names_are_those_that_can_be_ordered_for() {
        let long = format!("{}.example", "a".repeat(64));
        let longer = format!("{}example", "abcdefg.".repeat(31));
        for (name, is_one) in [
            ("a.example", true),
            ("a-1.xn--bcher-kva.example", true),
            ("example", false),
            ("*.example.com", false),
            ("A.example", false),
            ("a..example", false),
            (".example", false),
            ("a.example.", false),
            ("-a.example", false),
            ("a-.example", false),
            ("bücher.example", false),
            ("a b.example", false),
            ("192.0.2.1", false),
            ("a.example:443", false),
            ("", false),
            (long.as_str(), false),
            (longer.as_str(), false),
        ] {
            assert_eq!(is_domain(name), is_one, "{name}");
        }
    }

    #[test]
    fn what_is_kept_is_for_nobody_else_and_each_authority_has_its_own() {
        let data = tempfile::tempdir().unwrap();
        let folder = settings("https://one.example/").folder(data.path());
        assert_eq!(folder.account().unwrap(), None);
        folder.forget_account().unwrap();
        folder.keep_account("first").unwrap();
        folder.keep_account("second").unwrap();
        assert_eq!(folder.account().unwrap().as_deref(), Some("second"));
        folder.keep_certificate("chain", "key").unwrap();
        for file in [folder.0.join(ACCOUNT), folder.files().key] {
            assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
        }
        assert_eq!(folder.0.metadata().unwrap().mode() & 0o777, 0o700);
        let other = settings("https://other.example/").folder(data.path());
        assert_eq!(other.account().unwrap(), None);
        folder.note(Some("why")).unwrap();
        assert_eq!(folder.failure().as_deref(), Some("why"));
        folder.note(None).unwrap();
        assert_eq!(folder.failure(), None);
    }
}
