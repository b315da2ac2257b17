//! WebSocket frames as a client sends them, each bit of them free to be wrong (RFC 6455 §5.2).

/// FIN and the opcode of a text frame.
pub const TEXT: u8 = 0x81;
/// FIN and the opcode of a binary frame.
pub const BINARY: u8 = 0x82;
/// FIN and the opcode of a close frame.
pub const CLOSE: u8 = 0x88;
/// FIN and the opcode of a ping.
pub const PING: u8 = 0x89;
/// FIN and the opcode of a pong.
pub const PONG: u8 = 0x8A;
/// The first fragment of a text message.
pub const TEXT_BEGIN: u8 = 0x01;
/// The first fragment of a binary message.
pub const BINARY_BEGIN: u8 = 0x02;
/// A fragment in the middle.
pub const MIDDLE: u8 = 0x00;
/// The last fragment.
pub const LAST: u8 = 0x80;

/// A length byte that announces two bytes of length.
const MEDIUM: u8 = 0x7E;
/// A length byte that announces eight bytes of length.
const LONG: u8 = 0x7F;
/// The bit that says that a frame is masked.
const MASKED: u8 = 0x80;
/// The key that every frame is masked with: a fixed one keeps the bytes of a failure readable.
const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// A frame with this first byte, masked, its length in the shortest form.
pub fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = head(first, MASKED, payload.len());
    out.extend(KEY);
    out.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    out
}

/// A frame that is not masked, as only a server may send it.
pub fn unmasked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = head(first, 0, payload.len());
    out.extend(payload);
    out
}

/// The beginning of a masked frame that says this length in eight bytes, whatever follows.
pub fn declared(first: u8, length: u64) -> Vec<u8> {
    let mut out = vec![first, MASKED | LONG];
    out.extend(length.to_be_bytes());
    out.extend(KEY);
    out
}

/// A masked text frame whose length takes more bytes than it needs.
pub fn long_form(payload: &[u8]) -> Vec<u8> {
    let mut out = declared(TEXT, payload.len() as u64);
    out.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    out
}

/// A masked text frame.
pub fn text(payload: &str) -> Vec<u8> {
    masked(TEXT, payload.as_bytes())
}

/// A masked close frame.
pub fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    masked(CLOSE, &[&code.to_be_bytes(), reason].concat())
}

/// First byte, mask bit and length.
fn head(first: u8, mask: u8, length: usize) -> Vec<u8> {
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short), _) if short < 126 => vec![first, mask | short],
        (_, Ok(medium)) => [&[first, mask | MEDIUM][..], &medium.to_be_bytes()].concat(),
        _ => [&[first, mask | LONG][..], &(length as u64).to_be_bytes()].concat(),
    }
}
