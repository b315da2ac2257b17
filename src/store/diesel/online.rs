//! Which sessions webhooks were told are online.

use super::error::refusal;
use super::rows::sql_count;
use super::schema::online_sessions;
use crate::domain::{
    ChannelId, ChannelKey, LeapTokenId, Online, OnlineSession, ProjectId, SessionId,
};
use crate::store::{StoreResult, Thing};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};
use std::sync::Arc;

/// `WriteStore::note_online`.
pub(super) fn note(connection: &mut SqliteConnection, online: &Online) -> StoreResult<()> {
    diesel::insert_into(online_sessions::table)
        .values((
            online_sessions::project_id.eq(online.channel.project.as_str()),
            online_sessions::channel_id.eq(online.channel.id.as_str()),
            online_sessions::session_id.eq(online.session.id.as_str()),
            online_sessions::token_id.eq(online.session.token.as_ref().map(LeapTokenId::as_str)),
        ))
        .on_conflict_do_nothing()
        .execute(connection)
        .map(drop)
        .map_err(refusal(Thing::Project, Thing::Project))
}

/// `WriteStore::note_offline`.
pub(super) fn remove(
    connection: &mut SqliteConnection,
    channel: &ChannelKey,
    session: &SessionId,
) -> StoreResult<()> {
    let key = (channel.project.as_str(), channel.id.as_str(), session.as_str());
    diesel::delete(online_sessions::table.find(key)).execute(connection)?;
    Ok(())
}

/// `WriteStore::forget_online`.
pub(super) fn forget(connection: &mut SqliteConnection, project: &ProjectId) -> StoreResult<()> {
    let all = online_sessions::table.filter(online_sessions::project_id.eq(project.as_str()));
    diesel::delete(all).execute(connection)?;
    Ok(())
}

/// `ReadStore::online_after`.
pub(super) fn after(
    connection: &mut SqliteConnection,
    last: Option<&Online>,
    limit: u64,
) -> StoreResult<Vec<Online>> {
    // No id is empty, so nothing stands before three empty ones.
    let (project, channel, session) = last.map_or(("", "", ""), |last| {
        (last.channel.project.as_str(), last.channel.id.as_str(), last.session.id.as_str())
    });
    // All columns as one, so that the index finds the place.
    let is_behind = sql::<Bool>("(project_id, channel_id, session_id) > (")
        .bind::<Text, _>(project)
        .sql(", ")
        .bind::<Text, _>(channel)
        .sql(", ")
        .bind::<Text, _>(session)
        .sql(")");
    let rows: Vec<(String, String, String, Option<String>)> = online_sessions::table
        .filter(is_behind)
        .order_by((
            online_sessions::project_id,
            online_sessions::channel_id,
            online_sessions::session_id,
        ))
        .limit(sql_count(limit))
        .load(connection)?;
    Ok(rows.into_iter().map(online).collect())
}

/// A row as what it means.
fn online((project, channel, session, token): (String, String, String, Option<String>)) -> Online {
    let id = ChannelId::trusted(&channel);
    let token = token.as_deref().map(LeapTokenId::from);
    Online {
        channel: ChannelKey { project: ProjectId::from(project.as_str()), id },
        session: Arc::new(OnlineSession { id: SessionId::from(session.as_str()), token }),
    }
}
