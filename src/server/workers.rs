//! The worker threads of the raw stream: each accepts connections for itself and serves them until they end.
//!
//! A thread that accepted for all of them would be woken for each connection, and would have to wake a worker.

use super::door::Door;
use super::{SHUTDOWN_TIME, door};
use crate::http;
use actix::Arbiter;
use actix_http::error::DispatchError;
use actix_service::Service;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener as Listener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The most connections of one worker; the process's file descriptors are the bound that counts.
const MAX_CONNECTIONS: usize = 100_000;
/// How long a worker leaves its listener alone that could not accept: for want of file descriptors, most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Says that the server stops, and knows when it has.
#[derive(Clone)]
pub(super) struct Stop {
    /// Says it.
    token: CancellationToken,
    /// All connections and listeners.
    tasks: TaskTracker,
}

impl Stop {
    /// Accepts nothing more and gives open requests some time to end.
    pub(super) async fn stop(&self) {
        self.token.cancel();
        self.tasks.close();
        if tokio::time::timeout(SHUTDOWN_TIME, self.tasks.wait()).await.is_err() {
            tracing::warn!(connections = self.tasks.len(), "stopped with connections open");
        }
    }
}

/// The threads.
pub(super) struct Workers {
    /// Says that they stop.
    stop: Stop,
    /// One for each listener.
    arbiters: Vec<Arbiter>,
}

impl Workers {
    /// Starts a thread for each listener; each takes a shard of the supervisor in.
    pub(super) fn start(listeners: Vec<TcpListener>, app: &http::App) -> io::Result<Self> {
        let stop = Stop { token: CancellationToken::new(), tasks: TaskTracker::new() };
        let mut arbiters = Vec::new();
        for listener in listeners {
            listener.set_nonblocking(true)?;
            let arbiter = Arbiter::new();
            let (app, stop) = (app.clone(), stop.clone());
            arbiter.spawn_fn(move || {
                app.supervisor.settle_here();
                let (tasks, work) = (stop.tasks.clone(), work(listener, app, stop));
                actix::spawn(tasks.track_future(work));
            });
            arbiters.push(arbiter);
        }
        Ok(Self { stop, arbiters })
    }

    /// What stops them.
    pub(super) fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// Waits until they were stopped and have ended.
    pub(super) async fn ended(self) {
        self.stop.token.cancelled().await;
        self.stop.stop().await;
        for arbiter in &self.arbiters {
            arbiter.stop();
        }
    }
}

/// What one worker does until it is stopped.
async fn work(listener: TcpListener, app: http::App, stop: Stop) {
    let opened = Listener::from_std(listener);
    let (listener, door) = match (opened, door::open(app, stop.token.clone()).await) {
        (Ok(listener), Some(door)) => (listener, door),
        (opened, _) => {
            tracing::error!(error = ?opened.err(), "a worker cannot serve");
            return;
        }
    };
    stop.token.run_until_cancelled(accept(&listener, &door, &stop.tasks)).await;
}

/// Accepts connections for ever.
async fn accept<S>(listener: &Listener, door: &Door<S>, tasks: &TaskTracker)
where
    S: Service<door::Request, Response = (), Error = DispatchError> + 'static,
{
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    // The semaphore is never closed.
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let door = door.clone();
                let serve = async move {
                    door.serve(stream, peer).await;
                    drop(place);
                };
                actix::spawn(tasks.track_future(serve));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
