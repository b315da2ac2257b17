//! A stream under TLS that one reads and others write to (`docs/adr/0028`).
//!
//! Writing never waits: a record is made of what fits one, and no second one before the first has gone to the system. What the
//! system leaves of one is kept, and written by a task of its own when more is taken.

use super::record_ledger::RecordLedger;
use super::system_stream::{abandon, has_unread, shut, try_write};
use super::unacknowledged::unacknowledged;
use crate::delivery::{Sink, Travelled};
use actix_web::rt::net::TcpStream;
use rustls::ServerConnection;
use std::cell::{Cell, RefCell};
use std::hint::black_box;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsRawFd as _;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio_rustls::server::TlsStream;

/// The most bytes of one record (RFC 8446 §5.1).
const RECORD_BYTES: usize = 16 << 10;

/// Both halves; cheap to clone.
#[derive(Clone)]
pub(super) struct TlsHalves(Rc<TlsShared>);

/// What both halves share.
struct TlsShared {
    /// The stream below.
    stream: TcpStream,
    /// What makes records of bytes and bytes of records.
    session: RefCell<ServerConnection>,
    /// Which bytes are in which record.
    ledger: RefCell<RecordLedger>,
    /// Whether its peer has ended it in order: by `close_notify`, which nobody on the way can make.
    has_ended_well: Cell<bool>,
    /// Whether a task waits to write the rest of a record.
    is_waiting: Cell<bool>,
    /// Whether nothing more is to be written behind that.
    is_last: Cell<bool>,
}

/// The stream below, as records are read from it.
struct Inward<'a>(&'a TcpStream);

impl Read for Inward<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

/// The stream below, as records are written to it.
struct Outward<'a> {
    /// The stream.
    stream: &'a TcpStream,
    /// Where it is noted.
    ledger: &'a RefCell<RecordLedger>,
}

impl Write for Outward<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let size = try_write(self.stream, bytes)?;
        self.ledger.borrow_mut().went(size);
        Ok(size)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl TlsShared {
    /// Writes what is left of records that were made.
    ///
    /// # Errors
    /// `WouldBlock` while something of them is left.
    fn flush(&self) -> io::Result<()> {
        let mut session = self.session.borrow_mut();
        let mut out = Outward { stream: &self.stream, ledger: &self.ledger };
        while session.wants_write() {
            session.write_tls(&mut out)?;
        }
        if self.ledger.borrow_mut().all_went() {
            // Where the system does not tell, what was written counts.
            let under_way = unacknowledged(&self.stream).unwrap_or(0);
            self.ledger.borrow_mut().unacknowledged(under_way);
        }
        Ok(())
    }

    /// Whether something of a record is left here.
    fn holds(&self) -> bool {
        self.session.borrow().wants_write()
    }
}

impl TlsHalves {
    /// Takes apart what a handshake has made.
    pub(super) fn new(stream: TlsStream<TcpStream>) -> Self {
        let (stream, session) = stream.into_inner();
        Self(Rc::new(TlsShared {
            stream,
            session: RefCell::new(session),
            ledger: RefCell::default(),
            has_ended_well: Cell::new(false),
            is_waiting: Cell::new(false),
            is_last: Cell::new(false),
        }))
    }

    /// Whether its peer has ended it in order.
    pub(super) fn has_ended_well(&self) -> bool {
        self.0.has_ended_well.get()
    }

    /// Whether something lies unread, here or in the system.
    pub(super) fn has_unread(&self) -> bool {
        let state = self.0.session.borrow_mut().process_new_packets();
        state.is_ok_and(|state| state.plaintext_bytes_to_read() > 0) || has_unread(&self.0.stream)
    }

    /// Reads what there is; nothing at the end.
    pub(super) fn poll_read(
        &self,
        task: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            match self.0.session.borrow_mut().reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                done => {
                    self.0.has_ended_well.set(matches!(done, Ok(0)));
                    return Poll::Ready(done);
                }
            }
            ready!(self.0.stream.poll_read_ready(task))?;
            self.take_records()?;
        }
    }

    /// Takes in what has come of records.
    fn take_records(&self) -> io::Result<()> {
        let mut session = self.0.session.borrow_mut();
        match session.read_tls(&mut Inward(&self.0.stream)) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            done => done?,
        };
        let taken = session.process_new_packets();
        drop(session);
        // The protocol itself may answer: with new keys, or with what is wrong. Who cannot be told will not be.
        let _ = self.flush_or_wait();
        taken.map(drop).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
    }

    /// Writes what is left of records, and where the system does not take all of it, sees to it that it is written later.
    ///
    /// # Errors
    /// As [`TlsShared::flush`].
    fn flush_or_wait(&self) -> io::Result<()> {
        let flushed = self.0.flush();
        let is_left = matches!(&flushed, Err(error) if error.kind() == ErrorKind::WouldBlock);
        if is_left && !self.0.is_waiting.replace(true) {
            actix::spawn(write_rest(Rc::clone(&self.0)));
        }
        flushed
    }
}

/// Writes the rest of a record when the system takes it.
async fn write_rest(shared: Rc<TlsShared>) {
    // A stream that has broken has no rest.
    while shared.stream.writable().await.is_ok() {
        match shared.flush() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            Ok(()) if shared.is_last.get() => shut(&shared.stream, Shutdown::Write),
            _ => {}
        }
        break;
    }
    shared.is_waiting.set(false);
}

impl Sink for TlsHalves {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.flush_or_wait()?;
        let mut taken = 0;
        for piece in bytes.chunks(RECORD_BYTES) {
            self.0.session.borrow_mut().writer().write_all(piece)?;
            self.0.ledger.borrow_mut().took(piece.len());
            taken += piece.len();
            match self.flush_or_wait() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                done => done?,
            }
        }
        Ok(taken)
    }

    fn poll_writable(&self, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.stream.poll_write_ready(task)
    }

    fn touch(&self) {
        black_box(self.0.stream.as_raw_fd());
    }

    fn unacknowledged(&self) -> Option<u64> {
        let under_way = unacknowledged(&self.0.stream)?;
        Some(self.0.ledger.borrow_mut().unacknowledged(under_way))
    }

    fn travelled(&self, _: u64) -> Option<Travelled> {
        let under_way = unacknowledged(&self.0.stream)?;
        let acknowledged = self.0.ledger.borrow().acknowledged(under_way);
        Some(Travelled { acknowledged, left: under_way + u64::from(self.0.holds()) })
    }

    fn finish(&self) {
        self.0.session.borrow_mut().send_close_notify();
        self.0.is_last.set(true);
        if self.flush_or_wait().is_ok() {
            shut(&self.0.stream, Shutdown::Write);
        }
    }

    fn abandon(&self) {
        abandon(&self.0.stream);
    }
}
