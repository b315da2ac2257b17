//! A blocking client that speaks Leap in any encoding and remembers what its frames looked like.

use crate::support::PROJECT;
use flate2::read::ZlibDecoder;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use warren::protocol::etf;

/// How long anything may take that has to happen.
const PATIENCE: Duration = Duration::from_secs(30);
/// What every frame of a client is masked with.
const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// FIN and the opcode of a text frame.
pub const TEXT: u8 = 0x81;
/// FIN and the opcode of a binary frame.
pub const BINARY: u8 = 0x82;
/// FIN and the opcode of a close frame.
const CLOSE: u8 = 0x88;

/// How a payload came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// JSON in a text frame.
    Json,
    /// A term in a binary frame.
    Etf,
    /// A zlib stream in a binary frame.
    Zlib,
}

/// One connection.
pub struct Client {
    /// The bytes, both ways.
    stream: BufReader<TcpStream>,
    /// Whether it asked for terms.
    is_etf: bool,
    /// How the last payload came.
    pub form: Form,
    /// How the payloads came so far.
    pub forms: Vec<Form>,
}

impl Client {
    /// Opens a connection with this query and these header lines, and reads HELLO.
    pub fn open(address: SocketAddr, query: &str, headers: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let stream = BufReader::new(stream);
        let is_etf = query.contains("encoding=etf");
        let mut client = Self { stream, is_etf, form: Form::Json, forms: Vec::new() };
        let request = format!(
            "GET /ws?{query} HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{headers}\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        client.stream.get_mut().write_all(request.as_bytes()).unwrap();
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(client.stream.read_line(&mut head).unwrap() > 0, "{head}");
        }
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert_eq!(client.next()["op"], 1);
        client
    }

    /// Opens a connection that has identified.
    pub fn identified(address: SocketAddr, query: &str, headers: &str) -> Self {
        let mut client = Self::open(address, query, headers);
        client.send(&json!({"op": 2, "d": {"project_id": PROJECT}}));
        client.expect("INIT");
        client
    }

    /// A connection that has identified and hears a channel.
    pub fn subscribed(address: SocketAddr, query: &str, headers: &str, channel: &str) -> Self {
        let mut client = Self::identified(address, query, headers);
        client.dispatch("SUBSCRIBE", channel, &Value::Null);
        client.expect("AVAILABLE");
        client
    }

    /// Sends a dispatch.
    pub fn dispatch(&mut self, event: &str, channel: &str, data: &Value) {
        self.send(&json!({"op": 0, "d": {"e": event, "c": channel, "d": data}}));
    }

    /// Sends a payload in the connection's encoding.
    pub fn send(&mut self, payload: &Value) {
        let text = payload.to_string();
        if self.is_etf {
            self.write(BINARY, &etf::from_json(&text));
        } else {
            self.write(TEXT, text.as_bytes());
        }
    }

    /// Sends a frame with any payload; the server may have hung up already.
    pub fn write(&mut self, first: u8, payload: &[u8]) {
        self.write_head(first, payload.len());
        let masked: Vec<u8> =
            payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        let _ = self.stream.get_mut().write_all(&masked);
    }

    /// Sends the head of a frame of this length.
    fn write_head(&mut self, first: u8, length: usize) {
        let mut head = vec![first, 0xFF];
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(short), _) if short < 126 => head[1] = 0x80 | short,
            (_, Ok(medium)) => {
                head[1] = 0xFE;
                head.extend(medium.to_be_bytes());
            }
            _ => head.extend(u64::try_from(length).unwrap().to_be_bytes()),
        }
        head.extend(MASK);
        let _ = self.stream.get_mut().write_all(&head);
    }

    /// Reads up to the next dispatch, which must be of this kind, and returns its data.
    pub fn expect(&mut self, event: &str) -> Value {
        loop {
            let mut payload = self.next();
            if payload["op"] == 0 {
                assert_eq!(payload["d"]["e"], event, "{payload}");
                return payload["d"]["d"].take();
            }
        }
    }

    /// Reads up to the next acknowledgement of a heartbeat.
    pub fn expect_ack(&mut self) -> Value {
        loop {
            let payload = self.next();
            if payload["op"] == 4 {
                return payload;
            }
        }
    }

    /// Reads the next payload.
    pub fn next(&mut self) -> Value {
        let (first, payload) = self.frame();
        let (form, text) = match (first, payload.first()) {
            (TEXT, _) => (Form::Json, String::from_utf8(payload).unwrap()),
            (BINARY, Some(0x78)) => (Form::Zlib, self.plain(&inflate(&payload))),
            (BINARY, _) => (Form::Etf, self.plain(&payload)),
            _ => panic!("no payload but {first:#x} {payload:?}"),
        };
        self.form = form;
        self.forms.push(form);
        serde_json::from_str(&text).unwrap()
    }

    /// What an uncompressed payload says, as JSON.
    fn plain(&self, payload: &[u8]) -> String {
        if self.is_etf {
            etf::to_json(payload, usize::MAX).unwrap()
        } else {
            String::from_utf8(payload.to_vec()).unwrap()
        }
    }

    /// Reads up to the server's close frame and returns its code and reason.
    pub fn expect_close(&mut self) -> (u16, String) {
        loop {
            let (first, mut payload) = self.frame();
            if first == CLOSE {
                let reason = payload.split_off(2);
                let code = u16::from_be_bytes([payload[0], payload[1]]);
                return (code, String::from_utf8(reason).unwrap());
            }
        }
    }

    /// Reads one frame.
    fn frame(&mut self) -> (u8, Vec<u8>) {
        let [first, short] = self.bytes();
        let length = match short {
            126 => u64::from(u16::from_be_bytes(self.bytes())),
            127 => u64::from_be_bytes(self.bytes()),
            short => u64::from(short),
        };
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.stream.read_exact(&mut payload).unwrap();
        (first, payload)
    }

    /// Reads so many bytes.
    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes).unwrap();
        bytes
    }
}

/// What a zlib stream holds, which must be all there is.
fn inflate(stream: &[u8]) -> Vec<u8> {
    let mut decoder = ZlibDecoder::new(stream);
    let mut inflated = Vec::new();
    decoder.read_to_end(&mut inflated).unwrap();
    assert_eq!(decoder.total_in(), u64::try_from(stream.len()).unwrap());
    inflated
}
