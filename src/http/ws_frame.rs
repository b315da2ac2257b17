//! A socket's bytes as WebSocket messages, read at the pace at which they are handled.
//!
//! The stream of actix-web-actors reads all there is before it decodes one frame, and waits for the whole of a frame
//! before it looks at its length; so a peer decides how much memory it takes. This one decodes what it has before it
//! reads on, and refuses a length over the bound as soon as it is said.

use super::visit::{AT_ONCE, Visit};
use crate::actor::InboundAccount;
use crate::actor::inbound::OutOfRoom;
use actix_http::error::PayloadError;
use actix_http::ws::{Codec, Frame, Message, ProtocolError};
use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use futures_util::Stream;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio_util::codec::Decoder as _;

/// The most bytes in a control frame (RFC 6455 §5.5).
const CONTROL_BYTES: usize = 125;

/// Makes messages of bytes as they come.
pub(crate) struct MessageDecoder {
    /// Decodes whole frames.
    codec: Codec,
    /// What has come and is not decoded: at most one frame and one read.
    buffer: BytesMut,
    /// The bound on a frame's bytes, and where what has come is counted.
    account: InboundAccount,
}

impl MessageDecoder {
    /// Nothing read yet.
    pub(crate) fn new(account: InboundAccount) -> Self {
        // The bound is ours to keep: it may rise.
        Self { codec: Codec::new().max_size(usize::MAX), buffer: BytesMut::new(), account }
    }

    /// Forgets what has come: it cannot be told apart any more.
    pub(crate) fn clear(&mut self) {
        self.buffer = BytesMut::new();
        self.account.set_half(0);
    }

    /// The bound on a frame's bytes.
    pub(crate) fn limit(&self) -> usize {
        self.account.bound()
    }

    /// How much may be read now; when there is room, if nothing may.
    ///
    /// # Errors
    /// An error as of a stream, which [`Assembly`](super::assembly::Assembly) knows, where the connection has to go to make
    /// room.
    pub(crate) fn poll_room(&self, task: &Context<'_>) -> Poll<Result<usize, ProtocolError>> {
        let error = |OutOfRoom| ProtocolError::Io(io::ErrorKind::QuotaExceeded.into());
        self.account.poll_room(task).map_err(error)
    }

    /// Takes bytes.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        self.account.set_half(self.buffer.len());
    }

    /// Decodes one frame if a whole one is there.
    ///
    /// # Errors
    /// [`ProtocolError`]; what follows on the wire cannot be told apart any more.
    pub(crate) fn next(&mut self) -> Result<Option<Message>, ProtocolError> {
        if self.buffer.is_empty() {
            // An idle connection should not keep the room that its last frame needed.
            self.clear();
            return Ok(None);
        }
        if let Some(length) = declared(&self.buffer) {
            // A control frame is short, whatever the bound is (RFC 6455 §5.5).
            if length > CONTROL_BYTES && self.buffer.first().is_some_and(|first| first & 8 != 0) {
                return Err(ProtocolError::InvalidLength(length));
            }
            if length > self.account.bound() {
                return Err(ProtocolError::Overflow);
            }
        }
        let Some(frame) = self.codec.decode(&mut self.buffer)? else {
            self.account.set_half(self.buffer.len());
            return Ok(None);
        };
        Ok(Some(match frame {
            Frame::Text(text) => Message::Text(ByteString::try_from(text).map_err(|error| {
                // As the stream of actix-web-actors reports it.
                ProtocolError::Io(io::Error::other(error))
            })?),
            Frame::Binary(bytes) => Message::Binary(bytes),
            Frame::Ping(payload) => Message::Ping(payload),
            Frame::Pong(payload) => Message::Pong(payload),
            Frame::Close(reason) => Message::Close(reason),
            Frame::Continuation(item) => Message::Continuation(item),
        }))
    }
}

/// The messages in a request's payload.
pub(crate) struct Frames<S> {
    /// The bytes; none once they have ended or are of no more use.
    payload: Option<S>,
    /// Makes messages of them.
    decoder: MessageDecoder,
    /// What lets the HTTP layer read; none in another program than ours, where it reads some more than there is room for.
    visit: Option<Rc<Visit>>,
}

impl<S> Frames<S> {
    /// The messages in these bytes.
    pub(crate) fn new(payload: S, account: InboundAccount, visit: Option<Rc<Visit>>) -> Self {
        Self { payload: Some(payload), decoder: MessageDecoder::new(account), visit }
    }

    /// Lets the HTTP layer read so much.
    fn let_read(&self, bytes: usize) {
        if let Some(visit) = &self.visit {
            visit.set_room(bytes);
        }
    }

    /// Reads nothing more.
    fn give_up(&mut self, error: ProtocolError) -> ProtocolError {
        self.payload = None;
        self.decoder.clear();
        self.let_read(usize::MAX);
        error
    }
}

impl<S: Stream<Item = Result<Bytes, PayloadError>> + Unpin> Stream for Frames<S> {
    type Item = Result<Message, ProtocolError>;

    /// An error is the last item: what follows on the wire cannot be told apart, or has no room.
    fn poll_next(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        while this.payload.is_some() {
            match this.decoder.next() {
                Ok(Some(message)) => return Poll::Ready(Some(Ok(message))),
                Ok(None) => {}
                Err(error) => return Poll::Ready(Some(Err(this.give_up(error)))),
            }
            let room = match ready!(this.decoder.poll_room(task)) {
                Ok(room) => room,
                Err(error) => return Poll::Ready(Some(Err(this.give_up(error)))),
            };
            let Some(payload) = &mut this.payload else { break };
            match Pin::new(payload).poll_next(task) {
                Poll::Ready(Some(Ok(bytes))) => this.decoder.feed(&bytes),
                Poll::Ready(Some(Err(_)) | None) => this.payload = None,
                Poll::Pending => {
                    this.let_read(room.min(AT_ONCE));
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(None)
    }
}

impl<S> Drop for Frames<S> {
    /// What nobody wants any more is read, for the sake of a clean end.
    fn drop(&mut self) {
        self.let_read(usize::MAX);
    }
}

/// The length that a frame's head says, once enough of it is there (RFC 6455 §5.2).
fn declared(head: &[u8]) -> Option<usize> {
    let number = |bytes: &[u8]| {
        let number = bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        usize::try_from(number).unwrap_or(usize::MAX)
    };
    match head.get(1)? & 0x7F {
        126 => head.get(2..4).map(number),
        127 => head.get(2..10).map(number),
        short => Some(usize::from(short)),
    }
}
