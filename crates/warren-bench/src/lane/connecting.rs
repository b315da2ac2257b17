//! Subscribers: how they come, beat, leave and come back.

use super::super::checker::Checker;
use super::super::frame;
use super::super::leap;
use super::super::link::Link;
use super::super::num;
use super::super::scenario::Storm;
use super::super::schedule::Schedule;
use super::super::shared::Phase;
use super::{Heard, Lane, SLOW_TICK, StormEnd};
use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;

/// How far a subscriber is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It has no connection.
    Away,
    /// TCP is on its way.
    Connecting,
    /// The request for the upgrade is sent.
    Upgrading,
    /// From HELLO to the subscription.
    Greeting,
    /// It is subscribed.
    Ready,
}

/// One channel that a subscriber listens to.
#[derive(Debug)]
pub(super) struct Ear {
    /// The channel.
    pub(super) channel: usize,
    /// Whether it is subscribed.
    pub(super) is_open: bool,
    /// What it heard there.
    pub(super) checker: Checker,
}

/// One subscriber.
#[derive(Debug)]
pub(super) struct Subscriber {
    /// Its connection.
    pub(super) link: Link,
    /// How far it is.
    pub(super) stage: Stage,
    /// Its group.
    pub(super) group: usize,
    /// Its channels; it publishes to the first.
    pub(super) ears: Vec<Ear>,
    /// Whether it reads slowly.
    pub(super) is_slow: bool,
    /// When it was to be connected, microseconds.
    pub(super) due: u64,
    /// How many connections it has had.
    pub(super) life: u32,
    /// The storm that it comes back from.
    pub(super) storm: Option<usize>,
}

impl Subscriber {
    /// The channel that it publishes to.
    pub(super) fn first_channel(&self) -> usize {
        self.ears.first().map_or(0, |ear| ear.channel)
    }

    /// The ear that a dispatch is for; `first` is the number of its group's first channel.
    pub(super) fn ear(&mut self, first: usize, payload: &[u8]) -> Option<&mut Ear> {
        if self.ears.len() == 1 {
            return self.ears.first_mut();
        }
        let channel = first + leap::channel_number(payload)?;
        self.ears.iter_mut().find(|ear| ear.channel == channel)
    }

    /// What it heard on each channel that it listens to, and listens to no longer.
    pub(super) fn heard(&mut self, is_whole: bool) -> impl Iterator<Item = Heard> {
        let open = self.ears.iter_mut().filter(|ear| ear.is_open);
        open.map(move |ear| {
            ear.is_open = false;
            Heard { channel: ear.channel, checker: std::mem::take(&mut ear.checker), is_whole }
        })
    }
}

/// A connection that is to be opened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening {
    /// When; none for as soon as there is room.
    due: Option<u64>,
    /// Whose.
    slot: usize,
}

/// Subscribers of a group that leave and come back as new ones.
pub(super) struct Churn {
    /// When.
    schedule: Schedule,
    /// The next time's number, among those of all threads.
    next: u64,
    /// From one of this thread's times to its next.
    step: u64,
    /// Who leaves next, oldest first.
    slots: VecDeque<usize>,
}

/// A storm, as one thread sees it.
pub(super) struct Storming {
    /// What was asked for.
    storm: Storm,
    /// Whether it is over.
    is_over: bool,
    /// When it was.
    at: u64,
    /// How it went.
    pub(super) end: StormEnd,
}

impl Storming {
    /// One that is to come.
    pub(super) fn new(storm: Storm) -> Self {
        Self { storm, is_over: false, at: 0, end: StormEnd::default() }
    }
}

impl Lane {
    /// Gives this thread its share of the subscribers.
    pub(super) fn seat_subscribers(&mut self) {
        let plan = self.plan.clone();
        let lanes = plan.scenario.generator.threads;
        let ear = |channel| Ear { channel, is_open: false, checker: Checker::default() };
        for (group, (asked, first)) in plan.scenario.groups.iter().zip(&plan.firsts).enumerate() {
            let mut slots = VecDeque::new();
            for number in 0..asked.connections() {
                let place = first.connection + number;
                if plan.lane_of(place) != self.number {
                    continue;
                }
                let slot = self.subscribers.len();
                let channels = asked.channels_of(number).map(|channel| first.channel + channel);
                slots.push_back(slot);
                self.subscribers.push(Subscriber {
                    link: Link::default(),
                    stage: Stage::Away,
                    group,
                    ears: channels.map(ear).collect(),
                    is_slow: plan.is_slow(group),
                    due: 0,
                    life: 0,
                    storm: None,
                });
                self.openings
                    .push_back(Opening { due: self.rated(self.shared.begin, place), slot });
            }
            if asked.churn_per_s > 0.0 && !slots.is_empty() {
                let length = plan.scenario.run.warmup_s + plan.scenario.duration();
                let schedule = Schedule::steady(0.0, length, asked.churn_per_s);
                let (next, step) = (num::count(self.number), num::count(lanes));
                self.churns.push(Churn { schedule, next, step, slots: slots.clone() });
            }
            if plan.is_slow(group) {
                self.slow.extend(slots);
            }
        }
    }

    /// When the connection of a number is due, if connecting has a rate.
    fn rated(&self, from: u64, number: usize) -> Option<u64> {
        let rate = self.plan.scenario.connect.rate;
        (rate > 0.0).then(|| from + num::micros(num::float(num::count(number)) / rate))
    }

    /// Opens what is due, as far as there is room.
    pub(super) fn open_due(&mut self, now: u64) {
        let lanes = self.plan.scenario.generator.threads;
        let room = (self.plan.scenario.connect.at_once / lanes).max(1);
        while let Some(Opening { due, slot }) = self.openings.front().copied() {
            let is_due = due.is_none_or(|due| due <= now);
            if !is_due || self.in_flight >= room {
                break;
            }
            self.openings.pop_front();
            self.open(slot, due.unwrap_or(now));
        }
    }

    /// When the next connection is due; what waits for room waits for an event.
    pub(super) fn opening_due(&self) -> u64 {
        self.openings.front().and_then(|it| it.due).unwrap_or(u64::MAX)
    }

    /// A subscriber has one of its channels.
    pub(super) fn available(&mut self, slot: usize, channel: usize) {
        let Some(subscriber) = self.subscribers.get_mut(slot) else { return };
        let is_it = |ear: &&mut Ear| ear.channel == channel && !ear.is_open;
        let Some(ear) = subscriber.ears.iter_mut().find(is_it) else { return };
        let sequences = self.shared.sequences(channel);
        ear.is_open = true;
        ear.checker = Checker::begin(sequences.iter().map(|it| it.load(Relaxed)));
        if let (false, Some(it)) = (subscriber.is_slow, self.shared.audience.get(channel)) {
            it.fetch_add(1, Relaxed);
        }
        if subscriber.ears.iter().all(|ear| ear.is_open) {
            self.ready(slot);
        }
    }

    /// A subscriber has all its channels.
    fn ready(&mut self, slot: usize) {
        let now = self.shared.clock.now();
        let Some(subscriber) = self.subscribers.get_mut(slot) else { return };
        subscriber.stage = Stage::Ready;
        self.in_flight = self.in_flight.saturating_sub(1);
        let histogram =
            if self.window.is_some() { &mut self.tally.reconnect } else { &mut self.tally.connect };
        histogram.saturating_record(now.saturating_sub(subscriber.due));
        self.tally.total.connected += 1;
        self.shared.ready.fetch_add(1, Relaxed);
        if self.beat_pause > 0 {
            self.beats.push_back((now + self.beat_pause, slot, subscriber.life));
        }
        let storm = subscriber.storm.take().and_then(|number| self.storms.get_mut(number));
        if let Some(storm) = storm {
            storm.end.returned += 1;
            storm.end.last = storm.end.last.max(now.saturating_sub(storm.at));
        }
    }

    /// A subscriber's connection ended, by its own wish or not.
    pub(super) fn gone(&mut self, slot: usize) {
        let Some(subscriber) = self.subscribers.get_mut(slot) else { return };
        subscriber.link.close();
        let was = std::mem::replace(&mut subscriber.stage, Stage::Away);
        let is_slow = subscriber.is_slow;
        for heard in subscriber.heard(false) {
            let audience = self.shared.audience.get(heard.channel);
            if let (false, Some(audience)) = (is_slow, audience) {
                audience.fetch_sub(1, Relaxed);
            }
            self.heard.push(heard);
        }
        match was {
            Stage::Away => {}
            Stage::Ready => {
                self.shared.ready.fetch_sub(1, Relaxed);
            }
            _ => self.in_flight = self.in_flight.saturating_sub(1),
        }
    }

    /// A subscriber's connection ended unasked.
    pub(super) fn lose(&mut self, slot: usize, why: &str) {
        let Some(subscriber) = self.subscribers.get(slot) else { return };
        let (stage, is_slow) = (subscriber.stage, subscriber.is_slow);
        if stage == Stage::Away {
            return;
        }
        self.gone(slot);
        if is_slow && stage == Stage::Ready {
            self.tally.slow_closed += 1;
            return;
        }
        let what = if stage == Stage::Ready { "connection lost" } else { "not connected" };
        let what = format!("{what}: {why}");
        self.shared.failed.fetch_add(1, Relaxed);
        self.shared.trouble(&what);
        self.tally.trouble(&what);
    }

    /// A subscriber leaves, as clients do.
    fn leave(&mut self, slot: usize) {
        if let Some(subscriber) = self.subscribers.get_mut(slot) {
            frame::write(frame::CLOSE, &1000_u16.to_be_bytes(), subscriber.link.out());
            subscriber.link.flush();
        }
        self.tally.left += 1;
        self.gone(slot);
    }

    /// Lets leave and come back who is due to.
    pub(super) fn churn(&mut self, now: u64) {
        let start = self.shared.run_start();
        for at in 0..self.churns.len() {
            while let Some(churn) = self.churns.get_mut(at) {
                let Some(due) = churn.schedule.due(churn.next).map(|due| start + due) else {
                    break;
                };
                let is_ready = |slot: usize| {
                    self.subscribers.get(slot).is_some_and(|it| it.stage == Stage::Ready)
                };
                // Who is still coming cannot leave; the time that was due stays due.
                let Some(slot) = churn.slots.front().copied().filter(|slot| is_ready(*slot)) else {
                    break;
                };
                if due > now {
                    break;
                }
                churn.next += churn.step;
                churn.slots.rotate_left(1);
                self.leave(slot);
                self.open(slot, due);
            }
        }
    }

    /// When somebody leaves next.
    pub(super) fn churn_due(&self) -> u64 {
        let start = self.shared.run_start();
        let due = self.churns.iter().filter_map(|it| it.schedule.due(it.next));
        due.min().map_or(u64::MAX, |due| start + due)
    }

    /// Breaks connections off, when it is time, and lets them come back.
    pub(super) fn break_off(&mut self, now: u64) {
        let Some((from, _)) = self.window else { return };
        for number in 0..self.storms.len() {
            let Some(storming) = self.storms.get_mut(number) else { return };
            if storming.is_over || now < from + num::micros(storming.storm.at_s) {
                continue;
            }
            storming.is_over = true;
            storming.at = now;
            let share = storming.storm.share;
            let (mut chosen, mut credit) = (Vec::new(), 0.0);
            for (slot, subscriber) in self.subscribers.iter_mut().enumerate() {
                credit += share;
                if subscriber.stage == Stage::Ready && !subscriber.is_slow && credit >= 1.0 {
                    subscriber.storm = Some(number);
                    chosen.push(slot);
                }
                credit = if credit >= 1.0 { credit - 1.0 } else { credit };
            }
            storming.end.dropped = num::count(chosen.len());
            let lanes = self.plan.scenario.generator.threads;
            for (place, slot) in chosen.into_iter().enumerate() {
                self.leave(slot);
                self.openings.push_back(Opening { due: self.rated(now, place * lanes), slot });
            }
        }
    }

    /// When the next storm is.
    pub(super) fn storm_due(&self) -> u64 {
        let Some((from, _)) = self.window else { return u64::MAX };
        let next = self.storms.iter().filter(|it| !it.is_over);
        next.map(|it| from + num::micros(it.storm.at_s)).min().unwrap_or(u64::MAX)
    }

    /// Sends the heartbeats that are due.
    pub(super) fn beat(&mut self, now: u64) {
        while let Some((due, slot, life)) = self.beats.front().copied() {
            if due > now {
                break;
            }
            self.beats.pop_front();
            let Some(subscriber) = self.subscribers.get_mut(slot) else { continue };
            if subscriber.life == life && subscriber.stage == Stage::Ready {
                frame::write(frame::TEXT, leap::HEARTBEAT, subscriber.link.out());
                subscriber.link.flush();
                self.beats.push_back((due + self.beat_pause, slot, life));
            }
        }
    }

    /// Lets slow readers read their share, when it is time; and everything at the end, because a server's close stands
    /// behind all that it had sent before.
    pub(super) fn read_slowly(&mut self, now: u64, phase: Phase) {
        if self.slow.is_empty() || now < self.slow_at {
            return;
        }
        self.slow_at = now + SLOW_TICK;
        for at in 0..self.slow.len() {
            let Some(slot) = self.slow.get(at).copied() else { break };
            let Some(subscriber) = self.subscribers.get(slot) else { continue };
            let group = self.plan.scenario.groups.get(subscriber.group);
            let rate = group.and_then(|it| it.read_bytes_per_s).unwrap_or(0);
            let share = num::index(rate.saturating_mul(SLOW_TICK) / 1_000_000);
            let share = if phase == Phase::Drain { usize::MAX } else { share };
            if subscriber.stage == Stage::Ready && share > 0 {
                self.read_most(slot, share);
            }
        }
    }
}
