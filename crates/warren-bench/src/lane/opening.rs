//! Connections from the first packet to the subscription, of both kinds.

use super::super::frame;
use super::super::leap::{self, Said};
use super::super::scenario::{Group, Identity};
use super::super::shared::Phase;
use super::super::target::Dialect;
use super::connecting::Stage;
use super::{Lane, Seat};
use mio::event::Event;
use std::net::IpAddr;

impl Lane {
    /// The address that the next connection comes from.
    fn source(&mut self) -> Option<IpAddr> {
        let sources = &self.plan.sources;
        let source = sources.get(self.opened % sources.len().max(1)).copied();
        self.opened += 1;
        source
    }

    /// Opens a subscriber's connection, which was due then.
    pub(super) fn open(&mut self, slot: usize, due: u64) {
        let (source, address) = (self.source(), self.plan.target.address);
        let Some(subscriber) = self.subscribers.get_mut(slot) else { return };
        subscriber.due = due;
        subscriber.life = subscriber.life.wrapping_add(1);
        subscriber.stage = Stage::Connecting;
        self.in_flight += 1;
        let group = self.plan.scenario.groups.get(subscriber.group);
        let buffer = group.and_then(|it| it.receive_buffer);
        let token = Seat::Subscriber(slot).token();
        let opened = subscriber.link.open(self.poll.registry(), token, address, source, buffer);
        if let Err(error) = opened {
            self.lose(slot, &error.to_string());
        }
    }

    /// Opens a publisher's connection.
    pub(super) fn open_publisher(&mut self, slot: usize) {
        let (source, address) = (self.source(), self.plan.target.address);
        let Some(publisher) = self.publishers.get_mut(slot) else { return };
        let token = Seat::Publisher(slot).token();
        let opened = publisher.link.open(self.poll.registry(), token, address, source, None);
        if let Err(error) = opened {
            self.lose_publisher(slot, &error.to_string());
        }
    }

    /// Handles what has happened on a socket.
    pub(super) fn handle(&mut self, event: &Event) {
        let seat = Seat::of(event.token());
        if event.is_writable() {
            self.grow_up(seat);
            if let Some(link) = self.link(seat) {
                link.flush();
            }
        }
        if !event.is_readable() && !event.is_error() && !event.is_read_closed() {
            return;
        }
        let is_over = event.is_error() || event.is_read_closed();
        match seat {
            Seat::Subscriber(slot) => {
                // At the end the slow ones hurry, too.
                let is_fast = is_over || self.shared.phase() >= Phase::Drain;
                let reads = self
                    .subscribers
                    .get(slot)
                    .is_some_and(|it| is_fast || !it.is_slow || it.stage != Stage::Ready);
                if reads {
                    self.read_most(slot, usize::MAX);
                }
                if is_over {
                    // The end came with the last bytes, and is told only once.
                    self.read_most(slot, usize::MAX);
                }
            }
            Seat::Publisher(slot) => {
                self.read_answers(slot);
                if is_over {
                    self.read_answers(slot);
                }
            }
        }
    }

    /// Takes a connection on if TCP has just come up.
    fn grow_up(&mut self, seat: Seat) {
        // Each event says that the socket is writable; only the first one is news.
        let is_new = match seat {
            Seat::Subscriber(slot) => {
                self.subscribers.get(slot).is_some_and(|it| it.stage == Stage::Connecting)
            }
            Seat::Publisher(slot) => self.publishers.get(slot).is_some_and(|it| !it.is_up),
        };
        if !is_new {
            return;
        }
        let is_up = self.link(seat).map_or(Ok(false), |link| link.is_up());
        match (seat, is_up) {
            (Seat::Publisher(slot), Ok(true)) => self.publisher_up(slot),
            (Seat::Publisher(slot), Err(error)) => self.lose_publisher(slot, &error.to_string()),
            (Seat::Subscriber(slot), Err(error)) => self.lose(slot, &error.to_string()),
            (Seat::Subscriber(slot), Ok(true)) => {
                let Some(subscriber) = self.subscribers.get_mut(slot) else { return };
                let channel = self.plan.channels.get(subscriber.first_channel());
                let request =
                    self.plan.target.upgrade(channel.map_or("", String::as_str), &self.key);
                subscriber.stage = Stage::Upgrading;
                subscriber.link.out().extend_from_slice(&request);
            }
            (_, Ok(false)) => {}
        }
    }

    /// Takes the answer to an upgrade; returns how many bytes it took, none while it is not whole or when it is a
    /// refusal.
    pub(super) fn upgraded(&mut self, slot: usize, bytes: &[u8]) -> Option<usize> {
        let end = memchr::memmem::find(bytes, b"\r\n\r\n")? + 4;
        let head = bytes.get(..end)?;
        if let Err(why) = leap::accepted(head, &self.key) {
            self.lose(slot, &why);
            return None;
        }
        let subscriber = self.subscribers.get_mut(slot)?;
        subscriber.stage = Stage::Greeting;
        let channel = subscriber.first_channel();
        if self.plan.target.dialect == Dialect::Bare {
            self.available(slot, channel);
        }
        Some(end)
    }

    /// Answers a frame without a mark.
    pub(super) fn converse(&mut self, slot: usize, payload: &[u8]) {
        let said = leap::read(payload);
        let plan = self.plan.clone();
        let Some(subscriber) = self.subscribers.get_mut(slot) else { return };
        let answer = match said {
            Said::Hello(interval) => {
                self.beat_pause = leap::beat_pause(interval);
                let group = plan.scenario.groups.get(subscriber.group);
                let identity = group.map_or(Identity::Anonymous, Group::identity);
                plan.target.identify(identity).into_bytes()
            }
            Said::Beat(tag) => leap::echo(tag),
            Said::Init => {
                for channel in subscriber.ears.iter().filter_map(|it| plan.channels.get(it.channel))
                {
                    let subscribe = leap::subscribe(channel);
                    frame::write(frame::TEXT, subscribe.as_bytes(), subscriber.link.out());
                }
                return subscriber.link.flush();
            }
            Said::Available if subscriber.stage == Stage::Greeting => {
                let first = plan.firsts.get(subscriber.group).map_or(0, |first| first.channel);
                let Some(channel) = subscriber.ear(first, payload).map(|ear| ear.channel) else {
                    return;
                };
                return self.available(slot, channel);
            }
            Said::Unavailable => {
                let text = String::from_utf8_lossy(payload).into_owned();
                return self.lose(slot, &format!("the channel is not available: {text}"));
            }
            Said::Available | Said::Nothing => return,
        };
        frame::write(frame::TEXT, &answer, subscriber.link.out());
        subscriber.link.flush();
    }
}
