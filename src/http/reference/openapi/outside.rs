//! What is served outside of `/v1`, without a token or with an admin's.

use super::super::schema::{any_object, array, object, only, text, told, word};
use super::operation::{OF_EVERY_ANSWER, refusals};
use crate::http::error::FailureCode as Code;
use serde_json::{Map, Value, json};

/// Each path with its one operation, by `GET`.
pub(super) fn all() -> Vec<(&'static str, Value)> {
    let reason = object(&[("reason", text()), ("message", text())], &[]);
    let live = object(&[("status", only("live"))], &[]);
    let warnings = told(array(reason), "What somebody should look after.");
    let ready = [("status", word(["ready"])), ("warnings", warnings)];
    let ready = object(&ready, &["warnings"]);
    let health = |data| object(&[("success", only(true)), ("data", data)], &[]);
    let json = |schema: Value| json!({"application/json": {"schema": schema}});
    let failing = [Code::Internal, Code::Overloaded, Code::StorageUnavailable, Code::Stopping];
    let guarded = [
        Code::InvalidAuth,
        Code::MissingPermission,
        Code::RateLimited,
        Code::Internal,
        Code::Overloaded,
        Code::StorageUnavailable,
    ];
    let metrics = json!({"application/openmetrics-text": {"schema": text()}});
    vec![
        (
            "/health/live",
            open("isLive", "Whether the process runs", &json(health(live)), &[Code::Internal]),
        ),
        (
            "/health/ready",
            open("isReady", "Whether the server can answer", &json(health(ready)), &failing),
        ),
        ("/metrics", {
            let mut shown = open("getMetrics", "What the process counts", &metrics, &guarded);
            shown["security"] = json!([{"adminToken": []}]);
            shown
        }),
        ("/openapi.json", document("getOpenApi", "This document")),
        ("/asyncapi.json", document("getAsyncApi", "The socket's protocol as AsyncAPI 3")),
        ("/docs", page("getBook", "The book: its first page")),
        ("/docs/{chapter}", chapter("getChapter", "A page of the book")),
        ("/sse", stream("openStream", "What a socket hears, as server-sent events")),
        ("/ws", socket("openSocket", "The socket of Leap")),
        ("/1.0/ws", socket("openSocketByAlias", "The socket of Leap, as old clients open it")),
    ]
}

/// An operation that anybody may call.
fn open(id: &str, summary: &str, content: &Value, codes: &[Code]) -> Value {
    let mut responses = json!({"200": {
        "description": "Done.",
        "headers": {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}},
        "content": content,
    }});
    let all = refusals(&codes.iter().copied().collect());
    responses.as_object_mut().unwrap().extend(all);
    json!({
        "operationId": id,
        "tags": ["Server"],
        "summary": summary,
        "security": [],
        "parameters": [{"$ref": "#/components/parameters/requestId"}],
        "responses": responses,
    })
}

/// A description that programs read.
fn document(id: &str, summary: &str) -> Value {
    file(id, summary, &json!({"application/json": {"schema": any_object()}}), &[])
}

/// A page that people read.
fn page(id: &str, summary: &str) -> Value {
    file(id, summary, &json!({"text/html": {"schema": text()}}), &[])
}

/// One of those whose names are not told here.
fn chapter(id: &str, summary: &str) -> Value {
    let content = json!({"text/html": {"schema": text()}});
    let mut operation = file(id, summary, &content, &[Code::NoSuchPath]);
    operation["responses"]["308"] = json!({
        "description": "The page has no slash behind it.",
        "headers": {"Location": {"$ref": "#/components/headers/Location"}},
    });
    asked(&mut operation, &["chapter"]);
    operation
}

/// Adds parameters, by their names in the document.
fn asked(operation: &mut Value, names: &[&str]) {
    let named = names.iter().map(|name| json!({"$ref": format!("#/components/parameters/{name}")}));
    operation["parameters"].as_array_mut().unwrap().extend(named);
}

/// A file of the server's.
fn file(id: &str, summary: &str, content: &Value, codes: &[Code]) -> Value {
    let codes = [codes, &[Code::Internal]].concat();
    let mut operation = open(id, summary, content, &codes);
    let tag = json!({"$ref": "#/components/headers/ETag"});
    operation["responses"]["200"]["headers"]["ETag"] = tag.clone();
    operation["responses"]["304"] =
        json!({"description": "One of the tags is the file's.", "headers": {"ETag": tag}});
    asked(&mut operation, &["ifNoneMatchRead"]);
    operation
}

/// An event stream, which has no end of its own: what is said on it, the socket's document tells.
fn stream(id: &str, summary: &str) -> Value {
    let codes = [
        Code::InvalidQuery,
        Code::InvalidAuth,
        Code::PageNotAllowed,
        Code::RateLimited,
        Code::Internal,
        Code::Overloaded,
        Code::Stopping,
    ];
    let events =
        told(text(), "An event for each dispatch (HTML standard, §9.2), until one side ends it.");
    let mut operation =
        open(id, summary, &json!({"text/event-stream": {"schema": events}}), &codes);
    let headers = OF_EVERY_ANSWER
        .map(|name| (name.to_owned(), json!({"$ref": format!("#/components/headers/{name}")})));
    operation["responses"]["200"]["headers"] = Map::from_iter(headers).into();
    operation["security"] = json!([{}, {"leapToken": []}, {"projectToken": []}]);
    let names = [
        "streamProject",
        "streamToken",
        "streamChannels",
        "streamChannel",
        "ephemeral",
        "extensions",
        "sincePosition",
        "rewind",
        "lastEventIdQuery",
        "lastEventIdAlias",
        "lastEventId",
    ];
    asked(&mut operation, &names);
    operation
}

/// The socket: what is said on it, another document tells.
fn socket(id: &str, summary: &str) -> Value {
    let codes = [
        Code::InvalidQuery,
        Code::Unreadable,
        Code::PageNotAllowed,
        Code::RateLimited,
        Code::Internal,
        Code::Overloaded,
    ];
    let mut operation = open(id, summary, &json!({}), &codes);
    operation["responses"]["101"] = json!({"description": "A WebSocket from here on (RFC 6455)."});
    operation["responses"].as_object_mut().unwrap().remove("200");
    asked(&mut operation, &["encoding", "compression"]);
    operation
}
