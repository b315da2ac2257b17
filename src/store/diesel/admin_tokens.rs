//! The operator's keys.

use super::backend::Conn;
use super::error::{found, refusal};
use super::rows::{AdminTokenRow, all, one};
use super::schema::admin_tokens;
use crate::domain::{AdminToken, AdminTokenId};
use crate::store::{SecretHash, StoreError, StoreResult, Thing};
use diesel::prelude::*;

/// `ReadStore::find_admin_token`.
pub(super) fn find(connection: &mut Conn, hash: &SecretHash) -> StoreResult<Option<AdminToken>> {
    let query = admin_tokens::table
        .filter(admin_tokens::secret_hash.eq(hash.as_slice()))
        .select(AdminTokenRow::as_select());
    one(query.first(connection))
}

/// `ReadStore::list_admin_tokens`.
pub(super) fn list(connection: &mut Conn) -> StoreResult<Vec<AdminToken>> {
    let query = admin_tokens::table
        .order_by((admin_tokens::created_at, admin_tokens::id))
        .select(AdminTokenRow::as_select());
    all(query.load(connection))
}

/// `WriteStore::create_admin_token`.
pub(super) fn create(
    connection: &mut Conn,
    token: &AdminToken,
    hash: &SecretHash,
) -> StoreResult<()> {
    diesel::insert_into(admin_tokens::table)
        .values((
            admin_tokens::id.eq(token.id.as_str()),
            admin_tokens::name.eq(token.name.as_deref()),
            admin_tokens::secret_hash.eq(hash.as_slice()),
            admin_tokens::hint.eq(&token.hint),
            admin_tokens::created_at.eq(token.created_at.0),
        ))
        .execute(connection)
        .map(drop)
        .map_err(refusal(Thing::AdminToken, Thing::AdminToken))
}

/// `WriteStore::delete_admin_token`.
pub(super) fn delete(connection: &mut Conn, id: &AdminTokenId) -> StoreResult<SecretHash> {
    let row = admin_tokens::table.find(id.as_str());
    let hash: Option<Vec<u8>> =
        row.select(admin_tokens::secret_hash).first(connection).optional()?;
    let hash = hash.ok_or(StoreError::NotFound(Thing::AdminToken))?;
    found(diesel::delete(row).execute(connection)?, Thing::AdminToken)?;
    let corrupt = |_| StoreError::Corrupt("admin_tokens.secret_hash".to_owned());
    hash.try_into().map_err(corrupt)
}
