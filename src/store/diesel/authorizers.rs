//! Who answers subscribe requests.

use super::backend::Conn;
use super::error::{found, refusal};
use super::schema::authorizers;
use crate::domain::{Authorizer, ProjectId, Timestamp};
use crate::store::{StoreResult, Thing};
use diesel::prelude::*;

/// `ReadStore::find_authorizer`.
pub(super) fn find(connection: &mut Conn, project: &ProjectId) -> StoreResult<Option<Authorizer>> {
    let row: Option<(String, String, i64)> = authorizers::table
        .find(project.as_str())
        .select((authorizers::url, authorizers::secret, authorizers::created_at))
        .first(connection)
        .optional()?;
    Ok(row.map(|(url, secret, created_at)| Authorizer {
        project: project.clone(),
        url,
        secret,
        created_at: Timestamp(created_at),
    }))
}

/// `WriteStore::set_authorizer`.
pub(super) fn set(connection: &mut Conn, authorizer: &Authorizer) -> StoreResult<()> {
    let changes = (
        authorizers::url.eq(&authorizer.url),
        authorizers::secret.eq(&authorizer.secret),
        authorizers::created_at.eq(authorizer.created_at.0),
    );
    diesel::insert_into(authorizers::table)
        .values((authorizers::project_id.eq(authorizer.project.as_str()), changes))
        .on_conflict(authorizers::project_id)
        .do_update()
        .set(changes)
        .execute(connection)
        .map(drop)
        .map_err(refusal(Thing::Authorizer, Thing::Project))
}

/// `WriteStore::delete_authorizer`.
pub(super) fn delete(connection: &mut Conn, project: &ProjectId) -> StoreResult<()> {
    let rows = diesel::delete(authorizers::table.find(project.as_str())).execute(connection)?;
    found(rows, Thing::Authorizer)
}
