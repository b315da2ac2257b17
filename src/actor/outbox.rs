//! What waits to be written to one socket, bounded in bytes.
//!
//! There are two ways out. A socket that *pulls* asks for everything that waits when it is woken: the body of an
//! actix-web response. A [`Sink`] is *pushed* to: what it can take leaves in the very call that brings it, and only what
//! it cannot take waits here until it is ready again.

use crate::protocol::{Close, frame};
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// The most bytes handed to the socket in one piece, unless a single frame is larger.
const CHUNK_BYTES: usize = 64 * 1024;

/// How often its bound the queue may hold until its writer had a turn: a burst is not the reader's fault.
const BURST: usize = 16;

/// The queue is over its bound: the reader is too slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overrun;

/// The writing half of a socket that never makes its writer wait.
pub trait Sink {
    /// Takes as many bytes as it can at once.
    ///
    /// # Errors
    /// `WouldBlock` when it can take none now; anything else ends the socket.
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize>;

    /// Ready when more may be taken after a `WouldBlock`.
    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Looks at what the next write will look at, so that it is in the processor's cache by then.
    fn touch(&self);

    /// Nothing more will be written: the peer learns that this was the end.
    fn finish(&self);

    /// The socket is of no use any more, in either direction.
    fn abandon(&self);
}

/// Whole frames in one piece, the same for all their receivers.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The frames' bytes.
    pub bytes: Bytes,
    /// How many frames that are.
    pub frames: usize,
}

/// A part of the queue.
#[derive(Debug)]
struct Piece {
    /// Whole frames, or the rest of some whose beginning has left.
    batch: Batch,
    /// The bytes that count towards the bound.
    weight: usize,
    /// Whether a part has left already: what is left of the frame is owed.
    is_begun: bool,
}

/// The way out.
enum Way {
    /// Somebody asks for what waits.
    Pull {
        /// Wakes who asks, while there is nothing.
        waker: Option<Waker>,
        /// Whether it took what it could since it was last woken: what is left then, the socket did not take.
        had_turn: bool,
    },
    /// What waits is written to a socket.
    Push {
        /// The socket.
        sink: Rc<dyn Sink>,
        /// Whether it took what it could, and somebody waits until it takes more.
        is_blocked: bool,
    },
}

/// The outgoing queue of one connection.
pub struct Outbox {
    /// What waits, oldest first.
    pieces: VecDeque<Piece>,
    /// The bytes that count.
    bytes: usize,
    /// The bound on them.
    limit: usize,
    /// Whether nothing more is taken, because the last frame is a close frame or the socket has gone.
    is_closed: bool,
    /// The way out.
    way: Way,
}

impl Outbox {
    /// An empty queue of at most `limit` bytes, for a socket that pulls.
    pub const fn new(limit: usize) -> Self {
        Self {
            pieces: VecDeque::new(),
            bytes: 0,
            limit,
            is_closed: false,
            way: Way::Pull { waker: None, had_turn: false },
        }
    }

    /// From now on, writes to a socket.
    pub fn push_to(&mut self, sink: Rc<dyn Sink>) {
        self.way = Way::Push { sink, is_blocked: false };
    }

    /// Queues a frame; one over the bound is taken by an empty queue, and counts for nothing. The writer hears of it with
    /// [`Self::wake`].
    ///
    /// # Errors
    /// [`Overrun`] when the queue would exceed its bound; the frame is not taken.
    pub fn push(&mut self, frame: Bytes) -> Result<(), Overrun> {
        self.push_batch(Batch { bytes: frame, frames: 1 })
    }

    /// Queues a batch as [`Self::push`] does a frame.
    fn push_batch(&mut self, batch: Batch) -> Result<(), Overrun> {
        let weight = self.weight_of(&batch);
        let most = if self.is_burst() { self.limit.saturating_mul(BURST) } else { self.limit };
        if !self.is_closed && self.bytes.saturating_add(weight) > most {
            return Err(Overrun);
        }
        self.take_in(batch, weight);
        Ok(())
    }

    /// What a batch counts for if it is queued now.
    fn weight_of(&self, batch: &Batch) -> usize {
        let size = batch.bytes.len();
        if self.pieces.is_empty() && size > self.limit { 0 } else { size }
    }

    /// Whether a writer that waits, or was woken and has not run yet, would take what comes now.
    const fn is_burst(&self) -> bool {
        match &self.way {
            Way::Pull { waker, had_turn } => waker.is_some() || !*had_turn,
            Way::Push { is_blocked, .. } => !*is_blocked,
        }
    }

    /// Writes a batch at once if it is its turn and the socket can be pushed to; queues what does not leave. True if
    /// that has to be seen to with [`Self::wake`].
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn write(&mut self, batch: &Batch) -> Result<bool, Overrun> {
        let Way::Push { sink, is_blocked: false } = &self.way else {
            return self.push_batch(batch.clone()).map(|()| true);
        };
        if self.is_closed {
            return Ok(false);
        }
        if !self.pieces.is_empty() {
            return self.push_batch(batch.clone()).map(|()| true);
        }
        match sink.try_write(&batch.bytes) {
            Ok(written) if written == batch.bytes.len() => Ok(false),
            Ok(written) => {
                // The rest is owed, whatever the bound.
                let batch = batch.clone();
                let weight = self.weight_of(&batch);
                self.put_back(Piece { batch, weight, is_begun: false }, written);
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.push_batch(batch.clone()).map(|()| true)
            }
            Err(_) => {
                self.abandon();
                Ok(false)
            }
        }
    }

    /// Looks at what [`Self::write`] will look at.
    pub fn touch(&self) {
        if let Way::Push { sink, .. } = &self.way {
            sink.touch();
        }
    }

    /// Queues a frame that is bounded elsewhere: INIT and what comes with it, once for each connection.
    pub fn push_uncounted(&mut self, frame: Bytes) {
        self.take_in(Batch { bytes: frame, frames: 1 }, 0);
    }

    /// Queues a batch that counts for so many bytes.
    fn take_in(&mut self, batch: Batch, weight: usize) {
        if !self.is_closed {
            self.bytes += weight;
            self.pieces.push_back(Piece { batch, weight, is_begun: false });
        }
    }

    /// Queues a close frame behind everything else; nothing is taken after it. The writer hears of it with
    /// [`Self::wake`].
    pub fn close(&mut self, close: &Close) {
        if !self.is_closed {
            self.push_uncounted(frame::close(close));
            self.is_closed = true;
        }
    }

    /// Drops what waits, but for what has begun to leave; used before the close of a reader that is too slow. Returns how
    /// many frames that were.
    pub fn clear(&mut self) -> usize {
        let mut pieces = std::mem::take(&mut self.pieces);
        self.bytes = 0;
        if pieces.front().is_some_and(|piece| piece.is_begun)
            && let Some(begun) = pieces.pop_front()
        {
            self.bytes = begun.weight;
            self.pieces.push_back(begun);
        }
        pieces.iter().map(|piece| piece.batch.frames).sum()
    }

    /// The socket has gone: nothing is written or taken any more.
    fn abandon(&mut self) {
        self.pieces = VecDeque::new();
        self.bytes = 0;
        self.is_closed = true;
        if let Way::Push { sink, .. } = &self.way {
            sink.abandon();
        }
    }

    /// The connection's actor has ended. A socket that is pushed to ends with it; one that pulls takes what is left.
    pub fn end(&mut self) {
        if matches!(self.way, Way::Push { .. }) {
            self.abandon();
        }
    }

    /// The bytes that wait.
    pub const fn len_bytes(&self) -> usize {
        self.bytes
    }

    /// Everything that waits, as far as it fits one write; `None` after the close frame has been taken.
    pub fn poll_take(&mut self, cx: &Context<'_>) -> Poll<Option<Bytes>> {
        let taken = match self.take_chunk() {
            Some(chunk) => Poll::Ready(Some(chunk.batch.bytes)),
            None if self.is_closed => Poll::Ready(None),
            None => Poll::Pending,
        };
        let waker = taken.is_pending().then(|| cx.waker().clone());
        self.way = Way::Pull { waker, had_turn: true };
        taken
    }

    /// The oldest pieces as one.
    fn take_chunk(&mut self) -> Option<Piece> {
        let mut first = self.pop()?;
        if self.pieces.is_empty() {
            return Some(first);
        }
        let mut bytes = BytesMut::with_capacity((first.weight + self.bytes).min(CHUNK_BYTES));
        bytes.extend_from_slice(&first.batch.bytes);
        while let Some(next) = self.pieces.front() {
            if bytes.len() + next.batch.bytes.len() > CHUNK_BYTES {
                break;
            }
            let Some(Piece { batch, weight, .. }) = self.pop() else { break };
            bytes.extend_from_slice(&batch.bytes);
            first.batch.frames += batch.frames;
            first.weight += weight;
        }
        first.batch.bytes = bytes.freeze();
        Some(first)
    }

    /// Takes the oldest piece.
    fn pop(&mut self) -> Option<Piece> {
        let piece = self.pieces.pop_front()?;
        self.bytes = self.bytes.saturating_sub(piece.weight);
        if self.pieces.is_empty() {
            // An idle connection should not keep the room that a burst needed.
            self.pieces = VecDeque::new();
        }
        Some(piece)
    }

    /// Puts back what the socket did not take of a chunk.
    fn put_back(&mut self, mut chunk: Piece, written: usize) {
        chunk.is_begun |= written > 0;
        chunk.batch.bytes = chunk.batch.bytes.slice(written..);
        chunk.weight = chunk.weight.min(chunk.batch.bytes.len());
        self.bytes += chunk.weight;
        self.pieces.push_front(chunk);
    }

    /// Sees to it that what waits is written: now, as far as a socket can be pushed to, or when the one who pulls gets
    /// to it. Returns the socket to wait for, if something is left: then [`Self::pump`].
    pub fn wake(&mut self) -> Option<Rc<dyn Sink>> {
        match &mut self.way {
            Way::Pull { waker, had_turn } => {
                if let Some(waker) = waker.take() {
                    *had_turn = false;
                    waker.wake();
                }
                None
            }
            Way::Push { is_blocked: true, .. } => None,
            Way::Push { sink, .. } => {
                let sink = Rc::clone(sink);
                self.pump(&*sink).then_some(sink)
            }
        }
    }

    /// Writes what waits until the socket takes no more; true if something is left, and the socket has to be waited for.
    pub fn pump(&mut self, sink: &dyn Sink) -> bool {
        let mut is_left = false;
        while !is_left && let Some(chunk) = self.take_chunk() {
            match sink.try_write(&chunk.batch.bytes) {
                Ok(written) if written == chunk.batch.bytes.len() => {}
                Ok(written) => self.put_back(chunk, written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.put_back(chunk, 0);
                    is_left = true;
                }
                Err(_) => self.abandon(),
            }
        }
        if let Way::Push { is_blocked, .. } = &mut self.way {
            *is_blocked = is_left;
        }
        if self.is_closed && !is_left {
            sink.finish();
        }
        is_left
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::protocol::CloseCode;
    use super::*;
    use futures_util::task::noop_waker;

    /// What a writer would get now.
    fn take(outbox: &mut Outbox) -> Poll<Option<Bytes>> {
        outbox.poll_take(&Context::from_waker(&noop_waker()))
    }

    #[test]
    fn everything_pending_leaves_in_one_piece() {
        let mut outbox = Outbox::new(100);
        for frame in ["one", "two", "three"] {
            outbox.push(Bytes::from(frame)).unwrap();
        }
        assert_eq!(take(&mut outbox), Poll::Ready(Some(Bytes::from("onetwothree"))));
        assert_eq!(take(&mut outbox), Poll::Pending);
    }

    #[test]
    fn the_bound_holds_and_one_large_frame_is_always_taken() {
        let mut outbox = Outbox::new(10);
        outbox.push(Bytes::from("first")).unwrap();
        assert!(take(&mut outbox).is_ready());
        outbox.push(Bytes::from(vec![0; 50])).unwrap();
        outbox.push(Bytes::from(vec![0; 9])).unwrap();
        outbox.push(Bytes::from("x")).unwrap();
        assert_eq!(outbox.push(Bytes::from("y")), Err(Overrun));
    }

    #[test]
    fn a_burst_is_taken_until_the_writer_had_its_turn() {
        let mut outbox = Outbox::new(10);
        assert!(take(&mut outbox).is_pending());
        for _ in 0..BURST {
            outbox.push(Bytes::from(vec![0; 10])).unwrap();
        }
        assert_eq!(outbox.push(Bytes::from("x")), Err(Overrun));
        outbox.wake();
        assert_eq!(outbox.clear(), BURST);
        outbox.push(Bytes::from(vec![0; 10])).unwrap();
        outbox.push(Bytes::from(vec![0; 10])).unwrap();
        assert!(take(&mut outbox).is_ready());
        outbox.push(Bytes::from(vec![0; 10])).unwrap();
        assert_eq!(outbox.push(Bytes::from("x")), Err(Overrun));
    }

    #[test]
    fn a_close_is_the_last_thing_that_leaves() {
        let mut outbox = Outbox::new(10);
        let close = Close::new(CloseCode::GoingAway, "");
        outbox.push(Bytes::from("last")).unwrap();
        outbox.close(&close);
        outbox.push(Bytes::from("late")).unwrap();
        let mut expected = b"last".to_vec();
        expected.extend_from_slice(&frame::close(&close));
        assert_eq!(take(&mut outbox), Poll::Ready(Some(Bytes::from(expected))));
        assert_eq!(take(&mut outbox), Poll::Ready(None));
    }
}
