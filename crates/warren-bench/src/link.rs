//! One TCP connection without blocking: what is left over from reading, and what waits to be written.

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr};

/// A connection.
#[derive(Debug, Default)]
pub(super) struct Link {
    /// The socket, while there is one.
    socket: Option<TcpStream>,
    /// The beginning of a frame or an answer whose end has not come.
    rest: Vec<u8>,
    /// What waits to be written.
    out: Vec<u8>,
}

/// What reading brought.
pub(super) enum Fill {
    /// So many bytes at the buffer's start, what was left over included; and whether that is all there is.
    Bytes(usize, bool),
    /// Nothing is there.
    Nothing,
    /// The connection has ended.
    Ended(String),
}

impl Link {
    /// Begins to connect.
    ///
    /// # Errors
    /// Those of the operating system: no files, no ports, nobody there.
    pub(super) fn open(
        &mut self,
        registry: &Registry,
        token: Token,
        to: SocketAddr,
        from: Option<IpAddr>,
        receive_buffer: Option<usize>,
    ) -> io::Result<()> {
        self.close();
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        if let Some(bytes) = receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        if let Some(from) = from {
            socket.bind(&SockAddr::from(SocketAddr::new(from, 0)))?;
        }
        match socket.connect(&SockAddr::from(to)) {
            Err(error) if !is_under_way(&error) => return Err(error),
            _ => {}
        }
        let mut socket = TcpStream::from_std(socket.into());
        registry.register(&mut socket, token, Interest::READABLE | Interest::WRITABLE)?;
        self.socket = Some(socket);
        Ok(())
    }

    /// Whether connecting came to its end, and how.
    ///
    /// # Errors
    /// Why nobody answered.
    pub(super) fn is_up(&self) -> io::Result<bool> {
        let Some(socket) = &self.socket else { return Ok(false) };
        if let Some(error) = socket.take_error()? {
            return Err(error);
        }
        match socket.peer_addr() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Closes it and forgets what was waiting.
    pub(super) fn close(&mut self) {
        // Dropping the socket also takes it out of the poll.
        *self = Self::default();
    }

    /// Whether there is a socket.
    pub(super) const fn is_open(&self) -> bool {
        self.socket.is_some()
    }

    /// How many bytes wait to be written.
    pub(super) const fn backlog(&self) -> usize {
        self.out.len()
    }

    /// What is written next goes here; then flush.
    pub(super) const fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Writes as much as the socket takes. An error shows with the next read, too, so it is told only there.
    pub(super) fn flush(&mut self) {
        let Some(socket) = &mut self.socket else { return };
        let mut written = 0;
        while let Some(rest) = self.out.get(written..).filter(|rest| !rest.is_empty()) {
            match socket.write(rest) {
                Ok(bytes) => written += bytes,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        if written == self.out.len() {
            self.out.clear();
            // Thousands of idle connections must not each keep a buffer.
            if self.out.capacity() > 4096 {
                self.out = Vec::new();
            }
        } else {
            self.out.drain(..written);
        }
    }

    /// Reads behind what was left over, into a buffer that all connections of a thread share; at most so many bytes.
    pub(super) fn fill(&mut self, buffer: &mut Vec<u8>, most: usize) -> Fill {
        let Some(socket) = &mut self.socket else { return Fill::Nothing };
        let old = self.rest.len();
        if old * 2 > buffer.len() {
            buffer.resize(old * 4, 0);
        }
        let Some((head, space)) = buffer.split_at_mut_checked(old) else { return Fill::Nothing };
        let room = space.len().min(most);
        let Some(space) = space.get_mut(..room) else { return Fill::Nothing };
        match socket.read(space) {
            Ok(0) => Fill::Ended("the end of the stream".to_owned()),
            Ok(bytes) => {
                head.copy_from_slice(&self.rest);
                self.rest.clear();
                Fill::Bytes(old + bytes, bytes < room)
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
            {
                Fill::Nothing
            }
            Err(error) => Fill::Ended(error.kind().to_string()),
        }
    }

    /// Keeps what is not whole yet.
    pub(super) fn keep(&mut self, rest: &[u8]) {
        self.rest = rest.to_vec();
    }
}

/// Whether connecting has begun well.
fn is_under_way(error: &io::Error) -> bool {
    let in_progress = rustix::io::Errno::INPROGRESS.raw_os_error();
    error.kind() == ErrorKind::WouldBlock || error.raw_os_error() == Some(in_progress)
}
