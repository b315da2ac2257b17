//! States that are kept, version by version.
//!
//! What is beyond the bounds is passed over by whoever reads, so deleting it is never urgent.

use super::backend::Conn;
use super::hot::LogState;
use super::rows::sql_count;
use super::schema::{state_logs, state_versions};
use super::store::DieselStore;
use crate::domain::state_log::{
    KeptVersion, MOST_PATCHES, NewVersion, StateLogBounds, StoredState,
};
use crate::domain::{ChannelKey, RawJson, State, Timestamp, Version};
use crate::num;
use crate::store::state_log::{
    FoundVersion, ReadStateLog, StateLogPage, WantedVersion, WriteStateLog,
};
use crate::store::{StoreError, StoreResult};
use diesel::dsl::{max, min};
use diesel::prelude::*;
use std::sync::Arc;
use std::time::Duration;

/// How many bytes a version counts for besides its own.
const ROW_BYTES: usize = 64;
/// How many versions too many there may be before some are deleted: not with each that comes.
const SPARE_VERSIONS: i64 = 64;
/// Which part of the bytes there may be too many, likewise.
const SPARE_BYTES: i64 = 8;
/// How many bytes are deleted at a time, roughly.
const STEP_BYTES: i64 = 4 << 20;
/// How long a log is left alone at least that was looked at.
const PAUSE: Duration = Duration::from_mins(1);
/// When something may be too old in a log that has one version alone.
const NEVER: i64 = i64::MAX;

/// A row of `state_logs`.
#[derive(Clone, Queryable, Selectable)]
#[diesel(table_name = state_logs)]
struct LogRow {
    /// Its number.
    id: i64,
    /// The tenant; none once the channel has gone.
    project_id: Option<String>,
    /// The version in force.
    last_version: i64,
    /// The bytes of all that were ever kept.
    bytes: i64,
}

/// A row of `state_versions`, as far as it is listed.
type VersionRow = (i64, i64, i64, Option<String>, Option<String>);

/// The log of a channel.
fn log_of(connection: &mut Conn, key: &ChannelKey) -> StoreResult<Option<LogRow>> {
    let row = state_logs::table
        .filter(state_logs::project_id.eq(key.project.as_str()))
        .filter(state_logs::channel_id.eq(key.id.as_str()))
        .select(LogRow::as_select());
    Ok(row.first(connection).optional()?)
}

impl LogRow {
    /// The oldest version that is kept.
    fn floor(
        &self,
        connection: &mut Conn,
        bounds: &StateLogBounds,
        now: Timestamp,
    ) -> StoreResult<i64> {
        let few = self.last_version.saturating_sub(sql_count(bounds.versions).saturating_sub(1));
        let little = self.bytes.saturating_sub(sql_count(bounds.bytes));
        let kept: Option<i64> = state_versions::table
            .filter(state_versions::log_id.eq(self.id))
            .filter(state_versions::version.ge(few.min(self.last_version)))
            .filter(
                state_versions::stored_before
                    .ge(little)
                    .or(state_versions::version.eq(self.last_version)),
            )
            .select(min(state_versions::version))
            .first(connection)?;
        // One that was in force then has been so within the time that counts.
        let in_force: Option<i64> = state_versions::table
            .filter(state_versions::log_id.eq(self.id))
            .filter(state_versions::changed_at.le(now.earlier(bounds.age).0))
            .select(max(state_versions::version))
            .first(connection)?;
        Ok(kept.max(in_force).unwrap_or(self.last_version))
    }

    /// The nearest version up to one that is stored whole.
    fn base(&self, connection: &mut Conn, upto: i64) -> StoreResult<Option<i64>> {
        let whole = state_versions::table
            .filter(state_versions::log_id.eq(self.id))
            .filter(state_versions::version.le(upto))
            .filter(state_versions::state.is_not_null())
            .order_by(state_versions::version.desc())
            .select(state_versions::version);
        Ok(whole.first(connection).optional()?)
    }

    /// The version that is meant, if there is one.
    fn number(&self, connection: &mut Conn, wanted: WantedVersion) -> StoreResult<Option<i64>> {
        let rows = state_versions::table.filter(state_versions::log_id.eq(self.id));
        let number: Option<i64> = match wanted {
            WantedVersion::Number(Version(number)) => rows
                .filter(state_versions::version.eq(number))
                .select(state_versions::version)
                .first(connection)
                .optional()?,
            WantedVersion::At(at) => rows
                .filter(state_versions::changed_at.le(at.0))
                .select(max(state_versions::version))
                .first(connection)?,
        };
        Ok(number)
    }

    /// A version, if it is kept.
    fn find(
        &self,
        connection: &mut Conn,
        wanted: WantedVersion,
        bounds: &StateLogBounds,
        now: Timestamp,
    ) -> StoreResult<FoundVersion> {
        let floor = self.floor(connection, bounds, now)?;
        let number = self.number(connection, wanted)?.filter(|number| *number >= floor);
        let Some(number) = number else { return Ok(FoundVersion::Gone(Version(floor))) };
        let broken = || StoreError::Corrupt("state_versions.state".to_owned());
        let base = self.base(connection, number)?.ok_or_else(broken)?;
        let rows: Vec<(Option<String>, Option<String>)> = state_versions::table
            .filter(state_versions::log_id.eq(self.id))
            .filter(state_versions::version.between(base, number))
            .order_by(state_versions::version)
            .select((state_versions::state, state_versions::patch))
            .load(connection)?;
        let mut stored = None;
        for (state, patch) in rows {
            if let Some(state) = state {
                let whole = State::trusted(&state);
                stored = Some(StoredState { whole, patches: Vec::new() });
            } else if let Some(stored) = &mut stored {
                stored.patches.push(RawJson::trusted(patch.ok_or_else(broken)?));
            }
        }
        Ok(FoundVersion::Kept(Version(number), stored.ok_or_else(broken)?))
    }

    /// A part of the versions.
    fn page(
        &self,
        connection: &mut Conn,
        page: &StateLogPage,
    ) -> StoreResult<(Vec<KeptVersion>, bool)> {
        let floor = self.floor(connection, &page.bounds, page.now)?;
        let rows: Vec<VersionRow> = state_versions::table
            .filter(state_versions::log_id.eq(self.id))
            .filter(state_versions::version.ge(floor))
            .filter(state_versions::version.lt(page.before.map_or(i64::MAX, |before| before.0)))
            .order_by(state_versions::version.desc())
            .limit(sql_count(page.limit.saturating_add(1)))
            .select((
                state_versions::version,
                state_versions::changed_at,
                state_versions::state_bytes,
                state_versions::author,
                state_versions::patch,
            ))
            .load(connection)?;
        let (mut versions, mut bytes, count) = (Vec::new(), 0_u64, rows.len());
        for (version, at, state_bytes, by, patch) in rows {
            let is_full = u64::try_from(versions.len()).is_ok_and(|count| count >= page.limit);
            if is_full || (bytes > page.bytes) {
                break;
            }
            let size = patch.as_ref().map_or(0, String::len).saturating_add(ROW_BYTES);
            bytes = bytes.saturating_add(num::counter(size));
            versions.push(KeptVersion {
                version: Version(version),
                at: Timestamp(at),
                by: by.map(Arc::from),
                bytes: u64::try_from(state_bytes).unwrap_or_default(),
                patch: patch.map(RawJson::trusted),
            });
        }
        let has_more = versions.len() < count;
        Ok((versions, has_more))
    }

    /// Deletes versions before this one, at most so many; whether there may be more.
    fn delete_before(&self, connection: &mut Conn, before: i64, limit: u64) -> StoreResult<bool> {
        let oldest: Vec<(i64, i64)> = state_versions::table
            .filter(state_versions::log_id.eq(self.id))
            .filter(state_versions::version.lt(before))
            .order_by(state_versions::version)
            .limit(sql_count(limit))
            .select((state_versions::version, state_versions::stored))
            .load(connection)?;
        let (mut bytes, mut last) = (0_i64, None);
        for (version, stored) in &oldest {
            if bytes > STEP_BYTES {
                break;
            }
            bytes = bytes.saturating_add(*stored);
            last = Some(*version);
        }
        let Some(last) = last else { return Ok(false) };
        let rows = state_versions::table
            .filter(state_versions::log_id.eq(self.id))
            .filter(state_versions::version.le(last));
        diesel::delete(rows).execute(connection)?;
        let gone = (
            state_logs::gone_version.eq(last),
            state_logs::gone_bytes.eq(state_logs::gone_bytes + bytes),
        );
        diesel::update(state_logs::table.find(self.id)).set(gone).execute(connection)?;
        let is_all = oldest.last().is_some_and(|(version, _)| *version == last)
            && u64::try_from(oldest.len()).is_ok_and(|count| count < limit);
        Ok(!is_all)
    }

    /// `WriteStateLog::prune_state_log`.
    fn prune(
        &self,
        connection: &mut Conn,
        bounds: &StateLogBounds,
        now: Timestamp,
        limit: u64,
    ) -> StoreResult<bool> {
        if self.project_id.is_none() {
            let has_more = self.delete_before(connection, i64::MAX, limit)?;
            if !has_more {
                diesel::delete(state_logs::table.find(self.id)).execute(connection)?;
            }
            return Ok(has_more);
        }
        let floor = self.floor(connection, bounds, now)?;
        // Those that the oldest one is made of stay with it.
        let base = self.base(connection, floor)?.unwrap_or(floor);
        let has_more = self.delete_before(connection, base, limit)?;
        let next: Option<i64> = state_versions::table
            .filter(state_versions::log_id.eq(self.id))
            .filter(state_versions::version.gt(floor))
            .order_by(state_versions::version)
            .select(state_versions::changed_at)
            .first(connection)
            .optional()?;
        let aged = |at: i64| Timestamp(at).later(bounds.age).0.max(now.later(PAUSE).0);
        let due = if has_more { 0 } else { next.map_or(NEVER, aged) };
        let due = state_logs::due_at.eq(due);
        diesel::update(state_logs::table.find(self.id)).set(due).execute(connection)?;
        Ok(has_more)
    }
}

/// `WriteStateLog::keep_version`: the hot path, two statements.
fn keep(
    connection: &mut Conn,
    key: &ChannelKey,
    new: &NewVersion,
    bounds: &StateLogBounds,
) -> StoreResult<()> {
    let (state, patch) = (new.state.json().as_str(), new.patch.as_ref().map(RawJson::as_str));
    let size = |bytes: usize| sql_count(bytes.saturating_add(ROW_BYTES));
    let patch_bytes = patch.map_or(0, str::len);
    let most_bytes = sql_count(bounds.bytes);
    let spare = most_bytes.checked_div(SPARE_BYTES).unwrap_or_default();
    let (patch_bytes, whole_bytes) =
        (size(patch_bytes), size(state.len().saturating_add(patch_bytes)));
    let statement = LogState {
        project: key.project.as_str(),
        channel: key.id.as_str(),
        version: new.version.0,
        most_patches: if new.is_exact { MOST_PATCHES } else { 0 },
        patch_bytes,
        whole_bytes,
        aged_at: new.at.later(bounds.age).0,
        most_versions: sql_count(bounds.versions).saturating_add(SPARE_VERSIONS),
        most_bytes: most_bytes.saturating_add(spare),
    };
    let (log, patches, bytes): (i64, i64, i64) = statement.get_result(connection)?;
    let is_whole = patches == 0;
    let stored = if is_whole { whole_bytes } else { patch_bytes };
    diesel::insert_into(state_versions::table)
        .values((
            state_versions::log_id.eq(log),
            state_versions::version.eq(new.version.0),
            state_versions::changed_at.eq(new.at.0),
            state_versions::state_bytes.eq(sql_count(state.len())),
            state_versions::stored.eq(stored),
            state_versions::stored_before.eq(bytes.saturating_sub(stored)),
            state_versions::author.eq(new.by.as_deref()),
            state_versions::patch.eq(patch),
            state_versions::state.eq(is_whole.then_some(state)),
        ))
        .on_conflict_do_nothing()
        .execute(connection)?;
    Ok(())
}

impl DieselStore<'_> {
    /// Reads of a channel's log as it is at one moment: what is deleted meanwhile must not leave a hole.
    fn of_log<T>(
        &mut self,
        key: &ChannelKey,
        read: impl FnOnce(&LogRow, &mut Conn) -> StoreResult<T>,
    ) -> StoreResult<Option<T>> {
        let mut outcome = Ok(None);
        self.connection.transaction(|connection| {
            outcome = log_of(connection, key)
                .and_then(|log| log.map(|log| read(&log, connection)).transpose());
            QueryResult::Ok(())
        })?;
        outcome
    }
}

impl ReadStateLog for DieselStore<'_> {
    fn find_version(
        &mut self,
        key: &ChannelKey,
        wanted: WantedVersion,
        bounds: &StateLogBounds,
        now: Timestamp,
    ) -> StoreResult<Option<FoundVersion>> {
        self.of_log(key, |log, connection| log.find(connection, wanted, bounds, now))
    }

    fn kept_versions(
        &mut self,
        key: &ChannelKey,
        page: &StateLogPage,
    ) -> StoreResult<Option<(Vec<KeptVersion>, bool)>> {
        self.of_log(key, |log, connection| log.page(connection, page))
    }

    fn due_state_logs(&mut self, now: Timestamp, limit: u64) -> StoreResult<Vec<i64>> {
        let due = state_logs::table
            .filter(state_logs::due_at.le(now.0))
            .order_by(state_logs::due_at)
            .limit(sql_count(limit))
            .select(state_logs::id);
        Ok(due.load(self.connection)?)
    }
}

impl WriteStateLog for DieselStore<'_> {
    fn keep_version(
        &mut self,
        key: &ChannelKey,
        version: &NewVersion,
        bounds: &StateLogBounds,
    ) -> StoreResult<()> {
        self.write_surely(|connection| keep(connection, key, version, bounds))
    }

    fn close_state_log(&mut self, key: &ChannelKey) -> StoreResult<()> {
        self.write(|connection| {
            let none = None::<&str>;
            diesel::update(state_logs::table)
                .filter(state_logs::project_id.eq(key.project.as_str()))
                .filter(state_logs::channel_id.eq(key.id.as_str()))
                .set((
                    state_logs::project_id.eq(none),
                    state_logs::channel_id.eq(none),
                    state_logs::due_at.eq(0),
                ))
                .execute(connection)?;
            Ok(())
        })
    }

    fn prune_state_log(
        &mut self,
        log: i64,
        bounds: &StateLogBounds,
        now: Timestamp,
        limit: u64,
    ) -> StoreResult<bool> {
        self.write(|connection| {
            let row = state_logs::table.find(log).select(LogRow::as_select());
            match row.first(connection).optional()? {
                Some(row) => LogRow::prune(&row, connection, bounds, now, limit),
                None => Ok(false),
            }
        })
    }
}
