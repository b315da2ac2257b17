//! One thread of the generator: its share of the connections and of the publishers, and one loop over both.

mod connecting;
mod opening;
mod publishing;
mod reading;
mod sending;

use super::checker::Checker;
use super::clock::thread_cpu;
use super::error::BenchError;
use super::link::Link;
use super::machine;
use super::num;
use super::plan::Plan;
use super::shared::{Phase, Shared, Tick};
use super::tally::{Counts, Tally, histogram};
use connecting::{Churn, Opening, Storming, Subscriber};
use hdrhistogram::Histogram;
use mio::{Events, Poll};
use publishing::{Feed, Publisher};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::Sender;
use std::time::Duration;

/// The buffer that all connections of a thread read into, bytes.
const BUFFER: usize = 256 << 10;
/// Events that are taken from the poll at once: in between the thread sends what is due, so few enough for that to be in
/// time while a burst of thousands comes in.
const EVENTS: usize = 128;
/// The longest sleep, microseconds: the other threads' orders are looked at in between.
const LONGEST_SLEEP: u64 = 10_000;
/// How often slow readers read, microseconds.
const SLOW_TICK: u64 = 50_000;

/// What a thread used in the measured part.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Effort {
    /// Seconds that the measured part took.
    pub(super) seconds: f64,
    /// Seconds that were spent working, which is what cannot be spent on more work.
    pub(super) busy: f64,
    /// Seconds of CPU, spinning included.
    pub(super) cpu: f64,
    /// Seconds for which the thread was ready and another one had its CPU.
    pub(super) waited: f64,
    /// What was counted.
    pub(super) counts: Counts,
    /// Reads.
    pub(super) reads: u64,
}

/// What a thread says at its end.
pub(super) struct Outcome {
    /// Its counts.
    pub(super) tally: Tally,
    /// What it used in the measured part.
    pub(super) effort: Effort,
    /// By storm: when the last of its connections was back, seconds after the storm; none if not all came back.
    pub(super) storms: Vec<StormEnd>,
    /// What connections heard: the channel, and whether it listened to the end.
    pub(super) heard: Vec<Heard>,
    /// Publishes that the server did not take: channel, publisher, sequence.
    pub(super) void: Vec<(usize, u16, u32)>,
    /// The CPU that it last ran on.
    pub(super) cpu: usize,
}

/// How a storm went for one thread.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StormEnd {
    /// Connections that broke off.
    pub(super) dropped: u64,
    /// Those that came back.
    pub(super) returned: u64,
    /// When the last one did, microseconds after the storm.
    pub(super) last: u64,
}

/// What one connection heard on one channel.
pub(super) struct Heard {
    /// The channel.
    pub(super) channel: usize,
    /// What came.
    pub(super) checker: Checker,
    /// Whether it had to hear everything to the end.
    pub(super) is_whole: bool,
}

/// A thread of the generator.
pub(super) struct Lane {
    /// Its number.
    number: usize,
    /// What is to be done.
    plan: Arc<Plan>,
    /// What the threads know of each other.
    shared: Arc<Shared>,
    /// Where seconds are reported.
    ticks: Sender<Tick>,
    /// What has happened on which socket.
    poll: Poll,
    /// Where everything is read into.
    buffer: Vec<u8>,
    /// The WebSocket key of this thread.
    key: String,
    /// Its subscribers.
    subscribers: Vec<Subscriber>,
    /// Its HTTP connections.
    publishers: Vec<Publisher>,
    /// What it publishes.
    feeds: Vec<Feed>,
    /// What leaves and comes back.
    churns: Vec<Churn>,
    /// What breaks off.
    storms: Vec<Storming>,
    /// Connections that are to be opened, in that order.
    openings: VecDeque<Opening>,
    /// Connections on their way up.
    in_flight: usize,
    /// Connections opened so far, for their source addresses.
    opened: usize,
    /// Heartbeats that are due: when, whose, and of which of its lives.
    beats: VecDeque<(u64, usize, u32)>,
    /// The pause between two heartbeats of a connection, microseconds; 0 until the server has said it.
    beat_pause: u64,
    /// Subscribers that read slowly.
    slow: Vec<usize>,
    /// When they read next.
    slow_at: u64,
    /// Deliveries by flow that the other threads do not know of yet.
    fresh: Vec<u64>,
    /// When a delivery last came.
    last_delivery: u64,
    /// What was counted.
    tally: Tally,
    /// When the measured part begins and ends.
    window: Option<(u64, u64)>,
    /// What had been used when it began.
    before: Option<Effort>,
    /// What was used in it.
    effort: Option<Effort>,
    /// Nanoseconds without work, since the thread began.
    idle: u64,
    /// The second that is being counted.
    second: Second,
    /// Publishes that the server did not take.
    void: Vec<(usize, u16, u32)>,
    /// What connections heard that have left.
    heard: Vec<Heard>,
}

/// The second that is being counted.
struct Second {
    /// Its number.
    number: u64,
    /// The counts at its beginning.
    counts: Counts,
    /// Latencies in it.
    latency: Histogram<u64>,
    /// Nanoseconds without work at its beginning.
    idle: u64,
}

impl Lane {
    /// A thread's share of a plan.
    ///
    /// # Errors
    /// [`BenchError::Io`] without a poll, [`BenchError::Generator`] without random numbers.
    pub(super) fn new(
        number: usize,
        plan: Arc<Plan>,
        shared: Arc<Shared>,
        ticks: Sender<Tick>,
    ) -> Result<Self, BenchError> {
        let mut key = [0; 16];
        getrandom::fill(&mut key)
            .map_err(|error| BenchError::Generator(format!("no random numbers: {error}")))?;
        let second =
            Second { number: 0, counts: Counts::default(), latency: histogram()?, idle: 0 };
        let mut lane = Self {
            number,
            ticks,
            poll: Poll::new()?,
            buffer: vec![0; BUFFER],
            key: base64::Engine::encode(&base64::engine::general_purpose::STANDARD, key),
            subscribers: Vec::new(),
            publishers: Vec::new(),
            feeds: Vec::new(),
            churns: Vec::new(),
            storms: plan.scenario.storms.iter().map(|storm| Storming::new(*storm)).collect(),
            openings: VecDeque::new(),
            in_flight: 0,
            opened: number,
            beats: VecDeque::new(),
            beat_pause: 0,
            slow: Vec::new(),
            slow_at: 0,
            fresh: vec![0; plan.flows.len()],
            last_delivery: 0,
            tally: Tally::new()?,
            window: None,
            before: None,
            effort: None,
            idle: 0,
            second,
            void: Vec::new(),
            heard: Vec::new(),
            plan,
            shared,
        };
        lane.seat_subscribers();
        lane.seat_publishers();
        Ok(lane)
    }

    /// Does everything, and says what came of it.
    ///
    /// # Errors
    /// [`BenchError::Io`] when the poll fails, [`BenchError::Generator`] when pinning does.
    pub(super) fn run(mut self) -> Result<Outcome, BenchError> {
        let cpus = &self.plan.scenario.generator.cpus;
        let own = cpus.get(self.number % cpus.len().max(1)).copied();
        machine::pin(own.as_slice())?;
        let mut events = Events::with_capacity(EVENTS);
        loop {
            let now = self.shared.clock.now();
            let phase = self.shared.phase();
            if phase == Phase::End {
                return Ok(self.finish());
            }
            if phase >= Phase::Run && self.window.is_none() {
                self.begin_load();
            }
            self.measure(now)?;
            self.open_due(now);
            self.beat(now);
            self.read_slowly(now, phase);
            if phase == Phase::Run {
                self.break_off(now);
                self.churn(now);
                self.publish();
            }
            self.wait(&mut events, phase)?;
            for event in &events {
                self.handle(event);
            }
            self.tell();
        }
    }

    /// Notes when the measured part begins and ends, now that it is known.
    fn begin_load(&mut self) {
        let start = self.shared.run_start();
        let (warmup, duration) = (self.plan.scenario.run.warmup_s, self.plan.scenario.duration());
        self.window = Some((start + num::micros(warmup), start + num::micros(warmup + duration)));
        self.last_delivery = start;
        self.second.idle = self.idle;
        self.second.counts = self.tally.total;
    }

    /// Whether something that was due then belongs to the measured part.
    fn is_measured(&self, due: u64) -> bool {
        self.window.is_some_and(|(from, to)| (from..to).contains(&due))
    }

    /// What was used until now.
    fn spent(&self) -> Effort {
        let now = self.shared.clock.nanos();
        Effort {
            seconds: num::float(now) / 1e9,
            busy: num::float(now.saturating_sub(self.idle)) / 1e9,
            cpu: num::float(thread_cpu()) / 1e9,
            waited: machine::thread_waited(),
            counts: self.tally.total,
            reads: self.tally.reads,
        }
    }

    /// Notes what was used at both ends of the measured part, and reports each second that is over.
    fn measure(&mut self, now: u64) -> Result<(), BenchError> {
        let Some((from, to)) = self.window else { return Ok(()) };
        if self.before.is_none() && now >= from {
            self.before = Some(self.spent());
        }
        if let (Some(before), None, true) = (self.before, self.effort, now >= to) {
            let after = self.spent();
            self.effort = Some(Effort {
                seconds: after.seconds - before.seconds,
                busy: after.busy - before.busy,
                cpu: after.cpu - before.cpu,
                waited: after.waited - before.waited,
                counts: after.counts.since(&before.counts),
                reads: after.reads - before.reads,
            });
        }
        let number = now.saturating_sub(self.shared.run_start()) / 1_000_000;
        if number > self.second.number {
            let latency = std::mem::replace(&mut self.second.latency, histogram()?);
            let length = num::float(number - self.second.number);
            let idle = num::float(self.idle - self.second.idle) / 1e9;
            let counts = self.tally.total.since(&self.second.counts);
            let busy = (length - idle).max(0.0) / length;
            // Nobody listens any more when the run was given up.
            let _ = self.ticks.send(Tick { second: self.second.number, counts, latency, busy });
            self.second.number = number;
            self.second.counts = self.tally.total;
            self.second.idle = self.idle;
        }
        Ok(())
    }

    /// Waits for something to happen or to be due, and notes how long there was nothing to do.
    fn wait(&mut self, events: &mut Events, phase: Phase) -> Result<(), BenchError> {
        let now = self.shared.clock.now();
        let pause = self.next_due(phase).saturating_sub(now).min(LONGEST_SLEEP);
        // The poll counts in milliseconds and is never early, so the last one before something is due is spun.
        let sleep = if self.plan.scenario.generator.spin { 0 } else { pause / 1000 };
        let before = self.shared.clock.nanos();
        match self.poll.poll(events, Some(Duration::from_millis(sleep))) {
            Err(error) if error.kind() != std::io::ErrorKind::Interrupted => {
                return Err(error.into());
            }
            _ => {}
        }
        if sleep > 0 || events.is_empty() {
            self.idle += self.shared.clock.nanos() - before;
        }
        Ok(())
    }

    /// When something is due next, microseconds; what is not known yet is far away.
    fn next_due(&self, phase: Phase) -> u64 {
        let slow = if self.slow.is_empty() { u64::MAX } else { self.slow_at };
        let beat = self.beats.front().map_or(u64::MAX, |(due, ..)| *due);
        let mut due = slow.min(beat).min(self.opening_due());
        if let Some((from, to)) = self.window {
            due = due.min(if self.before.is_none() { from } else { u64::MAX });
            due = due.min(if self.effort.is_none() { to } else { u64::MAX });
        }
        if phase == Phase::Run {
            due = due.min(self.publish_due()).min(self.churn_due()).min(self.storm_due());
        }
        due
    }

    /// Tells the other threads what was delivered here.
    fn tell(&mut self) {
        for (fresh, progress) in self.fresh.iter_mut().zip(&self.shared.progress) {
            if *fresh > 0 {
                progress.delivered.fetch_add(std::mem::take(fresh), Relaxed);
            }
        }
    }

    /// Closes everything and says what was counted.
    fn finish(mut self) -> Outcome {
        let mut heard = std::mem::take(&mut self.heard);
        self.tally.unsent = self.unsent();
        for publisher in &mut self.publishers {
            if let Some(sent) = publisher.take_sent() {
                self.tally.trouble("a publish was not answered");
                self.void.push(sent);
            }
        }
        for slot in 0..self.subscribers.len() {
            self.last_words(slot);
        }
        for subscriber in &mut self.subscribers {
            let is_whole = !subscriber.is_slow;
            heard.extend(subscriber.heard(is_whole));
        }
        heard.append(&mut self.heard);
        Outcome {
            effort: self.effort.unwrap_or_default(),
            storms: self.storms.iter().map(|storm| storm.end).collect(),
            heard,
            void: self.void,
            cpu: rustix::thread::sched_getcpu(),
            tally: self.tally,
        }
    }

    /// A link of the thread, for what both kinds of connections have.
    fn link(&mut self, seat: Seat) -> Option<&mut Link> {
        match seat {
            Seat::Subscriber(slot) => self.subscribers.get_mut(slot).map(|it| &mut it.link),
            Seat::Publisher(slot) => self.publishers.get_mut(slot).map(|it| &mut it.link),
        }
    }
}

/// Whose connection it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seat {
    /// A subscriber's, by its place in the thread.
    Subscriber(usize),
    /// A publisher's, likewise.
    Publisher(usize),
}

impl Seat {
    /// As the poll knows it.
    const fn token(self) -> mio::Token {
        match self {
            Self::Subscriber(slot) => mio::Token(slot * 2),
            Self::Publisher(slot) => mio::Token(slot * 2 + 1),
        }
    }

    /// What the poll means.
    const fn of(token: mio::Token) -> Self {
        if token.0.is_multiple_of(2) {
            Self::Subscriber(token.0 / 2)
        } else {
            Self::Publisher(token.0 / 2)
        }
    }
}
