//! Messages that are kept, and the lines on which they stand.
//!
//! What is beyond the bounds is passed over by whoever reads, so deleting it is never urgent.

use super::backend::Conn;
use super::error::found;
use super::hot::{AppendToLine, TakePlace};
use super::rows::{sql_count, unsigned};
use super::schema::{channels, lines, messages};
use super::store::DieselStore;
use crate::domain::{
    ChannelKey, Epoch, HistoryBounds, HistoryLimits, KeptMessage, Message, Position, RawJson,
    Timestamp,
};
use crate::num;
use crate::store::{
    Appended, HistoryPage, KeptPage, NewMessage, PruneStep, ReadHistory, StoreError, StoreResult,
    StoredLine, Thing, WriteHistory,
};
use diesel::dsl::{exists, select};
use diesel::prelude::*;
use std::sync::Arc;

/// How many bytes a message counts for besides its own.
const ROW_BYTES: usize = 64;
/// How many messages too many there may be before some are deleted: not with each that comes.
const SPARE_MESSAGES: i64 = 64;
/// Which part of the bytes there may be too many, likewise.
const SPARE_BYTES: i64 = 8;
/// When something may be too old on a line that keeps nothing.
const NEVER: i64 = i64::MAX;

/// A row of `lines`.
#[derive(Clone, Queryable, Selectable)]
#[diesel(table_name = lines)]
struct LineRow {
    /// Its number.
    epoch: i64,
    /// The tenant; none once the channel has gone.
    project_id: Option<String>,
    /// The last place.
    last_offset: i64,
    /// How many messages it ever kept.
    last_number: i64,
    /// Their bytes.
    bytes: i64,
    /// The place of the newest one that was deleted.
    gone_offset: i64,
    /// Everything before was taken back.
    trimmed_offset: i64,
    /// A bound of the channel's own.
    max_messages: Option<i64>,
    /// Another.
    max_seconds: Option<i64>,
}

/// A row of `messages`, as far as bounds are concerned.
#[derive(Clone, Copy, Queryable, Selectable)]
#[diesel(table_name = messages)]
struct MarkRow {
    /// Its place.
    line_offset: i64,
    /// How many came up to it.
    number: i64,
    /// Its bytes.
    bytes: i64,
    /// Those of all before it.
    bytes_before: i64,
    /// Milliseconds.
    published_at: i64,
}

/// What [`AppendToLine`] tells.
#[derive(Queryable)]
struct AppendedRow {
    /// The line.
    epoch: i64,
    /// The message's place.
    offset: i64,
    /// How many came up to it.
    number: i64,
    /// The bytes up to its end.
    bytes: i64,
    /// How many were deleted.
    gone_number: i64,
    /// Their bytes.
    gone_bytes: i64,
    /// A bound of the channel's own.
    max_messages: Option<i64>,
    /// Another.
    max_seconds: Option<i64>,
}

impl AppendedRow {
    /// Whether the line has so much more than it keeps that some should be deleted.
    fn is_over(&self, bounds: &HistoryBounds) -> bool {
        let kept = self.number.saturating_sub(self.gone_number);
        let spare = sql_count(bounds.bytes).checked_div(SPARE_BYTES).unwrap_or_default();
        let too_many = kept > sql_count(bounds.messages).saturating_add(SPARE_MESSAGES);
        let bytes = self.bytes.saturating_sub(self.gone_bytes);
        kept > 1 && (too_many || bytes > sql_count(bounds.bytes).saturating_add(spare))
    }
}

/// A row of `messages`, as far as people see it.
type MessageRow = (i64, i64, Option<String>, String, String);

/// A place on a line.
fn position(epoch: i64, offset: i64) -> Position {
    Position { epoch: Epoch(unsigned(epoch)), offset: unsigned(offset) }
}

/// A channel's own bounds.
fn limits_of(max_messages: Option<i64>, max_seconds: Option<i64>) -> HistoryLimits {
    HistoryLimits { count: max_messages.map(unsigned), seconds: max_seconds.map(unsigned) }
}

/// The time before which everything is too old.
fn too_old(now: Timestamp, bounds: &HistoryBounds) -> i64 {
    now.earlier(bounds.age).0
}

impl LineRow {
    /// What the channel's back end narrowed.
    fn limits(&self) -> HistoryLimits {
        limits_of(self.max_messages, self.max_seconds)
    }

    /// The line as others see it.
    fn line(&self) -> StoredLine {
        StoredLine { position: position(self.epoch, self.last_offset), limits: self.limits() }
    }

    /// Whether a message is not kept any more.
    fn is_gone(&self, row: &MarkRow, bounds: &HistoryBounds, now: Timestamp) -> bool {
        let too_many = self.last_number.saturating_sub(row.number) >= sql_count(bounds.messages);
        let too_much = self.bytes.saturating_sub(row.bytes_before) > sql_count(bounds.bytes);
        row.line_offset < self.trimmed_offset
            || too_many
            || (too_much && row.number < self.last_number)
            || row.published_at <= too_old(now, bounds)
    }

    /// The oldest message that is still kept, and the offset behind which nothing is gone.
    fn floor(
        &self,
        connection: &mut Conn,
        bounds: &HistoryBounds,
        now: Timestamp,
    ) -> StoreResult<(Option<MarkRow>, i64)> {
        let all = messages::table
            .filter(messages::epoch.eq(self.epoch))
            .select(MarkRow::as_select())
            .into_boxed();
        let kept = messages::table
            .filter(messages::epoch.eq(self.epoch))
            .filter(messages::line_offset.ge(self.trimmed_offset))
            .filter(
                messages::number.gt(self.last_number.saturating_sub(sql_count(bounds.messages))),
            )
            .filter(
                messages::bytes_before
                    .ge(self.bytes.saturating_sub(sql_count(bounds.bytes)))
                    .or(messages::number.eq(self.last_number)),
            )
            .filter(messages::published_at.gt(too_old(now, bounds)))
            .order_by(messages::line_offset)
            .select(MarkRow::as_select());
        let first: Option<MarkRow> = kept.first(connection).optional()?;
        let before = first.map_or(i64::MAX, |first| first.line_offset);
        let newest_gone: Option<MarkRow> = all
            .filter(messages::line_offset.lt(before))
            .order_by(messages::line_offset.desc())
            .first(connection)
            .optional()?;
        Ok((first, newest_gone.map_or(self.gone_offset, |row| row.line_offset)))
    }
}

/// The row of a channel's line.
fn line_of(connection: &mut Conn, key: &ChannelKey) -> StoreResult<Option<LineRow>> {
    let row = lines::table
        .filter(lines::project_id.eq(key.project.as_str()))
        .filter(lines::channel_id.eq(key.id.as_str()))
        .select(LineRow::as_select());
    Ok(row.first(connection).optional()?)
}

/// The row of a line.
fn line_at(connection: &mut Conn, epoch: i64) -> StoreResult<Option<LineRow>> {
    Ok(lines::table.find(epoch).select(LineRow::as_select()).first(connection).optional()?)
}

/// The places of a part of what a line keeps, and whether there are more.
fn chosen(
    connection: &mut Conn,
    line: &LineRow,
    first: &MarkRow,
    page: &HistoryPage,
) -> StoreResult<(Vec<i64>, bool)> {
    let behind = page.after.map_or(i64::MIN, sql_count);
    let rows = messages::table
        .filter(messages::epoch.eq(line.epoch))
        .filter(messages::line_offset.ge(first.line_offset.max(behind.saturating_add(1))))
        .filter(messages::line_offset.lt(page.before.map_or(i64::MAX, sql_count)))
        .limit(sql_count(page.limit.saturating_add(1)))
        .select(MarkRow::as_select());
    let rows: Vec<MarkRow> = if page.is_descending {
        rows.order_by(messages::line_offset.desc()).load(connection)?
    } else {
        rows.order_by(messages::line_offset).load(connection)?
    };
    let (mut bytes, mut places) = (0_i64, Vec::new());
    for row in &rows {
        bytes = bytes.saturating_add(row.bytes);
        let is_full = unsigned(sql_count(page.limit)) <= u64::try_from(places.len()).unwrap_or(0);
        if is_full || (bytes > sql_count(page.bytes) && !places.is_empty()) {
            break;
        }
        places.push(row.line_offset);
    }
    let has_more = places.len() < rows.len();
    Ok((places, has_more))
}

/// The messages between two places, in order.
fn between(
    connection: &mut Conn,
    line: &LineRow,
    (from, upto): (i64, i64),
) -> StoreResult<Vec<KeptMessage>> {
    let rows: Vec<MessageRow> = messages::table
        .filter(messages::epoch.eq(line.epoch))
        .filter(messages::line_offset.between(from, upto))
        .order_by(messages::line_offset)
        .select((
            messages::line_offset,
            messages::published_at,
            messages::sender,
            messages::event,
            messages::data,
        ))
        .load(connection)?;
    let kept = |(offset, at, from, event, data): MessageRow| KeptMessage {
        from: from.map(Arc::from),
        position: position(line.epoch, offset),
        at: Timestamp(at),
        message: Message { event: event.into(), data: RawJson::trusted(data) },
    };
    Ok(rows.into_iter().map(kept).collect())
}

/// A part of what a line keeps.
fn page_of(
    connection: &mut Conn,
    key: &ChannelKey,
    page: &HistoryPage,
) -> StoreResult<Option<KeptPage>> {
    let Some(row) = line_of(connection, key)? else { return Ok(None) };
    let bounds = page.bounds.within(row.limits());
    let (first, oldest) = row.floor(connection, &bounds, page.now)?;
    let (line, oldest) = (row.line(), unsigned(oldest));
    let nothing = KeptPage { line, oldest, messages: Vec::new(), has_more: false };
    let Some(first) = first else { return Ok(Some(nothing)) };
    let (places, has_more) = chosen(connection, &row, &first, page)?;
    let range = places.iter().min().zip(places.iter().max());
    let Some((from, upto)) = range else { return Ok(Some(nothing)) };
    let mut messages = between(connection, &row, (*from, *upto))?;
    if page.is_descending {
        messages.reverse();
    }
    Ok(Some(KeptPage { messages, has_more, ..nothing }))
}

impl ReadHistory for DieselStore<'_> {
    fn find_line(&mut self, key: &ChannelKey) -> StoreResult<Option<StoredLine>> {
        Ok(line_of(self.connection, key)?.map(|row| row.line()))
    }

    fn kept_messages(
        &mut self,
        key: &ChannelKey,
        page: &HistoryPage,
    ) -> StoreResult<Option<KeptPage>> {
        let mut read = None;
        // One picture: what is deleted meanwhile must not leave a hole.
        self.connection.transaction(|connection| {
            read = Some(page_of(connection, key, page));
            QueryResult::Ok(())
        })?;
        read.unwrap_or(Ok(None))
    }

    fn due_lines(&mut self, now: Timestamp, limit: u64) -> StoreResult<Vec<Epoch>> {
        let epochs: Vec<i64> = lines::table
            .filter(lines::due_at.le(now.0))
            .order_by(lines::due_at)
            .limit(sql_count(limit))
            .select(lines::epoch)
            .load(self.connection)?;
        Ok(epochs.into_iter().map(|epoch| Epoch(unsigned(epoch))).collect())
    }
}

/// A line loses its channel, if that has one.
fn detach(connection: &mut Conn, key: &ChannelKey) -> StoreResult<()> {
    let none = None::<&str>;
    diesel::update(lines::table)
        .filter(lines::project_id.eq(key.project.as_str()))
        .filter(lines::channel_id.eq(key.id.as_str()))
        .set((lines::project_id.eq(none), lines::channel_id.eq(none), lines::due_at.eq(0)))
        .execute(connection)?;
    Ok(())
}

/// `WriteHistory::open_line`.
fn open(
    connection: &mut Conn,
    key: &ChannelKey,
    epoch: Epoch,
    limits: HistoryLimits,
) -> StoreResult<()> {
    let channel = channels::table.find((key.project.as_str(), key.id.as_str()));
    let is_there: bool = select(exists(channel)).get_result(connection)?;
    found(usize::from(is_there), Thing::Channel)?;
    detach(connection, key)?;
    diesel::insert_into(lines::table)
        .values((
            lines::epoch.eq(sql_count(epoch.0)),
            lines::project_id.eq(key.project.as_str()),
            lines::channel_id.eq(key.id.as_str()),
            lines::last_offset.eq(0),
            lines::last_number.eq(0),
            lines::bytes.eq(0),
            lines::gone_offset.eq(0),
            lines::gone_number.eq(0),
            lines::gone_bytes.eq(0),
            lines::trimmed_offset.eq(0),
            lines::due_at.eq(NEVER),
            lines::max_messages.eq(limits.count.map(sql_count)),
            lines::max_seconds.eq(limits.seconds.map(sql_count)),
        ))
        .execute(connection)?;
    Ok(())
}

/// `WriteHistory::append_message`: the hot path, two statements.
fn append(
    connection: &mut Conn,
    key: &ChannelKey,
    new: &NewMessage,
    bounds: &HistoryBounds,
) -> StoreResult<Appended> {
    let NewMessage { message, from, at } = new;
    let size = message.event.len() + message.data.as_str().len() + ROW_BYTES;
    let size = sql_count(size);
    let (project, channel) = (key.project.as_str(), key.id.as_str());
    let appended: Option<AppendedRow> =
        AppendToLine { project, channel, bytes: size }.get_result(connection).optional()?;
    let row = appended.ok_or(StoreError::NotFound(Thing::Channel))?;
    diesel::insert_into(messages::table)
        .values((
            messages::epoch.eq(row.epoch),
            messages::line_offset.eq(row.offset),
            messages::number.eq(row.number),
            messages::bytes.eq(size),
            messages::bytes_before.eq(row.bytes.saturating_sub(size)),
            messages::published_at.eq(at.0),
            messages::sender.eq(from.as_deref()),
            messages::event.eq(&*message.event),
            messages::data.eq(message.data.as_str()),
        ))
        .execute(connection)?;
    let limits = limits_of(row.max_messages, row.max_seconds);
    let bounds = bounds.within(limits);
    if row.number.saturating_sub(row.gone_number) == 1 {
        // Later ones are younger: only where there is none is it to be noted when the next one is too old.
        let due = lines::due_at.eq(at.later(bounds.age).0);
        diesel::update(lines::table.find(row.epoch)).set(due).execute(connection)?;
    }
    Ok(Appended { position: position(row.epoch, row.offset), is_over: row.is_over(&bounds) })
}

/// `WriteHistory::prune_line`, of one that is there.
fn prune(
    connection: &mut Conn,
    line: &LineRow,
    bounds: &HistoryBounds,
    now: Timestamp,
    limit: u64,
) -> StoreResult<PruneStep> {
    let bounds = bounds.within(line.limits());
    let is_orphan = line.project_id.is_none();
    let oldest: Vec<MarkRow> = messages::table
        .filter(messages::epoch.eq(line.epoch))
        .order_by(messages::line_offset)
        .limit(sql_count(limit.saturating_add(1)))
        .select(MarkRow::as_select())
        .load(connection)?;
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let is_gone = |row: &&MarkRow| is_orphan || line.is_gone(row, &bounds, now);
    let gone: Vec<&MarkRow> = oldest.iter().take(most).take_while(is_gone).collect();
    let next = oldest.get(gone.len());
    let has_more = next.is_some_and(|row| is_gone(&row));
    if is_orphan && next.is_none() {
        let rest = messages::table.filter(messages::epoch.eq(line.epoch));
        let deleted = num::counter(diesel::delete(rest).execute(connection)?);
        diesel::delete(lines::table.find(line.epoch)).execute(connection)?;
        return Ok(PruneStep { deleted, has_more: false });
    }
    let mut deleted = 0;
    if let Some(last) = gone.last() {
        let rows = messages::table
            .filter(messages::epoch.eq(line.epoch))
            .filter(messages::line_offset.le(last.line_offset));
        deleted = num::counter(diesel::delete(rows).execute(connection)?);
        let gone = (
            lines::gone_offset.eq(last.line_offset),
            lines::gone_number.eq(last.number),
            lines::gone_bytes.eq(last.bytes_before.saturating_add(last.bytes)),
        );
        diesel::update(lines::table.find(line.epoch)).set(gone).execute(connection)?;
    }
    // At once where there is more to delete.
    let age = |row: &MarkRow| Timestamp(row.published_at).later(bounds.age).0;
    let due = if has_more { 0 } else { next.map_or(NEVER, age) };
    diesel::update(lines::table.find(line.epoch)).set(lines::due_at.eq(due)).execute(connection)?;
    Ok(PruneStep { deleted, has_more })
}

impl WriteHistory for DieselStore<'_> {
    fn open_line(
        &mut self,
        key: &ChannelKey,
        epoch: Epoch,
        limits: HistoryLimits,
    ) -> StoreResult<()> {
        self.write(|connection| open(connection, key, epoch, limits))
    }

    fn narrow_line(&mut self, key: &ChannelKey, limits: HistoryLimits) -> StoreResult<()> {
        self.write(|connection| {
            // Looked at anew at once: something may be too old by now, or may stay longer.
            diesel::update(lines::table)
                .filter(lines::project_id.eq(key.project.as_str()))
                .filter(lines::channel_id.eq(key.id.as_str()))
                .set((
                    lines::max_messages.eq(limits.count.map(sql_count)),
                    lines::max_seconds.eq(limits.seconds.map(sql_count)),
                    lines::due_at.eq(0),
                ))
                .execute(connection)?;
            Ok(())
        })
    }

    fn close_line(&mut self, key: &ChannelKey) -> StoreResult<()> {
        self.write(|connection| detach(connection, key))
    }

    fn append_message(
        &mut self,
        key: &ChannelKey,
        message: &NewMessage,
        bounds: &HistoryBounds,
    ) -> StoreResult<Appended> {
        self.write(|connection| append(connection, key, message, bounds))
    }

    fn take_place(&mut self, key: &ChannelKey) -> StoreResult<Option<Position>> {
        self.write_surely(|connection| {
            let (project, channel) = (key.project.as_str(), key.id.as_str());
            let taken: Option<(i64, i64)> =
                TakePlace { project, channel }.get_result(connection).optional()?;
            Ok(taken.map(|(epoch, offset)| position(epoch, offset)))
        })
    }

    fn trim_line(&mut self, key: &ChannelKey, before: Position) -> StoreResult<()> {
        self.write(|connection| {
            let epoch = sql_count(before.epoch.0);
            let line = line_of(connection, key)?.filter(|line| line.epoch == epoch);
            let line = line.ok_or(StoreError::NotFound(Thing::Channel))?;
            let trimmed = line.trimmed_offset.max(sql_count(before.offset));
            diesel::update(lines::table.find(line.epoch))
                .set((lines::trimmed_offset.eq(trimmed), lines::due_at.eq(0)))
                .execute(connection)?;
            Ok(())
        })
    }

    fn prune_line(
        &mut self,
        epoch: Epoch,
        bounds: &HistoryBounds,
        now: Timestamp,
        limit: u64,
    ) -> StoreResult<PruneStep> {
        self.write(|connection| match line_at(connection, sql_count(epoch.0))? {
            Some(line) => prune(connection, &line, bounds, now, limit),
            None => Ok(PruneStep::default()),
        })
    }
}
