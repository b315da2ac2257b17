//! Bytes that are read from the front, never beyond their end.

use super::EtfError;

/// What was not read yet.
pub(super) struct TermReader<'a> {
    /// The bytes.
    rest: &'a [u8],
}

impl<'a> TermReader<'a> {
    /// All of some bytes.
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether everything was read.
    pub(super) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Refuses a length that the rest cannot hold: every term has at least one byte.
    pub(super) const fn must_have(&self, bytes: usize) -> Result<(), EtfError> {
        if bytes > self.rest.len() { Err(EtfError::CutOff) } else { Ok(()) }
    }

    /// Takes so many bytes.
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], EtfError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(EtfError::CutOff)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Takes a fixed number of bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], EtfError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(EtfError::CutOff)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// Takes one byte.
    pub(super) fn byte(&mut self) -> Result<u8, EtfError> {
        self.array().map(|[byte]| byte)
    }

    /// Takes a length of one byte.
    pub(super) fn short_length(&mut self) -> Result<usize, EtfError> {
        self.byte().map(usize::from)
    }

    /// Takes a length of four bytes.
    pub(super) fn long_length(&mut self) -> Result<usize, EtfError> {
        let length = u32::from_be_bytes(self.array()?);
        usize::try_from(length).ok().ok_or(EtfError::CutOff)
    }
}
