//! A server as a process among others: it can be killed, started again on the same data, and weighed.

use super::{Http, PATIENCE, Stopwatch};
use crate::support::nodes::{self, Nodes};
use crate::support::{database, start, until};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, Command, Output, Stdio};
use std::time::Duration;

/// A running server; killed when dropped.
pub struct Process {
    /// The process, or those that share its work.
    nodes: Nodes,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its log.
    log: PathBuf,
}

impl Process {
    /// Starts a server on the data of a folder and waits until it is ready.
    pub fn start(folder: &Path, settings: &[(&str, &str)]) -> Self {
        let command = || nodes::command(start::program(), folder, settings);
        Self::ready(Nodes::start(command, folder, settings), folder)
    }

    /// As [`Self::start`], its log being this.
    pub fn start_logging_to(log: Stdio, folder: &Path, settings: &[(&str, &str)]) -> Self {
        let mut command = nodes::command(start::program(), folder, settings);
        command.stderr(log);
        Self::ready(Nodes::alone(command), folder)
    }

    /// As [`Self::start`], on a listening socket that it is handed over.
    pub fn start_on(
        listener: impl Into<OwnedFd>,
        folder: &Path,
        settings: &[(&str, &str)],
    ) -> Self {
        let mut command = start::program_with(listener.into(), folder, settings);
        database::settle(&mut command, folder, settings);
        command.stderr(start::log_file(folder));
        Self::ready(Nodes::alone(command), folder)
    }

    /// The server that was started on a folder and, as it is ready, is asked here.
    fn ready((nodes, address): (Nodes, Option<SocketAddr>), folder: &Path) -> Self {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut process = Self { nodes, address: nowhere, log: folder.join("log") };
        process.address = address.unwrap_or_else(|| panic!("not ready: {}", process.log()));
        process
    }

    /// Starts a server that nobody hears: its standard output is closed. Where it listens, its log says.
    pub fn start_mute(folder: &Path) -> Self {
        let mut child = nodes::command(start::program(), folder, &[]).spawn().unwrap();
        drop(child.stdout.take());
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut process = Self { nodes: child.into(), address: nowhere, log: folder.join("log") };
        let line = process.wait_for_log("address=");
        let address = line.split("address=").nth(1).unwrap().split(' ').next().unwrap();
        process.address = address.parse().unwrap();
        process
    }

    /// Lets it write to no file from now on, or to all again: every write fails as on a full disk. Where its database is no
    /// file, that takes none.
    pub fn let_write(&self, may: bool) {
        if database::let_write(self.log.parent().unwrap(), may) {
            return;
        }
        let usual = getrlimit(Resource::Fsize);
        let current = if may { usual.current } else { Some(0) };
        let limit = Rlimit { current, maximum: usual.maximum };
        let id = Pid::from_raw(self.id().try_into().unwrap());
        prlimit(id, Resource::Fsize, limit).unwrap();
    }

    /// Waits until a line of its log holds this; returns the line.
    pub fn wait_for_log(&self, wanted: &str) -> String {
        until(wanted, || {
            let log = self.log();
            let line = log.lines().find(|line| line.contains(wanted)).map(str::to_owned);
            line.ok_or(log)
        })
    }

    /// Runs a server that cannot start, because another one has what it wants, to its end.
    pub fn run_to_end(folder: &Path, settings: &[(&str, &str)]) -> Output {
        Self::run_command_to_end(command(folder, settings))
    }

    /// The same with this command.
    pub fn run_command_to_end(mut command: Command) -> Output {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let since = Stopwatch::start();
        while child.try_wait().unwrap().is_none() {
            if since.elapsed() > PATIENCE {
                child.kill().unwrap();
                let output = child.wait_with_output().unwrap();
                panic!("it runs: {}", String::from_utf8_lossy(&output.stderr));
            }
            // Not `until`: a server that runs has to be ended before it can be asked for its output.
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
        self.nodes.kill();
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.nodes.id()
    }

    /// What was to be read of it beside standard output, if its log is a pipe.
    pub fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.nodes.first_mut().stderr.take()
    }

    /// Sends it a signal by name.
    pub fn signal(&self, signal: &str) {
        self.nodes.signal(signal);
    }

    /// Sends it a signal by name and waits for its end; returns its exit code.
    pub fn stop(self, signal: &str) -> Option<i32> {
        self.signal(signal);
        self.wait()
    }

    /// Waits for its end; returns its exit code.
    pub fn wait(mut self) -> Option<i32> {
        let status = until("it ends", || self.nodes.ended().ok_or_else(|| self.log()));
        status.code()
    }

    /// The bytes of memory that it occupies now.
    pub fn resident(&self) -> u64 {
        let path = format!("/proc/{}/status", self.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() * 1024
    }

    /// Asserts that the server is well: it answers, and nothing in it crashed.
    pub fn assert_well(&self) {
        // Each of them, where they take turns.
        for _ in 0..self.nodes.count() {
            let answer = self.http().call("GET", "/health/ready", "").unwrap();
            assert_eq!(answer.status, 200);
        }
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
        self.nodes.kill();
    }
}

/// The server on a folder, with more settings.
fn command(folder: &Path, settings: &[(&str, &str)]) -> Command {
    nodes::command(start::program(), folder, settings)
}
