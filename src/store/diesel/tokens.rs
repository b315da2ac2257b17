//! Leap tokens.

use super::backend::Conn;
use super::error::{found, is_missing_parent, refusal};
use super::orphaned_mail;
use super::rows::{Row as _, TokenRow, all, one, sql_count};
use super::schema::{subscriptions, tokens};
use super::subscriptions as subscribing;
use crate::domain::{ChannelId, ChannelKey, LeapToken, LeapTokenId, ProjectId, RawJson, Timestamp};
use crate::store::{Start, StoreError, StoreResult, Thing, TokenCursor, TokenUpdate};
use diesel::prelude::*;

/// The columns that an update sets; those that are `None` stay.
#[derive(AsChangeset)]
#[diesel(table_name = tokens)]
#[expect(clippy::option_option, reason = "leaving the expiry alone and removing it are two things")]
struct TokenColumns<'a> {
    /// JSON text.
    state: Option<&'a str>,
    /// Milliseconds; `Some(None)` takes the expiry away.
    expires_at: Option<Option<i64>>,
}

/// `ReadStore::find_token`.
pub(super) fn find(connection: &mut Conn, id: &LeapTokenId) -> StoreResult<Option<LeapToken>> {
    one(tokens::table.find(id.as_str()).select(TokenRow::as_select()).first(connection))
}

/// `ReadStore::tokens_after`.
pub(super) fn after(
    connection: &mut Conn,
    project: &ProjectId,
    start: &Start<TokenCursor>,
    limit: u64,
) -> StoreResult<Vec<LeapToken>> {
    let all_of_project = tokens::table
        .filter(tokens::project_id.eq(project.as_str()))
        .order_by((tokens::created_at, tokens::id))
        .limit(sql_count(limit))
        .select(TokenRow::as_select());
    let TokenCursor { created_at, id } = match start {
        Start::Skip(count) => {
            return all(all_of_project.offset(sql_count(*count)).load(connection));
        }
        Start::Behind(cursor) => cursor,
    };
    // The bound on the time alone is implied by the rest; it is what lets the index find the place.
    let is_behind = tokens::created_at.gt(created_at.0).or(tokens::id.gt(id.as_str()));
    let rest = all_of_project.filter(tokens::created_at.ge(created_at.0)).filter(is_behind);
    all(rest.load(connection))
}

/// `ReadStore::count_tokens`.
pub(super) fn count(connection: &mut Conn, project: &ProjectId) -> StoreResult<u64> {
    let query = tokens::table.filter(tokens::project_id.eq(project.as_str())).count();
    let rows: i64 = query.get_result(connection)?;
    Ok(rows.unsigned_abs())
}

/// `ReadStore::count_tokens_of_channel`.
pub(super) fn count_of_channel(connection: &mut Conn, key: &ChannelKey) -> StoreResult<u64> {
    let query = subscriptions::table
        .filter(subscriptions::project_id.eq(key.project.as_str()))
        .filter(subscriptions::channel_id.eq(key.id.as_str()))
        .count();
    let rows: i64 = query.get_result(connection)?;
    Ok(rows.unsigned_abs())
}

/// `ReadStore::tokens_of_channel`.
pub(super) fn of_channel(
    connection: &mut Conn,
    key: &ChannelKey,
    start: &Start<TokenCursor>,
    limit: u64,
) -> StoreResult<Vec<(Timestamp, LeapToken)>> {
    let (at, id, skipped) = match start {
        Start::Skip(count) => (i64::MIN, "", *count),
        Start::Behind(last) => (last.created_at.0, last.id.as_str(), 0),
    };
    // The bound on the time alone is implied by the rest; it is what lets the index find the place.
    let is_behind = subscriptions::created_at.gt(at).or(subscriptions::token_id.gt(id));
    let rows: Vec<(i64, TokenRow)> = subscriptions::table
        .inner_join(tokens::table.on(tokens::id.eq(subscriptions::token_id)))
        .filter(subscriptions::project_id.eq(key.project.as_str()))
        .filter(subscriptions::channel_id.eq(key.id.as_str()))
        .filter(subscriptions::created_at.ge(at))
        .filter(is_behind)
        .order_by((subscriptions::created_at, subscriptions::token_id))
        .limit(sql_count(limit))
        .offset(sql_count(skipped))
        .select((subscriptions::created_at, TokenRow::as_select()))
        .load(connection)?;
    rows.into_iter().map(|(at, row)| Ok((Timestamp(at), row.into_domain()?))).collect()
}

/// `WriteStore::create_token`.
pub(super) fn create(
    connection: &mut Conn,
    token: &LeapToken,
    channels: &[ChannelId],
) -> StoreResult<()> {
    if channels.is_empty() {
        return insert(connection, token);
    }
    connection.transaction(|connection| {
        insert(connection, token)?;
        for id in channels {
            let key = ChannelKey { project: token.project.clone(), id: id.clone() };
            subscribing::insert(connection, &key, &token.id, token.created_at).map_err(
                |error| {
                    // The token is there, so what is missing can only be the channel.
                    let is_missing = is_missing_parent(&error);
                    if is_missing { StoreError::NoSuchChannel(id.clone()) } else { error.into() }
                },
            )?;
        }
        Ok(())
    })
}

/// Adds the token's own row.
fn insert(connection: &mut Conn, token: &LeapToken) -> StoreResult<()> {
    diesel::insert_into(tokens::table)
        .values((
            tokens::id.eq(token.id.as_str()),
            tokens::project_id.eq(token.project.as_str()),
            tokens::expires_at.eq(token.expires_at.map(|at| at.0)),
            tokens::created_at.eq(token.created_at.0),
            tokens::state.eq(token.state.as_str()),
        ))
        .execute(connection)
        .map(drop)
        .map_err(refusal(Thing::Token, Thing::Project))
}

/// `WriteStore::update_token`.
pub(super) fn update(
    connection: &mut Conn,
    project: &ProjectId,
    id: &LeapTokenId,
    update: &TokenUpdate,
) -> StoreResult<LeapToken> {
    let row = tokens::table.find(id.as_str()).filter(tokens::project_id.eq(project.as_str()));
    // SQL has no way to set nothing.
    if *update != TokenUpdate::default() {
        let changes = TokenColumns {
            state: update.state.as_ref().map(RawJson::as_str),
            expires_at: update.expires_at.map(|expiry| expiry.map(|at| at.0)),
        };
        diesel::update(row).set(changes).execute(connection)?;
    }
    one(row.select(TokenRow::as_select()).first(connection))?
        .ok_or(StoreError::NotFound(Thing::Token))
}

/// `WriteStore::delete_token`; its subscriptions go with it, by their foreign key, and its mailbox waits to be deleted.
pub(super) fn delete(
    connection: &mut Conn,
    project: &ProjectId,
    id: &LeapTokenId,
) -> StoreResult<()> {
    let row = tokens::table.find(id.as_str()).filter(tokens::project_id.eq(project.as_str()));
    found(diesel::delete(row).execute(connection)?, Thing::Token)?;
    orphaned_mail::detach(connection, id)
}
