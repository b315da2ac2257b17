//! The question whether a token may subscribe to a private channel, and how its answer is read (`docs/PROTOCOL.md`, Webhooks).

use crate::domain::event::shapes;
use crate::domain::{Channel, ConnectionId, LeapToken, LeapTokenId, RawJson};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::net::IpAddr;
use std::time::Duration;

/// How long an answer may take; later means no.
pub const TIMEOUT: Duration = Duration::from_secs(5);

/// What is posted.
#[derive(Serialize)]
struct Question<'a> {
    /// Always `channel.subscribe`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The tenant.
    project_id: &'a str,
    /// The channel, with its state.
    channel: shapes::Channel<'a>,
    /// Who asks.
    token: Asker<'a>,
    /// Over which connection.
    connection: Connection<'a>,
}

/// Who asks.
#[derive(Serialize)]
struct Asker<'a> {
    /// The token.
    id: &'a LeapTokenId,
    /// Its state, by which the back end knows its user.
    state: &'a RawJson,
}

/// Over which connection.
#[derive(Serialize)]
struct Connection<'a> {
    /// Its id.
    cid: &'a ConnectionId,
    /// Where it comes from, if known.
    address: Option<IpAddr>,
}

/// The body of a question.
pub fn question(
    channel: &Channel,
    token: &LeapToken,
    cid: &ConnectionId,
    address: Option<IpAddr>,
) -> String {
    let question = Question {
        kind: "channel.subscribe",
        project_id: channel.key.project.as_str(),
        channel: shapes::channel(channel),
        token: Asker { id: &token.id, state: &token.state },
        connection: Connection { cid, address },
    };
    serde_json::to_string(&question).unwrap_or_default()
}

/// What the back end decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The token may not subscribe, or nobody said that it may.
    Refused,
    /// It may.
    Granted {
        /// Whether the subscription ends with the session; where the back end does not say, the client decides.
        is_ephemeral: Option<bool>,
        /// A new state of the token, an object.
        state: Option<RawJson>,
    },
}

/// An answer's body.
#[derive(Deserialize)]
struct Answer<'a> {
    /// Whether the token may subscribe.
    granted: bool,
    /// Whether the subscription ends with the session.
    ephemeral: Option<bool>,
    /// A new state of the token.
    #[serde(borrow)]
    state: Option<&'a RawValue>,
}

/// Reads an answer: anything but a clear yes is a no.
pub fn verdict(status: u16, body: &[u8]) -> Verdict {
    let read = || -> Option<Verdict> {
        let text = std::str::from_utf8(body).ok()?;
        let answer: Answer<'_> = serde_json::from_str(text).ok()?;
        let state = match answer.state {
            Some(raw) => Some(RawJson::from_raw(raw).ok().filter(RawJson::is_object)?),
            None => None,
        };
        let is_ephemeral = answer.ephemeral;
        answer.granted.then_some(Verdict::Granted { is_ephemeral, state })
    };
    let granted = (200..300).contains(&status).then(read).flatten();
    granted.unwrap_or(Verdict::Refused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        Capabilities, ChannelId, ChannelKey, ProjectId, State, Timestamp, Version, Visibility,
    };

    #[test]
    fn a_question_has_the_shape_of_the_specification() {
        let project = ProjectId::from("project_x");
        let channel = Channel {
            key: ChannelKey { project: project.clone(), id: ChannelId::parse("a").unwrap() },
            visibility: Visibility::Private,
            capabilities: Capabilities::default(),
            state: State::empty(),
            version: Version::FIRST,
            created_at: Timestamp(0),
        };
        let token = LeapToken {
            id: LeapTokenId::from("leap_token_1"),
            project,
            state: RawJson::trusted(r#"{"user":12345678901234567890}"#),
            expires_at: None,
            created_at: Timestamp(0),
        };
        assert_eq!(
            question(&channel, &token, &ConnectionId::from("cid"), None),
            concat!(
                r#"{"type":"channel.subscribe","project_id":"project_x","channel":{"id":"a","#,
                r#""project_id":"project_x","type":"private","capabilities":0,"state":{},"version":1,"#,
                r#""created_at":"1970-01-01T00:00:00.000Z"},"token":{"id":"leap_token_1","#,
                r#""state":{"user":12345678901234567890}},"connection":{"cid":"cid","address":null}}"#,
            )
        );
    }

    #[test]
    fn only_a_clear_yes_grants() {
        let granted = |is_ephemeral, state: Option<&str>| Verdict::Granted {
            is_ephemeral,
            state: state.map(RawJson::trusted),
        };
        assert_eq!(verdict(200, br#"{"granted":true}"#), granted(None, None));
        assert_eq!(
            verdict(201, br#"{"granted":true,"ephemeral":true,"state":{"a":1.10},"x":1}"#),
            granted(Some(true), Some(r#"{"a":1.10}"#))
        );
        assert_eq!(
            verdict(200, br#"{"granted":true,"ephemeral":null,"state":null}"#),
            granted(None, None)
        );
        for (status, body) in [
            (200, r#"{"granted":false}"#),
            (200, r#"{"granted":"true"}"#),
            (200, r#"{"granted":1}"#),
            (200, "{}"),
            (200, ""),
            (200, "true"),
            (200, r#"{"granted":true"#),
            (200, r#"{"granted":true,"state":5}"#),
            (200, r#"{"granted":true,"ephemeral":1}"#),
            (204, ""),
            (302, r#"{"granted":true}"#),
            (403, r#"{"granted":true}"#),
            (500, r#"{"granted":true}"#),
        ] {
            assert_eq!(verdict(status, body.as_bytes()), Verdict::Refused, "{status} {body}");
        }
    }
}
