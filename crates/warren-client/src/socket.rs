//! The WebSocket: opened, and its ends in this crate's words.

use crate::error::CloseError;
use crate::options::SocketOptions;
use futures_util::stream::{SplitSink, SplitStream, StreamExt as _};
use std::io;
use std::path::Path;
use tokio::net::{TcpStream, UnixStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::USER_AGENT;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use tokio_util::either::Either;

/// What a socket is opened on.
type Line = Either<TcpStream, UnixStream>;
/// An open socket.
type Socket = WebSocketStream<MaybeTlsStream<Line>>;
/// The end that is written to.
pub(crate) type Sink = SplitSink<Socket, Message>;
/// The end that is read from.
pub(crate) type Source = SplitStream<Socket>;

/// Opens a socket.
///
/// # Errors
/// What went wrong.
pub(crate) async fn open(url: &str, how: SocketOptions) -> Result<(Sink, Source), CloseError> {
    let mut request = url.into_client_request().map_err(|error| broken(&error))?;
    let agent = HeaderValue::from_static(concat!("warren-client/", env!("CARGO_PKG_VERSION")));
    request.headers_mut().insert(USER_AGENT, agent);
    let config = WebSocketConfig::default()
        .max_message_size(Some(how.frame_bytes))
        .max_frame_size(Some(how.frame_bytes));
    let line = connect(&request, how.unix.as_deref()).await;
    let line = line.map_err(|error| broken(&Error::Io(error)))?;
    let opened = shake((request, line), config, &how).await?;
    let socket = opened.map_err(|error| broken(&error))?;
    Ok(socket.split())
}

/// Connects: to the Unix socket where there is one, else by TCP with Nagle's algorithm off.
async fn connect(request: &Request, unix: Option<&Path>) -> io::Result<Line> {
    if let Some(path) = unix {
        return UnixStream::connect(path).await.map(Either::Right);
    }
    let uri = request.uri();
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("wss") { 443 } else { 80 });
    // An IPv6 address stands in brackets in a URL, and nowhere else.
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    Ok(Either::Left(stream))
}

/// Shakes hands on a line. Whom to trust is looked at for `wss` addresses alone.
#[cfg(feature = "tls")]
async fn shake(
    (request, line): (Request, Line),
    config: WebSocketConfig,
    how: &SocketOptions,
) -> Result<Result<Socket, Error>, CloseError> {
    use tokio_tungstenite::{Connector, client_async_tls_with_config};
    let is_tls = request.uri().scheme_str() == Some("wss");
    let tls = if is_tls { Connector::Rustls(how.trust.config()?) } else { Connector::Plain };
    let opened = client_async_tls_with_config(request, line, Some(config), Some(tls)).await;
    Ok(opened.map(|(socket, _)| socket))
}

/// Shakes hands on a line.
#[cfg(not(feature = "tls"))]
async fn shake(
    (request, line): (Request, Line),
    config: WebSocketConfig,
    _how: &SocketOptions,
) -> Result<Result<Socket, Error>, CloseError> {
    use tokio_tungstenite::client_async_with_config;
    let opened = client_async_with_config(request, MaybeTlsStream::Plain(line), Some(config)).await;
    Ok(opened.map(|(socket, _)| socket))
}

/// A socket that broke, or could not be opened.
pub(crate) fn broken(error: &Error) -> CloseError {
    let code = match error {
        // Ours was fine; the server's was longer than this client reads.
        Error::Capacity(_) => 1009,
        _ => 1006,
    };
    let reason = match error {
        Error::Http(answer) => {
            let body = answer.body().as_deref().unwrap_or_default();
            format!("HTTP {}: {}", answer.status(), String::from_utf8_lossy(body))
        }
        other => other.to_string(),
    };
    CloseError { code, reason }
}

/// What was read: a frame's text, nothing of interest, or the end.
///
/// # Errors
/// The end.
pub(crate) fn read(read: Option<Result<Message, Error>>) -> Result<Option<String>, CloseError> {
    match read {
        Some(Ok(Message::Text(text))) => Ok(Some(text.as_str().to_owned())),
        Some(Ok(Message::Close(Some(close)))) => {
            Err(CloseError { code: close.code.into(), reason: close.reason.as_str().to_owned() })
        }
        Some(Ok(Message::Close(None))) => Err(CloseError::broken("closed without a code")),
        Some(Ok(_)) => Ok(None),
        Some(Err(error)) => Err(broken(&error)),
        None => Err(CloseError::broken("the line ended")),
    }
}

#[cfg(feature = "tls")]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Builder;

    #[tokio::test]
    async fn the_systems_certificates_are_read_for_wss_alone_and_once() {
        let how = Builder::new("http://h", "project_x").options.socket;
        // Nobody listens there.
        assert!(open("ws://127.0.0.1:1/ws", how.clone()).await.is_err());
        assert!(!how.trust.is_made());
        // Without any on this system there is nothing to remember.
        let made = how.trust.config();
        assert!(open("wss://127.0.0.1:1/ws", how.clone()).await.is_err());
        if let Ok(made) = made {
            assert!(std::sync::Arc::ptr_eq(&made, &how.trust.config().unwrap()));
        }
    }
}
