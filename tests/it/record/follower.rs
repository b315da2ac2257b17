//! A client that goes on by itself (extension `resume`), and notes what it hands its application.

use super::{ClientId, Note, Record};
use crate::scene::parts;
use crate::socket::Socket;
use crate::support::PROJECT;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// A client that remembers how far it has heard each channel.
pub struct Follower<'a> {
    /// Its number.
    client: ClientId,
    /// Its token.
    token: String,
    /// Where it notes things.
    record: &'a Record,
    /// The last position that was seen of each channel.
    positions: BTreeMap<String, String>,
}

impl<'a> Follower<'a> {
    /// One that has heard nothing yet.
    pub fn new(client: ClientId, token: String, record: &'a Record) -> Self {
        Self { client, token, record, positions: BTreeMap::new() }
    }

    /// Connects, goes on from where it was, and hears until the connection ends or `is_over` says of a message's number that
    /// it was the last; false if the server has gone.
    pub fn hear(&mut self, address: SocketAddr, mut is_over: impl FnMut(u64) -> bool) -> bool {
        let Some(mut socket) = Socket::try_open(address) else { return false };
        let positions: Map<_, _> =
            self.positions.iter().map(|(channel, at)| (channel.clone(), json!(at))).collect();
        let identify = json!({"project_id": PROJECT, "token": self.token, "ext": ["resume"],
            "resume": {"positions": positions}});
        let sent = socket.try_send(&json!({"op": 2, "d": identify}));
        let mut is_last = false;
        while sent.is_ok() && !is_last {
            let Ok(dispatch) = socket.try_next() else { break };
            is_last = self.take(&dispatch).is_some_and(&mut is_over);
        }
        self.record.note(Note::Broke { client: self.client });
        is_last
    }

    /// Takes a dispatch; returns the number of a message that was handed over.
    fn take(&mut self, dispatch: &Value) -> Option<u64> {
        let (client, at) = (self.client, dispatch["s"].as_str());
        match dispatch["e"].as_str() {
            Some("INIT") => self.init(&dispatch["d"]),
            Some("AVAILABLE") => {
                let channel = dispatch["c"].as_str().unwrap().to_owned();
                self.positions.insert(channel.clone(), at.unwrap().to_owned());
                self.record.note(Note::Told { client, channel });
            }
            Some("UNAVAILABLE") => self.leave(dispatch["c"].as_str().unwrap()),
            Some("MESSAGE") if self.advance(dispatch["c"].as_str()?, at?) => {
                let channel = dispatch["c"].as_str()?.to_owned();
                let id = dispatch["d"]["d"].as_u64().unwrap();
                self.record.note(Note::Heard { client, channel, id });
                return Some(id);
            }
            Some("STATE_UPDATE") => {
                self.advance(dispatch["c"].as_str()?, at?);
            }
            _ => {}
        }
        None
    }

    /// Takes what INIT says of each channel.
    fn init(&mut self, data: &Value) {
        let client = self.client;
        let mut gone: Vec<String> = self.positions.keys().cloned().collect();
        for line in data["channels"].as_array().unwrap() {
            let channel = line["id"].as_str().unwrap().to_owned();
            gone.retain(|known| *known != channel);
            if line["recovered"] == true {
                continue;
            }
            let was_named = self.positions.contains_key(&channel);
            assert_eq!(line["recovered"].is_boolean(), was_named, "{line}");
            self.positions.insert(channel.clone(), line["s"].as_str().unwrap().to_owned());
            self.record.note(if was_named {
                Note::Told { client, channel }
            } else {
                Note::Hears { client, channel }
            });
        }
        for channel in gone {
            self.leave(&channel);
        }
    }

    /// A channel is not heard any more.
    fn leave(&mut self, channel: &str) {
        if self.positions.remove(channel).is_some() {
            let (client, channel) = (self.client, channel.to_owned());
            self.record.note(Note::Left { client, channel });
        }
    }

    /// Whether a position is beyond the last one, which it is from then on.
    fn advance(&mut self, channel: &str, at: &str) -> bool {
        let Some(seen) = self.positions.get_mut(channel) else { return false };
        let ((epoch, offset), (seen_epoch, seen_offset)) = (parts(at), parts(seen));
        let is_beyond = epoch != seen_epoch || offset > seen_offset;
        if is_beyond {
            at.clone_into(seen);
        }
        is_beyond
    }
}
