//! Mailboxes whose token has gone: they lose it in the transaction that deletes it, and are deleted in small steps.

use super::backend::Conn;
use super::rows::sql_count;
use super::schema::{mailboxes, mails};
use crate::domain::{LeapTokenId, ProjectId};
use crate::num;
use crate::store::StoreResult;
use diesel::prelude::*;

/// A token is deleted.
pub(super) fn detach(connection: &mut Conn, token: &LeapTokenId) -> StoreResult<()> {
    diesel::update(mailboxes::table)
        .filter(mailboxes::token_id.eq(token.as_str()))
        .set(mailboxes::token_id.eq(None::<&str>))
        .execute(connection)?;
    Ok(())
}

/// Likewise all of a project.
pub(super) fn detach_all(connection: &mut Conn, project: &ProjectId) -> StoreResult<()> {
    diesel::update(mailboxes::table)
        .filter(mailboxes::project_id.eq(project.as_str()))
        .set(mailboxes::token_id.eq(None::<&str>))
        .execute(connection)?;
    Ok(())
}

/// Deletes some mails that have lost their token, at most `limit`, and their mailbox with the last of them; how many rows.
pub(super) fn delete(connection: &mut Conn, limit: u64) -> StoreResult<u64> {
    let orphan: Option<i64> = mailboxes::table
        .filter(mailboxes::token_id.is_null())
        .select(mailboxes::epoch)
        .first(connection)
        .optional()?;
    let Some(epoch) = orphan else { return Ok(0) };
    let rows: Vec<(i64, i64)> = mails::table
        .filter(mails::epoch.eq(epoch))
        .limit(sql_count(limit))
        .select((mails::state, mails::number))
        .load(connection)?;
    for (state, number) in &rows {
        diesel::delete(mails::table.find((epoch, state, number))).execute(connection)?;
    }
    let count = num::counter(rows.len());
    if count < limit {
        diesel::delete(mailboxes::table.find(epoch)).execute(connection)?;
    }
    Ok(count.saturating_add(1))
}
