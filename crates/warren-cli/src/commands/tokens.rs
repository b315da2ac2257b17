//! `warren tokens`: leap tokens, which are who clients are.

use super::{ListArgs, Scope, Task};
use crate::call::{ApiCall, ApiMethod, Fields};
use crate::error::CliError;
use clap::{Args, Subcommand};
use serde_json::json;

/// What can be done with leap tokens.
#[derive(Debug, Subcommand)]
pub enum TokenTask {
    /// List the leap tokens of the project
    List(#[command(flatten)] ListArgs),
    /// Show a token
    Get {
        /// The leap token
        token: String,
    },
    /// Make a token
    Create {
        /// Subscribe it to these channels
        #[arg(long, value_delimiter = ',', value_name = "CHANNEL,…")]
        channels: Option<Vec<String>>,
        /// Those subscriptions live only as long as its session
        #[arg(long, requires = "channels")]
        ephemeral: bool,
        /// What it holds.
        #[command(flatten)]
        content: Content,
    },
    /// Change a token's state or when it expires
    Update {
        /// The leap token
        token: String,
        /// What it holds then.
        #[command(flatten)]
        content: Content,
    },
    /// Delete a token and close its connections
    Delete {
        /// The leap token
        token: String,
    },
    /// List the channels that a token is subscribed to
    Subscriptions {
        /// The leap token
        token: String,
        /// Which part of it.
        #[command(flatten)]
        list: ListArgs,
    },
    /// Subscribe a token to a channel for good
    Subscribe {
        /// The leap token
        token: String,
        /// The channel
        channel: String,
    },
    /// End a token's subscription to a channel
    Unsubscribe {
        /// The leap token
        token: String,
        /// The channel
        channel: String,
    },
    /// Send a message to a token alone
    Message {
        /// The leap token
        token: String,
        /// The event's name
        event: String,
        /// The data
        #[arg(value_name = "JSON|@FILE|-")]
        data: Option<String>,
        /// Store it until it was heard, for so many seconds at most
        #[arg(long, value_name = "SECONDS")]
        ttl: Option<u64>,
        /// Do it once, however often this is called with the same key
        #[arg(long, value_name = "KEY")]
        idempotency_key: Option<String>,
    },
    /// Show what has become of a message that was sent with a ttl
    Mail {
        /// The leap token
        token: String,
        /// The id that the sender was answered
        id: String,
    },
    /// List the live connections of a token
    Connections {
        /// The leap token
        token: String,
        /// Which part of it.
        #[command(flatten)]
        list: ListArgs,
    },
}

/// What a token holds.
#[derive(Debug, Args)]
pub struct Content {
    /// Its state, an object
    #[arg(long, value_name = "JSON|@FILE|-")]
    state: Option<String>,
    /// When it expires, RFC 3339; `never` takes that back
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,
}

impl Content {
    /// The body that says it.
    fn fields(&self) -> Result<Fields, CliError> {
        let expiry = self.expires_at.as_deref().map(|at| (at != "never").then_some(at));
        Fields::default().json("state", self.state.as_deref())?.value("expires_at", expiry)
    }
}

impl Task for TokenTask {
    fn call(&self, _: Scope<'_>) -> Result<ApiCall, CliError> {
        use ApiMethod::{Delete, Get, Patch, Post, Put};
        Ok(match self {
            Self::List(list) => list.of(["channels", "tokens"]),
            Self::Get { token } => ApiCall::new(Get, ["channels", "tokens", token]),
            Self::Create { channels, ephemeral, content } => {
                let each = |id: &String| json!({ "id": id, "ephemeral": ephemeral });
                let channels =
                    channels.as_ref().map(|ids| ids.iter().map(each).collect::<Vec<_>>());
                ApiCall::new(Post, ["channels", "tokens"])
                    .with_body(&content.fields()?.value("channels", channels)?)
            }
            Self::Update { token, content } => {
                ApiCall::new(Patch, ["channels", "tokens", token]).with_body(&content.fields()?)
            }
            Self::Delete { token } => ApiCall::new(Delete, ["channels", "tokens", token]),
            Self::Subscriptions { token, list } => {
                list.of(["channels", "tokens", token, "subscriptions"])
            }
            Self::Subscribe { token, channel } => {
                ApiCall::new(Put, ["channels", channel, "subscribers", token])
            }
            Self::Unsubscribe { token, channel } => {
                ApiCall::new(Delete, ["channels", channel, "subscribers", token])
            }
            Self::Message { token, event, data, ttl, idempotency_key } => {
                let body = Fields::default().value("e", Some(event))?.json("d", data.as_deref())?;
                ApiCall::new(Post, ["channels", "tokens", token, "messages"])
                    .with_body(&body.value("ttl", *ttl)?)
                    .with_header("idempotency-key", idempotency_key.clone())
            }
            Self::Mail { token, id } => {
                ApiCall::new(Get, ["channels", "tokens", token, "messages", id])
            }
            Self::Connections { token, list } => {
                list.of(["channels", "tokens", token, "connections"])
            }
        })
    }
}
