//! A plain door before a server that speaks TLS: what every test sends as it is goes on to it under TLS, and so comes back.
//!
//! With `WARREN_TEST_TLS=1` every server of a test run speaks TLS, and is asked through such a door.

use super::Authority;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, LazyLock, mpsc};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

/// Under which all servers speak TLS, where they are to.
static EVERYWHERE: LazyLock<Option<Authority>> =
    LazyLock::new(|| std::env::var_os("WARREN_TEST_TLS").map(|_| Authority::new()));

/// What a server in this folder is given so that it speaks TLS, if all are to.
pub fn settings(folder: &Path) -> Vec<(&'static str, String)> {
    EVERYWHERE.as_ref().map(|authority| authority.write(folder).into()).unwrap_or_default()
}

/// Where a server is asked that listens here: itself, or a door before it where all are to speak TLS.
pub fn door(server: SocketAddr) -> SocketAddr {
    EVERYWHERE.as_ref().map_or(server, |authority| tunnel(server, authority))
}

/// Opens a door before a server; it stays open as long as the tests run.
pub fn tunnel(server: SocketAddr, authority: &Authority) -> SocketAddr {
    tunnel_by(server, authority.client(), &server.ip().to_string())
}

/// The same of who speaks TLS by these settings, with a server of this name.
pub fn tunnel_by(server: SocketAddr, config: ClientConfig, name: &str) -> SocketAddr {
    let connector = TlsConnector::from(Arc::new(config));
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let (told, opened) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            told.send(listener.local_addr().unwrap()).unwrap();
            loop {
                let (client, peer) = listener.accept().await.unwrap();
                let way = (server, name.clone());
                tokio::spawn(carry(client, peer, way, connector.clone()));
            }
        });
    });
    opened.recv().unwrap()
}

/// Carries one connection, from the address that it came from.
async fn carry(
    mut client: TcpStream,
    from: SocketAddr,
    (server, name): (SocketAddr, ServerName<'static>),
    connector: TlsConnector,
) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from.ip(), 0).into()).unwrap();
    // Where the server has gone or hangs up, so does the door.
    let Ok(stream) = socket.connect(server).await else { return };
    let _ = (client.set_nodelay(true), stream.set_nodelay(true));
    let Ok(mut stream) = connector.connect(name, stream).await else { return };
    let _ = copy_bidirectional(&mut client, &mut stream).await;
}
