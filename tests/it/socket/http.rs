//! HTTP over one kept connection, as a back end sends it.

use super::PATIENCE;
use crate::support::{Answer, OWNER};
use serde_json::Value;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

/// One connection, used for one request after the other, in the project's name.
pub struct Http {
    /// The bytes, both ways.
    stream: BufReader<TcpStream>,
}

impl Http {
    /// Connects.
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Sends a request and reads its answer; an error when the server has gone.
    pub fn call(&mut self, method: &str, path: &str, body: &str) -> io::Result<Answer> {
        self.call_with("", method, path, body)
    }

    /// The same under a key, so that the call is done once however often it is made.
    pub fn call_once(
        &mut self,
        key: &str,
        method: &str,
        path: &str,
        body: &str,
    ) -> io::Result<Answer> {
        self.call_with(&format!("Idempotency-Key: {key}\r\n"), method, path, body)
    }

    /// The same with another token.
    pub fn call_as(
        &mut self,
        token: &str,
        method: &str,
        path: &str,
        body: &str,
    ) -> io::Result<Answer> {
        self.send(token, "", method, path, body)
    }

    /// The same with these lines more.
    fn call_with(
        &mut self,
        lines: &str,
        method: &str,
        path: &str,
        body: &str,
    ) -> io::Result<Answer> {
        self.send(OWNER, lines, method, path, body)
    }

    /// Sends a request and reads its answer.
    fn send(
        &mut self,
        token: &str,
        lines: &str,
        method: &str,
        path: &str,
        body: &str,
    ) -> io::Result<Answer> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: test\r\nAuthorization: {token}\r\n{lines}\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes())?;
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            if self.stream.read_until(b'\n', &mut bytes)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let head = Answer::parse(&bytes).unwrap();
        let length = head.header("content-length").map_or(0, |length| length.parse().unwrap());
        let start = bytes.len();
        bytes.resize(start + length, 0);
        self.stream.read_exact(&mut bytes[start..])?;
        Ok(Answer::parse(&bytes).unwrap())
    }

    /// Sends a request that must succeed, and reads its data; null where there is none.
    pub fn data(&mut self, method: &str, path: &str, body: &str) -> io::Result<Value> {
        let answer = self.call(method, path, body)?;
        match answer.status {
            200 => Ok(answer.data()),
            204 => Ok(Value::Null),
            status => panic!("{method} {path}: {status} {}", answer.text()),
        }
    }
}
