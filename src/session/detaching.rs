//! A connection has gone: what it has not heard, the next one gets.

use super::effects::{SessionEffects, ToChannel};
use super::{Parting, SessionMachine};
use crate::channel::Word;
use crate::delivery::Undelivered;
use crate::delivery::{Exit, Report, Settled};
use crate::domain::ChannelId;
use crate::faults::{Fault, is_planted};
use crate::line::{GoneReader, Missing};
use crate::protocol::EncodedEvent;
use std::sync::Arc;

impl<E: SessionEffects> SessionMachine<E> {
    /// A connection tells of its end.
    pub fn report(&mut self, report: Report, effects: &mut E) {
        match report {
            Report::Exit(exit) => self.exit(exit, effects),
            Report::Settled(settled) => self.settle(settled, effects),
            Report::Returned(undelivered) => self.take_back(undelivered, false, effects),
        }
    }

    /// A connection has gone.
    fn exit(&mut self, exit: Exit, effects: &mut E) {
        let Exit { connection, standing, is_settled, undelivered } = exit;
        let Some(gone) = self.connections.shift_remove(&connection) else { return };
        for channel in self.channels() {
            let standing = standing.clone();
            let word = ToChannel::Detach { connection, standing, is_settled };
            effects.say(channel, self.uid, word);
        }
        let was_last = self.connections.is_empty();
        if was_last {
            effects.set_online(None);
        }
        self.take_back(undelivered, was_last, effects);
        // As each channel does with its own.
        let others = self.connections.values().map(|other| other.since).min();
        if let Some(standing) = &standing {
            let gone = GoneReader { since: gone.since, others };
            self.keep_missing(self.line.unheard(standing, gone), false, effects);
        }
        if !is_settled {
            self.parting.push(Parting { connection, hoped: standing, others });
        }
        self.check_idle(effects);
    }

    /// And its socket has ended.
    fn settle(&mut self, settled: Settled, effects: &mut E) {
        let Settled { connection, standing, undelivered } = settled;
        let known = self.parting.iter().position(|parting| parting.connection == connection);
        let parting = known.map(|at| self.parting.swap_remove(at));
        let was_last = parting.as_ref().is_some_and(|parting| parting.others.is_none());
        self.take_back(undelivered, was_last, effects);
        let (Some(heard), Some(Parting { hoped: Some(hoped), others, .. })) = (standing, parting)
        else {
            return;
        };
        for channel in self.channels() {
            let (heard, hoped) = (heard.clone(), hoped.clone());
            effects.say(channel, self.uid, ToChannel::Recall { connection, heard, hoped });
        }
        self.keep_missing(self.line.unarrived(&heard, &hoped, others), true, effects);
    }

    /// A channel that the session holds says something; of one that it held once, only what was said to it counts.
    pub fn hear(&mut self, id: &ChannelId, channel: &E::Channel, word: Word, effects: &mut E) {
        let is_held =
            self.subscriptions.get(id).is_some_and(|held| held.channel.as_ref() == Some(channel));
        match word {
            Word::Missing { missing, is_old } => self.keep_missing(missing, is_old, effects),
            Word::Deleted if is_held => self.vanished(id, effects),
            Word::Died if is_held && !is_planted(Fault::DeathIgnored) => effects.look_for(id),
            Word::Deleted | Word::Died => {}
        }
    }

    /// A channel says something while nobody is connected, and that so many messages before it found no way here.
    pub fn keep(&mut self, dispatch: Arc<EncodedEvent>, missed: u64, effects: &E) {
        self.replay.keep(dispatch, &effects.limits());
        self.replay.miss(missed);
    }

    /// Keeps for the next connection what one has not heard. Once a connection is past its INIT there is no place for it
    /// among what that hears; then it is counted, and the next INIT tells.
    fn keep_missing(&mut self, missing: Missing, is_old: bool, effects: &E) {
        if self.connections.values().any(|attendant| attendant.connecting.is_none()) {
            return self.replay.miss(missing.count());
        }
        let limits = effects.limits();
        self.replay.miss(missing.lost);
        if is_old {
            self.replay.put_back(missing.events, &limits);
        } else {
            missing.events.into_iter().for_each(|event| self.replay.keep(event, &limits));
        }
    }

    /// Keeps for the next connection what that alone was given, and counts, if no other had it, the rest.
    fn take_back(&mut self, undelivered: Undelivered, was_last: bool, effects: &E) {
        let Undelivered { kept, mut missed, lost } = undelivered;
        if was_last {
            missed = missed.saturating_add(lost);
        }
        if !is_planted(Fault::ReturnedForgotten) {
            self.replay.put_back(kept, &effects.limits());
        }
        self.replay.miss(missed);
    }
}
