//! What follows an attempt: done, again in a while, or never.

use crate::domain::{DeliveryOutcome, Timestamp};
use std::time::Duration;

/// The longest pause between two attempts, as a multiple of the first: an hour where that is five seconds.
const LONGEST: u32 = 720;

/// When failed deliveries are tried again.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// The pause after the first attempt; each further one is twice as long.
    pub first_pause: Duration,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { first_pause: Duration::from_secs(5) }
    }
}

impl Schedule {
    /// The pause after this attempt (from 1): at least half of what doubling gives, the rest by chance, so that what
    /// failed together does not come back together. `chance` is any number.
    pub fn pause(self, attempt: i64, chance: u32) -> Duration {
        let doublings = u32::try_from(attempt.saturating_sub(1).clamp(0, 31)).unwrap_or(31);
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX).min(LONGEST);
        let whole = self.first_pause.saturating_mul(factor);
        let half = whole / 2;
        half + half.mul_f64(f64::from(chance) / f64::from(u32::MAX))
    }

    /// The longest pause, also where an endpoint asks for a longer one.
    pub const fn longest(self) -> Duration {
        self.first_pause.saturating_mul(LONGEST)
    }

    /// What follows an attempt that ended at `now` with this status, or with none.
    ///
    /// 2xx is the only success: a redirect is not followed, so it is a failure like any other. 410 says that the
    /// endpoint is gone for good. A delivery gets its last attempt when its time is up.
    pub fn outcome(
        self,
        attempt: ScheduledAttempt,
        now: Timestamp,
        chance: u32,
    ) -> DeliveryOutcome {
        match attempt.status {
            Some(200..=299) => return DeliveryOutcome::Delivered,
            Some(410) => return DeliveryOutcome::Gone,
            _ => {}
        }
        if now >= attempt.gives_up_at {
            return DeliveryOutcome::Dead;
        }
        // An endpoint may ask for a longer pause, up to the longest that we would make.
        let asked = attempt.retry_after.unwrap_or_default().min(self.longest());
        let pause = self.pause(attempt.number, chance).max(asked).as_millis();
        let next = now.0.saturating_add(i64::try_from(pause).unwrap_or(i64::MAX));
        DeliveryOutcome::Retry(Timestamp(next).min(attempt.gives_up_at))
    }
}

/// An attempt as the schedule sees it.
#[derive(Clone, Copy, Debug)]
pub struct ScheduledAttempt {
    /// Which one, from 1.
    pub number: i64,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// When the delivery's time is up.
    pub gives_up_at: Timestamp,
    /// How long the endpoint asked to be left alone.
    pub retry_after: Option<Duration>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays a delivery through in virtual time; returns when it was tried and how it ended.
    fn play(chance: u32, answer: impl Fn(i64) -> Option<u16>) -> (Vec<i64>, DeliveryOutcome) {
        let (mut now, mut tried) = (Timestamp(0), Vec::new());
        let gives_up_at = Timestamp(24 * 3_600_000);
        for number in 1.. {
            tried.push(now.0);
            let attempt =
                ScheduledAttempt { number, status: answer(now.0), gives_up_at, retry_after: None };
            match Schedule::default().outcome(attempt, now, chance) {
                DeliveryOutcome::Retry(at) => now = at,
                end => return (tried, end),
            }
        }
        unreachable!("a delivery ends")
    }

    #[test]
    fn pauses_double_from_five_seconds_to_an_hour() {
        let (tried, end) = play(u32::MAX, |_| None);
        let pauses: Vec<i64> = tried.windows(2).map(|two| (two[1] - two[0]) / 1000).collect();
        assert_eq!(pauses[..11], [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600]);
        assert_eq!(end, DeliveryOutcome::Dead);
        assert_eq!(tried.last(), Some(&(24 * 3_600_000)), "the last attempt is when time is up");
    }

    #[test]
    fn chance_takes_away_half_at_most() {
        let schedule = Schedule::default();
        for attempt in 1..40 {
            let (least, most) = (schedule.pause(attempt, 0), schedule.pause(attempt, u32::MAX));
            assert_eq!(least * 2, most);
            let middle = schedule.pause(attempt, u32::MAX / 2);
            assert!(least < middle && middle < most);
        }
        assert_eq!(schedule.pause(i64::MAX, u32::MAX), Duration::from_hours(1));
    }

    #[test]
    fn an_endpoint_that_is_down_for_ten_minutes_misses_nothing() {
        for chance in [0, u32::MAX / 3, u32::MAX] {
            let back_at = 600_000;
            let (tried, end) = play(chance, |now| (now >= back_at).then_some(204));
            assert_eq!(end, DeliveryOutcome::Delivered);
            assert!(tried.len() <= 10, "{} attempts", tried.len());
            assert!(tried.last().unwrap() - back_at < 660_000);
        }
    }

    #[test]
    fn an_endpoint_may_ask_for_a_longer_pause_within_the_longest() {
        let next = |seconds: u64| {
            let retry_after = Some(Duration::from_secs(seconds));
            let gives_up_at = Timestamp(24 * 3_600_000);
            let attempt =
                ScheduledAttempt { number: 1, status: Some(503), gives_up_at, retry_after };
            Schedule::default().outcome(attempt, Timestamp(0), u32::MAX)
        };
        assert_eq!(next(1), DeliveryOutcome::Retry(Timestamp(5000)), "never a shorter one");
        assert_eq!(next(90), DeliveryOutcome::Retry(Timestamp(90_000)));
        assert_eq!(next(u64::MAX), DeliveryOutcome::Retry(Timestamp(3_600_000)));
    }

    #[test]
    fn redirects_are_failures_and_gone_is_the_end() {
        for status in [100, 301, 302, 307, 308, 400, 404, 429, 500, 503] {
            let (number, gives_up_at) = (1, Timestamp(10));
            let attempt =
                ScheduledAttempt { number, status: Some(status), gives_up_at, retry_after: None };
            let outcome = Schedule::default().outcome(attempt, Timestamp(0), 7);
            assert!(matches!(outcome, DeliveryOutcome::Retry(_)), "{status}");
        }
        assert_eq!(play(0, |_| Some(410)), (vec![0], DeliveryOutcome::Gone));
        for status in [200, 202, 204, 299] {
            assert_eq!(play(0, |_| Some(status)), (vec![0], DeliveryOutcome::Delivered));
        }
    }
}
