//! Calls that are carried out one behind the other, though not each of them waits for the one before it.
//!
//! What is stored (state writes, and messages that are kept) is sent one behind the other and waited for together, so that
//! commits are shared. Whatever else has an effect, or looks at one, waits until those before it have ended
//! ([`InOrder::settle`]).

use std::collections::HashMap;
use std::hash::Hash;
use std::mem::take;

/// How many writes are waited for together before it is known how large their answers are.
const FIRST_SENT: usize = 64;
/// The fewest and the most of them.
const SENT: (usize, usize) = (8, 1000);
/// How many bytes of states those may make by the largest that was seen: each is held until it is durable.
const SENT_BYTES: usize = 16 << 20;

/// One call.
enum OrderedCall<F: Future> {
    /// It was refused before it had an effect, or it has ended.
    Ended(F::Output),
    /// It was sent, and is to be waited for.
    Sent(F),
}

/// Calls in their order: `K` names what they write to, `W` is a way there.
pub(crate) struct InOrder<K, W, F: Future> {
    /// The outcomes of those that have ended and all before them, too.
    outcomes: Vec<F::Output>,
    /// Those behind them.
    open: Vec<OrderedCall<F>>,
    /// By which way something was sent that is open.
    ways: HashMap<K, W>,
    /// How many writes are open.
    sent: usize,
    /// How many may be.
    most_sent: usize,
    /// How large an outcome is, bytes.
    size: fn(&F::Output) -> usize,
}

impl<K: Hash + Eq, W: PartialEq, F: Future> InOrder<K, W, F> {
    /// No calls yet.
    pub(crate) fn new(size: fn(&F::Output) -> usize) -> Self {
        Self {
            outcomes: Vec::new(),
            open: Vec::new(),
            ways: HashMap::new(),
            sent: 0,
            most_sent: FIRST_SENT,
            size,
        }
    }

    /// Whether all have ended that were sent.
    pub(crate) const fn is_settled(&self) -> bool {
        self.sent == 0
    }

    /// Waits until all have ended that were sent.
    pub(crate) async fn settle(&mut self) {
        let mut largest = 0;
        for slot in take(&mut self.open) {
            let outcome = match slot {
                OrderedCall::Ended(outcome) => outcome,
                OrderedCall::Sent(outcome) => outcome.await,
            };
            largest = largest.max((self.size)(&outcome));
            self.outcomes.push(outcome);
        }
        if take(&mut self.sent) > 0 {
            let (fewest, most) = SENT;
            self.most_sent = (SENT_BYTES / largest.max(1)).clamp(fewest, most);
        }
        self.ways.clear();
    }

    /// A call that has ended, and whose effect, if it had one, came behind those of all before it.
    pub(crate) fn end(&mut self, outcome: F::Output) {
        self.open.push(OrderedCall::Ended(outcome));
    }

    /// Makes ready for a write by this way.
    ///
    /// What is sent to one actor arrives in order. Another actor than before means that the one before has ended, and what
    /// it had not taken is sent to this one only when it is waited for.
    pub(crate) async fn make_way(&mut self, key: &K, way: &W) {
        let is_other = self.ways.get(key).is_some_and(|before| before != way);
        if is_other || self.sent >= self.most_sent {
            self.settle().await;
        }
    }

    /// A write that was sent by this way, and is to be waited for.
    pub(crate) fn send(&mut self, key: K, way: W, outcome: F) {
        self.ways.insert(key, way);
        self.open.push(OrderedCall::Sent(outcome));
        self.sent += 1;
    }

    /// The outcomes of all, in their order.
    pub(crate) async fn finish(mut self) -> Vec<F::Output> {
        self.settle().await;
        self.outcomes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;
    use futures_util::future::LocalBoxFuture;
    use std::cell::RefCell;
    use std::rc::Rc;
    use tokio::sync::oneshot;

    /// Calls that are answered with a number.
    type Calls = InOrder<&'static str, u32, LocalBoxFuture<'static, usize>>;

    /// A write that ends when it is told to, and notes that it was waited for.
    fn write(
        number: usize,
        seen: &Rc<RefCell<Vec<usize>>>,
    ) -> (oneshot::Sender<()>, LocalBoxFuture<'static, usize>) {
        let (end, ended) = oneshot::channel();
        let seen = Rc::clone(seen);
        let outcome = async move {
            ended.await.unwrap();
            seen.borrow_mut().push(number);
            number
        };
        (end, outcome.boxed_local())
    }

    #[tokio::test]
    async fn writes_are_sent_together_and_their_outcomes_stand_in_order() {
        let (mut calls, seen) = (Calls::new(|_| 1), Rc::default());
        let mut ends = Vec::new();
        for number in 0..FIRST_SENT {
            if number == 5 {
                calls.end(1000);
            }
            // None has ended, and none is waited for.
            assert!(calls.make_way(&"a", &1).now_or_never().is_some());
            let (end, outcome) = write(number, &seen);
            calls.send("a", 1, outcome);
            ends.push(end);
        }
        assert!(calls.make_way(&"a", &1).now_or_never().is_none(), "there are as many as may be");
        // The last one ends first; that changes nothing about the order.
        let (mut calls, mut ends) = (Calls::new(|_| 1), Vec::new());
        for number in 0..3 {
            let (end, outcome) = write(number, &seen);
            calls.send("a", 1, outcome);
            ends.push(end);
        }
        calls.end(7);
        ends.into_iter().rev().for_each(|end| end.send(()).unwrap());
        assert_eq!(calls.finish().await, [0, 1, 2, 7]);
    }

    #[tokio::test]
    async fn who_goes_another_way_to_the_same_waits() {
        let (mut calls, seen) = (Calls::new(|_| 1), Rc::default());
        let (end, outcome) = write(0, &seen);
        calls.send("a", 1, outcome);
        assert!(calls.make_way(&"b", &2).now_or_never().is_some(), "that is somewhere else");
        assert!(calls.make_way(&"a", &1).now_or_never().is_some());
        end.send(()).unwrap();
        calls.make_way(&"a", &2).await;
        assert_eq!(*seen.borrow(), [0]);
        assert!(calls.make_way(&"a", &1).now_or_never().is_some(), "nothing is open");
    }

    #[tokio::test]
    async fn the_larger_the_outcomes_the_fewer_are_waited_for_together() {
        for (size, expected) in [(1, 1000), (64 << 10, 256), (1 << 20, 16), (64 << 20, 8)] {
            let mut calls = Calls::new(|size| *size);
            calls.send("a", 1, async move { size }.boxed_local());
            calls.settle().await;
            assert_eq!(calls.most_sent, expected, "{size}");
        }
    }
}
