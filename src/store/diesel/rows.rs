//! Rows as the tables hold them, and the way from there to the domain.

use super::schema::{
    admin_tokens, channels, project_tokens, projects, subscriptions, tokens, webhooks,
};
use crate::domain::{
    AdminToken, AdminTokenId, AllowedOrigins, Capabilities, Channel, ChannelId, ChannelKey,
    LeapToken, LeapTokenId, Permissions, PreviousSecret, Project, ProjectId, ProjectToken,
    ProjectTokenId, RawJson, State, Subscription, Timestamp, Version, Visibility, Webhook,
    WebhookId,
};
use crate::store::{StoreError, StoreResult};
use diesel::prelude::*;

/// A row that stands for something of the domain.
pub(super) trait Row {
    /// What it stands for.
    type Thing;

    /// Checks the row and turns it into what it stands for.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] names the column that holds what we never write.
    fn into_domain(self) -> StoreResult<Self::Thing>;
}

/// The outcome of a query for one row.
pub(super) fn one<R: Row>(row: QueryResult<R>) -> StoreResult<Option<R::Thing>> {
    row.optional()?.map(R::into_domain).transpose()
}

/// The outcome of a query for many rows.
pub(super) fn all<R: Row>(rows: QueryResult<Vec<R>>) -> StoreResult<Vec<R::Thing>> {
    rows?.into_iter().map(R::into_domain).collect()
}

/// A number of something as SQL has it: rows, bytes, places. What is larger than that means "all" anyway.
pub(super) fn sql_count(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

/// A number that SQL has; none of ours is below zero.
pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// Names a column whose value we never write.
pub(super) fn corrupt(column: &str) -> StoreError {
    StoreError::Corrupt(column.to_owned())
}

/// A row of `projects`.
#[derive(Queryable, Selectable)]
#[diesel(table_name = projects)]
pub(super) struct ProjectRow {
    /// Text of the id.
    id: String,
    /// Display name.
    name: String,
    /// Command-line name.
    namespace: String,
    /// Milliseconds.
    created_at: i64,
    /// A JSON list; none for any.
    allowed_origins: Option<String>,
}

impl Row for ProjectRow {
    type Thing = Project;

    fn into_domain(self) -> StoreResult<Project> {
        let origins = self.allowed_origins.as_deref().map(serde_json::from_str::<Vec<String>>);
        let origins = origins.transpose().ok().map(Option::unwrap_or_default);
        let origins = origins.and_then(|origins| AllowedOrigins::new(&origins).ok());
        Ok(Project {
            allowed_origins: origins.ok_or_else(|| corrupt("projects.allowed_origins"))?,
            id: ProjectId::from(self.id.as_str()),
            name: self.name,
            namespace: self.namespace,
            created_at: Timestamp(self.created_at),
        })
    }
}

/// A row of `project_tokens`, without the hash.
#[derive(Queryable, Selectable)]
#[diesel(table_name = project_tokens)]
pub(super) struct ProjectTokenRow {
    /// Text of the handle.
    id: String,
    /// The tenant.
    project_id: String,
    /// Flags.
    permissions: i64,
    /// First characters of the secret.
    hint: String,
    /// Milliseconds.
    created_at: i64,
}

impl Row for ProjectTokenRow {
    type Thing = ProjectToken;

    fn into_domain(self) -> StoreResult<ProjectToken> {
        let permissions = u64::try_from(self.permissions)
            .ok()
            .and_then(|bits| Permissions::from_bits(bits).ok())
            .ok_or_else(|| corrupt("project_tokens.permissions"))?;
        Ok(ProjectToken {
            id: ProjectTokenId::from(self.id.as_str()),
            project: ProjectId::from(self.project_id.as_str()),
            permissions,
            hint: self.hint,
            created_at: Timestamp(self.created_at),
        })
    }
}

/// A row of `channels`.
#[derive(Queryable, Selectable)]
#[diesel(table_name = channels)]
pub(super) struct ChannelRow {
    /// The tenant.
    project_id: String,
    /// Text of the id.
    id: String,
    /// The visibility's word.
    type_: String,
    /// Flags.
    capabilities: i64,
    /// Number of the state.
    version: i64,
    /// Milliseconds.
    created_at: i64,
    /// JSON text.
    state: String,
}

/// A visibility's word.
pub(super) fn visibility(word: &str) -> StoreResult<Visibility> {
    word.parse().ok().ok_or_else(|| corrupt("channels.type"))
}

impl Row for ChannelRow {
    type Thing = Channel;

    fn into_domain(self) -> StoreResult<Channel> {
        let visibility = visibility(&self.type_)?;
        let capabilities = u64::try_from(self.capabilities)
            .ok()
            .and_then(Capabilities::from_bits)
            .ok_or_else(|| corrupt("channels.capabilities"))?;
        Ok(Channel {
            key: ChannelKey {
                project: ProjectId::from(self.project_id.as_str()),
                id: ChannelId::trusted(&self.id),
            },
            visibility,
            capabilities,
            state: State::trusted(&self.state),
            version: Version(self.version),
            created_at: Timestamp(self.created_at),
        })
    }
}

/// A row of `tokens`.
#[derive(Queryable, Selectable)]
#[diesel(table_name = tokens)]
pub(super) struct TokenRow {
    /// Text of the id, which is the secret too.
    id: String,
    /// The tenant.
    project_id: String,
    /// Milliseconds, if it ends at all.
    expires_at: Option<i64>,
    /// Milliseconds.
    created_at: i64,
    /// JSON text.
    state: String,
}

impl Row for TokenRow {
    type Thing = LeapToken;

    fn into_domain(self) -> StoreResult<LeapToken> {
        Ok(LeapToken {
            id: LeapTokenId::from(self.id.as_str()),
            project: ProjectId::from(self.project_id.as_str()),
            state: RawJson::trusted(self.state),
            expires_at: self.expires_at.map(Timestamp),
            created_at: Timestamp(self.created_at),
        })
    }
}

/// A row of `subscriptions`, as its token sees it.
#[derive(Queryable, Selectable)]
#[diesel(table_name = subscriptions)]
pub(super) struct SubscriptionRow {
    /// Text of the channel's id.
    channel_id: String,
    /// Milliseconds.
    created_at: i64,
}

impl Row for SubscriptionRow {
    type Thing = Subscription;

    fn into_domain(self) -> StoreResult<Subscription> {
        Ok(Subscription {
            channel: ChannelId::trusted(&self.channel_id),
            created_at: Timestamp(self.created_at),
        })
    }
}

/// A row of `webhooks`.
#[derive(Queryable, Selectable)]
#[diesel(table_name = webhooks)]
pub(super) struct WebhookRow {
    /// Text of the id.
    id: String,
    /// The tenant.
    project_id: String,
    /// Where to post.
    url: String,
    /// JSON array of names.
    events: String,
    /// Signs what is posted.
    secret: String,
    /// Milliseconds.
    created_at: i64,
    /// Signs beside it for a while.
    previous_secret: Option<String>,
    /// For how long, milliseconds.
    previous_secret_until: Option<i64>,
    /// Milliseconds, where it hears nothing any more.
    disabled_at: Option<i64>,
}

impl Row for WebhookRow {
    type Thing = Webhook;

    fn into_domain(self) -> StoreResult<Webhook> {
        let events =
            serde_json::from_str(&self.events).ok().ok_or_else(|| corrupt("webhooks.events"))?;
        Ok(Webhook {
            id: WebhookId::from(self.id.as_str()),
            project: ProjectId::from(self.project_id.as_str()),
            url: self.url,
            events,
            secret: self.secret,
            previous: self
                .previous_secret
                .zip(self.previous_secret_until)
                .map(|(secret, until)| PreviousSecret { secret, until: Timestamp(until) }),
            disabled_at: self.disabled_at.map(Timestamp),
            created_at: Timestamp(self.created_at),
        })
    }
}

/// A row of `admin_tokens`, without the hash.
#[derive(Queryable, Selectable)]
#[diesel(table_name = admin_tokens)]
pub(super) struct AdminTokenRow {
    /// Text of the handle.
    id: String,
    /// What people call it.
    name: Option<String>,
    /// First characters of the secret.
    hint: String,
    /// Milliseconds.
    created_at: i64,
}

impl Row for AdminTokenRow {
    type Thing = AdminToken;

    fn into_domain(self) -> StoreResult<AdminToken> {
        Ok(AdminToken {
            id: AdminTokenId::from(self.id.as_str()),
            name: self.name,
            hint: self.hint,
            created_at: Timestamp(self.created_at),
        })
    }
}
