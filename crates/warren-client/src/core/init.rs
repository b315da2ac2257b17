//! A connection begins: what goes on, what is asked for again, and what has ended meanwhile.

use super::Core;
use crate::error::Error;
use crate::event::State;
use crate::frame::{ChannelInfo, Init, Standing};
use crate::heart::{Heart, Mark};
use std::collections::HashSet;
use std::sync::Arc;
use tokio::time::Instant;

impl Core {
    /// `INIT`.
    pub(super) fn init(&mut self, init: Init, now: Instant) -> serde_json::Result<()> {
        let Init { cid, session, scope, channels, metadata, has_missed, ext, direct } = init;
        self.handshake_due = None;
        self.connected_at = Some(now);
        self.connections += 1;
        self.is_token = scope == "token";
        let patience = self.options.patience.min(self.interval / 2);
        self.heart = Some(Heart::new(self.interval, patience, now));
        let is_known = self.is_token && session.is_some() && session == self.session;
        self.session = session;
        self.outbox.begun(is_known);
        let has_positions = ext.iter().any(|name| name == "resume");
        let doubt = Doubt { has_missed, has_positions };
        if self.is_token {
            let is_doubtful = doubt.of(self.direct.position().is_some(), self.direct.has_past());
            self.direct.begin(direct, is_doubtful);
        }
        self.outside.direct.show(State { value: Arc::new(metadata), version: None });
        let mut listed = HashSet::new();
        for info in channels {
            listed.insert(info.id.clone());
            if self.left.remove(&info.id) {
                self.leave(&info.id);
            } else {
                self.listed(info, doubt)?;
            }
        }
        self.left.clear();
        let rooms: Vec<String> = self.rooms.keys().cloned().collect();
        for id in rooms {
            self.restore(&id, listed.contains(&id));
        }
        self.cid = cid;
        self.mark(Mark::Init);
        self.flush();
        Ok(())
    }

    /// A channel that the session is subscribed to.
    fn listed(&mut self, info: ChannelInfo, doubt: Doubt) -> serde_json::Result<()> {
        let (state, bytes) = info.state()?;
        let ChannelInfo { id, position, recovered, .. } = info;
        let room = self.room(&id);
        let is_doubtful = doubt.of(room.line.position().is_some(), room.line.has_past());
        room.view.members().clear();
        room.line.begin(Standing { position, recovered }, is_doubtful);
        room.show(state, bytes);
        Ok(())
    }

    /// Decides what a connection that has just begun does about a channel.
    fn restore(&mut self, id: &str, is_listed: bool) {
        let Some(room) = self.rooms.get_mut(id) else { return };
        let was_available = std::mem::replace(&mut room.is_available, is_listed);
        let is_ephemeral = room.wanted.as_ref().is_some_and(|wanted| wanted.ephemeral);
        if is_listed {
            // What the back end gave may be ephemeral; who wants it kept says so, once.
            if room.wanted.is_some() && !is_ephemeral && !room.is_kept {
                self.ask_for(id);
            }
        } else if room.wanted.is_none() || (self.is_token && was_available && !is_ephemeral) {
            // The server keeps a token's permanent subscriptions: one that is gone was ended on purpose.
            self.end_room(id, &Error::Unsubscribed);
        } else {
            self.ask_for(id);
        }
    }
}

/// What INIT says of all lines.
#[derive(Clone, Copy)]
struct Doubt {
    /// Something is missing.
    has_missed: bool,
    /// Lines have positions.
    has_positions: bool,
}

impl Doubt {
    /// Whether something of a line may be missing though the server says nothing of it.
    const fn of(self, has_position: bool, has_past: bool) -> bool {
        self.has_missed || has_position || (has_past && !self.has_positions)
    }
}
