//! WebSocket frames from the server: whole, unmasked, ready to be written (RFC 6455 §5.2).

use super::close::Close;
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

/// FIN and the opcode of a text frame.
const TEXT: u8 = 0x81;
/// FIN and the opcode of a binary frame.
const BINARY: u8 = 0x82;
/// FIN and the opcode of a close frame.
const CLOSE: u8 = 0x88;
/// FIN and the opcode of a pong frame.
const PONG: u8 = 0x8A;
/// The most bytes that a header takes.
const HEADER_ROOM: usize = 10;

/// A text frame.
pub fn text(payload: &str) -> Bytes {
    whole(TEXT, payload.as_bytes())
}

/// A text frame whose payload is written right behind the room for its header, so that nothing is copied; `capacity` is
/// about as long as the payload.
pub fn text_written(capacity: usize, write: impl FnOnce(&mut String)) -> Bytes {
    let mut out = String::with_capacity(HEADER_ROOM + capacity);
    out.extend(std::iter::repeat_n(' ', HEADER_ROOM));
    write(&mut out);
    let mut out = out.into_bytes();
    let (header, start) = header(TEXT, out.len().saturating_sub(HEADER_ROOM));
    if let Some(room) = out.first_chunk_mut() {
        *room = header;
    }
    let mut whole = Bytes::from(out);
    whole.advance(start);
    whole
}

/// A text frame in pieces: `write` appends the payload but for what need not be copied, and returns that, in order, each with
/// the length of what it had appended by then.
pub fn text_in_pieces(write: impl FnOnce(&mut String) -> Vec<(usize, Bytes)>) -> Vec<Bytes> {
    let mut out = " ".repeat(HEADER_ROOM);
    let shared = write(&mut out);
    let mut out = out.into_bytes();
    let length = out.len().saturating_sub(HEADER_ROOM);
    let length = shared.iter().fold(length, |sum, (_, bytes)| sum.saturating_add(bytes.len()));
    let (header, start) = header(TEXT, length);
    if let Some(room) = out.first_chunk_mut() {
        *room = header;
    }
    let (mut rest, mut done) = (Bytes::from(out), start);
    rest.advance(start);
    let mut pieces = Vec::with_capacity(2 * shared.len() + 1);
    for (at, bytes) in shared {
        pieces.push(rest.split_to(at.saturating_sub(done).min(rest.len())));
        pieces.push(bytes);
        done = at;
    }
    pieces.push(rest);
    pieces
}

/// A binary frame.
pub fn binary(payload: &[u8]) -> Bytes {
    whole(BINARY, payload)
}

/// The payload of a frame that was made here.
pub fn payload_of(frame: &[u8]) -> &[u8] {
    let header = match frame.get(1) {
        Some(126) => 4,
        Some(127) => 10,
        _ => 2,
    };
    frame.get(header..).unwrap_or_default()
}

/// The text of a text frame that was made here.
pub fn text_of(frame: &[u8]) -> &str {
    // It was made from text; of any other frame there is none.
    std::str::from_utf8(payload_of(frame)).unwrap_or_default()
}

/// A pong that echoes a ping's payload.
pub fn pong(payload: &[u8]) -> Bytes {
    whole(PONG, payload)
}

/// A close frame.
pub fn close(close: &Close) -> Bytes {
    let mut payload = BytesMut::with_capacity(2 + close.reason.len());
    payload.put_u16(close.code.number());
    payload.put_slice(close.reason.as_bytes());
    whole(CLOSE, &payload)
}

/// Header and payload in one piece.
fn whole(first: u8, payload: &[u8]) -> Bytes {
    let (header, start) = header(first, payload.len());
    let mut out = BytesMut::with_capacity(payload.len() + HEADER_ROOM);
    out.put_slice(header.get(start..).unwrap_or_default());
    out.put_slice(payload);
    out.freeze()
}

/// The header at the end of its room, and where it starts.
fn header(first: u8, length: usize) -> ([u8; HEADER_ROOM], usize) {
    let mut room = [0; HEADER_ROOM];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short), _) if short < 126 => {
            let [.., a, b] = &mut room;
            (*a, *b) = (first, short);
            (room, HEADER_ROOM - 2)
        }
        (_, Ok(medium)) => {
            let [.., a, b, c, d] = &mut room;
            [*a, *b] = [first, 126];
            [*c, *d] = medium.to_be_bytes();
            (room, HEADER_ROOM - 4)
        }
        _ => {
            let [a, b, rest @ ..] = &mut room;
            (*a, *b) = (first, 127);
            *rest = u64::try_from(length).unwrap_or(u64::MAX).to_be_bytes();
            (room, 0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::close::CloseCode;
    use super::*;

    #[test]
    fn lengths_take_their_three_forms() {
        for (size, header) in [
            (0_usize, vec![0x81, 0]),
            (125, vec![0x81, 125]),
            (126, vec![0x81, 126, 0, 126]),
            (65_535, vec![0x81, 126, 255, 255]),
            (65_536, vec![0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let frame = text(&"x".repeat(size));
            assert_eq!(&frame[..header.len()], &header[..], "{size}");
            assert_eq!(frame.len(), header.len() + size);
            assert_eq!(text_of(&frame), "x".repeat(size));
            for capacity in [0, size, size * 2] {
                let written = text_written(capacity, |out| out.push_str(&"x".repeat(size)));
                assert_eq!(written, frame, "{size}");
            }
        }
    }

    #[test]
    fn a_close_carries_code_and_reason() {
        let frame = close(&Close::new(CloseCode::InvalidAuth, "no"));
        assert_eq!(&frame[..], &[0x88, 4, 0x0F, 0xA1, b'n', b'o']);
    }

    #[test]
    fn a_pong_echoes() {
        assert_eq!(&pong(b"hi")[..], &[0x8A, 2, b'h', b'i']);
    }
}
