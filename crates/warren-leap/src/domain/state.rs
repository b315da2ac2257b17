//! Channel state: one JSON object, replaced or patched, with a version that rises by one per change.
//!
//! Numbers, key order and everything else that a change does not name stay as they were written.

mod difference;
mod operations;

pub use difference::difference;
pub use operations::MAX_OPERATIONS;

use super::json::{self, JsonFault, RawJson};
use indexmap::IndexMap;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// The number of a state: 1 at creation, one more per change, never reused while the channel lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Version(pub i64);

impl Version {
    /// The version of a new channel.
    pub const FIRST: Self = Self(1);

    /// The version after one more change.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A state: the text of a JSON object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State(RawJson);

/// Why a change was refused; the state stays as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// The new state or the patch is not acceptable JSON, or no object.
    #[error("{0}")]
    Json(#[from] JsonFault),
    /// The new state would have more bytes than allowed.
    #[error("the state would have {actual} bytes, the limit is {limit}")]
    TooLarge {
        /// The bound in force, bytes.
        limit: usize,
        /// What it would have been, bytes.
        actual: usize,
    },
    /// An RFC 6902 document is malformed or one of its operations does not apply.
    #[error("the JSON Patch does not apply: {0}")]
    Patch(String),
}

/// From so many bytes of state and patch on, what a patch of keys or a merge does may take 5 ms or more: up to 16 ns for
/// each byte where members are short.
const HEAVY_KEYS: usize = 256 << 10;
/// The same for operations. They take up to 42 ns for each byte of a tree, and 10 for each value that an operation moves
/// along, of which there may be as many as the product of both lengths.
const HEAVY_OPERATIONS: usize = 16 << 10;

/// What a caller wants done to a state.
#[derive(Clone, Debug)]
pub enum StateChange {
    /// Put this object in its place.
    Replace(RawJson),
    /// Set the top-level keys that this object names, `null` included; Hop's `patchState`.
    Shallow(RawJson),
    /// RFC 7396.
    Merge(RawJson),
    /// RFC 6902.
    Operations(RawJson),
}

impl StateChange {
    /// What the caller sent.
    fn json(&self) -> &RawJson {
        let (Self::Replace(json)
        | Self::Shallow(json)
        | Self::Merge(json)
        | Self::Operations(json)) = self;
        json
    }

    /// How many bytes the caller sent.
    pub fn len_bytes(&self) -> usize {
        self.json().as_str().len()
    }

    /// Whether applying it to this state takes so long that nobody else should wait for it.
    pub fn is_heavy_on(&self, state: &State) -> bool {
        let bytes = state.json().as_str().len().saturating_add(self.len_bytes());
        match self {
            // It was read already.
            Self::Replace(_) => false,
            Self::Shallow(_) | Self::Merge(_) => bytes >= HEAVY_KEYS,
            Self::Operations(_) => bytes >= HEAVY_OPERATIONS,
        }
    }
}

impl State {
    /// `{}`.
    pub fn empty() -> Self {
        Self(RawJson::trusted("{}"))
    }

    /// Takes a checked JSON text.
    ///
    /// # Errors
    /// [`StateError::Json`] when it is no object, [`StateError::TooLarge`] over `limit` bytes.
    pub fn new(json: RawJson, limit: usize) -> Result<Self, StateError> {
        if !json.is_object() {
            return Err(JsonFault::NotAnObject.into());
        }
        let actual = json.as_str().len();
        if actual > limit {
            return Err(StateError::TooLarge { limit, actual });
        }
        Ok(Self(json))
    }

    /// Takes a text that was checked when it was stored.
    pub fn trusted(text: &str) -> Self {
        Self(RawJson::trusted(text))
    }

    /// The JSON text.
    pub fn json(&self) -> &RawJson {
        &self.0
    }

    /// The state after `change`; at most `limit` bytes.
    ///
    /// # Errors
    /// [`StateError`] says which rule the change breaks.
    pub fn apply(&self, change: &StateChange, limit: usize) -> Result<Self, StateError> {
        let text = match change {
            StateChange::Replace(new) => return Self::new(new.clone(), limit),
            StateChange::Shallow(patch) => shallow(self.0.as_str(), patch.as_str())?,
            StateChange::Merge(patch) => merged(self.0.as_str(), patch)?,
            StateChange::Operations(patch) => operations::operated(self.0.as_str(), patch, limit)?,
        };
        json::check(&text)?;
        Self::new(RawJson::trusted(text), limit)
    }
}

/// An object's members, in order, each value as it was written.
type ObjectMembers<'a> = IndexMap<Cow<'a, str>, &'a RawValue>;

/// Splits an object into its members.
fn members(text: &str) -> Result<ObjectMembers<'_>, JsonFault> {
    serde_json::from_str(text).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => JsonFault::NotAnObject,
        _ => json::syntax(&error),
    })
}

/// Sets the members that the patch names.
fn shallow(state: &str, patch: &str) -> Result<String, StateError> {
    let mut all = members(state)?;
    all.extend(members(patch)?);
    written(&all)
}

/// RFC 7396, for a patch that is an object: opens only what the patch names, all else is passed on as it is written.
fn merged(state: &str, patch: &RawJson) -> Result<String, StateError> {
    if !patch.is_object() {
        return Err(JsonFault::NotAnObject.into());
    }
    let mut out = String::with_capacity(state.len() + patch.as_str().len());
    write_merged(state, patch.as_str(), &mut out)?;
    Ok(out)
}

/// A member's value before a merge, and what the patch says of it.
#[derive(Default)]
struct Sides<'a> {
    /// The value before.
    old: Option<&'a RawValue>,
    /// The patch's; `null` takes the member away.
    new: Option<&'a RawValue>,
}

/// Appends the object that a patch makes of another; nests no deeper than the patch.
fn write_merged(target: &str, patch: &str, out: &mut String) -> Result<(), JsonFault> {
    let old = members(target)?.into_iter();
    let mut all: IndexMap<Cow<'_, str>, Sides<'_>> =
        old.map(|(key, value)| (key, Sides { old: Some(value), new: None })).collect();
    for (key, value) in members(patch)? {
        all.entry(key).or_default().new = Some(value);
    }
    out.push('{');
    let mut separator = "";
    for (key, Sides { old, new }) in all.iter().filter(|(_, sides)| !is_null(sides.new)) {
        out.push_str(separator);
        separator = ",";
        json::push_quoted(key, out);
        out.push(':');
        match new {
            Some(new) if is_object(new) => {
                let target = old.filter(|old| is_object(old)).map_or("{}", RawValue::get);
                write_merged(target, new.get(), out)?;
            }
            _ => out.push_str(new.or(*old).map_or("null", RawValue::get)),
        }
    }
    out.push('}');
    Ok(())
}

/// Whether a patch takes a member away.
fn is_null(value: Option<&RawValue>) -> bool {
    value.is_some_and(|value| value.get() == "null")
}

/// Whether a value is an object.
fn is_object(value: &RawValue) -> bool {
    value.get().starts_with('{')
}

/// A text as a value tree; numbers keep their digits.
fn tree(text: &str) -> Result<Value, StateError> {
    serde_json::from_str(text).map_err(|error| json::syntax(&error).into())
}

/// A value as compact text.
fn written<T: Serialize>(value: &T) -> Result<String, StateError> {
    serde_json::to_string(value).map_err(|error| json::syntax(&error).into())
}

#[cfg(test)]
mod tests;
