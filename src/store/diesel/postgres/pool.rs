//! The connections that read.

use super::address::Address;
use super::connection;
use super::error;
use crate::store::StoreResult;
use diesel::pg::PgConnection;
use diesel::r2d2::{ConnectionManager, CustomizeConnection, Error, Pool};
use std::time::Duration;

/// How long a read waits for a free connection before it is refused.
pub(super) const WAIT: Duration = Duration::from_secs(5);

/// A pool of connections that read.
pub(super) type Readers = Pool<ConnectionManager<PgConnection>>;

/// Sets a reader up before its first use.
#[derive(Debug)]
struct SetUpPostgresReader;

impl CustomizeConnection<PgConnection, Error> for SetUpPostgresReader {
    fn on_acquire(&self, connection: &mut PgConnection) -> Result<(), Error> {
        connection::set_up_reader(connection).map_err(Error::QueryError)
    }
}

/// Opens `size` readers, at least one. When all are busy, a read waits for at most `wait`, in earnest [`WAIT`].
///
/// Each is tried before it is used: after a restart of `PostgreSQL` all are broken, and nothing but trying tells.
pub(super) fn open(address: &Address, size: u32, wait: Duration) -> StoreResult<Readers> {
    Pool::builder()
        .max_size(size.max(1))
        .connection_timeout(wait)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_on_check_out(true)
        .connection_customizer(Box::new(SetUpPostgresReader))
        .build(ConnectionManager::new(address.url()))
        .map_err(|error| address.clean(error::no_reader(error)))
}
