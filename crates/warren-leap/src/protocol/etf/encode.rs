//! From JSON text to terms.

use super::pairs::{self, Pair};
use super::scan::{JsonToken, JsonTokens, unescape};
use super::{BIG_MAX_DIGITS, big, tag};

/// Spells a JSON text as a term, its version byte in front; the module says what becomes what.
///
/// The text must be a checked one: of anything else comes a term that may make no sense, but no harm.
pub fn from_json(text: &str) -> Vec<u8> {
    // Most texts take about the room that they had.
    let mut out = Vec::with_capacity(text.len() + text.len() / 8 + 64);
    out.push(tag::VERSION);
    let mut encoder = Encoder { out, open: Vec::new(), pairs: Vec::new() };
    for token in JsonTokens::new(text) {
        encoder.take(token);
    }
    encoder.out
}

/// A list or map that has not ended.
struct Open {
    /// Where its tag stands; its length follows.
    start: usize,
    /// How many terms are in it; keys count.
    terms: usize,
    /// Where its pairs begin among all; none for a list.
    pairs: Option<usize>,
}

/// A term in the making.
struct Encoder {
    /// What is written.
    out: Vec<u8>,
    /// The lists and maps around the next term, the innermost last.
    open: Vec<Open>,
    /// The pairs of all open maps.
    pairs: Vec<Pair>,
}

impl Encoder {
    /// Writes one piece.
    fn take(&mut self, token: JsonToken<'_>) {
        let start = self.out.len();
        match token {
            JsonToken::OpenObject => return self.begin(tag::MAP),
            JsonToken::OpenArray => return self.begin(tag::LIST),
            JsonToken::CloseObject | JsonToken::CloseArray => return self.end(),
            JsonToken::Text(text) => self.binary(|out| unescape(text, out)),
            JsonToken::Number(text) => self.number(text),
            JsonToken::Word("null") => self.atom("nil"),
            JsonToken::Word(word) => self.atom(word),
        }
        self.count(start);
    }

    /// Counts a term that has been written.
    fn count(&mut self, start: usize) {
        let Some(around) = self.open.last_mut() else { return };
        if around.pairs.is_some() && around.terms.is_multiple_of(2) {
            self.pairs.push(Pair { start, key_end: self.out.len() });
        }
        around.terms += 1;
    }

    /// Begins a list or map.
    fn begin(&mut self, tag: u8) {
        let pairs = (tag == tag::MAP).then_some(self.pairs.len());
        self.open.push(Open { start: self.out.len(), terms: 0, pairs });
        self.out.push(tag);
        self.out.extend_from_slice(&[0; 4]);
    }

    /// Ends the innermost list or map.
    fn end(&mut self) {
        let Some(Open { start, terms, pairs }) = self.open.pop() else { return };
        match pairs {
            Some(from) => {
                let inside = self.pairs.get(from..).unwrap_or_default();
                let count = pairs::drop_overruled(&mut self.out, inside);
                self.pairs.truncate(from);
                self.set_length(start + 1, count);
            }
            None if terms == 0 => {
                self.out.truncate(start);
                self.out.push(tag::NIL);
            }
            None => {
                self.set_length(start + 1, terms);
                self.out.push(tag::NIL);
            }
        }
        self.count(start);
    }

    /// Writes a length into the four bytes that were left for it.
    fn set_length(&mut self, at: usize, length: usize) {
        // Nothing that is sent comes near four gigabytes.
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        if let Some(place) = self.out.get_mut(at..at + 4) {
            place.copy_from_slice(&length.to_be_bytes());
        }
    }

    /// Writes a binary.
    fn binary(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.out.push(tag::BINARY);
        let at = self.out.len();
        self.out.extend_from_slice(&[0; 4]);
        write(&mut self.out);
        self.set_length(at, self.out.len() - at - 4);
    }

    /// Writes an atom of at most 255 bytes.
    fn atom(&mut self, name: &str) {
        self.out.push(tag::SMALL_ATOM_UTF8);
        self.out.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        self.out.extend(name.bytes().take(usize::from(u8::MAX)));
    }

    /// Writes a number; as the binary of its text where a number would be a wrong one.
    fn number(&mut self, text: &str) {
        let digits = text.strip_prefix('-').unwrap_or(text);
        if let Ok(small) = text.parse() {
            self.small_integer(small);
        } else if digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.len() <= BIG_MAX_DIGITS
        {
            self.big_integer(digits, digits.len() < text.len());
        } else if let Some(float) = nearest(text) {
            self.out.push(tag::NEW_FLOAT);
            self.out.extend_from_slice(&float.to_be_bytes());
        } else {
            self.binary(|out| out.extend_from_slice(text.as_bytes()));
        }
    }

    /// Writes an integer of 32 bits.
    fn small_integer(&mut self, value: i32) {
        if let Ok(byte) = u8::try_from(value) {
            self.out.extend_from_slice(&[tag::SMALL_INTEGER, byte]);
        } else {
            self.out.push(tag::INTEGER);
            self.out.extend_from_slice(&value.to_be_bytes());
        }
    }

    /// Writes an integer of any length.
    fn big_integer(&mut self, digits: &str, is_negative: bool) {
        let bytes = big::from_decimal(digits);
        if let Ok(length) = u8::try_from(bytes.len()) {
            self.out.extend_from_slice(&[tag::SMALL_BIG, length]);
        } else {
            self.out.push(tag::LARGE_BIG);
            self.out.extend_from_slice(&[0; 4]);
            self.set_length(self.out.len() - 4, bytes.len());
        }
        self.out.push(u8::from(is_negative));
        self.out.extend_from_slice(&bytes);
    }
}

/// The double nearest to a number with fraction or exponent; none when there is no double of about that size, or when
/// the text is an integer, which a double may miss by far more than its last digit.
fn nearest(text: &str) -> Option<f64> {
    let mantissa = text.split(['e', 'E']).next()?;
    if mantissa.len() == text.len() && !text.contains('.') {
        return None;
    }
    let float: f64 = text.parse().ok()?;
    let is_lost = float == 0.0 && mantissa.contains(|digit| matches!(digit, '1'..='9'));
    (float.is_finite() && !is_lost).then_some(float)
}
