//! A certificate authority of a test's own, certificates under it, and a server's and a client's side of TLS.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{
    ClientConfig, DEFAULT_VERSIONS, RootCertStore, ServerConfig, SupportedProtocolVersion,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An authority that nobody else knows.
pub struct Authority {
    /// What it signs with.
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate, as PEM.
    pub pem: String,
}

impl Authority {
    /// A new one.
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut root = CertificateParams::new(Vec::new()).unwrap();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // By its name OpenSSL tells it from the certificates under it: of one name, they would have signed themselves.
        root.distinguished_name.push(DnType::CommonName, "Authority of a test");
        let pem = root.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(root, key), pem }
    }

    /// A new certificate for this machine's own names, with its key.
    pub fn issue(&self) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let names = ["127.0.0.1", "localhost"].map(str::to_owned);
        let leaf = CertificateParams::new(names).unwrap();
        (leaf.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// Writes a new certificate and its key into a folder; returns where, as settings of a server.
    pub fn write(&self, folder: &Path) -> [(&'static str, String); 2] {
        let (leaf, key) = self.issue();
        let [chain, key_file] = Self::files(folder);
        std::fs::write(&chain, leaf.pem()).unwrap();
        std::fs::write(&key_file, key.serialize_pem()).unwrap();
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        [("WARREN_TLS_CERT", text(chain)), ("WARREN_TLS_KEY", text(key_file))]
    }

    /// Where it writes them.
    pub fn files(folder: &Path) -> [PathBuf; 2] {
        ["tls.crt", "tls.key"].map(|name| folder.join(name))
    }

    /// What a client speaks TLS with that trusts it alone.
    pub fn client(&self) -> ClientConfig {
        self.client_of(DEFAULT_VERSIONS)
    }

    /// The same of a client that speaks these versions.
    pub fn client_of(&self, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
        trusting(&self.pem, versions)
    }
}

/// What a client speaks TLS with that trusts who has this certificate, as PEM, and nobody else.
pub fn trusting(pem: &str, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// What a server for `127.0.0.1` speaks TLS with, and the authority behind it, as PEM.
pub fn authority() -> (Arc<ServerConfig>, String) {
    let authority = Authority::new();
    let (leaf, key) = authority.issue();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        );
    (Arc::new(config.unwrap()), authority.pem)
}
