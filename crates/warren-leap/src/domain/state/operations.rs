//! JSON Patch (RFC 6902), with bounds on what the operations of one patch may cost.
//!
//! An operation is judged by what it touches, never by the whole document: a patch takes time in proportion to its own
//! length and the state's. Three things could cost more and are counted: operations, what `copy` piles up, and the
//! values that are moved along in arrays and objects or carried to another depth.

use super::super::json::{self, JsonFault, RawJson};
use super::{StateError, tree, written};
use json_patch::jsonptr::Pointer;
use json_patch::{AddOperation, Patch, PatchOperation};
use serde_json::Value;

/// The most operations of one patch; past it the patch is refused.
pub const MAX_OPERATIONS: usize = 10_000;
/// How many bytes of JSON a patch may copy around before it is refused, as a multiple of the state's bound.
///
/// `copy` can double a document with every operation.
const COPY_BUDGET: usize = 4;
/// How many values the operations of one patch may move along or look through; past it the patch is refused. A hundred
/// thousand insertions at the beginning of a long array would otherwise take minutes. Half of the members of an object of
/// ten thousand can be removed one by one.
const MOVE_BUDGET: usize = 64 << 20;

/// A document that is being patched.
struct Patching {
    /// The document; no deeper than [`json::MAX_DEPTH`] between two operations.
    document: Value,
    /// The bytes that may still be copied.
    copies: usize,
    /// The values that may still be moved along.
    moves: usize,
}

/// The text of a state after all operations of a patch.
pub(super) fn operated(
    state: &str,
    operations: &RawJson,
    limit: usize,
) -> Result<String, StateError> {
    let Patch(operations) = serde_json::from_str(operations.as_str())
        .map_err(|error| StateError::Patch(error.to_string()))?;
    if operations.len() > MAX_OPERATIONS {
        return Err(StateError::Patch(format!("it has more than {MAX_OPERATIONS} operations")));
    }
    let mut patching = Patching {
        document: tree(state)?,
        copies: limit.saturating_mul(COPY_BUDGET),
        moves: MOVE_BUDGET,
    };
    for operation in operations {
        patching.perform(operation)?;
    }
    written(&patching.document)
}

impl Patching {
    /// Carries out one operation, if it stays within the bounds.
    fn perform(&mut self, operation: PatchOperation) -> Result<(), StateError> {
        self.check(&operation)?;
        let Some(operation) = self.perform_in_order(operation) else { return Ok(()) };
        // What was done before a failure is not undone: the document is thrown away.
        json_patch::patch_unsafe(&mut self.document, &[operation])
            .map_err(|error| StateError::Patch(error.to_string()))
    }

    /// Takes members out of objects itself, because the library puts the last member in the place of one that goes:
    /// those that an operation does not name keep their order. Returns what is left to do.
    fn perform_in_order(&mut self, operation: PatchOperation) -> Option<PatchOperation> {
        match operation {
            PatchOperation::Remove(remove) => match self.take_member(&remove.path) {
                Some(_) => None,
                None => Some(PatchOperation::Remove(remove)),
            },
            PatchOperation::Move(carry) if carry.path == carry.from => {
                let is_there = carry.from.resolve(&self.document).is_ok();
                (!is_there).then_some(PatchOperation::Move(carry))
            }
            PatchOperation::Move(carry) if !carry.path.starts_with(&carry.from) => {
                match self.take_member(&carry.from) {
                    Some(value) => {
                        Some(PatchOperation::Add(AddOperation { path: carry.path, value }))
                    }
                    None => Some(PatchOperation::Move(carry)),
                }
            }
            other => Some(other),
        }
    }

    /// Takes a member out of the object that it is in; none where there is no such thing.
    fn take_member(&mut self, path: &Pointer) -> Option<Value> {
        let (parent, name) = path.split_back()?;
        let Ok(Value::Object(members)) = parent.resolve_mut(&mut self.document) else {
            return None;
        };
        members.shift_remove(name.decoded().as_ref())
    }

    /// Refuses an operation that would nest too deep or cost too much. What does not apply is for the operation itself
    /// to say.
    fn check(&mut self, operation: &PatchOperation) -> Result<(), StateError> {
        match operation {
            PatchOperation::Test(_) => Ok(()),
            PatchOperation::Remove(remove) => self.shift_out(&remove.path),
            PatchOperation::Replace(replace) => fits(&replace.path, depth_of(&replace.value)),
            PatchOperation::Add(add) => {
                fits(&add.path, depth_of(&add.value))?;
                self.shift(&add.path)
            }
            PatchOperation::Move(carry) if carry.path == carry.from => Ok(()),
            PatchOperation::Move(carry) => {
                if carry.path.count() > carry.from.count() {
                    let depth = self.look_through(&carry.from)?;
                    fits(&carry.path, depth)?;
                }
                self.shift_out(&carry.from)?;
                self.shift(&carry.path)
            }
            PatchOperation::Copy(copy) => {
                self.spend_copy(&copy.from)?;
                let depth = self.look_through(&copy.from)?;
                fits(&copy.path, depth)?;
                self.shift(&copy.path)
            }
        }
    }

    /// Pays for the values of an array that move along when one comes or goes at this place.
    fn shift(&mut self, path: &Pointer) -> Result<(), StateError> {
        let Some((parent, _)) = path.split_back() else { return Ok(()) };
        match parent.resolve(&self.document) {
            Ok(Value::Array(items)) => pay(&mut self.moves, items.len()),
            _ => Ok(()),
        }
    }

    /// Pays for what moves along when a value goes from this place, in an object too.
    fn shift_out(&mut self, path: &Pointer) -> Result<(), StateError> {
        let Some((parent, _)) = path.split_back() else { return Ok(()) };
        match parent.resolve(&self.document) {
            Ok(Value::Array(items)) => pay(&mut self.moves, items.len()),
            Ok(Value::Object(members)) => pay(&mut self.moves, members.len()),
            _ => Ok(()),
        }
    }

    /// Pays for the bytes of a copy.
    fn spend_copy(&mut self, from: &Pointer) -> Result<(), StateError> {
        let Ok(source) = from.resolve(&self.document) else { return Ok(()) };
        let actual = written(source)?.len();
        let left = self.copies.checked_sub(actual);
        self.copies = left.ok_or(StateError::TooLarge { limit: self.copies, actual })?;
        Ok(())
    }

    /// How deep the value at a place nests; paid for by the values in it.
    fn look_through(&mut self, from: &Pointer) -> Result<usize, StateError> {
        let Ok(source) = from.resolve(&self.document) else { return Ok(0) };
        pay(&mut self.moves, values_in(source))?;
        Ok(depth_of(source))
    }
}

/// Takes from what is left.
fn pay(left: &mut usize, cost: usize) -> Result<(), StateError> {
    *left = left
        .checked_sub(cost)
        .ok_or_else(|| StateError::Patch("its operations move too many values".to_owned()))?;
    Ok(())
}

/// Refuses a value of this depth at this place if the document would nest too deep.
fn fits(path: &Pointer, depth: usize) -> Result<(), StateError> {
    if path.count().saturating_add(depth) > json::MAX_DEPTH {
        Err(JsonFault::TooDeep.into())
    } else {
        Ok(())
    }
}

/// How deep arrays and objects nest; the value is a part of a document or a patch, so it is bounded.
fn depth_of(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth_of).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(depth_of).max().unwrap_or(0),
        _ => 0,
    }
}

/// How many values there are in a value, itself included.
fn values_in(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(values_in).sum::<usize>(),
        Value::Object(map) => 1 + map.values().map(values_in).sum::<usize>(),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A patch of one operation, so many times.
    fn repeated(operation: &str, times: usize) -> RawJson {
        RawJson::parse(&format!("[{}]", vec![operation; times].join(","))).unwrap()
    }

    /// Carries out one operation so many times; what it paid for.
    fn paid(document: &str, operation: &str, times: usize) -> (usize, Result<(), StateError>) {
        let document = tree(document).unwrap();
        let mut patching = Patching { document, copies: 1 << 20, moves: MOVE_BUDGET };
        let operation: PatchOperation = serde_json::from_str(operation).unwrap();
        let done = (0..times).try_for_each(|_| patching.perform(operation.clone()));
        (MOVE_BUDGET - patching.moves, done)
    }

    #[test]
    fn the_size_of_the_document_does_not_matter_to_an_operation_elsewhere() {
        let big = format!(r#"{{"big":[{}],"o":{{}}}}"#, vec!["0"; 100_000].join(","));
        for operation in [
            r#"{"op":"add","path":"/o/a","value":[1,2]}"#,
            r#"{"op":"replace","path":"/o","value":{}}"#,
            r#"{"op":"test","path":"/o","value":{}}"#,
            r#"{"op":"move","from":"/big","path":"/big"}"#,
        ] {
            assert_eq!(paid(&big, operation, 1000), (0, Ok(())), "{operation}");
        }
        let (cost, done) = paid(&big, r#"{"op":"copy","from":"/o","path":"/p"}"#, 1000);
        assert_eq!((cost, done), (1000, Ok(())));
    }

    #[test]
    fn what_moves_along_is_counted_and_bounded() {
        let long = format!(r#"{{"a":[{}]}}"#, vec!["0"; 50_000].join(","));
        let too_many = StateError::Patch("its operations move too many values".to_owned());
        for operation in [
            r#"{"op":"add","path":"/a/0","value":1}"#,
            r#"{"op":"remove","path":"/a/0"}"#,
            r#"{"op":"move","from":"/a/0","path":"/a/1"}"#,
        ] {
            let (cost, done) = paid(&long, operation, 100);
            assert!(done.is_ok() && cost >= 100 * 49_900, "{operation}: {cost}");
            assert_eq!(paid(&long, operation, 2000).1, Err(too_many.clone()), "{operation}");
        }
        let deeper = r#"{"op":"move","from":"/a","path":"/b/a"}"#;
        assert!(paid(&long.replace('{', r#"{"b":{},"#), deeper, 1).0 > 50_000);
    }

    #[test]
    fn members_that_move_along_are_counted_too() {
        let members: Vec<String> = (0..10_000).map(|n| format!(r#""{n}":0"#)).collect();
        let object = format!("{{{}}}", members.join(","));
        for operation in
            [r#"{"op":"remove","path":"/1"}"#, r#"{"op":"move","from":"/1","path":"/2"}"#]
        {
            assert_eq!(paid(&object, operation, 1), (10_000, Ok(())), "{operation}");
        }
        let half: Vec<String> =
            (0..5_000).map(|n| format!(r#"{{"op":"remove","path":"/{n}"}}"#)).collect();
        let left = operated(&object, &RawJson::parse(&format!("[{}]", half.join(","))).unwrap(), 1);
        assert_eq!(left.unwrap(), format!("{{{}}}", members[5_000..].join(",")));
    }

    #[test]
    fn operations_are_bounded_in_number() {
        let test = r#"{"op":"test","path":"/a","value":1}"#;
        let patched = |times| operated(r#"{"a":1}"#, &repeated(test, times), 100);
        assert!(patched(MAX_OPERATIONS).is_ok());
        let refused = patched(MAX_OPERATIONS + 1).unwrap_err().to_string();
        assert!(refused.contains("more than 10000 operations"), "{refused}");
    }

    #[test]
    fn depth_is_judged_where_a_value_lands() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let patched = |operations: &str| {
            operated(r#"{"a":{"b":{"c":{}}}}"#, &RawJson::parse(operations).unwrap(), 1 << 20)
        };
        let add = |path, levels| {
            format!(r#"[{{"op":"add","path":"{path}","value":{}}}]"#, nested(levels))
        };
        let too_deep = Err(StateError::Json(JsonFault::TooDeep));
        assert!(patched(&add("/a/b/d", 125)).is_ok());
        assert_eq!(patched(&add("/a/b/c/d", 125)), too_deep);
        let add = add("/d", 125);
        for way in ["copy", "move"] {
            let carried = |path| {
                let added = add.strip_suffix(']').unwrap();
                format!(r#"{added},{{"op":"{way}","from":"/d","path":"{path}"}}]"#)
            };
            assert!(patched(&carried("/a/b/d")).is_ok(), "{way}");
            assert_eq!(patched(&carried("/a/b/c/d")), too_deep, "{way}");
        }
    }
}
