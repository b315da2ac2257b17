//! What follows INIT: what was kept for whoever comes next, or, line by line, what came after the position that the
//! connection names (extension `resume`).

use crate::channel::Snapshot;
use crate::domain::{ChannelId, Resume, SessionId};
use crate::faults::{Fault, is_planted};
use crate::line::Recovery;
use crate::protocol::{EncodedEvent, Event, InitStanding};
use std::sync::Arc;

/// What a connection is given behind INIT, and what INIT says of it.
pub(super) struct GoingOn {
    /// The messages, each line's in its order.
    pub(super) events: Vec<Arc<EncodedEvent>>,
    /// How many messages are missing that nobody can give it.
    pub(super) missed: u64,
    /// Where everything stands, for those who asked for positions.
    pub(super) standing: Option<Box<InitStanding>>,
}

impl GoingOn {
    /// Works it out. Of a line whose position the connection names, what was kept is of no use: all that came after that
    /// position is at hand, or it is told that it is not. So nothing comes twice, and nothing partly.
    pub(super) fn new(
        (mut events, mut missed): (Vec<Arc<EncodedEvent>>, u64),
        has_positions: bool,
        resume: Option<&Resume>,
        snapshots: &mut [Snapshot],
        direct: Recovery,
        session: &SessionId,
    ) -> Self {
        if !has_positions {
            return Self { events, missed, standing: None };
        }
        events.retain(|event| {
            let is_named = resume.is_some_and(|resume| is_named(resume, event.event()));
            !is_named || is_planted(Fault::KeptBesideRecovered)
        });
        for snapshot in &mut *snapshots {
            events.append(&mut snapshot.recovery.events);
        }
        let Recovery { standing: direct, events: mut own } = direct;
        events.append(&mut own);
        let channels: Vec<_> = snapshots.iter().map(|known| known.recovery.standing).collect();
        let all = || channels.iter().chain([&direct]).map(|line| line.recovered);
        // Who has all of every line has missed nothing, whatever could not be kept.
        if all().all(|recovered| recovered == Some(true)) {
            missed = 0;
        }
        let is_complete = resume.map(|_| all().all(|recovered| recovered != Some(false)));
        let standing = InitStanding { session: session.clone(), channels, direct, is_complete };
        Self { events, missed, standing: Some(Box::new(standing)) }
    }
}

/// Whether an event is of a line whose position was named.
fn is_named(resume: &Resume, event: &Event) -> bool {
    let is_named = |channel: &ChannelId| resume.channels.contains_key(channel);
    match event {
        Event::Message { channel, .. } => is_named(channel),
        Event::DirectMessage { is_unicast, .. } => resume.direct.is_some() && !is_unicast,
        Event::Mail { .. } => resume.direct.is_some(),
        _ => false,
    }
}
