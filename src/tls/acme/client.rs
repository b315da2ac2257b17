//! HTTP to an authority: one request a connection, over TLS that the system's roots vouch for, within bounds.

use crate::webhook::client::connector;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, HeaderValue};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::pki_types::ServerName;
use std::error::Error as StdError;
use std::pin::Pin;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// How long a request may take, its answer included.
const TIME: Duration = Duration::from_secs(30);
/// The most of an answer that is read, bytes: a chain of certificates has some thousand.
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// Asks an authority.
pub(super) struct AcmeClient(TlsConnector);

impl AcmeClient {
    /// One that trusts whom the system trusts; none where the crypto provider refuses.
    pub(super) fn new() -> Option<Self> {
        connector().map(Self)
    }
}

impl HttpClient for AcmeClient {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let tls = self.0.clone();
        Box::pin(async move {
            let answered = timeout(TIME, answered(tls, request)).await;
            answered.unwrap_or(Err(Error::Str("no answer in 30 s")))
        })
    }
}

/// Connects, asks, and reads the whole answer.
async fn answered(
    tls: TlsConnector,
    mut request: Request<BodyWrapper<Bytes>>,
) -> Result<BytesResponse, Error> {
    let uri = request.uri().clone();
    let (Some("https"), Some(host)) = (uri.scheme_str(), uri.host()) else {
        return Err(Error::Str("an address that begins with https://"));
    };
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let stream = TcpStream::connect((host.as_str(), uri.port_u16().unwrap_or(443))).await;
    let name = ServerName::try_from(host).map_err(other)?;
    let stream = tls.connect(name, stream.map_err(other)?).await.map_err(other)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(other)?;
    prepare(&mut request, &uri)?;
    // How the connection ends, the answer tells.
    let driver = tokio::spawn(connection);
    let (head, body) = sender.send_request(request).await.map_err(other)?.into_parts();
    let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await.map_err(Error::Other)?;
    driver.abort();
    Ok(Response::from_parts(head, Full::new(body.to_bytes())).into())
}

/// Makes of a request to an address one on a connection to its host.
fn prepare(request: &mut Request<BodyWrapper<Bytes>>, uri: &Uri) -> Result<(), Error> {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let host = HeaderValue::from_str(authority).map_err(other)?;
    request.headers_mut().insert(HOST, host);
    request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse()?;
    Ok(())
}

/// An error of another library.
fn other(error: impl StdError + Send + Sync + 'static) -> Error {
    Error::Other(Box::new(error))
}
