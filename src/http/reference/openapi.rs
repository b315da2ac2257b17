//! The API as OpenAPI 3.1: `docs/openapi.json` is made of what stands here.
//!
//! What can be taken from the code is: routes and permissions from their table, codes and statuses of failures from
//! theirs, bounds from their constants, the fields of bodies from the lists that handlers read by.

mod channels;
mod lists;
mod models;
mod operation;
mod operators;
mod outside;
mod parameters;
mod projects;
mod subjects;
mod tokens;
mod webhooks;

use operation::{Operation, refusal_named};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// What is said of the whole.
const ABOUT: &str = "The HTTP API of Warren, a self-hosted realtime channels server. Rules, lists, conditions and limits are \
    told in PROTOCOL.md. Every path takes `HEAD` where it takes `GET`, and `OPTIONS`, which answers a preflight of CORS; any \
    other method is 405 `method_not_allowed` with `Allow`. A head of more than 128 KiB is 431 `too_large`, one that comes too \
    slowly 408 `timeout`, and both end the connection. Unknown fields of bodies and unknown parameters of queries are ignored. \
    Answers may get more members.";

/// The operations below `/v1`, by what they are about.
fn operations() -> Vec<(&'static str, Operation)> {
    let groups = [
        ("Channels", channels::all()),
        ("Leap tokens", tokens::all()),
        ("Projects", projects::all()),
        ("Webhooks", webhooks::all()),
        ("JSON Web Tokens", subjects::all()),
        ("Operator", operators::all()),
    ];
    let tagged = groups.into_iter().map(|(tag, all)| all.into_iter().map(move |one| (tag, one)));
    tagged.flatten().collect()
}

/// All paths.
fn paths() -> Value {
    let mut paths = Map::new();
    let mut add = |path: String, method: &str, operation: Value| {
        let path = paths.entry(path).or_insert_with(|| json!({}));
        path[method.to_ascii_lowercase()] = operation;
    };
    for (tag, operation) in operations() {
        let method = operation.method.as_str();
        add(format!("/v1/{}", operation.pattern), method, operation.document(tag));
    }
    for (path, operation) in outside::all() {
        add(path.to_owned(), "get", operation);
    }
    Value::Object(paths)
}

/// The headers of answers.
fn headers() -> Value {
    let text = json!({"type": "string"});
    let header = |sentence: &str, must: bool, schema: &Value| json!({"description": sentence, "required": must, "schema": schema});
    json!({
        "X-Request-Id": header("What the request is called; the log names it so.", true, &text),
        "ETag": header("Names the state, or the file, for conditional requests.", true, &text),
        "Cache-Control": header("`no-cache`: to be asked for each time.", true, &text),
        "Warren-Position": header("Where the message stands on its channel's line.", true, &text),
        "Idempotency-Replayed": header("`true` where the call was answered before, and is not done again.", false, &text),
        "RateLimit-Policy": header("How many calls a second (`q`) the token (`\"credential\"`) and the address (`\"address\"`) may make, where that is limited.", false, &text),
        "RateLimit": header("How many of them are left at once (`r`).", false, &text),
        "Location": header("Where it is.", true, &text),
        "Retry-After": header("After how many seconds to come again.", false, &json!({"type": "integer", "minimum": 0})),
        "WWW-Authenticate": header("`Bearer`.", true, &text),
    })
}

/// The tokens.
fn security() -> Value {
    let scheme = |form: &str, sentence: &str| json!({"type": "http", "scheme": "bearer", "bearerFormat": form, "description": sentence});
    json!({
        "projectToken": scheme("ptk_…", "A project token, behind `Bearer ` or alone. The names beside it are permissions that it must have."),
        "leapToken": scheme("leap_token_… or a JSON Web Token", "A client's token."),
        "adminToken": scheme("pat_…", "An admin token, which has every permission in any project."),
    })
}

/// The names of refusals that some operation refers to.
fn refusals_in(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let target = member.as_str().filter(|_| name == "$ref");
                names.extend(
                    target
                        .and_then(|t| t.strip_prefix("#/components/responses/"))
                        .map(str::to_owned),
                );
                refusals_in(member, names);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| refusals_in(item, names)),
        _ => {}
    }
}

/// The whole document.
fn document() -> Value {
    let paths = paths();
    let mut names = BTreeSet::new();
    refusals_in(&paths, &mut names);
    let responses: Map<String, Value> =
        names.into_iter().map(|name| (name.clone(), refusal_named(&name))).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Warren",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "The server that this is read from."}],
        "paths": paths,
        "components": {
            "schemas": models::all(),
            "parameters": parameters::all(),
            "headers": headers(),
            "responses": responses,
            "securitySchemes": security(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::super::compare;
    use super::*;
    use crate::http::permissions::TABLE;
    use crate::http::{assets, health, inspect, metrics, query, routes, sse, state_log, ws};

    #[test]
    fn the_document_is_what_the_code_says() {
        compare("openapi.json", &document());
    }

    #[test]
    fn every_route_is_documented_and_every_operation_is_a_route() {
        let mut mounted: Vec<String> = routes::names();
        let mut told: Vec<String> = operations()
            .iter()
            .map(|(_, operation)| format!("{} {}", operation.method, operation.pattern))
            .collect();
        mounted.sort();
        told.sort();
        let missing: Vec<_> = mounted.iter().filter(|route| !told.contains(route)).collect();
        assert!(missing.is_empty(), "say in src/http/reference/openapi what these do: {missing:?}");
        assert_eq!(
            told, mounted,
            "src/http/reference/openapi has what no route does, or something twice"
        );
        assert_eq!(told.len(), TABLE.len());
    }

    /// What is served for people to look at, and is no part of what programs call.
    const PAGES: [&str; 3] = ["/", "/console", "/static/{file}"];

    #[test]
    fn what_is_served_outside_of_the_api_is_documented_and_nothing_else_is() {
        let of_clients = ws::PATHS.iter().filter(|path| !path.starts_with("/__"));
        let served: BTreeSet<&str> = assets::PAGES
            .iter()
            .chain(&[assets::CHAPTER, assets::PART, metrics::PATH, sse::PATH])
            .chain(&health::PATHS)
            .chain(of_clients)
            .copied()
            .collect();
        let told = outside::all().into_iter().map(|(path, _)| path);
        assert_eq!(told.chain(PAGES).collect::<BTreeSet<_>>(), served);
    }

    #[test]
    fn every_operation_has_a_name_of_its_own() {
        let all = document();
        let operations = all["paths"].as_object().unwrap().values();
        let operations = operations.flat_map(|path| path.as_object().unwrap().values());
        let ids: Vec<_> =
            operations.map(|one| one["operationId"].as_str().unwrap().to_owned()).collect();
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{ids:?}");
    }

    /// Checks that what is referred to is there, and takes note of it.
    fn check_references(value: &Value, all: &Value, seen: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    if let Some(target) = member.as_str().filter(|_| name == "$ref") {
                        let path = target.strip_prefix('#').unwrap();
                        assert!(all.pointer(path).is_some(), "{target} is nowhere");
                        seen.insert(path.to_owned());
                    }
                    check_references(member, all, seen);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| check_references(item, all, seen)),
            _ => {}
        }
    }

    #[test]
    fn what_is_referred_to_is_there_and_nothing_else_is() {
        let (all, mut seen) = (document(), BTreeSet::new());
        check_references(&all, &all, &mut seen);
        for (kind, parts) in all["components"].as_object().unwrap() {
            for name in parts.as_object().unwrap().keys().filter(|_| kind != "securitySchemes") {
                let path = format!("/components/{kind}/{name}");
                assert!(seen.contains(&path), "nothing refers to {path}");
            }
        }
    }

    #[test]
    fn parameters_are_those_that_queries_are_read_by() {
        let parameters = parameters::all();
        let in_query = parameters.as_object().unwrap().values().filter(|one| one["in"] == "query");
        let told: BTreeSet<&str> = in_query.map(|one| one["name"].as_str().unwrap()).collect();
        let lists =
            [query::names(), state_log::names(), inspect::names(), ws::names(), sse::names()];
        let read: BTreeSet<&str> = lists.into_iter().flatten().copied().collect();
        assert_eq!(told, read, "parameters that are told, and those that are read");
    }
}
