//! Where the certificate is from, as it is set: two files, or an authority.

use super::{ConfigError, ServeArgs};
use crate::tls::acme::{self, LETS_ENCRYPT, LETS_ENCRYPT_STAGING};
use crate::tls::{AcmeSettings, CertificateFiles, CertificateSource};
use url::Url;

/// The most names of one certificate: those that the authorities take.
const MAX_NAMES: usize = 100;
/// The most characters of an address for mail.
const MAX_EMAIL: usize = 254;

/// Where the certificate is from, if there is to be one.
pub(super) fn source(set: &ServeArgs) -> Result<Option<CertificateSource>, ConfigError> {
    let files = match (&set.tls_cert, &set.tls_key) {
        (Some(chain), Some(key)) => {
            Some(CertificateFiles { chain: chain.clone(), key: key.clone() })
        }
        (None, None) => None,
        (Some(_), None) => {
            let needs = "tls-key: the file of its key";
            return Err(ConfigError::Missing { name: "tls-cert", needs });
        }
        (None, Some(_)) => {
            let needs = "tls-cert: the file of its certificate";
            return Err(ConfigError::Missing { name: "tls-key", needs });
        }
    };
    match (files, acme(set)?) {
        (Some(_), Some(_)) => {
            let range = "left out where tls-cert is set: the certificate is from one place";
            Err(ConfigError::OutOfRange { name: "acme", range })
        }
        (Some(files), None) => Ok(Some(CertificateSource::Files(files))),
        (None, ordered) => Ok(ordered.map(CertificateSource::Acme)),
    }
}

/// What is to be ordered, if anything.
fn acme(set: &ServeArgs) -> Result<Option<AcmeSettings>, ConfigError> {
    let wrong = |name, range| Err(ConfigError::OutOfRange { name, range });
    let names = set.acme.clone().unwrap_or_default();
    if names.is_empty() {
        return Ok(None);
    }
    if !cfg!(feature = "acme") {
        return wrong("acme", "left out: this build cannot order certificates (feature `acme`)");
    }
    let mut domains: Vec<String> = Vec::new();
    for name in names.iter().map(|name| name.to_ascii_lowercase()) {
        if !acme::is_domain(&name) {
            return wrong("acme", "names of hosts in ASCII, as a.example.com; no * and no address");
        }
        if !domains.contains(&name) {
            domains.push(name);
        }
    }
    if domains.len() > MAX_NAMES {
        return wrong("acme", "100 names at most");
    }
    if set.acme_agree != Some(true) {
        let needs = "acme-agree: that you agree to the terms of the authority";
        return Err(ConfigError::Missing { name: "acme", needs });
    }
    let is_email = |email: &String| {
        let (user, host) = email.split_once('@').unwrap_or_default();
        let is_plain = email.chars().all(|c| c.is_ascii_graphic() && !"<>,?&#".contains(c));
        !user.is_empty() && !host.is_empty() && email.len() <= MAX_EMAIL && is_plain
    };
    if !set.acme_email.iter().all(is_email) {
        return wrong("acme-email", "one address for mail");
    }
    let directory = match (&set.acme_directory, set.acme_staging.unwrap_or(false)) {
        (Some(_), true) => {
            return wrong("acme-staging", "left out where acme-directory is set");
        }
        (Some(directory), false) => directory.as_str(),
        (None, true) => LETS_ENCRYPT_STAGING,
        (None, false) => LETS_ENCRYPT,
    };
    let is_address =
        Url::parse(directory).is_ok_and(|url| url.scheme() == "https" && url.has_host());
    if !is_address {
        return wrong("acme-directory", "an address that begins with https://");
    }
    let directory = directory.to_owned();
    Ok(Some(AcmeSettings { domains, email: set.acme_email.clone(), directory }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of these settings.
    fn of(text: &str) -> Result<Option<CertificateSource>, String> {
        let (_file, args) = super::super::tests::args(text);
        super::super::Config::load(args).map(|config| config.tls).map_err(|e| e.to_string())
    }

    #[test]
    fn it_is_from_two_files_or_from_nowhere() {
        assert_eq!(of(""), Ok(None));
        let files = CertificateFiles { chain: "c".into(), key: "k".into() };
        let both = of("tls-cert = \"c\"\ntls-key = \"k\"");
        assert_eq!(both, Ok(Some(CertificateSource::Files(files))));
        assert!(of("tls-cert = \"c\"").unwrap_err().contains("tls-cert needs tls-key"));
        assert!(of("tls-key = \"k\"").unwrap_err().contains("tls-key needs tls-cert"));
    }

    #[cfg(feature = "acme")]
    #[test]
    fn it_is_ordered_for_names_from_an_authority_whose_terms_are_agreed_to() {
        let agreed = "acme-agree = true\nacme = [\"A.example\", \"a.example\", \"b.example\"]\n";
        for (more, directory) in [
            ("", LETS_ENCRYPT),
            ("acme-staging = true", LETS_ENCRYPT_STAGING),
            ("acme-directory = \"https://ca.example:14000/dir\"", "https://ca.example:14000/dir"),
        ] {
            let expected = AcmeSettings {
                domains: vec!["a.example".to_owned(), "b.example".to_owned()],
                email: None,
                directory: directory.to_owned(),
            };
            assert_eq!(of(&format!("{agreed}{more}")), Ok(Some(CertificateSource::Acme(expected))));
        }
        for (text, error) in [
            ("acme = [\"a.example\"]", "acme needs acme-agree"),
            ("acme-agree = false\nacme = [\"a.example\"]", "acme needs acme-agree"),
            ("acme-agree = true\nacme = [\"*.example\"]", "acme must be names"),
            ("acme-agree = true\nacme = [\"localhost\"]", "acme must be names"),
            (&format!("{agreed}acme-email = \"me\""), "acme-email must be"),
            (&format!("{agreed}acme-email = \"me@x,you@x\""), "acme-email must be"),
            (&format!("{agreed}acme-directory = \"http://ca.example\""), "acme-directory must be"),
            (
                &format!("{agreed}acme-staging = true\nacme-directory = \"https://c.example\""),
                "acme-staging must be",
            ),
            (&format!("{agreed}tls-cert = \"c\"\ntls-key = \"k\""), "acme must be left out"),
        ] {
            let said = of(text).unwrap_err();
            assert!(said.contains(error), "{text}: {said}");
        }
    }
}
