//! The recorder of a server: its lanes, and the projects that it knows.

use super::entry::Recorded;
use super::lane::Lane;
use super::looking::{Chosen, LookNews, Looker};
use super::project::RecordedProject;
use super::rules::RecordRules;
use crate::domain::{ProjectId, Timestamp};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread::{self, ThreadId};
use std::time::Duration;
use tokio::time::Instant;

/// What is held of what happens while somebody looks and no ring is set up, bytes of all threads together.
const LOOKING_BYTES: usize = 8 << 20;
/// The least of a thread, bytes: a few of the longest entries.
const LEAST_LANE: usize = 64 << 10;

/// The bounds of what is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecorderBounds {
    /// The most bytes that are recorded whether or not anybody looks, of all threads together; 0 for no ring.
    pub bytes: usize,
    /// For how long something is kept.
    pub age: Duration,
}

impl Default for RecorderBounds {
    fn default() -> Self {
        Self { bytes: 0, age: Duration::from_mins(5) }
    }
}

/// The recorder of a server.
pub struct FlightRecorder {
    /// Its bounds.
    bounds: RecorderBounds,
    /// What is not to be kept or shown; nothing, until that is said.
    rules: OnceLock<RecordRules>,
    /// What each thread has recorded.
    lanes: Box<[Lane]>,
    /// Who is known.
    known: Mutex<KnownToRecorder>,
    /// Whether anybody looks at anything.
    is_looked_at: AtomicBool,
    /// How many looks wait.
    watchers: AtomicUsize,
}

/// Who is known to a recorder.
#[derive(Default)]
struct KnownToRecorder {
    /// The projects that have a tape, entries or somebody who looks.
    projects: HashMap<ProjectId, Weak<RecordedProject>>,
    /// Those that somebody looks at.
    looked_at: Vec<Arc<RecordedProject>>,
    /// The threads that have a lane.
    threads: Vec<ThreadId>,
}

impl KnownToRecorder {
    /// A project; known from now on.
    fn project(&mut self, id: &ProjectId, is_on: bool, now: Timestamp) -> Arc<RecordedProject> {
        if let Some(known) = self.projects.get(id).and_then(Weak::upgrade) {
            return known;
        }
        if self.projects.len() == self.projects.capacity() {
            self.projects.retain(|_, project| project.strong_count() > 0);
        }
        let project = Arc::new(RecordedProject::new(id.clone(), is_on, now));
        self.projects.insert(id.clone(), Arc::downgrade(&project));
        project
    }

    /// The lane of this thread; one that has none any more shares another's.
    fn lane(&mut self, lanes: usize) -> usize {
        let this = thread::current().id();
        if let Some(at) = self.threads.iter().position(|known| *known == this) {
            return at % lanes;
        }
        if self.threads.len() < lanes {
            self.threads.push(this);
            return self.threads.len() - 1;
        }
        0
    }
}

impl FlightRecorder {
    /// A recorder for so many threads, within these bounds.
    pub fn new(threads: usize, bounds: RecorderBounds) -> Self {
        let (threads, bytes) =
            (threads.max(1), if bounds.bytes == 0 { LOOKING_BYTES } else { bounds.bytes });
        let lane = (bytes / threads).max(LEAST_LANE);
        Self {
            bounds,
            rules: OnceLock::new(),
            lanes: (0..threads).map(|_| Lane::new(lane)).collect(),
            known: Mutex::default(),
            is_looked_at: AtomicBool::new(false),
            watchers: AtomicUsize::new(0),
        }
    }

    /// Says what is not to be kept or shown; once, before anything is recorded.
    pub fn set_rules(&self, rules: RecordRules) {
        // Said once: a second time changes nothing.
        let _ = self.rules.set(rules);
    }

    /// What is not to be kept or shown.
    pub fn rules(&self) -> &RecordRules {
        static NONE: RecordRules = RecordRules::none();
        self.rules.get().unwrap_or(&NONE)
    }

    /// Its bounds.
    pub const fn bounds(&self) -> RecorderBounds {
        self.bounds
    }

    /// Whether things are recorded whether or not anybody looks.
    pub const fn has_ring(&self) -> bool {
        self.bounds.bytes > 0
    }

    /// Whether anything at all may be recorded at the moment.
    pub fn is_in_use(&self) -> bool {
        self.has_ring() || self.is_looked_at.load(Ordering::Relaxed)
    }

    /// How many bytes are held.
    pub fn bytes(&self) -> usize {
        self.lanes.iter().map(Lane::bytes).sum()
    }

    /// Who is known.
    fn known(&self) -> MutexGuard<'_, KnownToRecorder> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A project that is known from now on, and the lane of this thread.
    pub(super) fn enrol(
        &self,
        project: &ProjectId,
        now: Timestamp,
    ) -> (Arc<RecordedProject>, usize) {
        let mut known = self.known();
        (known.project(project, self.has_ring(), now), known.lane(self.lanes.len()))
    }

    /// Records something.
    pub(super) fn record(
        &self,
        project: &Arc<RecordedProject>,
        lane: usize,
        at: Timestamp,
        what: Recorded,
    ) {
        if let Some(lane) = self.lanes.get(lane) {
            lane.record(project, (at, at.earlier(self.bounds.age)), what);
        }
    }

    /// What the threads have recorded.
    pub(super) fn lanes(&self) -> &[Lane] {
        &self.lanes
    }

    /// A project, if it is known.
    pub(super) fn find(&self, project: &ProjectId) -> Option<Arc<RecordedProject>> {
        self.known().projects.get(project).and_then(Weak::upgrade)
    }

    /// Somebody looks at a project, and wants to see these frames: it is recorded from now on, and for a while after.
    pub fn look(
        &self,
        project: &ProjectId,
        (looker, chosen): (Looker, Vec<Chosen>),
        (now, time): (Instant, Timestamp),
    ) -> LookNews {
        let mut known = self.known();
        let found = known.project(project, self.has_ring(), time);
        if !known.looked_at.iter().any(|one| Arc::ptr_eq(one, &found)) {
            known.looked_at.push(Arc::clone(&found));
        }
        self.is_looked_at.store(true, Ordering::Relaxed);
        found.switch(true);
        let mut looking = found.looking();
        let mut is_choice = false;
        for one in chosen {
            is_choice |= looking.choose(one, now);
        }
        found.set_chosen(looking.chosen().next().is_some());
        LookNews { is_new: looking.look(looker, now), is_choice }
    }

    /// One more waits, if no more than so many do then.
    pub(super) fn count_watcher(&self, most: usize) -> bool {
        let more = |count: usize| (count < most).then_some(count + 1);
        self.watchers.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// One less waits.
    pub(super) fn uncount_watcher(&self) {
        self.watchers.fetch_sub(1, Ordering::Relaxed);
    }

    /// Lets go of what is too old, and of what was recorded for who does not look any more; to be called every few seconds.
    /// Returns the projects in which fewer frames are wanted than before.
    pub fn sweep(&self, now: Instant, time: Timestamp) -> Vec<ProjectId> {
        if !self.is_in_use() {
            return Vec::new();
        }
        let mut known = self.known();
        let mut unchosen = Vec::new();
        for project in &known.looked_at {
            let mut looking = project.looking();
            if looking.expire_chosen(now) {
                project.set_chosen(looking.chosen().next().is_some());
                unchosen.push(project.id().clone());
            }
        }
        let ended: Vec<_> =
            known.looked_at.extract_if(.., |project| project.looking().ends(now)).collect();
        self.is_looked_at.store(!known.looked_at.is_empty(), Ordering::Relaxed);
        if !self.has_ring() {
            // Whoever looks now waits for what is known, and finds nothing of before.
            for project in ended {
                self.switch_off(&project);
            }
        }
        drop(known);
        let before = time.earlier(self.bounds.age);
        for lane in &self.lanes {
            lane.expire(before);
        }
        unchosen
    }

    /// Records nothing more of a project, and keeps nothing of it.
    fn switch_off(&self, project: &RecordedProject) {
        project.switch(false);
        self.lanes.iter().for_each(|lane| lane.clear(project.id()));
    }

    /// Keeps nothing of a project that was deleted.
    pub fn forget(&self, project: &ProjectId) {
        self.lanes.iter().for_each(|lane| lane.clear(project));
    }
}

#[cfg(test)]
mod tests;
