//! The one connection that writes, many writes to a commit.

use super::connection::{self, Role};
use super::store::SqliteStore;
use crate::store::{GroupStore, StoreResult, WriteStore};
use diesel::connection::{AnsiTransactionManager, TransactionManager as _};
use diesel::sqlite::SqliteConnection;

/// The writer.
pub(super) struct SqliteWriter {
    /// Where the file is.
    url: String,
    /// The connection, unless a group took it and did not end well.
    ///
    /// A group takes it out and gives it back only after its commit. Whatever else happens (a panic, a full disk, a
    /// failed commit) drops it, and closing a connection is the one way to roll back that needs nothing to be in order.
    connection: Option<SqliteConnection>,
}

impl SqliteWriter {
    /// Opens the writer, so that what is wrong shows at start.
    pub(super) fn open(url: String) -> StoreResult<Self> {
        let connection = connection::open(&url, Role::Writer)?;
        Ok(Self { url, connection: Some(connection) })
    }

    /// A writer over a connection that a test has prepared.
    #[cfg(test)]
    pub(super) fn over(url: String, connection: SqliteConnection) -> Self {
        Self { url, connection: Some(connection) }
    }
}

impl GroupStore for SqliteWriter {
    fn group(&mut self, run: &mut dyn FnMut(&mut dyn WriteStore)) -> StoreResult<()> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => connection::open(&self.url, Role::Writer)?,
        };
        // Immediate: a transaction that began by reading could not always be turned into a writing one.
        AnsiTransactionManager::begin_transaction_sql(&mut connection, "BEGIN IMMEDIATE")?;
        let mut store = SqliteStore::new(&mut connection);
        run(&mut store);
        store.into_outcome()?;
        AnsiTransactionManager::commit_transaction(&mut connection)?;
        self.connection = Some(connection);
        Ok(())
    }
}
