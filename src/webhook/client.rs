//! The HTTP client: one call, to a checked address, within bounds.

use super::guard::Policy;
use super::signing::Header;
use super::target::{Resolve, SystemResolver, Target, TargetError};
use awc::error::{ConnectError, SendRequestError};
use awc::http::Uri;
use awc::http::header::{CONTENT_TYPE, USER_AGENT};
use bytes::Bytes;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;
use std::time::Duration;

/// The most of an answer that is read.
pub const MAX_ANSWER_BYTES: usize = 64 << 10;
/// How we call ourselves.
const AGENT: &str = concat!("warren/", env!("CARGO_PKG_VERSION"));

/// What an endpoint answered.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The body; none if it was longer than [`MAX_ANSWER_BYTES`] or broke off.
    pub body: Option<Bytes>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nothing was dialled.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The endpoint did not answer in time.
    #[error("no answer within {} s", .0.as_secs())]
    Timeout(Duration),
    /// There is no connection, or it broke.
    #[error("{0}")]
    Broken(String),
}

/// Calls endpoints. Belongs to one thread.
pub struct Client {
    /// The HTTP client; it follows no redirects.
    inner: awc::Client,
    /// What may be called.
    policy: Policy,
    /// Turns names into addresses.
    resolver: Box<dyn Resolve>,
}

impl Client {
    /// A client under this policy.
    pub fn new(policy: Policy) -> Self {
        Self::with_resolver(policy, Box::new(SystemResolver))
    }

    /// The same with a resolver of the caller's.
    pub fn with_resolver(policy: Policy, resolver: Box<dyn Resolve>) -> Self {
        let mut connector = awc::Connector::new();
        if let Some(tls) = tls() {
            connector = connector.rustls_0_23(tls);
        }
        let inner = awc::Client::builder()
            .connector(connector)
            .disable_redirects()
            .disable_timeout()
            .no_default_headers()
            .finish();
        Self { inner, policy, resolver }
    }

    /// Posts a JSON text and reads the answer, all within `timeout`.
    ///
    /// The connection is not kept: so each call is known to go to an address that its own resolution gave. `turn`
    /// chooses among several addresses, so that the next attempt tries the next one.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn post(
        &self,
        url: &str,
        headers: Vec<Header>,
        body: String,
        timeout: Duration,
        turn: i64,
    ) -> Result<Reply, CallError> {
        let call = self.call(url, headers, body, turn);
        tokio::time::timeout(timeout, call).await.unwrap_or(Err(CallError::Timeout(timeout)))
    }

    /// The call itself.
    async fn call(
        &self,
        url: &str,
        headers: Vec<Header>,
        body: String,
        turn: i64,
    ) -> Result<Reply, CallError> {
        let target = Target::parse(url)?;
        let addresses = target.addresses(&self.policy, &*self.resolver).await?;
        let turn = usize::try_from(turn).unwrap_or(0) % addresses.len();
        let address = *addresses.get(turn).ok_or(TargetError::NoAddress)?;
        let uri: Uri = target.as_str().parse().ok().ok_or(TargetError::Form)?;
        let mut request = self.inner.post(uri).address(address).force_close();
        request = request.insert_header((CONTENT_TYPE, "application/json"));
        request = request.insert_header((USER_AGENT, AGENT));
        for header in headers {
            request = request.insert_header(header);
        }
        let mut answer = request.send_body(body).await.map_err(|error| broken(&error))?;
        let status = answer.status().as_u16();
        let body = answer.body().limit(MAX_ANSWER_BYTES).await.ok();
        Ok(Reply { status, body })
    }
}

/// An error of the HTTP client in words that name no more than the endpoint's owner may know.
fn broken(error: &SendRequestError) -> CallError {
    CallError::Broken(match error {
        SendRequestError::Connect(ConnectError::Timeout) => "no connection in time".to_owned(),
        SendRequestError::Connect(error) => format!("no connection: {error}"),
        other => format!("the connection broke: {other}"),
    })
}

/// TLS with the operating system's root certificates, among which an operator puts their own; none where the crypto
/// provider refuses, so that only `https` fails.
fn tls() -> Option<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (taken, _) = roots.add_parsable_certificates(found.certs);
    if taken == 0 {
        tracing::warn!("no root certificates found: webhooks to https addresses will fail");
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .ok()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Some(Arc::new(config))
}
