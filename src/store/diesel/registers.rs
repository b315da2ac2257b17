//! Which sessions stand in which register of a channel, as far as webhooks were told.

use super::backend::Conn;
use super::error::refusal;
use super::rows::{corrupt, sql_count};
use super::schema::registers;
use crate::domain::{
    ChannelId, ChannelKey, LeapTokenId, Listed, ProjectId, Register, SessionId, SessionRef,
};
use crate::store::{StoreResult, Thing};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};
use std::sync::Arc;

/// `WriteStore::enlist`.
pub(super) fn enlist(connection: &mut Conn, listed: &Listed) -> StoreResult<()> {
    diesel::insert_into(registers::table)
        .values((
            registers::project_id.eq(listed.channel.project.as_str()),
            registers::channel_id.eq(listed.channel.id.as_str()),
            registers::register.eq(listed.register.word()),
            registers::session_id.eq(listed.session.id.as_str()),
            registers::token_id.eq(listed.session.token.as_ref().map(LeapTokenId::as_str)),
        ))
        .on_conflict_do_nothing()
        .execute(connection)
        .map(drop)
        .map_err(refusal(Thing::Project, Thing::Project))
}

/// `WriteStore::strike`.
pub(super) fn strike(connection: &mut Conn, listed: &Listed) -> StoreResult<()> {
    let Listed { channel, register, session } = listed;
    let key = (channel.project.as_str(), channel.id.as_str(), register.word(), session.id.as_str());
    diesel::delete(registers::table.find(key)).execute(connection)?;
    Ok(())
}

/// `WriteStore::strike_all`.
pub(super) fn strike_all(
    connection: &mut Conn,
    project: &ProjectId,
    register: Register,
) -> StoreResult<()> {
    let all = registers::table
        .filter(registers::project_id.eq(project.as_str()))
        .filter(registers::register.eq(register.word()));
    diesel::delete(all).execute(connection)?;
    Ok(())
}

/// Takes back everybody in such a register of one channel.
pub(super) fn strike_channel(
    connection: &mut Conn,
    key: &ChannelKey,
    register: Register,
) -> StoreResult<()> {
    let all = registers::table
        .filter(registers::project_id.eq(key.project.as_str()))
        .filter(registers::channel_id.eq(key.id.as_str()))
        .filter(registers::register.eq(register.word()));
    diesel::delete(all).execute(connection)?;
    Ok(())
}

/// A row.
type RegisterRow = (String, String, String, String, Option<String>);

/// `ReadStore::listed_after`.
pub(super) fn after(
    connection: &mut Conn,
    last: Option<&Listed>,
    limit: u64,
) -> StoreResult<Vec<Listed>> {
    // No id is empty, so nothing stands before four empty ones.
    let (project, channel, register, session) = last.map_or(("", "", "", ""), |last| {
        let Listed { channel, register, session } = last;
        (channel.project.as_str(), channel.id.as_str(), register.word(), session.id.as_str())
    });
    // All columns as one, so that the index finds the place.
    let is_behind = sql::<Bool>("(project_id, channel_id, register, session_id) > (")
        .bind::<Text, _>(project)
        .sql(", ")
        .bind::<Text, _>(channel)
        .sql(", ")
        .bind::<Text, _>(register)
        .sql(", ")
        .bind::<Text, _>(session)
        .sql(")");
    let rows: Vec<RegisterRow> = registers::table
        .filter(is_behind)
        .order_by((
            registers::project_id,
            registers::channel_id,
            registers::register,
            registers::session_id,
        ))
        .limit(sql_count(limit))
        .load(connection)?;
    rows.into_iter().map(listed).collect()
}

/// A row as what it means.
fn listed((project, channel, register, session, token): RegisterRow) -> StoreResult<Listed> {
    let id = ChannelId::trusted(&channel);
    let token = token.as_deref().map(LeapTokenId::from);
    Ok(Listed {
        channel: ChannelKey { project: ProjectId::from(project.as_str()), id },
        register: Register::from_word(&register).ok_or_else(|| corrupt("registers.register"))?,
        session: Arc::new(SessionRef { id: SessionId::from(session.as_str()), token }),
    })
}
