//! `warren channels`.

use super::{ListArgs, Scope, Task};
use crate::call::{ApiCall, ApiMethod, Fields};
use crate::error::CliError;
use clap::{Args, Subcommand};
use serde_json::json;

/// What can be done with channels.
#[derive(Debug, Subcommand)]
pub enum ChannelTask {
    /// List the channels of the project
    List(#[command(flatten)] ListArgs),
    /// Show a channel with its state
    Get {
        /// The channel
        channel: String,
    },
    /// Make a channel
    Create {
        /// Its id; made up when left out
        channel: Option<String>,
        /// Its first state
        #[arg(long, value_name = "JSON|@FILE|-")]
        state: Option<String>,
        /// What it is.
        #[command(flatten)]
        shape: Shape,
    },
    /// Change what a channel is; its state stays (`warren state` changes that)
    Update {
        /// The channel
        channel: String,
        /// What it becomes.
        #[command(flatten)]
        shape: Shape,
    },
    /// Delete a channel
    Delete {
        /// The channel
        channel: String,
    },
    /// Say how many are in a channel now
    Stats {
        /// The channel
        channel: String,
    },
    /// List the tokens that are subscribed to a channel for good
    Subscribers {
        /// The channel
        channel: String,
        /// Which part of it.
        #[command(flatten)]
        list: ListArgs,
    },
    /// Subscribe tokens to a channel
    Subscribe {
        /// The channel
        channel: String,
        /// The leap tokens
        #[arg(required = true)]
        tokens: Vec<String>,
        /// Only for as long as their sessions live
        #[arg(long)]
        ephemeral: bool,
    },
    /// End a token's subscription to a channel
    Unsubscribe {
        /// The channel
        channel: String,
        /// The leap token
        token: String,
    },
}

/// What a channel is, besides its state.
#[derive(Debug, Args)]
pub struct Shape {
    /// Who may come in
    #[arg(long = "type", value_name = "TYPE", value_parser = ["private", "public", "unprotected"])]
    visibility: Option<String>,
    /// What it can do, as `CLIENT_PUBLISH,PRESENCE`; an empty text for nothing
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    capabilities: Option<Vec<String>>,
    /// Keep at most so many messages (channels with HISTORY)
    #[arg(long, value_name = "N")]
    history_count: Option<u64>,
    /// Keep messages for so many seconds (channels with HISTORY)
    #[arg(long, value_name = "N")]
    history_seconds: Option<u64>,
}

impl Shape {
    /// The body that says it.
    fn fields(&self) -> Result<Fields, CliError> {
        let names = self
            .capabilities
            .as_ref()
            .map(|names| names.iter().filter(|name| !name.is_empty()).collect::<Vec<_>>());
        let mut history = serde_json::Map::new();
        history.extend(self.history_count.map(|count| ("count".to_owned(), json!(count))));
        history.extend(self.history_seconds.map(|age| ("seconds".to_owned(), json!(age))));
        Fields::default()
            .value("type", self.visibility.as_ref())?
            .value("capabilities", names)?
            .value("history", (!history.is_empty()).then_some(history))
    }
}

impl Task for ChannelTask {
    fn call(&self, _: Scope<'_>) -> Result<ApiCall, CliError> {
        use ApiMethod::{Delete, Get, Patch, Post, Put};
        Ok(match self {
            Self::List(list) => list.of(["channels"]),
            Self::Get { channel } => ApiCall::new(Get, ["channels", channel]),
            Self::Create { channel, state, shape } => {
                let body = shape.fields()?.json("state", state.as_deref())?;
                match channel {
                    Some(channel) => ApiCall::new(Put, ["channels", channel]).with_body(&body),
                    None => ApiCall::new(Post, ["channels"]).with_body(&body),
                }
            }
            Self::Update { channel, shape } => {
                ApiCall::new(Patch, ["channels", channel]).with_body(&shape.fields()?)
            }
            Self::Delete { channel } => ApiCall::new(Delete, ["channels", channel]),
            Self::Stats { channel } => ApiCall::new(Get, ["channels", channel, "stats"]),
            Self::Subscribers { channel, list } => list.of(["channels", channel, "tokens"]),
            Self::Subscribe { channel, tokens, ephemeral } => match tokens.as_slice() {
                [token] if !ephemeral => {
                    ApiCall::new(Put, ["channels", channel, "subscribers", token])
                }
                tokens => ApiCall::new(Post, ["channels", channel, "subscribers"])
                    .with_body(&json!({ "tokens": tokens, "ephemeral": ephemeral })),
            },
            Self::Unsubscribe { channel, token } => {
                ApiCall::new(Delete, ["channels", channel, "subscribers", token])
            }
        })
    }
}
