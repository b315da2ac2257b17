//! A server as a process among others, weighed from outside.

use super::{OWNER, PATIENCE, PROJECT, Stopwatch};
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
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
        let log = File::create(folder.join("log")).unwrap();
        let watch = Stopwatch::start();
        let mut child = Command::new(env!("CARGO_BIN_EXE_warren"))
            .env("WARREN_LISTEN", "127.0.0.1:0")
            .env("WARREN_DATA", folder.join("data"))
            .env("WARREN_PROJECT", PROJECT)
            .env("WARREN_PROJECT_TOKEN", OWNER)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let (found, ready) = mpsc::channel();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Reads to the end, so that the server never waits for somebody to read.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some(address) = line.strip_prefix("ready: http://") {
                    // Nobody listens any more if the server was given up.
                    let _ = found.send((watch.elapsed(), address.trim_end_matches('/').parse()));
                }
            }
        });
        let (ready_after, address) = ready.recv_timeout(PATIENCE).unwrap();
        Self { child, address: address.unwrap(), ready_after }
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
