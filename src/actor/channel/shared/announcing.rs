//! What the store has decided is announced on the line: what it has put in order, and that something is another by now.

use super::super::ChannelActor;
use super::{MOST_WAITING, MOST_WAITING_BYTES, SharedLine, Unsaid};
use crate::bus::LineEntry;
use crate::bus::shared::Proposal;
use crate::domain::Channel;
use actix::prelude::*;
use std::sync::Arc;

impl SharedLine {
    /// Puts what the store has put in order behind what waits. Where too much does, others are to read it there instead.
    fn push_kept(&mut self, entry: LineEntry, bytes: usize) {
        let is_full = self.queue.len() >= MOST_WAITING
            || (self.bytes > 0 && self.bytes + bytes > MOST_WAITING_BYTES);
        if is_full {
            self.queue.retain(|unsaid| !unsaid.is_in_store_order());
            self.bytes = self.queue.iter().map(|unsaid| unsaid.bytes).sum();
            self.push(Unsaid::stored(LineEntry::Reread));
        } else {
            self.push(Unsaid { bytes, ..Unsaid::stored(entry) });
        }
    }
}

impl ChannelActor {
    /// Says what the store has put in order.
    pub(in super::super) fn announce(
        &mut self,
        entry: LineEntry,
        bytes: usize,
        ctx: &mut Context<Self>,
    ) {
        if let Some(shared) = &mut self.shared {
            shared.push_kept(entry, bytes);
            self.fly(ctx);
        }
    }

    /// The bus orders the channel's states again, behind the one in force.
    pub(in super::super) fn say_state_in_force(&mut self, ctx: &mut Context<Self>) {
        let Channel { state, version, .. } = self.machine.channel().clone();
        if let Some(shared) = &mut self.shared {
            let entry = LineEntry::State { state, version };
            shared.push(Unsaid { is_repair: true, ..Unsaid::stored(entry) });
            self.fly(ctx);
        }
    }

    /// Has the other servers read the channel again.
    pub(in super::super) fn reread_elsewhere(&mut self, ctx: &mut Context<Self>) {
        if let Some(shared) = &mut self.shared {
            shared.push(Unsaid::stored(LineEntry::Reread));
            self.fly(ctx);
        }
    }

    /// The same of one that is deleted, whose actor ends: to be waited for before that is answered.
    pub(in super::super) fn tell_deleted(&self) -> impl Future<Output = ()> + use<> {
        let told = self.shared.as_ref().map(|shared| (Arc::clone(&shared.bus), shared.epoch));
        let key = self.key().clone();
        async move {
            let Some((bus, epoch)) = told else { return };
            let proposal = Proposal { epoch, entry: LineEntry::Reread, is_repair: false };
            if let Err(error) = bus.append(&key, proposal).await {
                tracing::warn!(channel = key.id.as_str(), %error, "other servers were not told of a deletion");
            }
        }
    }
}
