//! The pieces of a JSON text that is known to be one: neither syntax nor depth is looked at again.

/// One piece; commas and colons say nothing that the others do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JsonToken<'a> {
    /// `{`.
    OpenObject,
    /// `}`.
    CloseObject,
    /// `[`.
    OpenArray,
    /// `]`.
    CloseArray,
    /// What stands between two quotation marks, its escapes as they are.
    Text(&'a str),
    /// A number.
    Number(&'a str),
    /// `true`, `false` or `null`.
    Word(&'a str),
}

/// The pieces of a text, one after the other.
pub(super) struct JsonTokens<'a> {
    /// What was not read yet.
    rest: &'a str,
}

impl<'a> JsonTokens<'a> {
    /// All of a text.
    pub(super) const fn new(text: &'a str) -> Self {
        Self { rest: text }
    }

    /// Takes so many bytes; nothing, and all that is left with it, where a character would be cut.
    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or_default();
        self.rest = rest;
        taken
    }
}

impl<'a> Iterator for JsonTokens<'a> {
    type Item = JsonToken<'a>;

    fn next(&mut self) -> Option<JsonToken<'a>> {
        let between = self.rest.bytes().position(|byte| !is_between(byte))?;
        self.take(between);
        let length = match self.rest.as_bytes().first()? {
            b'{' | b'}' | b'[' | b']' => 1,
            b'"' => {
                self.take(1);
                let text = self.take(text_length(self.rest));
                self.take(1);
                return Some(JsonToken::Text(text));
            }
            _ => self.rest.bytes().position(is_end).unwrap_or(self.rest.len()),
        };
        match self.take(length) {
            "{" => Some(JsonToken::OpenObject),
            "}" => Some(JsonToken::CloseObject),
            "[" => Some(JsonToken::OpenArray),
            "]" => Some(JsonToken::CloseArray),
            // Not JSON: it ends here, rather than never.
            "" => None,
            word if word.starts_with(|first: char| first.is_ascii_lowercase()) => {
                Some(JsonToken::Word(word))
            }
            number => Some(JsonToken::Number(number)),
        }
    }
}

/// Whether a byte stands between pieces.
const fn is_between(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b',' | b':')
}

/// Whether a byte belongs to neither a number nor a word.
const fn is_end(byte: u8) -> bool {
    !matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'E' | b'+' | b'-' | b'.')
}

/// How far it is to the quotation mark that ends a text.
fn text_length(text: &str) -> usize {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.find(|byte| matches!(byte, b'"' | b'\\')) {
        if byte == b'"' {
            return text.len() - bytes.len() - 1;
        }
        // What a backslash escapes ends nothing.
        bytes.next();
    }
    text.len()
}

/// Appends what a text with escapes means.
pub(super) fn unescape(text: &str, out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some((plain, escape)) = rest.split_once('\\') {
        out.extend_from_slice(plain.as_bytes());
        let mut escape = escape.chars();
        let meant = match escape.next().unwrap_or_default() {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => escaped(&mut escape),
            itself => itself,
        };
        out.extend_from_slice(meant.encode_utf8(&mut [0; 4]).as_bytes());
        rest = escape.as_str();
    }
    out.extend_from_slice(rest.as_bytes());
}

/// The character behind `\u`, which takes two escapes when it is beyond the first 65,536.
fn escaped(escape: &mut std::str::Chars<'_>) -> char {
    let high = unit(escape);
    let code = if (0xD800..0xDC00).contains(&high) && escape.as_str().starts_with("\\u") {
        escape.nth(1);
        0x1_0000 + ((high & 0x3FF) << 10 | (unit(escape) & 0x3FF))
    } else {
        high
    };
    char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// The number that the next four hexadecimal digits say.
fn unit(escape: &mut std::str::Chars<'_>) -> u32 {
    escape.take(4).fold(0, |unit, digit| unit << 4 | digit.to_digit(16).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_falls_into_its_pieces() {
        let tokens: Vec<_> =
            JsonTokens::new(" {\"a\\\"\\\\\":\t[1.5e+3 , -0,null],\"é\":true}\n").collect();
        assert_eq!(
            tokens,
            [
                JsonToken::OpenObject,
                JsonToken::Text("a\\\"\\\\"),
                JsonToken::OpenArray,
                JsonToken::Number("1.5e+3"),
                JsonToken::Number("-0"),
                JsonToken::Word("null"),
                JsonToken::CloseArray,
                JsonToken::Text("é"),
                JsonToken::Word("true"),
                JsonToken::CloseObject,
            ]
        );
    }

    #[test]
    fn escapes_mean_what_they_say() {
        let mut out = Vec::new();
        unescape(r#"a\"\\\/\b\f\n\r\té\u00e9\uD83D\ude00\u0000"#, &mut out);
        assert_eq!(out, "a\"\\/\u{8}\u{c}\n\r\téé😀\0".as_bytes());
    }

    #[test]
    fn what_is_no_json_ends() {
        for text in ["é", "\"", "\"\\", "\"é\\", "$", "[é]"] {
            assert!(JsonTokens::new(text).count() <= 2, "{text}");
        }
    }
}
