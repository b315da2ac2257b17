//! Where requests begin and end in what a client sends (RFC 9112 §6 and §7.1).
//!
//! The HTTP layer reads ahead and tells nobody what it has. This follows along, only to know whether a request has begun:
//! where it is wrong about one that the layer refuses, nothing depends on it, because the layer ends the connection.

use crate::num;
use httparse::{EMPTY_HEADER, Header, Request, Status};

/// The most headers that the HTTP layer reads.
const MAX_HEADERS: usize = 96;
/// The most bytes of a head that are followed; the HTTP layer refuses longer ones.
const MAX_HEAD_BYTES: usize = 128 << 10;

/// Where a stream is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Borders {
    /// Behind a request, and nothing of the next has come.
    #[default]
    Between,
    /// In a head, of which this has come.
    Head(Vec<u8>),
    /// In a body, or a chunk with the line's end behind it, with so many bytes to come.
    Body {
        /// The bytes to come.
        left: u64,
        /// Whether further chunks follow.
        is_chunk: bool,
    },
    /// In the line that says a chunk's size.
    Size {
        /// The size, as far as it was said.
        size: u64,
        /// Whether what follows in the line means something else.
        is_said: bool,
    },
    /// Behind the last chunk, in a line that has said nothing yet, or has.
    Trailer {
        /// Whether it has said nothing.
        is_empty: bool,
    },
    /// What came is no request, or more than one that can be followed.
    Unknown,
}

impl Borders {
    /// Whether nothing of a next request has come, as far as is known.
    pub(super) const fn is_between(&self) -> bool {
        matches!(self, Self::Between | Self::Unknown)
    }

    /// Goes on behind these bytes.
    pub(super) fn follow(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && *self != Self::Unknown {
            let (next, size) = std::mem::take(self).step(bytes);
            *self = next;
            bytes = bytes.get(size..).unwrap_or_default();
        }
    }

    /// Takes some bytes of at least one; how many it took.
    fn step(self, bytes: &[u8]) -> (Self, usize) {
        match self {
            // Line ends between requests are of no request (RFC 9112 §2.2).
            Self::Between => match bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n')) {
                Some(at) => (Self::Head(Vec::new()), at),
                None => (Self::Between, bytes.len()),
            },
            Self::Head(head) => Self::head(head, bytes),
            Self::Body { left, is_chunk } => {
                let size = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                let left = left.saturating_sub(num::counter(size));
                (Self::body(left, is_chunk), size)
            }
            other => (other.line(bytes.first().copied().unwrap_or_default()), 1),
        }
    }

    /// A body with so many bytes to come.
    const fn body(left: u64, is_chunk: bool) -> Self {
        match (left, is_chunk) {
            (0, true) => Self::Size { size: 0, is_said: false },
            (0, false) => Self::Between,
            _ => Self::Body { left, is_chunk },
        }
    }

    /// Goes on in a head.
    fn head(mut head: Vec<u8>, bytes: &[u8]) -> (Self, usize) {
        let before = head.len();
        let whole = if head.is_empty() {
            bytes
        } else {
            head.extend_from_slice(bytes);
            &head
        };
        let mut headers = [EMPTY_HEADER; MAX_HEADERS];
        let mut request = Request::new(&mut headers);
        match request.parse(whole) {
            Ok(Status::Complete(size)) => {
                (body_of(request.headers), size.saturating_sub(before).max(1))
            }
            Ok(Status::Partial) if whole.len() <= MAX_HEAD_BYTES => {
                if before == 0 {
                    head.extend_from_slice(bytes);
                }
                (Self::Head(head), bytes.len())
            }
            _ => (Self::Unknown, bytes.len()),
        }
    }

    /// Goes on in a line between chunks.
    fn line(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Size { size: 0, .. }, b'\n') => Self::Trailer { is_empty: true },
            (Self::Size { size, .. }, b'\n') => {
                // The line's end behind the chunk is no part of its size.
                size.checked_add(2).map_or(Self::Unknown, |left| Self::body(left, true))
            }
            (Self::Size { size, is_said: false }, _) if byte.is_ascii_hexdigit() => {
                let digit = char::from(byte).to_digit(16).map(u64::from).unwrap_or_default();
                let size = size.checked_mul(16).and_then(|size| size.checked_add(digit));
                size.map_or(Self::Unknown, |size| Self::Size { size, is_said: false })
            }
            (Self::Size { size, .. }, _) => Self::Size { size, is_said: true },
            (Self::Trailer { is_empty: true }, b'\n') => Self::Between,
            (Self::Trailer { .. }, b'\n') => Self::Trailer { is_empty: true },
            (same @ Self::Trailer { .. }, b'\r') => same,
            (Self::Trailer { .. }, _) => Self::Trailer { is_empty: false },
            (other, _) => other,
        }
    }
}

/// What follows a head.
fn body_of(headers: &[Header<'_>]) -> Borders {
    let value = |name: &str| {
        let header = headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        Some(std::str::from_utf8(header.value).ok()?.trim().to_ascii_lowercase())
    };
    if value("transfer-encoding").is_some_and(|codings| codings.ends_with("chunked")) {
        return Borders::body(0, true);
    }
    let Some(length) = value("content-length") else { return Borders::Between };
    length.parse().map_or(Borders::Unknown, |left| Borders::body(left, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests of every kind, one after the other.
    const REQUESTS: [&str; 5] = [
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\nGET / HTTP/",
        "PUT / HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n1a;x=\"y\"\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n\r\n5 \r\nab\r\nc\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\nA: b\r\n\r\n",
    ];

    #[test]
    fn requests_end_where_they_end_however_they_come() {
        let all = REQUESTS.concat();
        let mut ends = Vec::new();
        for request in REQUESTS {
            ends.push(ends.last().copied().unwrap_or_default() + request.len());
        }
        for piece in [1, 2, 3, 7, 50, all.len()] {
            let mut borders = Borders::default();
            let mut at = 0;
            for bytes in all.as_bytes().chunks(piece) {
                borders.follow(bytes);
                at += bytes.len();
                assert_eq!(borders.is_between(), ends.contains(&at), "{piece} {at} {borders:?}");
                assert_ne!(borders, Borders::Unknown, "{piece} {at}");
            }
        }
    }

    #[test]
    fn what_follows_a_request_in_one_piece_is_the_next_ones_beginning() {
        for request in REQUESTS {
            let mut borders = Borders::default();
            borders.follow(format!("{request}G").as_bytes());
            assert_eq!(borders, Borders::Head(b"G".to_vec()), "{request}");
            let mut borders = Borders::default();
            borders.follow(format!("{request}\r\n").as_bytes());
            assert_eq!(borders, Borders::Between, "a stray line end begins nothing");
        }
    }

    #[test]
    fn what_is_no_request_is_not_followed_and_nothing_of_it_kept() {
        let endless = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(MAX_HEAD_BYTES));
        for wrong in [
            "\u{0}",
            "GET / HTTP/1.1\r\n: x\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff",
            &endless,
        ] {
            let mut borders = Borders::default();
            borders.follow(wrong.as_bytes());
            assert_eq!(borders, Borders::Unknown, "{wrong:.50}");
            borders.follow(b"GET / HTTP/1.1\r\n");
            assert_eq!(borders, Borders::Unknown);
        }
    }
}
