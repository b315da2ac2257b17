//! What a stream tells.

use crate::error::Error;
use crate::position::Position;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::sync::Arc;

/// One thing that a channel, or a token's own line, tells; in the line's order.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A message. Each comes once.
    Message(Message),
    /// Messages may be missing here, nobody knows how many. State and presence are told afresh.
    Gap,
    /// The state was shown or changed.
    State(State),
    /// Somebody came, went or shows something else (channels with the capability `PRESENCE`).
    Presence(Presence),
}

/// A message.
#[derive(Clone, Debug)]
pub struct Message {
    /// The name that it was published under.
    pub event: String,
    /// Where it stands on its line; none where the server says no positions, and of a message to this connection alone.
    pub position: Option<Position>,
    /// Which mail it is, as its sender was told it: a direct message that waited on the server (`ttl`).
    pub mail: Option<Arc<str>>,
    /// What was published, as it was written.
    pub(crate) raw: Arc<RawValue>,
}

impl Message {
    /// What was published, as a type.
    ///
    /// # Errors
    /// [`Error::Json`] where it is something else.
    pub fn data<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Error> {
        Ok(serde_json::from_str(self.raw.get())?)
    }

    /// What was published, as JSON text, to the letter.
    pub fn json(&self) -> &str {
        self.raw.get()
    }
}

/// A state at one version.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// The object.
    pub value: Arc<Value>,
    /// Which one it is; none where the server says no versions.
    pub version: Option<u64>,
}

impl State {
    /// The state, as a type.
    ///
    /// # Errors
    /// [`Error::Json`] where it is something else.
    pub fn get<T: for<'a> Deserialize<'a>>(&self) -> Result<T, Error> {
        Ok(T::deserialize(&*self.value)?)
    }
}

/// Somebody who is in a channel.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Member {
    /// Stable, and never the token.
    pub id: String,
    /// The object under `public` of the token's state.
    #[serde(default)]
    pub data: Value,
    /// How many connections the member has.
    #[serde(default)]
    pub connections: u64,
    /// Since when, RFC 3339.
    #[serde(default)]
    pub since: String,
}

/// A change of who is in a channel.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Presence {
    /// The whole list is known.
    All,
    /// Somebody came.
    Joined(Member),
    /// Somebody went.
    Left(Member),
    /// Somebody shows something else.
    Updated(Member),
}

/// What the server said of something that it carried out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// That of the changed state.
    pub version: Option<u64>,
    /// Where the message stands on its line, if the server says so.
    pub position: Option<Position>,
}
