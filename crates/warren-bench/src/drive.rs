//! One measurement from the first connection to the last delivery: leads the threads, and watches the server.

use super::clock::Clock;
use super::error::BenchError;
use super::lane::{Lane, Outcome};
use super::machine::{self, Usage};
use super::num;
use super::plan::Plan;
use super::progress::Progress;
use super::shared::{Shared, Tick};
use super::tally::histogram;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How often the threads and the server are looked at.
const LOOK: Duration = Duration::from_millis(20);
/// From the order to begin until the load begins, microseconds.
const LEAD: u64 = 50_000;
/// How long slow readers read at the end as fast as they can, to learn whether they were closed, seconds.
const SLOW_END: f64 = 2.0;
/// How long publishes that were due in time may still leave, seconds.
const TAIL: f64 = 0.1;
/// How long nothing may come at the end before nothing is expected any more, seconds.
const QUIET: f64 = 1.0;

/// What was seen at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moment {
    /// When, seconds.
    pub(super) at: f64,
    /// The server; none where its process cannot be seen.
    pub(super) server: Option<Usage>,
    /// CPU of this process, seconds.
    pub(super) own: f64,
    /// CPU of the whole machine, seconds.
    pub(super) machine: f64,
}

/// The moments between which something was measured.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moments {
    /// Before the first connection.
    pub(super) start: Moment,
    /// When all were connected.
    pub(super) connected: Moment,
    /// After the quiet.
    pub(super) settled: Moment,
    /// After the hold.
    pub(super) held: Moment,
    /// Both ends of the measured load, if there was any.
    pub(super) load: Option<(Moment, Moment)>,
    /// The most bytes of the server.
    pub(super) peak: u64,
}

/// One second, of all threads.
pub(super) struct Second {
    /// What happened, with the latencies.
    pub(super) tick: Tick,
    /// Connections at its end.
    pub(super) connections: usize,
    /// The server at its end.
    pub(super) moment: Moment,
}

/// What a measurement brought.
pub(super) struct Measured {
    /// When things were.
    pub(super) moments: Moments,
    /// Second by second.
    pub(super) seconds: BTreeMap<u64, Second>,
    /// What each thread says.
    pub(super) outcomes: Vec<Outcome>,
    /// By channel, then publisher: how many were sent.
    pub(super) sent: Vec<Vec<u32>>,
    /// What went wrong first.
    pub(super) first_trouble: Option<String>,
}

/// A measurement under way.
pub(super) struct Drive<'a> {
    /// What is to be done.
    plan: Arc<Plan>,
    /// What the threads know of each other.
    shared: Arc<Shared>,
    /// The server's process, if it can be seen.
    pid: Option<u32>,
    /// Whether the server ended, and how.
    ended: &'a mut dyn FnMut() -> Option<String>,
    /// What is shown meanwhile.
    progress: &'a mut Progress,
    /// The threads' seconds.
    ticks: Receiver<Tick>,
    /// Second by second.
    seconds: BTreeMap<u64, Second>,
    /// When things were.
    moments: Moments,
}

impl<'a> Drive<'a> {
    /// Measures.
    ///
    /// # Errors
    /// [`BenchError`] when not all connections come up, the server ends, or a thread fails.
    pub(super) fn measure(
        plan: &Arc<Plan>,
        pid: Option<u32>,
        ended: &'a mut dyn FnMut() -> Option<String>,
        progress: &'a mut Progress,
    ) -> Result<Measured, BenchError> {
        let shared = Arc::new(Shared::new(plan, Clock::start()));
        let (sender, ticks) = mpsc::channel();
        let (moments, seconds) = (Moments::default(), BTreeMap::new());
        let mut drive = Self {
            plan: plan.clone(),
            shared: shared.clone(),
            pid,
            ended,
            progress,
            ticks,
            seconds,
            moments,
        };
        drive.moments.start = drive.moment();
        let lanes: Result<Vec<_>, _> = (0..plan.scenario.generator.threads)
            .map(|number| Lane::new(number, plan.clone(), shared.clone(), sender.clone()))
            .collect();
        drop(sender);
        let threads: Vec<_> =
            lanes?.into_iter().map(|lane| thread::spawn(move || lane.run())).collect();
        let led = drive.lead(&threads);
        shared.end();
        let mut outcomes = Vec::new();
        for thread in threads {
            let crashed = |_| BenchError::Generator("a thread crashed".to_owned());
            outcomes.push(thread.join().map_err(crashed)??);
        }
        led?;
        let sent = |channel| shared.sequences(channel).iter().map(|it| it.load(Relaxed)).collect();
        Ok(Measured {
            moments: drive.moments,
            seconds: drive.seconds,
            outcomes,
            sent: (0..plan.channels.len()).map(sent).collect(),
            first_trouble: shared.first_trouble(),
        })
    }

    /// What can be seen now.
    fn moment(&mut self) -> Moment {
        let server = self.pid.and_then(machine::usage);
        self.moments.peak = self.moments.peak.max(server.map_or(0, |it| it.memory));
        Moment {
            at: self.shared.clock.seconds(),
            server,
            own: machine::usage(std::process::id()).map_or(0.0, |it| it.cpu()),
            machine: machine::machine_cpu(),
        }
    }

    /// Leads the threads through all parts.
    fn lead(
        &mut self,
        threads: &[JoinHandle<Result<Outcome, BenchError>>],
    ) -> Result<(), BenchError> {
        self.connect(threads)?;
        self.moments.connected = self.moment();
        let run = self.plan.scenario.run.clone();
        self.pass("settle", run.settle_s, threads)?;
        self.moments.settled = self.moment();
        self.pass("hold", run.hold_s, threads)?;
        self.moments.held = self.moment();
        if self.plan.scenario.has_load() {
            let start = self.shared.clock.now() + LEAD;
            self.shared.run_at(start);
            let lead = num::seconds(LEAD);
            self.pass("warmup", lead + run.warmup_s, threads)?;
            let from = self.moment();
            self.pass("load", self.plan.scenario.duration(), threads)?;
            self.moments.load = Some((from, self.moment()));
            // What was due in the last moment still leaves.
            self.pass("load", TAIL, threads)?;
            self.shared.drain();
            self.drain(threads)?;
        }
        Ok(())
    }

    /// Waits until all are subscribed.
    fn connect(
        &mut self,
        threads: &[JoinHandle<Result<Outcome, BenchError>>],
    ) -> Result<(), BenchError> {
        let wanted = self.plan.scenario.connections();
        let end = self.shared.clock.seconds() + self.plan.scenario.connect.timeout_s;
        loop {
            let (up, failed) = (self.shared.connected(), self.shared.failed.load(Relaxed));
            if up >= wanted {
                return Ok(());
            }
            let is_late = self.shared.clock.seconds() > end;
            if failed > 0 || is_late {
                let why = self.shared.first_trouble();
                let why = why.unwrap_or_else(|| "the time was up (connect.timeout_s)".to_owned());
                let text = format!("{up} of {wanted} connections came up: {why}");
                return Err(BenchError::Connect(text));
            }
            self.look("connect", threads)?;
        }
    }

    /// Lets a part pass.
    fn pass(
        &mut self,
        name: &str,
        seconds: f64,
        threads: &[JoinHandle<Result<Outcome, BenchError>>],
    ) -> Result<(), BenchError> {
        let end = self.shared.clock.seconds() + seconds;
        loop {
            let left = end - self.shared.clock.seconds();
            if left <= 0.0 {
                return Ok(());
            }
            if left > LOOK.as_secs_f64() {
                self.look(name, threads)?;
            } else {
                thread::sleep(Duration::from_secs_f64(left));
            }
        }
    }

    /// Waits for what is on its way, while anything comes.
    fn drain(
        &mut self,
        threads: &[JoinHandle<Result<Outcome, BenchError>>],
    ) -> Result<(), BenchError> {
        let end = self.shared.clock.seconds() + self.plan.scenario.run.drain_s;
        let is_any_slow = (0..self.plan.scenario.groups.len()).any(|it| self.plan.is_slow(it));
        let slow_end = self.shared.clock.seconds() + if is_any_slow { SLOW_END } else { 0.0 };
        let (mut seen, mut since) = (self.shared.delivered(), self.shared.clock.seconds());
        loop {
            let (now, delivered) = (self.shared.clock.seconds(), self.shared.delivered());
            if delivered != seen {
                (seen, since) = (delivered, now);
            }
            let unanswered = self.shared.unanswered.load(Relaxed);
            let is_all = self.shared.pending() == 0 && unanswered == 0;
            let is_quiet = now - since > QUIET && unanswered == 0;
            if now > end || (is_quiet && now >= slow_end) {
                return Ok(());
            }
            self.look("drain", threads)?;
            if is_all && now >= slow_end {
                // One more look, in which a duplicate would come.
                return Ok(());
            }
        }
    }

    /// Sleeps a moment, then takes the seconds that are over and sees whether all are alive.
    fn look(
        &mut self,
        phase: &str,
        threads: &[JoinHandle<Result<Outcome, BenchError>>],
    ) -> Result<(), BenchError> {
        thread::sleep(LOOK);
        while let Ok(tick) = self.ticks.try_recv() {
            self.take(&tick)?;
        }
        if self.progress.is_interrupted() {
            return Err(BenchError::Interrupted);
        }
        if let Some(how) = (self.ended)() {
            return Err(BenchError::Server(how));
        }
        if threads.iter().any(JoinHandle::is_finished) {
            return Err(BenchError::Generator("a thread ended too early".to_owned()));
        }
        let last = self.seconds.last_key_value().map(|(_, second)| &second.tick);
        let (at, connected) = (self.shared.clock.seconds(), self.shared.connected());
        self.progress.show(at, phase, connected, last);
        Ok(())
    }

    /// Adds a thread's second to the others'.
    fn take(&mut self, tick: &Tick) -> Result<(), BenchError> {
        if !self.seconds.contains_key(&tick.second) {
            let moment = self.moment();
            let empty = Tick {
                second: tick.second,
                counts: super::tally::Counts::default(),
                latency: histogram()?,
                busy: 0.0,
            };
            let second = Second { tick: empty, connections: self.shared.connected(), moment };
            self.seconds.insert(tick.second, second);
        }
        if let Some(second) = self.seconds.get_mut(&tick.second) {
            second.tick.counts.add(&tick.counts);
            // The bounds are the same, so nothing can be out of them.
            let _ = second.tick.latency.add(&tick.latency);
            second.tick.busy = second.tick.busy.max(tick.busy);
        }
        Ok(())
    }
}
