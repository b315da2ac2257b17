//! What ends by itself: a token that expires takes all its connections along; of a subject, each connection ends with the
//! JSON Web Token that it came with, or that it was given since.

use super::SessionMachine;
use super::effects::SessionEffects;
use crate::delivery::fanout::ConnectionUid;
use crate::domain::Timestamp;
use crate::protocol::{Close, CloseCode};

/// Until when a connection may be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// Until then.
    pub at: Timestamp,
    /// Whether its client knows what to do about an expired token (extension `refresh`).
    pub knows_expiry: bool,
}

impl Expiry {
    /// How a connection ends whose token has expired: clients that do not know of it must not come back with the same one.
    pub fn close(knows_expiry: bool) -> Close {
        let code = if knows_expiry { CloseCode::TokenExpired } else { CloseCode::InvalidAuth };
        Close::new(code, "the token has expired")
    }
}

impl<E: SessionEffects> SessionMachine<E> {
    /// Has the clock watched for whatever ends first.
    pub fn watch_expiry(&self, effects: &mut E) {
        let token = self.token().and_then(|token| token.expires_at);
        let connections = self.connections.values().filter_map(|known| known.expiry);
        let first = connections.map(|expiry| expiry.at).chain(token).min();
        effects.watch_expiry(first);
    }

    /// The time may have come at which the token expires, or a connection's does.
    pub fn expire_token(&mut self, now: Timestamp, effects: &mut E) {
        if self.token().is_some_and(|token| token.is_expired(now)) {
            // Where nobody ever was, somebody's question is what the session was begun for: it ends behind the answer.
            if self.had_connections {
                self.end("the token has expired", effects);
            }
            return;
        }
        let mut over = Vec::new();
        for (uid, known) in &mut self.connections {
            if let Some(expiry) = known.expiry.take_if(|expiry| expiry.at <= now) {
                over.push((*uid, Expiry::close(expiry.knows_expiry)));
            }
        }
        for (uid, close) in over {
            self.close(uid, close, effects);
        }
        self.watch_expiry(effects);
    }

    /// A connection may stay until then: its client has shown a newer token. One that has just been ended is not brought
    /// back.
    pub fn prolong(&mut self, connection: ConnectionUid, at: Timestamp, effects: &mut E) {
        let known = self.connections.get_mut(&connection);
        if let Some(expiry) = known.and_then(|known| known.expiry.as_mut()) {
            expiry.at = at;
            self.watch_expiry(effects);
        }
    }
}
