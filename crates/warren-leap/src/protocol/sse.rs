//! Server-sent events: the payloads of WebSocket frames as lines of text (HTML standard, §9.2 Server-sent events).
//!
//! What follows here has no `id:` line: it is shared by everybody who hears it, and how far one has heard is each
//! stream's own ([`super::bookmark`]).

use super::close::Close;
use crate::domain::json::push_quoted;
use bytes::{BufMut as _, Bytes, BytesMut};

/// What opens a stream: how long a client waits before it comes back, ms. As long as the official clients of sockets do.
const OPENING: &str = "retry: 1000\n: warren\n\n";
/// What a heartbeat looks like: a comment, which clients pass over and proxies take for traffic.
const HEARTBEAT: &str = ": heartbeat\n\n";
/// How the payload of a dispatch begins.
const DISPATCH: &str = r#"{"op":0,"d":"#;
/// What stands before an event's name in it; a channel's id has no quotation mark without a backslash.
const NAME: &str = r#","e":""#;

/// A payload of the server as it stands in an event stream.
pub fn of_payload(json: &str) -> Bytes {
    match json.strip_prefix(DISPATCH).and_then(|rest| rest.strip_suffix('}')) {
        Some(dispatch) => event(name_of(dispatch), dispatch),
        None if json.starts_with(r#"{"op":1,"#) => Bytes::from_static(OPENING.as_bytes()),
        None => Bytes::from_static(HEARTBEAT.as_bytes()),
    }
}

/// The last event of a stream: why it ends.
pub fn close(close: &Close) -> Bytes {
    let code = close.code.number();
    let mut dispatch = format!(r#"{{"c":null,"u":true,"e":"CLOSE","d":{{"code":{code},"reason":"#);
    push_quoted(&close.reason, &mut dispatch);
    dispatch.push_str("}}");
    event("CLOSE", &dispatch)
}

/// A dispatch's name.
fn name_of(dispatch: &str) -> &str {
    let rest = dispatch.split_once(NAME).map_or("", |(_, rest)| rest);
    rest.split_once('"').map_or("", |(name, _)| name)
}

/// An event: its name, and its data line by line. A payload that somebody has broken into lines means the same with
/// other line ends, for none of them stands within a string.
fn event(name: &str, data: &str) -> Bytes {
    let mut out = BytesMut::with_capacity(name.len() + data.len() + 32);
    out.put_slice(b"event: ");
    out.put_slice(name.as_bytes());
    for line in data.split(['\n', '\r']) {
        out.put_slice(b"\ndata: ");
        out.put_slice(line.as_bytes());
    }
    out.put_slice(b"\n\n");
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::super::close::CloseCode;
    use super::*;

    /// A payload as text.
    fn text(json: &str) -> String {
        String::from_utf8(of_payload(json).to_vec()).unwrap()
    }

    #[test]
    fn a_dispatch_is_an_event_of_its_name() {
        let json =
            r#"{"op":0,"d":{"c":"a\",\"e\":\"b","u":false,"e":"MESSAGE","d":{"e":"X","d":1}}}"#;
        let data = r#"{"c":"a\",\"e\":\"b","u":false,"e":"MESSAGE","d":{"e":"X","d":1}}"#;
        assert_eq!(text(json), format!("event: MESSAGE\ndata: {data}\n\n"));
    }

    #[test]
    fn a_payload_of_several_lines_stays_one_event() {
        let json = "{\"op\":0,\"d\":{\"c\":null,\"u\":false,\"e\":\"E\",\"d\":{\n\r\n  \"a\": 1}}}";
        let shown = text(json);
        let data: Vec<&str> =
            shown.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
        assert_eq!(shown.matches("\n\n").count(), 1, "{shown:?}");
        let read: serde_json::Value = serde_json::from_str(&data.join("\n")).unwrap();
        assert_eq!(read["d"]["a"], 1);
    }

    #[test]
    fn what_is_no_dispatch_is_for_nobody_to_hear() {
        assert_eq!(text(r#"{"op":1,"d":{"heartbeat_interval":30000}}"#), OPENING);
        assert_eq!(text(r#"{"op":3,"d":{"tag":"w1"}}"#), HEARTBEAT);
        assert_eq!(text(r#"{"op":4}"#), HEARTBEAT);
    }

    #[test]
    fn the_end_says_why() {
        let ended = close(&Close::new(CloseCode::GoingAway, "the \"end\""));
        let expected = "event: CLOSE\ndata: {\"c\":null,\"u\":true,\"e\":\"CLOSE\",\
            \"d\":{\"code\":4010,\"reason\":\"the \\\"end\\\"\"}}\n\n";
        assert_eq!(&ended[..], expected.as_bytes());
    }
}
