//! What of that which was queued has arrived, is under way, or never leaves.

use super::{SendQueue, Travelled, Way};
use crate::delivery::flight::FlightCount;
use crate::domain::{LineId, Place, Standing};
use crate::faults::{Fault, is_planted};
use crate::num;

impl SendQueue {
    /// The bytes of these messages have been written to the end.
    pub(super) fn end_messages(&mut self, told: FlightCount) {
        if !self.counts {
            return;
        }
        if matches!(self.way, Way::Pull { .. }) {
            // Whoever pulled them does not tell what comes of them.
            return self.flight.passed(told);
        }
        if self.flight.ended(told) {
            // Where the system does not tell, what was written counts.
            self.flight.arrived(self.unacknowledged().unwrap_or(0));
        }
    }

    /// These messages are never going to be written. Those on a line are known by how far the client has heard it.
    pub(super) fn lose(&mut self, told: FlightCount) {
        self.lost = self.lost.saturating_add(u64::from(told.strays));
    }

    /// From now on, what comes behind this place is heard.
    pub fn hear(&mut self, from: Place) {
        if self.counts {
            self.flight.hear(from);
        }
    }

    /// From now on, a line is not heard.
    pub fn detach(&mut self, line: LineId) {
        self.flight.detach(line);
    }

    /// The client is there: asks which messages have arrived, and takes them as read.
    pub fn confirm(&mut self) {
        self.settle();
        self.flight.confirm();
    }

    /// Asks which messages have arrived, so that they need not be remembered.
    fn settle(&mut self) {
        if self.flight.is_tracking() {
            self.flight.arrived(self.unacknowledged().unwrap_or(0));
        }
    }

    /// How far each line was heard by a client that is known to have been there; none where nobody counts.
    pub fn sure(&self) -> Option<Standing> {
        self.counts.then(|| self.flight.sure())
    }

    /// How far each line will have been heard if everything arrives that was written or waits; none where nobody counts.
    pub fn hoped(&self) -> Option<Standing> {
        let queued = self.pieces.iter().map(|piece| piece.batch.told);
        self.counts.then(|| self.flight.hoped(queued))
    }

    /// How far each line was heard, as far as that is known; none where nobody counts.
    pub fn standing(&mut self) -> Option<Standing> {
        self.settle();
        self.counts.then(|| self.flight.standing())
    }

    /// How many messages that stand on no line have not arrived, nor will by what is known now.
    pub fn unarrived(&self) -> u64 {
        let queued = self.pieces.iter().map(|piece| u64::from(piece.batch.told.strays)).sum();
        let under_way =
            self.unacknowledged().map_or(0, |bytes| self.flight.strays_under_way(bytes));
        self.lost.saturating_add(under_way).saturating_add(queued)
    }

    /// The bytes that were written and are not acknowledged, where that is known.
    fn unacknowledged(&self) -> Option<u64> {
        match &self.way {
            Way::Push { .. } if is_planted(Fault::WrittenIsHeard) => Some(0),
            Way::Push { sink, .. } => sink.unacknowledged(),
            Way::Pull { .. } => None,
        }
    }

    /// How far the bytes that were written have come, where that is known.
    pub(super) fn travelled(&self) -> Option<Travelled> {
        match &self.way {
            Way::Push { sink, .. } if !is_planted(Fault::WrittenIsHeard) => {
                sink.travelled(self.written())
            }
            _ => {
                let left = self.unacknowledged()?;
                Some(Travelled { acknowledged: self.written().saturating_sub(left), left })
            }
        }
    }

    /// How many of all bytes are acknowledged, where that is known.
    pub fn acknowledged(&self) -> Option<u64> {
        self.unacknowledged().map(|bytes| self.written().saturating_sub(bytes))
    }

    /// How many bytes have been written.
    pub const fn written(&self) -> u64 {
        self.flight.written()
    }

    /// How many bytes will have been written once nothing waits.
    pub fn end_bytes(&self) -> u64 {
        self.written().saturating_add(num::counter(self.queued))
    }

    /// How many bytes have not arrived, as far as that is known.
    pub fn left_bytes(&self) -> u64 {
        let queued = num::counter(self.queued);
        queued.saturating_add(self.travelled().map_or(0, |come| come.left))
    }
}
