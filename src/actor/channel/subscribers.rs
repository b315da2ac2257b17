//! Who hears a channel: sessions, their connections, and how many of those each fan-out has.

use super::super::session::{FromChannel, SessionActor, SessionUid};
use super::super::tell::tell;
use super::messages::ConnectionRef;
use crate::delivery::fanout::{ConnectionUid, FanoutHandle};
use crate::domain::{Member, SessionRef, Timestamp};
use crate::line::{Gone, Missing};
use crate::protocol::{Dispatch, PresentMember, ProfileCounts, Profiles};
use actix::prelude::*;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// A connection that hears the channel.
struct Attached {
    /// Where it is.
    connection: ConnectionRef,
    /// The number of the last message before it came.
    since: u64,
}

impl Attached {
    /// Whether it is this one.
    fn is(&self, uid: ConnectionUid) -> bool {
        self.connection.uid == uid
    }
}

/// One subscribed session.
struct Subscriber {
    /// Where kept events go.
    address: Addr<SessionActor>,
    /// Who it is to others.
    member: Arc<Member>,
    /// Who it is to webhooks.
    named: Arc<SessionRef>,
    /// When it first had a connection here; none if it never had.
    since: Option<Timestamp>,
    /// How many events it could not queue since the last that it could.
    missed: u64,
    /// Its live connections.
    connections: Vec<Attached>,
}

impl Subscriber {
    /// The session as others see it; none if it never had a connection here.
    fn present(&self) -> Option<PresentMember> {
        let member = Arc::clone(&self.member);
        self.since.map(|since| PresentMember { member, connections: self.connections.len(), since })
    }
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
    /// The forms of frames that connections get.
    profiles: ProfileCounts,
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

    /// The forms of frames that its connections get.
    pub fn profiles(&self) -> Profiles {
        self.profiles.set()
    }

    /// Hands an event to the sessions without a connection, which keep it; what one cannot even queue is counted, and
    /// told with the next event that it can.
    pub fn keep(&mut self, dispatch: &Arc<Dispatch>) {
        for uid in &self.detached {
            let Some(subscriber) = self.sessions.get_mut(uid) else { continue };
            let missed = subscriber.missed;
            let kept = FromChannel::Kept { dispatch: Arc::clone(dispatch), missed };
            let is_queued = subscriber.address.try_send(kept).is_ok();
            subscriber.missed = if is_queued { 0 } else { missed.saturating_add(1) };
        }
    }

    /// Hands a session what it has not heard, `is_old` if something newer may be with it already.
    pub fn hand(&self, session: SessionUid, missing: Missing, is_old: bool) {
        if let Some(subscriber) = self.sessions.get(&session).filter(|_| !missing.is_empty()) {
            tell(&subscriber.address, FromChannel::Missing { missing, is_old });
        }
    }

    /// Every session.
    pub fn sessions(&self) -> impl Iterator<Item = &Addr<SessionActor>> {
        self.sessions.values().map(|subscriber| &subscriber.address)
    }

    /// Everybody who is in, as others see it.
    pub fn present(&self) -> Vec<PresentMember> {
        self.sessions.values().filter_map(Subscriber::present).collect()
    }

    /// Whether a session is in: whether it ever had a connection here.
    pub fn is_in(&self, uid: SessionUid) -> bool {
        self.sessions.get(&uid).is_some_and(|known| known.since.is_some())
    }

    /// Everybody who is in, as webhooks see it.
    pub fn online(&self) -> Vec<Arc<SessionRef>> {
        let is_in = self.sessions.values().filter(|known| known.since.is_some());
        is_in.map(|known| Arc::clone(&known.named)).collect()
    }

    /// A session as webhooks see it.
    pub fn named(&self, uid: SessionUid) -> Option<&Arc<SessionRef>> {
        self.sessions.get(&uid).map(|known| &known.named)
    }

    /// Every connection.
    pub fn connections(&self) -> Vec<ConnectionRef> {
        let all = self.sessions.values().flat_map(|subscriber| &subscriber.connections);
        all.map(|attached| attached.connection.clone()).collect()
    }

    /// Adds a session, or notes who a known one is by now.
    pub fn add_session(
        &mut self,
        uid: SessionUid,
        address: Addr<SessionActor>,
        member: Arc<Member>,
        named: Arc<SessionRef>,
    ) {
        if let Some(known) = self.sessions.get_mut(&uid) {
            known.member = member;
            return;
        }
        self.detached.insert(uid);
        let connections = Vec::new();
        self.sessions.insert(
            uid,
            Subscriber { address, member, named, since: None, missed: 0, connections },
        );
    }

    /// Notes who a session is by now; returns how others see it if it is in.
    pub fn rename(&mut self, uid: SessionUid, member: Arc<Member>) -> Option<PresentMember> {
        let known = self.sessions.get_mut(&uid)?;
        known.member = member;
        known.present()
    }

    /// Whether a connection of a session is here.
    pub fn has_connection(&self, uid: SessionUid, connection: ConnectionUid) -> bool {
        let known = self.sessions.get(&uid);
        known.is_some_and(|known| known.connections.iter().any(|one| one.is(connection)))
    }

    /// Every connection, with its session.
    pub fn with_sessions(&self) -> Vec<(SessionUid, ConnectionRef)> {
        let of = |(uid, known): (&SessionUid, &Subscriber)| {
            let uid = *uid;
            known
                .connections
                .iter()
                .map(move |one| (uid, one.connection.clone()))
                .collect::<Vec<_>>()
        };
        self.sessions.iter().flat_map(of).collect()
    }

    /// Notes that a session comes in now, with its first connection; returns how others see it if that is news.
    pub fn come_in(&mut self, uid: SessionUid, now: Timestamp) -> Option<PresentMember> {
        let subscriber = self.sessions.get_mut(&uid).filter(|known| known.since.is_none())?;
        subscriber.since = Some(now);
        subscriber.present().map(|present| PresentMember { connections: 1, ..present })
    }

    /// Adds a connection to a known session, which hears what comes behind so many messages; once, however often asked.
    pub fn add_connection(&mut self, uid: SessionUid, connection: &ConnectionRef, since: u64) {
        let Some(subscriber) = self.sessions.get_mut(&uid) else { return };
        if subscriber.connections.iter().any(|known| known.is(connection.uid)) {
            return;
        }
        if subscriber.connections.is_empty() {
            // Most sessions have one and no more.
            subscriber.connections.reserve_exact(1);
        }
        subscriber.connections.push(Attached { connection: connection.clone(), since });
        self.detached.remove(&uid);
        self.profiles.add(connection.profile);
        let index = connection.fanout.index();
        match self.fanouts.iter_mut().find(|(fanout, _)| fanout.index() == index) {
            Some((_, count)) => *count += 1,
            None => self.fanouts.push((connection.fanout.clone(), 1)),
        }
    }

    /// Removes a connection that has gone; its session stays. None if it was not there.
    pub fn remove_connection(
        &mut self,
        uid: SessionUid,
        connection: ConnectionUid,
    ) -> Option<Gone> {
        let subscriber = self.sessions.get_mut(&uid)?;
        let at = subscriber.connections.iter().position(|known| known.is(connection))?;
        let gone = subscriber.connections.swap_remove(at);
        if subscriber.connections.is_empty() {
            self.detached.insert(uid);
        }
        let others = subscriber.connections.iter().map(|other| other.since).min();
        self.uncount(&gone.connection);
        Some(Gone { since: gone.since, others })
    }

    /// Removes a session and returns its connections and how others saw it; none if it was not subscribed.
    pub fn remove_session(
        &mut self,
        uid: SessionUid,
    ) -> Option<(Vec<ConnectionRef>, Option<PresentMember>)> {
        let subscriber = self.sessions.remove(&uid)?;
        let present = subscriber.present();
        self.detached.remove(&uid);
        let connections: Vec<_> =
            subscriber.connections.into_iter().map(|attached| attached.connection).collect();
        for connection in &connections {
            self.uncount(connection);
        }
        Some((connections, present))
    }

    /// Counts one connection less on its fan-out.
    fn uncount(&mut self, connection: &ConnectionRef) {
        self.profiles.remove(connection.profile);
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
