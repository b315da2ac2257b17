//! Messages to a channel and to a token, each under the two paths that clients use.

use super::answer::{self, Answer};
use super::body::RequestBody;
use super::call::Call;
use super::channel_message::ChannelMessage;
use super::error::ApiError;
use super::fields::Fields;
use super::limits::Content;
use super::mails;
use super::mounted::{Mounted, on};
use super::text::Text;
use crate::domain::message::EVENT_NAME_MAX_BYTES;
use crate::domain::{LONGEST_TTL, Message, RawJson};
use actix_web::http::Method;
use std::time::Duration;

/// The routes of this file.
pub(crate) fn routes() -> Vec<Mounted> {
    vec![
        on(Method::POST, "channels/{channel}/messages", publish).with_publishes(prepare),
        on(Method::POST, "channels/{channel}/publish", publish).with_publishes(prepare),
        on(Method::POST, "channels/tokens/{token}/messages", direct).with_messages(direct),
        on(Method::POST, "channels/connections/{cid}/messages", to_connection)
            .with_messages(to_connection),
        on(Method::POST, "channels/tokens/{token}/message", direct_in_full)
            .with_messages(direct_in_full),
    ]
}

/// What the fields of a message are called.
pub(super) struct Names {
    /// All, with that which makes a direct message wait.
    pub(super) all: &'static [&'static str],
    /// The event name.
    event: &'static str,
    /// The data.
    data: &'static str,
}

/// `{e, d}`: everywhere but one place.
pub(super) static SHORT: Names = Names { all: &["e", "d", TTL], event: "e", data: "d" };
/// `{event, data}`: how the `hop` crate sends direct messages.
pub(super) static FULL: Names =
    Names { all: &["event", "data", TTL], event: "event", data: "data" };
/// For how many seconds a direct message waits for who may hear it.
const TTL: &str = "ttl";

/// `POST /channels/:id/messages` and `/publish`.
async fn publish(call: Call, body: RequestBody) -> Answer {
    prepare(call, body).await?.publish().await
}

/// The same up to where the channel is asked.
async fn prepare(call: Call, body: RequestBody) -> Result<ChannelMessage, ApiError> {
    let key = call.channel().await?;
    let text = body.json(&call, Content::Message).await?;
    let message = read(text, &SHORT, &call).await?;
    let way = call.app.supervisor.way_to(&key).await?;
    Ok(ChannelMessage::new(call, way, message))
}

/// `POST /channels/tokens/:token/messages`.
async fn direct(call: Call, body: RequestBody) -> Answer {
    send(&call, body, &SHORT).await
}

/// `POST /channels/tokens/:token/message`.
async fn direct_in_full(call: Call, body: RequestBody) -> Answer {
    send(&call, body, &FULL).await
}

/// `POST /channels/connections/:cid/messages`: one connection hears it, whatever session it belongs to.
async fn to_connection(call: Call, body: RequestBody) -> Answer {
    let project = call.project().await?;
    let text = body.json(&call, Content::Message).await?;
    let message = read(text, &SHORT, &call).await?;
    let cid = call.parts.connection();
    if call.app.supervisor.message_connection(&project, &cid, message).await? {
        Ok(answer::done())
    } else {
        Err(ApiError::NoSuchConnection)
    }
}

/// Sends a direct message whose fields have these names.
async fn send(call: &Call, body: RequestBody, names: &'static Names) -> Answer {
    let (project, token) = call.token().await?;
    let text = body.json(call, Content::Message).await?;
    let limit = call.app.limits.get().message();
    let (message, ttl) = text.read(move |text| direct_of(text, names, limit)).await?;
    if let Some(ttl) = ttl {
        return mails::post(call, project, token, message, ttl).await;
    }
    call.app.supervisor.direct_message(&project, &token, message).await?;
    Ok(answer::done())
}

/// Reads a message from a body.
async fn read(text: Text, names: &'static Names, call: &Call) -> Result<Message, ApiError> {
    let limit = call.app.limits.get().message();
    text.read(move |text| message(text, names, limit)).await
}

/// Reads a message: an event name, and any data of at most `limit` bytes; missing data is `null`.
pub(super) fn message(text: &str, names: &Names, limit: usize) -> Result<Message, ApiError> {
    message_of(&Fields::parse(text, names.all)?, names, limit)
}

/// Reads a direct message, and how long it waits if it does.
fn direct_of(
    text: &str,
    names: &Names,
    limit: usize,
) -> Result<(Message, Option<Duration>), ApiError> {
    let fields = Fields::parse(text, names.all)?;
    let ttl = fields.typed::<u64>(TTL, TTL_REASON)?.map(read_ttl).transpose()?;
    Ok((message_of(&fields, names, limit)?, ttl))
}

/// What a time to wait has to be.
const TTL_REASON: &str = "must be a whole number of seconds, from 1 to 2592000 (30 days)";

/// Reads for how many seconds a mail waits.
///
/// # Errors
/// [`ApiError::InvalidBody`] for none, or too many.
pub(super) fn read_ttl(seconds: u64) -> Result<Duration, ApiError> {
    let ttl = Duration::from_secs(seconds);
    let is_right = !ttl.is_zero() && ttl <= LONGEST_TTL;
    is_right.then_some(ttl).ok_or_else(|| ApiError::field(TTL, TTL_REASON))
}

/// Reads a message from the fields of a body.
fn message_of(fields: &Fields<'_>, names: &Names, limit: usize) -> Result<Message, ApiError> {
    let event = fields.string(names.event)?;
    let event = event.ok_or_else(|| ApiError::field(names.event, "is missing: the event name"))?;
    check_event(&event, names.event)?;
    if let Some(raw) = fields.raw(names.data) {
        check_data(raw.get(), limit)?;
    }
    let data = fields.json(names.data)?.unwrap_or_else(RawJson::null);
    Ok(Message { event: event.into(), data })
}

/// Refuses an event name that is too long; `field` is where it stands.
pub(super) fn check_event(event: &str, field: &'static str) -> Result<(), ApiError> {
    if event.len() <= EVENT_NAME_MAX_BYTES {
        return Ok(());
    }
    let reason = format!("has {} bytes, the limit is {EVENT_NAME_MAX_BYTES}", event.len());
    Err(ApiError::field(field, reason))
}

/// Refuses data of more bytes than this.
pub(super) const fn check_data(data: &str, limit: usize) -> Result<(), ApiError> {
    let size = data.len();
    if size > limit { Err(ApiError::TooLarge { limit, size }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_passes_as_it_was_written() {
        let read = message(r#"{"e":"A","d":{"n":90071992547409931.10,"a":[1 ,2]}}"#, &SHORT, 100);
        let read = read.unwrap();
        assert_eq!(&*read.event, "A");
        assert_eq!(read.data.as_str(), r#"{"n":90071992547409931.10,"a":[1 ,2]}"#);
    }

    #[test]
    fn data_may_be_anything_or_missing() {
        for (text, data) in
            [("0", "0"), ("\"x\"", "\"x\""), ("[]", "[]"), ("null", "null"), ("false", "false")]
        {
            let read = message(&format!(r#"{{"e":"A","d":{text}}}"#), &SHORT, 100).unwrap();
            assert_eq!(read.data.as_str(), data);
        }
        assert_eq!(message(r#"{"e":""}"#, &SHORT, 100).unwrap().data.as_str(), "null");
        let full = message(r#"{"event":"A","data":7}"#, &FULL, 100).unwrap();
        assert_eq!((&*full.event, full.data.as_str()), ("A", "7"));
    }

    #[test]
    fn a_direct_message_may_wait_for_a_month() {
        let read = |ttl: &str| {
            direct_of(&format!(r#"{{"e":"A","ttl":{ttl}}}"#), &SHORT, 100).map(|(_, ttl)| ttl)
        };
        for (text, ttl) in [("null", None), ("1", Some(1)), ("2592000", Some(2_592_000))] {
            assert_eq!(read(text), Ok(ttl.map(Duration::from_secs)), "{text}");
        }
        for text in ["0", "2592001", "-1", "1.5", "1e3", "\"60\"", "true", "18446744073709551616"] {
            let refused = read(text);
            let is_named = matches!(refused, Err(ApiError::InvalidBody { field: Some("ttl"), .. }));
            assert!(is_named, "{text}: {refused:?}");
        }
    }

    #[test]
    fn broken_messages_are_refused_by_their_field() {
        let long = format!(r#"{{"e":"{}"}}"#, "é".repeat(129));
        for text in ["", "{}", r#"{"e":null}"#, r#"{"e":5}"#, r#"{"event":"A"}"#, &long] {
            let refused = message(text, &SHORT, 100);
            assert!(
                matches!(refused, Err(ApiError::InvalidBody { field: Some("e"), .. })),
                "{text}"
            );
        }
        assert!(message(&format!(r#"{{"e":"{}"}}"#, "é".repeat(128)), &SHORT, 100).is_ok());
        let large = message(r#"{"e":"A","d":"12345"}"#, &SHORT, 6);
        assert_eq!(large, Err(ApiError::TooLarge { limit: 6, size: 7 }));
    }
}
