//! Binds the address and sets up what serves it, in one of the two ways to the socket.

use super::door::DoorFactory;
use super::{KEEP_ALIVE, REQUEST_TIMEOUT, ServerError, give_up_on_dead_peers};
use crate::config::{Config, SocketWay};
use crate::http;
use actix_http::HttpService;
use actix_server::Server;
use actix_service::{ServiceFactoryExt as _, map_config};
use actix_web::dev::AppConfig;
use actix_web::middleware::from_fn;
use actix_web::rt::net::TcpStream;
use actix_web::{App, HttpServer};
use std::io;
use std::net::{SocketAddr, TcpListener};

/// How long open requests may take to end when the server stops.
const SHUTDOWN_SECONDS: u64 = 5;
/// The most connections of one worker; the process's file descriptors are the bound that counts.
const MAX_CONNECTIONS: usize = 100_000;
/// How many connections the system keeps for us that have not been accepted yet.
const BACKLOG: u32 = 4096;

/// Binds the address and sets the server up; each worker thread takes a shard of the supervisor in.
pub(super) fn listen(config: &Config, app: http::App) -> Result<(Server, SocketAddr), ServerError> {
    let address = config.listen;
    let failed = |source| ServerError::Listen { address, source };
    let listener = bind(address).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let server = match config.socket {
        SocketWay::Stream => by_stream(config.workers, listener, app),
        SocketWay::Route => by_route(config.workers, listener, app),
    };
    Ok((server.map_err(failed)?, bound))
}

/// A listening socket; an address that a server has just left can be taken at once.
fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let domain = socket2::Domain::for_address(address);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(BACKLOG).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}

/// Sockets are raw streams (`super::upgrade`); the rest is the HTTP layer's.
fn by_stream(workers: usize, listener: TcpListener, app: http::App) -> io::Result<Server> {
    let builder = Server::build()
        .workers(workers)
        .shutdown_timeout(SHUTDOWN_SECONDS)
        .max_concurrent_connections(MAX_CONNECTIONS)
        .disable_signals();
    let stopping = builder.graceful_shutdown_signal();
    let server = builder.listen("warren", listener, move || {
        app.supervisor.settle_here();
        let routes = App::new().wrap(from_fn(http::front)).configure(http::configure(app.clone()));
        let routes = actix_service::IntoServiceFactory::into_factory(routes);
        let routes = routes.map_err(|error: actix_web::Error| error.error_response());
        let signal = stopping.clone();
        let http = HttpService::build()
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(REQUEST_TIMEOUT)
            .graceful_shutdown_signal(move || {
                let signal = signal.clone();
                async move { signal.notified().await }
            })
            .finish(map_config(routes, |()| AppConfig::default()));
        DoorFactory { http, app: app.clone(), stopping: stopping.clone() }
    })?;
    Ok(server.run())
}

/// Sockets are a route of the HTTP layer (`crate::http::ws`), as in a program that embeds the server.
fn by_route(workers: usize, listener: TcpListener, app: http::App) -> io::Result<Server> {
    let server = HttpServer::new(move || {
        app.supervisor.settle_here();
        App::new().wrap(from_fn(http::front)).configure(http::configure(app.clone()))
    })
    .workers(workers)
    .keep_alive(KEEP_ALIVE)
    .client_request_timeout(REQUEST_TIMEOUT)
    .shutdown_timeout(SHUTDOWN_SECONDS)
    .max_connections(MAX_CONNECTIONS)
    .tcp_nodelay(true)
    .disable_signals()
    .on_connect(|stream, _| {
        if let Some(stream) = stream.downcast_ref::<TcpStream>() {
            give_up_on_dead_peers(stream);
        }
    })
    .listen(listener)?;
    Ok(server.run())
}
