//! What is asked with beside the body: parts of paths, queries and headers.

use super::super::schema::{
    array, channel_id, like, named, number, number_from, text, time, told, truth, word,
};
use crate::domain::idempotency::KEY_MAX_BYTES;
use crate::http::{inspect, query, request_id, state_log};
use crate::num::counter;
use crate::recorder::RecordKind;
use serde_json::{Map, Value, json};

/// A parameter: its name in the document, its name on the wire, where it stands, and what it is.
type Parameter = (&'static str, &'static str, Value);

/// All parameters, by the names under which operations refer to them.
pub(super) fn all() -> Value {
    let mut all = Map::new();
    for (place, parameters) in [
        ("path", in_path()),
        ("query", in_query()),
        ("query", in_other_queries()),
        ("query", in_stream_query()),
        ("header", in_header()),
    ] {
        for (key, name, schema) in parameters {
            let mut schema = schema;
            let sentence = schema.as_object_mut().and_then(|schema| schema.remove("description"));
            let mut parameter = json!({"name": name, "in": place, "schema": schema});
            if let Some(sentence) = sentence {
                parameter["description"] = sentence;
            }
            if place == "path" || key == STREAM_PROJECT {
                parameter["required"] = true.into();
            }
            assert!(all.insert(key.to_owned(), parameter).is_none(), "{key} is there twice");
        }
    }
    Value::Object(all)
}

/// The one member of a query that must be there.
const STREAM_PROJECT: &str = "streamProject";

/// A part of a path that is an id of which the server alone knows whether there is one.
fn id(sentence: &str) -> Value {
    told(json!({"type": "string", "minLength": 1}), sentence)
}

/// Parts of paths.
fn in_path() -> Vec<Parameter> {
    vec![
        ("channel", "channel", channel_id()),
        ("leapToken", "token", id("A leap token.")),
        ("projectTokenHandle", "token", id("A project token's handle, `ptkid_…`.")),
        ("adminToken", "token", id("An admin token's handle, `pat_id_…`, or the token itself.")),
        ("projectPath", "project", id("A project's id, or `@this` for the token's own.")),
        ("webhook", "webhook", id("A webhook's id.")),
        ("delivery", "delivery", id("The id of an event that the webhook was sent.")),
        ("cid", "cid", id("A connection's id, as its `INIT` says it.")),
        ("message", "message", id("A mail's id, as posting it said.")),
        ("jwtKey", "key", id("The id of a key for JSON Web Tokens.")),
        ("subject", "subject", id("A subject, as tokens have it in `sub`.")),
        ("chapter", "chapter", id("Where the page is below `/docs/`.")),
    ]
}

/// Members of queries.
fn in_query() -> Vec<Parameter> {
    let page = number(1, query::MAX_PAGE_SIZE);
    let cursor = "The `next` of the step before, or nothing for the first; with `pageSize` alone.";
    vec![
        ("project", "project", told(text(), "The project that is meant, for admin tokens.")),
        ("page", "page", told(number_from(1), "The page.")),
        (
            "pageSize",
            "pageSize",
            told(page.clone(), "How many a page or a step has; 75 if not said."),
        ),
        ("cursor", "cursor", told(text(), cursor)),
        ("sortBy", "sortBy", told(word(["created_at", "id"]), "With `page`.")),
        ("orderBy", "orderBy", told(word(["asc", "desc"]), "With `page`.")),
        (
            "order",
            "order",
            told(word(["asc", "desc"]), "Which come first: the oldest, if not said."),
        ),
        ("afterPosition", "after", told(named("Position"), "Only what stands behind it.")),
        ("beforePosition", "before", told(named("Position"), "Only what stands before it.")),
        ("messageLimit", "limit", told(page, "How many messages; 100 if not said.")),
        (
            "version",
            "version",
            told(number_from(0), "The version to show, instead of that in force."),
        ),
        ("at", "at", told(time(), "Show the version that was in force then; not with `version`.")),
        ("beforeVersion", "before", told(number_from(0), "Only versions before this one.")),
        (
            "versionLimit",
            "limit",
            told(number(1, state_log::MAX_LIMIT), "How many; 100 if not said."),
        ),
    ]
}

/// Members of the queries for what happened lately, and for a socket.
fn in_other_queries() -> Vec<Parameter> {
    let kinds = RecordKind::ALL.map(RecordKind::word).join("|");
    vec![
        ("ofChannel", "channel", told(text(), "Only what is about this channel.")),
        ("ofToken", "token", told(text(), "Only what is about this leap token.")),
        ("ofConnection", "connection", told(text(), "Only what is about this connection.")),
        ("kind", "kind", told(like(&format!("^({kinds})(,({kinds}))*$")), "Only these kinds.")),
        ("since", "since", told(time(), "Only what is from then or later.")),
        ("afterNumber", "after", told(number_from(0), "Only what came behind this number.")),
        (
            "beforeNumber",
            "before",
            told(number_from(0), "Only what came before this number; not with `after`."),
        ),
        (
            "entryLimit",
            "limit",
            told(number(1, counter(inspect::MAX_ENTRIES)), "How many; 200 if not said."),
        ),
        (
            "wait",
            "wait",
            told(
                number(0, inspect::MAX_WAIT),
                "With `after`: for how many seconds to wait for something.",
            ),
        ),
        ("encoding", "encoding", word(["json", "etf"])),
        ("compression", "compression", word(["none", "zlib"])),
    ]
}

/// Members of the query for an event stream.
fn in_stream_query() -> Vec<Parameter> {
    let token = "A leap token, JSON Web Token or project token, for who can send no header.";
    vec![
        (STREAM_PROJECT, "project", id("The project.")),
        ("streamToken", "token", told(text(), token)),
        ("streamChannels", "channels", told(text(), "What to subscribe to: ids with commas.")),
        (
            "streamChannel",
            "channel",
            told(array(text()), "The same, an id each: one with a comma in it, perhaps."),
        ),
        (
            "ephemeral",
            "ephemeral",
            told(truth(), "Whether the subscriptions end with the session; true if not said."),
        ),
        ("extensions", "ext", told(text(), "Extensions of the socket, with commas.")),
        (
            "sincePosition",
            "since",
            told(text(), "The position behind which to begin; with one channel."),
        ),
        ("rewind", "rewind", told(number_from(0), "How many messages of before to begin with.")),
        (
            "lastEventIdQuery",
            "last_event_id",
            told(text(), "The last `id` that was read, for who cannot send the header."),
        ),
        ("lastEventIdAlias", "lastEventId", told(text(), "The same, as some clients call it.")),
    ]
}

/// Headers of requests.
fn in_header() -> Vec<Parameter> {
    let key = json!({"type": "string", "minLength": 1, "maxLength": KEY_MAX_BYTES, "pattern": "^[!-~]+$"});
    let id = json!({"type": "string", "minLength": 1, "maxLength": request_id::MAX_BYTES});
    vec![
        (
            "idempotencyKey",
            "Idempotency-Key",
            told(key, "Names the call: repeated with it, the call is done once."),
        ),
        (
            "ifMatch",
            "If-Match",
            told(text(), "Make the change only if one of these tags is the state's."),
        ),
        (
            "ifNoneMatch",
            "If-None-Match",
            told(
                text(),
                "Make the change only if none of these tags is the state's; `*`: only if it was never written.",
            ),
        ),
        (
            "ifNoneMatchRead",
            "If-None-Match",
            told(text(), "Answer 304 if one of these tags is the state's."),
        ),
        ("lastEventId", "Last-Event-ID", told(text(), "The last `id` that was read.")),
        (
            "requestId",
            "X-Request-Id",
            told(id, "What to call the request in its answer and in the log."),
        ),
    ]
}
