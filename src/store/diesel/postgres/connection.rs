//! How a connection is set up, and the proof that what `PostgreSQL` says is durable is durable.

use super::address::Address;
use super::error;
use crate::store::{StoreError, StoreResult};
use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Bool, Integer, Text};

/// The oldest version that is served: older ones are tested by nobody here.
const OLDEST: i32 = 150_000;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SessionRole {
    /// Changes tables and rows.
    Writer,
    /// Reads; anything else is an error. What it reads in one transaction is of one moment.
    Reader,
}

impl SessionRole {
    /// What this kind of connection is told. Nobody but an operator with a tool of his own can hold a lock for long: what belongs to
    /// somebody who has vanished in the middle of a transaction, and with him the gate, is ended by the database.
    const fn settings(self) -> &'static str {
        match self {
            Self::Writer => {
                "SET default_transaction_isolation = 'read committed'; SET lock_timeout = '5s';
                SET idle_in_transaction_session_timeout = '30s';"
            }
            Self::Reader => {
                "SET default_transaction_isolation = 'repeatable read'; SET default_transaction_read_only = on;"
            }
        }
    }
}

/// What a server says of itself.
#[derive(QueryableByName)]
struct Facts {
    /// The version as a number.
    #[diesel(sql_type = Integer)]
    version: i32,
    /// And for people.
    #[diesel(sql_type = Text)]
    shown: String,
    /// Whether a commit is on the disk.
    #[diesel(sql_type = Text)]
    fsync: String,
    /// Whether a torn page can be mended.
    #[diesel(sql_type = Text)]
    full_page_writes: String,
    /// Whether a commit waits for that.
    #[diesel(sql_type = Text)]
    synchronous_commit: String,
    /// How text is stored.
    #[diesel(sql_type = Text)]
    encoding: String,
    /// Whether it only follows another one.
    #[diesel(sql_type = Bool)]
    is_standby: bool,
}

/// Asks for all of it.
const FACTS: &str = "SELECT current_setting('server_version_num')::int4 AS version,
    current_setting('server_version') AS shown, current_setting('fsync') AS fsync,
    current_setting('full_page_writes') AS full_page_writes,
    current_setting('synchronous_commit') AS synchronous_commit,
    current_setting('server_encoding') AS encoding, pg_is_in_recovery() AS is_standby";

impl Facts {
    /// What speaks against it; nothing if it can be trusted.
    fn objection(&self) -> Option<String> {
        let Self { version, shown, fsync, full_page_writes, synchronous_commit, .. } = self;
        if *version < OLDEST {
            return Some(format!("PostgreSQL {shown} is too old; 15 or newer is needed"));
        }
        let settings = [
            ("fsync", fsync),
            ("full_page_writes", full_page_writes),
            ("synchronous_commit", synchronous_commit),
        ];
        if let Some((name, _)) = settings.iter().find(|(_, value)| *value == "off") {
            return Some(format!(
                "PostgreSQL has {name} = off, with which it loses what it has acknowledged; switch it on"
            ));
        }
        if self.encoding != "UTF8" {
            let encoding = &self.encoding;
            return Some(format!("the database's encoding is {encoding}; it must be UTF8"));
        }
        self.is_standby.then(|| "this PostgreSQL is a standby; name the primary one".to_owned())
    }
}

/// Opens a connection and sets it up; a writer's only where it can be trusted.
pub(super) fn open(address: &Address, role: SessionRole) -> StoreResult<PgConnection> {
    let opened = PgConnection::establish(address.url());
    let mut connection = opened.map_err(|error| address.clean(error::not_opened(&error)))?;
    connection.batch_execute(role.settings())?;
    if role == SessionRole::Writer {
        check(&mut connection)?;
    }
    Ok(connection)
}

/// Checks that what it says is durable is durable; returns what it is.
pub(super) fn check(connection: &mut PgConnection) -> StoreResult<String> {
    let facts: Facts = sql_query(FACTS).get_result(connection)?;
    facts.objection().map_or_else(
        || Ok(format!("PostgreSQL {}", facts.shown)),
        |why| Err(StoreError::Unavailable(why)),
    )
}

/// Sets a fresh reader up.
pub(super) fn set_up_reader(connection: &mut PgConnection) -> QueryResult<()> {
    connection.batch_execute(SessionRole::Reader.settings())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that can be trusted.
    fn good() -> Facts {
        Facts {
            version: 150_000,
            shown: "15.0".to_owned(),
            fsync: "on".to_owned(),
            full_page_writes: "on".to_owned(),
            synchronous_commit: "on".to_owned(),
            encoding: "UTF8".to_owned(),
            is_standby: false,
        }
    }

    #[test]
    fn a_server_that_loses_commits_is_refused() {
        let off = || "off".to_owned();
        assert_eq!(good().objection(), None);
        assert_eq!(Facts { synchronous_commit: "local".to_owned(), ..good() }.objection(), None);
        for (facts, word) in [
            (Facts { version: 140_020, shown: "14.20".to_owned(), ..good() }, "14.20 is too old"),
            (Facts { fsync: off(), ..good() }, "fsync = off"),
            (Facts { full_page_writes: off(), ..good() }, "full_page_writes = off"),
            (Facts { synchronous_commit: off(), ..good() }, "synchronous_commit = off"),
            (Facts { encoding: "LATIN1".to_owned(), ..good() }, "LATIN1"),
            (Facts { is_standby: true, ..good() }, "standby"),
        ] {
            let objection = facts.objection();
            assert!(objection.as_ref().is_some_and(|it| it.contains(word)), "{objection:?}");
        }
    }
}
