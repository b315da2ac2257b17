//! Where connections come in: a listener of one worker, whichever kind of socket it has.

use super::handshake::Handshakes;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream as StdStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use tokio::net::{TcpListener as TcpDoor, TcpStream, UnixListener as UnixDoor};

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BoundAddress {
    /// A TCP port.
    Tcp(SocketAddr),
    /// A TCP port where TLS is spoken.
    Tls(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl BoundAddress {
    /// What stands before the path of a request there.
    pub(super) fn base(&self) -> String {
        match self {
            Self::Tcp(address) => format!("http://{address}"),
            Self::Tls(address) => format!("https://{address}"),
            Self::Unix(path) => format!("unix:{}", path.display()),
        }
    }

    /// Takes away what it leaves behind.
    pub(super) fn clear(&self) {
        if let Self::Unix(path) = self {
            // The next server on it does it as well.
            let _ = std::fs::remove_file(path);
        }
    }
}

impl fmt::Display for BoundAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Tls(address) => write!(f, "https://{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A listening socket that no thread has taken yet.
pub(super) enum Listener {
    /// Of a TCP port, with what TLS is spoken by there, if it is.
    Tcp(TcpListener, Option<Handshakes>),
    /// Of a Unix socket.
    Unix(UnixListener),
}

impl Listener {
    /// Another one of the same socket, for another thread.
    pub(super) fn shared(&self) -> io::Result<Self> {
        match self {
            Self::Tcp(listener, tls) => Ok(Self::Tcp(listener.try_clone()?, tls.clone())),
            Self::Unix(listener) => listener.try_clone().map(Self::Unix),
        }
    }

    /// Takes it to this thread.
    pub(super) fn open(self) -> io::Result<Door> {
        match self {
            Self::Tcp(listener, tls) => {
                listener.set_nonblocking(true)?;
                Ok(Door::Tcp(TcpDoor::from_std(listener)?, tls))
            }
            Self::Unix(listener) => {
                listener.set_nonblocking(true)?;
                UnixDoor::from_std(listener).map(Door::Unix)
            }
        }
    }
}

/// A listening socket of this thread.
pub(super) enum Door {
    /// Of a TCP port, with what TLS is spoken by there, if it is.
    Tcp(TcpDoor, Option<Handshakes>),
    /// Of a Unix socket.
    Unix(UnixDoor),
}

impl Door {
    /// What TLS is spoken by there, if it is.
    pub(super) const fn tls(&self) -> Option<&Handshakes> {
        match self {
            Self::Tcp(_, tls) => tls.as_ref(),
            Self::Unix(_) => None,
        }
    }

    /// The next connection, and where it is from. Who comes by a Unix socket is on this machine, which loopback stands for
    /// wherever an address is asked for.
    pub(super) async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        match self {
            Self::Tcp(listener, _) => listener.accept().await,
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                // A stream is read, written and shut down by the same calls whatever carries it. What only TCP can do is
                // refused by the system, and done without.
                let stream = StdStream::from(OwnedFd::from(stream.into_std()?));
                Ok((TcpStream::from_std(stream)?, (Ipv4Addr::LOCALHOST, 0).into()))
            }
        }
    }
}
