//! What is recorded of messages to one connection, for who looks, and whose frames are.

use super::super::clock;
use super::Supervisor;
use crate::delivery::fanout::Order;
use crate::domain::{ConnectionId, Message, ProjectId};
use crate::recorder::{RecordKind, Recorded, RecordedBody, RecordedFacts, Tape};
use futures_util::future::join_all;
use std::sync::Arc;
use std::sync::PoisonError;
use tokio::sync::oneshot;

/// A message to a connection that will be recorded.
pub(super) struct RecordedDirect<'a> {
    /// The project's tape.
    tape: &'a Tape,
    /// What is known by now.
    what: Recorded,
}

/// A message that is about to be handed to a connection; none where nothing is recorded.
pub(super) fn direct<'a>(tape: &'a Tape, message: &Message) -> Option<RecordedDirect<'a>> {
    tape.is_on().then(|| {
        let body = RecordedBody::of(&message.data);
        let body = if tape.hides(None) { body.hidden() } else { body };
        let event = Some(Arc::clone(&message.event));
        let what = Recorded { event, body, ..Recorded::new(RecordKind::Direct) };
        RecordedDirect { tape, what }
    })
}

impl RecordedDirect<'_> {
    /// It was handed to this connection, if that was there.
    pub(super) fn handed(self, cid: &ConnectionId, is_there: bool) {
        let receivers = usize::from(is_there);
        let facts = RecordedFacts::Said { receivers, position: None, version: None };
        let connection = Some(cid.clone());
        self.tape.record(clock::now(), Recorded { connection, facts, ..self.what });
    }
}

impl Supervisor {
    /// Sees to it that the frames of those connections of a project are recorded that somebody has chosen, and of no others;
    /// to be called after every change of them. Done once all that comes is recorded so.
    pub async fn watch_frames(&self, project: &ProjectId) {
        let fanouts = self.0.fanouts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut done = Vec::new();
        for fanout in fanouts {
            let (reply, answer) = oneshot::channel();
            fanout.send(Order::Watch { project: project.clone(), reply }).await;
            done.push(answer);
        }
        // One that has crashed has no connections any more.
        join_all(done).await;
    }
}
