//! What goes out: when it is due, or when there is room for it.

use super::super::link::Link;
use super::super::num;
use super::super::scenario::Kind;
use super::super::tally::Tally;
use super::Lane;
use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;

/// Publishes that leave before the thread looks at what has come.
const BURST: usize = 64;
/// How long nothing may come before what is missing is given up, microseconds.
const STALL: u64 = 1_000_000;
/// How long a connection must have been idle for its end to be nothing remarkable: servers do not keep them for ever.
const IDLE: u64 = 1_000_000;

/// One HTTP connection.
#[derive(Debug)]
pub(super) struct Publisher {
    /// Its connection.
    pub(super) link: Link,
    /// Its flow, by its place in the thread.
    pub(super) feed: usize,
    /// Its number.
    pub(super) number: u16,
    /// Whether its connection is up.
    pub(super) is_up: bool,
    /// What it waits for.
    pub(super) sent: Option<Sent>,
    /// When it was free.
    pub(super) free_at: u64,
}

/// A publish that is not answered yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    /// When it was due.
    pub(super) due: u64,
    /// Its channel.
    pub(super) channel: usize,
    /// Its place among its publisher's.
    pub(super) sequence: u32,
}

impl Publisher {
    /// What was sent and not answered: channel, publisher, sequence.
    pub(super) fn take_sent(&mut self) -> Option<(usize, u16, u32)> {
        self.sent.take().map(|sent| (sent.channel, self.number, sent.sequence))
    }
}

/// A flow, as far as this thread publishes it.
pub(super) struct Feed {
    /// The flow.
    pub(super) flow: usize,
    /// The next publish's number, among those of all threads.
    pub(super) next: u64,
    /// From one of this thread's publishes to its next.
    pub(super) step: u64,
    /// HTTP connections, or subscribers, that may publish; who was free first comes first.
    pub(super) free: VecDeque<usize>,
    /// When somebody was free again after nobody was.
    pub(super) free_at: u64,
    /// Whether nobody was when it was last tried.
    pub(super) is_blocked: bool,
    /// The number of the publisher of each subscriber that publishes.
    pub(super) numbers: Vec<(usize, u16)>,
}

impl Lane {
    /// Gives this thread its share of the publishers.
    pub(super) fn seat_publishers(&mut self) {
        let plan = self.plan.clone();
        for (flow, asked) in plan.flows.iter().enumerate() {
            let lanes = plan.lanes_of(asked);
            let Some(place) = lanes.iter().position(|lane| *lane == self.number) else { continue };
            let mut feed = Feed {
                flow,
                next: num::count(place),
                step: num::count(lanes.len()),
                free: VecDeque::new(),
                free_at: 0,
                is_blocked: false,
                numbers: Vec::new(),
            };
            for publisher in 0..asked.flow.publishers {
                if plan.lane_of(plan.seat(asked, publisher)) != self.number {
                    continue;
                }
                let number = u16::try_from(asked.first_publisher + publisher).unwrap_or(u16::MAX);
                if asked.flow.kind == Kind::Socket {
                    let slot = self.slot_of(plan.seat(asked, publisher));
                    feed.free.push_back(slot);
                    feed.numbers.push((slot, number));
                } else {
                    let (link, feed) = (Link::default(), self.feeds.len());
                    let free =
                        Publisher { link, feed, number, is_up: false, sent: None, free_at: 0 };
                    self.publishers.push(free);
                    self.open_publisher(self.publishers.len() - 1);
                }
            }
            self.feeds.push(feed);
        }
    }

    /// The place in this thread of the connection of a number.
    fn slot_of(&self, connection: usize) -> usize {
        let lanes = self.plan.scenario.generator.threads;
        connection / lanes
    }

    /// A publisher's TCP connection is there.
    pub(super) fn publisher_up(&mut self, slot: usize) {
        let now = self.shared.clock.now();
        let Some(publisher) = self.publishers.get_mut(slot) else { return };
        if !publisher.is_up {
            publisher.is_up = true;
            publisher.free_at = now;
            if let Some(feed) = self.feeds.get_mut(publisher.feed) {
                feed.free.push_back(slot);
            }
        }
    }

    /// A publisher's connection ended; another one takes its place, while there is hope.
    pub(super) fn lose_publisher(&mut self, slot: usize, why: &str) {
        let now = self.shared.clock.now();
        let Some(publisher) = self.publishers.get_mut(slot) else { return };
        if !publisher.link.is_open() {
            return self.shared.trouble(&format!("a publisher cannot connect: {why}"));
        }
        publisher.link.close();
        let was_idle = publisher.is_up
            && publisher.sent.is_none()
            && now.saturating_sub(publisher.free_at) >= IDLE;
        publisher.is_up = false;
        if let Some(feed) = self.feeds.get_mut(publisher.feed) {
            feed.free.retain(|free| *free != slot);
        }
        if was_idle {
            return self.open_publisher(slot);
        }
        let what = format!("a publisher's connection ended: {why}");
        if let Some(sent) = publisher.take_sent() {
            self.void.push(sent);
            self.shared.unanswered.fetch_sub(1, Relaxed);
        }
        self.shared.trouble(&what);
        self.tally.trouble(&what);
        // A server that is gone would be asked for ever, and as fast as it can be asked.
        if self.tally.total.errors < 1000 {
            self.open_publisher(slot);
        }
    }

    /// Publishes what is due, and what there is room for.
    pub(super) fn publish(&mut self) {
        for at in 0..self.feeds.len() {
            for _ in 0..BURST {
                let now = self.shared.clock.now();
                let Some(due) = self.due(at, now) else { break };
                if !self.send(at, due, now) {
                    break;
                }
            }
        }
    }

    /// When the next publish of a feed was due, if it may leave now.
    fn due(&mut self, at: usize, now: u64) -> Option<u64> {
        let (_, end) = self.window?;
        let feed = self.feeds.get(at)?;
        let (flow, asked) = (feed.flow, self.plan.flows.get(feed.flow)?);
        if let Some(schedule) = &asked.schedule {
            let due = self.shared.run_start() + schedule.due(feed.next)?;
            return (due <= now).then_some(due);
        }
        let is_on = now < end && now >= self.shared.run_start();
        let window = asked.flow.window.unwrap_or(0);
        let has_room = is_on && self.has_room(flow, window, now);
        has_room.then_some(now)
    }

    /// Whether one more publish may be on its way.
    fn has_room(&mut self, flow: usize, window: u64, now: u64) -> bool {
        let Some(progress) = self.shared.progress.get(flow).filter(|_| window > 0) else {
            return true;
        };
        let asked =
            self.plan.flows.get(flow).and_then(|it| self.plan.scenario.groups.get(it.group));
        let each = num::count(asked.map_or(1, |group| group.subscribers));
        let pending = progress.pending();
        if pending <= (window - 1) * each {
            return true;
        }
        if now.saturating_sub(self.last_delivery) < STALL {
            return false;
        }
        progress.given_up.fetch_add(pending, Relaxed);
        self.last_delivery = now;
        self.tally.stalls += 1;
        true
    }

    /// Publishes that were due and never left, because nobody was free to send them.
    pub(super) fn unsent(&self) -> u64 {
        let left = |feed: &Feed| {
            let schedule = self.plan.flows.get(feed.flow)?.schedule.as_ref()?;
            Some(schedule.total().saturating_sub(feed.next).div_ceil(feed.step.max(1)))
        };
        self.feeds.iter().filter_map(left).sum()
    }

    /// When a feed has something to do next that no event tells.
    pub(super) fn publish_due(&self) -> u64 {
        let start = self.shared.run_start();
        let due = |feed: &Feed| {
            let asked = self.plan.flows.get(feed.flow)?;
            if feed.is_blocked {
                return None;
            }
            match &asked.schedule {
                Some(schedule) => schedule.due(feed.next).map(|due| start + due),
                // The other threads' deliveries wake nobody here.
                None if self.plan.scenario.generator.threads > 1 => Some(0),
                None => None,
            }
        };
        // Nobody was free: the answer that frees somebody is an event.
        self.feeds.iter().filter_map(due).min().unwrap_or(u64::MAX)
    }
}

/// Notes how late a publish left though somebody could have sent it.
pub(super) fn note_lateness(tally: &mut Tally, late: u64, bound_ms: f64) {
    tally.late.saturating_record(late);
    if num::float(late) > bound_ms * 1000.0 {
        tally.too_late += 1;
    }
}
