//! `SQLite` through Diesel: the one folder that names either. `postgres` beside it is the other database.
//!
//! One connection writes, a pool of others reads; write-ahead logging lets them run at the same time. To read on:
//! `connection` says how a connection is set up, `writer` what a group commit is, `store` which file answers which
//! method. What the methods promise is not tested here but in `store::contract`, for every database alike.

mod admin_tokens;
mod answers;
mod authorizers;
mod backend;
mod channels;
mod claims;
mod connection;
mod copying;
mod deliveries;
mod error;
mod examining;
mod files;
mod history;
mod hot;
mod identity;
mod jwt;
mod mailbox;
mod migrate;
mod orphaned_mail;
mod outbox;
mod pool;
#[cfg(feature = "postgres")]
#[expect(clippy::duplicate_mod, reason = "one text of queries, compiled for each database")]
mod postgres;
mod projects;
mod registers;
mod rows;
/// Written by `diesel print-schema`; the migrations say what is what.
mod schema;
mod sending;
mod state_log;
mod store;
mod subscriptions;
mod tokens;
mod unheard;
mod webhooks;
mod writer;

#[cfg(test)]
mod plans;
#[cfg(test)]
mod tests;

pub use copying::{CopySource, check_copy, empty_log};
pub use files::DatabaseLock;
#[cfg(feature = "postgres")]
pub use postgres::{PostgresDatabase, moving};

use super::{Database, GroupStore, ReadStore, StoreResult};
use identity::DatabaseFiles;
pub use identity::SUFFIXES;
use pool::Readers;
use std::path::Path;
use std::sync::Arc;
use store::DieselStore;
use writer::SqliteWriter;

/// A `SQLite` database in a file of its own.
pub struct SqliteDatabase {
    /// Where the file is, as `SQLite` wants to hear it.
    url: String,
    /// The connections that read.
    readers: Readers,
    /// Which files these are.
    identity: Arc<DatabaseFiles>,
}

impl SqliteDatabase {
    /// Takes the database at `path` for this process, and makes it where it is missing; nothing while another process has
    /// it. To be held as long as it is open.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`](super::StoreError::Unavailable) when the file cannot be made or locked.
    pub fn lock(path: &Path) -> StoreResult<Option<DatabaseLock>> {
        let prepared = files::prepare(path).and_then(|url| files::lock(&url));
        prepared.map_err(|error| files::explain(path, error))
    }

    /// Opens the database at `path` with room for `readers` reads at a time, and brings its tables up to date.
    ///
    /// A missing folder is created with mode 0700, a missing file with mode 0600: both hold secrets.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`](super::StoreError::Unavailable) when the file cannot be made or opened, when `SQLite`
    /// is too old or refuses a setting that durability rests on, or when a newer Warren has changed the tables.
    pub fn open(path: &Path, readers: u32) -> StoreResult<Self> {
        Self::open_as(path, readers, migrate::bring_up_to_date)
    }

    /// Opens the database at `path` for a moment, beside a server that has it open: nothing is created, no table is
    /// changed under the server's feet.
    ///
    /// # Errors
    /// As [`Self::open`], and where the tables are older than this program.
    pub fn open_beside(path: &Path) -> StoreResult<Self> {
        Self::open_as(path, 1, migrate::require_up_to_date)
    }

    /// Opens the database at `path` only to look, which leaves all its files as they are.
    ///
    /// # Errors
    /// As [`Self::open_beside`].
    pub fn open_to_look(path: &Path) -> StoreResult<Self> {
        Self::open_at(path, files::to_look(path), 1, migrate::require_up_to_date)
    }

    /// Reads every page of the database at `path`, which must be there, beside whoever has it open: what does not fit the
    /// rest, or cannot be read. Nothing is changed.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`](super::StoreError::Unavailable) when it cannot even be opened.
    pub fn examine(path: &Path) -> StoreResult<Vec<String>> {
        let examined = files::to_look(path).and_then(|url| examining::faults(&url));
        examined.map_err(|error| files::explain(path, error))
    }

    /// Opens the database at `path` once its tables are as they have to be.
    fn open_as(
        path: &Path,
        readers: u32,
        see_to_tables: impl FnOnce(&str) -> StoreResult<()>,
    ) -> StoreResult<Self> {
        Self::open_at(path, files::prepare(path), readers, see_to_tables)
    }

    /// The same by another address of that file.
    fn open_at(
        path: &Path,
        url: StoreResult<String>,
        readers: u32,
        see_to_tables: impl FnOnce(&str) -> StoreResult<()>,
    ) -> StoreResult<Self> {
        let opened = url.and_then(|url| {
            see_to_tables(&url)?;
            let readers = pool::open(&url, readers, pool::WAIT)?;
            let identity = Arc::new(DatabaseFiles::of(&files::prepare(path)?));
            Ok(Self { url, readers, identity })
        });
        opened.map_err(|error| files::explain(path, error))
    }
}

impl Database for SqliteDatabase {
    fn writer(&self) -> StoreResult<Box<dyn GroupStore>> {
        Ok(Box::new(SqliteWriter::open(self.url.clone(), Arc::clone(&self.identity))?))
    }

    fn read(&self, run: &mut dyn FnMut(&mut dyn ReadStore)) -> StoreResult<()> {
        self.identity.last()?;
        let mut connection = self.readers.get().map_err(error::no_reader)?;
        run(&mut DieselStore::new(&mut connection));
        Ok(())
    }
}
