//! From which pages the API is read and sockets are opened: the list in force, and what it makes of a request.

use super::cors::PageAccess;
use super::error::ApiError;
use crate::domain::AllowedOrigins;
use actix_web::http::header::{HeaderMap, HeaderValue, ORIGIN};
use arc_swap::ArcSwap;
use std::sync::Arc;

/// The origins that are allowed on the whole server; cheap to clone, one list for all workers, which may change.
#[derive(Clone, Debug, Default)]
pub(crate) struct LivePages(Arc<ArcSwap<AllowedOrigins>>);

impl LivePages {
    /// From now on, these.
    pub(crate) fn change(&self, origins: AllowedOrigins) {
        self.0.store(Arc::new(origins));
    }

    /// Whether every page may read everything.
    pub(crate) fn are_any(&self) -> bool {
        self.0.load().are_any()
    }

    /// What the page is told that a request comes from. Of two origins none is believed.
    pub(super) fn access(&self, headers: &HeaderMap) -> PageAccess {
        let allowed = self.0.load();
        if allowed.are_any() {
            return PageAccess::Any;
        }
        let mut named = headers.get_all(ORIGIN);
        match (named.next(), named.next()) {
            (Some(origin), None) if is_allowed(&allowed, origin) => {
                PageAccess::This(origin.clone())
            }
            _ => PageAccess::None,
        }
    }

    /// Whether a request may become a socket. Who names no origin is no page.
    ///
    /// # Errors
    /// [`ApiError::OriginNotAllowed`].
    pub(super) fn admit(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let is_page = headers.contains_key(ORIGIN);
        if is_page && self.access(headers) == PageAccess::None {
            return Err(ApiError::OriginNotAllowed);
        }
        Ok(())
    }
}

/// The origin of the page that a request comes from, if one sent it. What is no origin, or two, is like none.
pub(super) fn page_of(headers: &HeaderMap) -> Option<Box<str>> {
    let mut named = headers.get_all(ORIGIN);
    let first = named.next()?;
    let is_one = named.next().is_none();
    Some(first.to_str().ok().filter(|_| is_one).unwrap_or_default().into())
}

/// Whether an origin is allowed, as it stands in a header.
fn is_allowed(allowed: &AllowedOrigins, origin: &HeaderValue) -> bool {
    origin.to_str().is_ok_and(|origin| allowed.allow(origin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_origins_and_what_is_none_are_like_none_and_a_program_has_none() {
        let headers = |origins: &[&'static [u8]]| {
            let mut headers = HeaderMap::new();
            for origin in origins {
                headers.append(ORIGIN, HeaderValue::from_bytes(origin).unwrap());
            }
            page_of(&headers)
        };
        assert_eq!(headers(&[]), None);
        assert_eq!(headers(&[b"https://a.example"]).as_deref(), Some("https://a.example"));
        let odd: [&[&'static [u8]]; 3] =
            [&[b"https://a.example", b"https://a.example"], &[b"\xff"], &[b""]];
        for origins in odd {
            assert_eq!(headers(origins).as_deref(), Some(""), "{origins:?}");
        }
    }

    #[test]
    fn a_page_is_told_what_its_one_origin_is_worth() {
        let pages = LivePages::default();
        let headers = |origins: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for origin in origins {
                headers.append(ORIGIN, HeaderValue::from_static(origin));
            }
            headers
        };
        let own = "https://app.example.com";
        for origins in [&[][..], &[own], &["https://evil.example"], &[own, own]] {
            assert_eq!(pages.access(&headers(origins)), PageAccess::Any);
            assert_eq!(pages.admit(&headers(origins)), Ok(()));
        }
        pages.change(AllowedOrigins::new(&[own]).unwrap());
        let this = PageAccess::This(HeaderValue::from_static(own));
        for (origins, access, is_admitted) in [
            (&[][..], PageAccess::None, true),
            (&[own], this, true),
            (&["https://evil.example"], PageAccess::None, false),
            (&["null"], PageAccess::None, false),
            (&[own, own], PageAccess::None, false),
            (&[own, "https://evil.example"], PageAccess::None, false),
        ] {
            assert_eq!(pages.access(&headers(origins)), access, "{origins:?}");
            assert_eq!(pages.admit(&headers(origins)).is_ok(), is_admitted, "{origins:?}");
        }
    }
}
