//! CORS: browsers of any origin may call the API; the token in the header is the only credential.

use actix_web::HttpResponse;
use actix_web::http::header::{self, HeaderMap, HeaderValue};

/// The methods that any path takes.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
/// The request headers that a page may set.
const REQUEST_HEADERS: &str =
    "authorization, content-type, if-match, if-none-match, idempotency-key";
/// The answer's headers that a page may read.
const EXPOSED_HEADERS: &str = "etag, retry-after";
/// How long browsers remember a preflight, seconds; they cap it themselves.
const MAX_AGE: &str = "86400";

/// Lets any page read the answer.
pub(crate) fn allow(headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers
        .insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED_HEADERS));
}

/// Answers `OPTIONS`, of whatever path: the request that follows is told the rest.
pub(crate) fn preflight() -> HttpResponse {
    let mut answer = HttpResponse::NoContent()
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, METHODS))
        .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS))
        .insert_header((header::ACCESS_CONTROL_MAX_AGE, MAX_AGE))
        .finish();
    allow(answer.headers_mut());
    answer
}
