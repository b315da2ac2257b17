//! A client: what it has been told, and whether that can be.

use super::following::Following;
use super::wire::{Dispatch, Frame, Wire};
use crate::delivery::Link;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// What a client knows of a channel.
#[derive(Default)]
pub(super) struct Known {
    /// Whether it is subscribed, as far as it was told.
    pub(super) is_available: bool,
    /// The last state that it was shown, and its version.
    pub(super) state: Option<(i64, String)>,
    /// Who is in, by id.
    pub(super) members: BTreeSet<String>,
    /// Whether it was shown a whole list since it came.
    pub(super) has_members: bool,
}

/// One connection, from the client's side.
pub(super) struct Socket {
    /// The line.
    pub(super) wire: Rc<Wire>,
    /// The server's end.
    pub(super) link: Rc<Link>,
    /// Whether INIT was read.
    pub(super) has_init: bool,
    /// What is known of each channel.
    pub(super) known: BTreeMap<String, Known>,
    /// The messages that were read, in order.
    pub(super) read: Vec<u64>,
}

/// Everything that a token's clients have been told since it came to a node.
#[derive(Default)]
pub(super) struct Told {
    /// The messages that were read on any connection.
    pub(super) read: BTreeSet<u64>,
    /// How many it was told are missed.
    pub(super) missed: u64,
    /// The channels that it was told of anew though it had them: something is missing there, and it was told.
    pub(super) renewed: BTreeSet<String>,
}

impl Socket {
    /// Reads so much; what is new goes to `told`, and to what a client remembers that goes on by itself. Returns how the
    /// server ended it, if it did.
    pub(super) fn read(
        &mut self,
        bytes: usize,
        told: &mut Told,
        following: &mut Option<Following>,
    ) -> Option<u16> {
        for frame in self.wire.read(bytes) {
            match frame {
                Frame::Close(code) => return Some(code),
                Frame::Dispatch(dispatch) => self.take(dispatch, told, following.as_mut()),
            }
        }
        None
    }

    /// Takes one dispatch in.
    fn take(&mut self, dispatch: Dispatch, told: &mut Told, following: Option<&mut Following>) {
        let has_place = matches!(
            dispatch.name.as_str(),
            "MESSAGE" | "DIRECT_MESSAGE" | "STATE_UPDATE" | "AVAILABLE"
        );
        assert!(following.is_some() || dispatch.at.is_none(), "who did not ask gets no places");
        assert!(has_place || dispatch.at.is_none(), "{} has no place", dispatch.name);
        if let Some(following) = following {
            if dispatch.name == "INIT" {
                following.init(&dispatch.data);
            } else {
                following.take(&dispatch);
            }
        }
        let Dispatch { name, channel, data, .. } = dispatch;
        let (name, data) = (name.as_str(), &data);
        if name == "INIT" {
            assert!(!self.has_init, "INIT comes once");
            self.has_init = true;
            told.missed += data["missed"].as_u64().unwrap_or(0);
            for channel in data["channels"].as_array().unwrap() {
                self.renew(channel);
            }
            return;
        }
        assert!(self.has_init, "{name} before INIT");
        if matches!(name, "MESSAGE" | "DIRECT_MESSAGE") {
            assert_eq!(data["d"]["project"], super::node::PROJECT, "from another project");
            let number = data["d"]["n"].as_u64().unwrap();
            assert!(!self.read.contains(&number), "message {number} came twice on one connection");
            self.read.push(number);
            told.read.insert(number);
            return;
        }
        let Some(channel) = channel else { return };
        match name {
            "AVAILABLE" => {
                let known = self.known.entry(channel.clone()).or_default();
                if known.is_available {
                    told.renewed.insert(channel);
                }
                self.renew(&data["channel"]);
            }
            "UNAVAILABLE" => {
                self.known.remove(&channel);
            }
            "STATE_UPDATE" => self.show(&channel, data),
            _ => self.watch(name, &channel, data),
        }
    }

    /// A channel as it is now.
    fn renew(&mut self, channel: &Value) {
        let id = channel["id"].as_str().unwrap();
        assert_eq!(channel["project_id"], super::node::PROJECT);
        self.known.entry(id.to_owned()).or_default().is_available = true;
        self.show(id, channel);
    }

    /// A state, which is never older than the one before it.
    fn show(&mut self, channel: &str, data: &Value) {
        let Some(known) = self.known.get_mut(channel) else { return };
        let version = data["version"].as_i64().unwrap();
        let state = data["state"].to_string();
        if let Some((before, shown)) = &known.state {
            assert!(*before <= version, "{channel}: version {version} after {before}");
            assert!(*before < version || *shown == state, "{channel}: two states of one version");
        }
        known.state = Some((version, state));
    }

    /// Who is in.
    fn watch(&mut self, name: &str, channel: &str, data: &Value) {
        let known = self.known.entry(channel.to_owned()).or_default();
        let id = |member: &Value| member["id"].as_str().unwrap().to_owned();
        match name {
            "PRESENCE_STATE" => {
                if data["from"] == 0 {
                    known.members.clear();
                }
                known.members.extend(data["members"].as_array().unwrap().iter().map(id));
                known.has_members = true;
            }
            "PRESENCE_JOIN" => {
                known.members.insert(id(&data["member"]));
            }
            "PRESENCE_LEAVE" => {
                known.members.remove(&id(&data["member"]));
            }
            _ => {}
        }
    }
}
