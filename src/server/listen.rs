//! Binds the address and starts what serves it.

use super::ServerError;
use super::workers::Workers;
use crate::config::Config;
use crate::http;
use socket2::{Domain, SockRef, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener};

/// How many connections the system keeps for us that have not been accepted yet.
const BACKLOG: i32 = 4096;

/// Binds the address and starts the worker threads, which accept so many connections together; each takes a
/// shard of the supervisor in.
pub(super) fn listen(
    config: &Config,
    app: &http::App,
    connections: usize,
) -> Result<(Workers, SocketAddr), ServerError> {
    let address = config.listen;
    let failed = |source| ServerError::Listen { address, source };
    let first = bind(address, false).map_err(failed)?;
    let bound = first.local_addr().map_err(failed)?;
    let workers = listeners(first, bound, config.workers)
        .and_then(|listeners| Workers::start(listeners, app, config.socket, connections));
    Ok((workers.map_err(failed)?, bound))
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
