//! Lengths, times and rows become counters here and nowhere else.

/// A number of something as a counter; one that has no place there is the most that has.
pub(crate) fn counter(number: impl TryInto<u64>) -> u64 {
    number.try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::counter;

    #[test]
    fn what_has_no_place_is_the_most_that_has() {
        assert_eq!(counter(7_usize), 7);
        assert_eq!(counter(u128::MAX), u64::MAX);
        assert_eq!(counter(-1_i64), u64::MAX);
    }
}
