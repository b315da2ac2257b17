//! Chance, for names that nobody else has and for pauses that are not everybody's.

use std::fmt::Write as _;

/// Random bytes; zeros where the system has none, which costs uniqueness and spread, and nothing else.
fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if getrandom::fill(&mut bytes).is_err() {
        bytes = [0; N];
    }
    bytes
}

/// A name that no other client has.
pub(crate) fn name() -> String {
    bytes::<12>().iter().fold(String::with_capacity(24), |mut name, byte| {
        // Writing to a text does not fail.
        let _ = write!(name, "{byte:02x}");
        name
    })
}

/// A number from 0.0 up to 1.0.
pub(crate) fn chance() -> f64 {
    f64::from(u32::from_ne_bytes(bytes())) / f64::from(u32::MAX)
}
