//! How what servers know stands in what they ask and answer.

use super::question::{
    HeldChannel, HeldElsewhere, MemberElsewhere, PackedMessage, PackedSession, SharedMember,
    UnheardMessage,
};
use crate::actor::channel::SharedSession;
use crate::actor::session::shared::Sharing;
use crate::domain::{
    ChannelId, LeapTokenId, Member, Message, Position, RawJson, Since, Subscription, Timestamp,
};
use crate::protocol::{EncodedEvent, Event, PresentMember};
use crate::session::MovedSession;
use serde_json::value::RawValue;
use std::sync::Arc;

impl PackedMessage {
    /// Packs it.
    pub(super) fn new(message: &Message) -> Self {
        Self { event: message.event.as_ref().to_owned(), data: packed(&message.data) }
    }

    /// Unpacks it.
    pub(super) fn message(self) -> Message {
        Message { event: self.event.into(), data: unpacked(self.data) }
    }
}

impl From<Sharing> for HeldElsewhere {
    fn from(sharing: Sharing) -> Self {
        Self {
            session: sharing.session.as_str().to_owned(),
            ephemeral: sharing.ephemeral.iter().map(HeldChannel::from).collect(),
            moved: sharing.moved.map(PackedSession::from),
        }
    }
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
            let packed = UnheardMessage::new(event).filter(|_| bytes <= MOST_MOVED);
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
        let events = kept.into_iter().map(UnheardMessage::event).collect();
        let read = |(id, at): (String, String)| {
            // One that cannot be read is one from which nothing can be recovered.
            Some((ChannelId::trusted(&id), Since::read(&at).0?))
        };
        Self { events, missed, positions: positions.into_iter().filter_map(read).collect() }
    }
}

impl UnheardMessage {
    /// Packs one; a mail stays where it is, in the store.
    fn new(event: &EncodedEvent) -> Option<Self> {
        match event.event() {
            Event::Message { channel, message } => {
                let channel = Some(channel.as_str().to_owned());
                Some(Self { channel, message: PackedMessage::new(message) })
            }
            Event::DirectMessage { message, .. } => {
                Some(Self { channel: None, message: PackedMessage::new(message) })
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
