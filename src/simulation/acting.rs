//! What simulated channels and sessions do about what their machines decide.

use super::happening::{
    Back, Connection, ForChannel, ForSession, Happening, Place, Post, Reported, Seat,
};
use super::network::Ways;
use super::store::{Job, Kind};
use crate::ask::{AskError, ChangeError};
use crate::channel::{Answers, Application, Card, ChannelEffects, SessionArrival, Word};
use crate::delivery::Home;
use crate::delivery::fanout::{ConnectionUid, FanoutHandle, Order};
use crate::delivery::outlet::Outlet;
use crate::domain::{
    ChannelId, Epoch, LeapTokenId, MISSED_UNKNOWN, Message, Position, SessionRef, SessionUid,
    Since, State, Timestamp, Version,
};
use crate::line::WindowBounds;
use crate::protocol::{EncodedEvent, Profiles};
use crate::session::{Ephemeral, SessionEffects, SessionLimits, ToChannel};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a session waits for somebody to come back.
pub(super) const GRACE: Duration = Duration::from_secs(30);

/// The bounds of a simulated session: small ones, so that they are met.
pub(super) const LIMITS: SessionLimits = SessionLimits {
    channels: 4,
    connections: 3,
    replay_events: 8,
    replay_bytes: 1 << 20,
    init_bytes: 1 << 20,
    window: WindowBounds { events: 8, bytes: 1 << 20, age: Duration::from_secs(40) },
};

/// What a channel does.
pub(super) struct SimulatedChannelActing {
    /// Itself.
    pub(super) place: Place,
    /// When the channel was made.
    pub(super) created_at: Timestamp,
    /// Who orders.
    pub(super) bus: Ways,
    /// How much it had to say to sessions that nobody is connected to.
    pub(super) kept: usize,
    /// Orders on their way.
    pub(super) outlet: Outlet,
    /// Where everything else goes.
    pub(super) post: Post,
}

impl SimulatedChannelActing {
    /// Says that something comes of a step.
    fn say(&self, happening: Happening) {
        self.post.borrow_mut().push(happening);
    }

    /// The back end deletes the channel.
    pub(super) fn delete_for_back_end(&self) {
        self.say(Happening::Store(Job { by: self.place.clone(), kind: Kind::Delete }));
    }

    /// What webhooks hear of a session.
    fn online(&self, session: &SessionRef, is_online: bool) {
        self.say(Happening::Online(self.place.clone(), session.id.clone(), is_online));
    }
}

impl Answers for SimulatedChannelActing {
    type Asker = ();

    fn answer(&mut self, (): (), outcome: Result<(State, Version), ChangeError>) {
        let channel = self.place.channel.clone();
        self.say(Happening::Answer(channel, self.created_at, outcome));
    }
}

impl ChannelEffects for SimulatedChannelActing {
    type Session = Seat;
    type Worker = FanoutHandle;
    type Bus = Ways;
    type Stored = ();
    type Publisher = ();

    fn bus(&mut self) -> &mut Ways {
        &mut self.bus
    }

    fn order(&mut self, to: &FanoutHandle, order: Order, forms: Profiles) {
        self.outlet.send(to, order, forms);
    }

    fn tell(&mut self, session: &Seat, word: Word) {
        self.say(Happening::Session(*session, ForSession::Word(self.place.clone(), word)));
    }

    fn keep(&mut self, session: &Seat, dispatch: &Arc<EncodedEvent>, missed: u64) -> bool {
        // Now and then there is no room.
        self.kept += 1;
        let is_room = !self.kept.is_multiple_of(5);
        if is_room {
            self.say(Happening::Session(*session, ForSession::Kept(Arc::clone(dispatch), missed)));
        }
        is_room
    }

    fn store(&mut self, state: &State, version: Version) {
        let kind = Kind::Set(state.clone(), version);
        self.say(Happening::Store(Job { by: self.place.clone(), kind }));
    }

    fn keep_message(&mut self, _: Message, (): ()) {
        unreachable!("no channel here keeps its messages");
    }

    fn published(&mut self, (): (), _: Result<Position, AskError>) {}

    fn apply(&mut self, _: Application) {
        unreachable!("no change here is so large");
    }

    fn reload(&mut self) {
        self.say(Happening::Reload(self.place.clone()));
    }

    fn reload_in(&mut self, _: Duration) {
        // Some of what else there is to do comes before it.
        self.say(Happening::Channel(self.place.clone(), ForChannel::ReloadAgain));
    }

    fn mark_subscribed(&mut self) {
        self.say(Happening::Store(Job { by: self.place.clone(), kind: Kind::Mark }));
    }

    fn delete(&mut self) {
        self.say(Happening::Store(Job { by: self.place.clone(), kind: Kind::DeleteItself }));
    }

    fn show_newcomers_in(&mut self, pause: Duration) {
        self.say(Happening::ShowLater(Instant::now() + pause, self.place.clone()));
    }

    fn came(&mut self, session: &Arc<SessionRef>, _: impl FnOnce() -> Vec<Arc<SessionRef>>) {
        self.online(session, true);
    }

    fn went(&mut self, session: &Arc<SessionRef>, _: impl FnOnce() -> Vec<Arc<SessionRef>>) {
        self.online(session, false);
    }

    fn forget(&mut self) {}

    fn stop(&mut self) {
        self.say(Happening::EndChannel(self.place.clone()));
    }
}

/// The channels that have not ended.
pub(super) type Live = Rc<RefCell<BTreeSet<Place>>>;

/// What a session does.
pub(super) struct SimulatedSessionActing {
    /// Itself.
    pub(super) seat: Seat,
    /// Where what connections do not take comes back.
    pub(super) reported: Reported,
    /// The channels that have not ended.
    pub(super) live: Live,
    /// Orders on their way.
    pub(super) outlet: Outlet,
    /// Where everything else goes.
    pub(super) post: Post,
}

impl SimulatedSessionActing {
    /// Says that something comes of a step.
    fn then(&self, happening: Happening) {
        self.post.borrow_mut().push(happening);
    }

    /// Something comes to the session itself.
    fn myself(&self, what: ForSession) {
        self.then(Happening::Session(self.seat, what));
    }
}

impl SessionEffects for SimulatedSessionActing {
    fn unheard_before_start(&self, _: &LeapTokenId) -> u64 {
        MISSED_UNKNOWN
    }

    type Channel = Place;
    type Worker = FanoutHandle;

    fn limits(&self) -> SessionLimits {
        LIMITS
    }

    fn home(&self) -> Option<Home> {
        Some(Back::home(self.seat, &self.reported))
    }

    fn is_live(&self, channel: &Place) -> bool {
        self.live.borrow().contains(channel)
    }

    fn order(&mut self, to: &FanoutHandle, order: Order, forms: Profiles) {
        self.outlet.send(to, order, forms);
    }

    fn say(&mut self, channel: &Place, session: SessionUid, word: ToChannel<FanoutHandle>) {
        let word = ForChannel::Word(session, word);
        self.post.borrow_mut().push(Happening::Channel(channel.clone(), word));
    }

    fn attach(
        &mut self,
        _: &ChannelId,
        channel: &Place,
        session: Card,
        connection: &Connection,
        since: Option<Since>,
    ) {
        let attach = ForChannel::Attach(session, self.seat, connection.clone(), since);
        self.then(Happening::Channel(channel.clone(), attach));
    }

    fn resubscribe(
        &mut self,
        _: &ChannelId,
        channel: &Place,
        session: Card,
        connections: Vec<Connection>,
        is_return: bool,
    ) {
        let arrival = SessionArrival {
            session,
            way: self.seat,
            connections,
            who: None,
            start: None,
            is_return,
        };
        self.then(Happening::Channel(channel.clone(), ForChannel::Subscribe(arrival)));
    }

    fn unsubscribe(
        &mut self,
        _: &ChannelId,
        channel: Option<&Place>,
        session: Card,
        asker: Option<ConnectionUid>,
    ) {
        if let Some(channel) = channel {
            let leave = ForChannel::Leave(session, self.seat, asker);
            self.then(Happening::Channel(channel.clone(), leave));
        }
    }

    fn look_for(&mut self, id: &ChannelId) {
        self.myself(ForSession::LookFor(id.clone()));
    }

    fn vanished(&mut self, _: &ChannelId, _: Card, _: bool) {}

    fn ephemeral(&mut self, _: &ChannelId, _: Card, _: Ephemeral) {}

    fn set_online(&mut self, _: Option<&LeapTokenId>) {}

    fn ask_who_is_in(&mut self, connection: ConnectionUid) {
        self.myself(ForSession::AskWhoIsIn(connection));
    }

    fn start_grace(&mut self) {
        let at = Instant::now() + GRACE;
        self.then(Happening::Later(at, self.seat, ForSession::GraceOver));
    }

    fn stop_grace(&mut self) {
        self.then(Happening::StopGrace(self.seat));
    }

    fn watch_line(&mut self, pause: Duration) {
        let at = Instant::now() + pause;
        self.then(Happening::Later(at, self.seat, ForSession::Expire));
    }

    fn watch_expiry(&mut self, _: Option<Timestamp>) {}

    /// Nothing is ever mailed.
    fn read_mail(&mut self, _: u64) {}

    fn watch_mail(&mut self, _: Duration) {}

    fn deliver_mail(&mut self, _: Epoch, _: Vec<RangeInclusive<u64>>) {}

    fn retire(&mut self) {
        self.then(Happening::EndSession(self.seat, true));
    }

    fn stop(&mut self) {
        self.then(Happening::EndSession(self.seat, false));
    }
}
