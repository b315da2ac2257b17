//! What a fan-out is asked to do.

use super::super::connection_info::ConnectionInfo;
use super::super::departures::Departures;
use super::super::owed::Kept;
use super::uid::ConnectionUid;
use crate::domain::project::SecretHash;
use crate::domain::{ChannelId, ConnectionId, LineId, Place, ProjectId};
use crate::protocol::profiles::LEAST_HEAVY;
use crate::protocol::{Close, EncodedEvent, Profiles};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// The budget of one fan-out, in units of [`UNIT_BYTES`]: 64 MiB of events on the way.
pub(super) const BUDGET_UNITS: u32 = 65_536;
/// The size of a unit; an order takes at least one.
const UNIT_BYTES: usize = 1024;

/// Whose connections an order means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// All of a project, of whatever scope.
    Project(ProjectId),
    /// Those that identified with this project token.
    Key(SecretHash),
}

/// What a fan-out is asked to do.
#[derive(Debug)]
pub enum Order {
    /// Hand an event to all local connections of a channel.
    Deliver {
        /// The channel.
        channel: LineId,
        /// The event.
        dispatch: Arc<EncodedEvent>,
    },
    /// Put a connection under a channel (once, however often asked), then hand it an event.
    Attach {
        /// The channel's line, and the last message on it that comes before.
        from: Place,
        /// Its id.
        name: ChannelId,
        /// The connection.
        connection: ConnectionUid,
        /// The event, if any.
        dispatch: Option<Arc<EncodedEvent>>,
    },
    /// Take a connection out of a channel, then hand it an event.
    Detach {
        /// The channel.
        channel: LineId,
        /// The connection.
        connection: ConnectionUid,
        /// The event, if any.
        dispatch: Option<Arc<EncodedEvent>>,
    },
    /// Hand all connections of a channel a last event and forget the channel.
    Dissolve {
        /// The channel.
        channel: LineId,
        /// The event, if any.
        dispatch: Option<Arc<EncodedEvent>>,
    },
    /// Hand an event to one connection.
    Direct {
        /// The connection.
        connection: ConnectionUid,
        /// The event.
        dispatch: Arc<EncodedEvent>,
    },
    /// Initialise a connection: INIT, then what its session kept, then what was held back.
    Init {
        /// The connection.
        connection: ConnectionUid,
        /// INIT.
        init: Box<EncodedEvent>,
        /// What the session kept.
        kept: Kept,
        /// The session's own line, and the last message on it that comes before.
        direct: Place,
    },
    /// Have a connection report how far it has heard its session's line.
    Confirm {
        /// The connection.
        connection: ConnectionUid,
        /// The line.
        line: LineId,
    },
    /// End a connection.
    Close {
        /// The connection.
        connection: ConnectionUid,
        /// Why.
        close: Close,
    },
    /// Send the thread's connections away: as many of those that there were at the first of these orders as are due by now.
    SendAway {
        /// What each is told.
        departures: Arc<Departures>,
        /// The time since the first of these orders.
        since: Duration,
    },
    /// Do something to a connection that somebody knows by its public id; answers whether it is here.
    Visit {
        /// The connection.
        connection: ConnectionUid,
        /// Its public id, which must be right.
        cid: ConnectionId,
        /// Its project, which must be right.
        project: ProjectId,
        /// What to do.
        visit: LinkVisit,
        /// Where the answer goes.
        reply: oneshot::Sender<bool>,
    },
    /// Tell of some connections.
    Describe {
        /// The connections.
        connections: Vec<ConnectionUid>,
        /// Where the answer goes.
        reply: oneshot::Sender<Vec<ConnectionInfo>>,
    },
    /// Look whose frames of a project somebody wants to see by now.
    Watch {
        /// The project.
        project: ProjectId,
        /// Is told when that is done.
        reply: oneshot::Sender<()>,
    },
    /// End those that belong to one owner.
    CloseOf {
        /// The owner.
        owner: Owner,
        /// Why.
        close: Close,
    },
}

/// What to do to one connection.
#[derive(Clone, Debug)]
pub enum LinkVisit {
    /// Hand it an event.
    Deliver(Arc<EncodedEvent>),
    /// End it.
    Close(Close),
}

impl Order {
    /// The channel and the connection that it concerns; neither means everybody.
    pub(super) const fn concerns(&self) -> (Option<LineId>, Option<ConnectionUid>) {
        match self {
            Self::Deliver { channel, .. } | Self::Dissolve { channel, .. } => {
                (Some(*channel), None)
            }
            Self::Attach { from, connection, .. } => (Some(from.line), Some(*connection)),
            Self::Detach { channel, connection, .. } => (Some(*channel), Some(*connection)),
            Self::Direct { connection, .. }
            | Self::Init { connection, .. }
            | Self::Confirm { connection, .. }
            | Self::Close { connection, .. }
            | Self::Visit { connection, .. } => (None, Some(*connection)),
            Self::SendAway { .. }
            | Self::CloseOf { .. }
            | Self::Watch { .. }
            | Self::Describe { .. } => (None, None),
        }
    }

    /// How much of the budget it takes.
    pub(super) fn units(&self) -> u32 {
        u32::try_from(self.bytes() / UNIT_BYTES).unwrap_or(BUDGET_UNITS).clamp(1, BUDGET_UNITS)
    }

    /// Roughly the bytes of its events.
    fn bytes(&self) -> usize {
        self.events().map(EncodedEvent::size_hint).sum()
    }

    /// Its events.
    fn events(&self) -> impl Iterator<Item = &EncodedEvent> {
        let (one, more): (Option<&EncodedEvent>, &[Arc<EncodedEvent>]) = match self {
            Self::Deliver { dispatch, .. }
            | Self::Direct { dispatch, .. }
            | Self::Visit { visit: LinkVisit::Deliver(dispatch), .. } => (Some(dispatch), &[]),
            Self::Attach { dispatch, .. }
            | Self::Detach { dispatch, .. }
            | Self::Dissolve { dispatch, .. } => (dispatch.as_deref(), &[]),
            Self::Init { init, kept, .. } => (Some(init), &kept.events),
            Self::Confirm { .. }
            | Self::Close { .. }
            | Self::SendAway { .. }
            | Self::CloseOf { .. }
            | Self::Watch { .. }
            | Self::Visit { .. }
            | Self::Describe { .. } => (None, &[]),
        };
        one.into_iter().chain(more.iter().map(|event| &**event))
    }

    /// Whether making its events in these forms would hold a thread up.
    pub(in crate::delivery) fn is_heavy(&self, forms: Profiles) -> bool {
        self.bytes() >= LEAST_HEAVY && forms.are_heavy(|| self.events())
    }

    /// Makes its events in these forms.
    pub(in crate::delivery) fn make(&self, forms: Profiles) {
        self.events().for_each(|event| forms.make(event));
    }
}
