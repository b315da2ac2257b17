//! The raw stream as a socket: what comes in is decoded where it is read, what goes out is written by the fan-out itself.
//!
//! Nothing stands between the connection's actor and the stream, and an idle connection holds no buffer: reading uses one
//! of the thread's, and what is to be written is shared.

use super::unacknowledged::unacknowledged;
use crate::actor::{Connection, Inbound, Socket};
use crate::delivery::Sink;
use crate::http;
use crate::http::ws::{AddressPlace, Admitted, Assembly, MessageDecoder};
use actix::dev::ContextFut;
use actix::prelude::*;
use actix_http::RequestHead;
use actix_http::header::SEC_WEBSOCKET_KEY;
use actix_http::ws::{Message, ProtocolError, hash_key};
use actix_web::rt::net::TcpStream;
use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use socket2::SockRef;
use std::cell::{Cell, RefCell};
use std::hint::black_box;
use std::io;
use std::net::Shutdown;
use std::os::fd::AsRawFd as _;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as Task, Poll, ready};
use std::time::Duration;

/// How often, at the most, what nobody wants any more is read before a stream is ended.
const LAST_READS: usize = 256;
/// The most bytes read at once.
const READ_BYTES: usize = 64 << 10;

thread_local! {
    /// Where this thread reads to.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

/// The most bytes of a frame's head (RFC 6455 §5.2).
const HEADER_BYTES: usize = 14;

/// What connections need whose socket is a raw stream.
pub(super) struct Raw {
    /// The stream.
    stream: Rc<StreamHalves>,
    /// Puts fragments together.
    assembly: Assembly,
    /// Counts the connection under its address while it lives.
    _place: Option<AddressPlace>,
    /// Counts it among those that have not identified.
    waiting: Option<AddressPlace>,
}

impl Socket for Raw {
    /// Long enough for a round trip to anywhere.
    const LINGER: Option<Duration> = Some(Duration::from_secs(2));

    fn has_unread(&self) -> bool {
        self.stream.has_unread()
    }

    fn has_ended_well(&self) -> bool {
        self.stream.has_ended_well.get()
    }

    fn on_identified(&mut self) {
        self.waiting = None;
    }
}

impl Actor for Connection<Raw> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.on_started(ctx);
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
        self.on_stopped();
    }
}

impl StreamHandler<Result<Message, ProtocolError>> for Connection<Raw> {
    fn handle(&mut self, item: Result<Message, ProtocolError>, ctx: &mut Context<Self>) {
        if let Some(inbound) = self.socket.assembly.take(item) {
            self.on_inbound(inbound, ctx);
        }
    }

    fn finished(&mut self, ctx: &mut Context<Self>) {
        self.on_inbound(Inbound::End, ctx);
    }
}

/// A connection that runs until its socket has ended.
pub(super) type RunningSocket = Pin<Box<ContextFut<Connection<Raw>, Context<Connection<Raw>>>>>;

/// Turns a stream into a socket; `rest` is what followed the request's head.
pub(super) fn open(
    app: &http::App,
    admitted: Admitted,
    head: &RequestHead,
    stream: TcpStream,
    rest: &[u8],
) -> RunningSocket {
    let Admitted { origin, wire, place, waiting } = admitted;
    let account = app.supervisor.inbound_account();
    bound_send_buffer(&stream, app.supervisor.settings().send_buffer_bytes);
    let stream = Rc::new(StreamHalves { stream, has_ended_well: Cell::new(false) });
    let raw = Raw {
        stream: Rc::clone(&stream),
        assembly: Assembly::new(account.clone()),
        _place: place,
        waiting,
    };
    let (connection, link) =
        Connection::open(app.supervisor.clone(), raw, origin, wire, account.clone());
    #[cfg(feature = "echo")]
    let connection = http::ws::echo(connection, head);
    link.push_to(Rc::<StreamHalves>::clone(&stream));
    link.precede(switching(head));
    let mut decoder = MessageDecoder::new(account);
    decoder.feed(rest);
    let mut ctx = Context::new();
    ctx.add_stream(connection.pace(MessageReader { stream, decoder, is_spoilt: false }));
    Box::pin(ctx.into_future(connection))
}

/// Bounds what the system keeps for a peer that does not read: that is out of reach when the peer is given up.
pub(super) fn bound_send_buffer(stream: &TcpStream, bytes: usize) {
    if bytes > 0 {
        // One that refuses keeps the system's own bound.
        let _ = SockRef::from(stream).set_send_buffer_size(bytes);
    }
}

/// The answer to the handshake (RFC 6455 §4.2.2), which leaves together with the first frame.
fn switching(head: &RequestHead) -> Bytes {
    let key = head.headers.get(SEC_WEBSOCKET_KEY).map_or(&b""[..], |key| key.as_bytes());
    let mut answer = BytesMut::from(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ",
    );
    answer.extend_from_slice(&hash_key(key));
    answer.extend_from_slice(b"\r\n\r\n");
    answer.freeze()
}

/// A stream that one reads and others write to.
struct StreamHalves {
    /// The stream.
    stream: TcpStream,
    /// Whether its peer has ended it in order.
    has_ended_well: Cell<bool>,
}

impl StreamHalves {
    /// Ends one direction or both; a stream that has ended already needs no more.
    fn shut(&self, how: Shutdown) {
        let _ = SockRef::from(&self.stream).shutdown(how);
    }

    /// Asks the system, not the runtime, which may not have looked yet.
    fn has_unread(&self) -> bool {
        let peeked = recv(&self.stream, &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT);
        peeked.is_ok_and(|(read, _)| read > 0)
    }

    /// Reads what there is.
    fn poll_read(&self, task: &mut Task<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_read_ready(task))?;
            match self.stream.try_read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
    }
}

impl Sink for StreamHalves {
    /// Asks the system straight away: it nearly always takes everything, and what the runtime keeps for each stream need
    /// not be looked at. Only the runtime can wait for a stream, so one that takes nothing is tried again by its way.
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match send(&self.stream, bytes, SendFlags::NOSIGNAL) {
            Err(Errno::AGAIN | Errno::INTR) => self.stream.try_write(bytes),
            done => Ok(done?),
        }
    }

    fn poll_writable(&self, task: &mut Task<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_write_ready(task)
    }

    fn touch(&self) {
        black_box(self.stream.as_raw_fd());
    }

    fn unacknowledged(&self) -> Option<u64> {
        unacknowledged(&self.stream)
    }

    fn finish(&self) {
        self.shut(Shutdown::Write);
    }

    /// What the peer sent is read first: input that lies unread makes of the end a reset, which takes along what is still on
    /// its way to the peer.
    fn abandon(&self) {
        for _ in 0..LAST_READS {
            match recv(&self.stream, &mut [0; 4096], RecvFlags::DONTWAIT) {
                Ok((read, _)) if read > 0 => {}
                _ => break,
            }
        }
        self.shut(Shutdown::Both);
    }
}

/// What is read, as messages.
struct MessageReader {
    /// The stream.
    stream: Rc<StreamHalves>,
    /// Makes messages of its bytes.
    decoder: MessageDecoder,
    /// Whether what follows cannot be told apart, or has no room: it is read, for the sake of a clean end, and thrown away.
    is_spoilt: bool,
}

impl MessageReader {
    /// How much may be read now: no more than may be held, so that a read is not more either.
    fn poll_room(&self, task: &Task<'_>) -> Poll<Result<usize, ProtocolError>> {
        if self.is_spoilt {
            return Poll::Ready(Ok(usize::MAX));
        }
        let room = ready!(self.decoder.poll_room(task))?;
        Poll::Ready(Ok(room.min(self.decoder.limit().saturating_add(HEADER_BYTES))))
    }

    /// Throws away what has come, and all that will.
    fn spoil(&mut self, error: ProtocolError) -> ProtocolError {
        self.is_spoilt = true;
        self.decoder.clear();
        error
    }
}

impl Stream for MessageReader {
    type Item = Result<Message, ProtocolError>;

    /// Ends with the stream.
    fn poll_next(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if !this.is_spoilt {
                match this.decoder.next() {
                    Ok(Some(message)) => return Poll::Ready(Some(Ok(message))),
                    Ok(None) => {}
                    Err(error) => return Poll::Ready(Some(Err(this.spoil(error)))),
                }
            }
            let most = match ready!(this.poll_room(task)) {
                Ok(most) => most,
                Err(error) => return Poll::Ready(Some(Err(this.spoil(error)))),
            };
            let size = SCRATCH.with_borrow_mut(|scratch| {
                let most = scratch.len().min(most);
                let buffer = scratch.get_mut(..most).unwrap_or_default();
                let read = ready!(this.stream.poll_read(task, buffer));
                this.stream.has_ended_well.set(matches!(read, Ok(0)));
                let size = read.unwrap_or(0);
                if !this.is_spoilt {
                    this.decoder.feed(scratch.get(..size).unwrap_or_default());
                }
                Poll::Ready(size)
            });
            if ready!(size) == 0 {
                return Poll::Ready(None);
            }
        }
    }
}
