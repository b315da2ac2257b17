//! Who hears a channel: sessions, their connections, and how many of those each fan-out has.

use super::super::fanout::{ConnectionUid, FanoutHandle};
use super::super::session::{SessionActor, SessionUid};
use super::messages::ConnectionRef;
use actix::prelude::*;
use std::collections::{HashMap, HashSet};

/// One subscribed session.
struct Subscriber {
    /// Where kept events go.
    address: Addr<SessionActor>,
    /// Its live connections.
    connections: Vec<ConnectionRef>,
}

/// The sessions subscribed to one channel.
#[derive(Default)]
pub struct Subscribers {
    /// All of them.
    sessions: HashMap<SessionUid, Subscriber>,
    /// Those without a connection, which keep events for one to come.
    detached: HashSet<SessionUid>,
    /// The fan-outs that have connections, with their number.
    fanouts: Vec<(FanoutHandle, usize)>,
}

impl Subscribers {
    /// Whether nobody is subscribed.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// How many sessions have a connection.
    pub fn online_count(&self) -> usize {
        self.sessions.len() - self.detached.len()
    }

    /// The fan-outs to deliver to.
    pub fn fanouts(&self) -> impl Iterator<Item = &FanoutHandle> {
        self.fanouts.iter().map(|(fanout, _)| fanout)
    }

    /// The sessions to keep events for.
    pub fn detached(&self) -> impl Iterator<Item = &Addr<SessionActor>> {
        self.detached
            .iter()
            .filter_map(|uid| self.sessions.get(uid))
            .map(|subscriber| &subscriber.address)
    }

    /// Every session.
    pub fn sessions(&self) -> impl Iterator<Item = &Addr<SessionActor>> {
        self.sessions.values().map(|subscriber| &subscriber.address)
    }

    /// Adds a session, or makes it known under this address.
    pub fn add_session(&mut self, uid: SessionUid, address: Addr<SessionActor>) {
        if !self.sessions.contains_key(&uid) {
            self.detached.insert(uid);
            self.sessions.insert(uid, Subscriber { address, connections: Vec::new() });
        }
    }

    /// Adds a connection to a known session; once, however often asked.
    pub fn add_connection(&mut self, uid: SessionUid, connection: &ConnectionRef) {
        let Some(subscriber) = self.sessions.get_mut(&uid) else { return };
        if subscriber.connections.iter().any(|known| known.uid == connection.uid) {
            return;
        }
        subscriber.connections.push(connection.clone());
        self.detached.remove(&uid);
        let index = connection.fanout.index();
        match self.fanouts.iter_mut().find(|(fanout, _)| fanout.index() == index) {
            Some((_, count)) => *count += 1,
            None => self.fanouts.push((connection.fanout.clone(), 1)),
        }
    }

    /// Removes a connection that has gone; its session stays.
    pub fn remove_connection(&mut self, uid: SessionUid, connection: ConnectionUid) {
        let Some(subscriber) = self.sessions.get_mut(&uid) else { return };
        let Some(at) = subscriber.connections.iter().position(|known| known.uid == connection)
        else {
            return;
        };
        let gone = subscriber.connections.swap_remove(at);
        if subscriber.connections.is_empty() {
            self.detached.insert(uid);
        }
        self.uncount(&gone);
    }

    /// Removes a session and returns its connections; none if it was not subscribed.
    pub fn remove_session(&mut self, uid: SessionUid) -> Option<Vec<ConnectionRef>> {
        let subscriber = self.sessions.remove(&uid)?;
        self.detached.remove(&uid);
        for connection in &subscriber.connections {
            self.uncount(connection);
        }
        Some(subscriber.connections)
    }

    /// Counts one connection less on its fan-out.
    fn uncount(&mut self, connection: &ConnectionRef) {
        let index = connection.fanout.index();
        if let Some(at) = self.fanouts.iter().position(|(fanout, _)| fanout.index() == index)
            && let Some((_, count)) = self.fanouts.get_mut(at)
        {
            *count -= 1;
            if *count == 0 {
                self.fanouts.swap_remove(at);
            }
        }
    }
}
