//! A WebSocket client of few words: text frames of one piece.

use super::{PATIENCE, PROJECT, Server};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

/// A connection; gone when dropped.
pub struct Socket(TcpStream);

impl Socket {
    /// Connects, identifies and returns after INIT.
    pub fn enter(server: &Server, token: Option<&str>) -> Self {
        let stream = TcpStream::connect(server.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut socket = Self(stream);
        let ask = "GET /ws HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        socket.0.write_all(ask.as_bytes()).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.bytes(1)[0]);
        }
        assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
        socket.send(&json!({"op": 2, "d": {"project_id": PROJECT, "token": token}}));
        socket.event("INIT");
        socket
    }

    /// Sends a dispatch of the client's.
    pub fn dispatch(&mut self, event: &str, channel: &str, data: &Value) {
        self.send(&json!({"op": 0, "d": {"e": event, "c": channel, "d": data}}));
    }

    /// Waits for a dispatch with one of these names and returns its payload.
    pub fn either(&mut self, names: &[&str]) -> Value {
        loop {
            let frame = self.frame();
            let is_it = frame["d"]["e"].as_str().is_some_and(|name| names.contains(&name));
            if frame["op"] == 0 && is_it {
                return frame["d"].clone();
            }
        }
    }

    /// Waits for a dispatch of this name.
    pub fn event(&mut self, name: &str) -> Value {
        self.either(&[name])
    }

    /// Sends a heartbeat with this tag and waits for its acknowledgement, past everything else.
    pub fn beat(&mut self, tag: &str) {
        self.send(&json!({"op": 3, "d": {"tag": tag}}));
        while self.frame() != json!({"op": 4, "d": {"tag": tag}}) {}
    }

    /// Sends a text frame, masked with zeros.
    fn send(&mut self, value: &Value) {
        let text = value.to_string();
        let mut frame = vec![0x81, 0xFE];
        frame.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
        frame.extend([0; 4]);
        frame.extend(text.as_bytes());
        self.0.write_all(&frame).unwrap();
    }

    /// Reads a frame.
    fn frame(&mut self) -> Value {
        let head = self.bytes(2);
        let length = match head[1] {
            126 => u64::from(u16::from_be_bytes(self.bytes(2).try_into().unwrap())),
            127 => u64::from_be_bytes(self.bytes(8).try_into().unwrap()),
            short => u64::from(short),
        };
        let payload = self.bytes(usize::try_from(length).unwrap());
        assert_eq!(head[0], 0x81, "{}", String::from_utf8_lossy(&payload));
        serde_json::from_slice(&payload).unwrap()
    }

    /// Reads so many bytes.
    fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }
}
