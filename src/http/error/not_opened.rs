//! What HTTP says where a session closes a connection before it begins: the close codes of sockets as failures.

use super::FailureCode;
use crate::protocol::CloseCode;

/// The failure for a close.
pub(super) const fn answer(code: CloseCode) -> FailureCode {
    match code {
        CloseCode::InvalidAuth => FailureCode::InvalidAuth,
        CloseCode::RateLimited => FailureCode::RateLimited,
        CloseCode::InvalidPayload => FailureCode::InvalidQuery,
        CloseCode::GoingAway => FailureCode::Stopping,
        _ => FailureCode::Overloaded,
    }
}
