//! HTTP over one kept connection, with as little work for the client as can be: it shares the machine with the server.
//! Not the tests' client, which takes an answer apart.

use super::{OWNER, PATIENCE};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

/// One connection, used for one request after the other, in the project's name.
pub struct Http {
    /// The bytes, both ways.
    stream: BufReader<TcpStream>,
    /// A request on its way, an answer's head, an answer's body.
    buffer: Vec<u8>,
}

impl Http {
    /// Connects.
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream: BufReader::new(stream), buffer: Vec::new() }
    }

    /// Sends a request that must succeed, and returns the answer's body.
    pub fn call(&mut self, method: &str, path: &str, body: &str) -> &[u8] {
        self.buffer.clear();
        write!(
            self.buffer,
            "{method} {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: {OWNER}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        self.stream.get_mut().write_all(&self.buffer).unwrap();
        let length = self.read_head();
        self.buffer.resize(length, 0);
        self.stream.read_exact(&mut self.buffer).unwrap();
        &self.buffer
    }

    /// Reads the head of an answer and returns how long its body is.
    fn read_head(&mut self) -> usize {
        let (mut length, mut is_first) = (0, true);
        loop {
            self.buffer.clear();
            assert!(self.stream.read_until(b'\n', &mut self.buffer).unwrap() > 0, "no whole head");
            let line = str::from_utf8(&self.buffer).unwrap().trim_end();
            if is_first {
                assert!(line.starts_with("HTTP/1.1 2"), "{line}");
                is_first = false;
            } else if line.is_empty() {
                return length;
            } else if let Some((name, value)) = line.split_once(": ")
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.parse().unwrap();
            }
        }
    }
}
