//! The raw stream as a socket: what comes in is decoded where it is read, what goes out is written by the fan-out itself.
//!
//! Nothing stands between the connection's actor and the stream, and an idle connection holds no buffer: reading uses one
//! of the thread's, and what is to be written is shared.

use super::client_stream::ClientStream;
use super::raw_stream::RawStream;
use crate::actor::{Connection, Inbound, Socket};
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
use socket2::SockRef;
use std::cell::RefCell;
use std::pin::Pin;
use std::task::{Context as Task, Poll, ready};
use std::time::Duration;

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
    stream: RawStream,
    /// Puts fragments together.
    assembly: Assembly,
    /// Counts the connection under its address while it lives.
    _place: Option<AddressPlace>,
    /// Counts it among those that have not identified.
    waiting: Option<AddressPlace>,
    /// The origin of the page that opened it, until it has identified.
    page: Option<Box<str>>,
}

impl Socket for Raw {
    /// Long enough for a round trip to anywhere.
    const LINGER: Option<Duration> = Some(Duration::from_secs(2));

    fn has_unread(&self) -> bool {
        self.stream.has_unread()
    }

    fn has_ended_well(&self) -> bool {
        self.stream.has_ended_well()
    }

    fn take_page(&mut self) -> Option<Box<str>> {
        self.page.take()
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
    stream: ClientStream,
    rest: &[u8],
) -> RunningSocket {
    let Admitted { origin, wire, place, waiting, page } = admitted;
    let account = app.supervisor.inbound_account();
    bound_send_buffer(stream.tcp(), app.supervisor.settings().send_buffer_bytes);
    let stream = RawStream::new(stream);
    let raw = Raw {
        stream: stream.clone(),
        assembly: Assembly::new(account.clone()),
        _place: place,
        waiting,
        page,
    };
    let (connection, link) =
        Connection::open(app.supervisor.clone(), raw, origin, wire, account.clone());
    #[cfg(feature = "echo")]
    let connection = http::ws::echo(connection, head);
    link.push_to(stream.sink());
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

/// What is read, as messages.
struct MessageReader {
    /// The stream.
    stream: RawStream,
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
                let size = ready!(this.stream.poll_read(task, buffer)).unwrap_or(0);
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
