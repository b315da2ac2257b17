//! What the server sends.

use super::super::schema::{
    anything, array, event_name, named, number_from, object, only, or_null, text, told, truth, word,
};
use super::frames::LeapFrame;
use crate::protocol::Extension;
use serde_json::{Value, json};

/// All of it.
pub(super) fn all() -> Vec<LeapFrame> {
    [liveness(), vec![init()], subscriptions(), messages(), presence(), answers()]
        .into_iter()
        .flatten()
        .collect()
}

/// Frames that are no events.
fn liveness() -> Vec<LeapFrame> {
    let interval = ("heartbeat_interval", told(number_from(1), "Milliseconds."));
    let latency = told(number_from(0), "Milliseconds from the server's heartbeat to its answer.");
    let acked = object(&[("tag", text()), ("latency", latency)], &["latency"]);
    vec![
        LeapFrame::new(("Hello", "HELLO"), 1, &[("d", object(&[interval], &[]))], &[])
            .when("At once."),
        LeapFrame::new(
            ("ServerHeartbeat", "HEARTBEAT"),
            3,
            &[("d", object(&[("tag", text())], &[]))],
            &[],
        )
        .when("Half an interval after INIT, then each third one: to be answered with its tag."),
        LeapFrame::new(("HeartbeatAck", "HEARTBEAT_ACK"), 4, &[("d", acked)], &["d"])
            .when("For each heartbeat."),
    ]
}

/// Where an event stands, as who asked for `resume` is told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OnLine {
    /// It stands on no line.
    None,
    /// With `resume` it has its position.
    Positions,
    /// It may be a mail, and then has its id too.
    Mails,
}

/// An event about a channel, or about none, with this data.
fn event(
    name: &'static str,
    title: &'static str,
    channel: Value,
    line: OnLine,
    d: Value,
) -> LeapFrame {
    let alone = told(truth(), "Whether this connection alone is meant.");
    let mut members = vec![("c", channel), ("u", alone), ("e", only(title))];
    let mut optional = Vec::new();
    if line != OnLine::None {
        members.push(("s", told(named("Position"), "With `resume`: its place on its line.")));
        optional.push("s");
    }
    if line == OnLine::Mails {
        members.push(("id", told(text(), "With `resume`, of one from the mailbox: its id.")));
        optional.push("id");
    }
    members.push(("d", d));
    LeapFrame::new((name, title), 0, &[("d", object(&members, &optional))], &[])
}

/// Of a channel.
fn of_channel() -> Value {
    text()
}

/// Of none.
fn of_none() -> Value {
    only(Value::Null)
}

/// INIT.
fn init() -> LeapFrame {
    let granted = array(word(Extension::NAMED.map(|(name, _)| name)));
    let d = object(
        &[
            ("cid", told(text(), "The connection's id.")),
            ("connection_count", told(number_from(1), "How many connections the session has.")),
            (
                "metadata",
                told(
                    json!({"type": ["object", "null"]}),
                    "The token's state, if that is an object.",
                ),
            ),
            ("scope", word(["project", "token", "noauth"])),
            ("channels", array(named("InitChannel"))),
            ("session_id", told(text(), "With `resume`.")),
            ("direct", told(named("LineStanding"), "With `resume`: the token's own line.")),
            (
                "resume",
                told(word(["complete", "gap"]), "Whether all was recovered that was named."),
            ),
            (
                "missed",
                told(
                    or_null(number_from(1)),
                    "How many kept events were dropped; null where nobody knows.",
                ),
            ),
            ("ext", told(granted, "The extensions that were granted, where some were asked for.")),
        ],
        &["session_id", "direct", "resume", "missed", "ext"],
    );
    event("Init", "INIT", of_none(), OnLine::None, d)
        .when("The answer to IDENTIFY: where everything stands.")
}

/// Subscriptions and states.
fn subscriptions() -> Vec<LeapFrame> {
    let recovered = told(truth(), "Whether all that was said after the named position follows.");
    let available =
        object(&[("channel", named("SocketChannel")), ("recovered", recovered)], &["recovered"]);
    let code = word(["NOT_GRANTED", "UNKNOWN"]);
    let unavailable = object(&[("graceful", truth()), ("error_code", code)], &["error_code"]);
    let version = ("version", named("Version"));
    let whole = object(&[("state", json!({"type": "object"})), version.clone()], &["version"]);
    let delta = object(
        &[
            version,
            ("from", named("Version")),
            ("patch", told(json!({"type": "object"}), "RFC 7396.")),
        ],
        &[],
    );
    let changed = json!({"anyOf": [whole, delta], "description": "The whole state, or with `delta` what has changed of it."});
    vec![
        event("Available", "AVAILABLE", of_channel(), OnLine::Positions, available)
            .when("The session is subscribed."),
        event("Unavailable", "UNAVAILABLE", or_null(text()), OnLine::None, unavailable)
            .when("It is not, or no longer; `u` is true for who asked and was refused."),
        event("StateUpdate", "STATE_UPDATE", of_channel(), OnLine::Positions, changed)
            .when("The channel's state has changed, or was asked for."),
    ]
}

/// Messages.
fn messages() -> Vec<LeapFrame> {
    let message = object(&[("e", event_name()), ("d", anything())], &[]);
    let state = object(&[("state", anything())], &[]);
    vec![
        event("Message", "MESSAGE", of_channel(), OnLine::Positions, message.clone())
            .when("Somebody published."),
        event("DirectMessage", "DIRECT_MESSAGE", of_none(), OnLine::Mails, message)
            .when("The back end sent something to the token, or to this connection."),
        event("TokenStateUpdate", "TOKEN_STATE_UPDATE", of_none(), OnLine::Positions, state)
            .when("With the extension `token_state`: the token's own state has changed."),
    ]
}

/// Presence.
fn presence() -> Vec<LeapFrame> {
    let members = object(
        &[
            ("members", array(named("SocketMember"))),
            ("from", told(number_from(0), "How many came before these.")),
            ("count", told(number_from(0), "How many there are in all.")),
        ],
        &[],
    );
    let member = object(&[("member", named("SocketMember"))], &[]);
    let event = |name, title, d: &Value| event(name, title, of_channel(), OnLine::None, d.clone());
    vec![
        event("PresenceState", "PRESENCE_STATE", &members)
            .when("With the extension `presence`: who is in."),
        event("PresenceJoin", "PRESENCE_JOIN", &member)
            .when("With the extension `presence`: somebody came."),
        event("PresenceUpdate", "PRESENCE_UPDATE", &member)
            .when("With the extension `presence`: what somebody shows has changed."),
        event("PresenceLeave", "PRESENCE_LEAVE", &member)
            .when("With the extension `presence`: somebody went."),
    ]
}

/// What became of frames.
fn answers() -> Vec<LeapFrame> {
    let error = object(
        &[
            ("code", named("RefusalCode")),
            ("message", told(text(), "For people.")),
            ("ref", told(text(), "How the client called the frame.")),
        ],
        &["ref"],
    );
    let ack = object(
        &[
            ("ref", told(text(), "How the client called the frame.")),
            ("version", told(named("Version"), "That of a changed state.")),
            ("s", told(named("Position"), "That of a published message.")),
            ("replayed", told(only(true), "It was published before, under its `id`.")),
        ],
        &["version", "s", "replayed"],
    );
    let pipe =
        [("join_token", anything()), ("graceful", only(false)), ("error_code", only("UNKNOWN"))];
    let event = |name, title, d| event(name, title, of_none(), OnLine::None, d);
    vec![
        event("Error", "ERROR", error).when("With the extension `errors`: a frame was refused."),
        event("Ack", "ACK", ack)
            .when("With the extension `errors`: a frame with a `ref` was carried out."),
        event("PipeRoomUnavailable", "PIPE_ROOM_UNAVAILABLE", object(&pipe, &[]))
            .when("Of a product that Warren does not have."),
    ]
}
