//! Leap tokens: one user of a project's app.

use super::{LeapTokenId, ProjectId, RawJson, Timestamp};

/// A leap token as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeapToken {
    /// Id and secret in one.
    pub id: LeapTokenId,
    /// The project that it belongs to.
    pub project: ProjectId,
    /// Its state, any JSON value: what INIT calls metadata.
    pub state: RawJson,
    /// When it stops working; never, if none.
    pub expires_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
}

impl LeapToken {
    /// Whether the token no longer works at `now`.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// The state as INIT may carry it: clients of Hop fail on anything but an object or null.
    pub fn metadata(&self) -> RawJson {
        if self.state.is_object() { self.state.clone() } else { RawJson::null() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A token with this state and expiry.
    fn token(state: &str, expires_at: Option<i64>) -> LeapToken {
        LeapToken {
            id: LeapTokenId::from("leap_token_x"),
            project: ProjectId::from("project_x"),
            state: RawJson::parse(state).unwrap(),
            expires_at: expires_at.map(Timestamp),
            created_at: Timestamp(0),
        }
    }

    #[test]
    fn metadata_is_an_object_or_null() {
        assert_eq!(token(r#" {"id":1}"#, None).metadata().as_str(), r#"{"id":1}"#);
        for other in ["[1]", "\"x\"", "7", "null"] {
            assert_eq!(token(other, None).metadata().as_str(), "null");
        }
    }

    #[test]
    fn expiry_counts_from_its_very_moment() {
        assert!(!token("{}", Some(10)).is_expired(Timestamp(9)));
        assert!(token("{}", Some(10)).is_expired(Timestamp(10)));
        assert!(!token("{}", None).is_expired(Timestamp(i64::MAX)));
    }
}
