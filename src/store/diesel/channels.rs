//! Channels and their states.

use super::backend::{Conn, INCARNATION};
use super::error::{found, refusal};
use super::hot::SetState;
use super::registers;
use super::rows::{ChannelRow, all, one, sql_count, visibility};
use super::schema::{channels, seen_channels};
use crate::domain::{
    Capabilities, Channel, ChannelId, ChannelKey, ProjectId, Register, State, Version, Visibility,
};
use crate::num;
use crate::store::{ChannelCursor, ChannelPage, ChannelSort, StoreError, StoreResult, Thing};
use diesel::dsl::{exists, select, sql};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};

/// `ReadStore::find_channel`.
pub(super) fn find(connection: &mut Conn, key: &ChannelKey) -> StoreResult<Option<Channel>> {
    let query = channels::table
        .find((key.project.as_str(), key.id.as_str()))
        .select(ChannelRow::as_select());
    one(query.first(connection))
}

/// `ReadStore::find_visibility`.
pub(super) fn find_visibility(
    connection: &mut Conn,
    key: &ChannelKey,
) -> StoreResult<Option<Visibility>> {
    let row = channels::table.find((key.project.as_str(), key.id.as_str()));
    let word: Option<String> = row.select(channels::type_).first(connection).optional()?;
    word.map(|word| visibility(&word)).transpose()
}

/// `ReadStore::projects_with_channel`.
pub(super) fn projects_with(connection: &mut Conn, id: &ChannelId) -> StoreResult<Vec<ProjectId>> {
    let projects: Vec<String> = channels::table
        .filter(channels::id.eq(id.as_str()))
        .order_by(channels::project_id)
        .limit(2)
        .select(channels::project_id)
        .load(connection)?;
    Ok(projects.iter().map(|project| ProjectId::from(project.as_str())).collect())
}

/// `ReadStore::page_channels`.
pub(super) fn page(
    connection: &mut Conn,
    project: &ProjectId,
    page: ChannelPage,
) -> StoreResult<Vec<Channel>> {
    let list = channels::table
        .filter(channels::project_id.eq(project.as_str()))
        .select(ChannelRow::as_select())
        .limit(sql_count(page.limit))
        .offset(sql_count(page.offset))
        .into_boxed();
    let list = match (page.sort, page.is_descending) {
        (ChannelSort::CreatedAt, false) => list.order_by((channels::created_at, channels::id)),
        (ChannelSort::CreatedAt, true) => {
            list.order_by((channels::created_at.desc(), channels::id.desc()))
        }
        (ChannelSort::Id, false) => list.order_by(channels::id),
        (ChannelSort::Id, true) => list.order_by(channels::id.desc()),
    };
    all(list.load(connection))
}

/// `ReadStore::count_channels`.
pub(super) fn count(connection: &mut Conn, project: &ProjectId) -> StoreResult<u64> {
    let query = channels::table.filter(channels::project_id.eq(project.as_str())).count();
    let rows: i64 = query.get_result(connection)?;
    Ok(rows.unsigned_abs())
}

/// `ReadStore::channels_after`.
pub(super) fn after(
    connection: &mut Conn,
    project: &ProjectId,
    cursor: Option<&ChannelCursor>,
    limit: u64,
) -> StoreResult<Vec<Channel>> {
    let all_of_project = channels::table
        .filter(channels::project_id.eq(project.as_str()))
        .order_by((channels::created_at, channels::id))
        .limit(sql_count(limit))
        .select(ChannelRow::as_select());
    let Some(ChannelCursor { created_at, id }) = cursor else {
        return all(all_of_project.load(connection));
    };
    // The bound on the time alone is implied by the rest; it is what lets the index find the place.
    let is_behind = channels::created_at.gt(created_at.0).or(channels::id.gt(id.as_str()));
    let rest = all_of_project.filter(channels::created_at.ge(created_at.0)).filter(is_behind);
    all(rest.load(connection))
}

/// `WriteStore::create_channel`.
pub(super) fn create(connection: &mut Conn, channel: &Channel) -> StoreResult<()> {
    diesel::insert_into(channels::table)
        .values((
            channels::project_id.eq(channel.key.project.as_str()),
            channels::id.eq(channel.key.id.as_str()),
            channels::type_.eq(channel.visibility.as_str()),
            channels::capabilities.eq(i64::from(channel.capabilities.bits())),
            channels::version.eq(channel.version.0),
            channels::created_at.eq(channel.created_at.0),
            channels::state.eq(channel.state.json().as_str()),
        ))
        .execute(connection)
        .map(drop)
        .map_err(refusal(Thing::Channel, Thing::Project))
}

/// `WriteStore::update_channel`.
pub(super) fn update(
    connection: &mut Conn,
    key: &ChannelKey,
    visibility: Visibility,
    capabilities: Capabilities,
) -> StoreResult<()> {
    let rows = diesel::update(channels::table.find((key.project.as_str(), key.id.as_str())))
        .set((
            channels::type_.eq(visibility.as_str()),
            channels::capabilities.eq(i64::from(capabilities.bits())),
        ))
        .execute(connection)?;
    found(rows, Thing::Channel)
}

/// `WriteStore::set_state`: the hot path, one statement; only a refused one looks why.
pub(super) fn set_state(
    connection: &mut Conn,
    key: &ChannelKey,
    state: &State,
    version: Version,
) -> StoreResult<()> {
    let (project, id) = (key.project.as_str(), key.id.as_str());
    let (state, before) = (state.json().as_str(), version.0.saturating_sub(1));
    let rows = SetState { project, id, state, version: version.0, before }.execute(connection)?;
    if rows > 0 {
        return Ok(());
    }
    let is_there: bool =
        select(exists(channels::table.find((project, id)))).get_result(connection)?;
    Err(if is_there { StoreError::VersionConflict } else { StoreError::NotFound(Thing::Channel) })
}

/// `ReadStore::incarnation`.
pub(super) fn incarnation(connection: &mut Conn, key: &ChannelKey) -> StoreResult<Option<u64>> {
    let found = channels::table
        .find((key.project.as_str(), key.id.as_str()))
        .select(sql::<BigInt>(INCARNATION))
        .get_result::<i64>(connection)
        .optional()?;
    Ok(found.map(num::counter))
}

/// `WriteStore::mark_subscribed`.
pub(super) fn mark(connection: &mut Conn, key: &ChannelKey) -> StoreResult<()> {
    diesel::insert_into(seen_channels::table)
        .values((
            seen_channels::project_id.eq(key.project.as_str()),
            seen_channels::channel_id.eq(key.id.as_str()),
        ))
        .on_conflict_do_nothing()
        .execute(connection)
        .map(drop)
        .map_err(refusal(Thing::Channel, Thing::Channel))
}

/// `ReadStore::marked_channels_after`.
pub(super) fn marked_after(
    connection: &mut Conn,
    key: Option<&ChannelKey>,
    limit: u64,
) -> StoreResult<Vec<ChannelKey>> {
    // No id is empty, so nothing stands before two empty ones.
    let (project, id) = key.map_or(("", ""), |key| (key.project.as_str(), key.id.as_str()));
    // Both columns as one, so that the index finds the place however many marks a project has.
    let is_behind = sql::<Bool>("(project_id, channel_id) > (")
        .bind::<Text, _>(project)
        .sql(", ")
        .bind::<Text, _>(id)
        .sql(")");
    let rows: Vec<(String, String)> = seen_channels::table
        .filter(is_behind)
        .order_by((seen_channels::project_id, seen_channels::channel_id))
        .limit(sql_count(limit))
        .load(connection)?;
    let key = |(project, id): (String, String)| ChannelKey {
        project: ProjectId::from(project.as_str()),
        id: ChannelId::trusted(&id),
    };
    Ok(rows.into_iter().map(key).collect())
}

/// `WriteStore::delete_channel`; its permanent subscriptions go with it, by their foreign key.
pub(super) fn delete(connection: &mut Conn, key: &ChannelKey) -> StoreResult<()> {
    let row = channels::table.find((key.project.as_str(), key.id.as_str()));
    found(diesel::delete(row).execute(connection)?, Thing::Channel)?;
    registers::strike_channel(connection, key, Register::Ephemeral)
}
