//! The statements of the hot paths, in a form that is prepared once and then kept.
//!
//! Diesel keeps prepared statements, but no UPDATE that it writes itself: which columns one sets may differ from call to
//! call. Preparing it took a quarter of the writer's time.

use super::backend::{Backend, Conn, EARLIER, NEXT_LOG, OWN};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Nullable, Text};

/// Puts a state in the place of the one of the version before.
pub(super) struct SetState<'a> {
    /// The tenant.
    pub(super) project: &'a str,
    /// The channel.
    pub(super) id: &'a str,
    /// JSON text.
    pub(super) state: &'a str,
    /// Its number.
    pub(super) version: i64,
    /// The number of the one before.
    pub(super) before: i64,
}

impl QueryId for SetState<'_> {
    type QueryId = SetState<'static>;

    const HAS_STATIC_QUERY_ID: bool = true;
}

impl QueryFragment<Backend> for SetState<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Backend>) -> QueryResult<()> {
        out.push_sql("UPDATE channels SET state = ");
        out.push_bind_param::<Text, _>(self.state)?;
        out.push_sql(", version = ");
        out.push_bind_param::<BigInt, _>(&self.version)?;
        out.push_sql(" WHERE project_id = ");
        out.push_bind_param::<Text, _>(self.project)?;
        out.push_sql(" AND id = ");
        out.push_bind_param::<Text, _>(self.id)?;
        out.push_sql(" AND version = ");
        out.push_bind_param::<BigInt, _>(&self.before)
    }
}

impl RunQueryDsl<Conn> for SetState<'_> {}

/// The next place on a channel's line goes to a message of so many bytes.
pub(super) struct AppendToLine<'a> {
    /// The tenant.
    pub(super) project: &'a str,
    /// The channel.
    pub(super) channel: &'a str,
    /// The message's bytes.
    pub(super) bytes: i64,
}

impl QueryId for AppendToLine<'_> {
    type QueryId = AppendToLine<'static>;

    const HAS_STATIC_QUERY_ID: bool = true;
}

/// Epoch, place, number, bytes up to its end, number and bytes up to what was deleted, the channel's own bounds.
impl Query for AppendToLine<'_> {
    type SqlType =
        (BigInt, BigInt, BigInt, BigInt, BigInt, BigInt, Nullable<BigInt>, Nullable<BigInt>);
}

impl QueryFragment<Backend> for AppendToLine<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Backend>) -> QueryResult<()> {
        out.push_sql(
            "UPDATE lines SET last_offset = last_offset + 1, last_number = last_number + 1, bytes = bytes + ",
        );
        out.push_bind_param::<BigInt, _>(&self.bytes)?;
        out.push_sql(" WHERE project_id = ");
        out.push_bind_param::<Text, _>(self.project)?;
        out.push_sql(" AND channel_id = ");
        out.push_bind_param::<Text, _>(self.channel)?;
        out.push_sql(
            " RETURNING epoch, last_offset, last_number, bytes, gone_number, gone_bytes, max_messages, max_seconds",
        );
        Ok(())
    }
}

impl RunQueryDsl<Conn> for AppendToLine<'_> {}

/// The next place on a channel's line goes to something that is not kept there.
pub(super) struct TakePlace<'a> {
    /// The tenant.
    pub(super) project: &'a str,
    /// The channel.
    pub(super) channel: &'a str,
}

impl QueryId for TakePlace<'_> {
    type QueryId = TakePlace<'static>;

    const HAS_STATIC_QUERY_ID: bool = true;
}

/// Epoch and place.
impl Query for TakePlace<'_> {
    type SqlType = (BigInt, BigInt);
}

impl QueryFragment<Backend> for TakePlace<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Backend>) -> QueryResult<()> {
        out.push_sql("UPDATE lines SET last_offset = last_offset + 1 WHERE project_id = ");
        out.push_bind_param::<Text, _>(self.project)?;
        out.push_sql(" AND channel_id = ");
        out.push_bind_param::<Text, _>(self.channel)?;
        out.push_sql(" RETURNING epoch, last_offset");
        Ok(())
    }
}

impl RunQueryDsl<Conn> for TakePlace<'_> {}

/// A version takes its place in a channel's log, which begins with it if there is none.
pub(super) struct LogState<'a> {
    /// The tenant.
    pub(super) project: &'a str,
    /// The channel.
    pub(super) channel: &'a str,
    /// The version.
    pub(super) version: i64,
    /// How many may be stored as patches behind a whole one.
    pub(super) most_patches: i64,
    /// What it takes as a patch, bytes.
    pub(super) patch_bytes: i64,
    /// What it takes as a whole, bytes.
    pub(super) whole_bytes: i64,
    /// When the version before is too old.
    pub(super) aged_at: i64,
    /// From how many versions on some are to be deleted.
    pub(super) most_versions: i64,
    /// From how many bytes on.
    pub(super) most_bytes: i64,
}

impl QueryId for LogState<'_> {
    type QueryId = LogState<'static>;

    const HAS_STATIC_QUERY_ID: bool = true;
}

/// The log, how many versions came since the last whole one (none where this is whole), and the bytes up to its end.
impl Query for LogState<'_> {
    type SqlType = (BigInt, BigInt, BigInt);
}

impl LogState<'_> {
    /// Writes the condition under which the version is stored as a patch.
    fn write_is_patch<'b>(&'b self, out: &mut AstPass<'_, 'b, Backend>) -> QueryResult<()> {
        out.push_sql("CASE WHEN ");
        out.push_sql(OWN);
        out.push_sql("last_version = excluded.last_version - 1 AND ");
        out.push_sql(OWN);
        out.push_sql("patches < ");
        out.push_bind_param::<BigInt, _>(&self.most_patches)?;
        out.push_sql(" THEN ");
        Ok(())
    }
}

impl QueryFragment<Backend> for LogState<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Backend>) -> QueryResult<()> {
        out.push_sql(
            "INSERT INTO state_logs (id, project_id, channel_id, last_version, patches, bytes, gone_version, \
             gone_bytes, due_at) VALUES (",
        );
        out.push_sql(NEXT_LOG);
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(self.project)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(self.channel)?;
        out.push_sql(", ");
        out.push_bind_param::<BigInt, _>(&self.version)?;
        out.push_sql(", 0, ");
        out.push_bind_param::<BigInt, _>(&self.whole_bytes)?;
        out.push_sql(", ");
        out.push_bind_param::<BigInt, _>(&self.version)?;
        out.push_sql(" - 1, 0, 9223372036854775807) ON CONFLICT (project_id, channel_id) DO UPDATE SET patches = ");
        self.write_is_patch(&mut out)?;
        out.push_sql(OWN);
        out.push_sql("patches + 1 ELSE 0 END, bytes = ");
        out.push_sql(OWN);
        out.push_sql("bytes + ");
        self.write_is_patch(&mut out)?;
        out.push_bind_param::<BigInt, _>(&self.patch_bytes)?;
        out.push_sql(" ELSE excluded.bytes END, due_at = CASE WHEN excluded.last_version - ");
        out.push_sql(OWN);
        out.push_sql("gone_version > ");
        out.push_bind_param::<BigInt, _>(&self.most_versions)?;
        out.push_sql(" OR ");
        out.push_sql(OWN);
        out.push_sql("bytes - ");
        out.push_sql(OWN);
        out.push_sql("gone_bytes > ");
        out.push_bind_param::<BigInt, _>(&self.most_bytes)?;
        out.push_sql(" THEN 0 ELSE ");
        out.push_sql(EARLIER);
        out.push_sql("(");
        out.push_sql(OWN);
        out.push_sql("due_at, ");
        out.push_bind_param::<BigInt, _>(&self.aged_at)?;
        out.push_sql(") END, last_version = excluded.last_version RETURNING ");
        out.push_sql(OWN);
        out.push_sql("id, ");
        out.push_sql(OWN);
        out.push_sql("patches, ");
        out.push_sql(OWN);
        out.push_sql("bytes");
        Ok(())
    }
}

impl RunQueryDsl<Conn> for LogState<'_> {}
