//! A session without connections goes on on another server, where the next connection has come: what it has kept goes there.

use super::effects::SessionEffects;
use super::{Connecting, SessionMachine};
use crate::channel::Snapshot;
use crate::domain::{ChannelId, MISSED_UNKNOWN, Position};
use crate::protocol::EncodedEvent;
use std::collections::HashMap;
use std::sync::Arc;

/// What a session had for its next connection.
#[derive(Clone, Debug, Default)]
pub struct MovedSession {
    /// Messages that nobody has heard, oldest first.
    pub events: Vec<Arc<EncodedEvent>>,
    /// How many more there were.
    pub missed: u64,
    /// Up to where it has those of each channel.
    pub positions: HashMap<ChannelId, Position>,
}

impl<E: SessionEffects> SessionMachine<E> {
    /// Whether it waits for a connection, and nothing is under way: then it can go on elsewhere.
    pub fn may_move(&self) -> bool {
        self.has_grace && self.is_idle() && self.parting.is_empty()
    }

    /// The channels that it had elsewhere, until its first connection here.
    pub fn moved_channels(&self) -> impl Iterator<Item = &ChannelId> {
        self.moved.iter().flat_map(|moved| moved.keys())
    }

    /// The ways to the channels that it holds.
    pub fn held(&self) -> impl Iterator<Item = (&ChannelId, &E::Channel)> {
        self.subscriptions.iter().filter_map(|(id, held)| Some((id, held.channel.as_ref()?)))
    }

    /// It goes on elsewhere, and nothing is left here; its channels have let it go, each up to that position, or it is not known
    /// up to where.
    pub fn move_away(
        &mut self,
        mut positions: HashMap<ChannelId, Option<Position>>,
    ) -> MovedSession {
        // Where it has come itself, and nobody has connected since, it goes on from there: the older place holds.
        for (id, at) in self.moved.take().into_iter().flat_map(|moved| *moved) {
            if self.subscriptions.contains_key(&id) {
                positions.insert(id, Some(at));
            }
        }
        self.subscriptions.clear();
        let (events, mut missed) = self.replay.take();
        if self.comeback.is_some() || positions.values().any(Option::is_none) {
            missed = MISSED_UNKNOWN;
        }
        let positions = positions.into_iter().filter_map(|(id, at)| Some((id, at?))).collect();
        MovedSession { events, missed, positions }
    }

    /// What channels have said since it was elsewhere is kept behind what it had kept there, for the connection that comes first.
    /// A line whose position the client names itself goes on from that.
    pub(super) fn arrive(
        &mut self,
        connecting: &Connecting<E::Worker>,
        snapshots: &mut [Snapshot],
        effects: &E,
    ) {
        let Some(moved) = self.moved.take() else { return };
        for snapshot in snapshots {
            let id = &snapshot.channel.key.id;
            if connecting.names(id) || !moved.contains_key(id) {
                continue;
            }
            let recovery = &mut snapshot.recovery;
            let events = std::mem::take(&mut recovery.events);
            match recovery.standing.recovered.take() {
                Some(true) => self.replay.keep_missing(events, &effects.limits()),
                _ => self.replay.miss(MISSED_UNKNOWN),
            }
        }
    }
}
