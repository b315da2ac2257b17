//! Calls that carry a key: a repeated one is answered as the first was, and not carried out again.

use super::{Permissions, ProjectId};
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use std::time::Duration;

/// The longest key, bytes.
pub const KEY_MAX_BYTES: usize = 255;

/// Why a text cannot be a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is empty.
    #[error("is empty: it must have 1 to {KEY_MAX_BYTES} visible ASCII characters")]
    Empty,
    /// It is too long; carries its length.
    #[error("has {0} characters, the limit is {KEY_MAX_BYTES}")]
    TooLong(usize),
    /// It has a character that is not visible ASCII.
    #[error("has a character that is not visible ASCII")]
    NotVisible,
    /// There are several.
    #[error("is there more than once")]
    Several,
}

/// A SHA-256: all that is kept of keys and of what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of a row of texts. Each counts with its length, so that no two rows run into one.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut digest = Sha256::new();
        for part in parts {
            digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            digest.update(part);
        }
        Self(digest.finalize().into())
    }

    /// The digest of a key.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn of_key(text: &[u8]) -> Result<Self, KeyError> {
        if text.is_empty() {
            return Err(KeyError::Empty);
        }
        if text.len() > KEY_MAX_BYTES {
            return Err(KeyError::TooLong(text.len()));
        }
        if !text.iter().all(u8::is_ascii_graphic) {
            return Err(KeyError::NotVisible);
        }
        Ok(Self::of(&[text]))
    }
}

/// Whose keys one is among.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KeyScope {
    /// A project's, whichever of its tokens is used.
    Project(ProjectId),
    /// The operator's, in whatever project an admin token acts.
    Operator,
}

/// What is known of the call that a key was used for first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirstCall {
    /// What was asked: method, path, query, content type and body.
    pub asked: Digest,
    /// What its asker might do.
    pub permissions: Permissions,
}

/// A call with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyedCall {
    /// Whose key it is.
    pub scope: KeyScope,
    /// The key.
    pub key: Digest,
    /// The call.
    pub call: FirstCall,
}

/// Why a key is no good for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reused {
    /// It was used for another call.
    #[error("this key was used for another method, path or body")]
    AnotherCall,
    /// It was used by somebody who might do more, whose answers this one may not see.
    #[error("this key was used with a token that has more permissions")]
    MorePermissions,
}

impl KeyedCall {
    /// Whether this repeats the first call under its key, and by somebody who may have its answer.
    ///
    /// # Errors
    /// [`Reused`].
    pub fn repeats(&self, first: &FirstCall) -> Result<(), Reused> {
        if self.call.asked != first.asked {
            return Err(Reused::AnotherCall);
        }
        let held = self.call.permissions;
        if held.union(first.permissions) != held {
            return Err(Reused::MorePermissions);
        }
        Ok(())
    }
}

/// An answer that is given again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptAnswer {
    /// Its status.
    pub status: u16,
    /// Its headers, as far as they say something of what was done.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Bytes,
}

impl KeptAnswer {
    /// What it takes to keep, bytes, without what its row or entry costs.
    pub fn len_bytes(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.len() + value.len());
        headers.sum::<usize>().saturating_add(self.body.len())
    }

    /// Whether an answer of this status is kept: not one that says to come again, or of a fault of ours.
    pub const fn is_kept(status: u16) -> bool {
        status < 500 && status != 429
    }
}

/// How much is kept, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyBounds {
    /// How long a key stands for its call.
    pub window: Duration,
    /// How many keys of one scope; past it the oldest go.
    pub keys: usize,
    /// How many bytes of answers to them; past it the oldest go, but for the newest.
    pub bytes: usize,
}

impl Default for KeyBounds {
    /// A day, 100,000 keys, 32 MiB.
    fn default() -> Self {
        Self { window: Duration::from_hours(24), keys: 100_000, bytes: 32 << 20 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Permission;

    #[test]
    fn keys_are_1_to_255_visible_characters() {
        for key in ["a", "8e03978e-40d5-43dd-bc93-6894a57f9324", "\"quoted\"", &"x".repeat(255)] {
            assert!(Digest::of_key(key.as_bytes()).is_ok(), "{key}");
        }
        assert_eq!(Digest::of_key(b""), Err(KeyError::Empty));
        assert_eq!(Digest::of_key(&[b'x'; 256]), Err(KeyError::TooLong(256)));
        for odd in [&b"a b"[..], b"\t", "é".as_bytes(), b"a\x7f", b"\xff"] {
            assert_eq!(Digest::of_key(odd), Err(KeyError::NotVisible), "{odd:?}");
        }
    }

    #[test]
    fn no_two_rows_of_texts_have_one_digest() {
        let rows: [&[&[u8]]; 5] = [&[], &[b""], &[b"ab", b"c"], &[b"a", b"bc"], &[b"abc"]];
        for (n, one) in rows.iter().enumerate() {
            for other in rows.iter().skip(n + 1) {
                assert_ne!(Digest::of(one), Digest::of(other));
            }
        }
    }

    #[test]
    fn an_answer_is_for_who_may_do_what_its_first_asker_might() {
        let asked = Digest::of(&[b"POST"]);
        let (some, all) = (Permissions::from(Permission::CreateChannel), Permissions::OWNER);
        let call = |asked, permissions| KeyedCall {
            scope: KeyScope::Operator,
            key: Digest::of(&[b"k"]),
            call: FirstCall { asked, permissions },
        };
        let first = FirstCall { asked, permissions: some };
        assert_eq!(call(asked, some).repeats(&first), Ok(()));
        assert_eq!(call(asked, all).repeats(&first), Ok(()));
        let other = call(Digest::of(&[b"PUT"]), some).repeats(&first);
        assert_eq!(other, Err(Reused::AnotherCall));
        let first = FirstCall { asked, permissions: all };
        assert_eq!(call(asked, some).repeats(&first), Err(Reused::MorePermissions));
    }
}
