//! Answers that went well.

use super::envelope::Success;
use super::error::{ApiError, mime};
use actix_web::HttpResponse;
use serde::Serialize;

/// What a handler returns.
pub(crate) type Answer = Result<HttpResponse, ApiError>;

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
