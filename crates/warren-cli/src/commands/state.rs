//! `warren state`.

use super::{Scope, Task};
use crate::call::{ApiCall, ApiMethod, json};
use crate::error::CliError;
use clap::{Args, Subcommand};

/// What can be done with a channel's state.
#[derive(Debug, Subcommand)]
pub enum StateTask {
    /// Show the state, as it is or was
    Get {
        /// The channel
        channel: String,
        /// This version of it (channels with `STATE_HISTORY`)
        #[arg(long, value_name = "N", conflicts_with = "at")]
        version: Option<u64>,
        /// The one in force then, RFC 3339 (channels with `STATE_HISTORY`)
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
    },
    /// Replace the state
    Set {
        /// The channel
        channel: String,
        /// The new state, an object
        #[arg(value_name = "JSON|@FILE|-")]
        state: String,
        /// When.
        #[command(flatten)]
        condition: Condition,
    },
    /// Change a part of the state
    Patch {
        /// The channel
        channel: String,
        /// The keys to set, or a patch of the kind that is named
        #[arg(value_name = "JSON|@FILE|-")]
        patch: String,
        /// By RFC 7396: into objects, null removes
        #[arg(long, conflicts_with = "json_patch")]
        merge: bool,
        /// By RFC 6902: a list of operations
        #[arg(long)]
        json_patch: bool,
        /// When.
        #[command(flatten)]
        condition: Condition,
    },
    /// List the versions that a channel with `STATE_HISTORY` keeps
    History {
        /// The channel
        channel: String,
        /// Those before this version
        #[arg(long, value_name = "N")]
        before: Option<u64>,
        /// So many at most, 1 to 1000
        #[arg(long, value_name = "N")]
        limit: Option<u32>,
    },
    /// Bring back a version that is kept, as a new one
    Restore {
        /// The channel
        channel: String,
        /// The version
        version: u64,
        /// When.
        #[command(flatten)]
        condition: Condition,
    },
}

/// On which condition a state is changed.
#[derive(Debug, Args)]
pub struct Condition {
    /// Only if the state still has this tag, the `etag` that `state get` shows
    #[arg(long, value_name = "ETAG")]
    if_match: Option<String>,
}

impl Condition {
    /// A call on this condition.
    fn on(&self, call: ApiCall) -> ApiCall {
        call.with_header("if-match", self.if_match.clone())
    }
}

impl Task for StateTask {
    fn call(&self, _: Scope<'_>) -> Result<ApiCall, CliError> {
        use ApiMethod::{Get, Patch, Post, Put};
        Ok(match self {
            Self::Get { channel, version, at } => ApiCall::new(Get, ["channels", channel, "state"])
                .with_query("version", *version)
                .with_query("at", at.as_ref()),
            Self::Set { channel, state, condition } => {
                condition.on(ApiCall::new(Put, ["channels", channel, "state"])
                    .with_body(json("the state", state)?.get()))
            }
            Self::Patch { channel, patch, merge, json_patch, condition } => {
                let kind = match (merge, json_patch) {
                    (true, _) => Some("application/merge-patch+json"),
                    (_, true) => Some("application/json-patch+json"),
                    _ => None,
                };
                let call = ApiCall::new(Patch, ["channels", channel, "state"])
                    .with_body(json("the patch", patch)?.get())
                    .with_header("content-type", kind.map(str::to_owned));
                condition.on(call)
            }
            Self::History { channel, before, limit } => {
                ApiCall::new(Get, ["channels", channel, "state", "history"])
                    .with_query("before", *before)
                    .with_query("limit", *limit)
            }
            Self::Restore { channel, version, condition } => {
                condition.on(ApiCall::new(Post, ["channels", channel, "state", "restore"])
                    .with_body(&serde_json::json!({ "version": version })))
            }
        })
    }
}
