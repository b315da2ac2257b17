//! `warren webhooks` and `warren authorizer`.

use super::{ListArgs, Scope, Task};
use crate::call::{ApiCall, ApiMethod, Fields};
use crate::error::CliError;
use clap::Subcommand;
use serde_json::json;

/// What can be done with webhooks.
#[derive(Debug, Subcommand)]
pub enum WebhookTask {
    /// List the webhooks of the project
    List(#[command(flatten)] ListArgs),
    /// Make a webhook; its secret is shown this once
    Create {
        /// Where events are posted
        url: String,
        /// Which events
        #[arg(required = true, value_name = "EVENT")]
        events: Vec<String>,
    },
    /// Change a webhook, which enables it again if it was disabled
    Update {
        /// The webhook's id
        webhook: String,
        /// Where events are posted
        #[arg(long, value_name = "URL")]
        to: Option<String>,
        /// Which events, instead of all those before
        #[arg(long, value_delimiter = ',', value_name = "EVENT,…")]
        events: Option<Vec<String>>,
    },
    /// Delete a webhook and what waits to be posted to it
    Delete {
        /// The webhook's id
        webhook: String,
    },
    /// Give a webhook a new secret; the old one signs beside it for a day
    Rotate {
        /// The webhook's id
        webhook: String,
    },
    /// Post a test event now and say what came of it
    Test {
        /// The webhook's id
        webhook: String,
    },
    /// List what was posted, newest first
    Deliveries {
        /// The webhook's id
        webhook: String,
        /// Which part of it.
        #[command(flatten)]
        list: ListArgs,
    },
    /// Show what was posted of an event, and what came of it
    Delivery {
        /// The webhook's id
        webhook: String,
        /// The event's id
        delivery: String,
    },
    /// Post an event again
    Resend {
        /// The webhook's id
        webhook: String,
        /// The event's id
        delivery: String,
    },
}

impl Task for WebhookTask {
    fn call(&self, scope: Scope<'_>) -> Result<ApiCall, CliError> {
        use ApiMethod::{Delete, Get, Patch, Post};
        let all = ["projects", scope.project(), "webhooks"];
        let below = |more: &[&str]| -> Vec<String> {
            all.iter().chain(more).map(|part| (*part).to_owned()).collect()
        };
        Ok(match self {
            Self::List(list) => list.of(all),
            Self::Create { url, events } => {
                ApiCall::new(Post, all).with_body(&json!({ "webhook_url": url, "events": events }))
            }
            Self::Update { webhook, to, events } => {
                let fields = Fields::default()
                    .value("webhook_url", to.as_ref())?
                    .value("events", events.as_ref())?;
                ApiCall::new(Patch, below(&[webhook])).with_body(&fields)
            }
            Self::Delete { webhook } => ApiCall::new(Delete, below(&[webhook])),
            Self::Rotate { webhook } => ApiCall::new(Post, below(&[webhook, "regenerate"])),
            Self::Test { webhook } => ApiCall::new(Post, below(&[webhook, "test"])),
            Self::Deliveries { webhook, list } => list.of(below(&[webhook, "deliveries"])),
            Self::Delivery { webhook, delivery } => {
                ApiCall::new(Get, below(&[webhook, "deliveries", delivery]))
            }
            Self::Resend { webhook, delivery } => {
                ApiCall::new(Post, below(&[webhook, "deliveries", delivery, "resend"]))
            }
        })
    }
}

/// What can be done with the channel authorizer.
#[derive(Debug, Subcommand)]
pub enum AuthorizerTask {
    /// Show who decides about subscriptions, and what it answered last
    Get,
    /// Let this address decide who may subscribe to private channels; its secret is shown this once
    Set {
        /// Where it is asked
        url: String,
    },
    /// Let nobody decide
    Delete,
    /// Ask it a test question now and say what came of it
    Test,
}

impl Task for AuthorizerTask {
    fn call(&self, scope: Scope<'_>) -> Result<ApiCall, CliError> {
        let path = ["projects", scope.project(), "channel-authorizer"];
        Ok(match self {
            Self::Get => ApiCall::new(ApiMethod::Get, path),
            Self::Set { url } => {
                ApiCall::new(ApiMethod::Put, path).with_body(&json!({ "url": url }))
            }
            Self::Delete => ApiCall::new(ApiMethod::Delete, path),
            Self::Test => ApiCall::new(ApiMethod::Post, [&path[..], &["test"]].concat()),
        })
    }
}
