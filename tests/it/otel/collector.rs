//! A collector of OpenTelemetry on loopback, as far as tests need one: it takes spans by HTTP and reads them.

use crate::support::until;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A span as it came.
#[derive(Clone, Debug, Default)]
pub struct SeenSpan {
    /// Its trace, in hex.
    pub trace: String,
    /// Its own id, in hex.
    pub id: String,
    /// The span that it is part of, in hex.
    pub parent: String,
    /// What it is called.
    pub name: String,
    /// Its kind.
    pub kind: u64,
    /// How long it lasted.
    pub lasted: Duration,
    /// What is said of it.
    pub attributes: BTreeMap<String, String>,
    /// Whether it failed.
    pub is_error: bool,
    /// What is said of the service.
    pub service: BTreeMap<String, String>,
}

/// A value of a field of protocol buffers.
enum FieldValue<'a> {
    /// A number, of whichever size.
    Number(u64),
    /// A text, bytes or a message.
    Bytes(&'a [u8]),
}

impl<'a> FieldValue<'a> {
    /// The bytes.
    fn bytes(&self) -> &'a [u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Number(number) => panic!("{number} where bytes were expected"),
        }
    }

    /// The number.
    fn number(&self) -> u64 {
        match self {
            Self::Number(number) => *number,
            Self::Bytes(bytes) => panic!("{bytes:?} where a number was expected"),
        }
    }

    /// The text.
    fn text(&self) -> String {
        String::from_utf8(self.bytes().to_vec()).unwrap()
    }

    /// The bytes in hex.
    fn hex(&self) -> String {
        self.bytes().iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        })
    }
}

/// Takes a number of variable length.
fn varint(message: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = message[0];
        *message = &message[1..];
        number |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            break;
        }
    }
    number
}

/// Takes so many bytes.
fn take<'a>(message: &mut &'a [u8], size: usize) -> &'a [u8] {
    let (taken, rest) = message.split_at(size);
    *message = rest;
    taken
}

/// The fields of a message of protocol buffers, by number.
fn fields(mut message: &[u8]) -> Vec<(u64, FieldValue<'_>)> {
    let mut found = Vec::new();
    while !message.is_empty() {
        let tag = varint(&mut message);
        let value = match tag & 7 {
            0 => FieldValue::Number(varint(&mut message)),
            1 => {
                let bytes = take(&mut message, 8).try_into().unwrap();
                FieldValue::Number(u64::from_le_bytes(bytes))
            }
            2 => {
                let size = usize::try_from(varint(&mut message)).unwrap();
                FieldValue::Bytes(take(&mut message, size))
            }
            5 => {
                let bytes = take(&mut message, 4).try_into().unwrap();
                FieldValue::Number(u32::from_le_bytes(bytes).into())
            }
            other => panic!("wire type {other}"),
        };
        found.push((tag >> 3, value));
    }
    found
}

/// The messages in a message's fields of that number.
fn messages(message: &[u8], number: u64) -> impl Iterator<Item = &[u8]> {
    let own = fields(message).into_iter().filter(move |(own, _)| *own == number);
    own.map(|(_, value)| value.bytes())
}

/// The attributes in a message's fields of that number.
fn attributes(message: &[u8], number: u64) -> BTreeMap<String, String> {
    let pair = |message| {
        let (mut key, mut said) = (String::new(), String::new());
        for (number, value) in fields(message) {
            match number {
                1 => key = value.text(),
                _ => match fields(value.bytes()).first() {
                    Some((1, text)) => said = text.text(),
                    Some((3, whole)) => said = whole.number().to_string(),
                    _ => {}
                },
            }
        }
        (key, said)
    };
    messages(message, number).map(pair).collect()
}

/// Reads a span.
fn span(message: &[u8], service: &BTreeMap<String, String>) -> SeenSpan {
    let mut seen = SeenSpan {
        attributes: attributes(message, 9),
        service: service.clone(),
        ..SeenSpan::default()
    };
    let (mut begin, mut end) = (0, 0);
    for (number, value) in fields(message) {
        match number {
            1 => seen.trace = value.hex(),
            2 => seen.id = value.hex(),
            4 => seen.parent = value.hex(),
            5 => seen.name = value.text(),
            6 => seen.kind = value.number(),
            7 => begin = value.number(),
            8 => end = value.number(),
            15 => {
                let of_error =
                    |(number, value): &(u64, FieldValue<'_>)| *number == 3 && value.number() == 2;
                seen.is_error = fields(value.bytes()).iter().any(of_error);
            }
            _ => {}
        }
    }
    seen.lasted = Duration::from_nanos(end.checked_sub(begin).expect("ends after its beginning"));
    seen
}

/// A collector on loopback; its thread ends with the test's process.
pub struct Collector {
    /// Where it listens.
    pub address: SocketAddr,
    /// The bodies that came.
    bodies: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Collector {
    /// Starts one.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let bodies = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let heard = Arc::clone(&bodies);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let body = taken(stream);
                heard.lock().unwrap().push(body);
            }
        });
        Self { address, bodies }
    }

    /// All spans that came.
    pub fn spans(&self) -> Vec<SeenSpan> {
        let bodies = self.bodies.lock().unwrap();
        let mut spans = Vec::new();
        for resource in bodies.iter().flat_map(|body| messages(body, 1)) {
            let service = messages(resource, 1).flat_map(|it| attributes(it, 1)).collect();
            let scopes = messages(resource, 2);
            spans.extend(scopes.flat_map(|scope| messages(scope, 2)).map(|it| span(it, &service)));
        }
        spans
    }

    /// Whether this came, in whatever place.
    pub fn has(&self, text: &str) -> bool {
        let bodies = self.bodies.lock().unwrap().concat();
        bodies.windows(text.len()).any(|part| part == text.as_bytes())
    }

    /// Waits for the span of the request with this id.
    pub fn wait_for_request(&self, id: &str) -> SeenSpan {
        self.wait_for(id, |span| {
            span.attributes.get("warren.request_id").is_some_and(|it| it == id)
        })
    }

    /// Waits for a span like this.
    pub fn wait_for(&self, what: &str, is_it: impl Fn(&SeenSpan) -> bool) -> SeenSpan {
        until(what, || {
            let spans = self.spans();
            spans.iter().find(|span| is_it(span)).cloned().ok_or(spans)
        })
    }
}

/// Takes a request for the spans in it, and says so.
fn taken(stream: TcpStream) -> Vec<u8> {
    let mut stream = BufReader::new(stream);
    let (mut size, mut line) = (0, String::new());
    stream.read_line(&mut line).unwrap();
    assert_eq!(line, "POST /v1/traces HTTP/1.1\r\n");
    while line != "\r\n" {
        line.clear();
        stream.read_line(&mut line).unwrap();
        let (name, value) = line.split_once(": ").unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => size = value.trim().parse().unwrap(),
            "content-type" => assert_eq!(value.trim(), "application/x-protobuf"),
            _ => {}
        }
    }
    let mut body = vec![0; size];
    stream.read_exact(&mut body).unwrap();
    let answer =
        "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n";
    stream.get_mut().write_all(answer.as_bytes()).unwrap();
    body
}
