//! How connections are sent away when the server goes: how fast they are closed, and when each is told to come back.
//!
//! No clock and no connections: how much time has passed comes in, what to do comes out.

use crate::protocol::{Close, CloseCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// How long the next server takes to be there, at the least: nobody is told to come back sooner.
const RESTART: Duration = Duration::from_secs(1);
/// The longest that anybody is told to stay away: Warren's own clients wait no longer, whatever they are told. Who would have
/// to, waits at the next server's door.
const LONGEST_AWAY: Duration = Duration::from_mins(1);

/// How a server sends its connections away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drain {
    /// How long closing them may take.
    pub over: Duration,
    /// How many may come back in a second; 0 for any number.
    pub rate: u32,
    /// The socket of the server that they are sent to (4006); without one they are told to come back here (4010).
    pub to: Option<Arc<str>>,
}

impl Default for Drain {
    /// All at once, to come back at 1,000 a second.
    fn default() -> Self {
        Self { over: Duration::ZERO, rate: 1000, to: None }
    }
}

impl Drain {
    /// The time in which so many come back; none for a rate without bound.
    fn time_of(&self, connections: u32) -> Duration {
        let nanoseconds = u64::from(connections) * 1_000_000_000;
        Duration::from_nanos(nanoseconds.checked_div(self.rate.into()).unwrap_or_default())
    }

    /// What is said to who has to go and is to stay away so long.
    fn close(&self, away: Duration) -> Close {
        if let Some(to) = &self.to {
            return Close::new(CloseCode::BadRoute, &**to);
        }
        // Clients read a number and its unit.
        let milliseconds = away.as_millis();
        let away = if milliseconds.is_multiple_of(1000) {
            format!("{} s", milliseconds / 1000)
        } else {
            format!("{milliseconds} ms")
        };
        Close::new(CloseCode::GoingAway, format!("the server is going away, reconnect in {away}"))
    }

    /// What is said to who comes before anybody was sent away.
    pub fn refusal(&self) -> Close {
        self.close(self.over.saturating_add(RESTART).min(LONGEST_AWAY))
    }
}

/// All that have to go, from the moment that the first is sent away.
#[derive(Debug)]
pub struct Departures {
    /// How.
    drain: Drain,
    /// How many there were.
    all: u32,
    /// How long closing them takes.
    lasts: Duration,
    /// How many were told.
    told: AtomicU32,
}

impl Departures {
    /// So many have to go. They are closed no faster than they may come back, as long as the time for it allows.
    pub fn new(connections: usize, drain: Drain) -> Self {
        let all = u32::try_from(connections).unwrap_or(u32::MAX);
        let lasts = drain.over.min(drain.time_of(all));
        Self { drain, all, lasts, told: AtomicU32::new(0) }
    }

    /// How long closing them takes.
    pub const fn lasts(&self) -> Duration {
        self.lasts
    }

    /// How many of these, a part of all, are to have been told so long after the beginning.
    pub fn due(&self, of: usize, since: Duration) -> usize {
        if since >= self.lasts {
            return of;
        }
        let part = u128::try_from(of).unwrap_or(u128::MAX).saturating_mul(since.as_nanos());
        usize::try_from(part / self.lasts.as_nanos()).unwrap_or(of)
    }

    /// What is said to the next one.
    pub fn next(&self) -> Close {
        self.drain.close(self.away(self.told.fetch_add(1, Ordering::Relaxed)))
    }

    /// When the nth is to be told.
    fn leaves(&self, nth: u32) -> Duration {
        match nth.checked_div(self.all) {
            Some(0) => self.lasts.saturating_mul(nth) / self.all,
            _ => self.lasts,
        }
    }

    /// How long the nth is to stay away: until all have gone and the next server is there, and then one after the other, at the
    /// rate.
    fn away(&self, nth: u32) -> Duration {
        let returns = self.lasts.saturating_add(RESTART).saturating_add(self.drain.time_of(nth));
        returns.saturating_sub(self.leaves(nth)).min(LONGEST_AWAY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// So many connections, so many seconds, so many a second.
    fn departures(connections: usize, over: u64, rate: u32) -> Departures {
        let drain = Drain { over: Duration::from_secs(over), rate, to: None };
        Departures::new(connections, drain)
    }

    #[test]
    fn few_go_at_once_and_many_take_the_time_that_there_is() {
        for (connections, over, rate, lasts) in [
            (0, 10, 1000, Duration::ZERO),
            (10, 10, 1000, Duration::from_millis(10)),
            (5000, 10, 1000, 5 * SECOND),
            (50_000, 10, 1000, 10 * SECOND),
            (5000, 0, 1000, Duration::ZERO),
            (5000, 10, 0, Duration::ZERO),
        ] {
            assert_eq!(departures(connections, over, rate).lasts(), lasts, "{connections}");
        }
    }

    #[test]
    fn everybody_is_told_another_time_and_who_is_sent_elsewhere_none() {
        let all = departures(3, 0, 2);
        let told = [(); 3].map(|()| all.next());
        let reasons = told.each_ref().map(|close| close.reason.as_str());
        let words = "the server is going away, reconnect in";
        assert_eq!(reasons, ["1 s", "1500 ms", "2 s"].map(|time| format!("{words} {time}")));
        assert!(told.iter().all(|close| close.code == CloseCode::GoingAway));
        let to = Some(Arc::from("wss://b.example.com/ws"));
        let all = Departures::new(3, Drain { to, ..Drain::default() });
        let close = all.next();
        assert_eq!((close.code.number(), close.reason.as_str()), (4006, "wss://b.example.com/ws"));
    }

    #[test]
    fn who_comes_too_late_to_be_counted_is_told_a_time_all_the_same() {
        let all = departures(0, 5, 1000);
        assert!(all.next().reason.ends_with("in 1 s"));
        assert!(all.next().reason.ends_with("in 1001 ms"));
        let none = Drain { over: 5 * SECOND, ..Drain::default() };
        assert!(none.refusal().reason.ends_with("in 6 s"));
    }

    proptest! {
        #[test]
        fn nobody_is_to_come_back_before_all_have_gone_or_faster_than_the_rate(
            connections in 1_usize..20_000,
            over in 0_u64..60,
            rate in 1_u32..20_000,
        ) {
            let all = departures(connections, over, rate);
            let everybody = 0..u32::try_from(connections).unwrap();
            let returns: Vec<Duration> = everybody
                .filter(|nth| all.away(*nth) < LONGEST_AWAY)
                .map(|nth| all.leaves(nth) + all.away(nth))
                .collect();
            prop_assert!(all.lasts() <= Duration::from_secs(over));
            prop_assert!(returns.iter().all(|time| *time >= all.lasts() + RESTART));
            // Two that are so many apart are a second apart; a division rounds a nanosecond away.
            let (of_a_second, rounding) = (usize::try_from(rate).unwrap(), Duration::from_nanos(2));
            for (first, later) in returns.iter().zip(returns.iter().skip(of_a_second)) {
                prop_assert!(*later + rounding >= *first + SECOND);
            }
        }

        #[test]
        fn as_time_passes_more_are_due_until_all_are(
            connections in 0_usize..20_000,
            part in 0_usize..20_000,
            over in 0_u64..60,
            rate in 0_u32..20_000,
            steps in proptest::collection::vec(0_u64..2_000_000, 1..50),
        ) {
            let (all, part) = (departures(connections, over, rate), part.min(connections));
            let (mut since, mut before) = (Duration::ZERO, 0);
            for step in steps {
                since += Duration::from_micros(step);
                let due = all.due(part, since);
                prop_assert!(due >= before && due <= part);
                prop_assert!(since < all.lasts() || due == part);
                before = due;
            }
            prop_assert_eq!(all.due(part, all.lasts()), part);
        }
    }
}
