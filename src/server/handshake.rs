//! TLS handshakes: bounded in time by the caller, and in number as sockets are that have not identified.

use super::client_stream::ClientStream;
use crate::http;
use crate::metrics::{self, Family, Label};
use crate::tls::ACME;
use actix_web::rt::net::TcpStream;
use bytes::BytesMut;
use rustls::ServerConfig;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// What a listener needs to speak TLS; cheap to clone.
#[derive(Clone)]
pub(super) struct Handshakes(TlsAcceptor);

/// What came of one, as it is counted.
const WORDS: [&str; 5] = ["ok", "failed", "timeout", "refused", "proof"];

impl Handshakes {
    /// Made by these settings.
    pub(super) fn new(config: ServerConfig) -> Self {
        Self(TlsAcceptor::from(Arc::new(config)))
    }

    /// Shakes hands with a client, in this time at most; `read` is what has come of its first words. None where nothing comes
    /// of it: then the stream has ended, and it is counted why.
    pub(super) async fn shake(
        &self,
        app: &http::App,
        stream: TcpStream,
        read: BytesMut,
        peer: IpAddr,
        time: Duration,
    ) -> Option<ClientStream> {
        let [ok, failed, late, refused, proof] = WORDS;
        let Ok(_place) = http::ws::take_strangers_place(app, peer) else {
            count(refused);
            return None;
        };
        match timeout(time, self.accept(stream, &read)).await {
            // Whoever came for a proof has seen it.
            Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(ACME) => {
                count(proof);
                None
            }
            Ok(Ok(stream)) => {
                count(ok);
                Some(ClientStream::Tls(Box::new(stream)))
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, "a TLS handshake failed");
                count(failed);
                None
            }
            Err(_) => {
                count(late);
                None
            }
        }
    }

    /// Shakes hands.
    async fn accept(&self, stream: TcpStream, mut read: &[u8]) -> io::Result<TlsStream<TcpStream>> {
        let accepting = self.0.accept_with(stream, |session| {
            // What is wrong with it comes up again with what follows, or when the time is over.
            while !read.is_empty()
                && session.read_tls(&mut read).is_ok()
                && session.process_new_packets().is_ok()
            {}
        });
        accepting.await
    }
}

/// Counts what came of a handshake.
fn count(word: &'static str) {
    metrics::add(Family::TlsHandshakes, [Label::Word(word)]);
}
