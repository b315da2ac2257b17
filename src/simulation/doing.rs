//! What people and back ends do.

use super::happening::{ForChannel, ForSession};
use super::world::World;
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
            45..=56 if self.clients[token].socket.is_none() => {
                let room = [400, 2000, 100_000][self.random.below(3)];
                self.connect(token, room);
            }
            57..=61 => {
                let is_silent = self.random.chance(30);
                self.disconnect(token, is_silent);
            }
            62..=69 => {
                let (channel, is_on) = (self.some_channel(), self.random.chance(75));
                if let Some(here) = self.nodes[self.node_of(token)].sessions.get(&token) {
                    let seat = here.seat;
                    self.hand_session(seat, ForSession::Subscribe(channel, is_on));
                }
            }
            70..=75 => {
                if let Some(here) = self.nodes[self.node_of(token)].sessions.get(&token) {
                    let seat = here.seat;
                    let (_, message) = self.message();
                    self.hand_session(seat, ForSession::Direct(message));
                }
            }
            76..=82 => {
                let time = [1, 20, 300, 3000, 31_000][self.random.below(5)];
                self.pass(Duration::from_millis(u64::try_from(time).unwrap())).await;
            }
            83..=84 => {
                let channel = self.some_channel();
                match self.resolve(node, &channel) {
                    Some(place) if self.random.chance(30) => {
                        self.hand_channel(&place, ForChannel::Delete);
                    }
                    Some(_) => {}
                    None => self.create(channel.as_str()),
                }
            }
            85..=86 => self.store.is_failing = self.random.chance(40),
            87..=88 => {
                // A crash, or nobody has used it for a while.
                let channel = self.some_channel();
                if let Some(here) = self.nodes[node].channels.get(&channel) {
                    let place = here.acting.place.clone();
                    self.end_channel(&place);
                }
            }
            89..=91 => self.trouble(node),
            _ => {}
        }
        self.deliver();
        self.settle_tasks().await;
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
