//! Identifiers: `prefix_` and a part that is sortable or unguessable.
//!
//! The readable kind is unpadded base64url of a decimal snowflake; the secret kind, of `s_<32 hex digits>_<snowflake>`,
//! so that it carries 128 random bits. Ids that clients bring along are checked only as far as a rule needs it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Serialize, Serializer};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The first millisecond of Hop's snowflakes, since the Unix epoch.
const SNOWFLAKE_EPOCH_MS: i64 = 1_650_153_600_000;
/// The lowest bits of a snowflake: 10 of the node and 12 of a sequence.
const SNOWFLAKE_SHIFT: u32 = 22;
/// The longest channel id, in bytes of UTF-8 (`docs/PROTOCOL.md`, Things).
pub const CHANNEL_ID_MAX_BYTES: usize = 256;

/// Why a text is no valid channel id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The empty text.
    #[error("a channel id must not be empty")]
    Empty,
    /// More than [`CHANNEL_ID_MAX_BYTES`]; carries the actual number of bytes.
    #[error("a channel id has at most {CHANNEL_ID_MAX_BYTES} bytes, this one has {0}")]
    TooLong(usize),
    /// A control character or one of `/ \ ? # %`.
    #[error("a channel id must not contain {0:?}")]
    Forbidden(char),
    /// A word that the API's own paths need.
    #[error("{0:?} is reserved and cannot be a channel id")]
    Reserved(String),
}

/// Defines an identifier: a shared text that is cheap to clone.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
    };
}

/// An id as every database can be asked for it: a zero byte is no text for some. No id of ours has one, nor what stands in its
/// place here, so nothing is found either way.
fn writable(text: &str) -> Arc<str> {
    if text.contains('\0') { Arc::from(text.replace('\0', "\u{fffd}")) } else { Arc::from(text) }
}

/// Defines an identifier of ours: taken as it comes, shown in logs.
macro_rules! open_id {
    ($(#[$doc:meta])* $name:ident) => {
        id!($(#[$doc])* $name);

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(writable(text))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

open_id!(
    /// `project_…`: the tenant.
    ProjectId
);
open_id!(
    /// `ptkid_…`: the handle of a project token, which is no secret.
    ProjectTokenId
);
open_id!(
    /// `pat_id_…`: the handle of an admin token, which is no secret; clients want the `pat_` in front.
    AdminTokenId
);
open_id!(
    /// `session_…`: what the live connections of one token share.
    SessionId
);
open_id!(
    /// `cid`: one socket.
    ConnectionId
);
open_id!(
    /// `webhook_…`.
    WebhookId
);
open_id!(
    /// `jwtkey_…`: the handle of a key for JSON Web Tokens, which is no secret.
    JwtKeyId
);
open_id!(
    /// `event_…`: something that webhooks hear of.
    EventId
);
id!(
    /// `leap_token_…`: id and secret in one, therefore never printed.
    LeapTokenId
);
id!(
    /// A channel's name, unique in its project; chosen by its creator or `channel_…`.
    ChannelId
);

impl From<&str> for LeapTokenId {
    fn from(text: &str) -> Self {
        Self(writable(text))
    }
}

impl fmt::Debug for LeapTokenId {
    /// Hides the secret: logs and panics must not carry it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("leap_token_***")
    }
}

impl ChannelId {
    /// Checks and takes a channel id (`docs/PROTOCOL.md`, Things).
    ///
    /// # Errors
    /// [`IdError`] names the rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        if text.is_empty() {
            return Err(IdError::Empty);
        }
        if text.len() > CHANNEL_ID_MAX_BYTES {
            return Err(IdError::TooLong(text.len()));
        }
        let forbidden = |c: &char| c.is_control() || matches!(c, '/' | '\\' | '?' | '#' | '%');
        if let Some(found) = text.chars().find(forbidden) {
            return Err(IdError::Forbidden(found));
        }
        if matches!(text, "tokens" | "connections" | "." | "..") {
            return Err(IdError::Reserved(text.to_owned()));
        }
        Ok(Self(Arc::from(text)))
    }

    /// Takes an id that was checked when it was stored.
    pub fn trusted(text: &str) -> Self {
        Self(Arc::from(text))
    }
}

impl fmt::Debug for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Makes ids that rise with time, also when the wall clock steps back.
#[derive(Debug, Default)]
pub struct Minter {
    /// The last snowflake given out.
    last: AtomicU64,
}

impl Minter {
    /// A minter that starts with the clock.
    pub const fn new() -> Self {
        Self { last: AtomicU64::new(0) }
    }

    /// The next snowflake: the time of `now_ms` where the clock allows it, else one more than the last.
    fn snowflake(&self, now_ms: i64) -> u64 {
        let since = u64::try_from(now_ms.saturating_sub(SNOWFLAKE_EPOCH_MS)).unwrap_or(0);
        let fresh = since << SNOWFLAKE_SHIFT;
        let last = self
            .last
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(fresh.max(last + 1)))
            .unwrap_or(fresh);
        fresh.max(last + 1)
    }

    /// A readable id, `prefix_…`.
    pub fn readable(&self, prefix: &str, now_ms: i64) -> String {
        format!("{prefix}_{}", URL_SAFE_NO_PAD.encode(self.snowflake(now_ms).to_string()))
    }

    /// A secret id, `prefix_…`, with 128 random bits.
    pub fn secret(&self, prefix: &str, now_ms: i64, random: [u8; 16]) -> String {
        let hex = u128::from_be_bytes(random);
        let inner = format!("s_{hex:032x}_{}", self.snowflake(now_ms));
        format!("{prefix}_{}", URL_SAFE_NO_PAD.encode(inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_id_of_ours_has_a_zero_byte() {
        assert_eq!(LeapTokenId::from("a\0b").as_str(), "a\u{fffd}b");
        assert_eq!(WebhookId::from("\0").as_str(), "\u{fffd}");
        assert_eq!(ProjectId::from("project_x").as_str(), "project_x");
    }

    #[test]
    fn channel_ids_of_real_apps_are_taken() {
        for id in [
            "poker_clx1",
            "game-C204",
            "0.8f3a",
            "a:b",
            "a b",
            "é☃",
            "project_MzA0",
            &"x".repeat(256),
        ] {
            assert_eq!(ChannelId::parse(id).unwrap().as_str(), id);
        }
    }

    #[test]
    fn broken_channel_ids_are_refused_by_their_rule() {
        assert_eq!(ChannelId::parse(""), Err(IdError::Empty));
        assert_eq!(ChannelId::parse(&"x".repeat(257)), Err(IdError::TooLong(257)));
        for (id, found) in [
            ("a/b", '/'),
            ("a\\b", '\\'),
            ("a?b", '?'),
            ("a#", '#'),
            ("50%", '%'),
            ("a\nb", '\n'),
            ("\u{85}", '\u{85}'),
        ] {
            assert_eq!(ChannelId::parse(id), Err(IdError::Forbidden(found)));
        }
        for id in ["tokens", "connections", ".", ".."] {
            assert_eq!(ChannelId::parse(id), Err(IdError::Reserved(id.to_owned())));
        }
    }

    #[test]
    fn snowflakes_rise_when_the_clock_falls() {
        let minter = Minter::new();
        let first = minter.snowflake(1_800_000_000_000);
        let second = minter.snowflake(1_700_000_000_000);
        let third = minter.snowflake(1_800_000_000_001);
        assert!(first < second && second < third);
        assert_eq!(first >> SNOWFLAKE_SHIFT, 1_800_000_000_000 - 1_650_153_600_000);
    }

    #[test]
    fn secret_ids_decode_to_hex_and_snowflake() {
        let id = Minter::new().secret("ptk", 1_700_000_000_000, [7; 16]);
        let inner = URL_SAFE_NO_PAD.decode(id.strip_prefix("ptk_").unwrap()).unwrap();
        let inner = String::from_utf8(inner).unwrap();
        assert!(inner.starts_with(&format!("s_{}_", "07".repeat(16))), "{inner}");
    }

    #[test]
    fn a_leap_token_never_shows_itself() {
        assert_eq!(format!("{:?}", LeapTokenId::from("leap_token_secret")), "leap_token_***");
    }
}
