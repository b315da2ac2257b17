//! What a leap token is created from and changed by.

use super::error::ApiError;
use super::fields::Fields;
use crate::domain::presence::{MAX_PUBLIC_BYTES, too_public};
use crate::domain::{ChannelId, RawJson, Timestamp};
use crate::store::TokenUpdate;
use serde_json::value::RawValue;

/// The most default channels of one token.
pub(super) const MAX_CHANNELS: usize = 1000;
/// The fields that a token is made from.
pub(super) const NEW_FIELDS: &[&str] = &["state", "expires_at", "channels"];
/// Those of them that can be changed.
pub(super) const UPDATE_FIELDS: &[&str] = &["state", "expires_at"];

/// A token to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewToken {
    /// Its state; `{}` where none is given.
    pub state: RawJson,
    /// When it stops working; never, if none.
    pub expires_at: Option<Timestamp>,
    /// What it is subscribed to for good.
    pub permanent: Vec<ChannelId>,
    /// What its session is subscribed to.
    pub ephemeral: Vec<ChannelId>,
}

impl Default for NewToken {
    /// An empty state, no end, no channels.
    fn default() -> Self {
        let state = RawJson::trusted("{}");
        Self { state, expires_at: None, permanent: Vec::new(), ephemeral: Vec::new() }
    }
}

impl NewToken {
    /// Refuses a state of more bytes than this, or one that shows too much.
    ///
    /// # Errors
    /// [`ApiError::TooLarge`], [`ApiError::PublicTooLarge`].
    pub(crate) fn check(&self, limit: usize) -> Result<(), ApiError> {
        let size = self.state.as_str().len();
        if size > limit {
            return Err(ApiError::TooLarge { limit, size });
        }
        shown(&self.state)
    }

    /// Reads `{state?, expires_at?, channels?}`.
    ///
    /// # Errors
    /// [`ApiError::InvalidBody`], [`ApiError::TooLarge`], [`ApiError::PublicTooLarge`], [`ApiError::InvalidId`].
    pub(crate) fn parse(text: &str, limit: usize) -> Result<Self, ApiError> {
        let fields = Fields::parse(text, NEW_FIELDS)?;
        let (mut permanent, mut ephemeral) = (Vec::new(), Vec::new());
        for item in fields.items("channels", MAX_CHANNELS)?.unwrap_or_default() {
            let (id, is_ephemeral) = default_channel(item)?;
            let list = if is_ephemeral { &mut ephemeral } else { &mut permanent };
            if !list.contains(&id) {
                list.push(id);
            }
        }
        // The permanent kind wins.
        ephemeral.retain(|id| !permanent.contains(id));
        Ok(Self {
            state: state(&fields, limit)?.unwrap_or_else(|| RawJson::trusted("{}")),
            expires_at: fields.timestamp("expires_at")?,
            permanent,
            ephemeral,
        })
    }
}

/// Reads `{state?, expires_at?}`. A `null` state stays what it was, while a `null` expiry means none: the `hop` crate
/// always sends both, and there is no other way to take an expiry back.
///
/// # Errors
/// [`ApiError::InvalidBody`], [`ApiError::TooLarge`], [`ApiError::PublicTooLarge`].
pub(crate) fn update(text: &str, limit: usize) -> Result<TokenUpdate, ApiError> {
    let fields = Fields::parse(text, UPDATE_FIELDS)?;
    let expires_at = fields.timestamp("expires_at")?;
    Ok(TokenUpdate {
        state: state(&fields, limit)?,
        expires_at: fields.raw("expires_at").map(|_| expires_at),
    })
}

/// The field `state`: any JSON of at most `limit` bytes that does not show too much; none where it is missing or `null`.
fn state(fields: &Fields<'_>, limit: usize) -> Result<Option<RawJson>, ApiError> {
    let Some(raw) = fields.given("state") else { return Ok(None) };
    let size = raw.get().len();
    if size > limit {
        return Err(ApiError::TooLarge { limit, size });
    }
    let state = fields.json("state")?;
    state.as_ref().map_or(Ok(()), shown)?;
    Ok(state)
}

/// Refuses a state with more under `public` than presence shows.
fn shown(state: &RawJson) -> Result<(), ApiError> {
    let refused = |size| ApiError::PublicTooLarge { limit: MAX_PUBLIC_BYTES, size };
    too_public(state).map_or(Ok(()), |size| Err(refused(size)))
}

/// A default channel: its id, or `{id, ephemeral?}`.
fn default_channel(item: &RawValue) -> Result<(ChannelId, bool), ApiError> {
    let refused = || ApiError::field("channels", "must hold channel ids or {id, ephemeral}");
    let checked = |id: &str| {
        ChannelId::parse(id).map_err(|error| ApiError::field("channels", format!("{error}")))
    };
    if let Ok(id) = serde_json::from_str::<String>(item.get()) {
        return Ok((checked(&id)?, false));
    }
    if !item.get().starts_with('{') {
        return Err(refused());
    }
    let fields = Fields::parse(item.get(), &["id", "ephemeral"])?;
    let id: String = fields.typed("id", "must be a channel id")?.ok_or_else(refused)?;
    let is_ephemeral = fields.typed("ephemeral", "must be true or false")?.unwrap_or(false);
    Ok((checked(&id)?, is_ephemeral))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_of_nothing_has_an_empty_state() {
        for text in ["", "null", "{}", r#"{"state":null,"expires_at":null,"channels":null}"#] {
            let token = NewToken::parse(text, 100).unwrap();
            assert_eq!((token.state.as_str(), token.expires_at), ("{}", None), "{text}");
        }
    }

    #[test]
    fn default_channels_are_ids_or_objects() {
        let text = r#"{"state":7,"channels":["a","a",{"id":"b","ephemeral":true},{"id":"c"},
            {"id":"a","ephemeral":true}]}"#;
        let token = NewToken::parse(text, 100).unwrap();
        let ids =
            |list: &[ChannelId]| list.iter().map(|i| i.as_str().to_owned()).collect::<Vec<_>>();
        assert_eq!(ids(&token.permanent), ["a", "c"]);
        assert_eq!(ids(&token.ephemeral), ["b"]);
        assert_eq!(token.state.as_str(), "7");
    }

    #[test]
    fn broken_tokens_are_refused() {
        for text in [
            r#"{"expires_at":"soon"}"#,
            r#"{"expires_at":1}"#,
            r#"{"channels":"a"}"#,
            r#"{"channels":[1]}"#,
            r#"{"channels":[null]}"#,
            r#"{"channels":[{}]}"#,
            r#"{"channels":[{"id":"a","ephemeral":"yes"}]}"#,
            r#"{"channels":["a/b"]}"#,
            "[]",
        ] {
            let refused = NewToken::parse(text, 100);
            assert!(matches!(refused, Err(ApiError::InvalidBody { .. })), "{text}");
        }
        let large = NewToken::parse(r#"{"state":"12345"}"#, 6);
        assert_eq!(large, Err(ApiError::TooLarge { limit: 6, size: 7 }));
    }

    #[test]
    fn null_takes_an_expiry_back_and_leaves_a_state() {
        let both = update(r#"{"state":null,"expires_at":null}"#, 100).unwrap();
        assert_eq!(both, TokenUpdate { state: None, expires_at: Some(None) });
        assert_eq!(update("{}", 100).unwrap(), TokenUpdate::default());
        let dated = update(r#"{"expires_at":"1970-01-01T00:00:01Z"}"#, 100).unwrap();
        assert_eq!(dated.expires_at, Some(Some(Timestamp(1000))));
    }
}
