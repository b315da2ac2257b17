//! From terms, which may be anybody's bytes, to JSON text.
//!
//! Nothing is allocated by what a length says: it is compared with what is left of the input first, and only text that
//! was really written takes room. There is no table of atoms, and the only recursion is bounded.

use super::json_text::JsonText;
use super::reader::TermReader;
use super::{BIG_MAX_BYTES, EtfError, big, tag};
use crate::domain::json::MAX_DEPTH;
use std::borrow::Cow;

/// The most characters of an atom in Erlang.
const ATOM_MAX_CHARS: usize = 255;
/// The bytes of a float that is spelled as text.
const FLOAT_TEXT_BYTES: usize = 31;

/// Reads one term as JSON text of at most `max_bytes`.
///
/// The text is JSON by its syntax and has at most [`MAX_DEPTH`] levels. Tuples become arrays, as do strings: Erlang's
/// lists of small integers. Atoms become strings, but for `true`, `false` and the three words for null.
///
/// # Errors
/// [`EtfError`] names what JSON cannot say or what is over its bound.
pub fn to_json(bytes: &[u8], max_bytes: usize) -> Result<String, EtfError> {
    let mut decoder =
        TermDecoder { input: TermReader::new(bytes), out: JsonText::new(max_bytes, bytes.len()) };
    if decoder.input.byte()? != tag::VERSION {
        return Err(EtfError::Version);
    }
    decoder.term(0)?;
    if decoder.input.is_empty() { Ok(decoder.out.finish()) } else { Err(EtfError::Trailing) }
}

/// A term that is being read.
struct TermDecoder<'a> {
    /// Its bytes.
    input: TermReader<'a>,
    /// What it says.
    out: JsonText,
}

impl<'a> TermDecoder<'a> {
    /// Reads a term that stands inside so many others.
    fn term(&mut self, depth: usize) -> Result<(), EtfError> {
        match self.input.byte()? {
            tag::SMALL_INTEGER => {
                let value = self.input.byte()?;
                self.out.print(value)
            }
            tag::INTEGER => {
                let value = i32::from_be_bytes(self.input.array()?);
                self.out.print(value)
            }
            tag::SMALL_BIG => {
                let length = self.input.short_length()?;
                self.big(length)
            }
            tag::LARGE_BIG => {
                let length = self.input.long_length()?;
                self.big(length)
            }
            tag::NEW_FLOAT => {
                let value = f64::from_be_bytes(self.input.array()?);
                self.float(value)
            }
            tag::FLOAT => self.float_text(),
            tag::BINARY => {
                let text = self.binary()?;
                self.out.quote(text)
            }
            tag::STRING => self.string(depth),
            tag::LIST => self.list(depth),
            tag::NIL => {
                deeper(depth)?;
                self.out.put("[]")
            }
            tag::SMALL_TUPLE => {
                let arity = self.input.short_length()?;
                self.array_of(arity, depth)
            }
            tag::LARGE_TUPLE => {
                let arity = self.input.long_length()?;
                self.array_of(arity, depth)
            }
            tag::MAP => self.map(depth),
            tag => match &*self.atom(tag)?.ok_or(EtfError::Kind(tag))? {
                word @ ("true" | "false") => self.out.put(word),
                "nil" | "null" | "undefined" => self.out.put("null"),
                name => self.out.quote(name),
            },
        }
    }

    /// Reads an integer of so many bytes.
    fn big(&mut self, length: usize) -> Result<(), EtfError> {
        let sign = self.input.byte()?;
        if sign > 1 || length > BIG_MAX_BYTES {
            return Err(EtfError::Integer);
        }
        let digits = big::to_decimal(self.input.take(length)?);
        if sign == 1 && digits != "0" {
            self.out.put("-")?;
        }
        self.out.put(&digits)
    }

    /// Writes a float, in the shortest form that reads as the same one.
    fn float(&mut self, value: f64) -> Result<(), EtfError> {
        if !value.is_finite() {
            return Err(EtfError::NotFinite);
        }
        // Its debug form has an exponent where digits would become many, and always a fraction or an exponent.
        self.out.print(format_args!("{value:?}"))
    }

    /// Reads a float that is spelled as text with zeros behind.
    fn float_text(&mut self) -> Result<(), EtfError> {
        let text = std::str::from_utf8(self.input.take(FLOAT_TEXT_BYTES)?);
        let text = text.ok().ok_or(EtfError::NotFinite)?.trim_end_matches('\0');
        let value = text.parse().ok().ok_or(EtfError::NotFinite)?;
        self.float(value)
    }

    /// Reads a list of small integers.
    fn string(&mut self, depth: usize) -> Result<(), EtfError> {
        deeper(depth)?;
        let bytes = self.string_bytes()?;
        self.out.put("[")?;
        for (index, byte) in bytes.iter().enumerate() {
            self.separate(index)?;
            self.out.print(byte)?;
        }
        self.out.put("]")
    }

    /// Reads a list and its tail.
    fn list(&mut self, depth: usize) -> Result<(), EtfError> {
        let length = self.input.long_length()?;
        self.array_of(length, depth)?;
        if self.input.byte()? == tag::NIL { Ok(()) } else { Err(EtfError::Improper) }
    }

    /// Reads so many terms into an array.
    fn array_of(&mut self, length: usize, depth: usize) -> Result<(), EtfError> {
        let inside = deeper(depth)?;
        self.input.must_have(length)?;
        self.out.put("[")?;
        for index in 0..length {
            self.separate(index)?;
            self.term(inside)?;
        }
        self.out.put("]")
    }

    /// Reads a map.
    fn map(&mut self, depth: usize) -> Result<(), EtfError> {
        let inside = deeper(depth)?;
        let pairs = self.input.long_length()?;
        self.input.must_have(pairs.saturating_mul(2))?;
        self.out.put("{")?;
        for index in 0..pairs {
            self.separate(index)?;
            let key = self.key()?;
            self.out.quote(&key)?;
            self.out.put(":")?;
            self.term(inside)?;
        }
        self.out.put("}")
    }

    /// Reads a map's key.
    fn key(&mut self) -> Result<Cow<'a, str>, EtfError> {
        match self.input.byte()? {
            tag::BINARY => self.binary().map(Cow::Borrowed),
            tag::STRING => self.string_bytes().map(latin1),
            tag => self.atom(tag)?.ok_or(EtfError::Key),
        }
    }

    /// Reads a binary, which has to be text.
    fn binary(&mut self) -> Result<&'a str, EtfError> {
        let length = self.input.long_length()?;
        utf8(self.input.take(length)?)
    }

    /// Reads the bytes of a list of small integers.
    fn string_bytes(&mut self) -> Result<&'a [u8], EtfError> {
        let length = u16::from_be_bytes(self.input.array()?);
        self.input.take(usize::from(length))
    }

    /// Reads an atom's name; none when the tag is not an atom's.
    fn atom(&mut self, tag: u8) -> Result<Option<Cow<'a, str>>, EtfError> {
        let length = match tag {
            tag::SMALL_ATOM | tag::SMALL_ATOM_UTF8 => self.input.short_length()?,
            tag::ATOM | tag::ATOM_UTF8 => usize::from(u16::from_be_bytes(self.input.array()?)),
            _ => return Ok(None),
        };
        let bytes = self.input.take(length)?;
        let name = match tag {
            tag::SMALL_ATOM | tag::ATOM => latin1(bytes),
            _ => Cow::Borrowed(utf8(bytes)?),
        };
        if name.chars().count() > ATOM_MAX_CHARS {
            return Err(EtfError::LongAtom);
        }
        Ok(Some(name))
    }

    /// Writes the comma before all but the first.
    fn separate(&mut self, index: usize) -> Result<(), EtfError> {
        if index > 0 { self.out.put(",") } else { Ok(()) }
    }
}

/// The depth inside one more list, tuple or map.
const fn deeper(depth: usize) -> Result<usize, EtfError> {
    if depth < MAX_DEPTH { Ok(depth + 1) } else { Err(EtfError::TooDeep) }
}

/// Bytes that have to be text.
fn utf8(bytes: &[u8]) -> Result<&str, EtfError> {
    std::str::from_utf8(bytes).ok().ok_or(EtfError::NotUtf8)
}

/// Text of the time before UTF-8: each byte is a character.
fn latin1(bytes: &[u8]) -> Cow<'static, str> {
    Cow::Owned(bytes.iter().copied().map(char::from).collect())
}
