//! The fields of a JSON object, each still as it was written, so that an error can name the one at fault.
//!
//! Only the fields that a route knows are kept: a body of a million others costs no memory.

use super::error::ApiError;
use super::text::is_blank;
use crate::domain::{JsonFault, RawJson, Timestamp};
use serde::Deserialize;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// How much of a wrong name is repeated, characters.
const QUOTED_CHARS: usize = 80;

/// The fields of one object.
pub(crate) struct Fields<'a> {
    /// Their names.
    names: &'static [&'static str],
    /// Their values, in the order of the names; none where one is missing.
    values: Vec<Option<&'a RawValue>>,
}

impl<'a> Fields<'a> {
    /// Reads the fields of these names; the others are passed over. A blank text has none.
    ///
    /// # Errors
    /// [`ApiError::InvalidBody`] when the text is no JSON object or gives one of these fields twice: which of the two is
    /// meant, nobody knows, and readers differ (RFC 8259 §4).
    pub(crate) fn parse(text: &'a str, names: &'static [&'static str]) -> Result<Self, ApiError> {
        if is_blank(text) {
            return Ok(Self { names, values: vec![None; names.len()] });
        }
        let mut parser = serde_json::Deserializer::from_str(text);
        let values = WantedFields(names).deserialize(&mut parser).and_then(|values| {
            parser.end()?;
            Ok(values)
        });
        match values {
            Ok(Picked { twice: Some(name), .. }) => Err(ApiError::field(name, "is given twice")),
            Ok(Picked { values, twice: None }) => Ok(Self { names, values }),
            Err(error) if error.is_data() => Err(JsonFault::NotAnObject.into()),
            Err(error) => Err(JsonFault::Syntax(error.to_string()).into()),
        }
    }

    /// A field as it was written, `null` too.
    pub(crate) fn raw(&self, name: &str) -> Option<&'a RawValue> {
        let at = self.names.iter().position(|known| *known == name)?;
        self.values.get(at).copied().flatten()
    }

    /// A field as it was written; `null` counts as missing.
    pub(crate) fn given(&self, name: &str) -> Option<&'a RawValue> {
        self.raw(name).filter(|raw| raw.get() != "null")
    }

    /// A field of any kind, checked as far as the parser leaves it out.
    ///
    /// # Errors
    /// [`ApiError::InvalidBody`] for one that is nested too deep or holds half characters.
    pub(crate) fn json(&self, name: &'static str) -> Result<Option<RawJson>, ApiError> {
        let read = |raw| RawJson::from_raw(raw).map_err(|f| ApiError::field(name, f.to_string()));
        self.raw(name).map(read).transpose()
    }

    /// A field of one type; `null` counts as missing.
    ///
    /// # Errors
    /// [`ApiError::InvalidBody`] with this reason when it is of another.
    pub(crate) fn typed<T: DeserializeOwned>(
        &self,
        name: &'static str,
        reason: &'static str,
    ) -> Result<Option<T>, ApiError> {
        let read = |raw: &RawValue| serde_json::from_str(raw.get()).ok();
        self.given(name)
            .map(|raw| read(raw).ok_or_else(|| ApiError::field(name, reason)))
            .transpose()
    }

    /// A field that is a string.
    ///
    /// # Errors
    /// [`ApiError::InvalidBody`] when it is something else.
    pub(crate) fn string(&self, name: &'static str) -> Result<Option<String>, ApiError> {
        self.typed(name, "must be a string")
    }

    /// A field that is a date and time.
    ///
    /// # Errors
    /// [`ApiError::InvalidBody`] when it is something else.
    pub(crate) fn timestamp(&self, name: &'static str) -> Result<Option<Timestamp>, ApiError> {
        const REASON: &str = "must be an RFC 3339 date and time, of the years 0000 to 9999 in UTC";
        let Some(text) = self.typed::<String>(name, REASON)? else { return Ok(None) };
        Timestamp::parse(&text).ok().map(Some).ok_or_else(|| ApiError::field(name, REASON))
    }

    /// A field that is an array, its items as they were written.
    ///
    /// # Errors
    /// [`ApiError::InvalidBody`] when it is something else or has more than `most` items.
    pub(crate) fn items(
        &self,
        name: &'static str,
        most: usize,
    ) -> Result<Option<Vec<&'a RawValue>>, ApiError> {
        let Some(raw) = self.given(name) else { return Ok(None) };
        let items: Option<Vec<&'a RawValue>> = serde_json::from_str(raw.get()).ok();
        match items {
            Some(items) if items.len() <= most => Ok(Some(items)),
            Some(_) => Err(ApiError::field(name, format!("must have at most {most} items"))),
            None => Err(ApiError::field(name, "must be an array")),
        }
    }
}

/// A name from a body as an error repeats it: cut to what is worth repeating.
pub(crate) fn quoted(name: &str) -> String {
    format!("{:?}", name.chars().take(QUOTED_CHARS).collect::<String>())
}

/// Picks the fields of these names out of an object.
struct WantedFields(&'static [&'static str]);

/// The fields that were found.
struct Picked<'a> {
    /// Their values, in the order of the names.
    values: Vec<Option<&'a RawValue>>,
    /// The first one that stands there twice.
    twice: Option<&'static str>,
}

/// A field's name; borrowed unless it holds escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> DeserializeSeed<'de> for WantedFields {
    type Value = Picked<'de>;

    fn deserialize<D: Deserializer<'de>>(self, parser: D) -> Result<Self::Value, D::Error> {
        parser.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for WantedFields {
    type Value = Picked<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let mut picked = Picked { values: vec![None; self.0.len()], twice: None };
        while let Some(Name(name)) = object.next_key()? {
            let known = self.0.iter().zip(&mut picked.values).find(|(known, _)| **known == name);
            match known {
                Some((known, slot)) => {
                    if slot.replace(object.next_value()?).is_some() {
                        picked.twice.get_or_insert(known);
                    }
                }
                None => drop(object.next_value::<IgnoredAny>()?),
            }
        }
        Ok(picked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names that the tests look for.
    const NAMES: &[&str] = &["e", "d", "at", "list"];

    #[test]
    fn values_stay_as_they_were_written() {
        let fields =
            Fields::parse(r#" {"x":[1,{}],"d": {"n":1.10e2} ,"\u0065":"a"} "#, NAMES).unwrap();
        assert_eq!(fields.json("d").unwrap().unwrap().as_str(), r#"{"n":1.10e2}"#);
        assert_eq!(fields.string("e").unwrap().as_deref(), Some("a"));
        assert!(fields.raw("at").is_none());
    }

    #[test]
    fn blank_texts_have_no_fields_and_null_counts_as_missing() {
        for text in ["", "null", " \n"] {
            assert!(Fields::parse(text, NAMES).unwrap().raw("e").is_none());
        }
        let fields = Fields::parse(r#"{"e":null,"d":null}"#, NAMES).unwrap();
        assert!(fields.given("e").is_none() && fields.raw("d").is_some());
        assert_eq!(fields.json("d").unwrap().unwrap().as_str(), "null");
    }

    #[test]
    fn a_field_given_twice_is_refused_by_name_and_others_are_nobodys() {
        for text in [r#"{"e":"a","e":"a"}"#, r#"{"e":null,"d":1,"\u0065":"b"}"#] {
            let refused = Fields::parse(text, NAMES).err();
            assert_eq!(refused, Some(ApiError::field("e", "is given twice")), "{text}");
        }
        let fields = Fields::parse(r#"{"x":1,"x":2,"d":{"a":1,"a":2}}"#, NAMES).unwrap();
        assert_eq!(fields.json("d").unwrap().unwrap().as_str(), r#"{"a":1,"a":2}"#);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in ["[]", "1", "\"a\"", "{", "{}x", "{'a':1}", "{\"a\":}", "{\"e\":1,}", "true"] {
            let refused = Fields::parse(text, NAMES).err();
            assert!(matches!(refused, Some(ApiError::InvalidBody { field: None, .. })), "{text}");
        }
    }

    #[test]
    fn the_field_at_fault_is_named() {
        let text = r#"{"e":5,"d":"\ud800","at":"soon","list":{}}"#;
        let fields = Fields::parse(text, NAMES).unwrap();
        let named = |error: Option<ApiError>| match error {
            Some(ApiError::InvalidBody { field, .. }) => field,
            other => panic!("{other:?}"),
        };
        assert_eq!(named(fields.string("e").err()), Some("e"));
        assert_eq!(named(fields.json("d").err()), Some("d"));
        assert_eq!(named(fields.timestamp("at").err()), Some("at"));
        assert_eq!(named(fields.items("list", 3).err()), Some("list"));
    }

    #[test]
    fn bombs_in_unknown_fields_are_passed_over() {
        let bomb = "[".repeat(200_000);
        assert!(Fields::parse(&format!("{{\"x\":{bomb}"), NAMES).is_err());
        let closed = format!("{{\"x\":{bomb}{},\"e\":\"a\"}}", "]".repeat(200_000));
        assert_eq!(Fields::parse(&closed, NAMES).unwrap().string("e").unwrap().unwrap(), "a");
    }
}
