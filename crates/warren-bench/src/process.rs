//! A server that the run starts for itself, in a folder of its own, and takes down afterwards.

use super::error::BenchError;
use super::machine;
use super::scenario;
use super::target::{Dialect, Target};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How long the server may take to start.
const START_PATIENCE: Duration = Duration::from_mins(1);
/// How long it may take to stop before it is killed, in steps of a hundredth of a second.
const STOP_STEPS: u32 = 1000;
/// The project of a server that lives for one run.
const PROJECT: &str = "project_bench";

/// A running server; taken down when dropped.
pub(super) struct Process {
    /// The process.
    child: Child,
    /// Its folder.
    folder: PathBuf,
    /// Where it listens, and as whom to come.
    pub(super) target: Target,
}

/// Random letters and digits for a name or a token.
fn random() -> Result<String, BenchError> {
    let mut bytes = [0_u8; 24];
    getrandom::fill(&mut bytes)
        .map_err(|error| BenchError::Generator(format!("no random numbers: {error}")))?;
    Ok(bytes.iter().map(|byte| char::from(b'a' + byte % 26)).collect())
}

impl Process {
    /// Starts a Warren server and waits until it is ready.
    ///
    /// # Errors
    /// [`BenchError::Server`] with the last line of its log.
    pub(super) fn warren(server: &scenario::Server) -> Result<Self, BenchError> {
        let folder = std::env::temp_dir().join(format!("warren-bench-{}", random()?));
        std::fs::create_dir(&folder).map_err(BenchError::file(&folder))?;
        let config = folder.join("warren.toml");
        let text = toml::to_string(&server.config)
            .map_err(|error| BenchError::Scenario(format!("server.config: {error}")))?;
        std::fs::write(&config, text).map_err(BenchError::file(&config))?;
        let token = format!("ptk_{}", random()?);
        let mut command = Self::command(&folder, &["serve"])?;
        command.env("WARREN_CONFIG", &config).env("WARREN_LISTEN", "127.0.0.1:0");
        command.env("WARREN_DATA", folder.join("data"));
        command.env("WARREN_PROJECT", PROJECT).env("WARREN_PROJECT_TOKEN", &token);
        if server.workers > 0 {
            command.env("WARREN_WORKERS", server.workers.to_string());
        }
        let target = |url: &str| Target::at(url, PROJECT, &token);
        Self::start(command, folder, &server.cpus, &target)
    }

    /// Starts the bare server of a comparison.
    ///
    /// # Errors
    /// [`BenchError::Server`].
    pub(super) fn bare(cpus: &[usize], coalesce: bool) -> Result<Self, BenchError> {
        let folder = std::env::temp_dir().join(format!("warren-bench-{}", random()?));
        std::fs::create_dir(&folder).map_err(BenchError::file(&folder))?;
        let mode: &[&str] =
            if coalesce { &["bench-baseline", "--coalesce"] } else { &["bench-baseline"] };
        let command = Self::command(&folder, mode)?;
        let target = |url: &str| Ok(Target { dialect: Dialect::Bare, ..Target::at(url, "", "")? });
        Self::start(command, folder, cpus, &target)
    }

    /// Our own executable, with nothing of the environment that could change what it does.
    fn command(folder: &Path, arguments: &[&str]) -> Result<Command, BenchError> {
        let mut command = Command::new(std::env::current_exe()?);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("WARREN_") {
                command.env_remove(name);
            }
        }
        let log = folder.join("log");
        let log = std::fs::File::create(&log).map_err(BenchError::file(&log))?;
        command.args(arguments).current_dir(folder);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        Ok(command)
    }

    /// Starts it pinned, and reads where it listens.
    fn start(
        mut command: Command,
        folder: PathBuf,
        cpus: &[usize],
        target: &dyn Fn(&str) -> Result<Target, BenchError>,
    ) -> Result<Self, BenchError> {
        let cpus = cpus.to_vec();
        // What a pinned thread starts is pinned from its first moment.
        let starter = thread::spawn(move || {
            machine::pin(&cpus)?;
            command.spawn().map_err(BenchError::from)
        });
        let ended = || BenchError::Server("it could not be started".to_owned());
        let mut child = starter.join().map_err(|_crash| ended())??;
        let (found, ready) = mpsc::channel();
        if let Some(out) = child.stdout.take() {
            // Reads to the end, so that the server never waits for a reader.
            thread::spawn(move || {
                for line in BufReader::new(out).lines().map_while(Result::ok) {
                    if let Some(url) = line.strip_prefix("ready: ") {
                        let _ = found.send(url.to_owned());
                    }
                }
            });
        }
        let at = |url: String| target(&url);
        match ready.recv_timeout(START_PATIENCE) {
            Ok(url) => at(url).map(|target| Self { child, folder, target }),
            Err(_silence) => {
                let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
                stop(&mut child, &folder);
                let last = log.lines().last().unwrap_or("it said nothing");
                Err(BenchError::Server(format!("it did not start: {last}")))
            }
        }
    }

    /// The process's number.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it did.
    pub(super) fn ended(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok()??;
        Some(format!("it ended, {status}"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        stop(&mut self.child, &self.folder);
    }
}

/// Takes a server down and removes its folder.
fn stop(child: &mut Child, folder: &Path) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    // One that has ended already needs no signal.
    let _ = pid.map(|pid| kill_process(pid, Signal::TERM));
    for _ in 0..STOP_STEPS {
        if !matches!(child.try_wait(), Ok(None)) {
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    let _ = child.kill();
    let _ = child.wait();
    // A folder that stays is untidy, and no reason to fail.
    let _ = std::fs::remove_dir_all(folder);
}
