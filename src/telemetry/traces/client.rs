//! The HTTP client that takes spans away: one request at a time, on the thread that sends them, within a bound of time.

use crate::webhook::client;
use crate::webhook::target::EndpointUrl;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use opentelemetry_http::{HttpClient, HttpError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most of an answer that is read.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// The client. The operator names where it goes, so that private addresses are as good as others.
#[derive(Debug)]
pub(super) struct CollectorClient(Runtime);

impl CollectorClient {
    /// A client with a runtime of its own: the thread that sends has none.
    ///
    /// # Errors
    /// Where the system gives none.
    pub(super) fn new() -> std::io::Result<Self> {
        Builder::new_current_thread().enable_all().build().map(Self)
    }
}

#[async_trait::async_trait]
impl HttpClient for CollectorClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        // Whoever sends is alone on its thread, and waits.
        self.0.block_on(async { timeout(PATIENCE, Box::pin(sent(request))).await? })
    }
}

/// Connects, with TLS where the address asks for it, and sends.
async fn sent(request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let target = EndpointUrl::parse(&request.uri().to_string())?;
    let stream = TcpStream::connect(target.dial()).await?;
    let Some(name) = target.tls_name()? else { return sent_on(stream, &target, request).await };
    let tls = client::connector().ok_or("no TLS on this machine")?;
    sent_on(tls.connect(name, stream).await?, &target, request).await
}

/// Sends on a stream, and reads the answer.
async fn sent_on<S>(
    stream: S,
    target: &EndpointUrl,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, HttpError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // How it ends, the answer tells.
    let driver = tokio::spawn(async { drop(connection.await) });
    let (mut head, body) = request.into_parts();
    head.uri = target.path_and_query().parse::<Uri>()?;
    head.headers.insert(HOST, target.authority().parse()?);
    let answer = sender.send_request(Request::from_parts(head, Full::new(body))).await?;
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await?.to_bytes();
    driver.abort();
    Ok(Response::from_parts(head, body))
}
