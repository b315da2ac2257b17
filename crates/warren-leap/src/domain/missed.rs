//! How many messages somebody has missed.

/// Nobody knows how many, none among them. Whatever is added to it, it stays that: counts of missed messages are added up
/// without running over.
pub const MISSED_UNKNOWN: u64 = u64::MAX;
