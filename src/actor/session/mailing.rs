//! The token's mailbox, as far as its session reads and notes it in the store.

use super::super::clock;
use super::{MailWaits, SessionActor};
use crate::domain::Epoch;
use crate::session::SessionMachine;
use crate::store::MailPage;
use actix::prelude::*;
use std::ops::RangeInclusive;
use std::time::Duration;
use tokio::time::Instant;

/// How many mails are read at a time.
const PIECE: u64 = 64;
/// How many bytes, roughly.
const PIECE_BYTES: u64 = 256 << 10;

impl Handler<MailWaits> for SessionActor {
    type Result = ();

    fn handle(&mut self, _: MailWaits, ctx: &mut Context<Self>) {
        self.step(ctx, SessionMachine::mail_waits);
    }
}

impl SessionActor {
    /// Reads some of what waits behind a number.
    pub(super) fn read_mail(&self, after: u64, ctx: &mut Context<Self>) {
        let Some(token) = self.machine.token().map(|token| token.id.clone()) else { return };
        let persistence = self.supervisor().persistence().clone();
        let page = MailPage { after, limit: PIECE, bytes: PIECE_BYTES, now: clock::now() };
        let read =
            async move { persistence.read(move |store| store.waiting_mail(&token, &page)).await };
        ctx.spawn(read.into_actor(self).map(|read, actor, ctx| {
            let piece = read
                .inspect_err(|error| tracing::warn!(%error, "a mailbox could not be read"))
                .ok();
            actor.step(ctx, |machine, acting| {
                machine.mail_read(piece, Instant::now(), acting);
            });
        }));
    }

    /// Looks after so long whether mails were heard.
    pub(super) fn watch_mail(pause: Duration, ctx: &mut Context<Self>) {
        ctx.run_later(pause, |actor, ctx| {
            actor.step(ctx, SessionMachine::look_at_mail);
        });
    }

    /// Notes that mails were delivered.
    pub(super) fn deliver_mail(
        &self,
        mailbox: Epoch,
        numbers: Vec<RangeInclusive<u64>>,
        ctx: &mut Context<Self>,
    ) {
        let (delivered, now) = (numbers.clone(), clock::now());
        let noted = self.supervisor().persistence().write(move |store| {
            delivered.iter().try_for_each(|range| store.deliver_mail(mailbox, range, now))
        });
        ctx.spawn(noted.into_actor(self).map(move |noted, actor, ctx| {
            if let Err(error) = &noted {
                tracing::warn!(%error, "mails that were delivered could not be noted as that");
            }
            actor.step(ctx, |machine, acting| {
                machine.mail_noted(&numbers, noted.is_ok(), acting);
            });
        }));
    }
}
