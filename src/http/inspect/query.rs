//! What a look asks for.

use super::super::error::ApiError;
use super::super::query::{number, refused};
use crate::domain::{ChannelId, ConnectionId, LeapTokenId, Timestamp};
use crate::recorder::{Chosen, RecordKind, RecordQuery};
use actix_web::web;
use serde::Deserialize;
use std::time::Duration;

/// How many entries there are when the caller does not say.
const DEFAULT_ENTRIES: usize = 200;
/// The most entries.
pub(in crate::http) const MAX_ENTRIES: usize = 1000;
/// The longest that a look waits, seconds.
pub(in crate::http) const MAX_WAIT: u64 = 25;

/// The parameters; others are ignored, as everywhere.
#[derive(Deserialize, Default)]
#[serde(default)]
struct InspectParameters {
    /// Only what is on this channel.
    channel: Option<String>,
    /// Only what is about this token.
    token: Option<String>,
    /// Only what is about this connection.
    connection: Option<String>,
    /// Only these kinds, with commas between them.
    kind: Option<String>,
    /// Only what is from then or later.
    since: Option<String>,
    /// Only what comes behind this.
    after: Option<String>,
    /// Only what comes before this.
    before: Option<String>,
    /// The most entries.
    limit: Option<String>,
    /// How many seconds to wait for something.
    wait: Option<String>,
}

/// What a look asks for.
#[derive(Debug)]
pub(super) struct InspectQuery {
    /// Which entries.
    pub(super) record: RecordQuery,
    /// How long to wait for some; not, if it is not said.
    pub(super) wait: Option<Duration>,
}

impl InspectQuery {
    /// Reads a query string.
    ///
    /// # Errors
    /// [`ApiError::InvalidQuery`] names the parameter at fault.
    pub(super) fn parse(query: &str) -> Result<Self, ApiError> {
        let parsed = web::Query::<InspectParameters>::from_query(query).ok();
        let asked = parsed.ok_or(refused("query", "names a parameter twice or is malformed"))?;
        let asked = asked.into_inner();
        let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let channel = filled(&asked.channel).map(|id| ChannelId::parse(&id)).transpose()?;
        let since = filled(&asked.since).map(|text| Timestamp::parse(&text)).transpose();
        let since = since.ok().ok_or(refused("since", "must be an RFC 3339 date and time"))?;
        let (after, before) = (asked.after, asked.before);
        if after.is_some() && before.is_some() {
            return Err(refused("before", "goes without after"));
        }
        let place = |text: Option<String>, field| {
            let refusal = refused(field, "must be a number that an answer has named");
            text.map(|text| number(&text).ok_or(refusal)).transpose()
        };
        let limit = asked.limit.map_or(Some(DEFAULT_ENTRIES), |text| {
            let limit = number(&text).and_then(|limit| usize::try_from(limit).ok());
            limit.filter(|limit| (1..=MAX_ENTRIES).contains(limit))
        });
        let wait = asked.wait.map(|text| number(&text).filter(|wait| *wait <= MAX_WAIT));
        let wait = wait.map(|wait| wait.ok_or(refused("wait", "must be 0 to 25 seconds")));
        let record = RecordQuery {
            after: place(after, "after")?,
            before: place(before, "before")?,
            since,
            channel,
            token: filled(&asked.token).map(|id| LeapTokenId::from(id.as_str())),
            connection: filled(&asked.connection).map(|id| ConnectionId::from(id.as_str())),
            kinds: kinds(filled(&asked.kind).as_deref())?,
            limit: limit.ok_or(refused("limit", "must be 1 to 1000"))?,
        };
        Ok(Self { record, wait: wait.transpose()?.map(Duration::from_secs) })
    }

    /// Whose frames it wants to see.
    pub(super) fn chosen(&self) -> Vec<Chosen> {
        let token = self.record.token.clone().map(Chosen::Token);
        let connection = self.record.connection.clone().map(Chosen::Connection);
        token.into_iter().chain(connection).collect()
    }

    /// What it is about, without secrets: a token is one, so that it is not named.
    pub(super) fn in_words(&self) -> String {
        let RecordQuery { channel, token, connection, kinds, .. } = &self.record;
        let kinds: Vec<_> = kinds.iter().map(|kind| kind.word()).collect();
        let words = [
            channel.as_ref().map(|id| format!("channel={}", id.as_str())),
            token.as_ref().map(|_| "a token".to_owned()),
            connection.as_ref().map(|cid| format!("connection={cid}")),
            (!kinds.is_empty()).then(|| format!("kind={}", kinds.join(","))),
        ];
        words.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}

/// The kinds of a list.
fn kinds(list: Option<&str>) -> Result<Vec<RecordKind>, ApiError> {
    let words = list.into_iter().flat_map(|list| list.split(','));
    let kind = |word| RecordKind::from_word(word).ok_or(refused("kind", "names no kind of entry"));
    words.map(kind).collect()
}

/// What the parameters are called.
#[cfg(test)]
pub(in crate::http) fn names() -> &'static [&'static str] {
    super::super::read_names::of::<InspectParameters>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_is_read_and_told_without_secrets() {
        let query = "channel=room%20a&token=leap_token_secret&connection=0-1-x&kind=message,state&limit=5&wait=25&after=17";
        let asked = InspectQuery::parse(query).unwrap();
        assert_eq!(asked.record.kinds, [RecordKind::Message, RecordKind::State]);
        assert_eq!((asked.record.limit, asked.record.after), (5, Some(17)));
        assert_eq!(asked.wait, Some(Duration::from_secs(25)));
        assert_eq!(asked.in_words(), "channel=room a a token connection=0-1-x kind=message,state");
        let plain = InspectQuery::parse("channel=&kind=&since=2026-01-31T12:00:00Z&x=1").unwrap();
        assert_eq!((plain.record.limit, plain.record.after, plain.wait), (200, None, None));
        assert!(plain.record.channel.is_none() && plain.record.since.is_some());
        assert_eq!(plain.in_words(), "");
    }

    #[test]
    fn broken_looks_are_refused_by_their_parameter() {
        for (query, name) in [
            ("kind=frames", "kind"),
            ("kind=message,,state", "kind"),
            ("since=yesterday", "since"),
            ("after=x", "after"),
            ("after=", "after"),
            ("after=-1", "after"),
            ("before=1.5", "before"),
            ("before=1&after=1", "before"),
            ("limit=0", "limit"),
            ("limit=1001", "limit"),
            ("wait=26", "wait"),
            ("wait=x", "wait"),
            ("limit=1&limit=1", "query"),
        ] {
            let refused = InspectQuery::parse(query).unwrap_err();
            assert!(
                matches!(refused, ApiError::InvalidQuery { field, .. } if field == name),
                "{query}: {refused:?}"
            );
        }
        assert!(InspectQuery::parse("channel=a/b").is_err());
    }
}
