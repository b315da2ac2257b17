//! Projects, their back ends' tokens, and the operator's.

use super::error::{found, refusal};
use super::rows::{ProjectRow, ProjectTokenRow, all, one};
use super::schema::{admin_tokens, project_tokens, projects};
use crate::domain::{Project, ProjectId, ProjectToken, ProjectTokenId, Timestamp};
use crate::store::{SecretHash, StoreError, StoreResult, Thing};
use diesel::dsl::{exists, select};
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

/// `ReadStore::is_admin_token`.
pub(super) fn is_admin_token(
    connection: &mut SqliteConnection,
    hash: &SecretHash,
) -> StoreResult<bool> {
    let query = select(exists(admin_tokens::table.find(hash.as_slice())));
    Ok(query.get_result(connection)?)
}

/// `WriteStore::create_admin_token`.
pub(super) fn create_admin_token(
    connection: &mut SqliteConnection,
    hash: &SecretHash,
    at: Timestamp,
) -> StoreResult<()> {
    diesel::insert_into(admin_tokens::table)
        .values((admin_tokens::secret_hash.eq(hash.as_slice()), admin_tokens::created_at.eq(at.0)))
        .on_conflict_do_nothing()
        .execute(connection)?;
    Ok(())
}
