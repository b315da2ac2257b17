//! A TCP line to a server that can be broken in the ways in which lines break.

use socket2::SockRef;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::copy;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How a line breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// What is under way in both directions is thrown away.
    Reset,
    /// Both ends end in order.
    Fin,
    /// Nothing comes through any more, and neither side is told.
    Freeze,
}

/// Where a line leads to; nowhere while that is none.
type Target = Arc<Mutex<Option<SocketAddr>>>;

/// A line. New connections come through while it has a target and is not down.
pub struct Line {
    /// Where clients connect to.
    pub address: SocketAddr,
    /// Where it leads to.
    target: Target,
    /// Whether new connections are reset at once.
    is_down: Arc<Mutex<bool>>,
    /// How all connections that there are break.
    breaks: watch::Sender<Option<Break>>,
    /// What accepts.
    task: JoinHandle<()>,
}

impl Line {
    /// A line to this server.
    pub async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (target, is_down) = (Arc::new(Mutex::new(Some(server))), Arc::default());
        let breaks = watch::Sender::new(None);
        let task = tokio::spawn(accept(
            listener,
            Arc::clone(&target),
            Arc::clone(&is_down),
            breaks.clone(),
        ));
        Self { address, target, is_down, breaks, task }
    }

    /// Where it leads to, now and later.
    pub fn target(&self) -> Target {
        Arc::clone(&self.target)
    }

    /// Leads somewhere else, or nowhere.
    pub fn aim(&self, server: Option<SocketAddr>) {
        *self.target.lock().unwrap() = server;
    }

    /// New connections are reset at once, or come through again.
    pub fn down(&self, is_down: bool) {
        *self.is_down.lock().unwrap() = is_down;
    }

    /// Breaks all connections that there are.
    pub fn breaks(&self, how: Break) {
        self.breaks.send_replace(Some(how));
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Takes connections.
async fn accept(
    listener: TcpListener,
    target: Target,
    is_down: Arc<Mutex<bool>>,
    breaks: watch::Sender<Option<Break>>,
) {
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let to = *target.lock().unwrap();
        let is_down = *is_down.lock().unwrap();
        let server = match to {
            Some(to) if !is_down => TcpStream::connect(to).await.ok(),
            _ => None,
        };
        match server {
            Some(server) => drop(tokio::spawn(carry(client, server, breaks.subscribe()))),
            None => reset(&client),
        }
    }
}

/// The connection ends with a reset as soon as it is dropped.
fn reset(stream: &TcpStream) {
    SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
}

/// Carries bytes both ways until one side ends or the line breaks.
async fn carry(
    mut client: TcpStream,
    mut server: TcpStream,
    mut breaks: watch::Receiver<Option<Break>>,
) {
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let how = {
        let (mut from_client, mut to_client) = client.split();
        let (mut from_server, mut to_server) = server.split();
        tokio::select! {
            _ = copy(&mut from_client, &mut to_server) => None,
            _ = copy(&mut from_server, &mut to_client) => None,
            _ = breaks.changed() => *breaks.borrow(),
        }
    };
    match how {
        Some(Break::Reset) => {
            reset(&client);
            reset(&server);
        }
        // Neither side is told, for as long as the test lasts.
        Some(Break::Freeze) => std::future::pending().await,
        Some(Break::Fin) | None => {}
    }
}
