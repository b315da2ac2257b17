//! A whole server with sockets, of which one connection's actor crashes.

use super::*;
use crate::config::ServeArgs;
use crate::domain::{Capabilities, LeapTokenId, Visibility};
use crate::faults::CRASH_WORD;
use crate::http::{NewToken, typed};
use crate::store::Start;
use serde_json::{Value, json};
use std::io::Read as _;
use std::net::{Shutdown, SocketAddr, TcpStream as Stream};

/// Longer than anything takes that comes at all.
const PATIENCE: Duration = Duration::from_secs(20);

/// A client's socket: it looks at bytes.
struct Client {
    /// The stream.
    stream: Stream,
    /// What has come and was not looked at.
    rest: Vec<u8>,
}

impl Client {
    /// Comes in with a token; returns INIT.
    fn enter(address: SocketAddr, token: &str) -> (Self, Value) {
        let stream = Stream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = Self { stream, rest: Vec::new() };
        let head = "GET /ws HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
            sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
        client.stream.write_all(head.as_bytes()).unwrap();
        while !client.rest.windows(4).any(|end| end == b"\r\n\r\n") {
            assert!(client.read(), "no answer to the handshake");
        }
        let end = client.rest.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
        assert!(client.rest.starts_with(b"HTTP/1.1 101"));
        client.rest.drain(..end);
        client
            .send(&json!({"op": 2, "d": {"project_id": "project_x", "token": token}}).to_string());
        let init = client.expect("INIT");
        (client, init)
    }

    /// Sends a text, masked with nothing.
    fn send(&mut self, text: &str) {
        let size = u8::try_from(text.len()).unwrap();
        let head: &[u8] = if size < 126 { &[0x81, 0x80 | size] } else { &[0x81, 0xFE, 0, size] };
        self.stream.write_all(&[head, &[0; 4], text.as_bytes()].concat()).unwrap();
    }

    /// Reads more; false at the end, in whichever way it comes.
    fn read(&mut self) -> bool {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(size) => {
                self.rest.extend_from_slice(&buffer[..size]);
                size > 0
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => false,
            Err(error) => panic!("neither a word nor an end: {error}"),
        }
    }

    /// The next frame; none at the end.
    fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            let (head, size) = match self.rest.get(1) {
                Some(126) if self.rest.len() >= 4 => {
                    (4, usize::from(u16::from_be_bytes([self.rest[2], self.rest[3]])))
                }
                Some(size @ 0..=125) => (2, usize::from(*size)),
                _ => (usize::MAX / 2, 0),
            };
            if self.rest.len() >= head + size {
                let frame = (self.rest[0], self.rest[head..head + size].to_vec());
                self.rest.drain(..head + size);
                return Some(frame);
            }
            if !self.read() {
                return None;
            }
        }
    }

    /// The next dispatch of this kind; what comes before it is passed over.
    fn expect(&mut self, event: &str) -> Value {
        loop {
            let (kind, payload) = self.frame().unwrap_or_else(|| panic!("ended before {event}"));
            assert_eq!(kind, 0x81, "{}", String::from_utf8_lossy(&payload));
            let value: Value = serde_json::from_slice(&payload).unwrap();
            if value["d"]["e"] == event {
                return value["d"].clone();
            }
        }
    }

    /// Reads to the end; whether it came, and how many frames before it.
    fn expect_end(&mut self) -> usize {
        std::iter::from_fn(|| self.frame()).count()
    }
}

/// A server with this way to the socket, and the address that it listens on.
async fn start(folder: &Path, way: &str) -> (Opened, workers::Stop, SocketAddr) {
    let file = folder.join("warren.toml");
    let text = format!(
        "workers = 2\nproject = \"project_x\"\nlisten = \"127.0.0.1:0\"\nsocket = \"{way}\"\n"
    );
    std::fs::write(&file, text).unwrap();
    let (config, data) = (Some(file), Some(folder.join("data")));
    let config = Config::load(ServeArgs { data, config, ..ServeArgs::default() }).unwrap();
    let opened = open(&config, 100).await.unwrap();
    let speaking = listen::Speaking { handed_over: Vec::new(), tls: None };
    let Listening { workers, places } = listen(&config, &opened.app, 100, speaking).unwrap();
    let [BoundAddress::Tcp(address)] = places.bound[..] else { panic!("{:?}", places.bound) };
    let stop = workers.stop();
    actix_web::rt::spawn(workers.ended());
    opened.app.supervisor.ready().await;
    (opened, stop, address)
}

/// Does something that waits for bytes, beside the runtime.
async fn apart<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(run).await.unwrap()
}

/// A connection crashes in a server with this way to the socket: its client sees the end, and nobody else anything.
async fn crash(way: &str) {
    let folder = tempfile::tempdir().unwrap();
    let (opened, stop, address) = start(folder.path(), way).await;
    let app = &opened.app;
    let key = crate::Warren::channel("project_x", "room").unwrap();
    let (visibility, capabilities) = (Visibility::Public, Capabilities::default());
    typed::create_channel(app, &key, visibility, capabilities).await.unwrap();
    let new = NewToken { permanent: vec![key.id.clone()], ..NewToken::default() };
    let mut tokens: Vec<LeapTokenId> = Vec::new();
    for _ in 0..2 {
        tokens.push(
            typed::create_token(app, key.project.clone(), new.clone(), None).await.unwrap().id,
        );
    }
    let [own, other] = [&tokens[0], &tokens[1]].map(|token| token.as_str().to_owned());
    let clients = {
        let (own, other) = (own.clone(), other.clone());
        apart(move || [own.clone(), own, other].map(|token| Client::enter(address, &token).0))
    };
    let [mut crashing, mut same, mut other] = clients.await;

    let (mut crashing, frames) = apart(move || {
        crashing.send(&json!({"op": 1, "d": CRASH_WORD}).to_string());
        let frames = crashing.expect_end();
        (crashing, frames)
    })
    .await;
    assert_eq!(frames, 0, "an end without a word");
    let connections =
        || app.supervisor.token_connections(&key.project, &tokens[0], Start::Skip(0), 10);
    let since = tokio::time::Instant::now();
    while connections().await.unwrap().total > 1 {
        assert!(since.elapsed() < PATIENCE, "its session still counts it");
        tokio::task::yield_now().await;
    }
    typed::publish(app, &key, "after", &1).await.unwrap();
    apart(move || {
        for client in [&mut same, &mut other] {
            assert_eq!(client.expect("MESSAGE")["d"]["e"], "after");
        }
        // The session has gone on: it counts one beside the newcomer.
        let (_next, init) = Client::enter(address, &own);
        assert_eq!(init["d"]["connection_count"], 2);
        // Nothing is held for the one that crashed: what it still sends comes nowhere.
        let _ = crashing.stream.write_all(&[0x81, 0x80, 0, 0, 0, 0]);
        let _ = crashing.stream.shutdown(Shutdown::Both);
    })
    .await;
    stopping::stop(&stop, &app.supervisor).await;
    stopping::close(app.supervisor.persistence()).await;
    opened.held.sender.cancel();
}

#[actix_rt::test]
async fn a_connection_that_crashes_on_the_raw_stream_ends_for_its_client_and_for_nobody_else() {
    crash("stream").await;
}

#[actix_rt::test]
async fn a_connection_that_crashes_on_the_route_ends_for_its_client_and_for_nobody_else() {
    crash("route").await;
}
