//! The versions of a channel's state: read, listed, brought back.

use super::answer::{self, Answer};
use super::body::RequestBody;
use super::call::Call;
use super::error::ApiError;
use super::fields::Fields;
use super::items::PreparedWrite;
use super::limits::Content;
use super::mounted::{Mounted, on};
use super::state;
use crate::actor::clock;
use crate::domain::{
    Capabilities, Channel, ChannelKey, KeptVersion, RawJson, State, StateChange, StoredState,
    Timestamp, Version,
};
use crate::heavy;
use crate::store::{FoundVersion, StateLogPage, WantedVersion};
use actix_web::http::Method;
use actix_web::web;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How many versions a part of the list has when the caller does not say.
const DEFAULT_LIMIT: u64 = 100;
/// The most of them.
pub(super) const MAX_LIMIT: u64 = 1000;
/// The field that says what is brought back.
pub(super) const RESTORE_FIELDS: &[&str] = &["version"];
/// How many bytes of patches it has, roughly.
const PAGE_BYTES: u64 = 4 << 20;
/// From so many bytes read and written on, rebuilding a state takes 5 ms or more: up to 16 ns for each.
const HEAVY_REBUILD: usize = 256 << 10;

/// The routes of this file.
pub(crate) fn routes() -> Vec<Mounted> {
    vec![
        on(Method::GET, "channels/{channel}/state", show),
        on(Method::GET, "channels/{channel}/state/history", list),
        on(Method::POST, "channels/{channel}/state/restore", restore),
    ]
}

/// The parameters of these routes, as they came.
#[derive(Deserialize, Default)]
#[serde(default)]
struct LogQuery {
    /// A version.
    version: Option<String>,
    /// A time.
    at: Option<String>,
    /// The version before which a list begins.
    before: Option<String>,
    /// How many a list has.
    limit: Option<String>,
}

/// The refusal of one parameter.
const fn refused(field: &'static str, reason: &'static str) -> ApiError {
    ApiError::InvalidQuery { field, reason }
}

/// A version's number.
fn number(text: &str, field: &'static str) -> Result<Version, ApiError> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = is_plain.then(|| text.parse().ok()).flatten();
    number.map(Version).ok_or(refused(field, "must be the number of a version"))
}

impl LogQuery {
    /// Reads a query string.
    fn parse(query: &str) -> Result<Self, ApiError> {
        let parsed = web::Query::<Self>::from_query(query).ok().map(web::Query::into_inner);
        parsed.ok_or(refused("query", "names a parameter twice or is malformed"))
    }

    /// Which version is meant; none for the one in force.
    fn wanted(&self) -> Result<Option<WantedVersion>, ApiError> {
        match (self.version.as_deref(), self.at.as_deref()) {
            (None, None) => Ok(None),
            (Some(text), None) => Ok(Some(WantedVersion::Number(number(text, "version")?))),
            (None, Some(text)) => {
                // A plus sign in a query is a space to those who read forms.
                let at = Timestamp::parse(&text.replace(' ', "+")).ok();
                let at = at.ok_or(refused("at", "must be an RFC 3339 date and time"))?;
                Ok(Some(WantedVersion::At(at)))
            }
            (Some(_), Some(_)) => Err(refused("at", "cannot be named beside `version`")),
        }
    }

    /// Which part of a list is meant.
    fn part(&self) -> Result<(Option<Version>, u64), ApiError> {
        let before = self.before.as_deref().map(|text| number(text, "before")).transpose()?;
        let Some(limit) = self.limit.as_deref() else { return Ok((before, DEFAULT_LIMIT)) };
        let limit = limit.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
        Ok((before, limit.ok_or(refused("limit", "must be a number from 1 to 1000"))?))
    }
}

/// `GET /channels/:id/state`: the state in force, a version of it, or the one that was in force at some time.
async fn show(call: Call) -> Answer {
    let key = call.channel().await?;
    let wanted = LogQuery::parse(call.request.query_string())?.wanted()?;
    let channel = state::find(&call, &key).await?;
    let Some(wanted) = wanted else { return state::answer(&call, channel).await };
    let (version, state) = version_of(&call, &key, &channel, wanted).await?;
    state::answer(&call, Channel { state, version, ..channel }).await
}

/// A version of a channel's state.
async fn version_of(
    call: &Call,
    key: &ChannelKey,
    channel: &Channel,
    wanted: WantedVersion,
) -> Result<(Version, State), ApiError> {
    match wanted {
        WantedVersion::Number(version) if version == channel.version => {
            return Ok((version, channel.state.clone()));
        }
        WantedVersion::Number(version) if version > channel.version || version.0 < 1 => {
            return Err(ApiError::NoSuchVersion);
        }
        WantedVersion::At(at) if at < channel.created_at => return Err(ApiError::NoSuchVersion),
        _ => {}
    }
    let (wanted_of, bounds) = (key.clone(), call.app.supervisor.settings().state_log);
    let found = call
        .app
        .persistence
        .read(move |store| store.find_version(&wanted_of, wanted, &bounds, clock::now()))
        .await?;
    match found {
        Some(FoundVersion::Kept(version, stored)) => Ok((version, rebuilt(key, stored).await?)),
        Some(FoundVersion::Gone(oldest)) => Err(ApiError::VersionGone { oldest }),
        None => Err(ApiError::VersionGone { oldest: channel.version }),
    }
}

/// A state as it was; one that takes long on another thread.
async fn rebuilt(key: &ChannelKey, stored: StoredState) -> Result<State, ApiError> {
    let rebuilt = if stored.cost() < HEAVY_REBUILD {
        stored.rebuilt()
    } else {
        heavy::run_in_turn(&key.project, move || stored.rebuilt()).await?
    };
    rebuilt.map_err(|error| ApiError::internal(&error))
}

/// `{versions, next}`.
#[derive(Serialize)]
struct VersionList {
    /// Newest first.
    versions: Vec<VersionView>,
    /// Before which version the list goes on; absent at its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Version>,
}

/// One version.
#[derive(Serialize)]
struct VersionView {
    /// Its number.
    version: Version,
    /// When it was made.
    at: Timestamp,
    /// By whom.
    by: Option<Arc<str>>,
    /// How many bytes the state has.
    bytes: u64,
    /// What has changed since the version before.
    patch: Option<RawJson>,
}

impl From<KeptVersion> for VersionView {
    fn from(KeptVersion { version, at, by, bytes, patch }: KeptVersion) -> Self {
        Self { version, at, by, bytes, patch }
    }
}

/// `GET /channels/:id/state/history`: what is kept, newest first.
async fn list(call: Call) -> Answer {
    let key = call.channel().await?;
    let (before, limit) = LogQuery::parse(call.request.query_string())?.part()?;
    let channel = state::find(&call, &key).await?;
    if !channel.capabilities.contains(Capabilities::STATE_HISTORY) {
        return Err(ApiError::MissingCapability("STATE_HISTORY"));
    }
    let (bounds, now) = (call.app.supervisor.settings().state_log, clock::now());
    let page = StateLogPage { before, limit, bytes: PAGE_BYTES, bounds, now };
    let kept = call.app.persistence.read(move |store| store.kept_versions(&key, &page)).await?;
    let (versions, has_more) = kept.unwrap_or_default();
    let next = versions.last().filter(|_| has_more).map(|last| last.version);
    answer::data(VersionList {
        versions: versions.into_iter().map(VersionView::from).collect(),
        next,
    })
}

/// `POST /channels/:id/state/restore`: a version of before becomes the newest one, as if it had been put there.
async fn restore(call: Call, body: RequestBody) -> Answer {
    let key = call.channel().await?;
    let text = body.json(&call, Content::Record).await?;
    let fields = Fields::parse(text.as_str(), RESTORE_FIELDS)?;
    let version = fields.typed("version", "must be the number of a version")?;
    let version = version.ok_or_else(|| ApiError::field("version", "is missing: a number"))?;
    let channel = state::find(&call, &key).await?;
    let wanted = WantedVersion::Number(Version(version));
    let (_, state) = version_of(&call, &key, &channel, wanted).await?;
    let change = StateChange::Replace(state.json().clone());
    let write: PreparedWrite = state::prepare(&call, key, change).await?;
    write.carry_out().await
}

/// What the parameters are called.
#[cfg(test)]
pub(in crate::http) fn names() -> &'static [&'static str] {
    super::read_names::of::<LogQuery>()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which version a query means.
    fn wanted(query: &str) -> Result<Option<WantedVersion>, ApiError> {
        LogQuery::parse(query)?.wanted()
    }

    #[test]
    fn a_version_is_named_by_its_number_or_a_time() {
        assert_eq!(wanted("project=x"), Ok(None));
        assert_eq!(wanted("version=7"), Ok(Some(WantedVersion::Number(Version(7)))));
        let at = Ok(Some(WantedVersion::At(Timestamp(1000))));
        for text in
            ["1970-01-01T00:00:01Z", "1970-01-01T01:00:01%2B01:00", "1970-01-01T01:00:01+01:00"]
        {
            assert_eq!(wanted(&format!("at={text}")), at, "{text}");
        }
        for (query, name) in [
            ("version=", "version"),
            ("version=-1", "version"),
            ("version=99999999999999999999", "version"),
            ("at=yesterday", "at"),
            ("version=1&at=1970-01-01T00:00:01Z", "at"),
            ("version=1&version=2", "query"),
        ] {
            let Err(ApiError::InvalidQuery { field, .. }) = wanted(query) else {
                panic!("{query} was taken")
            };
            assert_eq!(field, name, "{query}");
        }
    }

    #[test]
    fn a_part_of_the_list_has_its_bounds() {
        let part = |query| LogQuery::parse(query).and_then(|read| read.part());
        assert_eq!(part(""), Ok((None, DEFAULT_LIMIT)));
        assert_eq!(part("before=3&limit=1000"), Ok((Some(Version(3)), 1000)));
        for query in ["limit=0", "limit=1001", "limit=x", "before=x"] {
            assert!(matches!(part(query), Err(ApiError::InvalidQuery { .. })), "{query}");
        }
    }
}
