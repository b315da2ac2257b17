//! The little of HTTP/1.1 that is needed: the length of an answer, and calls that prepare and tidy up a run.

use super::error::BenchError;
use super::target::Target;
use memchr::memmem::find;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// How long a call may wait for its answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// An answer at the start of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// Its status.
    pub(super) status: u16,
    /// How many bytes it takes.
    pub(super) length: usize,
}

/// The answer that the bytes start with; none while it is not whole.
pub(super) fn answer(bytes: &[u8]) -> Option<Answer> {
    let head = find(bytes, b"\r\n\r\n")? + 4;
    let lines = String::from_utf8_lossy(bytes.get(..head)?).to_ascii_lowercase();
    let status = lines.get(9..12).and_then(|it| it.parse().ok()).unwrap_or(0);
    let header = |name: &str| {
        lines.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    };
    let length = match header("content-length").and_then(|it| it.parse::<usize>().ok()) {
        Some(body) => head + body,
        None if header("transfer-encoding") == Some("chunked") => {
            head + find(bytes.get(head..)?, b"0\r\n\r\n")? + 5
        }
        None => head,
    };
    (length <= bytes.len()).then_some(Answer { status, length })
}

/// A connection for calls, one after the other.
pub(super) struct Caller<'a> {
    /// Whom it calls.
    target: &'a Target,
    /// The connection.
    socket: TcpStream,
}

impl<'a> Caller<'a> {
    /// Connects.
    ///
    /// # Errors
    /// [`BenchError::Prepare`].
    pub(super) fn new(target: &'a Target) -> Result<Self, BenchError> {
        let failed =
            |error: std::io::Error| BenchError::Prepare(format!("{}: {error}", target.url));
        let socket = TcpStream::connect_timeout(&target.address, PATIENCE).map_err(failed)?;
        socket.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
        socket.set_nodelay(true).map_err(failed)?;
        Ok(Self { target, socket })
    }

    /// Calls, and returns status and answer.
    ///
    /// # Errors
    /// [`BenchError::Prepare`] when no answer comes.
    pub(super) fn call(
        &mut self,
        method: &str,
        path: &str,
        body: &str,
    ) -> Result<(u16, String), BenchError> {
        let Target { host, token, .. } = self.target;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.exchange(request.as_bytes())
            .map_err(|error| BenchError::Prepare(format!("{method} {path}: {error}")))
    }

    /// Sends a request and reads its answer.
    fn exchange(&mut self, request: &[u8]) -> std::io::Result<(u16, String)> {
        self.socket.write_all(request)?;
        let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            if let Some(answer) = answer(&bytes) {
                return Ok((answer.status, String::from_utf8_lossy(&bytes).into_owned()));
            }
            let read = self.socket.read(&mut buffer)?;
            if read == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            bytes.extend_from_slice(buffer.get(..read).unwrap_or_default());
        }
    }

    /// Makes a channel, unless it is there already.
    ///
    /// # Errors
    /// [`BenchError::Prepare`] with what the server says.
    pub(super) fn make_channel(&mut self, id: &str, body: &str) -> Result<(), BenchError> {
        let (status, text) = self.call("PUT", &format!("/v1/channels/{id}"), body)?;
        if matches!(status, 200 | 409) {
            return Ok(());
        }
        let text = text.rsplit("\r\n").next().unwrap_or_default();
        Err(BenchError::Prepare(format!("making the channel {id}: {status} {text}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_when_it_is_whole() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP";
        assert_eq!(answer(whole), Some(Answer { status: 200, length: 40 }));
        assert_eq!(answer(&whole[..39]), None);
        assert_eq!(answer(&whole[..20]), None);
        let empty = b"HTTP/1.1 204 No Content\r\nx: y\r\n\r\n";
        assert_eq!(answer(empty), Some(Answer { status: 204, length: empty.len() }));
        let chunked = b"HTTP/1.1 503 X\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n";
        assert_eq!(answer(chunked), Some(Answer { status: 503, length: chunked.len() }));
        assert_eq!(answer(&chunked[..chunked.len() - 1]), None);
    }
}
