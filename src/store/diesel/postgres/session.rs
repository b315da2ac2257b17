//! The connection that writes, and the lock that it holds: whoever has lost the one has lost the other.
//!
//! Beside it, the keeper holds a lock that is taken first. A writer drops its connection whenever a group of writes does not end
//! well; who waits for the database meanwhile waits for the keeper, and does not come in between.

use super::address::Address;
use super::connection::{self, SessionRole};
use super::timeline::Timeline;
use crate::store::StoreResult;
use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Bool, Integer, Text};
use std::thread::sleep;
use std::time::Duration;

/// How long to wait before the lock is tried again.
const PAUSE: Duration = Duration::from_millis(25);

/// Takes a lock of this name, which is the schema's: `PostgreSQL` lets it go with the connection.
const TAKE: &str = "SELECT pg_try_advisory_lock(
    ('x' || substr(md5($1 || current_schema()), 1, 16))::bit(64)::bigint) AS is_ours";
/// Takes it beside others who take it so.
const SHARE: &str = "SELECT pg_try_advisory_lock_shared(
    ('x' || substr(md5($1 || current_schema()), 1, 16))::bit(64)::bigint) AS is_ours";
/// The name of the keeper's.
const KEPT: &str = "warren ";
/// The name of the writer's.
const WRITTEN: &str = "warren writer ";

/// Whether a writer keeps others from writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WriterHold {
    /// It does: a server that is alone.
    Alone,
    /// It lets others write that say the same, and keeps away whoever wants to be alone: one server of several.
    Shared,
    /// It writes beside whoever does: a command.
    Beside,
}

/// What serves a connection at the other end. A number alone may be given out again.
#[derive(Clone, Debug, QueryableByName)]
pub(super) struct ServerProcess {
    /// The process's number.
    #[diesel(sql_type = Integer)]
    pid: i32,
    /// When it began.
    #[diesel(sql_type = Text)]
    began: String,
}

impl ServerProcess {
    /// Ends it, if it is still there: what it has not committed is rolled back, and its locks are free.
    pub(super) fn end(&self, connection: &mut PgConnection) -> QueryResult<()> {
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                   WHERE pid = $1 AND backend_start::text = $2";
        let end = sql_query(end).bind::<Integer, _>(self.pid).bind::<Text, _>(&self.began);
        end.execute(connection).map(drop)
    }
}

/// Whether the lock was free.
#[derive(QueryableByName)]
struct LockTaken {
    /// It was, and is held now.
    #[diesel(sql_type = Bool)]
    is_ours: bool,
}

/// A connection that writes.
pub(super) struct Session {
    /// The connection.
    pub(super) connection: PgConnection,
    /// What serves it.
    pub(super) process: ServerProcess,
    /// Which history that goes on with.
    pub(super) timeline: Timeline,
}

impl Session {
    /// Opens one that keeps nobody from anything.
    pub(super) fn open(address: &Address) -> StoreResult<Self> {
        let mut connection = connection::open(address, SessionRole::Writer)?;
        let process = "SELECT pid, backend_start::text AS began FROM pg_stat_activity
                       WHERE pid = pg_backend_pid()";
        let process = sql_query(process).get_result(&mut connection)?;
        let timeline = Timeline::of(&mut connection);
        Ok(Self { connection, process, timeline })
    }

    /// Opens one that holds the database, with its keeper; nothing if somebody else does for so long.
    pub(super) fn hold(
        address: &Address,
        hold: WriterHold,
        wait: Duration,
    ) -> StoreResult<Option<(Keeper, Self)>> {
        let Some(keeper) = Keeper::open(address, hold, wait)? else { return Ok(None) };
        let mut session = Self::open(address)?;
        Ok(session.take(hold, wait)?.then_some((keeper, session)))
    }

    /// Takes the database, for which it waits so long.
    pub(super) fn take(&mut self, hold: WriterHold, wait: Duration) -> StoreResult<bool> {
        take(&mut self.connection, (WRITTEN, hold), wait)
    }
}

/// The connection that keeps the place of a writer that may have to come back.
pub(super) struct Keeper(PgConnection);

impl Keeper {
    /// Opens it; nothing if somebody else has the place for so long.
    pub(super) fn open(
        address: &Address,
        hold: WriterHold,
        wait: Duration,
    ) -> StoreResult<Option<Self>> {
        let mut connection = connection::open(address, SessionRole::Writer)?;
        Ok(take(&mut connection, (KEPT, hold), wait)?.then_some(Self(connection)))
    }

    /// Whether it has its place still.
    pub(super) fn is_there(&mut self) -> bool {
        self.0.batch_execute("SELECT 1").is_ok()
    }
}

/// Takes a lock, for which it waits so long: the connection of one that has just gone is seen to have gone a moment later.
fn take(
    connection: &mut PgConnection,
    (name, hold): (&str, WriterHold),
    wait: Duration,
) -> StoreResult<bool> {
    let take = match hold {
        WriterHold::Alone => TAKE,
        WriterHold::Shared => SHARE,
        WriterHold::Beside => return Ok(true),
    };
    let mut waited = Duration::ZERO;
    loop {
        let taken = sql_query(take).bind::<Text, _>(name).get_result(connection);
        let LockTaken { is_ours } = taken?;
        if is_ours || waited >= wait {
            return Ok(is_ours);
        }
        sleep(PAUSE);
        waited += PAUSE;
    }
}
