//! Conditional requests on a state: `ETag` is its version in quotes.

use crate::domain::Version;
use actix_web::http::header::{HeaderMap, HeaderName};

/// The entity tag of a version.
pub(crate) fn etag(version: Version) -> String {
    format!("\"{version}\"")
}

/// What `If-Match` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum IfMatch {
    /// Nothing, or only that the state exists.
    Any,
    /// Exactly this version.
    Version(Version),
    /// One of several versions; none at all when no tag can be a version of ours.
    OneOf(Vec<Version>),
}

/// Reads `If-Match`, RFC 9110 §13.1.1: tags are compared strongly, so weak ones never match.
pub(crate) fn if_match(headers: &HeaderMap) -> IfMatch {
    let Some(tags) = tags(headers, &actix_web::http::header::IF_MATCH) else { return IfMatch::Any };
    if tags.iter().any(|tag| tag == "*") {
        return IfMatch::Any;
    }
    let versions: Vec<Version> = tags.iter().filter_map(|tag| version_of(tag)).collect();
    match versions.as_slice() {
        [only] if tags.len() == 1 => IfMatch::Version(*only),
        _ => IfMatch::OneOf(versions),
    }
}

/// Whether `If-None-Match` holds this version, RFC 9110 §13.1.2: compared weakly.
pub(crate) fn has_seen(headers: &HeaderMap, version: Version) -> bool {
    let tags = tags(headers, &actix_web::http::header::IF_NONE_MATCH).unwrap_or_default();
    let is_this = |tag: &str| version_of(tag.strip_prefix("W/").unwrap_or(tag)) == Some(version);
    tags.iter().any(|tag| tag == "*" || is_this(tag))
}

/// The tags of a header, of all its lines; none when it is not there.
fn tags(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<String>> {
    if !headers.contains_key(name) {
        return None;
    }
    let lines = headers.get_all(name).filter_map(|line| line.to_str().ok());
    Some(lines.flat_map(|line| line.split(',')).map(|tag| tag.trim().to_owned()).collect())
}

/// The version that a tag stands for; quotes may be missing, as people leave them out.
fn version_of(tag: &str) -> Option<Version> {
    let inner = tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(tag);
    let is_plain = !inner.is_empty() && inner.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| inner.parse().ok()).flatten().map(Version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::{HeaderValue, IF_MATCH, IF_NONE_MATCH};

    /// Headers with one line.
    fn line(name: HeaderName, value: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static(value));
        headers
    }

    #[test]
    fn if_match_reads_versions_and_nothing_else_matches() {
        let read = |value| if_match(&line(IF_MATCH, value));
        assert_eq!(if_match(&HeaderMap::new()), IfMatch::Any);
        assert_eq!(read("*"), IfMatch::Any);
        assert_eq!(read("\"5\""), IfMatch::Version(Version(5)));
        assert_eq!(read("5"), IfMatch::Version(Version(5)));
        assert_eq!(read("\"5\", \"6\""), IfMatch::OneOf(vec![Version(5), Version(6)]));
        for never in ["W/\"5\"", "\"abc\"", "", "\"", "\"-1\"", "\"99999999999999999999\""] {
            assert_eq!(read(never), IfMatch::OneOf(Vec::new()), "{never}");
        }
        assert_eq!(read("\"5\", \"x\""), IfMatch::OneOf(vec![Version(5)]));
    }

    #[test]
    fn if_none_match_is_weak() {
        let seen = |value| has_seen(&line(IF_NONE_MATCH, value), Version(5));
        for value in ["\"5\"", "W/\"5\"", "*", "\"4\", \"5\""] {
            assert!(seen(value), "{value}");
        }
        for value in ["\"4\"", "", "\"55\""] {
            assert!(!seen(value), "{value}");
        }
    }
}
