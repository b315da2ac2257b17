//! Channels: create, read, change, delete, stats. The list has a file of its own.

use super::App;
use super::answer::{self, Answer};
use super::body::RequestBody;
use super::call::Call;
use super::error::ApiError;
use super::fields::{Fields, quoted};
use super::limits::Content;
use super::mounted::{Mounted, on};
use super::views::ChannelView;
use crate::actor::{Receipt, clock};
use crate::domain::{
    Capabilities, Channel, ChannelId, ChannelKey, EventKind, HookEvent, KeptAnswer, Project, State,
    Version, Visibility,
};
use crate::store::{StoreError, StoreResult, Thing, WriteStore};
use actix_web::http::Method;
use serde::Serialize;

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

/// `{channel}`.
#[derive(Serialize)]
struct ChannelBody<'a> {
    /// The channel.
    channel: ChannelView<'a>,
}

/// Answers with one channel.
fn one(channel: &Channel, project: &Project) -> Answer {
    answer::data(ChannelBody { channel: ChannelView::new(channel, project) })
}

/// The same for who repeats the call.
fn spelled(channel: &Channel, project: &Project) -> Result<KeptAnswer, ApiError> {
    answer::spelled(ChannelBody { channel: ChannelView::new(channel, project) })
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
    let limit = call.app.limits.state_bytes;
    let read = move |text: &str| {
        let fields = Fields::parse(text, &["type", "state", "capabilities"])?;
        let visibility = visibility(&fields)?.unwrap_or(Visibility::Private);
        let capabilities = capabilities(&fields)?.unwrap_or_default();
        Ok((visibility, capabilities, first_state(&fields, limit)?))
    };
    let (visibility, capabilities, state) = text.read(read).await?;
    let receipt = call.receipt(|(channel, project)| spelled(channel, project));
    let (channel, project) =
        create(&call.app, key, visibility, capabilities, state, receipt).await?;
    one(&channel, &project)
}

/// Creates a channel; returns it with its project.
///
/// # Errors
/// `NotFound(Project)`, `Exists(Channel)`.
pub(super) async fn create(
    app: &App,
    key: ChannelKey,
    visibility: Visibility,
    capabilities: Capabilities,
    state: State,
    receipt: Option<Receipt<(Channel, Project)>>,
) -> Result<(Channel, Project), ApiError> {
    let kind = EventKind::ChannelCreated;
    let is_wanted = app.persistence.hooks().wants(&key.project, kind);
    let (version, created_at) = (Version::FIRST, clock::now());
    let channel = Channel { key, visibility, capabilities, state, version, created_at };
    let create = move |store: &mut dyn WriteStore| {
        let project = existing(store.find_project(&channel.key.project)?, Thing::Project)?;
        store.create_channel(&channel)?;
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
    let (channel, project) = call
        .app
        .persistence
        .read(move |store| {
            let project = existing(store.find_project(&key.project)?, Thing::Project)?;
            Ok((existing(store.find_channel(&key)?, Thing::Channel)?, project))
        })
        .await?;
    one(&channel, &project)
}

/// `PATCH /channels/:id`: who may subscribe and what the channel can do.
async fn update(call: Call, body: RequestBody) -> Answer {
    let key = call.channel().await?;
    let text = body.json(&call, Content::Record).await?;
    let fields = Fields::parse(text.as_str(), &["type", "capabilities"])?;
    let (visibility, capabilities) = (visibility(&fields)?, capabilities(&fields)?);
    let project = call.load_project(key.project.clone()).await?;
    let owner = project.clone();
    let receipt = call.receipt(move |channel| spelled(channel, &owner));
    let supervisor = &call.app.supervisor;
    let channel = supervisor.update_channel(&key, visibility, capabilities, receipt).await?;
    one(&channel, &project)
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
    const REASON: &str = "must be a number from 0 to 31 or a list of capability names";
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
        for broken in ["32", "-1", "1.5", "1e400", "\"PRESENCE\"", "[\"x\"]", "[1]", "{}", "true"] {
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
}
