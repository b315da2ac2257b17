//! How far something long is, on a terminal.

use crate::backup::Growth;
use indicatif::{ProgressBar, ProgressStyle};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often a growing file is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Shows on a terminal how far a file has grown, until it is dropped; where standard error is none, nothing is shown.
pub(super) struct Watcher {
    /// Ends the thread.
    done: Option<Sender<()>>,
    /// The thread.
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    /// Watches from now on.
    pub(super) fn of(growth: Growth) -> Self {
        let (done, ended) = channel::<()>();
        let bar = ProgressBar::new(growth.of);
        let style = ProgressStyle::with_template("{bar:40} {bytes} of at most {total_bytes}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let watch = move || {
            while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                bar.set_position(growth.partial.metadata().map_or(0, |found| found.len()));
            }
            bar.finish_and_clear();
        };
        let thread = std::thread::Builder::new().name("progress".to_owned()).spawn(watch).ok();
        Self { done: Some(done), thread }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        drop(self.done.take());
        if let Some(thread) = self.thread.take() {
            // It draws, and nothing depends on that.
            let _ = thread.join();
        }
    }
}
