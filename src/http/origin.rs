//! Where a connection comes from, as far as its request says.

use super::error::ApiError;
use crate::actor::clock;
use crate::delivery::Origin;
use actix_http::RequestHead;
use actix_web::http::header::USER_AGENT;
use std::net::IpAddr;

/// How much of a client's name for itself is kept, characters.
const USER_AGENT_CHARS: usize = 128;

/// Where the connection comes from that this request asks for, from this address.
///
/// # Errors
/// [`ApiError::Internal`] where the system has no random numbers.
pub(super) fn origin_of(head: &RequestHead, address: Option<IpAddr>) -> Result<Origin, ApiError> {
    let agent = head.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
    let user_agent =
        agent.map(|agent| agent.chars().take(USER_AGENT_CHARS).collect::<String>().into());
    let nonce = u64::from_be_bytes(clock::random()?);
    Ok(Origin { address, user_agent, since: clock::now(), nonce })
}
