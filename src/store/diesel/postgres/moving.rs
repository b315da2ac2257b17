//! A whole database, taken from one kind to the other: every row as it is, in one transaction of either side.

use super::address::Address;
use super::connection::{self, SessionRole};
use super::migrate;
use super::session::{Session, WriterHold};
use crate::store::diesel::connection as file_connection;
use crate::store::diesel::schema::{
    admin_tokens, answers, authorizers, channels, deliveries, event_bodies, event_sequences,
    jwt_keys, jwt_revocations, lines, mailboxes, mails, messages, project_tokens, projects,
    registers, seen_channels, state_logs, state_versions, subscriptions, tokens, unheard, webhooks,
};
use crate::store::diesel::{files, migrate as file_migrate};
use crate::store::{StoreError, StoreResult};
use diesel::connection::{DefaultLoadingMode, SimpleConnection as _};
use diesel::pg::{PgConnection, PgRowByRowLoadingMode};
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use std::path::Path;
use std::time::Duration;

/// How many rows go in one statement, so that a thousand large states are never in memory at once.
const ROWS: usize = 100;
/// How long is waited for a database that somebody has, and may have left a moment ago.
const WAIT: Duration = Duration::from_secs(1);

/// Hears how many rows of a table were taken over.
pub type Progress<'a> = &'a mut dyn FnMut(&'static str, u64);

/// Calls a macro with all tables, those first that others point to: of each its columns, and what a row holds of them.
macro_rules! with_tables {
    ($call:ident ! ($($argument:tt)*)) => {
        $call! { ($($argument)*)
            projects { id: String, name: String, namespace: String, created_at: i64, allowed_origins: Option<String> }
            project_tokens { id: String, project_id: String, secret_hash: Vec<u8>, permissions: i64, hint: String, created_at: i64 }
            admin_tokens { id: String, name: Option<String>, secret_hash: Vec<u8>, hint: String, created_at: i64 }
            channels { project_id: String, id: String, type_: String, capabilities: i64, version: i64, created_at: i64, state: String }
            seen_channels { project_id: String, channel_id: String }
            tokens { id: String, project_id: String, expires_at: Option<i64>, created_at: i64, state: String }
            subscriptions { project_id: String, channel_id: String, token_id: String, created_at: i64 }
            registers { project_id: String, channel_id: String, register: String, session_id: String, token_id: Option<String> }
            unheard { token_id: String, missed: Option<i64> }
            webhooks { id: String, project_id: String, url: String, events: String, secret: String, created_at: i64, previous_secret: Option<String>, previous_secret_until: Option<i64>, disabled_at: Option<i64> }
            authorizers { project_id: String, url: String, secret: String, created_at: i64 }
            event_sequences { project_id: String, last_seq: i64 }
            event_bodies { event_id: String, body: String }
            deliveries { webhook_id: String, event_id: String, project_id: String, seq: i64, event: String, state: String, created_at: i64, attempts: i64, is_retry: i64, next_attempt_at: i64, gives_up_at: i64, last_status: Option<i64>, last_error: Option<String>, delivered_at: Option<i64> }
            answers { scope: String, number: i64, key_digest: Vec<u8>, asked: Vec<u8>, permissions: i64, answered_at: i64, bytes: i64, bytes_before: i64, status: i64, headers: String, body: Vec<u8> }
            lines { epoch: i64, project_id: Option<String>, channel_id: Option<String>, last_offset: i64, last_number: i64, bytes: i64, gone_offset: i64, gone_number: i64, gone_bytes: i64, trimmed_offset: i64, due_at: i64, max_messages: Option<i64>, max_seconds: Option<i64> }
            messages { epoch: i64, line_offset: i64, number: i64, bytes: i64, bytes_before: i64, published_at: i64, sender: Option<String>, event: String, data: String }
            state_logs { id: i64, project_id: Option<String>, channel_id: Option<String>, last_version: i64, patches: i64, bytes: i64, gone_version: i64, gone_bytes: i64, due_at: i64 }
            state_versions { log_id: i64, version: i64, changed_at: i64, state_bytes: i64, stored: i64, stored_before: i64, author: Option<String>, patch: Option<String>, state: Option<String> }
            mailboxes { epoch: i64, project_id: String, token_id: Option<String>, last_number: i64, messages: i64, bytes: i64 }
            mails { epoch: i64, state: i64, number: i64, since: i64, due_at: i64, bytes: i64, event: String, data: String }
            jwt_keys { id: String, project_id: String, kid: Option<String>, kind: String, algorithm: Option<String>, material: String, issuer: Option<String>, audience: Option<String>, created_at: i64 }
            jwt_revocations { project_id: String, subject: String, revoked_at: i64 }
        }
    };
}

/// Copies every row of each table.
macro_rules! copy {
    (($from:ident by $mode:ty, $to:ident, $tell:ident) $($table:ident { $($column:ident: $kind:ty),* })*) => {
        $({
            let mut count = 0_u64;
            let mut rows = $table::table
                .select(($($table::$column,)*))
                .load_iter::<($($kind,)*), $mode>($from)?;
            // Nobody may ask again behind the last row: the statement would begin anew.
            let mut is_over = false;
            while !is_over {
                let piece = rows.by_ref().take(ROWS).collect::<QueryResult<Vec<_>>>()?;
                is_over = piece.len() < ROWS;
                count = count.saturating_add(crate::num::counter(piece.len()));
                let piece: Vec<_> = piece
                    .into_iter()
                    .map(|($($column,)*)| ($($table::$column.eq($column),)*))
                    .collect();
                diesel::insert_into($table::table).values(piece).execute($to)?;
            }
            $tell(stringify!($table), count);
        })*
    };
}

/// Refuses a database that has rows.
macro_rules! require_empty {
    (($to:ident) $($table:ident { $($column:ident: $kind:ty),* })*) => {
        $({
            let rows: i64 = $table::table.count().get_result($to)?;
            if rows > 0 {
                return Err(not_empty(stringify!($table)));
            }
        })*
    };
}

/// What is said of one that has.
fn not_empty(table: &str) -> StoreError {
    StoreError::Unavailable(format!(
        "there is something in it already ({table}): only an empty database is filled"
    ))
}

/// A file of which somebody else has the database.
fn in_use() -> StoreError {
    StoreError::Unavailable("a server is using the PostgreSQL database: stop it first".to_owned())
}

/// Takes what a file has, which nobody may have open, to a PostgreSQL that is empty.
///
/// # Errors
/// What is wrong with either; then nothing was changed, but for empty tables.
pub fn from_file(file: &Path, url: &str, tell: Progress<'_>) -> StoreResult<()> {
    let path = files::prepare(file)?;
    file_migrate::bring_up_to_date(&path)?;
    let mut source = file_connection::open(&path, file_connection::Role::Reader)?;
    let session = Session::hold(&Address::new(url), WriterHold::Alone, WAIT)?;
    let (_keeper, Session { connection: mut target, .. }) = session.ok_or_else(in_use)?;
    migrate::bring_up_to_date(&mut target)?;
    source.transaction(|source| target.transaction(|target| fill_postgres(source, target, tell)))
}

/// Fills the tables.
fn fill_postgres(
    source: &mut SqliteConnection,
    target: &mut PgConnection,
    tell: Progress<'_>,
) -> StoreResult<()> {
    with_tables!(require_empty!(target));
    with_tables!(copy!(source by DefaultLoadingMode, target, tell));
    let number = "SELECT setval('state_log_ids', coalesce(max(id), 0) + 1) FROM state_logs";
    Ok(target.batch_execute(number)?)
}

/// Takes what a PostgreSQL has, which no server may have, to a file that is empty or not there.
///
/// # Errors
/// As for [`from_file`].
pub fn to_file(url: &str, file: &Path, tell: Progress<'_>) -> StoreResult<()> {
    let address = Address::new(url);
    let (_keeper, mut held) =
        Session::hold(&address, WriterHold::Alone, WAIT)?.ok_or_else(in_use)?;
    migrate::bring_up_to_date(&mut held.connection)?;
    let mut source = connection::open(&address, SessionRole::Reader)?;
    let path = files::prepare(file)?;
    file_migrate::bring_up_to_date(&path)?;
    let mut target = file_connection::open(&path, file_connection::Role::Writer)?;
    source.transaction(|source| {
        target.immediate_transaction(|target| fill_file(source, target, tell))
    })
}

/// Fills the tables.
fn fill_file(
    source: &mut PgConnection,
    target: &mut SqliteConnection,
    tell: Progress<'_>,
) -> StoreResult<()> {
    with_tables!(require_empty!(target));
    with_tables!(copy!(source by PgRowByRowLoadingMode, target, tell));
    Ok(())
}
