//! The certificate that handshakes are shown at the moment, and what proves to an authority who this server is.

use super::certificate::{Certificate, CertificateError};
use crate::domain::Timestamp;
use arc_swap::ArcSwapOption;
use rustls::crypto::ring::{self, Ticketer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{Error, ServerConfig};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is spoken inside.
const HTTP: &[u8] = b"http/1.1";
/// What an authority speaks that looks for proofs (RFC 8737 §6.2): nothing, once it has seen them.
pub const ACME: &[u8] = b"acme-tls/1";

/// The certificate in force; handshakes that begin afterwards are shown what it is then.
#[derive(Debug)]
pub struct CertificateInForce {
    /// The certificate; none as long as none was ordered.
    shown: ArcSwapOption<Certificate>,
    /// What proves to an authority that a name is this server's, by the names that it looks for now.
    proofs: Mutex<HashMap<String, Arc<CertifiedKey>>>,
}

impl CertificateInForce {
    /// This one, to begin with.
    pub fn new(first: Option<Certificate>) -> Arc<Self> {
        let shown = ArcSwapOption::from_pointee(first);
        Arc::new(Self { shown, proofs: Mutex::default() })
    }

    /// The one in force.
    pub fn get(&self) -> Option<Arc<Certificate>> {
        self.shown.load_full()
    }

    /// Whether a certificate may take the place of the one in force.
    ///
    /// # Errors
    /// [`CertificateError::Ended`].
    pub fn allow(&self, next: &Certificate, now: Timestamp) -> Result<(), CertificateError> {
        if next.ends() < now && self.get().is_some_and(|shown| shown.ends() >= now) {
            return Err(CertificateError::Ended(next.ends()));
        }
        Ok(())
    }

    /// From now on, this one.
    pub fn put(&self, next: Certificate) {
        self.shown.store(Some(Arc::new(next)));
    }

    /// From now on, an authority that looks for this name is shown this.
    pub fn prove(&self, name: String, proof: CertifiedKey) {
        self.proofs().insert(name, Arc::new(proof));
    }

    /// From now on, nobody is shown proofs.
    pub fn forget_proofs(&self) {
        self.proofs().clear();
    }

    /// The proofs.
    fn proofs(&self) -> MutexGuard<'_, HashMap<String, Arc<CertifiedKey>>> {
        self.proofs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a listener speaks TLS by: 1.2 and 1.3, and inside it HTTP/1.1; with `has_proofs`, authorities may look for some.
    ///
    /// # Errors
    /// The crypto provider refuses, for want of random numbers.
    pub fn config(self: Arc<Self>, has_proofs: bool) -> Result<ServerConfig, Error> {
        let provider = Arc::new(ring::default_provider());
        let config =
            ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let mut config = config.with_no_client_auth().with_cert_resolver(self);
        config.alpn_protocols = vec![HTTP.to_vec()];
        if has_proofs {
            config.alpn_protocols.push(ACME.to_vec());
        }
        // Whoever comes back spares both sides the certificate; nothing is remembered here for that.
        config.ticketer = Ticketer::new()?;
        Ok(config)
    }
}

impl ResolvesServerCert for CertificateInForce {
    /// The same for every name: who asks for another finds out that this is not its server. Who speaks what authorities do
    /// is shown the proof that it looks for, and nothing else.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if hello.alpn().is_some_and(|mut spoken| spoken.any(|protocol| protocol == ACME)) {
            return self.proofs().get(hello.server_name()?).cloned();
        }
        self.shown.load().as_ref().map(|shown| Arc::clone(&shown.shown))
    }
}

#[cfg(test)]
mod tests {
    use super::super::certificate::tests::files;
    use super::*;

    #[test]
    fn another_takes_its_place_unless_it_has_ended_and_this_one_has_not() {
        let folder = tempfile::tempdir().unwrap();
        let read = |name, year| Certificate::read(&files(&folder, name, year)).unwrap();
        let in_force = CertificateInForce::new(Some(read("first", 2090)));
        let now = Timestamp(1_700_000_000_000);
        assert!(matches!(in_force.allow(&read("old", 2021), now), Err(CertificateError::Ended(_))));
        let next = read("next", 2091);
        in_force.allow(&next, now).unwrap();
        in_force.put(next);
        assert_eq!(in_force.get().unwrap().names()[0], "next");
        // Where both have ended, or there is none, it makes no difference.
        for before in [Some(read("older", 2021)), None] {
            CertificateInForce::new(before).allow(&read("old", 2022), now).unwrap();
        }
    }

    #[test]
    fn the_same_again_is_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(&folder, "same", 2090);
        let [one, other] = [(); 2].map(|()| Certificate::read(&files).unwrap());
        assert!(one.is(&other));
        assert!(
            !one.is(&Certificate::read(&super::super::certificate::tests::files(
                &folder, "other", 2090
            ))
            .unwrap())
        );
    }
}
