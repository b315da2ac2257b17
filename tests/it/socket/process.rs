//! A server as a process among others: it can be killed, started again on the same data, and weighed.

use super::{Http, PATIENCE, Stopwatch};
use crate::support::{ADMIN, OWNER, PROJECT};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// A running server; killed when dropped.
pub struct Process {
    /// The process.
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its log.
    log: PathBuf,
}

impl Process {
    /// Starts a server on the data of a folder and waits until it is ready.
    pub fn start(folder: &Path, settings: &[(&str, &str)]) -> Self {
        let file = File::options().create(true).append(true).open(folder.join("log")).unwrap();
        Self::start_logging_to(file.into(), folder, settings)
    }

    /// As [`Self::start`], its log being this.
    pub fn start_logging_to(log: Stdio, folder: &Path, settings: &[(&str, &str)]) -> Self {
        let mut child = command(folder)
            .envs(settings.iter().copied())
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
                    let _ = found.send(address.trim_end_matches('/').parse().unwrap());
                }
            }
        });
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut process = Self { child, address: nowhere, log: folder.join("log") };
        process.address =
            ready.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("not ready: {}", process.log()));
        process
    }

    /// Starts a server that nobody hears: its standard output is closed. Where it listens, its log says.
    pub fn start_mute(folder: &Path) -> Self {
        let log = folder.join("log");
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let mut child = command(folder).stdout(Stdio::piped()).stderr(file).spawn().unwrap();
        drop(child.stdout.take());
        let mut process = Self { child, address: SocketAddr::from(([127, 0, 0, 1], 0)), log };
        let line = process.wait_for_log("address=");
        let address = line.split("address=").nth(1).unwrap().split(' ').next().unwrap();
        process.address = address.parse().unwrap();
        process
    }

    /// Lets it write to no file from now on, or to all again: every write fails as on a full disk.
    pub fn let_write(&self, may: bool) {
        let usual = getrlimit(Resource::Fsize);
        let current = if may { usual.current } else { Some(0) };
        let limit = Rlimit { current, maximum: usual.maximum };
        let id = Pid::from_raw(self.id().try_into().unwrap());
        prlimit(id, Resource::Fsize, limit).unwrap();
    }

    /// Waits until a line of its log holds this; returns the line.
    pub fn wait_for_log(&self, wanted: &str) -> String {
        let since = Stopwatch::start();
        loop {
            let log = self.log();
            if let Some(line) = log.lines().find(|line| line.contains(wanted)) {
                return line.to_owned();
            }
            assert!(since.elapsed() < PATIENCE, "no {wanted:?} in {log}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Runs a server that cannot start, because another one has what it wants, to its end.
    pub fn run_to_end(folder: &Path, settings: &[(&str, &str)]) -> Output {
        let mut command = command(folder);
        let command = command.envs(settings.iter().copied());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let since = Stopwatch::start();
        while child.try_wait().unwrap().is_none() {
            if since.elapsed() > PATIENCE {
                child.kill().unwrap();
                let output = child.wait_with_output().unwrap();
                panic!("it runs: {}", String::from_utf8_lossy(&output.stderr));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        child.wait_with_output().unwrap()
    }

    /// A connection to its API.
    pub fn http(&self) -> Http {
        Http::connect(self.address).unwrap()
    }

    /// Ends it as a power failure would: no time for anything.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What was to be read of it beside standard output, if its log is a pipe.
    pub fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    /// Sends it a signal by name.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args(["-s", signal, &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// Sends it a signal by name and waits for its end; returns its exit code.
    pub fn stop(self, signal: &str) -> Option<i32> {
        self.signal(signal);
        self.wait()
    }

    /// Waits for its end; returns its exit code.
    pub fn wait(mut self) -> Option<i32> {
        let since = Stopwatch::start();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(since.elapsed() < PATIENCE, "it does not end: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The bytes of memory that it occupies now.
    pub fn resident(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() * 1024
    }

    /// Asserts that the server is well: it answers, and nothing in it crashed.
    pub fn assert_well(&self) {
        let answer = self.http().call("GET", "/health/ready", "").unwrap();
        assert_eq!(answer.status, 200);
        let log = self.log();
        assert!(!log.contains("panicked") && !log.contains("crashed"), "{log}");
    }

    /// What it wrote to its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The server on a folder, with what a first run would make up otherwise.
fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_warren"));
    command
        .current_dir(folder)
        .env("WARREN_LISTEN", "127.0.0.1:0")
        .env("WARREN_DATA", folder.join("data"))
        .env("WARREN_PROJECT", PROJECT)
        .env("WARREN_PROJECT_TOKEN", OWNER)
        .env("WARREN_ADMIN_TOKEN", ADMIN)
        .stdin(Stdio::null());
    command
}
