//! What a channel records of what happens on it, for who looks.

use super::super::clock;
use crate::channel::ChannelRecord;
use crate::domain::{ChannelId, ChannelKey, RawJson, SessionRef};
use crate::protocol::{EncodedEvent, Event};
use crate::recorder::{FlightRecorder, RecordKind, Recorded, RecordedBody, RecordedFacts, Tape};
use std::sync::Arc;

/// A channel's tape.
pub(super) struct ChannelTape(Tape);

impl ChannelTape {
    /// The tape of a channel that is looked after on this thread.
    pub(super) fn new(recorder: &Arc<FlightRecorder>, key: &ChannelKey) -> Self {
        Self(recorder.tape(&key.project, clock::now()))
    }

    /// Records something, if that is wanted: the question is all that it costs otherwise.
    pub(super) fn record(&self, channel: &ChannelId, what: ChannelRecord<'_>) {
        if !self.0.is_on() {
            return;
        }
        let recorded = match what {
            ChannelRecord::Said(event, receivers) => self.said(channel, event, receivers),
            ChannelRecord::Came(session) => Some(of_session(RecordKind::Join, session)),
            ChannelRecord::Went(session) => Some(of_session(RecordKind::Leave, session)),
        };
        if let Some(mut recorded) = recorded {
            recorded.channel = Some(channel.clone());
            self.0.record(clock::now(), recorded);
        }
    }

    /// What the channel says; nothing of who comes and goes, which is recorded for itself.
    fn said(&self, channel: &ChannelId, said: &EncodedEvent, receivers: usize) -> Option<Recorded> {
        let position = said.position();
        match said.event() {
            Event::Message { message, .. } => Some(Recorded {
                event: Some(Arc::clone(&message.event)),
                body: self.body(channel, &message.data),
                facts: RecordedFacts::Said { receivers, position, version: None },
                ..Recorded::new(RecordKind::Message)
            }),
            Event::StateUpdate { state, version, .. } => Some(Recorded {
                body: self.body(channel, state.json()),
                facts: RecordedFacts::Said { receivers, position, version: Some(*version) },
                ..Recorded::new(RecordKind::State)
            }),
            _ => None,
        }
    }

    /// A body, as far as it is kept. The rules may have changed since the last one.
    fn body(&self, channel: &ChannelId, json: &RawJson) -> RecordedBody {
        let body = RecordedBody::of(json);
        if self.0.hides(Some(channel)) { body.hidden() } else { body }
    }
}

/// Something about a session.
fn of_session(kind: RecordKind, session: &SessionRef) -> Recorded {
    let (token, session) = (session.token.clone(), Some(session.id.clone()));
    Recorded { token, session, ..Recorded::new(kind) }
}
