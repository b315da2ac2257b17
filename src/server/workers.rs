//! The worker threads: each accepts connections for itself and serves them until they end.
//!
//! A thread that accepted for all of them would be woken for each connection, and would have to wake a worker.

use super::door;
use super::door::Door;
use super::stopping::{IDLE_TIME, REQUESTS_TIME};
use crate::config::SocketWay;
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
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The most connections of one worker; the process's file descriptors are the bound that counts.
const MAX_CONNECTIONS: usize = 100_000;
/// How long a worker leaves its listener alone that could not accept: for want of file descriptors, most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How much longer a stopping worker accepts: those whom the system has connected by then would be reset.
const LAST_CONNECTIONS: Duration = Duration::from_millis(20);

/// How long connections may take to end after their last word.
const LAST_BYTES: Duration = Duration::from_secs(1);

/// Says that the server stops, and knows when it has.
#[derive(Clone)]
pub(super) struct Stop {
    /// Says that nobody is accepted any more.
    listeners_end: CancellationToken,
    /// Says that connections end on which no request has begun.
    idle_end: CancellationToken,
    /// All connections that may bring a request, and the listeners.
    requests: TaskTracker,
    /// All connections.
    connections: TaskTracker,
    /// Says that the threads end.
    finished: CancellationToken,
}

impl Stop {
    /// Nothing said yet.
    fn new() -> Self {
        Self {
            listeners_end: CancellationToken::new(),
            idle_end: CancellationToken::new(),
            requests: TaskTracker::new(),
            connections: TaskTracker::new(),
            finished: CancellationToken::new(),
        }
    }

    /// Accepts nothing more and answers what is under way.
    pub(super) async fn end_requests(&self) {
        self.listeners_end.cancel();
        self.requests.close();
        if timeout(IDLE_TIME, self.requests.wait()).await.is_err() {
            self.idle_end.cancel();
            if timeout(REQUESTS_TIME, self.requests.wait()).await.is_err() {
                tracing::warn!(requests = self.requests.len(), "stopped with requests open");
            }
        }
        self.idle_end.cancel();
    }

    /// Ends the threads, and whatever still runs on them. What sockets were told last may still be on its way to their
    /// streams where the HTTP layer writes it.
    pub(super) async fn finish(&self) {
        self.connections.close();
        let _ = timeout(LAST_BYTES, self.connections.wait()).await;
        self.finished.cancel();
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
    pub(super) fn start(
        listeners: Vec<TcpListener>,
        app: &http::App,
        way: SocketWay,
    ) -> io::Result<Self> {
        let stop = Stop::new();
        let mut arbiters = Vec::new();
        for listener in listeners {
            listener.set_nonblocking(true)?;
            let arbiter = Arbiter::new();
            let (app, stop) = (app.clone(), stop.clone());
            arbiter.spawn_fn(move || {
                app.supervisor.settle_here();
                actix::spawn(work(listener, app, way, stop));
            });
            arbiters.push(arbiter);
        }
        Ok(Self { stop, arbiters })
    }

    /// What stops them.
    pub(super) fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// Waits until they were stopped, then ends them.
    pub(super) async fn ended(self) {
        self.stop.finished.cancelled().await;
        for arbiter in &self.arbiters {
            arbiter.stop();
        }
    }
}

/// What one worker does until it is stopped.
async fn work(listener: TcpListener, app: http::App, way: SocketWay, stop: Stop) {
    let opened = Listener::from_std(listener);
    // Who is accepted last still has a request to make.
    let place = stop.requests.token();
    let (listener, door) = match (opened, door::open(app, way, stop.idle_end.clone()).await) {
        (Ok(listener), Some(door)) => (listener, door),
        (opened, _) => {
            tracing::error!(error = ?opened.err(), "a worker cannot serve");
            return;
        }
    };
    stop.listeners_end.run_until_cancelled(accept(&listener, &door, &stop)).await;
    let _ = timeout(LAST_CONNECTIONS, accept(&listener, &door, &stop)).await;
    drop(place);
}

/// Accepts connections for ever.
async fn accept<S>(listener: &Listener, door: &Door<S>, stop: &Stop)
where
    S: Service<door::Request, Response = (), Error = DispatchError> + 'static,
{
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    // The semaphore is never closed.
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let (door, request) = (door.clone(), stop.requests.token());
                let serve = async move {
                    door.serve(stream, peer, request).await;
                    drop(place);
                };
                actix::spawn(stop.connections.track_future(serve));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
