//! What one thread has recorded: each project's entries in a queue, all within one bound.

use super::entry::{RecordEntry, Recorded};
use super::project::RecordedProject;
use crate::domain::{ProjectId, Timestamp};
use foldhash::fast::RandomState;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What a project takes of the bound besides its entries.
const TRACK_BYTES: usize = 512;
/// Where there is no room, so great a part of all is made free at once, so that looking for who has most is rare.
const PART_FREED: usize = 16;

/// One thread's entries. Only who looks takes the lock from another thread, for a few entries at a time.
pub(super) struct Lane(Mutex<LaneTracks>);

/// The entries of each project.
struct LaneTracks {
    /// By project.
    tracks: HashMap<ProjectId, Track, RandomState>,
    /// What they take together.
    bytes: usize,
    /// The most.
    most: usize,
    /// How long entries are kept.
    age: Duration,
}

/// One project's entries, by their numbers.
struct Track {
    /// Its project, which is known for as long as this has entries.
    project: Arc<RecordedProject>,
    /// The entries.
    entries: VecDeque<RecordEntry>,
    /// What they take.
    bytes: usize,
}

impl Track {
    /// Lets go of the oldest; how much that was.
    fn drop_oldest(&mut self) -> usize {
        let freed = self.entries.pop_front().map_or(0, |entry| entry.cost());
        self.bytes -= freed;
        freed
    }

    /// Lets go of what is from before that time.
    fn expire(&mut self, before: Timestamp) -> usize {
        let mut freed = 0;
        while self.entries.front().is_some_and(|entry| entry.at < before) {
            freed += self.drop_oldest();
        }
        freed
    }
}

impl LaneTracks {
    /// Makes room where there is too much: the oldest entries of who has most go. Who has no more than an equal share loses
    /// nothing to others.
    fn make_room(&mut self) {
        if self.bytes <= self.most {
            return;
        }
        let goal = self.most - self.most / PART_FREED;
        let share = goal / self.tracks.len().max(1);
        while self.bytes > goal {
            let largest = self.tracks.values_mut().max_by_key(|track| track.bytes);
            let Some(largest) = largest else { return };
            loop {
                self.bytes -= largest.drop_oldest();
                if self.bytes <= goal || largest.bytes <= share {
                    break;
                }
            }
            if largest.entries.is_empty() {
                let id = largest.project.id().clone();
                self.tracks.remove(&id);
                self.bytes -= TRACK_BYTES;
            }
        }
    }
}

impl Lane {
    /// An empty one, of so many bytes, that keeps entries so long.
    pub(super) fn new(most: usize, age: Duration) -> Self {
        Self(Mutex::new(LaneTracks { tracks: HashMap::default(), bytes: 0, most, age }))
    }

    /// The entries. A panic elsewhere leaves nothing half done in them that matters.
    fn tracks(&self) -> MutexGuard<'_, LaneTracks> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records something, unless the project was switched off meanwhile; what is too old by then goes.
    pub(super) fn record(&self, project: &Arc<RecordedProject>, at: Timestamp, what: Recorded) {
        let mut tracks = self.tracks();
        let LaneTracks { tracks: known, bytes, age, .. } = &mut *tracks;
        if !project.is_on() {
            return;
        }
        // Given out under the lock: who looks finds every number below the next, or it is lost.
        let entry = RecordEntry { number: project.next_number(), at, what };
        let cost = entry.cost();
        if let Some(track) = known.get_mut(project.id()) {
            *bytes -= track.expire(at.earlier(*age));
            track.entries.push_back(entry);
            track.bytes += cost;
            *bytes += cost;
        } else {
            let track = Track {
                project: Arc::clone(project),
                entries: VecDeque::from([entry]),
                bytes: cost,
            };
            known.insert(project.id().clone(), track);
            *bytes += cost + TRACK_BYTES;
        }
        tracks.make_room();
    }

    /// The number of a project's oldest entry.
    pub(super) fn oldest(&self, project: &ProjectId) -> Option<u64> {
        let tracks = self.tracks();
        tracks.tracks.get(project)?.entries.front().map(|entry| entry.number)
    }

    /// Shows the entries of a project from one number up to another, which is not shown.
    pub(super) fn each(
        &self,
        project: &ProjectId,
        (from, to): (u64, u64),
        mut see: impl FnMut(&RecordEntry),
    ) {
        let tracks = self.tracks();
        let Some(track) = tracks.tracks.get(project) else { return };
        let start = track.entries.partition_point(|entry| entry.number < from);
        track.entries.range(start..).take_while(|entry| entry.number < to).for_each(&mut see);
    }

    /// Lets go of everything of a project.
    pub(super) fn clear(&self, project: &ProjectId) {
        let mut tracks = self.tracks();
        if let Some(track) = tracks.tracks.remove(project) {
            tracks.bytes -= track.bytes + TRACK_BYTES;
        }
    }

    /// Lets go of what is from before that time, and of projects that have nothing left.
    pub(super) fn expire(&self, before: Timestamp) {
        let mut tracks = self.tracks();
        let LaneTracks { tracks: known, bytes, .. } = &mut *tracks;
        known.retain(|_, track| {
            *bytes -= track.expire(before);
            let is_kept = !track.entries.is_empty();
            *bytes -= if is_kept { 0 } else { TRACK_BYTES };
            is_kept
        });
    }

    /// Has room for so many bytes from now on, and keeps entries so long; what is more goes.
    pub(super) fn bound(&self, most: usize, age: Duration) {
        let mut tracks = self.tracks();
        tracks.age = age;
        tracks.most = most;
        tracks.make_room();
    }

    /// How many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        self.tracks().bytes
    }
}
