//! `warren inspect`.

use super::{Scope, Task};
use crate::call::{ApiCall, ApiMethod};
use crate::error::CliError;
use clap::Args;

/// The command line of `inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// Only what is on this channel
    #[arg(long)]
    channel: Option<String>,
    /// Only what is about this leap token
    #[arg(long, value_name = "TOKEN")]
    of: Option<String>,
    /// Only what is about this connection
    #[arg(long, value_name = "CID")]
    connection: Option<String>,
    /// Only these kinds, as `message,state`
    #[arg(long, value_name = "KIND,…")]
    kind: Option<String>,
    /// Only what is from then or later (RFC 3339)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only what came behind this number, the oldest first
    #[arg(long, value_name = "NUMBER")]
    after: Option<u64>,
    /// Only what came before this number
    #[arg(long, value_name = "NUMBER", conflicts_with = "after")]
    before: Option<u64>,
    /// So many at most, 1 to 1000
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
    /// Wait for something so many seconds, 25 at most
    #[arg(long, value_name = "SECONDS", requires = "after")]
    wait: Option<u32>,
}

impl Task for InspectArgs {
    fn call(&self, scope: Scope<'_>) -> Result<ApiCall, CliError> {
        Ok(ApiCall::new(ApiMethod::Get, ["projects", scope.project(), "inspect"])
            .with_query("channel", self.channel.as_ref())
            .with_query("token", self.of.as_ref())
            .with_query("connection", self.connection.as_ref())
            .with_query("kind", self.kind.as_ref())
            .with_query("since", self.since.as_ref())
            .with_query("after", self.after)
            .with_query("before", self.before)
            .with_query("limit", self.limit)
            .with_query("wait", self.wait))
    }
}
