//! The statement of the hot path, in a form that is prepared once and then kept.
//!
//! Diesel keeps prepared statements, but no UPDATE that it writes itself: which columns one sets may differ from call to
//! call. Preparing it took a quarter of the writer's time.

use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Text};
use diesel::sqlite::Sqlite;

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

impl QueryFragment<Sqlite> for SetState<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
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

impl RunQueryDsl<SqliteConnection> for SetState<'_> {}
