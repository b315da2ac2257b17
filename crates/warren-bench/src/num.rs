//! Numbers change their kind here and nowhere else: figures are fractions, counters are whole.

/// A counter as a figure; exact up to 2^53, far past what a run counts.
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "std has no other way, and a figure needs no more digits"
)]
pub(super) const fn float(count: u64) -> f64 {
    count as f64
}

/// A figure as a counter: rounded down, nothing below 0.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, which is what is wanted"
)]
pub(super) const fn whole(figure: f64) -> u64 {
    figure as u64
}

/// A length as a counter.
pub(super) fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// A counter as an index; one that is too large is past every end.
pub(super) fn index(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// Microseconds of so many seconds.
pub(super) fn micros(seconds: f64) -> u64 {
    whole(seconds * 1e6)
}

/// Seconds of so many microseconds.
pub(super) const fn seconds(micros: u64) -> f64 {
    float(micros) / 1e6
}

/// A part of a whole; 0 of nothing.
pub(super) fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}
