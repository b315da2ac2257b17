//! `PostgreSQL` through Diesel: the other database.
//!
//! The tables' files are those of `SQLite`, compiled once more: `backend` says what differs. To read on: `session` is the
//! connection that writes and what it holds, `writer` the group commit and what becomes of a COMMIT without an answer.

mod address;
mod backend;
mod claims;
mod connection;
mod gate;
mod migrate;
pub mod moving;
mod pool;
mod session;
mod timeline;
mod writer;

#[path = "../admin_tokens.rs"]
mod admin_tokens;
#[path = "../answers.rs"]
mod answers;
#[path = "../authorizers.rs"]
mod authorizers;
#[path = "../channels.rs"]
mod channels;
#[path = "../deliveries.rs"]
mod deliveries;
#[path = "../history.rs"]
mod history;
#[path = "../hot.rs"]
mod hot;
#[path = "../jwt.rs"]
mod jwt;
#[path = "../mailbox/mod.rs"]
mod mailbox;
#[path = "../orphaned_mail.rs"]
mod orphaned_mail;
#[path = "../outbox.rs"]
mod outbox;
#[path = "../projects.rs"]
mod projects;
#[path = "../registers.rs"]
mod registers;
#[path = "../sending.rs"]
mod sending;
#[path = "../state_log.rs"]
mod state_log;
#[path = "../store.rs"]
mod store;
#[path = "../subscriptions.rs"]
mod subscriptions;
#[path = "../tokens.rs"]
mod tokens;
#[path = "../unheard.rs"]
mod unheard;
#[path = "../webhooks.rs"]
mod webhooks;

#[cfg(test)]
mod cluster;
#[cfg(test)]
mod tests;

use super::{error, rows, schema};
use crate::store::{Database, GroupStore, ReadStore, StoreResult};
use address::Address;
use connection::SessionRole;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::Text;
use pool::Readers;
use session::{Keeper, Session, WriterHold};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use store::DieselStore;
use writer::PostgresWriter;

/// What servers that share a database know each other by.
#[derive(QueryableByName)]
struct ClusterName {
    /// The name.
    #[diesel(sql_type = Text)]
    id: String,
}

/// A `PostgreSQL` database.
pub struct PostgresDatabase {
    /// Where it is.
    address: Address,
    /// Whether its writer keeps others from writing.
    hold: WriterHold,
    /// The connections of the writer to come.
    first: Mutex<Option<(Option<Keeper>, Session)>>,
    /// The connections that read.
    readers: Readers,
}

impl PostgresDatabase {
    /// Takes the database at `url` for this process and brings its tables up to date; nothing while another process has it,
    /// for which it waits so long. With room for `readers` reads at a time. It is given back with the writer.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`](crate::store::StoreError::Unavailable) when it cannot be reached, keeps less than it says,
    /// is too old, or a newer Warren has changed the tables.
    pub fn open(url: &str, readers: u32, wait: Duration) -> StoreResult<Option<Self>> {
        let (address, hold) = (Address::new(url), WriterHold::Alone);
        let Some((keeper, mut session)) = hold_current(&address, hold, wait)? else {
            return Ok(None);
        };
        let claims = session.connection.transaction(|connection| {
            gate::enter(connection)?;
            claims::let_go(connection)
        })?;
        if claims > 0 {
            tracing::info!(
                claims,
                "deliveries that were being posted when a server ended are posted again"
            );
        }
        Self::with(address, hold, (Some(keeper), session), readers).map(Some)
    }

    /// The same for one of several servers that have the database together: nothing while one has it that is alone.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn share(url: &str, readers: u32, wait: Duration) -> StoreResult<Option<Self>> {
        let (address, hold) = (Address::new(url), WriterHold::Shared);
        let Some((keeper, session)) = hold_current(&address, hold, wait)? else {
            return Ok(None);
        };
        Self::with(address, hold, (Some(keeper), session), readers).map(Some)
    }

    /// Opens the database at `url` for a moment, beside a server that has it: no table is changed under the server's feet.
    ///
    /// # Errors
    /// As [`Self::open`], and where the tables are older than this program, or not there.
    pub fn open_beside(url: &str) -> StoreResult<Self> {
        let address = Address::new(url);
        let mut session = Session::open(&address)?;
        migrate::require_up_to_date(&mut session.connection)?;
        Self::with(address, WriterHold::Beside, (None, session), 1)
    }

    /// Whether the database at `url` has tables of Warren's, or none yet; nothing is changed.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn has_tables(url: &str) -> StoreResult<bool> {
        let mut connection = connection::open(&Address::new(url), SessionRole::Reader)?;
        Ok(!migrate::applied(&mut connection)?.is_empty())
    }

    /// What answers at `url`, in words; looked at and not changed.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn examine(url: &str) -> StoreResult<String> {
        let mut connection = connection::open(&Address::new(url), SessionRole::Reader)?;
        connection::check(&mut connection)
    }

    /// Opens the readers beside a writer's connections.
    fn with(
        address: Address,
        hold: WriterHold,
        first: (Option<Keeper>, Session),
        readers: u32,
    ) -> StoreResult<Self> {
        let readers = pool::open(&address, readers, pool::WAIT)?;
        Ok(Self { address, hold, first: Mutex::new(Some(first)), readers })
    }
}

/// Holds the database and brings its tables up to date; nothing if somebody else has it for so long.
fn hold_current(
    address: &Address,
    hold: WriterHold,
    wait: Duration,
) -> StoreResult<Option<(Keeper, Session)>> {
    let Some((keeper, mut session)) = Session::hold(address, hold, wait)? else { return Ok(None) };
    migrate::bring_up_to_date(&mut session.connection)?;
    Ok(Some((keeper, session)))
}

impl Database for PostgresDatabase {
    fn writer(&self) -> StoreResult<Box<dyn GroupStore>> {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(Box::new(PostgresWriter::open(self.address.clone(), self.hold, first)?))
    }

    fn cluster(&self) -> StoreResult<Option<String>> {
        if self.hold != WriterHold::Shared {
            return Ok(None);
        }
        let connection = self.readers.get();
        let mut connection =
            connection.map_err(|error| self.address.clean(error::no_reader(error)))?;
        let ClusterName { id } =
            sql_query("SELECT id FROM clusters").get_result(&mut *connection)?;
        Ok(Some(id))
    }

    fn has_claims(&self) -> bool {
        true
    }

    fn read(&self, run: &mut dyn FnMut(&mut dyn ReadStore)) -> StoreResult<()> {
        let connection = self.readers.get();
        let mut connection =
            connection.map_err(|error| self.address.clean(error::no_reader(error)))?;
        run(&mut DieselStore::new(&mut connection));
        Ok(())
    }
}
