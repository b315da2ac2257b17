//! Which life of a node it is.

use crate::bus::redis::WireError;
use crate::bus::redis::wire::fresh_number;
use std::fmt;
use std::str::FromStr;

/// One life of a node: who starts again, or was declared gone, is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(u64);

impl Incarnation {
    /// One that nobody has had.
    ///
    /// # Errors
    /// [`WireError::Lost`] where the system gives no random numbers.
    pub fn fresh() -> Result<Self, WireError> {
        fresh_number().map(Self)
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Incarnation {
    type Err = WireError;

    fn from_str(text: &str) -> Result<Self, WireError> {
        u64::from_str_radix(text, 16).map(Self).ok().ok_or(WireError::Garbled)
    }
}
