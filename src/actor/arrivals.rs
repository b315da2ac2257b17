//! Who comes back after a restart is let in at a bounded rate: the sockets of everybody break in the same moment, and most
//! clients come back at once, whatever they were told.
//!
//! The rest wait before their handshake is answered, where a connection costs next to nothing. With nobody to come back, and
//! once the time for it is over, nobody waits.

use crate::ask::AskError;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// The longest that anybody waits: who would have to wait longer is told to come again. Clients give up an attempt after
/// 15 s.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// How much longer than those who come back are expected they are let in at a rate, while they keep coming.
const OVERTIME: Duration = Duration::from_mins(1);
/// Which part of a second's number may come at once.
const BURST_PART: u32 = 10;
/// Those of a second.
const NANOSECONDS: u64 = 1_000_000_000;

/// The turns of those who come: no more of them in any second than the rate.
///
/// A cell rate algorithm (GCRA): a tenth of the rate may come at once, the rest follow at even distances. No clock: the time
/// since the beginning is an argument.
#[derive(Debug)]
struct Turns {
    /// The distance of two turns.
    distance: Duration,
    /// How much before its own turn somebody may come.
    early: Duration,
    /// When the next turn would be, if nobody came early.
    next: Duration,
}

impl Turns {
    /// So many a second.
    fn new(rate: NonZeroU32) -> Self {
        let rate = rate.get();
        let burst = (rate / BURST_PART).max(1);
        // The burst is taken from its second.
        let even = if burst == 1 { rate } else { rate - burst };
        let distance = Duration::from_nanos(NANOSECONDS.div_ceil(even.into()));
        Self { distance, early: distance * (burst - 1), next: Duration::ZERO }
    }

    /// How long who comes now has to wait; none where that is too long, and then the turn is not taken.
    fn take(&mut self, now: Duration) -> Option<Duration> {
        let turn = self.next.max(now);
        let wait = turn.saturating_sub(self.early).saturating_sub(now);
        if wait > LONGEST_WAIT {
            return None;
        }
        self.next = turn + self.distance;
        Some(wait)
    }

    /// Whether nobody waits for a turn.
    fn is_quiet(&self, now: Duration) -> bool {
        self.next <= now
    }
}

/// Where those wait who come back; cheap to clone, one for all workers.
#[derive(Clone, Debug, Default)]
pub struct Arrivals(Option<Arc<ExpectedArrivals>>);

/// Those who are expected back.
#[derive(Debug)]
struct ExpectedArrivals {
    /// When the server began.
    began: Instant,
    /// For how long they are expected.
    expected: Duration,
    /// Their turns.
    turns: Mutex<Turns>,
    /// Whether they have come.
    is_over: AtomicBool,
    /// How many wait.
    waiting: AtomicUsize,
    /// Says that nobody is to wait any more.
    stop: CancellationToken,
}

/// One who waits.
struct WaitingArrival<'a>(&'a AtomicUsize);

impl Drop for WaitingArrival<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Arrivals {
    /// Those of a restart that has just been, so many a second, for so long; 0 for any number. Nobody waits once `stop` was
    /// said.
    pub fn expected(rate: u32, expected: Duration, stop: CancellationToken) -> Self {
        Self(NonZeroU32::new(rate).map(|rate| {
            Arc::new(ExpectedArrivals {
                began: Instant::now(),
                expected,
                turns: Mutex::new(Turns::new(rate)),
                is_over: AtomicBool::new(false),
                waiting: AtomicUsize::new(0),
                stop,
            })
        }))
    }

    /// Waits for one's turn; at once where nobody has to wait.
    ///
    /// # Errors
    /// [`AskError::Overloaded`] where that is too far away.
    pub async fn turn(&self) -> Result<(), AskError> {
        let Some(arrivals) = &self.0 else { return Ok(()) };
        let wait = arrivals.wait(arrivals.began.elapsed()).ok_or(AskError::Overloaded)?;
        if wait.is_zero() {
            return Ok(());
        }
        arrivals.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = WaitingArrival(&arrivals.waiting);
        // Who comes to a server that is about to go is told so.
        arrivals.stop.run_until_cancelled(sleep(wait)).await;
        Ok(())
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.0.as_ref().map_or(0, |arrivals| arrivals.waiting.load(Ordering::Relaxed))
    }
}

impl ExpectedArrivals {
    /// How long who comes now has to wait; none where that is too long.
    fn wait(&self, now: Duration) -> Option<Duration> {
        if self.is_over.load(Ordering::Relaxed) {
            return Some(Duration::ZERO);
        }
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let is_late = now >= self.expected;
        if is_late && (turns.is_quiet(now) || now >= self.expected + OVERTIME) {
            self.is_over.store(true, Ordering::Relaxed);
            return Some(Duration::ZERO);
        }
        turns.take(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Whether it took so long, but for what timers are late.
    fn took(since: Instant, time: Duration) -> bool {
        (time..time + Duration::from_millis(5)).contains(&since.elapsed())
    }

    /// Turns at this rate.
    fn turns(rate: u32) -> Turns {
        Turns::new(NonZeroU32::new(rate).unwrap())
    }

    #[test]
    fn a_tenth_comes_at_once_and_the_rest_in_turn() {
        let mut turns = turns(1000);
        let waits: Vec<_> = (0..1000).map(|_| turns.take(SECOND).unwrap()).collect();
        assert_eq!(waits.iter().filter(|wait| wait.is_zero()).count(), 100);
        // The last of a second is the first of the next.
        assert!(waits.is_sorted() && waits[998] < SECOND && waits[999] >= SECOND, "{waits:?}");
        assert!(!turns.is_quiet(SECOND) && turns.is_quiet(3 * SECOND));
    }

    #[test]
    fn who_would_wait_too_long_takes_no_turn() {
        let mut turns = turns(10);
        let mut come = || turns.take(Duration::ZERO);
        while come().is_some() {}
        assert_eq!((come(), come()), (None, None));
        assert_eq!(turns.take(SECOND / 5).unwrap(), SECOND / 10 * 99);
    }

    #[actix_rt::test]
    async fn nobody_waits_where_nobody_is_expected_or_all_have_come() {
        tokio::time::pause();
        let (expected, stop) = (30 * SECOND, CancellationToken::new());
        for arrivals in [Arrivals::default(), Arrivals::expected(0, expected, stop.clone())] {
            for _ in 0..1000 {
                arrivals.turn().await.unwrap();
            }
        }
        let arrivals = Arrivals::expected(1, expected, stop);
        let since = Instant::now();
        arrivals.turn().await.unwrap();
        arrivals.turn().await.unwrap();
        assert!(took(since, SECOND));
        // Those who still come are still let in one after the other.
        sleep(SECOND * 28).await;
        let since = Instant::now();
        for _ in 0..4 {
            arrivals.turn().await.unwrap();
        }
        assert!(took(since, SECOND * 3));
        sleep(SECOND * 2).await;
        let since = Instant::now();
        for _ in 0..1000 {
            arrivals.turn().await.unwrap();
        }
        assert_eq!(since.elapsed(), Duration::ZERO);
    }

    #[actix_rt::test]
    async fn who_waits_is_counted_and_told_when_the_server_stops() {
        tokio::time::pause();
        let stop = CancellationToken::new();
        let arrivals = Arrivals::expected(1, 30 * SECOND, stop.clone());
        arrivals.turn().await.unwrap();
        let (since, waiting) = (Instant::now(), arrivals.clone());
        let waiting = actix_rt::spawn(async move { waiting.turn().await });
        tokio::task::yield_now().await;
        assert_eq!(arrivals.waiting(), 1);
        stop.cancel();
        waiting.await.unwrap().unwrap();
        assert_eq!((arrivals.waiting(), since.elapsed()), (0, Duration::ZERO));
    }

    #[test]
    fn nobody_can_keep_others_waiting_for_ever() {
        let stop = CancellationToken::new();
        let Arrivals(Some(arrivals)) = Arrivals::expected(1, SECOND, stop) else { panic!() };
        let end = SECOND + OVERTIME;
        let mut now = Duration::ZERO;
        while now < end {
            while arrivals.wait(now).is_some() {}
            now += SECOND;
        }
        assert_eq!(arrivals.wait(end), Some(Duration::ZERO));
    }

    proptest! {
        #[test]
        fn no_second_has_more_of_them_than_the_rate(
            rate in 1_u32..3000,
            pauses in proptest::collection::vec(0_u64..2_000_000, 1..300),
            crowd in 1_usize..50,
        ) {
            let (mut turns, mut now) = (turns(rate), Duration::ZERO);
            let mut let_in = Vec::new();
            for pause in pauses {
                now += Duration::from_micros(pause);
                let_in.extend((0..crowd).map_while(|_| turns.take(now)).map(|wait| now + wait));
            }
            prop_assert!(let_in.is_sorted());
            let rate = usize::try_from(rate).unwrap();
            for (first, later) in let_in.iter().zip(let_in.iter().skip(rate)) {
                prop_assert!(*later >= *first + SECOND, "{first:?} {later:?}");
            }
        }
    }
}
