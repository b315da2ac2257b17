//! The one place in HTTP where time and randomness come from outside.

use super::error::ApiError;
use crate::domain::Timestamp;
use std::time::{SystemTime, UNIX_EPOCH};

/// The wall clock.
#[expect(
    clippy::disallowed_methods,
    reason = "the edge: everything below takes time as an argument"
)]
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Random bytes from the operating system.
///
/// # Errors
/// [`ApiError::Internal`] when the system has none to give.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], ApiError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| ApiError::internal(&error))?;
    Ok(bytes)
}
