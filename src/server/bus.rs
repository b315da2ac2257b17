//! The bus of one of several servers.

use super::ServerError;
use crate::actor::Supervisor;
use crate::bus::shared::SharedBus;
use crate::config::BusPlace;
use crate::store::Database;
use std::sync::Arc;

/// Makes this server known to the others, if there are any. What fails is tried again with the next connection.
pub(super) async fn join(supervisor: &Supervisor) {
    if let Err(error) = supervisor.join_others().await {
        tracing::warn!(%error, "other servers do not know of this one yet");
    }
}

/// Connects to the bus, if there is one.
///
/// # Errors
/// [`ServerError::Bus`], [`ServerError::Store`].
#[cfg(feature = "redis")]
pub(super) async fn start(
    place: Option<&BusPlace>,
    database: &dyn Database,
) -> Result<Option<Arc<dyn SharedBus>>, ServerError> {
    let Some(place) = place else { return Ok(None) };
    let Some(cluster) = database.cluster()? else { return Ok(None) };
    tracing::warn!(
        "several servers serve this database: a preview, docs/OPERATING.md says what they do not share yet"
    );
    let bus = crate::bus::redis::RedisBus::start(place.secret().to_owned(), cluster).await?;
    Ok(Some(Arc::new(bus)))
}

/// There is none in a program that speaks to no Redis: the settings refuse it.
#[cfg(not(feature = "redis"))]
#[expect(clippy::unused_async, reason = "as with a Redis")]
pub(super) async fn start(
    _place: Option<&BusPlace>,
    _database: &dyn Database,
) -> Result<Option<Arc<dyn SharedBus>>, ServerError> {
    Ok(None)
}
