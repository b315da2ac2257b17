//! SIGINT and SIGTERM end a run early, but in order: a server of our own must not outlive it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use tokio::signal::unix::{SignalKind, signal};

/// Whether somebody wants it to end.
#[derive(Clone, Debug, Default)]
pub(super) struct Interrupt {
    /// Whether a signal came.
    came: Arc<AtomicBool>,
}

impl Interrupt {
    /// Watches from now on. Where that cannot be done, signals do what they always do.
    pub(super) fn watch() -> Self {
        let interrupt = Self::default();
        let seen = interrupt.came.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
        if let Ok(runtime) = runtime {
            thread::spawn(move || {
                runtime.block_on(async {
                    let terminated = signal(SignalKind::terminate());
                    let (Ok(mut terminated), Ok(mut interrupted)) =
                        (terminated, signal(SignalKind::interrupt()))
                    else {
                        return;
                    };
                    tokio::select! {
                        _ = terminated.recv() => {}
                        _ = interrupted.recv() => {}
                    }
                    seen.store(true, Relaxed);
                });
            });
        }
        interrupt
    }

    /// Whether a signal came.
    pub(super) fn came(&self) -> bool {
        self.came.load(Relaxed)
    }
}
