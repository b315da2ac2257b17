//! How what waits leaves: in pieces as large as one write takes.

use super::{CHUNK_BYTES, SendQueue, Sink, Way};
use bytes::{Buf as _, Bytes, BytesMut};
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use tokio::time::Instant;

impl SendQueue {
    /// The oldest pieces as one; they stay where they are.
    pub(super) fn gather(&self) -> Option<Bytes> {
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
    pub(super) fn advance(&mut self, mut bytes: usize) {
        if bytes > 0
            && let Some(behind) = &mut self.behind
        {
            behind.since = Instant::now();
        }
        while bytes > 0
            && let Some(first) = self.pieces.front_mut()
        {
            let size = first.len();
            if bytes < size {
                first.batch.bytes.advance(bytes);
                first.is_begun = true;
                self.queued -= bytes;
                self.answers -= if first.is_answer { bytes } else { 0 };
                self.flight.wrote(bytes);
                return;
            }
            bytes -= size;
            self.flight.wrote(size);
            if let Some(piece) = self.pieces.pop_front() {
                self.let_go(&piece);
                self.end_messages(piece.batch.told);
                if piece.goes_on
                    && let Some(next) = self.pieces.front_mut()
                {
                    next.is_begun = true;
                }
            }
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
                Ok(written) => {
                    self.pressure.note_write(written);
                    self.advance(written);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => is_left = true,
                Err(_) => self.abandon(),
            }
        }
        if let Way::Push { is_blocked, .. } = &mut self.way {
            *is_blocked = is_left;
        }
        if is_left {
            // Until now it took everything.
            self.fall_behind();
        } else {
            self.catch_up();
        }
        if self.is_closed && !is_left {
            sink.finish();
        }
        is_left
    }
}
