//! An entry as Redis holds it: `version epoch sequence ms kind number body`, one blank between, the body to the end.
//!
//! The scripts write what is in front of the body, which is the domain's JSON, to the letter.

use super::WireError;
use crate::bus::{LineEntry, Ordered};
use crate::domain::{Message, Position, RawJson, State, Version};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The version that is written and read.
const VERSION: &str = "1";
/// The kind of a message.
const MESSAGE: &str = "message";
/// The kind of a state.
const STATE: &str = "state";
/// The kind of a message that the store keeps.
const KEPT: &str = "kept";
/// The kind of a state that has a place in the store.
const KEPT_STATE: &str = "kept_state";
/// The kind of what is to be read again.
const REREAD: &str = "reread";

/// A message's body.
#[derive(Deserialize)]
struct Body<'a> {
    /// The developer's name for it.
    #[serde(borrow)]
    event: Cow<'a, str>,
    /// The developer's data.
    #[serde(borrow)]
    data: &'a RawValue,
}

/// The body of a message that the store keeps.
#[derive(Deserialize)]
struct KeptBody<'a> {
    /// Where it stands there.
    at: &'a str,
    /// The message.
    #[serde(borrow)]
    message: Body<'a>,
}

/// The body of a state that has a place in the store.
#[derive(Deserialize)]
struct KeptStateBody<'a> {
    /// That place.
    at: &'a str,
    /// The state's number.
    version: i64,
    /// The state.
    #[serde(borrow)]
    state: &'a RawValue,
}

impl Body<'_> {
    /// The message, which was checked when it came in.
    fn message(self) -> Message {
        let data = RawJson::trusted(self.data.get());
        Message { event: self.event.into(), data }
    }
}

/// The body of a message.
fn body_of(message: &Message) -> String {
    let mut body = String::from("{\"event\":");
    crate::domain::json::push_quoted(&message.event, &mut body);
    body.push_str(",\"data\":");
    body.push_str(message.data.as_str());
    body.push('}');
    body
}

/// What an entry is to the scripts: its kind, its durable number, its body.
pub(super) fn encode(entry: &LineEntry) -> (&'static str, i64, String) {
    match entry {
        LineEntry::Message(message) => (MESSAGE, 0, body_of(message)),
        LineEntry::State { state, version } => (STATE, version.0, state.json().as_str().to_owned()),
        LineEntry::Kept { position, message } => {
            let message = body_of(message);
            (KEPT, 0, format!("{{\"at\":\"{position}\",\"message\":{message}}}"))
        }
        LineEntry::KeptState { position, state, version } => {
            let (version, state) = (version.0, state.json().as_str());
            let body = format!("{{\"at\":\"{position}\",\"version\":{version},\"state\":{state}}}");
            (KEPT_STATE, 0, body)
        }
        LineEntry::Reread => (REREAD, 0, String::new()),
    }
}

/// Reads an entry that a script wrote.
///
/// # Errors
/// [`WireError::Garbled`] of anything else.
pub(super) fn decode(text: &str) -> Result<Ordered, WireError> {
    read(text).ok_or(WireError::Garbled)
}

/// The same; none of what cannot be read.
fn read(text: &str) -> Option<Ordered> {
    let mut parts = text.splitn(7, ' ');
    parts.next().filter(|version| *version == VERSION)?;
    let epoch = parts.next()?.parse().ok()?;
    let offset = parts.next()?.parse().ok()?;
    let _ms: u64 = parts.next()?.parse().ok()?;
    let (kind, number, body) = (parts.next()?, parts.next()?, parts.next()?);
    let entry = match kind {
        MESSAGE => {
            let body: Body<'_> = serde_json::from_str(body).ok()?;
            LineEntry::Message(body.message())
        }
        STATE => {
            let version = Version(number.parse().ok()?);
            LineEntry::State { state: State::trusted(body), version }
        }
        KEPT => {
            let KeptBody { at, message } = serde_json::from_str(body).ok()?;
            LineEntry::Kept { position: at.parse().ok()?, message: message.message() }
        }
        KEPT_STATE => {
            let KeptStateBody { at, version, state } = serde_json::from_str(body).ok()?;
            let (state, version) = (State::trusted(state.get()), Version(version));
            LineEntry::KeptState { position: at.parse().ok()?, state, version }
        }
        REREAD => LineEntry::Reread,
        _ => return None,
    };
    Some(Ordered { position: Position { epoch, offset }, entry })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Epoch;

    #[test]
    fn what_is_written_is_read_to_the_letter() {
        let data = RawJson::trusted("{ \"b\": 1.50, \"a\":  [1 , 2] }");
        let message = Message { event: "say \"it\" \u{1}".into(), data };
        let (kind, number, body) = encode(&LineEntry::Message(message.clone()));
        let read = decode(&format!("1 ff 7 1700000000000 {kind} {number} {body}")).unwrap();
        assert_eq!(read.position, Position { epoch: Epoch(255), offset: 7 });
        assert!(matches!(read.entry, LineEntry::Message(read) if read == message));
        let state = State::trusted("{ \"x\" : 1 }");
        let entry = LineEntry::State { state: state.clone(), version: Version(9) };
        let (kind, number, body) = encode(&entry);
        let read = decode(&format!("1 0 1 5 {kind} {number} {body}")).unwrap();
        let LineEntry::State { state: found, version } = read.entry else { panic!("no state") };
        assert_eq!((found, version), (state.clone(), Version(9)));
        let place = Position { epoch: Epoch(0xabc), offset: 12 };
        let entry = LineEntry::Kept { position: place, message: message.clone() };
        let (kind, number, body) = encode(&entry);
        let read = decode(&format!("1 ff 8 1 {kind} {number} {body}")).unwrap();
        assert!(
            matches!(read.entry, LineEntry::Kept { position, message: read } if (position, &read) == (place, &message))
        );
        let entry = LineEntry::KeptState { position: place, state: state.clone(), version };
        let (kind, number, body) = encode(&entry);
        let read = decode(&format!("1 ff 9 1 {kind} {number} {body}")).unwrap();
        assert_eq!(read.position.offset, 9);
        let LineEntry::KeptState { position, state: found, version } = read.entry else {
            panic!("no state")
        };
        assert_eq!((position, found, version, number), (place, state, Version(9), 0));
    }

    #[test]
    fn what_nobody_wrote_is_refused() {
        for text in ["", "2 ff 7 1 state 1 {}", "1 ff 7 1 other 1 {}", "1 xx 7 1 state 1 {}"] {
            assert_eq!(decode(text).unwrap_err(), WireError::Garbled, "{text}");
        }
        assert_eq!(decode("1 ff 7 1 message 0 {}").unwrap_err(), WireError::Garbled);
    }
}
