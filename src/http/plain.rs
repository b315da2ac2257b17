//! Publishing without detours: what the fast path asks for requests in their plainest form.
//!
//! The answer is the one that the route would have given; a test compares the two.

use super::App;
use super::auth::{Caller, secret_in};
use super::cors::EXPOSED_HEADERS;
use super::error::ApiError;
use super::last_words::date;
use super::limits::Content;
use super::messages::{SHORT, message};
use super::permissions::Need;
use super::visit::KEEP_ALIVE_HINT;
use crate::domain::{ChannelId, ChannelKey, Permission};
use bytes::Bytes;
use std::cell::RefCell;
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::Instant;

/// Publishes a body of JSON to a channel of the token's own project; `address` says where it comes from.
///
/// # Errors
/// As the route's, as far as they are looked at; the request may then still go the long way, for nothing has happened.
pub(crate) async fn publish(
    app: &App,
    authorization: &str,
    channel: &str,
    body: &[u8],
    address: impl FnOnce() -> IpAddr,
) -> Result<(), ApiError> {
    let caller = app.auth.identify(secret_in(authorization), || Some(address())).await?;
    let caller = caller.ok_or(ApiError::InvalidAuth)?;
    Need::Flag(Permission::PublishChannelMessages).check(&caller)?;
    let Caller::Project { project, .. } = caller else { return Err(ApiError::ProjectRequired) };
    let key = ChannelKey { project, id: ChannelId::parse(channel)? };
    if body.len() > app.limits.body(Content::Message) {
        return Err(ApiError::TooLarge {
            limit: app.limits.told(Content::Message),
            size: body.len(),
        });
    }
    let text = std::str::from_utf8(body).ok().ok_or_else(|| ApiError::body("is not UTF-8"))?;
    let message = message(text, &SHORT, app.limits.message())?;
    Ok(app.supervisor.publish(&key, message).await?)
}

thread_local! {
    /// The answer, and until when its date is right.
    static PUBLISHED: RefCell<Option<(Instant, Bytes)>> = const { RefCell::new(None) };
}

/// The whole answer to a message that was published, where it is the last of its connection.
pub(crate) fn published_last() -> Bytes {
    let usual = published();
    let head = usual.strip_suffix(b"\r\n").unwrap_or(&usual);
    Bytes::from([head, b"connection: close\r\n\r\n"].concat())
}

/// The whole answer to a message that was published.
pub(crate) fn published() -> Bytes {
    let now = Instant::now();
    PUBLISHED.with_borrow_mut(|made| match made {
        Some((until, answer)) if now < *until => answer.clone(),
        _ => made.insert((now + Duration::from_millis(500), written())).1.clone(),
    })
}

/// The answer as of now.
fn written() -> Bytes {
    let date = date();
    Bytes::from(format!(
        "HTTP/1.1 204 No Content\r\naccess-control-expose-headers: {EXPOSED_HEADERS}\r\n\
         access-control-allow-origin: *\r\nkeep-alive: {KEEP_ALIVE_HINT}\r\ndate: {date}\r\n\r\n"
    ))
}
