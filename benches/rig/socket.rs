//! A socket that speaks just enough Leap to be one of many. Not the tests' client: that one looks at every frame and keeps a
//! large buffer, and here a hundred thousand share the machine with the server that is weighed.

use super::{PATIENCE, PROJECT};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

/// FIN and the opcode of a text frame.
const TEXT: u8 = 0x81;
/// A mask bit, a length in two bytes.
const MASKED_MEDIUM: u8 = 0x80 | 0x7E;

/// One connection.
pub struct Socket {
    /// The bytes, both ways; a small buffer, because there are many.
    stream: BufReader<TcpStream>,
}

impl Socket {
    /// Opens a connection, identifies, and waits for INIT.
    pub fn enter(address: SocketAddr, token: Option<&str>) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut socket = Self { stream: BufReader::with_capacity(512, stream) };
        let head = "GET /ws HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        socket.stream.get_mut().write_all(head.as_bytes()).unwrap();
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            assert!(socket.stream.read_line(&mut line).unwrap() > 0, "no whole head");
        }
        let token = token.map_or_else(|| "null".to_owned(), |token| format!("\"{token}\""));
        socket.send(&format!(r#"{{"op":2,"d":{{"project_id":"{PROJECT}","token":{token}}}}}"#));
        socket.wait_for("INIT");
        socket
    }

    /// Asks for a channel, and does not wait for it.
    pub fn ask_for(&mut self, channel: &str) {
        self.send(&format!(r#"{{"op":0,"d":{{"e":"SUBSCRIBE","c":"{channel}","d":null}}}}"#));
    }

    /// Subscribes to a channel.
    pub fn subscribe(&mut self, channel: &str) {
        self.ask_for(channel);
        self.wait_for("AVAILABLE");
    }

    /// Sends a payload; its mask is all zeros, which is a mask like any other.
    pub fn send(&mut self, payload: &str) {
        let length = u16::try_from(payload.len()).unwrap();
        let mut frame = vec![TEXT, MASKED_MEDIUM];
        frame.extend(length.to_be_bytes());
        frame.extend([0; 4]);
        frame.extend(payload.as_bytes());
        self.stream.get_mut().write_all(&frame).unwrap();
    }

    /// Reads up to the next dispatch, which must be of this kind.
    pub fn wait_for(&mut self, event: &str) {
        loop {
            let text = self.receive();
            if text.starts_with(r#"{"op":0,"#) {
                assert!(text.contains(&format!(r#""e":"{event}""#)), "{event}: {text}");
                return;
            }
        }
    }

    /// Reads one text frame.
    fn receive(&mut self) -> String {
        let [first, short] = self.bytes();
        let length = match short {
            126 => usize::from(u16::from_be_bytes(self.bytes())),
            127 => usize::try_from(u64::from_be_bytes(self.bytes())).unwrap(),
            short => usize::from(short),
        };
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).unwrap();
        assert_eq!(first, TEXT, "{}", String::from_utf8_lossy(&payload));
        String::from_utf8(payload).unwrap()
    }

    /// Reads so many bytes.
    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes).unwrap();
        bytes
    }
}
