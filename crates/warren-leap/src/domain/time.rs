//! Wall-clock time as the API shows it.

use serde::{Serialize, Serializer};
use std::fmt;
use std::time::Duration;
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

/// Milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

/// A text that is no RFC 3339 date and time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 date and time")]
pub struct TimestampError;

impl Timestamp {
    /// Reads an RFC 3339 text of any offset and precision; what is finer than a millisecond is cut off.
    ///
    /// # Errors
    /// [`TimestampError`] when the text has another form, or when its moment has none in UTC: with its offset, 9999 can
    /// be the year 10000, which RFC 3339 cannot write.
    pub fn parse(text: &str) -> Result<Self, TimestampError> {
        let parsed = OffsetDateTime::parse(text, &Rfc3339).ok().ok_or(TimestampError)?;
        let utc = parsed.checked_to_offset(UtcOffset::UTC).ok_or(TimestampError)?;
        if !(0..=9999).contains(&utc.year()) {
            return Err(TimestampError);
        }
        let millis = parsed.unix_timestamp_nanos().div_euclid(1_000_000);
        i64::try_from(millis).map(Self).ok().ok_or(TimestampError)
    }

    /// Milliseconds from `self` until `later`; zero when that has passed.
    pub fn millis_until(self, later: Self) -> u64 {
        u64::try_from(later.0.saturating_sub(self.0)).unwrap_or(0)
    }

    /// So much later, to the millisecond; where there is no such time, the last one.
    #[must_use]
    pub fn later(self, by: Duration) -> Self {
        Self(self.0.saturating_add(millis(by)))
    }

    /// So much earlier, to the millisecond; where there is no such time, the first one.
    #[must_use]
    pub fn earlier(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(millis(by)))
    }
}

/// The milliseconds of a duration.
fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl fmt::Display for Timestamp {
    /// Writes `2026-01-31T12:00:00.123Z`; out of the calendar's range, the bare milliseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = i128::from(self.0) * 1_000_000;
        let Ok(at) = OffsetDateTime::from_unix_timestamp_nanos(nanos) else {
            return write!(f, "{}", self.0);
        };
        let (date, time) = (at.date(), at.time());
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            date.year(),
            u8::from(date.month()),
            date.day(),
            time.hour(),
            time.minute(),
            time.second(),
            time.millisecond()
        )
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_milliseconds_and_utc() {
        assert_eq!(Timestamp(1_700_000_000_007).to_string(), "2023-11-14T22:13:20.007Z");
    }

    #[test]
    fn reads_offsets_and_nanoseconds() {
        let read = Timestamp::parse("2026-11-24T21:25:37.891166002+01:00").unwrap();
        assert_eq!(read.to_string(), "2026-11-24T20:25:37.891Z");
    }

    #[test]
    fn refuses_other_forms() {
        for text in ["", "tomorrow", "2026-11-24", "1700000000", "2026-13-01T00:00:00Z"] {
            assert_eq!(Timestamp::parse(text), Err(TimestampError), "{text}");
        }
    }

    #[test]
    fn a_moment_is_read_if_it_can_be_written_again() {
        for text in ["9999-12-31T23:59:59.999Z", "0000-01-01T00:00:00.000Z"] {
            assert_eq!(Timestamp::parse(text).unwrap().to_string(), text);
        }
        let shifted = Timestamp::parse("9999-12-31T23:59:59.999+00:01").unwrap();
        assert_eq!(shifted.to_string(), "9999-12-31T23:58:59.999Z");
        for text in ["9999-12-31T23:59:59-00:01", "0000-01-01T00:00:00+00:01"] {
            assert_eq!(Timestamp::parse(text), Err(TimestampError), "{text}");
        }
    }

    #[test]
    fn a_past_moment_is_no_time_away() {
        assert_eq!(Timestamp(5).millis_until(Timestamp(3)), 0);
        assert_eq!(Timestamp(3).millis_until(Timestamp(5)), 2);
    }
}
