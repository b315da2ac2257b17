//! The HTTP client: one call, to a checked address, within bounds.
//!
//! Interim answers (1xx, RFC 9110 §15.2) are passed over, as HTTP asks of every client; a bound keeps an endpoint from
//! sending nothing else.

use super::check;
use super::guard::Policy;
use super::signing::Header;
use super::target::{EndpointUrl, Resolve, SystemResolver, TargetError};
use crate::domain::Timestamp;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{ACCEPT, CONNECTION, CONTENT_TYPE, HOST, HeaderMap, RETRY_AFTER, USER_AGENT};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, UNIX_EPOCH};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

/// The most of an answer that is read.
pub const MAX_ANSWER_BYTES: usize = 64 << 10;
/// The most interim answers before the one that counts; past it the call has failed.
const MAX_INTERIM: usize = 32;
/// How long the body of an answer is read of which only the status counts: for the endpoint's sake, which may take a
/// reset for a failure.
const UNREAD_TIME: Duration = Duration::from_secs(1);
/// How we call ourselves.
const AGENT: &str = concat!("warren/", env!("CARGO_PKG_VERSION"));

/// One call.
#[derive(Clone, Debug)]
pub struct EndpointCall<'a> {
    /// Where to.
    pub url: &'a str,
    /// The signature and what goes with it.
    pub headers: Vec<Header>,
    /// A JSON text to be posted; none for what is only fetched.
    pub body: Option<String>,
    /// How long the whole answer may take.
    pub timeout: Duration,
    /// Chooses among several addresses, so that the next attempt tries the next one.
    pub turn: i64,
}

/// What an endpoint answered.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// How long it asks to be left alone (`Retry-After`).
    pub retry_after: Option<Duration>,
    /// The body; none if it was longer than [`MAX_ANSWER_BYTES`], broke off, was late or was not asked for.
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
    /// There is no connection.
    #[error("no connection: {0}")]
    Connect(std::io::Error),
    /// The connection broke, or what came by it is no answer.
    #[error("{0}")]
    Broken(String),
}

impl CallError {
    /// A word for programs.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Target(error) => check::code(error),
            Self::Timeout(_) => "timeout",
            Self::Connect(_) => "connect",
            Self::Broken(_) => "broken",
        }
    }
}

/// Calls endpoints. Belongs to one thread.
pub struct EndpointClient {
    /// TLS; none where the system gives no way to check certificates.
    tls: Option<TlsConnector>,
    /// What may be called.
    policy: Policy,
    /// Turns names into addresses.
    resolver: Box<dyn Resolve>,
}

/// A connection that is driven beside the call, and no longer.
struct Driven {
    /// Sends the request.
    sender: SendRequest<Full<Bytes>>,
    /// Ends the connection.
    driver: AbortHandle,
}

impl Drop for Driven {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl EndpointClient {
    /// A client under this policy.
    pub fn new(policy: Policy) -> Self {
        Self::with_resolver(policy, Box::new(SystemResolver))
    }

    /// The same with a resolver of the caller's.
    pub fn with_resolver(policy: Policy, resolver: Box<dyn Resolve>) -> Self {
        Self { tls: connector(), policy, resolver }
    }

    /// Whether what an address says may be believed: it comes by TLS, or the operator lets this server call its own network.
    pub fn may_believe(&self, url: &str) -> bool {
        self.policy.may_believe(url)
    }

    /// Posts and waits for the status. An answer counts as soon as its head is there, however long its body is.
    ///
    /// The connection is not kept: so each call is known to go to an address that its own resolution gave. No redirect
    /// is followed.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn tell(&self, call: EndpointCall<'_>, now: Timestamp) -> Result<Reply, CallError> {
        let until = Instant::now() + call.timeout;
        let (reply, _connection, body) = self.exchange(&call, until, now).await?;
        // What is read of it says nothing; that it was read lets the endpoint end in peace.
        let _ = timeout_at(until.min(Instant::now() + UNREAD_TIME), whole(body)).await;
        Ok(reply)
    }

    /// Posts or fetches, and reads the whole answer.
    ///
    /// # Errors
    /// As [`Self::tell`].
    pub async fn ask(&self, call: EndpointCall<'_>, now: Timestamp) -> Result<Reply, CallError> {
        let until = Instant::now() + call.timeout;
        let (reply, _connection, body) = self.exchange(&call, until, now).await?;
        let body = timeout_at(until, whole(body)).await.ok().flatten();
        Ok(Reply { body, ..reply })
    }

    /// Sends the request; the head of the answer, its body to be read, and the connection that it comes by.
    async fn exchange(
        &self,
        call: &EndpointCall<'_>,
        until: Instant,
        now: Timestamp,
    ) -> Result<(Reply, Driven, Incoming), CallError> {
        let answered = timeout_at(until, self.answered(call)).await;
        let (connection, answer) = answered.unwrap_or(Err(CallError::Timeout(call.timeout)))?;
        let (head, body) = answer.into_parts();
        let retry_after = retry_after(&head.headers, now);
        let reply = Reply { status: head.status.as_u16(), retry_after, body: None };
        Ok((reply, connection, body))
    }

    /// Connects, sends, and waits for the head of the final answer.
    async fn answered(
        &self,
        call: &EndpointCall<'_>,
    ) -> Result<(Driven, Response<Incoming>), CallError> {
        let target = EndpointUrl::parse(call.url)?;
        let addresses = target.addresses(&self.policy, &*self.resolver).await?;
        let turn = usize::try_from(call.turn).unwrap_or(0) % addresses.len();
        let address = *addresses.get(turn).ok_or(TargetError::NoAddress)?;
        let mut connection = self.connect(&target, address).await?;
        let mut request = request(&target, call)?;
        let too_many = Arc::new(Notify::new());
        let (seen, bell) = (AtomicUsize::new(0), Arc::clone(&too_many));
        hyper::ext::on_informational(&mut request, move |_| {
            if seen.fetch_add(1, Ordering::Relaxed) >= MAX_INTERIM {
                bell.notify_one();
            }
        });
        let answer = tokio::select! {
            answer = connection.sender.send_request(request) => answer.map_err(|e| broken(&e))?,
            () = too_many.notified() => {
                return Err(CallError::Broken("nothing but interim answers (1xx)".to_owned()));
            }
        };
        Ok((connection, answer))
    }

    /// Dials, with TLS where the address asks for it.
    async fn connect(
        &self,
        target: &EndpointUrl,
        address: SocketAddr,
    ) -> Result<Driven, CallError> {
        let stream = TcpStream::connect(address).await.map_err(CallError::Connect)?;
        let Some(name) = target.tls_name()? else { return driven(stream).await };
        let tls = self.tls.as_ref();
        let tls = tls.ok_or_else(|| CallError::Broken("no TLS on this machine".to_owned()))?;
        driven(tls.connect(name, stream).await.map_err(CallError::Connect)?).await
    }
}

/// Speaks HTTP/1.1 over a stream.
async fn driven<S>(stream: S) -> Result<Driven, CallError>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let (sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
    // How it ends, the request and the body tell.
    let driver = spawn_local(async { drop(connection.await) }).abort_handle();
    Ok(Driven { sender, driver })
}

/// The request of a call.
fn request(
    target: &EndpointUrl,
    call: &EndpointCall<'_>,
) -> Result<Request<Full<Bytes>>, CallError> {
    let mut request = match &call.body {
        Some(_) => Request::post(target.path_and_query()).header(CONTENT_TYPE, "application/json"),
        None => Request::get(target.path_and_query()).header(ACCEPT, "application/json"),
    };
    request = request
        .header(HOST, target.authority())
        .header(USER_AGENT, AGENT)
        .header(CONNECTION, "close");
    for (name, value) in &call.headers {
        request = request.header(*name, value);
    }
    let body = Full::new(Bytes::from(call.body.clone().unwrap_or_default()));
    request.body(body).map_err(|_wrong| TargetError::Form.into())
}

/// A whole body within the bound; none if it is longer or breaks off.
async fn whole(body: Incoming) -> Option<Bytes> {
    let read = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
    read.ok().map(http_body_util::Collected::to_bytes)
}

/// What `Retry-After` asks for: seconds, or a date (RFC 9110 §10.2.3).
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    let at = Timestamp(i64::try_from(at.as_millis()).ok()?);
    Some(Duration::from_millis(now.millis_until(at)))
}

/// An error of the HTTP client in words that name no more than the endpoint's owner may know.
fn broken(error: &hyper::Error) -> CallError {
    CallError::Broken(format!("the connection broke: {error}"))
}

/// What speaks TLS to whoever is called; none where the crypto provider refuses.
pub fn connector() -> Option<TlsConnector> {
    tls().map(TlsConnector::from)
}

/// Whether there is any certificate to check others by.
pub fn has_roots() -> bool {
    !rustls_native_certs::load_native_certs().certs.is_empty()
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
