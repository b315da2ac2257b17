//! The gate: of all who write into one database, one is in it at a time, from its first statement to the end of its commit.
//!
//! A group of writes is in no order but that of its askers, so two of them at once would take the same rows in different ones, and
//! one would die of it. It cannot be run again, because each asker gives what he has to write once (docs/adr/0032-postgresql.md).
//! A server writes on one connection and is alone here but for commands, which write beside it.

use diesel::QueryResult;
use diesel::connection::{AnsiTransactionManager, SimpleConnection as _};
use diesel::pg::PgConnection;

/// Goes in: a lock by the name of the schema, which `PostgreSQL` lets go with the transaction. Who waits is served in turn.
const ENTER: &str = "SELECT pg_advisory_xact_lock(
    ('x' || substr(md5('warren gate ' || current_schema()), 1, 16))::bit(64)::bigint)";

/// Begins a transaction and goes in, in one round trip.
pub(super) fn begin(connection: &mut PgConnection) -> QueryResult<()> {
    AnsiTransactionManager::begin_transaction_sql(connection, &format!("BEGIN; {ENTER}"))
}

/// Goes in, within a transaction.
pub(super) fn enter(connection: &mut PgConnection) -> QueryResult<()> {
    connection.batch_execute(ENTER)
}

/// Gives up a transaction that did not come in. Where the connection has gone, this fails.
pub(super) fn turn_back(connection: &mut PgConnection) -> QueryResult<()> {
    connection.batch_execute("ROLLBACK")
}
