//! A channel's state: replaced, patched in three ways, each under a version. `state_log` reads it.

use super::answer::Answer;
use super::body::RequestBody;
use super::call::Call;
use super::conditions::{self, Tags};
use super::envelope::Success;
use super::error::ApiError;
use super::items::PreparedWrite;
use super::limits::Content;
use super::mounted::{Mounted, on};
use super::text;
use super::views::StateView;
use crate::actor::{Changed, Expected};
use crate::domain::{Channel, ChannelKey, KeptAnswer, ProjectId, RawJson, StateChange, Version};
use crate::heavy;
use crate::store::Thing;
use actix_web::HttpResponse;
use actix_web::http::{Method, header};
use std::sync::Arc;

/// From so many bytes on, writing a state into an answer and naming it by a digest takes 5 ms or more: about 2 ns for each
/// byte.
const HEAVY_STATE: usize = 2 << 20;

/// Whoever keeps a state asks each time whether it is still the one.
const REVALIDATE: (header::HeaderName, &str) = (header::CACHE_CONTROL, "no-cache");

/// The routes of this file.
pub(crate) fn routes() -> Vec<Mounted> {
    vec![
        on(Method::PUT, "channels/{channel}/state", replace).with_writes(prepare_replace),
        on(Method::PATCH, "channels/{channel}/state", patch).with_writes(prepare_patch),
    ]
}

/// 200 with a channel's state, or one that it had; 304 for who has this version already.
pub(super) async fn answer(call: &Call, channel: Channel) -> Answer {
    let key = channel.key.clone();
    let is_heavy = channel.state.json().as_str().len() >= HEAVY_STATE;
    let (channel, tag) = elsewhere(is_heavy, &key.project, move || {
        let tag = tag_of(&channel);
        (channel, tag)
    })
    .await?;
    if Tags::if_none_match(call.request.headers()).hold_weakly(&tag) {
        let mut answer = HttpResponse::NotModified();
        return Ok(answer.insert_header((header::ETAG, tag)).insert_header(REVALIDATE).finish());
    }
    let Channel { state, version, created_at, .. } = channel;
    at(&key, Changed { state, version, created_at }).await
}

/// `PUT /channels/:id/state`: the body is the new state; an empty one and `null` are `{}`.
async fn replace(call: Call, body: RequestBody) -> Answer {
    prepare_replace(call, body).await?.carry_out().await
}

/// The same up to where the channel is asked.
async fn prepare_replace(call: Call, body: RequestBody) -> Result<PreparedWrite, ApiError> {
    let key = call.channel().await?;
    let text = body.json(&call, Content::State).await?;
    let change = StateChange::Replace(text.value().await?);
    prepare(&call, key, change).await
}

/// `PATCH /channels/:id/state`: the content type says which kind of patch the body is.
async fn patch(call: Call, body: RequestBody) -> Answer {
    prepare_patch(call, body).await?.carry_out().await
}

/// The same up to where the channel is asked.
async fn prepare_patch(call: Call, body: RequestBody) -> Result<PreparedWrite, ApiError> {
    let key = call.channel().await?;
    let kind = kind_of(text::media_type(call.request.headers())?.as_deref())?;
    let text = body.read(&call, Content::State).await?;
    let change = kind(text.value().await?);
    prepare(&call, key, change).await
}

/// The change that a content type stands for.
fn kind_of(media_type: Option<&str>) -> Result<fn(RawJson) -> StateChange, ApiError> {
    match media_type {
        None | Some("application/json") => Ok(StateChange::Shallow),
        Some("application/merge-patch+json") => Ok(StateChange::Merge),
        Some("application/json-patch+json") => Ok(StateChange::Operations),
        Some(other) => Err(ApiError::media_type(
            other,
            "a patch, sent with `Content-Type: application/json`, `application/merge-patch+json` or \
             `application/json-patch+json`",
        )),
    }
}

/// Finds out all that it takes to make a change, and who makes it; answers with what came of it.
pub(super) async fn prepare(
    call: &Call,
    key: ChannelKey,
    change: StateChange,
) -> Result<PreparedWrite, ApiError> {
    let expected = expected(call, &key).await?;
    let receipt = call.receipt(kept);
    let (supervisor, by) = (call.app.supervisor.clone(), Arc::clone(&call.by));
    let way = supervisor.way_to(&key).await?;
    Ok(PreparedWrite::new(way, move |way| {
        let changed = supervisor.send_change(way, change, expected, receipt, Some(by));
        async move { at(&key, changed.await?).await }
    }))
}

/// The state that `If-Match` and `If-None-Match` want the change to be made from.
async fn expected(call: &Call, key: &ChannelKey) -> Result<Expected, ApiError> {
    let headers = call.request.headers();
    let (wanted, unwanted) = (Tags::if_match(headers), Tags::if_none_match(headers));
    // A state that was never written is the one that its channel was created with.
    let version = (unwanted == Tags::Any).then_some(Version::FIRST);
    if !wanted.are_named() && !unwanted.are_named() {
        return Ok(Expected { version, created_at: None });
    }
    let current = find(call, key).await?;
    let is_heavy = current.state.json().as_str().len() >= HEAVY_STATE;
    let (current, tag) = elsewhere(is_heavy, &key.project, move || {
        let tag = tag_of(&current);
        (current, tag)
    })
    .await?;
    let is_wanted = wanted == Tags::Missing || wanted.hold(&tag);
    let is_unwanted = unwanted.are_named() && unwanted.hold_weakly(&tag);
    let is_written = version.is_some_and(|first| first != current.version);
    if !is_wanted || is_unwanted || is_written {
        return Err(ApiError::VersionConflict { current: Some(current.version) });
    }
    // Still checked when the change is made: the state may move on, or its channel be another, before that.
    Ok(Expected { version: Some(current.version), created_at: Some(current.created_at) })
}

/// The entity tag of a channel's state.
fn tag_of(channel: &Channel) -> String {
    conditions::etag(channel.created_at, &channel.state, channel.version)
}

/// The channel as it is stored, which is as its subscribers know it: changes are durable before anybody sees them.
pub(super) async fn find(call: &Call, key: &ChannelKey) -> Result<Channel, ApiError> {
    let key = key.clone();
    let found = call.app.persistence.read(move |store| store.find_channel(&key)).await?;
    found.ok_or(ApiError::NotFound(Thing::Channel))
}

/// 200 with a state and its version.
async fn at(key: &ChannelKey, changed: Changed) -> Answer {
    let is_heavy = changed.state.json().as_str().len() >= HEAVY_STATE;
    let written = elsewhere(is_heavy, &key.project, move || written(&changed));
    let (text, tag) = written.await??;
    let mut answer = HttpResponse::Ok();
    let tag = (header::ETAG, tag);
    answer.insert_header(tag).insert_header(REVALIDATE).content_type(super::error::mime());
    Ok(answer.body(text))
}

/// A state and its version as an answer: the text, and the tag.
fn written(changed: &Changed) -> Result<(Vec<u8>, String), ApiError> {
    let Changed { state, version, created_at } = changed;
    let view = StateView { state: state.json(), version: *version };
    let text = serde_json::to_vec(&Success::new(view)).map_err(|e| ApiError::internal(&e))?;
    Ok((text, conditions::etag(*created_at, state, *version)))
}

/// The same for who repeats the call.
fn kept(changed: &Changed) -> Result<KeptAnswer, ApiError> {
    let (text, tag) = written(changed)?;
    let (revalidate, how) = REVALIDATE;
    let headers = [
        (header::CONTENT_TYPE, super::error::mime().to_owned()),
        (header::ETAG, tag),
        (revalidate, how.to_owned()),
    ];
    let headers = headers.map(|(name, value)| (name.as_str().to_owned(), value)).into();
    Ok(KeptAnswer { status: 200, headers, body: text.into() })
}

/// Does something with a state: with a large one on another thread. It is never refused, because what the answer tells of
/// may have been done.
async fn elsewhere<T: Send + 'static>(
    is_heavy: bool,
    project: &ProjectId,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    if is_heavy { Ok(heavy::run_in_turn(project, work).await?) } else { Ok(work()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_type_chooses_the_patch() {
        let change = |media_type| kind_of(media_type).map(|kind| kind(RawJson::null()));
        assert!(matches!(change(None), Ok(StateChange::Shallow(_))));
        assert!(matches!(change(Some("application/json")), Ok(StateChange::Shallow(_))));
        let merge = change(Some("application/merge-patch+json"));
        assert!(matches!(merge, Ok(StateChange::Merge(_))));
        let operations = change(Some("application/json-patch+json"));
        assert!(matches!(operations, Ok(StateChange::Operations(_))));
        for other in ["text/plain", "application/xml", "application/x+json"] {
            assert!(matches!(change(Some(other)), Err(ApiError::UnsupportedMediaType { .. })));
        }
    }
}
