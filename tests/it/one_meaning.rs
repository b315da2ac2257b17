//! The server has two readers of requests, its door and the HTTP layer behind it (`docs/adr/0008`): whatever comes, both
//! have one meaning for it. Each case is sent to both and compared: answers, and what subscribers hear.
//!
//! Thousands of mutations of plain requests, from a fixed seed, so that a failure comes back.

use crate::scene::create;
use crate::socket::Socket;
use crate::support::{OWNER, Server, raw};
use std::io::{Read as _, Write as _};
use std::net::Shutdown;

/// How many mutated requests are compared.
const PUBLISHES: usize = 2500;
/// How many mutated handshakes.
const HANDSHAKES: usize = 600;

/// A sequence of numbers that looks random and is always the same (`SplitMix64`).
struct Dice(u64);

impl Dice {
    /// A number below `sides`.
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let sides = u64::try_from(sides.max(1)).unwrap();
        usize::try_from((z ^ (z >> 31)) % sides).unwrap()
    }

    /// One of these.
    fn pick<'a>(&mut self, from: &[&'a [u8]]) -> &'a [u8] {
        from.get(self.roll(from.len())).unwrap()
    }
}

/// A request, in parts that can be changed.
#[derive(Clone)]
struct Request {
    /// `METHOD target VERSION`.
    line: [Vec<u8>; 3],
    /// The header lines.
    headers: Vec<Vec<u8>>,
    /// The body.
    body: Vec<u8>,
}

impl Request {
    /// A plain publish.
    fn publish() -> Self {
        let body = br#"{"e":"A","d":{"n":1}}"#.to_vec();
        let headers = [
            "Host: test".to_owned(),
            format!("Authorization: {OWNER}"),
            "Content-Type: application/json".to_owned(),
            format!("Content-Length: {}", body.len()),
            "User-Agent: test/1".to_owned(),
        ];
        Self {
            line: ["POST", "/v1/channels/room/messages", "HTTP/1.1"]
                .map(|part| part.as_bytes().to_vec()),
            headers: headers.map(String::into_bytes).into(),
            body,
        }
    }

    /// A plain handshake.
    fn handshake() -> Self {
        let headers = [
            "Host: test",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ];
        Self {
            line: ["GET", "/ws", "HTTP/1.1"].map(|part| part.as_bytes().to_vec()),
            headers: headers.map(|line| line.as_bytes().to_vec()).into(),
            body: Vec::new(),
        }
    }

    /// Its bytes.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.line.join(&b' ');
        for header in &self.headers {
            bytes.extend(b"\r\n");
            bytes.extend(header);
        }
        bytes.extend(b"\r\n\r\n");
        bytes.extend(&self.body);
        bytes
    }

    /// Changes one part by the dice.
    fn mutate(&mut self, dice: &mut Dice) {
        let at = dice.roll(self.headers.len());
        match dice.roll(10) {
            0 => self.line[0] = dice.pick(METHODS).to_vec(),
            1 | 2 => self.line[1] = dice.pick(TARGETS).to_vec(),
            3 => self.line[2] = dice.pick(VERSIONS).to_vec(),
            4 => drop((!self.headers.is_empty()).then(|| self.headers.remove(at))),
            5 => self.headers.extend(self.headers.get(at).cloned()),
            6 | 7 => self.headers.insert(at, dice.pick(LINES).to_vec()),
            8 => {
                if let Some(header) = self.headers.get_mut(at) {
                    *header = dice.pick(LINES).to_vec();
                }
            }
            _ => self.body = dice.pick(BODIES).to_vec(),
        }
    }
}

/// Changes a byte here and there.
fn damage(bytes: &mut Vec<u8>, dice: &mut Dice) {
    for _ in 0..=dice.roll(2) {
        let at = dice.roll(bytes.len());
        match dice.roll(3) {
            0 => bytes.insert(at, *dice.pick(BYTES).first().unwrap()),
            1 => drop(bytes.remove(at)),
            _ => bytes[at] = *dice.pick(BYTES).first().unwrap(),
        }
    }
}

/// Methods.
const METHODS: &[&[u8]] =
    &[b"GET", b"PUT", b"post", b"OPTIONS", b"HEAD", b"BREW", b"", b"PO ST", b"P\xc3\x96ST"];
/// Targets.
const TARGETS: &[&[u8]] = &[
    b"/v1/channels/room/publish",
    b"/v1/channels/ro<om/messages",
    b"/v1/channels/ro`om/messages",
    b"/v1/channels/ro|om/messages",
    b"/v1/channels/ro\"om/messages",
    b"/v1/channels/{room}/messages",
    b"/v1/channels/ro^om/messages",
    b"/v1/channels/ro\\om/messages",
    b"/v1/channels/r\xc3\xb6m/messages",
    b"/v1/channels/r\xffm/messages",
    b"/v1/channels/ro\x7fom/messages",
    b"/v1/channels/%72oom/messages",
    b"/v1/channels/roo%6d/messages",
    b"/v1/channels/ro%2Fom/messages",
    b"/v1/channels/room%00/messages",
    b"/v1/channels/room/messages?",
    b"/v1/channels/room/messages?project=project_other",
    b"/v1/channels/room/messages#part",
    b"/v1/channels/room#part/messages",
    b"/v1/channels/ro om/messages",
    b"/v1/channels/room/messages/",
    b"/v1/channels//messages",
    b"/v1/channels/./messages",
    b"/v1/channels/../messages",
    b"/v1/channels/tokens/messages",
    b"/v1/channels/connections/publish",
    b"/v1/channels/-._~!$&'()*+,;=:@/messages",
    b"//v1/channels/room/messages",
    b"/v1channels/room/messages",
    b"http://test/v1/channels/room/messages",
    b"/v1/channels/nowhere/messages",
    b"/v1/channels/room/state",
    b"/ws",
    b"/1.0/ws",
    b"/ws?encoding=etf",
    b"/ws?encoding=xml",
    b"/ws#part",
    b"/ws<",
    b"/w\xc3\xb6",
    b"*",
    b"",
];
/// Versions.
const VERSIONS: &[&[u8]] = &[b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"http/1.1", b"HTTP/1.1 ", b""];
/// Header lines.
const LINES: &[&[u8]] = &[
    b"Host: other",
    b"Host:",
    b"host : test",
    b"Authorization: ptk_wrong",
    b"Authorization:",
    b"Authorization: \xc2\xa0ptk_c190ZXN0X293bmVyX3Rva2VuXzAxMjM0NTY3ODlhYmNkZWY",
    b"Authorization: ptk_c190ZXN0X293bmVyX3Rva2VuXzAxMjM0NTY3ODlhYmNkZWY\xe3\x80\x80",
    b"Authorization: \tptk_c190ZXN0X293bmVyX3Rva2VuXzAxMjM0NTY3ODlhYmNkZWY \t",
    b"Authorization: bearer   ptk_c190ZXN0X293bmVyX3Rva2VuXzAxMjM0NTY3ODlhYmNkZWY",
    b"Authorization: Bearer\tptk_c190ZXN0X293bmVyX3Rva2VuXzAxMjM0NTY3ODlhYmNkZWY",
    b"Authorization: Basic ptk_c190ZXN0X293bmVyX3Rva2VuXzAxMjM0NTY3ODlhYmNkZWY",
    b"Content-Length: 0",
    b"Content-Length: 5",
    b"Content-Length: 021",
    b"Content-Length: +21",
    b"Content-Length: -1",
    b"Content-Length: 21, 21",
    b"Content-Length: 40",
    b"Content-Length:",
    b"Content-Length: 99999999999999999999999",
    b"Content-Type: text/plain",
    b"Content-Type: application/json; charset=utf-8",
    b"Content-Type: APPLICATION/JSON",
    b"Content-Type:",
    b"Content-Type: \xff",
    b"Content-Encoding: gzip",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: identity",
    b"Connection: close",
    b"Connection: keep-alive",
    b"Connection: keep-alive, close",
    b"Connection: Upgrade",
    b"Connection: keep-alive, Upgrade",
    b"Upgrade: websocket",
    b"Upgrade: websockets",
    b"Upgrade: h2c, websocket",
    b"Upgrade: h2c",
    b"Expect: 100-continue",
    b"Sec-WebSocket-Version: 12",
    b"Sec-WebSocket-Key: short",
    b"User-Agent: \xff\xfe",
    b"Accept: \x01",
    b"X-Unheard-Of: 1",
    b"X-Forwarded-For: 1.2.3.4",
    b"Forwarded: for=1.2.3.4",
    b"Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    b"no header",
    b" folded",
    b"\xc3\xa4: 1",
    b": 1",
    b"",
];
/// Bodies.
const BODIES: &[&[u8]] = &[
    b"",
    b"{}",
    b"[]",
    b"null",
    br#"{"e":"A"}"#,
    br#"{"e":"A","d":1}      "#,
    br#"{"e":"A","d":{"n":1}}{"e":"B"}"#,
    br#"{"e":"A","e":"B"}    "#,
    br#"{"e":7,"d":{"n":1}}  "#,
    br#"{"e":"A","d":{"n":!}}"#,
    b"{\"e\":\"\xff\",\"d\":{\"n\":1}}",
    b"\xef\xbb\xbf{\"e\":\"A\",\"d\":1}",
];
/// Bytes to damage with.
const BYTES: &[&[u8]] =
    &[b"\0", b"\r", b"\n", b" ", b"\t", b":", b"%", b"A", b"1", b"\xff", b"\x7f", b"\""];

/// A request that the door leaves to the HTTP layer, where its connection then stays.
const FIRST: &[u8] = b"GET /health/live HTTP/1.1\r\nHost: test\r\n\r\n";

/// Everything that comes back for these bytes, after which nothing more is sent.
fn exchange(server: &Server, bytes: &[u8]) -> Vec<u8> {
    let mut stream = raw(server.address);
    // The server may have answered and hung up before it has read everything.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

/// Answers as text, each with its header lines in a fixed order and without its time.
fn told(answers: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(answers).replace("HTTP/1.0 ", "HTTP/1.1 ");
    let one = |answer: &str| {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
        let mut lines: Vec<_> =
            head.split("\r\n").filter(|line| !line.starts_with("date: ")).collect();
        lines[1..].sort_unstable();
        format!("{}\r\n\r\n{body}", lines.join("\r\n"))
    };
    text.split("HTTP/1.1 ").skip(1).map(one).collect()
}

/// What the door says to a request, and what the HTTP layer says to it behind another.
fn both(server: &Server, request: &[u8]) -> (Vec<String>, Vec<String>) {
    let door = told(&exchange(server, request));
    let mut behind = told(&exchange(server, &[FIRST, request].concat()));
    assert!(behind.remove(0).starts_with("200 OK"));
    (door, behind)
}

/// What of the answers on one way can be compared with the other way's. When a connection ends is the HTTP layer's own
/// affair: it depends on how much of a body it has read by then, and on an offer of another protocol, which the door
/// passes over. So what follows an end on either way is left out, and the lines that announce it.
fn comparable(answers: &[String], others: &[String]) -> Vec<String> {
    let end = |answers: &[String]| {
        let is_last = |answer: &String| answer.contains("\r\nconnection: ");
        answers.iter().position(is_last).unwrap_or(answers.len())
    };
    // Each way publishes once, so their positions differ, and their names for it.
    let theirs = ["connection: ", "keep-alive: ", "warren-position: ", "x-request-id: "];
    let is_ours = |line: &&str| !theirs.iter().any(|name| line.starts_with(name));
    let plain = |answer: &String| answer.split("\r\n").filter(is_ours).collect();
    answers.iter().take(end(answers).min(end(others)) + 1).map(plain).collect()
}

/// How many messages an answer says were published.
fn published(answers: &[String]) -> usize {
    let is_preflight = |answer: &str| answer.contains("access-control-allow-methods");
    answers.iter().filter(|answer| answer.starts_with("204 ") && !is_preflight(answer)).count()
}

#[test]
fn a_publish_means_the_same_at_the_door_and_behind_it() {
    let server = crate::scene::Config::limits("auth-failures = 0").start();
    create(&server, "room", "unprotected", &[]);
    let (mut socket, _) = Socket::enter(server.address, None);
    socket.subscribe("room");
    let (mut dice, mut taken) = (Dice(20_261_126), 0);
    for case in 0..PUBLISHES {
        let mut request = Request::publish();
        for _ in 0..=dice.roll(2) {
            request.mutate(&mut dice);
        }
        let mut bytes = request.bytes();
        if dice.roll(4) == 0 {
            damage(&mut bytes, &mut dice);
        }
        let (door, behind) = both(&server, &bytes);
        let shown = bytes.escape_ascii();
        // Chunks that are none make the HTTP layer break off, before or after it has answered.
        let is_chunked = bytes.to_ascii_lowercase().windows(7).any(|part| part == b"chunked");
        if !is_chunked || (!door.is_empty() && !behind.is_empty()) {
            assert_eq!(comparable(&door, &behind), comparable(&behind, &door), "{case}: {shown}");
        }
        taken += published(&door);
        let mut heard = |count: usize| -> Vec<_> {
            (0..count).map(|_| socket.expect("MESSAGE")["d"].clone()).collect()
        };
        let (ours, theirs) = (heard(published(&door)), heard(published(&behind)));
        assert_eq!(ours.first(), theirs.first(), "{case}: {shown}");
    }
    assert!(
        taken > PUBLISHES / 20,
        "only {taken} were taken: the mutations are too wild to compare much"
    );
    // What nobody claimed to have published would come before this.
    crate::scene::publish(&server, "room", "last", &serde_json::Value::Null);
    assert_eq!(socket.expect("MESSAGE")["d"]["e"], "last");
    server.assert_well();
}

#[test]
fn a_handshake_means_the_same_at_the_door_and_behind_it() {
    let server = crate::scene::Config::limits("auth-failures = 0").start();
    let (mut dice, mut taken) = (Dice(20_261_127), 0);
    for case in 0..HANDSHAKES {
        let mut request = Request::handshake();
        for _ in 0..=dice.roll(2) {
            request.mutate(&mut dice);
        }
        let bytes = request.bytes();
        let (door, behind) = both(&server, &bytes);
        let status =
            |answers: &[String]| answers.first().and_then(|one| one.get(..3)).map(str::to_owned);
        let shown = bytes.escape_ascii();
        assert_eq!(status(&door), status(&behind), "{case}: {shown}");
        if status(&door).as_deref() == Some("101") {
            taken += 1;
        } else {
            assert_eq!(comparable(&door, &behind), comparable(&behind, &door), "{case}: {shown}");
        }
    }
    assert!(taken > HANDSHAKES / 20, "only {taken} were taken");
    server.assert_well();
}
