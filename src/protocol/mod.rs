//! How Leap looks on the wire, free of input and output (`wire.md`, Socket; `client-facts.md` §2).
//!
//! Frames are decoded into [`command::Command`]s and encoded from [`dispatch::Dispatch`]es; the per-connection rules
//! are the [`machine::Machine`], which takes the time as an argument and returns what to do.

pub mod close;
pub mod command;
pub mod dispatch;
pub mod extension;
pub mod frame;
pub mod machine;
pub mod opcode;
pub mod rate;
pub mod refusal;

pub use close::{Close, CloseCode};
pub use command::{Command, DecodeError, Frame, Identify};
pub use dispatch::{Dispatch, ErrorCode, Event, PresentMember, Profile, Scope};
pub use extension::{Extension, Extensions};
pub use machine::{Action, Machine, Timing};
pub use opcode::Opcode;
pub use rate::Rate;
pub use refusal::Refusal;
