//! Warren as a part of somebody else's actix-web service: opened, mounted beside other routes, called without HTTP, ended.
//!
//! ```no_run
//! # async fn f(config: warren::config::Config) -> Result<(), Box<dyn std::error::Error>> {
//! use actix_web::{App, HttpServer, web};
//!
//! let warren = warren::Warren::open(config).await?;
//! let mounted = warren.clone();
//! HttpServer::new(move || App::new().service(web::scope("/realtime").configure(mounted.configure())));
//! warren.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! `examples/embed.rs` is a whole service. Nothing of the rules is here: a call does what the API's request does, and fails
//! as that does, with an [`ApiError`] that a handler can return as it is.

mod state;
mod tokens;

pub use state::States;
pub use tokens::LeapTokens;

use crate::config::Config;
use crate::domain::{Capabilities, Channel, ChannelId, ChannelKey, ProjectId, Visibility};
use crate::first_run::FirstRun;
use crate::http::{self, ApiError, typed, typed_batch};
pub use crate::http::{BatchItem, BatchOutcome};
pub use crate::server::ServerError;
use crate::server::embedded;
use actix_web::web::ServiceConfig;
use serde::Serialize;
use std::sync::Arc;

/// A Warren that runs in this process; cheap to clone, from any thread to any other.
#[derive(Clone)]
pub struct Warren(Arc<WarrenInner>);

/// What all handles share.
struct WarrenInner {
    /// What answers.
    app: http::App,
    /// What the first run made, if this was one.
    first: Option<FirstRun>,
    /// What has to be ended.
    running: embedded::RunningServer,
}

impl Warren {
    /// Opens store, actors and webhook sender. `listen`, `socket` and `proxy_protocol` of the configuration are the host's
    /// business and have no effect; `workers` says on how many threads channels and sessions live.
    ///
    /// # Errors
    /// [`ServerError`]: `NoSystem` outside of an actix system (`#[actix_web::main]`), `InUse` where another Warren has the
    /// folder, and what can be wrong with folder and database.
    pub async fn open(config: Config) -> Result<Self, ServerError> {
        let (app, first, running) = embedded::open(config).await?;
        Ok(Self(Arc::new(WarrenInner { app, first, running })))
    }

    /// Mounts API, socket and console where they are wanted, to be called for each worker:
    /// `web::scope("/realtime").configure(warren.configure())` serves `/realtime/v1/…` and `/realtime/ws`.
    pub fn configure(&self) -> impl FnOnce(&mut ServiceConfig) + use<> {
        http::configure(self.0.app.clone())
    }

    /// What the first run on an empty folder made, with its secrets; none on a later one.
    pub fn first_run(&self) -> Option<&FirstRun> {
        self.0.first.as_ref()
    }

    /// The name of a channel of this project.
    ///
    /// # Errors
    /// [`ApiError::InvalidId`].
    pub fn channel(project: &str, channel: &str) -> Result<ChannelKey, ApiError> {
        Ok(ChannelKey { project: ProjectId::from(project), id: ChannelId::parse(channel)? })
    }

    /// Creates a channel with an empty state.
    ///
    /// # Errors
    /// [`ApiError`]: `Exists(Channel)`, `NotFound(Project)`.
    pub async fn create_channel(
        &self,
        key: &ChannelKey,
        visibility: Visibility,
        capabilities: Capabilities,
    ) -> Result<Channel, ApiError> {
        typed::create_channel(&self.0.app, key, visibility, capabilities).await
    }

    /// Publishes to a channel; done when the message is in the outgoing queue of every live session.
    ///
    /// # Errors
    /// [`ApiError`]: `NotFound(Channel)`, `TooLarge`, `InvalidBody` for a name or data that cannot be sent, `Overloaded`.
    pub async fn publish(
        &self,
        channel: &ChannelKey,
        event: &str,
        data: &(impl Serialize + ?Sized),
    ) -> Result<(), ApiError> {
        typed::publish(&self.0.app, channel, event, data).await
    }

    /// Carries out messages and state changes, up to 1,000, in the order given, and says what became of each. Changes, and
    /// messages that are kept, share commits where they stand next to each other. What was not reached when the future is dropped is not done.
    ///
    /// # Errors
    /// [`ApiError`]: `InvalidBody` for too many, of which none is carried out then.
    pub async fn batch(&self, items: Vec<BatchItem>) -> Result<Vec<BatchOutcome>, ApiError> {
        typed_batch::batch(&self.0.app, items).await
    }

    /// The state of a channel.
    pub fn state(&self, channel: &ChannelKey) -> States<'_> {
        States::new(&self.0.app, channel.clone())
    }

    /// The leap tokens of a project.
    pub fn tokens(&self, project: &str) -> LeapTokens<'_> {
        LeapTokens::new(&self.0.app, ProjectId::from(project))
    }

    /// Ends it in order: nobody new, then sockets close (4010) behind all that was acknowledged, then the webhook sender and
    /// the store. Requests that come later are answered 503; calling it again does nothing. To be called before the host's
    /// HTTP server is stopped, which would wait for sockets.
    pub async fn shutdown(&self) {
        self.0.running.end(&self.0.app.supervisor).await;
    }
}

#[cfg(test)]
mod tests;
