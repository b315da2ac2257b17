//! A client that speaks Leap in any encoding and remembers what its frames looked like.

use crate::socket::frame::{BINARY, TEXT, masked};
use crate::socket::{Received, Socket};
use crate::support::PROJECT;
use flate2::read::ZlibDecoder;
use serde_json::{Value, json};
use std::io::Read as _;
use std::net::SocketAddr;
use warren::protocol::etf;

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
    /// Its frames, both ways.
    socket: Socket,
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
        let socket = Socket::upgraded_at(address, &format!("/ws?{query}"), headers);
        let is_etf = query.contains("encoding=etf");
        let mut client = Self { socket, is_etf, form: Form::Json, forms: Vec::new() };
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
        let _ = self.socket.try_write(&masked(first, payload));
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
        let (form, text) = match self.socket.receive() {
            Received::Text(text) => (Form::Json, text),
            Received::Binary(payload) if payload.first() == Some(&0x78) => {
                (Form::Zlib, self.plain(&inflate(&payload)))
            }
            Received::Binary(payload) => (Form::Etf, self.plain(&payload)),
            other => panic!("no payload but {other:?}"),
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
        self.socket.close_frame()
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
