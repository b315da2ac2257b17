//! One connection as a store: which file answers which method.

use super::backend::{self, Conn};
use super::{admin_tokens, channels, projects, subscriptions, tokens, unheard, webhooks};
use crate::domain::{
    AdminToken, AdminTokenId, AllowedOrigins, Capabilities, Channel, ChannelId, ChannelKey,
    LeapToken, LeapTokenId, Project, ProjectId, ProjectToken, ProjectTokenId, State, Subscription,
    Timestamp, Version, Visibility, Webhook, WebhookId,
};
use crate::store::{
    ChannelCursor, ChannelPage, ProjectCursor, ProjectTokenCursor, ReadStore, SecretHash, Start,
    StoreError, StoreResult, TokenCursor, TokenUpdate, Unheard, WebhookUpdate, WriteStore,
};
use diesel::QueryResult;

/// A connection, borrowed for a read or for a group of writes.
pub(super) struct DieselStore<'c> {
    /// Where the statements go.
    pub(super) connection: &'c mut Conn,
    /// The first failure that left the transaction in doubt, if any: nothing is let through any more.
    failure: Option<StoreError>,
}

impl<'c> DieselStore<'c> {
    /// Borrows a connection.
    pub(super) fn new(connection: &'c mut Conn) -> Self {
        Self { connection, failure: None }
    }

    /// How the whole group went, refusals aside.
    pub(super) fn into_outcome(self) -> StoreResult<()> {
        self.failure.map_or(Ok(()), Err)
    }

    /// Whether the transaction is in doubt, so that no statement may run in it any more.
    pub(super) const fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// Runs one write, unless the transaction is in doubt.
    pub(super) fn write<T>(
        &mut self,
        run: impl FnOnce(&mut Conn) -> StoreResult<T>,
    ) -> StoreResult<T> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let (outcome, failure) = backend::write(self.connection, run);
        self.failure = failure;
        outcome
    }

    /// The same for a write of which no statement can be refused: it learns from rows what it may not do, and holds no text
    /// but what is checked to be some.
    pub(super) fn write_surely<T>(
        &mut self,
        run: impl FnOnce(&mut Conn) -> StoreResult<T>,
    ) -> StoreResult<T> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let outcome = run(self.connection);
        if let Err(failure @ StoreError::Unavailable(_)) = &outcome {
            self.failure = Some(failure.clone());
        }
        outcome
    }

    /// Begins or ends a savepoint around several writes.
    pub(super) fn control(
        &mut self,
        step: impl FnOnce(&mut Conn) -> QueryResult<()>,
    ) -> StoreResult<()> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        step(self.connection).map_err(|error| {
            let failure = StoreError::from(error);
            self.failure = Some(failure.clone());
            failure
        })
    }
}

impl ReadStore for DieselStore<'_> {
    fn find_project(&mut self, id: &ProjectId) -> StoreResult<Option<Project>> {
        projects::find(self.connection, id)
    }

    fn list_projects(&mut self) -> StoreResult<Vec<Project>> {
        projects::list(self.connection)
    }

    fn projects_after(
        &mut self,
        start: &Start<ProjectCursor>,
        limit: u64,
    ) -> StoreResult<Vec<Project>> {
        projects::after(self.connection, start, limit)
    }

    fn count_projects(&mut self) -> StoreResult<u64> {
        projects::count(self.connection)
    }

    fn find_project_token(&mut self, hash: &SecretHash) -> StoreResult<Option<ProjectToken>> {
        projects::find_token(self.connection, hash)
    }

    fn project_tokens_after(
        &mut self,
        project: &ProjectId,
        start: &Start<ProjectTokenCursor>,
        limit: u64,
    ) -> StoreResult<Vec<ProjectToken>> {
        projects::tokens_after(self.connection, project, start, limit)
    }

    fn count_project_tokens(&mut self, project: &ProjectId) -> StoreResult<u64> {
        projects::count_tokens(self.connection, project)
    }

    fn find_admin_token(&mut self, hash: &SecretHash) -> StoreResult<Option<AdminToken>> {
        admin_tokens::find(self.connection, hash)
    }

    fn list_admin_tokens(&mut self) -> StoreResult<Vec<AdminToken>> {
        admin_tokens::list(self.connection)
    }

    fn marked_channels_after(
        &mut self,
        key: Option<&ChannelKey>,
        limit: u64,
    ) -> StoreResult<Vec<ChannelKey>> {
        channels::marked_after(self.connection, key, limit)
    }

    fn find_channel(&mut self, key: &ChannelKey) -> StoreResult<Option<Channel>> {
        channels::find(self.connection, key)
    }

    fn incarnation(&mut self, key: &ChannelKey) -> StoreResult<Option<u64>> {
        channels::incarnation(self.connection, key)
    }

    fn find_visibility(&mut self, key: &ChannelKey) -> StoreResult<Option<Visibility>> {
        channels::find_visibility(self.connection, key)
    }

    fn projects_with_channel(&mut self, id: &ChannelId) -> StoreResult<Vec<ProjectId>> {
        channels::projects_with(self.connection, id)
    }

    fn page_channels(
        &mut self,
        project: &ProjectId,
        page: ChannelPage,
    ) -> StoreResult<Vec<Channel>> {
        channels::page(self.connection, project, page)
    }

    fn count_channels(&mut self, project: &ProjectId) -> StoreResult<u64> {
        channels::count(self.connection, project)
    }

    fn channels_after(
        &mut self,
        project: &ProjectId,
        cursor: Option<&ChannelCursor>,
        limit: u64,
    ) -> StoreResult<Vec<Channel>> {
        channels::after(self.connection, project, cursor, limit)
    }

    fn find_token(&mut self, id: &LeapTokenId) -> StoreResult<Option<LeapToken>> {
        tokens::find(self.connection, id)
    }

    fn tokens_after(
        &mut self,
        project: &ProjectId,
        start: &Start<TokenCursor>,
        limit: u64,
    ) -> StoreResult<Vec<LeapToken>> {
        tokens::after(self.connection, project, start, limit)
    }

    fn count_tokens(&mut self, project: &ProjectId) -> StoreResult<u64> {
        tokens::count(self.connection, project)
    }

    fn tokens_of_channel(
        &mut self,
        key: &ChannelKey,
        start: &Start<TokenCursor>,
        limit: u64,
    ) -> StoreResult<Vec<(Timestamp, LeapToken)>> {
        tokens::of_channel(self.connection, key, start, limit)
    }

    fn count_tokens_of_channel(&mut self, key: &ChannelKey) -> StoreResult<u64> {
        tokens::count_of_channel(self.connection, key)
    }

    fn subscriptions_of(&mut self, token: &LeapTokenId) -> StoreResult<Vec<Subscription>> {
        subscriptions::of_token(self.connection, token)
    }

    fn list_webhooks(&mut self, project: &ProjectId) -> StoreResult<Vec<Webhook>> {
        webhooks::list(self.connection, project)
    }

    fn count_webhooks(&mut self, project: &ProjectId) -> StoreResult<u64> {
        webhooks::count(self.connection, project)
    }

    fn find_webhook(
        &mut self,
        project: &ProjectId,
        id: &WebhookId,
    ) -> StoreResult<Option<Webhook>> {
        webhooks::find(self.connection, project, id)
    }
}

impl WriteStore for DieselStore<'_> {
    fn create_project(&mut self, project: &Project) -> StoreResult<()> {
        self.write(|connection| projects::create(connection, project))
    }

    fn create_project_token(&mut self, token: &ProjectToken, hash: &SecretHash) -> StoreResult<()> {
        self.write(|connection| projects::create_token(connection, token, hash))
    }

    fn delete_project_token(
        &mut self,
        project: &ProjectId,
        id: &ProjectTokenId,
    ) -> StoreResult<(ProjectToken, SecretHash)> {
        self.write(|connection| projects::delete_token(connection, project, id))
    }

    fn rename_project(&mut self, id: &ProjectId, name: &str) -> StoreResult<Project> {
        self.write(|connection| projects::rename(connection, id, name))
    }

    fn allow_origins(&mut self, id: &ProjectId, origins: &AllowedOrigins) -> StoreResult<Project> {
        self.write(|connection| projects::allow_origins(connection, id, origins))
    }

    fn delete_project(&mut self, id: &ProjectId) -> StoreResult<()> {
        self.write(|connection| projects::delete(connection, id))
    }

    fn create_admin_token(&mut self, token: &AdminToken, hash: &SecretHash) -> StoreResult<()> {
        self.write(|connection| admin_tokens::create(connection, token, hash))
    }

    fn delete_admin_token(&mut self, id: &AdminTokenId) -> StoreResult<SecretHash> {
        self.write(|connection| admin_tokens::delete(connection, id))
    }

    fn create_channel(&mut self, channel: &Channel) -> StoreResult<()> {
        self.write(|connection| channels::create(connection, channel))
    }

    fn update_channel(
        &mut self,
        key: &ChannelKey,
        visibility: Visibility,
        capabilities: Capabilities,
    ) -> StoreResult<()> {
        self.write(|connection| channels::update(connection, key, visibility, capabilities))
    }

    fn set_state(&mut self, key: &ChannelKey, state: &State, version: Version) -> StoreResult<()> {
        self.write_surely(|connection| channels::set_state(connection, key, state, version))
    }

    fn mark_subscribed(&mut self, key: &ChannelKey) -> StoreResult<()> {
        self.write(|connection| channels::mark(connection, key))
    }

    fn delete_channel(&mut self, key: &ChannelKey) -> StoreResult<()> {
        self.write(|connection| channels::delete(connection, key))
    }

    fn create_token(&mut self, token: &LeapToken, channels: &[ChannelId]) -> StoreResult<()> {
        self.write(|connection| tokens::create(connection, token, channels))
    }

    fn update_token(
        &mut self,
        project: &ProjectId,
        id: &LeapTokenId,
        update: &TokenUpdate,
    ) -> StoreResult<LeapToken> {
        self.write(|connection| tokens::update(connection, project, id, update))
    }

    fn delete_token(&mut self, project: &ProjectId, id: &LeapTokenId) -> StoreResult<()> {
        self.write(|connection| tokens::delete(connection, project, id))
    }

    fn add_subscription(
        &mut self,
        key: &ChannelKey,
        token: &LeapTokenId,
        at: Timestamp,
    ) -> StoreResult<bool> {
        self.write(|connection| subscriptions::add(connection, key, token, at))
    }

    fn remove_subscription(&mut self, key: &ChannelKey, token: &LeapTokenId) -> StoreResult<bool> {
        self.write(|connection| subscriptions::remove(connection, key, token))
    }

    fn keep_unheard(&mut self, left: &Unheard) -> StoreResult<()> {
        self.write(|connection| unheard::keep(connection, left))
    }

    fn take_unheard(&mut self) -> StoreResult<Unheard> {
        self.write(unheard::take)
    }

    fn create_webhook(&mut self, webhook: &Webhook) -> StoreResult<()> {
        self.write(|connection| webhooks::create(connection, webhook))
    }

    fn update_webhook(
        &mut self,
        project: &ProjectId,
        id: &WebhookId,
        update: &WebhookUpdate,
    ) -> StoreResult<Webhook> {
        self.write(|connection| webhooks::update(connection, project, id, update))
    }

    fn delete_webhook(&mut self, project: &ProjectId, id: &WebhookId) -> StoreResult<()> {
        self.write(|connection| webhooks::delete(connection, project, id))
    }
}
