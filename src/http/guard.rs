//! The guard that puts the envelope around answers that lack it.

use super::envelope::{Details, failure};
use super::error::{FailureCode, NO_SUCH_PATH, mime};
use super::permissions;
use actix_web::HttpResponse;
use actix_web::body::BoxBody;
use actix_web::dev::ServiceResponse;
use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{Method, StatusCode};

/// Puts the envelope around an error that is not JSON: what actix-web answers by itself.
///
/// JavaScript clients take every answer that is not JSON for a success, whatever its status.
pub(crate) fn guard(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) || is_json(response.response()) {
        return response;
    }
    let message = message_of(&response, status);
    let text = failure(FailureCode::of_status(status).word(), &message, Details::default());
    let allowed = (status == StatusCode::METHOD_NOT_ALLOWED)
        .then(|| response.request().match_pattern())
        .flatten()
        .and_then(|pattern| allow(&pattern));
    let mut response = response.map_body(|_, _| BoxBody::new(text));
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(mime()));
    if let Some(allowed) = allowed {
        headers.insert(header::ALLOW, allowed);
    }
    response
}

/// Whether an answer is JSON already.
fn is_json(response: &HttpResponse) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with(mime()))
}

/// What to tell people: what the failure says of itself, or the status in words.
fn message_of(response: &ServiceResponse<BoxBody>, status: StatusCode) -> String {
    match (response.response().error(), status) {
        (Some(error), _) if status.is_client_error() => error.to_string(),
        (_, StatusCode::NOT_FOUND) => NO_SUCH_PATH.to_owned(),
        (_, StatusCode::METHOD_NOT_ALLOWED) => "this path does not take that method".to_owned(),
        _ => status.canonical_reason().unwrap_or("failed").to_lowercase(),
    }
}

/// The methods that a path takes, for the `Allow` header.
fn allow(pattern: &str) -> Option<HeaderValue> {
    let methods = permissions::methods_of(pattern);
    let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    HeaderValue::from_str(&names.join(", ")).ok().filter(|list| !list.is_empty())
}
