//! `warren connections` and `warren presence`.

use super::{ListArgs, Scope, Task};
use crate::call::{ApiCall, ApiMethod, Fields};
use crate::error::CliError;
use clap::{Args, Subcommand};

/// What can be done with live connections.
#[derive(Debug, Subcommand)]
pub enum ConnectionTask {
    /// List the live connections of a channel or a token
    List {
        /// Those that hear this channel
        #[arg(long, required_unless_present = "of", conflicts_with = "of")]
        channel: Option<String>,
        /// Those of this leap token
        #[arg(long, value_name = "TOKEN")]
        of: Option<String>,
        /// Which part of it.
        #[command(flatten)]
        list: ListArgs,
    },
    /// Send a message to one connection alone
    Message {
        /// The connection's id, its `cid`
        cid: String,
        /// The event's name
        event: String,
        /// The data
        #[arg(value_name = "JSON|@FILE|-")]
        data: Option<String>,
    },
    /// Close a connection; its client may come back
    Close {
        /// The connection's id, its `cid`
        cid: String,
    },
}

impl Task for ConnectionTask {
    fn call(&self, _: Scope<'_>) -> Result<ApiCall, CliError> {
        Ok(match self {
            Self::List { channel: Some(channel), list, .. } => {
                list.of(["channels", channel, "connections"])
            }
            Self::List { of, list, .. } => {
                list.of(["channels", "tokens", of.as_deref().unwrap_or_default(), "connections"])
            }
            Self::Message { cid, event, data } => {
                let body = Fields::default().value("e", Some(event))?.json("d", data.as_deref())?;
                ApiCall::new(ApiMethod::Post, ["channels", "connections", cid, "messages"])
                    .with_body(&body)
            }
            Self::Close { cid } => {
                ApiCall::new(ApiMethod::Delete, ["channels", "connections", cid])
            }
        })
    }
}

/// The command line of `presence`.
#[derive(Debug, Args)]
pub struct PresenceArgs {
    /// The channel, which has PRESENCE
    channel: String,
    /// Which part of it.
    #[command(flatten)]
    list: ListArgs,
}

impl Task for PresenceArgs {
    fn call(&self, _: Scope<'_>) -> Result<ApiCall, CliError> {
        Ok(self.list.of(["channels", &self.channel, "presence"]))
    }
}
