//! The bytes that say what kind of term follows, under the names of Erlang's manual.

/// The first byte of every message.
pub(super) const VERSION: u8 = 131;
/// A double, eight bytes.
pub(super) const NEW_FLOAT: u8 = 70;
/// One byte without sign.
pub(super) const SMALL_INTEGER: u8 = 97;
/// Four bytes with sign.
pub(super) const INTEGER: u8 = 98;
/// A float as 31 bytes of text; long out of use, but still accepted by Erlang.
pub(super) const FLOAT: u8 = 99;
/// An atom in Latin-1, its length in two bytes.
pub(super) const ATOM: u8 = 100;
/// A tuple, its arity in one byte.
pub(super) const SMALL_TUPLE: u8 = 104;
/// A tuple, its arity in four bytes.
pub(super) const LARGE_TUPLE: u8 = 105;
/// The empty list.
pub(super) const NIL: u8 = 106;
/// A list of small integers, its length in two bytes: what Erlang makes of a short string.
pub(super) const STRING: u8 = 107;
/// A list, its length in four bytes, its tail behind it.
pub(super) const LIST: u8 = 108;
/// Bytes, their number in four bytes.
pub(super) const BINARY: u8 = 109;
/// An integer, the number of its bytes in one byte, then its sign, then its bytes, the lowest first.
pub(super) const SMALL_BIG: u8 = 110;
/// The same with the number in four bytes.
pub(super) const LARGE_BIG: u8 = 111;
/// An atom in Latin-1, its length in one byte.
pub(super) const SMALL_ATOM: u8 = 115;
/// A map, the number of its pairs in four bytes.
pub(super) const MAP: u8 = 116;
/// An atom in UTF-8, its length in two bytes.
pub(super) const ATOM_UTF8: u8 = 118;
/// An atom in UTF-8, its length in one byte.
pub(super) const SMALL_ATOM_UTF8: u8 = 119;
