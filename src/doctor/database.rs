//! The database: whether every page of it can be read and fits the others, and whether its tables are this program's.
//!
//! A start does not look at every page; a damaged one shows when somebody asks for what was on it, which may be months
//! later, when no backup without the damage is left.

use super::finding::Finding;
use crate::config::{Config, DatabasePlace};
#[cfg(feature = "postgres")]
use crate::store::diesel::PostgresDatabase;
use crate::store::diesel::SqliteDatabase;
use std::path::Path;

/// How many faults are shown.
const SHOWN: usize = 5;

/// What to do about damage.
const RESTORE: &str = "stop the server, keep a copy of the file and of those beside it (-wal, -shm), look at the disk, and \
    put the last good backup in its place (docs/OPERATING.md, Backup and restore); `sqlite3 FILE .recover` saves what can be read";

/// What to do about tables of another version.
const OTHER_VERSION: &str = "run the version of Warren that made them, or start the newer one once: it brings them up to date";

/// Looks at the database.
pub(super) fn check(config: &Config) -> Vec<Finding> {
    match &config.database {
        DatabasePlace::File(file) => check_file(file),
        #[cfg(feature = "postgres")]
        DatabasePlace::Postgres(url) => {
            vec![check_postgres(url.secret(), &config.database.shown())]
        }
    }
}

/// Looks at a PostgreSQL: whether it answers and keeps what it acknowledges, and whose tables it has.
#[cfg(feature = "postgres")]
fn check_postgres(url: &str, shown: &str) -> Finding {
    let what = match PostgresDatabase::examine(url) {
        Ok(what) => what,
        Err(error) => {
            let remedy = "look whether it runs, lets this machine in, and is set as docs/OPERATING.md (PostgreSQL) says";
            return Finding::problem("database", format!("{shown}: {error}"), remedy);
        }
    };
    match PostgresDatabase::has_tables(url) {
        Ok(false) => Finding::fine(
            "database",
            format!("{what} answers at {shown} and has no tables yet: the first run makes them"),
        ),
        _ => match PostgresDatabase::open_beside(url) {
            Ok(_) => Finding::fine("database", format!("{what} answers at {shown}")),
            Err(error) => Finding::warning("tables", error.to_string(), OTHER_VERSION),
        },
    }
}

/// Looks at a database that is a file.
fn check_file(file: &Path) -> Vec<Finding> {
    let shown = file.display();
    match file.try_exists() {
        Ok(true) => {}
        Ok(false) => {
            let found = format!("{shown} is not there yet: the first run makes it");
            return vec![Finding::fine("database", found)];
        }
        Err(error) => {
            let remedy = "run the doctor as the user that the server runs as";
            return vec![Finding::problem("database", format!("{shown}: {error}"), remedy)];
        }
    }
    let faults = match SqliteDatabase::examine(file) {
        Ok(faults) => faults,
        Err(error) => return vec![Finding::problem("database", error.to_string(), RESTORE)],
    };
    if faults.is_empty() {
        let found = format!("every page of {shown} can be read and fits the others");
        return std::iter::once(Finding::fine("database", found)).chain(tables(file)).collect();
    }
    let mut first: Vec<_> = faults.iter().take(SHOWN).cloned().collect();
    if faults.len() > SHOWN {
        first.push(format!("and {} more", faults.len() - SHOWN));
    }
    let found = format!("{shown} is damaged: {}", first.join("; "));
    vec![Finding::problem("database", found, RESTORE)]
}

/// Whether the tables are this program's; nothing to say if so.
fn tables(file: &Path) -> Option<Finding> {
    let error = SqliteDatabase::open_to_look(file).err()?;
    Some(Finding::warning("tables", error.to_string(), OTHER_VERSION))
}
