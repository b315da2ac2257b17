//! Where connections come in: a listener of one worker, whichever kind of socket it has.

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
    /// A Unix socket.
    Unix(PathBuf),
}

impl BoundAddress {
    /// What stands before the path of a request there.
    pub(super) fn base(&self) -> String {
        match self {
            Self::Tcp(address) => format!("http://{address}"),
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
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A listening socket that no thread has taken yet.
pub(super) enum Listener {
    /// Of a TCP port.
    Tcp(TcpListener),
    /// Of a Unix socket.
    Unix(UnixListener),
}

impl Listener {
    /// Another one of the same socket, for another thread.
    pub(super) fn shared(&self) -> io::Result<Self> {
        match self {
            Self::Tcp(listener) => listener.try_clone().map(Self::Tcp),
            Self::Unix(listener) => listener.try_clone().map(Self::Unix),
        }
    }

    /// Takes it to this thread.
    pub(super) fn open(self) -> io::Result<Door> {
        match self {
            Self::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                TcpDoor::from_std(listener).map(Door::Tcp)
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
    /// Of a TCP port.
    Tcp(TcpDoor),
    /// Of a Unix socket.
    Unix(UnixDoor),
}

impl Door {
    /// The next connection, and where it is from. Who comes by a Unix socket is on this machine, which loopback stands for
    /// wherever an address is asked for.
    pub(super) async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        match self {
            Self::Tcp(listener) => listener.accept().await,
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
