//! Texts that are shown nowhere.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A token; printed for debugging, nothing of it is seen.
#[derive(Clone, Deserialize, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct SecretText(String);

impl SecretText {
    /// The text itself, for whom it is.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// A new project token.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn new_project_token() -> Result<Self, getrandom::Error> {
        let mut random = [0; 16];
        getrandom::fill(&mut random)?;
        Ok(Self(format!("ptk_{:032x}", u128::from_be_bytes(random))))
    }
}

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn project_tokens_are_long_and_no_two_are_the_same() {
        let token = || SecretText::new_project_token().unwrap();
        assert_eq!(token().reveal().len(), "ptk_".len() + 32);
        assert!(token().reveal().starts_with("ptk_"));
        assert_ne!(token(), token());
    }

    #[test]
    fn nothing_of_it_is_printed() {
        let secret = SecretText::from("ptk_x".to_owned());
        assert_eq!(format!("{secret:?}"), "(hidden)");
    }
}
