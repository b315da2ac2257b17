//! What the parts of a simulated server say to each other, and what they wait for.

use super::store::Job;
use crate::ask::{AskError, ChangeError};
use crate::channel::{Card, ConnectionRef, SessionArrival, Snapshot, Word};
use crate::delivery::fanout::{ConnectionUid, FanoutHandle};
use crate::delivery::{Home, Report, Reports};
use crate::domain::channel::SubscriberKind;
use crate::domain::{
    ChannelId, Message, SessionId, SessionUid, Since, State, StateChange, Timestamp, Version,
};
use crate::protocol::EncodedEvent;
use crate::session::ToChannel;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use tokio::time::Instant;

/// One incarnation of a channel on a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// The node.
    pub(super) node: usize,
    /// The channel.
    pub(super) channel: ChannelId,
    /// Which incarnation.
    pub(super) incarnation: u64,
}

/// One incarnation of a token's session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Seat {
    /// The node.
    pub(super) node: usize,
    /// The token.
    pub(super) token: usize,
    /// Which incarnation.
    pub(super) incarnation: u64,
}

/// A connection.
pub(super) type Connection = ConnectionRef<FanoutHandle>;

/// What comes to a channel.
#[derive(Debug)]
pub(super) enum ForChannel {
    /// A connection on its way in wants a snapshot.
    Attach(Card, Seat, Connection, Option<Since>),
    /// A session's connections are to hear it.
    Subscribe(SessionArrival<Seat, FanoutHandle>),
    /// A session's word.
    Word(SessionUid, ToChannel<FanoutHandle>),
    /// A session leaves.
    Leave(Card, Seat, Option<ConnectionUid>),
    /// A message.
    Publish(Message),
    /// A state change.
    Change(StateChange, Option<Version>),
    /// The store has written a state, or not.
    Committed(Version, Result<(), AskError>),
    /// The store has deleted the channel, or not.
    Deleted(bool),
    /// The store has noted that the channel has had a subscriber, or not.
    Marked(bool),
    /// The server was started again, and whoever wanted to come back has.
    Sweep,
    /// The back end deletes the channel.
    Delete,
    /// Newcomers are shown who is in.
    ShowNewcomers,
    /// The pause after a read that failed is over.
    ReloadAgain,
}

/// What comes to a session.
#[derive(Debug)]
pub(super) enum ForSession {
    /// A channel as it was when it began to hand its events to a connection.
    Snapshot(ConnectionUid, Box<Snapshot>),
    /// A channel's word.
    Word(Place, Word),
    /// What a channel said while nobody was connected.
    Kept(Arc<EncodedEvent>, u64),
    /// A connection tells of its end.
    Report(Report),
    /// A channel that was asked had ended.
    Unanswered(ChannelId),
    /// A channel is looked for.
    LookFor(ChannelId),
    /// The client subscribes, as long as its session lasts or for good.
    Subscribe(ChannelId, bool),
    /// The client subscribes for as long as the session lasts, as somebody whom channels may not let in.
    SubscribeForNow(ChannelId, SubscriberKind),
    /// A channel that was asked answers whether it lets the session in; none if it ended before it could.
    Answered(ChannelId, Option<bool>),
    /// The client unsubscribes.
    Unsubscribe(ChannelId),
    /// Somebody sends a message to the token.
    Direct(Message),
    /// The channels are asked who is in.
    AskWhoIsIn(ConnectionUid),
    /// Nobody has come back.
    GraceOver,
    /// The line is looked at.
    Expire,
}

impl ForSession {
    /// The channel whose subscription this settles: only one such thing is under way at a time.
    pub(super) fn settles(&self) -> Option<&ChannelId> {
        match self {
            Self::LookFor(id)
            | Self::Subscribe(id, _)
            | Self::SubscribeForNow(id, _)
            | Self::Unsubscribe(id) => Some(id),
            _ => None,
        }
    }
}

impl ForChannel {
    /// What a session hears if this does not reach the channel, and which.
    pub(super) fn unheard(&self, id: &ChannelId) -> Option<(Seat, ForSession)> {
        match self {
            Self::Subscribe(SessionArrival { way, who: Some(_), .. }) => {
                Some((*way, ForSession::Answered(id.clone(), None)))
            }
            Self::Attach(_, seat, ..) | Self::Subscribe(SessionArrival { way: seat, .. }) => {
                Some((*seat, ForSession::Unanswered(id.clone())))
            }
            _ => None,
        }
    }
}

/// What a step brings about.
pub(super) enum Happening {
    /// Something comes to a channel.
    Channel(Place, ForChannel),
    /// Something comes to a session.
    Session(Seat, ForSession),
    /// Something comes to a session later.
    Later(Instant, Seat, ForSession),
    /// Newcomers are shown who is in, later.
    ShowLater(Instant, Place),
    /// A session's grace ends early.
    StopGrace(Seat),
    /// The store is to write.
    Store(Job),
    /// A channel waits until it is read again.
    Reload(Place),
    /// A channel ends.
    EndChannel(Place),
    /// A session ends, if it still may where it is only asked.
    EndSession(Seat, bool),
    /// A session comes online on a channel, or leaves it.
    Online(Place, SessionId, bool),
    /// Who asked for a change is answered.
    Answer(ChannelId, Timestamp, Result<(State, Version), ChangeError>),
}

/// Where it all comes together.
pub(super) type Post = Rc<RefCell<Vec<Happening>>>;

/// Where connections report, which may be on another thread outside of here.
pub(super) type Reported = Arc<Mutex<Vec<(Seat, Report)>>>;

/// The way to a session for what its connections do not take.
pub(super) struct Back {
    /// The session.
    pub(super) seat: Seat,
    /// Where it goes.
    pub(super) reported: Reported,
}

impl Reports for Back {
    fn report(&self, report: Report) {
        self.reported.lock().unwrap().push((self.seat, report));
    }
}

impl Back {
    /// The way.
    pub(super) fn home(seat: Seat, reported: &Reported) -> Home {
        Arc::new(Self { seat, reported: Arc::clone(reported) })
    }
}
