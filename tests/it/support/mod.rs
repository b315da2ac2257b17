//! A real server in a folder of its own, and HTTP over a plain socket: what a test sends is what arrives, however
//! wrong it is.

mod answer;
mod authority;
pub mod database;
pub mod nodes;
pub mod receiver;
#[cfg(feature = "redis")]
pub mod redis;
mod rotation;
pub mod start;
pub mod tunnel;

pub use answer::Answer;
#[cfg(feature = "acme")]
pub use authority::trusting;
pub use authority::{Authority, authority};

use nodes::Nodes;
use serde_json::Value;
use std::fmt::Debug;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The project that the server starts with.
pub const PROJECT: &str = "project_test";
/// Its token, with every permission.
pub const OWNER: &str = "ptk_c190ZXN0X293bmVyX3Rva2VuXzAxMjM0NTY3ODlhYmNkZWY";
/// The operator's token.
pub const ADMIN: &str = "pat_c190ZXN0X2FkbWluX3Rva2VuXzAxMjM0NTY3ODlhYmNkZWY";

/// How long anything may take that has to happen; long, because a busy machine is no failure.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Asks until the answer is `Ok`, and returns it; what has to come, comes in time. The one place that asks again and again.
pub fn until<T, E: Debug>(what: &str, mut ask: impl FnMut() -> Result<T, E>) -> T {
    let begin = Instant::now();
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(instead) => assert!(begin.elapsed() < PATIENCE, "never: {what}, but {instead:?}"),
        }
        // Between two questions; no test relies on how long it is.
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A connection for what the clients never send: bytes that are wrong, in such pieces, at such a moment, or none.
pub fn raw(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A running server; stopped when dropped.
pub struct Server {
    /// The process, or those that share its work.
    nodes: Nodes,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its data and its log.
    folder: TempDir,
}

impl Server {
    /// Starts a server with an empty database and waits until it is ready.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a server with more settings, each an environment variable.
    pub fn start_with(settings: &[(&str, &str)]) -> Self {
        let server = Self::start_in(tempfile::tempdir().unwrap(), settings);
        // A first run makes an example channel; tests begin with nothing.
        server.call("DELETE", "/v1/channels/hello", Some(OWNER), "");
        server
    }

    /// Starts a server that may have so many file descriptors.
    pub fn start_with_files(files: u32) -> Self {
        let line = format!("ulimit -n {files} && exec \"$0\"");
        let shell = || {
            let mut shell = Command::new("sh");
            shell.args(["-c", &line]).arg(start::program().get_program());
            shell
        };
        Self::spawn(shell, tempfile::tempdir().unwrap(), &[])
    }

    /// Starts a server on the data that a folder holds.
    pub fn start_in(folder: TempDir, settings: &[(&str, &str)]) -> Self {
        Self::spawn(start::program, folder, settings)
    }

    /// Starts a server by such a command and waits until it is ready.
    fn spawn(program: impl Fn() -> Command, folder: TempDir, settings: &[(&str, &str)]) -> Self {
        let command = || nodes::command(program(), folder.path(), settings);
        let (nodes, address) = Nodes::start(command, folder.path(), settings);
        let mut server = Self { nodes, address: SocketAddr::from(([127, 0, 0, 1], 0)), folder };
        server.address = address.unwrap_or_else(|| panic!("not ready: {}", server.log()));
        server
    }

    /// What the server wrote to its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// The process's number.
    pub fn id(&self) -> u32 {
        self.nodes.id()
    }

    /// Where the log is.
    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Where the server keeps its data.
    pub fn data_folder(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Asserts that the server is well: it answers, and nothing in it crashed.
    pub fn assert_well(&self) {
        // Each of them, where they take turns.
        for _ in 0..self.nodes.count() {
            assert_eq!(self.call("GET", "/health/ready", None, "").status, 200);
        }
        let log = self.log();
        assert!(!log.contains("panicked"), "{log}");
        assert!(!log.contains("crashed"), "{log}");
    }

    /// Sends a request with a token and a JSON body; an empty body is none.
    pub fn call(&self, method: &str, path: &str, token: Option<&str>, body: &str) -> Answer {
        let mut headers = Vec::new();
        headers.extend(token.map(|token| ("Authorization", token)));
        headers.extend((!body.is_empty()).then_some(("Content-Type", "application/json")));
        self.request(method, path, &headers, body.as_bytes())
    }

    /// Sends a request as the project's owner and reads its data.
    pub fn data(&self, method: &str, path: &str, body: &str) -> Value {
        let answer = self.call(method, path, Some(OWNER), body);
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
        answer.data()
    }

    /// Sends a request as the project's owner that has nothing to answer.
    pub fn done(&self, method: &str, path: &str, body: &str) {
        let answer = self.call(method, path, Some(OWNER), body);
        assert_eq!((answer.status, answer.text()), (204, String::new()), "{method} {path}");
    }

    /// Sends a request with these headers and bytes.
    pub fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let mut raw = format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n");
        for (name, value) in headers {
            raw += &format!("{name}: {value}\r\n");
        }
        let is_chunked = headers.iter().any(|(name, _)| *name == "Transfer-Encoding");
        let is_sized = headers.iter().any(|(name, _)| *name == "Content-Length");
        if !(is_chunked || is_sized || (body.is_empty() && matches!(method, "GET" | "HEAD"))) {
            raw += &format!("Content-Length: {}\r\n", body.len());
        }
        raw.push_str("\r\n");
        let mut raw = raw.into_bytes();
        raw.extend_from_slice(body);
        let bytes = self.raw(&raw);
        Answer::parse(&bytes).unwrap_or_else(|| {
            panic!("{method} {path}: no answer but {:?}", String::from_utf8_lossy(&bytes))
        })
    }

    /// Sends bytes and reads until the server ends the connection.
    pub fn raw(&self, bytes: &[u8]) -> Vec<u8> {
        self.exchange(bytes, false)
    }

    /// Sends bytes, ends the sending side, and reads until the server ends its own.
    pub fn raw_and_close(&self, bytes: &[u8]) -> Vec<u8> {
        self.exchange(bytes, true)
    }

    /// Sends bytes and reads to the end.
    fn exchange(&self, bytes: &[u8], is_closing: bool) -> Vec<u8> {
        let mut socket = raw(self.address);
        // The server may answer and hang up before it has read everything.
        let _ = socket.write_all(bytes);
        if is_closing {
            let _ = socket.shutdown(Shutdown::Write);
        }
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer);
        answer
    }

    /// Creates a project as the operator and returns its id and its token.
    pub fn new_project(&self, name: &str) -> (String, String) {
        let answer =
            self.call("POST", "/v1/projects", Some(ADMIN), &format!(r#"{{"name":"{name}"}}"#));
        assert_eq!(answer.status, 200, "{}", answer.text());
        let data = answer.data();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&data["project"]["id"]), text(&data["project_token"]["token"]))
    }

    /// Creates a token of the first project with these permission bits.
    pub fn new_project_token(&self, flags: u64) -> String {
        let data =
            self.data("POST", "/v1/projects/@this/tokens", &format!(r#"{{"flags":{flags}}}"#));
        data["project_token"]["token"].as_str().unwrap().to_owned()
    }

    /// Creates a leap token of the first project.
    pub fn new_leap_token(&self) -> String {
        let data = self.data("POST", "/v1/channels/tokens", "{}");
        data["token"]["id"].as_str().unwrap().to_owned()
    }
}

impl Server {
    /// Kills the process without a warning.
    pub fn kill(&mut self) {
        self.nodes.kill();
    }

    /// Kills the process without a warning and returns its folder.
    pub fn crash(mut self) -> TempDir {
        self.kill();
        std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap())
    }
}

impl Server {
    /// Asks the server to stop, as an operator would, and sees to it that it does.
    fn stop(&mut self) {
        // One that was killed and waited for has given its number away.
        if self.nodes.ended().is_some() {
            return;
        }
        self.nodes.signal("TERM");
        for _ in 0..100 {
            if self.nodes.ended().is_some() {
                return;
            }
            // A test that has failed already must not panic here, as `until` would.
            std::thread::sleep(Duration::from_millis(50));
        }
        self.nodes.kill();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        database::forget(self.folder.path());
    }
}
