//! What has something to record of a project holds a tape of it.

use super::entry::Recorded;
use super::flight_recorder::FlightRecorder;
use super::looking::Chosen;
use super::project::RecordedProject;
use crate::domain::{ChannelId, ProjectId, Timestamp};
use std::fmt;
use std::sync::Arc;

/// The way to record something of one project; to be kept by what lives on one thread, and cheap to clone.
#[derive(Clone)]
pub struct Tape {
    /// The project.
    project: Arc<RecordedProject>,
    /// Where entries go.
    recorder: Arc<FlightRecorder>,
    /// The lane of the thread.
    lane: usize,
}

impl fmt::Debug for Tape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tape").field(self.project.id()).finish()
    }
}

impl FlightRecorder {
    /// A project's tape, for what lives on this thread.
    pub fn tape(self: &Arc<Self>, project: &ProjectId, now: Timestamp) -> Tape {
        let (project, lane) = self.enrol(project, now);
        Tape { project, recorder: Arc::clone(self), lane }
    }
}

impl Tape {
    /// Whether anything is recorded; to be asked before anything is put together for it.
    pub fn is_on(&self) -> bool {
        self.project.is_on()
    }

    /// Whether somebody has chosen something like this.
    pub(super) fn chooses(&self, is_it: impl FnMut(&Chosen) -> bool) -> bool {
        self.project.has_chosen() && self.project.looking().chosen().any(is_it)
    }

    /// Whether bodies of this channel are to be left out, by rule; without one, of what is on no channel.
    pub fn hides(&self, channel: Option<&ChannelId>) -> bool {
        self.recorder.hides(channel)
    }

    /// Whether some channels' are: then those of what may be about several are to be left out, too.
    pub(super) fn hides_some(&self) -> bool {
        self.recorder.hides_some()
    }

    /// Records something that happened at that time.
    pub fn record(&self, at: Timestamp, what: Recorded) {
        self.recorder.record(&self.project, self.lane, at, what);
    }
}
