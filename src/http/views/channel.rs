//! Channels and their states.

use super::ProjectView;
use crate::domain::{
    Capabilities, Channel, ChannelId, HistoryLimits, Project, RawJson, Timestamp, Version,
    Visibility,
};
use serde::{Deserialize, Serialize, Serializer};

/// A channel.
#[derive(Serialize)]
pub(crate) struct ChannelView<'a> {
    /// Its name.
    id: &'a ChannelId,
    /// Who may subscribe.
    #[serde(rename = "type")]
    visibility: Visibility,
    /// Its state object.
    state: &'a RawJson,
    /// The state's version.
    version: Version,
    /// What it can do, as a number.
    #[serde(serialize_with = "bits")]
    capabilities: Capabilities,
    /// What it narrowed of what it keeps; shown where it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    history: Option<HistoryView>,
    /// When it was created.
    created_at: Timestamp,
    /// The whole project: the `hop` crate insists.
    project: ProjectView<'a>,
}

/// Capabilities as their number.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn bits<S: Serializer>(capabilities: &Capabilities, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u32(capabilities.bits())
}

impl<'a> ChannelView<'a> {
    /// Shows a channel of this project.
    pub(crate) fn new(channel: &'a Channel, project: &'a Project) -> Self {
        Self {
            id: &channel.key.id,
            visibility: channel.visibility,
            state: channel.state.json(),
            version: channel.version,
            capabilities: channel.capabilities,
            history: None,
            created_at: channel.created_at,
            project: project.into(),
        }
    }

    /// The same with what it narrowed of what it keeps.
    pub(crate) fn narrowed(self, limits: HistoryLimits) -> Self {
        let history = (limits != HistoryLimits::default()).then(|| limits.into());
        Self { history, ..self }
    }
}

/// Narrower bounds, as they are written.
#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HistoryView {
    /// The most messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) count: Option<u64>,
    /// How old a message may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) seconds: Option<u64>,
}

impl From<HistoryLimits> for HistoryView {
    fn from(HistoryLimits { count, seconds }: HistoryLimits) -> Self {
        Self { count, seconds }
    }
}

/// A channel's state.
#[derive(Serialize)]
pub(crate) struct StateView<'a> {
    /// The object.
    pub(crate) state: &'a RawJson,
    /// Its version, which is a part of the `ETag`.
    pub(crate) version: Version,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ChannelKey, ProjectId, State};

    #[test]
    fn a_channel_has_every_key_that_some_client_needs() {
        let project = Project {
            id: ProjectId::from("project_x"),
            name: "X".to_owned(),
            namespace: "x".to_owned(),
            allowed_origins: crate::domain::AllowedOrigins::default(),
            created_at: Timestamp(0),
        };
        let channel = Channel {
            key: ChannelKey { project: project.id.clone(), id: ChannelId::parse("a").unwrap() },
            visibility: Visibility::Private,
            capabilities: Capabilities::PRESENCE,
            state: State::trusted(r#"{"n":90071992547409931.10}"#),
            version: Version::FIRST,
            created_at: Timestamp(0),
        };
        let text = serde_json::to_string(&ChannelView::new(&channel, &project)).unwrap();
        assert!(text.starts_with(concat!(
            r#"{"id":"a","type":"private","state":{"n":90071992547409931.10},"version":1,"#,
            r#""capabilities":8,"created_at":"1970-01-01T00:00:00.000Z","project":{"id":"project_x","#,
        )));
        for key in ["icon\":null", "tier\":\"paid", "quota_overrides\":{}", "type\":\"regular"] {
            assert!(text.contains(key), "{key} in {text}");
        }
    }
}
