//! Sessions and connections come and go.

use super::connection::ConnectionRef;
use super::effects::{ChannelEffects, ChannelRecord, Word};
use super::starting::{LateStart, replay};
use super::{ChannelMachine, Moment};
use crate::delivery::fanout::{ConnectionUid, Order};
use crate::domain::channel::SubscriberKind;
use crate::domain::{
    Channel, Member, Place, Position, SessionRef, SessionUid, Since, Standing, StartingPoint,
};
use crate::faults::{Fault, is_planted};
use crate::line::{Loan, Missing, Recovery};
use crate::protocol::EncodedEvent;
use std::sync::Arc;
use tokio::time::Instant;

/// A session, as it shows itself to a channel.
#[derive(Clone, Debug)]
pub struct Card {
    /// Which one.
    pub uid: SessionUid,
    /// Who it is to others.
    pub member: Arc<Member>,
    /// Who it is to webhooks.
    pub named: Arc<SessionRef>,
}

/// A session that wants to hear the channel, or held it while another machine had it.
#[derive(Debug)]
pub struct SessionArrival<S, W> {
    /// The session.
    pub session: Card,
    /// The way to it.
    pub way: S,
    /// All its connections, as far as they do not hear the channel through their INIT.
    pub connections: Vec<ConnectionRef<W>>,
    /// Who asks to be let in; none where that is settled.
    pub who: Option<SubscriberKind>,
    /// From where one of the connections wants to hear the channel, and which.
    pub start: Option<(ConnectionUid, StartingPoint)>,
    /// Whether the session held the channel while another machine had it: then it has missed all that this one said so far.
    pub is_return: bool,
}

/// What comes of a session's wish to hear the channel.
pub enum Admission<W> {
    /// The channel is not open to it.
    Refused,
    /// Its connections hear the channel.
    Heard,
    /// They do, but for one that wants more of before than is at hand.
    Late(Box<LateStart<W>>),
}

/// A channel as it is when a connection begins to hear it.
#[derive(Debug)]
pub struct Snapshot {
    /// The channel.
    pub channel: Channel,
    /// Where its line stands.
    pub recovery: Recovery,
    /// The room that messages take which were read from the store for this.
    pub loans: Vec<Loan>,
}

impl<E: ChannelEffects> ChannelMachine<E> {
    /// A session's connections hear the channel from now on, `AVAILABLE` first, if it is open to them.
    pub fn subscribe(
        &mut self,
        arrival: SessionArrival<E::Session, E::Worker>,
        now: Moment,
        effects: &mut E,
    ) -> Admission<E::Worker> {
        let SessionArrival { session, way, mut connections, who, start, is_return } = arrival;
        if who.is_some_and(|who| !self.channel.visibility.admits(who)) {
            return Admission::Refused;
        }
        if matches!(who, Some(SubscriberKind::Token { .. })) {
            // Before anybody hears of it: what a client does next finds a session that knows.
            effects.tell(&way, Word::Admitted);
        }
        let uid = session.uid;
        self.subscribers.add_session(session, way);
        if !connections.is_empty() {
            self.come_in(uid, now, effects);
        }
        let missing = if is_return { self.line.after(0) } else { Missing::default() };
        let since = if is_return { 0 } else { self.line.last() };
        let shows_positions = connections.iter().any(|one| one.profile.has_positions);
        let first = missing.events.first().and_then(|event| event.position());
        let available = match first {
            Some(first) if shows_positions => self.available_before(first),
            None if shows_positions => self.available_here(),
            _ => self.available(),
        };
        let mut late = None;
        for connection in &connections {
            if let Some((_, point)) = start.filter(|(asker, _)| *asker == connection.uid) {
                late = self.start_at(uid, connection, point, effects);
            } else {
                self.join(uid, connection, Some(Arc::clone(&available)), since, effects);
                replay(connection, &missing.events, effects);
            }
        }
        let events = if connections.is_empty() { missing.events } else { Vec::new() };
        self.hand(uid, Missing { events, lost: missing.lost }, false, effects);
        connections.retain(|one| !late.as_ref().is_some_and(|late| late.is_of(one.uid)));
        self.show_presence(connections.into_iter().map(|one| (uid, one)), effects);
        late.map_or(Admission::Heard, |late| Admission::Late(Box::new(late)))
    }

    /// Tells a session of what it had no room for, where nothing was said since that could have told it. To be called before
    /// a connection of it is shown the channel, so that its INIT counts it.
    pub fn tell_missed(&mut self, session: SessionUid, effects: &mut E) {
        if let Some((lost, way)) = self.subscribers.take_missed(session) {
            let missing = Missing { events: Vec::new(), lost };
            effects.tell(&way, Word::Missing { missing, is_old: false });
        }
    }

    /// The channel as it is at this moment, with what was said after a position.
    pub fn snapshot(&self, since: Option<Since>) -> Snapshot {
        let (channel, recovery) = (self.channel.clone(), self.line.recover(since));
        Snapshot { channel, recovery, loans: Vec::new() }
    }

    /// A connection that is just beginning hears the channel from now on, behind the channel as it is at this moment.
    pub fn attach(
        &mut self,
        session: Card,
        way: E::Session,
        connection: &ConnectionRef<E::Worker>,
        now: Moment,
        effects: &mut E,
    ) {
        let uid = session.uid;
        self.subscribers.add_session(session, way);
        self.come_in(uid, now, effects);
        if !is_planted(Fault::SnapshotWithoutJoin) {
            self.join(uid, connection, None, self.line.last(), effects);
        }
    }

    /// A session has a connection here.
    fn come_in(&mut self, session: SessionUid, now: Moment, effects: &mut E) {
        self.had_subscriber = true;
        self.mark_subscribed(effects);
        self.announce(session, now, effects);
    }

    /// Puts a connection under the channel: it hears `first`, then everything that follows; it has missed nothing that has
    /// a number up to `since`.
    pub(super) fn join(
        &mut self,
        session: SessionUid,
        connection: &ConnectionRef<E::Worker>,
        first: Option<Arc<EncodedEvent>>,
        since: u64,
        effects: &mut E,
    ) {
        self.subscribers.add_connection(session, connection, since);
        let join = Order::Attach {
            from: Place { line: self.line.id(), number: since },
            name: self.key().id.clone(),
            connection: connection.uid,
            dispatch: first,
        };
        effects.order_one(connection, join);
    }

    /// A connection has gone; its fan-out has forgotten it already. What it has not heard, its session gets, but for what
    /// another connection hears.
    pub fn detach(
        &mut self,
        session: SessionUid,
        connection: ConnectionUid,
        standing: Option<&Standing>,
        is_settled: bool,
        effects: &mut E,
    ) {
        let gone = self.subscribers.remove_connection(session, connection, is_settled);
        let (Some(gone), Some(standing)) = (gone, standing) else { return };
        if is_planted(Fault::UnheardForgotten) {
            return;
        }
        self.hand(session, self.line.unheard(standing, gone), false, effects);
    }

    /// By now it is known what arrived at a connection that has gone, and what was hoped to.
    pub fn recall(
        &mut self,
        session: SessionUid,
        connection: ConnectionUid,
        heard: &Standing,
        hoped: &Standing,
        effects: &mut E,
    ) {
        let others = self.subscribers.settle(session, connection);
        self.hand(session, self.line.unarrived(heard, hoped, others), true, effects);
    }

    /// Hands a session what it has not heard, `is_old` if something newer may be with it already.
    fn hand(&self, session: SessionUid, missing: Missing, is_old: bool, effects: &mut E) {
        if !missing.is_empty()
            && let Some(way) = self.subscribers.way(session)
        {
            effects.tell(way, Word::Missing { missing, is_old });
        }
    }

    /// A session without connections goes on elsewhere: nobody is told that it leaves. Up to where it has been handed everything;
    /// none where it lacks some of that.
    pub fn move_away(&mut self, session: SessionUid, now: Instant) -> Option<Position> {
        self.used = now;
        let is_whole = self.subscribers.take_missed(session).is_none();
        self.subscribers.remove_session(session);
        is_whole.then(|| self.line.position())
    }

    /// A session hears the channel no more; the connection that asked for it is not told.
    pub fn unsubscribe(
        &mut self,
        session: SessionUid,
        named: &Arc<SessionRef>,
        asker: Option<ConnectionUid>,
        now: Moment,
        effects: &mut E,
    ) {
        self.used = now.instant;
        if !is_planted(Fault::LeavingUntold) {
            effects.went(named, || self.subscribers.online());
        }
        let Some(left) = self.subscribers.remove_session(session) else { return };
        if left.present.is_some() {
            effects.record(ChannelRecord::Went(named));
        }
        let unavailable = Arc::new(EncodedEvent::new(self.gone()));
        for connection in left.connections {
            let is_asker = asker == Some(connection.uid);
            let dispatch = (!is_asker).then(|| Arc::clone(&unavailable));
            let leave =
                Order::Detach { channel: self.line.id(), connection: connection.uid, dispatch };
            effects.order_one(&connection, leave);
        }
        self.announce_leaving(left.present, now.instant, effects);
        self.end_if_ephemeral(effects);
    }
}
