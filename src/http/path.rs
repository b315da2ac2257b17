//! Paths: crooked ones are straightened before routing, and their parts are decoded strictly.

use super::error::ApiError;
use crate::domain::{ChannelId, ConnectionId, EventId, JwtKeyId, LeapTokenId, Subject, WebhookId};
use actix_web::dev::{Path, ServiceRequest, Url};
use actix_web::http::Uri;
use actix_web::http::uri::PathAndQuery;
use serde::Deserialize;
use std::borrow::Cow;

/// The parts of a path, decoded; empty where the route has no such part.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct PathParts {
    /// A project's id or `@this`.
    pub(crate) project: String,
    /// A channel's id, not yet checked.
    channel: String,
    /// A leap token, or the handle of a project token.
    pub(crate) token: String,
    /// A webhook's id.
    webhook: String,
    /// A connection's public id.
    cid: String,
    /// The id of an event that a webhook was sent.
    delivery: String,
    /// A mail's id, not yet checked.
    pub(crate) message: String,
    /// The id of a key for JSON Web Tokens.
    key: String,
    /// A subject of such tokens.
    subject: String,
}

impl PathParts {
    /// Decodes the parts of a path that was matched with its route.
    ///
    /// # Errors
    /// [`ApiError::InvalidId`] where the escapes do not spell UTF-8; actix-web would put replacement characters there,
    /// and two different paths would mean one channel.
    pub(crate) fn of(matched: &Path<Url>) -> Result<Self, ApiError> {
        if std::str::from_utf8(&unescaped(matched.get_ref().uri().path())).is_err() {
            return Err(ApiError::InvalidId("the path is not valid UTF-8".to_owned()));
        }
        matched.load().map_err(|error| ApiError::InvalidId(error.to_string()))
    }

    /// The channel's id.
    ///
    /// # Errors
    /// [`ApiError::InvalidId`] names the rule that it breaks.
    pub(crate) fn channel(&self) -> Result<ChannelId, ApiError> {
        Ok(ChannelId::parse(&self.channel)?)
    }

    /// The leap token's id; whether there is one, the store knows.
    pub(crate) fn token(&self) -> LeapTokenId {
        LeapTokenId::from(self.token.as_str())
    }

    /// The connection's public id; whether there is one, its thread knows.
    pub(crate) fn connection(&self) -> ConnectionId {
        ConnectionId::from(self.cid.as_str())
    }

    /// The event's id; whether the webhook was sent it, the store knows.
    pub(crate) fn delivery(&self) -> EventId {
        EventId::from(self.delivery.as_str())
    }

    /// The id of a key for JSON Web Tokens; whether there is one, the store knows.
    pub(crate) fn jwt_key(&self) -> JwtKeyId {
        JwtKeyId::from(self.key.as_str())
    }

    /// The subject; whether it was revoked, the store knows.
    pub(crate) fn subject(&self) -> Subject {
        Subject::trusted(&self.subject)
    }

    /// The webhook's id; whether there is one, the store knows.
    pub(crate) fn webhook(&self) -> WebhookId {
        WebhookId::from(self.webhook.as_str())
    }
}

/// Decodes percent escapes; a malformed one stays as it is.
fn unescaped(path: &str) -> Cow<'_, [u8]> {
    if !path.contains('%') {
        return Cow::Borrowed(path.as_bytes());
    }
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        if byte == b'%'
            && let Some(value) = escaped(behind)
        {
            decoded.push(value);
            rest = behind.get(2..).unwrap_or_default();
        } else {
            decoded.push(byte);
            rest = behind;
        }
    }
    Cow::Owned(decoded)
}

/// The byte that the two hex digits behind a percent sign spell.
fn escaped(behind: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(behind.get(..2)?).ok()?;
    if digits.starts_with('+') { None } else { u8::from_str_radix(digits, 16).ok() }
}

/// Rewrites a crooked path before it is routed.
pub(crate) fn straighten(request: &mut ServiceRequest) {
    let Some(path) = straightened(request.uri().path()) else { return };
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let Ok(whole) = PathAndQuery::try_from(format!("{path}{query}")) else { return };
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = Some(whole);
    let Ok(uri) = Uri::from_parts(parts) else { return };
    request.match_info_mut().get_mut().update(&uri);
    request.head_mut().uri = uri;
}

/// The straight form of a path; none when it is straight already.
///
/// A base URL with a slash at its end gives `//v1/…` in one client and `/v1//channels` in another, and the `hop` crate
/// leaves a slash out of its token routes: `/v1channels/tokens`.
pub(super) fn straightened(path: &str) -> Option<String> {
    let glued = |path: &str| path.strip_prefix("/v1channels").map(str::to_owned);
    let is_glued = |rest: &String| rest.is_empty() || rest.starts_with('/');
    let single = path.contains("//").then(|| collapsed(path));
    let current = single.as_deref().unwrap_or(path);
    match glued(current).filter(is_glued) {
        Some(rest) => Some(format!("/v1/channels{rest}")),
        None => single,
    }
}

/// The path with one slash in the place of several.
fn collapsed(path: &str) -> String {
    let mut single = String::with_capacity(path.len());
    for letter in path.chars() {
        if letter != '/' || !single.ends_with('/') {
            single.push(letter);
        }
    }
    single
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crooked_paths_are_straightened() {
        for (crooked, straight) in [
            ("//v1/channels", "/v1/channels"),
            ("/v1//channels///a", "/v1/channels/a"),
            ("/v1channels/tokens", "/v1/channels/tokens"),
            ("/v1channels", "/v1/channels"),
            ("//v1channels//a", "/v1/channels/a"),
            ("//", "/"),
        ] {
            assert_eq!(straightened(crooked).as_deref(), Some(straight), "{crooked}");
        }
        for straight in ["/v1/channels", "/", "", "*", "/v1channelsx", "/v1/channels/a%2F%2Fb"] {
            assert_eq!(straightened(straight), None, "{straight}");
        }
    }

    #[test]
    fn escapes_are_decoded_once_and_malformed_ones_stay() {
        assert_eq!(*unescaped("/a%20b%2541"), *b"/a b%41");
        assert_eq!(*unescaped("50%"), *b"50%");
        assert_eq!(*unescaped("%zz%+1%f"), *b"%zz%+1%f");
        assert!(std::str::from_utf8(&unescaped("%ff")).is_err());
    }
}
