//! `SQLite` through Diesel: the one folder that names either.
//!
//! One connection writes, a pool of others reads; write-ahead logging lets them run at the same time. To read on:
//! `connection` says how a connection is set up, `writer` what a group commit is, `store` which file answers which
//! method. What the methods promise is not tested here but in `store::contract`, for every database alike.

mod admin_tokens;
mod authorizers;
mod channels;
mod connection;
mod deliveries;
mod error;
mod files;
mod hot;
mod migrate;
mod outbox;
mod pool;
mod projects;
mod rows;
/// Written by `diesel print-schema`; the migrations say what is what.
mod schema;
mod sending;
mod store;
mod subscriptions;
mod tokens;
mod webhooks;
mod writer;

#[cfg(test)]
mod plans;
#[cfg(test)]
mod tests;

use super::{Database, GroupStore, ReadStore, StoreResult};
use pool::Readers;
use std::path::Path;
use store::SqliteStore;
use writer::SqliteWriter;

/// A `SQLite` database in a file of its own.
pub struct SqliteDatabase {
    /// Where the file is, as `SQLite` wants to hear it.
    url: String,
    /// The connections that read.
    readers: Readers,
}

impl SqliteDatabase {
    /// Opens the database at `path` with room for `readers` reads at a time, and brings its tables up to date.
    ///
    /// A missing folder is created with mode 0700, a missing file with mode 0600: both hold secrets.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`](super::StoreError::Unavailable) when the file cannot be made or opened, when `SQLite`
    /// is too old or refuses a setting that durability rests on, or when a newer Warren has changed the tables.
    pub fn open(path: &Path, readers: u32) -> StoreResult<Self> {
        let url = files::prepare(path)?;
        migrate::bring_up_to_date(&url)?;
        Ok(Self { readers: pool::open(&url, readers, pool::WAIT)?, url })
    }

    /// Opens the database at `path` for a moment, beside a server that has it open: nothing is created, no table is
    /// changed under the server's feet.
    ///
    /// # Errors
    /// As [`Self::open`], and where the tables are older than this program.
    pub fn open_beside(path: &Path) -> StoreResult<Self> {
        let url = files::prepare(path)?;
        migrate::require_up_to_date(&url)?;
        Ok(Self { readers: pool::open(&url, 1, pool::WAIT)?, url })
    }
}

impl Database for SqliteDatabase {
    fn writer(&self) -> StoreResult<Box<dyn GroupStore>> {
        Ok(Box::new(SqliteWriter::open(self.url.clone())?))
    }

    fn read(&self, run: &mut dyn FnMut(&mut dyn ReadStore)) -> StoreResult<()> {
        let mut connection = self.readers.get().map_err(error::no_reader)?;
        run(&mut SqliteStore::new(&mut connection));
        Ok(())
    }
}
