//! What the process does when it is sent a signal.

use std::future::pending;
use std::io;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signal for a file that has become larger than the process may make it; by default it kills.
const FILE_SIZE: i32 = 25;
/// How long nothing is said of the same signal again: each failing write may bring one.
const SILENCE: Duration = Duration::from_secs(10);
/// The signals that mean nothing here and would end the process, cleanly or not, if nobody took them.
const IGNORED: [(&str, SignalKind); 3] = [
    ("SIGUSR1", SignalKind::user_defined1()),
    ("SIGUSR2", SignalKind::user_defined2()),
    // The write that went too far fails all the same, and whoever made it deals with that.
    ("SIGXFSZ", SignalKind::from_raw(FILE_SIZE)),
];

/// The signals that end the server.
pub(super) struct Signals {
    /// SIGTERM.
    terminate: io::Result<Signal>,
    /// SIGINT.
    interrupt: io::Result<Signal>,
}

/// Takes the signals that mean nothing here from now on: they are logged and forgotten.
pub(super) fn ignore_others() {
    for (name, kind) in IGNORED {
        match signal(kind) {
            Ok(signal) => drop(actix_web::rt::spawn(ignore(name, signal))),
            Err(error) => tracing::warn!(%error, signal = name, "a signal is not ignored"),
        }
    }
}

impl Signals {
    /// Takes them from now on; before, they end the process at once, which has nothing to take down yet.
    pub(super) fn take() -> Self {
        Self {
            terminate: signal(SignalKind::terminate()),
            interrupt: signal(SignalKind::interrupt()),
        }
    }

    /// Waits for one that ends the server.
    pub(super) async fn stop(&mut self) {
        tokio::select! {
            () = received(&mut self.terminate) => {}
            () = received(&mut self.interrupt) => {}
        }
    }
}

/// The signal to read the settings again.
pub(super) struct Hangup(io::Result<Signal>);

impl Hangup {
    /// Takes it from now on: one that comes too early for it is answered later, and none ends the process.
    pub(super) fn take() -> Self {
        Self(signal(SignalKind::hangup()))
    }

    /// Waits for it.
    pub(super) async fn received(&mut self) {
        received(&mut self.0).await;
    }
}

/// Waits for a signal; for ever, where it could not be taken: then it does what it does by default.
async fn received(signal: &mut io::Result<Signal>) {
    let has_come = match signal {
        Ok(signal) => signal.recv().await.is_some(),
        Err(_) => false,
    };
    if !has_come {
        pending::<()>().await;
    }
}

/// Says that a signal came, now and then if it keeps coming, and does nothing.
async fn ignore(name: &'static str, mut signal: Signal) {
    while signal.recv().await.is_some() {
        tracing::warn!(signal = name, "ignored");
        tokio::time::sleep(SILENCE).await;
    }
}
