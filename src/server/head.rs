//! A request's first look: whether it is one of the two kinds that have a way of their own.
//!
//! Only what is beyond doubt is taken; everything else, every mistake included, is left to the HTTP layer as it came.

use crate::http::SaidOfCall;
use crate::http::ws::PATHS;
use actix_http::RequestHead;
use actix_http::Uri;
use actix_http::header::{FORWARDED, HeaderMap, HeaderName, HeaderValue, X_FORWARDED_FOR};
use httparse::{EMPTY_HEADER, Header, Request, Status};

/// The most headers of a request that is looked at.
const MAX_HEADERS: usize = 64;
/// The most bytes of a head that is waited for.
const MAX_HEAD_BYTES: usize = 16 << 10;
/// The most bytes of a message that is waited for.
const MAX_BODY_BYTES: usize = 64 << 10;

/// Where a request goes.
pub(super) enum RequestKind<'a> {
    /// It is not all there yet, and may become one of the two.
    Unknown,
    /// To the HTTP layer.
    Http,
    /// It asks for a socket; the bytes of its head.
    Socket(Box<RequestHead>, usize),
    /// It publishes a message.
    Publish(PlainPublish<'a>),
}

/// A request to publish a message, in its plainest form.
pub(super) struct PlainPublish<'a> {
    /// The channel's id.
    pub(super) channel: &'a str,
    /// The line `Authorization`.
    pub(super) authorization: &'a str,
    /// The body.
    pub(super) body: &'a [u8],
    /// Whether it is sent by a page, which is to be told whether it may read the answer.
    pub(super) is_of_page: bool,
    /// The lines by which proxies say where it comes from.
    pub(super) hops: Vec<(HeaderName, &'a str)>,
    /// What its sender calls it, empty where it has two names; and the trace that it is part of.
    pub(super) said: SaidOfCall<'a>,
    /// The bytes of the whole request.
    pub(super) size: usize,
}

impl<'a> RequestKind<'a> {
    /// Looks at what has come of a request.
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        let is_publish = could_be(bytes, b"POST /v1/channels/");
        if !is_publish && !is_socket(bytes) {
            return Self::Http;
        }
        let mut headers = [EMPTY_HEADER; MAX_HEADERS];
        let mut request = Request::new(&mut headers);
        match request.parse(bytes) {
            Ok(Status::Complete(size)) if request.version == Some(1) => {
                let body = bytes.get(size..).unwrap_or_default();
                let path = request.path.unwrap_or_default();
                if is_publish {
                    PlainPublish::read(path, request.headers, body, size).unwrap_or(Self::Http)
                } else {
                    socket(path, request.headers, size).unwrap_or(Self::Http)
                }
            }
            Ok(Status::Partial) if bytes.len() < MAX_HEAD_BYTES => Self::Unknown,
            _ => Self::Http,
        }
    }
}

/// Whether bytes begin like this, as far as they go.
fn could_be(bytes: &[u8], beginning: &[u8]) -> bool {
    let known = bytes.len().min(beginning.len());
    bytes.get(..known) == beginning.get(..known)
}

/// Whether it could be a request for one of the socket's addresses.
fn is_socket(bytes: &[u8]) -> bool {
    let method = b"GET ";
    let path = bytes.get(method.len()..).unwrap_or_default();
    could_be(bytes, method) && PATHS.iter().any(|known| could_be(path, known.as_bytes()))
}

/// Whether there is exactly one `Host`: without, or with two, the HTTP layer refuses.
fn has_one_host(headers: &[Header<'_>]) -> bool {
    headers.iter().filter(|header| header.name.eq_ignore_ascii_case("host")).count() == 1
}

/// A request for one of the socket's addresses that asks for an upgrade, with all its headers.
fn socket<'a>(path: &str, headers: &[Header<'_>], size: usize) -> Option<RequestKind<'a>> {
    let (plain, _) = path.split_once('?').unwrap_or((path, ""));
    let asks = headers.iter().any(|header| header.name.eq_ignore_ascii_case("upgrade"));
    if !asks || !has_one_host(headers) || !PATHS.contains(&plain) {
        return None;
    }
    // GET and HTTP/1.1 by default.
    let mut head = RequestHead::default();
    head.uri = Uri::try_from(path).ok()?;
    for header in headers {
        // A body, which a socket's request does not have, is for the HTTP layer to refuse.
        if NO_SOCKET.iter().any(|name| header.name.eq_ignore_ascii_case(name)) {
            return None;
        }
        let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
        head.headers.append(name, HeaderValue::from_bytes(header.value).ok()?);
    }
    Some(RequestKind::Socket(Box::new(head), size))
}

/// Headers with which a request for a socket goes to the HTTP layer.
const NO_SOCKET: &[&str] = &["content-length", "expect", "transfer-encoding"];

/// A header's text, if it is the HTTP layer's too: that takes visible ASCII, blanks and tabs for text.
fn text_of<'a>(header: &Header<'a>) -> Option<&'a str> {
    let is_text = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~');
    header.value.iter().all(is_text).then(|| std::str::from_utf8(header.value).ok()).flatten()
}

/// Whether a byte means itself in a path and nothing else, to everybody.
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
                | b':'
                | b'@'
        )
}

impl<'a> PlainPublish<'a> {
    /// Those lines, as headers.
    pub(super) fn forwarding(&self) -> HeaderMap {
        let value = |text: &str| HeaderValue::from_str(text).ok();
        let hops = self.hops.iter();
        hops.filter_map(|(name, text)| Some((name.clone(), value(text)?))).collect()
    }

    /// A request whose headers say nothing that has to be thought about; none for any other.
    fn read(
        path: &'a str,
        headers: &[Header<'a>],
        body: &'a [u8],
        head: usize,
    ) -> Option<RequestKind<'a>> {
        let rest = path.strip_prefix("/v1/channels/")?;
        let channel = rest.strip_suffix("/messages").or_else(|| rest.strip_suffix("/publish"))?;
        // Escapes, further parts and a query have their meaning elsewhere, and what no path may have is refused there.
        if channel.is_empty() || !channel.bytes().all(is_plain) || !has_one_host(headers) {
            return None;
        }
        let (mut authorization, mut length, mut hops) = (None, None, Vec::new());
        let (mut said, mut is_of_page) = (SaidOfCall::default(), false);
        for header in headers {
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            let text = text_of(header)?;
            if is("authorization") {
                if authorization.replace(text).is_some() {
                    return None;
                }
            } else if is("content-length") {
                let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
                if !is_number || length.replace(text.parse::<usize>().ok()?).is_some() {
                    return None;
                }
            } else if is("content-type") {
                if !text.eq_ignore_ascii_case("application/json") {
                    return None;
                }
            } else if is("connection") {
                if !text.split(',').all(is_kept_alive) {
                    return None;
                }
            } else if is("upgrade") {
                // Offered by clients that speak HTTP/2 too, with every request; not accepting it is an answer.
                if !text.eq_ignore_ascii_case("h2c") {
                    return None;
                }
            } else if is("x-request-id") {
                // Of two names none counts.
                said.id = Some(if said.id.is_none() { text } else { "" });
            } else if is("traceparent") {
                said.trace = Some(if said.trace.is_none() { text } else { "" });
            } else if is("origin") {
                is_of_page = true;
            } else if is("x-forwarded-for") {
                hops.push((X_FORWARDED_FOR, text));
            } else if is("forwarded") {
                hops.push((FORWARDED, text));
            } else if !IGNORED.iter().any(|name| is(name)) {
                return None;
            }
        }
        let length = length.filter(|length| *length <= MAX_BODY_BYTES)?;
        let Some(body) = body.get(..length) else { return Some(RequestKind::Unknown) };
        let authorization = authorization?;
        Some(RequestKind::Publish(PlainPublish {
            channel,
            authorization,
            body,
            is_of_page,
            hops,
            said,
            size: head + length,
        }))
    }
}

/// Whether an option in the line `Connection` leaves it open.
fn is_kept_alive(option: &str) -> bool {
    let is = |name: &&&str| option.trim().eq_ignore_ascii_case(name);
    ["keep-alive", "upgrade", "http2-settings"].iter().find(is).is_some()
}

/// Headers without which the request would mean the same. A request with any other goes to the HTTP layer.
const IGNORED: &[&str] = &[
    "accept",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "dnt",
    "host",
    "http2-settings",
    "pragma",
    "priority",
    "referer",
    "sec-ch-ua",
    "sec-ch-ua-mobile",
    "sec-ch-ua-platform",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "tracestate",
    "user-agent",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::Index;

    /// A request to publish, with further header lines.
    fn publish(lines: &str) -> String {
        format!("POST /v1/channels/a.b/messages HTTP/1.1\r\nHost: x\r\n{lines}\r\n{{}}")
    }

    /// What is looked for, in a word.
    fn word(bytes: &[u8]) -> &'static str {
        match RequestKind::of(bytes) {
            RequestKind::Unknown => "unknown",
            RequestKind::Http => "http",
            RequestKind::Socket(..) => "socket",
            RequestKind::Publish(_) => "publish",
        }
    }

    #[test]
    fn a_plain_publish_is_read_whole() {
        let text = publish("Authorization: Bearer ptk_x\r\nContent-Length: 2\r\n") + "GET /";
        let RequestKind::Publish(read) = RequestKind::of(text.as_bytes()) else {
            panic!("not taken")
        };
        assert_eq!((read.channel, read.authorization), ("a.b", "Bearer ptk_x"));
        assert_eq!((read.body, read.size), (&b"{}"[..], text.len() - 5));
    }

    #[test]
    fn every_beginning_of_it_is_waited_for() {
        let text = publish(
            "Authorization: ptk_x\r\ncontent-type: Application/JSON\r\nContent-Length: 2\r\n",
        );
        for end in 0..text.len() {
            assert_eq!(word(&text.as_bytes()[..end]), "unknown", "{end}");
        }
        assert_eq!(word(text.as_bytes()), "publish");
    }

    #[test]
    fn what_has_to_be_thought_about_goes_to_the_http_layer() {
        let base = "Authorization: ptk_x\r\nContent-Length: 2\r\n";
        for line in [
            "Authorization: ptk_y",
            "Content-Length: 2",
            "Transfer-Encoding: chunked",
            "Expect: 100-continue",
            "Content-Type: text/plain",
            "Content-Encoding: gzip",
            "Connection: close",
            "Connection: keep-alive, close",
            "Upgrade: websocket",
            "Upgrade: h2c, websocket",
            "Host: y",
            "Idempotency-Key: 1",
            "X-Unheard-Of: 1",
            "Accept: \u{7}",
        ] {
            assert_eq!(word(publish(&format!("{base}{line}\r\n")).as_bytes()), "http", "{line}");
        }
        for lines in [
            "Content-Length: 2\r\n",
            "Authorization: ptk_x\r\n",
            "Authorization: ptk_x\r\nContent-Length: +2\r\n",
            "Authorization: ptk_x\r\nContent-Length: 65537\r\n",
            "Authorization: ptk_x\r\nContent-Length: 99999999999999999999999\r\n",
        ] {
            assert_eq!(word(publish(lines).as_bytes()), "http", "{lines}");
        }
        let fine = publish(base);
        for (from, to) in [
            ("/a.b/", "/a%20b/"),
            ("/a.b/", "/a/b/"),
            ("/a.b/", "//"),
            ("/messages", "/state"),
            ("/messages", "/messages?project=x"),
            ("POST", "PUT"),
            ("/v1", "//v1"),
            ("HTTP/1.1", "HTTP/1.0"),
            ("Host: x", "Host : x"),
            ("Host: x\r\n", ""),
            ("ptk_x", "\u{a0}ptk_x"),
            ("/a.b/", "/a<b/"),
            ("/a.b/", "/a`b/"),
            ("/a.b/", "/a|b/"),
            ("/a.b/", "/é/"),
        ] {
            assert_eq!(word(fine.replace(from, to).as_bytes()), "http", "{from} → {to}");
        }
        let long = publish(&format!("{base}Accept: {}", "x".repeat(MAX_HEAD_BYTES)));
        assert_eq!(word(&long.as_bytes()[..MAX_HEAD_BYTES]), "http");
    }

    #[test]
    fn an_offer_of_another_protocol_changes_nothing() {
        let offer =
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAA\r\n";
        let text = publish(&format!("Authorization: ptk_x\r\nContent-Length: 2\r\n{offer}"));
        assert_eq!(word(text.as_bytes()), "publish");
    }

    #[test]
    fn a_socket_is_asked_for_at_its_paths_alone() {
        let ask =
            |path: &str, lines: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\n{lines}\r\n");
        let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
        for path in ["/ws", "/1.0/ws?encoding=etf", "/ws?"] {
            let text = ask(path, upgrade);
            let RequestKind::Socket(head, size) = RequestKind::of(text.as_bytes()) else {
                panic!("{path}")
            };
            assert_eq!((head.uri.to_string().as_str(), size), (path, text.len()));
            assert!(head.headers.contains_key("connection"));
        }
        for path in ["/wsx", "/1.0/ws/", "//ws", "/", "/v1/channels", "/w%73"] {
            assert_eq!(word(ask(path, upgrade).as_bytes()), "http", "{path}");
        }
        assert_eq!(word(ask("/ws", "").as_bytes()), "http");
        for more in ["Content-Length: 1", "Expect: 100-continue", "Host: y"] {
            let more = format!("{upgrade}{more}\r\n");
            assert_eq!(word(ask("/ws", &more).as_bytes()), "http", "{more}");
        }
    }

    /// A request to publish or for a socket, some of whose bytes are others, missing or too many.
    fn damaged() -> impl Strategy<Value = Vec<u8>> {
        let publish = publish("Authorization: ptk_x\r\nContent-Length: 2\r\n");
        let socket =
            "GET /ws?encoding=etf HTTP/1.1\r\nUpgrade: websocket\r\nHost: x\r\n\r\n".to_owned();
        let damage = (any::<Index>(), 0..3_u8, any::<u8>());
        (prop_oneof![Just(publish), Just(socket)], vec(damage, 0..4)).prop_map(|(text, damages)| {
            let mut bytes = text.into_bytes();
            for (at, kind, byte) in damages {
                let at = at.index(bytes.len());
                match kind {
                    0 => bytes[at] = byte,
                    1 => bytes.insert(at, byte),
                    _ => drop(bytes.remove(at)),
                }
            }
            bytes
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

        /// What is taken is taken for good: more bytes are the next request's, fewer were not enough.
        #[test]
        fn what_follows_a_request_does_not_change_it(bytes in damaged(), more in vec(any::<u8>(), 0..40)) {
            let size = |bytes: &[u8]| match RequestKind::of(bytes) {
                RequestKind::Socket(_, size) | RequestKind::Publish(PlainPublish { size, .. }) => Some(size),
                RequestKind::Unknown | RequestKind::Http => None,
            };
            let whole = [&bytes[..], &more].concat();
            if let Some(taken) = size(&bytes) {
                prop_assert_eq!(size(&whole), Some(taken));
                prop_assert!(taken <= bytes.len());
                // A socket's head ends with it, and a message's body too: no beginning is taken for the whole.
                for end in 0..taken {
                    prop_assert_eq!(size(&bytes[..end]), None);
                }
            }
        }
    }
}
