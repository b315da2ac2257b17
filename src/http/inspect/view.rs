//! What a look is answered.

use crate::domain::{ChannelId, ConnectionId, LeapTokenId, RawJson, SessionId, Timestamp, Version};
use crate::recorder::{
    FlightRecorder, RecordEntry, RecordPage, RecordRules, RecordedBody, RecordedFacts,
};
use serde::Serialize;
use std::net::IpAddr;

/// `{entries, next, older, lost, is_recording, minutes}`.
#[derive(Serialize)]
pub(super) struct InspectBody<'a> {
    /// The entries, in their order.
    entries: Vec<RecordEntryView<'a>>,
    /// Behind which number it goes on.
    next: String,
    /// Before which number there may be older ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    older: Option<String>,
    /// How many entries of the project are missing in between; null where nobody knows.
    lost: Option<u64>,
    /// Whether things are recorded also while nobody looks.
    is_recording: bool,
    /// For how long.
    minutes: u64,
}

/// An entry; what it does not have is left out.
#[derive(Serialize, Default)]
struct RecordEntryView<'a> {
    /// Its number.
    number: u64,
    /// When.
    at: Option<Timestamp>,
    /// Of which kind.
    kind: &'static str,
    /// On which channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'a ChannelId>,
    /// Whose token.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a LeapTokenId>,
    /// Which connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<&'a ConnectionId>,
    /// Which session.
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'a SessionId>,
    /// The event's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a str>,
    /// What was said, by the rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<RawJson>,
    /// The same, where it is no JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    /// How many bytes that has, also where it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<usize>,
    /// How many connections were to hear it.
    #[serde(skip_serializing_if = "Option::is_none")]
    receivers: Option<usize>,
    /// Where it stands on the channel's line.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<String>,
    /// Which version of the state.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<Version>,
    /// Where a connection came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    /// Whether it came with a project token.
    #[serde(skip_serializing_if = "Option::is_none")]
    is_back_end: Option<bool>,
    /// Who ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    initiator: Option<&'static str>,
    /// With which close code.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    /// Why it ended, or was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    /// A request's method.
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    /// The pattern of its path.
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<&'a str>,
    /// Its status.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// How long it took, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    took_ms: Option<f64>,
    /// The handle of the token that asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a str>,
    /// What the request is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
}

impl<'a> InspectBody<'a> {
    /// A page as it is shown.
    pub(super) fn new(page: &'a RecordPage, recorder: &'a FlightRecorder) -> Self {
        let rules = recorder.rules();
        let view = |entry| RecordEntryView::new(entry, &rules);
        Self {
            entries: page.entries.iter().map(view).collect(),
            next: page.next.to_string(),
            older: page.older.map(|older| older.to_string()),
            lost: page.lost,
            is_recording: recorder.has_ring(),
            minutes: recorder.bounds().age.as_secs() / 60,
        }
    }
}

impl<'a> RecordEntryView<'a> {
    /// An entry as it is shown by these rules.
    fn new(entry: &'a RecordEntry, rules: &RecordRules) -> Self {
        let what = &entry.what;
        let (data, text, bytes) = match &what.body {
            RecordedBody::None => (None, None, None),
            RecordedBody::Json(json) => (Some(rules.shown(json)), None, Some(json.as_str().len())),
            // No rule finds anything in it.
            RecordedBody::Text(text) if rules.redacts() => (None, None, Some(text.len())),
            RecordedBody::Text(text) => (None, Some(&**text), Some(text.len())),
            RecordedBody::LeftOut(bytes) => (None, None, Some(*bytes)),
        };
        let view = Self {
            number: entry.number,
            at: Some(entry.at),
            kind: what.kind.word(),
            channel: what.channel.as_ref(),
            token: what.token.as_ref(),
            connection: what.connection.as_ref(),
            session: what.session.as_ref(),
            event: what.event.as_deref(),
            data,
            text,
            bytes,
            ..Self::default()
        };
        view.with(&what.facts)
    }

    /// The same with what else is known.
    fn with(self, facts: &'a RecordedFacts) -> Self {
        match facts {
            RecordedFacts::None => self,
            RecordedFacts::Said { receivers, position, version } => {
                let (position, version) = (position.map(|at| at.to_string()), *version);
                Self { receivers: Some(*receivers), position, version, ..self }
            }
            RecordedFacts::Came { address, is_back_end } => {
                Self { address: *address, is_back_end: Some(*is_back_end), ..self }
            }
            RecordedFacts::Ended { initiator, code, reason } => Self {
                initiator: Some(initiator),
                code: Some(*code),
                reason: Some(&**reason).filter(|reason| !reason.is_empty()),
                ..self
            },
            RecordedFacts::Outcome(refused) => Self { reason: refused.as_deref(), ..self },
            RecordedFacts::Answered(call) => Self {
                method: Some(&call.method),
                route: Some(&call.route),
                status: Some(call.status),
                took_ms: Some(call.took.as_secs_f64() * 1000.0),
                by: Some(&call.by),
                id: Some(&call.id),
                ..self
            },
        }
    }
}
