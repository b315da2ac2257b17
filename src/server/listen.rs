//! Binds the addresses, or takes over sockets that listen already, and starts what serves them.

use super::ServerError;
use super::door::{BoundAddress, Listener};
use super::handshake::Handshakes;
use super::workers::Workers;
use crate::config::{Config, ListenAddress};
use crate::http;
use socket2::{Domain, SockAddr, SockRef, Socket, Type};
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// How many connections the system keeps for us that have not been accepted yet.
const BACKLOG: i32 = 4096;

/// What serves, and where.
pub(super) struct Listening {
    /// The threads.
    pub(super) workers: Workers,
    /// The addresses.
    pub(super) places: ListeningPlaces,
}

/// Where a server listens.
pub(super) struct ListeningPlaces {
    /// The addresses, the first one first.
    pub(super) bound: Vec<BoundAddress>,
    /// Whether somebody else holds the sockets, and keeps them when this server has gone.
    is_handed_over: bool,
}

impl ListeningPlaces {
    /// Takes away what is left of the server's own.
    pub(super) fn clear(&self) {
        if !self.is_handed_over {
            self.bound.iter().for_each(BoundAddress::clear);
        }
    }
}

/// What is spoken, and on which sockets besides those of the settings.
pub(super) struct Speaking<'a> {
    /// The sockets that were handed over.
    pub(super) handed_over: Vec<(BoundAddress, Listener)>,
    /// What TLS is spoken by.
    pub(super) tls: Option<&'a Handshakes>,
}

/// Starts the worker threads, which accept so many connections together; each takes a shard of the supervisor in. Sockets that
/// were handed over are accepted from, and without any, the addresses of the settings are bound. With `tls` it is spoken on
/// every TCP port that does not say otherwise.
pub(super) fn listen(
    config: &Config,
    app: &http::App,
    connections: usize,
    Speaking { handed_over, tls }: Speaking<'_>,
) -> Result<Listening, ServerError> {
    let is_handed_over = !handed_over.is_empty();
    let places = if is_handed_over {
        tracing::info!("listening sockets were handed over: `listen` is not looked at");
        share(handed_over, config.workers, tls)?
    } else {
        bind_all(config, tls)?
    };
    let mut bound = Vec::new();
    let mut listeners: Vec<Vec<Listener>> = (0..config.workers).map(|_| Vec::new()).collect();
    for (place, shared) in places {
        bound.push(place);
        listeners.iter_mut().zip(shared).for_each(|(worker, listener)| worker.push(listener));
    }
    let workers = Workers::start(listeners, app, config.socket, connections, is_handed_over);
    Ok(Listening { workers, places: ListeningPlaces { bound, is_handed_over } })
}

/// Binds all addresses of the settings.
fn bind_all(config: &Config, tls: Option<&Handshakes>) -> Result<Vec<Shared>, ServerError> {
    let mut bound = Vec::new();
    for address in &config.listen {
        let failed = |source| ServerError::Listen { address: address.to_string(), source };
        bound.extend(bind_place(address, config.workers, tls).map_err(failed)?);
    }
    Ok(bound)
}

/// Lets all workers accept from each of these sockets, and TLS be spoken on those of TCP.
fn share(
    sockets: Vec<(BoundAddress, Listener)>,
    workers: usize,
    tls: Option<&Handshakes>,
) -> Result<Vec<Shared>, ServerError> {
    let share = |(place, socket): (BoundAddress, Listener)| {
        let (place, socket) = match (place, socket, tls) {
            (BoundAddress::Tcp(address), Listener::Tcp(socket, _), Some(tls)) => {
                (BoundAddress::Tls(address), Listener::Tcp(socket, Some(tls.clone())))
            }
            (place, socket, _) => (place, socket),
        };
        let others = (1..workers).map(|_| socket.shared()).collect::<io::Result<Vec<_>>>()?;
        Ok((place, std::iter::once(socket).chain(others).collect()))
    };
    sockets.into_iter().map(share).collect::<io::Result<_>>().map_err(ServerError::Io)
}

/// An address with its listening sockets, one for each worker.
type Shared = (BoundAddress, Vec<Listener>);

/// Listens in one place: on each address that a name has. Of several, those may fail that the machine does not have.
fn bind_place(
    place: &ListenAddress,
    workers: usize,
    tls: Option<&Handshakes>,
) -> io::Result<Vec<Shared>> {
    let (host, port, tls) = match place {
        ListenAddress::Unix(path) => return Ok(vec![bind_unix(path, workers)?]),
        ListenAddress::Tcp { host, port, is_plain } => (host, *port, tls.filter(|_| !is_plain)),
    };
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in (host.as_str(), port).to_socket_addrs()? {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    let (mut bound, mut failure) = (Vec::<Shared>::new(), None);
    for mut address in addresses {
        // A free port is the same one on all addresses of a name.
        if let Some((BoundAddress::Tcp(first) | BoundAddress::Tls(first), _)) = bound.first() {
            address.set_port(first.port());
        }
        match bind_tcp(address, workers, tls) {
            Ok(shared) => bound.push(shared),
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => failure = Some(error),
            Err(error) => return Err(error),
        }
    }
    match (failure, bound.is_empty()) {
        (Some(error), true) => Err(error),
        (None, true) => Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address")),
        (Some(error), false) => {
            tracing::warn!(%place, %error, "not on all addresses of this name is listened");
            Ok(bound)
        }
        (None, false) => Ok(bound),
    }
}

/// Listens on one address with a socket for each worker, among which the system shares connections out. The first is bound
/// for itself: an address that another server has is not to be shared with that.
fn bind_tcp(address: SocketAddr, workers: usize, tls: Option<&Handshakes>) -> io::Result<Shared> {
    let first = bind(address, false)?;
    if workers > 1 {
        SockRef::from(&first).set_reuse_port(true)?;
    }
    let bound = first.local_addr()?.as_socket();
    let bound = bound.ok_or(io::ErrorKind::AddrNotAvailable)?;
    let others = (1..workers).map(|_| bind(bound, true));
    let all = std::iter::once(Ok(first)).chain(others);
    let of = |socket: Socket| Listener::Tcp(socket.into(), tls.cloned());
    let listeners = all.map(|socket| socket.map(of)).collect::<io::Result<_>>()?;
    let bound = if tls.is_some() { BoundAddress::Tls(bound) } else { BoundAddress::Tcp(bound) };
    Ok((bound, listeners))
}

/// A listening socket, of an address that others may share or not; one that a server has just left can be taken at once.
fn bind(address: SocketAddr, is_shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(is_shared)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

/// Listens on a Unix socket, which all workers accept from. One that a server has left behind is taken away first.
fn bind_unix(path: &Path, workers: usize) -> io::Result<Shared> {
    if let Ok(there) = path.symlink_metadata() {
        if !there.file_type().is_socket() || UnixStream::connect(path).is_ok() {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        std::fs::remove_file(path)?;
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    socket.listen(BACKLOG)?;
    let sockets = (0..workers).map(|_| socket.try_clone());
    let listeners = sockets.map(|socket| socket.map(|socket| Listener::Unix(socket.into())));
    Ok((BoundAddress::Unix(path.to_owned()), listeners.collect::<io::Result<_>>()?))
}
