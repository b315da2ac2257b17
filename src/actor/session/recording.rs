//! What a session records of what happens to it, for who looks.

use super::super::clock;
use super::SessionActor;
use super::planning::SubscribeError;
use super::subscribing::Subscribed;
use crate::domain::{ChannelId, Message};
use crate::recorder::{RecordKind, Recorded, RecordedBody, RecordedFacts};
use std::sync::Arc;

impl SubscribeError {
    /// Why, in words.
    const fn words(&self) -> &'static str {
        match self {
            Self::NotGranted => "the channel is not open to this token",
            Self::UnknownChannel => "there is no such channel",
            Self::TooManyChannels(_) => "the session has too many channels",
            Self::UnknownToken => "the token was deleted",
            Self::Ask(_) => "no answer from the channel or the store",
        }
    }
}

impl SessionActor {
    /// Records something about this session.
    fn record(&self, what: Recorded) {
        let session = self.machine.card().named;
        let (token, session) = (session.token.clone(), Some(session.id.clone()));
        self.acting.tape().record(clock::now(), Recorded { token, session, ..what });
    }

    /// Records what came of a wish to be subscribed.
    pub(super) fn record_subscribed(&self, channel: &ChannelId, outcome: &Subscribed) {
        if self.acting.tape().is_on() {
            let refused = outcome.as_ref().err().map(|error| Arc::from(error.words()));
            let (channel, facts) = (Some(channel.clone()), RecordedFacts::Outcome(refused));
            self.record(Recorded { channel, facts, ..Recorded::new(RecordKind::Subscribe) });
        }
    }

    /// Records that it is not subscribed any more.
    pub(super) fn record_unsubscribed(&self, channel: &ChannelId) {
        if self.acting.tape().is_on() {
            let channel = Some(channel.clone());
            self.record(Recorded { channel, ..Recorded::new(RecordKind::Unsubscribe) });
        }
    }

    /// Records a message to all its connections.
    pub(super) fn record_direct(&self, message: &Message) {
        let tape = self.acting.tape();
        if !tape.is_on() {
            return;
        }
        let body = RecordedBody::of(&message.data);
        let body = if tape.hides(None) { body.hidden() } else { body };
        let receivers = self.machine.connections().len();
        let facts = RecordedFacts::Said { receivers, position: None, version: None };
        let event = Some(Arc::clone(&message.event));
        self.record(Recorded { event, body, facts, ..Recorded::new(RecordKind::Direct) });
    }
}
