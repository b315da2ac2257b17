//! The order in which a server goes: not ready, nobody new, answers to what is under way, and only then the sockets, so
//! that they hear all that was acknowledged.

use super::service_manager;
use super::workers::Stop;
use crate::actor::{Persistence, Supervisor};
use std::time::Duration;
use tokio::time::timeout;

/// How long sockets may take to end behind their close frame.
const SOCKETS_TIME: Duration = Duration::from_secs(3);

/// How long may be asked what sessions have not heard.
const SESSIONS_TIME: Duration = Duration::from_secs(1);

/// How long the database may take to put its log away.
const CLOSE_TIME: Duration = Duration::from_secs(5);

/// The longest that all of it takes where nobody is sent away by and by: each wait has its bound (`docs/RUNTIME.md`, Starting and
/// stopping).
const LONGEST: Duration = Duration::from_secs(21);

/// Ends the event log and then the writing, and leaves all of it in the database's one file, so that a backup can take its
/// place.
pub(super) async fn close(persistence: &Persistence) {
    persistence.end_event_log().await;
    match timeout(CLOSE_TIME, persistence.close()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the database's log stays beside it"),
        Err(_) => {
            tracing::warn!("the database's log stays beside it: putting it away takes too long");
        }
    }
}

/// Takes everything down.
pub(super) async fn stop(stopper: &Stop, supervisor: &Supervisor) {
    supervisor.begin_stop();
    let connections = supervisor.connections();
    service_manager::stopping(connections, supervisor.drain().over + LONGEST);
    tracing::info!(connections, "stopping");
    stopper.end_requests().await;
    close_sockets(supervisor).await;
    stopper.finish().await;
}

/// Closes the sockets, waits for their end, and stores what did not come through.
pub(super) async fn close_sockets(supervisor: &Supervisor) {
    let sockets = async {
        supervisor.close_all().await;
        supervisor.connections_ended().await;
    };
    let longest = supervisor.drain().over + SOCKETS_TIME;
    if timeout(longest, sockets).await.is_err() {
        tracing::warn!("stopped with sockets open");
    }
    if timeout(SESSIONS_TIME, supervisor.keep_unheard()).await.is_err() {
        tracing::warn!("what tokens have not heard was not stored: `missed` will be null");
    }
}
