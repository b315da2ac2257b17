//! Permanent subscriptions: which token hears which channel.

use super::backend::{Conn, attempt};
use super::error::is_missing_parent;
use super::rows::{SubscriptionRow, all};
use super::schema::{subscriptions, tokens};
use crate::domain::{ChannelKey, LeapTokenId, Subscription, Timestamp};
use crate::store::{StoreError, StoreResult, Thing};
use diesel::dsl::{exists, select};
use diesel::prelude::*;

/// `ReadStore::subscriptions_of`.
pub(super) fn of_token(
    connection: &mut Conn,
    token: &LeapTokenId,
) -> StoreResult<Vec<Subscription>> {
    let query = subscriptions::table
        .filter(subscriptions::token_id.eq(token.as_str()))
        .order_by((subscriptions::created_at, subscriptions::channel_id))
        .select(SubscriptionRow::as_select());
    all(query.load(connection))
}

/// `WriteStore::add_subscription`: one statement; the foreign keys see to it that token and channel are there and of
/// one project, and only a refused one looks which of them is not.
pub(super) fn add(
    connection: &mut Conn,
    key: &ChannelKey,
    token: &LeapTokenId,
    at: Timestamp,
) -> StoreResult<bool> {
    match attempt(connection, |connection| insert(connection, key, token, at)) {
        Err(error) if is_missing_parent(&error) => {
            let row = tokens::table
                .find(token.as_str())
                .filter(tokens::project_id.eq(key.project.as_str()));
            let is_token_there: bool = select(exists(row)).get_result(connection)?;
            Err(StoreError::NotFound(if is_token_there { Thing::Channel } else { Thing::Token }))
        }
        outcome => Ok(outcome?),
    }
}

/// Adds a row unless it is there already; returns whether it is new. The caller knows what a missing parent means.
pub(super) fn insert(
    connection: &mut Conn,
    key: &ChannelKey,
    token: &LeapTokenId,
    at: Timestamp,
) -> QueryResult<bool> {
    let rows = diesel::insert_into(subscriptions::table)
        .values((
            subscriptions::project_id.eq(key.project.as_str()),
            subscriptions::channel_id.eq(key.id.as_str()),
            subscriptions::token_id.eq(token.as_str()),
            subscriptions::created_at.eq(at.0),
        ))
        .on_conflict_do_nothing()
        .execute(connection)?;
    Ok(rows > 0)
}

/// `WriteStore::remove_subscription`.
pub(super) fn remove(
    connection: &mut Conn,
    key: &ChannelKey,
    token: &LeapTokenId,
) -> StoreResult<bool> {
    let row = subscriptions::table.find((key.project.as_str(), key.id.as_str(), token.as_str()));
    Ok(diesel::delete(row).execute(connection)? > 0)
}
