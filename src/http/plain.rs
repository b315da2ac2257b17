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
use super::rates::Meter;
use super::request_id::RequestId;
use super::visit::KEEP_ALIVE_HINT;
use crate::actor::AskError;
use crate::domain::{ChannelId, ChannelKey, Permission, Position};
use crate::store::StoreError;
use bytes::{BufMut as _, Bytes, BytesMut};
use std::cell::RefCell;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::Instant;

/// A message that was published.
pub(crate) struct PublishedAtDoor {
    /// Where it stands.
    position: Position,
    /// What it was counted under, if anything.
    meter: Option<Meter>,
}

/// Why a message was not published.
pub(crate) enum NotPublished {
    /// As the route says it; the request may still go the long way, for nothing has happened.
    Untried,
    /// It was tried, and may have been published all the same: it must not be tried again.
    Doubtful(ApiError, Option<Meter>),
}

impl<E: Into<ApiError>> From<E> for NotPublished {
    /// What is wrong with a request the route says, which looks at it again.
    fn from(_: E) -> Self {
        Self::Untried
    }
}

/// Publishes a body of JSON to a channel of the token's own project; `address` says where it comes from.
///
/// # Errors
/// [`NotPublished`].
pub(crate) async fn publish(
    app: &App,
    authorization: &str,
    channel: &str,
    body: &[u8],
    address: impl Fn() -> IpAddr,
) -> Result<PublishedAtDoor, NotPublished> {
    let secret = secret_in(authorization);
    let caller = app.auth.identify(secret, || Some(address())).await?;
    let caller = caller.ok_or(ApiError::InvalidAuth)?;
    Need::Flag(Permission::PublishChannelMessages).check(&caller)?;
    let Caller::Project { project, .. } = caller else { return Err(NotPublished::Untried) };
    let key = ChannelKey { project, id: ChannelId::parse(channel)? };
    let limits = app.limits.get();
    if body.len() > limits.body(Content::Message) {
        return Err(NotPublished::Untried);
    }
    let text = std::str::from_utf8(body).ok().ok_or_else(|| ApiError::body("is not UTF-8"))?;
    let message = message(text, &SHORT, limits.message())?;
    let mut meter = Meter::new(&app.rates, || Some(address()));
    if let Some(meter) = &mut meter {
        meter.comes_with(secret);
        // The route counts it again, and says what is left.
        meter.take_both().map_err(|_too_many| NotPublished::Untried)?;
    }
    match app.supervisor.publish(&key, message).await {
        Ok(published) => Ok(PublishedAtDoor { position: published.position, meter }),
        Err(error @ (AskError::Closed | AskError::Store(StoreError::Unavailable(_)))) => {
            Err(NotPublished::Doubtful(error.into(), meter))
        }
        Err(_) => {
            if let Some(meter) = meter {
                meter.give_back();
            }
            Err(NotPublished::Untried)
        }
    }
}

thread_local! {
    /// What every answer begins with, and until when its date is right.
    static PUBLISHED: RefCell<Option<(Instant, Bytes)>> = const { RefCell::new(None) };
}

/// How many bytes a position and an id take with their headers and what may follow.
const REST_BYTES: usize = 136;

/// The whole answer to a message that was published, where it is the last of its connection.
pub(crate) fn published_last(published: &PublishedAtDoor, id: &RequestId) -> Bytes {
    published_and(published, id, b"connection: close\r\n\r\n")
}

/// The whole answer to a message that was published.
pub(crate) fn published(published: &PublishedAtDoor, id: &RequestId) -> Bytes {
    published_and(published, id, b"\r\n")
}

/// The answer with that behind its last header.
fn published_and(published: &PublishedAtDoor, id: &RequestId, end: &[u8]) -> Bytes {
    let PublishedAtDoor { position, meter } = published;
    let now = Instant::now();
    PUBLISHED.with_borrow_mut(|made| {
        let (_, head) = match made {
            Some(known) if now < known.0 => known,
            _ => made.insert((now + Duration::from_millis(500), written())),
        };
        let mut answer = BytesMut::with_capacity(head.len() + REST_BYTES);
        answer.put_slice(head);
        // It grows where it has to, so that this cannot fail.
        let _ = write!(answer, "warren-position: {position}\r\nx-request-id: {id}\r\n");
        if let Some(meter) = meter {
            let _ = write!(answer, "{meter}");
        }
        answer.put_slice(end);
        answer.freeze()
    })
}

/// What an answer as of now begins with.
fn written() -> Bytes {
    let date = date();
    Bytes::from(format!(
        "HTTP/1.1 204 No Content\r\naccess-control-expose-headers: {EXPOSED_HEADERS}\r\n\
         access-control-allow-origin: *\r\nkeep-alive: {KEEP_ALIVE_HINT}\r\ndate: {date}\r\n"
    ))
}
