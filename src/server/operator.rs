//! The operator's own listener: metrics and health checks on an address that the public does not reach, without tokens.
//!
//! It has a thread of its own, so that the numbers can be read while the workers have too much to do, and it is the last
//! to go when the server stops.

use super::ServerError;
use crate::http;
use actix_web::dev::ServerHandle;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer};
use std::net::{SocketAddr, TcpListener};

/// The most connections at a time: a few who look.
const MAX_CONNECTIONS: usize = 32;

/// Serves on a socket that was handed over, else on this address, if there is one.
///
/// # Errors
/// [`ServerError::Listen`].
pub(super) fn listen(
    address: Option<SocketAddr>,
    handed_over: Option<TcpListener>,
    app: &http::App,
) -> Result<Option<ServerHandle>, ServerError> {
    let named = || address.map_or_else(|| "metrics".to_owned(), |address| address.to_string());
    let failed = |source| ServerError::Listen { address: named(), source };
    let listener = match (handed_over, address) {
        (Some(listener), _) => listener,
        (None, Some(address)) => TcpListener::bind(address).map_err(failed)?,
        (None, None) => return Ok(None),
    };
    let bound = listener.local_addr().map_err(failed)?;
    let app = app.clone();
    let routes = move || {
        App::new().wrap(from_fn(http::front)).configure(http::configure_for_operator(app.clone()))
    };
    let server = HttpServer::new(routes)
        .workers(1)
        .max_connections(MAX_CONNECTIONS)
        .disable_signals()
        .listen(listener)
        .map_err(failed)?
        .run();
    let handle = server.handle();
    actix_web::rt::spawn(server);
    tracing::info!(address = %bound, "metrics and health checks are served without tokens");
    Ok(Some(handle))
}
