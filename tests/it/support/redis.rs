//! A Redis of a test's own, or of all tests of this process, on a port of the loopback, that can be ended and started again with nothing in its memory.

use super::until;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use tempfile::TempDir;

/// Runs it, and ends it with standard input, which ends with the process that holds the other side.
const RUN: &str = "redis-server \"$@\" & cat >/dev/null; kill -KILL $!; wait";

/// A user with no more rights than docs/OPERATING.md says that a server needs.
const USER: &str = "warren on >secret ~* &* -@all +@connection +info +subscribe +unsubscribe +publish +evalsha +script|load \
    +hget +hset +hsetnx +hmget +hgetall +hincrby +hdel +hexists +hlen +rpush +lpop +llen +lrange +exists +zscore +zadd +del +pexpire +time";

/// A running Redis.
pub struct Redis {
    /// Its port.
    port: u16,
    /// Where it runs.
    folder: TempDir,
    /// The shell that ends it once nobody holds its standard input.
    keeper: Child,
}

impl Redis {
    /// Starts one; nothing where there is none, which is said.
    ///
    /// # Panics
    /// There is none and `WARREN_REQUIRE_REDIS` asks for one.
    pub fn start() -> Option<Self> {
        let found = Command::new("redis-server").arg("--version").stdout(Stdio::null()).status();
        if !found.is_ok_and(|status| status.success()) {
            let is_required = std::env::var_os("WARREN_REQUIRE_REDIS").is_some_and(|it| it == "1");
            assert!(!is_required, "redis-server is missing");
            let missing = "SKIPPED: tests of several servers, for which redis-server is missing";
            // Not by a macro, whose words nobody sees of a test that ends well.
            let _ = writeln!(std::io::stderr(), "{missing}");
            return None;
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let folder = tempfile::tempdir().unwrap();
        let keeper = run(port, &folder);
        let redis = Self { port, folder, keeper };
        redis.wait();
        Some(redis)
    }

    /// The URL of the one that all tests of this process share.
    ///
    /// # Panics
    /// There is none.
    pub fn of_all() -> String {
        static OF_ALL: LazyLock<Redis> =
            LazyLock::new(|| Redis::start().expect("redis-server, 7 or newer"));
        OF_ALL.url()
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("redis://warren:secret@127.0.0.1:{}", self.port)
    }

    /// Ends it at once.
    pub fn end(&mut self) {
        drop(self.keeper.stdin.take());
        self.keeper.wait().unwrap();
    }

    /// Starts it again, with nothing in its memory.
    pub fn begin(&mut self) {
        self.keeper = run(self.port, &self.folder);
        self.wait();
    }

    /// Waits until it answers.
    fn wait(&self) {
        until("Redis answers", || {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
            stream.write_all(b"PING\r\n")?;
            let mut pong = [0; 7];
            stream.read_exact(&mut pong)
        });
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// Runs one.
fn run(port: u16, folder: &TempDir) -> Child {
    Command::new("sh")
        .args(["-c", RUN, "sh"])
        .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        // What docs/OPERATING.md says where bodies are large, as they are in some tests.
        .args(["--client-output-buffer-limit", "pubsub", "256mb", "256mb", "60"])
        .args(["--port", &port.to_string(), "--user"])
        .args(USER.split_whitespace())
        .current_dir(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}
