//! Channels: create, read, change, delete, stats. The list has a file of its own.

use super::App;
use super::answer::{self, Answer};
use super::body::RequestBody;
use super::call::Call;
use super::error::ApiError;
use super::fields::{Fields, quoted};
use super::limits::Content;
use super::mounted::{Mounted, on};
use super::views::{ChannelView, HistoryView};
use crate::actor::{Receipt, clock};
use crate::domain::{
    Capabilities, Channel, ChannelId, ChannelKey, EventKind, HistoryLimits, HookEvent, KeptAnswer,
    NewVersion, Project, State, Version, Visibility,
};
use crate::store::{ReadStore, StoreError, StoreResult, Thing, WriteStore};
use actix_web::http::Method;
use serde::Serialize;
use std::sync::Arc;

/// The routes of this file.
pub(crate) fn routes() -> Vec<Mounted> {
    vec![
        on(Method::POST, "channels", post),
        on(Method::PUT, "channels/{channel}", post),
        on(Method::GET, "channels/{channel}", show),
        on(Method::PATCH, "channels/{channel}", update),
        on(Method::DELETE, "channels/{channel}", delete),
        on(Method::GET, "channels/{channel}/stats", stats),
    ]
}

/// The fields that a channel is made from.
pub(super) const SHAPE_FIELDS: &[&str] = &["type", "state", "capabilities", "history"];
/// Those of them that can be changed.
pub(super) const UPDATE_FIELDS: &[&str] = &["type", "capabilities", "history"];

/// `{channel}`.
#[derive(Serialize)]
struct ChannelBody<'a> {
    /// The channel.
    channel: ChannelView<'a>,
}

/// Answers with one channel.
fn one(channel: &Channel, limits: HistoryLimits, project: &Project) -> Answer {
    answer::data(ChannelBody { channel: ChannelView::new(channel, project).narrowed(limits) })
}

/// The same for who repeats the call.
fn spelled(
    channel: &Channel,
    limits: HistoryLimits,
    project: &Project,
) -> Result<KeptAnswer, ApiError> {
    answer::spelled(ChannelBody { channel: ChannelView::new(channel, project).narrowed(limits) })
}

/// `POST /channels` makes up an id, `PUT /channels/:id` takes the caller's.
async fn post(call: Call, body: RequestBody) -> Answer {
    let id = if call.request.method() == Method::PUT {
        call.parts.channel()?
    } else {
        ChannelId::trusted(&clock::readable_id("channel"))
    };
    let key = ChannelKey { id, project: call.project().await? };
    let text = body.json(&call, Content::Record).await?;
    let limit = call.app.limits.get().state_bytes;
    let read = move |text: &str| shape(text, limit);
    let (kind, state) = text.read(read).await?;
    let (.., limits) = kind;
    let by = Some(Arc::clone(&call.by));
    let receipt = call.receipt(move |(channel, project)| spelled(channel, limits, project));
    let (channel, project) = create(&call.app, key, kind, state, by, receipt).await?;
    one(&channel, limits, &project)
}

/// What a channel is: who may come in, what it can do, and what it narrows of what it keeps.
pub(super) type Kind = (Visibility, Capabilities, HistoryLimits);

/// Reads `{type?, state?, capabilities?, history?}`, states of at most `limit` bytes.
///
/// # Errors
/// [`ApiError::InvalidBody`], [`ApiError::TooLarge`].
pub(super) fn shape(text: &str, limit: usize) -> Result<(Kind, State), ApiError> {
    let fields = Fields::parse(text, SHAPE_FIELDS)?;
    let visibility = visibility(&fields)?.unwrap_or(Visibility::Private);
    let capabilities = capabilities(&fields)?.unwrap_or_default();
    let history = history_limits(&fields)?.unwrap_or_default();
    if history != HistoryLimits::default() && !capabilities.contains(Capabilities::HISTORY) {
        return Err(ApiError::field("history", "needs the capability HISTORY"));
    }
    Ok(((visibility, capabilities, history), first_state(&fields, limit)?))
}

/// Creates a channel; returns it with its project.
///
/// # Errors
/// `NotFound(Project)`, `Exists(Channel)`.
pub(super) async fn create(
    app: &App,
    key: ChannelKey,
    (visibility, capabilities, history): Kind,
    state: State,
    by: Option<Arc<str>>,
    receipt: Option<Receipt<(Channel, Project)>>,
) -> Result<(Channel, Project), ApiError> {
    let (kind, epoch) = (EventKind::ChannelCreated, clock::epoch());
    let is_wanted = app.persistence.hooks().wants(&key.project, kind);
    let (version, created_at) = (Version::FIRST, clock::now());
    let bounds = app.supervisor.settings().state_log;
    let channel = Channel { key, visibility, capabilities, state, version, created_at };
    let create = move |store: &mut dyn WriteStore| {
        let project = existing(store.find_project(&channel.key.project)?, Thing::Project)?;
        store.create_channel(&channel)?;
        if channel.capabilities.contains(Capabilities::STATE_HISTORY) {
            let first = NewVersion::first(channel.state.clone(), version, created_at, by);
            store.keep_version(&channel.key, &first, &bounds)?;
        }
        if capabilities.contains(Capabilities::HISTORY) {
            store.open_line(&channel.key, epoch, history)?;
        }
        Ok((channel, project))
    };
    let event = move |(channel, _): &(Channel, Project)| {
        vec![HookEvent::channel(clock::stamp(), kind, channel)]
    };
    Ok(app.persistence.write_once_causing(receipt, is_wanted, create, event).await?)
}

/// `GET /channels/:id`.
async fn show(call: Call) -> Answer {
    let key = call.channel().await?;
    let (channel, limits, project) = call
        .app
        .persistence
        .read(move |store| {
            let project = existing(store.find_project(&key.project)?, Thing::Project)?;
            let channel = existing(store.find_channel(&key)?, Thing::Channel)?;
            let limits = limits_of(store, &channel)?;
            Ok((channel, limits, project))
        })
        .await?;
    one(&channel, limits, &project)
}

/// What a channel has narrowed of what it keeps.
pub(super) fn limits_of(
    store: &mut dyn ReadStore,
    channel: &Channel,
) -> StoreResult<HistoryLimits> {
    if !channel.capabilities.contains(Capabilities::HISTORY) {
        return Ok(HistoryLimits::default());
    }
    Ok(store.find_line(&channel.key)?.map(|line| line.limits).unwrap_or_default())
}

/// `PATCH /channels/:id`: who may subscribe and what the channel can do.
async fn update(call: Call, body: RequestBody) -> Answer {
    let key = call.channel().await?;
    let text = body.json(&call, Content::Record).await?;
    let fields = Fields::parse(text.as_str(), UPDATE_FIELDS)?;
    let (visibility, capabilities) = (visibility(&fields)?, capabilities(&fields)?);
    let history = history_limits(&fields)?;
    let project = call.load_project(key.project.clone()).await?;
    let wanted = key.clone();
    let (before, limits) = call
        .app
        .persistence
        .read(move |store| {
            let channel = existing(store.find_channel(&wanted)?, Thing::Channel)?;
            Ok((channel.capabilities, limits_of(store, &channel)?))
        })
        .await?;
    let keeps = capabilities.unwrap_or(before).contains(Capabilities::HISTORY);
    if history.is_some() && !keeps {
        return Err(ApiError::field("history", "needs the capability HISTORY"));
    }
    let limits = if keeps { history.unwrap_or(limits) } else { HistoryLimits::default() };
    let owner = project.clone();
    let receipt = call.receipt(move |channel| spelled(channel, limits, &owner));
    let supervisor = &call.app.supervisor;
    let channel =
        supervisor.update_channel(&key, visibility, capabilities, history, receipt).await?;
    one(&channel, limits, &project)
}

/// `DELETE /channels/:id`.
async fn delete(call: Call) -> Answer {
    let key = call.channel().await?;
    call.app.supervisor.delete_channel(&key, call.receipt(answer::nothing)).await?;
    Ok(answer::done())
}

/// How many are listening: nested for two clients, flat for a third.
#[derive(Serialize)]
struct Stats {
    /// The nested form.
    stats: OnlineCountBody,
    /// The flat form.
    online_count: u64,
}

/// `{online_count}`.
#[derive(Serialize)]
struct OnlineCountBody {
    /// Sessions connected and subscribed now.
    online_count: u64,
}

/// `GET /channels/:id/stats`.
async fn stats(call: Call) -> Answer {
    let key = call.channel().await?;
    must_exist(&call, &key).await?;
    let online_count = call.app.supervisor.online_count(&key).await?;
    answer::data(Stats { stats: OnlineCountBody { online_count }, online_count })
}

/// Checks that a channel exists, for questions that its actor answers for any name.
///
/// # Errors
/// `NotFound(Channel)`.
pub(crate) async fn must_exist(call: &Call, key: &ChannelKey) -> Result<(), ApiError> {
    let key = key.clone();
    let found = call.app.persistence.read(move |store| store.find_channel(&key)).await?;
    found.map(|_| ()).ok_or(ApiError::NotFound(Thing::Channel))
}

/// A row that has to be there.
pub(crate) fn existing<T>(row: Option<T>, thing: Thing) -> StoreResult<T> {
    row.ok_or(StoreError::NotFound(thing))
}

/// The field `type`.
fn visibility(fields: &Fields<'_>) -> Result<Option<Visibility>, ApiError> {
    let word = fields.typed::<String>("type", "must be private, public or unprotected")?;
    let read = |word: String| word.parse().map_err(|e| ApiError::field("type", format!("{e}")));
    word.map(read).transpose()
}

/// The field `capabilities`: the number or a list of names.
fn capabilities(fields: &Fields<'_>) -> Result<Option<Capabilities>, ApiError> {
    const REASON: &str = "must be a number from 0 to 63 or a list of capability names";
    let refused = || ApiError::field("capabilities", REASON);
    let Some(raw) = fields.given("capabilities") else { return Ok(None) };
    if raw.get().starts_with('[') {
        let names: Vec<String> = serde_json::from_str(raw.get()).ok().ok_or_else(refused)?;
        let set_of = |name: &String| Capabilities::from_name(name).ok_or_else(|| unknown(name));
        let mut sets = names.iter().map(set_of);
        let all = sets.try_fold(Capabilities::default(), |all, one| Ok(all.union(one?)));
        return all.map(Some);
    }
    let bits: u64 = serde_json::from_str(raw.get()).ok().ok_or_else(refused)?;
    Capabilities::from_bits(bits).map(Some).ok_or_else(refused)
}

/// The refusal of a capability that does not exist.
fn unknown(name: &str) -> ApiError {
    let known = Capabilities::NAMED.map(|(known, _)| known).join(", ");
    ApiError::field("capabilities", format!("has no {}; the names are {known}", quoted(name)))
}

/// The field `history`: what the channel keeps, where that is less than others keep.
///
/// # Errors
/// [`ApiError::InvalidBody`] when it is something else.
fn history_limits(fields: &Fields<'_>) -> Result<Option<HistoryLimits>, ApiError> {
    const REASON: &str = "must be {count?, seconds?}, each a whole number from 1";
    let refused = || ApiError::field("history", REASON);
    let Some(raw) = fields.given("history") else { return Ok(None) };
    // A list of values would be read as one too.
    let read = raw.get().starts_with('{').then(|| serde_json::from_str(raw.get()).ok());
    let HistoryView { count, seconds } = read.flatten().ok_or_else(refused)?;
    if count == Some(0) || seconds == Some(0) {
        return Err(refused());
    }
    Ok(Some(HistoryLimits { count, seconds }))
}

/// The field `state`: an object of at most `limit` bytes; `{}` where it is missing or `null`.
fn first_state(fields: &Fields<'_>, limit: usize) -> Result<State, ApiError> {
    if fields.given("state").is_none() {
        return Ok(State::empty());
    }
    let Some(json) = fields.json("state")? else { return Ok(State::empty()) };
    if !json.is_object() {
        return Err(ApiError::field("state", "must be an object"));
    }
    Ok(State::new(json, limit)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fields that a channel is created from.
    const NAMES: &[&str] = &["type", "state", "capabilities"];

    #[test]
    fn capabilities_are_a_number_or_names() {
        let read = |text: &str| {
            let body = format!("{{\"capabilities\":{text}}}");
            capabilities(&Fields::parse(&body, NAMES).unwrap()).map(|c| c.map(Capabilities::bits))
        };
        assert_eq!(read("null"), Ok(None));
        assert_eq!(read("0"), Ok(Some(0)));
        assert_eq!(read("[]"), Ok(Some(0)));
        assert_eq!(read(r#"["EPHEMERAL","HISTORY","EPHEMERAL"]"#), Ok(Some(17)));
        for broken in ["64", "-1", "1.5", "1e400", "\"PRESENCE\"", "[\"x\"]", "[1]", "{}", "true"] {
            assert!(read(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn a_first_state_is_an_object_within_its_bound() {
        let read = |text: &str| first_state(&Fields::parse(text, NAMES).unwrap(), 10);
        for blank in ["{}", r#"{"state":null}"#, "null", ""] {
            assert_eq!(read(blank).unwrap(), State::empty());
        }
        assert_eq!(read(r#"{"state":{"a": 1}}"#).unwrap().json().as_str(), r#"{"a": 1}"#);
        assert!(matches!(read(r#"{"state":[]}"#), Err(ApiError::InvalidBody { .. })));
        let large = read(r#"{"state":{"a":12345}}"#);
        assert_eq!(large, Err(ApiError::TooLarge { limit: 10, size: 11 }));
    }

    #[test]
    fn a_type_is_one_of_three_words() {
        let read = |text: &str| visibility(&Fields::parse(text, NAMES).unwrap());
        assert_eq!(read(r#"{"type":"public"}"#), Ok(Some(Visibility::Public)));
        assert_eq!(read(r#"{"type":null}"#), Ok(None));
        for broken in [r#"{"type":"Public"}"#, r#"{"type":0}"#, r#"{"type":""}"#] {
            assert!(read(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn bounds_of_a_channel_are_whole_numbers_from_one() {
        let read = |text: &str| {
            let body = format!("{{\"history\":{text}}}");
            history_limits(&Fields::parse(&body, &["history"]).unwrap())
        };
        assert_eq!(read("null"), Ok(None));
        assert_eq!(read("{}"), Ok(Some(HistoryLimits::default())));
        let both = HistoryLimits { count: Some(5), seconds: Some(60) };
        assert_eq!(read(r#"{"count":5,"seconds":60}"#), Ok(Some(both)));
        for broken in
            ["5", "[]", r#"{"count":0}"#, r#"{"seconds":-1}"#, r#"{"count":1.5}"#, r#"{"bytes":1}"#]
        {
            assert!(read(broken).is_err(), "{broken}");
        }
    }
}
