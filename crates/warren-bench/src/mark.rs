//! The mark in every payload: who sent it, as which of theirs, and when it was due.
//!
//! `~W`, 12 hexadecimal digits of microseconds, 4 of the publisher, 8 of its sequence number, `~`. It is found by its
//! first byte in whatever a protocol wraps around it, so a delivery needs no JSON parser.

/// Bytes of a mark, and so of the smallest payload.
pub(super) const MARK: usize = 27;
/// The digits.
const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// What a mark says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// When it was due, microseconds of the generator's time.
    pub(super) due: u64,
    /// The publisher's number.
    pub(super) publisher: u16,
    /// Its place among what this publisher sent to this channel, from 0.
    pub(super) sequence: u32,
}

impl Mark {
    /// Appends the mark, and filler up to so many bytes.
    pub(super) fn write(self, bytes: usize, out: &mut Vec<u8>) {
        let end = out.len() + bytes.max(MARK);
        out.extend_from_slice(b"~W");
        digits(self.due, 12, out);
        digits(u64::from(self.publisher), 4, out);
        digits(u64::from(self.sequence), 8, out);
        out.push(b'~');
        out.resize(end, b'x');
    }

    /// The first mark in a payload.
    pub(super) fn find(mut payload: &[u8]) -> Option<Self> {
        loop {
            let at = memchr::memchr(b'~', payload)?;
            let rest = payload.get(at..)?;
            match rest.first_chunk::<MARK>().and_then(Self::read) {
                Some(mark) => return Some(mark),
                None => payload = rest.get(1..)?,
            }
        }
    }

    /// The mark that these bytes are.
    fn read(bytes: &[u8; MARK]) -> Option<Self> {
        let digits = bytes.strip_prefix(b"~W")?.strip_suffix(b"~")?;
        let (due, digits) = digits.split_at_checked(12)?;
        let (publisher, sequence) = digits.split_at_checked(4)?;
        Some(Self {
            due: value(due)?,
            publisher: u16::try_from(value(publisher)?).ok()?,
            sequence: u32::try_from(value(sequence)?).ok()?,
        })
    }
}

/// Appends a number's last digits.
fn digits(number: u64, count: u32, out: &mut Vec<u8>) {
    for place in (0..count).rev() {
        let digit = usize::try_from(number >> (4 * place) & 15).unwrap_or(0);
        out.push(DIGITS.get(digit).copied().unwrap_or(b'0'));
    }
}

/// The number that digits say.
fn value(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |number, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_found() {
        let mark = Mark { due: 0x0123_4567_89ab, publisher: 65_535, sequence: u32::MAX };
        let mut out = b"{\"d\":\"~W no mark ~\",\"m\":\"".to_vec();
        let before = out.len();
        mark.write(128, &mut out);
        assert_eq!(out.len(), before + 128);
        assert_eq!(Mark::find(&out), Some(mark));
    }

    #[test]
    fn a_payload_is_never_smaller_than_its_mark() {
        let mut out = Vec::new();
        Mark { due: 1, publisher: 2, sequence: 3 }.write(0, &mut out);
        assert_eq!(out.len(), MARK);
    }

    #[test]
    fn what_is_cut_or_garbled_is_none() {
        let mut out = Vec::new();
        Mark { due: 1, publisher: 2, sequence: 3 }.write(MARK, &mut out);
        assert_eq!(Mark::find(&out[..MARK - 1]), None);
        out[5] = b'g';
        assert_eq!(Mark::find(&out), None);
        assert_eq!(Mark::find(b"~~~~"), None);
        assert_eq!(Mark::find(b""), None);
    }
}
