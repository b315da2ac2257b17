//! The question whether a token may subscribe to a private channel, and how its answer is read (`docs/PROTOCOL.md`, Webhooks).

use crate::domain::event::shapes;
use crate::domain::{
    Capabilities, Channel, ChannelId, ChannelKey, ConnectionId, LeapToken, LeapTokenId, ProjectId,
    RawJson, State, Timestamp, Version, Visibility,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::net::IpAddr;
use std::time::Duration;

/// How long an answer may take; later means no.
pub const TIMEOUT: Duration = Duration::from_secs(5);

/// What is posted.
#[derive(Serialize)]
struct QuestionBody<'a> {
    /// Always `channel.subscribe`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// There where nobody asks and nothing comes of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    test: Option<bool>,
    /// The tenant.
    project_id: &'a str,
    /// The channel, with its state.
    channel: shapes::ChannelShape<'a>,
    /// Who asks.
    token: AskerShape<'a>,
    /// Over which connection.
    connection: ConnectionShape<'a>,
}

/// Who asks.
#[derive(Serialize)]
struct AskerShape<'a> {
    /// The token.
    id: &'a LeapTokenId,
    /// Its state, by which the back end knows its user.
    state: &'a RawJson,
}

/// Over which connection.
#[derive(Serialize)]
struct ConnectionShape<'a> {
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
    asks(None, channel, token, cid, address)
}

/// A question that is about nothing real, and says so.
pub fn sample(project: &ProjectId, at: Timestamp) -> String {
    let channel = Channel {
        key: ChannelKey { project: project.clone(), id: ChannelId::trusted("test") },
        visibility: Visibility::Private,
        capabilities: Capabilities::default(),
        state: State::empty(),
        version: Version::FIRST,
        created_at: at,
    };
    let token = LeapToken {
        id: LeapTokenId::from("leap_token_test"),
        project: project.clone(),
        state: RawJson::trusted("{}"),
        expires_at: None,
        created_at: at,
    };
    asks(Some(true), &channel, &token, &ConnectionId::from("test"), None)
}

/// The body of either.
fn asks(
    test: Option<bool>,
    channel: &Channel,
    token: &LeapToken,
    cid: &ConnectionId,
    address: Option<IpAddr>,
) -> String {
    let question = QuestionBody {
        kind: "channel.subscribe",
        test,
        project_id: channel.key.project.as_str(),
        channel: shapes::channel(channel),
        token: AskerShape { id: &token.id, state: &token.state },
        connection: ConnectionShape { cid, address },
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

/// Why an answer is no decision, which refuses as much as a no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoDecision {
    /// Its status is not 2xx.
    Status,
    /// Its body was too long, broke off, or was late.
    Body,
    /// Its body is no JSON object.
    NotJson,
    /// It does not say in `granted` whether the token may subscribe.
    Granted,
    /// Its `ephemeral` is neither true nor false.
    Ephemeral,
    /// Its `state` is no object, or one that no token may have.
    State,
}

impl NoDecision {
    /// A word for programs.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Body => "body",
            Self::NotJson => "not_json",
            Self::Granted => "granted",
            Self::Ephemeral => "ephemeral",
            Self::State => "state",
        }
    }
}

/// An answer's body.
#[derive(Deserialize)]
struct DecisionBody<'a> {
    /// Whether the token may subscribe.
    #[serde(borrow)]
    granted: Option<&'a RawValue>,
    /// Whether the subscription ends with the session.
    #[serde(borrow)]
    ephemeral: Option<&'a RawValue>,
    /// A new state of the token.
    #[serde(borrow)]
    state: Option<&'a RawValue>,
}

impl<'a> DecisionBody<'a> {
    /// Reads a body. What a list holds has no names, so it says nothing.
    fn parse(body: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        text.trim_start().starts_with('{').then(|| serde_json::from_str(text).ok()).flatten()
    }
}

/// Reads an answer: anything but a clear yes refuses.
///
/// # Errors
/// What keeps it from being a decision.
pub fn read(status: u16, body: Option<&[u8]>) -> Result<Verdict, NoDecision> {
    if !(200..300).contains(&status) {
        return Err(NoDecision::Status);
    }
    let answer = DecisionBody::parse(body.ok_or(NoDecision::Body)?).ok_or(NoDecision::NotJson)?;
    let is_true = |raw: &RawValue| serde_json::from_str::<bool>(raw.get()).ok();
    let is_granted = answer.granted.and_then(is_true).ok_or(NoDecision::Granted)?;
    let is_ephemeral =
        answer.ephemeral.map(|raw| is_true(raw).ok_or(NoDecision::Ephemeral)).transpose()?;
    let object = |raw: &RawValue| RawJson::from_raw(raw).ok().filter(RawJson::is_object);
    let state = answer.state.map(|raw| object(raw).ok_or(NoDecision::State)).transpose()?;
    Ok(if is_granted { Verdict::Granted { is_ephemeral, state } } else { Verdict::Refused })
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_sample_says_that_it_is_one() {
        assert_eq!(
            sample(&ProjectId::from("project_x"), Timestamp(0)),
            concat!(
                r#"{"type":"channel.subscribe","test":true,"project_id":"project_x","channel":{"id":"test","#,
                r#""project_id":"project_x","type":"private","capabilities":0,"state":{},"version":1,"#,
                r#""created_at":"1970-01-01T00:00:00.000Z"},"token":{"id":"leap_token_test","state":{}},"#,
                r#""connection":{"cid":"test","address":null}}"#,
            )
        );
    }

    #[test]
    fn only_a_clear_yes_grants_and_what_is_unclear_has_a_reason() {
        let granted = |is_ephemeral, state: Option<&str>| {
            Ok(Verdict::Granted { is_ephemeral, state: state.map(RawJson::trusted) })
        };
        let read = |status, body: &str| read(status, Some(body.as_bytes()));
        assert_eq!(read(200, r#"{"granted":true}"#), granted(None, None));
        assert_eq!(
            read(201, r#" {"granted":true,"ephemeral":true,"state":{"a":1.10},"x":1}"#),
            granted(Some(true), Some(r#"{"a":1.10}"#))
        );
        assert_eq!(
            read(200, r#"{"granted":true,"ephemeral":null,"state":null}"#),
            granted(None, None)
        );
        assert_eq!(read(200, r#"{"granted":false}"#), Ok(Verdict::Refused));
        for (status, body, fault) in [
            (200, r#"{"granted":"true"}"#, NoDecision::Granted),
            (200, r#"{"granted":1}"#, NoDecision::Granted),
            (200, r#"{"granted":null}"#, NoDecision::Granted),
            (200, "{}", NoDecision::Granted),
            (200, "", NoDecision::NotJson),
            (200, "true", NoDecision::NotJson),
            (200, "[true,null,null]", NoDecision::NotJson),
            (200, r#"{"granted":true"#, NoDecision::NotJson),
            (200, r#"{"granted":false,"granted":true}"#, NoDecision::NotJson),
            (200, r#"{"granted":true,"state":5}"#, NoDecision::State),
            (200, r#"{"granted":true,"ephemeral":1}"#, NoDecision::Ephemeral),
            (204, "", NoDecision::NotJson),
            (302, r#"{"granted":true}"#, NoDecision::Status),
            (403, r#"{"granted":true}"#, NoDecision::Status),
            (500, r#"{"granted":true}"#, NoDecision::Status),
        ] {
            assert_eq!(read(status, body), Err(fault), "{status} {body}");
        }
        assert_eq!(super::read(200, None), Err(NoDecision::Body));
    }
}
