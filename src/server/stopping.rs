//! The order in which a server goes: not ready, nobody new, answers to what is under way, and only then the sockets, so
//! that they hear all that was acknowledged.

use super::listen::Stopper;
use crate::actor::Supervisor;
use std::time::Duration;
use tokio::time::timeout;

/// How long a connection on which no request has begun is kept: a client that sends one now is answered, and told that it
/// was the last.
pub(super) const IDLE_TIME: Duration = Duration::from_secs(1);
/// How long requests that have begun may take to end after that.
pub(super) const REQUESTS_TIME: Duration = Duration::from_secs(4);
/// How long sockets may take to end behind their close frame.
const SOCKETS_TIME: Duration = Duration::from_secs(3);

/// Takes everything down.
pub(super) async fn stop(stopper: &Stopper, supervisor: &Supervisor) {
    supervisor.begin_stop();
    tracing::info!("stopping");
    stopper.end_requests().await;
    let sockets = async {
        supervisor.close_all().await;
        supervisor.connections_ended().await;
    };
    if timeout(SOCKETS_TIME, sockets).await.is_err() {
        tracing::warn!("stopped with sockets open");
    }
    stopper.finish().await;
}
