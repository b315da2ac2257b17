//! Mailboxes: what waits for tokens, and what has become of it.

mod statements;

use super::backend::Conn;
use super::error::found;
use super::orphaned_mail;
use super::rows::{sql_count, unsigned};
use super::schema::{mailboxes, mails, tokens};
use super::store::DieselStore;
use crate::domain::{
    Epoch, LeapTokenId, Mail, MailId, MailPiece, MailState, MailStatus, MailboxBounds, Message,
    Position, ProjectId, RawJson, Timestamp,
};
use crate::num;
use crate::store::mailbox::{REMEMBERED, REMEMBERED_MAILS};
use crate::store::{MailPage, NewMail, ReadMailbox, StoreError, StoreResult, Thing, WriteMailbox};
use diesel::dsl::{exists, select};
use diesel::prelude::*;
use statements::{EndMails, ReleaseRoom, TakeNumber};
use std::ops::RangeInclusive;

/// How many mails whose time is over are let go at a time where a mailbox is full.
const EXPIRED_AT_ONCE: u64 = 256;
/// The state of one that waits.
const QUEUED: i64 = 0;
/// Of one that was delivered.
const DELIVERED: i64 = 1;
/// Of one whose time was over first.
const EXPIRED: i64 = 2;

/// A row of `mails`, as far as its end is concerned.
#[derive(Clone, Copy, Queryable, Selectable)]
#[diesel(table_name = mails)]
struct MailMark {
    /// The mailbox.
    epoch: i64,
    /// What has become of it.
    state: i64,
    /// Its number.
    number: i64,
    /// When something is due.
    due_at: i64,
    /// Its bytes.
    bytes: i64,
}

/// A mail of this mailbox with this number.
fn mail_id(epoch: i64, number: i64) -> MailId {
    MailId(Position { epoch: Epoch(unsigned(epoch)), offset: unsigned(number) })
}

/// The mailbox of a token.
fn mailbox_of(connection: &mut Conn, token: &LeapTokenId) -> StoreResult<Option<i64>> {
    let row = mailboxes::table.filter(mailboxes::token_id.eq(token.as_str()));
    Ok(row.select(mailboxes::epoch).first(connection).optional()?)
}

/// Some of what waits in a mailbox, and whether there is more.
fn piece_of(connection: &mut Conn, epoch: i64, page: &MailPage) -> StoreResult<(Vec<Mail>, bool)> {
    let marks: Vec<MailMark> = mails::table
        .filter(mails::epoch.eq(epoch))
        .filter(mails::state.eq(QUEUED))
        .filter(mails::number.gt(sql_count(page.after)))
        .filter(mails::due_at.gt(page.now.0))
        .order_by(mails::number)
        .limit(sql_count(page.limit.saturating_add(1)))
        .select(MailMark::as_select())
        .load(connection)?;
    let (mut bytes, mut chosen) = (0_i64, Vec::new());
    let most = usize::try_from(page.limit).unwrap_or(usize::MAX);
    for mark in &marks {
        bytes = bytes.saturating_add(mark.bytes);
        if chosen.len() >= most || (bytes > sql_count(page.bytes) && !chosen.is_empty()) {
            break;
        }
        chosen.push(mark.number);
    }
    let has_more = chosen.len() < marks.len();
    let (Some(first), Some(last)) = (chosen.first(), chosen.last()) else {
        return Ok((Vec::new(), false));
    };
    let rows: Vec<(i64, String, String)> = mails::table
        .filter(mails::epoch.eq(epoch))
        .filter(mails::state.eq(QUEUED))
        .filter(mails::number.between(first, last))
        .filter(mails::due_at.gt(page.now.0))
        .order_by(mails::number)
        .select((mails::number, mails::event, mails::data))
        .load(connection)?;
    let mail = |(number, event, data): (i64, String, String)| Mail {
        id: mail_id(epoch, number),
        message: Message { event: event.into(), data: RawJson::trusted(data) },
    };
    Ok((rows.into_iter().map(mail).collect(), has_more))
}

impl ReadMailbox for DieselStore<'_> {
    fn has_mail(&mut self, token: &LeapTokenId) -> StoreResult<bool> {
        let row = mailboxes::table.filter(mailboxes::token_id.eq(token.as_str()));
        let waiting: Option<i64> =
            row.select(mailboxes::messages).first(self.connection).optional()?;
        Ok(waiting.is_some_and(|waiting| waiting > 0))
    }

    fn waiting_mail(&mut self, token: &LeapTokenId, page: &MailPage) -> StoreResult<MailPiece> {
        let Some(epoch) = mailbox_of(self.connection, token)? else {
            return Ok(MailPiece::default());
        };
        let (mails, has_more) = piece_of(self.connection, epoch, page)?;
        Ok(MailPiece { mails, has_more })
    }

    fn find_mail(
        &mut self,
        token: &LeapTokenId,
        MailId(Position { epoch, offset }): MailId,
        now: Timestamp,
    ) -> StoreResult<Option<MailStatus>> {
        if mailbox_of(self.connection, token)? != Some(sql_count(epoch.0)) {
            return Ok(None);
        }
        let row: Option<(i64, i64, i64)> = mails::table
            .filter(mails::epoch.eq(sql_count(epoch.0)))
            .filter(mails::state.between(QUEUED, EXPIRED))
            .filter(mails::number.eq(sql_count(offset)))
            .select((mails::state, mails::since, mails::due_at))
            .first(self.connection)
            .optional()?;
        let status = |(state, since, due_at): (i64, i64, i64)| {
            let is_over = due_at <= now.0;
            let (state, at) = match state {
                QUEUED if is_over => (MailState::Expired, due_at),
                QUEUED => (MailState::Queued, since),
                _ if is_over => return None,
                DELIVERED => (MailState::Delivered, since),
                _ => (MailState::Expired, since),
            };
            Some(MailStatus { state, at: Timestamp(at) })
        };
        Ok(row.and_then(status))
    }

    fn is_mail_due(&mut self, now: Timestamp) -> StoreResult<bool> {
        let due = mails::table.filter(mails::due_at.le(now.0));
        let orphans = mailboxes::table.filter(mailboxes::token_id.is_null());
        Ok(select(exists(due)).get_result::<bool>(self.connection)?
            || select(exists(orphans)).get_result::<bool>(self.connection)?)
    }
}

/// Mails of these numbers, which have so many bytes together, come to an end at that time.
fn end(
    connection: &mut Conn,
    epoch: i64,
    (first, last): (i64, i64),
    (messages, bytes): (i64, i64),
    (state, at): (i64, i64),
) -> StoreResult<()> {
    let forgotten_at = Timestamp(at).later(REMEMBERED).0;
    EndMails { epoch, first, last, state, at, forgotten_at }.execute(connection)?;
    let newest: i64 = ReleaseRoom { epoch, messages, bytes }.get_result(connection)?;
    let forgotten = newest.saturating_sub(sql_count(REMEMBERED_MAILS));
    if forgotten > 0 {
        for state in [DELIVERED, EXPIRED] {
            diesel::delete(mails::table)
                .filter(mails::epoch.eq(epoch))
                .filter(mails::state.eq(state))
                .filter(mails::number.le(forgotten))
                .execute(connection)?;
        }
    }
    Ok(())
}

/// One whose time is over comes to its end.
fn expire(connection: &mut Conn, mark: MailMark) -> StoreResult<()> {
    let MailMark { epoch, number, due_at, bytes, .. } = mark;
    end(connection, epoch, (number, number), (1, bytes), (EXPIRED, due_at))
}

/// A mailbox for a token that has none; or room in a full one, if the time of some mails is over. Whether it is worth
/// trying again.
fn make_room(
    connection: &mut Conn,
    project: &ProjectId,
    token: &LeapTokenId,
    new: &NewMail,
) -> StoreResult<bool> {
    let row = tokens::table
        .filter(tokens::id.eq(token.as_str()))
        .filter(tokens::project_id.eq(project.as_str()));
    let is_there: bool = select(exists(row)).get_result(connection)?;
    found(usize::from(is_there), Thing::Token)?;
    let Some(epoch) = mailbox_of(connection, token)? else {
        diesel::insert_into(mailboxes::table)
            .values((
                mailboxes::epoch.eq(sql_count(new.epoch.0)),
                mailboxes::project_id.eq(project.as_str()),
                mailboxes::token_id.eq(token.as_str()),
                mailboxes::last_number.eq(0),
                mailboxes::messages.eq(0),
                mailboxes::bytes.eq(0),
            ))
            .execute(connection)?;
        return Ok(true);
    };
    let over: Vec<MailMark> = mails::table
        .filter(mails::epoch.eq(epoch))
        .filter(mails::state.eq(QUEUED))
        .filter(mails::due_at.le(new.at.0))
        .order_by(mails::number)
        .limit(sql_count(EXPIRED_AT_ONCE))
        .select(MailMark::as_select())
        .load(connection)?;
    let is_over = !over.is_empty();
    for mark in over {
        expire(connection, mark)?;
    }
    Ok(is_over)
}

/// `WriteMailbox::put_mail`: the hot path, two statements.
fn put(
    connection: &mut Conn,
    project: &ProjectId,
    token: &LeapTokenId,
    new: &NewMail,
    bounds: &MailboxBounds,
) -> StoreResult<MailId> {
    let message = &new.message;
    let size = sql_count(MailboxBounds::size_of(message));
    let take = || TakeNumber {
        project: project.as_str(),
        token: token.as_str(),
        bytes: size,
        most_messages: sql_count(bounds.messages).saturating_sub(1),
        most_bytes: sql_count(bounds.bytes).saturating_sub(size),
    };
    let (epoch, number): (i64, i64) = loop {
        if let Some(place) = take().get_result(connection).optional()? {
            break place;
        }
        if !make_room(connection, project, token, new)? {
            return Err(StoreError::MailboxFull);
        }
    };
    diesel::insert_into(mails::table)
        .values((
            mails::epoch.eq(epoch),
            mails::state.eq(QUEUED),
            mails::number.eq(number),
            mails::since.eq(new.at.0),
            mails::due_at.eq(new.expires_at.0),
            mails::bytes.eq(size),
            mails::event.eq(&*message.event),
            mails::data.eq(message.data.as_str()),
        ))
        .execute(connection)?;
    Ok(mail_id(epoch, number))
}

/// `WriteMailbox::deliver_mail`.
fn deliver(
    connection: &mut Conn,
    epoch: Epoch,
    numbers: &RangeInclusive<u64>,
    now: Timestamp,
) -> StoreResult<()> {
    let epoch = sql_count(epoch.0);
    let (first, last) = (sql_count(*numbers.start()), sql_count(*numbers.end()));
    // One whose time is over is delivered all the same, as long as nobody has let it go.
    let bytes: Vec<i64> = mails::table
        .filter(mails::epoch.eq(epoch))
        .filter(mails::state.eq(QUEUED))
        .filter(mails::number.between(first, last))
        .select(mails::bytes)
        .load(connection)?;
    if bytes.is_empty() {
        return Ok(());
    }
    let room = (sql_count(bytes.len()), bytes.iter().sum());
    end(connection, epoch, (first, last), room, (DELIVERED, now.0))
}

/// Deletes a mail.
fn forget(connection: &mut Conn, mark: MailMark) -> StoreResult<()> {
    diesel::delete(mails::table.find((mark.epoch, mark.state, mark.number))).execute(connection)?;
    Ok(())
}

/// `WriteMailbox::prune_mail`.
fn prune(connection: &mut Conn, now: Timestamp, limit: u64) -> StoreResult<bool> {
    let orphans = orphaned_mail::delete(connection, limit)?;
    if orphans > 0 {
        return Ok(true);
    }
    let due: Vec<MailMark> = mails::table
        .filter(mails::due_at.le(now.0))
        .order_by(mails::due_at)
        .limit(sql_count(limit))
        .select(MailMark::as_select())
        .load(connection)?;
    for mark in &due {
        if mark.state == QUEUED {
            expire(connection, *mark)?;
        } else {
            forget(connection, *mark)?;
        }
    }
    Ok(num::counter(due.len()) >= limit)
}

impl WriteMailbox for DieselStore<'_> {
    fn put_mail(
        &mut self,
        project: &ProjectId,
        token: &LeapTokenId,
        new: &NewMail,
        bounds: &MailboxBounds,
    ) -> StoreResult<MailId> {
        self.write(|connection| put(connection, project, token, new, bounds))
    }

    fn deliver_mail(
        &mut self,
        epoch: Epoch,
        numbers: &RangeInclusive<u64>,
        now: Timestamp,
    ) -> StoreResult<()> {
        self.write(|connection| deliver(connection, epoch, numbers, now))
    }

    fn prune_mail(&mut self, now: Timestamp, limit: u64) -> StoreResult<bool> {
        self.write(|connection| prune(connection, now, limit))
    }
}
