//! A stream whose reader and writers are two, with nothing between them and the system, or with TLS.

use super::client_stream::ClientStream;
use super::system_stream::{abandon, has_unread, shut, try_write};
use super::tls_halves::TlsHalves;
use super::unacknowledged::unacknowledged;
use crate::delivery::Sink;
use actix_web::rt::net::TcpStream;
use std::cell::Cell;
use std::hint::black_box;
use std::io;
use std::net::Shutdown;
use std::os::fd::AsRawFd as _;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// A stream of either kind; cheap to clone.
#[derive(Clone)]
pub(super) enum RawStream {
    /// Plain.
    Plain(Rc<PlainHalves>),
    /// Under TLS.
    Tls(TlsHalves),
}

impl RawStream {
    /// Nothing was read or written since it became one.
    pub(super) fn new(stream: ClientStream) -> Self {
        match stream {
            ClientStream::Plain(stream) => {
                Self::Plain(Rc::new(PlainHalves { stream, has_ended_well: Cell::new(false) }))
            }
            ClientStream::Tls(stream) => Self::Tls(TlsHalves::new(*stream)),
        }
    }

    /// Its writing half.
    pub(super) fn sink(&self) -> Rc<dyn Sink> {
        match self {
            Self::Plain(halves) => Rc::<PlainHalves>::clone(halves),
            Self::Tls(halves) => Rc::new(halves.clone()),
        }
    }

    /// Whether its peer has ended it in order.
    pub(super) fn has_ended_well(&self) -> bool {
        match self {
            Self::Plain(halves) => halves.has_ended_well.get(),
            Self::Tls(halves) => halves.has_ended_well(),
        }
    }

    /// Whether something lies unread.
    pub(super) fn has_unread(&self) -> bool {
        match self {
            Self::Plain(halves) => has_unread(&halves.stream),
            Self::Tls(halves) => halves.has_unread(),
        }
    }

    /// Reads what there is; nothing at its end.
    pub(super) fn poll_read(
        &self,
        task: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(halves) => {
                let read = ready!(halves.poll_read(task, buffer));
                halves.has_ended_well.set(matches!(read, Ok(0)));
                Poll::Ready(read)
            }
            Self::Tls(halves) => halves.poll_read(task, buffer),
        }
    }
}

/// A plain stream that one reads and others write to.
pub(super) struct PlainHalves {
    /// The stream.
    stream: TcpStream,
    /// Whether its peer has ended it in order.
    has_ended_well: Cell<bool>,
}

impl PlainHalves {
    /// Reads what there is.
    fn poll_read(&self, task: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_read_ready(task))?;
            match self.stream.try_read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
    }
}

impl Sink for PlainHalves {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        try_write(&self.stream, bytes)
    }

    fn poll_writable(&self, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_write_ready(task)
    }

    fn touch(&self) {
        black_box(self.stream.as_raw_fd());
    }

    fn unacknowledged(&self) -> Option<u64> {
        unacknowledged(&self.stream)
    }

    fn finish(&self) {
        shut(&self.stream, Shutdown::Write);
    }

    fn abandon(&self) {
        abandon(&self.stream);
    }
}
