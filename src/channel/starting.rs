//! Somebody comes to a channel and wants what was said before, from a position on or so many messages (extension `resume`).
//!
//! What is at hand is given in the step in which the connection begins to hear the channel. What is not, of a channel that
//! keeps its messages, is read first: until then the connection is there and hears nothing, so nothing can overtake what it
//! is given; what is said meanwhile is at hand when it begins, or is read as well.

use super::ChannelMachine;
use super::connection::ConnectionRef;
use super::effects::ChannelEffects;
use crate::delivery::fanout::ConnectionUid;
use crate::domain::{Position, SessionUid, Since, StartingPoint};
use crate::line::Loan;
use crate::protocol::EncodedEvent;
use std::sync::Arc;

/// Messages that were read from the store.
#[derive(Debug, Default)]
pub struct KeptEvents {
    /// Them, in order.
    pub events: Vec<Arc<EncodedEvent>>,
    /// Roughly their bytes.
    pub bytes: usize,
    /// The room that they take.
    pub loans: Vec<Loan>,
}

/// A connection that wants more of before than is at hand: it hears the channel once that was read.
#[derive(Debug)]
pub struct LateStart<W> {
    /// Its session.
    session: SessionUid,
    /// The connection.
    connection: ConnectionRef<W>,
    /// What it wants.
    wanted: StartingPoint,
    /// What is to be read next.
    pub next: StartingPoint,
    /// Up to which place.
    pub upto: Position,
    /// What was read before that.
    pub read: KeptEvents,
}

impl<W> LateStart<W> {
    /// Whether it is this connection.
    pub fn is_of(&self, connection: ConnectionUid) -> bool {
        self.connection.uid == connection
    }
}

impl<E: ChannelEffects> ChannelMachine<E> {
    /// Puts a connection under the channel, `AVAILABLE` first, then what it wants of before, then all that follows: all in
    /// one step, so that nothing is between them. One that hears the channel already is given nothing again. One that wants
    /// what is kept and not at hand has to wait for that.
    pub(super) fn start_at(
        &mut self,
        session: SessionUid,
        connection: &ConnectionRef<E::Worker>,
        point: StartingPoint,
        effects: &mut E,
    ) -> Option<LateStart<E::Worker>> {
        let heard = self.subscribers.heard_from(session, connection.uid);
        if heard.is_none() && self.reads_back(point) {
            self.subscribers.add_late(session, connection, self.line.last());
            let (connection, upto) = (connection.clone(), self.line.position());
            let (next, read) = (point, KeptEvents::default());
            return Some(LateStart { session, connection, wanted: point, next, upto, read });
        }
        let (recovered, messages) = match (point, heard) {
            (StartingPoint::After(since), None) => {
                let found = self.line.since(since);
                (Some(found.is_some()), found.unwrap_or_default())
            }
            (StartingPoint::After(since), Some(from)) => {
                (Some(self.line.is_heard(since, from)), Vec::new())
            }
            (StartingPoint::Newest(count), None) => (None, self.line.newest(count)),
            (StartingPoint::Newest(_), Some(_)) => (None, Vec::new()),
        };
        self.begin(session, connection, recovered, &messages, effects);
        None
    }

    /// Whether some of what is wanted is to be read: it may be kept, and is not at hand.
    fn reads_back(&self, point: StartingPoint) -> bool {
        match point {
            StartingPoint::After(since) => self.looks_back(Some(since)).is_some(),
            StartingPoint::Newest(count) => self.keeps_messages() && !self.line.has_newest(count),
        }
    }

    /// What was read for a connection is here; none if it is not kept, or too much. The connection begins to hear the
    /// channel behind that and what was said meanwhile. If some of this is not at hand any more, it is to be read too.
    pub fn start_late(
        &mut self,
        late: LateStart<E::Worker>,
        found: Option<KeptEvents>,
        effects: &mut E,
    ) -> Option<LateStart<E::Worker>> {
        let LateStart { session, connection, wanted, upto, .. } = late;
        if !self.subscribers.is_late(session, connection.uid) {
            // It has gone, or hears the channel by now.
            return None;
        }
        let behind = Since(Some(upto));
        if let Some(read) = found {
            if let Some(said) = self.line.since(behind) {
                let KeptEvents { mut events, loans, .. } = read;
                events.extend(said);
                let recovered = matches!(wanted, StartingPoint::After(_)).then_some(true);
                self.begin(session, &connection, recovered, &events, effects);
                drop(loans);
                self.show_presence([(session, connection)], effects);
                return None;
            }
            if self.looks_back(Some(behind)).is_some() {
                let (next, upto) = (StartingPoint::After(behind), self.line.position());
                return Some(LateStart { session, connection, wanted, next, upto, read });
            }
        }
        let (recovered, events) = match wanted {
            StartingPoint::After(_) => (Some(false), Vec::new()),
            StartingPoint::Newest(count) => (None, self.line.newest(count)),
        };
        self.begin(session, &connection, recovered, &events, effects);
        self.show_presence([(session, connection)], effects);
        None
    }

    /// A connection begins to hear the channel, behind these messages.
    fn begin(
        &mut self,
        session: SessionUid,
        connection: &ConnectionRef<E::Worker>,
        recovered: Option<bool>,
        messages: &[Arc<EncodedEvent>],
        effects: &mut E,
    ) {
        let available = self.available_at(self.line.position(), recovered);
        // What was read has no number; what was said here has.
        let first = messages.iter().find_map(|message| message.place());
        let since = first.map_or(self.line.last(), |place| place.number.saturating_sub(1));
        self.join(session, connection, Some(available), since, effects);
        replay(connection, messages, effects);
    }
}

/// Hands a connection messages from before it came.
pub(super) fn replay<E: ChannelEffects>(
    connection: &ConnectionRef<E::Worker>,
    messages: &[Arc<EncodedEvent>],
    effects: &mut E,
) {
    for dispatch in messages {
        effects.hand_one(connection, dispatch);
    }
}
