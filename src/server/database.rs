//! Which database a server or a command works with, and how it takes it.

use crate::config::DatabasePlace;
#[cfg(feature = "postgres")]
use crate::store::StoreError;
pub(crate) use crate::store::diesel::DatabaseLock;
use crate::store::diesel::SqliteDatabase;
#[cfg(feature = "postgres")]
use crate::store::diesel::{PostgresDatabase, moving};
use crate::store::{Database, StoreResult};
use std::sync::Arc;
use std::time::Duration;

/// An open database that is this process's, and the lock on its file, if it is one: to be held as long as it is open.
pub(crate) type TakenDatabase = (Option<DatabaseLock>, Arc<dyn Database>);

/// Takes the database for this process, with room for so many reads at a time; nothing while another process has it. One whose
/// server has just gone is waited for so long, where that may be seen late. One that is shared, several servers have together.
#[cfg_attr(
    not(feature = "postgres"),
    expect(unused_variables, reason = "a file's lock goes with its process")
)]
pub(crate) fn take(
    place: &DatabasePlace,
    is_shared: bool,
    readers: u32,
    wait: Duration,
) -> StoreResult<Option<TakenDatabase>> {
    match place {
        DatabasePlace::File(path) => {
            let Some(lock) = SqliteDatabase::lock(path)? else { return Ok(None) };
            Ok(Some((Some(lock), Arc::new(SqliteDatabase::open(path, readers)?))))
        }
        #[cfg(feature = "postgres")]
        DatabasePlace::Postgres(url) => {
            let opened = if is_shared {
                PostgresDatabase::share(url.secret(), readers, wait)?
            } else {
                PostgresDatabase::open(url.secret(), readers, wait)?
            };
            let Some(database) = opened else { return Ok(None) };
            Ok(Some((None, Arc::new(database))))
        }
    }
}

/// Opens the database for a moment, beside a server that has it.
pub(crate) fn open_beside(place: &DatabasePlace) -> StoreResult<Arc<dyn Database>> {
    Ok(match place {
        DatabasePlace::File(path) => Arc::new(SqliteDatabase::open_beside(path)?),
        #[cfg(feature = "postgres")]
        DatabasePlace::Postgres(url) => Arc::new(PostgresDatabase::open_beside(url.secret())?),
    })
}

/// Opens the database only to look.
pub(crate) fn open_to_look(place: &DatabasePlace) -> StoreResult<Arc<dyn Database>> {
    Ok(match place {
        DatabasePlace::File(path) => Arc::new(SqliteDatabase::open_to_look(path)?),
        #[cfg(feature = "postgres")]
        DatabasePlace::Postgres(url) => Arc::new(PostgresDatabase::open_beside(url.secret())?),
    })
}

/// Takes everything from one database to one of the other kind, which is empty; nobody may have either. Tells how many rows of
/// what.
#[cfg(feature = "postgres")]
pub(crate) fn carry(
    from: &DatabasePlace,
    to: &DatabasePlace,
) -> StoreResult<Vec<(&'static str, u64)>> {
    let mut tables = Vec::new();
    let mut tell = |table, rows| tables.push((table, rows));
    let (file, url, is_to_file) = match (from, to) {
        (DatabasePlace::File(file), DatabasePlace::Postgres(url)) => (file, url, false),
        (DatabasePlace::Postgres(url), DatabasePlace::File(file)) => (file, url, true),
        _ => return Ok(Vec::new()),
    };
    let Some(_lock) = SqliteDatabase::lock(file)? else {
        let reason = format!("a server is using the database {}: stop it first", file.display());
        return Err(StoreError::Unavailable(reason));
    };
    if is_to_file {
        moving::to_file(url.secret(), file, &mut tell)?;
    } else {
        moving::from_file(file, url.secret(), &mut tell)?;
    }
    Ok(tables)
}

/// Whether a first run has made a database there.
#[cfg_attr(
    not(feature = "postgres"),
    expect(clippy::unnecessary_wraps, reason = "a PostgreSQL may not answer")
)]
pub(crate) fn is_there(place: &DatabasePlace) -> StoreResult<bool> {
    match place {
        DatabasePlace::File(path) => Ok(path.is_file()),
        #[cfg(feature = "postgres")]
        DatabasePlace::Postgres(url) => PostgresDatabase::has_tables(url.secret()),
    }
}
