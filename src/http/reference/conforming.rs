//! Whether a value is as a schema says: as much of JSON Schema as the documents use, and strict about members that are not
//! told of.

use serde_json::Value;

/// What says something about a value without narrowing it here.
const NOTES: &[&str] = &["description", "format", "pattern", "not", "minItems"];

/// Checks a value; `document` has the schemas that are referred to.
///
/// # Errors
/// What is wrong, and where.
pub(super) fn conforms(value: &Value, schema: &Value, document: &Value) -> Result<(), String> {
    for (keyword, wanted) in schema.as_object().ok_or("a schema is an object")? {
        let is_so = match keyword.as_str() {
            "$ref" => {
                let path = wanted.as_str().and_then(|target| target.strip_prefix('#'));
                let target = path.and_then(|path| document.pointer(path));
                conforms(value, target.ok_or("a reference leads nowhere")?, document)?;
                true
            }
            "type" => match wanted {
                Value::Array(kinds) => kinds.iter().any(|kind| is_of(value, kind)),
                kind => is_of(value, kind),
            },
            "const" => value == wanted,
            "enum" => wanted.as_array().is_some_and(|all| all.contains(value)),
            "anyOf" => {
                let mut schemas = wanted.as_array().into_iter().flatten();
                schemas.any(|schema| conforms(value, schema, document).is_ok())
            }
            "minimum" => value.is_null() || value.as_u64() >= wanted.as_u64(),
            "maximum" => value.is_null() || value.as_u64() <= wanted.as_u64(),
            "minLength" => value.is_null() || chars(value) >= wanted.as_u64(),
            "maxLength" => value.is_null() || chars(value) <= wanted.as_u64(),
            "items" => {
                for (at, item) in value.as_array().into_iter().flatten().enumerate() {
                    conforms(item, wanted, document).map_err(|why| format!("{at}: {why}"))?;
                }
                true
            }
            "required" => {
                let mut names = wanted.as_array().into_iter().flatten().filter_map(Value::as_str);
                !value.is_object() || names.all(|name| value.get(name).is_some())
            }
            "properties" => {
                for (name, member) in value.as_object().into_iter().flatten() {
                    let schema =
                        wanted.get(name).ok_or_else(|| format!("{name} is not told of"))?;
                    conforms(member, schema, document).map_err(|why| format!("{name}: {why}"))?;
                }
                true
            }
            "additionalProperties" => {
                for (name, member) in value.as_object().into_iter().flatten() {
                    conforms(member, wanted, document).map_err(|why| format!("{name}: {why}"))?;
                }
                true
            }
            note if NOTES.contains(&note) => true,
            other => return Err(format!("nobody knows what `{other}` means")),
        };
        if !is_so {
            return Err(format!("{value} is not of {keyword} {wanted}"));
        }
    }
    Ok(())
}

/// How many letters a text has.
fn chars(value: &Value) -> Option<u64> {
    value.as_str().map(|text| crate::num::counter(text.chars().count()))
}

/// Whether a value is of a kind.
fn is_of(value: &Value, kind: &Value) -> bool {
    match kind.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_otherwise_than_told_is_found() {
        let document = json!({"s": {"type": "string", "maxLength": 3}});
        let schema = json!({"type": "object", "required": ["a"], "properties": {
            "a": {"$ref": "#/s"},
            "b": {"type": ["integer", "null"], "minimum": 1, "maximum": 5},
            "c": {"anyOf": [{"const": true}, {"enum": ["x"]}]},
            "d": {"type": "array", "items": {"$ref": "#/s"}},
        }});
        let check = |value| conforms(&value, &schema, &document);
        assert_eq!(check(json!({"a": "abc", "b": 5, "c": "x", "d": ["a"]})), Ok(()));
        for wrong in [
            json!([]),
            json!({}),
            json!({"a": 1}),
            json!({"a": "abcd"}),
            json!({"a": "a", "b": 0}),
            json!({"a": "a", "b": 6}),
            json!({"a": "a", "b": "1"}),
            json!({"a": "a", "c": false}),
            json!({"a": "a", "d": ["a", 1]}),
            json!({"a": "a", "e": null}),
        ] {
            assert!(check(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
