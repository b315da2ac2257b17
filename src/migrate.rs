//! `warren migrate`: everything that a server keeps, from SQLite's file to a PostgreSQL, or back.
//!
//! No server may run on either. What it is taken from stays as it is.

use crate::config::{Config, ConfigError, DataPlace, DatabasePlace};
use crate::server::database;
use crate::server::{self, ServerError};
use crate::store::StoreError;
use clap::Args;
use serde_json::json;
use std::io::{self, Write};

/// The command line of `migrate`.
#[derive(Debug, Args)]
pub struct MigrateArgs {
    /// Where to: a database that is empty, or a file that is not there yet; `sqlite:PATH` or `postgres://…`
    #[arg(long, env = "WARREN_MIGRATE_TO", value_name = "URL", hide_env_values = true)]
    to: String,
    /// What from: where the server keeps its data.
    #[command(flatten)]
    place: DataPlace,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// Why nothing was taken over.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The settings cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is nothing to take.
    #[error("there is no database {0}; --database, --data or --config says where it is")]
    NoDatabase(String),
    /// Both are files, or both are not.
    #[error("a database goes from a file to PostgreSQL or back; {0} and {1} are of one kind")]
    OneKind(String, String),
    /// A server runs, or the folder cannot be used.
    #[error(transparent)]
    Folder(ServerError),
    /// A database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The outcome could not be printed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Takes everything over and prints how many rows of what.
///
/// # Errors
/// [`MigrateError`]; then the database that was to be filled has no rows.
pub fn run(args: MigrateArgs, out: &mut dyn Write) -> Result<(), MigrateError> {
    let config = Config::load(args.place.into())?;
    let (from, to) = (config.database, DatabasePlace::parse(&args.to)?);
    if from.file().is_some() == to.file().is_some() {
        return Err(MigrateError::OneKind(from.shown(), to.shown()));
    }
    if !database::is_there(&from)? {
        return Err(MigrateError::NoDatabase(from.shown()));
    }
    let _folder = server::lock(&config.data).map_err(MigrateError::Folder)?;
    #[cfg(feature = "postgres")]
    let tables = database::carry(&from, &to)?;
    // Without it both are files, which was refused above.
    #[cfg(not(feature = "postgres"))]
    let tables: Vec<(&str, u64)> = Vec::new();
    if args.json {
        let rows: serde_json::Map<_, _> =
            tables.iter().map(|(table, rows)| ((*table).to_owned(), json!(rows))).collect();
        return Ok(writeln!(out, "{}", json!({ "to": to.shown(), "rows": rows }))?);
    }
    for (table, rows) in tables {
        writeln!(out, "{table}: {rows}")?;
    }
    writeln!(out, "next: start the server with --database {to}; {from} is as it was")?;
    Ok(())
}
