//! Projects and their back ends' tokens.

use super::backend::Conn;
use super::error::{found, refusal};
use super::orphaned_mail;
use super::rows::{ProjectRow, ProjectTokenRow, Row as _, all, corrupt, one, sql_count};
use super::schema::{answers, project_tokens, projects};
use crate::domain::{AllowedOrigins, Project, ProjectId, ProjectToken, ProjectTokenId};
use crate::store::{
    ProjectCursor, ProjectTokenCursor, SecretHash, Start, StoreError, StoreResult, Thing,
};
use diesel::prelude::*;

/// `ReadStore::find_project`.
pub(super) fn find(connection: &mut Conn, id: &ProjectId) -> StoreResult<Option<Project>> {
    let query = projects::table.find(id.as_str()).select(ProjectRow::as_select());
    one(query.first(connection))
}

/// `ReadStore::list_projects`.
pub(super) fn list(connection: &mut Conn) -> StoreResult<Vec<Project>> {
    let query = projects::table
        .order_by((projects::created_at, projects::id))
        .select(ProjectRow::as_select());
    all(query.load(connection))
}

/// `ReadStore::projects_after`.
pub(super) fn after(
    connection: &mut Conn,
    start: &Start<ProjectCursor>,
    limit: u64,
) -> StoreResult<Vec<Project>> {
    let every = projects::table
        .order_by((projects::created_at, projects::id))
        .limit(sql_count(limit))
        .select(ProjectRow::as_select());
    let ProjectCursor { created_at, id } = match start {
        Start::Skip(count) => return all(every.offset(sql_count(*count)).load(connection)),
        Start::Behind(cursor) => cursor,
    };
    // The bound on the time alone is implied by the rest; it is what lets the index find the place.
    let is_behind = projects::created_at.gt(created_at.0).or(projects::id.gt(id.as_str()));
    let rest = every.filter(projects::created_at.ge(created_at.0)).filter(is_behind);
    all(rest.load(connection))
}

/// `ReadStore::count_projects`.
pub(super) fn count(connection: &mut Conn) -> StoreResult<u64> {
    let rows: i64 = projects::table.count().get_result(connection)?;
    Ok(rows.unsigned_abs())
}

/// `WriteStore::create_project`.
pub(super) fn create(connection: &mut Conn, project: &Project) -> StoreResult<()> {
    diesel::insert_into(projects::table)
        .values((
            projects::id.eq(project.id.as_str()),
            projects::name.eq(&project.name),
            projects::namespace.eq(&project.namespace),
            projects::created_at.eq(project.created_at.0),
            projects::allowed_origins.eq(spelled(&project.allowed_origins)),
        ))
        .execute(connection)
        .map(drop)
        .map_err(refusal(Thing::Project, Thing::Project))
}

/// `WriteStore::rename_project`.
pub(super) fn rename(connection: &mut Conn, id: &ProjectId, name: &str) -> StoreResult<Project> {
    let row = projects::table.find(id.as_str());
    let changed = diesel::update(row).set(projects::name.eq(name)).execute(connection)?;
    found(changed, Thing::Project)?;
    find(connection, id)?.ok_or(StoreError::NotFound(Thing::Project))
}

/// `WriteStore::allow_origins`.
pub(super) fn allow_origins(
    connection: &mut Conn,
    id: &ProjectId,
    origins: &AllowedOrigins,
) -> StoreResult<Project> {
    let row = projects::table.find(id.as_str());
    let set = projects::allowed_origins.eq(spelled(origins));
    found(diesel::update(row).set(set).execute(connection)?, Thing::Project)?;
    find(connection, id)?.ok_or(StoreError::NotFound(Thing::Project))
}

/// Origins as a row has them.
fn spelled(origins: &AllowedOrigins) -> Option<String> {
    let list = || serde_json::Value::from(origins.patterns().collect::<Vec<_>>()).to_string();
    (!origins.are_any()).then(list)
}

/// `WriteStore::delete_project`. What belongs to the project goes by the cascades of the tables, but for
/// the answers to its calls and the mailboxes of its tokens.
pub(super) fn delete(connection: &mut Conn, id: &ProjectId) -> StoreResult<()> {
    let deleted = diesel::delete(projects::table.find(id.as_str())).execute(connection)?;
    found(deleted, Thing::Project)?;
    let rows = answers::table.filter(answers::scope.eq(id.as_str()));
    diesel::delete(rows).execute(connection)?;
    orphaned_mail::detach_all(connection, id)
}

/// `ReadStore::find_project_token`.
pub(super) fn find_token(
    connection: &mut Conn,
    hash: &SecretHash,
) -> StoreResult<Option<ProjectToken>> {
    let query = project_tokens::table
        .filter(project_tokens::secret_hash.eq(hash.as_slice()))
        .select(ProjectTokenRow::as_select());
    one(query.first(connection))
}

/// `ReadStore::project_tokens_after`.
pub(super) fn tokens_after(
    connection: &mut Conn,
    project: &ProjectId,
    start: &Start<ProjectTokenCursor>,
    limit: u64,
) -> StoreResult<Vec<ProjectToken>> {
    use project_tokens::{created_at, id};
    let all_of_project = project_tokens::table
        .filter(project_tokens::project_id.eq(project.as_str()))
        .order_by((created_at, id))
        .limit(sql_count(limit))
        .select(ProjectTokenRow::as_select());
    let last = match start {
        Start::Skip(count) => {
            return all(all_of_project.offset(sql_count(*count)).load(connection));
        }
        Start::Behind(cursor) => cursor,
    };
    // The bound on the time alone is implied by the rest; it is what lets the index find the place.
    let is_behind = created_at.gt(last.created_at.0).or(id.gt(last.id.as_str()));
    let rest = all_of_project.filter(created_at.ge(last.created_at.0)).filter(is_behind);
    all(rest.load(connection))
}

/// `ReadStore::count_project_tokens`.
pub(super) fn count_tokens(connection: &mut Conn, project: &ProjectId) -> StoreResult<u64> {
    let of_project = project_tokens::project_id.eq(project.as_str());
    let rows: i64 = project_tokens::table.filter(of_project).count().get_result(connection)?;
    Ok(rows.unsigned_abs())
}

/// `WriteStore::create_project_token`.
pub(super) fn create_token(
    connection: &mut Conn,
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
    connection: &mut Conn,
    project: &ProjectId,
    id: &ProjectTokenId,
) -> StoreResult<(ProjectToken, SecretHash)> {
    let row = project_tokens::table
        .find(id.as_str())
        .filter(project_tokens::project_id.eq(project.as_str()));
    let both = row.select((ProjectTokenRow::as_select(), project_tokens::secret_hash));
    let found_row: Option<(ProjectTokenRow, Vec<u8>)> = both.first(connection).optional()?;
    let (token, hash) = found_row.ok_or(StoreError::NotFound(Thing::ProjectToken))?;
    found(diesel::delete(row).execute(connection)?, Thing::ProjectToken)?;
    let hash: Option<SecretHash> = hash.try_into().ok();
    let hash = hash.ok_or_else(|| corrupt("project_tokens.secret_hash"))?;
    Ok((token.into_domain()?, hash))
}
