//! Listening sockets that the service manager holds and hands over (systemd's socket activation): it keeps them over a restart,
//! so that who comes meanwhile waits in the system's queue, and nobody is refused.

use super::ServerError;
use super::door::{BoundAddress, Listener};
use listenfd::ListenFd;
use socket2::SockRef;
use std::net::TcpListener;
use std::path::Path;

/// The variable with the names of the sockets, as the service manager's units give them.
const NAMES: &str = "LISTEN_FDNAMES";
/// What the socket for metrics and health checks is called.
const OPERATOR: &str = "metrics";

/// What was handed over.
#[derive(Default)]
pub(super) struct HandedOver {
    /// The sockets for everybody, with where they listen.
    pub(super) public: Vec<(BoundAddress, Listener)>,
    /// That for metrics and health checks.
    pub(super) operator: Option<TcpListener>,
}

impl HandedOver {
    /// Takes what this process was handed; nothing by who was handed nothing. To be called once, before there are threads: it
    /// takes the variables away that tell of it.
    ///
    /// # Errors
    /// [`ServerError::HandedOver`] for something that nobody can come by.
    pub(super) fn take() -> Result<Self, ServerError> {
        let names = std::env::var(NAMES).unwrap_or_default();
        let mut names = names.split(':');
        let (mut handed, mut all) = (ListenFd::from_env(), Self::default());
        for at in 0..handed.len() {
            let name = names.next().unwrap_or_default();
            let refused = |why: String| ServerError::HandedOver { name: name.to_owned(), why };
            match (listener(&mut handed, at).map_err(refused)?, name) {
                ((_, Listener::Tcp(listener, _)), OPERATOR) => all.operator = Some(listener),
                (public, _) => all.public.push(public),
            }
        }
        Ok(all)
    }
}

/// One of the sockets, and where it listens.
fn listener(handed: &mut ListenFd, at: usize) -> Result<(BoundAddress, Listener), String> {
    let tcp = handed.take_tcp_listener(at).ok().flatten().map(|tcp| Listener::Tcp(tcp, None));
    let listener = if let Some(tcp) = tcp {
        tcp
    } else {
        let unix = handed.take_unix_listener(at).ok().flatten();
        Listener::Unix(unix.ok_or("it is no stream socket of TCP or Unix")?)
    };
    let (is_listening, address) = match &listener {
        Listener::Tcp(socket, _) => {
            let address = socket.local_addr().map(BoundAddress::Tcp);
            (SockRef::from(socket).is_listener(), address)
        }
        Listener::Unix(socket) => {
            let address = socket.local_addr();
            let path = address
                .map(|address| address.as_pathname().unwrap_or(Path::new("(no path)")).to_owned());
            (SockRef::from(socket).is_listener(), path.map(BoundAddress::Unix))
        }
    };
    if !is_listening.map_err(|error| error.to_string())? {
        return Err("it does not listen".to_owned());
    }
    Ok((address.map_err(|error| error.to_string())?, listener))
}
