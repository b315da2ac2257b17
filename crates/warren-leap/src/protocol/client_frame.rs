//! What clients send, decoded: one text frame becomes one [`ClientFrame`].

use super::opcode::Opcode;
use crate::domain::json;
use crate::domain::message::EVENT_NAME_MAX_BYTES;
use crate::domain::{ChannelId, Message, RawJson, Resume, Since, StartingPoint, Version};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// How much of an unknown event's name is repeated, characters.
const UNKNOWN_NAME_CHARS: usize = 64;
/// The longest heartbeat tag or `ref` that is echoed, bytes.
pub const TAG_MAX_BYTES: usize = 256;
/// The longest id of a message, bytes.
pub const ID_MAX_BYTES: usize = 128;

/// One client frame: what it says, and by what name its sender wants to hear of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientFrame {
    /// What it says.
    pub command: ClientCommand,
    /// Ours: `ref`, echoed in `ACK` and `ERROR` (extension `errors`).
    pub reference: Option<String>,
    /// How long its text was.
    pub bytes: usize,
}

/// Who a connection says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identify {
    /// The project's id.
    pub project_id: String,
    /// A leap token or project token; none for a connection without.
    pub token: Option<String>,
    /// The extensions that the client asks for; none when it did not ask at all.
    pub extensions: Option<Vec<String>>,
    /// Ours: from where it wants to go on (extension `resume`).
    pub resume: Option<Resume>,
}

/// A token in a frame, a secret, which shows itself nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct ShownToken(pub String);

impl fmt::Debug for ShownToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// One decoded client frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientCommand {
    /// IDENTIFY; boxed, because it comes once and every frame is as large as the largest.
    Identify(Box<Identify>),
    /// A heartbeat or the answer to one of ours.
    Heartbeat {
        /// The tag, where a non-empty one was given.
        tag: Option<String>,
    },
    /// `SUBSCRIBE`.
    Subscribe {
        /// The channel as the client wrote it; the id may be one that cannot exist.
        channel: Option<String>,
        /// Whether the subscription is to end with the session.
        is_ephemeral: bool,
        /// Ours: from where it is to be heard (extension `resume`). Without the extension nobody minds what stands there.
        start: Result<Option<StartingPoint>, String>,
    },
    /// `UNSUBSCRIBE`.
    Unsubscribe {
        /// The channel.
        channel: Option<String>,
    },
    /// `MESSAGE`.
    Publish {
        /// The channel; none when the id is not even a valid one.
        channel: Option<ChannelId>,
        /// What to publish.
        message: Message,
        /// Ours: what the client calls it, so that it may send it again.
        id: Option<Arc<str>>,
    },
    /// `SET_CHANNEL_STATE`.
    SetState {
        /// The channel; none when the id is not even a valid one.
        channel: Option<ChannelId>,
        /// The whole new state.
        state: RawJson,
    },
    /// `PATCH_CHANNEL_STATE` (extension `patch`).
    PatchState {
        /// The channel; none when the id is not even a valid one.
        channel: Option<ChannelId>,
        /// RFC 7396.
        patch: RawJson,
        /// Only if the state is at this version.
        if_version: Option<Version>,
    },
    /// `GET_CHANNEL_STATE`: ours.
    GetState {
        /// The channel; none when the id is not even a valid one.
        channel: Option<ChannelId>,
        /// Which state; the one in force, if none is named.
        version: Option<Version>,
    },
    /// `REFRESH_TOKEN` (extension `refresh`).
    RefreshToken {
        /// A newer JSON Web Token of the same subject.
        token: ShownToken,
    },
    /// `PIPE_ROOM_SUBSCRIBE`: a product that Warren does not have.
    PipeSubscribe {
        /// What the answer has to name.
        join_token: RawJson,
    },
    /// An event that clients of Hop may send and nobody needs to act upon.
    Ignored,
    /// An event that does not exist.
    Unknown {
        /// Its name, cut to what is worth repeating.
        name: String,
    },
}

/// Why a frame is no command; each ends the connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON, not an object, or wrong types in it.
    #[error("invalid payload: {0}")]
    Payload(String),
    /// An opcode that does not exist or is not the client's to send.
    #[error("unknown opcode")]
    Opcode,
}

/// The envelope of every client frame.
#[derive(Deserialize)]
struct FrameEnvelope<'a> {
    /// The opcode; checked by hand because a wrong number has a close code of its own.
    #[serde(borrow)]
    op: &'a RawValue,
    /// The payload; may be missing.
    #[serde(borrow, default)]
    d: Option<&'a RawValue>,
    /// Ours: how the sender calls this frame.
    #[serde(borrow, default, rename = "ref")]
    reference: Option<Cow<'a, str>>,
    /// Ours: what the sender calls this message; of other frames it is not read.
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
}

/// IDENTIFY's payload.
#[derive(Deserialize)]
struct IdentifyPayload<'a> {
    /// The project's id.
    project_id: String,
    /// Missing, null or empty when anonymous.
    #[serde(default)]
    token: Option<String>,
    /// Ours: the extensions asked for.
    #[serde(default)]
    ext: Option<Vec<String>>,
    /// Ours: the positions that it has.
    #[serde(borrow, default)]
    resume: Option<&'a RawValue>,
}

/// IDENTIFY's `resume`.
#[derive(Deserialize)]
struct ResumePayload {
    /// The last position that was seen of each channel.
    #[serde(default)]
    positions: HashMap<String, String>,
    /// The last one of the token's own line.
    #[serde(default)]
    direct: Option<String>,
}

impl From<ResumePayload> for Resume {
    /// Channels whose id cannot exist are left out: nobody is subscribed to them.
    fn from(ResumePayload { positions, direct }: ResumePayload) -> Self {
        let read = |(id, since): (String, String)| {
            ChannelId::parse(&id).ok().map(|id| (id, Since::read(&since)))
        };
        let channels = positions.into_iter().filter_map(read).collect();
        Self { channels, direct: direct.as_deref().map(Since::read) }
    }
}

/// A heartbeat's payload.
#[derive(Deserialize)]
struct HeartbeatPayload {
    /// Missing, null or empty when untagged.
    #[serde(default)]
    tag: Option<String>,
}

/// A dispatch's payload.
#[derive(Deserialize)]
struct DispatchPayload<'a> {
    /// The event.
    #[serde(borrow)]
    e: Cow<'a, str>,
    /// The channel.
    #[serde(borrow, default)]
    c: Option<Cow<'a, str>>,
    /// The event's data.
    #[serde(borrow, default)]
    d: Option<&'a RawValue>,
}

/// `SUBSCRIBE`'s data, where it is an object.
#[derive(Deserialize, Default)]
struct SubscribePayload<'a> {
    /// Ours: end with the session.
    #[serde(default)]
    ephemeral: Option<bool>,
    /// Ours: the last position that was seen of the channel.
    #[serde(borrow, default)]
    since: Option<&'a RawValue>,
    /// Ours: how many of the messages before now are wanted.
    #[serde(borrow, default)]
    rewind: Option<&'a RawValue>,
}

impl SubscribePayload<'_> {
    /// From where the channel is to be heard; a position wins over a number.
    fn start(&self) -> Result<Option<StartingPoint>, String> {
        let since: Option<String> = part(self.since, "since")?;
        let rewind: Option<u64> = part(self.rewind, "rewind")?;
        let after = since.map(|since| StartingPoint::After(Since::read(&since)));
        Ok(after.or(rewind.map(StartingPoint::Newest)))
    }
}

/// A part that may be missing or null; `name` is for who reads why it cannot be understood.
fn part<'a, T: Deserialize<'a>>(
    raw: Option<&'a RawValue>,
    name: &str,
) -> Result<Option<T>, String> {
    let Some(raw) = raw else { return Ok(None) };
    serde_json::from_str(raw.get()).map_err(|error| format!("{name}: {error}"))
}

/// `MESSAGE`'s data.
#[derive(Deserialize)]
struct MessagePayload<'a> {
    /// The developer's event name.
    #[serde(borrow)]
    e: Cow<'a, str>,
    /// The developer's data; may be missing.
    #[serde(borrow, default)]
    d: Option<&'a RawValue>,
}

/// `PATCH_CHANNEL_STATE`'s data.
#[derive(Deserialize)]
struct PatchPayload<'a> {
    /// RFC 7396.
    #[serde(borrow)]
    patch: &'a RawValue,
    /// The version that the change was made from.
    #[serde(default)]
    if_version: Option<i64>,
}

/// `GET_CHANNEL_STATE`'s data, where there is any.
#[derive(Deserialize, Default)]
struct GetStatePayload {
    /// Which state.
    #[serde(default)]
    version: Option<i64>,
}

/// `REFRESH_TOKEN`'s data.
#[derive(Deserialize)]
struct RefreshPayload {
    /// A newer JSON Web Token.
    token: String,
}

/// `PIPE_ROOM_SUBSCRIBE`'s data.
#[derive(Deserialize)]
struct PipePayload<'a> {
    /// Any JSON; echoed.
    #[serde(borrow, default)]
    join_token: Option<&'a RawValue>,
}

impl ClientFrame {
    /// Decodes one text frame.
    ///
    /// # Errors
    /// [`DecodeError`] says which close code the frame earns.
    pub fn decode(text: &str) -> Result<Self, DecodeError> {
        if !text.trim_ascii_start().starts_with('{') {
            return Err(payload("a frame must be a JSON object"));
        }
        let envelope: FrameEnvelope<'_> = parse(text)?;
        json::check(text).map_err(payload)?;
        let reference = envelope.reference.map(Cow::into_owned);
        if reference.as_ref().is_some_and(|name| name.len() > TAG_MAX_BYTES) {
            return Err(payload(format!("a ref has at most {TAG_MAX_BYTES} bytes")));
        }
        let opcode = envelope.op.get().parse().ok().and_then(Opcode::from_client);
        let command = match opcode.ok_or(DecodeError::Opcode)? {
            Opcode::Identify => identify(envelope.d)?,
            Opcode::Heartbeat => heartbeat(envelope.d)?,
            _ => dispatch(envelope.d, envelope.id)?,
        };
        Ok(Self { command, reference, bytes: text.len() })
    }
}

impl ClientCommand {
    /// Whether the frame carries service data, which only an identified connection may send.
    pub const fn is_service(&self) -> bool {
        !matches!(self, Self::Identify(_) | Self::Heartbeat { .. })
    }

    /// Whether the frame makes others hear something, or costs as much: so many a second are taken.
    pub const fn is_publish(&self) -> bool {
        matches!(
            self,
            Self::Publish { .. }
                | Self::SetState { .. }
                | Self::PatchState { .. }
                | Self::RefreshToken { .. }
        )
    }

    /// The channel that the frame is about, as the client wrote it.
    pub fn channel(&self) -> Option<&str> {
        match self {
            Self::Subscribe { channel, .. } | Self::Unsubscribe { channel } => channel.as_deref(),
            Self::Publish { channel, .. }
            | Self::SetState { channel, .. }
            | Self::PatchState { channel, .. }
            | Self::GetState { channel, .. } => channel.as_ref().map(ChannelId::as_str),
            Self::Identify(_)
            | Self::Heartbeat { .. }
            | Self::PipeSubscribe { .. }
            | Self::RefreshToken { .. }
            | Self::Ignored
            | Self::Unknown { .. } => None,
        }
    }

    /// Whether the client waits for an answer that must not come at once (`docs/CLIENTS.md`, Socket).
    pub const fn wants_late_answer(&self) -> bool {
        matches!(self, Self::Heartbeat { .. } | Self::Subscribe { .. } | Self::PipeSubscribe { .. })
    }
}

/// A fault of the payload.
fn payload(error: impl fmt::Display) -> DecodeError {
    DecodeError::Payload(error.to_string())
}

/// Parses a part of a frame.
fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, DecodeError> {
    serde_json::from_str(text).map_err(payload)
}

/// A payload that must be an object.
fn object<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>) -> Result<T, DecodeError> {
    let text = raw.map_or("null", RawValue::get);
    if !text.starts_with('{') {
        return Err(payload("d must be an object"));
    }
    parse(text)
}

/// Decodes IDENTIFY's payload.
fn identify(d: Option<&RawValue>) -> Result<ClientCommand, DecodeError> {
    let IdentifyPayload { project_id, token, ext, resume } = object(d)?;
    let resume = resume.map(|asked| object::<ResumePayload>(Some(asked))).transpose()?;
    let token = token.filter(|token| !token.is_empty());
    let (extensions, resume) = (ext, resume.map(Resume::from));
    let identify = Identify { project_id, token, extensions, resume };
    Ok(ClientCommand::Identify(Box::new(identify)))
}

/// Decodes a heartbeat's payload, which may be missing, null or an object.
fn heartbeat(d: Option<&RawValue>) -> Result<ClientCommand, DecodeError> {
    let tag = match d.map(RawValue::get) {
        None | Some("null") => None,
        Some(_) => object::<HeartbeatPayload>(d)?.tag,
    };
    if tag.as_ref().is_some_and(|tag| tag.len() > TAG_MAX_BYTES) {
        return Err(payload(format!("a heartbeat tag has at most {TAG_MAX_BYTES} bytes")));
    }
    Ok(ClientCommand::Heartbeat { tag: tag.filter(|tag| !tag.is_empty()) })
}

/// Decodes a dispatch; `message_id` is what its frame has beside it.
fn dispatch(
    d: Option<&RawValue>,
    message_id: Option<&RawValue>,
) -> Result<ClientCommand, DecodeError> {
    let DispatchPayload { e, c, d } = object(d)?;
    let id = |c: Option<Cow<'_, str>>| c.and_then(|c| ChannelId::parse(&c).ok());
    Ok(match &*e {
        "SUBSCRIBE" => {
            let (channel, data) = (c.map(Cow::into_owned), subscribe_data(d)?);
            let is_ephemeral = data.ephemeral.unwrap_or(false);
            ClientCommand::Subscribe { channel, is_ephemeral, start: data.start() }
        }
        "UNSUBSCRIBE" => ClientCommand::Unsubscribe { channel: c.map(Cow::into_owned) },
        "MESSAGE" => {
            let (channel, message) = (id(c), message(d)?);
            ClientCommand::Publish { channel, message, id: named(message_id)? }
        }
        "SET_CHANNEL_STATE" => ClientCommand::SetState { channel: id(c), state: raw(d) },
        "PATCH_CHANNEL_STATE" => {
            let PatchPayload { patch, if_version } = object(d)?;
            let (channel, patch) = (id(c), raw(Some(patch)));
            ClientCommand::PatchState { channel, patch, if_version: if_version.map(Version) }
        }
        "GET_CHANNEL_STATE" => {
            let version = get_state_data(d)?.version.map(Version);
            ClientCommand::GetState { channel: id(c), version }
        }
        "REFRESH_TOKEN" => {
            let RefreshPayload { token } = object(d)?;
            ClientCommand::RefreshToken { token: ShownToken(token) }
        }
        "PIPE_ROOM_SUBSCRIBE" => ClientCommand::PipeSubscribe {
            join_token: raw(object::<PipePayload<'_>>(d)?.join_token),
        },
        "PIPE_ROOM_UNSUBSCRIBE" => ClientCommand::Ignored,
        other => ClientCommand::Unknown { name: other.chars().take(UNKNOWN_NAME_CHARS).collect() },
    })
}

/// `SUBSCRIBE`'s data: the Rust client may send any JSON as "initial data", only an object can mean something to us.
fn subscribe_data(d: Option<&RawValue>) -> Result<SubscribePayload<'_>, DecodeError> {
    match d {
        Some(raw) if raw.get().starts_with('{') => parse(raw.get()),
        _ => Ok(SubscribePayload::default()),
    }
}

/// `GET_CHANNEL_STATE`'s data, which may be missing or null.
fn get_state_data(d: Option<&RawValue>) -> Result<GetStatePayload, DecodeError> {
    match d.map(RawValue::get) {
        None | Some("null") => Ok(GetStatePayload::default()),
        Some(_) => object(d),
    }
}

/// `MESSAGE`'s data.
fn message(d: Option<&RawValue>) -> Result<Message, DecodeError> {
    let MessagePayload { e, d } = object(d)?;
    if e.len() > EVENT_NAME_MAX_BYTES {
        let (limit, actual) = (EVENT_NAME_MAX_BYTES, e.len());
        let reason = format!("an event name has at most {limit} bytes, this one has {actual}");
        return Err(payload(reason));
    }
    Ok(Message { event: Arc::from(&*e), data: raw(d) })
}

/// What a client calls its message; an empty name is none.
fn named(id: Option<&RawValue>) -> Result<Option<Arc<str>>, DecodeError> {
    let Some(id) = id else { return Ok(None) };
    let id: Option<Cow<'_, str>> = parse(id.get())?;
    if id.as_ref().is_some_and(|id| id.len() > ID_MAX_BYTES) {
        return Err(payload(format!("an id has at most {ID_MAX_BYTES} bytes")));
    }
    Ok(id.filter(|id| !id.is_empty()).map(Arc::from))
}

/// A part that is passed on as it is; null when missing. It was checked with its frame.
fn raw(d: Option<&RawValue>) -> RawJson {
    d.map_or_else(RawJson::null, |d| RawJson::trusted(d.get()))
}

#[cfg(test)]
mod tests;
