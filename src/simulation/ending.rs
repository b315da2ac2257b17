//! How channels, sessions and servers end.

use super::acting::GRACE;
use super::client::Told;
use super::happening::{ForChannel, Place, Seat};
use super::node::Node;
use super::world::{Later, World};
use crate::domain::ChannelId;
use std::collections::VecDeque;
use tokio::time::Instant;

impl World {
    /// A channel's incarnation ends.
    pub(super) fn end_channel(&mut self, place: &Place) {
        self.tell(|| format!("{}.{} ends", place.node, place.channel.as_str()));
        let channels = &mut self.nodes[place.node].channels;
        if channels.get(&place.channel).is_none_or(|here| here.acting.place != *place) {
            return;
        }
        let Some(mut here) = channels.remove(&place.channel) else { return };
        self.live.borrow_mut().remove(place);
        here.machine.ended(&mut here.acting);
        here.acting.outlet.leave_behind();
        if let Some(network) = &self.network {
            network.borrow_mut().close(place.node, &place.channel);
        }
        for (seat, word) in here.inbox.iter().filter_map(|what| what.unheard(&place.channel)) {
            self.hand_session(seat, word);
        }
        // What an incarnation had not handed over when it ended is known to be lost (a gap of docs/RUNTIME.md).
        for client in self.clients.iter_mut().filter(|client| client.home == place.node) {
            client.tenures.remove(&place.channel);
        }
    }

    /// A channel's actor crashes.
    pub(super) fn crash(&mut self, node: usize, id: &ChannelId) {
        let Some(here) = self.nodes[node].channels.get(id) else { return };
        let (place, born) = (here.acting.place.clone(), here.acting.created_at);
        // The next one does not know that there was a subscriber, if none comes back (docs/RUNTIME.md).
        self.used.remove(&(id.clone(), born));
        self.end_channel(&place);
    }

    /// Nobody has used a channel for a while.
    pub(super) fn put_to_sleep(&mut self, node: usize, id: &ChannelId) {
        let Some(here) = self.nodes[node].channels.get_mut(id) else { return };
        let is_busy = here.is_reloading || here.is_ending || !here.inbox.is_empty();
        if is_busy || !here.machine.is_idle() || !here.machine.may_sleep(&mut here.acting) {
            return;
        }
        let place = here.acting.place.clone();
        self.end_channel(&place);
    }

    /// A session ends, unless it is only asked whether it may and somebody has come.
    pub(super) fn end_session(&mut self, seat: Seat, is_asked: bool) {
        let sessions = &mut self.nodes[seat.node].sessions;
        let may_end = |here: &super::node::SessionHere| {
            here.seat == seat && (!is_asked || here.machine.may_end())
        };
        if !sessions.get(&seat.token).is_some_and(may_end) {
            return;
        }
        let Some(mut here) = sessions.remove(&seat.token) else { return };
        // Nobody came back for that in time.
        self.clients[seat.token].told.missed += here.machine.owed();
        here.machine.ended(&mut here.acting);
        here.acting.outlet.leave_behind();
        if is_asked {
            let socket = self.clients[seat.token].socket.as_ref();
            let is_left = socket.is_none_or(|socket| socket.link.is_gone());
            assert!(is_left, "a session ended under its client");
        }
        self.forget_session(seat.token);
    }

    /// A client whose session has ended begins anew; what it heard until then had no hole.
    pub(super) fn forget_session(&mut self, token: usize) {
        self.check_heard(token, false);
        let client = &mut self.clients[token];
        client.told = Told::default();
        client.tenures.clear();
        client.direct.clear();
    }

    /// A server's process is killed, and started again: nobody there says a last word, and of what was on its way to the
    /// store a part has come there. Its clients come back to it, or to another one.
    pub(super) fn kill(&mut self, index: usize) {
        self.tell(|| format!("{index} is killed"));
        for token in 0..self.clients.len() {
            if self.clients[token].home == index {
                self.lose_server(token);
            }
        }
        let killed = std::mem::replace(&mut self.nodes[index], Node::new(index));
        let places: Vec<_> =
            killed.channels.values().map(|here| here.acting.place.clone()).collect();
        self.finish_some(index);
        // One whose first subscriber's note has not come to the store stays until the next one has gone (docs/RUNTIME.md).
        let unnoted = std::mem::take(&mut self.store.unnoted);
        self.used.retain(|(id, _)| !unnoted.contains(id));
        for place in places {
            self.live.borrow_mut().remove(&place);
            self.online.remove(&(index, place.channel.clone()));
            if let Some(network) = &self.network {
                network.borrow_mut().close(index, &place.channel);
            }
        }
        match &self.network {
            Some(network) => network.borrow_mut().heal(index),
            None => self.plan(Instant::now() + GRACE, Later::Sweep(index)),
        }
        for token in 0..self.clients.len() {
            if self.clients[token].home == index {
                self.clients[token].home = self.random.below(self.nodes.len());
            }
        }
    }

    /// The server of a client is being killed: what has come to the client's side it still reads. Nothing is known of what
    /// its session had for it.
    fn lose_server(&mut self, token: usize) {
        self.read_on(token, usize::MAX);
        let client = &mut self.clients[token];
        if let Some(socket) = client.socket.take() {
            socket.wire.cut();
        }
        client.told = Told::default();
        client.tenures.clear();
        client.direct.clear();
    }

    /// Some of what a killed server had on its way to the store is written, in order, and the rest is not.
    fn finish_some(&mut self, index: usize) {
        let (own, others): (VecDeque<_>, _) =
            std::mem::take(&mut self.store.jobs).into_iter().partition(|job| job.by.node == index);
        let written = self.random.below(own.len() + 1);
        for job in own.into_iter().take(written) {
            let _ = self.store.perform(&job);
            if self.store.find(&job.by.channel).is_none() {
                if let Some(network) = &self.network {
                    network.borrow_mut().forget(&job.by.channel);
                }
                self.end_elsewhere(&job.by);
            }
        }
        self.store.jobs = others;
    }

    /// A server that has been started again ends the channels that nobody has come back to.
    pub(super) fn sweep(&mut self, node: usize) {
        for id in self.store.marked() {
            if let Some(place) = self.resolve(node, &id) {
                self.hand_channel(&place, ForChannel::Sweep);
            }
        }
    }
}
