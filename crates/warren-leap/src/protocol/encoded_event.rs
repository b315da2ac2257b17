//! What the server sends, encoded once for everybody who hears it.
//!
//! An [`EncodedEvent`] is shared by all its receivers; each form of it that some connection needs is built when the first
//! one asks and is from then on the same bytes for all: a whole WebSocket frame.

mod writing;

use super::extension::Extension;
use super::frame;
use super::refusal::Refusal;
use super::wire::{Forms, Wire};
use crate::domain::state::difference;
use crate::domain::{
    Channel, ChannelId, ConnectionId, MailId, Member, Message, Place, Position, RawJson, SessionId,
    State, Timestamp, Version,
};
use bytes::Bytes;
use serde::Serialize;
use std::fmt;
use std::sync::{Arc, OnceLock};
use writing::quoted;

/// From so many bytes on a state of an `INIT` is not copied into its frame: all frames share the channel's own bytes.
const SHARED_BYTES: usize = 4 * 1024;

/// How a state is appended to a text.
type PutState<'a> = &'a mut dyn FnMut(&RawJson, &mut String);

/// What a connection asked for, as far as it changes what frames look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Profile {
    /// Extension `version`: states carry their version.
    pub has_versions: bool,
    /// Extension `resume`: what stands on a line carries its position.
    pub has_positions: bool,
    /// Extension `delta`: a state that follows another is shown as a patch of that, where this is shorter.
    pub has_deltas: bool,
    /// How payloads are spelled.
    pub wire: Wire,
}

/// Why a subscription is not to be had (`docs/CLIENTS.md`, Socket).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// The channel exists but is not open to the asker.
    NotGranted,
    /// There is no such channel, or the asker is not subscribed to it.
    Unknown,
}

impl ErrorCode {
    /// The word on the wire.
    const fn as_str(self) -> &'static str {
        match self {
            Self::NotGranted => "NOT_GRANTED",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// What kind of token a connection identified with (`docs/PROTOCOL.md`, Socket).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// A project token.
    Project,
    /// A leap token.
    Token,
    /// None.
    NoAuth,
}

/// A member of a channel.
#[derive(Clone, Debug)]
pub struct PresentMember {
    /// Who it is.
    pub member: Arc<Member>,
    /// How many connections it has now.
    pub connections: usize,
    /// When it came in.
    pub since: Timestamp,
}

/// Where everything stands that a connection hears, when it begins (extension `resume`).
#[derive(Clone, Debug)]
pub struct InitStanding {
    /// The session's name.
    pub session: SessionId,
    /// The channels' lines, in the order of INIT's channels.
    pub channels: Vec<LineStanding>,
    /// The token's own line.
    pub direct: LineStanding,
    /// Whether everything was recovered that was asked for; none if nothing was.
    pub is_complete: Option<bool>,
}

/// Where one line stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineStanding {
    /// The last that was said on it.
    pub position: Position,
    /// Whether nothing is missing since the position that the client named; none if it named none.
    pub recovered: Option<bool>,
}

/// As members of an object.
impl fmt::Display for LineStanding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, r#""s":"{}""#, self.position)?;
        self.recovered.map_or(Ok(()), |recovered| write!(f, r#","recovered":{recovered}"#))
    }
}

/// One event for a connection, a session or all subscribers of a channel.
#[derive(Clone, Debug)]
pub enum Event {
    /// Where a connection stands when it begins.
    Init {
        /// The connection.
        cid: ConnectionId,
        /// How many connections the session has.
        connection_count: usize,
        /// The token's state: an object or null.
        metadata: RawJson,
        /// The kind of token.
        scope: Scope,
        /// Every subscribed channel with its state.
        channels: Vec<Channel>,
        /// Ours: how many kept events were dropped; shown when not zero.
        missed: u64,
        /// Ours: the extensions granted; none for a client that did not ask.
        extensions: Option<Vec<&'static str>>,
        /// Extension `resume`: where everything stands.
        standing: Option<Box<InitStanding>>,
    },
    /// The session is subscribed to the channel.
    Available {
        /// The channel as it is now.
        channel: Channel,
        /// Extension `resume`: whether nothing is missing since the position that the client named; none if it named none.
        recovered: Option<bool>,
    },
    /// The session is not subscribed, or the asker may not be.
    Unavailable {
        /// The channel as the asker named it; none when it named none.
        channel: Option<String>,
        /// Whether a subscription ended in the regular way.
        is_graceful: bool,
        /// Why a subscription was refused.
        error_code: Option<ErrorCode>,
        /// Whether this answers one connection alone.
        is_unicast: bool,
    },
    /// The channel's state changed.
    StateUpdate {
        /// The channel.
        channel: ChannelId,
        /// The whole new state.
        state: State,
        /// Its number.
        version: Version,
    },
    /// The channel's state, for the one connection that has asked for it.
    StateAnswer {
        /// The channel.
        channel: ChannelId,
        /// The whole state.
        state: State,
        /// Its number.
        version: Version,
    },
    /// Somebody published to the channel.
    Message {
        /// The channel.
        channel: ChannelId,
        /// What was published.
        message: Message,
    },
    /// Somebody sent a message to the token or the connection.
    DirectMessage {
        /// What was sent.
        message: Message,
        /// Whether it is for one connection alone.
        is_unicast: bool,
    },
    /// The same to the token, from its mailbox.
    Mail {
        /// What was sent.
        message: Message,
        /// Which mail it is, by which those who asked for positions know it again.
        id: MailId,
    },
    /// Extension `presence`: everybody who is in the channel, or a part of them.
    PresenceState {
        /// The channel.
        channel: ChannelId,
        /// Who is in.
        members: Vec<PresentMember>,
        /// How many come before these.
        from: usize,
        /// How many there are in all.
        count: usize,
    },
    /// Extension `presence`: somebody came in.
    PresenceJoin {
        /// The channel.
        channel: ChannelId,
        /// Who.
        member: PresentMember,
    },
    /// Extension `presence`: what others may see of somebody has changed.
    PresenceUpdate {
        /// The channel.
        channel: ChannelId,
        /// Who.
        member: PresentMember,
    },
    /// Extension `presence`: somebody left for good.
    PresenceLeave {
        /// The channel.
        channel: ChannelId,
        /// Who.
        member: PresentMember,
    },
    /// Extension `token_state`: the token's own state changed.
    TokenStateUpdate {
        /// The new state.
        state: RawJson,
    },
    /// Extension `errors`: a frame of the client was refused.
    Error {
        /// Why.
        refusal: Refusal,
        /// How the client called the frame.
        reference: Option<String>,
    },
    /// Extension `errors`: a frame with a `ref` was carried out.
    Ack {
        /// How the client called the frame.
        reference: String,
        /// What it has done.
        done: Acknowledged,
    },
    /// The answer to `PIPE_ROOM_SUBSCRIBE`.
    PipeUnavailable {
        /// What the asker sent.
        join_token: RawJson,
    },
}

/// What a frame has done that was carried out, as far as its client is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Acknowledged {
    /// The version that it made, if it changed a state.
    pub version: Option<Version>,
    /// Where the message stands that it published.
    pub position: Option<Position>,
    /// Whether that was published before, under the same id.
    pub is_repeat: bool,
}

/// An event and its encoded forms.
#[derive(Debug)]
pub struct EncodedEvent {
    /// The event.
    event: Event,
    /// Where it stands, if it is a message of a line.
    place: Option<Place>,
    /// Where it stands for clients, if it is something that a line says.
    position: Option<Position>,
    /// The state before, if it is one that somebody may want as a patch of that.
    base: Option<Box<StateBase>>,
    /// The frames without versions and positions; most events look the same to everybody and have these alone.
    plain: Forms,
    /// The frames that show more.
    extended: OnceLock<Box<Extended>>,
}

/// The forms of an event that only some extensions ask for.
#[derive(Debug, Default)]
struct Extended {
    /// With versions.
    versions: Forms,
    /// With positions.
    positions: Forms,
    /// With both.
    both: Forms,
    /// As a patch of the state before, with versions.
    deltas: Forms,
    /// The same with positions.
    deltas_at: Forms,
    /// That patch, once it was looked for; none if there is none that is worth it.
    patch: OnceLock<Option<String>>,
}

/// The state that another one follows.
#[derive(Debug)]
struct StateBase {
    /// The state.
    state: State,
    /// Its number.
    version: Version,
}

/// A state as what has changed since another.
#[derive(Clone, Copy)]
struct StateDelta<'a> {
    /// The version of that other.
    from: Version,
    /// What makes this state of it (RFC 7396).
    patch: &'a str,
}

impl EncodedEvent {
    /// An event, not yet encoded.
    pub const fn new(event: Event) -> Self {
        let plain = Forms::new();
        let extended = OnceLock::new();
        Self { event, place: None, position: None, base: None, plain, extended }
    }

    /// The same, as a state that follows this one.
    #[must_use]
    pub fn after(self, state: State, version: Version) -> Self {
        Self { base: Some(Box::new(StateBase { state, version })), ..self }
    }

    /// The same without the state before: for who has not seen that.
    #[must_use]
    pub fn whole(&self) -> Self {
        let (place, position) = (self.place, self.position);
        Self { place, position, ..Self::new(self.event.clone()) }
    }

    /// Whether it can be compared with the state before.
    pub(super) const fn has_base(&self) -> bool {
        self.base.is_some()
    }

    /// What has changed since the state before, if that is shorter than the state.
    fn delta(&self) -> Option<StateDelta<'_>> {
        let (Event::StateUpdate { state, .. }, Some(base)) = (&self.event, &self.base) else {
            return None;
        };
        let from = base.version;
        let most = state.json().as_str().len().saturating_sub(format!(r#""from":{from},"#).len());
        let extended = self.extended.get_or_init(Box::default);
        let look = || difference(&base.state, state, most);
        extended.patch.get_or_init(look).as_deref().map(|patch| StateDelta { from, patch })
    }

    /// The same, as something that a line says there.
    #[must_use]
    pub fn said_at(self, position: Position) -> Self {
        Self { position: Some(position), ..self }
    }

    /// Where it stands for clients, if it is something that a line says.
    pub const fn position(&self) -> Option<Position> {
        self.position
    }

    /// The same, at its place on a line.
    #[must_use]
    pub fn at(self, place: Place) -> Self {
        Self { place: Some(place), ..self }
    }

    /// Where it stands, if it is a message of a line.
    pub const fn place(&self) -> Option<Place> {
        self.place
    }

    /// The event.
    pub const fn event(&self) -> &Event {
        &self.event
    }

    /// The whole frame for connections of this profile.
    pub fn frame(&self, profile: Profile) -> Bytes {
        let write = |out: &mut String| self.write(profile, &mut copy, out);
        self.forms(profile).frame(profile.wire, self.size_hint(), write)
    }

    /// The same frame in pieces, of which large states are shared by all connections; none if there are none, or their
    /// form has to be made for this frame alone.
    pub fn pieces(&self, profile: Profile) -> Option<Vec<Bytes>> {
        self.is_in_pieces(profile).then(|| {
            frame::text_in_pieces(|out| {
                let mut shared = Vec::new();
                let mut share = |state: &RawJson, out: &mut String| {
                    if is_shared(state) {
                        shared.push((out.len(), Bytes::from_owner(state.clone())));
                    } else {
                        copy(state, out);
                    }
                };
                self.write(profile, &mut share, out);
                shared
            })
        })
    }

    /// Whether the frame is worth pieces.
    fn is_in_pieces(&self, profile: Profile) -> bool {
        let is_plain = profile.wire == Wire::default();
        is_plain
            && matches!(&self.event, Event::Init { channels, .. }
                if channels.iter().any(|channel| is_shared(channel.state.json())))
    }

    /// Makes the frame, if it is one that is kept.
    pub(super) fn make(&self, profile: Profile) {
        if !self.is_in_pieces(profile) {
            self.frame(profile);
        }
    }

    /// Whether that frame has been made, or takes no making because it is in pieces.
    pub(super) fn is_made(&self, profile: Profile) -> bool {
        self.forms(profile).is_made(profile.wire) || self.is_in_pieces(profile)
    }

    /// The frames among which that of this profile is.
    fn forms(&self, profile: Profile) -> &Forms {
        let has_versions = profile.has_versions && self.event.has_version();
        let has_positions = profile.has_positions && self.has_position();
        let extended = || self.extended.get_or_init(Box::default);
        match (has_versions, has_positions) {
            (_, false) if profile.has_deltas && self.has_base() => &extended().deltas,
            (_, true) if profile.has_deltas && self.has_base() => &extended().deltas_at,
            (false, false) => &self.plain,
            (true, false) => &extended().versions,
            (false, true) => &extended().positions,
            (true, true) => &extended().both,
        }
    }

    /// Whether the event shows a position to those who asked for it.
    const fn has_position(&self) -> bool {
        self.position.is_some() || matches!(self.event, Event::Init { .. })
    }

    /// Appends the payload.
    fn write(&self, profile: Profile, put_state: PutState<'_>, out: &mut String) {
        match profile.has_deltas.then(|| self.delta()).flatten() {
            Some(delta) => self.event.write_delta(self.position, profile, delta, out),
            None => self.event.write(self.position, profile, put_state, out),
        }
    }

    /// This INIT with so many messages more that are missed; none if there is nothing to change.
    pub fn missing(&self, more: u64) -> Option<Self> {
        let mut event = (more > 0).then(|| self.event.clone())?;
        if let Event::Init { missed, .. } = &mut event {
            *missed = missed.saturating_add(more);
        }
        Some(Self::new(event))
    }

    /// Roughly what the event occupies, bytes: for bounds of queues.
    pub fn size_hint(&self) -> usize {
        128 + match &self.event {
            Event::Init { channels, metadata, .. } => {
                metadata.as_str().len()
                    + channels.iter().map(|c| 256 + c.state.json().as_str().len()).sum::<usize>()
            }
            Event::Available { channel, .. } => channel.state.json().as_str().len(),
            Event::StateUpdate { state, .. } | Event::StateAnswer { state, .. } => {
                state.json().as_str().len()
            }
            Event::Message { message, .. }
            | Event::DirectMessage { message, .. }
            | Event::Mail { message, .. } => message.data.as_str().len(),
            Event::Unavailable { .. } | Event::Error { .. } | Event::Ack { .. } => 256,
            Event::PresenceJoin { member, .. }
            | Event::PresenceUpdate { member, .. }
            | Event::PresenceLeave { member, .. } => member.size_hint(),
            Event::PresenceState { members, .. } => {
                members.iter().map(PresentMember::size_hint).sum()
            }
            Event::TokenStateUpdate { state } => state.as_str().len(),
            Event::PipeUnavailable { join_token } => join_token.as_str().len(),
        }
    }
}

impl Event {
    /// The extension without which a connection does not hear of it.
    pub const fn needs(&self) -> Option<Extension> {
        match self {
            Self::PresenceState { .. }
            | Self::PresenceJoin { .. }
            | Self::PresenceUpdate { .. }
            | Self::PresenceLeave { .. } => Some(Extension::Presence),
            Self::TokenStateUpdate { .. } => Some(Extension::TokenState),
            Self::Error { .. } | Self::Ack { .. } => Some(Extension::Errors),
            _ => None,
        }
    }

    /// Whether the event is a message: the one kind that nothing else brings up to date.
    pub const fn is_message(&self) -> bool {
        matches!(self, Self::Message { .. } | Self::DirectMessage { .. } | Self::Mail { .. })
    }

    /// Whether the event answers a frame of the one connection that it is for: who sends many gets many.
    pub const fn is_answer(&self) -> bool {
        matches!(
            self,
            Self::Error { .. }
                | Self::Ack { .. }
                | Self::StateAnswer { .. }
                | Self::PipeUnavailable { .. }
                | Self::Unavailable { is_unicast: true, .. }
        )
    }

    /// Whether the event is something that lines say: it has its position there.
    pub const fn is_on_line(&self) -> bool {
        matches!(
            self,
            Self::Message { .. }
                | Self::DirectMessage { is_unicast: false, .. }
                | Self::Mail { .. }
                | Self::StateUpdate { .. }
                | Self::TokenStateUpdate { .. }
        )
    }

    /// Whether the event shows a version to those who asked for it.
    const fn has_version(&self) -> bool {
        matches!(
            self,
            Self::Init { .. }
                | Self::Available { .. }
                | Self::StateUpdate { .. }
                | Self::StateAnswer { .. }
        )
    }

    /// The event's name on the wire.
    const fn name(&self) -> &'static str {
        match self {
            Self::Init { .. } => "INIT",
            Self::Available { .. } => "AVAILABLE",
            Self::Unavailable { .. } => "UNAVAILABLE",
            Self::StateUpdate { .. } | Self::StateAnswer { .. } => "STATE_UPDATE",
            Self::Message { .. } => "MESSAGE",
            Self::DirectMessage { .. } | Self::Mail { .. } => "DIRECT_MESSAGE",
            Self::PresenceState { .. } => "PRESENCE_STATE",
            Self::PresenceJoin { .. } => "PRESENCE_JOIN",
            Self::PresenceUpdate { .. } => "PRESENCE_UPDATE",
            Self::PresenceLeave { .. } => "PRESENCE_LEAVE",
            Self::TokenStateUpdate { .. } => "TOKEN_STATE_UPDATE",
            Self::Error { .. } => "ERROR",
            Self::Ack { .. } => "ACK",
            Self::PipeUnavailable { .. } => "PIPE_ROOM_UNAVAILABLE",
        }
    }

    /// The channel that the envelope names.
    fn channel(&self) -> Option<&str> {
        match self {
            Self::Available { channel, .. } => Some(channel.key.id.as_str()),
            Self::Unavailable { channel, .. } => channel.as_deref(),
            Self::StateUpdate { channel, .. }
            | Self::StateAnswer { channel, .. }
            | Self::Message { channel, .. }
            | Self::PresenceState { channel, .. }
            | Self::PresenceJoin { channel, .. }
            | Self::PresenceUpdate { channel, .. }
            | Self::PresenceLeave { channel, .. } => Some(channel.as_str()),
            _ => None,
        }
    }

    /// Whether the event is for one connection alone.
    const fn is_unicast(&self) -> bool {
        match self {
            Self::Unavailable { is_unicast, .. } | Self::DirectMessage { is_unicast, .. } => {
                *is_unicast
            }
            Self::Init { .. }
            | Self::StateAnswer { .. }
            | Self::PresenceState { .. }
            | Self::Error { .. }
            | Self::Ack { .. }
            | Self::PipeUnavailable { .. } => true,
            _ => false,
        }
    }
}

/// Whether a state is so large that it is not copied.
fn is_shared(state: &RawJson) -> bool {
    state.as_str().len() >= SHARED_BYTES
}

/// Appends a state.
fn copy(state: &RawJson, out: &mut String) {
    out.push_str(state.as_str());
}

impl PresentMember {
    /// Roughly what it occupies in a frame, bytes.
    pub fn size_hint(&self) -> usize {
        128 + self.member.data.as_str().len()
    }
}

/// HELLO.
pub fn hello(wire: Wire, heartbeat_interval_ms: u128) -> Bytes {
    wire.frame(&format!(r#"{{"op":1,"d":{{"heartbeat_interval":{heartbeat_interval_ms}}}}}"#))
}

/// A heartbeat of ours.
pub fn heartbeat(wire: Wire, tag: &str) -> Bytes {
    wire.frame(&format!(r#"{{"op":3,"d":{{"tag":{}}}}}"#, quoted(tag)))
}

/// The answer to a heartbeat; never with a null in it (`docs/CLIENTS.md`, trap 5).
pub fn heartbeat_ack(wire: Wire, tag: Option<&str>, latency_ms: Option<u128>) -> Bytes {
    let text = match (tag, latency_ms) {
        (None, _) => r#"{"op":4}"#.to_owned(),
        (Some(tag), None) => format!(r#"{{"op":4,"d":{{"tag":{}}}}}"#, quoted(tag)),
        (Some(tag), Some(ms)) => {
            format!(r#"{{"op":4,"d":{{"tag":{},"latency":{ms}}}}}"#, quoted(tag))
        }
    };
    wire.frame(&text)
}

#[cfg(test)]
mod tests;
