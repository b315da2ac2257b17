//! TLS spoken by the server itself (`docs/adr/0028`): sockets and requests under it, who does not shake hands, slow readers,
//! what has arrived, and certificates that change while sockets stay.

mod certificates;

use crate::socket::{Http, Process, Socket, Stopwatch, frame};
use crate::support::tunnel::tunnel;
use crate::support::{ADMIN, Authority, OWNER, PATIENCE, PROJECT, raw, start, until};
use rustls::pki_types::CertificateDer;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, StreamOwned, SupportedProtocolVersion};
use serde_json::{Value, json};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// A server that speaks TLS, and who vouches for it.
struct Scene {
    /// Whoever vouches.
    authority: Authority,
    /// The server, asked by its own address.
    server: Process,
    /// A plain door before it.
    door: SocketAddr,
    /// Where it lives.
    folder: TempDir,
}

/// The same with more settings.
fn scene_with(settings: &[(&str, &str)]) -> Scene {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let tls = authority.write(folder.path());
    let tls = tls.iter().map(|(name, value)| (*name, value.as_str()));
    let settings: Vec<_> = tls.chain(settings.iter().copied()).collect();
    let server = Process::start(folder.path(), &settings);
    let door = tunnel(server.address, &authority);
    Scene { authority, server, door, folder }
}

/// A server that speaks TLS.
fn scene() -> Scene {
    scene_with(&[])
}

/// A client's side of TLS that has said nothing yet.
type Secured = StreamOwned<ClientConnection, TcpStream>;

impl Scene {
    /// A channel, made.
    fn with_channel(self, id: &str, capabilities: &[&str]) -> Self {
        let body = json!({"type": "unprotected", "state": {}, "capabilities": capabilities});
        self.http().data("PUT", &format!("/v1/channels/{id}"), &body.to_string()).unwrap();
        self
    }

    /// A connection to its API.
    fn http(&self) -> Http {
        Http::connect(self.door).unwrap()
    }

    /// Asserts that it is well: it answers, and nothing in it crashed.
    fn assert_well(&self) {
        assert_eq!(self.http().call("GET", "/health/ready", "").unwrap().status, 200);
        let log = self.server.log();
        assert!(!log.contains("panicked") && !log.contains("crashed"), "{log}");
    }

    /// A whole number of its metrics; none where there is no such series.
    fn metric(&self, series: &str) -> Option<u64> {
        let shown = self.http().call_as(ADMIN, "GET", "/metrics", "").unwrap().text();
        let line = shown.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map(|value| value.parse().unwrap())
    }

    /// How many handshakes ended so.
    fn handshakes(&self, word: &str) -> u64 {
        let series = format!("warren_tls_handshakes_total{{result=\"{word}\"}}");
        self.metric(&series).unwrap()
    }

    /// Connects and shakes hands by these settings.
    fn secured_by(&self, config: ClientConfig) -> Result<Secured, std::io::Error> {
        let name = self.server.address.ip().into();
        let session = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut stream = StreamOwned::new(session, raw(self.server.address));
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(stream)
    }

    /// Connects and shakes hands.
    fn secured(&self) -> Secured {
        self.secured_by(self.authority.client()).unwrap()
    }

    /// The certificate that handshakes are shown.
    fn shown(&self) -> CertificateDer<'static> {
        self.secured().conn.peer_certificates().unwrap()[0].clone()
    }

    /// Asks it to reload; what came of that.
    fn reload(&self) -> Value {
        let mut command = start::program();
        command.args(["reload", "--json"]).current_dir(self.folder.path());
        let output = command.env("WARREN_DATA", self.folder.path().join("data")).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
    }

    /// Publishes a number to a channel.
    fn publish(&self, channel: &str, n: u64, text: &str) {
        let body = json!({"e": "N", "d": {"n": n, "text": text}}).to_string();
        let path = format!("/v1/channels/{channel}/messages");
        self.http().data("POST", &path, &body).unwrap();
    }
}

/// Asks for a socket on a stream, and reads the answer's head.
fn upgrade(stream: &mut Secured) {
    let request = "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
}

/// The next text of the server; none at the end of the stream.
fn next_text(stream: &mut Secured) -> Option<Value> {
    let mut head = [0; 2];
    stream.read_exact(&mut head).ok()?;
    let size = match head[1] {
        126 => {
            let mut size = [0; 2];
            stream.read_exact(&mut size).ok()?;
            usize::from(u16::from_be_bytes(size))
        }
        127 => {
            let mut size = [0; 8];
            stream.read_exact(&mut size).ok()?;
            usize::try_from(u64::from_be_bytes(size)).unwrap()
        }
        size => usize::from(size),
    };
    let mut payload = vec![0; size];
    stream.read_exact(&mut payload).ok()?;
    Some(if head[0] == 0x81 { serde_json::from_slice(&payload).unwrap() } else { Value::Null })
}

/// A socket that has identified with this token, straight on the stream.
fn enter(scene: &Scene, token: Option<&str>) -> (Secured, Value) {
    let mut stream = scene.secured();
    upgrade(&mut stream);
    assert_eq!(next_text(&mut stream).unwrap()["op"], 1);
    let identify = json!({"op": 2, "d": {"project_id": PROJECT, "token": token}});
    stream.write_all(&frame::text(&identify.to_string())).unwrap();
    loop {
        let came = next_text(&mut stream).expect("INIT");
        if came["d"]["e"] == "INIT" {
            return (stream, came["d"]["d"].clone());
        }
    }
}

#[test]
fn sockets_and_requests_are_served_under_it_as_without() {
    let scene = scene().with_channel("room", &["CLIENT_PUBLISH"]);
    let (mut socket, _) = Socket::enter(scene.door, None);
    socket.subscribe("room");
    // The fast path, and the long way; small and larger than a record.
    let mut http = scene.http();
    for n in 0..3 {
        scene.publish("room", n, "");
        let text = "x".repeat(100_000);
        let body = json!({"e": "N", "d": {"n": n, "text": text}}).to_string();
        http.call_once(&format!("key-{n}"), "POST", "/v1/channels/room/messages", &body).unwrap();
        for size in [0, 100_000] {
            let heard = socket.expect("MESSAGE");
            assert_eq!(heard["d"]["d"]["n"], n);
            assert_eq!(heard["d"]["d"]["text"].as_str().unwrap().len(), size);
        }
    }
    // What a client sends, larger than a record too.
    socket.dispatch("MESSAGE", "room", &json!({"e": "own", "d": "y".repeat(60_000)}));
    assert_eq!(socket.expect("MESSAGE")["d"]["d"].as_str().unwrap().len(), 60_000);
    socket.beat();
    for path in ["/console", "/health/ready", "/"] {
        let answer = http.call("GET", path, "").unwrap();
        assert_eq!(answer.status, 200, "{path}");
    }
    assert!(scene.handshakes("ok") > 0);
    scene.assert_well();
    scene.server.signal("TERM");
    assert_eq!(socket.expect_close().0, 4010);
}

#[test]
fn where_it_listens_says_how_and_a_plain_place_beside_it_stays_plain() {
    let scene = scene_with(&[("WARREN_LISTEN", "127.0.0.1:0,plain:127.0.0.1:0")]);
    let line = scene.server.wait_for_log("listening here too");
    let plain = line.split("address=").nth(1).unwrap().split(' ').next().unwrap();
    let answer = Http::connect(plain.parse().unwrap()).unwrap().call("GET", "/health/live", "");
    assert_eq!(answer.unwrap().status, 200);
    let mut command = start::program();
    command.args(["info", "--json"]).current_dir(scene.folder.path());
    command.envs(crate::support::database::setting(scene.folder.path()));
    let output = command.env("WARREN_DATA", scene.folder.path().join("data")).output().unwrap();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["url"], format!("https://{}/", scene.server.address));
}

#[test]
fn both_versions_are_spoken_and_inside_them_http_1_1_alone() {
    let scene = scene();
    let config = |versions: &[&'static SupportedProtocolVersion], inside: &[&str]| {
        let mut config = scene.authority.client_of(versions);
        config.alpn_protocols = inside.iter().map(|name| name.as_bytes().to_vec()).collect();
        config
    };
    for version in [&TLS12, &TLS13] {
        for inside in [&["http/1.1"][..], &["h2", "http/1.1"]] {
            let stream = scene.secured_by(config(&[version], inside)).unwrap();
            assert_eq!(stream.conn.protocol_version(), Some(version.version));
            assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
        }
        let silent = scene.secured_by(config(&[version], &[])).unwrap();
        assert_eq!(silent.conn.alpn_protocol(), None);
        let refused = scene.secured_by(config(&[version], &["h2"])).unwrap_err();
        assert!(format!("{refused:?}").contains("NoApplicationProtocol"), "{refused:?}");
    }
    // A client that asks for TLS 1.0 or 1.1 is refused by name.
    let mut old = raw(scene.server.address);
    let hello = [&[0x16, 3, 1, 0, 45, 1, 0, 0, 41, 3, 2][..], &[7; 32], &[0, 0, 2, 0, 0x2f, 1, 0]];
    old.write_all(&hello.concat()).unwrap();
    let mut answer = Vec::new();
    let _ = old.read_to_end(&mut answer);
    assert!(answer.starts_with(&[0x15, 3]), "an alert: {answer:?}");
    until("three have failed", || match scene.handshakes("failed") {
        3 => Ok(()),
        other => Err(other),
    });
}

#[test]
fn who_does_not_shake_hands_is_closed_in_time_and_counted() {
    let scene = scene();
    let hello = {
        let name = scene.server.address.ip().into();
        let mut session = ClientConnection::new(Arc::new(scene.authority.client()), name).unwrap();
        let mut hello = Vec::new();
        session.write_tls(&mut hello).unwrap();
        hello
    };
    let since = Stopwatch::start();
    let mut silent = raw(scene.server.address);
    let mut half = raw(scene.server.address);
    half.write_all(&hello[..hello.len() / 2]).unwrap();
    // The whole of it and no more: the server's words come, and then it waits for ours.
    let mut mute = raw(scene.server.address);
    mute.write_all(&hello).unwrap();
    let mut plain = raw(scene.server.address);
    plain.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut said = Vec::new();
    let _ = plain.read_to_end(&mut said);
    assert!(since.elapsed() < Duration::from_secs(4), "what is no TLS is not waited for");
    for stream in [&mut silent, &mut half, &mut mute] {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    }
    let took = since.elapsed();
    assert!(Duration::from_secs(4) < took && took < Duration::from_secs(20), "{took:?}");
    until("three were late", || match scene.handshakes("timeout") {
        3 => Ok(()),
        other => Err(other),
    });
    assert_eq!(scene.handshakes("failed"), 1);
    scene.assert_well();
}

#[test]
fn handshakes_count_as_strangers_do_and_one_too_many_is_closed_at_once() {
    let scene = scene_with(&[("WARREN_LIMITS__ADDRESS_UNIDENTIFIED", "3")]);
    // Which of them come in is the workers' choice; so many are too many.
    let silent: Vec<_> = (0..8).map(|_| raw(scene.server.address)).collect();
    for one in &silent {
        one.set_nonblocking(true).unwrap();
    }
    let is_closed = |mut one: &TcpStream| match one.read(&mut [0]) {
        Ok(_) => true,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    };
    until("five are closed", || {
        let closed = silent.iter().filter(|one| is_closed(one)).count();
        if closed == 5 { Ok(()) } else { Err(closed) }
    });
    drop(silent);
    until("there is room again", || {
        let told =
            Http::connect(scene.door).and_then(|mut http| http.call("GET", "/health/live", ""));
        told.map(|answer| assert_eq!(answer.status, 200))
    });
    assert!(scene.handshakes("refused") >= 5);
}

#[test]
fn a_proxys_header_stands_before_the_handshake() {
    let scene = scene_with(&[
        ("WARREN_TRUSTED_PROXIES", "127.0.0.2/32"),
        ("WARREN_PROXY_PROTOCOL", "true"),
    ])
    .with_channel("room", &[]);
    // In one piece with the client's first words, and before them.
    for is_one_piece in [true, false] {
        let name = scene.server.address.ip().into();
        let mut session = ClientConnection::new(Arc::new(scene.authority.client()), name).unwrap();
        let mut first = b"PROXY TCP4 192.0.2.9 127.0.0.1 4711 443\r\n".to_vec();
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 2], 0)).into()).unwrap();
        socket.connect(&scene.server.address.into()).unwrap();
        let mut stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        if is_one_piece {
            session.write_tls(&mut first).unwrap();
        }
        stream.write_all(&first).unwrap();
        let mut stream = StreamOwned::new(session, stream);
        upgrade(&mut stream);
        let identify = json!({"op": 2, "d": {"project_id": PROJECT}});
        stream.write_all(&frame::text(&identify.to_string())).unwrap();
        while next_text(&mut stream).unwrap()["d"]["e"] != "INIT" {}
        let subscribe = json!({"op": 0, "d": {"e": "SUBSCRIBE", "c": "room", "d": null}});
        stream.write_all(&frame::text(&subscribe.to_string())).unwrap();
        while next_text(&mut stream).unwrap()["d"]["e"] != "AVAILABLE" {}
        let listed = scene.http().data("GET", "/v1/channels/room/connections", "").unwrap();
        assert_eq!(listed["connections"][0]["address"], "192.0.2.9", "{listed}");
        drop(stream);
        until("it has left", || {
            let listed = scene.http().data("GET", "/v1/channels/room/connections", "").unwrap();
            if listed["connections"] == json!([]) { Ok(()) } else { Err(listed) }
        });
    }
}

#[test]
fn who_reads_nothing_is_closed_as_too_slow_and_nobody_else_waits() {
    let scene = scene_with(&[
        ("WARREN_LIMITS__OUTBOX_BYTES", "256KiB"),
        ("WARREN_LIMITS__OUTBOX_PATIENCE_MS", "500"),
    ])
    .with_channel("room", &[]);
    let subscribe = |stream: &mut Secured| {
        let wanted = json!({"op": 0, "d": {"e": "SUBSCRIBE", "c": "room", "d": null}});
        stream.write_all(&frame::text(&wanted.to_string())).unwrap();
        while next_text(stream).unwrap()["d"]["e"] != "AVAILABLE" {}
    };
    let (mut slow, _) = enter(&scene, None);
    subscribe(&mut slow);
    let (mut quick, _) = Socket::enter(scene.door, None);
    quick.subscribe("room");
    let before = scene.server.resident();
    let text = "x".repeat(64 << 10);
    // More than twice of what the server may grow by, whose memory comes back by and by.
    let count = 1200;
    for n in 0..count {
        scene.publish("room", n, &text);
        assert_eq!(quick.expect("MESSAGE")["d"]["d"]["n"], n);
    }
    assert_eq!(scene.metric("warren_slow_consumers_total"), Some(1));
    let grown = scene.server.resident().saturating_sub(before);
    assert!(grown < 36 << 20, "grown by {grown} bytes");
    // What it was sent before is whole and in order, and the last thing is why there is no more.
    let mut heard = 0;
    while let Some(came) = next_text(&mut slow) {
        if came["d"]["e"] == "MESSAGE" {
            assert_eq!(came["d"]["d"]["d"]["n"], heard);
            heard += 1;
        }
    }
    assert!(heard > 0 && heard < count, "{heard}");
}

/// A file with the authority's certificate.
fn trusted(scene: &Scene) -> String {
    let path = scene.folder.path().join("authority.pem");
    std::fs::write(&path, &scene.authority.pem).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn curl_and_our_commands_ask_it_when_they_trust_who_vouches_and_not_else() {
    let scene = scene().with_channel("room", &["HISTORY"]);
    let (trusted, url) = (trusted(&scene), format!("https://{}", scene.server.address));
    let curl = |more: &[&str]| {
        let mut command = Command::new("curl");
        command.args(["-sS", "--max-time", "20"]).args(more).output().unwrap()
    };
    let health = format!("{url}/health/ready");
    let asked = curl(&["--cacert", &trusted, &health]);
    assert!(asked.status.success(), "{asked:?}");
    assert!(String::from_utf8_lossy(&asked.stdout).contains(r#""success":true"#), "{asked:?}");
    assert_eq!(curl(&[&health]).status.code(), Some(60), "curl's word for a stranger");
    let run = |words: &[&str], roots: &str| {
        let mut command = start::program();
        command.args(words).args(["--url", &url, "--project", PROJECT, "--token", OWNER]);
        command.current_dir(scene.folder.path()).env("HOME", scene.folder.path());
        command.env("SSL_CERT_FILE", roots).output().unwrap()
    };
    let said = run(&["publish", "room", "GREETING", "{}"], &trusted);
    assert!(said.status.success(), "{said:?}");
    let heard =
        run(&["tail", "room", "--rewind", "1", "--count", "1", "--messages", "--json"], &trusted);
    assert!(String::from_utf8_lossy(&heard.stdout).contains("GREETING"), "{heard:?}");
    assert_eq!(run(&["health"], "/nowhere").status.code(), Some(6));
}

#[tokio::test(flavor = "multi_thread")]
async fn our_client_for_rust_hears_over_wss_and_comes_back_when_its_stream_breaks() {
    let (scene, url) = tokio::task::block_in_place(|| {
        let scene = scene().with_channel("room", &[]);
        let url = format!("https://{}", scene.server.address);
        (scene, url)
    });
    let builder = warren_client::Client::builder(url, PROJECT);
    let client = builder.root_certificates(scene.authority.pem.clone()).unwrap();
    let client = tokio::time::timeout(PATIENCE, client.connect()).await.unwrap().unwrap();
    let room = tokio::time::timeout(PATIENCE, client.subscribe("room")).await.unwrap().unwrap();
    for n in 0..10 {
        tokio::task::block_in_place(|| scene.publish("room", n, ""));
        // Before the first message it may hear how the channel is.
        let message = loop {
            let heard = tokio::time::timeout(PATIENCE, room.next()).await.unwrap().unwrap();
            if let warren_client::Event::Message(message) = heard {
                break message;
            }
        };
        let value: Value = serde_json::from_str(message.json()).unwrap();
        assert_eq!(value["n"], n);
    }
    tokio::time::timeout(PATIENCE, client.close()).await.unwrap();
}
