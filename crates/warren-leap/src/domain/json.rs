//! JSON text that is passed on untouched: checked once, never turned into a tree.

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use std::fmt;
use std::sync::Arc;

/// The deepest nesting of arrays and objects that is accepted (`docs/PROTOCOL.md`, Bad input gets).
pub const MAX_DEPTH: usize = 128;

/// Why a text is not acceptable JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonFault {
    /// Not JSON at all; carries the parser's words, without the input.
    #[error("not valid JSON: {0}")]
    Syntax(String),
    /// Arrays and objects nested deeper than [`MAX_DEPTH`].
    #[error("nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// A `\u` escape that is half of a surrogate pair and so no character.
    #[error("a string holds half of a surrogate pair")]
    LoneSurrogate,
    /// JSON, but not an object where one is needed.
    #[error("not a JSON object")]
    NotAnObject,
}

/// A checked JSON text, shared and cheap to clone; serializes as itself, byte for byte.
#[derive(Clone, PartialEq, Eq)]
pub struct RawJson(Arc<str>);

impl RawJson {
    /// Checks a whole text: syntax, depth, surrogates.
    ///
    /// # Errors
    /// [`JsonFault`] names what is wrong.
    pub fn parse(text: &str) -> Result<Self, JsonFault> {
        let raw: &RawValue = serde_json::from_str(text).map_err(|e| syntax(&e))?;
        Self::from_raw(raw)
    }

    /// Takes a part of an already parsed text; checks what the parser leaves out.
    ///
    /// # Errors
    /// [`JsonFault::TooDeep`] and [`JsonFault::LoneSurrogate`].
    pub fn from_raw(raw: &RawValue) -> Result<Self, JsonFault> {
        check(raw.get())?;
        Ok(Self(Arc::from(raw.get())))
    }

    /// Takes a text that was checked when it was stored or as a part of another, or that we wrote ourselves.
    pub fn trusted(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// `null`.
    pub fn null() -> Self {
        Self(Arc::from("null"))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the text is an object.
    pub fn is_object(&self) -> bool {
        self.0.trim_start().starts_with('{')
    }
}

impl AsRef<[u8]> for RawJson {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for RawJson {
    /// Shows the size alone: payloads do not belong in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawJson({} bytes)", self.0.len())
    }
}

impl Serialize for RawJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

/// The parser's words for a syntax error.
pub(crate) fn syntax(error: &serde_json::Error) -> JsonFault {
    JsonFault::Syntax(error.to_string())
}

/// Appends a JSON string.
pub fn push_quoted(text: &str, out: &mut String) {
    let must_escape = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
    if text.bytes().any(must_escape) {
        // A string has no way to fail.
        out.push_str(&serde_json::to_string(text).unwrap_or_default());
        return;
    }
    out.reserve(text.len() + 2);
    out.push('"');
    out.push_str(text);
    out.push('"');
}

/// Checks depth and surrogate escapes of a text whose syntax is known to be right.
///
/// The parser skips both where it keeps raw text: it neither recurses nor decodes strings there.
///
/// # Errors
/// [`JsonFault::TooDeep`] and [`JsonFault::LoneSurrogate`].
pub fn check(text: &str) -> Result<(), JsonFault> {
    // Two quick looks are enough for most texts: too few brackets to nest too deep, no escape that may be a surrogate.
    if has_few_brackets(text) && !text.contains("\\u") { Ok(()) } else { check_closely(text) }
}

/// Whether a text has at most [`MAX_DEPTH`] brackets that open something, in strings or out of them.
fn has_few_brackets(text: &str) -> bool {
    // Short chunks, whose counts fit a byte each, are counted many bytes at a time; and a long text may be given up early.
    let mut chunks = text.as_bytes().chunks(usize::from(u8::MAX));
    let left = chunks.try_fold(MAX_DEPTH, |left, chunk| {
        let opening: u8 = chunk.iter().map(|byte| u8::from(matches!(byte, b'{' | b'['))).sum();
        left.checked_sub(usize::from(opening))
    });
    left.is_some()
}

/// The same, byte by byte.
fn check_closely(text: &str) -> Result<(), JsonFault> {
    let mut depth = 0_usize;
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(JsonFault::TooDeep);
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => check_string(&mut bytes)?,
            _ => {}
        }
    }
    Ok(())
}

/// Reads to the end of a string and checks that its surrogate escapes come in pairs.
fn check_string(bytes: &mut std::str::Bytes<'_>) -> Result<(), JsonFault> {
    while bytes.find(|byte| matches!(byte, b'"' | b'\\')) == Some(b'\\') {
        if bytes.next() != Some(b'u') {
            continue;
        }
        match escaped_unit(bytes) {
            0xD800..0xDC00 => {
                let is_escape = bytes.next() == Some(b'\\') && bytes.next() == Some(b'u');
                if !is_escape || !(0xDC00..0xE000).contains(&escaped_unit(bytes)) {
                    return Err(JsonFault::LoneSurrogate);
                }
            }
            0xDC00..0xE000 => return Err(JsonFault::LoneSurrogate),
            _ => {}
        }
    }
    Ok(())
}

/// The code unit of the four hex digits behind `\u`.
fn escaped_unit(bytes: &mut std::str::Bytes<'_>) -> u32 {
    bytes
        .by_ref()
        .take(4)
        .fold(0, |unit, digit| unit * 16 + char::from(digit).to_digit(16).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_kept_byte_for_byte() {
        let text = r#"{"b":1.10,"a":90071992547409931234,"c":[1e400,"\u00e9"]}"#;
        let raw = RawJson::parse(text).unwrap();
        assert_eq!(raw.as_str(), text);
        assert_eq!(serde_json::to_string(&raw).unwrap(), text);
    }

    #[test]
    fn depth_is_allowed_to_the_edge_and_no_further() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(RawJson::parse(&nested(128)).is_ok());
        assert_eq!(RawJson::parse(&nested(129)), Err(JsonFault::TooDeep));
        assert!(RawJson::parse(&format!("[\"{}\"]", "[".repeat(500))).is_ok());
    }

    #[test]
    fn lone_surrogates_are_refused_and_pairs_are_not() {
        for text in [
            r#""\ud800""#,
            r#""\udc00""#,
            r#""\ud800x""#,
            r#""\ud800\ud800\udc00""#,
            r#"{"\udfff":1}"#,
            r#""\ud83d\n\ude00""#,
        ] {
            assert_eq!(RawJson::parse(text), Err(JsonFault::LoneSurrogate), "{text}");
        }
        for text in [r#""\ud83d\ude00""#, r#""\\ud800""#, r#""\"\ud83d\uDE00\"""#] {
            assert!(RawJson::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn the_quick_looks_say_what_the_close_one_says() {
        let many = format!("[{}]", vec!["[]"; 200].join(","));
        for text in [many.as_str(), r#""\\ud800""#, r#"{"\ud83d\ude00":["\\"]}"#, "[\"]\"]", "1"] {
            assert_eq!(check(text), check_closely(text), "{text}");
        }
        let deep = "[".repeat(129) + r#""\ud800""# + &"]".repeat(129);
        assert_eq!(check(&deep), Err(JsonFault::TooDeep));
    }

    #[test]
    fn strings_are_quoted_as_json_has_them() {
        for text in ["", "room_1", "é ☃ 😀 \u{7f}", "a\"b", "\\", "\n\t\u{0}\u{1f}"] {
            let mut out = "x".to_owned();
            push_quoted(text, &mut out);
            assert_eq!(out, format!("x{}", serde_json::to_string(text).unwrap()));
        }
    }

    #[test]
    fn broken_syntax_is_refused() {
        for text in ["", "{", "nul", "NaN", "{'a':1}", "[1,]", "1 2", "\u{feff}{}", "\"\u{1}\""] {
            assert!(matches!(RawJson::parse(text), Err(JsonFault::Syntax(_))), "{text}");
        }
    }

    #[test]
    fn payloads_stay_out_of_debug_output() {
        assert_eq!(format!("{:?}", RawJson::parse("\"secret\"").unwrap()), "RawJson(8 bytes)");
    }
}
