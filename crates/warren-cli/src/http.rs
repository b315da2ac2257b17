//! The one way to the API: a request on a connection of its own, over TCP, TLS or a Unix socket.

use crate::call::ApiCall;
use crate::error::CliError;
use crate::output::printable;
use crate::profile::Target;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, LOCATION, USER_AGENT};
use hyper::{HeaderMap, Request};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use serde_json::value::RawValue;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::Url;

/// How long a connection may take to be there.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// How long an answer may take; the server bounds what it does by less, but for long lists.
const ANSWER_TIME: Duration = Duration::from_mins(5);
/// How this calls itself.
const AGENT: &str = concat!("warren-cli/", env!("CARGO_PKG_VERSION"));
/// What a path on a Unix socket begins with.
const UNIX: &str = "unix:";

/// What the server answered.
#[derive(Debug)]
pub(crate) struct ApiAnswer {
    /// The headers.
    pub headers: HeaderMap,
    /// What it has to tell, as it was written; none where it has nothing.
    pub data: Option<Box<RawValue>>,
}

/// The form of every answer with a body.
#[derive(serde::Deserialize)]
struct Envelope {
    /// Whether it was done.
    success: bool,
    /// What there is to tell.
    data: Option<Box<RawValue>>,
    /// What is wrong.
    error: Option<Value>,
}

/// Makes a call and reads its answer.
///
/// # Errors
/// [`CliError`]: nobody answers, or what was asked is refused.
pub(crate) async fn call(target: &Target, call: &ApiCall) -> Result<ApiAnswer, CliError> {
    let mut url = address(target)?;
    let failed = || CliError::Url(target.url.clone());
    url.path_segments_mut().ok().ok_or_else(failed)?.pop_if_empty().push("v1").extend(&call.path);
    let is_named = call.path.first().is_some_and(|word| word == "projects" || word == "users");
    let project =
        target.project.as_deref().filter(|_| !is_named).map(|project| ("project", project));
    let own = call.query.iter().map(|(name, value)| (name.as_ref(), value.as_str()));
    let query: Vec<_> = own.chain(project).collect();
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    let (status, headers, body) = exchange(target, &url, call).await?;
    read(target, status, headers, &body)
}

/// Asks for a path outside of the API; the status and the body.
///
/// # Errors
/// [`CliError`] when nobody answers.
pub(crate) async fn plain(target: &Target, path: [&str; 2]) -> Result<(u16, Bytes), CliError> {
    let mut url = address(target)?;
    let failed = || CliError::Url(target.url.clone());
    url.path_segments_mut().ok().ok_or_else(failed)?.pop_if_empty().extend(path);
    let call = ApiCall::new(crate::call::ApiMethod::Get, path);
    exchange(target, &url, &call).await.map(|(status, _, body)| (status, body))
}

/// Refuses what cannot be a server's address.
///
/// # Errors
/// [`CliError::Url`].
pub(crate) fn check_url(text: &str) -> Result<(), CliError> {
    let target = Target { url: text.to_owned(), project: None, token: None };
    address(&target).map(drop)
}

/// The server's address; on a Unix socket it has no name, and `localhost` stands there.
fn address(target: &Target) -> Result<Url, CliError> {
    let text = if target.url.starts_with(UNIX) { "http://localhost" } else { &target.url };
    let url = Url::parse(text).ok().filter(Url::has_host);
    url.filter(|url| matches!(url.scheme(), "http" | "https"))
        .ok_or_else(|| CliError::Url(target.url.clone()))
}

/// Reads an answer of the API.
fn read(
    target: &Target,
    status: u16,
    headers: HeaderMap,
    body: &[u8],
) -> Result<ApiAnswer, CliError> {
    if matches!(status, 300..=399) {
        let place =
            headers.get(LOCATION).and_then(|place| place.to_str().ok()).unwrap_or("nowhere");
        let why = format!("status {status}, it sends to {}", printable(place));
        return Err(CliError::NotWarren { url: target.url.clone(), why });
    }
    if body.is_empty() && matches!(status, 200..=299) {
        return Ok(ApiAnswer { headers, data: None });
    }
    let envelope: Envelope = serde_json::from_slice(body).map_err(|error| {
        let why = format!("status {status}, {error}");
        CliError::NotWarren { url: target.url.clone(), why }
    })?;
    if envelope.success {
        return Ok(ApiAnswer { headers, data: envelope.data });
    }
    let error = envelope.error.unwrap_or_default();
    let text = |name: &str| printable(error.get(name).and_then(Value::as_str).unwrap_or_default());
    let mut message = text("message");
    if let Some(field) = error.get("field").and_then(Value::as_str) {
        message = format!("{}: {message}", printable(field));
    }
    Err(CliError::Refused { status, code: text("code"), message, docs: docs(target, &error) })
}

/// Where the server explains an error: below its address, or, on a Unix socket, which has none for a browser, the path.
pub(crate) fn docs(target: &Target, error: &Value) -> Option<String> {
    let path = error.get("docs")?.as_str().filter(|path| path.starts_with('/'))?;
    let server = if target.url.starts_with(UNIX) { "" } else { target.url.trim_end_matches('/') };
    Some(printable(&format!("{server}{path}")))
}

/// Connects, sends and reads to the end.
async fn exchange(
    target: &Target,
    url: &Url,
    call: &ApiCall,
) -> Result<(u16, HeaderMap, Bytes), CliError> {
    let lost =
        |why: &dyn Display| CliError::Unreachable { url: target.url.clone(), why: why.to_string() };
    let request = request(target, url, call).map_err(CliError::Unsendable)?;
    let answer = async {
        if let Some(path) = target.url.strip_prefix(UNIX) {
            return send(UnixStream::connect(path).await.map_err(|e| lost(&e))?, request)
                .await
                .map_err(|error| lost(&error));
        }
        let host = url.host_str().unwrap_or_default();
        // An IPv6 address stands in brackets in a URL, and nowhere else.
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let port = url.port_or_known_default().unwrap_or(80);
        let connecting = timeout(CONNECT_TIME, TcpStream::connect((bare, port))).await;
        let stream = connecting.map_err(|late| lost(&late))?.map_err(|error| lost(&error))?;
        let _ = stream.set_nodelay(true);
        if url.scheme() == "https" {
            let name = ServerName::try_from(bare.to_owned()).map_err(|error| lost(&error))?;
            let tls = tls().map_err(|error| lost(&error))?;
            let stream = tls.connect(name, stream).await.map_err(|error| lost(&error))?;
            send(stream, request).await.map_err(|error| lost(&error))
        } else {
            send(stream, request).await.map_err(|error| lost(&error))
        }
    };
    timeout(ANSWER_TIME, Box::pin(answer)).await.map_err(|late| lost(&late))?
}

/// The request as it goes out.
fn request(
    target: &Target,
    url: &Url,
    call: &ApiCall,
) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
    let path = url.query().map_or_else(|| url.path().to_owned(), |q| format!("{}?{q}", url.path()));
    let host = url.host_str().unwrap_or_default();
    let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let mut request = Request::builder()
        .method(call.method.name())
        .uri(path)
        .header(HOST, host)
        .header(USER_AGENT, AGENT);
    if let Some(token) = &target.token {
        request = request.header(AUTHORIZATION, token.reveal());
    }
    let has_type = call.headers.iter().any(|(name, _)| CONTENT_TYPE.as_str() == *name);
    if call.body.is_some() && !has_type {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    for (name, value) in &call.headers {
        request = request.header(*name, value.as_str());
    }
    request.body(Full::from(call.body.clone().unwrap_or_default()))
}

/// Sends a request on a connection and reads the answer.
async fn send(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<(u16, HeaderMap, Bytes), hyper::Error> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let answer = async {
        let answer = sender.send_request(request).await?;
        let (head, body) = answer.into_parts();
        Ok((head.status.as_u16(), head.headers, body.collect().await?.to_bytes()))
    }
    .await;
    driver.abort();
    answer
}

/// TLS by the system's certificates.
fn tls() -> Result<TlsConnector, rustls::Error> {
    let mut roots = RootCertStore::empty();
    // What cannot be read is missing when a certificate is checked, which is told then.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
