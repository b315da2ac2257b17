//! Who hears a channel: sessions, their connections, and how many of those each worker has.

use super::connection::{ConnectionRef, Worker as _};
use super::effects::ChannelEffects;
use super::presence::{MemberPlace, PresentPart};
use super::subscribing::Card;
use crate::delivery::fanout::ConnectionUid;
use crate::domain::listing::Start;
use crate::domain::{Member, SessionRef, SessionUid, Timestamp};
use crate::line::GoneReader;
use crate::protocol::{EncodedEvent, PresentMember, ProfileCounts, Profiles};
use foldhash::fast::FixedState;
use indexmap::{IndexMap, IndexSet};
use std::sync::Arc;

/// A connection that hears the channel.
struct Attached<W> {
    /// Where it is.
    connection: ConnectionRef<W>,
    /// The number of the last message before it came.
    since: u64,
    /// Whether it does not hear the channel yet, because what it wants from before is being read.
    is_late: bool,
}

impl<W> Attached<W> {
    /// Whether it is this one.
    fn is(&self, uid: ConnectionUid) -> bool {
        self.connection.uid == uid
    }
}

/// One subscribed session.
struct SubscribedSession<S, W> {
    /// The way to it.
    way: S,
    /// Who it is to others.
    member: Arc<Member>,
    /// Who it is to webhooks.
    named: Arc<SessionRef>,
    /// When it first had a connection here; none if it never had.
    since: Option<Timestamp>,
    /// How many events it could not queue since the last that it could.
    missed: u64,
    /// Its live connections.
    connections: Vec<Attached<W>>,
}

impl<S, W> SubscribedSession<S, W> {
    /// The session as others see it; none if it never had a connection here.
    fn present(&self) -> Option<PresentMember> {
        let member = Arc::clone(&self.member);
        self.since.map(|since| PresentMember { member, connections: self.connections.len(), since })
    }
}

/// A session that is subscribed no more.
pub struct Left<W> {
    /// Its connections.
    pub connections: Vec<ConnectionRef<W>>,
    /// How others saw it; none if it never had a connection here.
    pub present: Option<PresentMember>,
}

/// The sessions subscribed to one channel.
///
/// Their numbers are ours, so that hashing them needs no secret; and who is told first does not hang on them.
pub struct Subscribers<E: ChannelEffects> {
    /// All of them.
    sessions: IndexMap<SessionUid, SubscribedSession<E::Session, E::Worker>, FixedState>,
    /// Those without a connection, which keep events for one to come.
    detached: IndexSet<SessionUid, FixedState>,
    /// The workers that have connections, with their number.
    workers: Vec<(E::Worker, usize)>,
    /// The forms of frames that connections get.
    profiles: ProfileCounts,
    /// Connections that have gone, of which it is not known yet what arrived, with the place behind which another one of
    /// their session heard everything.
    parting: Vec<(SessionUid, ConnectionUid, u64)>,
}

impl<E: ChannelEffects> Default for Subscribers<E> {
    fn default() -> Self {
        Self {
            sessions: IndexMap::default(),
            detached: IndexSet::default(),
            workers: Vec::new(),
            profiles: ProfileCounts::default(),
            parting: Vec::new(),
        }
    }
}

impl<E: ChannelEffects> Subscribers<E> {
    /// Whether nobody is subscribed.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// How many sessions are subscribed.
    pub fn count(&self) -> usize {
        self.sessions.len()
    }

    /// How many sessions have a connection.
    pub fn online_count(&self) -> usize {
        self.sessions.len() - self.detached.len()
    }

    /// How many sessions are in, also those whose connections have gone.
    pub fn present_count(&self) -> usize {
        self.sessions.values().filter(|known| known.since.is_some()).count()
    }

    /// Each session as others see it, whether it is connected, and whether it is in.
    pub fn standings(&self) -> impl Iterator<Item = (&Arc<Member>, bool, bool)> {
        self.sessions
            .values()
            .map(|known| (&known.member, !known.connections.is_empty(), known.since.is_some()))
    }

    /// How many connections there are.
    pub fn connection_count(&self) -> usize {
        self.workers.iter().map(|(_, count)| count).sum()
    }

    /// The workers to deliver to.
    pub fn workers(&self) -> impl Iterator<Item = &E::Worker> {
        self.workers.iter().map(|(worker, _)| worker)
    }

    /// The forms of frames that its connections get.
    pub fn profiles(&self) -> Profiles {
        self.profiles.set()
    }

    /// Hands an event to the sessions without a connection, which keep messages; a message that one cannot even queue is
    /// counted, and told with the next event that it can. Other events are of no use to them but for that.
    pub fn keep(&mut self, dispatch: &Arc<EncodedEvent>, effects: &mut E) {
        let is_message = dispatch.event().is_message();
        for uid in &self.detached {
            let Some(subscriber) = self.sessions.get_mut(uid) else { continue };
            let missed = subscriber.missed;
            if !is_message && missed == 0 {
                continue;
            }
            let is_queued = effects.keep(&subscriber.way, dispatch, missed);
            subscriber.missed =
                if is_queued { 0 } else { missed.saturating_add(u64::from(is_message)) };
        }
    }

    /// How many messages a session had no room for and was not told of, and the way to it; by then it counts as told.
    pub fn take_missed(&mut self, session: SessionUid) -> Option<(u64, E::Session)> {
        let known = self.sessions.get_mut(&session).filter(|known| known.missed > 0)?;
        Some((std::mem::take(&mut known.missed), known.way.clone()))
    }

    /// The way to a session.
    pub fn way(&self, session: SessionUid) -> Option<&E::Session> {
        self.sessions.get(&session).map(|subscriber| &subscriber.way)
    }

    /// Every session.
    pub fn sessions(&self) -> impl Iterator<Item = &E::Session> {
        self.sessions.values().map(|subscriber| &subscriber.way)
    }

    /// Everybody who is in, as others see it.
    pub fn present(&self) -> Vec<PresentMember> {
        self.sessions.values().filter_map(SubscribedSession::present).collect()
    }

    /// A part of them, by their time of coming, then id.
    pub fn present_part(&self, start: &Start<MemberPlace>, limit: u64) -> PresentPart {
        let all: Vec<_> = self.sessions.values().filter(|known| known.since.is_some()).collect();
        let start = start.map(|(at, id)| (Some(*at), id.as_ref()));
        let part =
            start.part(all.iter().copied(), |one| (one.since, one.member.id.as_ref()), limit);
        let members = part.into_iter().filter_map(SubscribedSession::present).collect();
        PresentPart { members, total: all.len() }
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

    /// A session as others see it.
    pub fn member(&self, uid: SessionUid) -> Option<&Arc<Member>> {
        self.sessions.get(&uid).map(|known| &known.member)
    }

    /// Every connection.
    pub fn connections(&self) -> impl Iterator<Item = &ConnectionRef<E::Worker>> {
        let all = self.sessions.values().flat_map(|subscriber| &subscriber.connections);
        all.map(|attached| &attached.connection)
    }

    /// Adds a session, or notes who a known one is by now.
    pub fn add_session(&mut self, session: Card, way: E::Session) {
        let Card { uid, member, named } = session;
        if let Some(known) = self.sessions.get_mut(&uid) {
            known.member = member;
            return;
        }
        self.detached.insert(uid);
        let connections = Vec::new();
        self.sessions.insert(
            uid,
            SubscribedSession { way, member, named, since: None, missed: 0, connections },
        );
    }

    /// Notes who a session is by now; returns how others see it if it is in.
    pub fn rename(&mut self, uid: SessionUid, member: Arc<Member>) -> Option<PresentMember> {
        let known = self.sessions.get_mut(&uid)?;
        known.member = member;
        known.present()
    }

    /// The number of the last message before a connection of a session came; none if it is not here.
    pub fn heard_from(&self, uid: SessionUid, connection: ConnectionUid) -> Option<u64> {
        let known = self.sessions.get(&uid)?;
        known.connections.iter().find(|one| one.is(connection)).map(|one| one.since)
    }

    /// Whether a connection of a session is here.
    pub fn has_connection(&self, uid: SessionUid, connection: ConnectionUid) -> bool {
        let known = self.sessions.get(&uid);
        known.is_some_and(|known| known.connections.iter().any(|one| one.is(connection)))
    }

    /// Every connection that hears the channel, with its session.
    pub fn with_sessions(&self) -> Vec<(SessionUid, ConnectionRef<E::Worker>)> {
        let of = |(uid, known): (&SessionUid, &SubscribedSession<E::Session, E::Worker>)| {
            let uid = *uid;
            known
                .connections
                .iter()
                .filter(|one| !one.is_late)
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
    pub fn add_connection(
        &mut self,
        uid: SessionUid,
        connection: &ConnectionRef<E::Worker>,
        since: u64,
    ) {
        let Some(subscriber) = self.sessions.get_mut(&uid) else { return };
        if let Some(known) = subscriber.connections.iter_mut().find(|one| one.is(connection.uid)) {
            known.is_late = false;
            return;
        }
        if subscriber.connections.is_empty() {
            // Most sessions have one and no more.
            subscriber.connections.reserve_exact(1);
        }
        let (connection_here, is_late) = (connection.clone(), false);
        subscriber.connections.push(Attached { connection: connection_here, since, is_late });
        self.detached.swap_remove(&uid);
        self.profiles.add(connection.profile);
        let index = connection.worker.index();
        match self.workers.iter_mut().find(|(worker, _)| worker.index() == index) {
            Some((_, count)) => *count += 1,
            None => self.workers.push((connection.worker.clone(), 1)),
        }
    }

    /// The same of one that does not hear the channel yet, because what it wants from before is being read; it counts as
    /// one that came now.
    pub fn add_late(&mut self, uid: SessionUid, connection: &ConnectionRef<E::Worker>, since: u64) {
        self.add_connection(uid, connection, since);
        let known = self.sessions.get_mut(&uid).map(|known| &mut known.connections);
        let known = known.and_then(|all| all.iter_mut().find(|one| one.is(connection.uid)));
        if let Some(known) = known {
            known.is_late = true;
        }
    }

    /// Whether a connection is here that does not hear the channel yet.
    pub fn is_late(&self, uid: SessionUid, connection: ConnectionUid) -> bool {
        let all = self.sessions.get(&uid).map(|known| &known.connections);
        all.is_some_and(|all| all.iter().any(|one| one.is_late && one.is(connection)))
    }

    /// The connections that do not hear the channel yet.
    pub fn late(&self) -> impl Iterator<Item = &ConnectionRef<E::Worker>> {
        let all = self.sessions.values().flat_map(|subscriber| &subscriber.connections);
        all.filter(|one| one.is_late).map(|one| &one.connection)
    }

    /// Removes a connection that has gone; its session stays. None if it was not there. Unless it is settled what arrived,
    /// [`Self::settle`] follows.
    pub fn remove_connection(
        &mut self,
        uid: SessionUid,
        connection: ConnectionUid,
        is_settled: bool,
    ) -> Option<GoneReader> {
        let subscriber = self.sessions.get_mut(&uid)?;
        let at = subscriber.connections.iter().position(|known| known.is(connection))?;
        let gone = subscriber.connections.swap_remove(at);
        if subscriber.connections.is_empty() {
            self.detached.insert(uid);
        }
        let others = subscriber.connections.iter().map(|other| other.since).min();
        if let Some(others) = others.filter(|_| !is_settled) {
            self.parting.push((uid, connection, others));
        }
        self.uncount(&gone.connection);
        Some(GoneReader { since: gone.since, others })
    }

    /// It is settled what arrived at a connection that has gone; the place behind which others heard everything.
    pub fn settle(&mut self, uid: SessionUid, connection: ConnectionUid) -> Option<u64> {
        let is_it = |(session, gone, _): &(SessionUid, ConnectionUid, u64)| {
            *session == uid && *gone == connection
        };
        let at = self.parting.iter().position(is_it)?;
        let (_, _, others) = self.parting.swap_remove(at);
        Some(others)
    }

    /// Removes a session; none if it was not subscribed.
    pub fn remove_session(&mut self, uid: SessionUid) -> Option<Left<E::Worker>> {
        let subscriber = self.sessions.swap_remove(&uid)?;
        self.parting.retain(|(session, ..)| *session != uid);
        let present = subscriber.present();
        self.detached.swap_remove(&uid);
        let connections: Vec<_> =
            subscriber.connections.into_iter().map(|attached| attached.connection).collect();
        for connection in &connections {
            self.uncount(connection);
        }
        Some(Left { connections, present })
    }

    /// Counts one connection less on its worker.
    fn uncount(&mut self, connection: &ConnectionRef<E::Worker>) {
        self.profiles.remove(connection.profile);
        let index = connection.worker.index();
        if let Some(at) = self.workers.iter().position(|(worker, _)| worker.index() == index)
            && let Some((_, count)) = self.workers.get_mut(at)
        {
            *count -= 1;
            if *count == 0 {
                self.workers.swap_remove(at);
            }
        }
    }
}
