//! Close codes, extensions, codes of refusals, and what frames have in common.

use super::super::schema::{
    anything, channel_id, named, number, number_from, object, text, time, told, truth, word,
};
use crate::domain::{Capabilities, Version};
use crate::protocol::{CloseCode, Extension, Refusal};
use serde_json::{Map, Value, json};

/// What a client should do when its connection ends with a code.
const RECONNECT: &str = "reconnect";
/// The same where coming back changes nothing.
const STOP: &str = "stop";

/// What a code means, and what the client should do.
const fn told_of(code: CloseCode) -> (&'static str, &'static str) {
    match code {
        CloseCode::Normal => ("The answer to the client's close without a code.", "nothing"),
        CloseCode::Echo(_) => ("The answer to the client's close: its own code.", "nothing"),
        CloseCode::ProtocolError => ("What came is no WebSocket frame.", RECONNECT),
        CloseCode::TooBig => ("A frame or message is over the limit.", "send less"),
        CloseCode::Unknown => {
            ("A fault of the server, or the back end closed the connection.", RECONNECT)
        }
        CloseCode::InvalidAuth => ("The project or the token does not exist, or no longer.", STOP),
        CloseCode::IdentifyTimeout => ("IDENTIFY did not come in time.", RECONNECT),
        CloseCode::NotAuthenticated => ("An event came before IDENTIFY.", RECONNECT),
        CloseCode::UnknownOpcode => {
            ("There is no such opcode, or it is not the client's to send.", RECONNECT)
        }
        CloseCode::InvalidPayload => {
            ("What came is not a payload of Leap, or a second IDENTIFY.", RECONNECT)
        }
        CloseCode::OutOfSync => ("No heartbeat came for too long.", RECONNECT),
        CloseCode::RateLimited => {
            ("The client sends too much, or too many come.", "reconnect later")
        }
        CloseCode::SlowConsumer => ("The client takes too little of what waits for it.", RECONNECT),
        CloseCode::GoingAway => {
            ("The server is going away.", "reconnect after the time that the reason names")
        }
        CloseCode::BadRoute => (
            "The server sends its clients elsewhere: the reason is the URL of the socket there.",
            "connect there",
        ),
        CloseCode::TokenExpired => (
            "The JSON Web Token has expired; with the extension `refresh` alone.",
            "reconnect with a newer one",
        ),
    }
}

/// Close codes by their numbers.
pub(super) fn close_codes() -> Value {
    let row = |code: CloseCode| {
        let (meaning, client) = told_of(code);
        (code.number().to_string(), json!({"meaning": meaning, "client": client}))
    };
    Value::Object(CloseCode::ALL.map(row).into_iter().collect())
}

/// Extensions by their names.
pub(super) fn extensions() -> Value {
    let adds = |extension: Extension| match extension {
        Extension::Errors => {
            "`ERROR` for every refused frame, and `ACK` for every frame with a `ref`."
        }
        Extension::Version => "The `version` of states.",
        Extension::Presence => {
            "`PRESENCE_STATE`, `PRESENCE_JOIN`, `PRESENCE_UPDATE` and `PRESENCE_LEAVE`."
        }
        Extension::TokenState => "`TOKEN_STATE_UPDATE`.",
        Extension::Patch => "The client may send `PATCH_CHANNEL_STATE`.",
        Extension::Resume => "Positions, and going on from one.",
        Extension::Delta => {
            "`STATE_UPDATE` as a patch of the state before, where that is shorter; and versions."
        }
        Extension::Refresh => {
            "The client may send `REFRESH_TOKEN`; 4011 when its JSON Web Token has expired."
        }
    };
    let named = Extension::NAMED.into_iter();
    Value::Object(
        named.map(|(name, extension)| (name.to_owned(), adds(extension).into())).collect(),
    )
}

/// The codes of `ERROR`.
fn refusals() -> Vec<&'static str> {
    let all = [
        Refusal::UnknownEvent(String::new()),
        Refusal::NotSubscribed,
        Refusal::NotGranted,
        Refusal::UnknownChannel,
        Refusal::MissingCapability(""),
        Refusal::MissingExtension(""),
        Refusal::TooManyChannels(0),
        Refusal::InvalidState(String::new()),
        Refusal::VersionConflict(Version::FIRST),
        Refusal::VersionGone,
        Refusal::InvalidToken(String::new()),
        Refusal::Overloaded,
        Refusal::StorageUnavailable,
    ];
    all.iter().map(Refusal::code).collect()
}

/// What frames have in common.
pub(super) fn schemas() -> Value {
    let bits = (1_u64 << Capabilities::NAMED.len()) - 1;
    let mut members = vec![
        ("id", channel_id()),
        ("project_id", text()),
        ("type", super::super::schema::visibility()),
        ("state", json!({"type": "object"})),
        ("capabilities", number(0, bits)),
        ("version", told(named("Version"), "With `version` or `delta`.")),
    ];
    let channel = object(&members, &["version"]);
    let recovered = told(truth(), "Whether all that was said after the named position follows.");
    let standing = [("s", named("Position")), ("recovered", recovered)];
    members.extend(standing.clone());
    let in_init = object(&members, &["version", "s", "recovered"]);
    let member = object(
        &[
            ("id", text()),
            ("data", told(anything(), "What its token's state has under `public`, or null.")),
            ("connections", number_from(0)),
            ("since", time()),
        ],
        &[],
    );
    let mut schemas = Map::new();
    for (name, schema) in [
        ("SocketChannel", channel),
        ("InitChannel", in_init),
        ("LineStanding", object(&standing, &["recovered"])),
        ("SocketMember", member),
        ("RefusalCode", word(refusals())),
        ("Version", told(number_from(1), "Rises by one with every change of a state.")),
        ("Position", told(text(), "A place on a line; nothing in it is to be read.")),
    ] {
        schemas.insert(name.to_owned(), schema);
    }
    Value::Object(schemas)
}
