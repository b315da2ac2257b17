//! What people and back ends do.

use super::happening::{ForChannel, ForSession};
use super::world::{TOKENS, World};
use crate::domain::channel::SubscriberKind;
use crate::domain::{RawJson, StateChange};
use std::time::Duration;

impl World {
    /// Something that somebody does.
    pub(super) async fn act(&mut self) {
        let token = self.random.below(self.clients.len());
        let node = self.random.below(self.nodes.len());
        match self.random.below(100) {
            0..=24 => self.publish(node),
            25..=34 => self.change(node),
            35..=44 => {
                let bytes = 1 + self.random.below(2000);
                self.read(token, bytes);
            }
            45..=56 if self.may_come(token) => {
                let room = [400, 2000, 100_000][self.random.below(3)];
                self.connect(token, room);
            }
            57..=61 => {
                let is_silent = self.random.chance(30);
                self.disconnect(token, is_silent);
            }
            62..=69 => self.subscribe_or_leave(token),
            70..=75 if token < TOKENS => self.send_direct(token),
            76..=82 => {
                let time = [1, 20, 300, 3000, 31_000][self.random.below(5)];
                self.pass(Duration::from_millis(u64::try_from(time).unwrap())).await;
            }
            83..=84 => self.delete_or_create(node),
            85..=86 => self.store.is_failing = self.random.chance(40),
            87..=88 => {
                let (channel, is_crash) = (self.some_channel(), self.random.chance(50));
                if is_crash {
                    self.crash(node, &channel);
                } else {
                    self.put_to_sleep(node, &channel);
                }
            }
            89..=91 => self.trouble(node),
            92 if self.random.chance(40) => self.kill(node),
            _ => {}
        }
        self.deliver();
        self.settle_tasks().await;
    }

    /// A client subscribes, for good or for now, or unsubscribes.
    fn subscribe_or_leave(&mut self, token: usize) {
        let (channel, is_on) = (self.some_channel(), self.random.chance(75));
        let node = self.node_of(token);
        let Some(seat) = self.nodes[node].sessions.get(&token).map(|here| here.seat) else {
            return;
        };
        let of_token = SubscriberKind::Token { is_granted: false };
        let what = match self.random.below(7) {
            _ if !is_on => ForSession::Unsubscribe(channel),
            0 | 1 => ForSession::SubscribeForNow(channel, of_token),
            // Every channel here is closed to those without a token, but for what the back end grants.
            2 => ForSession::SubscribeForNow(channel, SubscriberKind::Anonymous),
            3 => ForSession::Subscribe(channel, true),
            _ => ForSession::Subscribe(channel, false),
        };
        self.hand_session(seat, what);
    }

    /// Somebody sends a message to a token.
    fn send_direct(&mut self, token: usize) {
        if let Some(here) = self.nodes[self.node_of(token)].sessions.get(&token) {
            let seat = here.seat;
            let (_, message) = self.message();
            self.hand_session(seat, ForSession::Direct(message));
        }
    }

    /// A back end deletes a channel, or makes one.
    fn delete_or_create(&mut self, node: usize) {
        let channel = self.some_channel();
        match self.resolve(node, &channel) {
            Some(place) if self.random.chance(30) => {
                self.hand_channel(&place, ForChannel::Delete);
            }
            Some(_) => {}
            None => self.create(channel.as_str()),
        }
    }

    /// Whether a client may connect: one without a token has one connection in its session.
    fn may_come(&self, token: usize) -> bool {
        let has_session = self.nodes[self.node_of(token)].sessions.contains_key(&token);
        self.clients[token].socket.is_none() && (token < TOKENS || !has_session)
    }

    /// Somebody publishes on a node.
    pub(super) fn publish(&mut self, node: usize) {
        let channel = self.some_channel();
        if let Some(place) = self.resolve(node, &channel) {
            let (_, message) = self.message();
            self.hand_channel(&place, ForChannel::Publish(message));
        }
    }

    /// Somebody changes a state on a node.
    pub(super) fn change(&mut self, node: usize) {
        let channel = self.some_channel();
        if let Some(place) = self.resolve(node, &channel) {
            let number = self.next();
            let text = RawJson::trusted(format!(r#"{{"n":{number}}}"#));
            let change = StateChange::Shallow(text);
            self.hand_channel(&place, ForChannel::Change(change, None));
        }
    }
}
