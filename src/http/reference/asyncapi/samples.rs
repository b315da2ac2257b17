//! Frames that the server's own encoder has written, of every kind and with whatever clients can ask for.

use crate::domain::{
    Capabilities, Channel, ChannelId, ChannelKey, ConnectionId, Epoch, LeapTokenId, MailId, Member,
    Message, Position, ProjectId, RawJson, SessionId, State, Timestamp, Version, Visibility,
};
use crate::protocol::encoded_event::{heartbeat, heartbeat_ack, hello};
use crate::protocol::{
    Acknowledged, EncodedEvent, ErrorCode, Event, InitStanding, LineStanding, PresentMember,
    Profile, Refusal, Scope, Wire, frame,
};
use bytes::Bytes;
use std::sync::Arc;

/// Each with the name of its kind in the document.
pub(super) fn all() -> Vec<(&'static str, String)> {
    let wire = Wire::default();
    let text = |frame: &Bytes| frame::text_of(frame).to_owned();
    let mut all = vec![
        ("Hello", text(&hello(wire, 30_000))),
        ("ServerHeartbeat", text(&heartbeat(wire, "t"))),
        ("HeartbeatAck", text(&heartbeat_ack(wire, None, None))),
        ("HeartbeatAck", text(&heartbeat_ack(wire, Some("t"), None))),
        ("HeartbeatAck", text(&heartbeat_ack(wire, Some("t"), Some(7)))),
    ];
    for event in events() {
        for profile in profiles() {
            let name = name_of(&event);
            let encoded = || EncodedEvent::new(event.clone());
            all.push((name, text(&encoded().frame(profile))));
            if event.is_on_line() || matches!(event, Event::Available { .. }) {
                all.push((name, text(&encoded().said_at(position()).frame(profile))));
            }
            if let Event::StateUpdate { .. } = event {
                let before =
                    State::trusted(r#"{"topic":"Weather","long":"xxxxxxxxxxxxxxxxxxxxxxxxxxxx"}"#);
                all.push((name, text(&encoded().after(before, Version(3)).frame(profile))));
            }
        }
    }
    all
}

/// What connections can ask for.
fn profiles() -> Vec<Profile> {
    let mut profiles = Vec::new();
    for has_versions in [false, true] {
        for has_positions in [false, true] {
            for has_deltas in [false, true] {
                profiles.push(Profile {
                    has_versions,
                    has_positions,
                    has_deltas,
                    ..Profile::default()
                });
            }
        }
    }
    profiles
}

/// What an event's kind is called in the document.
const fn name_of(event: &Event) -> &'static str {
    match event {
        Event::Init { .. } => "Init",
        Event::Available { .. } => "Available",
        Event::Unavailable { .. } => "Unavailable",
        Event::StateUpdate { .. } | Event::StateAnswer { .. } => "StateUpdate",
        Event::Message { .. } => "Message",
        Event::DirectMessage { .. } | Event::Mail { .. } => "DirectMessage",
        Event::PresenceState { .. } => "PresenceState",
        Event::PresenceJoin { .. } => "PresenceJoin",
        Event::PresenceUpdate { .. } => "PresenceUpdate",
        Event::PresenceLeave { .. } => "PresenceLeave",
        Event::TokenStateUpdate { .. } => "TokenStateUpdate",
        Event::Error { .. } => "Error",
        Event::Ack { .. } => "Ack",
        Event::PipeUnavailable { .. } => "PipeRoomUnavailable",
    }
}

/// Some position.
const fn position() -> Position {
    Position { epoch: Epoch(0x1f), offset: 3 }
}

/// Some channel.
fn room() -> Channel {
    Channel {
        key: ChannelKey { project: ProjectId::from("project_x"), id: id() },
        visibility: Visibility::Public,
        capabilities: Capabilities::PRESENCE,
        state: state_about("News"),
        version: Version(4),
        created_at: Timestamp(0),
    }
}

/// A state so long that what changes of it is shorter.
fn state_about(topic: &str) -> State {
    State::trusted(&format!(r#"{{"topic":"{topic}","text":"{}"}}"#, "x".repeat(100)))
}

/// Its id.
fn id() -> ChannelId {
    ChannelId::trusted("room")
}

/// An INIT of somebody who asked for nothing, or for everything.
fn init(is_full: bool) -> Event {
    let line = |recovered| LineStanding { position: position(), recovered };
    let standing = InitStanding {
        session: SessionId::from("session_x"),
        channels: vec![line(Some(true))],
        direct: line(None),
        is_complete: Some(false),
    };
    Event::Init {
        cid: ConnectionId::from("0-1-x"),
        connection_count: 1,
        metadata: if is_full { RawJson::trusted(r#"{"name":"Anna"}"#) } else { RawJson::null() },
        scope: if is_full { Scope::Token } else { Scope::NoAuth },
        channels: if is_full { vec![room()] } else { Vec::new() },
        missed: u64::from(is_full),
        extensions: is_full.then(|| vec!["resume", "delta"]),
        standing: is_full.then(|| Box::new(standing)),
    }
}

/// An event of each kind.
fn events() -> Vec<Event> {
    let (channel, message) =
        (id(), Message { event: Arc::from("HELLO"), data: RawJson::trusted("[1]") });
    let (state, version) = (room().state, Version(4));
    let token = LeapTokenId::from("leap_token_x");
    let member =
        Arc::new(Member::of_token(&token, &RawJson::trusted(r#"{"public":{"name":"Anna"}}"#)));
    let member = PresentMember { member, connections: 1, since: Timestamp(0) };
    let refused = |channel, code, is_graceful| Event::Unavailable {
        channel,
        is_graceful,
        error_code: code,
        is_unicast: !is_graceful,
    };
    let done = Acknowledged { version: Some(version), position: Some(position()), is_repeat: true };
    let reference = "r1".to_owned();
    vec![
        init(false),
        init(true),
        Event::Available { channel: room(), recovered: None },
        Event::Available { channel: room(), recovered: Some(true) },
        refused(Some("room".to_owned()), None, true),
        refused(Some("room".to_owned()), Some(ErrorCode::NotGranted), false),
        refused(None, Some(ErrorCode::Unknown), false),
        Event::StateUpdate { channel: channel.clone(), state: state.clone(), version },
        Event::StateAnswer { channel: channel.clone(), state, version },
        Event::Message { channel: channel.clone(), message: message.clone() },
        Event::DirectMessage { message: message.clone(), is_unicast: true },
        Event::Mail { message, id: MailId(position()) },
        Event::PresenceState {
            channel: channel.clone(),
            members: vec![member.clone()],
            from: 0,
            count: 1,
        },
        Event::PresenceJoin { channel: channel.clone(), member: member.clone() },
        Event::PresenceUpdate { channel: channel.clone(), member: member.clone() },
        Event::PresenceLeave { channel, member },
        Event::TokenStateUpdate { state: RawJson::trusted("7") },
        Event::Error { refusal: Refusal::NotSubscribed, reference: None },
        Event::Error { refusal: Refusal::Overloaded, reference: Some(reference.clone()) },
        Event::Ack { reference: reference.clone(), done: Acknowledged::default() },
        Event::Ack { reference, done },
        Event::PipeUnavailable { join_token: RawJson::trusted("\"x\"") },
    ]
}
