//! A Redis of a test's own: on a port of the loopback, in a folder of its own, with nothing kept on the disk.

use super::{HeardEntry, RedisWire};
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

/// How long anything may take before the test has failed.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// A running Redis.
pub(super) struct RedisServer {
    /// Its port.
    port: u16,
    /// Its folder.
    folder: TempDir,
    /// Its process.
    process: Child,
}

impl RedisServer {
    /// Starts one; nothing where there is none, which is said.
    pub(super) async fn start() -> Option<Self> {
        let found = Command::new("redis-server").arg("--version").stdout(Stdio::null()).status();
        if !found.is_ok_and(|status| status.success()) {
            let is_required = std::env::var_os("WARREN_REQUIRE_REDIS").is_some_and(|it| it == "1");
            assert!(!is_required, "redis-server is missing");
            // Not by a macro, whose words nobody sees of a test that ends well.
            let missing =
                "SKIPPED: a test on Redis, which is missing (apt-get install redis-server)";
            let _ = writeln!(std::io::stderr(), "{missing}");
            return None;
        }
        let port =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let folder = tempfile::tempdir().unwrap();
        let process = run(port, &folder);
        let server = Self { port, folder, process };
        server.wait().await;
        Some(server)
    }

    /// Its address.
    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its port.
    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    /// Ends it at once and starts it again, with nothing in its memory.
    pub(super) async fn restart(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.process = run(self.port, &self.folder);
        self.wait().await;
    }

    /// It stands still, its connections stay.
    pub(super) fn freeze(&self) {
        let process = i32::try_from(self.process.id()).unwrap();
        let process = rustix::process::Pid::from_raw(process).unwrap();
        rustix::process::kill_process(process, rustix::process::Signal::STOP).unwrap();
    }

    /// A new connection, and what it hears.
    pub(super) async fn wire(&self) -> (RedisWire, mpsc::Receiver<HeardEntry>) {
        let (heard, hearing) = mpsc::channel(8192);
        (RedisWire::connect(&self.url(), heard).await.unwrap(), hearing)
    }

    /// Has it do something; its answer as text.
    pub(super) async fn command(&self, words: &[&str]) -> String {
        let client = redis::Client::open(self.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(*word);
        }
        let answer: redis::Value = command.query_async(&mut connection).await.unwrap();
        format!("{answer:?}")
    }

    /// Waits until it answers.
    async fn wait(&self) {
        let answers = async {
            let (heard, _hearing) = mpsc::channel(1);
            while RedisWire::connect(&self.url(), heard.clone()).await.is_err() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, answers).await.unwrap();
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // Also one that stands still.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs one.
fn run(port: u16, folder: &TempDir) -> Child {
    Command::new("redis-server")
        .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        .args(["--repl-diskless-sync-delay", "0", "--port", &port.to_string()])
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}
