//! A whole copy of a database, as of one moment, while others write to it.

use super::connection::{self, Role};
use super::{error, files, migrate};
use crate::store::{StoreError, StoreResult};
use diesel::connection::SimpleConnection as _;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Text;
use std::fs::File;
use std::io;
use std::path::Path;

/// A database that can be copied.
pub struct CopySource(SqliteConnection);

impl CopySource {
    /// Opens a database to be copied, beside a server or without one; nothing in it is changed.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(path: &Path) -> StoreResult<Self> {
        // Not as a reader: that one may write nowhere, and the copy neither.
        let opened = files::prepare(path).and_then(|url| connection::open(&url, Role::Migrator));
        opened.map(Self).map_err(|error| files::explain(path, error))
    }

    /// Writes a copy as of now into a file that is there and empty, and puts it on the disk. What it is made of is read in
    /// one transaction: who writes meanwhile is not held up, and not in it.
    ///
    /// # Errors
    /// The file is not empty, or cannot be written.
    pub fn copy_to(&mut self, path: &Path) -> StoreResult<()> {
        let failed = |error: io::Error| {
            StoreError::Unavailable(format!("cannot write {}: {error}", path.display()))
        };
        let name = path.to_str().ok_or_else(|| {
            StoreError::Unavailable(format!("the path {} is not UTF-8", path.display()))
        })?;
        diesel::sql_query("VACUUM INTO ?").bind::<Text, _>(name).execute(&mut self.0)?;
        File::open(path).and_then(|file| file.sync_all()).map_err(failed)
    }
}

/// Puts everything into the file of a database that nobody uses, and leaves its log empty.
///
/// # Errors
/// It cannot be opened, or not be written.
pub fn empty_log(path: &Path) -> StoreResult<()> {
    let mut connection = connection::open(&files::prepare(path)?, Role::Migrator)?;
    Ok(connection.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)")?)
}

/// Checks that a file is a whole database that this program can serve.
///
/// # Errors
/// What is wrong with it.
pub fn check_copy(path: &Path) -> StoreResult<()> {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    // A copy has no log; read like this, none is made beside it.
    let url = files::uri(whole.to_str().unwrap_or_default(), "immutable=1");
    let wrong = |why: String| {
        StoreError::Unavailable(format!("{} is no backup of Warren: {why}", path.display()))
    };
    let mut connection = SqliteConnection::establish(&url)
        .map_err(|failure| wrong(error::not_opened(&failure).to_string()))?;
    connection.batch_execute("PRAGMA query_only = ON; PRAGMA trusted_schema = OFF;")?;
    let verdict: String = sql::<Text>("PRAGMA integrity_check(1)")
        .get_result(&mut connection)
        .map_err(|error| wrong(error.to_string()))?;
    if verdict != "ok" {
        return Err(wrong(verdict));
    }
    migrate::require_ours(&mut connection).map_err(|error| wrong(error.to_string()))
}
