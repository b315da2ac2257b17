//! `warren admin-tokens` and `warren profiles`.

use super::{ListArgs, Scope, Task};
use crate::call::{ApiCall, ApiMethod, Fields};
use crate::error::CliError;
use clap::Subcommand;

/// What can be done with admin tokens by the API; `warren admin` does it on the database itself.
#[derive(Debug, Subcommand)]
pub enum PatTask {
    /// List all admin tokens; secrets are masked
    List(#[command(flatten)] ListArgs),
    /// Make an admin token, which is shown this once
    Create {
        /// What to call it in lists
        #[arg(long)]
        name: Option<String>,
    },
    /// Delete an admin token
    Delete {
        /// Its handle, `pat_id_…`
        id: String,
    },
}

impl Task for PatTask {
    fn call(&self, _: Scope<'_>) -> Result<ApiCall, CliError> {
        let path = ["users", "@me", "pats"];
        Ok(match self {
            Self::List(list) => list.of(path),
            Self::Create { name } => ApiCall::new(ApiMethod::Post, path)
                .with_body(&Fields::default().value("name", name.as_ref())?),
            Self::Delete { id } => ApiCall::new(ApiMethod::Delete, [&path[..], &[id]].concat()),
        })
    }
}

/// What can be done with profiles.
#[derive(Debug, Subcommand)]
pub enum ProfileTask {
    /// List the profiles; tokens are not shown
    List,
    /// Make or change a profile by --url, --project and --token; a token of `-` is read from standard input
    Set {
        /// Its name
        name: String,
    },
    /// Delete a profile
    Delete {
        /// Its name
        name: String,
    },
}
