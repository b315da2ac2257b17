//! What the generator's threads know of each other.

use super::clock::Clock;
use super::num;
use super::plan::Plan;
use super::tally::Counts;
use hdrhistogram::Histogram;
use std::sync::Mutex;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};

/// What the threads are to do; each part comes after the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Open all connections, then be quiet.
    Connect,
    /// Publish and whatever else the scenario has, by the schedule.
    Run,
    /// Send nothing more, hear what is on its way.
    Drain,
    /// Say what was counted, and end.
    End,
}

/// What the threads share. Nothing here orders anything else, so no access is more than relaxed.
pub(super) struct Shared {
    /// The time.
    pub(super) clock: Clock,
    /// When connecting begins, microseconds.
    pub(super) begin: u64,
    /// When the load begins, microseconds; 0 until it is known.
    run: AtomicU64,
    /// Whether the load is over.
    is_draining: AtomicBool,
    /// Whether all is over.
    is_ended: AtomicBool,
    /// By channel, then publisher: the sequence number that comes next.
    sequences: Vec<AtomicU32>,
    /// Publishers, which is how long a channel's part of the sequences is.
    publishers: usize,
    /// By channel: who is listening.
    pub(super) audience: Vec<AtomicU32>,
    /// By flow: deliveries that are to come, those that came, and those that were given up.
    pub(super) progress: Vec<Progress>,
    /// Connections that are subscribed.
    pub(super) ready: AtomicU64,
    /// Connections that did not come up or ended unasked.
    pub(super) failed: AtomicU64,
    /// Requests without an answer.
    pub(super) unanswered: AtomicU64,
    /// What went wrong first.
    first_trouble: Mutex<Option<String>>,
}

/// How far a flow's deliveries are.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Those that are to come, with those that came.
    pub(super) expected: AtomicU64,
    /// Those that came.
    pub(super) delivered: AtomicU64,
    /// Those that were given up because nothing came any more.
    pub(super) given_up: AtomicU64,
}

impl Progress {
    /// Deliveries that are on their way.
    pub(super) fn pending(&self) -> u64 {
        let done = self.delivered.load(Relaxed) + self.given_up.load(Relaxed);
        self.expected.load(Relaxed).saturating_sub(done)
    }
}

/// What a thread counted in one second.
pub(super) struct Tick {
    /// The second, from when the load began.
    pub(super) second: u64,
    /// What happened in it.
    pub(super) counts: Counts,
    /// Latencies of the deliveries in it, microseconds.
    pub(super) latency: Histogram<u64>,
    /// The thread's time that was spent working, seconds.
    pub(super) busy: f64,
}

impl Shared {
    /// Before anything happened.
    pub(super) fn new(plan: &Plan, clock: Clock) -> Self {
        let publishers = plan.flow_of.len();
        let zeros = |count: usize| (0..count).map(|_| AtomicU32::new(0)).collect::<Vec<_>>();
        Self {
            clock,
            begin: clock.now(),
            run: AtomicU64::new(0),
            is_draining: AtomicBool::new(false),
            is_ended: AtomicBool::new(false),
            sequences: zeros(plan.channels.len() * publishers),
            publishers,
            audience: zeros(plan.channels.len()),
            progress: plan.flows.iter().map(|_| Progress::default()).collect(),
            ready: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            unanswered: AtomicU64::new(0),
            first_trouble: Mutex::new(None),
        }
    }

    /// What is to be done.
    pub(super) fn phase(&self) -> Phase {
        if self.is_ended.load(Relaxed) {
            Phase::End
        } else if self.is_draining.load(Relaxed) {
            Phase::Drain
        } else if self.run_start() > 0 {
            Phase::Run
        } else {
            Phase::Connect
        }
    }

    /// When the load begins, microseconds; 0 until it is known.
    pub(super) fn run_start(&self) -> u64 {
        self.run.load(Relaxed)
    }

    /// Begins the load at a time.
    pub(super) fn run_at(&self, at: u64) {
        self.run.store(at.max(1), Relaxed);
    }

    /// Ends the load.
    pub(super) fn drain(&self) {
        self.is_draining.store(true, Relaxed);
    }

    /// Ends all.
    pub(super) fn end(&self) {
        self.is_ended.store(true, Relaxed);
    }

    /// A channel's sequence numbers, by publisher.
    pub(super) fn sequences(&self, channel: usize) -> &[AtomicU32] {
        let start = channel * self.publishers;
        self.sequences.get(start..start + self.publishers).unwrap_or_default()
    }

    /// Takes the next sequence number.
    pub(super) fn next_sequence(&self, channel: usize, publisher: usize) -> u32 {
        let place = self.sequences(channel).get(publisher);
        place.map_or(0, |next| next.fetch_add(1, Relaxed))
    }

    /// Who listens to a channel.
    pub(super) fn listeners(&self, channel: usize) -> u64 {
        self.audience.get(channel).map_or(0, |it| u64::from(it.load(Relaxed)))
    }

    /// Deliveries of all flows that are on their way.
    pub(super) fn pending(&self) -> u64 {
        self.progress.iter().map(Progress::pending).sum()
    }

    /// Deliveries of all flows that came.
    pub(super) fn delivered(&self) -> u64 {
        self.progress.iter().map(|it| it.delivered.load(Relaxed)).sum()
    }

    /// Remembers what went wrong, if it is the first.
    pub(super) fn trouble(&self, what: &str) {
        if let Ok(mut first) = self.first_trouble.lock() {
            first.get_or_insert_with(|| what.to_owned());
        }
    }

    /// What went wrong first.
    pub(super) fn first_trouble(&self) -> Option<String> {
        self.first_trouble.lock().ok()?.clone()
    }

    /// Connections that are subscribed.
    pub(super) fn connected(&self) -> usize {
        num::index(self.ready.load(Relaxed))
    }
}
