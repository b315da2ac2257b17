//! What a connection records of what its client sends, while somebody wants to see that.

use super::super::clock;
use super::super::supervisor::Connected;
use super::{Connection, Inbound};
use crate::domain::ProjectId;
use crate::protocol::{Encoding, etf};
use crate::recorder::{ConnectionTape, RecordKind};

impl<K> Connection<K> {
    /// A connection came with a JSON Web Token: whom that speaks of is known now.
    pub(super) fn know_subject(&self, entered: &Connected, project: &ProjectId) {
        if let Some(token) = &entered.subject {
            let (tape, cid) = (self.supervisor.tape(project), self.link.cid().clone());
            self.link.set_tape(ConnectionTape::new(tape, cid, Some(token.as_str()), clock::now));
        }
    }

    /// Records what was read, as the text that it stands for.
    pub(super) fn record_inbound(&self, inbound: &Inbound) {
        let Some(tape) = self.link.tape() else { return };
        match inbound {
            Inbound::Text(text) => tape.frame(RecordKind::FrameIn, text),
            Inbound::Binary(bytes) => {
                let is_etf = self.machine.wire().encoding == Encoding::Etf;
                let read = is_etf.then(|| etf::to_json(bytes, self.account.bound()).ok());
                match read.flatten() {
                    Some(text) => tape.frame(RecordKind::FrameIn, &text),
                    None => tape.opaque_frame(RecordKind::FrameIn, bytes.len()),
                }
            }
            // Ends are recorded as such, and pings tell nothing.
            _ => {}
        }
    }
}
