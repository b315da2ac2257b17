//! When what was said is written.
//!
//! Writes are what fan-out costs, so as much as possible goes into each: a thread flushes as soon as the tasks that are
//! ready now have run, unless waiting saves writes. Whether it does is learned: a flush that had several events for the
//! same connections is followed by a pause, as long as the saved writes would have taken, and one whose pause brought
//! nothing by none. Once in a while a pause is tried where the next event came soon enough to have met another in it.

use super::registry::Registry;
use super::room::Flushed;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;
use tokio::time::Instant;

/// What one write costs its thread, about: the pause after a flush is so much for each.
const WRITE_COST: Duration = Duration::from_micros(3);
/// The longest pause between two flushes: the most that batching adds to a message's way.
const LONGEST_PAUSE: Duration = Duration::from_millis(5);
/// How many connections are written to before others on the thread have their turn.
const SLICE: usize = 256;
/// How many flushes lie between two tries of a pause at the most, when none of them brings anything.
const RAREST_TRY: u32 = 256;

/// The pause that pays for so many writes: as long as they took. A channel's connections are shared out to all threads,
/// and one thread alone would have written and paused for all of them; every thread pauses until that time is over, or
/// each thread more would make batches smaller.
fn pause_for(writes: usize, threads: usize) -> Duration {
    let shares = threads.saturating_mul(2).saturating_sub(1);
    let writes = u32::try_from(writes.saturating_mul(shares)).unwrap_or(u32::MAX);
    WRITE_COST.saturating_mul(writes).min(LONGEST_PAUSE)
}

/// Whether to pause, learned from what pauses bring.
#[derive(Clone, Copy, Debug)]
struct Habit {
    /// Events that would have met another in a pause, since the last try.
    missed: u32,
    /// How many of those it takes to try again.
    patience: u32,
    /// The pause after the last flush.
    pause: Duration,
    /// Whether that pause is a try.
    is_try: bool,
    /// How much longer it would be if every write had been saved.
    spared: Duration,
}

impl Habit {
    /// Nothing is known yet.
    const fn new() -> Self {
        Self {
            missed: 0,
            patience: 1,
            pause: Duration::ZERO,
            is_try: false,
            spared: Duration::ZERO,
        }
    }

    /// The first event after a flush came so long after it.
    fn heard_after(&mut self, gap: Duration) {
        if gap < self.spared {
            self.missed += 1;
        }
        self.spared = Duration::ZERO;
    }

    /// What to do after such a flush.
    fn pause_after(&mut self, flushed: Flushed, threads: usize) -> Duration {
        let Flushed { writes, saved } = flushed;
        let whole = pause_for(writes, threads);
        let is_worthwhile = saved > 0 && saved.saturating_mul(2) >= writes;
        if is_worthwhile {
            (self.missed, self.patience) = (0, 1);
        } else if self.is_try {
            (self.missed, self.patience) = (0, (self.patience * 2).min(RAREST_TRY));
        }
        self.is_try = saved == 0 && self.missed >= self.patience;
        self.pause = if self.is_try { whole } else { pause_for(writes.min(saved), threads) };
        self.spared = whole.saturating_sub(self.pause);
        self.pause
    }
}

/// Plans the flushes of one thread.
pub(super) struct Flusher {
    /// Whether one is planned or under way.
    is_planned: Cell<bool>,
    /// When the last one ended.
    ended: Cell<Instant>,
    /// Whether to pause.
    habit: Cell<Habit>,
}

impl Flusher {
    /// Nothing planned.
    pub(super) fn new() -> Self {
        Self {
            is_planned: Cell::new(false),
            ended: Cell::new(Instant::now()),
            habit: Cell::new(Habit::new()),
        }
    }

    /// Plans a flush, if there is anything to write and none is planned.
    pub(super) fn plan(this: &Rc<Self>, registry: &Rc<RefCell<Registry>>, threads: usize) {
        if !this.is_planned.get() && registry.borrow().has_news() {
            this.is_planned.set(true);
            actix::spawn(Rc::clone(this).run(Rc::clone(registry), threads));
        }
    }

    /// Flushes until nothing is left.
    async fn run(self: Rc<Self>, registry: Rc<RefCell<Registry>>, threads: usize) {
        while registry.borrow().has_news() {
            let mut habit = self.habit.get();
            habit.heard_after(Instant::now() - self.ended.get());
            self.pause(&registry, habit.pause).await;
            let mut all = Flushed::default();
            loop {
                let flushed = registry.borrow_mut().flush(SLICE);
                all += flushed;
                if flushed.writes < SLICE {
                    break;
                }
                tokio::task::yield_now().await;
            }
            habit.pause_after(all, threads);
            self.habit.set(habit);
            self.ended.set(Instant::now());
        }
        self.is_planned.set(false);
    }

    /// Waits until it is time, or so much waits that it cannot.
    async fn pause(&self, registry: &RefCell<Registry>, pause: Duration) {
        tokio::task::yield_now().await;
        let soonest = self.ended.get() + pause;
        if Instant::now() < soonest && !registry.borrow().is_full() {
            tokio::time::sleep_until(soonest).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A flush of a thousand writes.
    const fn flushed(saved: usize) -> Flushed {
        Flushed { writes: 1000, saved }
    }

    /// The pause after a flush whose first event came so long after the one before.
    fn after(habit: &mut Habit, gap: Duration, saved: usize) -> Duration {
        habit.heard_after(gap);
        habit.pause_after(flushed(saved), 1)
    }

    #[test]
    fn a_pause_is_as_long_as_what_it_saves() {
        let mut habit = Habit::new();
        assert_eq!(habit.pause_after(flushed(0), 1), Duration::ZERO);
        assert_eq!(habit.pause_after(flushed(100), 1), WRITE_COST * 100);
        assert_eq!(habit.pause_after(flushed(9000), 1), WRITE_COST * 1000);
        let large = Flushed { writes: 10_000, saved: 90_000 };
        assert_eq!(habit.pause_after(large, 1), LONGEST_PAUSE);
    }

    #[test]
    fn two_threads_flush_as_often_as_one_with_all_of_their_connections() {
        let [one, half] = [600, 300].map(|writes| Flushed { writes, saved: 9000 });
        let period = WRITE_COST * 600 + Habit::new().pause_after(one, 1);
        assert_eq!(WRITE_COST * 300 + Habit::new().pause_after(half, 2), period);
    }

    #[test]
    fn a_pause_that_brings_nothing_is_tried_more_and_more_rarely() {
        let mut habit = Habit::new();
        let soon = Duration::from_micros(100);
        let mut tries = Vec::new();
        for n in 0..2000 {
            if after(&mut habit, soon, 0) > Duration::ZERO {
                tries.push(n);
            }
        }
        let gaps: Vec<_> = tries.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(gaps[..4], [3, 5, 9, 17]);
        assert!(gaps[7..].iter().all(|gap| *gap == 257), "{gaps:?}");
    }

    #[test]
    fn events_too_far_apart_to_meet_in_a_pause_are_never_waited_for() {
        let mut habit = Habit::new();
        for _ in 0..1000 {
            assert_eq!(after(&mut habit, Duration::from_millis(4), 0), Duration::ZERO);
        }
    }

    #[test]
    fn a_try_that_brings_little_was_for_nothing() {
        let mut habit = Habit::new();
        let soon = Duration::from_micros(100);
        let mut tries = 0;
        for _ in 0..1000 {
            // A flush now and then has two events for one connection.
            let saved = usize::from(habit.is_try);
            after(&mut habit, soon, saved);
            tries += u32::from(habit.is_try);
        }
        assert!(tries <= 10, "{tries}");
    }

    #[test]
    fn a_try_that_brings_something_is_kept_up() {
        let mut habit = Habit::new();
        let soon = Duration::from_micros(100);
        while after(&mut habit, soon, 0) == Duration::ZERO {}
        for _ in 0..100 {
            assert_eq!(after(&mut habit, soon, 1000), WRITE_COST * 1000);
        }
    }
}
