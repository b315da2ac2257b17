//! What is recorded.

use crate::domain::{
    ChannelId, ConnectionId, LeapTokenId, Position, RawJson, SessionId, Timestamp, Version,
};
use std::mem::size_of;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// The most bytes of a body that are kept; of a longer one, its size.
const MAX_BODY: usize = 16 << 10;

/// What kind of thing an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// A channel's message.
    Message,
    /// A channel's new state.
    State,
    /// A session came online on a channel.
    Join,
    /// It went.
    Leave,
    /// A session was subscribed to a channel, or refused.
    Subscribe,
    /// It was unsubscribed.
    Unsubscribe,
    /// A message to a token or a connection.
    Direct,
    /// A connection identified.
    Connect,
    /// It ended.
    Disconnect,
    /// A frame of a client that is watched.
    FrameIn,
    /// A frame to one.
    FrameOut,
    /// A request was answered.
    Request,
}

impl RecordKind {
    /// All.
    pub const ALL: [Self; 12] = [
        Self::Message,
        Self::State,
        Self::Join,
        Self::Leave,
        Self::Subscribe,
        Self::Unsubscribe,
        Self::Direct,
        Self::Connect,
        Self::Disconnect,
        Self::FrameIn,
        Self::FrameOut,
        Self::Request,
    ];

    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::State => "state",
            Self::Join => "join",
            Self::Leave => "leave",
            Self::Subscribe => "subscribe",
            Self::Unsubscribe => "unsubscribe",
            Self::Direct => "direct",
            Self::Connect => "connect",
            Self::Disconnect => "disconnect",
            Self::FrameIn => "frame_in",
            Self::FrameOut => "frame_out",
            Self::Request => "request",
        }
    }

    /// The kind of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// What was said.
#[derive(Clone, Debug, Default)]
pub enum RecordedBody {
    /// Nothing that has a body.
    #[default]
    None,
    /// A JSON text.
    Json(RawJson),
    /// A text that is no JSON.
    Text(Arc<str>),
    /// Something of so many bytes that is not kept: too long, or by rule.
    LeftOut(usize),
}

impl RecordedBody {
    /// A JSON text, if it is not too long.
    pub fn of(json: &RawJson) -> Self {
        let bytes = json.as_str().len();
        if bytes > MAX_BODY { Self::LeftOut(bytes) } else { Self::Json(json.clone()) }
    }

    /// A text of a client, which may be anything.
    pub fn of_text(text: &str) -> Self {
        if text.len() > MAX_BODY {
            return Self::LeftOut(text.len());
        }
        RawJson::parse(text).map_or_else(|_| Self::Text(Arc::from(text)), Self::Json)
    }

    /// Its size alone.
    #[must_use]
    pub fn hidden(self) -> Self {
        match self {
            Self::None => Self::None,
            shown => Self::LeftOut(shown.len_bytes()),
        }
    }

    /// How many bytes it has.
    pub fn len_bytes(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Json(json) => json.as_str().len(),
            Self::Text(text) => text.len(),
            Self::LeftOut(bytes) => *bytes,
        }
    }

    /// How many bytes of memory it takes.
    fn held(&self) -> usize {
        if matches!(self, Self::LeftOut(_)) { 0 } else { self.len_bytes() }
    }
}

/// What else is known, by kind.
#[derive(Clone, Debug, Default)]
pub enum RecordedFacts {
    /// Nothing.
    #[default]
    None,
    /// Of what a channel or a session said: to how many connections, and where it stands.
    Said {
        /// How many connections were to hear it.
        receivers: usize,
        /// Where it stands on its line, if it has a place there.
        position: Option<Position>,
        /// Which version, of a state.
        version: Option<Version>,
    },
    /// Of a connection that came.
    Came {
        /// Where from.
        address: Option<IpAddr>,
        /// Whether it came with a project token.
        is_back_end: bool,
    },
    /// Of one that ended.
    Ended {
        /// By the client or the server.
        initiator: &'static str,
        /// The close code.
        code: u16,
        /// Why, in words.
        reason: Arc<str>,
    },
    /// Of what was refused, why; none where it was not.
    Outcome(Option<Arc<str>>),
    /// Of a request.
    ///
    /// Beside the entry: it is twice as large as all else, and what is recorded most is messages.
    Answered(Box<AnsweredCall>),
}

/// A request that was answered.
#[derive(Clone, Debug)]
pub struct AnsweredCall {
    /// Its method.
    pub method: Arc<str>,
    /// The pattern of its path.
    pub route: Arc<str>,
    /// The status.
    pub status: u16,
    /// How long it took.
    pub took: Duration,
    /// The handle of the token that asked.
    pub by: Arc<str>,
    /// What it is called in its answer and in the log.
    pub id: Arc<str>,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Of which kind.
    pub kind: RecordKind,
    /// On which channel.
    pub channel: Option<ChannelId>,
    /// Whose token it is about.
    pub token: Option<LeapTokenId>,
    /// Which connection.
    pub connection: Option<ConnectionId>,
    /// Which session.
    pub session: Option<SessionId>,
    /// The event's name.
    pub event: Option<Arc<str>>,
    /// What was said.
    pub body: RecordedBody,
    /// What else is known.
    pub facts: RecordedFacts,
}

impl Recorded {
    /// Of a kind, with nothing known yet.
    pub const fn new(kind: RecordKind) -> Self {
        Self {
            kind,
            channel: None,
            token: None,
            connection: None,
            session: None,
            event: None,
            body: RecordedBody::None,
            facts: RecordedFacts::None,
        }
    }
}

/// An entry of a ring.
#[derive(Clone, Debug)]
pub struct RecordEntry {
    /// Its number among those of the project: one more for each, whether it was kept or not.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: Recorded,
}

impl RecordEntry {
    /// Roughly the memory that it takes. Texts are shared with who said them, as long as those are there.
    pub(super) fn cost(&self) -> usize {
        let Recorded { channel, connection, event, body, facts, .. } = &self.what;
        let words = [
            channel.as_ref().map_or(0, |id| id.as_str().len()),
            connection.as_ref().map_or(0, |id| id.as_str().len()),
            event.as_ref().map_or(0, |name| name.len()),
            match facts {
                RecordedFacts::Ended { reason, .. } => reason.len(),
                RecordedFacts::Answered(call) => {
                    size_of::<AnsweredCall>() + call.route.len() + call.id.len()
                }
                _ => 0,
            },
        ];
        size_of::<Self>() + words.into_iter().sum::<usize>() + body.held()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_word_of_its_own() {
        for kind in RecordKind::ALL {
            assert_eq!(RecordKind::from_word(kind.word()), Some(kind));
        }
        assert_eq!(RecordKind::from_word("frames"), None);
    }

    #[test]
    fn a_body_is_kept_whole_or_not_at_all() {
        let text = |bytes: usize| RawJson::trusted(format!("\"{}\"", "x".repeat(bytes - 2)));
        assert!(matches!(RecordedBody::of(&text(MAX_BODY)), RecordedBody::Json(_)));
        let long = RecordedBody::of(&text(MAX_BODY + 1));
        assert!(matches!(long, RecordedBody::LeftOut(bytes) if bytes == MAX_BODY + 1));
        assert_eq!(long.held(), 0);
        assert!(matches!(RecordedBody::of_text("{\"op\":"), RecordedBody::Text(_)));
        assert!(matches!(RecordedBody::of_text("{}").hidden(), RecordedBody::LeftOut(2)));
    }
}
