//! JSON text in the making, within a bound.

use super::EtfError;
use std::fmt;

/// What is written so far and how long it may become.
pub(super) struct JsonText {
    /// The text.
    text: String,
    /// The bound on its bytes.
    max_bytes: usize,
}

impl JsonText {
    /// An empty text; `likely_bytes` is what it will probably need.
    pub(super) fn new(max_bytes: usize, likely_bytes: usize) -> Self {
        Self { text: String::with_capacity(likely_bytes.min(max_bytes)), max_bytes }
    }

    /// The whole text.
    pub(super) fn finish(self) -> String {
        self.text
    }

    /// Appends text as it is.
    pub(super) fn put(&mut self, text: &str) -> Result<(), EtfError> {
        if text.len() > self.max_bytes.saturating_sub(self.text.len()) {
            return Err(EtfError::TooBig);
        }
        self.text.push_str(text);
        Ok(())
    }

    /// Appends what prints itself as JSON: numbers.
    pub(super) fn print(&mut self, value: impl fmt::Display) -> Result<(), EtfError> {
        let written = fmt::Write::write_fmt(self, format_args!("{value}"));
        written.ok().ok_or(EtfError::TooBig)
    }

    /// Appends a string with its quotation marks.
    pub(super) fn quote(&mut self, text: &str) -> Result<(), EtfError> {
        self.put("\"")?;
        let mut rest = text;
        while let Some(at) = rest.bytes().position(must_be_escaped) {
            let (plain, tail) = rest.split_at_checked(at).unwrap_or_default();
            self.put(plain)?;
            let mut tail = tail.chars();
            match tail.next().unwrap_or_default() {
                '"' => self.put("\\\"")?,
                '\\' => self.put("\\\\")?,
                '\n' => self.put("\\n")?,
                control => self.print(format_args!("\\u{:04x}", u32::from(control)))?,
            }
            rest = tail.as_str();
        }
        self.put(rest)?;
        self.put("\"")
    }
}

impl fmt::Write for JsonText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text).ok().ok_or(fmt::Error)
    }
}

/// Whether a JSON string cannot hold this as it is (RFC 8259 §7).
const fn must_be_escaped(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | 0..0x20)
}
