//! What waits to be written to one socket.
//!
//! A reader that takes something now and then is behind, however much waits for it: its worker's [`Pressure`] bounds what
//! waits for all. One that takes nothing while more than the bound waits is given up after a while. Answers to its own
//! frames are bounded by themselves: who asks faster than it reads is not behind.
//!
//! There are two ways out. A socket that *pulls* asks for everything that waits when it is woken: the body of an
//! actix-web response. A [`Sink`] is *pushed* to: what it can take leaves in the very call that brings it, and only what
//! it cannot take waits here until it is ready again.

mod arrival;
mod writing;

use super::flight::{Flight, FlightCount};
use super::pressure::{Pressure, Rank, STILL};
use bytes::Bytes;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::time::Instant;

/// The most bytes handed to the socket in one piece; one that is pushed to gets a larger frame whole.
const CHUNK_BYTES: usize = 64 * 1024;

/// How often their bound the answers may take until their writer had a turn: a burst is not the reader's fault.
const BURST: usize = 16;

/// The queue is over its bound: the reader is too slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overrun;

/// What has to be done about something that was queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queued {
    /// Nothing now.
    Fits,
    /// It is much, and its writer, who would take it, should have a turn now.
    Early,
    /// It waits for a socket that takes no more: its worker may hold too much by now.
    Waits,
}

/// A reader that does not take everything at once.
struct Behind {
    /// When it last took something, as far as that was seen.
    since: Instant,
    /// How many bytes it had acknowledged by then, in the form in which they travel, where that is known.
    acknowledged: u64,
}

/// How far bytes have come, in the form in which they travel: under TLS that is another one than they were taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Travelled {
    /// How many the peer has acknowledged; grows whenever it takes something.
    pub acknowledged: u64,
    /// How many are under way; none once it has everything.
    pub left: u64,
}

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

    /// How far those that were taken, so many in all, have come on their way: to see whether the peer takes anything, however
    /// little; none if the system does not tell.
    fn travelled(&self, written: u64) -> Option<Travelled> {
        let left = self.unacknowledged()?;
        Some(Travelled { acknowledged: written.saturating_sub(left), left })
    }

    /// Nothing more will be written: the peer learns that this was the end.
    fn finish(&self);

    /// The socket is of no use any more, in either direction.
    fn abandon(&self);
}

/// Whole frames in one piece, the same for all their receivers.
#[derive(Clone, Debug)]
pub struct FrameBatch {
    /// The frames' bytes.
    pub bytes: Bytes,
    /// The messages in them.
    pub told: FlightCount,
}

/// A part of the queue.
#[derive(Debug)]
struct QueuePiece {
    /// Whole frames, or a part of one, or the rest of some whose beginning has left.
    batch: FrameBatch,
    /// Whether it answers a frame of the client.
    is_answer: bool,
    /// Whether a part has left already: what is left of the frame is owed.
    is_begun: bool,
    /// Whether its frame goes on in the next piece.
    goes_on: bool,
}

impl QueuePiece {
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
pub struct SendQueue {
    /// What waits, oldest first.
    pieces: VecDeque<QueuePiece>,
    /// The bytes in it.
    queued: usize,
    /// The bytes of answers in it.
    answers: usize,
    /// What the worker's queues share.
    pressure: Rc<Pressure>,
    /// Since when its socket takes no more, while that is so: all that waits is in the worker's account then.
    behind: Option<Box<Behind>>,
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

impl SendQueue {
    /// An empty queue, for a socket that pulls.
    pub const fn new(pressure: Rc<Pressure>) -> Self {
        Self {
            pieces: VecDeque::new(),
            queued: 0,
            answers: 0,
            pressure,
            behind: None,
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

    /// Queues a batch. The writer hears of it with [`Self::wake`].
    ///
    /// # Errors
    /// [`Overrun`] when the reader has taken nothing for too long and too much would wait; the batch is not taken.
    pub fn push(&mut self, batch: FrameBatch) -> Result<Queued, Overrun> {
        let is_over = self.queued.saturating_add(batch.bytes.len()) > self.pressure.bounds().queue;
        let is_burst = self.is_burst();
        if is_over && !is_burst && !self.is_closed && self.is_stuck(Instant::now()) {
            self.lose(batch.told);
            return Err(Overrun);
        }
        self.take_in(batch, false);
        Ok(match (is_burst, is_over) {
            (true, false) => Queued::Fits,
            (true, true) => Queued::Early,
            (false, _) => Queued::Waits,
        })
    }

    /// Queues an answer to a frame of the client itself. Only as many may wait as the bound allows, whatever the reader
    /// takes.
    ///
    /// # Errors
    /// [`Overrun`] when more would wait; it is not taken.
    pub fn push_answer(&mut self, frame: Bytes) -> Result<Queued, Overrun> {
        let wanted = self.answers.saturating_add(frame.len());
        let is_burst = self.is_burst();
        let factor = if is_burst { BURST } else { 1 };
        let most = self.pressure.bounds().queue.saturating_mul(factor);
        if wanted > most && self.answers > 0 && !self.is_closed {
            return Err(Overrun);
        }
        self.take_in(FrameBatch { bytes: frame, told: FlightCount::default() }, true);
        Ok(if is_burst { Queued::Fits } else { Queued::Waits })
    }

    /// Whether something waits of which the reader has taken nothing for too long.
    fn is_stuck(&mut self, now: Instant) -> bool {
        !self.pieces.is_empty() && self.stalled(now) >= self.pressure.bounds().patience
    }

    /// For how long the reader has taken nothing of what waits. What its side acknowledged counts: the system lets more
    /// be written only once much of what it keeps has left.
    fn stalled(&mut self, now: Instant) -> Duration {
        let Some(behind) = &self.behind else { return Duration::ZERO };
        let stalled = now.saturating_duration_since(behind.since);
        if stalled < STILL.min(self.pressure.bounds().patience) {
            return stalled;
        }
        let acknowledged = self.travelled().map(|come| come.acknowledged);
        let Some(behind) = &mut self.behind else { return stalled };
        if let Some(acknowledged) = acknowledged
            && acknowledged > behind.acknowledged
        {
            (behind.since, behind.acknowledged) = (now, acknowledged);
            return Duration::ZERO;
        }
        stalled
    }

    /// How much speaks for giving this reader up where somebody has to go; nothing if nothing waits for its socket.
    pub fn rank(&mut self, now: Instant) -> Option<Rank> {
        self.behind.as_ref()?;
        Some(Rank::new(self.is_closed, self.stalled(now), self.queued))
    }

    /// Whether something waits for its socket.
    pub const fn is_behind(&self) -> bool {
        self.behind.is_some()
    }

    /// Its socket takes no more: what waits is in the worker's account from now on.
    fn fall_behind(&mut self) {
        if self.behind.is_none() && !self.pieces.is_empty() {
            let acknowledged = self.travelled().map_or(0, |come| come.acknowledged);
            self.behind = Some(Box::new(Behind { since: Instant::now(), acknowledged }));
            self.pieces.iter().for_each(|piece| self.pressure.hold(&piece.batch.bytes));
        }
    }

    /// Its socket takes everything: what waits is in nobody's account.
    fn catch_up(&mut self) {
        if self.behind.take().is_some() {
            self.pieces.iter().for_each(|piece| self.pressure.release(&piece.batch.bytes));
        }
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
    pub fn write(&mut self, batch: &FrameBatch) -> Result<bool, Overrun> {
        let Way::Push { sink, is_blocked: false } = &self.way else {
            return self.push(batch.clone()).map(|_| true);
        };
        if self.is_closed {
            self.lose(batch.told);
            return Ok(false);
        }
        if !self.pieces.is_empty() {
            return self.push(batch.clone()).map(|_| true);
        }
        match sink.try_write(&batch.bytes) {
            Ok(written) if written == batch.bytes.len() => {
                self.pressure.note_write(written);
                self.flight.wrote(written);
                self.end_messages(batch.told);
                Ok(false)
            }
            Ok(written) => {
                self.pressure.note_write(written);
                // The rest is owed, whatever the bound.
                self.take_in(batch.clone(), false);
                self.advance(written);
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.push(batch.clone()).map(|_| true)
            }
            Err(_) => {
                self.lose(batch.told);
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

    /// Queues a frame whatever waits: INIT and what comes with it, once for each connection.
    pub fn push_anyway(&mut self, frame: Bytes, told: FlightCount) {
        self.take_in(FrameBatch { bytes: frame, told }, false);
    }

    /// Queues what one connection alone has in front of the frame that is queued next, and which others share.
    pub fn lead(&mut self, beginning: Bytes) {
        if self.is_closed {
            return;
        }
        self.take_in(FrameBatch { bytes: beginning, told: FlightCount::default() }, false);
        if let Some(piece) = self.pieces.back_mut() {
            piece.goes_on = true;
        }
    }

    /// As [`Self::push_anyway`], a frame in pieces that others may share: they are not joined here.
    pub fn push_pieces(&mut self, frame: Vec<Bytes>) {
        if self.is_closed {
            return;
        }
        let mut parts = frame.into_iter().peekable();
        while let Some(bytes) = parts.next() {
            let goes_on = parts.peek().is_some();
            self.take_in(FrameBatch { bytes, told: FlightCount::default() }, false);
            if let Some(piece) = self.pieces.back_mut() {
                piece.goes_on = goes_on;
            }
        }
    }

    /// Queues a batch.
    fn take_in(&mut self, batch: FrameBatch, is_answer: bool) {
        if self.is_closed {
            self.lose(batch.told);
            return;
        }
        let size = batch.bytes.len();
        self.queued += size;
        self.answers += if is_answer { size } else { 0 };
        if self.behind.is_some() {
            self.pressure.hold(&batch.bytes);
        }
        self.pieces.push_back(QueuePiece { batch, is_answer, is_begun: false, goes_on: false });
        if self.behind.is_none() && !self.is_burst() {
            self.fall_behind();
        }
    }

    /// Queues the frame that ends the connection behind everything else; nothing is taken after it. The writer hears of it
    /// with [`Self::wake`].
    pub fn close(&mut self, frame: Bytes) {
        if !self.is_closed {
            self.push_anyway(frame, FlightCount::default());
            self.is_closed = true;
        }
    }

    /// Drops what waits, but for what has begun to leave; used before the close of a reader that is too slow.
    pub fn clear(&mut self) {
        let is_begun = self.pieces.front().is_some_and(|piece| piece.is_begun);
        let keep = if is_begun {
            self.pieces.iter().take_while(|piece| piece.goes_on).count() + 1
        } else {
            0
        };
        let dropped = self.pieces.split_off(keep.min(self.pieces.len()));
        for piece in dropped {
            self.let_go(&piece);
            self.lose(piece.batch.told);
        }
    }

    /// A piece has left the queue, written or not.
    fn let_go(&mut self, piece: &QueuePiece) {
        let size = piece.len();
        self.queued -= size;
        self.answers -= if piece.is_answer { size } else { 0 };
        if self.behind.is_some() {
            self.pressure.release(&piece.batch.bytes);
        }
    }

    /// How many messages on no line were dropped before they were written; told once.
    pub const fn take_lost(&mut self) -> u64 {
        std::mem::replace(&mut self.lost, 0)
    }

    /// The socket has gone: nothing is written or taken any more.
    fn abandon(&mut self) {
        self.catch_up();
        for piece in std::mem::take(&mut self.pieces) {
            self.lose(piece.batch.told);
        }
        (self.queued, self.answers) = (0, 0);
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

    /// Nothing of what waits is to be written any more, not even the end of what has begun to leave.
    pub fn cut(&mut self) {
        self.abandon();
    }

    /// The bytes that wait.
    pub const fn len_bytes(&self) -> usize {
        self.queued
    }

    /// Everything that waits, as far as it fits one write; `None` after the close frame has been taken.
    pub fn poll_take(&mut self, cx: &Context<'_>) -> Poll<Option<Bytes>> {
        let taken = match self.gather() {
            Some(mut bytes) => {
                // Whoever asks would copy all of it, and say nothing until all of that has left.
                bytes.truncate(CHUNK_BYTES);
                self.pressure.note_write(bytes.len());
                self.advance(bytes.len());
                Poll::Ready(Some(bytes))
            }
            None if self.is_closed => Poll::Ready(None),
            None => Poll::Pending,
        };
        let waker = taken.is_pending().then(|| cx.waker().clone());
        self.way = Way::Pull { waker, had_turn: true };
        if self.pieces.is_empty() {
            self.catch_up();
        } else {
            self.fall_behind();
        }
        taken
    }
}

impl Drop for SendQueue {
    fn drop(&mut self) {
        self.catch_up();
    }
}

#[cfg(test)]
mod tests;
