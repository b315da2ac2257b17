//! Query strings: the project, and how much of a list.

use super::error::ApiError;
use crate::domain::Timestamp;
use crate::store::{ChannelPage, ChannelSort};
use actix_web::web;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

/// How many things a page or a step has when the caller does not say (`docs/PROTOCOL.md`, HTTP).
const DEFAULT_PAGE_SIZE: u64 = 75;
/// How many messages a page has when the caller does not say.
const DEFAULT_MESSAGES: u64 = 100;
/// The most things on one page.
pub(super) const MAX_PAGE_SIZE: u64 = 1000;
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
    /// The same, of messages.
    order: Option<String>,
    /// Only messages behind this position.
    after: Option<String>,
    /// Only messages before this position.
    before: Option<String>,
    /// The most messages.
    limit: Option<String>,
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

/// What a list is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ListRange {
    /// All of it.
    All,
    /// One page.
    Page(ChannelPage),
    /// A step of a walk.
    Step(ListStep),
}

impl ListRange {
    /// The first page where neither page nor step is asked for: for a list that is long at any time.
    pub(crate) fn or_first_page(self) -> Self {
        match self {
            Self::All => Self::Page(ChannelPage {
                sort: ChannelSort::CreatedAt,
                is_descending: false,
                offset: 0,
                limit: DEFAULT_PAGE_SIZE,
            }),
            asked => asked,
        }
    }
}

/// What is asked of a list that has one order.
///
/// # Errors
/// [`ApiError::InvalidQuery`] names the parameter at fault.
pub(crate) fn wanted(query: &str) -> Result<ListRange, ApiError> {
    let parameters = Parameters::parse(query)?;
    let wanted = parameters.wanted()?;
    if parameters.sort_by.is_some() {
        return Err(refused("sortBy", "is not for this list, which has one order"));
    }
    if parameters.order_by.is_some() {
        return Err(refused("orderBy", "is not for this list, which has one order"));
    }
    Ok(wanted)
}

/// What is asked of the list of channels, whose pages come in any order.
///
/// # Errors
/// [`ApiError::InvalidQuery`] names the parameter at fault.
pub(crate) fn wanted_sorted(query: &str) -> Result<ListRange, ApiError> {
    Parameters::parse(query)?.wanted()
}

/// What is asked of the messages that a channel keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HistoryQuery {
    /// Only what stands behind this position.
    pub(crate) after: Option<String>,
    /// Only what stands before this one.
    pub(crate) before: Option<String>,
    /// Whether the newest come first.
    pub(crate) is_descending: bool,
    /// The most messages.
    pub(crate) limit: u64,
}

/// What is asked of the messages that a channel keeps.
///
/// # Errors
/// [`ApiError::InvalidQuery`] names the parameter at fault.
pub(crate) fn history(query: &str) -> Result<HistoryQuery, ApiError> {
    let Parameters { after, before, limit, order, .. } = Parameters::parse(query)?;
    let is_descending = match order.as_deref() {
        None | Some("asc") => false,
        Some("desc") => true,
        Some(_) => return Err(refused("order", "must be asc or desc")),
    };
    let limit = match limit.as_deref() {
        None => DEFAULT_MESSAGES,
        Some(text) => number(text)
            .filter(|limit| (1..=MAX_PAGE_SIZE).contains(limit))
            .ok_or(refused("limit", "must be 1 to 1000"))?,
    };
    Ok(HistoryQuery { after, before, is_descending, limit })
}

impl Parameters {
    /// What they ask for; a size alone asks for the first page.
    fn wanted(&self) -> Result<ListRange, ApiError> {
        let (sort, is_descending) = self.order()?;
        let limit = self.page_size()?;
        if let Some(cursor) = self.cursor.as_deref() {
            if self.page.is_some() || self.sort_by.is_some() || self.order_by.is_some() {
                return Err(refused(
                    "cursor",
                    "goes on in the list's own order: with pageSize alone",
                ));
            }
            return Ok(ListRange::Step(ListStep { behind: place(cursor)?, limit }));
        }
        let page = match self.page.as_deref() {
            Some(text) => number(text)
                .filter(|page| *page >= 1)
                .ok_or_else(|| refused("page", "must be a number from 1"))?,
            None if self.page_size.is_some() => 1,
            None if self.sort_by.is_some() => return Err(refused("sortBy", "goes with page")),
            None if self.order_by.is_some() => return Err(refused("orderBy", "goes with page")),
            None => return Ok(ListRange::All),
        };
        let offset = (page - 1).saturating_mul(limit).min(MAX_OFFSET);
        Ok(ListRange::Page(ChannelPage { sort, is_descending, offset, limit }))
    }

    /// By what a page is sorted, and whether backwards.
    fn order(&self) -> Result<(ChannelSort, bool), ApiError> {
        let sort = match self.sort_by.as_deref() {
            None | Some("created_at") => ChannelSort::CreatedAt,
            Some("id") => ChannelSort::Id,
            Some(_) => return Err(refused("sortBy", "must be created_at or id")),
        };
        let is_descending = match self.order_by.as_deref() {
            None | Some("asc") => false,
            Some("desc") => true,
            Some(_) => return Err(refused("orderBy", "must be asc or desc")),
        };
        Ok((sort, is_descending))
    }

    /// How many things a page or a step has.
    fn page_size(&self) -> Result<u64, ApiError> {
        let Some(text) = self.page_size.as_deref() else { return Ok(DEFAULT_PAGE_SIZE) };
        number(text)
            .filter(|size| (1..=MAX_PAGE_SIZE).contains(size))
            .ok_or_else(|| refused("pageSize", "must be a number from 1 to 1000"))
    }
}

/// A place in a list, which no change of the list moves: behind everything smaller.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ListCursor {
    /// What the list is ordered by: a time, or a number.
    pub(crate) rank: i64,
    /// Tells those of one rank apart.
    pub(crate) id: String,
}

impl ListCursor {
    /// The place of what came at a time.
    pub(crate) fn at(at: Timestamp, id: &str) -> Self {
        Self { rank: at.0, id: id.to_owned() }
    }

    /// Its time.
    pub(crate) const fn time(&self) -> Timestamp {
        Timestamp(self.rank)
    }

    /// The cursor that says it.
    pub(crate) fn cursor(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!("{}.{}", self.rank, self.id))
    }

    /// Reads a cursor.
    fn read(text: &str) -> Option<Self> {
        let plain = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let (rank, id) = plain.split_once('.')?;
        Some(Self { rank: rank.parse().ok()?, id: id.to_owned() })
    }
}

/// A step of a walk through a list in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListStep {
    /// Behind what it begins; at the start, if none.
    pub(crate) behind: Option<ListCursor>,
    /// How many it has at most.
    pub(crate) limit: u64,
}

/// Where a cursor stands; an empty one before the first thing.
fn place(cursor: &str) -> Result<Option<ListCursor>, ApiError> {
    if cursor.is_empty() {
        return Ok(None);
    }
    let place =
        ListCursor::read(cursor).ok_or_else(|| refused("cursor", "is none that `next` has said"));
    place.map(Some)
}

/// A plain decimal number; neither a sign nor a space.
pub(super) fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// The refusal of one parameter.
pub(super) const fn refused(field: &'static str, reason: &'static str) -> ApiError {
    ApiError::InvalidQuery { field, reason }
}

/// What the parameters are called.
#[cfg(test)]
pub(in crate::http) fn names() -> &'static [&'static str] {
    super::read_names::of::<Parameters>()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page that a query asks for.
    fn page(query: &str) -> ChannelPage {
        match wanted_sorted(query) {
            Ok(ListRange::Page(page)) => page,
            other => panic!("{query}: {other:?}"),
        }
    }

    /// The parameter for which a query is refused.
    fn fault(asked: Result<ListRange, ApiError>) -> &'static str {
        match asked {
            Err(ApiError::InvalidQuery { field, .. }) => field,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn pages_are_counted_from_one() {
        let first = page("page=1&pageSize=75");
        assert_eq!((first.offset, first.limit, first.is_descending), (0, 75, false));
        let third = page("project=p&page=3&pageSize=10&sortBy=id&orderBy=desc");
        assert_eq!((third.offset, third.limit), (20, 10));
        assert_eq!((third.sort, third.is_descending), (ChannelSort::Id, true));
        assert_eq!(page("page=18446744073709551615").offset, MAX_OFFSET);
        assert_eq!(page("pageSize=5"), page("page=1&pageSize=5"));
    }

    #[test]
    fn without_a_page_all_are_meant() {
        for query in ["", "project=project_x&channel_id=a"] {
            assert_eq!(wanted_sorted(query).unwrap(), ListRange::All);
            assert_eq!(wanted(query).unwrap(), ListRange::All);
        }
        assert_eq!(ListRange::All.or_first_page(), ListRange::Page(page("page=1")));
        let second = wanted("page=2").unwrap();
        assert_eq!(second.clone().or_first_page(), second);
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
            ("sortBy=id", "sortBy"),
            ("orderBy=ASC", "orderBy"),
            ("orderBy=desc", "orderBy"),
            ("page=1&page=2", "query"),
        ] {
            assert_eq!(fault(wanted_sorted(query)), name, "{query}");
        }
        assert_eq!(fault(wanted("page=1&sortBy=id")), "sortBy");
        assert_eq!(fault(wanted("page=1&orderBy=desc")), "orderBy");
    }

    #[test]
    fn messages_are_asked_for_by_position_and_number() {
        let asked = history("after=1-2&limit=5&order=desc&x=1").unwrap();
        assert_eq!((asked.after.as_deref(), asked.before.as_deref()), (Some("1-2"), None));
        assert_eq!((asked.limit, asked.is_descending), (5, true));
        let plain = history("before=1-2&order=asc").unwrap();
        assert_eq!((plain.limit, plain.is_descending), (100, false));
        for (query, fault) in [
            ("limit=0", "limit"),
            ("limit=1001", "limit"),
            ("limit=", "limit"),
            ("order=up", "order"),
            ("after=1&after=2", "query"),
        ] {
            let refused = history(query);
            assert!(
                matches!(refused, Err(ApiError::InvalidQuery { field, .. }) if field == fault),
                "{query}"
            );
        }
    }

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let behind = ListCursor { rank: -7, id: "leap_token_a.b".to_owned() };
        let query = format!("cursor={}&pageSize=3", behind.cursor());
        let step = ListStep { behind: Some(behind), limit: 3 };
        assert_eq!(wanted(&query).unwrap(), ListRange::Step(step));
        let start = ListStep { behind: None, limit: DEFAULT_PAGE_SIZE };
        assert_eq!(wanted("cursor=").unwrap(), ListRange::Step(start));
        for broken in [
            "cursor=!",
            "cursor=YQ",
            "cursor=eC55",
            "cursor=&page=1",
            "cursor=&sortBy=id",
            "cursor=&orderBy=desc",
        ] {
            assert_eq!(fault(wanted_sorted(broken)), "cursor", "{broken}");
        }
        assert_eq!(fault(wanted("cursor=a&cursor=b")), "query");
    }

    #[test]
    fn an_empty_project_is_none() {
        assert_eq!(project("project=").unwrap(), None);
        assert_eq!(project("project=project_x").unwrap().as_deref(), Some("project_x"));
        assert!(project("project=a&project=b").is_err());
    }
}
