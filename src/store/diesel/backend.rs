//! What the statements of the tables need to know of their database, here `SQLite`. The files that take it from here are
//! compiled once for each database (`postgres/mod.rs`), so that there is one text of each statement.

use crate::store::{StoreError, StoreResult};
use diesel::QueryResult;
use diesel::sqlite::{Sqlite, SqliteConnection};

/// A connection.
pub(super) type Conn = SqliteConnection;
/// The database's language.
pub(super) type Backend = Sqlite;

/// The smaller one of two.
pub(super) const EARLIER: &str = "min";
/// What stands before a column of the row that is there already, where an INSERT meets one.
pub(super) const OWN: &str = "";
/// What rises with each channel that is made. A server on such a database is alone, and nobody asks.
pub(super) const INCARNATION: &str = "created_at";
/// The number of the next log of states.
pub(super) const NEXT_LOG: &str = "(SELECT coalesce(max(id), 0) + 1 FROM state_logs)";

/// Runs one write of a group. Returns its outcome, and what left the transaction in doubt, if anything did: `SQLite` may
/// answer a full disk or an I/O error by ending the whole transaction, and every later write would commit by itself.
pub(super) fn write<T>(
    connection: &mut Conn,
    run: impl FnOnce(&mut Conn) -> StoreResult<T>,
) -> (StoreResult<T>, Option<StoreError>) {
    let outcome = run(connection);
    let failure = match &outcome {
        Err(failure @ StoreError::Unavailable(_)) => Some(failure.clone()),
        _ => None,
    };
    (outcome, failure)
}

/// Runs a statement that may be refused and is not the last one then: here, a refused one has changed nothing.
pub(super) fn attempt<T>(
    connection: &mut Conn,
    run: impl FnOnce(&mut Conn) -> QueryResult<T>,
) -> QueryResult<T> {
    run(connection)
}
