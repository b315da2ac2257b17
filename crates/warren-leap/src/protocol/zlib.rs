//! Compression of single frames (`docs/PROTOCOL.md`, Socket, `compression=zlib`): only outwards, since no client sends any.

use flate2::Compression;
use flate2::bufread::ZlibEncoder;
use std::io::{self, Read as _};

/// The shortest payload that is compressed; below, the gain is smaller than the client's work.
pub const MIN_BYTES: usize = 1024;

/// One self-contained zlib stream, header and checksum included.
///
/// # Errors
/// Those of the library, which has none for bytes in memory.
pub fn deflate(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = Vec::with_capacity(bytes.len() / 4 + 64);
    // The fastest level: frames leave from threads on which other connections wait.
    ZlibEncoder::new(bytes, Compression::fast()).read_to_end(&mut out)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::ZlibDecoder;

    #[test]
    fn a_stream_stands_alone() {
        for text in ["", "x", &"warren ".repeat(100_000)] {
            let deflated = deflate(text.as_bytes()).unwrap();
            assert_eq!(deflated[0] & 0x0F, 8, "deflate, by RFC 1950");
            let mut inflated = String::new();
            let mut decoder = ZlibDecoder::new(&deflated[..]);
            decoder.read_to_string(&mut inflated).unwrap();
            assert_eq!(inflated, text);
            assert_eq!(decoder.total_in(), u64::try_from(deflated.len()).unwrap());
        }
    }
}
