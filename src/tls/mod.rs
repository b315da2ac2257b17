//! What a listener proves itself by: certificates, read and checked or ordered, and the one in force, which may change while
//! the server runs (`docs/adr/0028`). Sockets are none of its business: those are the server's.

pub mod acme;
mod certificate;
mod in_force;

pub use acme::AcmeSettings;
pub use certificate::{Certificate, CertificateError, CertificateFiles};
pub use in_force::{ACME, CertificateInForce};

use std::path::Path;

/// Where a server's certificate is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateSource {
    /// Somebody puts it there.
    Files(CertificateFiles),
    /// It is ordered.
    Acme(AcmeSettings),
}

impl CertificateSource {
    /// Where it is, or will be, of a server with this data folder.
    pub fn files(&self, data: &Path) -> CertificateFiles {
        match self {
            Self::Files(files) => files.clone(),
            Self::Acme(settings) => settings.folder(data).files(),
        }
    }

    /// Reads it; none where it is to be ordered: because there is none yet, or none that can be used, or it is for other
    /// names.
    ///
    /// # Errors
    /// [`CertificateError`] of what somebody has put there.
    pub fn read(&self, data: &Path) -> Result<Option<Certificate>, CertificateError> {
        let files = self.files(data);
        let Self::Acme(settings) = self else { return Certificate::read(&files).map(Some) };
        if !files.chain.exists() {
            return Ok(None);
        }
        match Certificate::read(&files) {
            Ok(found) => Ok(Some(found).filter(|found| found.is_for(&settings.domains))),
            Err(error) => {
                tracing::warn!(%error, "what was ordered before is not there any more as it was");
                Ok(None)
            }
        }
    }
}
