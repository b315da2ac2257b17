//! Who puts in order what is said on lines.
//!
//! Whoever has something to say proposes it; the bus says where it stands; what it hands back is applied, here and
//! wherever else somebody stands on the line. One server alone orders by itself ([`Local`]): a function call in the same
//! step. No I/O here.

pub mod error;
pub mod others;
#[cfg(feature = "redis")]
pub mod redis;
pub mod shared;

use crate::domain::{Message, Position, State, Version};
use crate::line::Line;

/// What a line says.
#[derive(Clone, Debug)]
pub enum LineEntry {
    /// A message: nobody but those who hear it now, or come back for it, will ever know of it.
    Message(Message),
    /// A state that is in the store; versions are the store's, and a line shows them in no other order.
    State {
        /// The whole state.
        state: State,
        /// Its number.
        version: Version,
    },
    /// A message that the store keeps, in its place on the store's line, which alone counts.
    Kept {
        /// That place.
        position: Position,
        /// The message.
        message: Message,
    },
    /// A state of a channel whose line the store counts, in its place there.
    KeptState {
        /// That place.
        position: Position,
        /// The whole state.
        state: State,
        /// Its number.
        version: Version,
    },
    /// Something else of the channel is another in the store by now: whoever hears this reads it again.
    Reread,
}

/// An entry that has its place.
#[derive(Clone, Debug)]
pub struct Ordered {
    /// Where it stands.
    pub position: Position,
    /// The entry.
    pub entry: LineEntry,
}

/// Puts entries in order.
pub trait Bus {
    /// Takes an entry for a line. Returns it in its place where that is known at once; else it comes later, like those
    /// that others proposed.
    fn propose(&mut self, line: &Line, entry: LineEntry) -> Option<Ordered>;
}

/// The order of a server that is alone: everything stands behind what was applied last.
#[derive(Clone, Copy, Debug, Default)]
pub struct Local;

impl Bus for Local {
    fn propose(&mut self, line: &Line, entry: LineEntry) -> Option<Ordered> {
        Some(Ordered { position: line.position().next(), entry })
    }
}
