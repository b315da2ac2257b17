//! What is served outside of `/v1`, without a token or with an admin's.

use super::super::schema::{any_object, array, object, only, text, told, word};
use super::operation::refusals;
use crate::http::error::FailureCode as Code;
use serde_json::{Value, json};

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
        ("/openapi.json", file("getOpenApi", "This document")),
        ("/asyncapi.json", file("getAsyncApi", "The socket's protocol as AsyncAPI 3")),
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

/// A file of the server's.
fn file(id: &str, summary: &str) -> Value {
    let content = json!({"application/json": {"schema": any_object()}});
    let mut operation = open(id, summary, &content, &[Code::Internal]);
    let tag = json!({"$ref": "#/components/headers/ETag"});
    operation["responses"]["200"]["headers"]["ETag"] = tag.clone();
    operation["responses"]["304"] =
        json!({"description": "One of the tags is the file's.", "headers": {"ETag": tag}});
    let tags = json!({"$ref": "#/components/parameters/ifNoneMatchRead"});
    operation["parameters"].as_array_mut().unwrap().push(tags);
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
    for name in ["encoding", "compression"] {
        let named = json!({"$ref": format!("#/components/parameters/{name}")});
        operation["parameters"].as_array_mut().unwrap().push(named);
    }
    operation
}
