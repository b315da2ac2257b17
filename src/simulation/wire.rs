//! A socket that is read slowly, not at all, or cut, and whose bytes a client reads as frames.

use crate::delivery::Sink;
use crate::domain::Position;
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::task::{Context, Poll, Waker};

/// A socket, both ends of it.
#[derive(Default)]
pub(super) struct Wire {
    /// Bytes that were written and not read.
    under_way: RefCell<VecDeque<u8>>,
    /// How many there may be.
    room: Cell<usize>,
    /// How many of them have come to the other side's system, which acknowledges them whoever reads.
    acknowledged: Cell<usize>,
    /// The beginning of a frame.
    half: RefCell<Vec<u8>>,
    /// Whether the line is cut.
    is_cut: Cell<bool>,
    /// Whether nothing more is written.
    is_finished: Cell<bool>,
    /// Who waits to write.
    waker: RefCell<Option<Waker>>,
}

impl Wire {
    /// A socket with room for so many bytes.
    pub(super) fn new(room: usize) -> Self {
        Self { room: Cell::new(room), ..Self::default() }
    }

    /// The line is cut: nothing more arrives, and the writer learns of it.
    pub(super) fn cut(&self) {
        self.is_cut.set(true);
        self.wake();
    }

    /// Wakes who waits to write.
    fn wake(&self) {
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    /// Whether nothing more is written.
    pub(super) fn is_over(&self) -> bool {
        self.is_finished.get() || self.is_cut.get()
    }

    /// Whether the client has read all that has come to its side.
    pub(super) fn is_read(&self) -> bool {
        self.acknowledged.get() == 0
    }

    /// Whether something is under way, or has come and was not read.
    pub(super) fn has_unread(&self) -> bool {
        !self.under_way.borrow().is_empty() && (!self.is_cut.get() || self.acknowledged.get() > 0)
    }

    /// The other side's system takes so many bytes.
    pub(super) fn acknowledge(&self, bytes: usize) {
        if !self.is_cut.get() {
            let most = self.under_way.borrow().len();
            self.acknowledged.set((self.acknowledged.get() + bytes).min(most));
        }
    }

    /// The client reads so many of the bytes that have come to its side; the frames that are whole by now.
    pub(super) fn read(&self, bytes: usize) -> Vec<Frame> {
        let bytes = bytes.min(self.acknowledged.get());
        self.acknowledged.set(self.acknowledged.get() - bytes);
        self.half.borrow_mut().extend(self.under_way.borrow_mut().drain(..bytes));
        self.wake();
        let mut frames = Vec::new();
        while let Some(frame) = next_frame(&mut self.half.borrow_mut()) {
            frames.push(frame);
        }
        frames
    }
}

impl Sink for Wire {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_cut.get() {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let mut under_way = self.under_way.borrow_mut();
        let taken = bytes.len().min(self.room.get().saturating_sub(under_way.len()));
        under_way.extend(&bytes[..taken]);
        if taken == 0 && !bytes.is_empty() {
            Err(io::ErrorKind::WouldBlock.into())
        } else {
            Ok(taken)
        }
    }

    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_cut.get() || self.under_way.borrow().len() < self.room.get() {
            return Poll::Ready(Ok(()));
        }
        self.waker.replace(Some(cx.waker().clone()));
        Poll::Pending
    }

    fn touch(&self) {}

    fn unacknowledged(&self) -> Option<u64> {
        u64::try_from(self.under_way.borrow().len() - self.acknowledged.get()).ok()
    }

    fn finish(&self) {
        self.is_finished.set(true);
    }

    fn abandon(&self) {
        self.is_finished.set(true);
    }
}

/// What a server says.
pub(super) enum Frame {
    /// Something that happened.
    Dispatch(Dispatch),
    /// The end.
    Close(u16),
}

/// Something that happened, as a client is told.
pub(super) struct Dispatch {
    /// Its name.
    pub(super) name: String,
    /// Its channel.
    pub(super) channel: Option<String>,
    /// Its data.
    pub(super) data: Value,
    /// Where it stands on its line, for those who asked.
    pub(super) at: Option<Position>,
}

/// The next whole frame, taken from the front.
fn next_frame(half: &mut Vec<u8>) -> Option<Frame> {
    let (first, second) = (*half.first()?, usize::from(*half.get(1)?));
    let (start, length) = match second {
        126 => (4, half.get(2..4)?.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte))),
        127 => (10, half.get(2..10)?.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte))),
        short => (2, short),
    };
    let payload = half.get(start..start + length)?.to_vec();
    half.drain(..start + length);
    if first == 0x88 {
        let code = payload.get(..2).map_or(1005, |code| u16::from_be_bytes([code[0], code[1]]));
        return Some(Frame::Close(code));
    }
    assert_eq!(first, 0x81, "a whole text");
    let value: Value = serde_json::from_slice(&payload).unwrap();
    let dispatch = &value["d"];
    let text = |name: &str| dispatch[name].as_str().map(str::to_owned);
    Some(Frame::Dispatch(Dispatch {
        name: text("e").unwrap_or_default(),
        channel: text("c"),
        data: dispatch["d"].clone(),
        at: text("s").map(|at| at.parse().unwrap()),
    }))
}
