//! Whole answers for what never reaches a route: a connection's last words, with envelope and CORS as everywhere.

use super::error::ApiError;
use super::rates::Meter;
use super::request_id::{RequestId, X_REQUEST_ID};
use crate::actor::clock;
use actix_web::ResponseError as _;
use actix_web::body::MessageBody as _;
use bytes::{BufMut as _, Bytes, BytesMut};
use std::time::{Duration, UNIX_EPOCH};

/// Today's date, as headers spell it.
pub(super) fn date() -> String {
    let now = u64::try_from(clock::now().0).unwrap_or_default();
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(now))
}

/// The bytes of a refusal that ends its connection, of what is no request.
pub(crate) fn last_words(error: &ApiError) -> Bytes {
    words(error, "")
}

/// The same of a request with this name, of which something may have been counted.
pub(crate) fn last_words_to(error: &ApiError, id: &RequestId, meter: Option<&Meter>) -> Bytes {
    let mut lines = format!("{X_REQUEST_ID}: {id}\r\n");
    if let Some(meter) = meter {
        lines.push_str(&meter.to_string());
    }
    words(error, &lines)
}

/// The bytes of a refusal, with these lines in its head.
fn words(error: &ApiError, lines: &str) -> Bytes {
    let answer = error.error_response();
    let mut text = BytesMut::from(format!("HTTP/1.1 {}\r\n", answer.status()).as_bytes());
    for (name, value) in answer.headers() {
        text.put_slice(name.as_str().as_bytes());
        text.put_slice(b": ");
        text.put_slice(value.as_bytes());
        text.put_slice(b"\r\n");
    }
    text.put_slice(lines.as_bytes());
    let body = answer.into_body().try_into_bytes().unwrap_or_default();
    let rest =
        format!("content-length: {}\r\nconnection: close\r\ndate: {}\r\n\r\n", body.len(), date());
    text.put_slice(rest.as_bytes());
    text.put_slice(&body);
    text.freeze()
}

/// What to say in the place of the HTTP layer, which refuses what it cannot read in one line and ends the connection; and
/// where in `bytes` that line begins, whose end it is. None for anything else: every answer of a route says more.
pub(crate) fn instead_of(bytes: &[u8]) -> Option<(usize, Bytes)> {
    let from = bytes.len().saturating_sub(MOST_BYTES);
    let at = from + memchr::memmem::rfind(bytes.get(from..)?, b"HTTP/1.")?;
    let mut lines =
        std::str::from_utf8(bytes.get(at..)?).ok()?.strip_suffix("\r\n\r\n")?.split("\r\n");
    let (_, status) = lines.next()?.split_once(' ')?;
    let error = match status.get(..3)? {
        "400" => ApiError::Unreadable,
        "431" => ApiError::HeadTooLong,
        _ => return None,
    };
    let is_bare = |line: &str| {
        line == "content-length: 0"
            || line.starts_with("connection: ")
            || line.starts_with("date: ")
    };
    lines.all(is_bare).then(|| (at, last_words(&error)))
}

/// More than the HTTP layer says by itself, bytes.
const MOST_BYTES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_http_layer_says_by_itself_is_known_by_its_bareness() {
        let bare = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\ndate: Thu, 26 Nov 2026 12:00:00 GMT\r\n\r\n";
        let (at, said) = instead_of(bare.as_bytes()).unwrap();
        let said = String::from_utf8(said.to_vec()).unwrap();
        assert_eq!(at, 0);
        assert!(said.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{said}");
        assert!(said.contains("\r\naccess-control-allow-origin: *\r\n"), "{said}");
        assert!(said.contains("\r\nconnection: close\r\n"), "{said}");
        assert!(said.ends_with('}') && said.contains(r#""code":"bad_request""#), "{said}");
        let before = "HTTP/1.1 204 No Content\r\ndate: x\r\n\r\n";
        let behind = instead_of(format!("{before}{bare}").as_bytes()).unwrap();
        assert_eq!(behind.0, before.len());
        let long = bare.replace("400 Bad Request", "431 Request Header Fields Too Large");
        assert!(instead_of(long.as_bytes()).unwrap().1.starts_with(b"HTTP/1.1 431 "));
    }

    #[test]
    fn who_has_named_a_request_finds_the_name_in_its_refusal() {
        let said = last_words_to(&ApiError::Overloaded, &RequestId::of(Some("named")), None);
        let said = String::from_utf8(said.to_vec()).unwrap();
        assert!(said.contains("\r\nx-request-id: named\r\ncontent-length: "), "{said}");
        let nameless = last_words(&ApiError::Overloaded);
        assert!(!String::from_utf8(nameless.to_vec()).unwrap().contains("x-request-id: "));
    }

    #[test]
    fn answers_of_routes_stay_as_they_are() {
        for text in [
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\ndate: x\r\n\r\n{}",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\naccess-control-allow-origin: *\r\ndate: x\r\n\r\n",
            "HTTP/1.1 204 No Content\r\ndate: x\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n",
            "HTTP/1.1 400",
            "",
        ] {
            assert_eq!(instead_of(text.as_bytes()), None, "{text}");
        }
    }
}
