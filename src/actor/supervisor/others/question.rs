//! What the servers of one database ask each other, as JSON. Others may be of another version: what one does not know, it answers
//! with [`ServerAnswer::Unknown`].

use crate::domain::{ChannelId, ChannelKey, LeapTokenId, Message, ProjectId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What is asked. Tokens, projects and channels are by their ids.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ServerQuestion {
    /// A token's session begins here: is there one, from which this one is not apart from now on?
    Arrived(String),
    /// A session that had moved here is here.
    HasArrived(String),
    /// The sessions of these tokens are here as well, of which not all may have been told.
    AlsoHere(Vec<String>),
    /// What a token is subscribed to, is another.
    Subscription(ChangedSubscription),
    /// A message to all connections of a token.
    Direct {
        /// The project on whose behalf.
        project: String,
        /// The token.
        token: String,
        /// The message.
        message: PackedMessage,
    },
    /// The token's state or expiry is another in the store.
    TokenChanged(String),
    /// The token is not in the store any more.
    TokenDeleted(String),
    /// Its subject was revoked.
    TokenRevoked(String),
    /// There is something new in the token's mailbox.
    Mail(String),
    /// Which of these have a connection?
    Online(Vec<String>),
    /// Which ephemeral subscriptions has it?
    Ephemeral(String),
    /// A message to one connection.
    ToConnection {
        /// The project on whose behalf.
        project: String,
        /// The connection's public id.
        cid: String,
        /// The message.
        message: PackedMessage,
    },
    /// One connection is to end.
    CloseConnection {
        /// The project on whose behalf.
        project: String,
        /// The connection's public id.
        cid: String,
    },
    /// How many sessions are connected to a channel?
    Count {
        /// Its project.
        project: String,
        /// It.
        channel: String,
    },
    /// Who is in a channel?
    Present {
        /// Its project.
        project: String,
        /// It.
        channel: String,
        /// Behind which member, by its time of coming (ms) and id; from the first on where there is none.
        behind: Option<(i64, String)>,
        /// How many at most.
        limit: u64,
    },
    /// What is remembered of something is not true any more.
    Forget(ForgottenThing),
}

/// A subscription that is another.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ChangedSubscription {
    /// The token.
    pub(super) token: String,
    /// The channel.
    pub(super) channel: String,
    /// Whether it is an ephemeral one that was made; any other change is in the store.
    pub(super) is_ephemeral: bool,
}

/// What is not to be remembered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ForgottenThing {
    /// A project was changed.
    Project(String),
    /// It was deleted.
    DeletedProject(String),
    /// A token of a project or an operator's was deleted; its SHA-256.
    Key([u8; 32]),
    /// Its webhooks are others.
    Webhooks(String),
}

/// A message on its way to another server.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PackedMessage {
    /// The developer's name for it.
    pub(super) event: String,
    /// The developer's data, to the letter.
    pub(super) data: Box<RawValue>,
}

impl ChangedSubscription {
    /// Its token.
    pub(super) fn token(&self) -> LeapTokenId {
        LeapTokenId::from(self.token.as_str())
    }

    /// Its channel.
    pub(super) fn channel(&self) -> ChannelId {
        ChannelId::trusted(&self.channel)
    }
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ServerAnswer {
    /// It is done.
    Done,
    /// Nobody here knows what was asked.
    Unknown,
    /// It could not be done.
    Failed,
    /// Yes or no.
    Is(bool),
    /// There is a session.
    Held(HeldElsewhere),
    /// For each of those that were named.
    Each(Vec<bool>),
    /// Ephemeral subscriptions.
    Ephemeral(Vec<HeldChannel>),
    /// Sessions of a channel.
    Count {
        /// How many are subscribed.
        subscribed: u64,
        /// How many are connected.
        online: u64,
        /// How many are in, also in a grace.
        present: u64,
        /// Those among them that may be counted elsewhere too.
        shared: Vec<SharedMember>,
    },
    /// Members; none where the channel does not show them.
    Members(Option<Vec<MemberElsewhere>>),
}

/// A session that another server has.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct HeldElsewhere {
    /// Its name to webhooks.
    pub(super) session: String,
    /// What it is subscribed to as long as it lasts.
    pub(super) ephemeral: Vec<HeldChannel>,
    /// What it had for its next connection: then it has ended there, and goes on at the asker.
    pub(super) moved: Option<PackedSession>,
}

/// What a session without connections had for the next one.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PackedSession {
    /// Messages that nobody has heard.
    pub(super) kept: Vec<UnheardMessage>,
    /// How many more there were.
    pub(super) missed: u64,
    /// Up to where it has kept those of each channel.
    pub(super) positions: Vec<(String, String)>,
}

/// A message that nobody has heard.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct UnheardMessage {
    /// Of this channel; none of one that was sent to the token.
    pub(super) channel: Option<String>,
    /// It.
    pub(super) message: PackedMessage,
}

/// A channel that a session is subscribed to.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct HeldChannel {
    /// It.
    pub(super) channel: String,
    /// Since when, ms.
    pub(super) since: i64,
}

/// A session that several servers may count.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SharedMember {
    /// Who it is to others, which is the same everywhere.
    pub(super) member: String,
    /// Whether it is connected.
    pub(super) is_online: bool,
    /// Whether it is in.
    pub(super) is_present: bool,
}

/// Somebody who is in a channel.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct MemberElsewhere {
    /// By what id others know it.
    pub(super) id: String,
    /// What others see of it.
    pub(super) data: Box<RawValue>,
    /// Its token, if it has one.
    pub(super) token: Option<String>,
    /// How many connections it has there.
    pub(super) connections: usize,
    /// When it came in there, ms.
    pub(super) since: i64,
}

impl ServerQuestion {
    /// How many sessions has a channel?
    pub(super) fn count(key: &ChannelKey) -> Self {
        let (project, channel) = (key.project.as_str().to_owned(), key.id.as_str().to_owned());
        Self::Count { project, channel }
    }

    /// A question about a connection of a project.
    pub(super) fn to_connection(project: &ProjectId, cid: &str, message: &Message) -> Self {
        let (project, cid) = (project.as_str().to_owned(), cid.to_owned());
        Self::ToConnection { project, cid, message: PackedMessage::new(message) }
    }
}
