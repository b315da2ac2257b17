//! The recorder of a server: its lanes, and the projects that it knows.

use super::entry::Recorded;
use super::lane::Lane;
use super::looking::{Chosen, LookNews, Looker};
use super::project::RecordedProject;
use super::rules::RecordRules;
use crate::domain::{ChannelId, ProjectId, Timestamp};
use arc_swap::ArcSwap;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
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

/// What a recorder lives by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecorderSettings {
    /// How much is kept, and for how long.
    pub bounds: RecorderBounds,
    /// What is not to be kept or shown.
    pub rules: RecordRules,
}

impl RecorderSettings {
    /// Whether things are recorded whether or not anybody looks.
    const fn has_ring(&self) -> bool {
        self.bounds.bytes > 0
    }

    /// The bound of each of so many threads, bytes.
    fn lane_bytes(&self, threads: usize) -> usize {
        let bytes = if self.has_ring() { self.bounds.bytes } else { LOOKING_BYTES };
        (bytes / threads.max(1)).max(LEAST_LANE)
    }
}

/// The recorder of a server.
pub struct FlightRecorder {
    /// What it lives by now.
    settings: ArcSwap<RecorderSettings>,
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
        let settings = RecorderSettings { bounds, rules: RecordRules::none() };
        let threads = threads.max(1);
        let lane = settings.lane_bytes(threads);
        Self {
            settings: ArcSwap::from_pointee(settings),
            lanes: (0..threads).map(|_| Lane::new(lane, bounds.age)).collect(),
            known: Mutex::default(),
            is_looked_at: AtomicBool::new(false),
            watchers: AtomicUsize::new(0),
        }
    }

    /// Lives by these from now on. What is recorded stays as far as there is room for it, and goes where more or other channels
    /// are hidden than before: what is hidden is not to be in memory.
    pub fn change(&self, settings: RecorderSettings) {
        // Nobody comes to be known, or looks, meanwhile.
        let known = self.known();
        let most = settings.lane_bytes(self.lanes.len());
        let (has_ring, age) = (settings.has_ring(), settings.bounds.age);
        let before = self.settings.swap(Arc::new(settings));
        let is_hidden_more = before.rules.hidden() != self.rules().hidden();
        for project in known.projects.values().filter_map(Weak::upgrade) {
            if is_hidden_more {
                self.forget(project.id());
            }
            if has_ring || known.looked_at.iter().any(|one| Arc::ptr_eq(one, &project)) {
                project.switch(true);
            } else {
                self.switch_off(&project);
            }
        }
        drop(known);
        self.lanes.iter().for_each(|lane| lane.bound(most, age));
    }

    /// What is not to be kept or shown.
    pub fn rules(&self) -> RecordRules {
        self.settings.load().rules.clone()
    }

    /// Whether bodies of this channel are left out, by rule; without one, of what is on no channel.
    pub(super) fn hides(&self, channel: Option<&ChannelId>) -> bool {
        self.settings.load().rules.hides(channel)
    }

    /// Whether some channels' are: then those of what may be about several are left out, too.
    pub(super) fn hides_some(&self) -> bool {
        self.settings.load().rules.hides_some()
    }

    /// Its bounds.
    pub fn bounds(&self) -> RecorderBounds {
        self.settings.load().bounds
    }

    /// Whether things are recorded whether or not anybody looks.
    pub fn has_ring(&self) -> bool {
        self.settings.load().has_ring()
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
            lane.record(project, at, what);
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
        let before = time.earlier(self.bounds().age);
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
