//! What a connection has not heard, or wants to hear from before, and the window does not have: it is read from the store, in
//! pieces, while the channel goes on.

use super::super::clock;
use super::super::session::{FromChannel, SessionActor};
use super::super::tell::tell;
use super::ChannelActor;
use crate::actor::Persistence;
use crate::ask::AskError;
use crate::channel::{KeptEvents, LateStart, Snapshot};
use crate::delivery::fanout::{ConnectionUid, FanoutHandle};
use crate::domain::{ChannelKey, HistoryBounds, KeptMessage, Position, Since, StartingPoint};
use crate::line::{Loan, WindowShare};
use crate::protocol::{EncodedEvent, Event};
use crate::store::{HistoryPage, KeptPage};
use actix::prelude::*;
use std::sync::Arc;

/// The most messages that one connection is given so for a channel.
const MOST: usize = 1000;
/// The most bytes, roughly.
const MOST_BYTES: usize = 4 << 20;
/// How many messages are read at a time.
const PIECE: u64 = 256;
/// How many bytes, roughly.
const PIECE_BYTES: u64 = 1 << 20;

/// A stretch of a channel's line that is in the store.
pub(super) struct LineStretch {
    /// The channel.
    key: ChannelKey,
    /// It ends here.
    upto: Position,
    /// What the channel keeps, unless its back end narrowed that.
    bounds: HistoryBounds,
    /// Where room for it comes from.
    share: Arc<WindowShare>,
    /// Where it is read.
    persistence: Persistence,
}

impl LineStretch {
    /// The next piece: behind an offset, or of the newest before one.
    async fn piece(
        &self,
        after: Option<u64>,
        before: u64,
        limit: u64,
    ) -> Result<Option<KeptPage>, AskError> {
        let page = HistoryPage {
            after,
            before: Some(before),
            is_descending: after.is_none(),
            limit,
            bytes: PIECE_BYTES,
            bounds: self.bounds,
            now: clock::now(),
        };
        let key = self.key.clone();
        let read = self.persistence.read(move |store| store.kept_messages(&key, &page)).await?;
        Ok(read.filter(|found| found.line.position.epoch == self.upto.epoch))
    }

    /// A message as connections hear it.
    fn event(&self, kept: KeptMessage) -> Arc<EncodedEvent> {
        let KeptMessage { position, message, .. } = kept;
        let event = Event::Message { channel: self.key.id.clone(), message };
        Arc::new(EncodedEvent::new(event).said_at(position))
    }

    /// Adds a piece to what was read; false where there is no room for it.
    fn take(&self, read: &mut KeptEvents, messages: Vec<KeptMessage>) -> bool {
        let events: Vec<_> = messages.into_iter().map(|kept| self.event(kept)).collect();
        let bytes = events.iter().map(|event| event.size_hint()).sum();
        let Some(loan) = Loan::of(&self.share, bytes) else { return false };
        read.loans.push(loan);
        read.bytes = read.bytes.saturating_add(bytes);
        read.events.extend(events);
        true
    }

    /// Reads all messages behind an offset, beside those that were read already; none where one is not there any more, or
    /// they are too many, or there is no room.
    async fn behind(
        &self,
        mut after: u64,
        mut read: KeptEvents,
    ) -> Result<Option<KeptEvents>, AskError> {
        let before = self.upto.offset.saturating_add(1);
        loop {
            let Some(found) = self.piece(Some(after), before, PIECE).await? else {
                return Ok(None);
            };
            if found.oldest > after {
                return Ok(None);
            }
            after = found.messages.last().map_or(after, |last| last.position.offset);
            if !self.take(&mut read, found.messages) || is_too_much(&read) {
                return Ok(None);
            }
            if !found.has_more {
                return Ok(Some(read));
            }
        }
    }

    /// Reads the newest messages, so many at most, and no more than one connection is given.
    async fn newest(&self, count: u64) -> Result<Option<KeptEvents>, AskError> {
        let count = usize::try_from(count).unwrap_or(MOST).min(MOST);
        let (mut read, mut before) = (KeptEvents::default(), self.upto.offset.saturating_add(1));
        loop {
            let wanted = u64::try_from(count.saturating_sub(read.events.len())).unwrap_or(PIECE);
            let Some(found) = self.piece(None, before, PIECE.min(wanted)).await? else {
                return Ok(None);
            };
            before = found.messages.last().map_or(before, |last| last.position.offset);
            let has_room = self.take(&mut read, found.messages);
            if !has_room || !found.has_more || read.events.len() >= count || is_too_much(&read) {
                read.events.reverse();
                return Ok(Some(read));
            }
        }
    }

    /// Reads what somebody wants of it, beside what was read already.
    async fn read(
        &self,
        wanted: StartingPoint,
        read: KeptEvents,
    ) -> Result<Option<KeptEvents>, AskError> {
        match wanted {
            StartingPoint::After(Since(Some(after))) => self.behind(after.offset, read).await,
            StartingPoint::After(Since(None)) => Ok(None),
            StartingPoint::Newest(count) => self.newest(count).await,
        }
    }
}

/// Whether this is more than one connection is given.
const fn is_too_much(read: &KeptEvents) -> bool {
    read.events.len() > MOST || read.bytes > MOST_BYTES
}

/// What was read, if it could be.
fn readable(read: Result<Option<KeptEvents>, AskError>) -> Option<KeptEvents> {
    read.unwrap_or_else(|error| {
        tracing::warn!(%error, "kept messages could not be read");
        None
    })
}

impl ChannelActor {
    /// The channel's line up to a place.
    fn stretch(&self, upto: Position) -> LineStretch {
        let (bounds, share) = (self.acting.settings().history, self.acting.share());
        let persistence = self.acting.persistence().clone();
        LineStretch { key: self.key().clone(), upto, bounds, share, persistence }
    }

    /// Completes a snapshot with what stands on the line behind an offset, and hands it over. The connection hears what comes
    /// behind that already, and holds it back.
    pub(super) fn look_back(
        &self,
        after: u64,
        connection: ConnectionUid,
        mut snapshot: Snapshot,
        address: Addr<SessionActor>,
        ctx: &mut Context<Self>,
    ) {
        let stretch = self.stretch(self.machine.line().position());
        let read = async move { readable(stretch.behind(after, KeptEvents::default()).await) };
        ctx.spawn(read.into_actor(self).map(move |found, _, _| {
            if let Some(KeptEvents { events, loans, .. }) = found {
                snapshot.recovery.standing.recovered = Some(true);
                snapshot.recovery.events = events;
                snapshot.loans = loans;
            }
            tell(&address, FromChannel::Snapshot { connection, snapshot });
        }));
    }

    /// Reads what a connection wants from before; behind that it begins to hear the channel. Done when all of it is on its
    /// way.
    pub(super) fn start_late(
        &self,
        mut late: LateStart<FanoutHandle>,
    ) -> ResponseActFuture<Self, ()> {
        let (stretch, read) = (self.stretch(late.upto), std::mem::take(&mut late.read));
        let read = async move { (readable(stretch.read(late.next, read).await), late) };
        Box::pin(read.into_actor(self).then(|(found, late), actor: &mut Self, ctx| {
            let more = actor.step(ctx, |machine, acting| machine.start_late(late, found, acting));
            match more {
                Some(more) => actor.start_late(more),
                // What is spawned rests while the actor waits for its orders to leave.
                None => Box::pin(tokio::task::yield_now().into_actor(actor)),
            }
        }))
    }
}
