//! A server as a process among others, weighed from outside.

use super::{Stopwatch, start};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

/// A running server; killed when dropped.
pub struct Server {
    /// The process.
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// How long it took to be ready.
    pub ready_after: Duration,
}

impl Server {
    /// Starts a server on the data of a folder and waits until it is ready.
    pub fn start(folder: &Path) -> Self {
        let watch = Stopwatch::start();
        let mut command = start::on_folder(start::program(), folder, &[]);
        let mut child = command.stderr(start::log_file(folder)).spawn().unwrap();
        let address = start::ready(&mut child).unwrap();
        Self { child, address, ready_after: watch.elapsed() }
    }

    /// The bytes of memory that it occupies now.
    pub fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(self.file("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() * 1024
    }

    /// The CPU time that its threads have used so far.
    pub fn cpu(&self) -> Duration {
        let threads = std::fs::read_dir(self.file("task")).unwrap();
        let nanos = threads.filter_map(|thread| {
            // A thread may end meanwhile.
            let text = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(nanos.sum())
    }

    /// A file of what the system knows of the process.
    fn file(&self, name: &str) -> OsString {
        format!("/proc/{}/{name}", self.child.id()).into()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
