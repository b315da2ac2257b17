//! The statements of a mail's way, prepared once and then kept (see `hot.rs`).

use super::super::backend::{Backend, Conn};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Text};

/// The next number of a token's mailbox goes to a mail of so many bytes, if there is room.
pub(super) struct TakeNumber<'a> {
    /// The tenant.
    pub(super) project: &'a str,
    /// The token.
    pub(super) token: &'a str,
    /// The mail's bytes.
    pub(super) bytes: i64,
    /// The most mails that may wait already.
    pub(super) most_messages: i64,
    /// The most bytes that may wait already.
    pub(super) most_bytes: i64,
}

impl QueryId for TakeNumber<'_> {
    type QueryId = TakeNumber<'static>;

    const HAS_STATIC_QUERY_ID: bool = true;
}

/// Epoch and number.
impl Query for TakeNumber<'_> {
    type SqlType = (BigInt, BigInt);
}

impl QueryFragment<Backend> for TakeNumber<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Backend>) -> QueryResult<()> {
        out.push_sql(
            "UPDATE mailboxes SET last_number = last_number + 1, messages = messages + 1, bytes = bytes + ",
        );
        out.push_bind_param::<BigInt, _>(&self.bytes)?;
        out.push_sql(" WHERE token_id = ");
        out.push_bind_param::<Text, _>(self.token)?;
        out.push_sql(" AND project_id = ");
        out.push_bind_param::<Text, _>(self.project)?;
        out.push_sql(" AND messages <= ");
        out.push_bind_param::<BigInt, _>(&self.most_messages)?;
        out.push_sql(" AND bytes <= ");
        out.push_bind_param::<BigInt, _>(&self.most_bytes)?;
        out.push_sql(" RETURNING epoch, last_number");
        Ok(())
    }
}

impl RunQueryDsl<Conn> for TakeNumber<'_> {}

/// So many mails of so many bytes wait no more.
pub(super) struct ReleaseRoom {
    /// The mailbox.
    pub(super) epoch: i64,
    /// How many.
    pub(super) messages: i64,
    /// Their bytes.
    pub(super) bytes: i64,
}

impl QueryId for ReleaseRoom {
    type QueryId = Self;

    const HAS_STATIC_QUERY_ID: bool = true;
}

/// The newest number.
impl Query for ReleaseRoom {
    type SqlType = BigInt;
}

impl QueryFragment<Backend> for ReleaseRoom {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Backend>) -> QueryResult<()> {
        out.push_sql("UPDATE mailboxes SET messages = messages - ");
        out.push_bind_param::<BigInt, _>(&self.messages)?;
        out.push_sql(", bytes = bytes - ");
        out.push_bind_param::<BigInt, _>(&self.bytes)?;
        out.push_sql(" WHERE epoch = ");
        out.push_bind_param::<BigInt, _>(&self.epoch)?;
        out.push_sql(" RETURNING last_number");
        Ok(())
    }
}

impl RunQueryDsl<Conn> for ReleaseRoom {}

/// Mails that wait come to an end, and lose their text.
pub(super) struct EndMails {
    /// The mailbox.
    pub(super) epoch: i64,
    /// The first of them.
    pub(super) first: i64,
    /// The last.
    pub(super) last: i64,
    /// Which end.
    pub(super) state: i64,
    /// When.
    pub(super) at: i64,
    /// When they are forgotten.
    pub(super) forgotten_at: i64,
}

impl QueryId for EndMails {
    type QueryId = Self;

    const HAS_STATIC_QUERY_ID: bool = true;
}

impl QueryFragment<Backend> for EndMails {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Backend>) -> QueryResult<()> {
        out.push_sql("UPDATE mails SET state = ");
        out.push_bind_param::<BigInt, _>(&self.state)?;
        out.push_sql(", since = ");
        out.push_bind_param::<BigInt, _>(&self.at)?;
        out.push_sql(", due_at = ");
        out.push_bind_param::<BigInt, _>(&self.forgotten_at)?;
        out.push_sql(", bytes = 0, event = '', data = '' WHERE epoch = ");
        out.push_bind_param::<BigInt, _>(&self.epoch)?;
        out.push_sql(" AND state = 0 AND number BETWEEN ");
        out.push_bind_param::<BigInt, _>(&self.first)?;
        out.push_sql(" AND ");
        out.push_bind_param::<BigInt, _>(&self.last)
    }
}

impl RunQueryDsl<Conn> for EndMails {}
