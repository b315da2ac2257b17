//! The exchange before a connection is subscribed, and what is answered afterwards.
//!
//! Frames are looked at by their text: the server writes them in one form, and a parser would cost more than what is
//! measured.

use super::num;
use memchr::memmem::find;

/// What a frame without a mark asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said<'a> {
    /// HELLO, with the interval of heartbeats in milliseconds.
    Hello(u64),
    /// A heartbeat that is to be echoed with its tag, which is a JSON string.
    Beat(&'a [u8]),
    /// INIT.
    Init,
    /// The channel is ours.
    Available,
    /// The channel is not.
    Unavailable,
    /// Nothing that matters here.
    Nothing,
}

/// What stands behind a key.
fn field<'a>(text: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    text.get(find(text, key)? + key.len()..)
}

/// The whole number that a text starts with.
fn number(text: &[u8]) -> u64 {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, digit| number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')))
}

/// The JSON string that a text starts with, with its quotes.
fn string(text: &[u8]) -> Option<&[u8]> {
    let rest = text.strip_prefix(b"\"")?;
    let mut is_escaped = false;
    let end = rest.iter().position(|byte| {
        let is_end = *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        is_end
    })?;
    text.get(..end + 2)
}

/// Reads a frame.
pub(super) fn read(text: &[u8]) -> Said<'_> {
    let Some(op) = field(text, b"\"op\":") else { return Said::Nothing };
    match op.first() {
        Some(b'0') => event(text),
        Some(b'1') => Said::Hello(field(text, b"\"heartbeat_interval\":").map_or(0, number)),
        Some(b'3') => match field(text, b"\"tag\":").and_then(string) {
            Some(tag) => Said::Beat(tag),
            None => Said::Nothing,
        },
        _ => Said::Nothing,
    }
}

/// Reads a dispatch.
fn event(text: &[u8]) -> Said<'_> {
    match field(text, b"\"e\":").and_then(string) {
        Some(b"\"INIT\"") => Said::Init,
        Some(b"\"AVAILABLE\"") => Said::Available,
        Some(b"\"UNAVAILABLE\"") => Said::Unavailable,
        _ => Said::Nothing,
    }
}

/// The number that the name of a dispatch's channel ends with.
pub(super) fn channel_number(text: &[u8]) -> Option<usize> {
    let name = field(text, b"\"c\":").and_then(string)?.strip_suffix(b"\"")?;
    let digits = name.rsplit(|byte| *byte == b'-').next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The payload that subscribes to a channel.
pub(super) fn subscribe(channel: &str) -> String {
    format!("{{\"op\":0,\"d\":{{\"e\":\"SUBSCRIBE\",\"c\":\"{channel}\",\"d\":null}}}}")
}

/// A heartbeat of our own.
pub(super) const HEARTBEAT: &[u8] = b"{\"op\":3,\"d\":null}";

/// The answer to the server's heartbeat.
pub(super) fn echo(tag: &[u8]) -> Vec<u8> {
    [b"{\"op\":3,\"d\":{\"tag\":", tag, b"}}"].concat()
}

/// Whether an answer accepts the upgrade of a request with a key.
///
/// # Errors
/// The answer's first line, or what is wrong with it.
pub(super) fn accepted(head: &[u8], key: &str) -> Result<(), String> {
    if !head.starts_with(b"HTTP/1.1 101 ") {
        let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
        return Err(format!("the upgrade was answered {:?}", String::from_utf8_lossy(line)));
    }
    let wanted = actix_http::ws::hash_key(key.as_bytes());
    let is_it = String::from_utf8_lossy(head).lines().any(|line| {
        line.split_once(':').is_some_and(|(name, value)| {
            name.eq_ignore_ascii_case("sec-websocket-accept") && value.trim().as_bytes() == wanted
        })
    });
    if is_it { Ok(()) } else { Err("the upgrade was answered with another key".to_owned()) }
}

/// When the next heartbeat is due, microseconds: a little early, so that a busy moment does no harm.
pub(super) const fn beat_pause(interval_ms: u64) -> u64 {
    num::whole(num::float(interval_ms) * 900.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_says_is_understood() {
        for (text, said) in [
            (r#"{"op":1,"d":{"heartbeat_interval":30000}}"#, Said::Hello(30_000)),
            (r#"{"op":0,"d":{"c":null,"u":true,"e":"INIT","d":{"x":"AVAILABLE"}}}"#, Said::Init),
            (r#"{"op":0,"d":{"c":"ch","u":false,"e":"AVAILABLE","d":{}}}"#, Said::Available),
            (r#"{"op":0,"d":{"c":"ch","u":true,"e":"UNAVAILABLE","d":{}}}"#, Said::Unavailable),
            (r#"{"op":0,"d":{"c":"ch","u":false,"e":"MESSAGE","d":{"e":"INIT"}}}"#, Said::Nothing),
            (r#"{"op":3,"d":{"tag":"a\"1"}}"#, Said::Beat(br#""a\"1""#)),
            (r#"{"op":3,"d":{"tag":null}}"#, Said::Nothing),
            (r#"{"op":4}"#, Said::Nothing),
            ("", Said::Nothing),
        ] {
            assert_eq!(read(text.as_bytes()), said, "{text}");
        }
        let message =
            br#"{"op":0,"d":{"c":"bench-x-a-12","u":false,"e":"MESSAGE","d":{"c":"b-7"}}}"#;
        assert_eq!(channel_number(message), Some(12));
        assert_eq!(channel_number(br#"{"op":0,"d":{"c":null,"u":true,"e":"INIT","d":{}}}"#), None);
        assert_eq!(echo(b"\"a\""), br#"{"op":3,"d":{"tag":"a"}}"#);
    }

    #[test]
    fn an_upgrade_must_be_accepted_with_its_key() {
        let key = "dGhlIHNhbXBsZSBub25jZQ==";
        let head = "HTTP/1.1 101 Switching Protocols\r\nSec-Websocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
        assert_eq!(accepted(head.as_bytes(), key), Ok(()));
        assert!(accepted(head.as_bytes(), "AAAAAAAAAAAAAAAAAAAAAA==").is_err());
        let refused = accepted(b"HTTP/1.1 429 Too Many Requests\r\n\r\n", key).unwrap_err();
        assert!(refused.contains("429"));
    }
}
