//! One publish: its mark, its request or frame, and its answer.

use super::super::http;
use super::super::link::Fill;
use super::super::mark::Mark;
use super::super::num;
use super::super::scenario::Kind;
use super::Lane;
use super::connecting::Stage;
use super::publishing::{Sent, note_lateness};
use std::io::Write as _;
use std::mem;
use std::sync::atomic::Ordering::Relaxed;

/// Bytes that may wait on a publisher's socket before it counts as busy.
const BACKLOG: usize = 256 << 10;

impl Lane {
    /// Publishes the next one of a feed, if somebody is free.
    pub(super) fn send(&mut self, at: usize, due: u64, now: u64) -> bool {
        let plan = self.plan.clone();
        let Some(feed) = self.feeds.get(at) else { return false };
        let Some(asked) = plan.flows.get(feed.flow) else { return false };
        let sizes = num::count(asked.sizes.len()).max(1);
        let size = asked.sizes.get(num::index(feed.next % sizes)).copied().unwrap_or(0);
        let channels = num::count(asked.heads.len()).max(1);
        let channel = num::index(feed.next % channels);
        let is_sent = if asked.flow.kind == Kind::Socket {
            self.send_frame(at, due, now, size)
        } else {
            self.send_request(at, due, now, channel, size)
        };
        if let Some(feed) = self.feeds.get_mut(at) {
            feed.is_blocked = !is_sent;
            feed.next += if is_sent { feed.step } else { 0 };
        }
        is_sent
    }

    /// Notes that a publish leaves.
    fn note_sent(&mut self, flow: usize, channel: usize, due: u64, now: u64, free_at: u64) {
        let listeners = self.shared.listeners(channel);
        self.tally.total.published += 1;
        self.tally.expected += listeners;
        if let Some(progress) = self.shared.progress.get(flow) {
            progress.expected.fetch_add(listeners, Relaxed);
        }
        if self.is_measured(now) {
            let bound = self.plan.scenario.generator.max_late_ms;
            note_lateness(&mut self.tally, now.saturating_sub(due.max(free_at)), bound);
        }
    }

    /// Publishes over HTTP, to a channel of the group.
    fn send_request(&mut self, at: usize, due: u64, now: u64, channel: usize, size: usize) -> bool {
        let plan = self.plan.clone();
        let Some(feed) = self.feeds.get_mut(at) else { return false };
        let flow = feed.flow;
        let Some(asked) = plan.flows.get(flow) else { return false };
        let Some(slot) = feed.free.pop_front() else { return false };
        let Some(publisher) = self.publishers.get_mut(slot) else { return false };
        let head = asked.heads.get(channel).map_or(&[][..], Vec::as_slice);
        let channel = plan.firsts.get(asked.group).map_or(0, |it| it.channel) + channel;
        let sequence = self.shared.next_sequence(channel, usize::from(publisher.number));
        let (before, behind) = plan.target.wrapping(asked.flow.kind);
        let length = before.len() + size + behind.len();
        let out = publisher.link.out();
        out.extend_from_slice(head);
        // Writing to memory does not fail.
        let _ = write!(out, "{length}\r\n\r\n");
        out.extend_from_slice(before);
        Mark { due, publisher: publisher.number, sequence }.write(size, out);
        out.extend_from_slice(behind);
        publisher.link.flush();
        publisher.sent = Some(Sent { due, channel, sequence });
        let free_at = publisher.free_at;
        self.shared.unanswered.fetch_add(1, Relaxed);
        self.note_sent(flow, channel, due, now, free_at);
        true
    }

    /// Publishes over the socket of the next subscriber that may, to its own channel.
    fn send_frame(&mut self, at: usize, due: u64, now: u64, size: usize) -> bool {
        let plan = self.plan.clone();
        let Some(feed) = self.feeds.get_mut(at) else { return false };
        let flow = feed.flow;
        let mut chosen = None;
        for _ in 0..feed.free.len() {
            let slot = feed.free.front().copied().unwrap_or(0);
            feed.free.rotate_left(1);
            let is_free = self
                .subscribers
                .get(slot)
                .is_some_and(|it| it.stage == Stage::Ready && it.link.backlog() < BACKLOG);
            if is_free {
                chosen = Some(slot);
                break;
            }
        }
        let Some(slot) = chosen else { return false };
        if mem::take(&mut feed.is_blocked) {
            feed.free_at = now;
        }
        let (free_at, numbers) = (feed.free_at, &feed.numbers);
        let number = numbers.iter().find(|(own, _)| *own == slot).map_or(0, |(_, number)| *number);
        let Some(subscriber) = self.subscribers.get_mut(slot) else { return false };
        let channel = subscriber.first_channel();
        let name = plan.channels.get(channel).map_or("", String::as_str);
        let sequence = self.shared.next_sequence(channel, usize::from(number));
        let mut payload = Vec::with_capacity(size);
        Mark { due, publisher: number, sequence }.write(size, &mut payload);
        plan.target.message_frame(name, &payload, subscriber.link.out());
        subscriber.link.flush();
        self.note_sent(flow, channel, due, now, free_at);
        true
    }

    /// Reads what has come to a publisher.
    pub(super) fn read_answers(&mut self, slot: usize) {
        loop {
            let Some(publisher) = self.publishers.get_mut(slot) else { return };
            match publisher.link.fill(&mut self.buffer, usize::MAX) {
                Fill::Nothing => return,
                Fill::Ended(why) => return self.lose_publisher(slot, &why),
                Fill::Bytes(length, is_all) => {
                    let buffer = mem::take(&mut self.buffer);
                    self.take_answers(slot, buffer.get(..length).unwrap_or_default());
                    self.buffer = buffer;
                    if is_all {
                        return;
                    }
                }
            }
        }
    }

    /// Takes whole answers, and keeps the rest.
    fn take_answers(&mut self, slot: usize, mut bytes: &[u8]) {
        while let Some(answer) = http::answer(bytes) {
            bytes = bytes.get(answer.length..).unwrap_or_default();
            self.answered(slot, answer.status);
        }
        if let (false, Some(publisher)) = (bytes.is_empty(), self.publishers.get_mut(slot)) {
            publisher.link.keep(bytes);
        }
    }

    /// A publish was answered.
    fn answered(&mut self, slot: usize, status: u16) {
        let now = self.shared.clock.now();
        let Some(publisher) = self.publishers.get_mut(slot) else { return };
        let Some(sent) = publisher.sent.take() else { return };
        publisher.free_at = now;
        let number = publisher.number;
        if let Some(feed) = self.feeds.get_mut(publisher.feed) {
            feed.free.push_back(slot);
            feed.is_blocked = false;
        }
        self.shared.unanswered.fetch_sub(1, Relaxed);
        if (200..300).contains(&status) {
            self.tally.total.acked += 1;
            if self.is_measured(sent.due) {
                self.tally.ack.saturating_record(now.saturating_sub(sent.due));
            }
        } else {
            let what = format!("a publish was answered {status}");
            self.shared.trouble(&what);
            self.tally.trouble(&what);
            self.void.push((sent.channel, number, sent.sequence));
        }
    }
}
