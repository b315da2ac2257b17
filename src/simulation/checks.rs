//! What must be true, whatever happened.

use super::world::{CHANNELS, PASSING, TOKENS, World};
use crate::domain::ChannelId;
use std::collections::{BTreeMap, BTreeSet};

impl World {
    /// A token's client has heard everything that was said on its channels since it came, or was told how much it has not;
    /// in one order, and up to the end where `is_over` says that it has come back for that.
    pub(super) fn check_heard(&self, token: usize, is_over: bool) {
        let client = &self.clients[token];
        if client.following.is_some() {
            return self.check_followed(token, is_over);
        }
        let mut unheard = Vec::new();
        let mut has_gap = false;
        for (channel, tenure) in &client.tenures {
            let order = self.order(channel);
            let since = order.get(tenure.since..).unwrap_or_default();
            unheard.extend(holes(since, &client.told.read, is_over));
            has_gap |= tenure.has_gap;
        }
        unheard.extend(holes(&client.direct, &client.told.read, is_over));
        let told = usize::try_from(client.told.missed).unwrap();
        assert!(
            unheard.len() <= told,
            "token {token} did not hear {unheard:?} and was told of {told}"
        );
        let was_told = told > 0 || !client.told.renewed.is_empty();
        assert!(!is_over || !has_gap || was_told, "token {token} was not told of a gap");
    }

    /// A client that goes on by itself was handed each line without a hole, but where it was told that something is gone; and
    /// up to the end where `is_over` says that it has come back for that.
    fn check_followed(&self, token: usize, is_over: bool) {
        let client = &self.clients[token];
        let stretches = client.following.iter().flat_map(|following| &following.stretches);
        for stretch in stretches {
            let (order, from) = match &stretch.line {
                Some(channel) => {
                    let id = ChannelId::trusted(channel);
                    (self.order(&id), self.upto(&id, stretch.from))
                }
                None => (client.all_direct.clone(), client.direct_upto[&stretch.from]),
            };
            let owed = &order[from..];
            assert!(
                owed.starts_with(&stretch.read),
                "token {token} was given {:?} of {owed:?} on {:?} from {:?}",
                stretch.read,
                stretch.line,
                stretch.from
            );
            let is_whole = owed.len() == stretch.read.len();
            assert!(
                is_whole || !is_over || !stretch.is_open || client.socket.is_none(),
                "token {token} was given {:?} of {owed:?} on {:?} and nothing more",
                stretch.read,
                stretch.line
            );
        }
    }

    /// A channel that goes with its last subscriber has gone with it.
    pub(super) fn check_gone(&self) {
        for (id, born) in self.used.iter().filter(|(id, _)| id.as_str() == PASSING) {
            let stays = self.store.find(id).is_some_and(|stored| stored.created_at == *born);
            assert!(!stays, "{} is there, and nobody is left", id.as_str());
        }
    }

    /// A client without a token hears everything as long as it is there, and its session ends with it.
    fn check_anonymous(&self, token: usize) {
        let is_there = match &self.clients[token].socket {
            Some(socket) => !socket.link.is_gone(),
            None => false,
        };
        if is_there {
            self.check_heard(token, true);
        }
        let has_session = self.nodes[self.node_of(token)].sessions.contains_key(&token);
        assert_eq!(has_session, is_there, "a session without a token has one connection");
    }

    /// Every connection heard each channel in the one order.
    pub(super) fn check_order(&self) {
        let mut places = BTreeMap::new();
        for channel in CHANNELS.map(ChannelId::trusted) {
            for (place, number) in self.order(&channel).into_iter().enumerate() {
                places.insert(number, (channel.clone(), place));
            }
        }
        for client in &self.clients {
            let Some(socket) = &client.socket else { continue };
            let mut last: BTreeMap<&ChannelId, usize> = BTreeMap::new();
            for (channel, place) in socket.read.iter().filter_map(|number| places.get(number)) {
                let before = last.insert(channel, *place);
                assert!(before.is_none_or(|before| before < *place), "out of order");
            }
        }
    }

    /// Everybody who has come back was told of everything.
    pub(super) fn check_told(&self) {
        for token in 0..self.clients.len() {
            self.check_heard(token, true);
        }
    }

    /// At rest, everybody who is there sees what is: the last state, who is in, what they are subscribed to.
    pub(super) fn check_rest(&self) {
        for ((channel, born, version), state) in &self.answered {
            let stored = self.store.at(channel, *born, *version);
            assert_eq!(stored, Some(state.as_str()), "{channel:?} {version} was answered for");
        }
        for (token, client) in self.clients.iter().enumerate() {
            if token >= TOKENS {
                self.check_anonymous(token);
            }
            let Some(socket) = &client.socket else { continue };
            let node = &self.nodes[self.node_of(token)];
            for row in self.store.channels() {
                let id = &row.key.id;
                let session = node.sessions.get(&token);
                if session.is_none_or(|here| here.machine.subscribed(id).is_err()) {
                    continue;
                }
                let known = socket.known.get(id.as_str());
                let known = known.unwrap_or_else(|| panic!("token {token} was not told of {id:?}"));
                let last = Some((row.version.0, row.state.json().as_str().to_owned()));
                assert_eq!(
                    known.state,
                    last,
                    "token {token} on {}, {:?}, gone: {}, {} bytes left",
                    id.as_str(),
                    socket.link.uid(),
                    socket.link.is_gone(),
                    socket.link.left_bytes()
                );
                if known.has_members {
                    let present = node.channels[id].machine.subscribers().present();
                    let present: BTreeSet<_> =
                        present.iter().map(|member| member.member.id.to_string()).collect();
                    assert_eq!(known.members, present, "token {token} on {}", id.as_str());
                }
            }
        }
        for node in &self.nodes {
            for (id, here) in &node.channels {
                let online = here.machine.subscribers().online();
                let online: BTreeSet<_> = online.iter().map(|named| named.id.clone()).collect();
                let told = &self.online[&(node.index, id.clone())];
                assert_eq!(*told, online, "webhooks were told of others on {}", id.as_str());
                let named = |here: &super::node::SessionHere| here.machine.card().named.id.clone();
                let sessions: BTreeSet<_> = node.sessions.values().map(named).collect();
                assert!(online.is_subset(&sessions), "ghosts on {}", id.as_str());
                for seat in here.machine.subscribers().sessions() {
                    let session = node.sessions.get(&seat.token);
                    let session = session.filter(|session| session.seat == *seat);
                    let holds = session.is_some_and(|known| known.machine.subscribed(id).is_ok());
                    assert!(holds, "{seat:?} is on {} and does not know", id.as_str());
                }
                for connection in here.machine.subscribers().connections() {
                    let sockets = self.clients.iter().filter_map(|client| client.socket.as_ref());
                    let is_there = sockets.into_iter().any(|one| one.link.uid() == connection.uid);
                    assert!(is_there, "{:?} is on {} and gone", connection.uid, id.as_str());
                }
            }
        }
    }
}

/// What of a row was not read; without its end, where that may still come.
fn holes(row: &[u64], read: &BTreeSet<u64>, is_over: bool) -> Vec<u64> {
    let last = row.iter().rposition(|number| read.contains(number)).map_or(0, |at| at + 1);
    let upto = if is_over { row.len() } else { last };
    row[..upto].iter().filter(|number| !read.contains(number)).copied().collect()
}
