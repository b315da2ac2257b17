//! From which pages sockets may be opened and the API be read: web origins, as browsers send them (RFC 6454 §6.1).
//!
//! Who sends none is no browser, and passes: credentials travel in frames and headers that no browser adds by itself, so what is
//! kept out is pages of others with tokens of theirs, not programs.

use std::fmt;
use std::sync::Arc;

/// The most bytes of an origin: a name of 253, a scheme and a port.
const MAX_BYTES: usize = 320;
/// What stands for any origin.
const ANY: &str = "*";
/// What browsers send where a page has none: files, sandboxed frames.
const OPAQUE: &str = "null";

/// A pattern that no origin can be like.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no origin: write it as browsers send it, scheme://host or scheme://host:port, in small letters and without a path; \
     `*.` before the host for all names of one part more, international names as xn--…; or `null`; or `*` for any"
)]
pub struct OriginError(String);

/// The origins that are allowed; cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedOrigins(Arc<[OriginPattern]>);

/// One of them, or several alike.
#[derive(Clone, Debug, PartialEq, Eq)]
enum OriginPattern {
    /// Of pages without one.
    Opaque,
    /// This one.
    Exact(WebOrigin<String>),
    /// All whose host has one part more.
    OneMore(WebOrigin<String>),
}

/// An origin, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct WebOrigin<T> {
    /// The scheme.
    scheme: T,
    /// The host.
    host: T,
    /// The port; none where it is the scheme's own.
    port: Option<u16>,
}

impl AllowedOrigins {
    /// Those that are like one of these; any, if there is none or one of them is `*`.
    ///
    /// # Errors
    /// [`OriginError`] names the first that none can be like.
    pub fn new<T: AsRef<str>>(patterns: &[T]) -> Result<Self, OriginError> {
        let read = patterns.iter().map(AsRef::as_ref).filter(|pattern| *pattern != ANY);
        let read = read.map(OriginPattern::read).collect::<Result<Vec<_>, _>>()?;
        let is_any = patterns.iter().any(|pattern| pattern.as_ref() == ANY);
        Ok(if is_any { Self::default() } else { Self(read.into()) })
    }

    /// Whether every origin is allowed.
    pub fn are_any(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this one is.
    pub fn allow(&self, origin: &str) -> bool {
        self.are_any() || self.0.iter().any(|pattern| pattern.is_like(origin))
    }

    /// The patterns, as they are written.
    pub fn patterns(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(ToString::to_string)
    }
}

impl OriginPattern {
    /// Reads one.
    fn read(text: &str) -> Result<Self, OriginError> {
        if text == OPAQUE {
            return Ok(Self::Opaque);
        }
        let wrong = || OriginError(text.chars().take(MAX_BYTES).collect());
        let (bare, is_one_more) = match text.split_once("://*.") {
            Some((scheme, rest)) => (format!("{scheme}://{rest}"), true),
            None => (text.to_owned(), false),
        };
        let read = WebOrigin::read(&bare).ok_or_else(wrong)?;
        // Nobody means an address by the parts of a name.
        let is_address = read.host.starts_with('[') || is_number(read.host);
        if (is_one_more && is_address) || bare.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(wrong());
        }
        let WebOrigin { scheme, host, port } = read;
        let owned = WebOrigin { scheme: scheme.to_owned(), host: host.to_owned(), port };
        Ok(if is_one_more { Self::OneMore(owned) } else { Self::Exact(owned) })
    }

    /// Whether an origin is like this.
    fn is_like(&self, origin: &str) -> bool {
        let pattern = match self {
            Self::Opaque => return origin == OPAQUE,
            Self::Exact(pattern) | Self::OneMore(pattern) => pattern,
        };
        let Some(read) = WebOrigin::read(origin) else { return false };
        let host = match self {
            Self::OneMore(_) => match read.host.split_once('.') {
                Some((_, rest)) => rest,
                None => return false,
            },
            _ => read.host,
        };
        read.scheme.eq_ignore_ascii_case(&pattern.scheme)
            && host.eq_ignore_ascii_case(&pattern.host)
            && read.port == pattern.port
    }
}

impl fmt::Display for OriginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (one_more, WebOrigin { scheme, host, port }) = match self {
            Self::Opaque => return f.write_str(OPAQUE),
            Self::Exact(origin) => ("", origin),
            Self::OneMore(origin) => ("*.", origin),
        };
        write!(f, "{scheme}://{one_more}{host}")?;
        port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl<'a> WebOrigin<&'a str> {
    /// Takes an origin apart; none of what is none. Nothing is made of it that is not written there: no escapes, no
    /// international names, no end with a dot.
    fn read(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://").filter(|_| text.len() <= MAX_BYTES)?;
        let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.as_bytes().iter().all(is_letter);
        let (host, port) = match rest.strip_prefix('[') {
            Some(address) => {
                let end = address.find(']')? + 2;
                (rest.get(..end)?, rest.get(end..)?)
            }
            None => rest.split_at(rest.find(':').unwrap_or(rest.len())),
        };
        let port = match port.strip_prefix(':') {
            Some(digits) => Some(number(digits)?).filter(|port| Some(*port) != own_port(scheme)),
            None if port.is_empty() => None,
            None => return None,
        };
        (is_scheme && is_host(host)).then_some(Self { scheme, host, port })
    }
}

/// A port as it is written: without zeros in front.
fn number(digits: &str) -> Option<u16> {
    let is_plain = !digits.starts_with(['0', '+']);
    digits.parse().ok().filter(|_| is_plain)
}

/// The port that a scheme has of its own, which browsers leave out.
fn own_port(scheme: &str) -> Option<u16> {
    let is = |known: &str| scheme.eq_ignore_ascii_case(known);
    if is("https") || is("wss") {
        Some(443)
    } else if is("http") || is("ws") {
        Some(80)
    } else {
        None
    }
}

/// Whether this is a host: an IPv6 address in brackets, or parts of letters.
fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    host.split('.').all(|part| !part.is_empty() && part.bytes().all(is_letter))
}

/// Whether a host is an IPv4 address.
fn is_number(host: &str) -> bool {
    host.parse::<std::net::Ipv4Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Whether an origin is like a pattern.
    fn is_like(pattern: &str, origin: &str) -> bool {
        AllowedOrigins::new(&[pattern]).unwrap().allow(origin)
    }

    /// One origin.
    const EXACT: &str = "https://app.example.com";
    /// All with one part more.
    const WILD: &str = "https://*.example.com";
    /// A pattern, an origin, and whether it is like the pattern.
    const MATRIX: &[(&str, &str, bool)] = &[
        (EXACT, "https://app.example.com", true),
        (EXACT, "https://app.example.com:443", true),
        // Browsers send small letters; nobody else is kept out by large ones.
        (EXACT, "HTTPS://App.Example.COM", true),
        (EXACT, "http://app.example.com", false),
        (EXACT, "https://app.example.com:8443", false),
        (EXACT, "https://app.example.com:0443", false),
        (EXACT, "https://app.example.com:", false),
        (EXACT, "https://app.example.com.", false),
        (EXACT, "https://app.example.com/", false),
        (EXACT, "https://app.example.com/path", false),
        (EXACT, "https://app.example.com?x", false),
        (EXACT, "https://app.example.com#x", false),
        (EXACT, "https://app.example.com@evil.example", false),
        (EXACT, "https://evil.example@app.example.com", false),
        (EXACT, "https://evil.example\\@app.example.com", false),
        (EXACT, "https://app.example.com.evil.example", false),
        (EXACT, "https://evil-app.example.com", false),
        (EXACT, "https://evilapp.example.com", false),
        (EXACT, "https://app.example.comevil", false),
        (EXACT, "https://app.example.com https://evil.example", false),
        (EXACT, "https://app.example.com, https://evil.example", false),
        (EXACT, " https://app.example.com", false),
        (EXACT, "https://app%2eexample.com", false),
        (EXACT, "https://app\u{3002}example.com", false),
        (EXACT, "https://\u{430}pp.example.com", false),
        (EXACT, "app.example.com", false),
        (EXACT, "//app.example.com", false),
        (EXACT, "null", false),
        (EXACT, "", false),
        (EXACT, "*", false),
        (WILD, "https://app.example.com", true),
        (WILD, "https://APP.example.com:443", true),
        (WILD, "https://example.com", false),
        (WILD, "https://a.b.example.com", false),
        (WILD, "https://evil-example.com", false),
        (WILD, "https://app.evil-example.com", false),
        (WILD, "https://evilexample.com", false),
        (WILD, "https://app.example.com.evil.example", false),
        (WILD, "https://.example.com", false),
        (WILD, "https://*.example.com", false),
        (WILD, "http://app.example.com", false),
        (WILD, "https://app.example.com:8443", false),
        ("https://*.example.com:8443", "https://app.example.com:8443", true),
        ("https://*.example.com:8443", "https://app.example.com", false),
        ("http://localhost:3000", "http://localhost:3000", true),
        ("http://localhost:3000", "http://localhost:3001", false),
        ("http://localhost:3000", "http://localhost", false),
        ("http://127.0.0.1:80", "http://127.0.0.1", true),
        ("http://127.0.0.1", "http://0x7f.0.0.1", false),
        ("http://[::1]:3000", "http://[::1]:3000", true),
        ("http://[::1]:3000", "http://[::1]", false),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example", true),
        ("https://xn--bcher-kva.example", "https://bücher.example", false),
        ("null", "null", true),
        ("null", "NULL", false),
        ("null", "https://null", false),
        ("capacitor://localhost", "capacitor://localhost", true),
        ("capacitor://localhost", "https://localhost", false),
        ("*", "https://anybody.example", true),
        ("*", "null", true),
    ];

    #[test]
    fn the_matrix_of_origins() {
        for (pattern, origin, is_allowed) in MATRIX {
            assert_eq!(is_like(pattern, origin), *is_allowed, "{pattern}: {origin}");
        }
    }

    #[test]
    fn patterns_that_nothing_is_like_are_refused() {
        for pattern in [
            "",
            "app.example.com",
            "https://",
            "https://App.example.com",
            "https://app.example.com/",
            "https://app.example.com.",
            "https://*",
            "https://*.",
            "https://*.*.example.com",
            "https://a.*.example.com",
            "https://*example.com",
            "https://bücher.example",
            "https://user@app.example.com",
            "https://app.example.com:99999",
            "https://app.example.com:*",
            "https://*.127.0.0.1",
            "https://*.[::1]",
            "https://[::g]",
            "*://app.example.com",
            "https://a https://b",
        ] {
            let refused = AllowedOrigins::new(&["https://fine.example", pattern]).unwrap_err();
            assert_eq!(refused, OriginError(pattern.to_owned()));
        }
    }

    #[test]
    fn none_and_a_star_among_others_are_any_and_what_is_written_reads_the_same() {
        assert!(AllowedOrigins::new::<&str>(&[]).unwrap().are_any());
        assert!(AllowedOrigins::new(&["https://a.example", "*"]).unwrap().are_any());
        let written =
            ["https://a.example", "https://*.b.example:8443", "null", "http://[::1]:3000"];
        let read = AllowedOrigins::new(&written).unwrap();
        assert!(!read.are_any());
        assert_eq!(read.patterns().collect::<Vec<_>>(), written);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_judged_and_only_what_is_written_there_is_like_it(origin in "\\PC*") {
            let read = AllowedOrigins::new(&["https://app.example.com"]).unwrap();
            let is_allowed = read.allow(&origin);
            let lower = origin.to_ascii_lowercase();
            let plain = lower == "https://app.example.com" || lower == "https://app.example.com:443";
            prop_assert_eq!(is_allowed, plain);
        }
    }
}
