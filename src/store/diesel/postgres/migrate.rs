//! The tables' versions, as in the other database's `migrate`; each has migrations of its own.

use crate::store::diesel::migrate::{failed, refuse_newer, unknown};
use crate::store::{StoreError, StoreResult};
use diesel::migration::{Migration, MigrationSource as _};
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Bool, Text};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};

/// The contents of the folder `migrations-postgres`, compiled in.
pub(super) const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations-postgres");

/// Whoever brings tables up to date does so alone.
const TURN: &str = "SELECT pg_advisory_xact_lock(
    ('x' || substr(md5('warren tables ' || current_schema()), 1, 16))::bit(64)::bigint)";

/// Runs the migrations that the database lacks: all of them or, when one fails, none.
pub(super) fn bring_up_to_date(connection: &mut PgConnection) -> StoreResult<()> {
    connection.transaction(|connection| {
        // Of servers that start together one does it.
        sql_query(TURN).execute(connection)?;
        refuse_newer(connection, &MIGRATIONS)?;
        let run = connection.run_pending_migrations(MIGRATIONS);
        run.map(drop).map_err(|error| failed(&*error))
    })
}

/// Refuses a database whose tables are not exactly this program's.
pub(super) fn require_up_to_date(connection: &mut PgConnection) -> StoreResult<()> {
    let ours: Vec<Box<dyn Migration<Pg>>> =
        MIGRATIONS.migrations().map_err(|error| failed(&*error))?;
    let ours: Vec<String> =
        ours.iter().map(|migration| migration.name().version().to_string()).collect();
    let applied = applied(connection)?;
    if let Some(version) = applied.iter().find(|version| !ours.contains(version)) {
        return Err(unknown(version));
    }
    let reason = match (applied.is_empty(), applied.len() < ours.len()) {
        (true, _) => "it has no tables of Warren yet: the server's first run makes them",
        (false, true) => {
            "the running server is older than this program: restart it with this version first"
        }
        (false, false) => return Ok(()),
    };
    Err(StoreError::Unavailable(reason.to_owned()))
}

/// One answer of yes or no.
#[derive(QueryableByName)]
struct TableFound {
    /// The answer.
    #[diesel(sql_type = Bool)]
    is_there: bool,
}

/// A migration that has been run.
#[derive(QueryableByName)]
struct Applied {
    /// Its number.
    #[diesel(sql_type = Text)]
    version: String,
}

/// The migrations that have been run. Diesel would make its table to look into it.
pub(super) fn applied(connection: &mut PgConnection) -> StoreResult<Vec<String>> {
    let table = "SELECT to_regclass('__diesel_schema_migrations') IS NOT NULL AS is_there";
    let TableFound { is_there } = sql_query(table).get_result(connection)?;
    if !is_there {
        return Ok(Vec::new());
    }
    let versions = "SELECT version FROM __diesel_schema_migrations ORDER BY version";
    let rows: Vec<Applied> = sql_query(versions).load(connection)?;
    Ok(rows.into_iter().map(|row| row.version).collect())
}
