//! Who is in a channel, as others may see it.

use super::{LeapTokenId, RawJson};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::Arc;

/// How many bytes of a hash make a member's id: too many to meet by chance.
const ID_BYTES: usize = 16;

/// The most bytes of JSON that a member may show of itself: two fit into one piece of a list of members.
pub const MAX_PUBLIC_BYTES: usize = 32 * 1024;

/// One member: a session, seen from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// `member_…`: stable for a token, and never the token itself, which is a secret.
    pub id: Arc<str>,
    /// The object under `public` in the token's state, or null.
    pub data: RawJson,
    /// The token, for callers that may read tokens; none for a session without one.
    pub token: Option<LeapTokenId>,
}

impl Member {
    /// The member that a token is.
    pub fn of_token(token: &LeapTokenId, state: &RawJson) -> Self {
        let (id, data) = (member_id(token.as_str()), public_part(state));
        Self { id, data, token: Some(token.clone()) }
    }

    /// The member that a session without a leap token is; `seed` must be unguessable and its own.
    pub fn of_session(seed: &str) -> Self {
        Self { id: member_id(seed), data: RawJson::null(), token: None }
    }
}

/// A part of a hash: a token has 128 random bits, so that nobody finds it by trying.
fn member_id(secret: &str) -> Arc<str> {
    let hash = Sha256::new().chain_update(b"member:").chain_update(secret.as_bytes()).finalize();
    let part: Vec<u8> = hash.into_iter().take(ID_BYTES).collect();
    Arc::from(format!("member_{}", URL_SAFE_NO_PAD.encode(part)))
}

/// How many bytes a token's state would show under `public`, where those are more than [`MAX_PUBLIC_BYTES`].
pub fn too_public(state: &RawJson) -> Option<usize> {
    // A part is no larger than the whole: most states need not be read for this.
    let size = (state.as_str().len() > MAX_PUBLIC_BYTES).then(|| public_part(state).as_str().len());
    size.filter(|size| *size > MAX_PUBLIC_BYTES)
}

/// Whether a token may have this state: within so many bytes, of which 0 is no bound, and not too public.
pub fn fits_token(state: &RawJson, most: usize) -> bool {
    (most == 0 || state.as_str().len() <= most) && too_public(state).is_none()
}

/// The object under `public`.
fn public_part(state: &RawJson) -> RawJson {
    let members: Option<HashMap<String, &RawValue>> = serde_json::from_str(state.as_str()).ok();
    let public = members.and_then(|members| members.get("public").copied());
    public
        .filter(|value| value.get().starts_with('{'))
        .map_or_else(RawJson::null, |value| RawJson::trusted(value.get()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The member of a token with this state.
    fn member(state: &str) -> Member {
        Member::of_token(&LeapTokenId::from("leap_token_x"), &RawJson::parse(state).unwrap())
    }

    #[test]
    fn a_member_is_stable_and_is_not_the_token() {
        let (one, other) = (member("{}"), member(r#"{"public":{"a":1}}"#));
        assert_eq!(one.id, other.id);
        assert!(one.id.starts_with("member_") && !one.id.contains("leap_token_x"));
        assert_ne!(one.id, Member::of_session("leap_token_y").id);
    }

    #[test]
    fn what_is_shown_is_bounded_and_what_is_not_is_not() {
        let state = |key: &str, bytes: usize| {
            let text = format!(r#"{{"{key}":{{"x":"{}"}}}}"#, "x".repeat(bytes - 8));
            RawJson::parse(&text).unwrap()
        };
        assert_eq!(too_public(&state("public", MAX_PUBLIC_BYTES)), None);
        let over = MAX_PUBLIC_BYTES + 1;
        assert_eq!(too_public(&state("public", over)), Some(over));
        assert_eq!(too_public(&state("secret", over)), None);
    }

    #[test]
    fn only_a_public_object_is_shown() {
        assert_eq!(
            member(r#"{"secret":1,"public":{"name":"é"}}"#).data.as_str(),
            r#"{"name":"é"}"#
        );
        for state in ["{}", "[]", "null", r#"{"public":"x"}"#, r#"{"public":null}"#] {
            assert_eq!(member(state).data.as_str(), "null", "{state}");
        }
    }
}
