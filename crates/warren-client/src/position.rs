//! Positions: how far a line was heard. They are to be kept and handed back; nothing in them is to be read.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Where something stands on its line: an opaque text of the server's.
///
/// There is no order between positions that a client could work out. There is none needed: on one connection the server
/// says what a line says in its order, and whoever goes on from a position is sent only what came after it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(Arc<str>);

impl Position {
    /// The text, to be stored and read again with [`From`].
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Position {
    /// Whether it is of another stretch of the line than that one: then what was between the two cannot be known. The only
    /// place that looks into positions, and only to tell more than the server did; of a form that this does not know, no.
    pub(crate) fn is_of_another_stretch(&self, other: &Self) -> bool {
        let epoch =
            |position: &Self| position.0.rsplit_once('-').map(|(epoch, _)| epoch.to_owned());
        epoch(self).zip(epoch(other)).is_some_and(|(one, other)| one != other)
    }
}

impl From<&str> for Position {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How far a client has come on all its lines: what an application stores to go on after it was restarted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Positions {
    /// Of each channel, by its id.
    pub channels: BTreeMap<String, Position>,
    /// Of the token's own line: direct messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direct: Option<Position>,
    /// The mails that were read last, by their ids: those that a server that was killed may not know to be delivered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mails: Vec<Arc<str>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_is_told_from_another_and_unknown_forms_are_not() {
        let is_other = |one: &str, other: &str| {
            Position::from(one).is_of_another_stretch(&Position::from(other))
        };
        assert!(is_other("a-1", "b-1"));
        assert!(!is_other("a-1", "a-2") && !is_other("x", "y") && !is_other("a-1", "y"));
    }

    #[test]
    fn positions_are_stored_and_read_again() {
        let positions = Positions {
            channels: [("room".to_owned(), Position::from("a1-7"))].into(),
            ..Positions::default()
        };
        let text = serde_json::to_string(&positions).unwrap();
        assert_eq!(text, r#"{"channels":{"room":"a1-7"}}"#);
        assert_eq!(serde_json::from_str::<Positions>(&text).unwrap(), positions);
        assert_eq!(serde_json::from_str::<Positions>("{}").unwrap(), Positions::default());
    }
}
