//! Binds the address and sets up what serves it, in one of the two ways to the socket.

use super::stopping::{IDLE_TIME, REQUESTS_TIME};
use super::workers::{Stop, Workers};
use super::{KEEP_ALIVE, REQUEST_TIMEOUT, ServerError, give_up_on_dead_peers};
use crate::config::{Config, SocketWay};
use crate::http;
use actix_server::{Server, ServerHandle};
use actix_web::middleware::from_fn;
use actix_web::rt::net::TcpStream;
use actix_web::{App, HttpServer};
use socket2::{Domain, SockRef, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

/// The most connections of one worker; the process's file descriptors are the bound that counts.
const MAX_CONNECTIONS: usize = 100_000;
/// How many connections the system keeps for us that have not been accepted yet.
const BACKLOG: i32 = 4096;

/// A server that runs.
pub(super) enum Listening {
    /// On the raw stream.
    Stream(Workers),
    /// As a route.
    Route(Box<Route>),
}

/// A server of a route.
pub(super) struct Route {
    /// It.
    server: Server,
    /// Its connections.
    connections: TaskTracker,
    /// What requests are answered from.
    app: http::App,
}

/// What stops a server.
pub(super) enum Stopper {
    /// One on the raw stream.
    Stream(Stop),
    /// One of a route.
    Route {
        /// The way to it.
        handle: ServerHandle,
        /// Its connections.
        connections: TaskTracker,
        /// What requests are answered from.
        app: Box<http::App>,
    },
}

impl Listening {
    /// What stops it.
    pub(super) fn stopper(&self) -> Stopper {
        match self {
            Self::Stream(workers) => Stopper::Stream(workers.stop()),
            Self::Route(route) => Stopper::Route {
                handle: route.server.handle(),
                connections: route.connections.clone(),
                app: Box::new(route.app.clone()),
            },
        }
    }

    /// Waits until it was stopped and has ended.
    pub(super) async fn ended(self) -> io::Result<()> {
        match self {
            Self::Stream(workers) => {
                workers.ended().await;
                Ok(())
            }
            Self::Route(route) => route.server.await,
        }
    }
}

impl Stopper {
    /// Answers what is under way, and accepts nothing more, where that can be told apart: a server of a route ends the
    /// threads, with all that lives on them, as soon as it accepts no more and they have no connection. It accepts until
    /// the end, and says with each answer that it is the connection's last.
    pub(super) async fn end_requests(&self) {
        match self {
            Self::Stream(stop) => stop.end_requests().await,
            Self::Route { connections, app, .. } => {
                connections.close();
                if timeout(IDLE_TIME, connections.wait()).await.is_err()
                    && timeout(REQUESTS_TIME, app.requests_ended()).await.is_err()
                {
                    tracing::warn!("stopped with requests open");
                }
            }
        }
    }

    /// Ends the threads.
    pub(super) async fn finish(&self) {
        match self {
            Self::Stream(stop) => stop.finish(),
            Self::Route { handle, .. } => handle.stop(true).await,
        }
    }
}

/// Binds the address and starts the worker threads; each takes a shard of the supervisor in.
pub(super) fn listen(
    config: &Config,
    app: http::App,
) -> Result<(Listening, SocketAddr), ServerError> {
    let address = config.listen;
    let failed = |source| ServerError::Listen { address, source };
    let first = bind(address, false).map_err(failed)?;
    let bound = first.local_addr().map_err(failed)?;
    let listening = match config.socket {
        SocketWay::Stream => listeners(first, bound, config.workers)
            .and_then(|listeners| Workers::start(listeners, &app))
            .map(Listening::Stream),
        SocketWay::Route => {
            by_route(config.workers, first, app).map(Box::new).map(Listening::Route)
        }
    };
    Ok((listening.map_err(failed)?, bound))
}

/// A listening socket, of an address that others may share or not; one that a server has just left can be taken at once.
fn bind(address: SocketAddr, is_shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(is_shared)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// So many listening sockets of one address, among which the system shares connections out. The first was bound for
/// itself: an address that another server has is not to be shared with that.
fn listeners(
    first: TcpListener,
    address: SocketAddr,
    count: usize,
) -> io::Result<Vec<TcpListener>> {
    if count > 1 {
        SockRef::from(&first).set_reuse_port(true)?;
    }
    let others = (1..count).map(|_| bind(address, true));
    std::iter::once(Ok(first)).chain(others).collect()
}

/// Sockets are a route of the HTTP layer (`crate::http::ws`), as in a program that embeds the server.
fn by_route(workers: usize, listener: TcpListener, app: http::App) -> io::Result<Route> {
    let connections = TaskTracker::new();
    let (counted, behind) = (connections.clone(), app.clone());
    let server = HttpServer::new(move || {
        app.supervisor.settle_here();
        App::new().wrap(from_fn(http::front)).configure(http::configure(app.clone()))
    })
    .workers(workers)
    .keep_alive(KEEP_ALIVE)
    .client_request_timeout(REQUEST_TIMEOUT)
    .shutdown_timeout(1)
    .max_connections(MAX_CONNECTIONS)
    .tcp_nodelay(true)
    .disable_signals()
    .on_connect(move |stream, extensions| {
        extensions.insert(counted.token());
        if let Some(stream) = stream.downcast_ref::<TcpStream>() {
            give_up_on_dead_peers(stream);
        }
    })
    .listen(listener)?;
    Ok(Route { server: server.run(), connections, app: behind })
}
