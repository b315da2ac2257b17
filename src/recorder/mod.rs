//! The flight recorder: what was said and done in a project during the last minutes, for who looks at it
//! (`docs/adr/0025-the-flight-recorder.md`).
//!
//! Whoever has something to record holds a [`Tape`] of its project and asks it first whether anything is recorded, which is
//! one read of a word that nobody writes meanwhile. What is recorded goes into the lane of the thread: bounded in bytes, the
//! oldest of whichever project has most go first. Nothing here is stored, and nobody waits for it.

mod connection;
mod entry;
mod flight_recorder;
mod lane;
mod looking;
mod page;
mod project;
mod rules;
mod tape;
mod watching;

pub use connection::ConnectionTape;
pub use entry::{AnsweredCall, RecordEntry, RecordKind, Recorded, RecordedBody, RecordedFacts};
pub use flight_recorder::{FlightRecorder, RecorderBounds, RecorderSettings};
pub use looking::{Chosen, LookNews, Looker};
pub use page::{RecordPage, RecordQuery};
pub use rules::{RecordRules, RuleError};
pub use tape::Tape;
pub use watching::{MAX_WATCHERS, Watching};
