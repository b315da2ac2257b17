//! What the servers of one database ask each other, as JSON. Others may be of another version: what one does not know, it answers
//! with [`ServerAnswer::Unknown`].

use crate::actor::channel::SharedSession;
use crate::domain::{
    ChannelId, LeapTokenId, Member, Message, Position, ProjectId, RawJson, Since, Subscription,
    Timestamp,
};
use crate::protocol::{EncodedEvent, Event, PresentMember};
use crate::session::MovedSession;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::sync::Arc;

/// What is asked. Tokens, projects and channels are by their ids.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::actor) enum ServerQuestion {
    /// A token's session begins here: is there one, from which this one is not apart from now on?
    Arrived(String),
    /// Is there still one?
    Has(String),
    /// What a token is subscribed to, is another.
    Subscription(ChangedSubscription),
    /// A message to all connections of a token.
    Direct {
        /// The project on whose behalf.
        project: String,
        /// The token.
        token: String,
        /// The message.
        message: SentMessage,
    },
    /// The token's state or expiry is another in the store.
    TokenChanged(String),
    /// The token is not in the store any more.
    TokenDeleted(String),
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
        message: SentMessage,
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
pub(in crate::actor) struct ChangedSubscription {
    /// The token.
    pub(in crate::actor) token: String,
    /// The channel.
    pub(in crate::actor) channel: String,
    /// Whether it is an ephemeral one that was made; any other change is in the store.
    pub(in crate::actor) is_ephemeral: bool,
}

/// What is not to be remembered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::actor) enum ForgottenThing {
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
pub(in crate::actor) struct SentMessage {
    /// The developer's name for it.
    event: String,
    /// The developer's data, to the letter.
    data: Box<RawValue>,
}

impl SentMessage {
    /// Packs it.
    pub(super) fn new(message: &Message) -> Self {
        Self { event: message.event.as_ref().to_owned(), data: packed(&message.data) }
    }

    /// Unpacks it.
    pub(super) fn message(self) -> Message {
        Message { event: self.event.into(), data: unpacked(self.data) }
    }
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
pub(in crate::actor) enum ServerAnswer {
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
pub(in crate::actor) struct HeldElsewhere {
    /// Its name to webhooks.
    pub(in crate::actor) session: String,
    /// What it is subscribed to as long as it lasts.
    pub(in crate::actor) ephemeral: Vec<HeldChannel>,
    /// What it had for its next connection: then it has ended there, and goes on at the asker.
    pub(in crate::actor) moved: Option<PackedSession>,
}

/// What a session without connections had for the next one.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::actor) struct PackedSession {
    /// Messages that nobody has heard.
    kept: Vec<KeptMessage>,
    /// How many more there were.
    missed: u64,
    /// Up to where it has kept those of each channel.
    positions: Vec<(String, String)>,
}

/// A message that nobody has heard.
#[derive(Debug, Serialize, Deserialize)]
struct KeptMessage {
    /// Of this channel; none of one that was sent to the token.
    channel: Option<String>,
    /// It.
    message: SentMessage,
}

/// A channel that a session is subscribed to.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::actor) struct HeldChannel {
    /// It.
    pub(in crate::actor) channel: String,
    /// Since when, ms.
    pub(in crate::actor) since: i64,
}

/// A session that several servers may count.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::actor) struct SharedMember {
    /// Who it is to others, which is the same everywhere.
    pub(in crate::actor) member: String,
    /// Whether it is connected.
    pub(in crate::actor) is_online: bool,
    /// Whether it is in.
    pub(in crate::actor) is_present: bool,
}

/// Somebody who is in a channel.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::actor) struct MemberElsewhere {
    /// By what id others know it.
    pub(in crate::actor) id: String,
    /// What others see of it.
    pub(in crate::actor) data: Box<RawValue>,
    /// Its token, if it has one.
    pub(in crate::actor) token: Option<String>,
    /// How many connections it has there.
    pub(in crate::actor) connections: usize,
    /// When it came in there, ms.
    pub(in crate::actor) since: i64,
}

impl From<&Subscription> for HeldChannel {
    fn from(held: &Subscription) -> Self {
        Self { channel: held.channel.as_str().to_owned(), since: held.created_at.0 }
    }
}

impl From<HeldChannel> for Subscription {
    fn from(held: HeldChannel) -> Self {
        Self { channel: ChannelId::trusted(&held.channel), created_at: Timestamp(held.since) }
    }
}

impl From<&SharedSession> for SharedMember {
    fn from(session: &SharedSession) -> Self {
        let SharedSession { member, is_online, is_present } = session;
        Self { member: member.as_ref().to_owned(), is_online: *is_online, is_present: *is_present }
    }
}

impl From<&PresentMember> for MemberElsewhere {
    fn from(present: &PresentMember) -> Self {
        let PresentMember { member, connections, since } = present;
        Self {
            id: member.id.as_ref().to_owned(),
            data: packed(&member.data),
            token: member.token.as_ref().map(|token| token.as_str().to_owned()),
            connections: *connections,
            since: since.0,
        }
    }
}

impl From<MemberElsewhere> for PresentMember {
    fn from(packed: MemberElsewhere) -> Self {
        let MemberElsewhere { id, data, token, connections, since } = packed;
        let token = token.map(|token| LeapTokenId::from(token.as_str()));
        let member = Arc::new(Member { id: id.into(), data: unpacked(data), token });
        Self { member, connections, since: Timestamp(since) }
    }
}

/// The most bytes of messages that move with a session, roughly; the newest of them.
const MOST_MOVED: usize = 4 << 20;

impl From<MovedSession> for PackedSession {
    fn from(moved: MovedSession) -> Self {
        let MovedSession { events, mut missed, positions } = moved;
        let (mut kept, mut bytes) = (Vec::new(), 0);
        for event in events.iter().rev() {
            bytes += event.size_hint();
            let packed = KeptMessage::new(event).filter(|_| bytes <= MOST_MOVED);
            match packed {
                Some(packed) => kept.push(packed),
                None => missed = missed.saturating_add(u64::from(event.event().is_message())),
            }
        }
        kept.reverse();
        let written = |(id, at): (ChannelId, Position)| (id.as_str().to_owned(), at.to_string());
        Self { kept, missed, positions: positions.into_iter().map(written).collect() }
    }
}

impl From<PackedSession> for MovedSession {
    fn from(packed: PackedSession) -> Self {
        let PackedSession { kept, missed, positions } = packed;
        let events = kept.into_iter().map(KeptMessage::event).collect();
        let read = |(id, at): (String, String)| {
            // One that cannot be read is one from which nothing can be recovered.
            Some((ChannelId::trusted(&id), Since::read(&at).0?))
        };
        Self { events, missed, positions: positions.into_iter().filter_map(read).collect() }
    }
}

impl KeptMessage {
    /// Packs one; a mail stays where it is, in the store.
    fn new(event: &EncodedEvent) -> Option<Self> {
        match event.event() {
            Event::Message { channel, message } => {
                let channel = Some(channel.as_str().to_owned());
                Some(Self { channel, message: SentMessage::new(message) })
            }
            Event::DirectMessage { message, .. } => {
                Some(Self { channel: None, message: SentMessage::new(message) })
            }
            _ => None,
        }
    }

    /// Unpacks it.
    fn event(self) -> Arc<EncodedEvent> {
        let message = self.message.message();
        Arc::new(EncodedEvent::new(match self.channel {
            Some(channel) => Event::Message { channel: ChannelId::trusted(&channel), message },
            None => Event::DirectMessage { message, is_unicast: false },
        }))
    }
}

/// JSON that was taken, to the letter.
fn packed(json: &RawJson) -> Box<RawValue> {
    // What was taken is JSON.
    RawValue::from_string(json.as_str().to_owned()).unwrap_or_default()
}

/// The same back.
fn unpacked(json: Box<RawValue>) -> RawJson {
    RawJson::trusted(String::from(Box::<str>::from(json)))
}

impl ServerQuestion {
    /// A question about a connection of a project.
    pub(super) fn to_connection(project: &ProjectId, cid: &str, message: &Message) -> Self {
        let (project, cid) = (project.as_str().to_owned(), cid.to_owned());
        Self::ToConnection { project, cid, message: SentMessage::new(message) }
    }
}
