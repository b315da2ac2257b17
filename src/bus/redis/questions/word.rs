//! A word of one server to others, as JSON.

use serde::{Deserialize, Serialize};

/// The version that is written and read.
const VERSION: u32 = 1;

/// What kind of word it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum WordKind {
    /// A question to all.
    Question,
    /// An answer to who asked.
    Answer,
    /// There is none: too much is being answered, or it is too long.
    Busy,
}

/// A word.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ServerWord {
    /// The version of this form.
    v: u32,
    /// What kind.
    pub(super) kind: WordKind,
    /// Who says it.
    pub(super) from: String,
    /// Which question of the asker's it is about.
    pub(super) call: u64,
    /// What is said.
    pub(super) text: String,
}

impl ServerWord {
    /// A word of this version.
    pub(super) fn new(kind: WordKind, from: &str, call: u64, text: String) -> Self {
        Self { v: VERSION, kind, from: from.to_owned(), call, text }
    }

    /// As it is sent.
    pub(super) fn written(&self) -> String {
        // Nothing in it can fail to be written.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads one; none of another version, or of none.
    pub(super) fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|word: &Self| word.v == VERSION)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let word = ServerWord::new(WordKind::Question, "a", 7, "{\"x\":\"\\n\"}".to_owned());
        let read = ServerWord::read(&word.written()).unwrap();
        assert_eq!((read.kind, read.from.as_str(), read.call), (WordKind::Question, "a", 7));
        assert_eq!(read.text, word.text);
        assert!(ServerWord::read(&word.written().replace("\"v\":1", "\"v\":2")).is_none());
        assert!(ServerWord::read("{").is_none());
    }
}
