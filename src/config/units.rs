//! Values as people write them: `64MiB`, `30s`, lists with commas. Plain numbers mean what the key says.

use bytesize::ByteSize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use std::fmt::{self, Display};
use std::marker::PhantomData;
use std::str::FromStr;
use std::time::Duration;

/// Reads a size: bytes, or with a unit.
pub(super) fn parse_size(text: &str) -> Result<usize, String> {
    let help =
        || format!("`{text}` is no size: bytes, or a number with B, KiB, MiB, GiB, kB, MB, GB");
    let bytes = text.trim().parse::<ByteSize>().ok().ok_or_else(help)?;
    usize::try_from(bytes.as_u64()).ok().ok_or_else(help)
}

/// Reads a duration that has a unit.
fn duration(text: &str, plain: &str) -> Result<Duration, String> {
    humantime::parse_duration(text.trim()).map_err(|error| {
        format!(
            "`{text}` is no duration ({error}): {plain}, or numbers with ms, s, m, h, d, as 1h30m"
        )
    })
}

/// Reads seconds with a fraction: a plain number, or a duration.
pub(super) fn parse_seconds(text: &str) -> Result<f64, String> {
    match text.trim().parse() {
        Ok(seconds) => Ok(seconds),
        Err(_) => duration(text, "seconds").map(|duration| duration.as_secs_f64()),
    }
}

/// Reads milliseconds: a plain number, or a duration of whole ones.
pub(super) fn parse_milliseconds(text: &str) -> Result<u64, String> {
    if let Ok(plain) = text.trim().parse() {
        return Ok(plain);
    }
    let duration = duration(text, "milliseconds")?;
    if duration.subsec_nanos() % 1_000_000 != 0 {
        return Err(format!("`{text}` is no whole number of milliseconds"));
    }
    u64::try_from(duration.as_millis()).ok().ok_or_else(|| format!("`{text}` is too long"))
}

/// Reads whole seconds: a plain number, or a duration of whole ones.
fn parse_whole_seconds(text: &str) -> Result<u64, String> {
    if let Ok(plain) = text.trim().parse() {
        return Ok(plain);
    }
    let duration = duration(text, "seconds")?;
    if duration.subsec_nanos() == 0 {
        Ok(duration.as_secs())
    } else {
        Err(format!("`{text}` is no whole number of seconds"))
    }
}

/// Reads a plain number.
fn parse_number<T: FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    text.trim().parse().map_err(|error| format!("`{text}`: {error}"))
}

/// What a number or a text is read by.
struct ByText<T>(fn(&str) -> Result<T, String>);

impl<T> Visitor<'_> for ByText<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, or a text with a unit")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.0)(text).map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }
}

/// A key that is a size.
pub(super) fn bytes<'de, D: Deserializer<'de>>(input: D) -> Result<usize, D::Error> {
    input.deserialize_any(ByText(parse_size))
}

/// A key that may be left out and is a size.
pub(super) fn some_size<'de, D: Deserializer<'de>>(input: D) -> Result<Option<usize>, D::Error> {
    bytes(input).map(Some)
}

/// The same of what is stored.
pub(super) fn stored_bytes<'de, D: Deserializer<'de>>(input: D) -> Result<u64, D::Error> {
    bytes(input).and_then(|bytes| u64::try_from(bytes).map_err(de::Error::custom))
}

/// A key that is a number of milliseconds.
pub(super) fn milliseconds<'de, D: Deserializer<'de>>(input: D) -> Result<u64, D::Error> {
    input.deserialize_any(ByText(parse_milliseconds))
}

/// A key that is a whole number of seconds.
pub(super) fn whole_seconds<'de, D: Deserializer<'de>>(input: D) -> Result<u64, D::Error> {
    input.deserialize_any(ByText(parse_whole_seconds))
}

/// A key that is a plain number.
pub(super) fn number<'de, D, T>(input: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    input.deserialize_any(ByText(parse_number))
}

/// A key that may be left out and is a plain number.
pub(super) fn some_number<'de, D, T>(input: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    number(input).map(Some)
}

/// A key that may be left out and is a yes or a no.
pub(super) fn some_bool<'de, D: Deserializer<'de>>(input: D) -> Result<Option<bool>, D::Error> {
    input.deserialize_any(YesOrNo).map(Some)
}

/// What a yes or a no is read by.
struct YesOrNo;

impl Visitor<'_> for YesOrNo {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true or false")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<bool, E> {
        Ok(value)
    }

    /// As the flags read it.
    fn visit_str<E: de::Error>(self, text: &str) -> Result<bool, E> {
        match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" | "y" | "t" => Ok(true),
            "false" | "no" | "off" | "0" | "n" | "f" => Ok(false),
            _ => Err(E::custom(format!("`{text}` is neither true nor false"))),
        }
    }
}

/// A key that may be left out and is a number of milliseconds.
pub(super) fn some_milliseconds<'de, D>(input: D) -> Result<Option<u64>, D::Error>
where
    D: Deserializer<'de>,
{
    milliseconds(input).map(Some)
}

/// A key that may be left out and is a number of seconds.
pub(super) fn some_seconds<'de, D: Deserializer<'de>>(input: D) -> Result<Option<f64>, D::Error> {
    input.deserialize_any(ByText(parse_seconds)).map(Some)
}

/// A key that may be left out and is a list: of texts, or one text with commas.
pub(super) fn some_list<'de, D, T>(input: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    input.deserialize_any(ItemByItem(PhantomData)).map(Some)
}

/// What a list is read by.
struct ItemByItem<T>(PhantomData<T>);

impl<T: FromStr<Err: Display>> ItemByItem<T> {
    /// Reads one item.
    fn item<E: de::Error>(text: &str) -> Result<T, E> {
        text.trim().parse().map_err(|error| E::custom(format!("`{text}`: {error}")))
    }
}

impl<'de, T: FromStr<Err: Display>> Visitor<'de> for ItemByItem<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of texts, or one text with commas")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<T>, E> {
        text.split(',').filter(|item| !item.trim().is_empty()).map(Self::item).collect()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(text) = items.next_element::<String>()? {
            list.push(Self::item(&text)?);
        }
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_bytes_or_have_a_unit() {
        for (text, bytes) in
            [("0", 0), ("65", 65), ("64MiB", 64 << 20), ("1 KiB", 1024), ("2kB", 2000)]
        {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for wrong in ["", "-1", "x", "5 parsecs", "MiB"] {
            assert!(parse_size(wrong).unwrap_err().contains("is no size"), "{wrong}");
        }
    }

    #[test]
    fn durations_are_plain_numbers_of_the_keys_unit_or_have_one() {
        for (text, seconds) in [("30", 30.0), ("0.5", 0.5), ("30s", 30.0), ("1h30m", 5400.0)] {
            assert_eq!(parse_seconds(text), Ok(seconds), "{text}");
        }
        for (text, ms) in [("5000", 5000), ("5s", 5000), ("250ms", 250)] {
            assert_eq!(parse_milliseconds(text), Ok(ms), "{text}");
        }
        for (text, seconds) in [("0", 0), ("86400", 86_400), ("30d", 2_592_000)] {
            assert_eq!(parse_whole_seconds(text), Ok(seconds), "{text}");
        }
        assert!(parse_milliseconds("10us").unwrap_err().contains("whole number"));
        assert!(parse_whole_seconds("1500ms").unwrap_err().contains("whole number"));
        assert!(parse_whole_seconds("soon").unwrap_err().contains("is no duration"));
        assert!(parse_milliseconds("-5").unwrap_err().contains("is no duration"));
    }
}
