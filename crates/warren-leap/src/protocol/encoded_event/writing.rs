//! The events' text.

use super::{Event, LineStanding, PresentMember, Profile, PutState, Scope, StateDelta};
use crate::domain::json::push_quoted;
use crate::domain::{Channel, MISSED_UNKNOWN, Message, Position};
use std::fmt::Write as _;

impl Event {
    /// Appends the payload: always `op` before `d`, and all of `c`, `u`, `e`, `d` (`docs/CLIENTS.md`, Socket).
    pub(super) fn write(
        &self,
        position: Option<Position>,
        profile: Profile,
        put_state: PutState<'_>,
        out: &mut String,
    ) {
        self.write_head(position, profile, out);
        self.write_data(profile, put_state, out);
        out.push_str("}}");
    }

    /// The same, of a state as what has changed since another one.
    pub(super) fn write_delta(
        &self,
        position: Option<Position>,
        profile: Profile,
        StateDelta { from, patch }: StateDelta<'_>,
        out: &mut String,
    ) {
        self.write_head(position, profile, out);
        if let Self::StateUpdate { version, .. } = self {
            put(out, format_args!(r#"{{"version":{version},"from":{from},"patch":{patch}}}"#));
        }
        out.push_str("}}");
    }

    /// Appends what stands before the data.
    fn write_head(&self, position: Option<Position>, profile: Profile, out: &mut String) {
        out.push_str(r#"{"op":0,"d":{"c":"#);
        match self.channel() {
            Some(channel) => push_quoted(channel, out),
            None => out.push_str("null"),
        }
        out.push_str(if self.is_unicast() { r#","u":true,"e":""# } else { r#","u":false,"e":""# });
        out.push_str(self.name());
        out.push('"');
        if let Some(position) = position.filter(|_| profile.has_positions) {
            put(out, format_args!(r#","s":"{position}""#));
            if let Self::Mail { id, .. } = self {
                put(out, format_args!(r#","id":"{id}""#));
            }
        }
        out.push_str(r#","d":"#);
    }

    /// Appends the innermost `d`.
    fn write_data(&self, profile: Profile, put_state: PutState<'_>, out: &mut String) {
        match self {
            Self::Init { .. } => self.write_init(profile, put_state, out),
            Self::Available { channel, recovered } => {
                out.push_str(r#"{"channel":"#);
                write_channel(channel, None, profile, put_state, out);
                put_recovered(recovered.filter(|_| profile.has_positions), out);
                out.push('}');
            }
            Self::Unavailable { is_graceful, error_code, .. } => {
                put(out, format_args!(r#"{{"graceful":{is_graceful}"#));
                if let Some(code) = error_code {
                    put(out, format_args!(r#","error_code":"{}""#, code.as_str()));
                }
                out.push('}');
            }
            Self::StateUpdate { state, version, .. } | Self::StateAnswer { state, version, .. } => {
                out.push_str(r#"{"state":"#);
                out.push_str(state.json().as_str());
                if profile.has_versions {
                    put(out, format_args!(r#","version":{version}"#));
                }
                out.push('}');
            }
            Self::Message { message, .. }
            | Self::DirectMessage { message, .. }
            | Self::Mail { message, .. } => write_message(message, out),
            Self::PresenceState { members, from, count, .. } => {
                out.push_str(r#"{"members":["#);
                for (index, member) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    write_member(member, out);
                }
                put(out, format_args!(r#"],"from":{from},"count":{count}}}"#));
            }
            Self::PresenceJoin { member, .. }
            | Self::PresenceUpdate { member, .. }
            | Self::PresenceLeave { member, .. } => {
                out.push_str(r#"{"member":"#);
                write_member(member, out);
                out.push('}');
            }
            Self::TokenStateUpdate { state } => {
                put(out, format_args!(r#"{{"state":{}}}"#, state.as_str()));
            }
            Self::Error { .. } | Self::Ack { .. } => self.write_answer(out),
            Self::PipeUnavailable { join_token } => put(
                out,
                format_args!(
                    r#"{{"join_token":{},"graceful":false,"error_code":"UNKNOWN"}}"#,
                    join_token.as_str()
                ),
            ),
        }
    }

    /// Appends the data of `ERROR` or `ACK`.
    fn write_answer(&self, out: &mut String) {
        let named = |reference: &Option<String>| {
            reference.as_ref().map(|name| format!(r#","ref":{}"#, quoted(name))).unwrap_or_default()
        };
        match self {
            Self::Error { refusal, reference } => put(
                out,
                format_args!(
                    r#"{{"code":"{}","message":{}{}}}"#,
                    refusal.code(),
                    quoted(&refusal.to_string()),
                    named(reference)
                ),
            ),
            Self::Ack { reference, done } => {
                put(out, format_args!(r#"{{"ref":{}"#, quoted(reference)));
                if let Some(version) = done.version {
                    put(out, format_args!(r#","version":{version}"#));
                }
                if let Some(position) = done.position {
                    put(out, format_args!(r#","s":"{position}""#));
                }
                if done.is_repeat {
                    out.push_str(r#","replayed":true"#);
                }
                out.push('}');
            }
            _ => {}
        }
    }

    /// Appends INIT's data.
    fn write_init(&self, profile: Profile, put_state: PutState<'_>, out: &mut String) {
        let Self::Init { cid, connection_count, metadata, scope, channels, .. } = self else {
            return;
        };
        let Self::Init { missed, extensions, standing, .. } = self else { return };
        let standing = standing.as_ref().filter(|_| profile.has_positions);
        let scope = match scope {
            Scope::Project => "project",
            Scope::Token => "token",
            Scope::NoAuth => "noauth",
        };
        put(
            out,
            format_args!(
                r#"{{"cid":{},"connection_count":{connection_count},"metadata":{},"scope":"{scope}","channels":["#,
                quoted(cid.as_str()),
                metadata.as_str()
            ),
        );
        for (index, channel) in channels.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            let line = standing.and_then(|standing| standing.channels.get(index)).copied();
            write_channel(channel, line, profile, put_state, out);
        }
        out.push(']');
        if let Some(standing) = standing {
            put(out, format_args!(r#","session_id":{}"#, quoted(standing.session.as_str())));
            put(out, format_args!(r#","direct":{{{}}}"#, standing.direct));
            if let Some(is_complete) = standing.is_complete {
                let word = if is_complete { "complete" } else { "gap" };
                put(out, format_args!(r#","resume":"{word}""#));
            }
        }
        match *missed {
            0 => {}
            MISSED_UNKNOWN => out.push_str(r#","missed":null"#),
            missed => put(out, format_args!(r#","missed":{missed}"#)),
        }
        if let Some(granted) = extensions {
            let names: Vec<String> = granted.iter().map(|name| quoted(name)).collect();
            put(out, format_args!(r#","ext":[{}]"#, names.join(",")));
        }
        out.push('}');
    }
}

/// Appends what was published.
fn write_message(message: &Message, out: &mut String) {
    out.push_str(r#"{"e":"#);
    push_quoted(&message.event, out);
    out.push_str(r#","d":"#);
    out.push_str(message.data.as_str());
    out.push('}');
}

/// Appends a channel as the socket shows it (`docs/CLIENTS.md`, Socket, `chan`).
fn write_channel(
    channel: &Channel,
    line: Option<LineStanding>,
    profile: Profile,
    put_state: PutState<'_>,
    out: &mut String,
) {
    out.push_str(r#"{"id":"#);
    push_quoted(channel.key.id.as_str(), out);
    out.push_str(r#","project_id":"#);
    push_quoted(channel.key.project.as_str(), out);
    out.push_str(r#","type":""#);
    out.push_str(channel.visibility.as_str());
    out.push_str(r#"","state":"#);
    put_state(channel.state.json(), out);
    put(out, format_args!(r#","capabilities":{}"#, channel.capabilities.bits()));
    if profile.has_versions {
        put(out, format_args!(r#","version":{}"#, channel.version));
    }
    if let Some(line) = line {
        put(out, format_args!(",{line}"));
    }
    out.push('}');
}

/// Appends a member; never its token.
fn write_member(present: &PresentMember, out: &mut String) {
    put(
        out,
        format_args!(
            r#"{{"id":{},"data":{},"connections":{},"since":"{}"}}"#,
            quoted(&present.member.id),
            present.member.data.as_str(),
            present.connections,
            present.since
        ),
    );
}

/// Appends whether nothing is missing since a position, if somebody named one.
fn put_recovered(recovered: Option<bool>, out: &mut String) {
    if let Some(recovered) = recovered {
        put(out, format_args!(r#","recovered":{recovered}"#));
    }
}

/// Appends formatted text.
fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String has no way to fail.
    let _ = out.write_fmt(text);
}

/// A JSON string.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::new();
    push_quoted(text, &mut out);
    out
}
