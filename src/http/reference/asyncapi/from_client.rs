//! What clients send.

use super::super::schema::{
    any_object, anything, array, event_name, named, number_from, object, only, or_null, text,
    text_of, told, truth, word,
};
use super::frames::{LeapFrame, reference};
use crate::protocol::client_frame::{ID_MAX_BYTES, TAG_MAX_BYTES};
use crate::protocol::{Extension, Opcode};
use serde_json::{Value, json};

/// All of it.
pub(super) fn all() -> Vec<LeapFrame> {
    let mut all = vec![identify(), heartbeat()];
    all.extend(events());
    all.extend(states());
    all
}

/// IDENTIFY.
fn identify() -> LeapFrame {
    let positions = json!({"type": "object", "additionalProperties": named("Position")});
    let resume = object(
        &[
            ("positions", told(positions, "The last position that was seen of each channel.")),
            ("direct", told(or_null(named("Position")), "The last one of the token's own line.")),
        ],
        &["positions", "direct"],
    );
    let ext = array(word(Extension::NAMED.map(|(name, _)| name)));
    let token = "A leap token, a JSON Web Token or a project token; missing, null or empty for a connection without.";
    let d = object(
        &[
            ("project_id", text()),
            ("token", told(or_null(text()), token)),
            ("ext", told(or_null(ext), "The extensions that the client asks for.")),
            ("resume", told(or_null(resume), "With the extension `resume`: from where to go on.")),
        ],
        &["token", "ext", "resume"],
    );
    let resumed = json!({"op": 2, "d": {"project_id": "project_x", "token": "leap_token_x", "ext": ["resume", "errors"],
        "resume": {"positions": {"room": "1f-3"}, "direct": "1f-9"}}});
    assert_eq!(Opcode::from_client(2), Some(Opcode::Identify));
    LeapFrame::new(("Identify", "IDENTIFY"), 2, &[("d", d), ("ref", reference())], &["ref"])
        .when("Who the client is; within 10 s of HELLO, once.")
        .like(json!({"op": 2, "d": {"project_id": "project_x", "token": "leap_token_x"}}))
        .like(resumed)
        .answered(&["Init"])
}

/// A heartbeat.
fn heartbeat() -> LeapFrame {
    let tag = told(or_null(text_of(0, TAG_MAX_BYTES)), "Comes back in the acknowledgement.");
    let d = or_null(object(&[("tag", tag)], &["tag"]));
    assert_eq!(Opcode::from_client(3), Some(Opcode::Heartbeat));
    LeapFrame::new(("ClientHeartbeat", "HEARTBEAT"), 3, &[("d", d)], &["d"])
        .when("Each interval that HELLO names; and with its tag in answer to the server's.")
        .like(json!({"op": 3}))
        .like(json!({"op": 3, "d": {"tag": "t1"}}))
        .answered(&["HeartbeatAck"])
}

/// An event with this data.
fn event(
    name: &'static str,
    title: &'static str,
    d: Option<Value>,
    beside: &[(&str, Value)],
) -> LeapFrame {
    let channel = told(or_null(text()), "The channel's id.");
    let mut members = vec![("e", only(title)), ("c", channel)];
    let is_needed = d.as_ref().is_some_and(|d| d.get("required").is_some());
    members.push(("d", d.unwrap_or_else(anything)));
    let optional: &[&str] = if is_needed { &[] } else { &["d"] };
    let mut outer = vec![("d", object(&members, optional)), ("ref", reference())];
    outer.extend(beside.iter().cloned());
    let names: Vec<&str> = outer.iter().skip(1).map(|(name, _)| *name).collect();
    assert_eq!(Opcode::from_client(0), Some(Opcode::Dispatch));
    LeapFrame::new((name, title), 0, &outer, &names)
}

/// Events.
fn events() -> Vec<LeapFrame> {
    let start = object(
        &[
            ("ephemeral", told(truth(), "End with the session.")),
            (
                "since",
                told(named("Position"), "With `resume`: all that was said after it follows."),
            ),
            (
                "rewind",
                told(number_from(0), "With `resume`: so many of the newest messages follow."),
            ),
        ],
        &["ephemeral", "since", "rewind"],
    );
    let message = object(&[("e", event_name()), ("d", anything())], &["d"]);
    let id = told(
        or_null(text_of(0, ID_MAX_BYTES)),
        "What comes again under it within 5 minutes is not published again.",
    );
    let token = object(&[("join_token", anything())], &["join_token"]);
    let newer = object(&[("token", told(text(), "A newer JSON Web Token."))], &[]);
    vec![
        event("Subscribe", "SUBSCRIBE", Some(or_null(start)), &[])
            .when("Hear a channel, for good if the token is a leap token.")
            .like(sent("SUBSCRIBE", &Value::Null))
            .like(sent("SUBSCRIBE", &json!({"ephemeral": true, "rewind": 10})))
            .answered(&["Available", "Unavailable", "Ack", "Error"]),
        event("Unsubscribe", "UNSUBSCRIBE", None, &[])
            .when("Hear it no longer.")
            .like(sent("UNSUBSCRIBE", &Value::Null))
            .answered(&["Ack", "Error"]),
        event("Publish", "MESSAGE", Some(message), &[("id", id)])
            .when("Publish, where the channel has `CLIENT_PUBLISH`.")
            .like(sent("MESSAGE", &json!({"e": "HELLO", "d": {"by": "anna"}})))
            .answered(&["Message", "Unavailable", "Ack", "Error"]),
        event("RefreshToken", "REFRESH_TOKEN", Some(newer), &[])
            .when("Go on with a newer token of the same subject, with the extension `refresh`.")
            .like(sent("REFRESH_TOKEN", &json!({"token": "eyJhbGciOiJIUzI1NiJ9.e30.AA"})))
            .answered(&["Ack", "Error"]),
        event("PipeRoomSubscribe", "PIPE_ROOM_SUBSCRIBE", Some(token), &[])
            .when("Of a product that Warren does not have: refused.")
            .like(sent("PIPE_ROOM_SUBSCRIBE", &json!({"join_token": "x"})))
            .answered(&["PipeRoomUnavailable"]),
        event("PipeRoomUnsubscribe", "PIPE_ROOM_UNSUBSCRIBE", None, &[])
            .when("Of a product that Warren does not have: ignored.")
            .like(sent("PIPE_ROOM_UNSUBSCRIBE", &Value::Null)),
    ]
}

/// Events about states.
fn states() -> Vec<LeapFrame> {
    let patch = object(
        &[
            ("patch", told(any_object(), "RFC 7396.")),
            ("if_version", told(or_null(named("Version")), "Only from this version.")),
        ],
        &["if_version"],
    );
    let version = object(&[("version", or_null(named("Version")))], &["version"]);
    vec![
        event("SetChannelState", "SET_CHANNEL_STATE", Some(any_object()), &[])
            .when("Replace the state, where the channel has `CLIENT_STATE`.")
            .like(sent("SET_CHANNEL_STATE", &json!({"topic": "News"})))
            .answered(&["StateUpdate", "Unavailable", "Ack", "Error"]),
        event("PatchChannelState", "PATCH_CHANNEL_STATE", Some(patch), &[])
            .when("Change a part of it, with the extension `patch`.")
            .like(sent("PATCH_CHANNEL_STATE", &json!({"patch": {"topic": null}, "if_version": 3})))
            .answered(&["StateUpdate", "Unavailable", "Ack", "Error"]),
        event("GetChannelState", "GET_CHANNEL_STATE", Some(or_null(version)), &[])
            .when("Ask for the state.")
            .like(sent("GET_CHANNEL_STATE", &json!({"version": 3})))
            .answered(&["StateUpdate", "Unavailable", "Ack", "Error"]),
    ]
}

/// An event about a channel, as a client sends it.
fn sent(event: &str, d: &Value) -> Value {
    json!({"op": 0, "d": {"e": event, "c": "room", "d": d}})
}
