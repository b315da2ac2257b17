//! Projects and their back ends' tokens.

use super::error::{found, refusal};
use super::rows::{ProjectRow, ProjectTokenRow, all, one};
use super::schema::{project_tokens, projects};
use crate::domain::{Project, ProjectId, ProjectToken, ProjectTokenId};
use crate::store::{SecretHash, StoreError, StoreResult, Thing};
use diesel::prelude::*;

/// `ReadStore::find_project`.
pub(super) fn find(
    connection: &mut SqliteConnection,
    id: &ProjectId,
) -> StoreResult<Option<Project>> {
    let query = projects::table.find(id.as_str()).select(ProjectRow::as_select());
    one(query.first(connection))
}

/// `ReadStore::list_projects`.
pub(super) fn list(connection: &mut SqliteConnection) -> StoreResult<Vec<Project>> {
    let query = projects::table
        .order_by((projects::created_at, projects::id))
        .select(ProjectRow::as_select());
    all(query.load(connection))
}

/// `WriteStore::create_project`.
pub(super) fn create(connection: &mut SqliteConnection, project: &Project) -> StoreResult<()> {
    diesel::insert_into(projects::table)
        .values((
            projects::id.eq(project.id.as_str()),
            projects::name.eq(&project.name),
            projects::namespace.eq(&project.namespace),
            projects::created_at.eq(project.created_at.0),
        ))
        .execute(connection)
        .map(drop)
        .map_err(refusal(Thing::Project, Thing::Project))
}

/// `WriteStore::rename_project`.
pub(super) fn rename(
    connection: &mut SqliteConnection,
    id: &ProjectId,
    name: &str,
) -> StoreResult<Project> {
    let row = projects::table.find(id.as_str());
    let changed = diesel::update(row).set(projects::name.eq(name)).execute(connection)?;
    found(changed, Thing::Project)?;
    find(connection, id)?.ok_or(StoreError::NotFound(Thing::Project))
}

/// `WriteStore::delete_project`. What belongs to the project goes by the cascades of the tables.
pub(super) fn delete(connection: &mut SqliteConnection, id: &ProjectId) -> StoreResult<()> {
    let deleted = diesel::delete(projects::table.find(id.as_str())).execute(connection)?;
    found(deleted, Thing::Project)
}

/// `ReadStore::find_project_token`.
pub(super) fn find_token(
    connection: &mut SqliteConnection,
    hash: &SecretHash,
) -> StoreResult<Option<ProjectToken>> {
    let query = project_tokens::table
        .filter(project_tokens::secret_hash.eq(hash.as_slice()))
        .select(ProjectTokenRow::as_select());
    one(query.first(connection))
}

/// `ReadStore::list_project_tokens`.
pub(super) fn list_tokens(
    connection: &mut SqliteConnection,
    project: &ProjectId,
) -> StoreResult<Vec<ProjectToken>> {
    let query = project_tokens::table
        .filter(project_tokens::project_id.eq(project.as_str()))
        .order_by((project_tokens::created_at, project_tokens::id))
        .select(ProjectTokenRow::as_select());
    all(query.load(connection))
}

/// `WriteStore::create_project_token`.
pub(super) fn create_token(
    connection: &mut SqliteConnection,
    token: &ProjectToken,
    hash: &SecretHash,
) -> StoreResult<()> {
    diesel::insert_into(project_tokens::table)
        .values((
            project_tokens::id.eq(token.id.as_str()),
            project_tokens::project_id.eq(token.project.as_str()),
            project_tokens::secret_hash.eq(hash.as_slice()),
            project_tokens::permissions.eq(token.permissions.bits().cast_signed()),
            project_tokens::hint.eq(&token.hint),
            project_tokens::created_at.eq(token.created_at.0),
        ))
        .execute(connection)
        .map(drop)
        .map_err(refusal(Thing::ProjectToken, Thing::Project))
}

/// `WriteStore::delete_project_token`.
pub(super) fn delete_token(
    connection: &mut SqliteConnection,
    project: &ProjectId,
    id: &ProjectTokenId,
) -> StoreResult<SecretHash> {
    let row = project_tokens::table
        .find(id.as_str())
        .filter(project_tokens::project_id.eq(project.as_str()));
    let hash: Option<Vec<u8>> =
        row.select(project_tokens::secret_hash).first(connection).optional()?;
    let hash = hash.ok_or(StoreError::NotFound(Thing::ProjectToken))?;
    found(diesel::delete(row).execute(connection)?, Thing::ProjectToken)?;
    let corrupt = |_| StoreError::Corrupt("project_tokens.secret_hash".to_owned());
    hash.try_into().map_err(corrupt)
}
