//! Subscribing and unsubscribing tokens in the back end's name.

use super::answer::{self, Answer};
use super::body::RequestBody;
use super::call::Call;
use super::channels::must_exist;
use super::error::ApiError;
use super::fields::Fields;
use super::limits::Content;
use super::mounted::{Mounted, on};
use super::token_list;
use crate::domain::{ChannelKey, LeapTokenId};
use actix_web::http::Method;
use futures_util::{StreamExt as _, stream};
use serde::Serialize;

/// The most tokens in one call.
pub(super) const MAX_TOKENS: usize = 1000;
/// The fields of a call for many tokens.
pub(super) const SUBSCRIBE_FIELDS: &[&str] = &["tokens", "ephemeral"];
/// How many of them are being subscribed at a time.
const AT_A_TIME: usize = 32;

/// The routes of this file.
pub(crate) fn routes() -> Vec<Mounted> {
    vec![
        on(Method::POST, "channels/{channel}/subscribers", subscribe_many),
        on(Method::PUT, "channels/{channel}/subscribers/{token}", subscribe),
        on(Method::DELETE, "channels/{channel}/subscribers/{token}", unsubscribe),
        on(Method::GET, "channels/{channel}/tokens", token_list::of_channel),
        on(Method::POST, "channels/{channel}/tokens/{token}", subscribe),
        on(Method::DELETE, "channels/{channel}/tokens/{token}", unsubscribe),
    ]
}

/// `PUT /channels/:id/subscribers/:token` and its alias.
async fn subscribe(call: Call) -> Answer {
    let key = call.channel().await?;
    call.app
        .supervisor
        .subscribe(&key, &call.parts.token(), false, call.receipt(answer::nothing))
        .await?;
    Ok(answer::done())
}

/// `DELETE /channels/:id/subscribers/:token` and its alias; no error where it was not subscribed.
async fn unsubscribe(call: Call) -> Answer {
    let key = call.channel().await?;
    must_exist(&call, &key).await?;
    call.app
        .supervisor
        .unsubscribe(&key, &call.parts.token(), call.receipt(answer::nothing))
        .await?;
    Ok(answer::done())
}

/// `{results}`.
#[derive(Serialize)]
struct Results {
    /// One for each token, in their order.
    results: Vec<SubscribeOutcome>,
}

/// What became of one token.
#[derive(Serialize)]
struct SubscribeOutcome {
    /// The token.
    token: LeapTokenId,
    /// True, or absent where it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    subscribed: Option<bool>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<SubscribeFault>,
}

/// Why one token was not subscribed.
#[derive(Serialize)]
struct SubscribeFault {
    /// By which programs branch.
    code: &'static str,
    /// For people.
    message: String,
}

/// `POST /channels/:id/subscribers`: many tokens, each with its own outcome.
async fn subscribe_many(call: Call, body: RequestBody) -> Answer {
    let key = call.channel().await?;
    let text = body.json(&call, Content::Record).await?;
    let (tokens, is_ephemeral) = many(text.as_str())?;
    drop(text);
    must_exist(&call, &key).await?;
    let outcomes = tokens.into_iter().map(|token| outcome(&call, &key, token, is_ephemeral));
    let results = stream::iter(outcomes).buffered(AT_A_TIME).collect().await;
    answer::data(Results { results })
}

/// Subscribes one of many.
async fn outcome(
    call: &Call,
    key: &ChannelKey,
    token: LeapTokenId,
    is_ephemeral: bool,
) -> SubscribeOutcome {
    match call.app.supervisor.subscribe(key, &token, is_ephemeral, None).await {
        Ok(()) => SubscribeOutcome { token, subscribed: Some(true), error: None },
        Err(error) => {
            let error = ApiError::from(error);
            let fault = SubscribeFault { code: error.code().word(), message: error.to_string() };
            SubscribeOutcome { token, subscribed: None, error: Some(fault) }
        }
    }
}

/// Reads `{tokens, ephemeral?}`.
fn many(text: &str) -> Result<(Vec<LeapTokenId>, bool), ApiError> {
    let fields = Fields::parse(text, SUBSCRIBE_FIELDS)?;
    let items = fields.items("tokens", MAX_TOKENS)?;
    let items = items.ok_or_else(|| ApiError::field("tokens", "is missing: a list of tokens"))?;
    let read = |item: &serde_json::value::RawValue| {
        let id: Option<String> = serde_json::from_str(item.get()).ok();
        let id = id.ok_or_else(|| ApiError::field("tokens", "must hold strings only"))?;
        Ok(LeapTokenId::from(id.as_str()))
    };
    let tokens: Result<_, ApiError> = items.into_iter().map(read).collect();
    let is_ephemeral = fields.typed("ephemeral", "must be true or false")?.unwrap_or(false);
    Ok((tokens?, is_ephemeral))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_tokens_are_read() {
        let (tokens, is_ephemeral) =
            many(r#"{"tokens":["leap_token_a","b"],"ephemeral":true}"#).unwrap();
        assert_eq!(tokens, [LeapTokenId::from("leap_token_a"), LeapTokenId::from("b")]);
        assert!(is_ephemeral);
        assert_eq!(many(r#"{"tokens":[]}"#).unwrap(), (Vec::new(), false));
    }

    #[test]
    fn broken_lists_are_refused_by_their_field() {
        let many_items = format!("{{\"tokens\":[{}\"x\"]}}", "\"x\",".repeat(MAX_TOKENS));
        for (text, name) in [
            ("{}", "tokens"),
            (r#"{"tokens":"a"}"#, "tokens"),
            (r#"{"tokens":[1]}"#, "tokens"),
            (r#"{"tokens":[null]}"#, "tokens"),
            (r#"{"tokens":[],"ephemeral":1}"#, "ephemeral"),
            (many_items.as_str(), "tokens"),
        ] {
            let Err(ApiError::InvalidBody { field, .. }) = many(text) else {
                panic!("{text} was taken")
            };
            assert_eq!(field, Some(name), "{text}");
        }
    }
}
