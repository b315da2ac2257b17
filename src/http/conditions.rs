//! Conditional requests on a state: its `ETag` names what it says and which channel says it.
//!
//! A version alone is no name: a channel that is deleted and created again, and one in a restored backup, count through
//! numbers that stood for something else before. So the tag holds a digest of the state and of its channel's creation
//! too: two states that share a tag are the same bytes (`docs/adr/0011-what-a-states-tag-names.md`).

use crate::domain::{State, Timestamp, Version};
use actix_web::http::header::{HeaderMap, HeaderName, IF_MATCH, IF_NONE_MATCH};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// How much of the digest a tag shows, bytes.
const DIGEST_BYTES: usize = 12;

/// The entity tag of a state: `"<digest>.<version>"`.
pub(crate) fn etag(created_at: Timestamp, state: &State, version: Version) -> String {
    let mut digest = Sha256::new();
    digest.update(created_at.0.to_be_bytes());
    digest.update(state.json().as_str());
    let digest = digest.finalize();
    let shown = digest.get(..DIGEST_BYTES).unwrap_or_default();
    format!("\"{}.{version}\"", URL_SAFE_NO_PAD.encode(shown))
}

/// The tags that a header names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tags {
    /// The header is not there.
    Missing,
    /// `*`: any state at all.
    Any,
    /// These.
    These(Vec<String>),
}

impl Tags {
    /// `If-Match`.
    pub(crate) fn if_match(headers: &HeaderMap) -> Self {
        Self::read(headers, &IF_MATCH)
    }

    /// `If-None-Match`.
    pub(crate) fn if_none_match(headers: &HeaderMap) -> Self {
        Self::read(headers, &IF_NONE_MATCH)
    }

    /// Whether a call with these headers depends on the state that it finds.
    pub(crate) fn are_in(headers: &HeaderMap) -> bool {
        Self::if_match(headers).are_named() || Self::if_none_match(headers).are_named()
    }

    /// Whether the header names any.
    pub(crate) const fn are_named(&self) -> bool {
        matches!(self, Self::These(_))
    }

    /// The tags of a header, of all its lines.
    fn read(headers: &HeaderMap, name: &HeaderName) -> Self {
        if !headers.contains_key(name) {
            return Self::Missing;
        }
        let lines = headers.get_all(name).filter_map(|line| line.to_str().ok());
        let tags = lines.flat_map(|line| line.split(',')).map(|tag| tag.trim().to_owned());
        let tags: Vec<String> = tags.collect();
        if tags.iter().any(|tag| tag == "*") { Self::Any } else { Self::These(tags) }
    }

    /// Whether `tag` is among them by RFC 9110's strong comparison (§8.8.3.2): weak ones never are.
    pub(crate) fn hold(&self, tag: &str) -> bool {
        match self {
            Self::Missing => false,
            Self::Any => true,
            Self::These(tags) => tags.iter().any(|one| one == tag),
        }
    }

    /// The same by the weak comparison, in which `W/` does not count.
    pub(crate) fn hold_weakly(&self, tag: &str) -> bool {
        match self {
            Self::These(tags) => {
                tags.iter().any(|one| one.strip_prefix("W/").unwrap_or(one) == tag)
            }
            Self::Missing | Self::Any => self.hold(tag),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    /// Headers with one line.
    fn line(name: HeaderName, value: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static(value));
        headers
    }

    #[test]
    fn a_tag_names_state_version_and_channel() {
        let tag = |at, text, version| etag(Timestamp(at), &State::trusted(text), Version(version));
        let one = tag(1, "{}", 1);
        assert_eq!(one, tag(1, "{}", 1));
        assert!(one.starts_with('"') && one.ends_with(".1\""), "{one}");
        for other in [tag(2, "{}", 1), tag(1, "{ }", 1), tag(1, "{}", 2)] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn if_match_is_strong() {
        let holds = |value| Tags::if_match(&line(IF_MATCH, value)).hold("\"a.5\"");
        for value in ["*", "\"a.5\"", "\"x\" , \"a.5\""] {
            assert!(holds(value), "{value}");
        }
        for value in ["W/\"a.5\"", "\"5\"", "5", "a.5", "", "\"", "\"a.55\""] {
            assert!(!holds(value), "{value}");
        }
        assert_eq!(Tags::if_match(&HeaderMap::new()), Tags::Missing);
    }

    #[test]
    fn if_none_match_is_weak() {
        let holds = |value| Tags::if_none_match(&line(IF_NONE_MATCH, value)).hold_weakly("\"a.5\"");
        for value in ["\"a.5\"", "W/\"a.5\"", "*", "\"4\", \"a.5\""] {
            assert!(holds(value), "{value}");
        }
        for value in ["\"4\"", "", "\"a.55\"", "\"5\""] {
            assert!(!holds(value), "{value}");
        }
    }
}
