//! The connections that read.

use super::connection::{self, Role};
use super::error;
use crate::store::StoreResult;
use diesel::ConnectionError;
use diesel::r2d2::{ConnectionManager, CustomizeConnection, Error, Pool};
use diesel::sqlite::SqliteConnection;
use std::time::Duration;

/// How long a read waits for a free connection before it is refused.
pub(super) const WAIT: Duration = Duration::from_secs(5);

/// A pool of connections that read.
pub(super) type Readers = Pool<ConnectionManager<SqliteConnection>>;

/// Sets a reader up before its first use.
#[derive(Debug)]
struct SetUpReader;

impl CustomizeConnection<SqliteConnection, Error> for SetUpReader {
    fn on_acquire(&self, connection: &mut SqliteConnection) -> Result<(), Error> {
        connection::set_up(connection, Role::Reader).map_err(|error| {
            Error::ConnectionError(ConnectionError::BadConnection(error.to_string()))
        })
    }
}

/// Opens `size` readers, at least one, so that a wrong setting shows at start and not with the first read. When all
/// are busy, a read waits for at most `wait`, in earnest [`WAIT`].
///
/// They stay open for good: a file does not hang up, and a warm page cache is worth keeping.
pub(super) fn open(url: &str, size: u32, wait: Duration) -> StoreResult<Readers> {
    Pool::builder()
        .max_size(size.max(1))
        .connection_timeout(wait)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_on_check_out(false)
        .connection_customizer(Box::new(SetUpReader))
        .build(ConnectionManager::new(url))
        .map_err(error::no_reader)
}
