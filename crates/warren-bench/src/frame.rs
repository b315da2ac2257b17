//! The little of RFC 6455 that a load generator needs: unmasked frames in, masked ones out.
//!
//! The masking key is zero, so what is masked is the plain text: a key protects proxies from scripts, and there is no
//! script here.

/// A text frame.
pub(super) const TEXT: u8 = 1;
/// The end.
pub(super) const CLOSE: u8 = 8;
/// A question that is answered at once.
pub(super) const PING: u8 = 9;
/// The answer to it.
pub(super) const PONG: u8 = 10;

/// A frame at the start of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    /// What it is.
    pub(super) opcode: u8,
    /// What it carries.
    pub(super) payload: &'a [u8],
    /// How many bytes it takes, its head included.
    pub(super) length: usize,
}

/// The frame that the bytes start with; none while it is not whole.
pub(super) fn parse(bytes: &[u8]) -> Option<Frame<'_>> {
    let [first, second, rest @ ..] = bytes else { return None };
    let (length, head) = match second & 0x7f {
        126 => (usize::from(u16::from_be_bytes(*rest.first_chunk()?)), 4),
        127 => (usize::try_from(u64::from_be_bytes(*rest.first_chunk()?)).ok()?, 10),
        short => (usize::from(short), 2),
    };
    let length = head + length;
    Some(Frame { opcode: first & 15, payload: bytes.get(head..length)?, length })
}

/// Appends a frame as clients send them.
pub(super) fn write(opcode: u8, payload: &[u8], out: &mut Vec<u8>) {
    const MASKED: u8 = 0x80;
    let length = payload.len();
    out.push(0x80 | opcode);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..=125), _) => out.push(MASKED | short),
        (_, Ok(middle)) => {
            out.push(MASKED | 0x7e);
            out.extend_from_slice(&middle.to_be_bytes());
        }
        _ => {
            out.push(MASKED | 0x7f);
            out.extend_from_slice(&u64::try_from(length).unwrap_or(u64::MAX).to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
}

/// A close frame's code; 1005 stands for none (RFC 6455 §7.4.1).
pub(super) fn close_code(payload: &[u8]) -> u16 {
    payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_spelled_in_three_ways() {
        for (length, head) in [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            let mut out = Vec::new();
            write(TEXT, &vec![b'a'; length], &mut out);
            assert_eq!(out.len(), head + 4 + length);
        }
    }

    #[test]
    fn a_frame_is_read_when_it_is_whole() {
        assert_eq!(parse(&[0x81]), None);
        assert_eq!(parse(&[0x81, 2, b'a']), None);
        let whole = Frame { opcode: TEXT, payload: b"ab", length: 4 };
        assert_eq!(parse(&[0x81, 2, b'a', b'b', 0x81]), Some(whole));
        assert_eq!(parse(&[0x82, 126, 0]), None);
        let longer = parse(&[0x82, 126, 0, 1, 9]).unwrap();
        assert_eq!((longer.opcode, longer.payload, longer.length), (2, &[9][..], 5));
        let mut long = vec![0x81, 127];
        long.extend_from_slice(&70_000_u64.to_be_bytes());
        long.resize(70_010, b'x');
        assert_eq!(parse(&long).unwrap().length, 70_010);
        assert_eq!(parse(&long[..70_009]), None);
    }

    #[test]
    fn a_close_may_have_no_code() {
        assert_eq!((close_code(&[]), close_code(&[15, 161, b'x'])), (1005, 4001));
    }
}
