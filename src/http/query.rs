//! Query strings: the project, and the page of a list.

use super::error::ApiError;
use crate::domain::Timestamp;
use crate::store::{ChannelPage, ChannelSort};
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

/// A step of a walk through a list in creation order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Behind what it begins, by creation time and id; at the start, if none.
    pub(crate) behind: Option<(Timestamp, String)>,
    /// How many it has at most.
    pub(crate) limit: u64,
}

/// The step of a walk that a query asks for; none when it asks for all. An empty cursor stands before the first thing.
///
/// # Errors
/// [`ApiError::InvalidQuery`] names the parameter at fault.
pub(crate) fn step(query: &str) -> Result<Option<Step>, ApiError> {
    let parameters = Parameters::parse(query)?;
    let limit = page_size(&parameters)?;
    let Some(text) = parameters.cursor.as_deref() else { return Ok(None) };
    if parameters.page.is_some() || parameters.sort_by.is_some() || parameters.order_by.is_some() {
        return Err(refused("cursor", "goes on in creation order: with pageSize alone"));
    }
    if text.is_empty() {
        return Ok(Some(Step { behind: None, limit }));
    }
    let behind = place(text).ok_or_else(|| refused("cursor", "is none that `next` has said"))?;
    Ok(Some(Step { behind: Some(behind), limit }))
}

/// The page of channels or the step of a walk through them that a query asks for; neither when it asks for all.
///
/// # Errors
/// [`ApiError::InvalidQuery`] names the parameter at fault.
pub(crate) fn page_or_step(query: &str) -> Result<(Option<ChannelPage>, Option<Step>), ApiError> {
    Ok((page(query)?, step(query)?))
}

/// Cuts what was found, one more than a step shows where there is more, down to the step; returns the cursor of the next
/// one.
pub(crate) fn next<T>(
    found: &mut Vec<T>,
    limit: u64,
    place: impl Fn(&T) -> (Timestamp, &str),
) -> Option<String> {
    let shown = usize::try_from(limit).unwrap_or(usize::MAX);
    let is_more = found.len() > shown;
    found.truncate(shown);
    let last = found.last().filter(|_| is_more)?;
    Some(cursor_text(place(last)))
}

/// A cursor as `next` says it.
fn cursor_text((created_at, id): (Timestamp, &str)) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}.{id}", created_at.0))
}

/// Reads what [`cursor_text`] wrote.
fn place(text: &str) -> Option<(Timestamp, String)> {
    let plain = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let (at, id) = plain.split_once('.')?;
    Some((Timestamp(at.parse().ok()?), id.to_owned()))
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
        let behind = (Timestamp(-7), "leap_token_a.b".to_owned());
        let query = format!("cursor={}&pageSize=3", cursor_text((behind.0, &behind.1)));
        assert_eq!(step(&query).unwrap(), Some(Step { behind: Some(behind), limit: 3 }));
        let start = Step { behind: None, limit: DEFAULT_PAGE_SIZE };
        assert_eq!(step("cursor=").unwrap(), Some(start));
        assert_eq!(step("page=1").unwrap(), None);
        for broken in [
            "cursor=!",
            "cursor=YQ",
            "cursor=eC55",
            "cursor=a&cursor=b",
            "cursor=&page=1",
            "cursor=&sortBy=id",
            "cursor=&orderBy=desc",
        ] {
            assert!(step(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn there_is_a_next_step_only_where_more_was_found() {
        fn place<'a>(id: &'a &str) -> (Timestamp, &'a str) {
            (Timestamp(1), id)
        }
        let mut found = vec!["a", "b", "c"];
        let cursor = next(&mut found, 2, place).unwrap();
        assert_eq!(
            (found, super::place(&cursor)),
            (vec!["a", "b"], Some((Timestamp(1), "b".into())))
        );
        assert_eq!(next(&mut vec!["a", "b"], 2, place), None);
        assert_eq!(next(&mut Vec::<&str>::new(), 2, place), None);
    }

    #[test]
    fn an_empty_project_is_none() {
        assert_eq!(project("project=").unwrap(), None);
        assert_eq!(project("project=project_x").unwrap().as_deref(), Some("project_x"));
        assert!(project("project=a&project=b").is_err());
    }
}
