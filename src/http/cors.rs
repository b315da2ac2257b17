//! CORS: pages of any origin may call the API, or those that are allowed; the token in the header is the only credential.

use actix_web::HttpResponse;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// What a page is told of an answer to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PageAccess {
    /// Whichever page it is, it may read it.
    Any,
    /// It may, and no other: the page's origin.
    This(HeaderValue),
    /// It may not; nor is it told that it exists.
    None,
}

/// The methods that any path takes.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
/// The request headers that a page may set without asking for them by name.
const REQUEST_HEADERS: &str =
    "authorization, content-type, if-match, if-none-match, idempotency-key";
/// The answer's headers that a page may read.
pub(super) const EXPOSED_HEADERS: &str = "etag, retry-after, idempotency-replayed, warren-position, x-request-id, ratelimit, ratelimit-policy";
/// How long browsers remember a preflight, seconds; they cap it themselves.
const MAX_AGE: &str = "86400";

/// Lets any page read the answer.
pub(crate) fn allow(headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers
        .insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED_HEADERS));
}

/// Lets the page read the answer that may, and no other, whatever the answer says by itself.
pub(super) fn allow_page(headers: &mut HeaderMap, access: PageAccess) {
    allow(headers);
    match access {
        PageAccess::Any => return,
        PageAccess::This(origin) => {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        }
        PageAccess::None => {
            headers.remove(header::ACCESS_CONTROL_ALLOW_ORIGIN);
            headers.remove(header::ACCESS_CONTROL_EXPOSE_HEADERS);
        }
    }
    // What is kept for one page is not for another.
    headers.append(header::VARY, HeaderValue::from_static("origin"));
}

/// The most bytes of a list of headers that a page asks for.
const MAX_ASKED_BYTES: usize = 4096;

/// Answers `OPTIONS`, of whatever path: the request that follows is told the rest.
///
/// Whatever headers a page asks for are allowed: there are no credentials that a browser would add by itself. A page that may
/// read nothing is not told that it may: its browser sends nothing then.
pub(super) fn preflight(asked: &HeaderMap, access: PageAccess) -> HttpResponse {
    let asked = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS).and_then(names);
    let headers = asked.unwrap_or_else(|| HeaderValue::from_static(REQUEST_HEADERS));
    let mut answer = HttpResponse::NoContent()
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, METHODS))
        .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, headers))
        .insert_header((header::ACCESS_CONTROL_MAX_AGE, MAX_AGE))
        .insert_header((header::VARY, "access-control-request-headers"))
        .finish();
    allow_page(answer.headers_mut(), access);
    answer
}

/// A list of header names, behind those that every page may set; none if it is something else or too long.
fn names(asked: &HeaderValue) -> Option<HeaderValue> {
    let text = asked.to_str().ok().filter(|text| text.len() <= MAX_ASKED_BYTES)?;
    let mut list = REQUEST_HEADERS.to_owned();
    for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        list.push_str(", ");
        list.push_str(name.as_str());
    }
    HeaderValue::try_from(list).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is allowed to a page that asks for these headers.
    fn allowed(asked: &str) -> String {
        let mut headers = HeaderMap::new();
        let asked = HeaderValue::from_bytes(asked.as_bytes()).unwrap();
        headers.insert(header::ACCESS_CONTROL_REQUEST_HEADERS, asked);
        let answer = preflight(&headers, PageAccess::Any);
        let list = answer.headers().get(header::ACCESS_CONTROL_ALLOW_HEADERS).unwrap();
        list.to_str().unwrap().to_owned()
    }

    #[test]
    fn what_is_asked_for_is_allowed_if_it_is_headers() {
        let list = allowed("traceparent,X-Request-Id , x-anything");
        assert_eq!(list, format!("{REQUEST_HEADERS}, traceparent, x-request-id, x-anything"));
        let long = "x,".repeat(MAX_ASKED_BYTES);
        for odd in ["", ",,", "a b", "x:y", "é", "a, (b)", &long] {
            assert_eq!(allowed(odd), REQUEST_HEADERS, "{odd}");
        }
    }
}
