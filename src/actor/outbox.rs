//! What waits to be written to one socket, bounded in bytes.
//!
//! There are two ways out. A socket that *pulls* asks for everything that waits when it is woken: the body of an
//! actix-web response. A [`Sink`] is *pushed* to: what it can take leaves in the very call that brings it, and only what
//! it cannot take waits here until it is ready again.

use super::flight::{Flight, Told};
use crate::domain::{LineId, Place, Standing};
use crate::protocol::{Close, frame};
use bytes::{Buf as _, Bytes, BytesMut};
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::time::Instant;

/// The most bytes handed to the socket in one piece, unless a single frame is larger.
const CHUNK_BYTES: usize = 64 * 1024;

/// How often its bound the queue may hold until its writer had a turn: a burst is not the reader's fault.
const BURST: usize = 16;

/// How often its bound the queue may hold while the reader takes something every now and then: it is not slow then, only
/// behind.
const BEHIND: usize = 8;
/// How long ago it may have taken something for that.
const PROGRESS_TIME: Duration = Duration::from_secs(1);

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

    /// How many of the bytes that were taken the peer has not acknowledged; none if the system does not tell. Also of a
    /// socket that has ended.
    fn unacknowledged(&self) -> Option<u64>;

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
    /// The messages in them.
    pub told: Told,
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

impl Piece {
    /// Its bytes.
    const fn len(&self) -> usize {
        self.batch.bytes.len()
    }
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
    /// The bytes in it.
    queued: usize,
    /// The bytes that count.
    bytes: usize,
    /// The bound on them.
    limit: usize,
    /// When something last left of what waited; what never had to wait leaves no trace here.
    progress: Option<Instant>,
    /// What was written and may not have arrived.
    flight: Flight,
    /// Whether messages are counted: somebody wants to know of those that do not arrive.
    counts: bool,
    /// Messages on no line that are not going to be written, and of which nobody was told.
    lost: u64,
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
            queued: 0,
            bytes: 0,
            limit,
            progress: None,
            flight: Flight::new(),
            counts: false,
            lost: 0,
            is_closed: false,
            way: Way::Pull { waker: None, had_turn: false },
        }
    }

    /// From now on, writes to a socket.
    pub fn push_to(&mut self, sink: Rc<dyn Sink>) {
        self.way = Way::Push { sink, is_blocked: false };
    }

    /// From now on, messages that do not arrive are counted.
    pub fn count(&mut self) {
        self.counts = true;
    }

    /// Queues a batch; one over the bound is taken by an empty queue, and counts for nothing. The writer hears of it with
    /// [`Self::wake`].
    ///
    /// # Errors
    /// [`Overrun`] when the queue would exceed its bound; the batch is not taken.
    pub fn push(&mut self, batch: Batch) -> Result<(), Overrun> {
        self.push_within(batch, BEHIND)
    }

    /// Queues an answer to a frame of the client itself, as [`Self::push`] but without patience: who asks faster than it
    /// reads is not behind.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn push_answer(&mut self, frame: Bytes) -> Result<(), Overrun> {
        self.push_within(Batch { bytes: frame, told: Told::default() }, 1)
    }

    /// Queues a batch within so many times the bound while the reader takes something.
    fn push_within(&mut self, batch: Batch, behind: usize) -> Result<(), Overrun> {
        let weight = self.weight_of(&batch);
        let wanted = self.bytes.saturating_add(weight);
        if !self.is_closed && wanted > self.limit && wanted > self.most(behind) {
            self.lose(batch.told);
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

    /// How many bytes the queue may hold now, if it may be so many times its bound behind.
    fn most(&self, behind: usize) -> usize {
        let has_progress = || self.progress.is_some_and(|at| at.elapsed() < PROGRESS_TIME);
        let factor = if self.is_burst() {
            BURST
        } else if has_progress() {
            behind
        } else {
            1
        };
        self.limit.saturating_mul(factor)
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
            return self.push(batch.clone()).map(|()| true);
        };
        if self.is_closed {
            self.lose(batch.told);
            return Ok(false);
        }
        if !self.pieces.is_empty() {
            return self.push(batch.clone()).map(|()| true);
        }
        match sink.try_write(&batch.bytes) {
            Ok(written) if written == batch.bytes.len() => {
                self.flight.wrote(written);
                self.end_messages(batch.told);
                Ok(false)
            }
            Ok(written) => {
                // The rest is owed, whatever the bound.
                self.take_in(batch.clone(), self.weight_of(batch));
                self.advance(written);
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.push(batch.clone()).map(|()| true)
            }
            Err(_) => {
                self.lose(batch.told);
                self.abandon();
                Ok(false)
            }
        }
    }

    /// The bytes of these messages have been written to the end.
    fn end_messages(&mut self, told: Told) {
        if !self.counts {
            return;
        }
        let Way::Push { sink, .. } = &self.way else {
            // Whoever pulled them does not tell what comes of them.
            return self.flight.passed(told);
        };
        if self.flight.ended(told) {
            // Where the system does not tell, what was written counts.
            self.flight.arrived(sink.unacknowledged().unwrap_or(0));
        }
    }

    /// These messages are never going to be written. Those on a line are known by how far the client has heard it.
    fn lose(&mut self, told: Told) {
        self.lost = self.lost.saturating_add(u64::from(told.strays));
    }

    /// From now on, what comes behind this place is heard.
    pub fn hear(&mut self, from: Place) {
        if self.counts {
            self.flight.hear(from);
        }
    }

    /// From now on, a line is not heard.
    pub fn leave(&mut self, line: LineId) {
        self.flight.leave(line);
    }

    /// The client is there: asks which messages have arrived, and takes them as read.
    pub fn confirm(&mut self) {
        self.settle();
        self.flight.confirm();
    }

    /// Asks which messages have arrived, so that they need not be remembered.
    fn settle(&mut self) {
        if self.flight.is_tracking() {
            self.flight.arrived(self.unacknowledged().unwrap_or(0));
        }
    }

    /// How far each line was heard by a client that is known to have been there; none where nobody counts.
    pub fn sure(&self) -> Option<Standing> {
        self.counts.then(|| self.flight.sure())
    }

    /// How far each line will have been heard if everything arrives that was written or waits; none where nobody counts.
    pub fn hoped(&self) -> Option<Standing> {
        let queued = self.pieces.iter().map(|piece| piece.batch.told);
        self.counts.then(|| self.flight.hoped(queued))
    }

    /// How far each line was heard, as far as that is known; none where nobody counts.
    pub fn standing(&mut self) -> Option<Standing> {
        self.settle();
        self.counts.then(|| self.flight.standing())
    }

    /// How many messages that stand on no line have not arrived, nor will by what is known now.
    pub fn unarrived(&self) -> u64 {
        let queued = self.pieces.iter().map(|piece| u64::from(piece.batch.told.strays)).sum();
        let under_way =
            self.unacknowledged().map_or(0, |bytes| self.flight.strays_under_way(bytes));
        self.lost.saturating_add(under_way).saturating_add(queued)
    }

    /// The bytes that were written and are not acknowledged, where that is known.
    fn unacknowledged(&self) -> Option<u64> {
        match &self.way {
            Way::Push { sink, .. } => sink.unacknowledged(),
            Way::Pull { .. } => None,
        }
    }

    /// How many of all bytes are acknowledged, where that is known.
    pub fn acknowledged(&self) -> Option<u64> {
        self.unacknowledged().map(|bytes| self.written().saturating_sub(bytes))
    }

    /// How many bytes have been written.
    pub const fn written(&self) -> u64 {
        self.flight.written()
    }

    /// How many bytes will have been written once nothing waits.
    pub fn end_bytes(&self) -> u64 {
        self.written().saturating_add(u64::try_from(self.queued).unwrap_or(u64::MAX))
    }

    /// How many bytes have not arrived, as far as that is known.
    pub fn left_bytes(&self) -> u64 {
        let queued = u64::try_from(self.queued).unwrap_or(u64::MAX);
        queued.saturating_add(self.unacknowledged().unwrap_or(0))
    }

    /// Looks at what [`Self::write`] will look at.
    pub fn touch(&self) {
        if let Way::Push { sink, .. } = &self.way {
            sink.touch();
        }
    }

    /// Queues a frame that is bounded elsewhere: INIT and what comes with it, once for each connection.
    pub fn push_uncounted(&mut self, frame: Bytes, told: Told) {
        self.take_in(Batch { bytes: frame, told }, 0);
    }

    /// Queues a batch that counts for so many bytes.
    fn take_in(&mut self, batch: Batch, weight: usize) {
        if self.is_closed {
            self.lose(batch.told);
            return;
        }
        self.bytes += weight;
        self.queued += batch.bytes.len();
        self.pieces.push_back(Piece { batch, weight, is_begun: false });
    }

    /// Queues a close frame behind everything else; nothing is taken after it. The writer hears of it with
    /// [`Self::wake`].
    pub fn close(&mut self, close: &Close) {
        if !self.is_closed {
            self.push_uncounted(frame::close(close), Told::default());
            self.is_closed = true;
        }
    }

    /// Drops what waits, but for what has begun to leave; used before the close of a reader that is too slow.
    pub fn clear(&mut self) {
        let keep = usize::from(self.pieces.front().is_some_and(|piece| piece.is_begun));
        let dropped = self.pieces.split_off(keep.min(self.pieces.len()));
        self.queued = self.pieces.iter().map(Piece::len).sum();
        self.bytes = self.pieces.iter().map(|piece| piece.weight).sum();
        for piece in dropped {
            self.lose(piece.batch.told);
        }
    }

    /// How many messages on no line were dropped before they were written; told once.
    pub const fn take_lost(&mut self) -> u64 {
        std::mem::replace(&mut self.lost, 0)
    }

    /// The socket has gone: nothing is written or taken any more.
    fn abandon(&mut self) {
        for piece in std::mem::take(&mut self.pieces) {
            self.lose(piece.batch.told);
        }
        (self.queued, self.bytes) = (0, 0);
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
        let taken = match self.gather() {
            Some(bytes) => {
                self.advance(bytes.len());
                Poll::Ready(Some(bytes))
            }
            None if self.is_closed => Poll::Ready(None),
            None => Poll::Pending,
        };
        let waker = taken.is_pending().then(|| cx.waker().clone());
        self.way = Way::Pull { waker, had_turn: true };
        taken
    }

    /// The oldest pieces as one; they stay where they are.
    fn gather(&self) -> Option<Bytes> {
        let first = self.pieces.front()?;
        let is_alone = self.pieces.get(1).is_none_or(|next| first.len() + next.len() > CHUNK_BYTES);
        if is_alone {
            return Some(first.batch.bytes.clone());
        }
        let mut bytes = BytesMut::with_capacity(self.queued.min(CHUNK_BYTES));
        for piece in &self.pieces {
            if bytes.len() + piece.len() > CHUNK_BYTES {
                break;
            }
            bytes.extend_from_slice(&piece.batch.bytes);
        }
        Some(bytes.freeze())
    }

    /// So many bytes of what waits have left.
    fn advance(&mut self, mut bytes: usize) {
        if bytes > 0 {
            self.progress = Some(Instant::now());
        }
        while bytes > 0
            && let Some(first) = self.pieces.front_mut()
        {
            let size = first.len();
            if bytes < size {
                first.batch.bytes.advance(bytes);
                first.is_begun = true;
                let weight = first.weight.min(size - bytes);
                self.bytes -= std::mem::replace(&mut first.weight, weight) - weight;
                self.queued -= bytes;
                self.flight.wrote(bytes);
                return;
            }
            let (told, weight) = (first.batch.told, first.weight);
            self.pieces.pop_front();
            bytes -= size;
            self.queued -= size;
            self.bytes -= weight;
            self.flight.wrote(size);
            self.end_messages(told);
        }
        if self.pieces.is_empty() {
            // An idle connection should not keep the room that a burst needed.
            self.pieces = VecDeque::new();
        }
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
        while !is_left && let Some(bytes) = self.gather() {
            match sink.try_write(&bytes) {
                Ok(written) => self.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => is_left = true,
                Err(_) => self.abandon(),
            }
        }
        if let Way::Push { is_blocked, .. } = &mut self.way {
            if is_left && !*is_blocked {
                // Until now it took everything.
                self.progress = Some(Instant::now());
            }
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
    use super::*;
    use crate::protocol::{CloseCode, frame as protocol_frame};
    use futures_util::task::noop_waker;

    /// What a writer would get now.
    fn take(outbox: &mut Outbox) -> Poll<Option<Bytes>> {
        outbox.poll_take(&Context::from_waker(&noop_waker()))
    }

    /// A frame with a message in it.
    fn frame(bytes: impl Into<Bytes>) -> Batch {
        Batch { bytes: bytes.into(), told: Told { last: None, strays: 1 } }
    }

    #[test]
    fn everything_pending_leaves_in_one_piece() {
        let mut outbox = Outbox::new(100);
        for text in ["one", "two", "three"] {
            outbox.push(frame(text)).unwrap();
        }
        assert_eq!(take(&mut outbox), Poll::Ready(Some(Bytes::from("onetwothree"))));
        assert_eq!(take(&mut outbox), Poll::Pending);
    }

    #[actix_rt::test]
    async fn the_bound_holds_and_one_large_frame_is_always_taken() {
        tokio::time::pause();
        let mut outbox = Outbox::new(10);
        outbox.push(frame("first")).unwrap();
        assert!(take(&mut outbox).is_ready());
        tokio::time::advance(PROGRESS_TIME).await;
        outbox.push(frame(vec![0; 50])).unwrap();
        outbox.push(frame(vec![0; 9])).unwrap();
        outbox.push(frame("x")).unwrap();
        assert_eq!(outbox.push(frame("y")), Err(Overrun));
    }

    #[actix_rt::test]
    async fn a_reader_that_takes_something_is_behind_and_not_slow() {
        tokio::time::pause();
        let mut outbox = Outbox::new(10);
        outbox.push(frame(vec![0; CHUNK_BYTES])).unwrap();
        outbox.push(frame(vec![0; 10])).unwrap();
        assert!(take(&mut outbox).is_ready());
        for _ in 1..BEHIND {
            outbox.push(frame(vec![0; 10])).unwrap();
        }
        assert_eq!(outbox.push(frame("x")), Err(Overrun), "behind within a bound");
        assert!(take(&mut outbox).is_ready());
        for _ in 0..2 {
            outbox.push(frame(vec![0; 10])).unwrap();
        }
        tokio::time::advance(PROGRESS_TIME).await;
        assert_eq!(outbox.push(frame("x")), Err(Overrun), "it takes nothing any more");
    }

    #[actix_rt::test]
    async fn a_burst_is_taken_until_the_writer_had_its_turn() {
        tokio::time::pause();
        let mut outbox = Outbox::new(10);
        assert!(take(&mut outbox).is_pending());
        for _ in 0..BURST {
            outbox.push(frame(vec![0; 10])).unwrap();
        }
        assert_eq!(outbox.push(frame("x")), Err(Overrun));
        outbox.wake();
        outbox.clear();
        assert_eq!(outbox.take_lost(), u64::try_from(BURST + 1).unwrap());
        outbox.push(frame(vec![0; 10])).unwrap();
        outbox.push(frame(vec![0; 10])).unwrap();
        assert!(take(&mut outbox).is_ready());
        tokio::time::advance(PROGRESS_TIME).await;
        outbox.push(frame(vec![0; 10])).unwrap();
        assert_eq!(outbox.push(frame("x")), Err(Overrun));
    }

    #[test]
    fn a_close_is_the_last_thing_that_leaves() {
        let mut outbox = Outbox::new(10);
        let close = Close::new(CloseCode::GoingAway, "");
        outbox.push(frame("last")).unwrap();
        outbox.close(&close);
        outbox.push(frame("late")).unwrap();
        let mut expected = b"last".to_vec();
        expected.extend_from_slice(&protocol_frame::close(&close));
        assert_eq!(take(&mut outbox), Poll::Ready(Some(Bytes::from(expected))));
        assert_eq!(take(&mut outbox), Poll::Ready(None));
    }
}
