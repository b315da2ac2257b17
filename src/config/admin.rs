//! The command line of `warren admin`.

use super::{Config, ConfigError, ServeArgs};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// The command line of `admin`.
#[derive(Debug, Args)]
pub struct AdminArgs {
    /// What to do.
    #[command(subcommand)]
    pub task: AdminTask,
    /// Where the server keeps its data.
    #[command(flatten)]
    pub place: DataPlace,
    /// Print one JSON document
    #[arg(long, global = true)]
    pub json: bool,
}

/// What `admin` can do.
#[derive(Debug, Subcommand)]
pub enum AdminTask {
    /// Make an admin token and print it, the only time that it is shown
    CreateToken {
        /// What to call it in lists
        #[arg(long)]
        name: Option<String>,
    },
    /// List all admin tokens: handle, age, first characters, name
    ListTokens,
    /// Delete an admin token; a running server refuses it within 60 seconds
    DeleteToken {
        /// Its handle, `pat_id_…`
        id: String,
    },
}

/// The flags that say where a server keeps its data; as those of `serve`.
#[derive(Clone, Debug, Default, Args)]
pub struct DataPlace {
    /// The folder for everything that is kept [default: ./warren-data]
    #[arg(long, env = "WARREN_DATA", value_name = "DIR", global = true)]
    pub data: Option<PathBuf>,
    /// The database, `sqlite:PATH` or `postgres://…` [default: warren.db in the data folder]
    #[arg(
        long,
        env = "WARREN_DATABASE",
        value_name = "URL",
        hide_env_values = true,
        global = true
    )]
    pub database: Option<String>,
    /// The configuration file [default: warren.toml when it is there]
    #[arg(long, env = "WARREN_CONFIG", value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
}

impl DataPlace {
    /// The folder. Where it is said here, mistakes in other settings keep nobody from it.
    ///
    /// # Errors
    /// The settings that would say it cannot be used.
    pub fn folder(self) -> Result<PathBuf, ConfigError> {
        match self.data {
            Some(data) => Ok(data),
            None => Config::load(self.into()).map(|config| config.data),
        }
    }
}

impl From<DataPlace> for ServeArgs {
    fn from(DataPlace { data, database, config }: DataPlace) -> Self {
        Self { data, database, config, ..Self::default() }
    }
}
