//! How a connection is set up, and the proof that `SQLite` took the settings.

use super::error;
use crate::store::{StoreError, StoreResult};
use diesel::connection::SimpleConnection as _;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

/// The first `SQLite` whose write-ahead log cannot be reset under another connection's feet, which corrupts the file.
///
/// <https://sqlite.org/wal.html#walresetbug>
const OLDEST_SQLITE: [u32; 3] = [3, 51, 3];

/// How long a statement waits for another process that holds the lock, ms; then it fails as busy.
const BUSY_TIMEOUT_MS: i64 = 5000;

/// What every connection is told first.
///
/// `synchronous = FULL` makes each commit wait for the disk: NORMAL loses commits in a power cut. Memory-mapped reads
/// stay off, because an I/O error in a mapping kills the process.
const FOR_ALL: &str = "
    PRAGMA busy_timeout = 5000;
    PRAGMA synchronous = FULL;
    PRAGMA mmap_size = 0;
    PRAGMA trusted_schema = OFF;
";

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Changes tables. Foreign keys are off, or rebuilding a table would cascade into those that point to it.
    Migrator,
    /// Writes rows.
    Writer,
    /// Reads; anything else is an error.
    Reader,
}

impl Role {
    /// What this kind of connection is told besides: caches in KiB (hence negative), the log's size kept in bytes.
    ///
    /// The log is checkpointed once it has 4,000 pages (16 MiB), inside a commit, which takes longer then. That is four times
    /// as rare as by default: fewer commits contain one, and a page that changes often is written back once for more
    /// changes.
    const fn settings(self) -> &'static str {
        match self {
            Self::Migrator => "PRAGMA journal_mode = WAL; PRAGMA foreign_keys = OFF;",
            Self::Writer => {
                "PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -16384;
                 PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864;"
            }
            Self::Reader => {
                "PRAGMA foreign_keys = ON; PRAGMA cache_size = -4096; PRAGMA query_only = ON;"
            }
        }
    }

    /// The settings that correctness rests on, as `SQLite` must report them afterwards (2 is FULL).
    fn expected(self) -> [(&'static str, i64); 4] {
        [
            ("synchronous", 2),
            ("busy_timeout", BUSY_TIMEOUT_MS),
            ("foreign_keys", i64::from(self != Self::Migrator)),
            ("query_only", i64::from(self == Self::Reader)),
        ]
    }
}

/// Opens a connection and sets it up.
pub(super) fn open(url: &str, role: Role) -> StoreResult<SqliteConnection> {
    let mut connection =
        SqliteConnection::establish(url).map_err(|error| error::not_opened(&error))?;
    set_up(&mut connection, role)?;
    Ok(connection)
}

/// Tells a fresh connection its settings and checks that they hold: `SQLite` passes over what it cannot do.
pub(super) fn set_up(connection: &mut SqliteConnection, role: Role) -> StoreResult<()> {
    let version: String = sql::<Text>("SELECT sqlite_version()").get_result(connection)?;
    if !is_recent_enough(&version) {
        return Err(StoreError::Unavailable(format!(
            "SQLite {version} can corrupt a database; 3.51.3 or newer is needed"
        )));
    }
    connection.batch_execute(FOR_ALL)?;
    connection.batch_execute(role.settings())?;
    let journal: String = sql::<Text>("PRAGMA journal_mode").get_result(connection)?;
    if journal != "wal" {
        return Err(not_taken("journal_mode", &journal));
    }
    for (name, expected) in role.expected() {
        let actual: i64 =
            sql::<BigInt>(&format!("SELECT * FROM pragma_{name}")).get_result(connection)?;
        if actual != expected {
            return Err(not_taken(name, &actual.to_string()));
        }
    }
    Ok(())
}

/// A setting that `SQLite` did not take, most often because the file system cannot share memory or locks.
fn not_taken(name: &str, actual: &str) -> StoreError {
    StoreError::Unavailable(format!("SQLite keeps {name} at {actual}; is it a local file system?"))
}

/// Whether a version like `3.53.2` is new enough; what cannot be read is not.
fn is_recent_enough(version: &str) -> bool {
    let numbers: Option<Vec<u32>> = version.split('.').map(|part| part.parse().ok()).collect();
    numbers.is_some_and(|numbers| numbers.as_slice() >= OLDEST_SQLITE.as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_versions_without_the_wal_reset_race_are_taken() {
        for version in ["3.51.3", "3.51.10", "3.53.0", "4.0.0"] {
            assert!(is_recent_enough(version), "{version}");
        }
        for version in ["3.51.2", "3.9.9", "3.51", "2.60.5", "", "new"] {
            assert!(!is_recent_enough(version), "{version}");
        }
    }

    #[test]
    fn a_database_that_cannot_keep_a_log_is_refused() {
        let refused = open(":memory:", Role::Writer).map(drop);
        assert!(
            matches!(&refused, Err(StoreError::Unavailable(why)) if why.contains("journal_mode")),
            "{refused:?}"
        );
    }

    #[test]
    fn the_timeout_is_the_same_wherever_it_is_written() {
        assert!(FOR_ALL.contains(&format!("busy_timeout = {BUSY_TIMEOUT_MS};")));
    }
}
