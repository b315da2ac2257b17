//! `warren publish` and `warren messages`.

use super::{Scope, Task};
use crate::call::{ApiCall, ApiMethod, Fields};
use crate::error::CliError;
use clap::{Args, Subcommand};

/// The command line of `publish`.
#[derive(Debug, Args)]
pub struct PublishArgs {
    /// The channel
    channel: String,
    /// The event's name
    event: String,
    /// The data
    #[arg(value_name = "JSON|@FILE|-")]
    data: Option<String>,
    /// Do it once, however often this is called with the same key
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

impl Task for PublishArgs {
    fn call(&self, _: Scope<'_>) -> Result<ApiCall, CliError> {
        let fields = Fields::default().value("e", Some(&self.event))?;
        let call = ApiCall::new(ApiMethod::Post, ["channels", &self.channel, "messages"]);
        Ok(call
            .with_body(&fields.json("d", self.data.as_deref())?)
            .with_header("idempotency-key", self.idempotency_key.clone()))
    }
}

/// What can be done with kept messages.
#[derive(Debug, Subcommand)]
pub enum MessageTask {
    /// List the messages that a channel with HISTORY keeps
    List {
        /// The channel
        channel: String,
        /// Those behind this position
        #[arg(long, value_name = "POSITION")]
        after: Option<String>,
        /// Those in front of this position
        #[arg(long, value_name = "POSITION")]
        before: Option<String>,
        /// So many at most, 1 to 1000
        #[arg(long, value_name = "N")]
        limit: Option<u32>,
        /// Which first
        #[arg(long, value_parser = ["asc", "desc"], value_name = "ORDER")]
        order: Option<String>,
    },
    /// Take back messages that a channel keeps
    Delete {
        /// The channel
        channel: String,
        /// Only those in front of this position
        #[arg(long, value_name = "POSITION")]
        before: Option<String>,
    },
}

impl Task for MessageTask {
    fn call(&self, _: Scope<'_>) -> Result<ApiCall, CliError> {
        Ok(match self {
            Self::List { channel, after, before, limit, order } => {
                ApiCall::new(ApiMethod::Get, ["channels", channel, "messages"])
                    .with_query("after", after.as_ref())
                    .with_query("before", before.as_ref())
                    .with_query("limit", *limit)
                    .with_query("order", order.as_ref())
            }
            Self::Delete { channel, before } => {
                ApiCall::new(ApiMethod::Delete, ["channels", channel, "messages"])
                    .with_query("before", before.as_ref())
            }
        })
    }
}
