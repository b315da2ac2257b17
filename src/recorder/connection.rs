//! What is recorded of one connection: that it came and went, and its frames while it is watched.

use super::entry::{RecordKind, Recorded, RecordedBody, RecordedFacts};
use super::looking::Chosen;
use super::tape::Tape;
use crate::domain::{ChannelId, ConnectionId, LeapTokenId, Timestamp};
use serde::Deserialize;
use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// The opcode of what says something.
const DISPATCH: u64 = 0;
/// The opcode of IDENTIFY, which holds the client's secret.
const IDENTIFY: u64 = 2;
/// The event that holds one too.
const REFRESH_TOKEN: &str = "REFRESH_TOKEN";
/// How the secrets of back ends and operators begin: they are recorded nowhere, whoever sends them.
const SECRETS: [&str; 2] = ["ptk_", "pat_"];

/// A connection's tape, on its thread.
pub struct ConnectionTape {
    /// The project's.
    tape: Tape,
    /// Its public id.
    cid: ConnectionId,
    /// Its leap token, if it has one.
    token: Option<LeapTokenId>,
    /// Whether it came with a project token, which is recorded nowhere.
    is_back_end: bool,
    /// Whether it was let in: who was not has neither come nor gone.
    has_come: Cell<bool>,
    /// Tells the time.
    now: fn() -> Timestamp,
}

impl fmt::Debug for ConnectionTape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ConnectionTape").field(&self.cid).finish()
    }
}

/// What a frame says of itself.
#[derive(Deserialize, Default)]
#[serde(default)]
struct FrameHead<'a> {
    /// The opcode.
    op: Option<u64>,
    /// What it is about.
    #[serde(borrow)]
    d: Option<FrameSubject<'a>>,
}

/// What a frame is about.
#[derive(Deserialize, Default)]
#[serde(default)]
struct FrameSubject<'a> {
    /// The channel.
    #[serde(borrow)]
    c: Option<Cow<'a, str>>,
    /// The event.
    #[serde(borrow)]
    e: Option<Cow<'a, str>>,
}

impl ConnectionTape {
    /// The tape of a connection that identifies with that secret.
    pub fn new(
        tape: Tape,
        cid: ConnectionId,
        secret: Option<&str>,
        now: fn() -> Timestamp,
    ) -> Self {
        let is_back_end = secret.is_some_and(|secret| secret.starts_with("ptk_"));
        // Whom a JSON Web Token speaks of is known later; it is recorded nowhere either.
        let is_leap_token = |secret: &&str| !is_back_end && !secret.contains('.');
        let token = secret.filter(is_leap_token).map(LeapTokenId::from);
        Self { tape, cid, token, is_back_end, has_come: Cell::new(false), now }
    }

    /// Whether somebody wants to see its frames.
    pub fn is_chosen(&self) -> bool {
        self.tape.chooses(|chosen| match chosen {
            Chosen::Connection(cid) => *cid == self.cid,
            Chosen::Token(token) => Some(token) == self.token.as_ref(),
        })
    }

    /// Records something about it.
    fn record(&self, what: Recorded) {
        let (token, connection) = (self.token.clone(), Some(self.cid.clone()));
        self.tape.record((self.now)(), Recorded { token, connection, ..what });
    }

    /// It was let in.
    pub fn came(&self, address: Option<IpAddr>) {
        self.has_come.set(true);
        if self.tape.is_on() {
            let facts = RecordedFacts::Came { address, is_back_end: self.is_back_end };
            self.record(Recorded { facts, ..Recorded::new(RecordKind::Connect) });
        }
    }

    /// It has ended: who ended it, with which code, and why.
    pub fn ended(&self, (initiator, code, reason): (&'static str, u16, Arc<str>)) {
        if self.has_come.get() && self.tape.is_on() {
            let facts = RecordedFacts::Ended { initiator, code, reason };
            self.record(Recorded { facts, ..Recorded::new(RecordKind::Disconnect) });
        }
    }

    /// A frame of its client, or to it.
    pub fn frame(&self, kind: RecordKind, text: &str) {
        let body = RecordedBody::of_text(text);
        let FrameHead { op, d } = match &body {
            RecordedBody::Json(json) => serde_json::from_str(json.as_str()).unwrap_or_default(),
            _ => FrameHead::default(),
        };
        let FrameSubject { c, e } = d.unwrap_or_default();
        let channel = c.and_then(|id| ChannelId::parse(&id).ok());
        let is_secret = op == Some(IDENTIFY)
            || e.as_deref() == Some(REFRESH_TOKEN)
            || SECRETS.iter().any(|word| text.contains(word));
        let event = e.map(|name| Arc::from(&*name));
        let is_hidden = is_secret || self.hides(channel.as_ref(), op == Some(DISPATCH));
        let body = if is_hidden { body.hidden() } else { body };
        self.record(Recorded { channel, event, body, ..Recorded::new(kind) });
    }

    /// A frame that cannot be shown, of so many bytes.
    pub fn opaque_frame(&self, kind: RecordKind, bytes: usize) {
        let body = RecordedBody::LeftOut(bytes);
        self.record(Recorded { body, ..Recorded::new(kind) });
    }

    /// Whether a frame is not kept, by rule: one that says something and names no channel may be about several.
    fn hides(&self, channel: Option<&ChannelId>, says_something: bool) -> bool {
        self.tape.hides(channel) || (channel.is_none() && says_something && self.tape.hides_some())
    }
}
