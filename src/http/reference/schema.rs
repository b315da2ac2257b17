//! Pieces of JSON Schema (2020-12, as OpenAPI 3.1 has it), and what the wire's things are made of.

use crate::domain::id::CHANNEL_ID_MAX_BYTES;
use crate::domain::message::EVENT_NAME_MAX_BYTES;
use crate::domain::{Permissions, Visibility};
use serde_json::{Map, Value, json};

/// A schema that is described elsewhere under this name.
pub(super) fn named(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// A schema with a sentence about it.
pub(super) fn told(schema: Value, sentence: &str) -> Value {
    let mut schema = schema;
    schema["description"] = sentence.into();
    schema
}

/// An object with these members, of which those in `optional` may be missing.
pub(super) fn object(members: &[(&str, Value)], optional: &[&str]) -> Value {
    for name in optional {
        assert!(members.iter().any(|(member, _)| member == name), "{name} is no member");
    }
    let required: Vec<&str> =
        members.iter().map(|(name, _)| *name).filter(|name| !optional.contains(name)).collect();
    let properties: Map<String, Value> =
        members.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    let mut schema = json!({"type": "object", "properties": properties});
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

/// A body whose handler reads these fields: the document has each of them and no other. Null counts as missing in those
/// that may be missing.
pub(super) fn fields(read: &[&str], members: &[(&str, Value)], optional: &[&str]) -> Value {
    let mut told: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
    let mut read = read.to_vec();
    told.sort_unstable();
    read.sort_unstable();
    assert_eq!(told, read, "the document's fields of a body, and those that its handler reads");
    let members: Vec<_> = members
        .iter()
        .map(|(name, schema)| {
            let is_optional = optional.contains(name);
            (*name, if is_optional { or_null(schema.clone()) } else { schema.clone() })
        })
        .collect();
    object(&members, optional)
}

/// A schema or null.
pub(super) fn or_null(schema: Value) -> Value {
    match schema.get("type") {
        Some(Value::String(kind)) if schema.get("enum").is_none() => {
            let kinds = json!([kind, "null"]);
            let mut schema = schema;
            schema["type"] = kinds;
            schema
        }
        None if schema == json!({}) => schema,
        _ => json!({"anyOf": [schema, {"type": "null"}]}),
    }
}

/// An array.
pub(super) fn array(items: Value) -> Value {
    let mut schema = json!({"type": "array"});
    schema["items"] = items;
    schema
}

/// An array of so many items at most.
pub(super) fn at_most(items: Value, most: usize) -> Value {
    let mut schema = array(items);
    schema["maxItems"] = most.into();
    schema
}

/// A text.
pub(super) fn text() -> Value {
    json!({"type": "string"})
}

/// A text of so many bytes of UTF-8 at most, which are so many letters at most.
pub(super) fn text_of(least: usize, most: usize) -> Value {
    let sentence = format!("At most {most} bytes of UTF-8.");
    told(json!({"type": "string", "minLength": least, "maxLength": most}), &sentence)
}

/// A text of this form.
pub(super) fn like(pattern: &str) -> Value {
    json!({"type": "string", "pattern": pattern})
}

/// One of these words.
pub(super) fn word<'a>(words: impl IntoIterator<Item = &'a str>) -> Value {
    json!({"type": "string", "enum": words.into_iter().collect::<Vec<_>>()})
}

/// Nothing but this.
pub(super) fn only(value: impl Into<Value>) -> Value {
    json!({"const": value.into()})
}

/// A number from this one on.
pub(super) fn number_from(least: u64) -> Value {
    json!({"type": "integer", "minimum": least})
}

/// A number from one to another.
pub(super) fn number(least: u64, most: u64) -> Value {
    json!({"type": "integer", "minimum": least, "maximum": most})
}

/// True or false.
pub(super) fn truth() -> Value {
    json!({"type": "boolean"})
}

/// A moment.
pub(super) fn time() -> Value {
    json!({"type": "string", "format": "date-time"})
}

/// Any JSON.
pub(super) fn anything() -> Value {
    json!({})
}

/// An object with whatever in it.
pub(super) fn any_object() -> Value {
    json!({"type": "object"})
}

/// A channel's id, as `ChannelId::parse` takes it.
pub(super) fn channel_id() -> Value {
    json!({
        "type": "string",
        "minLength": 1,
        "maxLength": CHANNEL_ID_MAX_BYTES,
        "pattern": r"^[^\u0000-\u001f\u007f-\u009f/\\?#%]+$",
        "not": {"enum": ["tokens", "connections", ".", ".."]},
        "description": format!(
            "1 to {CHANNEL_ID_MAX_BYTES} bytes of UTF-8 without control characters and without `/ \\ ? # %`."
        ),
    })
}

/// The name of an event.
pub(super) fn event_name() -> Value {
    text_of(0, EVENT_NAME_MAX_BYTES)
}

/// The bits of permissions.
pub(super) fn flags() -> Value {
    told(number(0, (1 << 51) - 1), "The sum of two to the power of each flag's bit.")
}

/// Flags as a number, or as the text of one for clients that want that.
pub(super) fn flags_or_text() -> Value {
    json!({"anyOf": [flags(), like("^[0-9]+$")]})
}

/// Who may subscribe.
pub(super) fn visibility() -> Value {
    let all = [Visibility::Unprotected, Visibility::Public, Visibility::Private];
    let words = all.map(|kind| serde_json::to_value(kind).unwrap());
    json!({"type": "string", "enum": words})
}

/// The names of groups of permissions.
pub(super) fn group() -> Value {
    let groups = [
        "MANAGE_CHANNELS",
        "MANAGE_WEBHOOKS",
        "MANAGE_MEMBERS",
        "MANAGE_DEPLOYMENTS",
        "MANAGE_REGISTRY",
        "MANAGE_PIPE",
    ];
    assert!(groups.iter().all(|name| Permissions::from_group(name).is_some()));
    word(groups)
}
