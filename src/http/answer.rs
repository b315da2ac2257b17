//! Answers that went well.

use super::envelope::Success;
use super::error::{ApiError, mime};
use crate::domain::{KeptAnswer, Position};
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderName};
use bytes::Bytes;
use serde::Serialize;

/// What a handler returns.
pub(crate) type Answer = Result<HttpResponse, ApiError>;

/// 200 with data, as it can be kept for who repeats the call.
///
/// # Errors
/// As [`data`].
pub(crate) fn spelled<T: Serialize>(data: T) -> Result<KeptAnswer, ApiError> {
    let text =
        serde_json::to_vec(&Success::new(data)).map_err(|error| ApiError::internal(&error))?;
    let headers = vec![(CONTENT_TYPE.as_str().to_owned(), mime().to_owned())];
    Ok(KeptAnswer { status: 200, headers, body: text.into() })
}

/// 204, likewise; of whatever was done.
#[expect(clippy::unnecessary_wraps, reason = "the shape of all that spells answers")]
pub(crate) fn nothing<T>(_: &T) -> Result<KeptAnswer, ApiError> {
    Ok(KeptAnswer { status: 204, headers: Vec::new(), body: Bytes::new() })
}

/// 200 with data. Creations too: two official clients do not read the body of a 201.
///
/// # Errors
/// [`ApiError::Internal`] when the data cannot be written.
pub(crate) fn data<T: Serialize>(data: T) -> Answer {
    let text =
        serde_json::to_vec(&Success::new(data)).map_err(|error| ApiError::internal(&error))?;
    Ok(HttpResponse::Ok().content_type(mime()).body(text))
}

/// 204: done, and there is nothing to tell.
pub(crate) fn done() -> HttpResponse {
    HttpResponse::NoContent().finish()
}

/// The header with the position of a message that was published.
pub(crate) const WARREN_POSITION: HeaderName = HeaderName::from_static("warren-position");

/// 204, of a message that stands here now.
pub(crate) fn published(position: Position) -> HttpResponse {
    HttpResponse::NoContent().insert_header((WARREN_POSITION, position.to_string())).finish()
}

/// The same, as it can be kept for who repeats the call.
#[expect(clippy::unnecessary_wraps, reason = "the shape of all that spells answers")]
pub(crate) fn spelled_position(position: Position) -> Result<KeptAnswer, ApiError> {
    let headers = vec![(WARREN_POSITION.as_str().to_owned(), position.to_string())];
    Ok(KeptAnswer { status: 204, headers, body: Bytes::new() })
}

/// The status of a kept answer.
pub(crate) fn status(answer: &KeptAnswer) -> StatusCode {
    StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK)
}

/// A kept answer as it is given.
pub(crate) fn given(answer: &KeptAnswer) -> HttpResponse {
    let mut response = HttpResponse::build(status(answer));
    for (name, value) in &answer.headers {
        response.insert_header((name.as_str(), value.as_str()));
    }
    if answer.body.is_empty() { response.finish() } else { response.body(answer.body.clone()) }
}
