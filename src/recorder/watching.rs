//! Looks that wait for something to happen.

use super::flight_recorder::FlightRecorder;
use super::project::RecordedProject;
use crate::domain::ProjectId;
use std::sync::Arc;

/// The most looks at one project that wait for something to happen.
pub const MAX_WATCHERS: usize = 16;
/// The most of them in all.
const MAX_ALL_WATCHERS: usize = 256;

/// A look that waits; its place is free when this is dropped.
pub struct Watching {
    /// The project.
    project: Arc<RecordedProject>,
    /// Who counts all of them.
    recorder: Arc<FlightRecorder>,
}

impl FlightRecorder {
    /// Takes a place among those who wait for something to happen in a project, if there is one.
    pub fn watch(self: &Arc<Self>, project: &ProjectId) -> Option<Watching> {
        let (project, recorder) = (self.find(project)?, Arc::clone(self));
        if !recorder.count_watcher(MAX_ALL_WATCHERS) {
            return None;
        }
        // Dropped, it gives back what it has taken.
        let watching = Watching { project, recorder };
        let mut looking = watching.project.looking();
        looking.watchers += 1;
        let has_place = looking.watchers <= MAX_WATCHERS;
        drop(looking);
        has_place.then_some(watching)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let mut looking = self.project.looking();
        looking.watchers = looking.watchers.saturating_sub(1);
        drop(looking);
        self.recorder.uncount_watcher();
    }
}
