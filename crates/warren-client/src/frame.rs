//! What goes over the wire: the server's frames, read, and this client's, written.

use crate::event::State;
use crate::position::{Position, Positions};
use serde::de::{Deserializer, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use std::sync::Arc;

/// The extensions that this client asks for; each counts where the server grants it.
const EXTENSIONS: [&str; 8] =
    ["errors", "version", "resume", "patch", "presence", "token_state", "delta", "refresh"];
/// So long the positions in IDENTIFY may be, as JSON: the server reads no more than 16 KiB of it.
const NAMED_BYTES: usize = 12_288;

/// One frame of the server.
#[derive(Debug)]
pub(crate) enum Incoming<'a> {
    /// HELLO: how often it wants heartbeats, ms.
    Hello(u64),
    /// An event.
    Dispatch(Dispatch<'a>),
    /// A heartbeat, to be answered with its tag.
    Heartbeat(Option<String>),
    /// The answer to one of ours.
    Ack(Option<String>),
    /// Something that later servers may say.
    Unknown,
}

/// The envelope of every frame.
#[derive(Deserialize)]
struct Envelope<'a> {
    /// The opcode.
    op: u64,
    /// The payload.
    #[serde(borrow, default)]
    d: Option<&'a RawValue>,
}

/// HELLO's payload.
#[derive(Deserialize)]
struct Hello {
    /// How often it wants heartbeats, ms.
    heartbeat_interval: u64,
}

/// A heartbeat's payload.
#[derive(Deserialize)]
struct Tagged {
    /// The tag.
    #[serde(default)]
    tag: Option<String>,
}

/// An event of the server.
#[derive(Debug, Deserialize)]
pub(crate) struct Dispatch<'a> {
    /// The channel.
    #[serde(rename = "c")]
    pub(crate) channel: Option<String>,
    /// Its name.
    #[serde(rename = "e")]
    pub(crate) event: String,
    /// Its data.
    #[serde(borrow, rename = "d")]
    pub(crate) data: &'a RawValue,
    /// Where it stands on its line.
    #[serde(default, rename = "s")]
    pub(crate) position: Option<Position>,
    /// Which mail it is, if it is one.
    #[serde(default, rename = "id")]
    pub(crate) mail: Option<Arc<str>>,
}

impl<'a> Incoming<'a> {
    /// Reads a frame.
    ///
    /// # Errors
    /// It is none.
    pub(crate) fn read(text: &'a str) -> serde_json::Result<Self> {
        let Envelope { op, d } = serde_json::from_str(text)?;
        let d = d.map_or("null", RawValue::get);
        let tag = || Ok(serde_json::from_str::<Option<Tagged>>(d)?.and_then(|tagged| tagged.tag));
        Ok(match op {
            0 => Self::Dispatch(serde_json::from_str(d)?),
            1 => Self::Hello(serde_json::from_str::<Hello>(d)?.heartbeat_interval),
            3 => Self::Heartbeat(tag()?),
            4 => Self::Ack(tag()?),
            _ => Self::Unknown,
        })
    }
}

/// INIT's data.
#[derive(Debug, Deserialize)]
pub(crate) struct Init {
    /// The connection's id.
    pub(crate) cid: String,
    /// The session.
    #[serde(default, rename = "session_id")]
    pub(crate) session: Option<String>,
    /// `token`, `project` or `noauth`.
    pub(crate) scope: String,
    /// The channels that the session is subscribed to.
    pub(crate) channels: Vec<ChannelInfo>,
    /// The token's state.
    #[serde(default)]
    pub(crate) metadata: Value,
    /// Whether something is missing, known in number or not.
    #[serde(default, rename = "missed", deserialize_with = "is_there")]
    pub(crate) has_missed: bool,
    /// The extensions that were granted.
    #[serde(default)]
    pub(crate) ext: Vec<String>,
    /// The token's own line.
    #[serde(default)]
    pub(crate) direct: Standing,
}

/// True of whatever is there, null too.
fn is_there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

/// Where a line stands as a connection begins to hear it.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Standing {
    /// Its position.
    #[serde(default, rename = "s")]
    pub(crate) position: Option<Position>,
    /// Whether all that came after the position that was named follows; none where none was.
    #[serde(default)]
    pub(crate) recovered: Option<bool>,
}

/// A channel as the server shows it.
#[derive(Debug, Deserialize)]
pub(crate) struct ChannelInfo {
    /// Its id.
    pub(crate) id: String,
    /// Its state.
    pub(crate) state: Box<RawValue>,
    /// That of its state.
    #[serde(default)]
    pub(crate) version: Option<u64>,
    /// In INIT: the position of its line.
    #[serde(default, rename = "s")]
    pub(crate) position: Option<Position>,
    /// In INIT: as in [`Standing`].
    #[serde(default)]
    pub(crate) recovered: Option<bool>,
}

impl ChannelInfo {
    /// Its state, and how long that is.
    ///
    /// # Errors
    /// It is none.
    pub(crate) fn state(&self) -> serde_json::Result<(State, usize)> {
        let text = self.state.get();
        let value = Arc::new(serde_json::from_str(text)?);
        Ok((State { value, version: self.version }, text.len()))
    }
}

/// AVAILABLE's data.
#[derive(Debug, Deserialize)]
pub(crate) struct Available {
    /// The channel.
    pub(crate) channel: ChannelInfo,
    /// As in INIT, where SUBSCRIBE named a position.
    #[serde(default)]
    pub(crate) recovered: Option<bool>,
}

/// UNAVAILABLE's data.
#[derive(Debug, Deserialize)]
pub(crate) struct Unavailable {
    /// Whether it was ended, and not refused.
    pub(crate) graceful: bool,
    /// Why it was refused.
    #[serde(default)]
    pub(crate) error_code: Option<String>,
}

/// `STATE_UPDATE`'s data: the whole state, or what has become of another version.
#[derive(Debug, Deserialize)]
pub(crate) struct StateUpdate {
    /// The whole state.
    #[serde(default)]
    pub(crate) state: Value,
    /// Its version.
    #[serde(default)]
    pub(crate) version: Option<u64>,
    /// The version that the patch is about.
    #[serde(default)]
    pub(crate) from: Option<u64>,
    /// RFC 7396.
    #[serde(default)]
    pub(crate) patch: Option<Value>,
}

/// MESSAGE's and `DIRECT_MESSAGE`'s data.
#[derive(Debug, Deserialize)]
pub(crate) struct MessageData {
    /// The name that it was published under.
    pub(crate) e: String,
    /// What was published.
    pub(crate) d: Box<RawValue>,
}

/// The answer to a frame with a `ref`.
#[derive(Debug, Deserialize)]
pub(crate) struct Answer {
    /// The frame's `ref`; none of a frame without.
    #[serde(default, rename = "ref")]
    pub(crate) reference: Option<String>,
    /// That of a changed state.
    #[serde(default)]
    pub(crate) version: Option<u64>,
    /// Where a message stands on its line.
    #[serde(default, rename = "s")]
    pub(crate) position: Option<Position>,
    /// Of a refusal: the word.
    #[serde(default)]
    pub(crate) code: String,
    /// Of a refusal: for people.
    #[serde(default)]
    pub(crate) message: String,
}

/// A frame of this client's, as JSON.
#[derive(Serialize)]
struct Outgoing<'a, D> {
    /// The opcode.
    op: u8,
    /// The payload.
    d: D,
    /// How this client calls the frame.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    reference: Option<&'a str>,
    /// What the server knows a message again by.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
}

/// An event of this client's.
#[derive(Serialize)]
struct Request<'a, D> {
    /// Its name.
    e: &'a str,
    /// The channel.
    c: &'a str,
    /// Its data.
    d: D,
}

/// IDENTIFY's payload.
#[derive(Serialize)]
struct Identify<'a> {
    /// The project.
    project_id: &'a str,
    /// The token.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    /// What is asked for.
    ext: [&'a str; 8],
    /// Where to go on from.
    resume: Resume<'a>,
}

/// Where to go on from.
#[derive(Serialize)]
struct Resume<'a> {
    /// Of each channel.
    positions: Value,
    /// Of the token's own line.
    #[serde(skip_serializing_if = "Option::is_none")]
    direct: Option<&'a Position>,
}

/// A frame as text. What is written here has a JSON.
fn text(frame: &impl Serialize) -> String {
    serde_json::to_string(frame).unwrap_or_default()
}

/// IDENTIFY, with as many positions as the server reads.
pub(crate) fn identify(project: &str, token: Option<&str>, from: &Positions) -> String {
    let mut bytes = 0;
    let mut positions = serde_json::Map::new();
    for (id, position) in &from.channels {
        // Quotes, a colon and a comma; an id may have quotes of its own.
        bytes += text(id).len() + position.as_str().len() + 4;
        if bytes < NAMED_BYTES {
            positions.insert(id.clone(), position.as_str().into());
        }
    }
    let resume = Resume { positions: positions.into(), direct: from.direct.as_ref() };
    let d = Identify { project_id: project, token, ext: EXTENSIONS, resume };
    text(&Outgoing { op: 2, d, reference: None, id: None })
}

/// A heartbeat.
pub(crate) fn heartbeat(tag: &str) -> String {
    let d = serde_json::json!({ "tag": tag });
    text(&Outgoing { op: 3, d, reference: None, id: None })
}

/// An event, with how this client calls it, and what the server knows it again by.
pub(crate) fn request(
    event: &str,
    channel: &str,
    data: &impl Serialize,
    reference: Option<&str>,
    id: Option<&str>,
) -> String {
    let d = Request { e: event, c: channel, d: data };
    text(&Outgoing { op: 0, d, reference, id })
}

#[cfg(test)]
mod tests;
