//! Events that a project's webhooks hear of: their names, their data, and the body that is posted.
//!
//! An event is made where its cause happens and stored in the same transaction; only there does it get its `seq`. Data
//! is text from the start, so that no number in a state or a message is rounded on the way.

use super::{
    Channel, ChannelId, ConnectionId, EventId, LeapToken, LeapTokenId, Message, ProjectId,
    ProjectToken, RawJson, SessionId, Timestamp, Version, WebhookId,
};
use serde::Serialize;

/// Defines the kinds of events with their names.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal,)+) => {
        /// What kind of event (`docs/PROTOCOL.md`, Webhooks).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum EventKind {
            $($(#[$doc])* $kind,)+
        }

        impl EventKind {
            /// Every kind, in the order of the specification.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)+];

            /// The name that webhooks ask for and bodies carry.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)+
                }
            }
        }
    };
}

kinds! {
    /// A channel was created.
    ChannelCreated = "channel.created",
    /// A channel's visibility or capabilities were changed.
    ChannelUpdated = "channel.updated",
    /// A channel was deleted; its subscriptions went with it and fire no events of their own.
    ChannelDeleted = "channel.deleted",
    /// A channel's state was changed.
    ChannelStateUpdated = "channel.state.updated",
    /// A session came online on a channel with its first connection.
    ChannelClientConnected = "channel.client.connected",
    /// Such a session ended or unsubscribed.
    ChannelClientDisconnected = "channel.client.disconnected",
    /// A token was subscribed.
    ChannelSubscribed = "channel.subscribed",
    /// A token was unsubscribed.
    ChannelUnsubscribed = "channel.unsubscribed",
    /// A client sent a message.
    ChannelMessage = "channel.message",
    /// A leap token was created.
    TokenCreated = "token.created",
    /// A leap token was deleted; its subscriptions went with it and fire no events of their own.
    TokenDeleted = "token.deleted",
    /// A project token was created.
    ProjectTokenCreated = "project.tokens.created",
    /// A project token was deleted.
    ProjectTokenDeleted = "project.tokens.deleted",
}

impl EventKind {
    /// The kind of a name; none for names of Hop's other products, which never fire.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// The kind's bit in a set of kinds.
    pub fn bit(self) -> u32 {
        let place = Self::ALL.iter().take_while(|kind| **kind != self).count();
        u32::try_from(place).map_or(0, |place| 1 << place)
    }
}

/// When an event happened and what it is called; made by the clock and the minter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// `event_…`.
    pub id: EventId,
    /// When.
    pub at: Timestamp,
}

/// Something that happened in a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookEvent {
    /// `event_…`: the same in every delivery and on every attempt.
    pub id: EventId,
    /// What kind.
    pub kind: EventKind,
    /// Whose webhooks hear of it.
    pub project: ProjectId,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// An object, still without `seq`.
    pub data: RawJson,
}

/// A session as `channel.client.*` shows it.
#[derive(Clone, Copy, Debug)]
pub struct PresenceShape<'a> {
    /// The channel.
    pub channel: &'a ChannelId,
    /// The token; none for a session without one.
    pub token: Option<&'a LeapTokenId>,
    /// The session.
    pub session: &'a SessionId,
    /// How many sessions are connected and subscribed, this one counted while it is there.
    pub online_count: u64,
}

/// A token's subscription as `channel.subscribed` and `channel.unsubscribed` show it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Subscribing<'a> {
    /// The channel.
    pub channel: &'a ChannelId,
    /// The token.
    pub token: &'a LeapTokenId,
    /// Whether it ends with the session.
    pub ephemeral: bool,
}

/// A client's message as `channel.message` shows it.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    /// The channel.
    pub channel: &'a ChannelId,
    /// The sender's token, if it has one.
    pub token: Option<&'a LeapTokenId>,
    /// The sender's connection.
    pub connection: &'a ConnectionId,
    /// What was sent.
    pub message: &'a Message,
}

impl HookEvent {
    /// An event with this data.
    fn new(stamp: Stamp, kind: EventKind, project: &ProjectId, data: &impl Serialize) -> Self {
        // Nothing here can fail to serialize: keys are names and raw text was checked when it was taken.
        let text = serde_json::to_string(data).unwrap_or_else(|_| "{}".to_owned());
        let (project, data) = (project.clone(), RawJson::trusted(text));
        Self { id: stamp.id, kind, project, occurred_at: stamp.at, data }
    }

    /// A channel was created, changed or deleted, or its state was.
    pub fn channel(stamp: Stamp, kind: EventKind, channel: &Channel) -> Self {
        let data = ChannelData { channel: shapes::channel(channel), version: channel.version };
        Self::new(stamp, kind, &channel.key.project, &data)
    }

    /// A session came or went.
    pub fn client(
        stamp: Stamp,
        kind: EventKind,
        project: &ProjectId,
        presence: PresenceShape<'_>,
    ) -> Self {
        let PresenceShape { channel, token, session, online_count } = presence;
        let data = shapes::ClientShape { channel, token, session, online_count };
        Self::new(stamp, kind, project, &data)
    }

    /// A token was subscribed or unsubscribed.
    pub fn subscription(
        stamp: Stamp,
        kind: EventKind,
        project: &ProjectId,
        subscribing: Subscribing<'_>,
    ) -> Self {
        Self::new(stamp, kind, project, &subscribing)
    }

    /// A client sent a message.
    pub fn message(stamp: Stamp, project: &ProjectId, sent: Sent<'_>) -> Self {
        let Sent { channel, token, connection, message } = sent;
        let (e, d) = (&*message.event, &message.data);
        let data = shapes::MessageShape { channel, token, connection, e, d };
        Self::new(stamp, EventKind::ChannelMessage, project, &data)
    }

    /// A leap token was created or deleted.
    pub fn token(stamp: Stamp, kind: EventKind, token: &LeapToken) -> Self {
        Self::new(stamp, kind, &token.project, &TokenData { token: shapes::token(token) })
    }

    /// A project token was created or deleted; its secret is not in it.
    pub fn project_token(stamp: Stamp, kind: EventKind, token: &ProjectToken) -> Self {
        let data = ProjectTokenData { project_token: shapes::project_token(token) };
        Self::new(stamp, kind, &token.project, &data)
    }

    /// What all webhooks that hear of it are told, with the number that the store gave the event: an object.
    pub fn body(&self, seq: i64) -> String {
        let inner = self.data.as_str().strip_suffix('}').unwrap_or("{");
        let comma = if inner == "{" { "" } else { "," };
        let data = RawJson::trusted(format!("{inner}{comma}\"seq\":{seq}}}"));
        let body = EventBody {
            project_id: &self.project,
            occurred_at: self.occurred_at,
            id: &self.id,
            event: self.kind.name(),
            data: &data,
        };
        serde_json::to_string(&body).unwrap_or_default()
    }
}

/// The body for one webhook, exactly as it is signed and posted, made of what all are told; none where that is no object.
///
/// `webhook_id` stands first, as Hop has it.
pub fn body_for(webhook: &WebhookId, told: &str) -> Option<String> {
    let id = serde_json::to_string(webhook).ok()?;
    told.strip_prefix('{').map(|rest| format!("{{\"webhook_id\":{id},{rest}"))
}

/// What all webhooks are told; the order of keys is Hop's.
#[derive(Serialize)]
struct EventBody<'a> {
    /// The tenant.
    project_id: &'a ProjectId,
    /// When it happened.
    occurred_at: Timestamp,
    /// `event_…`.
    id: &'a EventId,
    /// The name.
    event: &'static str,
    /// What happened.
    data: &'a RawJson,
}

/// `{channel, version}`.
#[derive(Serialize)]
struct ChannelData<'a> {
    /// The channel as it is after the event; after a deletion, as it was last.
    channel: shapes::ChannelShape<'a>,
    /// The version of its state.
    version: Version,
}

/// `{token}`.
#[derive(Serialize)]
struct TokenData<'a> {
    /// The token.
    token: shapes::TokenShape<'a>,
}

/// `{project_token}`.
#[derive(Serialize)]
struct ProjectTokenData<'a> {
    /// The token.
    project_token: shapes::ProjectTokenShape<'a>,
}

pub mod shapes;

#[cfg(test)]
mod tests;
