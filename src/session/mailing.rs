//! The token's mails: read from the store in pieces once somebody is there to hear them, said on the session's line as any
//! direct message, and given up as delivered when a connection has heard them.
//!
//! What of them no connection has heard is not kept as what else was missed: it waits in the store, and is said again.

use super::effects::SessionEffects;
use super::mailbox::{KnownMail, MailboxReading, SaidMail};
use super::resumers::ReadStretch;
use super::{Attendant, SessionMachine};
use crate::delivery::Heard;
use crate::delivery::fanout::Order;
use crate::domain::{Mail, MailPiece, Position, Since, Standing};
use crate::line::Recovery;
use crate::protocol::{EncodedEvent, Event};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How soon after something was said it is asked whether it was heard.
const FIRST_LOOK: Duration = Duration::from_millis(10);
/// And how rarely it comes to be asked; also how soon what the store refused is tried again.
const LAST_LOOK: Duration = Duration::from_secs(1);
/// How long a connection has to be there before what its side acknowledged counts as heard, unless its client has sent
/// anything: one that dies at once has a system that acknowledges and nobody who reads.
const HEARS_AFTER: Duration = Duration::from_secs(1);

impl<W> Attendant<W> {
    /// Whether it is here so long that what its side has acknowledged counts as heard.
    pub(super) fn is_old(&self, now: Instant) -> bool {
        now >= self.came + HEARS_AFTER
    }
}

impl<E: SessionEffects> SessionMachine<E> {
    /// Something waits in the mailbox.
    pub fn mail_waits(&mut self, effects: &mut E) {
        self.mailbox.note_news();
        self.fetch_mail(effects);
    }

    /// Whether somebody is connected, and all of them are past their INIT: what is held back for one may be dropped.
    fn is_everybody_in(&self) -> bool {
        let is_in = |attendant: &Attendant<E::Worker>| attendant.connecting.is_none();
        !self.connections.is_empty() && self.connections.values().all(is_in)
    }

    /// Has the next piece read, if there is somebody to hear it and room for it.
    pub(super) fn fetch_mail(&mut self, effects: &mut E) {
        let is_read = self.mailbox.reading != MailboxReading::Not;
        let is_wanted = self.mailbox.may_have_more && !is_read;
        let is_due = is_wanted && self.token().is_some() && self.is_everybody_in();
        if !is_due || !self.mailbox.has_room() {
            return;
        }
        let mailbox = &mut *self.mailbox;
        if let Some(lost_from) = mailbox.lost_from.take() {
            mailbox.cursor = mailbox.cursor.min(lost_from.saturating_sub(1));
        }
        mailbox.reading = MailboxReading::UnderWay;
        effects.read_mail(mailbox.cursor);
    }

    /// What was read; none where the store failed.
    pub fn mail_read(&mut self, piece: Option<MailPiece>, now: Instant, effects: &mut E) {
        let reading = std::mem::replace(&mut self.mailbox.reading, MailboxReading::Not);
        let Some(piece) = piece else { return self.look_later(effects) };
        if !self.is_everybody_in() {
            // Who is on its way in, or comes next, is the reason to read again.
            return;
        }
        if self.mailbox.lost_from.is_some() {
            // Something before it comes first.
            return self.fetch_mail(effects);
        }
        let MailPiece { mails, has_more } = piece;
        self.mailbox.may_have_more = has_more || reading == MailboxReading::Overtaken;
        for mail in mails {
            let Position { epoch, offset: number } = mail.id.0;
            (self.mailbox.epoch, self.mailbox.cursor) = (Some(epoch), number);
            if self.mailbox.is_due(number) {
                self.say_mail(mail, now, effects);
            }
        }
        if !has_more {
            self.mailbox.end_of_queue();
        }
        self.fetch_mail(effects);
        self.look_soon(effects);
    }

    /// Says a mail to all connections.
    fn say_mail(&mut self, Mail { id, message }: Mail, now: Instant, effects: &mut E) {
        let event = EncodedEvent::new(Event::Mail { message, id });
        let bytes = event.size_hint();
        let dispatch = self.line.say(event, now);
        self.watch_line(now, effects);
        let (place, offset) = (self.line.last(), self.line.position().offset);
        let (is_taken, is_heard, is_lost) = (false, false, false);
        let first = offset;
        let said = SaidMail { place, offset, first, bytes, is_taken, is_heard, is_lost };
        self.mailbox.note_said(id.0.offset, said);
        self.spread(&dispatch, effects);
    }

    /// Sees to it that it is asked soon whether what was said was heard.
    fn look_soon(&mut self, effects: &mut E) {
        let is_open = self.mailbox.said.values().any(|mail| !mail.is_heard);
        if is_open && self.mailbox.look.is_none() {
            self.look_in(FIRST_LOOK, effects);
        }
    }

    /// Sees to it that what the store has refused is tried again.
    fn look_later(&mut self, effects: &mut E) {
        if self.mailbox.look.is_none() {
            self.look_in(LAST_LOOK, effects);
        }
    }

    /// Looks after so long.
    fn look_in(&mut self, pause: Duration, effects: &mut E) {
        self.mailbox.look = Some(pause);
        effects.watch_mail(pause);
    }

    /// It is time to look: asks connections what they have heard, and tries again what has failed.
    pub fn look_at_mail(&mut self, effects: &mut E) {
        let waited = self.mailbox.look.take().unwrap_or(LAST_LOOK);
        let pause = waited.saturating_mul(2).clamp(FIRST_LOOK, LAST_LOOK);
        self.ask_what_was_heard(effects);
        self.note_delivered(effects);
        self.fetch_mail(effects);
        let is_open = !self.connections.is_empty() && !self.mailbox.said.is_empty();
        let is_left = self.mailbox.may_have_more && self.is_everybody_in();
        if is_open || is_left || !self.mailbox.is_noted() {
            self.look_in(pause, effects);
        }
    }

    /// Asks those connections that were given something of which it is not known whether anybody has heard it.
    fn ask_what_was_heard(&self, effects: &mut E) {
        let line = self.line.id();
        for (uid, attendant) in &self.connections {
            let is_given = |mail: &SaidMail| !mail.is_heard && attendant.mail_since < mail.place;
            if attendant.connecting.is_none() && self.mailbox.said.values().any(is_given) {
                self.order_one(*uid, Order::Confirm { connection: *uid, line }, effects);
            }
        }
    }

    /// A connection says how far it has heard.
    pub(super) fn mail_taken(&mut self, heard: &Heard, now: Instant, effects: &mut E) {
        let Some(attendant) = self.connections.get(&heard.connection) else { return };
        let is_sure = heard.has_spoken || attendant.is_old(now);
        let mailbox = &mut *self.mailbox;
        for mail in mailbox.said.values_mut() {
            if attendant.mail_since < mail.place && mail.place <= heard.upto {
                if !mail.is_taken
                    && let Some(look) = &mut mailbox.look
                {
                    // Whoever takes something may soon take more.
                    *look = Duration::ZERO;
                }
                mail.is_taken = true;
                mail.is_heard |= is_sure;
            }
        }
        self.note_delivered(effects);
        self.fetch_mail(effects);
    }

    /// A connection has ended which was given mails behind a number, and it is known how far it has heard the line; `left` is
    /// what of that it was given at its beginning and has not taken.
    pub(super) fn mail_heard(&mut self, since: u64, heard: Option<&Standing>, left: &[u64]) {
        let upto = heard.and_then(|heard| heard.of(self.line.id())).unwrap_or(0);
        for mail in self.mailbox.said_mut() {
            if since < mail.place && mail.place <= upto && !left.contains(&mail.place) {
                mail.is_heard = true;
            }
        }
    }

    /// A connection has gone: what only such were given that have gone without it waits again.
    pub(super) fn lose_mail(&mut self, effects: &mut E) {
        let here = self.connections.values().map(|attendant| attendant.mail_since);
        let parting = self.parting.iter().map(|parting| parting.mail_since);
        let given_behind = here.chain(parting).min().unwrap_or(u64::MAX);
        let Some(mailbox) = self.mailbox.known() else { return };
        let mut has_lost = false;
        for (number, mail) in &mut mailbox.said {
            if !mail.is_heard && mail.place <= given_behind {
                (mail.is_taken, mail.is_lost) = (true, true);
                has_lost = true;
                mailbox.lost_from = Some(mailbox.lost_from.map_or(*number, |n| n.min(*number)));
            }
        }
        if has_lost {
            mailbox.note_news();
        }
        self.note_delivered(effects);
        self.fetch_mail(effects);
    }

    /// What of the line a client has read that names a place.
    pub(super) fn read_upto(&self, named: Option<Since>) -> ReadStretch {
        let stands = self.line.position();
        let known = named
            .and_then(|Since(named)| named)
            .filter(|named| named.epoch == stands.epoch && named.offset <= stands.offset);
        let here = self.connections.values().filter_map(|attendant| attendant.given.as_ref());
        known.map_or(ReadStretch::NOTHING, |named| self.mailbox.resumers.read(named.offset, here))
    }

    /// A connection comes whose client has read this, and is given what is recovered behind that. Returns behind which number
    /// it is given mails so.
    pub(super) fn resume_mail(
        &mut self,
        read: &ReadStretch,
        direct: &Recovery,
        effects: &mut E,
    ) -> u64 {
        for mail in self.mailbox.said_mut() {
            mail.is_heard |= read.has(mail.first) || read.has(mail.offset);
        }
        self.note_delivered(effects);
        if direct.standing.recovered != Some(true) {
            return self.line.last();
        }
        let first = direct.events.first().and_then(|event| event.place());
        let since = first.map_or(self.line.last(), |first| first.number.saturating_sub(1));
        for mail in self.mailbox.said_mut() {
            mail.is_lost &= mail.place <= since;
        }
        since
    }

    /// The numbers on the session's line of what stands there.
    pub(super) fn places_of(&self, events: &[Arc<EncodedEvent>]) -> Vec<u64> {
        let places = events.iter().filter_map(|event| event.place());
        places.filter(|place| place.line == self.line.id()).map(|place| place.number).collect()
    }

    /// Leaves out what is not to be heard where it stands, because it waits and is said again.
    pub(super) fn without_mail(
        &self,
        mut events: Vec<Arc<EncodedEvent>>,
    ) -> Vec<Arc<EncodedEvent>> {
        let line = self.line.id();
        events.retain(|event| {
            let own = event.place().filter(|place| place.line == line);
            !own.is_some_and(|place| self.mailbox.says_again(place.number))
        });
        events
    }

    /// Leaves out, of what the line has for a client that comes back, what was said again since, and what it has read where
    /// that was first said. Returns the offsets of what was left out that it may not have read.
    pub(super) fn without_repeats(
        &self,
        read: &ReadStretch,
        events: &mut Vec<Arc<EncodedEvent>>,
    ) -> Vec<u64> {
        let KnownMail { moved, again, .. } = &*self.mailbox;
        let mut left_out = Vec::new();
        events.retain(|event| {
            let place = event.place().map_or(0, |place| place.number);
            let is_moved = moved.contains(&place);
            if is_moved {
                left_out.extend(event.position().map(|position| position.offset));
            }
            !is_moved && !again.get(&place).is_some_and(|first| read.has(*first))
        });
        left_out
    }

    /// Has it noted what was heard.
    fn note_delivered(&mut self, effects: &mut E) {
        let Some(epoch) = self.mailbox.epoch.filter(|_| !self.mailbox.is_noting) else { return };
        let heard = self.mailbox.heard();
        if !heard.is_empty() {
            self.mailbox.is_noting = true;
            effects.deliver_mail(epoch, heard);
        }
    }

    /// It is noted, or could not be.
    pub fn mail_noted(&mut self, numbers: &[RangeInclusive<u64>], is_noted: bool, effects: &mut E) {
        self.mailbox.is_noting = false;
        if !is_noted {
            return self.look_later(effects);
        }
        self.mailbox.said.retain(|number, _| !numbers.iter().any(|range| range.contains(number)));
        self.note_delivered(effects);
        self.fetch_mail(effects);
        self.check_idle(effects);
    }
}

#[cfg(test)]
mod tests;
