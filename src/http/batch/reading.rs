//! The items of a batch as they are written in its body.

use crate::http::error::ApiError;
use crate::http::fields::{Fields, quoted};
use crate::http::path::straightened;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, Uri};
use indexmap::IndexMap;
use serde_json::value::RawValue;
use std::fmt::Write as _;
use std::ops::Range;

/// The most items in one call.
pub(in crate::http) const MAX_ITEMS: usize = 1000;
/// The longest path of an item with its query, bytes: more than any route takes.
const PATH_BYTES: usize = 4096;
/// The headers that an item may have.
pub(in crate::http) const HEADERS: [HeaderName; 4] = [
    header::CONTENT_TYPE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    HeaderName::from_static("idempotency-key"),
];

/// The field of a batch.
pub(in crate::http) const FIELDS: &[&str] = &["items"];
/// The fields of an item.
pub(in crate::http) const ITEM_FIELDS: &[&str] = &["method", "path", "body", "headers"];

/// One item, still without a route.
#[derive(Debug)]
pub(super) struct Item {
    /// The method.
    pub(super) method: Method,
    /// Path and query.
    pub(super) uri: Uri,
    /// The headers.
    pub(super) headers: HeaderMap,
    /// Where in the text of the batch its body stands; nowhere, if it has none.
    pub(super) body: Range<usize>,
}

/// Reads `{items}`. What is wrong with an item is told of that item.
///
/// # Errors
/// [`ApiError::InvalidBody`] where it is no list of at most [`MAX_ITEMS`].
pub(super) fn items(
    text: &str,
    base: &str,
    query: &str,
) -> Result<Vec<Result<Item, ApiError>>, ApiError> {
    let fields = Fields::parse(text, FIELDS)?;
    let items = fields.items("items", MAX_ITEMS)?;
    let items = items.ok_or_else(|| ApiError::field("items", "is missing: a list of calls"))?;
    Ok(items.into_iter().map(|raw| item(text, raw, base, query)).collect())
}

/// Reads `{method, path, body, headers?}`.
fn item(text: &str, raw: &RawValue, base: &str, query: &str) -> Result<Item, ApiError> {
    if !raw.get().starts_with('{') {
        return Err(ApiError::body("an item must be an object: {method, path, body, headers?}"));
    }
    let fields = Fields::parse(raw.get(), ITEM_FIELDS)?;
    let method = fields.string("method")?;
    let method = method.ok_or_else(|| ApiError::field("method", "is missing"))?;
    let method = Method::from_bytes(method.as_bytes());
    let method = method.ok().ok_or_else(|| ApiError::field("method", "is no method"))?;
    let path = fields.string("path")?;
    let path =
        path.ok_or_else(|| ApiError::field("path", "is missing: one that begins with /v1/"))?;
    let uri = uri(&path, base, query)?;
    let headers = headers(&fields)?;
    let body = fields.raw("body").map(|body| place(body.get(), text)).unwrap_or_default();
    Ok(Item { method, uri, headers, body })
}

/// Where a part of a text stands in it.
fn place(part: &str, whole: &str) -> Range<usize> {
    let start = part.as_ptr().addr().saturating_sub(whole.as_ptr().addr());
    start..start.saturating_add(part.len())
}

/// The address of an item: as the batch itself was called below `base`, and for the project that the batch's query names
/// unless the item has a query.
fn uri(path: &str, base: &str, query: &str) -> Result<Uri, ApiError> {
    const REASON: &str = "must be the path of a call below /v1/, its id percent-encoded";
    let refused = || ApiError::field("path", REASON);
    let below = path.strip_prefix(base).filter(|rest| rest.starts_with('/')).unwrap_or(path);
    if !below.starts_with('/') || below.contains('#') || path.len() > PATH_BYTES {
        return Err(refused());
    }
    let (path, own) = match below.split_once('?') {
        Some((path, own)) => (path, own),
        None => (below, query),
    };
    let mut whole = escaped(&straightened(path).unwrap_or_else(|| path.to_owned()));
    if !own.is_empty() {
        whole.push('?');
        whole.push_str(own);
    }
    whole.parse().ok().ok_or_else(refused)
}

/// A path in which what no path can have as it is stands escaped: in JSON there is nothing that would keep it out.
fn escaped(path: &str) -> String {
    let mut escaped = String::with_capacity(path.len());
    for letter in path.chars() {
        if letter.is_ascii_graphic() {
            escaped.push(letter);
        } else {
            for byte in letter.encode_utf8(&mut [0; 4]).bytes() {
                // Writing to a string cannot fail.
                let _ = write!(escaped, "%{byte:02X}");
            }
        }
    }
    escaped
}

/// The headers of an item.
fn headers(fields: &Fields<'_>) -> Result<HeaderMap, ApiError> {
    const REASON: &str = "must be an object of strings";
    let mut headers = HeaderMap::new();
    let Some(named) = fields.typed::<IndexMap<String, String>>("headers", REASON)? else {
        return Ok(headers);
    };
    for (name, value) in named {
        let known = HeaderName::try_from(name.as_str()).ok();
        let known = known.filter(|name| HEADERS.contains(name)).ok_or_else(|| {
            let reason = format!(
                "may not hold {}: Content-Type, If-Match, If-None-Match and Idempotency-Key",
                quoted(&name)
            );
            ApiError::field("headers", reason)
        })?;
        let value = HeaderValue::try_from(value).ok();
        headers.append(known, value.ok_or_else(|| ApiError::field("headers", REASON))?);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The only item of a batch of one.
    fn only(item: &str) -> Result<(Item, String), ApiError> {
        let text = format!(r#" {{"x":1,"items":[ {item} ]}}"#);
        let read = items(&text, "/realtime", "project=p").unwrap().remove(0)?;
        let body = text[read.body.clone()].to_owned();
        Ok((read, body))
    }

    #[test]
    fn an_item_is_read_with_its_body_as_it_was_written() {
        let (item, body) = only(
            r#"{"method":"PUT","path":"/v1/channels/a%20b/state","body": {"n":1.10e2 },
                "headers":{"If-None-Match":"*","content-type":"application/json"}}"#,
        )
        .unwrap();
        assert_eq!((item.method, body.as_str()), (Method::PUT, r#"{"n":1.10e2 }"#));
        assert_eq!(item.uri, "/v1/channels/a%20b/state?project=p");
        assert_eq!(item.headers.get("if-none-match").unwrap(), "*");
        assert_eq!(item.headers.get("content-type").unwrap(), "application/json");
        let (item, body) = only(r#"{"method":"POST","path":"/v1/x?project=q"}"#).unwrap();
        assert_eq!((item.uri.to_string().as_str(), body.as_str()), ("/v1/x?project=q", ""));
    }

    #[test]
    fn paths_are_straightened_and_escaped_and_may_have_the_base_of_the_batch() {
        for (path, straight) in [
            ("/realtime/v1/channels/a/state", "/v1/channels/a/state"),
            ("//v1channels//a/state", "/v1/channels/a/state"),
            ("/v1/channels/é b/state", "/v1/channels/%C3%A9%20b/state"),
            ("/realtimes/v1/channels", "/realtimes/v1/channels"),
        ] {
            assert_eq!(uri(path, "/realtime", "").unwrap(), straight, "{path}");
        }
        let long = format!("/v1/{}", "x".repeat(PATH_BYTES));
        for path in ["", "v1/channels", "http://x/v1/channels", "/v1/a#b", "/v1/<a>", "*", &long] {
            assert!(uri(path, "", "").is_err(), "{path}");
        }
    }

    #[test]
    fn a_broken_item_is_refused_by_its_field() {
        for (item, name) in [
            ("1", None),
            ("null", None),
            ("[]", None),
            (r#"{"path":"/v1/x"}"#, Some("method")),
            (r#"{"method":1,"path":"/v1/x"}"#, Some("method")),
            (r#"{"method":"P T","path":"/v1/x"}"#, Some("method")),
            (r#"{"method":"PUT"}"#, Some("path")),
            (r#"{"method":"PUT","path":["/v1/x"]}"#, Some("path")),
            (r#"{"method":"PUT","path":"/v1/x","headers":[]}"#, Some("headers")),
            (r#"{"method":"PUT","path":"/v1/x","headers":{"If-Match":1}}"#, Some("headers")),
            (r#"{"method":"PUT","path":"/v1/x","headers":{"Authorization":"x"}}"#, Some("headers")),
            (r#"{"method":"PUT","path":"/v1/x","headers":{"If-Match":"\n"}}"#, Some("headers")),
            (r#"{"method":"PUT","path":"/v1/x","body":1,"body":2}"#, Some("body")),
        ] {
            let Err(ApiError::InvalidBody { field, .. }) = only(item) else {
                panic!("{item} was taken")
            };
            assert_eq!(field, name, "{item}");
        }
    }

    #[test]
    fn a_list_has_its_bound() {
        let many = |count: usize| format!("{{\"items\":[{}1]}}", "1,".repeat(count - 1));
        assert_eq!(items(&many(MAX_ITEMS), "", "").unwrap().len(), MAX_ITEMS);
        for text in [many(MAX_ITEMS + 1), "{}".to_owned(), r#"{"items":{}}"#.to_owned()] {
            let refused = items(&text, "", "").err();
            assert!(matches!(refused, Some(ApiError::InvalidBody { field: Some("items"), .. })));
        }
    }
}
