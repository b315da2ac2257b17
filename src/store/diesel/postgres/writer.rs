//! The one connection that writes, many writes to a commit.

use super::address::Address;
use super::gate;
use super::session::{Keeper, ServerProcess, Session, WriterHold};
use super::store::DieselStore;
use super::timeline::Timeline;
use crate::store::{GroupStore, StoreError, StoreResult, WriteStore};
use diesel::connection::{AnsiTransactionManager, SimpleConnection as _, TransactionManager as _};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Nullable, Text};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a writer that comes back waits for the one before it to have gone.
const HOLD_WAIT: Duration = Duration::from_secs(5);
/// How long it is asked what has become of a commit: its askers wait for that.
const LONGEST: Duration = Duration::from_secs(10);
/// How long is waited before it is asked again.
const PAUSE: Duration = Duration::from_millis(250);

/// The writer.
pub(super) struct PostgresWriter {
    /// Where the database is.
    address: Address,
    /// Whether it keeps others from writing.
    hold: WriterHold,
    /// What keeps its place meanwhile, unless that broke.
    keeper: Option<Keeper>,
    /// The connection, unless a group took it and did not end well: dropping it rolls everything back.
    session: Option<Session>,
    /// What served the newest connection, also when that is not here any more, and its history.
    newest: Option<(ServerProcess, Timeline)>,
}

/// One word, or none.
#[derive(QueryableByName)]
struct FoundWord {
    /// The word.
    #[diesel(sql_type = Nullable<Text>)]
    word: Option<String>,
}

impl PostgresWriter {
    /// A writer over these connections, or ones of its own.
    pub(super) fn open(
        address: Address,
        hold: WriterHold,
        first: Option<(Option<Keeper>, Session)>,
    ) -> StoreResult<Self> {
        let (keeper, session) =
            first.map_or((None, None), |(keeper, session)| (keeper, Some(session)));
        let newest = session.as_ref().map(served);
        let mut writer = Self { address, hold, keeper, session, newest };
        if writer.session.is_none() {
            writer.session = Some(writer.connect()?);
        }
        Ok(writer)
    }

    /// Opens a connection in the place of the one before, which is ended where it is not known to have gone: it may be in the
    /// middle of a transaction, and it holds the database.
    fn connect(&mut self) -> StoreResult<Session> {
        let mut session = Session::open(&self.address)?;
        if let Some((before, timeline)) = self.newest.replace(served(&session)) {
            before.end(&mut session.connection)?;
            if session.timeline.is_not(&timeline) {
                tracing::warn!(
                    "PostgreSQL has failed over: what the one before had committed and not sent to this one is lost"
                );
                // Its place is kept at the other one, which nobody writes to any more.
                self.keeper = None;
            }
        }
        if !session.take(self.hold, HOLD_WAIT)? {
            let reason =
                "another server has taken the database while this one was not connected to it";
            return Err(StoreError::Unavailable(reason.to_owned()));
        }
        self.keep()?;
        Ok(session)
    }

    /// Sees to it that the place is kept. Who waits for it at a start may have it for a moment; what counts is that nobody
    /// else writes.
    fn keep(&mut self) -> StoreResult<()> {
        let is_kept = self.keeper.as_mut().is_some_and(Keeper::is_there);
        if self.hold != WriterHold::Beside && !is_kept {
            self.keeper = Keeper::open(&self.address, self.hold, Duration::ZERO)?;
        }
        Ok(())
    }

    /// Begins a transaction, once nobody else is in one. Where the connection has gone, nothing has been written on it, and a
    /// new one does.
    fn begin(&mut self) -> StoreResult<Session> {
        if let Some(mut session) = self.session.take() {
            let Err(error) = gate::begin(&mut session.connection) else { return Ok(session) };
            if gate::turn_back(&mut session.connection).is_ok() {
                self.session = Some(session);
                return Err(error.into());
            }
        }
        let mut session = self.connect()?;
        gate::begin(&mut session.connection)?;
        Ok(session)
    }

    /// Runs something in a transaction of its own and commits it.
    fn transact(
        &mut self,
        run: impl FnOnce(&mut PgConnection) -> StoreResult<()>,
    ) -> StoreResult<()> {
        let mut session = self.begin()?;
        run(&mut session.connection)?;
        // Without a number nothing was written. In a transaction that cannot go on, this fails, where COMMIT would not.
        let number = "SELECT pg_current_xact_id_if_assigned()::text AS word";
        let number: FoundWord = sql_query(number).get_result(&mut session.connection)?;
        match AnsiTransactionManager::commit_transaction(&mut session.connection) {
            Ok(()) => {
                self.session = Some(session);
                Ok(())
            }
            Err(error) => {
                let timeline = session.timeline.clone();
                drop(session);
                match number.word {
                    Some(number) => self.look_up(&number, &timeline, error.into()),
                    None => Err(error.into()),
                }
            }
        }
    }

    /// Finds out what has become of a transaction whose COMMIT had no answer, or this one. Who goes on with another history
    /// may have given its number to another transaction, and knows nothing of this one.
    #[expect(clippy::disallowed_methods, reason = "how long somebody really waits")]
    fn look_up(&mut self, number: &str, timeline: &Timeline, error: StoreError) -> StoreResult<()> {
        let begun = Instant::now();
        while begun.elapsed() < LONGEST {
            let asked = self.connect().and_then(|mut session| {
                let knows_it = session.timeline.is(timeline);
                let status =
                    knows_it.then(|| status(&mut session.connection, number)).transpose()?;
                self.session = Some(session);
                Ok(status)
            });
            let status = match asked {
                Ok(Some(status)) => status,
                Ok(None) => break,
                Err(_) => None,
            };
            match status.as_deref() {
                Some("committed") => {
                    tracing::warn!(%error, "a commit had no answer, and stands");
                    return Ok(());
                }
                Some("aborted") => return Err(error),
                // It cannot be reached yet, or the process that had the transaction has not ended.
                _ => sleep(PAUSE),
            }
        }
        Err(StoreError::Unavailable(format!("{error}; nobody can be asked whether it stands")))
    }
}

/// What serves a connection, and its history.
fn served(session: &Session) -> (ServerProcess, Timeline) {
    (session.process.clone(), session.timeline.clone())
}

/// What has become of a transaction: committed, aborted, in progress, or nothing if that was too long ago.
pub(super) fn status(connection: &mut PgConnection, number: &str) -> StoreResult<Option<String>> {
    let status = "SELECT pg_xact_status(CAST($1 AS xid8)) AS word";
    let found: FoundWord = sql_query(status).bind::<Text, _>(number).get_result(connection)?;
    Ok(found.word)
}

impl GroupStore for PostgresWriter {
    fn group(&mut self, run: &mut dyn FnMut(&mut dyn WriteStore)) -> StoreResult<()> {
        self.transact(|connection| {
            let mut store = DieselStore::new(connection);
            run(&mut store);
            store.into_outcome()
        })
    }

    fn check(&mut self) -> StoreResult<()> {
        if let Some(mut session) = self.session.take()
            && session.connection.batch_execute("SELECT 1").is_ok()
        {
            self.session = Some(session);
            return self.keep();
        }
        self.session = Some(self.connect()?);
        Ok(())
    }

    fn probe(&mut self) -> StoreResult<()> {
        let probe = "INSERT INTO store_probes VALUES (1, 1)
                     ON CONFLICT (number) DO UPDATE SET times = store_probes.times + 1";
        self.transact(|connection| Ok(connection.batch_execute(probe)?))
    }

    fn close(&mut self) -> StoreResult<()> {
        self.session = None;
        self.keeper = None;
        Ok(())
    }
}
