//! Reads what scripts answer: a word, then texts.

use crate::bus::redis::WireError;
use std::str::FromStr;

/// What a script answered, from its front.
pub(super) struct ScriptAnswer {
    /// What is still to be read.
    texts: std::vec::IntoIter<String>,
}

impl ScriptAnswer {
    /// That answer.
    pub(super) fn new(texts: Vec<String>) -> Self {
        Self { texts: texts.into_iter() }
    }

    /// The next text.
    ///
    /// # Errors
    /// [`WireError::Garbled`] at the end.
    pub(super) fn text(&mut self) -> Result<String, WireError> {
        self.texts.next().ok_or(WireError::Garbled)
    }

    /// The next text as something.
    ///
    /// # Errors
    /// [`WireError::Garbled`] if it is none, and at the end.
    pub(super) fn value<T: FromStr>(&mut self) -> Result<T, WireError> {
        self.text()?.parse().ok().ok_or(WireError::Garbled)
    }

    /// The next two texts; none at the end.
    pub(super) fn pair(&mut self) -> Option<(String, String)> {
        Some((self.texts.next()?, self.texts.next()?))
    }
}
