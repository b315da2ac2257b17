//! How a connection wants its payloads spelled: JSON or terms, large ones compressed or not; or as server-sent events.

use super::close::Close;
use super::{etf, frame, sse, zlib};
use bytes::Bytes;
use std::sync::OnceLock;

/// How payloads are spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Encoding {
    /// JSON, in text frames.
    #[default]
    Json,
    /// External Term Format, in binary frames.
    Etf,
    /// JSON as server-sent events, never compressed. The client says nothing; what is said in its place is JSON.
    Sse,
}

impl Encoding {
    /// Whether the client can say nothing on such a connection.
    pub const fn is_one_way(self) -> bool {
        matches!(self, Self::Sse)
    }

    /// What carries it, in a word for operators.
    pub const fn transport(self) -> &'static str {
        match self {
            Self::Json | Self::Etf => "websocket",
            Self::Sse => "sse",
        }
    }
}

/// What a connection asked for when it opened; the same until its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Wire {
    /// How payloads are spelled, both ways.
    pub encoding: Encoding,
    /// Whether large frames go out compressed.
    pub is_zlib: bool,
}

impl Wire {
    /// The whole frame for a payload of one connection alone.
    pub fn frame(self, json: &str) -> Bytes {
        let plain = match self.encoding {
            Encoding::Json => frame::text(json),
            Encoding::Etf => etf_frame(json),
            Encoding::Sse => return sse::of_payload(json),
        };
        if self.is_zlib { deflated(&plain) } else { plain }
    }

    /// What ends a connection.
    pub fn close(self, close: &Close) -> Bytes {
        match self.encoding {
            Encoding::Json | Encoding::Etf => frame::close(close),
            Encoding::Sse => sse::close(close),
        }
    }
}

/// One payload in all its spellings; each is made when the first connection needs it, and is then the same bytes for
/// all.
#[derive(Debug, Default)]
pub(super) struct Forms {
    /// JSON in a text frame, which all others are made from.
    json: OnceLock<Bytes>,
    /// The others; most payloads never need any.
    others: OnceLock<Box<Others>>,
}

/// The spellings that few connections ask for.
#[derive(Debug, Default)]
struct Others {
    /// JSON, compressed.
    json_zlib: OnceLock<Bytes>,
    /// Terms.
    etf: OnceLock<Bytes>,
    /// Terms, compressed.
    etf_zlib: OnceLock<Bytes>,
    /// JSON as a server-sent event.
    sse: OnceLock<Bytes>,
}

impl Forms {
    /// Nothing spelled yet.
    pub(super) const fn new() -> Self {
        Self { json: OnceLock::new(), others: OnceLock::new() }
    }

    /// The whole frame in this spelling; `write` is asked for the payload's JSON, of about `capacity` bytes, at most once.
    pub(super) fn frame(
        &self,
        wire: Wire,
        capacity: usize,
        write: impl FnOnce(&mut String),
    ) -> Bytes {
        let json = self.json.get_or_init(|| frame::text_written(capacity, write));
        let others = || self.others.get_or_init(Box::default);
        let etf = || others().etf.get_or_init(|| etf_frame(frame::text_of(json)));
        match (wire.encoding, wire.is_zlib) {
            (Encoding::Json, true) if is_large(json) => {
                others().json_zlib.get_or_init(|| deflated(json)).clone()
            }
            (Encoding::Json, _) => json.clone(),
            (Encoding::Etf, true) if is_large(etf()) => {
                others().etf_zlib.get_or_init(|| deflated(etf())).clone()
            }
            (Encoding::Etf, _) => etf().clone(),
            (Encoding::Sse, _) => {
                others().sse.get_or_init(|| sse::of_payload(frame::text_of(json))).clone()
            }
        }
    }
}

impl Forms {
    /// Whether the frame in this spelling has been made; a small one that is never compressed counts as not made.
    pub(super) fn is_made(&self, wire: Wire) -> bool {
        let of_others = |form: fn(&Others) -> &OnceLock<Bytes>| {
            self.others.get().is_some_and(|others| form(others).get().is_some())
        };
        match (wire.encoding, wire.is_zlib) {
            (Encoding::Json, false) => self.json.get().is_some(),
            (Encoding::Json, true) => of_others(|others| &others.json_zlib),
            (Encoding::Etf, false) => of_others(|others| &others.etf),
            (Encoding::Etf, true) => of_others(|others| &others.etf_zlib),
            (Encoding::Sse, _) => of_others(|others| &others.sse),
        }
    }
}

/// A JSON payload as a frame of terms.
fn etf_frame(json: &str) -> Bytes {
    frame::binary(&etf::from_json(json))
}

/// Whether a frame's payload is worth compressing.
fn is_large(plain: &[u8]) -> bool {
    frame::payload_of(plain).len() >= zlib::MIN_BYTES
}

/// A frame whose payload is one zlib stream; a small one stays as it is.
///
/// Readers know a stream from a term by its first byte, and from JSON by the kind of frame.
fn deflated(plain: &Bytes) -> Bytes {
    if !is_large(plain) {
        return plain.clone();
    }
    // Who can read compressed frames reads plain ones as well, so a failure is no loss.
    zlib::deflate(frame::payload_of(plain))
        .map_or_else(|_| plain.clone(), |stream| frame::binary(&stream))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::ZlibDecoder;
    use std::io::Read as _;

    /// The five ways to ask.
    const ALL: [Wire; 5] = [
        Wire { encoding: Encoding::Json, is_zlib: false },
        Wire { encoding: Encoding::Json, is_zlib: true },
        Wire { encoding: Encoding::Etf, is_zlib: false },
        Wire { encoding: Encoding::Etf, is_zlib: true },
        Wire { encoding: Encoding::Sse, is_zlib: false },
    ];

    /// What a frame says, as JSON.
    fn read(wire: Wire, whole: &[u8]) -> String {
        if wire.encoding == Encoding::Sse {
            let text = std::str::from_utf8(whole).unwrap();
            let (_, data) = text.split_once("\ndata: ").unwrap();
            return format!(r#"{{"op":0,"d":{}}}"#, data.strip_suffix("\n\n").unwrap());
        }
        let mut payload = frame::payload_of(whole).to_vec();
        if payload[0] == 0x78 {
            assert!(wire.is_zlib);
            let stream = payload.split_off(0);
            ZlibDecoder::new(&stream[..]).read_to_end(&mut payload).unwrap();
        }
        match wire.encoding {
            Encoding::Json => String::from_utf8(payload).unwrap(),
            Encoding::Etf => etf::to_json(&payload, usize::MAX).unwrap(),
            Encoding::Sse => unreachable!(),
        }
    }

    #[test]
    fn every_form_says_the_same_whether_shared_or_not() {
        for size in [1, 500, 1010, 1020, 1030, 100_000] {
            let json = format!(r#"{{"op":0,"d":["{}",9007199254740993]}}"#, "é".repeat(size / 2));
            let forms = Forms::new();
            for wire in ALL {
                let shared = forms.frame(wire, 0, |out| out.push_str(&json));
                assert_eq!(shared, wire.frame(&json), "{wire:?}");
                assert_eq!(read(wire, &shared), json, "{wire:?}");
                let again = forms.frame(wire, 0, |_| panic!("spelled twice"));
                assert_eq!(again.as_ptr(), shared.as_ptr());
            }
        }
    }

    #[test]
    fn only_payloads_of_1024_bytes_are_compressed() {
        let json_zlib = Wire { encoding: Encoding::Json, is_zlib: true };
        let etf_zlib = Wire { encoding: Encoding::Etf, is_zlib: true };
        let text = |bytes: usize| format!("\"{}\"", "x".repeat(bytes));
        assert_eq!(json_zlib.frame(&text(1021))[0], 0x81);
        let large = json_zlib.frame(&text(1022));
        assert_eq!((large[0], frame::payload_of(&large)[0]), (0x82, 0x78));
        // Version, tag and length are six bytes.
        assert_eq!(frame::payload_of(&etf_zlib.frame(&text(1017)))[0], 131);
        assert_eq!(frame::payload_of(&etf_zlib.frame(&text(1018)))[0], 0x78);
    }

    #[test]
    fn what_nobody_asked_for_takes_no_room() {
        let forms = Forms::new();
        for wire in [Wire::default(), Wire { is_zlib: true, ..Wire::default() }] {
            forms.frame(wire, 0, |out| out.push_str("{}"));
        }
        assert!(forms.others.get().is_none());
        assert_eq!(size_of::<Wire>(), 2);
    }
}
