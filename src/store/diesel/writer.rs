//! The one connection that writes, many writes to a commit.

use super::connection::{self, Role};
use super::files;
use super::identity::DatabaseFiles;
use super::store::DieselStore;
use crate::store::{GroupStore, StoreError, StoreResult, WriteStore};
use diesel::connection::{AnsiTransactionManager, SimpleConnection as _, TransactionManager as _};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use std::path::Path;
use std::sync::Arc;

/// The writer.
pub(super) struct SqliteWriter {
    /// Where the file is.
    url: String,
    /// The connection, unless a group took it and did not end well.
    ///
    /// A group takes it out and gives it back only after its commit. Whatever else happens (a panic, a full disk, a
    /// failed commit) drops it, and closing a connection is the one way to roll back that needs nothing to be in order.
    connection: Option<SqliteConnection>,
    /// Which files these are.
    identity: Arc<DatabaseFiles>,
}

impl SqliteWriter {
    /// Opens the writer, so that what is wrong shows at start.
    pub(super) fn open(url: String, identity: Arc<DatabaseFiles>) -> StoreResult<Self> {
        let connection = connect(&url)?;
        Ok(Self { url, connection: Some(connection), identity })
    }

    /// A writer over a connection that a test has prepared.
    #[cfg(test)]
    pub(super) fn over(url: String, connection: SqliteConnection) -> Self {
        let identity = Arc::new(DatabaseFiles::of(&url));
        Self { url, connection: Some(connection), identity }
    }
}

impl SqliteWriter {
    /// Runs something in a transaction of its own and commits it.
    fn transact(
        &mut self,
        run: impl FnOnce(&mut SqliteConnection) -> StoreResult<()>,
    ) -> StoreResult<()> {
        // A commit into a file that has gone would be answered, and lost.
        self.identity.check()?;
        let mut connection = self.take()?;
        // Immediate: a transaction that began by reading could not always be turned into a writing one.
        AnsiTransactionManager::begin_transaction_sql(&mut connection, "BEGIN IMMEDIATE")?;
        run(&mut connection)?;
        AnsiTransactionManager::commit_transaction(&mut connection)?;
        self.connection = Some(connection);
        Ok(())
    }

    /// Takes the connection out; opens one where there is none.
    fn take(&mut self) -> StoreResult<SqliteConnection> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => connect(&self.url),
        }
    }
}

/// Opens a connection that writes; says of which file it could not be.
fn connect(url: &str) -> StoreResult<SqliteConnection> {
    connection::open(url, Role::Writer).map_err(|error| files::explain(Path::new(url), error))
}

impl GroupStore for SqliteWriter {
    fn group(&mut self, run: &mut dyn FnMut(&mut dyn WriteStore)) -> StoreResult<()> {
        self.transact(|connection| {
            let mut store = DieselStore::new(connection);
            run(&mut store);
            store.into_outcome()
        })
    }

    fn check(&mut self) -> StoreResult<()> {
        self.identity.check()
    }

    fn probe(&mut self) -> StoreResult<()> {
        // It is written whether or not it changes, and nothing here reads it.
        self.transact(|connection| Ok(connection.batch_execute("PRAGMA user_version = 0")?))
    }

    fn close(&mut self) -> StoreResult<()> {
        self.identity.check()?;
        let mut connection = self.take()?;
        let is_busy: i64 =
            sql::<BigInt>("PRAGMA wal_checkpoint(TRUNCATE)").get_result(&mut connection)?;
        if is_busy == 0 {
            return Ok(());
        }
        let reason = "somebody else reads the database, so its log could not be emptied";
        Err(StoreError::Unavailable(reason.to_owned()))
    }
}
