//! TLS, as this client speaks it: with ring, whatever else the program links.

use crate::error::{CloseError, Error};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use std::sync::{Arc, OnceLock};

/// Whose certificates are trusted: the system's roots and some more.
#[derive(Clone, Default)]
pub(crate) struct Trust {
    /// Those more.
    more: Vec<CertificateDer<'static>>,
    /// What was made of all of them for the first `wss` address. The system's are read once, not with each attempt.
    made: OnceLock<Arc<ClientConfig>>,
}

impl Trust {
    /// Trusts these as well, PEM.
    ///
    /// # Errors
    /// [`Error::Certificate`] where there is none, or what stands there is none.
    pub(crate) fn add(&mut self, pem: &[u8]) -> Result<(), Error> {
        let wrong = |why: &dyn std::fmt::Display| Error::Certificate(why.to_string());
        let mut roots = RootCertStore::empty();
        let before = self.more.len();
        for found in CertificateDer::pem_slice_iter(pem) {
            let found = found.map_err(|error| wrong(&error))?;
            roots.add(found.clone()).map_err(|error| wrong(&error))?;
            self.more.push(found);
        }
        if self.more.len() == before {
            return Err(wrong(&"no certificate in it"));
        }
        self.made = OnceLock::new();
        Ok(())
    }

    /// What the handshake works with.
    ///
    /// # Errors
    /// Nobody is trusted: neither the system nor the program names anybody.
    pub(crate) fn config(&self) -> Result<Arc<ClientConfig>, CloseError> {
        if let Some(made) = self.made.get() {
            return Ok(Arc::clone(made));
        }
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        roots.add_parsable_certificates(self.more.iter().cloned());
        if roots.is_empty() {
            // Not remembered: they may be there with the next attempt.
            let why: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
            let why = format!("no root certificates on this system: {}", why.join("; "));
            return Err(CloseError::broken(why));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| CloseError::broken(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::clone(self.made.get_or_init(|| Arc::new(config))))
    }

    /// Whether the system's certificates were read.
    #[cfg(test)]
    pub(crate) fn is_made(&self) -> bool {
        self.made.get().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_refused() {
        let empty = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for pem in ["", "no PEM", empty, "-----BEGIN CERTIFICATE-----\n?"] {
            let refused = Trust::default().add(pem.as_bytes()).unwrap_err();
            assert_eq!(refused.code(), "certificate", "{pem}");
        }
    }
}
