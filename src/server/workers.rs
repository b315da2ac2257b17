//! The worker threads: each accepts connections for itself and serves them until they end.
//!
//! A thread that accepted for all of them would be woken for each connection, and would have to wake a worker.

use super::door::{Door, Listener};
use super::fast_path;
use super::fast_path::FastPath;
use crate::config::SocketWay;
use crate::http;
use crate::telemetry::Seldom;
use actix::{Arbiter, ArbiterHandle};
use actix_http::error::DispatchError;
use actix_service::Service;
use futures_util::future::join_all;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How many connections are told at once that there is no room for them; more are ended without a word.
const MAX_REFUSALS: usize = 32;
/// How long one of them may take to read it.
const REFUSAL_TIME: Duration = Duration::from_secs(1);
/// How long a worker leaves its listener alone that could not accept: for want of file descriptors, most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How much longer a stopping worker accepts from a socket of the server's own: those whom the system has connected by then
/// would be reset.
const LAST_CONNECTIONS: Duration = Duration::from_millis(20);

/// How long a connection on which no request has begun is kept: a client that sends one now is answered, and told that it
/// was the last.
const IDLE_TIME: Duration = Duration::from_secs(1);
/// How long requests that have begun may take to end after that.
const REQUESTS_TIME: Duration = Duration::from_secs(4);
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
    /// Whether the listening sockets stay when the server has gone: who has not been accepted by then is the next one's.
    is_handed_over: bool,
}

impl Stop {
    /// Nothing said yet.
    fn new(is_handed_over: bool) -> Self {
        Self {
            listeners_end: CancellationToken::new(),
            idle_end: CancellationToken::new(),
            requests: TaskTracker::new(),
            connections: TaskTracker::new(),
            finished: CancellationToken::new(),
            is_handed_over,
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
    /// The threads.
    arbiters: Vec<Arbiter>,
}

impl Workers {
    /// Starts a thread for each list of listeners; each takes a shard of the supervisor in.
    pub(super) fn start(
        listeners: Vec<Vec<Listener>>,
        app: &http::App,
        way: SocketWay,
        connections: usize,
        is_handed_over: bool,
    ) -> Self {
        let places = Places::new(connections);
        let stop = Stop::new(is_handed_over);
        let mut arbiters = Vec::new();
        for own in listeners {
            let arbiter = Arbiter::new();
            let (app, stop, places) = (app.clone(), stop.clone(), places.clone());
            arbiter.spawn_fn(move || {
                app.supervisor.settle_here();
                actix::spawn(work(own, app, way, stop, places));
            });
            arbiters.push(arbiter);
        }
        Self { stop, arbiters }
    }

    /// What stops them.
    pub(super) fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// The ways to them.
    pub(super) fn handles(&self) -> Vec<ArbiterHandle> {
        self.arbiters.iter().map(Arbiter::handle).collect()
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
async fn work(own: Vec<Listener>, app: http::App, way: SocketWay, stop: Stop, places: Places) {
    let opened = own.into_iter().map(Listener::open).collect::<io::Result<Vec<Door>>>();
    // Who is accepted last still has a request to make.
    let place = stop.requests.token();
    let (doors, fast_path) = match (opened, fast_path::open(app, way, stop.idle_end.clone()).await)
    {
        (Ok(doors), Some(fast_path)) => (doors, fast_path),
        (opened, _) => {
            tracing::error!(error = ?opened.err(), "a worker cannot serve");
            return;
        }
    };
    let accept = || join_all(doors.iter().map(|door| accept(door, &fast_path, &stop, &places)));
    stop.listeners_end.run_until_cancelled(accept()).await;
    if !stop.is_handed_over {
        let _ = timeout(LAST_CONNECTIONS, accept()).await;
    }
    drop(place);
}

/// The connections that there may be; cheap to clone, one count for all workers.
#[derive(Clone)]
struct Places {
    /// Those that are served.
    served: Arc<Semaphore>,
    /// Those that are told that there is no room.
    refused: Arc<Semaphore>,
}

impl Places {
    /// So many.
    fn new(connections: usize) -> Self {
        Self {
            served: Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS))),
            refused: Arc::new(Semaphore::new(MAX_REFUSALS)),
        }
    }

    /// Tells a connection that there is no room, if not too many are being told.
    fn refuse(&self, stream: TcpStream) {
        let Ok(place) = Arc::clone(&self.refused).try_acquire_owned() else { return };
        actix::spawn(async move {
            let _ = timeout(REFUSAL_TIME, turn_away(stream)).await;
            drop(place);
        });
    }
}

/// Says to come back later, and reads on to the end: a stream that is ended unread is reset, and its words are lost.
async fn turn_away(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(&http::last_words(&http::ApiError::Overloaded)).await?;
    stream.shutdown().await?;
    let mut unread = [0; 1024];
    while stream.read(&mut unread).await? > 0 {}
    Ok(())
}

/// Accepts connections for ever.
async fn accept<S>(door: &Door, fast_path: &FastPath<S>, stop: &Stop, places: &Places)
where
    S: Service<fast_path::Request, Response = (), Error = DispatchError> + 'static,
{
    let seldom = Seldom::new();
    let complain = |error: &dyn std::fmt::Display| {
        if seldom.is_due() {
            tracing::warn!(%error, "connections are not accepted; said once a minute at most");
        }
    };
    loop {
        match door.accept().await {
            Ok((stream, peer)) => {
                let Ok(place) = Arc::clone(&places.served).try_acquire_owned() else {
                    complain(&"there are as many as the file descriptors allow");
                    // Under TLS it could only be told behind a handshake, for which there is no room either.
                    if door.tls().is_none() {
                        places.refuse(stream);
                    }
                    continue;
                };
                let (fast_path, request) = (fast_path.clone(), stop.requests.token());
                let tls = door.tls().cloned();
                let serve = async move {
                    // In a box of its own, which is gone before what comes of it begins: an idle socket should not carry it.
                    let socket = Box::pin(fast_path.serve(stream, peer, tls, request)).await;
                    if let Some(running) = socket {
                        running.await;
                    }
                    drop(place);
                };
                actix::spawn(stop.connections.track_future(serve));
            }
            Err(error) => {
                complain(&error);
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
