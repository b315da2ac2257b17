//! What a request is called in its answer and in the log, so that somebody else's log can name it too.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use std::cell::Cell;
use std::fmt;

/// The header, in requests and answers.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest id that is taken from a client.
pub(super) const MAX_BYTES: usize = 128;

thread_local! {
    /// What this thread's ids begin with, and how many there were; nothing before the first.
    static NAMED: Cell<(u64, u32)> = const { Cell::new((0, 0)) };
}

/// What a request is called. One that nobody asks for costs no more than two numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RequestId {
    /// The client's own name for it.
    Asked(Box<str>),
    /// One that no other request has: what the thread's ids begin with, and a number.
    Made(u64, u32),
}

impl RequestId {
    /// The client's own name for it, if it is one that can be repeated anywhere; else a new one.
    pub(crate) fn of(asked: Option<&str>) -> Self {
        asked
            .filter(|asked| is_sane(asked))
            .map_or_else(Self::made, |asked| Self::Asked(asked.into()))
    }

    /// The same of a request with these headers; which of two names is meant nobody knows.
    pub(super) fn in_headers(headers: &HeaderMap) -> Self {
        let mut lines = headers.get_all(X_REQUEST_ID);
        let asked = lines.next().filter(|_| lines.next().is_none());
        Self::of(asked.and_then(|line| line.to_str().ok()))
    }

    /// A new one, which no other request has, of this process or another: to know it is worth nothing.
    fn made() -> Self {
        let (mut beginning, count) = NAMED.get();
        if count == 0 {
            beginning = uuid::Uuid::new_v4().as_u64_pair().0;
        }
        NAMED.set((beginning, count.wrapping_add(1)));
        Self::Made(beginning, count)
    }

    /// As a header.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        HeaderValue::try_from(self.to_string()).ok()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked(name) => f.write_str(name),
            Self::Made(beginning, count) => f.write_str(
                str::from_utf8(&digits(*beginning, *count)).map_err(|_not_ascii| fmt::Error)?,
            ),
        }
    }
}

/// Both numbers in hexadecimal, all digits: written by hand, because every answer has them.
fn digits(beginning: u64, count: u32) -> [u8; 24] {
    let bytes = beginning.to_be_bytes().into_iter().chain(count.to_be_bytes());
    let mut digits = [0; 24];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 0xf)]);
    }
    digits
}

/// A hexadecimal digit for a number below 16.
const fn digit(number: u8) -> u8 {
    number + if number < 10 { b'0' } else { b'a' - 10 }
}

/// Whether a name can stand in a header, a line of a log and a URL as it is.
fn is_sane(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/+=@~".contains(&byte);
    (1..=MAX_BYTES).contains(&name.len()) && name.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_sane_name_is_kept_and_any_other_replaced() {
        let longest = "x".repeat(MAX_BYTES);
        for name in ["a", "4bf92f35-77b3-4da6", "Root=1-67891233:abc/def+9@~_.", &longest] {
            assert_eq!(RequestId::of(Some(name)).to_string(), name);
        }
        let long = "x".repeat(MAX_BYTES + 1);
        for name in ["", "two words", "a\"b", "a\\b", "a,b", "a;b", "<a>", "é", "a\tb", &long] {
            let made = RequestId::of(Some(name)).to_string();
            assert!(made != name && made.len() == 24, "{name}: {made}");
        }
    }

    #[test]
    fn a_made_name_has_all_digits_of_its_numbers() {
        let made = |beginning, count| RequestId::Made(beginning, count).to_string();
        assert_eq!(made(0x0123_4567_89ab_cdef, 0x42), "0123456789abcdef00000042");
        assert_eq!(made(u64::MAX, u32::MAX), "f".repeat(24));
        assert_eq!(made(0, 0), "0".repeat(24));
    }

    #[test]
    fn of_two_names_none_is_kept() {
        let mut headers = HeaderMap::new();
        headers.append(X_REQUEST_ID, HeaderValue::from_static("one"));
        assert_eq!(RequestId::in_headers(&headers).to_string(), "one");
        headers.append(X_REQUEST_ID, HeaderValue::from_static("two"));
        assert_eq!(RequestId::in_headers(&headers).to_string().len(), 24);
    }

    #[test]
    fn no_two_requests_have_one_name() {
        let of_thread = || (0..1000).map(|_| RequestId::made().to_string()).collect::<Vec<_>>();
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(of_thread)).collect();
        let all = threads.into_iter().flat_map(|thread| thread.join().unwrap());
        assert_eq!(all.collect::<HashSet<_>>().len(), 4000);
    }
}
