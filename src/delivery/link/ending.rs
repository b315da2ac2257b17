//! What did not reach a connection, told to its session when it goes.

use super::{Link, LinkEnd, SETTLE_PAUSE};
use crate::delivery::report::{Exit, Heard, Report, Settled, Undelivered};
use crate::domain::{LineId, Standing};
use std::time::Duration;

impl Link {
    /// From now on it is counted which messages do not arrive: its session goes on without it.
    pub fn count(&self) {
        self.is_counted.set(true);
        self.send_queue.borrow_mut().count();
    }

    /// Its client has been silent for too long: what its system took since it was last heard, it may not have read.
    pub fn doubt(&self) {
        self.is_doubtful.set(true);
    }

    /// Nobody is to deliver here any more. Returns whether the session knows.
    pub fn leave(&self) -> bool {
        self.go(LinkEnd::Left)
    }

    /// It has gone so far, if not farther. Returns whether the session knows.
    pub(super) fn go(&self, so_far: LinkEnd) -> bool {
        if self.gone.get() < so_far {
            self.gone.set(so_far);
        }
        self.tell_session()
    }

    /// Tells the session how far it has gone, if that is known and news; returns whether it is known.
    pub(super) fn tell_session(&self) -> bool {
        let session = self.session.borrow();
        let Some(session) = session.as_ref() else { return false };
        let (connection, gone) = (self.uid, self.gone.get());
        let (knew, is_counted) = (self.told.replace(gone), self.is_counted.get());
        let has_spoken = self.has_spoken.get();
        let exit = |(standing, undelivered), is_settled| {
            Report::Exit(Exit { connection, standing, is_settled, has_spoken, undelivered })
        };
        if gone == LinkEnd::Ended && knew < LinkEnd::Ended && (is_counted || knew < LinkEnd::Left) {
            let (standing, undelivered) = self.ended();
            session.report(if knew < LinkEnd::Left {
                exit((standing, undelivered), true)
            } else {
                Report::Settled(Settled { connection, standing, has_spoken, undelivered })
            });
        } else if gone == LinkEnd::Left && knew < LinkEnd::Left {
            session.report(exit(self.left(), !is_counted));
        }
        true
    }

    /// How far each line will have been heard at the most, by what is known when it leaves, and what is not going to be
    /// written.
    fn left(&self) -> (Option<Standing>, Undelivered) {
        let held = self.init_buffer.borrow_mut().as_mut().map(std::mem::take).unwrap_or_default();
        let mut send_queue = self.send_queue.borrow_mut();
        let cut = self.owed.borrow_mut().as_mut().map(|owed| owed.cut(send_queue.end_bytes()));
        let lost = send_queue.take_lost().saturating_add(held.strays());
        let standing = if self.is_doubtful.get() { send_queue.sure() } else { send_queue.hoped() };
        (standing, Undelivered { lost, ..cut.unwrap_or_default() })
    }

    /// How far each line was heard, and what was written, or was to be, and has not arrived.
    fn ended(&self) -> (Option<Standing>, Undelivered) {
        let mut send_queue = self.send_queue.borrow_mut();
        let owed = self.owed.take();
        let is_unread = owed.as_ref().is_some_and(|owed| !owed.is_old());
        let is_doubtful = self.is_doubtful.get() || is_unread;
        let standing = if is_doubtful { send_queue.sure() } else { send_queue.standing() };
        // Of a client that fell silent, what it was there for was taken already.
        let arrived = if self.is_doubtful.get() { None } else { send_queue.acknowledged() };
        let owed = owed.map(|owed| owed.ended(arrived)).unwrap_or_default();
        let held = self.init_buffer.take().unwrap_or_default();
        let lost = send_queue.unarrived().saturating_add(held.strays());
        (standing, Undelivered { lost, ..owed })
    }

    /// Tells the session how far its line was heard here by now, if that is counted. What was given at the beginning and has
    /// not arrived was not heard.
    pub(in crate::delivery) fn confirm(&self, line: LineId) {
        let session = self.session.borrow();
        let Some(session) = session.as_ref().filter(|_| self.gone.get() == LinkEnd::Not) else {
            return;
        };
        let mut send_queue = self.send_queue.borrow_mut();
        let Some(upto) = send_queue.standing().and_then(|standing| standing.of(line)) else {
            return;
        };
        let arrived = send_queue.acknowledged().unwrap_or_else(|| send_queue.written());
        let owed = self.owed.borrow();
        let first = owed.as_ref().and_then(|owed| owed.first_due(line, arrived));
        let upto = first.map_or(upto, |first| upto.min(first.saturating_sub(1)));
        let (connection, has_spoken) = (self.uid, self.has_spoken.get());
        session.report(Report::Heard(Heard { connection, upto, has_spoken }));
    }

    /// The client sent something, so long after the opening: it is there.
    pub fn heard(&self, now: Duration) {
        self.has_spoken.set(self.has_spoken.get() || !self.is_gated());
        let mut owed = self.owed.borrow_mut();
        if let Some(due) = owed.as_mut() {
            let send_queue = self.send_queue.borrow();
            due.taken(send_queue.acknowledged().unwrap_or_else(|| send_queue.written()));
            if due.is_settled() {
                *owed = None;
            }
        }
        drop(owed);
        if self.settled.get() + SETTLE_PAUSE <= now {
            self.settled.set(now);
            self.send_queue.borrow_mut().confirm();
        }
    }

    /// How many bytes have not arrived, as far as that is known.
    pub fn left_bytes(&self) -> u64 {
        self.send_queue.borrow().left_bytes()
    }
}
