//! Durable things, behind two traits: one method is one transaction.
//!
//! Blocking on purpose: only the persistence actor's own threads call it. What holds between rows (a subscription needs
//! its token and its channel, a version follows the one before) is checked here, where it can be checked atomically;
//! rules about meaning live in `domain`.

pub mod answers;
pub mod diesel;
pub mod history;
pub mod jwt;
pub mod mailbox;
pub mod outbox;
pub mod state_log;

#[cfg(test)]
mod contract;

pub use crate::domain::listing::Start;
pub use crate::domain::project::SecretHash;
use crate::domain::{
    AdminToken, AdminTokenId, AllowedOrigins, Capabilities, Channel, ChannelId, ChannelKey,
    LeapToken, LeapTokenId, MISSED_UNKNOWN, Project, ProjectId, ProjectToken, ProjectTokenId,
    RawJson, State, Subscription, Timestamp, Version, Visibility, Webhook, WebhookId,
};
pub use answers::{ReadAnswers, StoredAnswer, WriteAnswers};
pub use history::{
    Appended, HistoryPage, KeptPage, NewMessage, PruneStep, ReadHistory, StoredLine, WriteHistory,
};
pub use jwt::{ReadJwt, WriteJwt};
pub use mailbox::{MailPage, NewMail, ReadMailbox, WriteMailbox};
pub use outbox::{AtomicWrite, CLAIM, Claim, ReadOutbox, WriteOutbox};
pub use state_log::{FoundVersion, ReadStateLog, StateLogPage, WantedVersion, WriteStateLog};

/// A kind of thing, for errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing {
    /// A project.
    Project,
    /// A project token.
    ProjectToken,
    /// A channel.
    Channel,
    /// A leap token.
    Token,
    /// A webhook.
    Webhook,
    /// An admin token.
    AdminToken,
    /// An event on its way to a webhook.
    Delivery,
    /// Who answers subscribe requests.
    Authorizer,
    /// A mail.
    Mail,
    /// A key for JSON Web Tokens.
    JwtKey,
    /// A subject that was revoked.
    JwtRevocation,
}

/// Why a transaction did nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// A row that the call names is not there.
    #[error("{0:?} not found")]
    NotFound(Thing),
    /// One of several named channels is not there.
    #[error("channel {0:?} not found")]
    NoSuchChannel(ChannelId),
    /// A row of this name is there already.
    #[error("{0:?} exists already")]
    Exists(Thing),
    /// The stored version is not the one before the new one: somebody else wrote in between.
    #[error("the stored version is not the one that the change was made from")]
    VersionConflict,
    /// The call has been carried out and answered already, under the same key.
    #[error("the call was answered already")]
    Answered,
    /// As much waits for a token as may.
    #[error("the mailbox is full")]
    MailboxFull,
    /// The database did not take it: busy, full, failing or gone. Trying later may help.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// A stored value cannot be read back; somebody changed it by hand.
    #[error("a stored value is corrupt: {0}")]
    Corrupt(String),
}

/// What a column of channels is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ChannelSort {
    /// By creation time, then id.
    #[default]
    CreatedAt,
    /// By id.
    Id,
}

/// One page of a project's channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelPage {
    /// The order of the whole list.
    pub sort: ChannelSort,
    /// Whether the list runs backwards.
    pub is_descending: bool,
    /// How many to pass over.
    pub offset: u64,
    /// How many to return at most.
    pub limit: u64,
}

/// Where a walk through things in creation order goes on: behind this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor<I> {
    /// Its creation time.
    pub created_at: Timestamp,
    /// Its id.
    pub id: I,
}

/// A channel in such a walk.
pub type ChannelCursor = Cursor<ChannelId>;
/// A leap token in such a walk.
pub type TokenCursor = Cursor<LeapTokenId>;
/// A project in such a walk.
pub type ProjectCursor = Cursor<ProjectId>;
/// A project token in such a walk.
pub type ProjectTokenCursor = Cursor<ProjectTokenId>;

/// What changes about a leap token.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct TokenUpdate {
    /// A new state, if any.
    pub state: Option<RawJson>,
    /// A new expiry, `Some(None)` for none at all.
    pub expires_at: Option<Option<Timestamp>>,
}

/// What changes about a webhook.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct WebhookUpdate {
    /// A new address, if any.
    pub url: Option<String>,
    /// New event names, if any.
    pub events: Option<Vec<String>>,
    /// A new secret, if any.
    pub secret: Option<String>,
    /// Until when the secret before the new one goes on signing; at once no more, if none.
    pub keep_previous_until: Option<Timestamp>,
}

/// What an orderly stop knew of what leap tokens have not heard: how many messages the next connection of each has missed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unheard {
    /// Of these.
    pub tokens: Vec<(LeapTokenId, u64)>,
    /// Of all others.
    pub others: u64,
}

impl Default for Unheard {
    /// Nobody knows.
    fn default() -> Self {
        Self { tokens: Vec::new(), others: MISSED_UNKNOWN }
    }
}

/// The outcome of a transaction.
pub type StoreResult<T> = Result<T, StoreError>;

/// Everything that only reads; runs on the pool of readers.
///
/// Each method fails with [`StoreError::Unavailable`], or with [`StoreError::Corrupt`] where it reads what was changed by
/// hand, and with nothing else.
#[expect(clippy::missing_errors_doc, reason = "the same errors everywhere, named once above")]
pub trait ReadStore:
    ReadOutbox + ReadAnswers + ReadHistory + ReadStateLog + ReadMailbox + ReadJwt
{
    /// A project by id.
    fn find_project(&mut self, id: &ProjectId) -> StoreResult<Option<Project>>;
    /// All projects, oldest first.
    fn list_projects(&mut self) -> StoreResult<Vec<Project>>;
    /// The next projects in creation order, at most `limit`.
    fn projects_after(
        &mut self,
        start: &Start<ProjectCursor>,
        limit: u64,
    ) -> StoreResult<Vec<Project>>;
    /// How many projects there are.
    fn count_projects(&mut self) -> StoreResult<u64>;
    /// A project token by the hash of its secret.
    fn find_project_token(&mut self, hash: &SecretHash) -> StoreResult<Option<ProjectToken>>;
    /// The next of a project's tokens in creation order, at most `limit`.
    fn project_tokens_after(
        &mut self,
        project: &ProjectId,
        start: &Start<ProjectTokenCursor>,
        limit: u64,
    ) -> StoreResult<Vec<ProjectToken>>;
    /// How many tokens a project has.
    fn count_project_tokens(&mut self, project: &ProjectId) -> StoreResult<u64>;
    /// An admin token by the hash of its secret.
    fn find_admin_token(&mut self, hash: &SecretHash) -> StoreResult<Option<AdminToken>>;
    /// All admin tokens, oldest first.
    fn list_admin_tokens(&mut self) -> StoreResult<Vec<AdminToken>>;
    /// A channel by key.
    fn find_channel(&mut self, key: &ChannelKey) -> StoreResult<Option<Channel>>;
    /// A number that rises each time that a channel of this id is made; none if there is none.
    fn incarnation(&mut self, key: &ChannelKey) -> StoreResult<Option<u64>>;
    /// Who may subscribe to a channel.
    fn find_visibility(&mut self, key: &ChannelKey) -> StoreResult<Option<Visibility>>;
    /// The projects that have a channel of this id, two at most: enough to tell "unique on the server".
    fn projects_with_channel(&mut self, id: &ChannelId) -> StoreResult<Vec<ProjectId>>;
    /// One page of a project's channels.
    fn page_channels(
        &mut self,
        project: &ProjectId,
        page: ChannelPage,
    ) -> StoreResult<Vec<Channel>>;
    /// How many channels a project has.
    fn count_channels(&mut self, project: &ProjectId) -> StoreResult<u64>;
    /// The next channels in creation order behind the cursor, at most `limit`.
    fn channels_after(
        &mut self,
        project: &ProjectId,
        cursor: Option<&ChannelCursor>,
        limit: u64,
    ) -> StoreResult<Vec<Channel>>;
    /// The channels that were noted to have had a subscriber: the next behind a key, in the order of keys, at most
    /// `limit`.
    fn marked_channels_after(
        &mut self,
        key: Option<&ChannelKey>,
        limit: u64,
    ) -> StoreResult<Vec<ChannelKey>>;
    /// A leap token by id.
    fn find_token(&mut self, id: &LeapTokenId) -> StoreResult<Option<LeapToken>>;
    /// The next leap tokens of a project in creation order, at most `limit`.
    fn tokens_after(
        &mut self,
        project: &ProjectId,
        start: &Start<TokenCursor>,
        limit: u64,
    ) -> StoreResult<Vec<LeapToken>>;
    /// How many leap tokens a project has.
    fn count_tokens(&mut self, project: &ProjectId) -> StoreResult<u64>;
    /// The next leap tokens with a permanent subscription to a channel, oldest subscription first, at most
    /// `limit`; each with the time of its subscription, which is that of the cursor too.
    fn tokens_of_channel(
        &mut self,
        key: &ChannelKey,
        start: &Start<TokenCursor>,
        limit: u64,
    ) -> StoreResult<Vec<(Timestamp, LeapToken)>>;
    /// How many leap tokens have a permanent subscription to a channel.
    fn count_tokens_of_channel(&mut self, key: &ChannelKey) -> StoreResult<u64>;
    /// A token's permanent subscriptions, oldest first.
    fn subscriptions_of(&mut self, token: &LeapTokenId) -> StoreResult<Vec<Subscription>>;
    /// A project's webhooks, oldest first.
    fn list_webhooks(&mut self, project: &ProjectId) -> StoreResult<Vec<Webhook>>;
    /// How many webhooks a project has.
    fn count_webhooks(&mut self, project: &ProjectId) -> StoreResult<u64>;
    /// One webhook of a project.
    fn find_webhook(&mut self, project: &ProjectId, id: &WebhookId)
    -> StoreResult<Option<Webhook>>;
}

/// Everything that writes; runs on the one writer, many calls to a commit.
///
/// Each method names the errors that are refusals of its own; besides, it fails as reading does.
#[expect(clippy::missing_errors_doc, reason = "each method names its refusals in its own sentence")]
pub trait WriteStore:
    ReadStore + WriteOutbox + WriteAnswers + WriteHistory + WriteStateLog + WriteMailbox + WriteJwt
{
    /// Adds a project. Errors: `Exists(Project)` for a used id or namespace.
    fn create_project(&mut self, project: &Project) -> StoreResult<()>;
    /// Adds a project token. Errors: `NotFound(Project)`, `Exists(ProjectToken)` for a used secret or id.
    fn create_project_token(&mut self, token: &ProjectToken, hash: &SecretHash) -> StoreResult<()>;
    /// Removes a project token and returns it with its hash, by which caches can forget it. Errors:
    /// `NotFound(ProjectToken)`.
    fn delete_project_token(
        &mut self,
        project: &ProjectId,
        id: &ProjectTokenId,
    ) -> StoreResult<(ProjectToken, SecretHash)>;
    /// Renames a project and returns it as it is now. Errors: `NotFound(Project)`.
    fn rename_project(&mut self, id: &ProjectId, name: &str) -> StoreResult<Project>;
    /// Says from which pages a project's sockets may be opened, and returns it as it is now. Errors: `NotFound(Project)`.
    fn allow_origins(&mut self, id: &ProjectId, origins: &AllowedOrigins) -> StoreResult<Project>;
    /// Removes a project and everything that belongs to it. Errors: `NotFound(Project)`.
    fn delete_project(&mut self, id: &ProjectId) -> StoreResult<()>;
    /// Adds an admin token. Errors: `Exists(AdminToken)` for a used secret or id.
    fn create_admin_token(&mut self, token: &AdminToken, hash: &SecretHash) -> StoreResult<()>;
    /// Removes an admin token and returns its hash, by which caches can forget it. Errors: `NotFound(AdminToken)`.
    fn delete_admin_token(&mut self, id: &AdminTokenId) -> StoreResult<SecretHash>;
    /// Adds a channel. Errors: `NotFound(Project)`, `Exists(Channel)`.
    fn create_channel(&mut self, channel: &Channel) -> StoreResult<()>;
    /// Changes who may subscribe and what the channel can do. Errors: `NotFound(Channel)`.
    fn update_channel(
        &mut self,
        key: &ChannelKey,
        visibility: Visibility,
        capabilities: Capabilities,
    ) -> StoreResult<()>;
    /// Notes that a channel has had a subscriber; doing so twice changes nothing. Errors: `NotFound(Channel)`.
    fn mark_subscribed(&mut self, key: &ChannelKey) -> StoreResult<()>;
    /// Stores a state as `version`. Errors: `NotFound(Channel)`, `VersionConflict` when the stored version is not the one before.
    fn set_state(&mut self, key: &ChannelKey, state: &State, version: Version) -> StoreResult<()>;
    /// Removes a channel and all subscriptions to it, the noted ephemeral ones too: a start behind it would tell that they
    /// ended. Who is noted to be online stays noted, because their going is told. Errors: `NotFound(Channel)`.
    fn delete_channel(&mut self, key: &ChannelKey) -> StoreResult<()>;
    /// Adds a token and its default subscriptions, all or nothing. Errors: `NotFound(Project)`, `NoSuchChannel`, `Exists(Token)`.
    fn create_token(&mut self, token: &LeapToken, channels: &[ChannelId]) -> StoreResult<()>;
    /// Changes a token and returns it as it is now. Errors: `NotFound(Token)`, also for another project's.
    fn update_token(
        &mut self,
        project: &ProjectId,
        id: &LeapTokenId,
        update: &TokenUpdate,
    ) -> StoreResult<LeapToken>;
    /// Removes a token and its subscriptions. Errors: `NotFound(Token)`, also for another project's.
    fn delete_token(&mut self, project: &ProjectId, id: &LeapTokenId) -> StoreResult<()>;
    /// Subscribes a token for good; returns whether that is new. Errors: `NotFound(Token)` (also for another
    /// project's), `NotFound(Channel)`.
    fn add_subscription(
        &mut self,
        key: &ChannelKey,
        token: &LeapTokenId,
        at: Timestamp,
    ) -> StoreResult<bool>;
    /// Ends a permanent subscription; returns whether there was one.
    fn remove_subscription(&mut self, key: &ChannelKey, token: &LeapTokenId) -> StoreResult<bool>;
    /// Notes what tokens have not heard, in place of what was noted before.
    fn keep_unheard(&mut self, left: &Unheard) -> StoreResult<()>;
    /// Returns what was noted, which is not any more; that nobody knows, where nothing was.
    fn take_unheard(&mut self) -> StoreResult<Unheard>;
    /// Adds a webhook. Errors: `NotFound(Project)`, `Exists(Webhook)`.
    fn create_webhook(&mut self, webhook: &Webhook) -> StoreResult<()>;
    /// Changes a webhook and returns it as it is now; a new address or new names enable a disabled one. Errors: `NotFound(Webhook)`.
    fn update_webhook(
        &mut self,
        project: &ProjectId,
        id: &WebhookId,
        update: &WebhookUpdate,
    ) -> StoreResult<Webhook>;
    /// Removes a webhook. Errors: `NotFound(Webhook)`.
    fn delete_webhook(&mut self, project: &ProjectId, id: &WebhookId) -> StoreResult<()>;
}

/// The writer's connection: runs many writes in one durable commit.
pub trait GroupStore: Send {
    /// Opens a transaction, lets `run` do its writes (each its own savepoint, so that one refused write spoils
    /// nothing), and commits. When this returns `Ok`, all of them are durable; on an error, none is.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the transaction could not be opened or committed.
    fn group(&mut self, run: &mut dyn FnMut(&mut dyn WriteStore)) -> StoreResult<()>;

    /// Looks whether what is written to is still what was opened, without writing.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it is not.
    fn check(&mut self) -> StoreResult<()>;

    /// Commits something that changes nothing, and so finds out whether commits succeed again.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when they do not.
    fn probe(&mut self) -> StoreResult<()>;

    /// Leaves everything in one file, as a backup replaces it; nothing is written after this.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when that did not succeed; nothing is lost, and the next start goes on from there.
    fn close(&mut self) -> StoreResult<()>;
}

/// A database: hands out the one writer and readers from a pool. Cheap to clone behind an `Arc`.
pub trait Database: Send + Sync {
    /// Opens the writer's connection; to be called once.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    fn writer(&self) -> StoreResult<Box<dyn GroupStore>>;
    /// The name by which servers that share the database know each other; none where it is one server's alone.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    fn cluster(&self) -> StoreResult<Option<String>> {
        Ok(None)
    }
    /// Whether others may take deliveries out of the same outbox, so that each is claimed before it is posted.
    fn has_claims(&self) -> bool {
        false
    }
    /// Lets `run` read on a pooled connection.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when no connection came free in time.
    fn read(&self, run: &mut dyn FnMut(&mut dyn ReadStore)) -> StoreResult<()>;
}
