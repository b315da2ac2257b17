//! The members of a JSON object, each still as it was written. One that is there twice spoils the object: which of the two
//! is meant, nobody knows, and readers differ (RFC 7515 §4, RFC 7519 §4).

use super::refusal::JwtRefusal;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

/// The members of one object.
pub(super) struct Members<'a>(HashMap<Cow<'a, str>, &'a RawValue>);

impl<'a> Members<'a> {
    /// Reads an object.
    ///
    /// # Errors
    /// [`JwtRefusal::Malformed`] for anything else, and for one with a member twice.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, JwtRefusal> {
        serde_json::from_slice(bytes).map_err(|_fault| JwtRefusal::Malformed)
    }

    /// A member as it was written; `null` too.
    pub(super) fn raw(&self, name: &str) -> Option<&'a RawValue> {
        self.0.get(name).copied()
    }

    /// A member of one type; none where it is missing.
    ///
    /// # Errors
    /// None of the caller's: `Err` says that it is of another type.
    pub(super) fn typed<T: Deserialize<'a>>(&self, name: &str) -> Result<Option<T>, WrongType> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        serde_json::from_str(raw.get()).map(Some).map_err(|_fault| WrongType)
    }
}

/// A member is of another type than it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WrongType;

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

/// Reads them.
struct MembersVisitor;

/// A member's name; borrowed unless it holds escapes.
#[derive(serde::Deserialize)]
struct MemberName<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let mut members = HashMap::new();
        while let Some(MemberName(name)) = object.next_key()? {
            if members.insert(name, object.next_value()?).is_some() {
                return Err(A::Error::custom("a member is there twice"));
            }
        }
        Ok(Members(members))
    }
}
