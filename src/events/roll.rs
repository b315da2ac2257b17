//! Who stands in one register, and what of it has been told.

use crate::domain::{SessionId, SessionRef};
use std::collections::HashMap;
use std::sync::Arc;

/// One session's place.
pub(super) struct Seat {
    /// Who.
    session: Arc<SessionRef>,
    /// Whether it stands there now.
    pub(super) is_in: bool,
    /// Whether it does as far as has been told.
    is_told: bool,
    /// Its place among those who wait to be told of; none where nothing waits.
    waits_at: Option<u64>,
}

impl Seat {
    /// Whether what was told is how it is.
    pub(super) const fn is_settled(&self) -> bool {
        self.is_in == self.is_told
    }
}

/// One register.
#[derive(Default)]
pub(super) struct Roll {
    /// Who stands there, or does as far as has been told.
    seats: HashMap<SessionId, Seat>,
    /// How many do as far as has been told.
    told: u64,
    /// How many wait to be told of.
    pub(super) waiting: usize,
}

impl Roll {
    /// Whether there is nobody, and nothing left to tell.
    pub(super) fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    /// Everybody who has a seat.
    pub(super) fn ids(&self) -> Vec<SessionId> {
        self.seats.keys().cloned().collect()
    }

    /// The seat of a session, if it has one.
    pub(super) fn seat(&mut self, id: &SessionId) -> Option<&mut Seat> {
        self.seats.get_mut(id)
    }

    /// The seat of a session, a new one if it has none.
    pub(super) fn seat_for(&mut self, session: &Arc<SessionRef>) -> &mut Seat {
        self.seats.entry(session.id.clone()).or_insert_with(|| Seat {
            session: Arc::clone(session),
            is_in: false,
            is_told: false,
            waits_at: None,
        })
    }

    /// Takes in a session that counts as told.
    pub(super) fn know(&mut self, session: &Arc<SessionRef>) {
        let seat = self.seat_for(session);
        seat.is_in = true;
        if !std::mem::replace(&mut seat.is_told, true) {
            self.told += 1;
        }
    }

    /// Lets a session wait at this place; returns where it waited before, if it did.
    pub(super) fn wait(&mut self, id: &SessionId, place: u64) -> Option<u64> {
        let before = self.seats.get_mut(id)?.waits_at.replace(place);
        if before.is_none() {
            self.waiting += 1;
        }
        before
    }

    /// Ends a session's waiting; returns where it waited, if it did.
    pub(super) fn stop_waiting(&mut self, id: &SessionId) -> Option<u64> {
        let place = self.seats.get_mut(id)?.waits_at.take()?;
        self.waiting -= 1;
        self.forget(id);
        Some(place)
    }

    /// Counts what is so as told; returns who it is about, whether that one stands there, and how many do by then.
    pub(super) fn tell(&mut self, id: &SessionId) -> Option<(Arc<SessionRef>, bool, u64)> {
        let seat = self.seats.get_mut(id)?;
        let (session, is_in) = (Arc::clone(&seat.session), seat.is_in);
        if !seat.is_settled() {
            seat.is_told = is_in;
            self.told = if is_in { self.told + 1 } else { self.told.saturating_sub(1) };
        }
        self.forget(id);
        Some((session, is_in, self.told))
    }

    /// Takes a session's seat away; returns where it waited, if it did, and whether it stood there as far as has been told.
    pub(super) fn strike(&mut self, id: &SessionId) -> Option<(Option<u64>, bool)> {
        let seat = self.seats.remove(id)?;
        if seat.is_told {
            self.told = self.told.saturating_sub(1);
        }
        if seat.waits_at.is_some() {
            self.waiting -= 1;
        }
        Some((seat.waits_at, seat.is_told))
    }

    /// Takes the seat away from who does not stand there and does not as far as has been told.
    fn forget(&mut self, id: &SessionId) {
        if self.seats.get(id).is_some_and(|seat| !seat.is_in && !seat.is_told) {
            self.seats.remove(id);
        }
    }
}
