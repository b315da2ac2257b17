//! The tables' versions: which there are, and how a database gets from an older one to the newest.

use super::connection::{self, Role};
use crate::store::{StoreError, StoreResult};
use diesel::backend::Backend;
use diesel::dsl::sql;
use diesel::migration::{Migration, MigrationSource, MigrationVersion};
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use std::fmt::Display;

/// The contents of the folder `migrations`, compiled in.
pub(super) const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// Runs the migrations that the database lacks: all of them or, when one fails, none.
///
/// The one transaction around them also lets two processes start at once: the second waits and finds nothing to do.
pub(super) fn bring_up_to_date(url: &str) -> StoreResult<()> {
    let mut connection = connection::open(url, Role::Migrator)?;
    connection.immediate_transaction(|connection| {
        refuse_newer(connection, &MIGRATIONS)?;
        let news =
            connection.run_pending_migrations(MIGRATIONS).map_err(|error| failed(&*error))?;
        // The check reads every row, so a start that changes nothing does without it.
        if news.is_empty() { Ok(()) } else { check_references(connection) }
    })
}

/// Refuses a database whose tables are not exactly this program's.
pub(super) fn require_up_to_date(url: &str) -> StoreResult<()> {
    let mut connection = connection::open(url, Role::Reader)?;
    refuse_newer(&mut connection, &MIGRATIONS)?;
    let is_older = connection.has_pending_migration(MIGRATIONS).map_err(|error| failed(&*error))?;
    if !is_older {
        return Ok(());
    }
    let reason =
        "the running server is older than this program: restart it with this version first";
    Err(StoreError::Unavailable(reason.to_owned()))
}

/// Refuses a database that has migrations which this program does not know: a newer one has changed its tables.
pub(super) fn refuse_newer<DB: Backend>(
    connection: &mut impl MigrationHarness<DB>,
    ours: &EmbeddedMigrations,
) -> StoreResult<()> {
    let ours: Vec<Box<dyn Migration<DB>>> = ours.migrations().map_err(|error| failed(&*error))?;
    let ours: Vec<MigrationVersion<'_>> =
        ours.iter().map(|migration| migration.name().version()).collect();
    let applied = connection.applied_migrations().map_err(|error| failed(&*error))?;
    match applied.iter().find(|version| !ours.contains(version)) {
        Some(version) => Err(unknown(version)),
        None => Ok(()),
    }
}

/// A migration that is not among this program's.
pub(super) fn unknown(version: &dyn Display) -> StoreError {
    StoreError::Unavailable(format!(
        "the database has migration {version}, which only a newer Warren knows"
    ))
}

/// Refuses what is no database of Warren, or one of a newer one.
pub(super) fn require_ours(connection: &mut SqliteConnection) -> StoreResult<()> {
    refuse_newer(connection, &MIGRATIONS)?;
    let applied = connection.applied_migrations().map_err(|error| failed(&*error))?;
    if applied.is_empty() {
        return Err(StoreError::Unavailable("it has no tables of Warren".to_owned()));
    }
    Ok(())
}

/// Makes up for the foreign keys that are off while migrations run.
pub(super) fn check_references(connection: &mut SqliteConnection) -> StoreResult<()> {
    let dangling: i64 =
        sql::<BigInt>("SELECT count(*) FROM pragma_foreign_key_check").get_result(connection)?;
    if dangling == 0 {
        return Ok(());
    }
    Err(StoreError::Unavailable(format!("{dangling} rows point to rows that are not there")))
}

/// A migration that failed, in its own words.
pub(super) fn failed(error: &(dyn std::error::Error + Send + Sync)) -> StoreError {
    StoreError::Unavailable(format!("cannot migrate the database: {error}"))
}
