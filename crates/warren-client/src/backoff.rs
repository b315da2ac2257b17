//! How long to wait before the next attempt.

use crate::error::{CloseError, CloseKind};
use std::time::Duration;

/// A pause that the server asks for is honoured up to here, so a bad value cannot park a client.
const LONGEST_ASKED: Duration = Duration::from_mins(1);

/// The pause after so many failures in a row, spread by chance (`0.0` to `1.0`): clients of a restarted server must not
/// come back as one.
pub(crate) fn pause(
    close: &CloseError,
    failures: u32,
    shortest: Duration,
    longest: Duration,
    chance: f64,
) -> Duration {
    let kind = close.kind();
    if matches!(kind, CloseKind::RateLimited | CloseKind::GoingAway)
        && let Some(asked) = asked(&close.reason)
    {
        return asked.min(LONGEST_ASKED).mul_f64(1.0 + chance / 4.0);
    }
    // A bound that was hit once is hit again by who comes back at once.
    let doublings =
        if kind == CloseKind::RateLimited { failures.saturating_add(2) } else { failures };
    let ceiling = shortest.saturating_mul(2_u32.saturating_pow(doublings)).min(longest);
    ceiling.mul_f64(f64::midpoint(1.0, chance))
}

/// The pause that a reason names: `… in 1 s`, `… 500 ms`.
fn asked(reason: &str) -> Option<Duration> {
    let words: Vec<&str> = reason.split_whitespace().collect();
    words.windows(2).find_map(|pair| {
        let [number, unit] = pair else { return None };
        let unit = match unit.trim_end_matches(|c: char| !c.is_alphanumeric()) {
            "s" => 1.0,
            "ms" => 0.001,
            _ => return None,
        };
        Duration::try_from_secs_f64(number.parse::<f64>().ok()? * unit).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(500);
    const LONG: Duration = Duration::from_secs(30);

    fn after(code: u16, reason: &str, failures: u32, chance: f64) -> Duration {
        pause(&CloseError { code, reason: reason.to_owned() }, failures, SHORT, LONG, chance)
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_half_of_each_is_chance() {
        let of = |failures, chance| after(1006, "", failures, chance);
        assert_eq!((of(0, 0.0), of(0, 1.0)), (SHORT / 2, SHORT));
        assert_eq!((of(3, 0.0), of(3, 1.0)), (SHORT * 4, SHORT * 8));
        assert_eq!((of(6, 1.0), of(u32::MAX, 0.0)), (LONG, LONG / 2));
    }

    #[test]
    fn who_was_told_when_to_come_back_does_so() {
        let told = "the server is going away, reconnect in 1 s";
        assert_eq!(after(4010, told, 9, 0.0), Duration::from_secs(1));
        assert_eq!(after(4010, told, 9, 1.0), Duration::from_millis(1250));
        assert_eq!(after(4008, "wait 1500 ms.", 0, 0.0), Duration::from_millis(1500));
        assert_eq!(after(4010, "wait 99999 s", 0, 0.0), LONGEST_ASKED);
        // Others say no such thing, and a bad value is none.
        assert_eq!(after(4000, told, 0, 1.0), SHORT);
        assert_eq!(after(4010, "in -1 s", 0, 1.0), SHORT);
    }

    #[test]
    fn who_came_too_often_comes_back_later() {
        assert_eq!(after(4008, "", 0, 1.0), SHORT * 4);
    }
}
