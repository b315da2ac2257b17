//! A connection whose client can say nothing: what it asked for when it came is said in its place, in the words of the
//! protocol, so that the same rules decide about it.

use super::{Connection, Socket};
use crate::protocol::Action;
use actix::prelude::*;
use std::time::Duration;

impl<K: Socket> Connection<K> {
    /// Says what comes behind INIT.
    pub(super) fn speak_on(&mut self) -> Vec<Action> {
        let now = self.now();
        let words = self.socket.further_words(&self.link);
        words.iter().flat_map(|words| self.machine.on_text(now, words)).collect()
    }

    /// A client that can say nothing is taken to be there if nothing waits for it when the next heartbeat is due.
    pub(super) fn take_for_heard(&self, now: Duration, due: &[Action]) {
        let is_one_way = self.machine.wire().encoding.is_one_way();
        let is_beat = is_one_way && due.iter().any(|action| matches!(action, Action::Send(_)));
        if is_beat && self.link.left_bytes() == 0 {
            self.link.heard(now);
        }
    }
}

impl<K: Socket> Connection<K>
where
    Self: Actor,
    <Self as Actor>::Context: AsyncContext<Self>,
{
    /// Says what comes first.
    pub(super) fn begin_speaking(&mut self, ctx: &mut <Self as Actor>::Context) {
        if let Some(words) = self.socket.first_words() {
            let actions = self.machine.on_text(self.now(), &words);
            self.carry_out(actions, ctx);
        }
    }
}
