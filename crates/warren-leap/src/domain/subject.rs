//! Subjects: whom a JSON Web Token speaks of, and the leap token that stands for one (`docs/adr/0027`).
//!
//! The leap token's id is worked out from the project and the subject, so it is no secret, and nobody may identify with it.

use super::{LeapTokenId, ProjectId};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// The longest subject, in bytes of UTF-8.
pub const SUBJECT_MAX_BYTES: usize = 256;
/// What the leap tokens of subjects begin with, and no other does.
const PREFIX: &str = "leap_token_sub_";
/// How many bytes of a project's digest are in such an id.
const PROJECT_BYTES: usize = 12;

/// Why a text is no subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// The empty text.
    #[error("a subject must not be empty")]
    Empty,
    /// More than [`SUBJECT_MAX_BYTES`].
    #[error("a subject has at most {SUBJECT_MAX_BYTES} bytes")]
    TooLong,
    /// A control character.
    #[error("a subject must not contain control characters")]
    Control,
}

/// Whom a token speaks of, in the words of its issuer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(Arc<str>);

impl Subject {
    /// Checks and takes a subject.
    ///
    /// # Errors
    /// [`SubjectError`] names the rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, SubjectError> {
        if text.is_empty() {
            return Err(SubjectError::Empty);
        }
        if text.len() > SUBJECT_MAX_BYTES {
            return Err(SubjectError::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(SubjectError::Control);
        }
        Ok(Self(Arc::from(text)))
    }

    /// Takes one that was checked when it was stored.
    pub fn trusted(text: &str) -> Self {
        Self(Arc::from(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl LeapTokenId {
    /// The leap token that stands for a subject in a project: `leap_token_sub_<project>_<subject>`, the subject in base64url.
    pub fn of_subject(project: &ProjectId, subject: &Subject) -> Self {
        let digest = Sha256::digest(project.as_str().as_bytes());
        let project = URL_SAFE_NO_PAD.encode(digest.get(..PROJECT_BYTES).unwrap_or_default());
        let subject = URL_SAFE_NO_PAD.encode(subject.as_str());
        Self::from(format!("{PREFIX}{project}_{subject}").as_str())
    }

    /// Whether it stands for a subject, so that nobody may identify with it.
    pub fn is_of_subject(&self) -> bool {
        self.as_str().starts_with(PREFIX)
    }

    /// The subject that it stands for; none of a token that a back end made.
    pub fn subject(&self) -> Option<Subject> {
        // Four characters for three bytes; and a character in both alphabets is between.
        let coded = self.as_str().strip_prefix(PREFIX)?.get(PROJECT_BYTES / 3 * 4 + 1..)?;
        let bytes = URL_SAFE_NO_PAD.decode(coded).ok()?;
        Subject::parse(std::str::from_utf8(&bytes).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_breaks_a_rule_is_no_subject() {
        assert_eq!(Subject::parse(""), Err(SubjectError::Empty));
        assert_eq!(Subject::parse(&"x".repeat(257)), Err(SubjectError::TooLong));
        assert_eq!(Subject::parse("a\nb"), Err(SubjectError::Control));
        for text in ["auth0|1", "a/b?c#d%", "é☃", &"x".repeat(256)] {
            assert_eq!(Subject::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn a_token_tells_its_subject_and_is_of_one_project() {
        let subject = Subject::parse("_auth0|é_").unwrap();
        let id = |project| LeapTokenId::of_subject(&ProjectId::from(project), &subject);
        assert_eq!(id("a").subject(), Some(subject.clone()));
        assert_eq!(id("a"), id("a"));
        assert_ne!(id("a"), id("b"));
        assert!(id("a").is_of_subject());
        for other in ["leap_token_c19i", "leap_token_sub_", "leap_token_sub_short", ""] {
            assert_eq!(LeapTokenId::from(other).subject(), None, "{other}");
        }
    }
}
