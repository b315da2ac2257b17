//! JSON Merge Patch (RFC 7396) backwards: the patch that makes one object of another.

use serde_json::{Map, Value};

/// The patch, or none where there is none: merge patches cannot set a null.
pub(crate) fn diff(from: &Value, to: &Map<String, Value>) -> Option<Map<String, Value>> {
    let empty = Map::new();
    let old = from.as_object().unwrap_or(&empty);
    let mut patch = Map::new();
    for (key, is) in to {
        let was = old.get(key);
        if was == Some(is) {
            continue;
        }
        let said = match is {
            Value::Null => return None,
            Value::Object(is) => Value::Object(diff(was.unwrap_or(&Value::Null), is)?),
            // A null within an array is replaced with the array, and may stand.
            other => other.clone(),
        };
        patch.insert(key.clone(), said);
    }
    let gone = old.keys().filter(|key| !to.contains_key(*key));
    patch.extend(gone.map(|key| (key.clone(), Value::Null)));
    Some(patch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_patch_makes_the_one_of_the_other() {
        for (from, to) in [
            (json!({}), json!({"a": 1})),
            (json!({"a": 1, "b": {"c": 2, "d": 3}}), json!({"b": {"c": 2, "e": [null]}})),
            (json!({"a": {"b": 1}}), json!({"a": 1})),
            (json!({"a": 1}), json!({"a": {"b": {"c": {}}}})),
            (json!({"a": [1, 2]}), json!({"a": [2, 1], "z": "y"})),
            (json!({"a": null, "b": 1}), json!({"a": null, "b": 2})),
            (json!({"a": 1}), json!({})),
        ] {
            let patch = diff(&from, to.as_object().unwrap()).unwrap();
            let mut patched = from.clone();
            json_patch::merge(&mut patched, &Value::Object(patch));
            assert_eq!(patched, to, "from {from}");
        }
        assert_eq!(diff(&json!({"a": 1}), json!({"a": 1}).as_object().unwrap()), Some(Map::new()));
    }

    #[test]
    fn a_null_that_was_not_there_cannot_be_said() {
        for to in [json!({"a": null}), json!({"a": {"b": null}})] {
            assert_eq!(diff(&json!({"a": 1}), to.as_object().unwrap()), None);
        }
    }
}
