//! A socket's bytes as WebSocket messages, read at the pace at which they are handled.
//!
//! The stream of actix-web-actors reads all there is before it decodes one frame, and waits for the whole of a frame
//! before it looks at its length; so a peer decides how much memory it takes. This one decodes what it has before it
//! reads on, and refuses a length over the bound as soon as it is said.

use crate::actor::InboundBound;
use actix_http::error::PayloadError;
use actix_http::ws::{Codec, Frame, Message, ProtocolError};
use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use futures_util::Stream;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio_util::codec::Decoder as _;

/// The most bytes in a control frame (RFC 6455 §5.5).
const CONTROL_BYTES: usize = 125;

/// Makes messages of bytes as they come.
pub(crate) struct Decoder {
    /// Decodes whole frames.
    codec: Codec,
    /// What has come and is not decoded: at most one frame and one read.
    buffer: BytesMut,
    /// The bound on a frame's bytes.
    bound: InboundBound,
}

impl Decoder {
    /// Nothing read yet.
    pub(crate) fn new(bound: InboundBound) -> Self {
        // The bound is ours to keep: it may rise.
        Self { codec: Codec::new().max_size(usize::MAX), buffer: BytesMut::new(), bound }
    }

    /// Nothing read yet that can be told apart, and nothing will be.
    pub(crate) fn spoilt() -> Self {
        Self::new(InboundBound::default())
    }

    /// The bound on a frame's bytes.
    pub(crate) fn limit(&self) -> usize {
        self.bound.bytes()
    }

    /// Takes bytes.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Decodes one frame if a whole one is there.
    ///
    /// # Errors
    /// [`ProtocolError`]; what follows on the wire cannot be told apart any more.
    pub(crate) fn next(&mut self) -> Result<Option<Message>, ProtocolError> {
        if self.buffer.is_empty() {
            // An idle connection should not keep the room that its last frame needed.
            self.buffer = BytesMut::new();
            return Ok(None);
        }
        if let Some(length) = declared(&self.buffer) {
            // A control frame is short, whatever the bound is (RFC 6455 §5.5).
            if length > CONTROL_BYTES && self.buffer.first().is_some_and(|first| first & 8 != 0) {
                return Err(ProtocolError::InvalidLength(length));
            }
            if length > self.bound.bytes() {
                return Err(ProtocolError::Overflow);
            }
        }
        let Some(frame) = self.codec.decode(&mut self.buffer)? else { return Ok(None) };
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
    decoder: Decoder,
}

impl<S> Frames<S> {
    /// The messages in these bytes.
    pub(crate) fn new(payload: S, bound: InboundBound) -> Self {
        Self { payload: Some(payload), decoder: Decoder::new(bound) }
    }
}

impl<S: Stream<Item = Result<Bytes, PayloadError>> + Unpin> Stream for Frames<S> {
    type Item = Result<Message, ProtocolError>;

    /// An error is the last item: what follows on the wire cannot be told apart.
    fn poll_next(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        while this.payload.is_some() {
            match this.decoder.next() {
                Ok(Some(message)) => return Poll::Ready(Some(Ok(message))),
                Ok(None) => {}
                Err(error) => {
                    this.payload = None;
                    return Poll::Ready(Some(Err(error)));
                }
            }
            let Some(payload) = &mut this.payload else { break };
            match ready!(Pin::new(payload).poll_next(task)) {
                Some(Ok(bytes)) => this.decoder.feed(&bytes),
                Some(Err(_)) | None => this.payload = None,
            }
        }
        Poll::Ready(None)
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
