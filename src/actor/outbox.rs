//! What waits to be written to one socket, bounded in bytes.

use crate::protocol::{Close, frame};
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

/// The most bytes handed to the socket in one piece, unless a single frame is larger.
const CHUNK_BYTES: usize = 64 * 1024;

/// How often its bound the queue may hold until its writer had a turn: a burst is not the reader's fault.
const BURST: usize = 16;

/// The queue is over its bound: the reader is too slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overrun;

/// The outgoing queue of one connection.
#[derive(Debug)]
pub struct Outbox {
    /// Whole frames, oldest first, each with the bytes that it counts for.
    frames: VecDeque<(Bytes, usize)>,
    /// The bytes that count.
    bytes: usize,
    /// The bound on them.
    limit: usize,
    /// Whether nothing more is taken, because the last frame is a close frame or the socket has gone.
    is_closed: bool,
    /// Who writes, while it waits for something to write.
    waker: Option<Waker>,
    /// Whether the writer took what it could since it was last woken: what is left then, the socket did not take.
    had_turn: bool,
}

impl Outbox {
    /// An empty queue of at most `limit` bytes.
    pub const fn new(limit: usize) -> Self {
        Self {
            frames: VecDeque::new(),
            bytes: 0,
            limit,
            is_closed: false,
            waker: None,
            had_turn: false,
        }
    }

    /// Queues a frame; one over the bound is taken by an empty queue, and counts for nothing. The writer hears of it with
    /// [`Self::wake`].
    ///
    /// # Errors
    /// [`Overrun`] when the queue would exceed its bound; the frame is not taken.
    pub fn push(&mut self, frame: Bytes) -> Result<(), Overrun> {
        let is_single = self.frames.is_empty() && frame.len() > self.limit;
        let weight = if is_single { 0 } else { frame.len() };
        // A writer that waits, or was woken and has not run yet, would take it.
        let is_burst = self.waker.is_some() || !self.had_turn;
        let most = if is_burst { self.limit.saturating_mul(BURST) } else { self.limit };
        if !self.is_closed && self.bytes.saturating_add(weight) > most {
            return Err(Overrun);
        }
        self.take_in(frame, weight);
        Ok(())
    }

    /// Queues a frame that is bounded elsewhere: INIT and what comes with it, once for each connection.
    pub fn push_uncounted(&mut self, frame: Bytes) {
        self.take_in(frame, 0);
    }

    /// Queues a frame that counts for so many bytes.
    fn take_in(&mut self, frame: Bytes, weight: usize) {
        if !self.is_closed {
            self.bytes += weight;
            self.frames.push_back((frame, weight));
        }
    }

    /// Queues a close frame behind everything else; nothing is taken after it.
    pub fn close(&mut self, close: &Close) {
        if !self.is_closed {
            self.frames.push_back((frame::close(close), 0));
            self.is_closed = true;
            self.wake();
        }
    }

    /// Drops what waits; used before the close of a reader that is too slow. Returns how many frames that were.
    pub fn clear(&mut self) -> usize {
        self.bytes = 0;
        std::mem::take(&mut self.frames).len()
    }

    /// The bytes that wait.
    pub const fn len_bytes(&self) -> usize {
        self.bytes
    }

    /// Everything that waits, as far as it fits one write; `None` after the close frame has been taken.
    pub fn poll_take(&mut self, cx: &Context<'_>) -> Poll<Option<Bytes>> {
        self.had_turn = true;
        match self.frames.len() {
            0 if self.is_closed => Poll::Ready(None),
            0 => {
                self.waker = Some(cx.waker().clone());
                Poll::Pending
            }
            1 => Poll::Ready(self.pop()),
            _ => Poll::Ready(Some(self.take_chunk())),
        }
    }

    /// Several frames in one piece.
    fn take_chunk(&mut self) -> Bytes {
        let mut chunk = BytesMut::with_capacity(self.bytes.min(CHUNK_BYTES));
        while let Some((next, _)) = self.frames.front() {
            if !chunk.is_empty() && chunk.len() + next.len() > CHUNK_BYTES {
                break;
            }
            let Some(frame) = self.pop() else { break };
            chunk.extend_from_slice(&frame);
        }
        chunk.freeze()
    }

    /// Takes the oldest frame.
    fn pop(&mut self) -> Option<Bytes> {
        let (frame, weight) = self.frames.pop_front()?;
        self.bytes = self.bytes.saturating_sub(weight);
        if self.frames.is_empty() {
            // An idle connection should not keep the room that a burst needed.
            self.frames = VecDeque::new();
        }
        Some(frame)
    }

    /// Tells the writer that there is something to write.
    pub fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            self.had_turn = false;
            waker.wake();
        }
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
