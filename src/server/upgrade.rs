//! The raw stream as a socket: what comes in is decoded where it is read, what goes out is written by the fan-out itself.
//!
//! Nothing stands between the connection's actor and the stream, and an idle connection holds no buffer: reading uses one
//! of the thread's, and what is to be written is shared.

use crate::actor::{Connection, Sink, Socket};
use crate::http;
use crate::http::ws::{Admitted, Assembly, Decoder, Place};
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
use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as Task, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// The most bytes read at once.
const READ_BYTES: usize = 64 << 10;

thread_local! {
    /// Where this thread reads to.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

/// What connections need whose socket is a raw stream.
pub(super) struct Raw {
    /// Puts fragments together.
    assembly: Assembly,
    /// Counts the connection under its address while it lives.
    _place: Option<Place>,
}

impl Socket for Raw {
    /// Long enough for a round trip to anywhere.
    const LINGER: Option<Duration> = Some(Duration::from_secs(2));
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
}

/// A connection that runs until its socket has ended.
pub(super) type Running = Pin<Box<ContextFut<Connection<Raw>, Context<Connection<Raw>>>>>;

/// Turns a stream into a socket; `rest` is what followed the request's head.
pub(super) fn open(
    app: &http::App,
    admitted: Admitted,
    head: &RequestHead,
    stream: TcpStream,
    rest: &[u8],
) -> Running {
    let Admitted { origin, wire, place } = admitted;
    let limit = app.supervisor.settings().frame_bytes;
    let raw = Raw { assembly: Assembly::new(limit), _place: place };
    let (connection, link) = Connection::open(app.supervisor.clone(), raw, origin, wire);
    let (reader, writer) = stream.into_split();
    link.push_to(Rc::new(Writer(writer)));
    link.precede(switching(head));
    let mut decoder = Decoder::new(limit);
    decoder.feed(rest);
    let mut ctx = Context::new();
    ctx.add_stream(Reader { stream: reader, decoder, is_spoilt: false });
    Box::pin(ctx.into_future(connection))
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

/// The writing half.
struct Writer(OwnedWriteHalf);

impl Writer {
    /// Ends one direction or both; a stream that has ended already needs no more.
    fn shut(&self, how: Shutdown) {
        let _ = SockRef::from(self.0.as_ref()).shutdown(how);
    }
}

impl Sink for Writer {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn poll_writable(&self, task: &mut Task<'_>) -> Poll<io::Result<()>> {
        self.0.as_ref().poll_write_ready(task)
    }

    fn finish(&self) {
        self.shut(Shutdown::Write);
    }

    fn abandon(&self) {
        self.shut(Shutdown::Both);
    }
}

/// The reading half, as messages.
struct Reader {
    /// The stream.
    stream: OwnedReadHalf,
    /// Makes messages of its bytes.
    decoder: Decoder,
    /// Whether what follows cannot be told apart: it is read, for the sake of a clean end, and thrown away.
    is_spoilt: bool,
}

impl Stream for Reader {
    type Item = Result<Message, ProtocolError>;

    /// Ends with the stream.
    fn poll_next(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if !this.is_spoilt {
                match this.decoder.next() {
                    Ok(Some(message)) => return Poll::Ready(Some(Ok(message))),
                    Ok(None) => {}
                    Err(error) => {
                        this.is_spoilt = true;
                        this.decoder = Decoder::new(0);
                        return Poll::Ready(Some(Err(error)));
                    }
                }
            }
            let size = SCRATCH.with_borrow_mut(|scratch| {
                let mut buffer = ReadBuf::new(scratch);
                let read = ready!(Pin::new(&mut this.stream).poll_read(task, &mut buffer));
                let bytes = buffer.filled();
                if !this.is_spoilt {
                    this.decoder.feed(bytes);
                }
                Poll::Ready(read.map_or(0, |()| bytes.len()))
            });
            if ready!(size) == 0 {
                return Poll::Ready(None);
            }
        }
    }
}
