//! The certificate: whether it can be shown, fits its key, and for how much longer it is good.

use super::finding::Finding;
use crate::actor::clock;
use crate::config::Config;
use crate::domain::Timestamp;
use crate::tls::CertificateSource;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// So many days before its end whoever renews it should have done so.
const DAYS: u64 = 14;
/// Milliseconds of a day.
const DAY: u64 = 86_400_000;

/// Looks at the certificate, if there is to be one.
pub(super) fn check(config: &Config) -> Vec<Finding> {
    config.tls.iter().flat_map(|source| look(source, &config.data, clock::now())).collect()
}

/// Looks at one of a server with this data folder, at a time.
fn look(source: &CertificateSource, data: &Path, now: Timestamp) -> Vec<Finding> {
    let failed = order(source, data);
    let found = match source.read(data) {
        Ok(Some(found)) => found,
        Ok(None) => {
            let found = "there is no certificate yet: the server orders it when it runs";
            return failed.map_or_else(|| vec![Finding::fine("tls", found)], |found| vec![found]);
        }
        Err(error) => {
            let remedy = "name a certificate and its own key with --tls-cert and --tls-key; a running server keeps the one \
                that it has";
            return vec![Finding::problem("tls", error.to_string(), remedy)];
        }
    };
    let (names, ends) = (found.names().join(", "), found.ends());
    let days = now.millis_until(ends) / DAY;
    let mut findings = vec![if !found.is_valid(now) {
        Finding::problem(
            "tls",
            format!("the certificate for {names} is not valid now; it ends {ends}"),
            "renew it, then `warren reload`; or set the clock right",
        )
    } else if days < DAYS {
        Finding::warning(
            "tls",
            format!("the certificate for {names} ends in {days} days, {ends}"),
            "renew it, then `warren reload`; look why that has not happened by itself",
        )
    } else {
        Finding::fine("tls", format!("the certificate for {names} is good for {days} days"))
    }];
    findings.extend(failed);
    let files = source.files(data);
    let is_open = fs::metadata(&files.key).is_ok_and(|key| key.mode() & 0o004 != 0);
    findings.extend(is_open.then(|| {
        let shown = files.key.display();
        let found = format!("everybody on this machine may read the key {shown}");
        Finding::warning("tls", found, format!("chmod o-r {shown}"))
    }));
    findings
}

/// Why the last order of a certificate has failed, if it has.
fn order(source: &CertificateSource, data: &Path) -> Option<Finding> {
    let CertificateSource::Acme(settings) = source else { return None };
    let failure = settings.folder(data).failure()?;
    let remedy = "let the names lead to this server, whose TLS the authority must reach at port 443; `warren reload` tries \
        again at once";
    Some(Finding::problem(
        "tls",
        format!("the last order of a certificate failed: {failure}"),
        remedy,
    ))
}

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;
    use crate::tls::{AcmeSettings, CertificateFiles};
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};
    use std::os::unix::fs::PermissionsExt as _;

    /// Files with a certificate from 2020 to the end of 2030.
    fn files(folder: &Path) -> CertificateFiles {
        let mut wanted = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        wanted.not_before = date_time_ymd(2020, 1, 1);
        wanted.not_after = date_time_ymd(2030, 12, 31);
        let files = CertificateFiles { chain: folder.join("crt"), key: folder.join("key") };
        let key = KeyPair::generate().unwrap();
        fs::write(&files.chain, wanted.self_signed(&key).unwrap().pem()).unwrap();
        fs::write(&files.key, key.serialize_pem()).unwrap();
        fs::set_permissions(&files.key, fs::Permissions::from_mode(0o600)).unwrap();
        files
    }

    #[test]
    fn fourteen_days_before_its_end_it_is_a_warning_and_behind_it_a_problem() {
        let folder = tempfile::tempdir().unwrap();
        let source = CertificateSource::Files(files(folder.path()));
        let end = 1_924_905_600_000;
        for (now, verdict) in [
            (end - 15 * 86_400_000, Severity::Fine),
            (end - 14 * 86_400_000, Severity::Fine),
            (end - 14 * 86_400_000 + 1, Severity::Warning),
            (end, Severity::Warning),
            (end + 1000, Severity::Problem),
            (0, Severity::Problem),
        ] {
            let found = look(&source, folder.path(), Timestamp(now));
            assert_eq!((found.len(), found[0].verdict), (1, verdict), "{now}: {found:?}");
        }
    }

    #[test]
    fn a_key_of_another_certificate_is_a_problem_and_one_that_all_may_read_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        fs::set_permissions(&files.key, fs::Permissions::from_mode(0o644)).unwrap();
        let found = look(
            &CertificateSource::Files(files.clone()),
            folder.path(),
            Timestamp(1_700_000_000_000),
        );
        assert_eq!(found[1].verdict, Severity::Warning, "{found:?}");
        fs::write(&files.key, KeyPair::generate().unwrap().serialize_pem()).unwrap();
        let found = look(
            &CertificateSource::Files(files.clone()),
            folder.path(),
            Timestamp(1_700_000_000_000),
        );
        assert_eq!(found[0].verdict, Severity::Problem);
        assert!(found[0].found.contains("not of this key"), "{found:?}");
    }

    #[test]
    fn an_order_that_failed_is_a_problem_whether_or_not_there_is_a_certificate() {
        let data = tempfile::tempdir().unwrap();
        let settings = AcmeSettings {
            domains: vec!["a.example".to_owned()],
            email: None,
            directory: "https://ca.example/".to_owned(),
        };
        let source = CertificateSource::Acme(settings.clone());
        let look = || look(&source, data.path(), Timestamp(1_700_000_000_000));
        assert_eq!(look()[0].verdict, Severity::Fine, "none yet");
        let folder = settings.folder(data.path());
        folder.note(Some("2026-01-01 nobody answers")).unwrap();
        let found = look();
        assert_eq!((found.len(), found[0].verdict), (1, Severity::Problem));
        assert!(found[0].found.contains("nobody answers"), "{found:?}");
        let made = files(data.path());
        let read = |path| fs::read_to_string(path).unwrap();
        folder.keep_certificate(&read(made.chain), &read(made.key)).unwrap();
        let found = look();
        assert_eq!((found[0].verdict, found[1].verdict), (Severity::Fine, Severity::Problem));
    }
}
