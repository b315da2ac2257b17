//! The socket's protocol as AsyncAPI 3: `docs/asyncapi.json` is made of what stands here.
//!
//! Frames that the server's own encoder writes are held against the schemas, and the examples of a client's frames against its
//! decoder, so that neither is told otherwise than it is. Close codes, extensions and codes of refusals are the tables of the
//! protocol's crate.

mod frames;
mod from_client;
mod from_server;
mod samples;
mod words;

use super::schema::word;
use frames::LeapFrame;
use serde_json::{Map, Value, json};

/// What is said of the whole.
const ABOUT: &str = "Leap, the protocol of the socket: Hop's, and what Warren adds for clients that ask for it by `ext`. It is \
    told from the server's side: what it receives, clients send. Rules, times and limits are told in PROTOCOL.md. Each payload \
    is one text frame with one JSON object, or with `encoding=etf` one binary frame with a term; with `compression=zlib` larger \
    payloads come as binary frames, each of them one stream.";

/// All frames, those of clients first.
fn frames() -> Vec<LeapFrame> {
    let mut frames = from_client::all();
    frames.extend(from_server::all());
    frames
}

/// The one channel, with its messages.
fn channel(frames: &[LeapFrame]) -> Value {
    let reference =
        |frame: &LeapFrame| json!({"$ref": format!("#/components/messages/{}", frame.name)});
    let messages: Map<String, Value> =
        frames.iter().map(|frame| (frame.name.to_owned(), reference(frame))).collect();
    let query = json!({"type": "object", "properties": {
        "encoding": word(["json", "etf"]),
        "compression": word(["none", "zlib"]),
    }});
    json!({
        "address": "/ws",
        "title": "The socket",
        "description": "Also at `/1.0/ws`. WebSocket version 13, without extensions of WebSocket.",
        "servers": [{"$ref": "#/servers/warren"}],
        "messages": messages,
        "bindings": {"ws": {"method": "GET", "query": query, "bindingVersion": "0.1.0"}},
    })
}

/// What is done with each frame.
fn operations(frames: &[LeapFrame]) -> Value {
    let at = |name: &str| json!({"$ref": format!("#/channels/leap/messages/{name}")});
    let operation = |frame: &LeapFrame| {
        let action = if frame.is_from_client { "receive" } else { "send" };
        let mut operation = json!({
            "action": action,
            "channel": {"$ref": "#/channels/leap"},
            "title": frame.title,
            "summary": frame.summary,
            "messages": [at(frame.name)],
        });
        if !frame.answers.is_empty() {
            let answers: Vec<Value> = frame.answers.iter().map(|name| at(name)).collect();
            operation["reply"] =
                json!({"channel": {"$ref": "#/channels/leap"}, "messages": answers});
        }
        (format!("{action}{}", frame.name), operation)
    };
    Value::Object(frames.iter().map(operation).collect())
}

/// The whole document.
fn document() -> Value {
    let frames = frames();
    let messages: Map<String, Value> =
        frames.iter().map(|frame| (frame.name.to_owned(), frame.message())).collect();
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Leap",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"warren": {
            "host": "{host}",
            "protocol": "ws",
            "description": "The server that this is read from.",
            "variables": {"host": {"default": "127.0.0.1:8080", "description": "Name or address, and port."}},
        }},
        "channels": {"leap": channel(&frames)},
        "operations": operations(&frames),
        "components": {"messages": messages, "schemas": words::schemas()},
        "x-close-codes": words::close_codes(),
        "x-extensions": words::extensions(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::compare;
    use super::super::conforming::conforms;
    use super::*;
    use crate::protocol::{ClientCommand, ClientFrame, Extensions};
    use std::collections::BTreeSet;

    #[test]
    fn the_document_is_what_the_code_says() {
        compare("asyncapi.json", &document());
    }

    #[test]
    fn what_the_server_writes_is_what_the_document_says_of_it() {
        let document = document();
        let mut written = BTreeSet::new();
        for (name, text) in samples::all() {
            let frame: Value = serde_json::from_str(&text).unwrap();
            let schema = &document["components"]["messages"][name]["payload"];
            conforms(&frame, schema, &document)
                .unwrap_or_else(|why| panic!("{name}: {why}: {text}"));
            written.insert(name);
        }
        let told: BTreeSet<_> = from_server::all().iter().map(|frame| frame.name).collect();
        assert_eq!(written, told, "the frames that samples are of, and those that are told of");
    }

    #[test]
    fn what_clients_are_told_to_send_is_what_the_server_understands() {
        let document = document();
        for frame in from_client::all() {
            assert!(!frame.examples.is_empty(), "{} has no example", frame.name);
            for example in &frame.examples {
                let schema = &document["components"]["messages"][frame.name]["payload"];
                conforms(example, schema, &document)
                    .unwrap_or_else(|why| panic!("{}: {why}", frame.name));
                let read = ClientFrame::decode(&example.to_string()).unwrap().command;
                let name = match read {
                    ClientCommand::Identify(_) => "Identify",
                    ClientCommand::Heartbeat { .. } => "ClientHeartbeat",
                    ClientCommand::Subscribe { .. } => "Subscribe",
                    ClientCommand::Unsubscribe { .. } => "Unsubscribe",
                    ClientCommand::Publish { .. } => "Publish",
                    ClientCommand::SetState { .. } => "SetChannelState",
                    ClientCommand::PatchState { .. } => "PatchChannelState",
                    ClientCommand::GetState { .. } => "GetChannelState",
                    ClientCommand::RefreshToken { .. } => "RefreshToken",
                    ClientCommand::PipeSubscribe { .. } => "PipeRoomSubscribe",
                    ClientCommand::Ignored => "PipeRoomUnsubscribe",
                    ClientCommand::Unknown { .. } => "nothing",
                };
                assert_eq!(name, frame.name, "{example}");
            }
        }
    }

    #[test]
    fn every_extension_is_told_of() {
        let document = document();
        let told = document["x-extensions"].as_object().unwrap().keys();
        let told: Vec<String> = told.cloned().collect();
        assert_eq!(Extensions::granted(&told).names(), told);
    }
}
