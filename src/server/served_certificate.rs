//! The certificate of a running server: read at the start, at each reload, and when its files change; or ordered.

use super::ServerError;
use super::handshake::Handshakes;
use crate::actor::clock;
use crate::config::Config;
use crate::http;
use crate::tls::{Certificate, CertificateError, CertificateInForce, CertificateSource};
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// How often the files are looked at between reloads: who renews certificates need not know who uses them.
const LOOK: Duration = Duration::from_mins(1);

/// A certificate, and where it is from.
pub(super) struct ServedCertificate {
    /// Where it is from.
    pub(super) source: CertificateSource,
    /// The server's data.
    pub(super) data: PathBuf,
    /// What handshakes are shown.
    pub(super) in_force: Arc<CertificateInForce>,
    /// Where its end is shown.
    end: http::CertificateEnd,
    /// Somebody wants what has failed to be tried again now.
    pub(super) again: Notify,
}

/// A certificate that was read and differs from the one in force.
pub(super) struct NextCertificate(Certificate);

impl fmt::Display for NextCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "certificate = {:?} until {}", self.0.names(), self.0.ends())
    }
}

impl ServedCertificate {
    /// Reads the first one, if there is one; nothing where none is to be.
    ///
    /// # Errors
    /// [`ServerError::Certificate`].
    pub(super) fn open(config: &Config, app: &http::App) -> Result<Option<Rc<Self>>, ServerError> {
        let Some(source) = config.tls.clone() else { return Ok(None) };
        let first = source.read(&config.data)?;
        match &first {
            Some(first) if !first.is_valid(clock::now()) => {
                tracing::warn!(ends = %first.ends(), "the certificate is not valid now: clients will refuse it");
            }
            Some(_) => {}
            None => tracing::info!("there is no certificate yet: it is being ordered"),
        }
        let end = app.certificate_end.clone();
        if let Some(first) = &first {
            end.set(first.ends());
        }
        let (in_force, again) = (CertificateInForce::new(first), Notify::new());
        Ok(Some(Rc::new(Self { source, data: config.data.clone(), in_force, end, again })))
    }

    /// What listeners speak TLS by.
    ///
    /// # Errors
    /// There are no random numbers.
    pub(super) fn handshakes(&self) -> Result<Handshakes, ServerError> {
        let has_proofs = matches!(self.source, CertificateSource::Acme(_));
        let config = Arc::clone(&self.in_force).config(has_proofs);
        Ok(Handshakes::new(config.map_err(io::Error::other)?))
    }

    /// Reads the files again: what is to take the place of the one in force; none where they still hold that.
    ///
    /// # Errors
    /// [`CertificateError`]; then it stays in force.
    pub(super) fn look(&self) -> Result<Option<NextCertificate>, CertificateError> {
        let Some(next) = self.source.read(&self.data)? else { return Ok(None) };
        self.in_force.allow(&next, clock::now())?;
        let is_same = self.in_force.get().is_some_and(|shown| shown.is(&next));
        Ok((!is_same).then_some(NextCertificate(next)))
    }

    /// From now on, handshakes are shown this one.
    pub(super) fn put(&self, NextCertificate(next): NextCertificate) {
        self.take(next);
    }

    /// The same of one that nobody has read before.
    pub(super) fn take(&self, next: Certificate) {
        self.end.set(next.ends());
        self.in_force.put(next);
    }

    /// Tries again now what has failed.
    pub(super) fn try_again(&self) {
        self.again.notify_waiters();
    }

    /// Looks at the files now and then, for ever. What is wrong with them is said once, until it is something else.
    pub(super) async fn watch(&self) {
        let mut said = None;
        loop {
            tokio::time::sleep(LOOK).await;
            match self.look() {
                Ok(next) => {
                    said = None;
                    if let Some(next) = next {
                        tracing::info!(setting = %next, "changed");
                        self.put(next);
                    }
                }
                Err(error) => {
                    let error = error.to_string();
                    if said.as_ref() != Some(&error) {
                        tracing::error!(
                            error,
                            "the certificate's files cannot be used; the one in force stays"
                        );
                        said = Some(error);
                    }
                }
            }
        }
    }
}
