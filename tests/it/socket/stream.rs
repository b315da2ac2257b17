//! A blocking client of event streams, which reads them as the HTML standard says (§9.2.6) and asserts that every line is
//! one of those that the server has to say.

use super::PATIENCE;
use crate::support::{Answer, PROJECT, raw};
use serde_json::Value;
use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

/// What is asked for of a stream.
#[derive(Clone, Debug, Default)]
pub struct StreamAsk {
    /// Further parameters, escaped, each behind a `&`.
    pub query: String,
    /// Header lines, each with its line end.
    pub lines: String,
    /// The last id that its client has.
    last_id: String,
}

impl StreamAsk {
    /// A stream of the first project with this token, in the header.
    pub fn with(token: Option<&str>) -> Self {
        let lines = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
        Self { lines: lines.unwrap_or_default(), ..Self::default() }
    }

    /// The same with a parameter more.
    #[must_use]
    pub fn and(mut self, name: &str, value: &str) -> Self {
        self.query += &format!("&{name}={}", escaped(value));
        self
    }

    /// The same, as a browser comes back that has read this id last.
    #[must_use]
    pub fn after(mut self, id: &str) -> Self {
        self.lines += &format!("Last-Event-ID: {id}\r\n");
        id.clone_into(&mut self.last_id);
        self
    }
}

/// A value as it stands in a query.
fn escaped(value: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    value.bytes().map(byte).collect()
}

/// One stream.
pub struct StreamClient {
    /// What comes.
    stream: BufReader<TcpStream>,
    /// What of it has been read and not looked at: chunks joined.
    body: Vec<u8>,
    /// The head of the answer.
    pub head: Answer,
    /// The last `id:`, as a browser would send it back.
    pub last_id: String,
    /// How many comments came.
    pub comments: usize,
}

impl StreamClient {
    /// Opens a stream, or reads the answer that refuses it.
    pub fn try_open(address: SocketAddr, ask: &StreamAsk) -> Result<Self, Answer> {
        let target = format!("/sse?project={PROJECT}{}", ask.query);
        let stream = Self::try_open_at(address, &target, &ask.lines)?;
        Ok(Self { last_id: ask.last_id.clone(), ..stream })
    }

    /// The same at an address of one's own.
    pub fn try_open_at(address: SocketAddr, target: &str, lines: &str) -> Result<Self, Answer> {
        let mut stream = BufReader::new(raw(address));
        let request = format!("GET {target} HTTP/1.1\r\nHost: test\r\n{lines}\r\n");
        stream.get_mut().write_all(request.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            let size = stream.read_until(b'\n', &mut bytes).unwrap();
            assert!(size > 0, "no answer but {:?}", String::from_utf8_lossy(&bytes));
        }
        let mut head = Answer::parse_head(&bytes).unwrap();
        if head.status != 200 {
            let length = head.header("content-length").unwrap().parse().unwrap();
            head.body = vec![0; length];
            stream.read_exact(&mut head.body).unwrap();
            return Err(head);
        }
        assert_eq!(head.header("content-type"), Some("text/event-stream"));
        assert_eq!(head.header("transfer-encoding"), Some("chunked"));
        let (body, last_id) = (Vec::new(), String::new());
        Ok(Self { stream, body, head, last_id, comments: 0 })
    }

    /// Opens a stream that must not be refused.
    pub fn open(address: SocketAddr, ask: &StreamAsk) -> Self {
        Self::try_open(address, ask).unwrap_or_else(|answer| panic!("{}", answer.text()))
    }

    /// A stream with its INIT's data.
    pub fn enter(address: SocketAddr, ask: &StreamAsk) -> (Self, Value) {
        let mut stream = Self::open(address, ask);
        let init = stream.expect("INIT");
        (stream, init["d"].clone())
    }

    /// The next dispatch.
    pub fn next(&mut self) -> Value {
        self.try_next().expect("a dispatch")
    }

    /// The next dispatch; none at the end of the stream.
    pub fn try_next(&mut self) -> Option<Value> {
        let (mut name, mut data, mut id) = (String::new(), Vec::new(), None);
        loop {
            let line = self.line()?;
            match line.split_once(':') {
                None if line.is_empty() && data.is_empty() => self.keep(&mut id),
                None if line.is_empty() => break,
                Some(("", _)) => self.comments += 1,
                Some(("event", value)) => name = plain(value),
                Some(("data", value)) => data.push(plain(value)),
                Some(("id", value)) => id = Some(plain(value)),
                Some(("retry", value)) => assert!(plain(value).parse::<u64>().is_ok(), "{line}"),
                _ => panic!("a line that nobody needs: {line:?}"),
            }
        }
        self.keep(&mut id);
        let dispatch: Value = serde_json::from_str(&data.join("\n")).unwrap();
        assert_eq!(dispatch["e"], name.as_str(), "{dispatch}");
        Some(dispatch)
    }

    /// An event has come whole: from now on this is the last id.
    fn keep(&mut self, id: &mut Option<String>) {
        if let Some(id) = id.take() {
            self.last_id = id;
        }
    }

    /// The next dispatch, which must be of this kind.
    pub fn expect(&mut self, event: &str) -> Value {
        let dispatch = self.next();
        assert_eq!(dispatch["e"], event, "{dispatch}");
        assert!(dispatch["u"].is_boolean() && dispatch.get("c").is_some(), "{dispatch}");
        dispatch
    }

    /// Reads up to the event that says why the stream ends, and to its end; returns code and reason.
    pub fn expect_close(&mut self) -> (u64, String) {
        loop {
            let dispatch = self.try_next().expect("CLOSE comes before the end");
            if dispatch["e"] == "CLOSE" {
                assert_eq!(self.try_next(), None, "behind CLOSE");
                let (code, reason) = (&dispatch["d"]["code"], &dispatch["d"]["reason"]);
                return (code.as_u64().unwrap(), reason.as_str().unwrap().to_owned());
            }
        }
    }

    /// Ends our side, and says so to the system at once.
    pub fn hang_up(self) -> String {
        self.last_id
    }

    /// A line without its end; none at the end of the stream, which may come in the middle of one.
    fn line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.body.iter().position(|byte| *byte == b'\n') {
                let line = self.body.drain(..=at).collect::<Vec<_>>();
                return Some(String::from_utf8(line[..at].to_vec()).unwrap());
            }
            let chunk = self.chunk().unwrap_or_default();
            if chunk.is_empty() {
                return None;
            }
            self.body.extend(chunk);
        }
    }

    /// A chunk of the body; empty at its end.
    fn chunk(&mut self) -> io::Result<Vec<u8>> {
        let mut size = String::new();
        match self.stream.read_line(&mut size) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("the server says nothing for {PATIENCE:?} or what was set")
            }
            read => read?,
        };
        let size = usize::from_str_radix(size.trim_end(), 16).map_err(io::Error::other)?;
        let mut chunk = vec![0; size + 2];
        self.stream.read_exact(&mut chunk)?;
        assert!(chunk.ends_with(b"\r\n"));
        chunk.truncate(size);
        Ok(chunk)
    }
}

/// A field's value: one blank behind the colon is none of it.
fn plain(value: &str) -> String {
    value.strip_prefix(' ').unwrap_or(value).to_owned()
}
