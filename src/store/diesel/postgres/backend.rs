//! What the statements of the tables need to know of their database, here `PostgreSQL`.

use crate::store::{StoreError, StoreResult};
use diesel::connection::{AnsiTransactionManager, TransactionManager as _};
use diesel::pg::{Pg, PgConnection};
use diesel::{Connection as _, QueryResult};

/// A connection.
pub(super) type Conn = PgConnection;
/// The database's language.
pub(super) type Backend = Pg;

/// The smaller one of two.
pub(super) const EARLIER: &str = "least";
/// What stands before a column of the row that is there already, where an INSERT meets one.
pub(super) const OWN: &str = "state_logs.";
/// What rises with each channel that is made.
pub(super) const INCARNATION: &str = "incarnation";
/// The number of the next log of states.
pub(super) const NEXT_LOG: &str = "nextval('state_log_ids')";

/// What `PostgreSQL` says, in whatever language, of a text with a zero byte, which it stores nowhere.
const NO_TEXT: &str = "\"UTF8\": 0x00";

/// Runs one write of a group, in a savepoint: whatever a statement is refused for, the transaction could not go on without.
/// Returns its outcome, and what the whole group fails for, if it does: the connection has gone, the disk is full. A text that
/// is none is its own write's fault alone.
pub(super) fn write<T>(
    connection: &mut Conn,
    run: impl FnOnce(&mut Conn) -> StoreResult<T>,
) -> (StoreResult<T>, Option<StoreError>) {
    let lost = |error: diesel::result::Error| {
        let error = StoreError::from(error);
        (Err(error.clone()), Some(error))
    };
    if let Err(error) = AnsiTransactionManager::begin_transaction(connection) {
        return lost(error);
    }
    let outcome = run(connection);
    let ended = if outcome.is_ok() {
        AnsiTransactionManager::commit_transaction(connection)
    } else {
        AnsiTransactionManager::rollback_transaction(connection)
    };
    if let Err(error) = ended {
        return lost(error);
    }
    let failure = match &outcome {
        Err(failure @ StoreError::Unavailable(why)) if !why.contains(NO_TEXT) => {
            Some(failure.clone())
        }
        _ => None,
    };
    (outcome, failure)
}

/// Runs a statement that may be refused and is not the last one then: in a savepoint of its own.
pub(super) fn attempt<T>(
    connection: &mut Conn,
    run: impl FnOnce(&mut Conn) -> QueryResult<T>,
) -> QueryResult<T> {
    connection.transaction(run)
}
