//! A connection has gone: what it has not heard, the next one gets.

use super::effects::{SessionEffects, ToChannel};
use super::{Parting, SessionMachine};
use crate::channel::Word;
use crate::delivery::Undelivered;
use crate::delivery::fanout::ConnectionUid;
use crate::delivery::{Exit, Report, Settled};
use crate::domain::{ChannelId, Standing};
use crate::faults::{Fault, is_planted};
use crate::line::{GoneReader, Missing};
use crate::protocol::{EncodedEvent, Event};
use std::sync::Arc;
use tokio::time::Instant;

impl<E: SessionEffects> SessionMachine<E> {
    /// A connection tells of its end.
    pub fn report(&mut self, report: Report, now: Instant, effects: &mut E) {
        match report {
            Report::Exit(exit) => self.exit(exit, now, effects),
            Report::Settled(settled) => self.settle(settled, effects),
            Report::Heard(heard) => self.mail_taken(&heard, now, effects),
            Report::Returned(undelivered) => self.take_back(undelivered, false, effects),
        }
    }

    /// A connection has gone.
    fn exit(&mut self, exit: Exit, now: Instant, effects: &mut E) {
        let Exit { connection, standing, is_settled, has_spoken, undelivered } = exit;
        let Some(gone) = self.connections.shift_remove(&connection) else { return };
        let (mail_since, left) = (gone.mail_since, self.places_of(&undelivered.kept));
        let was_there = has_spoken || gone.is_old(now);
        if let (Some(given), Some(mailbox)) = (gone.given, self.mailbox.known()) {
            mailbox.resumers.note(given, self.line.position().offset);
        }
        if is_settled && was_there {
            self.mail_heard(mail_since, standing.as_ref(), &left);
        }
        // Also those that are only asked, which may have let it in by now.
        for channel in self.acquainted() {
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
            let hoped = standing;
            let parting = Parting { connection, hoped, others, mail_since, was_there, left };
            self.parting.push(parting);
        }
        self.lose_mail(effects);
        self.check_idle(effects);
    }

    /// And its socket has ended.
    fn settle(&mut self, settled: Settled, effects: &mut E) {
        let Settled { connection, standing, has_spoken, undelivered } = settled;
        let known = self.parting.iter().position(|parting| parting.connection == connection);
        let parting = known.map(|at| self.parting.swap_remove(at));
        if let Some(Parting { mail_since, was_there, left, .. }) = &parting
            && (*was_there || has_spoken)
        {
            let mut left = left.clone();
            left.extend(self.places_of(&undelivered.kept));
            self.mail_heard(*mail_since, standing.as_ref(), &left);
        }
        let was_last = parting.as_ref().is_some_and(|parting| parting.others.is_none());
        self.take_back(undelivered, was_last, effects);
        if let (Some(heard), Some(Parting { hoped: Some(hoped), others, .. })) = (standing, parting)
        {
            self.recall(connection, &heard, &hoped, others, effects);
        }
        self.lose_mail(effects);
        self.check_idle(effects);
    }

    /// Not all has arrived that was hoped for.
    fn recall(
        &mut self,
        connection: ConnectionUid,
        heard: &Standing,
        hoped: &Standing,
        others: Option<u64>,
        effects: &mut E,
    ) {
        for channel in self.acquainted() {
            let (heard, hoped) = (heard.clone(), hoped.clone());
            effects.say(channel, self.uid, ToChannel::Recall { connection, heard, hoped });
        }
        self.keep_missing(self.line.unarrived(heard, hoped, others), true, effects);
    }

    /// A channel that the session holds says something; of one that it held once, only what was said to it counts.
    pub fn hear(&mut self, id: &ChannelId, channel: &E::Channel, word: Word, effects: &mut E) {
        let is_held =
            self.subscriptions.get(id).is_some_and(|held| held.channel.as_ref() == Some(channel));
        match word {
            Word::Admitted => self.admitted(id, channel, effects),
            Word::Missing { missing, is_old } => self.keep_missing(missing, is_old, effects),
            Word::Deleted if is_held => self.vanished(id, effects),
            Word::Died if is_held && !is_planted(Fault::DeathIgnored) => effects.look_for(id),
            Word::Deleted | Word::Died => self.asked_ended(id, channel),
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
        let missing = Missing { events: self.without_mail(missing.events), ..missing };
        if self.connections.values().any(|attendant| attendant.connecting.is_none()) {
            return self.replay.miss(missing.count());
        }
        let limits = effects.limits();
        self.replay.miss(missing.lost);
        if is_old {
            self.replay.put_back(missing.events, &limits);
        } else {
            self.replay.keep_missing(missing.events, &limits);
        }
    }

    /// Keeps for the next connection what that alone was given, and counts, if no other had it, the rest. Not mails: what
    /// nobody has heard of them is said again, and the client that went on from a position will name it again.
    fn take_back(&mut self, undelivered: Undelivered, was_last: bool, effects: &E) {
        let Undelivered { mut kept, mut missed, lost } = undelivered;
        if was_last {
            missed = missed.saturating_add(lost);
        }
        kept.retain(|event| !matches!(event.event(), Event::Mail { .. }));
        if !is_planted(Fault::ReturnedForgotten) {
            self.replay.put_back(kept, &effects.limits());
        }
        self.replay.miss(missed);
    }
}
