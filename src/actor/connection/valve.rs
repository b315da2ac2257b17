//! Lets a socket's reading wait without letting anything else wait.

use futures_util::Stream;
use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// What the one who shuts and the one who reads share.
#[derive(Default)]
struct ValveState {
    /// Whether nothing is read.
    is_shut: Cell<bool>,
    /// Wakes who reads, while that waits.
    reader: RefCell<Option<Waker>>,
}

/// Opens and shuts what a socket reads.
#[derive(Clone, Default)]
pub(super) struct Valve(Rc<ValveState>);

impl Valve {
    /// Lets reading wait, or go on.
    pub(super) fn set(&self, is_shut: bool) {
        if self.0.is_shut.replace(is_shut)
            && !is_shut
            && let Some(reader) = self.0.reader.take()
        {
            reader.wake();
        }
    }

    /// Whether reading waits.
    pub(super) fn is_shut(&self) -> bool {
        self.0.is_shut.get()
    }

    /// Puts the valve in front of a stream.
    pub(super) fn before<S>(&self, stream: S) -> Valved<S> {
        Valved { valve: self.clone(), stream }
    }
}

/// A stream behind a valve.
pub struct Valved<S> {
    /// The valve.
    valve: Valve,
    /// The stream.
    stream: S,
}

impl<S: Stream + Unpin> Stream for Valved<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<S::Item>> {
        if self.valve.0.is_shut.get() {
            self.valve.0.reader.replace(Some(task.waker().clone()));
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_next(task)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use futures_util::task::noop_waker;

    #[test]
    fn nothing_passes_a_shut_valve_and_all_of_it_an_open_one() {
        let valve = Valve::default();
        let mut stream = valve.before(stream::iter([1, 2]));
        let waker = noop_waker();
        let mut next = || Pin::new(&mut stream).poll_next(&mut Context::from_waker(&waker));
        assert_eq!(next(), Poll::Ready(Some(1)));
        valve.set(true);
        assert_eq!(next(), Poll::Pending);
        assert!(valve.0.reader.borrow().is_some(), "somebody waits");
        valve.set(false);
        assert!(valve.0.reader.borrow().is_none(), "and was woken");
        assert_eq!(next(), Poll::Ready(Some(2)));
        assert_eq!(next(), Poll::Ready(None));
    }
}
