//! Wires store, supervisor and HTTP together, and takes them down in order.

mod bus;
pub(crate) mod called;
mod client_stream;
pub(crate) mod database;
pub(crate) mod descriptors;
mod door;
pub(crate) mod embedded;
mod fast_path;
mod handed;
mod handshake;
mod head;
mod listen;
mod operator;
mod preface;
mod prefixed;
mod raw_stream;
mod record_ledger;
mod reload;
#[cfg(feature = "acme")]
mod renewal;
mod served_certificate;
mod service_manager;
mod signals;
mod stopping;
mod system_stream;
mod tls_halves;
mod unacknowledged;
mod upgrade;
mod workers;

use crate::actor::webhook::WebhookSender;
use crate::actor::{Arrivals, AskError, Persistence, Supervisor, clock};
use crate::config::Config;
use crate::domain::ChannelKey;
use crate::first_run::{self, FirstRun, FirstRunError};
use crate::http;
use crate::store::{ReadStore, StoreError};
use crate::tls::CertificateError;
#[cfg(feature = "acme")]
use crate::tls::CertificateSource;
use actix_web::rt::net::TcpStream;
use database::DatabaseLock;
use door::BoundAddress;
use handed::HandedOver;
use listen::{Listening, listen};
pub use reload::ReadAgain;
pub use reload::ReloadAnswer;
pub(crate) use reload::ask as ask_to_reload;
use reload::{ControlSocket, Reloader};
use served_certificate::ServedCertificate;
use signals::{Hangup, Signals};
use std::fs::{DirBuilder, File, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Connections that read the database at a time.
const READERS: u32 = 4;
/// How long a start waits for a database that another process has, and may have left a moment ago.
const LEFT_BEHIND: Duration = Duration::from_secs(5);
/// How long an idle HTTP connection is kept: publishers pause. Five seconds more than they are told
/// (`http::KEEP_ALIVE_HINT`).
const KEEP_ALIVE: Duration = Duration::from_secs(80);
/// How long a request's head may take to arrive, of every request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// How many channels are read at a time to be looked at after a start.
const SWEEP_PAGE: u64 = 1000;
/// How long sent bytes may stay unacknowledged before the connection counts as dead: a reader that has stopped reading
/// cannot hold its socket longer than this.
const UNACKNOWLEDGED_TIMEOUT: Duration = Duration::from_secs(30);

/// Why the server did not start or ended.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// It was opened where no actors can run.
    #[error("there is no actix system here: open it inside of #[actix_web::main]")]
    NoSystem,
    /// Another process has the data folder.
    #[error(
        "another server is using the data folder {0}; end it, or name another folder by --data"
    )]
    InUse(PathBuf),
    /// Another process has the database.
    #[error("another server is using the database {0}")]
    DatabaseInUse(String),
    /// The data folder cannot be used.
    #[error(
        "cannot use {path}: {source}; the data folder (--data) must belong to the user that the server runs as"
    )]
    Data {
        /// The folder, or the file in it.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The bus cannot be used.
    #[cfg(feature = "redis")]
    #[error("the bus: {0}")]
    Bus(#[from] crate::bus::redis::WireError),
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The database does not answer.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The first run could not be made.
    #[error(transparent)]
    FirstRun(#[from] FirstRunError),
    /// Something that is declared cannot be.
    #[error(transparent)]
    Declared(#[from] http::DeclareError),
    /// The certificate cannot be shown.
    #[error("tls-cert, tls-key: {0}")]
    Certificate(#[from] CertificateError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}{}", listening_hint(source.kind()))]
    Listen {
        /// The address.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// A socket that the service manager has handed over is of no use.
    #[error("the socket `{name}` that was handed over (LISTEN_FDS) cannot be used: {why}")]
    HandedOver {
        /// What the service manager calls it.
        name: String,
        /// Why.
        why: String,
    },
    /// A second signal came while the server was stopping.
    #[error("ended at once by a second signal: what was answered is stored, connections were cut")]
    Interrupted,
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What helps where an address cannot be listened on.
const fn listening_hint(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::AddrInUse => {
            "; something listens there already: end it, or choose another place by --listen"
        }
        io::ErrorKind::PermissionDenied => {
            "; ports below 1024 take rights of their own: choose another by --listen"
        }
        io::ErrorKind::AddrNotAvailable => "; this machine has no such address",
        _ => "",
    }
}

/// The file in the data folder that says who has it, and where that server listens.
const LOCK: &str = "warren.lock";

/// Runs the server until it is told to stop; `again` reads its settings anew when they are to be.
///
/// # Errors
/// [`ServerError`] when it cannot start.
pub async fn run(config: Config, again: ReadAgain) -> Result<(), ServerError> {
    run_and(config, again, |_| {}).await
}

/// The same; what is to be done when it listens, and before that is said, is told what the addresses of its pages begin with.
///
/// # Errors
/// [`ServerError`] when it cannot start.
pub async fn run_and(
    config: Config,
    again: ReadAgain,
    listens: impl FnOnce(&str),
) -> Result<(), ServerError> {
    let handed_over = HandedOver::take()?;
    signals::ignore_others();
    let hangup = Hangup::take();
    let connections = descriptors::connections(descriptors::plenty(), config.workers);
    let Opened { app, first, held } = open(&config, connections).await?;
    let supervisor = app.supervisor.clone();
    let mut signals = Signals::take();
    let operator = operator::listen(config.metrics_listen, handed_over.operator, &app)?;
    let certificate = ServedCertificate::open(&config, &app)?;
    let handshakes = certificate.as_ref().map(|one| one.handshakes()).transpose()?;
    let public = listen::Speaking { handed_over: handed_over.public, tls: handshakes.as_ref() };
    let Listening { workers, places } = listen(&config, &app, connections, public)?;
    let (address, base) = announce(&places.bound, first.as_ref(), &held);
    let stopper = workers.stop();
    let watching = actix_web::rt::spawn(service_manager::watch(workers.handles()));
    let mut running = actix_web::rt::spawn(workers.ended());
    supervisor.ready().await;
    bus::join(&supervisor).await;
    if let Err(error) = http::bring_about(&app, &config.declared, &app.limits.get()).await {
        stopping::stop(&stopper, &supervisor).await;
        stopping::close(supervisor.persistence()).await;
        places.clear();
        return Err(error.into());
    }
    // Whoever is told that it is ready may ask.
    let reloading = reload_when_asked(&app, config.clone(), certificate, again, hangup);
    listens(&base);
    say(&format_args!("ready: {base}"));
    tracing::info!(%address, workers = config.workers, data = %config.data.display(), "ready");
    service_manager::ready();
    let policy = config.webhooks.policy.clone();
    actix_web::rt::spawn(called::warn_of_refused(supervisor.persistence().clone(), policy));
    actix_web::rt::spawn(sweep(supervisor.clone(), config.settings.session_grace));
    let early = tokio::select! {
        () = signals.stop() => None,
        ended = &mut running => Some(ended),
    };
    reloading.abort();
    watching.abort();
    let taken_down = async {
        stopping::stop(&stopper, &supervisor).await;
        supervisor.leave_others().await;
        stopping::close(supervisor.persistence()).await;
        match early {
            Some(ended) => ended,
            None => running.await,
        }
    };
    let ended = tokio::select! {
        ended = taken_down => ended.map_err(|error| ServerError::Io(io::Error::other(error))),
        () = signals.stop() => Err(ServerError::Interrupted),
    };
    if let Some(operator) = operator {
        operator.stop(false).await;
    }
    places.clear();
    tracing::info!(at = %clock::now(), "stopped");
    ended
}

/// The page that watches the first channel of a project, where the addresses of pages begin like this.
#[cfg(feature = "cli")]
pub(crate) fn page(base: &str, project: &str) -> String {
    first_run::page(base, &crate::domain::ProjectId::from(project))
}

/// Says where the server listens, and what a first run made; returns the place that is told, and what requests there begin
/// with: the first TCP port, if there is one.
fn announce(
    bound: &[BoundAddress],
    first: Option<&FirstRun>,
    held: &ServerLocks,
) -> (String, String) {
    let main = bound.iter().find(|place| !matches!(place, BoundAddress::Unix(_))).or(bound.first());
    let address = main.map(ToString::to_string).unwrap_or_default();
    let base = main.map(BoundAddress::base).unwrap_or_default();
    if let Err(error) = writeln!(&held.data, "{address}") {
        tracing::warn!(%error, "`warren info` will show the configured address");
    }
    match first {
        Some(first) => say(&first.lines(&base)),
        None => say(&format_args!("url: {base}/\nconsole: {base}/console")),
    }
    for other in bound.iter().filter(|place| Some(*place) != main) {
        say(&format_args!("also: {}", other.base()));
        tracing::info!(address = %other, "listening here too");
    }
    (address, base)
}

/// Reads the settings again whenever somebody wants that, by signal or by socket, and the certificate also when its files
/// change, until it is aborted.
fn reload_when_asked(
    app: &http::App,
    config: Config,
    certificate: Option<Rc<ServedCertificate>>,
    again: ReadAgain,
    mut hangup: Hangup,
) -> tokio::task::JoinHandle<()> {
    let control = ControlSocket::listen(&config.data);
    let reloader = Reloader::new(app.clone(), config, certificate.clone(), again);
    actix_web::rt::spawn(async move {
        let by_socket = async {
            match control {
                Some(control) => control.serve(Rc::clone(&reloader)).await,
                None => std::future::pending().await,
            }
        };
        let by_signal = async {
            loop {
                hangup.received().await;
                reloader.reload().await;
            }
        };
        let by_file = async {
            if let Some(certificate) = certificate {
                keep_good(&certificate).await;
            }
        };
        tokio::join!(by_socket, by_signal, by_file);
    })
}

/// Keeps the certificate in force good, for ever: orders it, or looks whether somebody has put another one there.
async fn keep_good(certificate: &ServedCertificate) {
    #[cfg(feature = "acme")]
    {
        if let CertificateSource::Acme(settings) = &certificate.source {
            return renewal::renew(certificate, settings).await;
        }
    }
    certificate.watch().await;
}

/// A server that nobody can reach yet.
struct Opened {
    /// What answers.
    app: http::App,
    /// What the first run made, if this was one.
    first: Option<FirstRun>,
    /// What is this process's as long as it runs.
    held: ServerLocks,
}

/// What a server has for itself alone.
struct ServerLocks {
    /// The data folder.
    data: File,
    /// The database's file, if it is one.
    _database: Option<DatabaseLock>,
    /// Ends the webhook sender.
    sender: CancellationToken,
}

/// Opens store, actors and webhook sender, for so many connections.
///
/// # Errors
/// [`ServerError`].
async fn open(config: &Config, connections: usize) -> Result<Opened, ServerError> {
    let data = lock(&config.data)?;
    let is_shared = config.bus.is_some();
    let taken = database::take(&config.database, is_shared, READERS, LEFT_BEHIND)?;
    let Some((locked, opened)) = taken else {
        return Err(ServerError::DatabaseInUse(config.database.shown()));
    };
    let bus = bus::start(config.bus.as_ref(), &*opened).await?;
    let persistence = Persistence::start(opened)?;
    persistence.load_hooks().await?;
    if is_shared {
        persistence.launch_event_log_beside().await;
    } else {
        persistence.launch_event_log().await?;
    }
    let first = first_run::set_up(&persistence, config.first_run.clone()).await?;
    let sender = WebhookSender::launch(persistence.clone(), config.webhooks.clone());
    let supervisor =
        Supervisor::with_bus(config.workers, persistence.clone(), config.settings, bus);
    supervisor.recorder().change(config.recorder());
    supervisor.take_unheard().await?;
    let limits = reload::limits(config, descriptors::sockets(connections));
    persistence.launch_pruning(limits.keys.window);
    persistence.launch_state_log_pruning(config.settings.state_log);
    persistence.launch_history_pruning(config.settings.history);
    persistence.launch_mailbox_pruning();
    let app = http::App::new(persistence, supervisor, limits);
    let app = app.with_proxies(config.proxies.clone());
    let app = app.with_allowed_origins(config.allowed_origins.clone());
    let app = app.with_webhook_policy(config.webhooks.policy.clone());
    let app = match config.database.file() {
        Some(file) => app.with_database(file),
        None => app,
    };
    app.supervisor.set_drain(config.drain.clone());
    // Nobody comes back to a database that was empty.
    let app = if first.is_some() {
        app
    } else {
        let stop = app.supervisor.stop_begun();
        app.with_arrivals(Arrivals::expected(
            config.drain.rate,
            config.settings.session_grace,
            stop,
        ))
    };
    app.settings.change(config.in_force());
    Ok(Opened { app, first, held: ServerLocks { data, _database: locked, sender } })
}

/// Bounds how long a peer may leave bytes unacknowledged.
fn give_up_on_dead_peers(stream: &TcpStream) {
    let socket = socket2::SockRef::from(stream);
    // A platform without the option falls back to its own, longer time.
    let _ = socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_TIMEOUT));
}

/// Deletes ephemeral channels whose sessions died with the last process, once these have had their time to come back.
async fn sweep(supervisor: Supervisor, grace: Duration) {
    tokio::time::sleep(grace).await;
    let mut last: Option<ChannelKey> = None;
    loop {
        let behind = last.clone();
        let page = move |store: &mut dyn ReadStore| {
            store.marked_channels_after(behind.as_ref(), SWEEP_PAGE)
        };
        let page = match supervisor.persistence().read(page).await {
            Ok(page) => page,
            Err(error) => {
                tracing::warn!(%error, "ephemeral channels were not looked at");
                return;
            }
        };
        let Some(end) = page.last() else { return };
        last = Some(end.clone());
        for key in page {
            // One that is gone by now, or cannot be asked, is looked at again after the next start.
            let _ = supervisor.sweep_channel(&key).await;
        }
    }
}

/// Takes the data folder for this process alone; creates it if it is missing.
///
/// # Errors
/// [`ServerError::InUse`] while a server has it, [`ServerError::Data`].
pub(crate) fn lock(data: &Path) -> Result<File, ServerError> {
    let failed = |source| ServerError::Data { path: data.to_owned(), source };
    let mut folder = DirBuilder::new();
    // It holds secrets.
    let made = folder.recursive(true).mode(0o700).create(data);
    // What is said of a file in its place does not say what it is.
    let is_file = made.is_err() && data.is_file();
    made.map_err(|error| if is_file { io::ErrorKind::NotADirectory.into() } else { error })
        .map_err(failed)?;
    let name = data.join(LOCK);
    let failed = |source| ServerError::Data { path: name.clone(), source };
    // What a running server wrote there stays.
    let file = File::options().create(true).truncate(false).write(true).open(&name);
    let file = file.map_err(failed)?;
    match file.try_lock() {
        Ok(()) => file.set_len(0).map(|()| file).map_err(failed),
        Err(TryLockError::WouldBlock) => Err(ServerError::InUse(data.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Where the server listens that has this data folder, as it wrote itself; for when one has.
pub(crate) fn address(data: &Path) -> Option<String> {
    let said = std::fs::read_to_string(data.join(LOCK)).ok()?;
    Some(said.lines().next()?.to_owned()).filter(|address| !address.is_empty())
}

/// Prints a line that scripts rely on; the only output to standard output. Where that is closed, the server runs all the
/// same.
fn say(line: &dyn std::fmt::Display) {
    let mut out = io::stdout().lock();
    if let Err(error) = writeln!(out, "{line}").and_then(|()| out.flush()) {
        tracing::warn!(%error, "standard output takes nothing: the first run's tokens are lost, if there were any \
            (`warren admin create-token` makes a new one)");
    }
}

#[cfg(test)]
mod tests;
