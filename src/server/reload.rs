//! Settings that change while the server runs: by SIGHUP, and by `warren reload` over a socket in the data folder.

use super::served_certificate::ServedCertificate;
use super::service_manager;
use crate::config::{Config, ConfigError, Reconfigured};
use crate::http::{self, HttpLimits};
use crate::tls::CertificateError;
use serde::{Deserialize, Serialize};
use std::fmt::Display;
use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream as Stream;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Mutex;
use tokio::time::timeout;

/// The socket in the data folder.
const SOCKET: &str = "warren.control";
/// What is asked on it; nothing else can be.
const QUESTION: &[u8] = b"reload\n";
/// How long somebody may take to ask, and to take the answer.
const ASKING_TIME: Duration = Duration::from_secs(5);
/// How long `warren reload` waits for the answer.
const ANSWER_TIME: Duration = Duration::from_mins(1);

/// Where the settings are read from again.
pub type ReadAgain = Box<dyn Fn() -> Result<Config, ConfigError>>;

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReloadAnswer {
    /// What is wrong; then nothing has changed, but for declared things before the one that it names.
    pub error: Option<String>,
    /// Settings that have changed, as `key = value`.
    pub changed: Vec<String>,
    /// Settings that change with a restart only.
    pub restart: Vec<String>,
    /// How many declared things were made.
    pub made: u64,
    /// How many declared things were changed.
    pub adjusted: u64,
}

impl ReloadAnswer {
    /// That nothing has changed.
    fn failed(error: &dyn Display) -> Self {
        Self { error: Some(error.to_string()), ..Self::default() }
    }
}

/// A certificate that cannot take the place of the one in force.
#[derive(Debug, thiserror::Error)]
#[error("{0}; the certificate in force stays")]
struct CertificateStays(CertificateError);

/// Changes what can change.
pub(super) struct Reloader {
    /// What answers.
    app: http::App,
    /// What runs. Locked while it changes, so that one change follows the other.
    running: Mutex<Config>,
    /// The certificate, where there is one.
    certificate: Option<Rc<ServedCertificate>>,
    /// Where the settings are from.
    again: ReadAgain,
    /// What the HTTP layer's bounds are made of besides settings.
    sockets: usize,
}

impl Reloader {
    /// Changes what runs by these settings.
    pub(super) fn new(
        app: http::App,
        running: Config,
        certificate: Option<Rc<ServedCertificate>>,
        again: ReadAgain,
    ) -> Rc<Self> {
        let sockets = app.limits.get().sockets;
        Rc::new(Self { app, running: Mutex::new(running), certificate, again, sockets })
    }

    /// Reads the settings again, changes what can change, and says in the log what has, and what has not.
    pub(super) async fn reload(&self) -> ReloadAnswer {
        let mut running = self.running.lock().await;
        service_manager::reloading();
        let answer = match (self.again)() {
            Ok(wanted) => self.change(&mut running, &wanted).await,
            Err(error) => ReloadAnswer::failed(&error),
        };
        for setting in &answer.changed {
            tracing::info!(setting, "changed");
        }
        for setting in &answer.restart {
            tracing::warn!(setting, "changes with a restart only");
        }
        if let Some(error) = &answer.error {
            tracing::error!(error, "not reloaded");
        } else {
            tracing::info!(made = answer.made, adjusted = answer.adjusted, "reloaded");
        }
        service_manager::ready();
        answer
    }

    /// Changes what can change.
    async fn change(&self, running: &mut Config, wanted: &Config) -> ReloadAnswer {
        let Reconfigured { config, mut changed, restart } = match running.reconfigured(wanted) {
            Ok(reconfigured) => reconfigured,
            Err(error) => return ReloadAnswer::failed(&error),
        };
        let looked = self.certificate.as_ref().map(|certificate| certificate.look());
        let next = match looked.transpose() {
            Ok(next) => next.flatten(),
            Err(error) => return ReloadAnswer::failed(&CertificateStays(error)),
        };
        // Declared things first: where one cannot be, the settings stay too.
        let limits = limits(&config, self.sockets);
        let about = match http::bring_about(&self.app, &config.declared, &limits).await {
            Ok(about) => about,
            Err(error) => return ReloadAnswer::failed(&error),
        };
        self.app.supervisor.change_settings(Arc::new(config.settings));
        self.app.supervisor.set_drain(config.drain.clone());
        self.app.supervisor.recorder().change(config.recorder());
        self.app.change_limits(limits);
        self.app.pages.change(config.allowed_origins.clone());
        self.app.settings.change(config.in_force());
        if let (Some(certificate), Some(next)) = (&self.certificate, next) {
            changed.push(next.to_string());
            certificate.put(next);
        }
        if let Some(certificate) = &self.certificate {
            certificate.try_again();
        }
        *running = config;
        let http::BroughtAbout { made, changed: adjusted } = about;
        ReloadAnswer { error: None, changed, restart, made, adjusted }
    }
}

/// The HTTP layer's bounds, with so many sockets.
pub(super) fn limits(config: &Config, sockets: usize) -> HttpLimits {
    HttpLimits {
        sockets,
        message_bytes: config.message_bytes,
        state_bytes: config.settings.state_bytes,
        address_connections: config.address_connections,
        address_unidentified: config.address_unidentified,
        unidentified: config.unidentified,
        requests: config.limits.requests(),
        project_webhooks: config.project_webhooks,
        keys: config.keys,
        keys_memory_bytes: config.keys_memory_bytes,
        log_requests: config.log_requests,
        ..HttpLimits::default()
    }
}

/// The socket by which a server is asked; removed when dropped.
pub(super) struct ControlSocket {
    /// Where it is.
    path: PathBuf,
    /// What listens.
    listener: UnixListener,
}

impl ControlSocket {
    /// Listens in a data folder, which is this process's alone. Where that cannot be, SIGHUP does the same.
    pub(super) fn listen(data: &Path) -> Option<Self> {
        let path = data.join(SOCKET);
        // One that a killed server has left.
        let _ = std::fs::remove_file(&path);
        let bound = UnixListener::bind(&path).and_then(|listener| {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600))?;
            Ok(listener)
        });
        match bound {
            Ok(listener) => Some(Self { path, listener }),
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "`warren reload` will not work; SIGHUP does");
                None
            }
        }
    }

    /// Answers whoever asks, one after the other, for ever.
    pub(super) async fn serve(self, reloader: Rc<Reloader>) {
        loop {
            let Ok((stream, _)) = self.listener.accept().await else {
                // No descriptor is free, most likely; nobody is in a hurry here.
                tokio::time::sleep(ASKING_TIME).await;
                continue;
            };
            if let Err(error) = answer(stream, &reloader).await {
                tracing::debug!(%error, "who asked to reload has gone");
            }
        }
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // The next server on the folder does it as well.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Hears one question and answers it.
async fn answer(mut stream: UnixStream, reloader: &Reloader) -> io::Result<()> {
    let mut question = [0; QUESTION.len()];
    timeout(ASKING_TIME, stream.read_exact(&mut question)).await??;
    if question != QUESTION {
        return Ok(());
    }
    let answer = serde_json::to_vec(&reloader.reload().await)?;
    timeout(ASKING_TIME, stream.write_all(&answer)).await??;
    stream.shutdown().await
}

/// Asks the server that has this data folder to reload.
///
/// # Errors
/// There is none, or it does not answer.
pub(crate) fn ask(data: &Path) -> io::Result<ReloadAnswer> {
    let mut stream = Stream::connect(data.join(SOCKET))?;
    stream.set_read_timeout(Some(ANSWER_TIME))?;
    stream.set_write_timeout(Some(ASKING_TIME))?;
    stream.write_all(QUESTION)?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(serde_json::from_slice(&answer)?)
}
