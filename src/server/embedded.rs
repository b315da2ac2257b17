//! A server that is a part of another program: everything but the listening.

use super::{Opened, ServerError, ServerLocks, descriptors, open as open_parts, stopping, sweep};
use crate::actor::Supervisor;
use crate::config::Config;
use crate::first_run::FirstRun;
use crate::http;
use actix::{Arbiter, System};
use std::sync::{Mutex, PoisonError};
use tokio::task::JoinHandle;

/// What has to be ended; nothing once it was.
pub(crate) struct RunningServer(Mutex<Option<RunningParts>>);

/// What runs.
struct RunningParts {
    /// The database and its folder are this process's, and the webhook sender runs.
    held: ServerLocks,
    /// The threads of channels and sessions.
    threads: Vec<Arbiter>,
    /// The look for what the last process left behind.
    sweeping: JoinHandle<()>,
}

/// Opens everything and waits until it can answer.
///
/// # Errors
/// [`ServerError`].
pub(crate) async fn open(
    config: Config,
) -> Result<(http::App, Option<FirstRun>, RunningServer), ServerError> {
    if System::try_current().is_none() {
        return Err(ServerError::NoSystem);
    }
    let connections = descriptors::connections(descriptors::current(), config.workers);
    let Opened { app, first, held } = open_parts(&config, connections).await?;
    let threads = app.supervisor.settle_apart();
    app.supervisor.ready().await;
    super::bus::join(&app.supervisor).await;
    let sweeping = sweep(app.supervisor.clone(), config.settings.session_grace);
    let sweeping = actix_web::rt::spawn(sweeping);
    let running = RunningServer(Mutex::new(Some(RunningParts { held, threads, sweeping })));
    if let Err(error) = http::bring_about(&app, &config.declared, &app.limits.get()).await {
        running.end(&app.supervisor).await;
        return Err(error.into());
    }
    Ok((app, first, running))
}

impl RunningServer {
    /// Ends everything in order, the first time that it is called.
    pub(crate) async fn end(&self, supervisor: &Supervisor) {
        let parts = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(RunningParts { held, threads, sweeping }) = parts else { return };
        supervisor.begin_stop();
        sweeping.abort();
        stopping::close_sockets(supervisor).await;
        supervisor.leave_others().await;
        held.sender.cancel();
        stopping::close(supervisor.persistence()).await;
        for thread in threads {
            thread.stop();
        }
        drop(held);
    }
}
