//! What the process does when it is sent a signal.

use std::future::pending;
use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signal for a file that has become larger than the process may make it; by default it kills.
const FILE_SIZE: i32 = 25;
/// The signals that mean nothing here and would end the process, cleanly or not, if nobody took them.
const IGNORED: [(&str, SignalKind); 4] = [
    ("SIGHUP", SignalKind::hangup()),
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

impl Signals {
    /// Takes the process's signals from now on; those that mean nothing here are logged and forgotten.
    pub(super) fn take() -> Self {
        for (name, kind) in IGNORED {
            match signal(kind) {
                Ok(signal) => drop(actix_web::rt::spawn(ignore(name, signal))),
                Err(error) => tracing::warn!(%error, signal = name, "a signal is not ignored"),
            }
        }
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

/// Says that a signal came, and does nothing.
async fn ignore(name: &'static str, mut signal: Signal) {
    while signal.recv().await.is_some() {
        tracing::warn!(signal = name, "ignored");
    }
}
