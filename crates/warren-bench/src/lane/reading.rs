//! What comes in: deliveries, which are many, and all else.

use super::super::checker::Verdict;
use super::super::frame::{self, Frame};
use super::super::link::Fill;
use super::super::mark::Mark;
use super::Lane;
use super::connecting::Stage;
use std::mem;

impl Lane {
    /// Reads what has come to a subscriber, at most so many bytes.
    pub(super) fn read_most(&mut self, slot: usize, most: usize) {
        loop {
            let Some(subscriber) = self.subscribers.get_mut(slot) else { return };
            match subscriber.link.fill(&mut self.buffer, most) {
                Fill::Nothing => return,
                Fill::Ended(why) => return self.lose(slot, &why),
                Fill::Bytes(length, is_all) => {
                    self.tally.reads += 1;
                    let buffer = mem::take(&mut self.buffer);
                    self.take_in(slot, buffer.get(..length).unwrap_or_default());
                    self.buffer = buffer;
                    // A short read empties the socket; what comes later is a new event.
                    if is_all || most != usize::MAX {
                        return;
                    }
                }
            }
        }
    }

    /// Takes all that is whole, and keeps the rest.
    fn take_in(&mut self, slot: usize, mut bytes: &[u8]) {
        let now = self.shared.clock.now();
        let Some(subscriber) = self.subscribers.get(slot) else { return };
        let life = subscriber.life;
        if subscriber.stage == Stage::Upgrading {
            match self.upgraded(slot, bytes) {
                Some(used) => bytes = bytes.get(used..).unwrap_or_default(),
                None => return self.keep(slot, bytes, life),
            }
        }
        while let Some(Frame { opcode, payload, length }) = frame::parse(bytes) {
            bytes = bytes.get(length..).unwrap_or_default();
            match opcode {
                frame::CLOSE => {
                    return self.lose(slot, &format!("closed {}", frame::close_code(payload)));
                }
                frame::PING => self.pong(slot, payload),
                frame::PONG => {}
                _ => self.take_payload(slot, payload, now),
            }
        }
        self.keep(slot, bytes, life);
    }

    /// Keeps what is not whole yet, if the connection is still the same.
    fn keep(&mut self, slot: usize, bytes: &[u8], life: u32) {
        let Some(subscriber) = self.subscribers.get_mut(slot) else { return };
        if !bytes.is_empty() && subscriber.life == life && subscriber.link.is_open() {
            subscriber.link.keep(bytes);
        }
    }

    /// Answers a ping.
    fn pong(&mut self, slot: usize, payload: &[u8]) {
        if let Some(subscriber) = self.subscribers.get_mut(slot) {
            frame::write(frame::PONG, payload, subscriber.link.out());
            subscriber.link.flush();
        }
    }

    /// Takes a data frame: a delivery if it has a mark and the subscriber listens to that channel.
    fn take_payload(&mut self, slot: usize, payload: &[u8], now: u64) {
        let Some(subscriber) = self.subscribers.get_mut(slot) else { return };
        let is_slow = subscriber.is_slow;
        let first = self.plan.firsts.get(subscriber.group).map_or(0, |first| first.channel);
        // Before the subscription a channel's state may hold a mark, which is no delivery.
        let ear = subscriber.ear(first, payload).filter(|ear| ear.is_open);
        let delivery = ear.and_then(|ear| Some((Mark::find(payload)?, ear)));
        let Some((mark, ear)) = delivery else { return self.converse(slot, payload) };
        self.tally.bytes += u64::try_from(payload.len()).unwrap_or(0);
        match ear.checker.take(mark.publisher, mark.sequence) {
            Verdict::Fine => {}
            Verdict::Late => self.tally.reordered += 1,
            Verdict::Twice => {
                self.tally.duplicated += 1;
                return;
            }
        }
        if is_slow {
            self.tally.slow_delivered += 1;
            return;
        }
        self.tally.total.delivered += 1;
        self.last_delivery = now;
        let latency = now.saturating_sub(mark.due);
        self.second.latency.saturating_record(latency);
        if self.is_measured(mark.due) {
            self.tally.delivery.saturating_record(latency);
        }
        let flow = self.plan.flow_of.get(usize::from(mark.publisher));
        if let Some(fresh) = flow.and_then(|flow| self.fresh.get_mut(*flow)) {
            *fresh += 1;
        }
    }

    /// Reads what is still there of a slow reader, so that it is known whether the server gave up on it.
    pub(super) fn last_words(&mut self, slot: usize) {
        let is_slow = self.subscribers.get(slot).is_some_and(|it| it.is_slow);
        if is_slow {
            self.read_most(slot, usize::MAX);
        }
    }
}
