//! An address that leads to several servers: each connection goes on to the next one in turn, as a balancer in front of them
//! would have it.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Mutex, mpsc};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;

/// The address; nobody can connect to it once this is dropped. Connections that it carries go on until their servers end.
pub struct Rotation {
    /// Where it is.
    address: SocketAddr,
    /// Ends it by being dropped.
    end: Option<oneshot::Sender<()>>,
    /// Ends with the listener.
    ended: Mutex<mpsc::Receiver<()>>,
}

impl Rotation {
    /// Opens this address before these servers.
    pub fn open(address: SocketAddr, servers: Vec<SocketAddr>) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let (end, mut is_ending) = oneshot::channel();
        let (open, ended) = mpsc::channel();
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let mut carried = tokio::task::JoinSet::new();
                let mut turns = servers.into_iter().cycle();
                loop {
                    tokio::select! {
                        _ = &mut is_ending => break,
                        Some(_) = carried.join_next() => {}
                        Ok((client, peer)) = listener.accept() => {
                            carried.spawn(carry(client, peer, turns.next().unwrap()));
                        }
                    }
                }
                drop((listener, open));
                while carried.join_next().await.is_some() {}
            });
        });
        Self { address, end: Some(end), ended: Mutex::new(ended) }
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Rotation {
    fn drop(&mut self) {
        drop(self.end.take());
        // So that the next one can have the address.
        let _ = self.ended.get_mut().unwrap().recv();
    }
}

/// Carries one connection, from the address that it came from.
async fn carry(mut client: TcpStream, from: SocketAddr, server: SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from.ip(), 0).into()).unwrap();
    // Where the server has gone or hangs up, so does this.
    let Ok(mut stream) = socket.connect(server).await else { return };
    let _ = (client.set_nodelay(true), stream.set_nodelay(true));
    let _ = copy_bidirectional(&mut client, &mut stream).await;
}
