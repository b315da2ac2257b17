//! Query strings: the project, and the page of a list.

use super::error::ApiError;
use crate::domain::{LeapTokenId, Timestamp};
use crate::store::{ChannelPage, ChannelSort, TokenCursor};
use actix_web::web;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

/// How many channels a page has when the caller does not say (`docs/PROTOCOL.md`, HTTP).
pub(crate) const DEFAULT_PAGE_SIZE: u64 = 75;
/// The most channels on one page.
const MAX_PAGE_SIZE: u64 = 1000;
/// The largest offset, which is the largest that a database column holds.
const MAX_OFFSET: u64 = i64::MAX.unsigned_abs();

/// The parameters that routes know; others are ignored, because the Go client adds some.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Parameters {
    /// The project meant.
    project: Option<String>,
    /// The page wanted, from 1.
    page: Option<String>,
    /// How many a page.
    page_size: Option<String>,
    /// Where to go on.
    cursor: Option<String>,
    /// `created_at` or `id`.
    sort_by: Option<String>,
    /// `asc` or `desc`.
    order_by: Option<String>,
}

impl Parameters {
    /// Reads a query string.
    fn parse(query: &str) -> Result<Self, ApiError> {
        let parsed = web::Query::<Self>::from_query(query);
        parsed.ok().map(web::Query::into_inner).ok_or(ApiError::InvalidQuery {
            field: "query",
            reason: "names a parameter twice or is malformed",
        })
    }
}

/// The project that a query names, if any.
///
/// # Errors
/// [`ApiError::InvalidQuery`].
pub(crate) fn project(query: &str) -> Result<Option<String>, ApiError> {
    if query.is_empty() {
        return Ok(None);
    }
    Ok(Parameters::parse(query)?.project.filter(|id| !id.is_empty()))
}

/// The page of channels that a query asks for; none when it asks for all of them.
///
/// # Errors
/// [`ApiError::InvalidQuery`] names the parameter at fault.
pub(crate) fn page(query: &str) -> Result<Option<ChannelPage>, ApiError> {
    let parameters = Parameters::parse(query)?;
    let sort = match parameters.sort_by.as_deref() {
        None | Some("created_at") => ChannelSort::CreatedAt,
        Some("id") => ChannelSort::Id,
        Some(_) => return Err(refused("sortBy", "must be created_at or id")),
    };
    let is_descending = match parameters.order_by.as_deref() {
        None | Some("asc") => false,
        Some("desc") => true,
        Some(_) => return Err(refused("orderBy", "must be asc or desc")),
    };
    let limit = page_size(&parameters)?;
    let Some(text) = parameters.page.as_deref() else { return Ok(None) };
    let page = number(text)
        .filter(|page| *page >= 1)
        .ok_or_else(|| refused("page", "must be a number from 1"))?;
    let offset = (page - 1).saturating_mul(limit).min(MAX_OFFSET);
    Ok(Some(ChannelPage { sort, is_descending, offset, limit }))
}

/// How many things a page has.
fn page_size(parameters: &Parameters) -> Result<u64, ApiError> {
    let Some(text) = parameters.page_size.as_deref() else { return Ok(DEFAULT_PAGE_SIZE) };
    number(text)
        .filter(|size| (1..=MAX_PAGE_SIZE).contains(size))
        .ok_or_else(|| refused("pageSize", "must be a number from 1 to 1000"))
}

/// The step of a walk through leap tokens that a query asks for: behind which token, and how many; none when it asks for
/// all of them. An empty cursor stands before the first one.
///
/// # Errors
/// [`ApiError::InvalidQuery`] names the parameter at fault.
pub(crate) fn token_step(query: &str) -> Result<Option<(Option<TokenCursor>, u64)>, ApiError> {
    let parameters = Parameters::parse(query)?;
    let limit = page_size(&parameters)?;
    let Some(text) = parameters.cursor.as_deref() else { return Ok(None) };
    if text.is_empty() {
        return Ok(Some((None, limit)));
    }
    let cursor =
        cursor_of(text).ok_or_else(|| refused("cursor", "is none that `next` has said"))?;
    Ok(Some((Some(cursor), limit)))
}

/// A cursor as `next` says it.
pub(crate) fn cursor_text(cursor: &TokenCursor) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}.{}", cursor.created_at.0, cursor.id.as_str()))
}

/// Reads what [`cursor_text`] wrote.
fn cursor_of(text: &str) -> Option<TokenCursor> {
    let plain = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let (at, id) = plain.split_once('.')?;
    Some(TokenCursor { created_at: Timestamp(at.parse().ok()?), id: LeapTokenId::from(id) })
}

/// A plain decimal number; neither a sign nor a space.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// The refusal of one parameter.
const fn refused(field: &'static str, reason: &'static str) -> ApiError {
    ApiError::InvalidQuery { field, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_counted_from_one() {
        let first = page("page=1&pageSize=75").unwrap().unwrap();
        assert_eq!((first.offset, first.limit, first.is_descending), (0, 75, false));
        let third = page("project=p&page=3&pageSize=10&sortBy=id&orderBy=desc").unwrap().unwrap();
        assert_eq!((third.offset, third.limit), (20, 10));
        assert_eq!((third.sort, third.is_descending), (ChannelSort::Id, true));
        assert_eq!(page("page=18446744073709551615").unwrap().unwrap().offset, MAX_OFFSET);
    }

    #[test]
    fn without_a_page_all_are_meant() {
        assert_eq!(page("").unwrap(), None);
        assert_eq!(page("project=project_x&channel_id=a").unwrap(), None);
        assert_eq!(page("pageSize=5").unwrap(), None);
    }

    #[test]
    fn broken_parameters_are_named() {
        for (query, name) in [
            ("page=0", "page"),
            ("page=-1", "page"),
            ("page=+1", "page"),
            ("page=", "page"),
            ("page=1e3", "page"),
            ("page=99999999999999999999", "page"),
            ("page=1&pageSize=0", "pageSize"),
            ("page=1&pageSize=1001", "pageSize"),
            ("pageSize=x", "pageSize"),
            ("sortBy=name", "sortBy"),
            ("orderBy=ASC", "orderBy"),
            ("page=1&page=2", "query"),
        ] {
            let Err(ApiError::InvalidQuery { field, .. }) = page(query) else {
                panic!("{query} was taken")
            };
            assert_eq!(field, name, "{query}");
        }
    }

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let cursor =
            TokenCursor { created_at: Timestamp(-7), id: LeapTokenId::from("leap_token_a.b") };
        let query = format!("cursor={}&pageSize=3", cursor_text(&cursor));
        assert_eq!(token_step(&query).unwrap(), Some((Some(cursor), 3)));
        assert_eq!(token_step("cursor=").unwrap(), Some((None, DEFAULT_PAGE_SIZE)));
        assert_eq!(token_step("page=1").unwrap(), None);
        for broken in ["cursor=!", "cursor=YQ", "cursor=eC55", "cursor=a&cursor=b"] {
            assert!(token_step(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn an_empty_project_is_none() {
        assert_eq!(project("project=").unwrap(), None);
        assert_eq!(project("project=project_x").unwrap().as_deref(), Some("project_x"));
        assert!(project("project=a&project=b").is_err());
    }
}
