//! What a connection holds of what its client sent and is not served: its bounds, and its place in the budget of all.
//!
//! Counted is only who holds more than a little, and in steps: small frames, which is nearly all of them, touch nothing
//! that is shared.

mod budget;

pub use budget::InboundBudget;

use crate::domain::ProjectId;
use budget::{Holder, InboundShare};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

/// What each may hold without being counted, bytes; also what it may read where the budget is used up.
const FREE: usize = 16 << 10;
/// It is counted in such steps, bytes.
const STEP: usize = 16 << 10;

/// A connection has to go: it has kept a frame half for too long, while others waited for what it holds, or it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfRoom;

/// One connection's account, shared by those who read for it and those who serve it.
#[derive(Clone, Debug)]
pub struct InboundAccount(Rc<Book>);

/// What is noted of a connection.
#[derive(Debug)]
struct Book {
    /// How many bytes a frame or message may have; it rises once.
    bound: Cell<usize>,
    /// What was read and is no whole frame.
    half: Cell<usize>,
    /// The fragments of a message that has not come to its end.
    fragments: Cell<usize>,
    /// What has come whole and is not served.
    unserved: Cell<usize>,
    /// How much of all that is counted.
    counted: Cell<usize>,
    /// Whether a message has come to its end since it was last looked at.
    has_moved: Cell<bool>,
    /// Since when a frame is half, if that counts.
    half_since: Cell<Option<Instant>>,
    /// Since when it has waited for room, if it waits now.
    waiting_since: Cell<Option<Instant>>,
    /// For how long it had waited before that, without a message having come to its end: being given a little now and then
    /// is no end of waiting.
    waited: Cell<Duration>,
    /// In whose share it is counted.
    share: RefCell<Arc<InboundShare>>,
    /// Itself there, once it was counted or had to wait.
    holder: RefCell<Option<Arc<Holder>>>,
}

impl InboundAccount {
    /// That of a connection that has just opened, whose frames may have so many bytes.
    pub fn new(bound: usize, budget: &Arc<InboundBudget>) -> Self {
        Self(Rc::new(Book {
            bound: Cell::new(bound),
            half: Cell::default(),
            fragments: Cell::default(),
            unserved: Cell::default(),
            counted: Cell::default(),
            has_moved: Cell::default(),
            half_since: Cell::default(),
            waiting_since: Cell::default(),
            waited: Cell::default(),
            share: RefCell::new(budget.share(None)),
            holder: RefCell::default(),
        }))
    }

    /// How many bytes a frame or message may have.
    pub fn bound(&self) -> usize {
        self.0.bound.get()
    }

    /// From now on, so many.
    pub(super) fn raise(&self, bound: usize) {
        self.0.bound.set(bound);
    }

    /// So much was read and is no whole frame, as far as is known.
    pub fn set_half(&self, bytes: usize) {
        self.0.half.set(bytes);
        self.0.settle();
    }

    /// So much of a message has come in fragments.
    pub fn set_fragments(&self, bytes: usize) {
        self.0.fragments.set(bytes);
        self.0.settle();
    }

    /// A message has come to its end.
    pub fn note_whole(&self) {
        self.0.has_moved.set(true);
    }

    /// So much has come whole and is not served.
    pub(super) fn set_unserved(&self, bytes: usize) {
        if self.0.unserved.replace(bytes) != bytes {
            self.0.settle();
        }
    }

    /// Counts it in a project's share from now on.
    pub(super) fn belong_to(&self, project: &ProjectId) {
        let book = &self.0;
        let counted = book.counted.replace(0);
        let share = book.share.borrow().budget().share(Some(project));
        let before = book.share.replace(share);
        if counted > 0 {
            before.give(counted);
        }
        let known = book.holder.take();
        book.half_since.set(None);
        book.waiting_since.set(None);
        book.waited.set(Duration::ZERO);
        book.settle();
        // Who waits there is read on here.
        if let Some(known) = known {
            known.reader.wake();
        }
    }

    /// How much may be read now; when there is room, if nothing may.
    ///
    /// # Errors
    /// [`OutOfRoom`].
    pub fn poll_room(&self, task: &Context<'_>) -> Poll<Result<usize, OutOfRoom>> {
        let room = self.room(task);
        self.0.note_waiting(room.is_pending());
        room
    }

    /// The same, without a note of it.
    fn room(&self, task: &Context<'_>) -> Poll<Result<usize, OutOfRoom>> {
        let book = &self.0;
        book.look_at_half();
        if let Some(holder) = &*book.holder.borrow() {
            holder.reader.register(task.waker());
            if holder.is_condemned() {
                return Poll::Ready(Err(OutOfRoom));
            }
        }
        let share = Arc::clone(&book.share.borrow());
        let counted = book.counted.get();
        if !share.is_full_for(counted) {
            return Poll::Ready(Ok(usize::MAX));
        }
        let room = FREE.saturating_sub(book.held());
        if room > 0 {
            return Poll::Ready(Ok(room));
        }
        let holder = book.holder();
        holder.reader.register(task.waker());
        if share.wait(&holder, counted) {
            return Poll::Ready(Ok(usize::MAX));
        }
        if share.begins_watch() {
            actix::spawn(Arc::clone(share.budget()).watch());
        }
        Poll::Pending
    }
}

impl Book {
    /// What it holds.
    fn held(&self) -> usize {
        self.half.get().saturating_add(self.fragments.get()).saturating_add(self.unserved.get())
    }

    /// Itself in its share.
    fn holder(&self) -> Arc<Holder> {
        let mut holder = self.holder.borrow_mut();
        Arc::clone(holder.get_or_insert_with(|| self.share.borrow().enlist()))
    }

    /// Counts what it holds now.
    fn settle(&self) {
        let held = self.held();
        let due = if held > FREE { held.div_ceil(STEP).saturating_mul(STEP) } else { 0 };
        let counted = self.counted.replace(due);
        if due == counted {
            return;
        }
        let holder = self.holder();
        holder.note_bytes(due);
        let share = self.share.borrow();
        if due > counted {
            share.take(due - counted);
        } else {
            share.give(counted - due);
            if holder.is_waiting() {
                // It may have room of its own now.
                holder.reader.wake();
            }
        }
    }

    /// Notes whether it waits, and since when: the time that it has waited before for the same message counts.
    fn note_waiting(&self, is_waiting: bool) {
        let before = self.waiting_since.get();
        if is_waiting == before.is_some() {
            return;
        }
        let now = Instant::now();
        if let Some(since) = before {
            self.waited.set(now.saturating_duration_since(since));
        }
        let since = is_waiting.then(|| now.checked_sub(self.waited.get()).unwrap_or(now));
        self.waiting_since.set(since);
        self.holder().note_waiting(since);
    }

    /// Notes since when a frame is half: one of more than a little, and since the one before it was whole.
    fn look_at_half(&self) {
        let has_moved = self.has_moved.replace(false);
        if has_moved {
            self.waited.set(Duration::ZERO);
        }
        let is_half = self.half.get().saturating_add(self.fragments.get()) > FREE;
        let before = self.half_since.get();
        let since = match before {
            Some(since) if is_half && !has_moved => Some(since),
            _ => is_half.then(Instant::now),
        };
        if since != before {
            self.half_since.set(since);
            self.holder().note_half(since);
        }
    }
}

impl Drop for Book {
    fn drop(&mut self) {
        let counted = self.counted.get();
        if counted > 0 {
            self.share.borrow().give(counted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::task::noop_waker;

    /// An account of a project.
    fn account(budget: &Arc<InboundBudget>, project: &str) -> InboundAccount {
        let account = InboundAccount::new(1 << 20, budget);
        account.belong_to(&ProjectId::from(project));
        account
    }

    /// Whether it may read, and how much.
    fn room(account: &InboundAccount) -> Poll<Result<usize, OutOfRoom>> {
        account.poll_room(&Context::from_waker(&noop_waker()))
    }

    #[test]
    fn a_little_is_not_counted_and_what_is_goes_with_its_connection() {
        let budget = Arc::new(InboundBudget::new(1 << 20));
        let one = account(&budget, "a");
        one.set_half(FREE / 2);
        one.set_unserved(FREE / 2);
        assert_eq!(budget.used(), 0);
        one.set_fragments(1);
        assert_eq!(budget.used(), 2 * STEP);
        one.set_half(0);
        assert_eq!(budget.used(), 0);
        let stranger = InboundAccount::new(1, &budget);
        stranger.set_half(FREE + 1);
        one.set_half(4 * STEP);
        let reader = one.clone();
        drop(one);
        assert_eq!(budget.used(), 7 * STEP, "somebody reads for it");
        drop(reader);
        assert_eq!(budget.used(), 2 * STEP);
        stranger.belong_to(&ProjectId::from("a"));
        assert_eq!(budget.used(), 2 * STEP);
        drop(stranger);
        assert_eq!(budget.used(), 0);
    }

    #[actix_rt::test]
    async fn where_a_share_is_used_up_little_is_read_on_and_another_project_is_not_held_up() {
        let budget = Arc::new(InboundBudget::new(16 * STEP));
        let [large, second, small, other] =
            ["a", "a", "a", "b"].map(|project| account(&budget, project));
        large.set_fragments(3 * STEP);
        second.set_half(FREE);
        assert_eq!(room(&second), Poll::Ready(Ok(usize::MAX)));
        large.set_fragments(4 * STEP);
        assert_eq!(room(&large), Poll::Ready(Ok(usize::MAX)), "it is alone");
        assert_eq!(room(&second), Poll::Pending);
        assert_eq!(room(&small), Poll::Ready(Ok(FREE)));
        small.set_half(100);
        assert_eq!(room(&small), Poll::Ready(Ok(FREE - 100)));
        other.set_half(FREE);
        assert_eq!(room(&other), Poll::Ready(Ok(usize::MAX)));
        drop(large);
        assert_eq!(room(&second), Poll::Ready(Ok(usize::MAX)));
    }

    #[actix_rt::test]
    async fn who_keeps_a_frame_half_while_others_wait_has_to_go_and_who_gets_on_does_not() {
        tokio::time::pause();
        let budget = Arc::new(InboundBudget::new(16 * STEP));
        let [half, busy, waiting] = ["a", "a", "a"].map(|project| account(&budget, project));
        half.set_fragments(2 * STEP);
        assert_eq!(room(&half), Poll::Ready(Ok(usize::MAX)));
        tokio::time::sleep(Duration::from_secs(8)).await;
        busy.set_half(2 * STEP);
        waiting.set_unserved(FREE);
        for one in [&busy, &waiting] {
            assert_eq!(room(one), Poll::Pending);
        }
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert_eq!(room(&half), Poll::Ready(Err(OutOfRoom)));
        half.set_fragments(0);
        for one in [&busy, &waiting] {
            assert_eq!(room(one), Poll::Ready(Ok(usize::MAX)));
        }
    }

    #[actix_rt::test]
    async fn nobody_waits_for_ever() {
        tokio::time::pause();
        let budget = Arc::new(InboundBudget::new(16 * STEP));
        let [busy, waiting] = ["a", "a"].map(|project| account(&budget, project));
        busy.set_half(4 * STEP);
        waiting.set_half(FREE);
        for _ in 0..12 {
            // One message after the other comes whole.
            busy.note_whole();
            assert_eq!(room(&busy), Poll::Ready(Ok(usize::MAX)));
            assert_ne!(room(&waiting), Poll::Ready(Ok(usize::MAX)));
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        assert_eq!(room(&waiting), Poll::Ready(Err(OutOfRoom)));
    }

    #[actix_rt::test]
    async fn being_given_a_little_now_and_then_is_no_end_of_waiting_and_a_whole_message_is() {
        tokio::time::pause();
        for gets_on in [false, true] {
            let budget = Arc::new(InboundBudget::new(32 * STEP));
            let [busy, waiting] = ["a", "a"].map(|project| account(&budget, project));
            waiting.set_unserved(FREE);
            let mut closed_after = None;
            for second in 1..=15 {
                busy.set_unserved(8 * STEP);
                let _ = room(&waiting);
                tokio::time::sleep(Duration::from_secs(1)).await;
                busy.set_unserved(0);
                match room(&waiting) {
                    Poll::Ready(Ok(usize::MAX)) if gets_on => waiting.note_whole(),
                    Poll::Ready(Ok(usize::MAX)) => {}
                    other => {
                        assert_eq!(other, Poll::Ready(Err(OutOfRoom)));
                        closed_after.get_or_insert(second);
                    }
                }
            }
            // It is looked at once a second.
            let is_closed = closed_after.is_some_and(|second| (10..=12).contains(&second));
            assert_eq!(
                (is_closed, closed_after.is_none()),
                (!gets_on, gets_on),
                "{closed_after:?}"
            );
        }
    }
}
