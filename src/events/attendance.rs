//! Who is online on one channel, and what of it has been told.

use crate::domain::{OnlineSession, SessionId};
use std::collections::HashMap;
use std::sync::Arc;

/// One session's place.
pub(super) struct Seat {
    /// Who.
    pub(super) session: Arc<OnlineSession>,
    /// Whether it is online now.
    pub(super) is_online: bool,
    /// Whether it is online as far as has been told.
    is_told: bool,
    /// Its place among those who wait to be told of; none where nothing waits.
    pub(super) waits_at: Option<u64>,
}

impl Seat {
    /// Whether what was told is how it is.
    pub(super) const fn is_settled(&self) -> bool {
        self.is_online == self.is_told
    }

    /// Takes it out of those who wait; returns where it stood.
    pub(super) const fn stop_waiting(&mut self) -> Option<u64> {
        self.waits_at.take()
    }
}

/// One channel.
#[derive(Default)]
pub(super) struct Attendance {
    /// Who is online, or was told to be.
    seats: HashMap<SessionId, Seat>,
    /// How many are online as far as has been told.
    told: u64,
    /// How many wait to be told of.
    pub(super) waiting: usize,
}

impl Attendance {
    /// Whether there is nobody, and nothing left to tell.
    pub(super) fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    /// Everybody who is online or was told to be.
    pub(super) fn ids(&self) -> Vec<SessionId> {
        self.seats.keys().cloned().collect()
    }

    /// The seat of a session, if it has one.
    pub(super) fn seat(&mut self, id: &SessionId) -> Option<&mut Seat> {
        self.seats.get_mut(id)
    }

    /// The seat of a session, a new one if it has none.
    pub(super) fn seat_for(&mut self, session: &Arc<OnlineSession>) -> &mut Seat {
        self.seats.entry(session.id.clone()).or_insert_with(|| Seat {
            session: Arc::clone(session),
            is_online: false,
            is_told: false,
            waits_at: None,
        })
    }

    /// Takes in a session that is online and counts as told.
    pub(super) fn know(&mut self, session: &Arc<OnlineSession>) {
        let seat = self.seat_for(session);
        seat.is_online = true;
        if !std::mem::replace(&mut seat.is_told, true) {
            self.told += 1;
        }
    }

    /// Counts what is so as told; returns who it is about, whether that one is online, and how many are by then.
    pub(super) fn tell(&mut self, id: &SessionId) -> Option<(Arc<OnlineSession>, bool, u64)> {
        let seat = self.seats.get_mut(id)?;
        let (session, is_online) = (Arc::clone(&seat.session), seat.is_online);
        if !seat.is_settled() {
            seat.is_told = is_online;
            self.told = if is_online { self.told + 1 } else { self.told.saturating_sub(1) };
        }
        self.forget(id);
        Some((session, is_online, self.told))
    }

    /// Takes the seat away from who is not online and was not told to be.
    pub(super) fn forget(&mut self, id: &SessionId) {
        if self.seats.get(id).is_some_and(|seat| !seat.is_online && !seat.is_told) {
            self.seats.remove(id);
        }
    }
}
