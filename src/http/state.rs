//! A channel's state: read, replaced, patched in three ways, each under a version.

use super::answer::Answer;
use super::body::{self, Body};
use super::call::Call;
use super::conditions::{self, IfMatch};
use super::envelope::Success;
use super::error::ApiError;
use super::limits::Content;
use super::routes::{Mounted, on};
use super::views::StateView;
use crate::domain::{Change, Channel, ChannelKey, RawJson, State, Version};
use crate::store::Thing;
use actix_web::HttpResponse;
use actix_web::http::{Method, header};

/// The routes of this file.
pub(crate) fn routes() -> Vec<Mounted> {
    vec![
        on(Method::GET, "channels/{channel}/state", show),
        on(Method::PUT, "channels/{channel}/state", replace),
        on(Method::PATCH, "channels/{channel}/state", patch),
    ]
}

/// `GET /channels/:id/state`; 304 for who has this version already.
async fn show(call: Call) -> Answer {
    let key = call.channel().await?;
    let Channel { state, version, .. } = find(&call, &key).await?;
    if conditions::has_seen(call.request.headers(), version) {
        let tag = (header::ETAG, conditions::etag(version));
        return Ok(HttpResponse::NotModified().insert_header(tag).finish());
    }
    at(&state, version)
}

/// `PUT /channels/:id/state`: the body is the new state; an empty one and `null` are `{}`.
async fn replace(call: Call, body: Body) -> Answer {
    let key = call.channel().await?;
    let text = body.json(&call, Content::State).await?;
    let change = Change::Replace(text.value()?);
    drop(text);
    apply(&call, &key, change).await
}

/// `PATCH /channels/:id/state`: the content type says which kind of patch the body is.
async fn patch(call: Call, body: Body) -> Answer {
    let key = call.channel().await?;
    let kind = kind_of(body::media_type(&call.request)?.as_deref())?;
    let text = body.read(&call, Content::State).await?;
    let change = kind(text.value()?);
    drop(text);
    apply(&call, &key, change).await
}

/// The change that a content type stands for.
fn kind_of(media_type: Option<&str>) -> Result<fn(RawJson) -> Change, ApiError> {
    match media_type {
        None | Some("application/json") => Ok(Change::Shallow),
        Some("application/merge-patch+json") => Ok(Change::Merge),
        Some("application/json-patch+json") => Ok(Change::Operations),
        Some(other) => Err(ApiError::media_type(
            other,
            "a patch, sent with `Content-Type: application/json`, `application/merge-patch+json` or \
             `application/json-patch+json`",
        )),
    }
}

/// Makes a change and answers with what came of it.
async fn apply(call: &Call, key: &ChannelKey, change: Change) -> Answer {
    let if_version = expected(call, key).await?;
    let (state, version) = call.app.supervisor.change_state(key, change, if_version).await?;
    at(&state, version)
}

/// The version that the state has to be at, by `If-Match`.
async fn expected(call: &Call, key: &ChannelKey) -> Result<Option<Version>, ApiError> {
    match conditions::if_match(call.request.headers()) {
        IfMatch::Any => Ok(None),
        IfMatch::Version(version) => Ok(Some(version)),
        IfMatch::OneOf(versions) => {
            let current = find(call, key).await?.version;
            // Still checked when the change is made: the state may move on before that.
            let is_among = versions.contains(&current);
            is_among
                .then_some(Some(current))
                .ok_or(ApiError::VersionConflict { current: Some(current) })
        }
    }
}

/// The channel as it is stored, which is as its subscribers know it: changes are durable before anybody sees them.
async fn find(call: &Call, key: &ChannelKey) -> Result<Channel, ApiError> {
    let key = key.clone();
    let found = call.app.persistence.read(move |store| store.find_channel(&key)).await?;
    found.ok_or(ApiError::NotFound(Thing::Channel))
}

/// 200 with a state and its version.
fn at(state: &State, version: Version) -> Answer {
    let view = StateView { state: state.json(), version };
    let text = serde_json::to_vec(&Success::new(view)).map_err(|e| ApiError::internal(&e))?;
    let tag = (header::ETAG, conditions::etag(version));
    Ok(HttpResponse::Ok().insert_header(tag).content_type(super::error::mime()).body(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_type_chooses_the_patch() {
        let change = |media_type| kind_of(media_type).map(|kind| kind(RawJson::null()));
        assert!(matches!(change(None), Ok(Change::Shallow(_))));
        assert!(matches!(change(Some("application/json")), Ok(Change::Shallow(_))));
        let merge = change(Some("application/merge-patch+json"));
        assert!(matches!(merge, Ok(Change::Merge(_))));
        let operations = change(Some("application/json-patch+json"));
        assert!(matches!(operations, Ok(Change::Operations(_))));
        for other in ["text/plain", "application/xml", "application/x+json"] {
            assert!(matches!(change(Some(other)), Err(ApiError::UnsupportedMediaType { .. })));
        }
    }
}
