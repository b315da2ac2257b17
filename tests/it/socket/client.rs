//! A blocking WebSocket client that speaks Leap, and asserts on the way that every frame of the server is a good one.

use super::{PATIENCE, frame};
use crate::support::PROJECT;
use serde_json::{Value, json};
use socket2::{Domain, SockRef, Type};
use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// What the server sent.
#[derive(Clone, Debug, PartialEq)]
pub enum Received {
    /// A text frame.
    Text(String),
    /// A binary frame, which only a client gets that asked for one.
    Binary(Vec<u8>),
    /// A pong.
    Pong(Vec<u8>),
    /// A close frame.
    Close(u16, String),
    /// The end of the connection, with or without a reset.
    End,
}

/// One connection.
pub struct Socket {
    /// The bytes, both ways.
    stream: BufReader<TcpStream>,
}

impl Socket {
    /// Opens a connection and reads HELLO.
    pub fn open(address: SocketAddr) -> Self {
        let mut socket = Self::upgraded(address);
        let Received::Text(hello) = socket.receive() else { panic!("no HELLO") };
        let hello: Value = serde_json::from_str(&hello).unwrap();
        assert_eq!(hello["op"], 1, "{hello}");
        assert!(hello["d"]["heartbeat_interval"].as_u64().is_some_and(|ms| ms > 0), "{hello}");
        socket
    }

    /// Opens a connection and reads HELLO; none where the server has gone, or goes meanwhile.
    pub fn try_open(address: SocketAddr) -> Option<Self> {
        let mut socket = Self::try_shake_hands([127, 0, 0, 1], address, b"", "/ws", "").ok()?;
        let is_open = socket.try_head().ok()?.starts_with("HTTP/1.1 101 ");
        (is_open && matches!(socket.receive(), Received::Text(_))).then_some(socket)
    }

    /// Opens a connection and reads nothing but the answer to the handshake.
    pub fn upgraded(address: SocketAddr) -> Self {
        Self::upgraded_with(address, "")
    }

    /// Opens a connection with these lines more in the handshake.
    pub fn upgraded_with(address: SocketAddr, lines: &str) -> Self {
        Self::upgraded_from([127, 0, 0, 1], address, b"", lines)
    }

    /// Opens a connection from an address of this machine, likewise; these bytes come before everything.
    pub fn upgraded_from(from: [u8; 4], address: SocketAddr, preface: &[u8], lines: &str) -> Self {
        Self::shake_hands(from, address, preface, "/ws", lines).checked()
    }

    /// Opens a connection at an address with a query, likewise.
    pub fn upgraded_at(address: SocketAddr, target: &str, lines: &str) -> Self {
        Self::shake_hands([127, 0, 0, 1], address, b"", target, lines).checked()
    }

    /// Reads the answer to the handshake.
    fn checked(self) -> Self {
        let mut socket = self;
        let head = socket.head();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
        assert!(!head.to_ascii_lowercase().contains("sec-websocket-extensions"), "{head}");
        socket
    }

    /// The first line of the answer to such a handshake; empty if the server ends the connection.
    pub fn handshake_from(
        from: [u8; 4],
        address: SocketAddr,
        preface: &[u8],
        lines: &str,
    ) -> String {
        let mut line = String::new();
        // A server that hangs up on unread bytes resets the connection.
        let _ = Self::shake_hands(from, address, preface, "/ws", lines).stream.read_line(&mut line);
        line
    }

    /// Connects and asks for a socket.
    fn shake_hands(
        from: [u8; 4],
        address: SocketAddr,
        preface: &[u8],
        target: &str,
        lines: &str,
    ) -> Self {
        Self::try_shake_hands(from, address, preface, target, lines).unwrap()
    }

    /// The same with a server that may have gone.
    fn try_shake_hands(
        from: [u8; 4],
        address: SocketAddr,
        preface: &[u8],
        target: &str,
        lines: &str,
    ) -> io::Result<Self> {
        let raw = socket2::Socket::new(Domain::IPV4, Type::STREAM, None)?;
        raw.bind(&SocketAddr::from((from, 0)).into())?;
        raw.connect(&address.into())?;
        let stream = TcpStream::from(raw);
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut socket = Self { stream: BufReader::new(stream) };
        socket.try_write(&[preface, handshake(target, lines).as_bytes()].concat())?;
        Ok(socket)
    }

    /// Sends a request's head and returns the answer's bytes: the head alone of an upgrade, else all.
    pub fn exchange(address: SocketAddr, request: &[u8]) -> Vec<u8> {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut socket = Self { stream: BufReader::new(stream) };
        socket.write(request);
        let mut answer = socket.head().into_bytes();
        if !answer.starts_with(b"HTTP/1.1 101 ") {
            let lines = String::from_utf8(answer.clone()).unwrap().to_ascii_lowercase();
            let length = lines.lines().find_map(|line| line.strip_prefix("content-length: "));
            let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
            socket.read(&mut body).unwrap();
            answer.extend(body);
        }
        answer
    }

    /// A connection that has identified, and INIT's data.
    pub fn enter(address: SocketAddr, token: Option<&str>) -> (Self, Value) {
        let mut socket = Self::open(address);
        socket.identify(token);
        let init = socket.expect("INIT");
        (socket, init["d"].clone())
    }

    /// Sends IDENTIFY for the first project.
    pub fn identify(&mut self, token: Option<&str>) {
        self.send(&json!({"op": 2, "d": {"project_id": PROJECT, "token": token}}));
    }

    /// Sends a dispatch.
    pub fn dispatch(&mut self, event: &str, channel: &str, data: &Value) {
        self.send(&json!({"op": 0, "d": {"e": event, "c": channel, "d": data}}));
    }

    /// Subscribes and waits for it; returns the channel.
    pub fn subscribe(&mut self, channel: &str) -> Value {
        self.dispatch("SUBSCRIBE", channel, &Value::Null);
        let available = self.expect("AVAILABLE");
        assert_eq!(available["c"], channel, "{available}");
        available["d"]["channel"].clone()
    }

    /// Sends a payload.
    pub fn send(&mut self, payload: &Value) {
        self.write(&frame::text(&payload.to_string()));
    }

    /// Sends a payload to a server that may have gone.
    pub fn try_send(&mut self, payload: &Value) -> io::Result<()> {
        self.try_write(&frame::text(&payload.to_string()))
    }

    /// Sends bytes.
    pub fn write(&mut self, bytes: &[u8]) {
        self.try_write(bytes).unwrap();
    }

    /// Sends bytes to a server that may have hung up already.
    pub fn try_write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Ends the sending side; the other one stays.
    pub fn finish(&self) {
        self.stream.get_ref().shutdown(Shutdown::Write).unwrap();
    }

    /// Ends the connection with a reset, whatever is under way.
    pub fn reset(self) {
        SockRef::from(self.stream.get_ref()).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// How many whole frames could be read now, once no more of them come.
    pub fn whole_frames_there(&self) -> u64 {
        assert!(self.stream.buffer().is_empty(), "something was read and not looked at");
        let (mut bytes, mut before) = (vec![0; 1 << 20], 0);
        let size = loop {
            let size = self.stream.get_ref().peek(&mut bytes).unwrap();
            if size == before {
                break size;
            }
            before = size;
            // That nothing more comes, no event tells: the system's buffers are all that is looked at.
            std::thread::sleep(Duration::from_millis(300));
        };
        let (mut frames, mut at) = (0, 0);
        loop {
            let length = match bytes[at + 1] {
                126 => 4 + usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]])),
                short => 2 + usize::from(short),
            };
            at += length;
            if at + 4 > size {
                return frames + u64::from(at <= size);
            }
            frames += 1;
        }
    }

    /// Whether anything could be read now, the end included.
    pub fn has_unread(&self) -> bool {
        let stream = self.stream.get_ref();
        stream.set_nonblocking(true).unwrap();
        let peeked = stream.peek(&mut [0]);
        stream.set_nonblocking(false).unwrap();
        !peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    /// Lets the system keep little that is not read.
    pub fn read_little(&self) {
        SockRef::from(self.stream.get_ref()).set_recv_buffer_size(8192).unwrap();
    }

    /// Sends a heartbeat and waits for its acknowledgement, which has to be next.
    pub fn beat(&mut self) {
        self.send(&json!({"op": 3, "d": {"tag": "here"}}));
        let Received::Text(text) = self.receive() else { panic!("no acknowledgement") };
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["op"], 4, "{text}");
    }

    /// Sends a heartbeat and waits for its acknowledgement, past everything else.
    pub fn beat_past_all(&mut self) {
        self.send(&json!({"op": 3, "d": {"tag": "past all"}}));
        while !matches!(self.receive(), Received::Text(text) if text.contains("past all")) {}
    }

    /// Sets how long a read may take.
    pub fn set_patience(&self, patience: Duration) {
        self.stream.get_ref().set_read_timeout(Some(patience)).unwrap();
    }

    /// Sets how long a write may take.
    pub fn set_write_patience(&self, patience: Duration) {
        self.stream.get_ref().set_write_timeout(Some(patience)).unwrap();
    }

    /// The next dispatch: `{c, u, e, d}`. The server's heartbeats are answered, its acknowledgements passed over.
    pub fn next(&mut self) -> Value {
        self.try_next().unwrap_or_else(|end| panic!("no dispatch but {end:?}"))
    }

    /// The next dispatch, or what ended the connection instead.
    pub fn try_next(&mut self) -> Result<Value, Received> {
        loop {
            let text = match self.receive() {
                Received::Text(text) => text,
                Received::Pong(_) => continue,
                end => return Err(end),
            };
            let mut payload: Value = serde_json::from_str(&text).unwrap();
            match payload["op"].as_u64() {
                Some(0) => return Ok(payload["d"].take()),
                // The server may have gone meanwhile; the next read tells.
                Some(3) => drop(self.try_write(&frame::text(&payload.to_string()))),
                Some(4) => {}
                _ => panic!("not for a client: {text}"),
            }
        }
    }

    /// The next dispatch of one of these kinds, past all others.
    pub fn next_of(&mut self, events: &[&str]) -> Value {
        loop {
            let dispatch = self.next();
            if dispatch["e"].as_str().is_some_and(|event| events.contains(&event)) {
                return dispatch;
            }
        }
    }

    /// The next dispatch, which must be of this kind.
    pub fn expect(&mut self, event: &str) -> Value {
        let dispatch = self.next();
        assert_eq!(dispatch["e"], event, "{dispatch}");
        assert!(dispatch["u"].is_boolean(), "{dispatch}");
        assert!(dispatch["c"].is_null() || dispatch["c"].is_string(), "{dispatch}");
        dispatch
    }

    /// Reads up to the next pong and returns what it echoes.
    pub fn next_pong(&mut self) -> Vec<u8> {
        loop {
            match self.receive() {
                Received::Pong(payload) => return payload,
                Received::Text(_) => {}
                end => panic!("no pong but {end:?}"),
            }
        }
    }

    /// Reads up to the server's close frame and asserts that it ends the connection then; returns code and reason.
    pub fn expect_close(&mut self) -> (u16, String) {
        let close = self.close_frame();
        assert_eq!(self.receive(), Received::End, "after the close frame");
        close
    }

    /// The next close frame, at the moment that it comes: the connection's end may take seconds more.
    pub fn close_frame(&mut self) -> (u16, String) {
        loop {
            match self.receive() {
                Received::Close(code, reason) => return (code, reason),
                Received::End => panic!("the connection ended without a close frame"),
                Received::Text(_) | Received::Binary(_) | Received::Pong(_) => {}
            }
        }
    }

    /// Reads one frame.
    pub fn receive(&mut self) -> Received {
        let mut head = [0; 2];
        if self.read(&mut head).is_none() {
            return Received::End;
        }
        let [first, second] = head;
        assert_eq!(first & 0x70, 0, "reserved bits");
        assert_eq!(second & 0x80, 0, "a server masks nothing");
        let length = match second {
            126 => self.number::<2>(126),
            127 => self.number::<8>(65_536),
            short => u64::from(short),
        };
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        if self.read(&mut payload).is_none() {
            return Received::End;
        }
        match first {
            frame::TEXT => Received::Text(String::from_utf8(payload).unwrap()),
            frame::BINARY => Received::Binary(payload),
            frame::PONG => Received::Pong(payload),
            frame::CLOSE => {
                assert!((2..=125).contains(&payload.len()), "a close of {} bytes", payload.len());
                let code = u16::from_be_bytes([payload[0], payload[1]]);
                Received::Close(code, String::from_utf8(payload.split_off(2)).unwrap())
            }
            other => panic!("a frame that nobody sends: {other:#x}"),
        }
    }

    /// A length of `N` bytes, which must not have fitted a shorter form.
    fn number<const N: usize>(&mut self, at_least: u64) -> u64 {
        let mut bytes = [0; N];
        self.read(&mut bytes).unwrap();
        let number = bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        assert!(number >= at_least, "{number} in a long form");
        number
    }

    /// Fills a buffer; none at the end of the connection. Patience that runs out is a failure.
    fn read(&mut self, buffer: &mut [u8]) -> Option<()> {
        match self.stream.read_exact(buffer) {
            Ok(()) => Some(()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("the server says nothing")
            }
            Err(_) => None,
        }
    }

    /// Reads a response's head.
    fn head(&mut self) -> String {
        self.try_head().unwrap()
    }

    /// The same of a server that may have gone.
    fn try_head(&mut self) -> io::Result<String> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.stream.read_line(&mut head)? == 0 {
                return Err(io::Error::other(format!("no whole answer: {head}")));
            }
        }
        Ok(head)
    }
}

/// The request that asks for a socket, with these lines more. Key and answer are the ones of RFC 6455 §1.3.
fn handshake(target: &str, lines: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{lines}\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}
