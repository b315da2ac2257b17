//! The commands, one file a resource: each says which call of the API it is.

mod admin;
mod channels;
mod connections;
mod inspect;
mod jwt;
mod messages;
mod projects;
mod state;
mod tokens;
mod webhooks;

pub(crate) use admin::{PatTask, ProfileTask};
pub(crate) use channels::ChannelTask;
pub(crate) use connections::{ConnectionTask, PresenceArgs};
pub(crate) use inspect::InspectArgs;
pub(crate) use jwt::JwtTask;
pub(crate) use messages::{MessageTask, PublishArgs};
pub(crate) use projects::{ProjectTask, ProjectTokenTask};
pub(crate) use state::StateTask;
pub(crate) use tokens::TokenTask;
pub(crate) use webhooks::{AuthorizerTask, WebhookTask};

use crate::call::{ApiCall, ApiMethod};
use crate::error::CliError;
use clap::Args;

/// What a command is told besides its own arguments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope<'a> {
    /// The project, if it was said.
    pub project: Option<&'a str>,
}

impl Scope<'_> {
    /// The project as it stands in a path; the token's own, if none was said.
    pub(crate) fn project(&self) -> &str {
        self.project.unwrap_or("@this")
    }
}

/// Which part of a list is wanted; without any of it, all.
#[derive(Clone, Debug, Default, Args)]
pub struct ListArgs {
    /// Only this page, from 1
    #[arg(long, value_name = "N")]
    page: Option<u32>,
    /// So many in a page, 1 to 1000
    #[arg(long, value_name = "N")]
    page_size: Option<u32>,
}

impl ListArgs {
    /// A call that reads this part of the list at a path.
    fn of<P: AsRef<str>>(&self, path: impl IntoIterator<Item = P>) -> ApiCall {
        ApiCall::new(ApiMethod::Get, path)
            .with_query("page", self.page)
            .with_query("pageSize", self.page_size)
    }
}

/// What every command can say: the call that it is.
pub(crate) trait Task {
    /// The call.
    ///
    /// # Errors
    /// An argument, or a file that it names, cannot be used.
    fn call(&self, scope: Scope<'_>) -> Result<ApiCall, CliError>;
}
