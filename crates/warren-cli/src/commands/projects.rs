//! `warren projects` and `warren project-tokens`.

use super::{ListArgs, Scope, Task};
use crate::call::{ApiCall, ApiMethod, Fields};
use crate::error::CliError;
use clap::Subcommand;
use serde_json::json;

/// What can be done with projects.
#[derive(Debug, Subcommand)]
pub enum ProjectTask {
    /// List all projects (admin token)
    List(#[command(flatten)] ListArgs),
    /// Show a project
    Get {
        /// The project's id [default: --project, or the token's own]
        id: Option<String>,
    },
    /// Make a project and a token for it, which is shown this once (admin token)
    Create {
        /// What to call it
        name: String,
        /// A short name of its own, of a-z, 0-9 and -
        #[arg(long)]
        namespace: Option<String>,
    },
    /// Rename a project (admin token)
    Update {
        /// The project's id
        id: String,
        /// What to call it
        name: String,
    },
    /// Delete a project with everything in it (admin token)
    Delete {
        /// The project's id
        id: String,
        /// Yes, everything in it
        #[arg(long, required = true)]
        yes: bool,
    },
    /// List the members of a project
    Members(#[command(flatten)] ListArgs),
    /// Show which member the token is
    Member,
}

impl Task for ProjectTask {
    fn call(&self, scope: Scope<'_>) -> Result<ApiCall, CliError> {
        use ApiMethod::{Delete, Get, Patch, Post};
        let project = scope.project();
        Ok(match self {
            Self::List(list) => list.of(["projects"]),
            Self::Get { id } => ApiCall::new(Get, ["projects", id.as_deref().unwrap_or(project)]),
            Self::Create { name, namespace } => {
                let fields = Fields::default()
                    .value("name", Some(name))?
                    .value("namespace", namespace.as_ref())?;
                ApiCall::new(Post, ["projects"]).with_body(&fields)
            }
            Self::Update { id, name } => {
                ApiCall::new(Patch, ["projects", id]).with_body(&json!({ "name": name }))
            }
            Self::Delete { id, .. } => ApiCall::new(Delete, ["projects", id]),
            Self::Members(list) => list.of(["projects", project, "members"]),
            Self::Member => ApiCall::new(Get, ["projects", project, "members", "@me"]),
        })
    }
}

/// What can be done with project tokens.
#[derive(Debug, Subcommand)]
pub enum ProjectTokenTask {
    /// List the tokens of the project; secrets are masked
    List(#[command(flatten)] ListArgs),
    /// Make a token, which is shown this once
    Create {
        /// What it may do, as the sum of its flags
        #[arg(long, value_name = "N", required_unless_present = "permissions")]
        flags: Option<u64>,
        /// What it may do, as groups: `MANAGE_CHANNELS`, `MANAGE_WEBHOOKS`, `MANAGE_MEMBERS`
        #[arg(long, value_delimiter = ',', value_name = "GROUP,…", conflicts_with = "flags")]
        permissions: Option<Vec<String>>,
    },
    /// Delete a token and close the sockets that it opened
    Delete {
        /// Its handle, `ptkid_…`
        id: String,
    },
}

impl Task for ProjectTokenTask {
    fn call(&self, scope: Scope<'_>) -> Result<ApiCall, CliError> {
        let path = ["projects", scope.project(), "tokens"];
        Ok(match self {
            Self::List(list) => list.of(path),
            Self::Create { flags, permissions } => {
                let fields = Fields::default()
                    .value("flags", *flags)?
                    .value("permissions", permissions.as_ref())?;
                ApiCall::new(ApiMethod::Post, path).with_body(&fields)
            }
            Self::Delete { id } => ApiCall::new(ApiMethod::Delete, [&path[..], &[id]].concat()),
        })
    }
}
