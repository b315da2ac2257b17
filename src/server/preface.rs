//! The first bytes of a connection that a proxy opened which speaks the PROXY protocol, version 1 or 2.
//!
//! Rule: <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>, sections 2.1 and 2.2.

use ppp::{v1, v2};
use std::net::IpAddr;

/// The longest header of version 1, its line end included.
const LONGEST_LINE: usize = 107;
/// The longest header of version 2 that is waited for: addresses and what load balancers add behind them.
const LONGEST_BINARY: usize = 4096;
/// The bytes of a header of version 2 that say how long it is.
const BINARY_START: usize = 16;

/// What the first bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Preface {
    /// The beginning of a header.
    Unfinished,
    /// Not a header.
    Wrong,
    /// A header, so many bytes long; with the client's address, unless the proxy speaks for itself.
    Whole {
        /// The client.
        client: Option<IpAddr>,
        /// The header's length.
        size: usize,
    },
}

impl Preface {
    /// What these bytes begin with.
    pub(super) fn of(read: &[u8]) -> Self {
        let compared = read.len().min(v2::PROTOCOL_PREFIX.len());
        if read.get(..compared) == v2::PROTOCOL_PREFIX.get(..compared) {
            Self::binary(read)
        } else {
            Self::line(read)
        }
    }

    /// Version 1.
    fn line(read: &[u8]) -> Self {
        let compared = read.len().min(v1::PROTOCOL_PREFIX.len());
        if read.get(..compared) != v1::PROTOCOL_PREFIX.as_bytes().get(..compared) {
            return Self::Wrong;
        }
        let within = read.get(..LONGEST_LINE).unwrap_or(read);
        let Some(end) = within.windows(2).position(|pair| pair == b"\r\n") else {
            return if read.len() < LONGEST_LINE { Self::Unfinished } else { Self::Wrong };
        };
        let size = end + 2;
        let Ok(header) = v1::Header::try_from(read.get(..size).unwrap_or_default()) else {
            return Self::Wrong;
        };
        let client = match header.addresses {
            v1::Addresses::Tcp4(addresses) => Some(IpAddr::from(addresses.source_address)),
            v1::Addresses::Tcp6(addresses) => Some(IpAddr::from(addresses.source_address)),
            v1::Addresses::Unknown => None,
        };
        Self::Whole { client, size }
    }

    /// Version 2.
    fn binary(read: &[u8]) -> Self {
        let Some([high, low]) = read.get(BINARY_START - 2..BINARY_START) else {
            return Self::Unfinished;
        };
        let size = BINARY_START + usize::from(u16::from_be_bytes([*high, *low]));
        if size > LONGEST_BINARY {
            return Self::Wrong;
        }
        let Some(whole) = read.get(..size) else { return Self::Unfinished };
        let Ok(header) = v2::Header::try_from(whole) else { return Self::Wrong };
        let client = match (header.command, header.addresses) {
            (v2::Command::Proxy, v2::Addresses::IPv4(addresses)) => {
                Some(IpAddr::from(addresses.source_address))
            }
            (v2::Command::Proxy, v2::Addresses::IPv6(addresses)) => {
                Some(IpAddr::from(addresses.source_address))
            }
            // The proxy's own health check, or a client that has no address of this kind.
            _ => None,
        };
        Self::Whole { client, size }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header of version 2 for TCP over IPv4 from 192.0.2.1, with these bytes behind the addresses.
    fn binary(command: u8, more: &[u8]) -> Vec<u8> {
        let mut header = v2::PROTOCOL_PREFIX.to_vec();
        header.extend([0x20 | command, 0x11]);
        header.extend(u16::try_from(12 + more.len()).unwrap().to_be_bytes());
        header.extend([192, 0, 2, 1, 10, 0, 0, 1, 0x11, 0x11, 0, 80]);
        header.extend(more);
        header
    }

    /// A whole header and what it says.
    fn headers() -> Vec<(Vec<u8>, Option<&'static str>)> {
        vec![
            (b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 80\r\n".to_vec(), Some("192.0.2.1")),
            (b"PROXY TCP6 2001:db8::1 fd00::1 4711 80\r\n".to_vec(), Some("2001:db8::1")),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN ff::1 ff::2 1 2\r\n".to_vec(), None),
            (binary(1, b""), Some("192.0.2.1")),
            (binary(1, &[0x04, 0, 1, 42]), Some("192.0.2.1")),
            (binary(0, b""), None),
        ]
    }

    #[test]
    fn a_header_is_read_whole_and_no_byte_behind_it() {
        for (mut header, expected) in headers() {
            let (client, size) = (expected.map(|text| text.parse().unwrap()), header.len());
            for length in 0..size {
                assert_eq!(Preface::of(&header[..length]), Preface::Unfinished, "{length}");
            }
            header.extend(b"GET / HTTP/1.1\r\n\r\n");
            assert_eq!(Preface::of(&header), Preface::Whole { client, size });
        }
    }

    #[test]
    fn what_is_no_header_is_wrong() {
        let mut endless = binary(1, b"");
        endless[14..16].copy_from_slice(&[0xff, 0xff]);
        let mut other = binary(1, b"");
        other[12] = 0x31;
        for wrong in [
            b"GET /ws HTTP/1.1\r\n".to_vec(),
            b"PROXY TCP4 nobody 10.0.0.1 1 2\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 10.0.0.1 1 99999\r\n".to_vec(),
            b"PROXY TCP4 \xff\r\n".to_vec(),
            [&b"PROXY UNKNOWN "[..], &[b'x'; 200]].concat(),
            endless,
            other,
        ] {
            assert_eq!(Preface::of(&wrong), Preface::Wrong, "{}", wrong.escape_ascii());
        }
    }
}
