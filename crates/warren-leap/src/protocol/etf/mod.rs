//! Erlang's External Term Format, as far as it can say what JSON says (`docs/PROTOCOL.md`, Socket, `encoding=etf`).
//!
//! Terms are a second spelling of the JSON text that everything else works with: [`from_json`] spells what the server
//! sends, [`to_json`] reads what clients send. The codec is our own because the crates that read terms abort or panic
//! on hostile bytes. Source: the chapter "External Term Format" of Erlang's ERTS manual.
//!
//! # What becomes what
//! - Objects become maps with binary keys, in their order; of equal keys the last counts, because Erlang refuses a map
//!   that has one twice. Texts become binaries, arrays proper lists, `true`, `false` and null the atoms `true`, `false`
//!   and `nil`.
//! - Numbers without fraction and exponent stay exact integers, however large, up to [`BIG_MAX_DIGITS`] digits.
//! - All other numbers become the nearest double, as with every reader of JSON: `0.10000000000000000555` is `0.1`.
//! - A number that would lose more than the last digit is not sent as a wrong one but as a binary that holds its text:
//!   what no double comes near (`1e400`, `1e-400`) and longer integers.

mod big;
mod decode;
mod encode;
mod json_text;
mod pairs;
mod reader;
mod scan;
mod tag;

pub use decode::to_json;
pub use encode::from_json;

/// The most bytes of an integer in either direction: turning digits into bytes and back takes time with the square of
/// them, so that one number of a megabyte would keep a thread for seconds.
const BIG_MAX_BYTES: usize = 1024;
/// The most digits of an integer that is sent as one: as many as always fit [`BIG_MAX_BYTES`].
pub const BIG_MAX_DIGITS: usize = 2466;

/// Why bytes are not a term that stands for JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EtfError {
    /// The first byte is not 131.
    #[error("not a term of version 131")]
    Version,
    /// The bytes end inside the term, or a length says more than there is.
    #[error("the term is cut off")]
    CutOff,
    /// There are bytes behind the term.
    #[error("bytes behind the term")]
    Trailing,
    /// A kind of term that JSON has nothing for, or that nobody needs to send.
    #[error("a term of kind {0} is not accepted")]
    Kind(u8),
    /// Lists, tuples and maps nested deeper than JSON may be.
    #[error("nested too deeply")]
    TooDeep,
    /// The JSON text would exceed its bound.
    #[error("the term says too much")]
    TooBig,
    /// A binary or atom that is not UTF-8.
    #[error("a text that is not UTF-8")]
    NotUtf8,
    /// An atom longer than Erlang's own bound.
    #[error("an atom has at most 255 characters")]
    LongAtom,
    /// A map's key that is neither a binary nor an atom nor a string.
    #[error("a key must be a binary, an atom or a string")]
    Key,
    /// Infinity, not a number, or a text that says no number.
    #[error("a float that is no number")]
    NotFinite,
    /// An integer with too many bytes or a sign that is neither plus nor minus.
    #[error("an integer that is too long or has no sign")]
    Integer,
    /// A list that does not end with the empty list.
    #[error("a list must be a proper one")]
    Improper,
}

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
